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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from gradbook.checks import Array, float_array, generator, integer_at_least, positive, positive_int
from gradbook.precision import Format, float32, gap_above, gap_below, round_to


@dataclass(frozen=True)
class LossScale:
    r"""Multiply the loss by $S$, so that its gradient is $S$ times as large; divide it afterwards.

    A dynamic scale grows after so many sound steps in a row. If a gradient overflows, the step is
    skipped and the scale shrinks. With `interval=None` the scale is static.

    Args:
        scale: The factor $S$, positive. Powers of two cost no rounding.
        growth: By what a dynamic scale is multiplied, above 1.
        backoff: By what an overflow multiplies it, between 0 and 1.
        interval: After how many sound steps it grows; None for never, and no backoff either.
        sound: How many sound steps there were since it last changed.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If an argument is out of range.

    Source: Micikevicius et al. 2018.
    """

    scale: float
    growth: float = 2.0
    backoff: float = 0.5
    interval: int | None = 2000
    sound: int = 0

    def __post_init__(self) -> None:
        """Refuse a scale that could not scale."""
        positive("scale", self.scale)
        if not positive("growth", self.growth) > 1:
            raise ValueError(f"growth must be above 1, got {self.growth}")
        if not positive("backoff", self.backoff) < 1:
            raise ValueError(f"backoff must be below 1, got {self.backoff}")
        if self.interval is not None:
            positive_int("interval", self.interval)

    def after(self, *, sound: bool) -> "LossScale":
        """Return the scale for the next step.

        Args:
            sound: Whether all gradients of this step were finite.

        Examples:
            >>> scale = LossScale(8.0, interval=2)
            >>> for sound in (True, True, False, True):
            ...     scale = scale.after(sound=sound)
            ...     print(f"{scale.scale:g}")
            8
            16
            8
            8
        """
        if self.interval is None:
            return self
        if not sound:
            return replace(self, scale=self.scale * self.backoff, sound=0)
        if self.sound + 1 == self.interval:
            return replace(self, scale=self.scale * self.growth, sound=0)
        return replace(self, sound=self.sound + 1)


class Unscaled(NamedTuple):
    """Hold gradients after division by the scale, and what to do with them.

    Attributes:
        grads: The gradients, in float64.
        sound: Whether all of them are finite; if not, skip the step.
        loss_scale: The scale for the next step.
    """

    grads: list[Array]
    sound: bool
    loss_scale: LossScale


def unscale(grads: Sequence[Array], loss_scale: LossScale) -> Unscaled:
    """Divide gradients by the loss scale and say whether the step is to be taken.

    Args:
        grads: Gradients of the scaled loss, of any shape; infinities and NaN are reported.
        loss_scale: The scale that the loss was multiplied by.

    Raises:
        TypeError: If a gradient does not hold real numbers.

    Examples:
        >>> small, sound, _ = unscale([np.array([8.0])], LossScale(16.0))
        >>> small[0].item(), sound
        (0.5, True)
        >>> _, sound, scale = unscale([np.array([np.inf])], LossScale(16.0))
        >>> sound, scale.scale
        (False, 8.0)
    """
    arrays = [float_array(f"grads[{i}]", g).astype(np.float64) for i, g in enumerate(grads)]
    sound = all(bool(np.isfinite(g).all()) for g in arrays)
    smaller: list[Array] = [np.asarray(g / loss_scale.scale) for g in arrays]
    return Unscaled(smaller, sound, loss_scale.after(sound=sound))


def scaled_underflow_depth(fmt: Format, factor: float, scale: float = 1.0) -> int:
    r"""Find the first $L$ at which $S \cdot \text{factor}^L$, rounded at each layer, is 0.

    Args:
        fmt: The format.
        factor: The factor per layer, positive and at most 1/2 in the format.
        scale: The loss scale $S$, positive and within the range of the format.

    Returns:
        The number of layers.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range.

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
    r"""Subtract in the format: $w \leftarrow \mathrm{fl}(w - u)$.

    Args:
        fmt: The format.

    Examples:
        >>> from gradbook.precision import float16
        >>> plain = Plain(float16)
        >>> plain.step(plain.start(1.0), 2**-12)[0].item()
        1.0
    """

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

    Args:
        fmt: The format that the network sees.
        wide: The format of the copy.

    Examples:
        >>> from gradbook.precision import float16
        >>> master = Master(float16)
        >>> seen, wide = master.step(master.start(1.0), 2**-12)
        >>> seen.item(), wide.item()
        (1.0, 0.999755859375)

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

    With the carry $c$, starting at 0: $y = \mathrm{fl}(u + c)$, $w' = \mathrm{fl}(w - y)$ and
    $c' = \mathrm{fl}(y - \mathrm{fl}(w - w'))$. As long as $|y| \le |w|$ the inner operations are
    exact: $w' - c' = w - y$, and only the first rounding is left.

    Args:
        fmt: The format.

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
    r"""Subtract a step again and again, and return the weights as the network sees them.

    Args:
        store: How the weights are stored.
        w: Weights of any shape.
        u: The step, of a shape that broadcasts with `w`.
        steps: How often, at least 0.

    Returns:
        The weights in the end, same shape.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If `steps` is negative, or an array empty.

    Examples:
        >>> from gradbook.precision import bfloat16
        >>> f"{accumulate(Kahan(bfloat16), 1.0, 2**-10, 512):.4f}"
        '0.5000'
    """
    stored = store.start(w)
    for _ in range(integer_at_least("steps", steps, 0)):
        stored = store.step(stored, u)
    return stored[0]


def round_stochastically(fmt: Format, x: ArrayLike, rng: np.random.Generator) -> Array:
    r"""Round up or down at random, the nearer neighbor more often, so that $E\,\mathrm{fl}(x) = x$.

    Args:
        fmt: The format.
        x: Finite numbers of any shape, within the range of the format.
        rng: The random generator.

    Returns:
        Numbers of the format, same shape.

    Raises:
        TypeError: If `x` is not made of real numbers or `rng` is no generator.
        ValueError: If `x` is empty, not finite or beyond the range.

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
