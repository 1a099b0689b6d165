// The 3-2-1 network with its fifteen numbers: forward values, and factors back along a route.
(() => {
  "use strict";
  const { Explorer, html, svg, text } = window.gradbook;
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  // The fifteen numbers: x₁ x₂ x₃, w′₁₁ w′₁₂ w′₂₁ w′₂₂ w′₃₁ w′₃₂, b′₁ b′₂, w″₁₁ w″₂₁, b″₁, y.
  const first = (i, j) => 3 + 2 * i + j, OUT = 11, TARGET = 14;
  // From which input, if it is one, and to which hidden unit a number belongs.
  const place = (n) => n < 3 ? [n, null] : n < 9 ? [n - 3 >> 1, (n - 3) % 2] : n < OUT ? [null, n - 9]
    : n < 13 ? [null, n - OUT] : [null, null];

  class Routes extends Explorer {
    static title = "Explorer: every gradient of a small network";
    static panels = () => [330];
    static controls({ names, chosen }) {
      return [
        { name: "chosen", label: "Change", options: names.map((name) => [name, name]), value: chosen },
        { name: "value", label: "New value", min: -4, max: 4, step: "any", value: 0 },
      ];
    }
    static run({ names }, { numbers: v, chosen }) {
      const a = [0, 1].map((j) => sigmoid(v[9 + j] + v[0] * v[first(0, j)] + v[1] * v[first(1, j)] + v[2] * v[first(2, j)]));
      const zo = v[13] + a[0] * v[OUT] + a[1] * v[OUT + 1], o = sigmoid(zo);
      const start = o - v[TARGET], slope = o * (1 - o), slopes = a.map((u) => u * (1 - u));
      const delta = [0, 1].map((j) => start * slope * v[OUT + j] * slopes[j]);
      const gradients = [
        ...[0, 1, 2].flatMap((i) => delta.map((d) => d * v[i])), ...delta,
        ...a.map((u) => start * slope * u), start * slope,
      ];
      // Each route is a list of factors, from the loss back to the number.
      const n = names.indexOf(chosen), [i, j] = place(n);
      const through = (unit, last) => [start, slope * v[OUT + unit], last];
      const routes = n === TARGET ? [[-start]]
        : n === 13 ? [[start, slope]]
          : n >= OUT ? [[start, slope * a[j]]]
            : n < 3 ? [0, 1].map((unit) => through(unit, slopes[unit] * v[first(i, unit)]))
              : [through(j, slopes[j] * (i === null ? 1 : v[i]))];
      const sum = routes.reduce((all, factors) => all + factors.reduce((a, b) => a * b), 0);
      return { a, zo, o, loss: start * start / 2, gradients, routes, sum };
    }
    static say(_, { chosen }, { routes, sum, o, loss }) {
      const product = (factors) => factors.map((x) => x < 0 ? `(${text(x)})` : text(x)).join(" × ");
      const end = routes.length > 1 || routes[0].length > 1 ? ` = ${text(sum)}` : "";
      return `∂L/∂${chosen} = ${routes.map(product).join(" + ")}${end}` +
        `${routes.length > 1 ? ", one product for each route" : ""}. The output is ${text(o)} and the loss ½(o − y)² is ${text(loss)}.`;
    }
    began() {
      this.numbers = [...this.data.values];
      const head = ["", "value", "gradient"].map((name) => html("th", { scope: "col" }, name || "parameter"));
      this.rows = this.data.names.slice(3, TARGET).map((name) =>
        html("tr", {}, html("th", { scope: "row" }, name), html("td"), html("td")));
      const table = html("table", { class: "gb-numbers" },
        html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...this.rows));
      this.sentence.before(html("div", { class: "gb-row" }, this.drawing, table));
      this.changed("chosen");
    }
    inputs() {
      return { ...super.inputs(), numbers: this.numbers };
    }
    // Another number is chosen, or the chosen one is moved, to two decimals.
    changed(name) {
      const n = this.data.names.indexOf(this.fields.chosen.field.value), { field } = this.fields.value;
      if (name === "value") this.numbers[n] = Math.round(100 * field.value) / 100;
      const reach = n < 3 ? 2 : n === TARGET ? 1 : 4;
      Object.assign(field, { min: n === TARGET ? 0 : -reach, max: reach, value: this.numbers[n] });
    }
    set(values) {
      super.set(values);
      this.changed("chosen");
      this.update();
    }
    reset() {
      this.numbers = [...this.data.values];
      super.reset();
    }
    paint({ a, o, loss, gradients, routes }, { numbers: v, chosen }) {
      const [panel] = this.panels, width = panel.clientWidth, { names } = this.data;
      const n = names.indexOf(chosen), [from, to] = place(n);
      const columns = [0.09, 0.42, 0.71, 0.92].map((share) => share * width), R = Math.min(24, width / 16);
      const y = [[60, 140, 220], [95, 185], [140], [140]];
      panel.replaceChildren();
      const add = (tag, attributes, words = "") => {
        panel.appendChild(svg(tag, attributes)).textContent = words;
      };
      const say = (words, x, at, look = "") => add("text", { x, y: at, "text-anchor": "middle", class: look }, words);
      const labels = [];
      const edge = (k, i, j, lit, number = null) => {
        const [x1, y1, x2, y2] = [columns[k], y[k][i], columns[k + 1], y[k + 1][j]];
        const d = `M${x1} ${y1}L${x2} ${y2}`;
        add("path", { d, class: lit ? "gb-lit" : "gb-thin" });
        if (number === null) return;
        const at = k ? 0.5 : 0.33, words = text(v[number], 2), half = 4 * words.length + 2;
        labels.push([words, x1 + at * (x2 - x1), y1 + at * (y2 - y1), half, number, d]);
      };
      const on = (j) => n < 3 || to === j;
      for (const i of [0, 1, 2]) for (const j of [0, 1]) edge(0, i, j, from === i && on(j), first(i, j));
      for (const j of [0, 1]) edge(1, j, 0, n < 13 && on(j), OUT + j);
      edge(2, 0, 0, n < TARGET);
      for (const [words, x, h, half, number, d] of labels) {
        add("rect", { x: x - half, y: h - 9, width: 2 * half, height: 18, class: "gb-paper" });
        say(words, x, h + 5, number === n ? "gb-strong" : "");
        add("path", { d, class: "gb-pick" });
        panel.lastChild.addEventListener("click", () => this.set({ chosen: names[number] }));
      }
      const node = (k, i, name, value, lit) => {
        add("circle", { cx: columns[k], cy: y[k][i], r: R, class: lit ? "gb-node gb-on" : "gb-node" });
        say(text(value, 2), columns[k], y[k][i] + 5);
        say(name, columns[k], y[k][i] - R - 5);
      };
      [0, 1, 2].forEach((i) => node(0, i, names[i], v[i], from === i));
      [0, 1].forEach((j) => node(1, j, `a₁${"₁₂"[j]}`, a[j], n < 13 && on(j)));
      [0, 1].forEach((j) => say(`b′${"₁₂"[j]} ${text(v[9 + j], 2)}`, columns[1], y[1][j] + R + 15, n === 9 + j ? "gb-strong" : ""));
      node(2, 0, "o₁", o, n < TARGET);
      say(`b″₁ ${text(v[13], 2)}`, columns[2], y[2][0] + R + 15, n === 13 ? "gb-strong" : "");
      node(3, 0, "L", loss, true);
      say(`y ${text(v[TARGET], 2)}`, columns[3], y[3][0] + R + 15, n === TARGET ? "gb-strong" : "");
      // The factors stand below the edges that they belong to, the last one first.
      const middles = [0, 1, 2].map((k) => (columns[k] + columns[k + 1]) / 2).reverse();
      say("← back", columns[3], 262);
      routes.forEach((factors, r) => factors.forEach((x, k) => say(`× ${text(x)}`, middles[k], 288 + 22 * r, "gb-strong")));
      this.rows.forEach((row, k) => {
        row.classList.toggle("gb-on", names[3 + k] === chosen);
        [v[3 + k], gradients[k]].forEach((x, c) => { row.children[c + 1].textContent = text(x, c ? 3 : 4); });
      });
    }
  }
  customElements.define("gb-routes", Routes);
})();
