"""What is known of each tensor of weights, and of what its optimizer holds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradbook.diagnosis.bad_input import Odd
from gradbook.diagnosis.findings.known import Parameter
from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.measuring.updates import Update
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.reading.storage import Tensor
from gradbook.diagnosis.watching.passes import version_of

SAMPLE = 16
"""How many of its first weights are enough to tell a copy of it."""


@dataclass(frozen=True)
class Net:
    """A network of PyTorch, as its owner hands it over.

    Attributes:
        weights: Name → parameter, tied ones under each name.
        versions: What they were when they were watched first, if they were.
    """

    weights: Mapping[str, Any]
    optimizer: Any = None
    versions: Mapping[str, int] = field(default_factory=dict)

    def group(self, name: str) -> Mapping[str, Any]:
        """Return what the optimizer does with a weight; nothing if it does not hold it."""
        return self._groups.get(id(self.weights.get(name)), {})

    @cached_property
    def _groups(self) -> Mapping[int, Mapping[str, Any]]:
        groups = () if self.optimizer is None else self.optimizer.param_groups
        return {id(p): group for group in groups for p in group["params"]}


def innermost(optimizer: Any) -> Any:
    """Return the optimizer that others are laid around, as by accelerate and Lightning."""
    while hasattr(getattr(optimizer, "optimizer", None), "param_groups"):
        optimizer = optimizer.optimizer
    return optimizer


def parameters_of(
    measured: Mapping[str, Measured],
    weights: Tensors | None,
    updates: Mapping[str, Update],
    net: Net | None = None,
) -> tuple[Parameter, ...]:
    """Return what findings need to know of each tensor, tied ones once."""
    kept = [m for m in measured.values() if m.tied_to is None]
    sample = SAMPLE if any(one.statistics is None for one in kept) else 0
    stored = ((one, _read(weights, one.name), updates.get(one.name)) for one in kept)
    return tuple(_parameter(*known, net or Net({}), sample) for known in stored)


def _read(weights: Tensors | None, name: str) -> Tensor | None:
    try:
        return None if weights is None else weights.get(name)
    except Odd:
        return None


def _parameter(
    found: Measured, stored: Tensor | None, step: Update | None, net: Net, sample: int
) -> Parameter:
    name, numbers = found.name, found.statistics
    weight, group = net.weights.get(name), net.group(name)
    lost = numbers is not None and numbers.nonfinite > 0
    shape = stored.shape if stored is not None else (found.shape or ())
    ratio = step.ratio if step is not None and math.isfinite(step.ratio) else None
    rate = float(group["lr"]) if "lr" in group else None
    return Parameter(
        name=name,
        trainable=weight is None or bool(weight.requires_grad),
        axes=len(shape),
        norm=None if numbers is None else numbers.norm,
        finite=not lost,
        zero=None if stored is None else _is_zero(stored),
        alike=stored is not None and _is_alike(stored),
        broken=lost and stored is not None and not np.isfinite(stored.values()).all(),
        ratio=ratio,
        gain=None if step is None or ratio is None else _gain(ratio * step.weight.rms, shape),
        stepped=None if net.optimizer is None or weight is None else bool(group),
        moved=name in net.versions and version_of(weight) != net.versions[name],
        rate=rate,
        decay=(rate or 0.0) * float(group.get("weight_decay") or 0.0),
        sample=() if stored is None else _first(stored, sample),
    )


def _first(tensor: Tensor, many: int) -> tuple[float, ...]:
    return tuple(tensor.storage.widen(tensor.raw.reshape(-1)[:many]).tolist()) if many else ()


def _gain(rms: float, shape: tuple[int, ...]) -> float:
    # Libraries differ in which axis counts the inputs: in doubt the step passes for larger.
    inputs = math.prod(shape) / min(shape[0], shape[-1]) if len(shape) > 1 else 1
    return rms * math.sqrt(inputs)


def _is_zero(tensor: Tensor) -> bool:
    # Nearly always the first number tells.
    return not tensor.raw.flat[0] and not np.any(tensor.raw)


def _is_alike(tensor: Tensor) -> bool:
    """Tell whether all units of a matrix have the same weights, whichever axis counts them."""
    shape = tensor.shape
    if len(shape) < 2 or min(shape[:2]) < 2 or _is_zero(tensor):
        return False
    rows = tensor.raw.reshape(shape[0], -1)
    if rows[0, 0] != rows[1, 0] and rows[0, 0] != rows[0, 1]:
        return False
    return bool((rows == rows[:1]).all() or (rows == rows[:, :1]).all())
