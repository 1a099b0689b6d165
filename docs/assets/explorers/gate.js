// A forget gate σ(b): what is left of an impulse after k steps, and how large the cell grows when an
// input gate σ(a) lets independent inputs of mean square one in.
(() => {
  "use strict";
  const { Axes, Explorer, counted, range, text } = window.gradbook;

  class Gate extends Explorer {
    static title = "Explorer: a forget bias and a memory";
    static panels = () => [280, 280];
    static controls({ bias, entering, lag, most }) {
      return [
        { name: "bias", label: "Forget bias b", min: -2, max: 8, step: 0.1, value: bias },
        { name: "entering", label: "Input bias a", min: -8, max: 2, step: 0.1, value: entering },
        { name: "lag", label: "Lag k", min: 1, max: most, step: 1, value: lag },
      ];
    }
    static run({ most }, { bias, entering }) {
      const fading = -Math.log1p(Math.exp(-bias)), opened = 1 / (1 + Math.exp(-entering));
      const left = range(most + 1).map((k) => Math.exp(k * fading));
      const size = range(most + 1).map((t) => opened * Math.sqrt(Math.expm1(2 * t * fading) / Math.expm1(2 * fading)));
      return { keep: left[1], opened, left, size, half: Math.log(0.5) / fading, life: 1 + Math.exp(bias) };
    }
    static say({ most }, { bias, lag }, { keep, left, size, half, life }) {
      const grown = size[most];
      return `With b = ${text(bias)} the gate keeps ${text(keep)} per step: half is left after ${text(half)} steps, ` +
        `the mean lifetime is ${text(life)}. Of an impulse ${counted(lag, "step")} ago ${text(left[lag], 2)} is left. ` +
        `After ${most} steps the cell's size is ${text(grown, 2)}` +
        (grown > 2 ? ": tanh(c) is saturated." : ".");
    }
    paint({ left, size }, { lag }) {
      const most = left.length - 1;
      const memory = new Axes(this.panels[0], {
        x: [0, most], y: [0, 1], title: "what is left of an impulse", label: "lag k",
      });
      memory.line(left.map((v, k) => [k, v]), "gb-s1");
      memory.dots([[lag, left[lag]]], "gb-f1", 6);
      const cell = new Axes(this.panels[1], {
        x: [0, most], y: [0, Math.max(2, ...size) * 1.05], title: "size of the cell", label: "step",
        key: [["root mean square", "gb-s2"]],
      });
      cell.line(size.map((v, k) => [k, v]), "gb-s2");
    }
  }
  customElements.define("gb-gate", Gate);
})();
