r"""Initializers: how the weights of a layer are drawn, and the variance of one weight.

On average a linear layer multiplies the mean square of a signal by $\text{fan\_in} \cdot
\mathrm{Var}(w)$ on its way forward and of a gradient by $\text{fan\_out} \cdot \mathrm{Var}(w)$ on
its way back, so the variance is what tells initializers apart. To add an initializer, add a record;
`ALL` gathers the records of this module.

Examples:
    >>> {i.name: f"{784 * i.variance(784, 30):.3f}" for i in (lecun, he, torch_linear)}
    {'LeCun': '1.000', 'He': '2.000', 'PyTorch Linear': '0.333'}
    >>> W = he.draw(np.random.default_rng(0), 784, 30, ensemble=(5,))
    >>> W.shape
    (5, 784, 30)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from gradbook.activations import Activation
from gradbook.checks import Array, finite, generator, non_negative, positive, positive_int
from gradbook.theory.meanfield import mean_square_slope


class Draw(Protocol):
    """The signature of `Initializer.draw`."""

    def __call__(
        self,
        rng: np.random.Generator,
        fan_in: int,
        fan_out: int,
        ensemble: tuple[int, ...] = (),
    ) -> Array:
        """Return weights of shape `(*ensemble, fan_in, fan_out)`."""


Rule: TypeAlias = Callable[[int, int], float]
"""A map from `fan_in` and `fan_out` to the variance of one weight."""

Sampler: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Array]
"""A map from a generator and a shape to weights of mean 0 and variance 1."""


@dataclass(frozen=True)
class Initializer:
    r"""Pair a way to draw weights with the variance of one weight, $\mathrm{Var}(w)$.

    `draw` takes `(rng, fan_in, fan_out, ensemble=())` and returns weights of shape
    `(*ensemble, fan_in, fan_out)`, drawn independently for each member of the ensemble.
    """

    name: str
    draw: Draw
    variance: Rule


def _checked_shape(fan_in: int, fan_out: int, ensemble: tuple[int, ...] = ()) -> tuple[int, ...]:
    if not isinstance(ensemble, tuple):
        raise TypeError(f"ensemble must be a tuple of positive integers, got {ensemble!r}")
    members = tuple(positive_int(f"ensemble[{i}]", n) for i, n in enumerate(ensemble))
    return (*members, positive_int("fan_in", fan_in), positive_int("fan_out", fan_out))


def _scaled_to(name: str, rule: Rule, sampler: Sampler) -> Initializer:
    """Make an initializer that scales weights of variance 1 to the variance of a rule."""

    def variance(fan_in: int, fan_out: int) -> float:
        return rule(*_checked_shape(fan_in, fan_out))

    def draw(
        rng: np.random.Generator, fan_in: int, fan_out: int, ensemble: tuple[int, ...] = ()
    ) -> Array:
        shape = _checked_shape(fan_in, fan_out, ensemble)
        weights: Array = math.sqrt(rule(fan_in, fan_out)) * sampler(generator("rng", rng), shape)
        return weights

    return Initializer(name, draw, variance)


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.uniform(-math.sqrt(3), math.sqrt(3), shape)  # U(-c, c) has variance c²/3


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw orthonormal columns (rows, if there are fewer), times the root of the longer side."""
    *members, fan_in, fan_out = shape
    longer, shorter = max(fan_in, fan_out), min(fan_in, fan_out)
    q, r = np.linalg.qr(rng.standard_normal((*members, longer, shorter)))
    # QR leaves the signs of r's diagonal open; uniform (Haar) q needs them positive: Mezzadri 2007.
    q = q * np.copysign(1.0, np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]  # mutant(*): signs
    weights: Array = math.sqrt(longer) * (q if fan_in >= fan_out else np.swapaxes(q, -1, -2))
    return weights


def constant(value: float) -> Initializer:
    r"""Make every weight the same, $w = \text{value}$, so that no two units ever differ."""
    value = finite("value", value)

    def variance(fan_in: int, fan_out: int) -> float:
        _checked_shape(fan_in, fan_out)
        return 0.0

    def draw(
        rng: np.random.Generator, fan_in: int, fan_out: int, ensemble: tuple[int, ...] = ()
    ) -> Array:
        generator("rng", rng)
        return np.full(_checked_shape(fan_in, fan_out, ensemble), value)

    return Initializer(f"constant {value:g}", draw, variance)


def normal(variance: float) -> Initializer:
    r"""Make $w \sim N(0, \text{variance})$, whatever the size of the layer.

    The argument is the variance, not the standard deviation.
    """
    variance = non_negative("variance", variance)
    return _scaled_to(f"N(0, {variance:g})", lambda fan_in, fan_out: variance, _gaussian)


def scaled(factor: float) -> Initializer:
    r"""Make $w \sim N(0, \text{factor}/\text{fan\_in})$."""
    factor = non_negative("factor", factor)
    return _scaled_to(
        f"N(0, {factor:g}/fan_in)", lambda fan_in, fan_out: factor / fan_in, _gaussian
    )


def gain(activation: Activation, q: float = 1.0) -> float:
    r"""Derive $[E f'(\sqrt q z)^2]^{-1/2}$, $z \sim N(0, 1)$: the scale that makes up for slopes.

    Weights of variance $\text{gain}^2/n$ keep the energy of a gradient on its way back through a
    layer whose pre-activations have the variance $q$, 0 standing for the limit from above. For the
    rectifiers no $q$ matters. For others $q$ is in general not the same in the next layer:
    `theory.meanfield.length_map` tells it. Slopes that are 0 almost surely have none.

    Examples:
        >>> from gradbook import activations
        >>> f"{gain(activations.relu) ** 2:.10f} {gain(activations.tanh):.4f}"
        '2.0000000000 1.4674'
    """
    energy = float(mean_square_slope(activation, non_negative("q", q)))
    if energy == 0:
        raise ValueError(f"activation must have slopes other than 0, got {activation.name}")
    return 1 / math.sqrt(energy)


def orthogonal_with(gain: float) -> Initializer:
    r"""Make $W = \text{gain} \cdot Q$ with orthonormal columns or rows, drawn uniformly (Haar).

    Whichever is the shorter side is orthonormal, so every singular value of $W$ is the gain. The
    squares of $Q$ sum to the shorter side, hence $\mathrm{Var}(w)$ is the squared gain over the
    longer side.

    Examples:
        >>> W = orthogonal_with(1.5).draw(np.random.default_rng(0), 3, 2)
        >>> [f"{s:.3f}" for s in np.linalg.svd(W, compute_uv=False)]
        ['1.500', '1.500']

    Source: Saxe, McClelland & Ganguli 2014.
    """
    gain = positive("gain", gain)
    name = "orthogonal" if gain == 1 else f"orthogonal, gain {gain:g}"
    return _scaled_to(name, lambda fan_in, fan_out: gain**2 / max(fan_in, fan_out), _orthogonal)


lecun = _scaled_to("LeCun", lambda fan_in, fan_out: 1 / fan_in, _gaussian)
r"""$w \sim N(0, 1/\text{fan\_in})$. Source: LeCun, Bottou, Orr & Müller 1998."""

glorot = _scaled_to("Glorot", lambda fan_in, fan_out: 2 / (fan_in + fan_out), _gaussian)
r"""$w \sim N(0, 2/(\text{fan\_in} + \text{fan\_out}))$, also called Xavier.

Source: Glorot & Bengio 2010."""

he = _scaled_to("He", lambda fan_in, fan_out: 2 / fan_in, _gaussian)
r"""$w \sim N(0, 2/\text{fan\_in})$, also called Kaiming. Source: He, Zhang, Ren & Sun 2015."""

orthogonal = orthogonal_with(1.0)
r"""$W$ with orthonormal columns or rows. Source: Saxe, McClelland & Ganguli 2014."""

torch_linear = _scaled_to("PyTorch Linear", lambda fan_in, fan_out: 1 / (3 * fan_in), _uniform)
r"""$w$ uniform on $\pm 1/\sqrt{\text{fan\_in}}$, the default of PyTorch's Linear layer."""

ALL: tuple[Initializer, ...] = tuple(r for r in globals().values() if isinstance(r, Initializer))
"""Every record of this module, in the order above."""
