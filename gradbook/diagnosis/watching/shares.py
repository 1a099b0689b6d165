"""Tell from what comes back that a loss has taken probabilities for logits."""

import sys
from dataclasses import dataclass
from typing import Any

MOST = 64
"""How many examples are enough; of pictures and texts so many along each axis as are 8 of them."""

CLASSES = 2**16
"""How many classes are looked at, at most."""

CLOSE = 1e-3
"""How far δ may be from what such a loss sends, as a share of it."""


@dataclass(frozen=True)
class Shares:
    """Some of the probabilities that a network returns, and along which axis they add up to 1.

    Attributes:
        axis: None if they are those of yes and no.
    """

    some: Any
    axis: int | None


def shares_in(tensor: Any) -> Shares | None:
    """Return some of what a network returns, if these are probabilities."""
    if not tensor.ndim or not tensor.is_floating_point() or not tensor.numel():
        return None
    x = _part(tensor, None)
    if not bool((x >= 0).all() & (x <= 1).all()):
        return None
    torch = sys.modules["torch"]
    for axis in dict.fromkeys((tensor.ndim - 1, 1)) if tensor.ndim > 1 else ():
        if 1 < tensor.shape[axis] <= CLASSES:
            rows = _part(tensor, axis)
            if _close(rows.sum(-1), torch.ones_like(rows[..., 0])):
                return Shares(rows, axis)
    return Shares(x, None)


def _part(tensor: Any, axis: int | None) -> Any:
    """Return a few numbers of a tensor, all along one axis, which comes last."""
    most = MOST if tensor.ndim < 3 else 8
    several = range(tensor.ndim)
    x = tensor.detach()[tuple(slice(None if a == axis else most) for a in several)]
    return (x if axis is None else x.movedim(axis, -1)).float().clone()


def again(shares: Shares, delta: Any) -> str:
    """Name what the loss takes of probabilities though they are some already; empty if nothing.

    Of logits $z$ cross-entropy sends a multiple of $q - y$ with $q$ the softmax or the sigmoid of
    $z$ and $y$ a row with one 1, or of 0 and 1. No other loss in use sends just that of
    probabilities.
    """
    d = _part(delta, shares.axis)
    if d.shape != shares.some.shape:
        return ""
    if shares.axis is None:
        return "sigmoid" if _of_yes_and_no(d, shares.some.sigmoid()) else ""
    return "softmax" if _of_classes(d, shares.some.softmax(-1)) else ""


def _close(x: Any, y: Any) -> bool:
    return bool((x - y).abs().max() <= CLOSE * y.abs().max()) and bool(y.abs().max() > 0)


def _of_classes(d: Any, q: Any) -> bool:
    """Compare rows of δ with q minus one 1, each but for a factor of its own.

    Where they are few or many, all but the 1 is nearly alike in other losses: those are compared by
    themselves, and of two classes the factor has to be the same for all rows.
    """
    label = d.argmin(-1, keepdim=True)
    expected = q.scatter_add(-1, label, 0 * q[..., :1] - 1)
    scale = (d * expected).sum(-1, keepdim=True) / (expected * expected).sum(-1, keepdim=True)
    fits = bool((scale >= 0).all()) and _close(d, scale * expected)
    if q.shape[-1] == 2:
        return fits and _close(scale, scale.max() + 0 * scale) and bool(q[..., 0].std() > CLOSE)
    others = d.scatter(-1, label, 0.0), (scale * q).scatter(-1, label, 0.0)
    return fits and _close(*others)


def _of_yes_and_no(d: Any, q: Any) -> bool:
    """Compare δ with q minus 0 or 1, all with one factor."""
    expected = q - (d < 0).float()
    scale = (d * expected).sum() / (expected * expected).sum()
    return bool(scale > 0) and bool(q.std() > 0) and _close(d, scale * expected)
