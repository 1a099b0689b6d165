"""What is known of each tensor of weights, and what its optimizer's next step does to it."""

import copy
import gc
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradbook.diagnosis.bad_input import BadInput, Odd
from gradbook.diagnosis.findings.known import Parameter
from gradbook.diagnosis.measuring.examination import Examined
from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.measuring.updates import ENOUGH, Update, update
from gradbook.diagnosis.reading.arrays import Tensors, as_tensor
from gradbook.diagnosis.reading.storage import Tensor, is_zero
from gradbook.diagnosis.watching.record import version_of
from gradbook.precision import float16

SAMPLE = 64
"""How many of its first weights are enough to tell a copy of it."""

PATIENCE = 32
"""How often weights are written to until those that another optimizer holds must have been, too."""

BY_SIZE = ("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "Rprop")
"""Optimizers of PyTorch that divide each gradient by its own size, so that a clip does nothing."""

BY_NUMBERS = ("SGD", "ASGD", *BY_SIZE)
"""Those whose step for one number is made of nothing but what belongs to it."""

ONE_BY_ONE = {"foreach": False, "fused": False, "capturable": False}
"""How a step is computed that any device and format can do."""

LOST = float16.smallest / 4
"""What float16 rounds to 0."""

DECAYS = ("weight_decay", "lambd")
"""What groups of optimizers call a decay, without which a step does not depend on the weight."""


@dataclass(frozen=True)
class Net:
    """A network of PyTorch, as its owner hands it over."""

    weights: Mapping[str, Any]
    """Name → parameter, tied ones under each name."""
    optimizer: Any = None
    scale: float = 1.0
    """What the loss was multiplied by."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """What they were when they were watched first, if they were."""
    tables: frozenset[int] = frozenset()
    """The `id` of those of which rows are looked up, as in an embedding."""
    others: frozenset[int] = frozenset()
    """What `elsewhere` was at an earlier look: finding it takes a tenth of a second or two."""

    @cached_property
    def way(self) -> str:
        """The optimizer of `BY_NUMBERS` that takes the step, as it is or under another name."""
        step: Any = getattr(type(self.optimizer), "step", None)
        name = getattr(step, "__qualname__", "").partition(".")[0]
        own = getattr(step, "__module__", "").startswith("torch.optim")
        return name if own and name in BY_NUMBERS else ""

    def group(self, name: str) -> Mapping[str, Any]:
        """Return what the optimizer does with a weight; nothing if it does not hold it."""
        return self.groups.get(id(self.weights.get(name)), {})

    @cached_property
    def groups(self) -> Mapping[int, Mapping[str, Any]]:
        """What the optimizer does with all that it holds, by the weights' `id`."""
        groups = () if self.optimizer is None else self.optimizer.param_groups
        return {id(p): group for group in groups for p in group["params"]}

    @cached_property
    def elsewhere(self) -> frozenset[int]:
        """The `id` of the weights that another optimizer holds, as each half of a GAN has one."""
        if self.optimizer is None or self._written > PATIENCE:
            return frozenset()
        if not self._left:
            return self.others
        # One that shares weights with this one is an older one, or of another step.
        return frozenset().union(*(ids for ids in self._living if ids.isdisjoint(self.groups)))

    @cached_property
    def shared(self) -> frozenset[int]:
        """The same of one that shares weights, as long as no step has told whether it is older."""
        begins = self._left and not self._written
        return frozenset().union(*self._living) if begins else frozenset()

    @cached_property
    def _written(self) -> int:
        weights = self.weights.items()
        counts = (version_of(w) - self.versions.get(n, version_of(w)) for n, w in weights)
        return max(counts, default=0)

    @cached_property
    def _left(self) -> bool:
        """Whether some weights are in no optimizer that is known."""
        known = self.others.union(self.groups)
        asked = any(w.requires_grad and id(w) not in known for w in self.weights.values())
        return self.optimizer is not None and asked

    @cached_property
    def _living(self) -> list[set[int]]:
        """What the optimizers hold that are alive."""
        living = (x for x in gc.get_objects() if hasattr(type(x), "add_param_group"))
        groups = (getattr(x, "param_groups", ()) for x in living)
        return [{id(p) for group in mine for p in group["params"]} for mine in groups]


def innermost(optimizer: Any) -> Any:
    """Return the optimizer that others are laid around, as by accelerate and Lightning."""
    while hasattr(getattr(optimizer, "optimizer", None), "param_groups"):
        optimizer = optimizer.optimizer
    if optimizer is not None and not hasattr(optimizer, "param_groups"):
        got = type(optimizer).__name__
        raise BadInput(f"optimizer must be one optimizer of PyTorch, got {got}: watch each apart")
    return optimizer


def parameters_of(found: Examined, net: Net) -> tuple[Parameter, ...]:
    """Return what findings need to know of each tensor, tied ones once."""
    kept = [m for m in found.measured.values() if m.tied_to is None]
    sample = SAMPLE if any(one.statistics is None for one in kept) else 0
    return tuple(_parameter(one, found, net, sample) for one in kept)


def _read(tensors: Tensors | None, name: str) -> Tensor | None:
    try:
        return None if tensors is None else tensors.get(name)
    except Odd:
        return None


def _parameter(found: Measured, whole: Examined, net: Net, sample: int) -> Parameter:
    name, numbers = found.name, found.statistics
    stored, step = _read(whole.weights, name), whole.updates.get(name)
    weight, group = net.weights.get(name), net.group(name)
    lost = numbers is not None and numbers.nonfinite > 0
    shape = stored.shape if stored is not None else (found.shape or ())
    ratio = step.ratio if step is not None and math.isfinite(step.ratio) else None
    rate = None if group.get("lr") is None else float(group["lr"])
    first = [] if stored is None else stored.storage.widen(stored.raw.flat[:sample]).tolist()
    alike = stored is not None and _is_alike(stored)
    pull = _read(whole.gradients, name) if alike else None
    return Parameter(
        name=name,
        trainable=weight is None or bool(weight.requires_grad),
        axes=len(shape),
        norm=None if numbers is None else numbers.norm,
        written=weight is None or weight.grad is None or version_of(weight.grad) > 0,
        finite=not lost,
        zero=None if stored is None else is_zero(stored),
        alike=alike,
        pulled_alike=pull is not None and len(shape) > 1 and _is_pulled_alike(pull),
        broken=lost and stored is not None and not np.isfinite(stored.values()).all(),
        ratio=ratio,
        gain=None
        if step is None or ratio is None
        else _gain(ratio * step.weight.rms, () if id(weight) in net.tables else shape),
        stepped=None if net.optimizer is None or weight is None else bool(group),
        moved=(name in net.versions and version_of(weight) != net.versions[name])
        or id(weight) in net.elsewhere
        or id(weight) in net.shared,
        shared=not group and id(weight) in net.shared and id(weight) not in net.elsewhere,
        rate=rate,
        decay=(rate or 0.0) * float(group.get("weight_decay") or 0.0),
        breaks=not lost and step is not None and step.gradient.nonfinite > 0,
        hint=None if net.way not in BY_SIZE else "wide" if found.format == "float16" else "divides",
        sample=tuple(first),
    )


def _gain(rms: float, shape: tuple[int, ...]) -> float:
    # Libraries differ in which axis counts the inputs: in doubt the step passes for larger.
    inputs = math.prod(shape) / min(shape[0], shape[-1]) if len(shape) > 1 else 1
    return rms * math.sqrt(inputs)


def _is_alike(tensor: Tensor) -> bool:
    """Tell whether all units of a matrix have the same weights, whichever axis counts them."""
    shape = tensor.shape
    if len(shape) == 1:
        return bool((tensor.raw == tensor.raw[:1]).all())
    if len(shape) < 2 or max(shape[:2]) < 2 or is_zero(tensor):
        return False
    rows = tensor.raw.reshape(shape[0], -1)
    ways = (x for x in (rows, rows.T) if len(x) > 1)  # one row is like itself
    return any(x[0, 0] == x[1, 0] and bool((x == x[:1]).all()) for x in ways)


def _is_pulled_alike(gradient: Tensor) -> bool:
    """Tell whether all units get the same gradient."""
    values = gradient.values().astype(np.float64)
    # They are the rows of what PyTorch and Equinox call a weight, elsewhere mostly the columns.
    axes = [0] if "weight" in gradient.name else [0, -1]
    wide = [axis for axis in axes if values.shape[axis] > 1] or [1]
    apart = min(float(np.linalg.norm(values - values.take([0], axis))) for axis in wide)
    return bool(apart <= 1e-3 * np.linalg.norm(values))  # of rounding


def stepped(found: Examined, net: Net) -> Examined:
    """Add what the optimizer's next step does to each weight, or that nobody knows it."""
    note = "Updates and frozen shares are those of the optimizer's next step."
    if not net.way:
        name = type(net.optimizer).__name__
        note = f"What a step of {name} does is not known: compare weights before and after one."
    steps = {step.name: step for step in _steps(net, found.measured.values())}
    return replace(found, updates=steps, notes=(note, *found.notes))


def _steps(net: Net, measured: Iterable[Measured]) -> Iterator[Update]:
    """Yield what the next step does to each weight, from a sample of its numbers.

    A copy of the optimizer takes it, if it is one of PyTorch's that treats each number by itself.
    What any other does nobody knows before it is done.
    """
    kept = (m.name for m in measured if m.statistics is not None and m.tied_to is None)
    held = {name: net.weights[name] for name in kept if net.group(name)}
    held = {name: weight for name, weight in held.items() if weight.grad is not None}
    usable = {n: w for n, w in held.items() if not (w.grad.is_sparse or w.is_complex())}
    steps = _taken(net, usable)
    # In it small numbers that optimizers add and keep are 0, and what is 0 for that is lost.
    half = {name: w for name, w in usable.items() if str(w.dtype) == "torch.float16"}
    for name, step in _taken(net, half, own=True).items():
        steps[name] = step.double().where(step != 0, steps[name].clamp(-LOST, LOST))
    for name, step in steps.items():
        stored, taken = as_tensor(name, _thin(usable[name])), as_tensor(name, step)
        if stored is not None and taken is not None:
            yield update(stored, taken, lr=1.0)


def _thin(x: Any) -> Any:
    flat = x.detach().reshape(-1)
    return flat[:: flat.numel() // ENOUGH | 1] if flat.numel() > ENOUGH else flat


def _taken(net: Net, weights: Mapping[str, Any], *, own: bool = False) -> dict[str, Any]:
    """Have a copy take a step with a few numbers of each weight, in float64 or their `own` format.

    Without weight decay they begin at 0, of which a difference of any size can be told.
    """
    if not net.way or not weights:
        return {}
    few = {n: _few(w, own, net.group(n), net.scale) for n, w in weights.items()}
    before = {name: x.detach().clone() for name, x in few.items()}
    mine = {id(weights[name]): x for name, x in few.items()}
    copied, way = copy.copy(net.optimizer), {} if own else ONE_BY_ONE
    vars(copied).update(grad_scale=None, found_inf=None)
    copied.param_groups = [
        {**group, **way, "params": [mine[id(p)] for p in group["params"] if id(p) in mine]}
        for group in net.optimizer.param_groups
    ]
    copied.state = defaultdict(dict)
    for name, x in few.items():
        state = net.optimizer.state.get(weights[name], {})
        copied.state[x] = {k: _thin_state(v, weights[name], x) for k, v in state.items()}
    step = type(copied).step
    try:
        getattr(step, "__wrapped__", step)(copied)  # without the hooks of others
    except (RuntimeError, TypeError, KeyError, AssertionError):  # as of a state in other forms
        return {}
    return {name: before[name] - x.detach() for name, x in few.items()}


def _few(weight: Any, own: bool, group: Mapping[str, Any], scale: float) -> Any:
    """Return a leaf of some numbers of a weight, with their gradients."""
    x, g = (_thin(t) if own else _thin(t).double() for t in (weight, weight.grad))
    x = (x * any(group.get(name) for name in DECAYS)).requires_grad_()
    x.grad = g / scale
    return x


def _thin_state(value: Any, weight: Any, few: Any) -> Any:
    if getattr(value, "shape", None) == weight.shape:
        return _thin(value).to(few.dtype, copy=True)
    return value.clone() if hasattr(value, "clone") else copy.copy(value)
