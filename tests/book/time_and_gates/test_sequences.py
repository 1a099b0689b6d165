"""The adding problem, networks on other inputs, truncated gradients, and training on sequences."""

from functools import partial

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from gradbook.activations import identity, tanh
from gradbook.backpropagation import backprop
from gradbook.book.time_and_gates.sequences import (
    ADDING_BASELINE,
    Sequences,
    adding_problem,
    train_sequences,
    truncated,
    with_inputs,
)
from gradbook.checks import Array
from gradbook.clipping import clip_global_norm
from gradbook.initializers import lecun
from gradbook.layers import Dense, Layer, Recurrent, Select
from gradbook.losses import half_squared_error
from gradbook.networks import unrolled
from gradbook.networks.gated import unrolled_gru, unrolled_lstm, zero_state
from gradbook.optimizers import Adam, Clipping, GradientDescent
from gradbook.parameters import distinct_parameters, places, with_parameters

# The adding problem


@pytest.mark.parametrize("steps", [2, 3, 10])
def test_one_step_of_each_half_is_marked_and_the_answer_is_the_sum_of_both(steps: int) -> None:
    task = adding_problem(np.random.default_rng(0), steps, 7, ensemble=(3,))
    assert task.x.shape == (steps, 3, 7, 2)
    assert task.target.shape == (3, 7, 1)
    values, markers = task.x[..., 0], task.x[..., 1]
    assert ((values >= 0) & (values < 1)).all()
    for index in np.ndindex(3, 7):
        marked = np.flatnonzero(markers[:, *index])
        assert (markers[marked, *index] == 1).all()
        first, second = marked
        assert first < steps // 2 <= second
        assert task.target[*index, 0] == values[first, *index] + values[second, *index]


def test_every_step_is_marked_as_often_as_any_other_of_its_half() -> None:
    task = adding_problem(np.random.default_rng(1), 7, 30_000)
    shares = task.x[..., 1].mean(axis=-1)
    # Standard errors are at most 0.0027; five of them.
    np.testing.assert_allclose(shares, [1 / 3] * 3 + [1 / 4] * 4, atol=0.014)


def test_the_baseline_is_the_variance_of_a_sum_of_two_uniform_numbers() -> None:
    task = adding_problem(np.random.default_rng(2), 6, 100_000)
    errors = np.square(task.target - 1)
    deviation = errors.std() / np.sqrt(errors.size)
    assert errors.mean() == pytest.approx(ADDING_BASELINE, abs=4 * deviation)
    # No other constant is better: the mean is 1, and E(y - a)² = Var(y) + (1 - a)².
    assert task.target.mean() == pytest.approx(1, abs=4 * np.sqrt(1 / 6 / 100_000))


def test_the_same_generator_gives_the_same_sequences() -> None:
    one, two = (adding_problem(np.random.default_rng(3), 5, 4) for _ in range(2))
    np.testing.assert_array_equal(one.x, two.x)
    other = adding_problem(np.random.default_rng(4), 5, 4)
    assert (one.x[..., 0] != other.x[..., 0]).all()


# Other inputs

BUILDERS = [partial(unrolled, activation=tanh), unrolled_lstm, unrolled_gru]
each_builder = pytest.mark.parametrize("build", BUILDERS, ids=["plain", "LSTM", "GRU"])


@each_builder
def test_a_network_on_other_inputs_is_the_one_that_would_have_been_built_on_them(build) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(5)
    one, two = rng.standard_normal((2, 4, 6, 2))
    old = build(np.random.default_rng(6), 3, 4, initializer=lecun, inputs=one)
    expected = build(np.random.default_rng(6), 3, 4, initializer=lecun, inputs=two)
    head = Dense(np.ones((zero_state(old).shape[-1], 1)), None, identity)
    new = with_inputs([*old, head], two)
    assert new[-1] is head
    assert places(new) == places([*old, head])
    for layer, step in zip(old, new[:-1], strict=True):
        assert layer.parameters["W"] is step.parameters["W"]
    target = np.zeros((6, 1))
    found = backprop(new, zero_state(new), target, half_squared_error)
    wanted = backprop([*expected, head], zero_state(expected), target, half_squared_error)
    np.testing.assert_array_equal(found.h[-1], wanted.h[-1])


def test_a_network_whose_weights_diverged_can_still_be_given_inputs() -> None:
    layers = unrolled(np.random.default_rng(0), 2, 3, tanh, lecun, inputs=np.ones((3, 1, 1)))
    wild = with_parameters(layers, [np.full_like(v, np.nan) for v in distinct_parameters(layers)])
    assert len(with_inputs(wild, np.zeros((3, 1, 1)))) == 3


# Truncated gradients


def network(rng: np.random.Generator, steps: int = 6) -> list[Layer]:
    inputs = rng.standard_normal((steps, 5, 2))
    layers = unrolled_lstm(rng, 3, steps, lecun, inputs=inputs)
    return [*layers, Select(0, 3), Dense(rng.standard_normal((3, 1)), np.zeros(1), identity)]


def test_a_window_over_all_steps_is_the_whole_gradient() -> None:
    layers = network(np.random.default_rng(7))
    x, target = zero_state(layers), np.ones((5, 1))
    whole = backprop(layers, x, target, half_squared_error)
    cut = truncated(layers, x, target, half_squared_error, window=6)
    for mine, reference in zip(cut.parameters, whole.parameters, strict=True):
        np.testing.assert_array_equal(mine.grad, reference.grad)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_a_truncated_gradient_is_the_sum_over_the_last_places(window: int) -> None:
    layers = network(np.random.default_rng(8))
    x, target = zero_state(layers), np.ones((5, 1))
    whole = backprop(layers, x, target, half_squared_error)
    cut = truncated(layers, x, target, half_squared_error, window=window)
    np.testing.assert_array_equal(cut.loss, whole.loss)
    np.testing.assert_array_equal(cut.h[0], whole.h[6 - window])
    for name, parameter in zip(("W", "U", "b"), cut.parameters, strict=False):
        expected = sum(g[name] for g in whole.gradients[6 - window : 6])
        np.testing.assert_allclose(parameter.grad, expected, rtol=1e-12, atol=1e-15)


def test_a_truncated_gradient_is_that_of_a_loss_whose_carried_state_is_held_fixed() -> None:
    rng = np.random.default_rng(9)
    inputs, W, U = rng.standard_normal((4, 2, 1)), rng.standard_normal((2, 2)), np.ones((1, 2))
    layers = [Recurrent(W, U, None, tanh, x) for x in inputs]
    target = np.zeros((2, 2))

    def state(W, start, steps):  # type: ignore[no-untyped-def]
        h = start
        for x in steps:
            h = anp.tanh(anp.dot(h, W) + anp.dot(x, U))
        return h

    carried = state(W, np.zeros((2, 2)), inputs[:1])
    expected = autograd.grad(lambda W: anp.sum(state(W, carried, inputs[1:]) ** 2) / 4)(W)
    found = truncated(layers, np.zeros((2, 2)), target, half_squared_error, window=3)
    np.testing.assert_allclose(found.parameters[0].grad, expected, rtol=1e-12, atol=1e-15)


# Training


def one_unit(steps: int = 5, members: int = 2) -> list[Layer]:
    rng = np.random.default_rng(10)
    W, U = rng.standard_normal((members, 1, 1)) / 4, rng.standard_normal((members, 2, 1)) / 4
    return [Recurrent(W, U, None, tanh, np.zeros((1, 2))) for _ in range(steps)]


def test_an_update_is_a_gradient_step_on_a_fresh_batch() -> None:
    layers = one_unit()
    task = partial(adding_problem, steps=5, batch=4)
    run = train_sequences(
        np.random.default_rng(11),
        layers,
        task,
        half_squared_error,
        optimizer=GradientDescent(0.5),
        updates=2,
    )
    rng, now = np.random.default_rng(11), layers
    for update in range(2):
        batch = task(rng)
        now = with_inputs(now, batch.x)
        trace = backprop(now, np.zeros((4, 1)), batch.target, half_squared_error)
        np.testing.assert_array_equal(run.loss[:, update], trace.loss)
        squares = sum(np.square(p.grad).sum(axis=(-2, -1)) for p in trace.parameters)
        np.testing.assert_allclose(run.norm[:, update], np.sqrt(squares), rtol=1e-12)
        values = [p.value - 0.5 * p.grad for p in trace.parameters]
        now = with_parameters(now, values)
    for mine, expected in zip(
        distinct_parameters(run.layers), distinct_parameters(now), strict=True
    ):
        np.testing.assert_array_equal(mine, expected)


def test_members_train_as_if_each_were_alone() -> None:
    layers = one_unit()
    clip = partial(clip_global_norm, max_norm=0.1, members=1)
    fixed = adding_problem(np.random.default_rng(12), 5, 4)

    def trained(layers: list[Layer]) -> Array:
        return train_sequences(
            np.random.default_rng(0),
            layers,
            lambda rng: fixed,
            half_squared_error,
            optimizer=Clipping(Adam(0.1), clip),
            updates=5,
        ).loss

    together = trained(layers)
    for m in range(2):
        own = with_parameters(layers, [v[m : m + 1] for v in distinct_parameters(layers)])
        np.testing.assert_allclose(together[m], trained(own)[0], rtol=1e-12)


def test_a_window_cuts_the_gradient_of_every_update() -> None:
    layers = one_unit()
    task = partial(adding_problem, steps=5, batch=4)
    whole, cut = (
        train_sequences(
            np.random.default_rng(13),
            layers,
            task,
            half_squared_error,
            optimizer=GradientDescent(0.5),
            updates=1,
            window=window,
        )
        for window in (5, 1)
    )
    np.testing.assert_array_equal(whole.loss, cut.loss)
    assert (whole.norm != cut.norm).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_stays_in_the_number_format_of_the_weights(dtype: type) -> None:
    layers = one_unit()
    narrow = with_parameters(layers, [v.astype(dtype) for v in distinct_parameters(layers)])
    run = train_sequences(
        np.random.default_rng(14),
        narrow,
        partial(adding_problem, steps=5, batch=4),
        half_squared_error,
        optimizer=Adam(0.1),
        updates=2,
    )
    assert run.loss.dtype == dtype
    assert all(v.dtype == dtype for v in distinct_parameters(run.layers))
    assert all(layer.x.dtype == dtype for layer in run.layers)  # type: ignore[attr-defined]


def test_a_linear_unit_learns_to_add_up_what_is_not_masked() -> None:
    # With markers of 1 throughout the answer is the sum of all numbers: w = 1 and u = (1, 0).
    def sums(rng: np.random.Generator) -> Sequences:
        x = rng.standard_normal((4, 20, 1))
        return Sequences(x, x.sum(axis=0))

    steps: list[Layer] = [
        Recurrent(np.full((1, 1), 0.8), np.full((1, 1), 0.5), None, identity, np.zeros((1, 1)))
    ]
    run = train_sequences(
        np.random.default_rng(15),
        steps[:1] * 4,
        sums,
        half_squared_error,
        optimizer=GradientDescent(0.1),
        updates=200,
    )
    W, U = distinct_parameters(run.layers)
    # Without noise the optimum is exact, and the loss shrinks geometrically.
    assert (W.item(), U.item()) == pytest.approx((1.0, 1.0), abs=1e-6)


# Faults


def test_what_does_not_fit_is_named() -> None:
    layers = network(np.random.default_rng(0))
    with pytest.raises(ValueError, match="inputs must hold one for each of the 6 steps, got 5"):
        with_inputs(layers, np.ones((5, 5, 2)))
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., batch, 2\), got \(5, 3\)"):
        with_inputs(layers, np.ones((6, 5, 3)))
    with pytest.raises(ValueError, match="x must be finite, got nan"):
        with_inputs(layers, np.full((6, 5, 2), np.nan))
    with pytest.raises(ValueError, match="layers must hold at least one layer"):
        with_inputs([], np.ones((1, 1, 1)))
    for window in (7, 0):
        with pytest.raises(ValueError, match=f"window must be .*, got {window}"):
            truncated(layers, zero_state(layers), [[0.0]], half_squared_error, window=window)
    with pytest.raises(ValueError, match="steps must be an integer of at least 2, got 1"):
        adding_problem(np.random.default_rng(0), 1, 1)
    with pytest.raises(ValueError, match="batch must be an integer of at least 1, got 0"):
        adding_problem(np.random.default_rng(0), 2, 0)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got 0"):
        adding_problem(0, 2, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="updates must be an integer of at least 1, got 0"):
        train_sequences(
            np.random.default_rng(0),
            layers,
            partial(adding_problem, steps=6, batch=2),
            half_squared_error,
            optimizer=Adam(0.1),
            updates=0,
        )
