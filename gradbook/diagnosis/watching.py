r"""Record what passes through a network of PyTorch while it is trained: `gradbook.watch`.

No framework is imported. Every module that holds weights is looked at where it is entered and left,
and every place is asked for its gradient. What is kept of a tensor are a few numbers. Which place
goes into which is read from the graph that autograd keeps, while it is there; weights that no
module is called for, as in `h @ self.w`, are found in that graph, too.
"""

import math
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from gradbook.diagnosis.places import Place
from gradbook.diagnosis.torch_numbers import (
    Seen,
    backwards,
    bend_of,
    compiler_off,
    graph_below,
    number,
    per_step,
    size_of,
    spread_of,
    units_off,
)

LISTS = ("ParameterList", "ParameterDict")
"""Classes that hold weights, and are never called."""

PARAMETRIZED = ".parametrizations"
"""Below a module of this name PyTorch keeps what a weight is made of, as in spectral norm."""

MADE_OF = ("weight_g", "weight_v", "weight_orig", "parametrizations")
"""Parts of the names of tensors that a weight is made of."""


@dataclass(frozen=True)
class Steps:
    """The gradient at a recurrent layer's inputs, step by step.

    Attributes:
        sizes: Norms of ∂L/∂x_t, a list for each step with one norm for each example that has it.
        every: Whether each step has a loss of its own.
        lags: Where each has: the sizes that the last step's loss alone sends to each step.
        both: Whether the layer reads in both directions.
        depth: How many layers are stacked in it.
    """

    name: str
    sizes: tuple[tuple[float, ...], ...]
    every: bool = False
    lags: tuple[float, ...] | None = None
    both: bool = False
    depth: int = 1


@dataclass(frozen=True)
class Record:
    """What was found of one step of training."""

    places: tuple[Place, ...] = ()
    steps: tuple[Steps, ...] = ()
    called: frozenset[str] = frozenset()
    bad_input: tuple[str, ...] = ()
    owned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    differentiated: bool = False


class _Pass:
    """One forward pass, and what came back of it."""

    def __init__(self, era: int) -> None:
        self.era = era
        self.places: dict[str, Seen] = {}
        self.calls: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self.tensors: dict[int, tuple[Any, int, str]] = {}
        self.nodes: dict[Any, str] = {}
        self.loops: dict[str, dict[str, Any]] = {}
        self.bad_input: list[str] = []
        self.heard = False
        self.differentiated = False

    def known(self, tensor: Any) -> Seen | None:
        found = self.tensors.get(id(tensor))
        if found is None or found[0]() is not tensor or found[1] != _version(tensor):
            return None
        return self.places[found[2]]

    def forget(self) -> None:
        # The graph holds the activations; nothing of it is kept once it has been read.
        self.nodes.clear()

    def drop(self) -> None:
        """Let go of what is kept until something comes back, which for this pass never will."""
        self.forget()
        for found in self.loops.values():
            found.pop("tensors", None)


def _version(tensor: Any) -> int:
    try:
        return int(tensor._version)
    except RuntimeError:  # tensors of inference mode have none
        return 0


class Watched(Mapping[str, Any]):
    """The size of δ by the names of places, in the order of the last forward pass.

    Filled on the way back. Values are arrays of one number, the norm of the gradient for an
    example, which resolution does not change; None where none has come back. Each forward pass of
    the network begins anew, and several whose gradients come back together count together. Once
    nobody holds this any longer, its hooks leave the network.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._era = 0
        self._open: _Pass | None = None
        self._passes: list[_Pass] = []
        self._names: dict[int, str] = {}
        self._inner: set[int] = set()
        self._hooks: list[Any] = []
        self._read: Record | None = None
        weakref.finalize(self, _take_off, self._hooks).atexit = False

    def __getitem__(self, name: str) -> Any:
        """Return the size at one place; None if nothing has come back."""
        return self._sizes()[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the order of the forward pass."""
        return iter(self._sizes())

    def __len__(self) -> int:
        """Count them."""
        return len(self._sizes())

    def remove(self) -> None:
        """Take the hooks off the network; what was found stays."""
        _take_off(self._hooks)

    @property
    def record(self) -> Record:
        """What is known of the last step."""
        if self._read is None:
            self._read = _record(self)
        return self._read

    def _sizes(self) -> dict[str, Any]:
        torch = sys.modules["torch"]
        places = [p for p in self.record.places if p.asks and (p.state or not _goes_on(self, p))]
        return {
            p.name: None if p.norm is None else torch.tensor([p.norm], dtype=torch.float64)
            for p in places
        }

    def _begin(self, *_: Any) -> None:
        # An evaluation without gradients keeps what is; where a checkpoint computes something once
        # more on the way back, it is still the same pass.
        if sys.modules["torch"].is_grad_enabled() and not backwards():
            self._open = None

    def _current(self) -> _Pass:
        made = self._open
        if made is None or (made.heard and not backwards()):
            heard = (made is not None and made.heard) or any(p.heard for p in self._passes)
            if heard and any(p.heard and p.era == self._era for p in self._passes):
                self._era += 1
            made = self._open = _Pass(self._era)
            for one in self._passes:
                one.drop() if one.era < self._era else one.forget()
            self._passes = [p for p in self._passes if p.heard or p.era == self._era] + [made]
        return made

    def _heard(self, made: _Pass, again: bool) -> None:
        made.differentiated |= again
        if not again and not made.heard:
            made.heard = True
            made.forget()
            self._passes = [p for p in self._passes if p.era == made.era]
        self._read = None


def _goes_on(watched: Watched, place: Place) -> bool:
    return any(place.name in other.before for other in watched.record.places)


def _again() -> bool:
    """Tell whether what comes back is to be differentiated again, as for a penalty."""
    return bool(sys.modules["torch"].is_grad_enabled())


class _Hook:
    """What the network holds: it keeps nothing alive, and a copy or a saved one does nothing."""

    def __init__(self, watched: Watched, act: Callable[..., Any]) -> None:
        self._watched, self._act = weakref.ref(watched), act

    @compiler_off
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
    """Hook a PyTorch network, so that what passes through it tells what is wrong with it.

    Call it once, before the forward pass, and hand what it returns to `gradbook.diagnose`:

        deltas = gradbook.watch(net)
        loss_function(net(x), y).backward()
        print(gradbook.diagnose(net, deltas=deltas))

    Not with `fullgraph=True` of `torch.compile`; take the hooks off before `torch.jit.script`.

    Returns:
        What will be found; its `remove` takes the hooks off.

    Examples:
        >>> watch([1, 2])
        Traceback (most recent call last):
        TypeError: net must be a network of PyTorch (torch.nn.Module), got list
    """
    if not is_network(net):
        raise TypeError(
            f"net must be a network of PyTorch (torch.nn.Module), got {type(net).__name__}"
        )
    if not any(True for _ in net.parameters()):
        raise ValueError(f"net must have weights, got none in {type(net).__name__}")
    watched = Watched()
    watched._names = {id(p): n for n, p in weights_of(net).items()}
    # What happens within a recurrent layer is looked at step by step.
    watched._inner = {id(p) for m in net.modules() if _is_loop(m) for p in _own(m)}
    hooks = [_before(net, watched, Watched._begin)]
    for name, module in net.named_modules():
        if _looked_at(name, module):
            hooks += _hooked(name, module, watched)
    watched._hooks += [*hooks, _behind(net, watched, _ended)]
    return watched


def is_network(net: Any) -> bool:
    """Tell whether something has the methods of a PyTorch network.

    Examples:
        >>> is_network({"W": 1.0})
        False
    """
    needed = ("named_parameters", "named_modules", "register_forward_hook")
    return all(callable(getattr(net, method, None)) for method in needed)


def gradients_of(net: Any) -> dict[str, Any]:
    """Return the gradients of a PyTorch network's parameters by name, tied ones under each."""
    return {name: parameter.grad for name, parameter in weights_of(net).items()}


def weights_of(net: Any) -> dict[str, Any]:
    """Return a PyTorch network's parameters by name, tied ones under each."""
    return dict(net.named_parameters(remove_duplicate=False))


def _looked_at(name: str, module: Any) -> bool:
    if type(module).__name__ in LISTS or PARAMETRIZED in f".{name}":
        return False
    return any(True for _ in module.parameters())


def _before(module: Any, watched: Watched, act: Callable[..., Any]) -> Any:
    return module.register_forward_pre_hook(_Hook(watched, act), with_kwargs=True)


def _behind(module: Any, watched: Watched, act: Callable[..., Any]) -> Any:
    return module.register_forward_hook(_Hook(watched, act), with_kwargs=True)


def _hooked(name: str, module: Any, watched: Watched) -> list[Any]:
    loop = _is_loop(module)

    def entered(watched: Watched, module: Any, args: Any, kwargs: Any) -> Any:
        made = watched._current()
        fresh = _fresh(module, args, kwargs) if loop else None
        args, kwargs = fresh or (args, kwargs)
        _enter(watched, made, name, module, _floats((args, kwargs)))
        return fresh

    def left(watched: Watched, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        made = watched._current()
        _leave(watched, made, name, module, entered=_passed(args, kwargs), output=output)
        if loop:
            x = args[0] if args else kwargs.get("input")
            _loop(watched, made, name, module, x=x, output=output)

    return [_before(module, watched, entered), _behind(module, watched, left)]


def _is_loop(module: Any) -> bool:
    return (
        hasattr(module, "batch_first") and hasattr(module, "bidirectional") and bool(_own(module))
    )


def _own(module: Any) -> list[Any]:
    """Return a module's own weights, and what those are made of."""
    found = list(module.parameters(recurse=False))
    made = getattr(module, "parametrizations", None)
    return found if made is None else [*found, *made.parameters()]


def _axes(module: Any) -> int:
    """Return the number of axes of a module's own weights, 0 if it has none."""
    if module not in _AXES:
        own = _own(module)
        if any(type(p).__name__ == "UninitializedParameter" for p in own):
            return 2
        _AXES[module] = max((p.ndim for p in own), default=0)
    return _AXES[module]


_AXES: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


def _enter(watched: Watched, made: _Pass, name: str, module: Any, tensors: Sequence[Any]) -> None:
    for position, tensor in enumerate(tensors):
        place = made.known(tensor)
        if place is None and not tensor.requires_grad:
            # Data: it has no gradient and no place, but it may be what is wrong.
            if position == 0 and not size_of(tensor).finite:
                made.bad_input.append(name)
            continue
        if place is None:
            place = _see(
                watched, made, f"input of {name}" if name else "input", tensor, module=name
            )
        elif tensor.requires_grad and not place.asks:
            _ask(watched, made, place, tensor)
        _read_by(place, module, tensor)


def _read_by(place: Seen, module: Any, tensor: Any) -> None:
    axes = _axes(module)
    if type(module).__name__.startswith("BatchNorm") and place.channels is None:
        place.channels = True
    if axes < 2:
        inner = any(True for _ in module.children())
        place.state |= inner
        place.norm_reads |= not inner
        return
    place.state = True
    if place.channels is None:
        place.channels = axes > 2
    if place.off is None and tensor.ndim > 1:
        place.off = units_off(tensor, 1 if axes > 2 else -1)
        place.spread, place.saturated = spread_of(tensor)
    place.bend = place.bend or bend_of(tensor.grad_fn)


def _leave(
    watched: Watched, made: _Pass, name: str, module: Any, *, entered: Any, output: Any
) -> None:
    tensor = _returned(output, entered)
    if tensor is None:
        return
    place = made.known(tensor)
    if place is None:
        own = {id(p) for p in _own(module)}
        place = _see(watched, made, name or "output", tensor, module=name, own=own)
    elif tensor.requires_grad and not place.asks:
        _ask(watched, made, place, tensor)
    axes = _axes(module)
    if axes > 1 and place.channels is None:
        place.channels = axes > 2
    place.layer |= axes > 1
    place.also.add(name)
    place.normed |= type(module).__name__.endswith(("Norm", "Norm1d", "Norm2d", "Norm3d"))


def _ended(watched: Watched, *_: Any) -> None:
    if watched._open is not None and not backwards():
        watched._open.forget()


def _see(
    watched: Watched, made: _Pass, name: str, tensor: Any, *, module: str, own: Any = frozenset()
) -> Seen:
    """Make a place of a tensor that was not seen before in this pass."""
    counter = made.again if backwards() else made.calls
    counter[name] += 1
    key = name if counter[name] == 1 else f"{name} {counter[name]}"
    place = made.places.get(key)
    if place is None:
        place = Seen(key, module, tuple(tensor.shape))
        place.out = size_of(tensor)
        made.places[key] = place
    made.tensors[id(tensor)] = weakref.ref(tensor), _version(tensor), key
    if tensor.requires_grad and not place.asks:
        _ask(watched, made, place, tensor, own)
    return place


def _ask(watched: Watched, made: _Pass, place: Seen, tensor: Any, own: Any = frozenset()) -> None:
    """Have the gradient of a place measured when it comes back, and find what goes into it."""
    place.asks = True
    ref = weakref.ref(watched)

    def arrived(delta: Any) -> None:
        found = ref()
        if found is not None and delta is not None:
            place.take(delta.detach())
            found._heard(made, again=_again())

    tensor.register_hook(compiler_off(arrived))
    node = tensor.grad_fn
    if node is None:
        if not backwards():  # there a checkpoint begins anew with what came to it
            made.nodes["leaf", id(tensor)] = place.name
            place.data = True
        return
    names = watched._names
    before, weights = graph_below((node, tensor.output_nr), made.nodes)
    own = {*own, *watched._inner}
    apart = [c for w, c in weights if c is not None and w in names and _is_apart(names[w], w, own)]
    if apart and (len(apart) > 1 or not any(w in own for w, _ in weights)):
        ops = [consumer for consumer in dict.fromkeys(apart) if consumer is not node]
        seen = [_see_op(watched, made, op, weights, names) for op in ops]
        for op, one in zip(ops, seen, strict=True):
            one.before.update(graph_below((op, 0), made.nodes)[0])
        before, _ = graph_below((node, tensor.output_nr), made.nodes)
    place.before.update(before)
    place.owned.update(names[w] for w, _ in weights if w in names)
    made.nodes[node, tensor.output_nr] = place.name


def _is_apart(name: str, weight: int, own: Any) -> bool:
    return weight not in own and not any(part in name for part in MADE_OF)


def _see_op(
    watched: Watched, made: _Pass, node: Any, weights: Sequence[Any], names: Mapping[int, str]
) -> Seen:
    """Make a place of what an operation on a weight returns that belongs to no module's call."""
    mine = [names[w] for w, consumer in weights if consumer is node and w in names]
    key = mine[0].removesuffix(".weight")
    made.calls[key] += 1
    key = key if made.calls[key] == 1 else f"{key} {made.calls[key]}"
    place = Seen(key, key, ())
    place.asks = place.state = place.op = True
    place.owned.update(mine)
    made.places[key] = place
    made.nodes[node, 0] = key
    ref = weakref.ref(watched)

    def arrives(deltas: Any) -> None:
        found = ref()
        if found is not None and deltas and deltas[0] is not None:
            place.take(deltas[0].detach())
            found._heard(made, again=_again())

    node.register_prehook(arrives)
    return place


def _loop(watched: Watched, made: _Pass, name: str, module: Any, *, x: Any, output: Any) -> None:
    """Have the gradient at each step of a recurrent layer measured."""
    data, out = next(_tensors(x), None), next(_tensors(output), None)
    if data is None or out is None or not data.requires_grad or name in made.loops:
        return
    counts = getattr(x, "batch_sizes", None)
    lengths = None if counts is None else counts.tolist()
    axis = 1 if module.batch_first and data.ndim > 2 else 0
    found: dict[str, Any] = {
        "both": bool(module.bidirectional),
        "depth": int(getattr(module, "num_layers", 1)),
        "rows": out[..., 0].numel(),
    }
    if lengths is None:
        found["tensors"] = data, out
    made.loops[name] = found
    ref = weakref.ref(watched)

    def arrived(delta: Any) -> None:
        if not found.get("asking"):
            found["sizes"] = per_step(delta.detach(), axis, lengths)
            if ref() is not None:
                ref()._heard(made, again=_again())  # type: ignore[union-attr]

    def direct(delta: Any) -> None:
        if found.get("asking"):
            return
        steps, tensors = per_step(delta.detach(), axis, lengths), found.pop("tensors", None)
        found["every"] = len(steps) > 2 and all(any(s > 0 for s in row) for row in steps)
        if found["every"] and tensors is not None and not _again():
            found["lags"] = _lags(found, tensors[0], tensors[1], delta, axis)

    data.register_hook(compiler_off(arrived))
    out.register_hook(compiler_off(direct))


def _lags(found: dict[str, Any], data: Any, out: Any, delta: Any, axis: int) -> Any:
    """Send back what the last step's loss alone sends, while the graph is there."""
    alone = delta.detach().clone()
    alone.narrow(axis, 0, alone.shape[axis] - 1).zero_()
    found["asking"] = True
    try:
        (back,) = sys.modules["torch"].autograd.grad(out, data, alone, retain_graph=True)
    except RuntimeError:  # a graph that cannot be gone through twice
        return None
    finally:
        found["asking"] = False
    return per_step(back.detach(), axis, None)


def _fresh(module: Any, args: Any, kwargs: Any) -> Any:
    """Return what a recurrent layer is given, with data that asks for a gradient."""
    x = args[0] if args else kwargs.get("input")
    if not any(parameter.requires_grad for parameter in module.parameters()):
        return None  # nothing of it is trained: what it returns shall have no gradient, either
    fresh = _with_gradient(x) if sys.modules["torch"].is_grad_enabled() else None
    if fresh is None:
        return None
    return ((fresh, *args[1:]), kwargs) if args else (args, {**kwargs, "input": fresh})


def _with_gradient(x: Any) -> Any:
    if hasattr(x, "batch_sizes"):
        data = _with_gradient(x.data)
        return None if data is None else x._replace(data=data)
    if not hasattr(x, "requires_grad") or x.requires_grad or not x.is_floating_point():
        return None
    return x.detach().requires_grad_()


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, (tuple, list)):
        return value
    names = [f.name for f in fields(value)] if is_dataclass(value) else []
    return [getattr(value, name, None) for name in names]  # those with slots have no dictionary


def _tensors(value: Any) -> Iterator[Any]:
    """Yield the tensors in what a module is given or returns."""
    if hasattr(value, "register_hook"):
        yield value
        return
    for inner in _inside(value):
        yield from _tensors(inner)


def _floats(value: Any) -> list[Any]:
    return [t for t in _tensors(value) if (t.is_floating_point() or t.is_complex()) and t.numel()]


def _passed(args: Any, kwargs: Any) -> Any:
    return next((t for t in _floats((args, kwargs))), None)


def _returned(output: Any, entered: Any) -> Any:
    """Return the tensor that a module returns: of several, the first as large as what entered."""
    found = _floats(output)
    asking = [t for t in found if t.requires_grad] or found
    alike = (x for x in asking if entered is not None and x.shape == entered.shape)
    return next(alike, asking[0] if asking else None)


def _record(watched: Watched) -> Record:
    """Put together what came back of the last passes."""
    heard = [p for p in watched._passes if p.heard]
    made = heard or ([watched._passes[-1]] if watched._passes else [])
    if not made:
        return Record()
    first = made[-1]
    together: dict[str, list[Seen]] = {}
    for one in made:
        for key, place in one.places.items():
            together.setdefault(key, []).append(place)
    shown = _shown_names(first, together)
    places = [_place(found, shown) for found in together.values()]
    return Record(
        places=tuple(_in_order(places)),
        steps=tuple(_steps(n, x) for one in made for n, x in one.loops.items() if "sizes" in x),
        called=frozenset(place.module for one in made for place in one.places.values()),
        bad_input=tuple(dict.fromkeys(name for one in made for name in one.bad_input)),
        owned={shown[k]: tuple(sorted(p[-1].owned)) for k, p in together.items()},
        differentiated=all(one.differentiated for one in made),
    )


def _shown_names(made: _Pass, together: Mapping[str, Sequence[Seen]]) -> dict[str, str]:
    """Call what enters a module by the layer that it comes from, if it comes from one alone."""
    shown = {key: key for key in together}
    for key, found in together.items():
        before = list(found[-1].before)
        if not key.startswith("input") or len(before) != 1:
            continue
        source = together[before[0]][-1] if before[0] in together else None
        alone = source is not None and source.layer and not source.state
        if alone and shown.get(before[0]) == before[0]:  # nothing else has taken its name
            shown[before[0]], shown[key] = f"{before[0]} (z)", before[0]
    return shown


def _place(found: Sequence[Seen], shown: Mapping[str, str]) -> Place:
    last = found[-1]
    heard = [seen for seen in found if seen.delta is not None]
    squares = sum(number(s.delta) ** 2 * s.count for s in heard)
    count = sum(s.count for s in heard)
    examples = sum(s.examples for s in found)
    outs = [number(s.out.rms) for s in found if s.out is not None]
    return Place(
        name=shown[last.name],
        delta=(squares / count) ** 0.5 if count else None,
        count=sum(s.count for s in found),
        rows=sum(s.rows for s in found),
        examples=examples,
        before=tuple(dict.fromkeys(shown[b] for s in found for b in s.before if b in shown)),
        state=last.state and not last.data,
        weak=last.norm_reads and not last.data,
        module=last.module,
        asks=any(s.asks for s in found),
        norm=(squares / max(examples, 1)) ** 0.5 if count else None,
        out=max(outs) if not any(map(math.isnan, outs)) and outs else (outs[-1] if outs else None),
        off=None if last.off is None else number(last.off),
        saturated=None if last.saturated is None else number(last.saturated),
        spread=None if last.spread is None else number(last.spread),
        also=tuple(sorted(last.also)),
        normed=last.normed,
        layer=last.layer,
        bend=last.bend,
        total=number(last.total) if last.total is not None and len(found) == 1 else None,
    )


def _in_order(places: Sequence[Place]) -> list[Place]:
    """Put places behind those that go into them, otherwise as they came."""
    by_name = {place.name: place for place in places}
    done: dict[str, Place] = {}
    for place in places:
        stack = [place.name]
        while stack:
            top = by_name[stack[-1]]
            waiting = [b for b in top.before if b in by_name and b not in done and b not in stack]
            if waiting:
                stack.append(waiting[0])
            else:
                done.setdefault(stack.pop(), top)
    return [replace(p, before=tuple(b for b in p.before if b in done)) for p in done.values()]


def _steps(name: str, found: Mapping[str, Any]) -> Steps:
    lags = found.get("lags")
    return Steps(
        name=name,
        sizes=tuple(tuple(row) for row in found["sizes"]),
        every=bool(found.get("every")),
        lags=None if lags is None else tuple(_rms(row) for row in lags),
        both=found["both"],
        depth=found["depth"],
    )


def _rms(row: Sequence[float]) -> float:
    return float((sum(x * x for x in row) / len(row)) ** 0.5)
