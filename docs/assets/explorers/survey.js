// What an activation, an initializer and a depth leave of a gradient: theory over measured networks.
(() => {
  "use strict";
  const { Axes, Explorer, counted, range, text } = window.gradbook;
  const { F, mean } = window.gradbook.normal;
  const called = {
    "PyTorch Linear": "PyTorch, 1/(3n)", LeCun: "LeCun, 1/n", He: "He, 2/n",
    orthogonal: "orthogonal, 1/n", "its own gain": "its own, gain²/n",
  };
  // Decades as the book prints them.
  const decimals = (x, digits = 1) => (Math.round(x * 10 ** digits) / 10 ** digits + 0).toFixed(digits).replace("-", "−");

  class Survey extends Explorer {
    static title = "Explorer: activation, initializer and depth";
    static panels = () => [250, 250];
    static controls({ activation, at, bands, depths, weights }) {
      const names = Object.keys(bands[activation]);
      return [
        { name: "activation", label: "Activation", options: Object.keys(bands).map((name) => [name, name]), value: activation },
        { name: "weights", label: "Weights", options: names.map((name) => [name, called[name]]), value: weights },
        { name: "at", label: "Layers", min: 0, max: depths.length - 1, step: 1, value: at, show: (k) => text(depths[k]) },
      ];
    }
    static run({ depths, sigma_w2 }, { activation, weights, at }) {
      const { f, df } = F[activation], w2 = sigma_w2[activation][weights], q = [w2];
      while (q.length < depths.at(-1)) q.push(w2 * mean((z) => f(Math.sqrt(q.at(-1)) * z) ** 2));
      const chi = q.map((v) => w2 * mean((z) => df(Math.sqrt(v) * z) ** 2));
      let sum = 0;
      const decades = chi.map((x) => sum += Math.log10(x) / 2);
      const beyond = decades.findIndex((d) => Math.abs(d) > 1 + 1e-9);
      return { w2, q, chi, decades, layers: depths[at], lasts: beyond < 0 ? q.length : beyond };
    }
    static say({ bands, depths, draws }, { activation, weights, at }, { w2, q, decades, layers, lasts }) {
      const d = decades[layers - 1], [low, high] = bands[activation][weights].map((edge) => decimals(edge[at]));
      const last = lasts < depths.at(-1) ? `up to ${counted(lasts, "layer")}` : `at all depths shown`;
      return `Inputs × Var(w) = ${text(w2)}: ${counted(layers, `${activation} layer`)} change the norm of the gradient by ${decimals(d)} decades; in 90 % of ${draws} networks by ${low} to ${high}. ` +
        `In theory it stays within a factor of ten ${last}. The length q goes from ${text(q[0])} to ${text(q[layers - 1])}.`;
    }
    paint({ q, decades, layers }, { activation, weights }) {
      const { bands, depths } = this.data, most = depths.at(-1), edges = bands[activation][weights];
      const seen = [...decades, ...edges.flat()];
      const left = new Axes(this.panels[0], {
        x: [0, most], y: [Math.min(-3, ...seen), Math.max(3, ...seen)], title: "decades of the gradient’s norm", label: "number of layers",
        key: [["theory", "gb-ink"], ["measured", "gb-shade1"], ["within ten", "gb-shade0"]],
      });
      left.area([[0, 1], [most, 1]], [[0, -1], [most, -1]], "gb-shade0");
      left.area(...edges.map((edge) => edge.map((d, k) => [depths[k], d])), "gb-shade1");
      left.line(decades.map((d, k) => [k + 1, d]), "gb-ink");
      left.dots([[layers, decades[layers - 1]]], "gb-f2", 6);
      const right = new Axes(this.panels[1], {
        x: [1, most], y: [Math.min(0.01, ...q), Math.max(100, ...q)], log: true, title: "length q of the signal", label: "layer",
      });
      right.line([[1, 1], [most, 1]], "gb-dotted");
      right.line(range(most).map((k) => [k + 1, q[k]]), "gb-ink");
      right.dots([[layers, q[layers - 1]]], "gb-f2", 6);
    }
  }
  customElements.define("gb-survey", Survey);
})();
