"""Training against gradient descent written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradbook.activations import identity, tanh
from gradbook.initializers import lecun
from gradbook.layers import Dense
from gradbook.losses import half_squared_error
from gradbook.networks import plain, unrolled
from gradbook.training import movement, train

X = np.random.default_rng(0).standard_normal((12, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.1
ROUNDING = 1e-12


def line(W: np.ndarray) -> list[Dense]:
    return [Dense(W, None, identity)]


def by_hand(W: np.ndarray, rows: list[np.ndarray], lr: float) -> list[np.ndarray]:
    """Descend on the mean of (xW - y)²/2 over the rows of each step."""
    path = [W]
    for row in rows:
        x, y = X[row], Y[row]
        path.append(path[-1] - lr * x.T @ (x @ path[-1] - y) / len(row))
    return path


def losses(path: list[np.ndarray]) -> list[float]:
    return [float(np.square(X @ W - Y).mean() / 2) for W in path]


def test_all_examples_at_once_is_gradient_descent() -> None:
    W = np.ones((3, 1))
    run = train(line(W), X, Y, half_squared_error, lr=0.3, steps=7)
    path = by_hand(W, [np.arange(12)] * 7, 0.3)
    np.testing.assert_allclose(run.layers[0].parameters["W"], path[-1], atol=ROUNDING)
    np.testing.assert_allclose(run.loss, losses(path), atol=ROUNDING)
    moved = [np.linalg.norm(step - W) / np.linalg.norm(W) for step in path]
    np.testing.assert_allclose(run.movement[:, 0], moved, atol=ROUNDING)
    assert W.tolist() == [[1.0]] * 3


def test_a_batch_may_hold_all_examples() -> None:
    how = {"loss": half_squared_error, "lr": 0.3, "steps": 4}
    every = train(line(np.ones((3, 1))), X, Y, batch=12, rng=np.random.default_rng(8), **how)
    whole = train(line(np.ones((3, 1))), X, Y, **how)
    np.testing.assert_allclose(every.loss, whole.loss, atol=ROUNDING)


def test_mini_batches_are_drawn_without_replacement_and_the_loss_is_that_of_all() -> None:
    W, rng = np.ones((3, 1)), np.random.default_rng(8)
    run = train(
        line(W), X, Y, half_squared_error, lr=0.1, steps=5, batch=4, rng=np.random.default_rng(8)
    )
    path = by_hand(W, [rng.permutation(12)[:4] for _ in range(5)], 0.1)
    np.testing.assert_allclose(run.layers[0].parameters["W"], path[-1], atol=ROUNDING)
    np.testing.assert_allclose(run.loss, losses(path), atol=ROUNDING)


def test_each_member_of_an_ensemble_is_trained_on_its_own() -> None:
    nets = plain(np.random.default_rng(1), (3, 5, 1), tanh, lecun, ensemble=(4,))
    run = train(nets, X, Y, half_squared_error, lr=0.2, steps=6)
    assert run.loss.shape == (4, 7)
    assert run.movement.shape == (4, 7, 2)
    for member in range(4):
        alone = [
            layer.with_parameters({n: v[member] for n, v in layer.parameters.items()})
            for layer in nets
        ]
        one = train(alone, X, Y, half_squared_error, lr=0.2, steps=6)
        np.testing.assert_allclose(run.loss[member], one.loss, atol=ROUNDING)
        np.testing.assert_allclose(run.movement[member], one.movement, atol=ROUNDING)


def test_shared_weights_stay_shared() -> None:
    steps = unrolled(np.random.default_rng(2), 3, 4, tanh, lecun)
    run = train(steps, X, np.zeros((12, 3)), half_squared_error, lr=0.1, steps=3)
    assert len({id(layer.parameters["W"]) for layer in run.layers}) == 1
    assert np.ptp(run.movement[-1]) == 0


def test_a_run_that_diverges_is_recorded_without_a_warning() -> None:
    run = train(line(np.ones((3, 1))), X, Y, half_squared_error, lr=1e3, steps=200)
    assert run.loss[1] > run.loss[0]
    assert not np.isfinite(run.loss[-1])
    assert not np.isfinite(run.movement[-1, 0])


def test_from_zero_every_movement_is_infinite() -> None:
    zero, one = line(np.zeros((3, 1))), line(np.ones((3, 1)))
    assert movement(zero, one).tolist() == [np.inf]
    assert np.isnan(movement(zero, zero)).all()


def test_layers_without_weights_are_left_out_of_the_movement() -> None:
    class Doubling:
        """A layer without parameters."""

        parameters: dict[str, np.ndarray] = {}  # noqa: RUF012

        def with_parameters(self, values: Any) -> Any: ...
        def forward(self, x: Any) -> Any: ...
        def backward(self, record: Any, da: Any) -> Any: ...

    before, after = line(np.ones((2, 1))), line(3 * np.ones((2, 1)))
    assert movement([Doubling(), *before], [Doubling(), *after]).tolist() == [2.0]
    with pytest.raises(ValueError, match=r"layers must have weights, got only \[\]"):
        movement([Doubling()], [Doubling()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be an integer of at least 1, got 0"),
        ({"lr": 0.0}, "lr must be positive, got 0"),
        ({"batch": 4}, "batch and rng must be given together, got rng=None"),
        ({"rng": np.random.default_rng(0)}, "batch and rng must be given together, got batch=None"),
        ({"batch": 13, "rng": np.random.default_rng(0)}, "at most the number of examples, 12, got"),
        ({"batch": 0, "rng": np.random.default_rng(0)}, "batch must be an integer of at least 1"),
        ({"target": Y[:3]}, "target must hold 12 examples, as x, got 3"),
        ({"x": X * np.nan}, "x must be finite"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], message: str) -> None:
    sound: dict[str, Any] = {"x": X, "target": Y, "loss": half_squared_error, "lr": 0.1, "steps": 1}
    with pytest.raises(ValueError, match=message):
        train(line(np.ones((3, 1))), **(sound | change))


def test_a_seed_is_no_generator() -> None:
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got 3"):
        train(line(np.ones((3, 1))), X, Y, half_squared_error, lr=1, steps=1, batch=2, rng=3)


def test_movement_compares_networks_of_one_shape() -> None:
    with pytest.raises(ValueError, match=r"after must have the shapes of before, \[\(3, 1\)\]"):
        movement(line(np.ones((3, 1))), line(np.ones((2, 1))))
