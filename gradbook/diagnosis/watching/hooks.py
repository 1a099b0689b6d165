"""Hook a network, so that every module with weights is looked at where it is entered and left."""

import math
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gradbook.diagnosis.watching import asking, graph, keras_layers, modules
from gradbook.diagnosis.watching.keras_layers import is_keras
from gradbook.diagnosis.watching.modules import LISTS, PARAMETRIZED, compiler_off, harmless
from gradbook.diagnosis.watching.numbers import (
    BOUNDED,
    RAW,
    saturated_in,
    shares_in,
    size_of,
    spread_of,
    units_off,
)
from gradbook.diagnosis.watching.record import Seen, version_of
from gradbook.diagnosis.watching.watched import Watched

NORMS = ("Norm", "Norm1d", "Norm2d", "Norm3d", "Normalization")
"""How the names of normalizations end, in PyTorch and in Keras."""


def watch(net: Any) -> Watched:
    """Hook a PyTorch network, so that what passes through it tells what is wrong with it.

    Call it once, before the forward pass, and hand what it returns to `gradbook.diagnose`:

        deltas = gradbook.watch(net)
        loss_function(net(x), y).backward()
        print(gradbook.diagnose(net, deltas=deltas))

    Not with `fullgraph=True` of `torch.compile`; take the hooks off before `torch.jit.script`.

    Returns:
        What will be found; its `remove` takes the hooks off.
    """
    kind = type(net).__name__
    if not modules.is_network(net):
        raise TypeError(f"net must be a network of PyTorch (torch.nn.Module), got {kind}")
    if any("ScriptModule" in type(module).__name__ for module in net.modules()):
        raise TypeError(f"net must be watched before torch.jit.script takes it, got {kind}")
    weights = modules.weights_of(net)
    if not weights:
        raise ValueError(f"net must have weights, got none in {kind}")
    # What happens within a recurrent layer is looked at step by step.
    inside = (p for m in net.modules() if modules.is_loop(m) for p in modules.own_weights(m))
    watched = Watched(weights, set(map(id, inside)))
    watched.net = weakref.ref(net)
    watched.versions = {name: version_of(p) for name, p in weights.items()}
    # A bias of two axes, as a GRU of Keras has, is added, and keeps nothing back.
    wide = {name: p for name, p in weights.items() if not name.endswith("/bias")}
    watched.begun = frozenset(name for name, p in wide.items() if modules.is_empty(p))
    _hook(watched, net.register_forward_pre_hook, Watched._begin)
    for name, module in modules.modules_of(net):
        if type(module).__name__ in BOUNDED:
            _hook(watched, module.register_forward_hook, _bent)
        called = type(module).__name__ not in LISTS and PARAMETRIZED not in f".{name}"
        if called and modules.has_weights(module):
            _hook(watched, module.register_forward_pre_hook, partial(_entered, name))
            _hook(watched, module.register_forward_hook, partial(_left, name))
            if is_keras(module):
                _hook(watched, module.register_forward_pre_hook, _see_activation)
                always = partial(module.register_forward_hook, always_call=True)
                _hook(watched, always, _forget_activation)
    _hook(watched, net.register_forward_hook, Watched._ended)
    return watched


def _hook(watched: Watched, register: Callable[..., Any], act: Callable[..., Any]) -> None:
    watched._hooks.callback(register(_Hook(watched, harmless(act)), with_kwargs=True).remove)


class _Hook:
    """What the network holds: it keeps nothing alive, and a copy or a saved one does nothing."""

    def __init__(self, watched: Watched | None = None, act: Any = None) -> None:
        self._watched, self._act = None if watched is None else weakref.ref(watched), act
        self._hidden = act  # from the compiler, once it is there

    @compiler_off
    def __call__(self, *given: Any) -> Any:
        watched = self._watched and self._watched()
        if watched is None or modules.transformed():
            return None
        if self._hidden is self._act:
            self._hidden = compiler_off(self._act)
        return self._hidden(watched, *given)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Hook, ()


def _entered(name: str, watched: Watched, module: Any, args: Any, kwargs: Any) -> Any:
    made, fresh = watched._current(), asking.fresh(module, args, kwargs)
    for position, tensor in enumerate(modules.floats_in(fresh or (args, kwargs))):
        if made.known(tensor) is not None or tensor.requires_grad:
            called = f"input of {name}" if name else "input"
            _read_by(asking.see(made, called, tensor, module=name), module, tensor)
            continue
        # Data: it has no gradient and no place, but it may be what is wrong.
        made.silent.add(tuple(tensor.shape))
        size = float(size_of(tensor)) if position == 0 else 1.0  # asked of a device once
        if not math.isfinite(size):
            made.bad_input.append(name)
            made.spoiled |= {name} if _all_finite(made.data or {}) else set()
        if size == 0:
            made.empty.append(name)
        elif size > RAW:
            made.raw.append(name)
        if name and {id(tensor), id(tensor._base)} & (made.data or {}).keys():
            made.given.add(name)
    return fresh


def _see_activation(_: Watched, module: Any, *given: Any) -> None:
    keras_layers.see_activation(module)


def _forget_activation(_: Watched, module: Any, *given: Any) -> None:
    keras_layers.forget_activation(module)


def _all_finite(data: Mapping[int, Callable[[], Any]]) -> bool:
    """Tell whether what the network was called with is known, and finite."""
    tensors = [tensor() for tensor in data.values()]
    return bool(tensors) and all(t is not None and bool(t.isfinite().all()) for t in tensors)


def _bent(_: Watched, module: Any, *given: Any) -> None:
    """Note the share at its ends with what an activation returns: it may be laid beside others."""
    x, node = given[-1], getattr(given[-1], "grad_fn", None)
    if node is not None and x.ndim > 1:
        node.metadata["gradbook"] = saturated_in(x, type(module).__name__)


def _read_by(place: Seen, module: Any, tensor: Any) -> None:
    axes = modules.axes_of(module)
    if place.channels is None and (axes > 1 or type(module).__name__.startswith("BatchNorm")):
        place.channels = modules.features_second(module)
    inner = axes < 2 and modules.holds_others(module)
    place.state |= inner or axes > 1
    place.weak |= axes < 2 and not inner
    bent = None if inner else graph.bent_by(tensor.grad_fn)
    if axes < 2 and bent is None:
        return
    place.bend = place.bend or graph.kind_of(bent)
    if "off" not in place.numbers and tensor.ndim > 1:
        place.numbers["off"] = off = units_off(tensor, 1 if place.channels and axes != 2 else -1)
        if tensor.device.type == "cpu" and off == 1:
            place.bend = graph.kind_of(graph.bent_by(tensor.grad_fn, empty=True))
        ends = {} if bent is None else bent.metadata.get("gradbook", {})
        place.numbers |= spread_of(tensor, place.bend) | ends
        if bent is not None and (other := bent.metadata.pop("off", None)) is not None:
            other.remove()


def _left(name: str, watched: Watched, module: Any, *given: Any) -> None:
    made, (args, kwargs, output) = watched._current(), given
    output = keras_layers.before_activation(module, output) if is_keras(module) else output
    tensor = modules.returned(output, modules.floats_in((args, kwargs)))
    if tensor is not None:
        place = asking.see(made, name or "output", tensor, module=name, returned_by=module)
        axes = modules.axes_of(module)
        if place.channels is None and (axes > 1 or is_keras(module)):
            place.channels = modules.features_second(module)
        place.layer |= axes > 1
        made.silent |= set() if tensor.requires_grad else {tuple(tensor.shape)}
        place.also.add(name)
        may_wait = not name or (axes == 0 and tensor.device.type == "cpu")
        if may_wait:
            place.shares = shares_in(tensor)
        if not name and tensor.numel() == 1:
            place.value = tensor.detach()
        kind, whole = type(module).__name__, axes == 0 and modules.holds_others(module)
        # One may have its activation in it; a block that is called PreNorm has layers.
        named = not whole and (kind.endswith(NORMS) or (axes == 1 and "Norm" in kind))
        place.normed |= named or (axes == 1 and graph.divides_by_own(tensor.grad_fn))
        if named and axes == 1:
            place.numbers["gain"] = size_of(modules.own_weights(module)[0])
        if (batches := modules.averaged(module)) is not None:
            made.averaged[name] = batches
    asking.listen(made, name, module, asking.sequence(args, kwargs), output)
    if not name:
        asking.separate(made, list(modules.floats_in(output)))
