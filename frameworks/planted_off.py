"""Which ReLUs are off for all examples, however they are called."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


def off(net: nn.Module, x: Tensor, least: int = 1) -> float:
    """Return the share of ReLUs that are off for all examples, in the mean over layers.

    It is 1 where those of one layer all are. Layers of fewer units than the least do not count.
    """
    with Rectified() as seen, torch.no_grad():
        net(x)
    pairs = zip(seen.shares, seen.units, strict=True)
    shares = [share for share, units in pairs if units >= least] or [0.0]
    return 1.0 if max(shares) == 1 else sum(shares) / len(shares)


class Rectified(TorchFunctionMode):
    """See every ReLU, also those that are called and no module."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[float] = []
        self.units: list[int] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in (F.relu, torch.relu):
            self.shares.append(_off(output))
            self.units.append(output.shape[-1 if output.ndim == 3 else 1])
        return output


def _off(output: Tensor) -> float:
    """Count units: of words they are last, of images and of rows they come after the examples."""
    units = output.movedim(-1 if output.ndim == 3 else 1, 0)
    return (units <= 0).flatten(1).all(1).double().mean().item()
