// Descent in the bowl ½(w₁² + κw₂²): both weights share one learning rate.
(() => {
  "use strict";
  const { Axes, Explorer, text, counted, range } = window.gradbook;
  const WIDE = 2.6, TALL = 1.6;

  class Bowl extends Explorer {
    static title = "Explorer: one learning rate for two curvatures";
    static panels = () => [270, 270];
    static controls({ ratio, start, steps }) {
      const lr = (share, { ratio: kappa }) => text(2 * share / kappa), best = (kappa) => kappa / (1 + kappa);
      return [
        { name: "ratio", label: "Curvature ratio κ", min: 1, max: 50, step: 1, value: ratio },
        { name: "share", label: "Learning rate η", min: 0.01, max: 1.1, step: 0.002, value: best(ratio), show: lr },
        { name: "w1", label: "Start w₁", min: -2.5, max: 2.5, step: 0.1, value: start[0] },
        { name: "w2", label: "Start w₂", min: -1.5, max: 1.5, step: 0.1, value: start[1] },
        { name: "steps", label: "Steps", min: 0, max: steps, step: 1, value: steps },
        { label: "Best η", press: ({ ratio: kappa }) => ({ share: best(kappa) }) },
        { play: "steps", label: "Play" },
      ];
    }
    // The share is that of the edge 2/κ.
    static run(_, { ratio, share, w1, w2, steps }) {
      const lr = 2 * share / ratio, path = [[w1, w2]];
      for (let k = 0; k < steps; k++) path.push([path[k][0] - lr * path[k][0], path[k][1] - lr * ratio * path[k][1]]);
      const distance = path.map((w) => Math.hypot(...w));
      return { lr, multipliers: [1 - lr, 1 - lr * ratio], path, distance };
    }
    static say(_, { ratio, steps }, { lr, multipliers: [flat, steep], distance }) {
      const share = distance[0] ? distance[steps] / distance[0] : 0, best = 2 / (1 + ratio);
      const slow = Math.max(Math.abs(flat), Math.abs(steep));
      // As steps are counted, by logarithms; the slider's own step is worth less than 5 % of them.
      const [logFlat, logSteep] = [flat, steep].map((m) => Math.log(Math.abs(m)));
      const who = slow >= 1 - 1e-9 ? "the steep direction does not converge"
        : ratio === 1 || Math.abs(logFlat / logSteep - 1) < 0.05 ? "both shrink about equally fast"
          : Math.abs(flat) > Math.abs(steep) ? "the flat direction is the slow one" : "the steep direction is the slow one";
      return `At η = ${text(lr)} a step multiplies w₁ by ${text(flat)} and w₂ by ${text(steep)}: ${who}. ` +
        `After ${counted(steps, "step")} the distance is ${text(share)} of what it was. The best η is 2/(1 + κ) = ` +
        `${text(best)}, which multiplies both by ±${text((ratio - 1) / (ratio + 1))}.`;
    }
    began() {
      const [plane] = this.panels;
      const drag = (event) => {
        if (!this.held) return;
        const { left, top } = plane.getBoundingClientRect(), { X, Y } = this.plane;
        const w1 = (event.clientX - left - X(0)) / (X(1) - X(0)), w2 = (event.clientY - top - Y(0)) / (Y(1) - Y(0));
        this.set({ w1, w2 });
      };
      plane.addEventListener("pointerdown", (event) => {
        this.held = event.target.classList.contains("gb-handle");
        if (!this.held) return;
        this.stop();
        plane.setPointerCapture(event.pointerId);
        event.preventDefault();
      });
      plane.addEventListener("pointermove", drag);
      for (const end of ["pointerup", "pointercancel"]) plane.addEventListener(end, () => { this.held = false; });
    }
    paint({ path, distance }, { ratio, w1, w2 }) {
      const plane = this.plane = new Axes(this.panels[0], {
        x: [-WIDE, WIDE], y: [-TALL, TALL], title: "w₂ (drag the start)", label: "w₁",
      });
      const [rx, ry] = [plane.X(1) - plane.X(0), plane.Y(0) - plane.Y(1)];
      for (const n of range(9)) {
        const r = 0.35 * (n + 1);
        const shape = { cx: plane.X(0), cy: plane.Y(0), rx: r * rx, ry: r * ry / Math.sqrt(ratio), fill: "none", class: "gb-thin" };
        plane.add("ellipse", shape, plane.inside);
      }
      plane.line(path, "gb-s1");
      plane.dots(path, "gb-f1", 3);
      plane.dots([path.at(-1)], "gb-f2", 6);
      plane.add("circle", { cx: plane.X(w1), cy: plane.Y(w2), r: 13, class: "gb-handle" });
      const decay = new Axes(this.panels[1], {
        x: [0, this.data.steps], y: [1e-4, 1e2], log: true, title: "distance to the minimum", label: "step",
        key: [["both", "gb-s1"], ["|w₁|", "gb-s2"], ["|w₂|", "gb-s3"]],
      });
      decay.line(distance.map((d, k) => [k, d]), "gb-s1");
      path[0].forEach((_, i) => decay.line(path.map((w, k) => [k, Math.abs(w[i])]), `gb-s${i + 2}`));
    }
  }
  customElements.define("gb-bowl", Bowl);
})();
