// A residual stream: the energy of a gradient on its way back, and how many blocks its routes cross.
(() => {
  "use strict";
  const { Axes, Explorer, counted, range, text } = window.gradbook;
  const FEW = 3;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const percent = (share) => `${text(100 * share, 2)} %`;

  class Stream extends Explorer {
    static title = "Explorer: a residual stream";
    static panels = () => [270, 270];
    static controls({ kind, power, blocks, most }) {
      return [
        { name: "kind", label: "Blocks get the stream", options: [["scaled", "as it is"], ["pre-norm", "normalized"]], value: kind },
        { name: "power", label: "Scale α", min: -2, max: 0.3, step: 0.01, value: power, show: (v) => text(10 ** v, 2) },
        { name: "blocks", label: "Blocks L", min: 1, max: most, step: 1, value: blocks },
        { label: "α = 1", press: () => ({ power: 0 }) },
        { label: "α = 1/√L", press: ({ blocks: L }) => ({ power: -Math.log10(L) / 2 }) },
      ];
    }
    static run(data, { kind, power, blocks }) {
      const square = 10 ** (2 * power);
      const branches = range(blocks).map((l) => square / (1 + (kind === "pre-norm" ? square * l : 0)));
      const energy = [1];
      for (const beta of [...branches].reverse()) energy.push(energy.at(-1) * (1 + beta));
      // One more coin for each block: crossed, or passed by.
      let shares = [1];
      for (const beta of branches) {
        const p = beta / (1 + beta);
        shares = [...shares, 0].map((share, k) => share * (1 - p) + (k ? shares[k - 1] * p : 0));
      }
      const crossed = sum(branches.map((beta) => beta / (1 + beta)));
      return { branches, energy, shares, crossed };
    }
    static say(data, { kind, power, blocks }, { energy, shares, crossed }) {
      const what = kind === "pre-norm" ? "normalized first" : "as it is";
      return `${counted(blocks, "block")} that get the stream ${what}, α = ${text(10 ** power, 2)}: at the input the gradient's energy is ` +
        `${text(energy.at(-1))} times that at the output, on average. It comes on routes that cross ${text(crossed, 2)} of ${counted(blocks, "block")}; ` +
        `those of at most ${FEW} bring ${percent(sum(shares.slice(0, FEW + 1)))} of it, the path alone ${percent(shares[0])}.`;
    }
    paint({ energy, shares, crossed }, { blocks }) {
      const left = new Axes(this.panels[0], {
        x: [0, blocks], y: [0.5, Math.max(20, 2 * energy.at(-1))], log: true,
        title: "energy of the gradient", label: "blocks after it",
        key: [["this stream", "gb-s1"], ["a path alone", "gb-dotted"]],
      });
      left.line([[0, 1], [blocks, 1]], "gb-dotted");
      left.line(energy.map((v, k) => [k, v]), "gb-s1");
      left.dots([[blocks, energy.at(-1)]], "gb-f1", 5);
      const top = Math.max(...shares), last = Math.max(4, blocks);
      const right = new Axes(this.panels[1], {
        x: [-0.6, last], y: [0, 1.1 * top], title: "share of that energy", label: "blocks crossed",
        key: [["on such routes", "gb-shade2"], ["mean", "gb-dotted"]],
      });
      const bars = shares.flatMap((v, k) => [[k - 0.4, 0], [k - 0.4, v], [k + 0.4, v], [k + 0.4, 0]]);
      right.line([...bars, [-0.4, 0]], "gb-shade2");
      right.line([[crossed, 0], [crossed, 1.1 * top]], "gb-dotted");
    }
  }
  customElements.define("gb-stream", Stream);
})();
