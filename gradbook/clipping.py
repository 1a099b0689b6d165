"""Clip a gradient: by its global norm, by the norm of each array, or entry by entry.

A gradient is a sequence of arrays, one for each parameter; none is changed, and what is returned
keeps their dtypes. The first `members` axes of every array are an ensemble, each member of which is
clipped on its own. Each function returns the norm before, which is the one worth logging, and
whether anything was clipped. Infinite and NaN gradients raise, since no clip can mend them, unless
`error_if_nonfinite` is False. Then a member whose gradient is not finite keeps it as it is, and its
norm reports it; the other members are clipped as ever.

Examples:
    >>> grads = [np.array([3.0, 0.5]), np.array([[4.0]])]
    >>> for clip in (clip_global_norm, clip_norm, clip_value):
    ...     clipped = clip(grads, 1).grads
    ...     print(clip.__name__, f"{np.degrees(angle(grads, clipped)):.1f} degrees")
    clip_global_norm 0.0 degrees
    clip_norm 7.8 degrees
    clip_value 15.9 degrees
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradbook.checks import Array, finite_array, float_array, integer_at_least, positive


class Clipped(NamedTuple):
    """Hold clipped gradients with what is worth logging: the norm before the clip.

    Attributes:
        grads: The gradients after the clip.
        norm: Their norm before, shape (...) of the ensemble; infinite or NaN if a gradient is.
        clipped: Whether they were changed, same shape.
    """

    grads: list[Array]
    norm: Array
    clipped: NDArray[np.bool_]


Clip: TypeAlias = Callable[[Sequence[Array]], Clipped]
"""A clip whose limit is chosen, such as `partial(clip_global_norm, max_norm=1.0)`."""


def clip_global_norm(
    grads: Sequence[Array], max_norm: float, *, members: int = 0, error_if_nonfinite: bool = True
) -> Clipped:
    r"""Shorten a gradient to the norm $c$ if it is longer: $g \min(1, c/\lVert g \rVert)$.

    The norm is that of all arrays together, so that a clip changes the length of the gradient and
    not its direction. It is computed without overflow.

    Examples:
        >>> grads, norm, clipped = clip_global_norm([np.array([3.0]), np.array([[4.0]])], 1)
        >>> [f"{g.item():.1f}" for g in grads], f"{norm:.1f}", bool(clipped)
        (['0.6', '0.8'], '5.0', True)

    Source: Pascanu et al. 2013.
    """
    max_norm = positive("max_norm", max_norm)
    arrays, axes = _checked(grads, members, error_if_nonfinite)
    length = _length(_flat(arrays, axes))
    clipped = length.above(max_norm) & length.finite
    shortened = [_shorten(g, length, clipped, max_norm, axes) for g in arrays]
    return Clipped(shortened, length.norm, clipped)


def clip_norm(
    grads: Sequence[Array], max_norm: float, *, members: int = 0, error_if_nonfinite: bool = True
) -> Clipped:
    r"""Shorten each array on its own: $g_i \min(1, c/\lVert g_i \rVert)$.

    Long arrays are shortened and short ones are not, so the direction of the whole gradient turns.
    Norms and clips have shape (..., arrays); an array that is not finite stays as it is.
    """
    arrays, _ = _checked(grads, members, error_if_nonfinite)
    clips = [
        clip_global_norm([g], max_norm, members=members, error_if_nonfinite=False) for g in arrays
    ]
    return Clipped(
        [clip.grads[0] for clip in clips],
        np.stack([clip.norm for clip in clips], axis=-1),
        np.stack([clip.clipped for clip in clips], axis=-1),
    )


def clip_value(
    grads: Sequence[Array], limit: float, *, members: int = 0, error_if_nonfinite: bool = True
) -> Clipped:
    r"""Cut each entry off at $\pm c$: $\min(c, \max(-c, g))$.

    The norm returned is that of all arrays before. A member with an entry that is not finite stays
    as it is: cutting off an infinity would make a finite number of it, and nothing would show.
    """
    limit = positive("limit", limit)
    arrays, axes = _checked(grads, members, error_if_nonfinite)
    flat = _flat(arrays, axes)
    length = _length(flat)
    clipped = (np.abs(flat).max(axis=-1) > limit) & length.finite
    cut = [
        np.where(_spread(clipped, g, axes), np.clip(g, -limit, limit), g).astype(g.dtype)
        for g in arrays
    ]
    return Clipped(cut, length.norm, clipped)


def global_norm(grads: Sequence[Array], *, members: int = 0) -> Array:
    r"""Return $\lVert g \rVert$, the norm of all arrays together, without overflow on the way.

    There is one for each member, infinite or NaN if an entry is.
    """
    arrays, axes = _checked(grads, members, error_if_nonfinite=False)
    return _length(_flat(arrays, axes)).norm


def angle(first: Sequence[Array], second: Sequence[Array], *, members: int = 0) -> Array:
    r"""Return the angle between two gradients in radians, one for each member.

    It is $2 \arctan(\lVert u - v \rVert/\lVert u + v \rVert)$ with $u$ and $v$ the two divided by
    their norms, since these are the sides of an isosceles triangle. The inverse
    cosine would be off by the square root of a rounding error near 0; this is not.
    """
    shapes = [np.shape(g) for g in first], [np.shape(g) for g in second]
    if shapes[0] != shapes[1]:
        raise ValueError(f"second must have the shapes of first, {shapes[0]}, got {shapes[1]}")
    u, v = (_direction(*_checked(grads, members, True)) for grads in (first, second))
    return np.asarray(2 * np.arctan2(_length(u - v).norm, _length(u + v).norm))


class _Length(NamedTuple):
    """A length in units of the largest entry, in which no square overflows or underflows."""

    unit: Array
    ratio: Array

    @property
    def norm(self) -> Array:
        with np.errstate(over="ignore"):  # the norm of finite gradients may be infinite
            return np.asarray(self.unit * self.ratio)

    @property
    def finite(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.unit))

    def above(self, limit: float) -> NDArray[np.bool_]:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(self.ratio > limit / self.unit)


def _length(flat: Array) -> _Length:
    largest = np.abs(flat).max(axis=-1)
    unit = np.where(largest == 0, 1, largest)  # mutant(1): the unit of nothing
    with np.errstate(invalid="ignore"):
        ratio = np.sqrt(np.square(flat / unit[..., None]).sum(axis=-1))
    return _Length(unit, np.where(np.isfinite(unit), ratio, 1))


def _shorten(
    g: Array, length: _Length, clipped: NDArray[np.bool_], max_norm: float, axes: tuple[int, ...]
) -> Array:
    unit, ratio = (_spread(part, g, axes) for part in (length.unit, length.ratio))
    with np.errstate(invalid="ignore", divide="ignore", under="ignore"):
        shorter = g.astype(np.float64) / unit * (max_norm / ratio)
    return np.where(_spread(clipped, g, axes), shorter, g).astype(g.dtype)


def _direction(arrays: list[Array], axes: tuple[int, ...]) -> Array:
    flat = _flat(arrays, axes)
    unit, ratio = _length(flat)
    if not ratio.all():
        raise ValueError("a gradient must not be zero throughout: it has no direction")
    return np.asarray(flat / unit[..., None] / ratio[..., None])


def _checked(
    grads: Sequence[Array], members: int, error_if_nonfinite: bool
) -> tuple[list[Array], tuple[int, ...]]:
    check = finite_array if error_if_nonfinite else float_array
    arrays = [check(f"grads[{i}]", g) for i, g in enumerate(grads)]
    return arrays, _ensemble_axes(arrays, integer_at_least("members", members, 0))


def _ensemble_axes(arrays: Sequence[Array], members: int) -> tuple[int, ...]:
    if not arrays:
        raise ValueError("grads must hold at least one array, got none")
    axes = {g.shape[:members] for g in arrays}
    if len(axes) > 1 or len(next(iter(axes))) < members:
        found = [g.shape for g in arrays]
        raise ValueError(f"grads must share their first members={members} axes, got shapes {found}")
    return next(iter(axes))


def _flat(arrays: Sequence[Array], axes: tuple[int, ...]) -> Array:
    return np.concatenate([g.astype(np.float64).reshape(*axes, -1) for g in arrays], axis=-1)


def _spread(values: NDArray[Any], g: Array, axes: tuple[int, ...]) -> NDArray[Any]:
    """Give one number per member the axes of an array, to be broadcast with it."""
    return values.reshape(axes + (1,) * (g.ndim - len(axes)))
