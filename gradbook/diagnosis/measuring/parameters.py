"""What is known of each tensor of weights, and what its optimizer's next step does to it."""

import copy
import gc
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradbook.diagnosis.bad_input import Odd
from gradbook.diagnosis.findings.known import Parameter
from gradbook.diagnosis.measuring.examination import Examined
from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.measuring.updates import Update, update
from gradbook.diagnosis.reading.arrays import Tensors, as_tensor
from gradbook.diagnosis.reading.storage import Tensor
from gradbook.diagnosis.watching.record import version_of

SAMPLE = 64
"""How many of its first weights are enough to tell a copy of it."""

ENOUGH = 2**12
"""How many numbers of a network's tensor are enough to tell what a step does to it."""

PATIENCE = 32
"""How often weights are written to until those that another optimizer holds must have been, too."""

BY_NUMBERS = (
    *("SGD", "ASGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax"),
    *("RMSprop", "Adagrad", "Adadelta", "Rprop"),
)
"""Optimizers of PyTorch whose step for one number is made of nothing but what belongs to it."""

ONE_BY_ONE = {"foreach": False, "fused": False, "capturable": False}
"""How a step is computed that any device and format can do."""


@dataclass(frozen=True)
class Net:
    """A network of PyTorch, as its owner hands it over."""

    weights: Mapping[str, Any]
    """Name → parameter, tied ones under each name."""
    optimizer: Any = None
    versions: Mapping[str, int] = field(default_factory=dict)
    """What they were when they were watched first, if they were."""

    def group(self, name: str) -> Mapping[str, Any]:
        """Return what the optimizer does with a weight; nothing if it does not hold it."""
        return self._groups.get(id(self.weights.get(name)), {})

    @cached_property
    def _groups(self) -> Mapping[int, Mapping[str, Any]]:
        groups = () if self.optimizer is None else self.optimizer.param_groups
        return {id(p): group for group in groups for p in group["params"]}

    @cached_property
    def elsewhere(self) -> frozenset[int]:
        """The `id` of the weights that another optimizer holds, as each half of a GAN has one."""
        weights = self.weights.items()
        written = (version_of(w) - self.versions.get(n, version_of(w)) for n, w in weights)
        left = any(w.requires_grad and id(w) not in self._groups for _, w in weights)
        if self.optimizer is None or not left or max(written) > PATIENCE:
            return frozenset()
        living = (x for x in gc.get_objects() if hasattr(type(x), "add_param_group"))
        groups = (getattr(x, "param_groups", ()) for x in living)
        held = ({id(p) for group in mine for p in group["params"]} for mine in groups)
        # One that shares weights with this one is an older one, or of another step.
        return frozenset().union(*(ids for ids in held if ids.isdisjoint(self._groups)))


def innermost(optimizer: Any) -> Any:
    """Return the optimizer that others are laid around, as by accelerate and Lightning."""
    while hasattr(getattr(optimizer, "optimizer", None), "param_groups"):
        optimizer = optimizer.optimizer
    return optimizer


def parameters_of(found: Examined, net: Net | None = None) -> tuple[Parameter, ...]:
    """Return what findings need to know of each tensor, tied ones once."""
    kept = [m for m in found.measured.values() if m.tied_to is None]
    sample = SAMPLE if any(one.statistics is None for one in kept) else 0
    return tuple(_parameter(one, found, net or Net({}), sample) for one in kept)


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
    rate = float(group["lr"]) if "lr" in group else None
    first = [] if stored is None else stored.storage.widen(stored.raw.flat[:sample]).tolist()
    alike = stored is not None and _is_alike(stored)
    pull = _read(whole.gradients, name) if alike else None
    return Parameter(
        name=name,
        trainable=weight is None or bool(weight.requires_grad),
        axes=len(shape),
        norm=None if numbers is None else numbers.norm,
        finite=not lost,
        zero=None if stored is None else _is_zero(stored),
        alike=alike,
        pulled_alike=pull is not None and len(shape) > 1 and _is_pulled_alike(pull),
        broken=lost and stored is not None and not np.isfinite(stored.values()).all(),
        ratio=ratio,
        gain=None if step is None or ratio is None else _gain(ratio * step.weight.rms, shape),
        stepped=None if net.optimizer is None or weight is None else bool(group),
        moved=(name in net.versions and version_of(weight) != net.versions[name])
        or id(weight) in net.elsewhere,
        rate=rate,
        decay=(rate or 0.0) * float(group.get("weight_decay") or 0.0),
        sample=tuple(first),
    )


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
    if len(shape) == 1:
        return bool((tensor.raw == tensor.raw[:1]).all())
    if len(shape) < 2 or min(shape[:2]) < 2 or _is_zero(tensor):
        return False
    rows = tensor.raw.reshape(shape[0], -1)
    if rows[0, 0] != rows[1, 0] and rows[0, 0] != rows[0, 1]:
        return False
    return bool((rows == rows[:1]).all() or (rows == rows[:, :1]).all())


def _is_pulled_alike(gradient: Tensor) -> bool:
    """Tell whether all units get the same gradient."""
    values = gradient.values().astype(np.float64)
    # They are the rows of what PyTorch and Equinox call a weight, elsewhere the columns.
    first = values.take([0], 0 if "weight" in gradient.name else -1)
    return bool(np.linalg.norm(values - first) <= 1e-3 * np.linalg.norm(values))  # of rounding


def steps_of(net: Net, measured: Iterable[Measured]) -> Iterator[Update]:
    r"""Return what the optimizer's next step does to each weight, from a sample of its numbers.

    A copy of the optimizer takes the step, if it is one of PyTorch's that treats each number by
    itself. Of others it is Adam's $\eta \hat m / (\sqrt{\hat v} + \epsilon)$ where they keep such a
    state, $\eta$ times the sign of the gradient before the first one, or plain descent.
    """
    kept = (m.name for m in measured if m.statistics is not None and m.tied_to is None)
    held = {name: net.weights[name] for name in kept if net.group(name)}
    usable = {n: w for n, w in held.items() if w.grad is not None and not w.grad.is_sparse}
    steps = _taken(net.optimizer, usable) if type(net.optimizer).__name__ in BY_NUMBERS else {}
    for name, weight in usable.items():
        step = steps.get(name)
        if step is None or not step.all():
            rough = _step(net.optimizer, weight, net.group(name))
            # A step of less than 1e-16 of its weight is lost in the difference, and is a step.
            step = rough if step is None else step.where(step != 0, rough.double())
        thin = _thin(weight)
        stored, taken = as_tensor(name, thin), as_tensor(name, step.to(thin.dtype))
        if stored is not None and taken is not None:
            yield update(stored, taken, lr=1.0, own=True)


def _thin(x: Any) -> Any:
    flat = x.detach().reshape(-1)
    return flat[:: flat.numel() // ENOUGH | 1] if flat.numel() > ENOUGH else flat


def _taken(optimizer: Any, weights: Mapping[str, Any]) -> dict[str, Any]:
    """Have a copy of the optimizer take a step with a few numbers of each weight, in float64."""
    if not type(optimizer).__module__.startswith("torch.optim") or not weights:
        return {}
    few = {name: _few(weight) for name, weight in weights.items() if not weight.is_complex()}
    before = {name: x.detach().clone() for name, x in few.items()}
    mine = {id(weights[name]): x for name, x in few.items()}
    own = copy.copy(optimizer)
    own.param_groups = [
        {**group, "params": [mine[id(p)] for p in group["params"] if id(p) in mine], **ONE_BY_ONE}
        for group in optimizer.param_groups
    ]
    own.state = defaultdict(dict)
    for name, x in few.items():
        state = optimizer.state.get(weights[name], {})
        own.state[x] = {k: _thin_state(v, weights[name]) for k, v in state.items()}
    step = type(own).step
    try:
        getattr(step, "__wrapped__", step)(own)  # without the hooks of others
    except (RuntimeError, TypeError, KeyError):  # such as a state that is kept in other forms
        return {}
    return {name: before[name] - x.detach() for name, x in few.items()}


def _few(weight: Any) -> Any:
    """Return a leaf of some numbers of a weight, with their gradients."""
    x = _thin(weight).double().clone().requires_grad_()
    x.grad = _thin(weight.grad).double()
    return x


def _thin_state(value: Any, weight: Any) -> Any:
    if getattr(value, "shape", None) == weight.shape:
        return _thin(value).double().clone()
    return value.clone() if hasattr(value, "clone") else copy.copy(value)


def _step(optimizer: Any, weight: Any, group: Mapping[str, Any]) -> Any:
    """Return roughly what an optimizer does that is not known."""
    state, name = optimizer.state.get(weight, {}), type(optimizer).__name__.lower()
    decay, eps = float(group.get("weight_decay") or 0.0), group.get("eps", 1e-8)
    g, w = _thin(weight.grad).float(), _thin(weight).float()
    apart = "adamw" in name or "lion" in name or group.get("decoupled_weight_decay")
    direction = g if apart else g + decay * w
    if "exp_avg" in state and "exp_avg_sq" in state:
        t = float(state.get("step", 1))
        first, second = group.get("betas", (0.9, 0.999))
        m = _thin(state["exp_avg"]).float() / (1 - first**t)
        direction = m / ((_thin(state["exp_avg_sq"]).float() / (1 - second**t)).sqrt() + eps)
    elif state.get("momentum_buffer") is not None:
        buffer = _thin(state["momentum_buffer"]).float()
        direction = direction + group.get("momentum", 0.0) * buffer
    elif "adam" in name or "lion" in name:
        direction = direction / (direction.abs() + eps)
    return float(group["lr"]) * (direction + decay * w if apart else direction)
