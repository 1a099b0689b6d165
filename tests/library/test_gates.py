"""LSTM and GRU steps: values against scalar loops, unrolled gradients against HIPS autograd."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from gradbook.activations import tanh
from gradbook.backpropagation import backprop, forward, gradient_check
from gradbook.checks import Array
from gradbook.initializers import Initializer, constant, lecun, orthogonal
from gradbook.jacobians import jacobian
from gradbook.layers import (
    GRU,
    LSTM,
    Dense,
    Dropout,
    Forward,
    GRUGates,
    Layer,
    LSTMGates,
    Recurrent,
    Residual,
    Select,
    Step,
)
from gradbook.losses import half_squared_error
from gradbook.networks import unrolled
from gradbook.networks.gated import unrolled_gru, unrolled_lstm, zero_state
from gradbook.parameters import distinct_parameters, places, with_parameters
from layer_makers import (
    Maker,
    ensemble_of_grus,
    ensemble_of_lstms,
    gru,
    gru_without_input,
    lstm,
    lstm_without_input,
)

GATED = [lstm, lstm_without_input, ensemble_of_lstms, gru, gru_without_input, ensemble_of_grus]
each_gated = pytest.mark.parametrize("make", GATED, ids=lambda m: m.__name__)


def drawn(make: Maker, seed: int = 0) -> tuple[Step, Array]:
    step, state = make(np.random.default_rng(seed), tanh)
    assert isinstance(step, Step)
    return step, state


def s(z: Any) -> Any:
    return 1 / (1 + anp.exp(-z))


# Values, one number at a time


def test_an_lstm_step_is_its_formulas_evaluated_one_number_at_a_time() -> None:
    step, state = drawn(lstm)
    assert step.x is not None
    record = step.forward(state)
    gates: LSTMGates = record.saved[0]
    for example in range(5):
        h, c, x = state[example, :4], state[example, 4:], step.x[example]

        def z(block: int, unit: int, h: Array = h, x: Array = x) -> float:
            column = 4 * block + unit
            total = sum(float(h[k] * step.W[k, column]) for k in range(4))
            total += sum(float(x[k] * step.U[k, column]) for k in range(3))  # type: ignore[index]
            return total + float(step.b[column])  # type: ignore[index]

        for j in range(4):
            i, f, o = (1 / (1 + math.exp(-z(block, j))) for block in (0, 1, 3))
            g = math.tanh(z(2, j))
            cell = f * c[j] + i * g
            found = (gates.i, gates.f, gates.g, gates.o, gates.c, record.a[:, 4:], record.a[:, :4])
            for array, number in zip(
                found, (i, f, g, o, cell, cell, o * math.tanh(cell)), strict=True
            ):
                assert array[example, j] == pytest.approx(number, rel=1e-13, abs=1e-15)


def test_a_gru_step_is_its_formulas_evaluated_one_number_at_a_time() -> None:
    step, state = drawn(gru)
    assert isinstance(step, GRU)
    assert step.x is not None
    record = step.forward(state)
    gates: GRUGates = record.saved[0]
    for example in range(5):
        h, x = state[example], step.x[example]

        def from_h(block: int, unit: int, h: Array = h) -> float:
            return sum(float(h[k] * step.W[k, 4 * block + unit]) for k in range(4))

        def from_x(block: int, unit: int, x: Array = x) -> float:
            column = 4 * block + unit
            total = sum(float(x[k] * step.U[k, column]) for k in range(3))  # type: ignore[index]
            return total + float(step.b[column])  # type: ignore[index]

        for j in range(4):
            r, u = (1 / (1 + math.exp(-from_h(k, j) - from_x(k, j))) for k in (0, 1))
            m = from_h(2, j) + float(step.b_h[j])  # type: ignore[index]
            n = math.tanh(from_x(2, j) + r * m)
            found = (gates.r, gates.u, gates.m, gates.n, record.a)
            for array, number in zip(found, (r, u, m, n, (1 - u) * n + u * h[j]), strict=True):
                assert array[example, j] == pytest.approx(number, rel=1e-13, abs=1e-15)


# PyTorch's layout


def as_pytorch_lstm(weight_ih: Any, weight_hh: Any, biases: Any, x: Any, state: Any) -> Any:
    """Follow the documentation of `torch.nn.LSTMCell`: i, f, g, o below one another."""
    h, c = state
    gates = weight_ih @ x + biases[0] + weight_hh @ h + biases[1]
    i, f, g, o = np.split(gates, 4)
    c_next = s(f) * c + s(i) * np.tanh(g)
    return s(o) * np.tanh(c_next), c_next


def as_pytorch_gru(weight_ih: Any, weight_hh: Any, biases: Any, x: Any, h: Any) -> Any:
    """Follow the documentation of `torch.nn.GRUCell`: r, z, n below one another."""
    from_x, from_h = weight_ih @ x + biases[0], weight_hh @ h + biases[1]
    (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(from_x, 3), np.split(from_h, 3)
    r, z = s(i_r + h_r), s(i_z + h_z)
    return (1 - z) * np.tanh(i_n + r * h_n) + z * h


def test_weights_of_pytorchs_cells_work_transposed_with_the_biases_added_up() -> None:
    rng = np.random.default_rng(1)
    x, h, c = rng.standard_normal(3), rng.standard_normal(4), rng.standard_normal(4)
    ih, hh, two = (rng.standard_normal(shape) for shape in ((16, 3), (16, 4), (2, 16)))
    step = LSTM(hh.T.copy(), ih.T.copy(), two.sum(axis=0), x[None])
    expected = np.concatenate(as_pytorch_lstm(ih, hh, two, x, (h, c)))
    found = step.forward(np.concatenate([h, c])[None]).a[0]
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)
    ih, hh, two = (rng.standard_normal(shape) for shape in ((12, 3), (12, 4), (2, 12)))
    b = two[0] + np.concatenate([two[1, :8], np.zeros(4)])  # the candidate's stays in the reset
    gated = GRU(hh.T.copy(), ih.T.copy(), b, x[None], two[1, 8:])
    expected = as_pytorch_gru(ih, hh, two, x, h)
    np.testing.assert_allclose(gated.forward(h[None]).a[0], expected, rtol=1e-13, atol=1e-15)


# Gradients of whole networks


def autograd_lstm(inputs: Any, state: Any, W: Any, U: Any, b: Any) -> Any:
    n = W.shape[0]
    h, c = state[:, :n], state[:, n:]
    for x in inputs:
        z = anp.dot(h, W) + anp.dot(x, U) + b
        c = s(z[:, n : 2 * n]) * c + s(z[:, :n]) * anp.tanh(z[:, 2 * n : 3 * n])
        h = s(z[:, 3 * n :]) * anp.tanh(c)
    return anp.concatenate([h, c], axis=1)


def autograd_gru(inputs: Any, state: Any, *values: Any) -> Any:
    W, U, b, b_h = values
    n, h = W.shape[0], state
    for x in inputs:
        r = s(anp.dot(h, W[:, :n]) + anp.dot(x, U[:, :n]) + b[:n])
        u = s(anp.dot(h, W[:, n : 2 * n]) + anp.dot(x, U[:, n : 2 * n]) + b[n : 2 * n])
        offered = anp.dot(h, W[:, 2 * n :]) + b_h
        candidate = anp.tanh(anp.dot(x, U[:, 2 * n :]) + b[2 * n :] + r * offered)
        h = (1 - u) * candidate + u * h
    return h


Build = Callable[[np.random.Generator, Array], list[Layer]]


def five_lstm_steps(rng: np.random.Generator, inputs: Array) -> list[Layer]:
    return unrolled_lstm(rng, 3, 5, lecun, inputs=inputs, forget_bias=0.7)


def five_gru_steps(rng: np.random.Generator, inputs: Array) -> list[Layer]:
    return unrolled_gru(rng, 3, 5, lecun, inputs=inputs, update_bias=0.7)


@pytest.mark.parametrize(
    ("build", "formula"), [(five_lstm_steps, autograd_lstm), (five_gru_steps, autograd_gru)]
)
def test_five_unrolled_steps_have_the_gradients_that_autograd_finds(
    build: Build, formula: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((5, 4, 2))
    layers = build(rng, inputs)
    state = rng.standard_normal(zero_state(layers).shape)
    target = rng.standard_normal(state.shape)
    values = [v + 0.1 * rng.standard_normal(v.shape) for v in distinct_parameters(layers)]
    trace = backprop(with_parameters(layers, values), state, target, half_squared_error)

    def loss(arguments: Sequence[Any]) -> Any:
        end = formula(*arguments)
        return anp.sum((end - target) ** 2) / 2 / 4

    arguments = [inputs, state, *values]
    grads = autograd.grad(loss)(arguments)
    # Both sum some hundred products of order one, in another order.
    near = {"rtol": 1e-11, "atol": 1e-14}
    np.testing.assert_allclose(trace.loss, loss(arguments), **near)
    np.testing.assert_allclose(trace.dh[0], grads[1], **near)
    for parameter, expected in zip(trace.parameters, grads[2:], strict=True):
        np.testing.assert_allclose(parameter.grad, expected, **near)
    np.testing.assert_allclose(np.stack(trace.dinputs), grads[0], **near)


def test_a_saturated_gate_lets_a_tiny_gradient_through_and_not_none() -> None:
    b = np.zeros(4)
    b[1] = 50.0  # s(50) rounds to 1, where s(1 - s) would be exactly 0
    step = LSTM(np.zeros((1, 4)), None, b)
    record = step.forward(np.array([[0.0, 1.0]]))
    assert record.saved[0].f == 1
    grad = step.backward(record, np.array([[0.0, 1.0]])).grads["b"][1]
    assert grad == pytest.approx(math.exp(-50), rel=1e-12)


@each_gated
def test_the_gradient_on_a_gated_steps_own_input_is_the_transposed_jacobian(make: Maker) -> None:
    step, state = drawn(make)
    record = step.forward(state)
    u = np.random.default_rng(3).standard_normal(record.a.shape)
    dinput = step.backward(record, u).dinput
    if step.x is None:
        assert dinput is None
        return
    assert dinput is not None
    x, v = step.x, np.random.default_rng(4).standard_normal(step.x.shape)

    def along(t: float) -> float:
        return float((u * step.with_input(x + t * v).forward(state).a).sum())

    # A difference of order 4 with step 1e-3: truncation about 1e-12, rounding 1e-15 * 10 / 1e-3.
    step_size = 1e-3
    values = [along(t * step_size) for t in (-2, -1, 1, 2)]
    slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step_size)
    assert (v * dinput).sum() == pytest.approx(slope, rel=1e-8, abs=1e-9)


@each_gated
def test_members_of_a_gated_ensemble_stand_side_by_side(make: Maker) -> None:
    step, state = drawn(make)
    if state.ndim == 2:
        return
    record = step.forward(state)
    u = np.random.default_rng(5).standard_normal(record.a.shape)
    back = step.backward(record, u)
    cores = {"W": 2, "U": 2, "b": 1, "b_h": 1, "x": 2}
    arrays = {**step.parameters, "x": step.x}

    def own(name: str, member: int) -> Array:
        array = arrays[name]
        assert array is not None
        lead = array.shape[: array.ndim - cores[name]]
        return array if not lead else array[member if lead[0] > 1 else 0]

    for m in range(2):
        alone = type(step)(**{name: own(name, m) for name in arrays})  # type: ignore[arg-type]
        alone_record = alone.forward(state[m])
        alone_back = alone.backward(alone_record, u[m])
        # A stack of products need not be summed in the order of a single one.
        near = {"rtol": 1e-12, "atol": 1e-14}
        np.testing.assert_allclose(record.a[m], alone_record.a, **near)
        np.testing.assert_allclose(back.dx[m], alone_back.dx, **near)
        np.testing.assert_allclose(back.grads["W"][m], alone_back.grads["W"], **near)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@each_gated
def test_a_gated_step_keeps_the_number_format(make: Maker, dtype: type) -> None:
    step, state = drawn(make)
    narrow = step.with_parameters({name: v.astype(dtype) for name, v in step.parameters.items()})
    if step.x is not None:
        narrow = narrow.with_input(step.x.astype(dtype))
    record = narrow.forward(state.astype(dtype))
    back = narrow.backward(record, record.a)
    gates = dataclasses.astuple(record.saved[0])
    for array in (record.a, *gates, back.dx, *back.grads.values()):
        assert array.dtype == dtype


# What gates are for


def test_the_cells_gradient_is_multiplied_by_the_forget_gate_at_every_step_and_by_no_weight() -> (
    None
):
    layers = unrolled_lstm(np.random.default_rng(6), 3, 4, constant(0.0), forget_bias=1.5)
    state = np.array([[0.0, 0.0, 0.0, 1.0, -2.0, 3.0]])
    J = jacobian(layers, state)[..., 3:, 3:]
    f = 1 / (1 + math.exp(-1.5))
    np.testing.assert_allclose(J, f**4 * np.eye(3)[None], rtol=1e-14, atol=1e-15)


def test_an_open_update_gate_keeps_the_hidden_state() -> None:
    layers = unrolled_gru(np.random.default_rng(7), 3, 50, orthogonal, update_bias=100.0)
    h = np.array([[0.3, -5.0, 2.0]])
    np.testing.assert_array_equal(backprop(layers, h, h, half_squared_error).h[-1], h)


# Together with the rest of the package


@pytest.mark.parametrize("build", [five_lstm_steps, five_gru_steps])
def test_checks_jacobians_and_places_work_with_gated_and_wrapped_steps(build: Build) -> None:
    rng = np.random.default_rng(8)
    layers = build(rng, rng.standard_normal((5, 2, 2)))
    state = rng.standard_normal(zero_state(layers).shape)
    head = Dense(rng.standard_normal((2, 1)), None, tanh)
    network = [*layers[:2], Residual(layers[2:4]), layers[4], Select(0, 2), head]
    first = places(network)[0]
    assert first == ("1.W", "2.W", "3.1.W", "3.2.W", "4.W")
    checks = gradient_check(network, state, [[0.1], [0.2]], half_squared_error)
    assert all(check.agrees for check in checks)
    names = {name: array for layer in layers for name, array in layer.parameters.items()}
    assert len(checks) == sum(a.size for a in names.values()) + 2
    J, v = jacobian(network, state), rng.standard_normal(state.shape)

    def along(t: float) -> Array:
        return forward(network, state + t * v)[-1].a

    # Truncation about 1e-10, rounding 1e-16 / 1e-5.
    slope = (along(1e-5) - along(-1e-5)) / 2e-5
    np.testing.assert_allclose(J @ v[..., None], slope[..., None], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("wrap", [True, False])
def test_a_jacobian_of_layers_that_fit_one_batch_only_is_that_of_each_example(wrap: bool) -> None:
    rng = np.random.default_rng(9)
    step, h = drawn(gru)
    network: list[Layer] = [Residual(step)] if wrap else [Dropout.drawn(rng, h.shape, keep=0.6)]
    J, v = jacobian(network, h), rng.standard_normal(h.shape)
    slope = (forward(network, h + 1e-5 * v)[-1].a - forward(network, h - 1e-5 * v)[-1].a) / 2e-5
    # Truncation about 1e-10, rounding 1e-16 / 1e-5.
    np.testing.assert_allclose((J @ v[..., None])[..., 0], slope, rtol=1e-7, atol=1e-9)


# Builders


@pytest.mark.parametrize("build", [unrolled_lstm, unrolled_gru])
def test_unrolled_gated_steps_hold_the_same_arrays_and_each_its_own_input(
    build: Callable[..., list[Layer]],
) -> None:
    inputs = np.arange(24.0).reshape(3, 4, 2)
    layers = build(np.random.default_rng(0), 5, 3, orthogonal, inputs=inputs, ensemble=(7,))
    for step, x in zip(layers, inputs, strict=True):
        assert isinstance(step, Step)
        np.testing.assert_array_equal(step.x, x)
        for name, array in step.parameters.items():
            assert array is layers[0].parameters[name]
            assert array.shape[0] == 7
    assert zero_state(layers).shape == (4, 10 if build is unrolled_lstm else 5)
    assert layers[-1].forward(zero_state(layers)).a.shape[:2] == (7, 4)


@pytest.mark.parametrize(("build", "blocks"), [(unrolled_lstm, 4), (unrolled_gru, 3)])
def test_each_block_of_a_gated_network_is_drawn_as_the_initializer_says(
    build: Callable[..., list[Layer]], blocks: int
) -> None:
    layers = build(
        np.random.default_rng(0),
        4,
        2,
        orthogonal,
        inputs=np.ones((2, 1, 3)),
        input_initializer=constant(0.5),
    )
    W, U = layers[0].parameters["W"], layers[0].parameters["U"]
    for block in np.split(W, blocks, axis=-1):
        # A few roundings of numbers of order one.
        np.testing.assert_allclose(block.T @ block, np.eye(4), atol=1e-14)
    np.testing.assert_array_equal(U, np.full((3, 4 * blocks), 0.5))


def test_members_may_have_forget_biases_of_their_own() -> None:
    biases = np.array([[0.0], [1.0], [5.0]])
    layers = unrolled_lstm(
        np.random.default_rng(0), 2, 1, orthogonal, forget_bias=biases, ensemble=(3,)
    )
    b = layers[0].parameters["b"]
    np.testing.assert_array_equal(b[:, 2:4], np.repeat(biases, 2, axis=1))
    assert np.count_nonzero(b) == 4


@pytest.mark.parametrize("initializer", [orthogonal, lecun], ids=lambda i: i.name)
def test_the_state_of_a_plain_network_is_its_hidden_state(initializer: Initializer) -> None:
    layers = unrolled(np.random.default_rng(0), 3, 2, tanh, initializer, inputs=np.ones((2, 5, 1)))
    assert zero_state(layers).shape == (5, 3)
    assert zero_state(layers, batch=2).shape == (2, 3)


# Faults


ONES = np.ones((3, 12))
FAULTS: list[tuple[Callable[[], object], str]] = [
    (lambda: LSTM(np.ones((3, 9)), None, None), r"W must have shape \(.*, width, 4 \* width\)"),
    (lambda: GRU(np.ones((3, 12)), None, None), r"W must have shape \(.*, width, 3 \* width\)"),
    (lambda: LSTM(ONES, np.ones((2, 12)), None), "U and x must be given together, got x=None"),
    (lambda: LSTM(ONES, None, None, np.ones((1, 2))), "must be given together, got U=None"),
    (lambda: LSTM(ONES, None, np.ones(3)), r"b must have shape \(\.\.\., 12\) to fit W"),
    (lambda: LSTM(ONES, np.ones((2, 3)), None, np.ones((1, 2))), r"U must have .* got \(2, 3\)"),
    (lambda: LSTM(ONES * np.nan, None, None), "W must be finite, got nan"),
    (lambda: GRU(np.ones((2, 6)), None, None, None, np.ones(3)), r"b_h must have .* got \(3,\)"),
    (
        lambda: GRU(np.ones((2, 1, 3)), None, None, None, np.ones((3, 1))),
        r"b_h must have ensemble axes .* \(2,\) of W, got \(3,\)",
    ),
    (
        lambda: LSTM(ONES, None, None).forward(np.ones((1, 3))),
        r"\[h, c\] must have shape \(\.\.\., batch, 6\), got \(1, 3\)",
    ),
    (
        lambda: LSTM(np.ones((2, 1, 4)), None, None).forward(np.ones((3, 1, 2))),
        r"\[h, c\] must have ensemble axes .* \(2,\) of the weights, got \(3,\)",
    ),
    (
        lambda: LSTM(ONES, ONES, None, np.ones((5, 3))).forward(np.ones((4, 6))),
        r"\[h, c\] must have shape \(\.\.\., 5, 6\) to fit the step's x, got \(4, 6\)",
    ),
    (
        lambda: LSTM(ONES, ONES, None, np.ones((2, 5, 3))).forward(np.ones((4, 5, 6))),
        r"\[h, c\] must have ensemble axes .* \(2,\) of x, got \(4,\)",
    ),
    (
        lambda: Recurrent(np.eye(2), None, None, tanh).with_input(np.ones((1, 2))),
        "U and x must be given together, got U=None",
    ),
    (
        lambda: LSTM(ONES, None, None).backward(Forward(ONES, ONES), ONES),
        "record must come from this step's forward, got one without LSTMGates",
    ),
    (lambda: Select(2, 2), "stop must be an integer of at least 3, got 2"),
    (lambda: Select(-1, 2), "start must be an integer of at least 0, got -1"),
    (
        lambda: Select(0, 3).forward(np.ones((1, 2))),
        r"x must have shape \(\.\.\., batch, 3 or more\), got \(1, 2\)",
    ),
    (
        lambda: unrolled_lstm(np.random.default_rng(0), 2, 1, lecun, forget_bias=[1.0, 2.0, 3.0]),
        r"forget_bias must have a shape that broadcasts to \(2,\), got \(3,\)",
    ),
    (
        lambda: unrolled_gru(np.random.default_rng(0), 2, 1, lecun, inputs=np.ones((2, 1, 1))),
        r"inputs must have shape \(1, \.\.\., batch, fan_in\), got \(2, 1, 1\)",
    ),
    (
        lambda: zero_state(unrolled_gru(np.random.default_rng(0), 2, 1, lecun)),
        "batch must be given where the steps have no input, got None",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), FAULTS)
def test_what_does_not_fit_is_named(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_a_network_without_steps_has_no_state() -> None:
    for layers in ([], [Dense(np.eye(2), None, tanh)]):
        with pytest.raises(TypeError, match="layers must begin with a recurrent step, got"):
            zero_state(layers, batch=1)


def test_all_columns_may_be_selected() -> None:
    np.testing.assert_array_equal(Select(0, 2).forward(np.ones((1, 2))).a, [[1.0, 1.0]])
