// What all explorers share: controls, panels with axes, the sentence that says what was found. An
// explorer is an element about a figure, with the data of gradbook/book/explorers; it computes in
// static functions without side effects, which .ci/test_explorers.py holds against the package.
(() => {
  "use strict";
  const fill = (element, attributes, children) => {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const html = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  const raised = (n) => String(n).replace(/[-\d]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
  // A number as the book prints it: significant digits, a true minus, powers of ten.
  const text = (x, digits = 3) => {
    if (!Number.isFinite(x)) return Number.isNaN(x) ? "no number" : x > 0 ? "∞" : "−∞";
    const [mantissa, power] = x.toExponential(digits - 1).split("e").map(Number);
    if (x === 0 || (power >= -3 && power < 5)) return `${Number(x.toPrecision(digits))}`.replace("-", "−");
    return `${mantissa === 1 ? "" : `${mantissa}·`.replace("-", "−")}10${raised(power)}`;
  };
  const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const range = (n) => [...Array(n).keys()];

  const round = (low, high, most) => {
    const rough = (high - low) / most, unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * [1, 2, 5, 10].find((m) => m * unit >= rough);
    const first = Math.ceil(low / step - 1e-9);
    return range(Math.floor(high / step + 1e-9) - first + 1).map((n) => (first + n) * step);
  };
  const decades = (low, high, most) => {
    const [a, b] = [Math.log10(low), Math.log10(high)];
    const stride = Math.ceil((b - a) / most), first = Math.ceil(a / stride - 1e-9);
    return range(Math.floor(b / stride + 1e-9) - first + 1).map((n) => 10 ** ((first + n) * stride));
  };

  let clips = 0;
  // The axes of a panel: x and y are what is shown, key names the lines, each by its class.
  class Axes {
    constructor(panel, { x, y, log = false, title = "", label = "", key = [], left = 46, ticks = true }) {
      const { width, height } = panel.getBoundingClientRect();
      Object.assign(this, { panel, left, top: key.length ? 48 : 28, right: width - 12, bottom: height - 36 });
      const lift = log ? Math.log10 : (v) => v;
      const [low, high] = y.map(lift);
      this.X = (v) => left + (v - x[0]) / (x[1] - x[0]) * (this.right - left);
      this.Y = (v) => this.bottom - (lift(v) - low) / (high - low) * (this.bottom - this.top);
      panel.replaceChildren();
      const across = ticks ? round(...x, Math.max(3, width / 80)) : [];
      const up = ticks ? (log ? decades : round)(...y, (this.bottom - this.top) / 34) : [];
      const grid = [
        ...across.map((v) => `M${this.X(v)} ${this.top}V${this.bottom}`),
        ...up.map((v) => `M${left} ${this.Y(v)}H${this.right}`),
      ];
      this.add("path", { class: "gb-grid", d: grid.join("") });
      this.add("path", { class: "gb-axis", d: `M${left} ${this.top}V${this.bottom}H${this.right}` });
      for (const v of across) this.say(text(v), this.X(v), this.bottom + 15, "middle");
      for (const v of up) this.say(text(v), left - 5, this.Y(v) + 4, "end");
      this.say(title, 0, 14);
      this.say(label, this.right, height - 4, "end");
      let at = 0;
      for (const [name, look] of key) {
        this.add("path", { class: look, d: look.includes("shade") ? `M${at} 27h22v12h-22z` : `M${at} 33h22` });
        this.say(name, at + 27, 37);
        at += 40 + 7 * name.length;
      }
      const id = `gb-clip-${++clips}`;
      // A mark at the edge is shown whole.
      const box = { x: left - 7, y: this.top - 7, width: this.right - left + 14, height: this.bottom - this.top + 14 };
      this.add("clipPath", { id }).append(svg("rect", box));
      this.inside = this.add("g", { "clip-path": `url(#${id})` });
    }
    add(tag, attributes, parent = this.panel) {
      return parent.appendChild(svg(tag, attributes));
    }
    say(words, x, y, anchor = "start", look = "") {
      this.add("text", { x, y, "text-anchor": anchor, class: look }).textContent = words;
    }
    points(pairs) {
      return pairs.map(([x, y]) => [this.X(x), this.Y(y)]).filter((p) => p.every(Number.isFinite));
    }
    line(pairs, look) {
      const points = this.points(pairs).map((p) => p.map((v) => Math.max(-1e5, Math.min(1e5, v)).toFixed(2)));
      if (points.length) this.add("path", { class: look, d: `M${points.join("L")}` }, this.inside);
    }
    // What lies between two curves, each of pairs.
    area(above, below, look) {
      this.line([...above, ...[...below].reverse()], look);
    }
    dots(pairs, look, r = 3.5) {
      for (const [cx, cy] of this.points(pairs)) this.add("circle", { cx, cy, r, class: look }, this.inside);
    }
  }

  let count = 0;
  class Explorer extends HTMLElement {
    connectedCallback() {
      if (this.data) return;
      this.data = JSON.parse(this.dataset.explorer);
      this.kind = this.constructor;
      this.fields = {};
      this.number = ++count;
      this.body = html("div", { class: "gb-explorer", role: "group", "aria-label": this.kind.title });
      this.bar = this.body.appendChild(html("div", { class: "gb-controls" }));
      this.drawing = this.body.appendChild(html("div", { class: "gb-panels", "aria-hidden": "true" }));
      this.panels = this.kind.panels(this.data).map((height) =>
        this.drawing.appendChild(svg("svg", { style: `height:${height}px` })));
      this.sentence = this.body.appendChild(html("p", { class: "gb-says" }));
      for (const control of this.kind.controls(this.data)) this.bar.append(this.control(control));
      this.bar.append(this.button("Reset", () => this.reset()));
      this.began();
      this.querySelector("figure").prepend(this.body);
      this.classList.add("gb-live"); // from here on, the picture is for paper
      new ResizeObserver(() => this.update()).observe(this.drawing);
    }
    began() {}
    button(label, press) {
      const made = html("button", { type: "button" }, label);
      made.addEventListener("click", () => press(made));
      return made;
    }
    control(spec) {
      if (spec.press) return this.button(spec.label, () => this.set(spec.press(this.inputs(), this.data)));
      if (spec.play) return this.button(spec.label, () => this.play(spec.play));
      const id = `gb-${this.number}-${spec.name}`;
      const field = this.field(spec, id);
      const value = html("span", { class: "gb-value", "aria-hidden": "true" });
      this.fields[spec.name] = { spec, field, value };
      field.addEventListener("input", () => { this.stop(); this.changed(spec.name); this.update(); });
      const label = html("label", { for: id }, spec.label);
      const check = "check" in spec;
      return html("div", { class: check ? "gb-check" : "gb-control" }, ...(check ? [field, label] : [label, value, field]));
    }
    field(spec, id) {
      if (spec.options) {
        const options = spec.options.map(([value, name]) => html("option", { value }, name));
        const made = html("select", { id, name: spec.name }, ...options);
        made.value = spec.value;
        return made;
      }
      const made = html("input", { id, name: spec.name, type: "check" in spec ? "checkbox" : "range" });
      if ("check" in spec) made.checked = spec.check;
      else Object.assign(made, { min: spec.min, max: spec.max, step: spec.step, value: spec.value });
      return made;
    }
    changed() {}
    inputs() {
      const read = ({ field }) => field.type === "checkbox" ? field.checked
        : field.type === "range" ? Number(field.value) : field.value;
      return Object.fromEntries(Object.entries(this.fields).map(([name, f]) => [name, read(f)]));
    }
    set(values) {
      for (const [name, value] of Object.entries(values)) {
        const { field } = this.fields[name];
        field[field.type === "checkbox" ? "checked" : "value"] = value;
      }
      this.update();
    }
    reset() {
      this.stop();
      this.set(Object.fromEntries(Object.entries(this.fields).map(([name, { spec }]) =>
        [name, "check" in spec ? spec.check : spec.value])));
    }
    // Step by step to the end, or there at once for those who want no motion.
    play(name) {
      const { field } = this.fields[name];
      this.stop();
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.set({ [name]: field.max });
      this.set({ [name]: field.min });
      this.timer = setInterval(() => {
        field.stepUp();
        this.update();
        if (field.value === field.max || !this.isConnected) this.stop();
      }, 220);
      return undefined;
    }
    stop() {
      clearInterval(this.timer);
    }
    update() {
      if (!this.drawing.clientWidth) return;
      const inputs = this.inputs();
      for (const [name, { spec, field, value }] of Object.entries(this.fields)) {
        if (field.type !== "range") continue;
        const shown = (spec.show || ((v) => text(v)))(inputs[name], inputs);
        value.textContent = shown;
        field.setAttribute("aria-valuetext", shown);
      }
      const found = this.kind.run(this.data, inputs);
      this.paint(found, inputs);
      // A screen reader hears where a hand came to rest, not each place on the way, nor the start.
      clearTimeout(this.saying);
      const words = this.kind.say(this.data, inputs, found), first = !this.sentence.textContent;
      const speak = () => {
        if (this.sentence.textContent !== words) this.sentence.textContent = words;
        this.sentence.setAttribute("aria-live", "polite");
      };
      if (first) speak();
      else this.saying = setTimeout(speak, 250);
    }
  }

  window.gradbook = { Axes, Explorer, html, svg, text, counted, range };
})();
