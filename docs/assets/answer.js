// The field under an exercise: it says whether a number is right, and of a known slip which one it
// is. What is typed stays in this browser; without scripts there is no field, and the answer below.
(() => {
  "use strict";
  const KEY = "gradbook-answers";
  const kept = () => {
    try { return JSON.parse(localStorage.getItem(KEY)) ?? {}; } catch { return {}; }
  };
  const keep = (answers) => {
    try { localStorage.setItem(KEY, JSON.stringify(answers)); } catch { /* a browser that keeps nothing */ }
  };
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  class Answer extends HTMLElement {
    // A number as people type it, 0.25, 1/4, −2e-3 or 2*10^-3, and NaN for anything else.
    static number(text) {
      const plain = text.replace(/[−–]/g, "-").replace(/\s*[*·×x]\s*10\^?\s*/, "e").replace(/\s/g, "");
      if (!/^[-+]?[\d.]+(e[-+]?\d+)?(\/[-+]?[\d.]+(e[-+]?\d+)?)?$/i.test(plain)) return NaN;
      const [above, below = 1] = plain.split("/").map(Number);
      return above / below;
    }

    // What to say of a number: right, a slip that is known, or on which side it lies.
    static judge({ is, within, slips }, x) {
      const near = (y) => Number.isFinite(y) && Math.abs(x - y) <= (within || 1e-9) * Math.abs(y);
      if (!Number.isFinite(x)) return "That is no number. Type it as 0.25, 1/4 or 2.5e-3.";
      if (near(is)) return "Right.";
      const slip = slips.find(([, number]) => near(number));
      if (slip) return `Not yet: ${slip[0]}.`;
      if (near(-is)) return "Not yet: the size is right, the sign is not.";
      if (near(1 / is)) return "Not yet: that is one over it.";
      if (near(is ** 2)) return "Not yet: that is its square.";
      if (near(Math.sqrt(Math.abs(is)))) return "Not yet: that is its square root.";
      const places = Math.round(Math.log10(x / is));
      if (x / is > 0 && near(is * 10 ** places)) return "Not yet: the point stands at the wrong place.";
      return x > is ? "Not yet: that is too large." : "Not yet: that is too small.";
    }

    connectedCallback() {
      const fields = [...document.querySelectorAll("gb-answer")];
      this.key = `${location.pathname} ${fields.indexOf(this)}`;
      this.data = JSON.parse(this.dataset.answer);
      const id = `answer-${fields.indexOf(this) + 1}`;
      this.field = make("input", { id, autocomplete: "off", spellcheck: "false", size: "10" });
      this.said = make("output", { for: id, role: "status" });
      const check = make("button", { type: "submit" }, "Check");
      const clear = make("button", { type: "reset" }, "Clear");
      const label = make("label", { for: id }, `Your answer${this.data.what && `, ${this.data.what}`}:`);
      const form = make("form", {}, label, this.field, check, clear, this.said);
      form.addEventListener("submit", (event) => { event.preventDefault(); this.check(); });
      form.addEventListener("reset", () => this.clear());
      this.replaceChildren(form);
      this.field.value = kept()[this.key] ?? "";
      if (this.field.value) this.check();
    }

    check() {
      if (!this.field.value.trim()) return;
      this.said.textContent = Answer.judge(this.data, Answer.number(this.field.value));
      this.toggleAttribute("right", this.said.textContent === "Right.");
      keep({ ...kept(), [this.key]: this.field.value });
    }

    clear() {
      this.said.textContent = "";
      this.removeAttribute("right");
      const { [this.key]: gone, ...others } = kept();
      keep(others);
    }
  }
  customElements.define("gb-answer", Answer);
})();
