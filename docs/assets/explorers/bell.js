// The bell of z over the slope: the mean of f′² under it, times inputs × Var(w), is χ.
(() => {
  "use strict";
  const { Axes, Explorer, counted, range, text } = window.gradbook;
  const { F, mean } = window.gradbook.normal;

  const half = (depth) => Math.ceil(depth / 2);

  class Bell extends Explorer {
    static title = "Explorer: the bell over the slope";
    static panels = ({ small }) => small ? [210, 210] : [270, 270];
    static controls({ activation, at, bands, depth, sigma_w2: w2, small }) {
      const most = w2.length - 1;
      return [
        { name: "activation", label: "Activation", options: Object.keys(bands).map((name) => [name, name]), value: activation },
        { name: "at", label: "Inputs × Var(w)", min: 0, max: most, step: 1, value: at, show: (k) => text(w2[k]) },
        ...(small ? [] : [{ name: "back", label: "Layers back", min: 1, max: depth - 1, step: 1, value: half(depth) }]),
      ];
    }
    static run({ depth, sigma_w2 }, { activation, at, back = half(depth) }) {
      const { f, df } = F[activation], w2 = sigma_w2[at], q = [w2];
      while (q.length < depth) q.push(w2 * mean((z) => f(Math.sqrt(q.at(-1)) * z) ** 2));
      const slopes = q.map((v) => mean((z) => df(Math.sqrt(v) * z) ** 2)), chi = slopes.map((s) => w2 * s);
      const norms = q.map(() => 1);
      for (let l = depth - 2; l >= 0; l--) norms[l] = norms[l + 1] * Math.sqrt(chi[l]);
      return { w2, q, slopes, chi, norms, layer: depth - 1 - back };
    }
    static say({ bands, depth, draws, small }, { activation, at }, { w2, slopes, chi, norms, layer }) {
      const end = small ? 0 : layer, x = chi[layer];
      const [low, high] = bands[activation].map((edge) => text(10 ** edge[at][end], 2));
      const fate = Math.abs(x - 1) < 0.02 ? "the gradient keeps its length" : x < 1 ? "the gradient shrinks there" : "the gradient grows there";
      return `In layer ${layer + 1} the mean of f′² under the bell is ${text(slopes[layer])}; times ${text(w2)} that is χ = ${text(x)}: ` +
        `${fate}, × √χ = ${text(Math.sqrt(x))}.  ${counted(depth - 1 - end, "layer")} back from layer ${depth} the length of δ is multiplied by ` +
        `${text(norms[end], 2)}; in 90 % of ${draws} networks by ${low} to ${high}.`;
    }
    paint({ q, norms, layer }, { activation, at }) {
      const { df } = F[activation], { bands, depth } = this.data, name = `layer ${layer + 1}`;
      const left = new Axes(this.panels[0], {
        x: [-6, 6], y: [0, 1.2], title: `z in ${name}`, label: "z",
        key: [["bell", "gb-s1"], ["slope f′", "gb-s2"], ["bell × f′²", "gb-shade1"]],
      });
      // A bell that is narrower than a pixel is drawn as wide as one.
      const s = Math.max(Math.sqrt(q[layer]), 0.02), grid = range(601).map((k) => (k - 300) / 50);
      const over = (z) => Math.exp(-z * z / (2 * s * s));
      left.area(grid.map((z) => [z, over(z)]), [[6, 0], [-6, 0]].reverse(), "gb-shade0");
      left.area(grid.map((z) => [z, over(z) * df(z) ** 2]), [[6, 0], [-6, 0]].reverse(), "gb-shade1");
      left.line(grid.map((z) => [z, df(z)]), "gb-s2");
      left.line(grid.map((z) => [z, over(z)]), "gb-s1");
      const [low, high] = bands[activation].map((edge) => edge[at].map((v, l) => [l + 1, 10 ** v]));
      const seen = [...norms, ...low.map((p) => p[1]), ...high.map((p) => p[1])];
      const right = new Axes(this.panels[1], {
        x: [1, depth], y: [Math.min(0.01, ...seen), Math.max(100, ...seen)], log: true, title: "length of δ", label: "layer",
        key: [["theory", "gb-ink"], ["measured", "gb-shade1"]],
      });
      right.line([[1, 1], [depth, 1]], "gb-dotted");
      right.area(low, high, "gb-shade1");
      right.line(norms.map((v, l) => [l + 1, v]), "gb-ink");
      right.dots([[layer + 1, norms[layer]]], "gb-f2", 6);
    }
  }
  customElements.define("gb-bell", Bell);
})();
