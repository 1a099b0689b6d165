"""What modules of PyTorch hold, are given and return, and what PyTorch is about to do.

No framework is imported.
"""

import re
import sys
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from gradbook.diagnosis.watching import keras_layers
from gradbook.diagnosis.watching.keras_layers import is_keras

LISTS = ("ParameterList", "ParameterDict")
"""Classes that hold weights, and are never called."""

PARAMETRIZED = ".parametrizations"
"""Below a module of this name PyTorch keeps what a weight is made of, as in spectral norm."""


_MADE_OF = re.compile(r"(?:^|.*\.)(?:weight_[gv]|weight_orig|parametrizations\..*)")


def is_made(name: str) -> bool:
    """Tell whether a parameter is what a weight is made of, as in weight or spectral norm.

    Examples:
        >>> is_made("fc.weight_g"), is_made("fc.parametrizations.weight.original0")
        (True, True)
        >>> is_made("original_head.weight"), is_made("weight_gate.bias")
        (False, False)
    """
    return _MADE_OF.fullmatch(name) is not None


def is_network(net: Any) -> bool:
    """Tell whether something has the methods of a PyTorch network."""
    needed = ("named_parameters", "named_modules", "register_forward_hook")
    whole = not isinstance(net, type)
    return whole and all(callable(getattr(net, method, None)) for method in needed)


def weights_of(net: Any) -> dict[str, Any]:
    """Return a PyTorch network's parameters by name, tied ones under each.

    A name is what its owner calls it.
    """
    named = dict(net.named_parameters(remove_duplicate=False))
    return keras_layers.in_order(net, named) if any(map(is_keras, net.modules())) else named


def modules_of(net: Any) -> Iterator[tuple[str, Any]]:
    """Yield a network's modules, each once, by the names that begin those of their weights."""
    layers = {id(layer): (path, layer) for path, layer in keras_layers.layers_in(net)}
    found = {id(net): ("", net)}
    for prefix, outer in [("", net), *layers.values()]:
        for name, module in outer.named_modules(prefix=prefix):
            found.setdefault(id(module), layers.get(id(module), (name, module)))
    yield from found.values()


def is_loop(module: Any) -> bool:
    """Tell whether a module is a recurrent layer."""
    named = hasattr(module, "batch_first") and hasattr(module, "bidirectional")
    return named and bool(own_weights(module))


def own_weights(module: Any) -> list[Any]:
    """Return a module's own weights, and what those are made of."""
    if is_keras(module):
        return keras_layers.own_variables(module)
    found = list(module.parameters(recurse=False))
    made = getattr(module, "parametrizations", None)
    return found if made is None else [*found, *made.parameters()]


def is_empty(weight: Any) -> bool:
    """Tell whether a matrix is all 0; nearly always its first number tells."""
    known = type(weight).__name__ != "UninitializedParameter" and weight.device.type != "meta"
    whole = known and weight.ndim > 1 and weight.numel() and not weight.is_sparse
    return bool(whole and not weight.detach()[(0,) * weight.ndim] and not weight.detach().any())


def averaged(module: Any) -> Any:
    """Return over how many batches the averages are that a batch normalization takes, if it does.

    It is a tensor of its device, which is not asked yet.
    """
    batches = None if module.training else getattr(module, "num_batches_tracked", None)
    return None if batches is None else batches.clone()


def axes_of(module: Any) -> int:
    """Return the number of axes of a module's own weights, 0 if it has none."""
    if module not in _AXES:
        own = own_weights(module)
        if any(type(p).__name__ == "UninitializedParameter" for p in own):
            return 2
        _AXES[module] = max((p.ndim for p in own), default=0)
    return _AXES[module]


def has_weights(module: Any) -> bool:
    """Tell whether there are weights in a module."""
    if is_keras(module):
        return keras_layers.has_weights(module)
    return any(True for _ in module.parameters())


def holds_others(module: Any) -> bool:
    """Tell whether there are modules in a module."""
    if is_keras(module):
        return keras_layers.holds_layers(module)
    return any(True for _ in module.children())


def features_second(module: Any) -> bool:
    """Tell whether a module's features lie along the second axis, as those of a convolution do."""
    return keras_layers.features_second(module) if is_keras(module) else axes_of(module) != 2


_AXES: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


def tensors_in(value: Any) -> Iterator[Any]:
    """Yield the tensors in what a module is given or returns."""
    if hasattr(value, "register_hook"):
        yield value
        return
    inside: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, (tuple, list)):
        inside = value
    elif is_dataclass(value):  # one with slots has no dictionary
        inside = [getattr(value, f.name, None) for f in fields(value)]
    for inner in inside:
        yield from tensors_in(inner)


def floats_in(value: Any) -> list[Any]:
    """Return those that are not empty, may have a gradient, and can be looked at."""
    plain = (t for t in tensors_in(value) if not t.is_nested and str(t.layout) in LAYOUTS)
    return [t for t in plain if (t.is_floating_point() or t.is_complex()) and t.numel()]


def returned(output: Any, entered: Sequence[Any]) -> Any:
    """Return the tensor that a module returns: of several, the first as large as what entered."""
    found = floats_in(output)
    asking = [t for t in found if t.requires_grad] or found
    alike = (x for x in asking if entered and x.shape == entered[0].shape)
    return next(alike, asking[0] if asking else None)


LAYOUTS = ("torch.strided", "torch.sparse_coo", "torch._mkldnn")
"""How tensors lie that a norm can be taken of."""


def compiler_off(act: Callable[..., Any]) -> Callable[..., Any]:
    """Keep `torch.compile` from looking into a hook; without PyTorch there is nothing to do."""
    disable: Any = getattr(sys.modules.get("torch._dynamo"), "disable", None)
    wrapped: Callable[..., Any] = act if disable is None else disable(act)
    return wrapped


def harmless(act: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what fails in a hook out of the training that it looks at: warn, and return nothing."""

    def safe(*given: Any) -> Any:
        try:
            return act(*given)
        except Exception as error:
            text = f"gradbook could not look at a step, and may say what is wrong of it: {error!r}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            return None

    return safe


def transformed() -> bool:
    """Tell whether PyTorch follows a network as a function, of which there are no numbers to see.

    As `torch.func` does for each example, `torch.jit.trace` and `torch.export`.
    """
    torch = sys.modules["torch"]
    level = getattr(torch._C._functorch, "maybe_current_level", None)
    return torch.jit.is_tracing() or (level is not None and level() is not None)


def backwards() -> bool:
    """Tell whether autograd is on its way back now, as where a checkpoint computes once more."""
    task = getattr(sys.modules["torch"]._C, "_current_graph_task_id", None)
    return task is not None and task() != -1


def differentiating() -> bool:
    """Tell whether what comes back is to be differentiated again, as for a penalty."""
    return bool(sys.modules["torch"].is_grad_enabled())
