// A ball on the parabola ½λ(w − w*)²: each step multiplies w − w* by 1 − ηλ.
(() => {
  "use strict";
  const { Axes, Explorer, text, counted, range } = window.gradbook;

  class Parabola extends Explorer {
    static title = "Explorer: the learning rate on a parabola";
    static panels = () => [260, 260];
    static controls({ curvature, steps }) {
      const edge = 2 / curvature, unit = edge / 200;
      return [
        { name: "lr", label: "Learning rate η", min: unit, max: 230 * unit, step: unit, value: 20 * unit },
        { name: "steps", label: "Steps", min: 0, max: steps, step: 1, value: steps },
        { play: "steps", label: "Play" },
      ];
    }
    static run({ curvature, minimum, start }, { lr, steps }) {
      const path = [start];
      for (let k = 0; k < steps; k++) path.push(path[k] - lr * curvature * (path[k] - minimum));
      const distance = path.map((w) => Math.abs(w - minimum));
      return { multiplier: 1 - lr * curvature, path, distance };
    }
    static say({ curvature }, { lr, steps }, { multiplier, distance }) {
      const m = Math.abs(multiplier) < 1e-9 ? 0 : multiplier, share = distance[steps] / distance[0];
      const how = m === 0 ? "one step arrives"
        : Math.abs(Math.abs(m) - 1) < 1e-9 ? "the ball leaps to and fro for ever"
          : m > 0 ? "the ball creeps down one side"
            : m > -1 ? "the ball leaps over the minimum and still comes closer"
              : "each leap lands higher than the last";
      const far = share > 1 ? `${text(share)} times` : `${text(share)} of`;
      return `At η = ${text(lr)} each step multiplies w − w* by 1 − ηλ = ${text(m)}: ${how}. ` +
        `After ${counted(steps, "step")} the distance is ${far} what it was. The edge is η = 2/λ = ${text(2 / curvature)}.`;
    }
    paint({ path, distance }) {
      const { curvature, minimum, start, steps } = this.data;
      const loss = (w) => curvature * (w - minimum) ** 2 / 2;
      const reach = 1.5 * distance[0], top = loss(minimum + reach);
      const side = new Axes(this.panels[0], {
        x: [minimum - reach, minimum + reach], y: [0, top], title: "loss ½λ(w − w*)²", label: "weight w",
      });
      const curve = range(121).map((n) => minimum + reach * (n / 60 - 1));
      side.line(curve.map((w) => [w, loss(w)]), "gb-ink");
      side.line(path.map((w) => [w, loss(w)]), "gb-s1");
      side.dots(path.map((w) => [w, loss(w)]), "gb-f1");
      const ball = path.at(-1);
      side.dots([[start, loss(start)]], "gb-hollow", 5);
      side.dots([[ball, loss(ball)]], "gb-f2", 7);
      if (Math.abs(ball - minimum) > reach) side.say("the ball is out of sight", side.X(minimum), side.Y(top / 3), "middle");
      const decay = new Axes(this.panels[1], {
        x: [0, steps], y: [1e-6 * distance[0], 1e3 * distance[0]], log: true, title: "distance |w − w*|", label: "step",
      });
      decay.line([[0, distance[0]], [steps, distance[0]]], "gb-dotted");
      decay.line(distance.map((d, k) => [k, d]), "gb-s1");
      decay.dots(distance.map((d, k) => [k, d]), "gb-f1");
      decay.dots([[distance.length - 1, distance.at(-1)]], "gb-f2", 6);
    }
  }
  customElements.define("gb-parabola", Parabola);
})();
