r"""What decides the common claims: each function tries one statement in several cases.

A case says whether what the statement promises happened, and whether the statement's condition was
met. Sizes and seeds are fixed, so a case is a number that can be printed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook import measure, precision
from gradbook.activations import Activation, identity, relu, sigmoid, tanh
from gradbook.backpropagation import backprop, backprop_from, forward
from gradbook.book.activations.health import healthy_ratios, layer_ratio
from gradbook.book.backpropagation import museum
from gradbook.book.exploding import recurrence
from gradbook.book.exploding.overflow import predicted_overflow_depth
from gradbook.book.normalization.norm_gains import relu_batch_gain
from gradbook.book.residual.input_kernel import (
    centered_autocorrelation,
    predicted_autocorrelation,
)
from gradbook.book.residual.one_input import Replication, replicate
from gradbook.book.time_and_gates.lifetime import lifetimes
from gradbook.checks import Array
from gradbook.clipping import clip_global_norm, clip_norm, clip_value
from gradbook.initializers import (
    Initializer,
    constant,
    he,
    lecun,
    orthogonal,
    scaled,
    torch_linear,
)
from gradbook.jacobians import largest_singular_value
from gradbook.layers import LSTM, Activate, BatchNorm, Dense, Layer, Residual
from gradbook.losses import half_squared_error
from gradbook.measure import Recipe
from gradbook.networks import plain
from gradbook.optimizers import Adam
from gradbook.show.formats import scientific_text, true_minus
from gradbook.theory.products import power_norms

DEEP = 50
"""Layers of the networks whose gradients at neighboring inputs are compared."""

TANH_WIDTH = 256
"""Units per layer where the variance of a tanh network is watched: wide against the depth."""

SIZE = {"depth": 30, "width": 64, "draws": 12}
"""The networks in which ratios per layer are measured."""

_DIRECTION = 1e-12
"""How far a cosine may lie from one by rounding."""


@dataclass(frozen=True)
class Instance:
    """One trial of a claim.

    Attributes:
        holds: Whether what the claim says happened.
        expected: Whether the claim's condition was met.
    """

    setting: str
    number: float
    holds: bool
    expected: bool = True

    @property
    def told(self) -> str:
        """The number as prose has it."""
        if self.number == 0 or 1e-3 <= abs(self.number) < 1e4 or not math.isfinite(self.number):
            return true_minus(f"{self.number:.2g}")
        return scientific_text(self.number, 1)

    @property
    def shown(self) -> str:
        """The number as it is printed."""
        return f"{self.number:.3g}"

    @property
    def outcome(self) -> str:
        """Whether the claim holds here, in words."""
        return "holds" if self.holds else "does not hold"


def slope_at_the_output() -> tuple[Instance, ...]:
    """Check gradients that take the slope of a ReLU where its output is at least 0.

    An output is never negative, so that slope is always 1.
    """
    exhibit = museum.RELU_AT_OUTPUT
    tasks = {"units on and off": exhibit.wrong, "every unit on": exhibit.blind}
    found = {name: museum.inspect(task) for name, task in tasks.items()}
    # What is left of a right gradient is the rounding of the differences, not the same everywhere.
    return tuple(Instance(name, round(f.discrepancy, 6), not f.caught) for name, f in found.items())


def equal_weights() -> tuple[Instance, ...]:
    """Compare the entries of weight gradients in a network whose weights are all the same."""
    x = np.array([[1.0, 2.0, 4.0]])
    net = plain(np.random.default_rng(0), (3, 4, 4, 1), tanh, constant(0.25))
    gradients = backprop(net, x, [[1.0]], half_squared_error).gradients
    first, second = (grads["W"] for grads in gradients[:2])
    behind = plain(np.random.default_rng(0), (4, 4, 1), tanh, lecun)
    (parted, *_) = backprop(
        [net[0], *behind], np.ones((1, 3)), [[1.0]], half_squared_error
    ).gradients
    return (
        _spread("first layer, on the inputs 1, 2, 4", first, expected=False),
        _spread("second layer, on equal units", second, expected=True),
        _spread("first layer, on equal inputs, random weights behind", parted["W"], expected=False),
    )


def _spread(setting: str, gradient: Array, *, expected: bool) -> Instance:
    spread = float(np.ptp(gradient) / np.abs(gradient).max())
    return Instance(setting, spread, spread < _DIRECTION, expected)


def bounded_slopes() -> tuple[Instance, ...]:
    r"""Measure the ratio per layer of networks with slopes below 1, and predict who must vanish.

    A layer's Jacobian has no singular value above $\max f'$ times the largest of $W$.
    """
    tried = [(sigmoid, 1.0), (sigmoid, 400.0), (tanh, 0.16), (tanh, 4.0)]
    return tuple(_slope_case(activation, c) for activation, c in tried)


def _slope_case(activation: Activation, c: float) -> Instance:
    ratio = _ratio(activation, scaled(c))
    W = scaled(c).draw(np.random.default_rng(1), SIZE["width"], SIZE["width"])
    bound = activation.sup_df * float(largest_singular_value(W))
    name = f"{activation.name}, Var(w) = {c:g}/n, at most {bound:.3g} per layer"
    return Instance(name, ratio, ratio < healthy_ratios(SIZE["depth"])[0], bound < 1)


def _ratio(activation: Activation, initializer: Initializer) -> float:
    recipe = Recipe(initializer.name, activation, initializer)
    return layer_ratio(measure.gradient_norms(np.random.default_rng(0), recipe, **SIZE))[0]


def relu_keeps_gradients() -> tuple[Instance, ...]:
    """Measure the ratio per layer of typical ReLU networks over the variance of their weights.

    Typical is the median network: a mean of energies would hide that most narrow ones vanish. A
    gradient that keeps more than a tenth over the depth counts as one that does not vanish.
    """
    width = SIZE["width"]
    tried = {
        "PyTorch's default": (torch_linear, width),
        "Xavier": (lecun, width),
        "He": (he, width),
        "He, width 8": (he, 8),
        "twice He": (scaled(4.0), width),
    }
    return tuple(_relu_case(name, *drawn) for name, drawn in tried.items())


def _relu_case(name: str, initializer: Initializer, n: int) -> Instance:
    recipe = Recipe(initializer.name, relu, initializer)
    norms = measure.gradient_norms(np.random.default_rng(0), recipe, **{**SIZE, "width": n})
    ratio = float(np.median(norms[:, 0] / norms[:, -1])) ** (1 / SIZE["depth"])
    scale, lost = n * initializer.variance(n, n), healthy_ratios(SIZE["depth"])[0]
    met = scale >= 2 and n > SIZE["depth"]
    return Instance(f"{name}, n Var(w) = {scale:.3g}", ratio, ratio > lost, met)


def flat_weight_gradients() -> tuple[Instance, ...]:
    """Compare first and last layer, by the gradient of the weights and by delta, in ReLU nets."""
    drawn = {"He": he, "Xavier": lecun, "PyTorch's default": torch_linear}
    return tuple(_flat_case(name, initializer) for name, initializer in drawn.items())


def _flat_case(name: str, initializer: Initializer) -> Instance:
    rng, n, members = np.random.default_rng(2), SIZE["width"], (SIZE["draws"],)
    widths = [n] * (SIZE["depth"] + 1)
    net = plain(
        rng,
        widths,
        relu,
        initializer,
        output_activation=relu,
        bias_variance=None,
        ensemble=members,
    )
    x, da = rng.standard_normal((2, *members, 1, n))
    trace = backprop_from(net, x, da)
    weights = _first_over_last(measure.weight_norms(trace))
    deltas = _first_over_last(measure.delta_norms(trace))
    name = f"{name}, weight gradients {weights:.2f}"
    return Instance(name, deltas, deltas > 0.1, initializer is he)


def _first_over_last(norms: Array) -> float:
    return measure.geometric_mean(norms[:, 0] / norms[:, -1])


def default_weights() -> tuple[Instance, ...]:
    """Draw weights as PyTorch's linear layer does, beside the 2 that a ReLU needs."""
    rng, sizes = np.random.default_rng(0), (100, 400)
    drawn = [(n, n * float(torch_linear.draw(rng, n, n).var())) for n in sizes]
    return tuple(Instance(f"fan-in {n}", v, math.isclose(v, 2, rel_tol=0.1)) for n, v in drawn)


def tanh_settles() -> tuple[Instance, ...]:
    r"""Measure the variance of z in wide tanh networks with Xavier's weights.

    To second order $E \tanh^2(\sqrt q z) = q - 2q^2$, so $1/q$ grows by 2 per layer, and the
    variance falls as $1/(2l)$ without end.
    """
    rng, width, layers = np.random.default_rng(0), TANH_WIDTH, (3, 10, 30, STEPS)
    net = plain(rng, [width] * (STEPS + 1), tanh, lecun, bias_variance=None)
    records = forward(net, rng.standard_normal((8, width)))
    found = {layer: float(np.mean(np.asarray(records[layer - 1].z) ** 2)) for layer in layers}
    return tuple(
        Instance(f"layer {layer}, 1/(2l) = {1 / (2 * layer):.3f}", q, abs(q - 0.25) < 0.05)
        for layer, q in found.items()
    )


def orthogonal_weights() -> tuple[Instance, ...]:
    """Send a gradient through networks of orthogonal weights with three activations."""
    total = {f: _ratio(f, orthogonal) ** SIZE["depth"] for f in (identity, tanh, relu)}
    return tuple(Instance(f.name, t, abs(t - 1) < 0.1, f is identity) for f, t in total.items())


SHEAR = np.array([[0.5, 10.0], [0.0, 0.5]])
"""A matrix whose largest singular value is above 10 and whose eigenvalues are both 1/2."""

POWER = 40
"""How many factors the products of matrices have."""

STEPS = 100
"""How many layers or steps the longest trials have."""

POINTS = 64
"""How many inputs neighbors stand among."""


def small_singular_values() -> tuple[Instance, ...]:
    """Multiply matrices whose largest singular value is 0.9 or a little less."""
    Q = orthogonal.draw(np.random.default_rng(0), 8, 8)
    shear = 0.9 * SHEAR / float(largest_singular_value(SHEAR))
    squares = {"a rotation, s = 0.9": 0.9 * Q, "a shear, s = 0.9": shear}
    norms = {name: float(power_norms(W, POWER)[-1]) for name, W in squares.items()}
    return tuple(
        Instance(name, norm, norm <= 0.9**POWER * (1 + 1e-9)) for name, norm in norms.items()
    )


def large_singular_values() -> tuple[Instance, ...]:
    """Multiply matrices whose largest singular value is above 1."""
    squares = {"diagonal": np.diag([1.1, 0.5]), "a shear": SHEAR}
    return tuple(_power_case(name, W) for name, W in squares.items())


def _power_case(name: str, W: Array) -> Instance:
    norm, normal = float(power_norms(W, POWER)[-1]), np.allclose(W @ W.T, W.T @ W)
    name = f"{name}, s = {float(largest_singular_value(W)):.3g}"
    return Instance(name, norm, norm > 1, normal)


def large_eigenvalue() -> tuple[Instance, ...]:
    """Send a gradient back through units that feed themselves, one with the weight 1.4, and many.

    One unit saturates. Many whose random weights have a radius of 3 are chaotic: there the
    gradient grows, though less than by 3 a step.
    """
    return (*map(_unit_case, (identity, tanh)), _chaotic_case(3.0, 100))


def _unit_case(activation: Activation) -> Instance:
    way = recurrence.passage(activation, w=1.4, b=0.0, start=0.5, steps=POWER)
    end = float(way.by_start)
    return Instance(f"one unit, {activation.name}", end, end > 1, activation is identity)


def _chaotic_case(radius: float, n: int) -> Instance:
    """Let the units settle, and send a random gradient back over the last steps."""
    rng = np.random.default_rng(0)
    W, h, back = radius * lecun.draw(rng, n, n), *rng.standard_normal((2, n))
    states = []
    for _ in range(5 * POWER):
        h = np.tanh(h @ W)
        states.append(h)
    grown = back
    for state in reversed(states[-POWER:]):
        grown = W @ (grown * (1 - state**2))
    size = float(np.linalg.norm(grown) / np.linalg.norm(back))
    return Instance(f"{n} random units, tanh", size, size > 1, expected=False)


def explosion_overflows() -> tuple[Instance, ...]:
    """Multiply a gradient in float32 by the same factor in each layer, and subtract it from itself.

    Infinity minus infinity is NaN; the difference of two numbers never is.
    """
    return tuple(
        _overflow_case(g, layers) for g, layers in ((1.4, 50), (2.0, STEPS), (2.0, 2 * STEPS))
    )


def _overflow_case(growth: float, layers: int) -> Instance:
    with np.errstate(over="ignore", invalid="ignore"):
        product = np.prod(np.full(layers, growth, np.float32))
        ends = bool(np.isnan(product - product))
    limit = predicted_overflow_depth(precision.float32, growth)
    name = f"{growth:g} per layer, {layers} layers"
    return Instance(name, float(product), ends, layers >= limit)


def clipped_directions() -> tuple[Instance, ...]:
    """Clip a gradient in three ways and compare its direction with the one before."""
    grads: Sequence[Array] = (np.array([3.0, 4.0]), np.array([0.5]), np.array([1.0, 12.0]))
    ways = {
        "by the global norm": clip_global_norm,
        "by the norm of each array": clip_norm,
        "entry by entry": clip_value,
    }
    found = {name: _cosine(grads, clip(grads, 1.0).grads) for name, clip in ways.items()}
    return tuple(
        Instance(name, cosine, cosine > 1 - _DIRECTION, name == "by the global norm")
        for name, cosine in found.items()
    )


def _cosine(first: Sequence[Array], second: Sequence[Array]) -> float:
    a, b = (np.concatenate([g.ravel() for g in grads]) for grads in (first, second))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def batch_norm_helps() -> tuple[Instance, ...]:
    r"""Compare ReLU networks with and without batch normalization, as they are initialized.

    Whatever the scale of the weights, a normalized wide layer multiplies the energy of a gradient
    by `relu_batch_gain`, a plain one by $n \operatorname{Var}(w)/2$.
    """
    return tuple(map(_batch_norm_case, (1.0, 2.0, 4.0, 8.0)))


def _batch_norm_case(c: float) -> Instance:
    depth, width, batch = 12, 128, 128
    ratios = [_batch_ratio(c, depth, width, batch, normal=normal) for normal in (True, False)]
    name = f"n Var(w) = {c:g}, with it {ratios[0]:.2f} and without {ratios[1]:.2f}"
    quotient = ratios[0] / ratios[1]
    return Instance(name, quotient, quotient < 1, relu_batch_gain(batch) < c / 2)


def _batch_ratio(c: float, depth: int, width: int, batch: int, *, normal: bool) -> float:
    rng = np.random.default_rng(0)
    weights = plain(rng, [width] * (depth + 2), identity, scaled(c), bias_variance=None)
    between: list[Layer] = [BatchNorm(None, None)] if normal else []
    net = [layer for W in weights for layer in (W, *between, Activate(relu))]
    x, da = rng.standard_normal((2, batch, width))
    # The inputs of the first layer come from no ReLU: leave it out.
    behind_first = backprop_from(net, x, da).dh[len(between) + 2]
    return float((np.linalg.norm(behind_first) / np.linalg.norm(da)) ** (1 / depth))


def residual_blocks_double() -> tuple[Instance, ...]:
    """Add blocks of a ReLU and He's weights to a path, and compare the sizes from end to end.

    The mean square counts what all examples have in common, and a ReLU gives them much of that; the
    variance over a batch does not.
    """
    return tuple(case for depth in (5, 20) for case in _block_cases(depth))


def _block_cases(depth: int) -> tuple[Instance, ...]:
    rng, width, draws = np.random.default_rng(0), 100, 20
    weights = [he.draw(rng, width, width, (draws,)) for _ in range(depth)]
    net = [Residual([Activate(relu), Dense(W, None, identity)]) for W in weights]
    x = rng.standard_normal((draws, 64, width))
    y = np.asarray(forward(net, x)[-1].a)
    sizes = {
        "mean square": np.square(y).mean() / np.square(x).mean(),
        "variance over a batch": y.var(axis=1).mean() / x.var(axis=1).mean(),
    }
    factors = {name: float(size) ** (1 / depth) for name, size in sizes.items()}
    return tuple(
        Instance(f"{name}, {depth} blocks", f, abs(f - 2) < 0.1, name == "mean square")
        for name, f in factors.items()
    )


def shattered_gradients() -> tuple[Instance, ...]:
    """Correlate the gradients at neighboring inputs in deep ReLU networks of one number.

    With two scales of weights and biases, and with each unit centered over the inputs, where scale
    and biases drop out.
    """
    return tuple(_shattered_case(*tried) for tried in ((1.0, False), (2.0, False), (2.0, True)))


def _shattered_case(c: float, center: bool, depth: int = DEEP) -> Instance:
    setting = Replication(width=64, points=POINTS, networks=24)
    rng = np.random.default_rng(0)
    found = float(replicate(rng, depth, c, center=center, setting=setting)[0][1])
    wide = (
        centered_autocorrelation(POINTS, depth)
        if center
        else predicted_autocorrelation(POINTS, depth, c, bias=c)
    )[1]
    name = f"Var(w) = {c:g}/n{', centered' if center else ''}, in theory {wide:.2f}"
    return Instance(name, found, found < 0.3, center)


def cells_remember() -> tuple[Instance, ...]:
    r"""Send a gradient through the cell of an LSTM whose gates do not listen.

    With weights of 0 each step multiplies it by the forget gate $\sigma(b)$, whose mean lifetime is
    $1 + e^b$ steps.
    """
    return tuple(_cell_case(bias) for bias in (0.0, 1.0, 6.0))


def _cell_case(bias: float, steps: int = STEPS) -> Instance:
    step = LSTM(np.zeros((1, 4)), None, np.array([0.0, bias, 0.0, 0.0]))
    back = backprop_from([step] * steps, np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]))
    lifetime = lifetimes(bias).mean
    passed = float(back.dh[0][0, 1])
    name = f"forget bias {bias:g}, lifetime {lifetime:.3g}, {steps} steps"
    return Instance(name, passed, passed > 0.1, steps < lifetime)


def adam_steps() -> tuple[Instance, ...]:
    r"""Take steps of Adam for gradients of several sizes, and for such as change.

    The first is $\eta g/(|g| + \varepsilon)$.
    """
    cases = (1.0,), (1e-4,), (1e-8,), (1e-12,), (1.0, 1.0), (1.0, 1e-3), (1.0, -1.0)
    return tuple(map(_adam_case, cases))


def _adam_case(gradients: tuple[float, ...]) -> Instance:
    adam, last = Adam(lr=1.0), gradients[-1]
    values = [np.array([0.0])]
    state, step = adam.start(values), 0.0
    for gradient in gradients:
        (after,), state = adam.step(values, [np.array([gradient])], state)
        step = float((values[0] - after)[0])
        values = [after]
    name = f"gradient {', then '.join(f'{gradient:g}' for gradient in gradients)}"
    met = last > 100 * adam.epsilon and len(set(gradients)) == 1
    return Instance(name, step, step > 0.99, met)
