"""The few numbers that are kept of a tensor of PyTorch, not read where that waits for a device."""

import sys
from typing import Any

TINY, HUGE = 1e-15, 1e18
"""Between which norms float32 has lost nothing to squares that under- or overflow."""


BOUNDED = ("Sigmoid", "Tanh")
"""Activations, as autograd names them, that have two ends."""


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
    zero = tensor.detach()[:1] == 0
    found = _all_but(zero, axis)
    if tensor.device.type == "cpu" and float(found) < 0.5:
        return found
    return _all_but(tensor.detach() == 0, axis)


def _all_but(zero: Any, axis: int) -> Any:
    return zero.movedim(axis, 0).flatten(1).all(1).double().mean()


def spread_of(tensor: Any, bend: str = "") -> tuple[Any, Any]:
    """Return how far the examples differ, and the share of numbers at the ends of a range.

    Args:
        bend: The activation that they come from, if it is known: of a sigmoid that is wholly at its
            end the least number is 0, as of a ReLU.
    """
    torch = sys.modules["torch"]
    x = tensor.detach().flatten(1)
    if x.is_complex():
        return None, None
    x = x[:64, :: max(x.shape[1] // 256, 1)].float()
    spread = (x - x.mean(0)).norm() / x.norm() if x.shape[0] > 1 else None
    low, high = x.min(), x.max()
    ends = torch.where(low < -0.01, x.abs() > 0.995, (x < 0.005) | (x > 0.995)).float().mean()
    inside = (x.abs().max() <= 1) & (high > 0.9) & ((low < -0.9) | (low > 0) | (bend in BOUNDED))
    return spread, torch.where(inside, ends, torch.zeros_like(ends))


def per_step(delta: Any, axis: int, lengths: list[int] | None) -> list[list[float]]:
    """Return the norms of a gradient for each step and example."""
    norms = delta.double().norm(dim=-1)
    if lengths is not None:
        return [part.tolist() for part in norms.split(lengths)]
    rows = norms.movedim(axis, 0) if norms.ndim > 1 else norms[:, None]
    return [row.flatten().tolist() for row in rows]
