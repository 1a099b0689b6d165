// An arrow through matrices J₁, J₂, …: its length beside the powers of s_max and of ρ.
(() => {
  "use strict";
  const { Axes, Explorer, counted, text } = window.gradbook;
  const times = ([[a, b], [c, d]], [x, y]) => [a * x + b * y, c * x + d * y];
  const product = (M, [[a, b], [c, d]]) => {
    const [p, q] = [times(M, [a, c]), times(M, [b, d])];
    return [[p[0], q[0]], [p[1], q[1]]];
  };
  const largest = ([[a, b], [c, d]]) => (Math.hypot(a + d, c - b) + Math.hypot(a - d, b + c)) / 2;
  const radius = ([[a, b], [c, d]]) => {
    const half = (a + d) / 2, rest = ((a - d) / 2) ** 2 + b * c;
    return rest < 0 ? Math.sqrt(a * d - b * c) : Math.abs(half) + Math.sqrt(rest);
  };

  class Arrow extends Explorer {
    static title = "Explorer: an arrow through many matrices";
    static panels = () => [290, 290];
    static controls({ gain, shear, draws }) {
      const kinds = [["shear", "shear, repeated"], ["turn", "turn, repeated"], ["random", "random draws"]];
      return [
        { name: "kind", label: "Matrices", options: kinds, value: "shear" },
        { name: "n", label: "Factors n", min: 0, max: draws.length, step: 1, value: 10 },
        { name: "gain", label: "Gain g", min: 0.5, max: 1.5, step: 0.01, value: gain },
        { name: "shear", label: "Shear s", min: 0, max: 3, step: 0.05, value: shear },
        { name: "angle", label: "Arrow at", min: 0, max: 180, step: 5, value: 90, show: (v) => `${v}°` },
        { play: "n", label: "Play" },
      ];
    }
    static run({ turn, draws }, { kind, gain, shear, angle }) {
      const [c, s] = [gain * Math.cos(turn), gain * Math.sin(turn)];
      const made = { turn: () => [[c, -s], [s, c]], shear: () => [[gain, shear], [0, gain]], random: (J) => J.map((row) => row.map((x) => gain * x)) };
      const matrices = draws.map(made[kind]), along = angle * Math.PI / 180;
      const points = [[Math.cos(along), Math.sin(along)]], stretch = [1], radii = [1], most = [1];
      let all = [[1, 0], [0, 1]];
      matrices.forEach((J, k) => {
        all = product(J, all);
        points.push(times(J, points[k]));
        stretch.push(stretch[k] * largest(J));
        radii.push(radii[k] * radius(J));
        most.push(largest(all));
      });
      return { points, lengths: points.map((p) => Math.hypot(...p)), stretch, radii, most, first: [largest(matrices[0]), radius(matrices[0])] };
    }
    static say(_, { kind, n }, { lengths, stretch, radii, first: [sigma, rho] }) {
      const now = `After ${counted(n, "factor")} the arrow is ${text(lengths[n])} times as long`;
      if (kind === "random") {
        return `${now}: ${text(lengths[n] ** (1 / Math.max(n, 1)))} per factor. The product of all s_max is ${text(stretch[n])}, ` +
          `that of all ρ is ${text(radii[n])}: for matrices that differ neither says what happens.`;
      }
      const top = Math.max(...lengths.slice(0, n + 1));
      const fate = rho < 1 - 1e-9 ? "it dies in the end" : rho > 1 + 1e-9 ? "it blows up in the end" : "neither, but for what the shear adds";
      const first = top > 1.005 && top > 1.005 * lengths[n] ? `, and was ${text(top)} times as long on the way` : "";
      return `${now}${first}. Each J has s_max = ${text(sigma)}, so at most ${text(stretch[n])} is possible; ρ = ${text(rho)} says that ${fate}.`;
    }
    update() {
      this.fields.shear.field.disabled = this.fields.kind.field.value !== "shear";
      super.update();
    }
    paint({ points, lengths, stretch, radii }, { n }) {
      const { width, height } = this.panels[0].getBoundingClientRect(), shown = [[0, 0], ...points.slice(0, n + 1)];
      // All tips, in one scale for both directions.
      const ends = [0, 1].map((i) => [Math.min(...shown.map((p) => p[i])), Math.max(...shown.map((p) => p[i]))]);
      const scale = 1.15 * Math.max((ends[0][1] - ends[0][0]) / (width - 62), (ends[1][1] - ends[1][0]) / (height - 64));
      const [x, y] = [width - 62, height - 64].map((room, i) => [-1, 1].map((side) => (ends[i][0] + ends[i][1] + side * scale * room) / 2));
      const plane = new Axes(this.panels[0], { x, y, left: 50, title: "the arrow's way in the plane" });
      plane.line([[x[0], 0], [x[1], 0]], "gb-thin");
      plane.line([[0, y[0]], [0, y[1]]], "gb-thin");
      for (const tip of points.slice(0, n)) plane.line([[0, 0], tip], "gb-thin");
      plane.line(points.slice(0, n + 1), "gb-s1");
      plane.dots(points.slice(0, n + 1), "gb-f1");
      plane.line([[0, 0], points[n]], "gb-lit");
      plane.dots([points[0]], "gb-hollow", 5);
      plane.dots([points[n]], "gb-f2", 6);
      const seen = [...lengths, ...stretch, ...radii].filter((v) => v > 0);
      const decay = new Axes(this.panels[1], {
        x: [0, points.length - 1], y: [Math.min(0.01, ...seen), Math.max(100, ...seen)], log: true,
        title: "length", label: "factors n", key: [["arrow", "gb-s1"], ["all s_max", "gb-s2"], ["all ρ", "gb-s3"]],
      });
      [[stretch, 2], [radii, 3], [lengths, 1]].forEach(([values, k]) => decay.line(values.map((v, i) => [i, v]), `gb-s${k}`));
      decay.dots([[n, lengths[n]]], "gb-f2", 6);
    }
  }
  customElements.define("gb-arrow", Arrow);
})();
