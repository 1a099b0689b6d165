// The wall ½Σ(wᵏ − 1)² of a weight that is used T times: where a step throws the ball, and a clip.
(() => {
  "use strict";
  const { Axes, Explorer, counted, range, text } = window.gradbook;
  const LEFT = -1.2, RIGHT = 1.8;
  const loss = (w, time) => range(time).reduce((sum, k) => sum + (w ** k - 1) ** 2, 0) / 2;
  const slope = (w, time) => range(time).slice(1).reduce((sum, k) => sum + (w ** k - 1) * k * w ** (k - 1), 0);

  class Wall extends Explorer {
    static title = "Explorer: a wall in the loss, and a clip";
    static panels = () => [280, 280];
    static controls({ time, start, lr, max_norm: norm, steps }) {
      const power = (v) => text(10 ** v, 2);
      return [
        { name: "start", label: "Weight w", min: 0.5, max: 1.6, step: 0.01, value: start },
        { name: "power", label: "Learning rate η", min: -5, max: -1, step: 0.1, value: Math.log10(lr), show: power },
        { name: "limit", label: "Clip at c", min: -1, max: 3, step: 0.1, value: Math.round(10 * Math.log10(norm)) / 10, show: power },
        { name: "clip", label: "with a clip", check: true },
        { name: "time", label: "Steps of time T", min: 2, max: 20, step: 1, value: time },
        { name: "steps", label: "Steps of descent", min: 1, max: steps, step: 1, value: steps },
        { play: "steps", label: "Play" },
      ];
    }
    // A ball is lost, and no number, from where its steps would overflow.
    static run({ lost }, { start, power, limit, time, steps }) {
      const lr = 10 ** power, norm = 10 ** limit;
      const follow = (most) => range(steps).reduce((path) => {
        const w = path.at(-1), moved = w - lr * Math.max(-most, Math.min(slope(w, time), most));
        return [...path, Math.abs(moved) < lost ? moved : NaN];
      }, [start]);
      const plain = follow(Infinity), clipped = follow(norm);
      const losses = (path) => path.map((w) => loss(w, time));
      return { lr, norm, slope: slope(start, time), plain, clipped, plainLoss: losses(plain), clippedLoss: losses(clipped) };
    }
    static say(_, { start, clip, steps }, { lr, norm, slope: g, plain, clipped, plainLoss, clippedLoss }) {
      const end = (path, losses) => Number.isNaN(path[steps]) ? "it is lost" : `it is at ${text(path[steps])}, loss ${text(losses[steps], 2)}`;
      const landing = Number.isNaN(plain[1]) ? "out of all bounds" : `to ${text(plain[1])}, where the loss is ${text(plainLoss[1], 2)} instead of ${text(plainLoss[0], 2)}`;
      const without = `At w = ${text(start)} the slope is ${text(g)}: a step of η = ${text(lr, 2)} takes the ball ${landing}. ` +
        `After ${counted(steps, "step")} ${end(plain, plainLoss)}.`;
      const clipping = Math.abs(g) > norm ? `Clipped to c = ${text(norm, 2)}, the first step is ηc = ${text(lr * norm, 2)} long` : `A clip at c = ${text(norm, 2)} leaves the first step as it is`;
      return clip ? `${without} ${clipping}; after ${counted(steps, "step")} ${end(clipped, clippedLoss)}.` : without;
    }
    paint({ plain, clipped, plainLoss, clippedLoss }, { start, time, clip, steps }) {
      const bottom = 1e-4, low = (v) => Math.max(v, bottom);
      const hill = new Axes(this.panels[0], {
        x: [LEFT, RIGHT], y: [bottom, 1e6], log: true, title: "loss", label: "weight w",
        key: [["one step", "gb-s2"], ...(clip ? [["clipped", "gb-s1"]] : [])],
      });
      hill.line(range(601).map((k) => LEFT + (RIGHT - LEFT) * k / 600).map((w) => [w, low(loss(w, time))]), "gb-ink");
      const [at, landed] = [start, plain[1]], seen = landed >= LEFT && landed <= RIGHT;
      const stop = Number.isNaN(landed) ? LEFT - 1 : landed;
      hill.line([[at, low(plainLoss[0])], [stop, seen ? low(plainLoss[1]) : low(plainLoss[0])]], "gb-s2");
      if (seen) hill.dots([[landed, low(plainLoss[1])]], "gb-f2", 6);
      else hill.say(`◂ ${Number.isNaN(landed) ? "lost" : `w = ${text(landed)}`}`, hill.X(LEFT) + 8, hill.Y(low(plainLoss[0])) - 9);
      if (clip) {
        hill.line(clipped.map((w, k) => [w, low(clippedLoss[k])]), "gb-s1");
        hill.dots([[clipped.at(-1), low(clippedLoss.at(-1))]], "gb-f1", 6);
      }
      hill.dots([[at, low(plainLoss[0])]], "gb-hollow", 6);
      const decay = new Axes(this.panels[1], {
        x: [0, Math.max(steps, 5)], y: [1e-12, 1e12], log: true, title: "loss at each step", label: "step",
        key: [["without", "gb-s2"], ...(clip ? [["clipped", "gb-s1"]] : [])],
      });
      decay.line(plainLoss.map((v, k) => [k, v]), "gb-s2");
      decay.dots(plainLoss.map((v, k) => [k, v]), "gb-f2", 3);
      if (clip) decay.line(clippedLoss.map((v, k) => [k, v]), "gb-s1");
    }
  }
  customElements.define("gb-wall", Wall);
})();
