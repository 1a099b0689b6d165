r"""Record δ in a network of PyTorch while it is trained: `gradbook.watch`.

No framework is imported: the network is known by its methods. Which places are worth watching
depends on what the network is made of:

- Recurrent layers (`nn.RNN`, `nn.LSTM`, `nn.GRU`): the gradient at the input of each step of time,
  for inside PyTorch's own loop nothing else can be seen.
- Repeated blocks, such as those of a ResNet or a Transformer: the gradient where the first one
  begins and behind each. What passes a layer within a block is only a share of it.
- Otherwise the gradient at the output of every layer that has weights.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

REPEATED = 3
"""From how many modules of one class on they are blocks."""

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
"""Classes that say nothing about what their modules have in common."""

LISTS = ("ParameterList", "ParameterDict")
"""Classes that hold weights, and are never called."""

PARAMETRIZED = ".parametrizations"
"""Below a module of this name PyTorch keeps what a weight is made of, as in spectral norm."""

Split = Callable[[Any], Mapping[str, Any]]


class _Pass:
    """One forward pass, and what came back of it."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.found: dict[str, tuple[int, Any, Split]] = {}
        self.calls: Counter[str] = Counter()
        self.loop: str | None = None
        self.heard = False
        self.differentiated = False
        self.recomputed = False
        self.entry: str | None = None
        self.leaves: Any = None
        self.chained: bool | None = None

    def rank(self) -> tuple[bool, bool, int]:
        # What comes back a second time through a gradient, as in a penalty on its norm, is no δ of
        # the loss at the output: any other pass says more.
        return self.heard, not self.differentiated, self.number

    def ordered(self) -> list[tuple[str, tuple[int, Any, Split]]]:
        # Checkpoints that compute a block only on the way back begin with the last one.
        # Where the path is around the blocks, what leaves them is in branches, which get a share of
        # the gradient, and not to be compared with what enters the first one.
        apart = self.entry if self.chained is False else None
        found = [item for item in self.found.items() if item[0] != apart]
        return sorted(found, key=lambda item: item[1][0]) if self.recomputed else found


class Watched(Mapping[str, Any]):
    """δ by the names of modules, in the order of the last forward pass; filled on the way back.

    Each forward pass of the network begins anew. A module that is called again in the same pass has
    a number behind its name. Once nobody holds this any longer, its hooks leave the network.

    Attributes:
        to_output: Whether every layer is watched, so that the last one's is the network's output.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._shown = self._pass = _Pass()
        self.to_output = False
        self._stale = False
        self._read: dict[str, Any] | None = None
        self._places: dict[str, int] = {}
        self._hooks: list[Any] = []
        weakref.finalize(self, _take_off, self._hooks).atexit = False

    def __getitem__(self, name: str) -> Any:
        """Return one gradient; None if it has not come back."""
        return self._parts()[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the order of the forward pass."""
        return iter(self._parts())

    def __len__(self) -> int:
        """Count them."""
        return len(self._parts())

    def remove(self) -> None:
        """Take the hooks off the network; what was found stays."""
        _take_off(self._hooks)

    def _parts(self) -> dict[str, Any]:
        if self._read is None:
            self._read = {
                f"{key}{part}": value
                for key, (_, delta, split) in self._shown.ordered()
                for part, value in split(delta).items()
            }
        return self._read

    def _begin(self, *_: Any) -> None:
        # Not cleared before something is recorded: an evaluation without gradients keeps what is.
        self._stale = True

    def _name(self, name: str) -> str:
        self._places[name] = len(self._places)
        return name

    def _current(self) -> _Pass:
        if self._stale:
            self._shown = self._pass = _Pass(self._pass.number + 1)
            self._stale = False
        self._read = None
        return self._pass

    def _record(self, name: str, tensor: Any, split: Split) -> None:
        if tensor is None:
            return
        made, place = self._current(), self._places[name]
        made.calls[name] += 1
        key = name if made.calls[name] == 1 else f"{name} {made.calls[name]}"
        made.recomputed |= made.heard and key not in made.found
        made.found.setdefault(key, (place, None, _whole))

        def arrived(delta: Any) -> None:
            # A network whose parts are called one by one begins anew here; and where checkpoints
            # compute a block again on the way back, its δ is here already and stays.
            made.calls[name] = 0
            made.found[key] = place, delta.detach(), split
            self._heard(made, again=delta.requires_grad)

        tensor.register_hook(arrived)

    def _heard(self, made: _Pass, again: bool) -> None:
        made.heard, made.differentiated = True, made.differentiated or again
        if made.rank() >= self._shown.rank():
            self._shown, self._read = made, None


class _Hook:
    """What the network holds: it keeps nothing alive, and a copy or a saved one does nothing."""

    def __init__(self, watched: Watched, act: Callable[..., Any]) -> None:
        self._watched, self._act = weakref.ref(watched), act

    def __call__(self, *given: Any) -> Any:
        watched = self._watched()
        return None if watched is None else self._act(watched, *given)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Silent, ()


class _Silent:
    def __call__(self, *_: Any) -> None:
        pass


def _take_off(hooks: list[Any]) -> None:
    for hook in hooks:
        hook.remove()
    hooks.clear()


def watch(net: Any) -> Watched:
    """Hook the places of a PyTorch network whose gradients tell what is wrong with it.

    Call it once, before the forward pass, and hand what it returns to `gradbook.diagnose`:

        deltas = gradbook.watch(net)
        loss_function(net(x), y).backward()
        print(gradbook.diagnose(net, deltas=deltas))

    Call it before `torch.compile`, not with `fullgraph=True`, and take the hooks off before
    `torch.jit.script`. Blocks that stand side by side, as in an ensemble or a mixture of experts,
    are taken for a sequence: watch one of them, and diagnose that one.
    Where PyTorch's recurrent layers are, time alone is watched, and of several the first that runs:
    watch a deep part below or above them by itself, and diagnose that part.

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
            watched.to_output = hooks is _layers
            watched._hooks += [_before(net, watched, Watched._begin), *hooked]
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


def _steps(axis: int, counts: Any) -> Split:
    def split(delta: Any) -> Mapping[str, Any]:
        if counts is not None:  # a packed sequence: so many rows for each step
            steps = delta.split(counts.tolist())
        else:
            steps = delta.unbind(axis if delta.ndim > 2 else 0)  # without a batch, time comes first
        return {f" t={t}": step for t, step in enumerate(steps, start=1)}

    return split


def _before(module: Any, watched: Watched, act: Callable[..., Any]) -> Any:
    return module.register_forward_pre_hook(_Hook(watched, act), with_kwargs=True)


def _behind(module: Any, watched: Watched, act: Callable[..., Any]) -> Any:
    return module.register_forward_hook(_Hook(watched, act), with_kwargs=True)


def _tensors(value: Any) -> Iterator[Any]:
    """Yield the tensors in what a module is given or returns, those with a gradient alone."""
    if hasattr(value, "register_hook"):
        if value.requires_grad:
            yield value
        return
    for inner in _inside(value):
        yield from _tensors(inner)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, (tuple, list)):
        return value
    names = [field.name for field in fields(value)] if is_dataclass(value) else []
    return [getattr(value, name, None) for name in names]  # those with slots have no dictionary


def _passed(args: Any, kwargs: Any) -> Any:
    """Return the first tensor that a module is given."""
    return next(_tensors((args, kwargs)), None)


def _returned(output: Any, entered: Any) -> Any:
    """Return the tensor that a module returns: of several, the first as large as what entered."""
    if hasattr(output, "register_hook"):
        return output if output.requires_grad else None
    found = list(_tensors(output))
    alike = (x for x in found if entered is not None and x.shape == entered.shape)
    return next(alike, found[0] if found else None)


def _own(module: Any) -> list[Any]:
    return [parameter for _, parameter in module.named_parameters(recurse=False)]


def _recurrent(net: Any, watched: Watched) -> list[Any]:
    loops = [
        (name, module)
        for name, module in net.named_modules()
        if hasattr(module, "batch_first") and hasattr(module, "bidirectional") and _own(module)
    ]
    return [
        hook
        for name, loop in loops
        for hook in _loop(watched._name(name or "input"), loop, watched)
    ]


def _loop(name: str, loop: Any, watched: Watched) -> list[Any]:
    def entered(_: Watched, module: Any, args: Any, kwargs: Any) -> Any:
        x = args[0] if args else kwargs.get("input")
        if not any(parameter.requires_grad for parameter in module.parameters()):
            return None  # nothing of it is trained: what it returns shall have no gradient, either
        fresh = _with_gradient(x)
        if fresh is None:
            return None
        return ((fresh, *args[1:]), kwargs) if args else (args, {**kwargs, "input": fresh})

    def left(watched: Watched, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        x = args[0] if args else kwargs.get("input")
        tensor = next(_tensors(x), None)
        if tensor is None or next(_tensors(output), None) is None:
            return  # gradients are turned off
        made = watched._current()
        made.loop = made.loop or name
        if made.loop == name:  # of several, the one that comes first in a pass
            counts = getattr(x, "batch_sizes", None)
            watched._record(name, tensor, _steps(1 if module.batch_first else 0, counts))

    return [_before(loop, watched, entered), _behind(loop, watched, left)]


def _with_gradient(x: Any) -> Any:
    """Return data that shall have a gradient; None if it has one, or cannot."""
    if hasattr(x, "batch_sizes"):
        data = _with_gradient(x.data)
        return None if data is None else x._replace(data=data)
    if not hasattr(x, "register_hook") or x.requires_grad or not x.is_floating_point():
        return None
    return None if x.is_inference() else x.detach().requires_grad_()


def _blocks(net: Any, watched: Watched) -> list[Any]:
    made = [(name, module) for name, module in net.named_modules() if _is_block(name, module)]
    counts = Counter(type(module) for _, module in made)
    repeated = {name: module for name, module in made if counts[type(module)] >= REPEATED and name}
    outer = {
        name: module
        for name, module in repeated.items()
        if not any(name.startswith(f"{other}.") for other in repeated)
    }
    if len(outer) < REPEATED:
        return []
    first, *others = outer.items()
    hooks = [_entry(*first, watched), *(_exit(*item, watched) for item in outer.items())]
    return [*hooks, *_links(first[1], [block for _, block in others], watched)]


def _is_block(name: str, module: Any) -> bool:
    inner = any(True for _ in module.children()) and any(True for _ in module.parameters())
    return inner and type(module).__name__ not in CONTAINERS and PARAMETRIZED not in f".{name}"


def _entry(name: str, block: Any, watched: Watched) -> Any:
    key = watched._name(f"input of {name}")

    def entered(watched: Watched, _: Any, args: Any, kwargs: Any) -> None:
        # Where a checkpoint runs the block again on the way back, this is no second call.
        watched._pass.calls[key] = 0
        watched._record(key, _passed(args, kwargs), _whole)
        watched._pass.entry = key

    return _before(block, watched, entered)


def _links(first: Any, others: list[Any], watched: Watched) -> list[Any]:
    """Find out whether what leaves the first block is what enters the next one."""

    def left(watched: Watched, _: Any, args: Any, kwargs: Any, output: Any) -> None:
        tensor = _returned(output, _passed(args, kwargs))
        watched._pass.leaves = None if tensor is None else weakref.ref(tensor)

    def entered(watched: Watched, _: Any, args: Any, kwargs: Any) -> None:
        made = watched._pass
        if made.chained is None and made.leaves is not None:
            made.chained = made.leaves() is _passed(args, kwargs)

    return [_behind(first, watched, left), *(_before(block, watched, entered) for block in others)]


def _exit(name: str, module: Any, watched: Watched) -> Any:
    def left(watched: Watched, _: Any, args: Any, kwargs: Any, output: Any) -> None:
        plain = hasattr(output, "register_hook")
        entered = None if plain else _passed(args, kwargs)
        watched._record(name, _returned(output, entered), _whole)

    watched._name(name)
    return _behind(module, watched, left)


def _layers(net: Any, watched: Watched) -> list[Any]:
    modules = dict(net.named_modules())
    names = [f".{name}".split(PARAMETRIZED)[0][1:] for name, x in modules.items() if _weighs(x)]
    return [_exit(name or "output", modules[name], watched) for name in dict.fromkeys(names)]


def _weighs(module: Any) -> bool:
    if type(module).__name__ in LISTS:
        return False
    return any(
        parameter.ndim > 1 or type(parameter).__name__ == "UninitializedParameter"
        for parameter in _own(module)
    )
