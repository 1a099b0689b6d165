r"""Record δ in a network of PyTorch while it is trained: `gradbook.watch`.

No framework is imported: the network is known by its methods. Which places are worth watching
depends on what the network is made of:

- Recurrent layers (`nn.RNN`, `nn.LSTM`, `nn.GRU`): the gradient at the input of each step of time,
  for inside PyTorch's own loop nothing else can be seen.
- Repeated blocks, such as those of a ResNet or a Transformer: the gradient where the first one
  begins and behind each. What passes a layer within a block is only a share of it.
- Otherwise the gradient at the output of every layer that has weights.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

REPEATED = 3
"""From how many modules of one class on they are blocks."""

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
"""Classes that say nothing about what their modules have in common."""


class Watched(Mapping[str, Any]):
    """δ by the names of modules, in the order of the last forward pass; filled on the way back.

    Each forward pass of the network begins anew. A module that is called again in the same pass has
    a number behind its name.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._found: dict[str, Any] = {}
        self._calls: Counter[str] = Counter()
        self._stale = False
        self._hooks: list[Any] = []

    def __getitem__(self, name: str) -> Any:
        """Return one gradient; None if it has not come back."""
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the order of the forward pass."""
        return iter(self._found)

    def __len__(self) -> int:
        """Count them."""
        return len(self._found)

    def remove(self) -> None:
        """Take the hooks off the network; what was found stays."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _begin(self, *_: Any) -> None:
        # Not cleared before something is recorded: an evaluation without gradients keeps what is.
        self._stale = True

    def _record(self, name: str, tensor: Any, split: Callable[[Any], Mapping[str, Any]]) -> None:
        if not getattr(tensor, "requires_grad", False):
            return
        if self._stale:
            self._found.clear()
            self._calls.clear()
            self._stale = False
        self._calls[name] += 1
        key = name if self._calls[name] == 1 else f"{name} {self._calls[name]}"
        self._found.setdefault(key, None)

        def arrived(delta: Any) -> None:
            # A network whose parts are called one by one begins anew here; and where checkpoints
            # compute a block again on the way back, its δ is here already and stays.
            self._calls[name] = 0
            parts = split(delta)
            self._found.update({f"{key}{part}": value for part, value in parts.items()})
            if "" not in parts:
                self._found.pop(key, None)

        tensor.register_hook(arrived)


def watch(net: Any) -> Watched:
    """Hook the places of a PyTorch network whose gradients tell what is wrong with it.

    Call it once, before the forward pass, and hand what it returns to `gradbook.diagnose`:

        deltas = gradbook.watch(net)
        loss_function(net(x), y).backward()
        print(gradbook.diagnose(net, deltas=deltas))

    Args:
        net: The network, a `torch.nn.Module`.

    Returns:
        What will be found; its `remove` takes the hooks off.

    Raises:
        TypeError: If it is no such network.
        ValueError: If it has no layers with weights.

    Examples:
        >>> watch([1, 2])
        Traceback (most recent call last):
        TypeError: net must be a network of PyTorch (torch.nn.Module), got list
    """
    if not is_network(net):
        raise TypeError(
            f"net must be a network of PyTorch (torch.nn.Module), got {type(net).__name__}"
        )
    watched = Watched()
    for hooks in (_recurrent, _blocks, _layers):
        if hooked := hooks(net, watched):
            watched._hooks += [net.register_forward_pre_hook(watched._begin), *hooked]
            return watched
    raise ValueError(f"net must have layers with weights, got none in {type(net).__name__}")


def is_network(net: Any) -> bool:
    """Tell whether something has the methods of a PyTorch network.

    Args:
        net: Anything.

    Returns:
        Whether it has.

    Examples:
        >>> is_network({"W": 1.0})
        False
    """
    needed = ("named_parameters", "named_modules", "register_forward_hook")
    return all(callable(getattr(net, method, None)) for method in needed)


def gradients_of(net: Any) -> dict[str, Any]:
    """Return the gradients of a PyTorch network's parameters by name, tied ones under each.

    Args:
        net: The network, after the backward pass.

    Returns:
        Name → gradient; None where none has come back.
    """
    return {name: parameter.grad for name, parameter in weights_of(net).items()}


def weights_of(net: Any) -> dict[str, Any]:
    """Return a PyTorch network's parameters by name, tied ones under each.

    Args:
        net: The network.

    Returns:
        Name → weight.
    """
    return dict(net.named_parameters(remove_duplicate=False))


def _whole(delta: Any) -> Mapping[str, Any]:
    return {"": delta}


def _steps(axis: int) -> Callable[[Any], Mapping[str, Any]]:
    def split(delta: Any) -> Mapping[str, Any]:
        steps = delta.unbind(axis if delta.ndim > 2 else 0)  # without a batch, time comes first
        return {f" t={t}": step for t, step in enumerate(steps, start=1)}

    return split


def _first(value: Any) -> Any:
    """Return a module's output, or the first of several."""
    while isinstance(value, (tuple, list)) and value:
        value = value[0]
    return value


def _own(module: Any) -> list[Any]:
    return [parameter for _, parameter in module.named_parameters(recurse=False)]


def _recurrent(net: Any, watched: Watched) -> list[Any]:
    loops = [
        (name, module)
        for name, module in net.named_modules()
        if hasattr(module, "batch_first") and hasattr(module, "bidirectional") and _own(module)
    ]
    if not loops:
        return []
    name, loop = loops[0]

    def entered(_: Any, inputs: Any) -> Any:
        x = _first(inputs)
        if getattr(x, "requires_grad", True) or not x.is_floating_point():
            return None  # another layer made it and it has a gradient, or it is no tensor
        return (x.detach().requires_grad_(), *inputs[1:])

    def left(module: Any, inputs: Any, output: Any) -> None:
        if getattr(_first(output), "requires_grad", False):  # not while gradients are turned off
            steps = _steps(1 if module.batch_first else 0)
            watched._record(name or "input", _first(inputs), steps)

    return [loop.register_forward_pre_hook(entered), loop.register_forward_hook(left)]


def _blocks(net: Any, watched: Watched) -> list[Any]:
    made = [(name, module) for name, module in net.named_modules() if _is_block(module)]
    counts = Counter(type(module) for _, module in made)
    repeated = {name: module for name, module in made if counts[type(module)] >= REPEATED and name}
    outer = {
        name: module
        for name, module in repeated.items()
        if not any(name.startswith(f"{other}.") for other in repeated)
    }
    if len(outer) < REPEATED:
        return []
    first = next(iter(outer.items()))
    return [_before(*first, watched), *(_behind(*item, watched) for item in outer.items())]


def _is_block(module: Any) -> bool:
    inner = any(True for _ in module.children()) and any(True for _ in module.parameters())
    return inner and type(module).__name__ not in CONTAINERS


def _before(name: str, block: Any, watched: Watched) -> Any:
    key = f"input of {name}"

    def entered(_: Any, inputs: Any) -> None:
        # Where a checkpoint runs the block again on the way back, this is no second call.
        watched._calls[key] = 0
        watched._record(key, _first(inputs), _whole)

    return block.register_forward_pre_hook(entered)


def _behind(name: str, module: Any, watched: Watched) -> Any:
    return module.register_forward_hook(
        lambda _, inputs, output: watched._record(name, _first(output), _whole)
    )


def _layers(net: Any, watched: Watched) -> list[Any]:
    return [
        _behind(name or "output", module, watched)
        for name, module in net.named_modules()
        if any(parameter.ndim > 1 for parameter in _own(module))
    ]
