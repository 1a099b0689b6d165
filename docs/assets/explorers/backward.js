// The backward pass, layer by layer: δ = (δ Wᵀ) σ′ sums all routes, and counts few products.
(() => {
  "use strict";
  const { Axes, Explorer, counted, range, svg, text } = window.gradbook;
  const sigmoid = (z) => 1 / (1 + Math.exp(-z));
  const below = (n) => String(n).replace(/\d/g, (c) => "₀₁₂₃₄₅₆₇₈₉"[c]);
  const DEEPEST = 10;

  class Backward extends Explorer {
    static title = "Explorer: the backward pass, step by step";
    static panels = () => [310, 270];
    static controls({ weights }) {
      return [
        { name: "step", label: "Step back", min: 0, max: weights.length, step: 1, value: 0 },
        { label: "Next step", press: ({ step }) => ({ step: step + 1 }) },
        { name: "sum", label: "add what returns (+=)", check: true },
        { name: "width", label: "Units per layer", min: 1, max: 10, step: 1, value: 4 },
        { name: "depth", label: "Layers", min: 1, max: DEEPEST, step: 1, value: 5 },
      ];
    }
    // Without the sum, what returns from a later unit overwrites what an earlier one sent.
    static run({ x, weights, biases, target }, { sum, width, depth }) {
      const h = [x];
      weights.forEach((W, l) => h.push(biases[l].map((b, j) => sigmoid(b + W.reduce((z, row, i) => z + row[j] * h[l][i], 0)))));
      const passed = (add) => {
        let back = h.at(-1).map((o, k) => o - target[k]);
        return weights.map((_, l) => weights.length - 1 - l).reduce((deltas, l) => {
          const delta = h[l + 1].map((a, j) => back[j] * a * (1 - a));
          back = weights[l].map((row) => add ? row.reduce((all, w, j) => all + w * delta[j], 0) : row.at(-1) * delta.at(-1));
          return [delta, ...deltas];
        }, []);
      };
      const [right, kept] = [passed(true), passed(sum)];
      const counts = range(DEEPEST).map((d) => [width ** d, d * width ** 2 + width]);
      return { h, deltas: kept, gradient: right[0][0] * x[0], kept: kept[0][0] * x[0], counts, routes: counts[depth - 1][0], products: counts[depth - 1][1] };
    }
    static say({ weights, target }, { step, sum, width, depth }, { h, deltas, gradient, kept, routes, products }) {
      const n = weights.length, l = n - step, name = (k) => `δ${below(k)}`, o = h.at(-1)[0];
      const list = (v) => v.length > 1 ? `(${v.map((d) => text(d)).join(", ")})` : text(v[0]);
      const now = step === 0 ? `Forward first: the output is ${text(o)}, wanted is ${text(target[0])}.`
        : step === 1 ? `${name(n)} = (o − y) σ′ = ${text(o - target[0])} × ${text(o * (1 - o))} = ${text(deltas[n - 1][0])}.`
          : sum || weights[l + 1][0].length === 1
            ? `${name(l + 1)} = (${name(l + 2)} Wᵀ) σ′ = ${list(deltas[l])}, a sum over the units of the next layer.`
            : `${name(l + 1)} should be (${name(l + 2)} Wᵀ) σ′, but of each sum only what the last unit sends is left: ${list(deltas[l])}.`;
      const lost = sum || step < n ? "" : ` With = in place of +=, ∂L/∂w′₁₁ is ${text(kept)} in place of ${text(gradient)}: ` +
        `${gradient * kept < 0 ? "the sign is wrong" : gradient === kept ? "nothing is lost here" : "a route is lost"}.`;
      return `${now}${lost} With ${counted(depth, "layer")} of ${counted(width, "unit")} and one output, a first weight has ` +
        `${counted(text(routes), "route").replace(/^1 routes/, "1 route")}; the backward pass to it takes ${text(products)} products.`;
    }
    paint({ h, deltas, counts }, { step, sum, width, depth }) {
      this.network(h, deltas, step, sum);
      const axes = new Axes(this.panels[1], {
        x: [1, DEEPEST], y: [1, Math.max(1e3, counts.at(-1)[0])], log: true, title: `${counted(width, "unit")} per layer`, label: "layers",
        key: [["routes", "gb-s2"], ["products", "gb-s1"]],
      });
      [0, 1].forEach((c) => {
        axes.line(counts.map((pair, d) => [d + 1, pair[c]]), `gb-s${2 - c}`);
        axes.dots([[depth, counts[depth - 1][c]]], `gb-f${2 - c}`, 6);
      });
    }
    network(h, deltas, step, sum) {
      const [panel] = this.panels, width = panel.clientWidth, { weights } = this.data, n = weights.length, R = 19;
      const at = (l, i) => [30 + (width - 60) * l / n, 150 + 96 * (i - (h[l].length - 1) / 2)];
      const add = (tag, attributes, words = "") => { panel.appendChild(svg(tag, attributes)).textContent = words; };
      const say = (words, x, y, look = "") => add("text", { x, y, "text-anchor": "middle", class: look }, words);
      panel.replaceChildren();
      const used = step > 1 ? n - step + 1 : -1, labels = [];
      weights.forEach((W, l) => W.forEach((row, i) => row.forEach((w, j) => {
        const [[x1, y1], [x2, y2]] = [at(l, i), at(l + 1, j)];
        const lit = l === used && (sum || j === row.length - 1);
        add("path", { d: `M${x1} ${y1}L${x2} ${y2}`, class: lit ? "gb-lit" : "gb-thin" });
        const share = y1 === y2 ? 0.5 : 0.6;
        if (lit) labels.push([text(w, 2), x1 + share * (x2 - x1), y1 + share * (y2 - y1)]);
      })));
      for (const [words, x, y] of labels) {
        add("rect", { x: x - 4 * words.length - 2, y: y - 9, width: 8 * words.length + 4, height: 18, class: "gb-paper" });
        say(words, x, y + 5);
      }
      h.forEach((layer, l) => layer.forEach((value, i) => {
        const [x, y] = at(l, i), known = l > n - step;
        add("circle", { cx: x, cy: y, r: R, class: l === n - step + 1 ? "gb-node gb-on" : "gb-node" });
        say(text(value, 2), x, y + 5);
        if (known) say(text(deltas[l - 1][i], 2), x, y + R + 16, "gb-strong");
      }));
      h.forEach((_, l) => say(l ? `δ${below(l)}` : "x", at(l, 0)[0], 300, l > n - step ? "gb-strong" : ""));
    }
  }
  customElements.define("gb-backward", Backward);
})();
