"""The few numbers that are kept of a tensor of PyTorch, not read where that waits for a device."""

import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from gradbook.diagnosis.watching.graph import is_linear, is_unbounded

TINY, HUGE = 1e-15, 1e18  # between them float32 loses nothing to squares that under- or overflow

BOUNDED = ("Sigmoid", "Tanh")
"""Activations, as autograd names them, that have two ends."""

RAW = 30.0
"""The root mean square of data from which on their unit is told."""

MOST = 64  # examples are enough; of pictures and texts 8 along each axis
CLASSES = 2**16  # are looked at, at most
FEW = 16  # positions tell of units: in 2 batches of 3 one that is on for 1 of 40 is off for all
CLOSE = 1e-3  # the share by which δ may miss what a loss sends that takes probabilities for logits
APART = 2 * CLOSE  # how far these differ at least: of equal ones many losses send the same


def is_half(tensor: Any) -> bool:
    """Tell whether its numbers are of float16."""
    return str(tensor.dtype) == "torch.float16"


def size_of(tensor: Any) -> Any:
    """Return the root mean square in one pass, in float64 where float32 could lose something."""
    torch = sys.modules["torch"]
    x = tensor.detach()
    if x.is_sparse:
        x = x.coalesce().values()
    norm = torch.linalg.vector_norm
    root = max(tensor.numel(), 1) ** 0.5
    if x.device.type != "cpu":
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        return norm(x, dtype=None if x.is_complex() else wide) / root
    small = x.dtype in (torch.float16, torch.bfloat16)
    found = float(norm(x, dtype=torch.float32 if small else None))
    if not TINY < found < HUGE and not x.is_complex():
        found = float(norm(x, dtype=torch.float64))
    return found / root


def units_off(tensor: Any, axis: int) -> Any:
    """Return the share of units that are 0 for every example; below a half, at most that."""

    def share(x: Any) -> Any:
        return (x == 0).movedim(axis, 0).flatten(1).all(1).double().mean()

    found = share(tensor.detach()[:1])
    if tensor.device.type == "cpu" and float(found) < 0.5:
        return found
    return share(tensor.detach())


def units_shut(came: Any, sent: Any, axis: int) -> Any:
    """Return the share of units that get a gradient for many examples, and send none on for any."""
    came, sent = came.movedim(axis, -1), sent.movedim(axis, -1)
    often = (came != 0).flatten(0, -2).sum(0) >= min(FEW, (came[..., 0].numel() + 3) // 4)
    return units_off(sent.where(often, 1.0), -1)


def spread_of(tensor: Any, bend: str) -> dict[str, Any]:
    """Return how far the examples differ, and the share of numbers at the ends of a range.

    That they come from a sigmoid must be known: of one that is wholly at its end the least number
    is 0, as of a ReLU.
    """
    if tensor.is_complex():
        return {}
    x = _some(tensor)
    spread = (x - x.mean(0)).norm() / x.norm() if x.shape[0] > 1 else None
    return {"spread": spread, "saturated": _at_ends(x, bend)}


def saturated_in(tensor: Any, bend: str) -> dict[str, Any]:
    """Return the second of these alone."""
    return {} if tensor.is_complex() else {"saturated": _at_ends(_some(tensor), bend)}


def _some(tensor: Any) -> Any:
    x = tensor.detach().flatten(1)
    return x[:MOST, :: max(x.shape[1] // 256, 1)].float()


def _at_ends(x: Any, bend: str) -> Any:
    torch = sys.modules["torch"]
    low, high = x.min(), x.max()
    ends = torch.where(low < -0.01, x.abs() > 0.995, (x < 0.005) | (x > 0.995)).float().mean()
    inside = (x.abs().max() <= 1) & (high > 0.9) & ((low < -0.9) | (low > 0) | (bend in BOUNDED))
    return torch.where(inside, ends, torch.zeros_like(ends))


def per_step(delta: Any, axis: int, lengths: list[int] | None) -> tuple[tuple[float, ...], ...]:
    """Return the norms of a gradient for each step and example."""
    norms = delta.detach().double().norm(dim=-1)
    if lengths is not None:
        rows = norms.split(lengths)
    else:
        rows = norms.movedim(axis, 0) if norms.ndim > 1 else norms[:, None]
    return tuple(tuple(row.flatten().tolist()) for row in rows)


class Shares(NamedTuple):
    """Some probabilities that a network returns, without an axis those of yes and no; or None."""

    some: Any
    axis: int | None


def shares_in(tensor: Any) -> Shares | None:
    """Return some of what a network returns, if these are probabilities, or nothing of logits."""
    if not tensor.ndim or not tensor.is_floating_point() or not tensor.numel():
        return None
    if is_linear(tensor.grad_fn):
        return Shares(None, None)
    x = _part(tensor, None)
    if not bool((x >= 0).all() & (x <= 1).all()) or is_unbounded(tensor.grad_fn):
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
    x = tensor.detach()[tuple(slice(None if a == axis else most) for a in range(tensor.ndim))]
    return (x if axis is None else x.movedim(axis, -1)).float().clone()


def taken_again(shares: Shares, delta: Any) -> str:
    """Name what the loss takes of probabilities though they are some already; empty if nothing.

    Of logits $z$ cross-entropy sends a multiple of $q - y$ with $q$ the softmax or the sigmoid of
    $z$ and $y$ a row with one 1, or of 0 and 1. No other loss in use sends just that of
    probabilities. Each row may have a factor of its own, but where there are two classes, or yes
    and no. Where classes are few or many, all but the 1 is nearly alike in other losses: those are
    compared by themselves.
    """
    if any(_picks(_part(delta, k)) for k in {delta.ndim - 1, 1} if delta.ndim > 1):
        return "picks"
    d = _part(delta, shares.axis)
    if shares.some is None or d.shape != shares.some.shape:
        return ""
    if shares.axis is None:
        d, q = d.reshape(1, -1), shares.some.sigmoid().reshape(1, -1)
        expected = q - (d < 0).float()
    else:
        q, label = shares.some.softmax(-1), d.argmin(-1, keepdim=True)
        expected = q.scatter_add(-1, label, 0 * q[..., :1] - 1)
    scale = (d * expected).sum(-1, keepdim=True) / (expected * expected).sum(-1, keepdim=True)
    if not bool((scale >= 0).all()) or not _close(d, scale * expected):
        return ""
    if shares.axis is None:
        return "sigmoid" if bool(q.std() > APART) else ""
    if q.shape[-1] == 2:
        alike = _close(scale, scale.max() + 0 * scale) and bool(q[..., 0].std() > APART)
    else:
        alike = _close(d.scatter(-1, label, 0.0), (scale * q).scatter(-1, label, 0.0))
    return "softmax" if alike else ""


def _picks(rows: Any) -> bool:
    """Tell that a loss is minus one output of each example, not of the same class in all."""
    chosen, least = rows != 0, rows.min()
    alike = bool((least < 0) & (~chosen | (rows == least)).all() & (chosen.sum(-1) <= 1).all())
    return alike and int(chosen.flatten(0, -2).any(0).sum()) > 1


def _close(x: Any, y: Any) -> bool:
    return bool((x - y).abs().max() <= CLOSE * y.abs().max()) and bool(y.abs().max() > 0)


def here_and_there(steps: Sequence[Sequence[float]]) -> bool:
    """Tell whether most examples are read at several steps, from the first half on.

    Examples:
        >>> [here_and_there([[s] for s in one]) for one in ([1, 0, 0.5, 0, 2], [0, 0, 1])]
        [True, False]
    """
    examples = zip_longest(*steps, fillvalue=0.0)
    read = [[t for t, size in enumerate(one) if size > 0] for one in examples]
    return 2 * sum(len(at) > 2 and 2 * at[0] < at[-1] for at in read) > len(read)
