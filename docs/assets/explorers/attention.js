// One row of attention: the weights of its keys, how even they are, and the gradient that comes through.
(() => {
  "use strict";
  const { Axes, Explorer, counted, range, text } = window.gradbook;
  const LARGEST = 16, HEAD = 64, POINTS = 65;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const percent = (share) => `${text(100 * share, 2)} %`;
  const row = (draws, size) => {
    const scores = draws.map((z) => size * z), top = Math.max(...scores);
    const powers = scores.map((s) => Math.exp(s - top)), total = sum(powers);
    const p = powers.map((v) => v / total), T = p.length;
    const entropy = -sum(p.map((v) => v > 0 ? v * Math.log(v) : 0));
    const two = sum(p.map((v) => v * v)), three = sum(p.map((v) => v ** 3));
    // Rounding may leave less than nothing of a row that has one key.
    const passed = Math.sqrt(Math.max(0, two - 2 * three + two * two) * T * T / (T - 1));
    return { p, entropy, even: Math.exp(entropy), passed };
  };

  class Attention extends Explorer {
    static title = "Explorer: one row of attention";
    static panels = () => [270, 270];
    static controls({ size, keys, draws }) {
      return [
        { name: "size", label: "Size of the scores s", min: 0, max: LARGEST, step: 0.1, value: size, show: (v) => text(v, 3) },
        { name: "keys", label: "Keys T", min: 2, max: draws.length, step: 1, value: keys },
        { label: "Divided by √d: s = 1", press: () => ({ size: 1 }) },
        { label: `Not divided, d = ${HEAD}: s = ${Math.sqrt(HEAD)}`, press: () => ({ size: Math.sqrt(HEAD) }) },
      ];
    }
    static run({ draws }, { size, keys }) {
      const seen = draws.slice(0, keys);
      const sizes = range(POINTS).map((n) => n * LARGEST / (POINTS - 1));
      const rows = sizes.map((s) => row(seen, s));
      return { ...row(seen, size), sizes, curve: rows.map((r) => r.passed), evens: rows.map((r) => r.even) };
    }
    static say(data, { size, keys }, { p, entropy, even, passed }) {
      return `Scores of size ${text(size)} over ${counted(keys, "key")}: the largest weight is ${percent(Math.max(...p))}. The entropy is ` +
        `${text(entropy)}, as even as ${text(even)} keys of equal weight. The gradient that comes through to the scores is ` +
        `${text(passed)} times that of equal weights.`;
    }
    paint({ p, sizes, curve, evens, even, passed }, { size, keys }) {
      const sorted = [...p].sort((a, b) => b - a), top = Math.max(...p);
      const left = new Axes(this.panels[0], {
        x: [-0.6, keys - 0.4], y: [0, 1.1 * top], title: "weight of a key", label: "keys, by weight",
        key: [["weights", "gb-shade2"], ["equal", "gb-dotted"]],
      });
      const bars = sorted.flatMap((v, k) => [[k - 0.4, 0], [k - 0.4, v], [k + 0.4, v], [k + 0.4, 0]]);
      left.line([...bars, [-0.4, 0]], "gb-shade2");
      left.line([[-0.6, 1 / keys], [keys - 0.4, 1 / keys]], "gb-dotted");
      const most = Math.max(...curve, ...evens.map((v) => v / keys));
      const right = new Axes(this.panels[1], {
        x: [0, LARGEST], y: [0, 1.15 * most], title: "beside equal weights", label: "size of the scores",
        key: [["gradient", "gb-s1"], ["keys in use", "gb-s2"]],
      });
      right.line(sizes.map((s, n) => [s, curve[n]]), "gb-s1");
      right.line(sizes.map((s, n) => [s, evens[n] / keys]), "gb-s2");
      right.dots([[size, passed]], "gb-f1", 5);
      right.dots([[size, even / keys]], "gb-f2", 5);
    }
  }
  customElements.define("gb-attention", Attention);
})();
