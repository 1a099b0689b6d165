"""The museum: every fault is one, is caught where it shows, and hides where it is said to hide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from gradbook.activations import relu, tanh
from gradbook.backpropagation import backprop, forward
from gradbook.book.backpropagation import faults, museum
from gradbook.book.backpropagation.museum import Exhibit, GradientTask, inspect
from gradbook.layers import Dense
from gradbook.losses import half_squared_error

EXHIBITS = pytest.mark.parametrize("exhibit", museum.ALL, ids=lambda exhibit: exhibit.name)


def gradients(task: GradientTask) -> list[np.ndarray]:
    trace = backprop(task.layers, task.x, task.target, task.loss)
    return [parameter.grad for parameter in trace.parameters]


@EXHIBITS
def test_a_fault_is_caught_by_far_and_the_right_gradient_is_not(exhibit: Exhibit) -> None:
    wrong, right = inspect(exhibit.wrong), inspect(exhibit.right)
    assert wrong.caught
    assert wrong.discrepancy > 0.1
    assert not right.caught
    assert right.discrepancy < 1e-9


@EXHIBITS
def test_a_fault_changes_nothing_going_forward(exhibit: Exhibit) -> None:
    wrong, right = (
        task.loss.f(forward(task.layers, task.x)[-1].a, task.target)
        for task in (exhibit.wrong, exhibit.right)
    )
    assert wrong == right


@EXHIBITS
def test_the_blind_task_has_the_fault_and_passes(exhibit: Exhibit) -> None:
    blind = inspect(exhibit.blind)
    assert not blind.caught
    assert blind.discrepancy < 1e-9
    kinds = [[type(layer) for layer in t.layers] for t in (exhibit.wrong, exhibit.blind)]
    slopes = [[_slope(layer) for layer in t.layers] for t in (exhibit.wrong, exhibit.blind)]
    assert kinds[0] == kinds[1]
    assert slopes[0] == slopes[1]
    assert exhibit.blind.loss is exhibit.wrong.loss


def _slope(layer: Any) -> object:
    return layer.activation.df


@EXHIBITS
def test_differences_are_taken_away_from_kinks(exhibit: Exhibit) -> None:
    for task in (exhibit.wrong, exhibit.blind):
        for record in forward(task.layers, task.x):
            if record.z is not None and task.x.any():
                # Two steps of 6e-6 for a weight of size 1 and inputs of that size.
                assert np.abs(record.z).min() > 1e-3


def test_the_exhibits_are_told_apart() -> None:
    assert len({exhibit.name for exhibit in museum.ALL}) == len(museum.ALL) >= 6


@pytest.mark.parametrize(
    ("exhibit", "formula"),
    [
        (museum.RELU_AT_OUTPUT, lambda z: anp.where(z > 0, z, 0)),
        (museum.NO_SLOPE, anp.tanh),
        (museum.SLOPE_FROM_OUTPUT, lambda z: z**2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_called_right_is_what_autograd_finds(exhibit: Exhibit, formula: Any) -> None:
    task = exhibit.right

    def loss(p: list[Any]) -> Any:
        output = anp.dot(formula(anp.dot(task.x, p[0]) + p[1]), p[2]) + p[3]
        return anp.sum((output - task.target) ** 2) / 2 / len(task.x)

    parameters = [array for layer in task.layers for array in layer.parameters.values()]
    wanted = autograd.grad(loss)(parameters)
    for found, by_autograd in zip(gradients(task), wanted, strict=True):
        assert found == pytest.approx(by_autograd, rel=1e-12, abs=1e-13)


def test_a_shared_weight_gets_the_gradient_that_autograd_finds() -> None:
    task = museum.OVERWRITTEN.right

    def loss(p: list[Any]) -> Any:
        h = anp.tanh(anp.dot(task.x, p[0]))
        h = anp.tanh(anp.dot(anp.tanh(anp.dot(h, p[1])), p[1]))
        return anp.sum((anp.dot(h, p[2]) - task.target) ** 2) / 2 / len(task.x)

    wanted = autograd.grad(loss)([layer.parameters["W"] for layer in task.layers])
    for found, by_autograd in zip(gradients(task), wanted, strict=True):
        assert found == pytest.approx(by_autograd, rel=1e-12, abs=1e-13)


def test_a_forgotten_mean_multiplies_by_the_batch() -> None:
    wrong, right = gradients(museum.NO_MEAN.wrong), gradients(museum.NO_MEAN.right)
    batch = len(museum.NO_MEAN.wrong.x)
    for ours, true in zip(wrong, right, strict=True):
        assert ours == pytest.approx(batch * true, rel=1e-14)
    assert inspect(museum.NO_MEAN.wrong).discrepancy == pytest.approx(1 - 1 / batch)


def test_the_slope_of_a_relu_at_its_output_is_always_one() -> None:
    z = np.random.default_rng(0).standard_normal(100)
    assert (faults.relu_at_output.df(z) == 1).all()
    assert relu.df(z).mean() < 0.7
    assert (faults.relu_at_output.f(z) == relu.f(z)).all()


def test_a_repeated_layer_is_two_layers_that_share_their_parameters() -> None:
    rng = np.random.default_rng(0)
    W, b = rng.standard_normal((3, 3)), rng.standard_normal(3)
    x, y = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    one, two = Dense(W, b, tanh), faults.Repeated(W, b, tanh)
    shared, repeated = (gradients(GradientTask(layers, x, y)) for layers in ([one, one], [two]))
    for by_sharing, by_repeating in zip(shared, repeated, strict=True):
        assert by_repeating == pytest.approx(by_sharing, rel=1e-14)


def test_a_finding_counts_the_entries_that_differ() -> None:
    # The last layer comes before the fault on the way back: its ten weights and two biases agree.
    found = inspect(museum.NO_SLOPE.wrong)
    assert (found.entries, found.differing) == (32, 20)


def test_a_flipped_sign_has_a_discrepancy_of_two() -> None:
    flipped = replace(half_squared_error, df=lambda o, y: -half_squared_error.df(o, y))
    found = inspect(replace(museum.NO_MEAN.right, loss=flipped))
    assert found.discrepancy == pytest.approx(2)
    assert found.differing == found.entries


def run(line: str, **names: Any) -> dict[str, Any]:
    """Execute a line of an exhibit on arrays of these names."""
    scope = {"np": np, **names}
    exec(line, scope)
    return scope


@pytest.mark.parametrize(
    "exhibit", [museum.RELU_AT_OUTPUT, museum.NO_SLOPE, museum.SLOPE_FROM_OUTPUT]
)
def test_the_lines_about_a_slope_compute_what_the_tasks_do(exhibit: Exhibit) -> None:
    z, da = np.random.default_rng(0).standard_normal((2, 4, 3))
    for line, task in (
        (exhibit.wrong_line, exhibit.wrong),
        (exhibit.right_line, exhibit.right),
    ):
        activation = task.layers[0].activation  # type: ignore[attr-defined]
        found = run(line, z=z, a=activation.f(z), da=da)["delta"]
        np.testing.assert_allclose(found, da * activation.df(z), rtol=1e-12)


def test_the_lines_about_a_transpose_compute_what_the_layers_do() -> None:
    exhibit, da = museum.NO_TRANSPOSE, np.random.default_rng(0).standard_normal((4, 5))
    for line, task in (
        (exhibit.wrong_line, exhibit.wrong),
        (exhibit.right_line, exhibit.right),
    ):
        layer = task.layers[1]
        assert isinstance(layer, Dense)
        back = layer.backward(layer.forward(np.ones((4, 5))), da)
        np.testing.assert_allclose(run(line, delta=back.delta, W=layer.W)["dx"], back.dx)


def test_the_lines_about_a_mean_compute_what_the_losses_do() -> None:
    exhibit = museum.NO_MEAN
    o, y = np.random.default_rng(0).standard_normal((2, 4, 3))
    for line, task in (
        (exhibit.wrong_line, exhibit.wrong),
        (exhibit.right_line, exhibit.right),
    ):
        np.testing.assert_allclose(run(line, o=o, y=y)["da"], task.loss.df(o, y))


def test_the_lines_about_a_sum_replace_or_add() -> None:
    exhibit = museum.OVERWRITTEN
    x, delta = np.ones((4, 3)), np.ones((4, 2))
    before = np.full((3, 2), 10.0)
    wrong, right = (
        run(line, x=x, delta=delta, dW=before.copy())["dW"]
        for line in (exhibit.wrong_line, exhibit.right_line)
    )
    assert (wrong == 4).all()
    assert (right == 14).all()
