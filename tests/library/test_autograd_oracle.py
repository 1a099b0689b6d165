"""Every kind of layer, written down once more as in a textbook, differentiated by HIPS autograd.

A twin computes one member of an ensemble, for a batch `x` of rows, in `autograd.numpy`. It is given
the layer for its settings alone, such as an epsilon or a mask; what is differentiated comes as
arguments. A kind of layer without a twin, or without a maker, makes a test fail.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

import gradbook.layers
from formulas import ACTIVATIONS
from gradbook.activations import ALL, Activation, relu, tanh
from gradbook.backpropagation import backprop_from
from gradbook.checks import Array
from gradbook.layers import (
    GRU,
    LSTM,
    Activate,
    Attention,
    BatchNorm,
    Dense,
    Dropout,
    Forward,
    Layer,
    LayerNorm,
    Positions,
    Recurrent,
    Residual,
    RMSNorm,
    Select,
)
from layer_makers import MAKERS, Maker, smooth_case
from network_oracle import of_member

Values: TypeAlias = Mapping[str, Any]
Twin: TypeAlias = Callable[[Any, Values, Any, Any], Any]
"""From the layer, its parameters by name, `x` and the step's own input to the output."""


def f_of(layer: Any, z: Any) -> Any:
    found = [formula for record, formula in ACTIVATIONS if record is layer.activation]
    assert found, f"{layer.activation.name} has no formula among ACTIVATIONS here: add it"
    return found[0](z)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + anp.exp(-z))


def pre_activation(p: Values, h: Any, own: Any, b: str = "b") -> Any:
    z = anp.dot(h, p["W"])
    if own is not None:
        z = z + anp.dot(own, p["U"])
    return z + p[b] if b in p else z


def dense(layer: Any, p: Values, x: Any, own: Any) -> Any:
    return f_of(layer, pre_activation(p, x, None))


def recurrent(layer: Any, p: Values, x: Any, own: Any) -> Any:
    return f_of(layer, pre_activation(p, x, own))


def activate(layer: Any, p: Values, x: Any, own: Any) -> Any:
    return f_of(layer, x)


def lstm(layer: Any, p: Values, x: Any, own: Any) -> Any:
    n = p["W"].shape[0]
    h, c = x[:, :n], x[:, n:]
    z = pre_activation(p, h, own)
    i, f = sigmoid(z[:, :n]), sigmoid(z[:, n : 2 * n])
    g, o = anp.tanh(z[:, 2 * n : 3 * n]), sigmoid(z[:, 3 * n :])
    c_next = f * c + i * g
    return anp.concatenate([o * anp.tanh(c_next), c_next], axis=1)


def gru(layer: Any, p: Values, x: Any, own: Any) -> Any:
    n = p["W"].shape[0]
    from_x = 0 if own is None else anp.dot(own, p["U"])
    from_x = from_x + p.get("b", np.zeros(3 * n)) + np.zeros((x.shape[0], 3 * n))
    from_h = anp.dot(x, p["W"])
    r = sigmoid(from_x[:, :n] + from_h[:, :n])
    u = sigmoid(from_x[:, n : 2 * n] + from_h[:, n : 2 * n])
    candidate = anp.tanh(from_x[:, 2 * n :] + r * (from_h[:, 2 * n :] + p.get("b_h", 0)))
    return (1 - u) * candidate + u * x


def scaled(p: Values, x_hat: Any) -> Any:
    return x_hat * p.get("gamma", 1) + p.get("beta", 0)


def batch_norm(layer: Any, p: Values, x: Any, own: Any) -> Any:
    if layer.mean is None:
        mean = anp.sum(x, axis=0) / x.shape[0]
        variance = anp.sum((x - mean) ** 2, axis=0) / x.shape[0]
    else:
        mean, variance = layer.mean, layer.variance
    return scaled(p, (x - mean) / anp.sqrt(variance + layer.epsilon))


def layer_norm(layer: Any, p: Values, x: Any, own: Any) -> Any:
    rows = []
    for row in x:
        mean = anp.sum(row) / len(row)
        variance = anp.sum((row - mean) ** 2) / len(row)
        rows.append((row - mean) / anp.sqrt(variance + layer.epsilon))
    return scaled(p, anp.array(rows))


def rms_norm(layer: Any, p: Values, x: Any, own: Any) -> Any:
    rows = [row / anp.sqrt(anp.sum(row**2) / len(row) + layer.epsilon) for row in x]
    return scaled(p, anp.array(rows))


def residual(layer: Any, p: Values, x: Any, own: Any) -> Any:
    h = x
    for number, inner in enumerate(layer.layers, start=1):
        assert getattr(inner, "x", None) is None, "a wrapped step's own input is not differentiated"
        values = {name: p[f"{number}.{name}"] for name in inner.parameters}
        h = TWINS[type(inner)](inner, values, h, None)
    return x + layer.scale * h


def dropout(layer: Any, p: Values, x: Any, own: Any) -> Any:
    return anp.where(layer.mask, x / layer.keep, 0.0)


def select(layer: Any, p: Values, x: Any, own: Any) -> Any:
    return anp.stack([x[:, column] for column in range(layer.start, layer.stop)], axis=1)


def attention(layer: Any, p: Values, x: Any, own: Any) -> Any:
    """Compute row by row, over the rows of its sequence that each one sees."""
    n = x.shape[1] // 3
    d = n // layer.heads
    scale = d**-0.5 if layer.scale is None else layer.scale
    rows = []
    for i in range(x.shape[0]):
        first = i - i % layer.time
        seen = range(first, i + 1 if layer.causal else first + layer.time)
        heads = []
        for c in range(0, n, d):
            powers = [
                anp.exp(scale * anp.dot(x[i, c : c + d], x[j, n + c : n + c + d])) for j in seen
            ]
            values = [
                w * x[j, 2 * n + c : 2 * n + c + d] for w, j in zip(powers, seen, strict=True)
            ]
            heads.append(sum(values) / sum(powers))
        rows.append(anp.concatenate(heads))
    return anp.array(rows)


def positions(layer: Any, p: Values, x: Any, own: Any) -> Any:
    time = p["P"].shape[0]
    return anp.array([row + p["P"][i % time] for i, row in enumerate(x)])


TWINS: dict[type, Twin] = {
    Activate: activate,
    Attention: attention,
    BatchNorm: batch_norm,
    Dense: dense,
    Dropout: dropout,
    GRU: gru,
    LSTM: lstm,
    LayerNorm: layer_norm,
    Positions: positions,
    RMSNorm: rms_norm,
    Recurrent: recurrent,
    Residual: residual,
    Select: select,
}

CORES = {"W": 2, "U": 2, "b": 1, "b_h": 1, "gamma": 1, "beta": 1, "P": 2}
"""How many axes of a parameter are its own; those before are an ensemble."""


def outputs(layer: Layer, p: Values, x: Any, own: Any) -> Any:
    """Compute the members one by one, and put them side by side."""
    found = []
    for member in np.ndindex(x.shape[:-2]):
        values = {
            name: of_member(value, CORES[name.rpartition(".")[2]], member)
            for name, value in p.items()
        }
        ours = None if own is None else own[member]
        found.append(TWINS[type(layer)](layer, values, x[member], ours))
    return anp.reshape(anp.stack(found), (*x.shape[:-2], *found[0].shape))


def full(array: Array | None, axes: tuple[int, ...]) -> Array | None:
    """Give every member its own copy, so that each gets a gradient of its own."""
    if array is None:
        return None
    return np.broadcast_to(array, (*axes, *array.shape[-2:])).copy()


# Both sides add up at most a hundred products of order one to ten, in other orders, and the plain
# logistic function is off by a few roundings; a wrong formula is off in the first digits.
NEAR = {"rtol": 1e-10, "atol": 1e-12}


def compare(layer: Layer, x: Array, u: Array, record: Forward) -> None:
    """Raise unless output and all gradients of <u, a> are those of the twin."""
    axes, own = record.a.shape[:-2], getattr(layer, "x", None)
    arguments = (dict(layer.parameters), full(x, axes), full(own, axes))
    np.testing.assert_allclose(record.a, outputs(layer, *arguments), **NEAR)
    which = (0, 1) if own is None else (0, 1, 2)
    loss = autograd.grad(lambda *a: anp.sum(u * outputs(layer, *a)), which)
    back, (grads, *on_inputs) = layer.backward(record, u), loss(*arguments)
    for mine, expected in zip((back.dx, back.dinput), on_inputs, strict=False):
        np.testing.assert_allclose(mine, expected, **NEAR)
    assert list(back.grads) == list(grads)
    for name, expected in grads.items():
        np.testing.assert_allclose(back.grads[name], expected, err_msg=name, **NEAR)


@pytest.mark.parametrize("activation", ALL, ids=lambda a: a.name)
@pytest.mark.parametrize("make", MAKERS, ids=lambda m: m.__name__)
def test_output_and_gradients_are_those_of_a_textbook_and_autograd(
    make: Maker, activation: Activation
) -> None:
    rng, layer, x = smooth_case(make, activation)
    record = layer.forward(x)
    compare(layer, x, rng.standard_normal(record.a.shape), record)


def kinds(layers: Sequence[Layer]) -> set[type]:
    """Return the classes of layers, with those that they wrap."""
    inner = [item for layer in layers for item in getattr(layer, "layers", ())]
    return {type(layer) for layer in layers} | (kinds(inner) if inner else set())


def test_every_kind_of_layer_has_a_maker_and_a_twin() -> None:
    offered = {
        kind
        for kind in vars(gradbook.layers).values()
        if dataclasses.is_dataclass(kind) and hasattr(kind, "backward")
    }
    drawn = kinds([make(np.random.default_rng(0), relu)[0] for make in MAKERS])
    assert offered <= drawn
    assert drawn | offered <= set(TWINS)


class _Forgets(LSTM):
    """An LSTM whose backward pass leaves out the direct path's forget gate."""

    def backward(self, record: Forward, da: Array) -> Any:
        back = super().backward(record, da)
        f, n = record.saved[0].f, self.width
        dx = back.dx.copy()
        dx[..., n:] /= f
        return back._replace(dx=dx)


def test_a_wrong_gradient_is_found() -> None:
    rng = np.random.default_rng(1)
    wrong = _Forgets(rng.standard_normal((3, 12)), None, None)
    x, u = rng.standard_normal((2, 4, 6))
    right = LSTM(wrong.W, None, None)
    compare(right, x, u, right.forward(x))
    TWINS[_Forgets] = lstm
    try:
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            compare(wrong, x, u, wrong.forward(x))
    finally:
        del TWINS[_Forgets]


def test_a_network_of_all_kinds_has_the_gradients_of_its_twins_in_a_row() -> None:
    rng = np.random.default_rng(2)
    draw = rng.standard_normal
    square, own = Dense(draw((4, 4)), draw(4), tanh), draw((5, 3))
    network: list[Layer] = [
        Dense(draw((3, 4)), draw(4), tanh),
        BatchNorm(draw(4), draw(4)),
        Activate(tanh),
        Residual([LayerNorm(draw(4), draw(4)), square], scale=0.5),
        Dropout.drawn(rng, (5, 4), keep=0.7),
        square,
        Recurrent(draw((4, 4)), draw((3, 4)), None, tanh, own),
        GRU(draw((4, 12)), draw((3, 12)), draw(12), own),
        RMSNorm(draw(4)),
        Dense(draw((4, 12)), None, tanh),
        Attention(time=5, heads=2, causal=True),
        Positions(draw((5, 4))),
        LSTM(draw((2, 8)), draw((3, 8)), draw(8), own),
        Select(1, 3),
    ]
    assert kinds(network) == set(TWINS)
    x, u = draw((5, 3)), draw((5, 2))
    trace = backprop_from(network, x, u)

    def loss(parameters: Sequence[Values], x: Any) -> Any:
        h = x
        for layer, p in zip(network, parameters, strict=True):
            h = TWINS[type(layer)](layer, p, h, getattr(layer, "x", None))
        return anp.sum(u * h)

    values = [dict(layer.parameters) for layer in network]
    grads, dx = autograd.grad(loss, (0, 1))(values, x)
    np.testing.assert_allclose(trace.dh[0], dx, **NEAR)
    at = {f"{n}.{name}": g for n, own in enumerate(grads, start=1) for name, g in own.items()}
    for parameter in trace.parameters:
        # A shared weight has the sum over its places, one of which lies in a block.
        expected = sum(at[place] for place in parameter.places)
        np.testing.assert_allclose(parameter.grad, expected, err_msg=parameter.name, **NEAR)
    shared = [parameter.places for parameter in trace.parameters if len(parameter.places) > 1]
    assert shared == [("4.2.W", "6.W"), ("4.2.b", "6.b")]
