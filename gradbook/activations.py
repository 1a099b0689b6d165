r"""Activation functions $a = f(z)$ with their derivatives $f'(z)$, both maps of the pre-activation.

Every record holds for any finite `z` without overflow. At a kink, where $f'$ jumps, `df` takes the
field's value: the limit from the left, so $\mathrm{relu}'(0) = 0$. To add an activation, add a
record; `ALL` gathers the records of this module.

Examples:
    The factor that one sigmoid unit contributes to a gradient is at most 1/4, and far from zero it
    is tiny yet alive:

    >>> [f"{sigmoid.df(z):.3g}" for z in (0, 2, -40, 40)]
    ['0.25', '0.105', '4.25e-18', '4.25e-18']
    >>> [a.name for a in ALL if a.kinks]
    ['ReLU', 'leaky ReLU(0.01)', 'SELU']
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, finite

Map: TypeAlias = Callable[[ArrayLike], Array]
"""An elementwise map: any shape in, the same shape and floating dtype out."""


@dataclass(frozen=True)
class Derivative:
    r"""Compute $f'(z)$ from $a = f(z)$, which a backward pass has at hand.

    Only a map whose output tells its slope has such a derivative, and only where rounding leaves
    it: $1 - \tanh^2 z$ is 0 once $\tanh z$ rounds to 1. `given` takes the array `f(z)` and returns
    the derivative at `z` in a new array.
    """

    f: Map
    given: Callable[[Array], Array]

    def __call__(self, z: ArrayLike) -> Array:
        """Return the derivative at `z`."""
        return self.given(self.f(z))


@dataclass(frozen=True)
class Activation:
    """Pair an activation $f$ with its derivative $f'$, both maps of the pre-activation $z$.

    Args:
        name: What tables and figures print.
        sup_df: The supremum of $|f'(z)|$ over all real $z$, whether or not it is attained.
        kinks: The places where $f'$ jumps.

    Examples:
        >>> square = Activation("square", np.square, lambda z: 2 * np.asarray(z), math.inf)
        >>> f"{square.f(3.0):.0f} {square.df(3.0):.0f}"
        '9 6'
    """

    name: str
    f: Map
    df: Map
    sup_df: float
    kinks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a bound that cannot be one."""
        if not self.sup_df >= 0:
            raise ValueError(f"sup_df must be a bound on |f'|, at least 0, got {self.sup_df!r}")

    def back(self, z: Array, a: Array, da: Array) -> Array:
        r"""Multiply by the slope: $\partial L/\partial z = \partial L/\partial a \cdot f'(z)$.

        `da` may have further axes in front: many gradients.
        """
        df = self.df
        if not isinstance(df, Derivative) or df.f is not self.f:
            return da * df(z)
        slope = df.given(a)
        if slope.shape != da.shape or slope.dtype != da.dtype:
            return da * slope
        slope *= da
        return slope


def _map(g: Callable[[Array], Array]) -> Map:
    """Let `g` take anything array-like: a floating dtype is kept, integers become float64."""

    @functools.wraps(g)
    def on_floats(z: ArrayLike) -> Array:
        array = np.asarray(z)
        return g(array if array.dtype.kind == "f" else array.astype(np.float64))

    return on_floats


@_map
def _sigmoid(z: Array) -> Array:
    e = np.exp(-np.abs(z))  # at most 1 on both sides: exp(-z) overflows on the left
    return np.asarray(np.where(z > 0, 1, e) / (1 + e))


@_map
def _sigmoid_df(z: Array) -> Array:
    e: Array = np.exp(-np.abs(z))  # s(1-s) would be exactly 0 once s rounds to 1
    return e / np.square(1 + e)


@_map
def _tanh_df(z: Array) -> Array:
    e = np.asarray(np.abs(z))
    np.exp(np.negative(e, e), e)  # sech z = 2e/(1+e²), since 1 - tanh² z is 0 once tanh rounds to 1
    below = 1 + e * e
    e += e
    e /= below
    squared: Array = np.square(e)
    return squared


_relu = _map(lambda z: np.maximum(z, 0))


def _leaky_df(slope: float) -> Map:
    @_map
    def df(z: Array) -> Array:
        right = relu.df(z)
        return right + slope * (1 - right)

    return df


_vectorized_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _normal_cdf(z: Array) -> Array:
    result: Array = _vectorized_erfc(-z.astype(np.float64) / math.sqrt(2)) / 2
    return result


@_map
def _gelu(z: Array) -> Array:
    return (z.astype(np.float64) * _normal_cdf(z)).astype(z.dtype)


@_map
def _gelu_df(z: Array) -> Array:
    # mutant(40): further out is as good
    near = np.clip(z.astype(np.float64), -40, 40)  # z² cannot overflow, exp(-40²/2) is 0 already
    density = np.exp(-near * near / 2) / math.sqrt(2 * math.pi)
    return (_normal_cdf(near) + near * density).astype(z.dtype)


def _gelu_sup_df() -> float:
    """Return f'(√2): f″(z) = φ(z)(2 - z²) vanishes there."""
    return float(_gelu_df(math.sqrt(2)))


@_map
def _silu(z: Array) -> Array:
    return z * _sigmoid(z)


@_map
def _silu_df(z: Array) -> Array:
    return _sigmoid(z) + z * _sigmoid_df(z)


def _silu_sup_df() -> float:
    """Return (1 + u)/2 with u = coth u: f″(z) vanishes where (z/2) tanh(z/2) = 1, at z = 2u."""
    u = 1.0  # mutant: any start comes there
    # mutant(100): more steps change nothing
    for _ in range(100):  # the map contracts by 1/sinh² u = 0.44 a step
        u = 1 / math.tanh(u)
    return (1 + u) / 2


@_map
def _softplus(z: Array) -> Array:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _elu(alpha: float, scale: float) -> tuple[Map, Map]:
    @_map
    def f(z: Array) -> Array:
        # mutant(>): both are 0 at 0
        return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))

    @_map
    def df(z: Array) -> Array:
        # mutant(0): it keeps what is not taken from overflowing
        return scale * np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0)))

    return f, df


def leaky(slope: float) -> Activation:
    r"""Make the leaky ReLU $f(z) = z$ for $z > 0$, $\text{slope} \cdot z$ otherwise, also at 0.

    Source: Maas, Hannun & Ng 2013.
    """
    slope = finite("slope", slope)
    f = _map(lambda z: np.where(z > 0, z, slope * z))  # mutant(>): both are 0 at 0
    kinks = () if slope == 1 else (0.0,)
    return Activation(f"leaky ReLU({slope:g})", f, _leaky_df(slope), max(1.0, abs(slope)), kinks)


def selu_constants() -> tuple[float, float]:
    r"""Solve $E f(z) = 0$, $E f(z)^2 = 1$ with $z \sim N(0, 1)$ for SELU's $\alpha$ and $\lambda$.

    SELU is $f(z) = \lambda z$ for $z > 0$, $\lambda\alpha(e^z - 1)$ otherwise. Its right half has
    $E[z; z > 0] = 1/\sqrt{2\pi}$ and $E[z^2; z > 0] = 1/2$; completing the square gives the moments
    of the left half, $E[e^{kz}; z < 0] = e^{k^2/2} \Phi(-k)$.

    Examples:
        >>> "alpha {:.7f}, lambda {:.7f}".format(*selu_constants())
        'alpha 1.6732632, lambda 1.0507010'

    Source: Klambauer, Unterthiner, Mayr & Hochreiter 2017.
    """
    half, first, second = (math.exp(k * k / 2) * math.erfc(k / math.sqrt(2)) / 2 for k in range(3))
    alpha = 1 / math.sqrt(2 * math.pi) / (half - first)
    energy = 1 / 2 + alpha**2 * (second - 2 * first + half)
    return alpha, 1 / math.sqrt(energy)


identity = Activation("identity", _map(np.positive), _map(np.ones_like), 1.0)
r"""$f(z) = z$: a linear network."""

sigmoid = Activation("sigmoid", _sigmoid, _sigmoid_df, 1 / 4)
r"""$f(z) = 1/(1 + e^{-z})$; $f' = f(1 - f)$ is at most 1/4, reached at $f = 1/2$."""

tanh = Activation("tanh", _map(np.tanh), _tanh_df, 1.0)
r"""$f(z) = \tanh z$; $f' = 1 - f^2$."""

# The sign of max(z, 0) is 1 on the right, 0 at the kink; unlike z > 0 it lets NaN through.
relu = Activation("ReLU", _relu, Derivative(_relu, np.sign), 1.0, (0.0,))
r"""$f(z) = \max(z, 0)$, with $f'(0) = 0$. Source: Nair & Hinton 2010."""

leaky_relu = leaky(0.01)
r"""$f(z) = \max(z, 0.01 z)$. Source: Maas, Hannun & Ng 2013."""

gelu = Activation("GELU", _gelu, _gelu_df, _gelu_sup_df())
r"""$f(z) = z\,\Phi(z)$, $\Phi$ the normal distribution. Source: Hendrycks & Gimpel 2016."""

silu = Activation("SiLU", _silu, _silu_df, _silu_sup_df())
r"""$f(z) = z/(1 + e^{-z})$, also called Swish. Source: Elfwing, Uchibe & Doya 2018."""

softplus = Activation("softplus", _softplus, _sigmoid, 1.0)
r"""$f(z) = \ln(1 + e^z)$, whose derivative is the sigmoid. Source: Dugas et al. 2001."""

elu = Activation("ELU(1)", *_elu(1.0, 1.0), 1.0)
r"""$f(z) = z$ for $z > 0$, $e^z - 1$ otherwise. Source: Clevert, Unterthiner & Hochreiter 2016."""

_ALPHA, _LAMBDA = selu_constants()
selu = Activation("SELU", *_elu(_ALPHA, _LAMBDA), _LAMBDA * max(1.0, _ALPHA), (0.0,))
r"""Scaled ELU, which keeps mean 0 and variance 1. Source: Klambauer et al. 2017."""

ALL: tuple[Activation, ...] = tuple(r for r in globals().values() if isinstance(r, Activation))
"""Every record of this module, in the order above."""
