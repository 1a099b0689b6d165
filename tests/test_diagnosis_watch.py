"""`gradbook.watch` asks a network for nothing but its methods: a stand-in shows what it does.

With PyTorch itself it is tested by `make test-frameworks`.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import gradbook
from gradbook.diagnosis import BadInput, Verdict


class Hook:
    def __init__(self, hooks: list[Any], call: Any) -> None:
        self.hooks, self.call = hooks, call
        hooks.append(call)

    def remove(self) -> None:
        self.hooks.remove(self.call)


class Back:
    """A gradient, as a hook is given it."""

    def __init__(self, delta: Any, requires_grad: bool) -> None:
        self.delta, self.requires_grad = delta, requires_grad

    def detach(self) -> Any:
        return self.delta


class Value:
    """A number on its way through the network, whose gradient is set by hand."""

    def __init__(self, requires_grad: bool = True) -> None:
        self.requires_grad, self.hooks = requires_grad, list[Any]()
        self.ndim, self.shape = 3, (2, 3)

    def register_hook(self, call: Any) -> None:
        self.hooks.append(call)

    def is_floating_point(self) -> bool:
        return True

    def is_inference(self) -> bool:
        return False

    def detach(self) -> Value:
        return Value(requires_grad=False)

    def requires_grad_(self) -> Value:
        self.requires_grad = True
        return self

    def back(self, delta: Any, again: bool = False) -> None:
        for call in self.hooks:
            call(Back(delta, again))


class Weight(np.ndarray):
    grad: Any = None
    requires_grad = True


def weight(*shape: int) -> Weight:
    made = np.ones(shape).view(Weight)
    made.grad = np.ones(shape)
    return made


class Module:
    def __init__(self, *parts: Module, own: tuple[int, ...] = (), **attributes: Any) -> None:
        self.parts, self.own = parts, weight(*own) if own else None
        self.before, self.behind = list[Any](), list[Any]()
        vars(self).update(attributes)

    def register_forward_pre_hook(self, call: Any, with_kwargs: bool) -> Hook:
        assert with_kwargs
        return Hook(self.before, call)

    def register_forward_hook(self, call: Any, with_kwargs: bool) -> Hook:
        assert with_kwargs
        return Hook(self.behind, call)

    def children(self) -> tuple[Module, ...]:
        return self.parts

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for i, part in enumerate(self.parts):
            yield from part.named_modules(f"{prefix}.{i}" if prefix else str(i))

    def named_parameters(self, recurse: bool = True, **_: Any) -> Iterator[tuple[str, Any]]:
        for name, module in self.named_modules() if recurse else [("", self)]:
            if module.own is not None:
                yield f"{name}.weight".strip("."), module.own

    def parameters(self) -> Iterator[Any]:
        return (value for _, value in self.named_parameters())

    def __call__(self, x: Value, made: list[Value]) -> Value:
        inputs: tuple[Any, ...] = (x,)
        for hook in list(self.before):
            inputs, _ = hook(self, inputs, {}) or (inputs, {})
        out = inputs[0]
        for part in self.parts:
            out = part(out, made)
        if self.own is not None or not self.parts:
            out = Value(requires_grad=inputs[0].requires_grad)
            made += [inputs[0], out] if hasattr(self, "batch_first") else [out]
        for hook in list(self.behind):
            hook(self, inputs, {}, (out, None))
        return out


class Block(Module):
    pass


class Sequential(Module):
    pass


def layer() -> Module:
    return Module(own=(3, 3))


def run(net: Module, delta: Callable[[int], Any], x: Value | None = None) -> None:
    made: list[Value] = []
    net(x or Value(), made)
    for i, value in reversed(list(enumerate(made))):
        value.back(delta(i))


def decades(i: int) -> np.ndarray[Any, Any]:
    return np.full((2, 3), 0.1 ** (5 - i))


def test_a_chain_is_watched_layer_by_layer() -> None:
    net = Sequential(*(Sequential(layer(), Module()) for _ in range(3)))
    deltas = gradbook.watch(net)
    for times in (1.0, 2.0):
        run(net, lambda i, times=times: times * decades(i))
        assert {name: value[0, 0] for name, value in deltas.items()} == {
            f"{i}.0": times * 0.1 ** (5 - 2 * i) for i in range(3)
        }
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is Verdict.VANISHING
    assert report.profile is not None
    assert report.profile.names == ("0.0", "1.0")  # the output layer is set apart
    deltas.remove()
    run(net, lambda i: decades(i) * 0)
    assert deltas["0.0"][0, 0] == 2 * 0.1**5


def test_blocks_are_watched_as_wholes_and_where_they_begin() -> None:
    net = Module(layer(), *(Block(layer(), layer()) for _ in range(3)))
    deltas = gradbook.watch(net)
    run(net, lambda i: i)
    # Seven layers: the first one's output enters the blocks, of two layers each.
    assert dict(deltas) == {"input of 1": 0, "1": 2, "2": 4, "3": 6}


def test_branches_are_not_compared_with_what_enters_the_first_of_them() -> None:
    class Around(Module):
        def __call__(self, x: Value, made: list[Value]) -> Value:
            for part in self.parts:
                part(x, made)
                made.append(x := Value())  # x + part(x)
            return x

    deltas = gradbook.watch(net := Module(layer(), Around(*(Block(layer()) for _ in range(3)))))
    for _ in range(2):
        run(net, lambda i: i)
        # The first layer, and then a branch and the sum behind it, three times.
        assert dict(deltas) == {"1.0": 1, "1.1": 3, "1.2": 5}


def test_two_of_a_kind_are_no_blocks() -> None:
    deltas = gradbook.watch(net := Module(*(Block(layer(), layer()) for _ in range(2))))
    run(net, lambda i: i)
    assert dict(deltas) == {"0.0": 0, "0.1": 1, "1.0": 2, "1.1": 3}


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_loop_is_watched_step_by_step(batch_first: bool) -> None:
    class Delta:
        ndim = 3

        def unbind(self, axis: int) -> list[str]:
            return [f"axis {axis}", "end"]

    loop = Module(own=(3, 3), batch_first=batch_first, bidirectional=False)
    deltas = gradbook.watch(net := Module(loop, layer()))
    for x in (Value(requires_grad=False), Value()):  # an input of data, and one of another layer
        run(net, lambda i: Delta(), x)
        assert dict(deltas) == {"0 t=1": f"axis {int(batch_first)}", "0 t=2": "end"}


def test_a_layer_that_is_called_again_has_a_number_and_no_gradient_leaves_all_as_it_was() -> None:
    shared = layer()
    deltas = gradbook.watch(net := Sequential(shared, shared, layer()))
    # The same module stands under its first name alone, as in PyTorch.
    net.named_modules = lambda prefix="": iter([("", net), ("0", shared), ("2", net.parts[2])])  # type: ignore[method-assign]
    deltas.remove()
    deltas = gradbook.watch(net)
    run(net, lambda i: i)
    kept = {"0": 0, "0 2": 1, "2": 2}
    assert dict(deltas) == kept
    run(net, lambda i: -1, Value(requires_grad=False))
    assert dict(deltas) == kept


def test_a_gradient_of_a_gradient_says_less_than_any_other_pass() -> None:
    deltas = gradbook.watch(net := Sequential(layer(), layer()))
    passes: list[list[Value]] = []
    for _ in range(3):
        net(Value(), made := [])
        passes.append(made)
    penalized, other, last = passes
    for again, made, size in ((True, last, 7), (False, last, 0), (False, other, 2)):
        for value in made[::-1]:
            value.back(size, again)
    penalized[0].back(5)  # earlier than what is shown
    assert dict(deltas) == {"0": 2, "1": 2}


def test_what_nobody_holds_leaves_the_network() -> None:
    net = Sequential(layer(), layer())
    for _ in range(3):
        deltas = gradbook.watch(net)
        run(net, lambda i: i)
    assert dict(deltas) == {"0": 0, "1": 1}
    assert [len(part.behind) for part in net.parts] == [1, 1]
    hook = net.parts[0].behind[0]
    del deltas
    assert not any([net.before, *(part.behind for part in net.parts)])
    assert hook(net, (), {}, Value()) is None


def test_a_copy_and_a_saved_network_record_nothing() -> None:
    deltas = gradbook.watch(net := Sequential(layer(), layer()))
    run(net, lambda i: i)
    for other in (copy.deepcopy(net.parts[0]), pickle.loads(pickle.dumps(net.parts[0]))):
        assert len(other.behind) == 1
        run(other, lambda i: -1)
    assert dict(deltas) == {"0": 0, "1": 1}


def test_what_is_computed_on_the_way_back_alone_is_put_in_order() -> None:
    deltas = gradbook.watch(net := Sequential(*(layer() for _ in range(4))))
    net.before[0](net, (), {})
    for part in (3, 1, 2, 0):  # the last layer on the way, the others from checkpoints
        net.parts[part](Value(), made := [])
        if part != 1:
            made[0].back(part)
        else:
            held = made[0]
        if part == 2:
            held.back(1)
    assert dict(deltas) == {str(i): i for i in range(4)}


def test_weights_that_no_module_is_called_for_are_not_watched() -> None:
    class ParameterList(Module):
        pass

    with pytest.raises(ValueError, match="net must have layers with weights, got none in Module"):
        gradbook.watch(Module(ParameterList(own=(3, 3))))


def test_nothing_watched_nothing_found() -> None:
    with pytest.raises(TypeError, match=r"net must be a network of PyTorch .*, got dict"):
        gradbook.watch({})
    with pytest.raises(ValueError, match="net must have layers with weights, got none in Module"):
        gradbook.watch(Module(Module()))
    net = Sequential(layer(), layer())
    with pytest.raises(BadInput, match=r"call gradbook\.watch before the forward pass"):
        gradbook.diagnose(net, deltas=gradbook.watch(net))
