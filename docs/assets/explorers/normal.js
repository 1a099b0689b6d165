// Averages over a normal z, and the activations to average, for the explorers that need them.
(() => {
  "use strict";
  const { range } = window.gradbook;

  // The complement of the error function: a series near 0, a continued fraction beyond.
  const erfc = (x) => {
    const a = Math.abs(x);
    let tail = a;
    if (a < 2.5) {
      let term = a, sum = a;
      for (let n = 1; n < 80; n++) sum += term *= 2 * a * a / (2 * n + 1);
      tail = 1 - 2 / Math.sqrt(Math.PI) * Math.exp(-a * a) * sum;
    } else {
      for (let k = 60; k; k--) tail = a + k / 2 / tail;
      tail = Math.exp(-a * a) / Math.sqrt(Math.PI) / tail;
    }
    return x < 0 ? 2 - tail : tail;
  };
  const density = (z) => Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  const below = (z) => erfc(-z / Math.SQRT2) / 2;
  const fold = (z) => Math.exp(-Math.abs(z));
  const logistic = (z) => (z > 0 ? 1 : fold(z)) / (1 + fold(z));
  const elu = (alpha, scale) => ({
    f: (z) => scale * (z > 0 ? z : alpha * Math.expm1(z)),
    df: (z) => scale * (z > 0 ? 1 : alpha * Math.exp(z)),
  });
  const F = {
    sigmoid: { f: logistic, df: (z) => fold(z) / (1 + fold(z)) ** 2 },
    tanh: { f: Math.tanh, df: (z) => (2 * fold(z) / (1 + fold(2 * z))) ** 2 },
    ReLU: { f: (z) => Math.max(z, 0), df: (z) => (z > 0 ? 1 : 0) },
    GELU: { f: (z) => z * below(z), df: (z) => below(z) + z * density(z) },
    SiLU: { f: (z) => z * logistic(z), df: (z) => logistic(z) * (1 + z * logistic(-z)) },
    "ELU(1)": elu(1, 1),
    SELU: elu(1.6732632423543772, 1.0507009873554805),
  };
  // Midpoints of cells that are narrow near 0, as in gradbook.theory.gaussian, of which 400 will do.
  const CELLS = 400, STRETCH = 10 / Math.sinh(8);
  const RULE = range(CELLS).map((i) => (2 * i + 1) / CELLS - 1).map((t) => {
    const z = STRETCH * Math.sinh(8 * t);
    return [z, density(z) * STRETCH * 8 * Math.cosh(8 * t) * 2 / CELLS];
  });
  const mean = (g) => RULE.reduce((sum, [z, weight]) => sum + weight * g(z), 0);

  window.gradbook.normal = { F, mean };
})();
