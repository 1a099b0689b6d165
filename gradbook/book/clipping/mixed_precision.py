r"""Remedies for small number formats: loss scaling, wide copies of weights, compensated updates.

Two things go wrong in a small format. A gradient below the smallest number becomes 0: underflow.
And a step below half a gap is lost, $\mathrm{fl}(w - u) = w$: the weight is frozen. Loss scaling
mends the first, the ways of storing a weight (`STORES`) the second. All functions compute in
float64 and round to the format after every operation.

Examples:
    >>> from gradbook.precision import float16
    >>> for store in STORES:
    ...     end = accumulate(store(float16), 1.0, 1e-4, 1000)
    ...     print(f"{store.__name__} {end:.4f}")
    Plain 1.0000
    Master 0.8999
    Kahan 0.8999

Source: Micikevicius et al. 2018; Kahan 1965.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, float_array, generator, integer_at_least, positive
from gradbook.precision import Format, float32, gap_above, gap_below, round_to


def scaled_underflow_depth(fmt: Format, factor: float, scale: float = 1.0) -> int:
    r"""Find the first $L$ at which $S \cdot \text{factor}^L$, rounded at each layer, is 0.

    The factor per layer is at most 1/2 in the format, the loss scale $S$ within its range.

    Examples:
        >>> from gradbook.precision import float16
        >>> [scaled_underflow_depth(float16, 0.25, 2.0**k) for k in (0, 8, 15)]
        [13, 17, 20]
    """
    stored = float(round_to(fmt, positive("factor", factor)))
    if not 0 < stored <= 0.5:
        raise ValueError(f"factor must lie between 0 and 1/2 in {fmt.name}, got {factor}")
    g, depth = float(round_to(fmt, positive("scale", scale))), 0
    if np.isinf(g):
        raise ValueError(f"scale must lie within the range of {fmt.name}, got {scale}")
    while g > 0:
        g, depth = float(round_to(fmt, g * stored)), depth + 1
    return depth


Stored = tuple[Array, ...]
"""What a store keeps; the first array holds the weights as the network sees them."""


class Store(Protocol):
    """Keep weights and subtract steps from them."""

    def start(self, w: ArrayLike) -> Stored:
        """Store weights."""

    def step(self, stored: Stored, u: ArrayLike) -> Stored:
        """Subtract a step and return what is stored then."""


@dataclass(frozen=True)
class Plain:
    r"""Subtract in the format: $w \leftarrow \mathrm{fl}(w - u)$."""

    fmt: Format

    def start(self, w: ArrayLike) -> Stored:
        """Round the weights to the format."""
        return (round_to(self.fmt, w),)

    def step(self, stored: Stored, u: ArrayLike) -> Stored:
        """Subtract, round."""
        return (round_to(self.fmt, stored[0] - round_to(self.fmt, u)),)


@dataclass(frozen=True)
class Master:
    r"""Keep a wide copy $W$: $W \leftarrow \mathrm{fl}_{32}(W - u)$, and show $\mathrm{fl}(W)$.

    Source: Micikevicius et al. 2018.
    """

    fmt: Format
    wide: Format = float32

    def start(self, w: ArrayLike) -> Stored:
        """Round the weights to both formats."""
        kept = round_to(self.wide, w)
        return round_to(self.fmt, kept), kept

    def step(self, stored: Stored, u: ArrayLike) -> Stored:
        """Subtract from the copy, and round that."""
        kept = round_to(self.wide, stored[1] - round_to(self.wide, u))
        return round_to(self.fmt, kept), kept


@dataclass(frozen=True)
class Kahan:
    r"""Carry what rounding lost, in the same format, into the next step.

    With the carry $r$, starting at 0: $y = \mathrm{fl}(u + r)$, $w' = \mathrm{fl}(w - y)$ and
    $r' = \mathrm{fl}(y - \mathrm{fl}(w - w'))$. As long as $|y| \le |w|$ the inner operations are
    exact: $w' - r' = w - y$, and only the first rounding is left.

    Examples:
        >>> from gradbook.precision import float16
        >>> kahan = Kahan(float16)
        >>> stored = kahan.start(1.0)
        >>> for _ in range(3):
        ...     stored = kahan.step(stored, 2**-12)
        ...     print(f"{stored[0]:.6f} {stored[1]:.6f}")
        1.000000 0.000244
        0.999512 0.000000
        0.999023 -0.000244

    Source: Kahan 1965.
    """

    fmt: Format

    def start(self, w: ArrayLike) -> Stored:
        """Round the weights; nothing is lost yet that a step could bring back."""
        rounded = round_to(self.fmt, w)
        return rounded, np.zeros_like(rounded)

    def step(self, stored: Stored, u: ArrayLike) -> Stored:
        """Subtract the step and the carry, and carry what that loses."""
        w, carry = stored
        y = round_to(self.fmt, round_to(self.fmt, u) + carry)
        moved = round_to(self.fmt, w - y)
        return moved, round_to(self.fmt, y - round_to(self.fmt, w - moved))


STORES: tuple[type[Plain] | type[Master] | type[Kahan], ...] = (Plain, Master, Kahan)
"""The ways to store a weight, each made from a format."""


def accumulate(store: Store, w: ArrayLike, u: ArrayLike, steps: int) -> Array:
    """Subtract a step again and again, and return the weights as the network sees them."""
    stored = store.start(w)
    for _ in range(integer_at_least("steps", steps, 0)):
        stored = store.step(stored, u)
    return stored[0]


def round_stochastically(fmt: Format, x: ArrayLike, rng: np.random.Generator) -> Array:
    r"""Round up or down at random, the nearer neighbor more often, so that $E\,\mathrm{fl}(x) = x$.

    Examples:
        >>> from gradbook.precision import float16
        >>> rng = np.random.default_rng(0)
        >>> x = np.full(10_000, 1 + 2**-12)  # a quarter of the gap above 1
        >>> f"{(round_stochastically(float16, x, rng) > 1).mean():.2f}"
        '0.25'
    """
    exact = float_array("x", x).astype(np.float64)
    near = round_to(fmt, exact)
    gap = np.where(exact < near, -gap_below(fmt, near), gap_above(fmt, near))
    moves = generator("rng", rng).random(exact.shape) < (exact - near) / gap
    return np.where(moves, near + gap, near)
