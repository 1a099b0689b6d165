"""Backpropagation against autograd, finite differences and closed forms."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradbook.activations import ALL, identity, relu, sigmoid, tanh
from gradbook.backpropagation import (
    DerivativeCheck,
    Trace,
    _exposure,
    backprop,
    backprop_from,
    forward,
    forward_loss,
    gradient_check,
)
from gradbook.book.exploding.directions import direction_check
from gradbook.checks import Array
from gradbook.initializers import he, lecun, orthogonal
from gradbook.layers import Backward, Dense, Forward, Layer, Recurrent
from gradbook.losses import ALL as LOSSES
from gradbook.losses import half_squared_error, sigmoid_cross_entropy
from gradbook.networks import plain, unrolled
from gradbook.parameters import named_parameters, with_parameters
from network_oracle import Case, draw_case


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a network whose shape hypothesis decides and whose numbers a seed decides."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return draw_case(lambda options: draw(st.sampled_from(list(options))), rng)


random_networks = settings(max_examples=200)


def scale(*arrays: Array) -> float:
    return max(float(np.abs(array).max()) for array in arrays)


def far_from_kinks(case: Case, trace: Trace, distance: float) -> bool:
    return all(
        (np.abs(z - kink) > distance).all()
        for piece, z in zip(case.pieces, trace.z, strict=True)
        for kink in piece.activation.kinks
        if z is not None
    )


@random_networks
@given(cases())
def test_any_network_has_the_loss_and_the_gradients_that_autograd_finds(case: Case) -> None:
    trace = backprop(case.layers(), case.x, case.target, case.loss)
    # The formulas of the oracle lose up to some hundred eps by cancellation, amplified by up to
    # four layers; a wrong sign or a missing term is of order one.
    np.testing.assert_allclose(trace.loss, case.losses(), rtol=1e-9, atol=1e-11)
    expected = case.gradients()
    for parameter in trace.parameters:
        [gradient] = [g for a, g in zip(case.pool, expected, strict=True) if a is parameter.value]
        tolerance = 1e-10 * (1 + scale(*expected))
        np.testing.assert_allclose(parameter.grad, gradient, rtol=1e-9, atol=tolerance)


@random_networks
@given(cases())
def test_the_inputs_of_any_network_have_the_gradients_that_autograd_finds(case: Case) -> None:
    trace = backprop(case.layers(), case.x, case.target, case.loss)
    expected = case.gradients()
    tolerance = 1e-10 * (1 + scale(*expected))  # as above
    inputs = [(0, trace.dh[0])]
    inputs += [(p.x, d) for p, d in zip(case.pieces, trace.dinputs, strict=True) if p.x is not None]
    for index, gradient in inputs:
        wide = case.ensemble + case.pool[index].shape[-2:]
        assert gradient.shape == wide
        summed = sum_like(gradient, case.pool[index])
        np.testing.assert_allclose(summed, expected[index], rtol=1e-9, atol=tolerance)


def sum_like(gradient: Array, array: Array) -> Array:
    """Sum over ensemble axes that the array does not have, or has once."""
    extra = gradient.ndim - array.ndim
    gradient = gradient.sum(axis=tuple(range(extra)))
    ones = tuple(i for i, n in enumerate(array.shape[:-2]) if n == 1)
    return gradient.sum(axis=ones, keepdims=True)


@random_networks
@given(cases(), st.integers(0, 2**32 - 1))
def test_any_network_agrees_with_finite_differences_within_their_own_error(
    case: Case, seed: int
) -> None:
    layers = case.layers()
    trace = backprop(layers, case.x, case.target, case.loss)
    # A step of the difference moves z by about 1e-5 times weights and inputs of order one.
    assume(far_from_kinks(case, trace, 1e-3))
    rng = np.random.default_rng(seed)
    check = direction_check(rng, layers, case.x, case.target, case.loss)
    assert check.agrees
    # An error bar that is wide says nothing: here losses are of order one and smooth.
    assert check.error < 1e-4 * (1 + float(trace.loss.sum()))


@pytest.mark.parametrize("activation", ALL, ids=lambda a: a.name)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_every_entry_of_the_gradient_agrees_for_every_activation_and_loss(
    activation: Any, loss: Any
) -> None:
    rng = np.random.default_rng(1)
    layers = plain(rng, (3, 4, 3, 2), activation, he, bias_variance=0.1)
    x, target = rng.standard_normal((2, 3)), np.array([[1.0, 0.0], [0.3, 0.7]])
    checks = gradient_check(layers, x, target, loss)
    assert len(checks) == sum(p.size for p in named_parameters(layers).values())
    assert all(check.agrees for check in checks)


def test_the_gradient_starts_with_the_loss_and_follows_the_chain_rule() -> None:
    W, V = np.array([[2.0, -1.0]]), np.array([[0.5], [3.0]])
    layers = [Dense(W, np.array([0.1, 0.2]), sigmoid), Dense(V, np.array([-0.3]), tanh)]
    trace = backprop(layers, [[0.7]], [[0.9]], half_squared_error)
    s = 1 / (1 + np.exp(-(0.7 * W + [0.1, 0.2])))
    o = np.tanh(s @ V - 0.3)
    delta_2 = (o - 0.9) * (1 - o**2)
    delta_1 = delta_2 @ V.T * s * (1 - s)
    # Two short formulas, a few roundings apart.
    for ours, by_hand in (
        (trace.h[1], s),
        (trace.h[2], o),
        (trace.loss, (o - 0.9).item() ** 2 / 2),
        (trace.dh[2], o - 0.9),
        (trace.delta[1], delta_2),
        (trace.dh[1], delta_2 @ V.T),
        (trace.delta[0], delta_1),
        (trace.dh[0], delta_1 @ W.T),
        (trace.gradients[0]["W"], 0.7 * delta_1),
        (trace.gradients[0]["b"], delta_1[0]),
        (trace.gradients[1]["W"], s.T @ delta_2),
        (trace.gradients[1]["b"], delta_2[0]),
    ):
        np.testing.assert_allclose(ours, by_hand, rtol=1e-13)
    assert [p.name for p in trace.parameters] == ["1.W", "1.b", "2.W", "2.b"]


def test_a_trace_has_one_more_boundary_than_layers() -> None:
    rng = np.random.default_rng(0)
    layers = plain(rng, (3, 4, 2), relu, he, ensemble=(5,))
    trace = backprop(layers, np.ones((6, 3)), np.zeros(2), half_squared_error)
    assert [h.shape for h in trace.h] == [(6, 3), (5, 6, 4), (5, 6, 2)]
    assert [dh.shape for dh in trace.dh] == [(5, 6, 3), (5, 6, 4), (5, 6, 2)]
    assert [d.shape for d in trace.delta if d is not None] == [(5, 6, 4), (5, 6, 2)]
    assert trace.loss.shape == (5,)
    assert trace.dinputs == (None, None)
    np.testing.assert_array_equal(
        trace.loss, forward_loss(layers, np.ones((6, 3)), np.zeros(2), half_squared_error)
    )


def test_a_value_used_twice_receives_both_gradients() -> None:
    # b = a + a, c = b + b: overwriting instead of adding would give dc/da = 1, adding gives 4.
    twice = [
        Dense(np.array([[1.0, 1.0]]), None, identity),
        Dense(np.array([[1.0], [1.0]]), None, identity),
    ]
    trace = backprop_from([*twice, *twice], [[3.0]], [[1.0]])
    assert trace.h[-1].item() == 12
    assert [dh.tolist() for dh in trace.dh[::2]] == [[[4.0]], [[2.0]], [[1.0]]]


@pytest.mark.parametrize("uses", [1, 2, 5])
def test_a_weight_used_several_times_has_the_derivative_of_a_power(uses: int) -> None:
    layer = Dense(np.array([[1.5]]), None, identity)
    [w] = backprop_from([layer] * uses, [[1.0]], [[1.0]]).parameters
    assert w.places == tuple(f"{number}.W" for number in range(1, uses + 1))
    assert w.grad.item() == pytest.approx(uses * 1.5 ** (uses - 1), rel=1e-14)


def test_the_gradient_of_a_tied_weight_is_the_sum_over_an_untied_copy() -> None:
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((6, 4, 2))
    tied = unrolled(rng, 3, 6, tanh, orthogonal, inputs=inputs, bias_variance=1.0)
    untied = [
        step.with_parameters({name: a.copy() for name, a in step.parameters.items()})
        for step in tied
    ]
    h, target = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    ours = backprop(tied, h, target, half_squared_error)
    apart = backprop(untied, h, target, half_squared_error)
    assert [len(p.places) for p in ours.parameters] == [6, 6, 6]
    assert [len(p.places) for p in apart.parameters] == [1] * 18
    alone = {p.name: p.grad for p in apart.parameters}
    for parameter in ours.parameters:
        total = sum(alone[place] for place in parameter.places)
        np.testing.assert_allclose(parameter.grad, total, rtol=1e-13, atol=1e-15)
    for per_layer, name in zip(ours.gradients, range(1, 7), strict=True):
        np.testing.assert_array_equal(per_layer["W"], alone[f"{name}.W"])


def test_one_array_in_two_roles_of_a_step_gets_the_gradients_of_both() -> None:
    x, W = np.array([[0.4, -0.2]]), np.array([[0.5, 1.0], [-1.0, 0.3]])
    [both] = backprop_from([Recurrent(W, W, None, tanh, x)], [[0.3, 0.6]], [[1, 2]]).parameters
    # h W + x W = (h + x) W: the same map with one role.
    [joint] = backprop_from([Dense(W, None, tanh)], [[0.7, 0.4]], [[1, 2]]).parameters
    assert both.places == ("1.W", "1.U")
    np.testing.assert_allclose(both.grad, joint.grad, rtol=1e-14)


def test_a_chosen_output_gradient_takes_the_place_of_the_loss() -> None:
    rng = np.random.default_rng(3)
    layers = plain(rng, (3, 4, 2), tanh, lecun)
    x, target = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    by_loss = backprop(layers, x, target, half_squared_error)
    given_da = backprop_from(layers, x, by_loss.dh[-1])
    for ours, same in zip(given_da.dh, by_loss.dh, strict=True):
        np.testing.assert_array_equal(ours, same)
    for p, q in zip(given_da.parameters, by_loss.parameters, strict=True):
        np.testing.assert_array_equal(p.grad, q.grad)
    # The loss is the linear one: ten products of order one.
    assert given_da.loss.item() == pytest.approx((by_loss.h[-1] * by_loss.dh[-1]).sum(), rel=1e-13)


def test_many_output_gradients_go_back_through_one_network() -> None:
    rng = np.random.default_rng(4)
    layers = plain(rng, (3, 4, 2), tanh, lecun)
    x, da = rng.standard_normal((5, 3)), rng.standard_normal((7, 5, 2))
    trace = backprop_from(layers, x, da)
    assert trace.loss.shape == (7,)
    assert trace.dh[0].shape == (7, 5, 3)
    one_by_one = [backprop_from(layers, x, d) for d in da]
    for m, alone in enumerate(one_by_one):
        np.testing.assert_allclose(trace.dh[0][m], alone.dh[0], rtol=1e-12, atol=1e-15)
    total = sum(alone.parameters[0].grad for alone in one_by_one)
    np.testing.assert_allclose(trace.parameters[0].grad, total, rtol=1e-12, atol=1e-14)


@dataclass(frozen=True, eq=False)
class Skip:
    """Add its input to what the wrapped layers make of it: a layer with no z and nested names."""

    layers: Sequence[Layer]

    @property
    def parameters(self) -> Mapping[str, Array]:
        return named_parameters(self.layers)

    def with_parameters(self, values: Mapping[str, Array]) -> "Skip":
        parts = [
            {k.partition(".")[2]: v for k, v in values.items() if k.startswith(f"{number}.")}
            for number in range(1, len(self.layers) + 1)
        ]
        return Skip([a.with_parameters(v) for a, v in zip(self.layers, parts, strict=True)])

    def forward(self, x: Array) -> Forward:
        records = forward(self.layers, x)
        return Forward(x, a=x + records[-1].a, saved=records)

    def backward(self, record: Forward, da: Array) -> Backward:
        grads, back = {}, da
        for number in range(len(self.layers), 0, -1):
            one = self.layers[number - 1].backward(record.saved[number - 1], back)
            grads |= {f"{number}.{name}": grad for name, grad in one.grads.items()}
            back = one.dx
        return Backward(dx=da + back, grads=grads)


def test_a_layer_may_wrap_others_have_no_z_and_share_parameters_with_its_neighbors() -> None:
    rng = np.random.default_rng(5)
    W, V, b = rng.standard_normal((3, 3)), rng.standard_normal((3, 3)), rng.standard_normal(3)
    layers = [Dense(W, b, tanh), Skip([Dense(V, b, tanh), Dense(W, None, sigmoid)])]
    x, target = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    trace = backprop(layers, x, target, half_squared_error)
    assert [p.places for p in trace.parameters] == [
        ("1.W", "2.2.W"),
        ("1.b", "2.1.b"),
        ("2.1.W",),
    ]
    assert trace.z[1] is None
    assert trace.delta[1] is None
    checks = gradient_check(layers, x, target, half_squared_error)
    assert all(check.agrees for check in checks)
    assert checks[-1].name == "W[2.1][2, 2]"


def test_a_diverged_member_leaves_the_others_alone() -> None:
    huge = np.array([[[1e200]], [[2.0]]])
    layers = [Dense(huge, None, identity), Dense(huge.copy(), None, identity)]
    trace = backprop(layers, [[1.0]], [[0.0]], half_squared_error)
    assert trace.loss.tolist() == [np.inf, 8.0]
    [first, second] = trace.parameters
    assert [p.grad[1].item() for p in (first, second)] == [8.0, 8.0]
    assert not np.isfinite(first.grad[0]).any()
    again = with_parameters(layers, [np.array([[[np.nan]], [[2.0]]]), huge])
    assert backprop(again, [[1.0]], [[0.0]], half_squared_error).loss[1] == 8.0
    assert backprop_from(again, [[1.0]], [[1.0]]).loss[1] == 4.0


LINE = [Dense(np.array([[2.0], [1.0]]), None, identity)]


@pytest.mark.parametrize(
    ("layers", "x", "target", "message"),
    [
        ([], [[1.0]], [[1.0]], r"layers must hold at least one layer, got \[\]"),
        (LINE, [[1.0, np.nan]], [[1.0]], r"x must be finite, got nan at index \(0, 1\)"),
        (LINE, np.ones((0, 2)), [[1.0]], r"x must not be empty, got an array of shape \(0, 2\)"),
        (LINE, [1.0, 1.0], [[1.0]], r"layer 1 of 1: x must have shape \(\.\.\., batch, 2\)"),
        (LINE * 2, [[1.0, 1.0]], [[1.0]], r"layer 2 of 2: x must .* batch, 2\), got \(1, 1\)"),
        (LINE, [[1.0, 1.0]], [[np.nan]], r"target must be finite, got nan"),
        (LINE, [[1.0, 1.0]], [[1.0, 2.0]], r"target must have the output's shape \(1, 1\)"),
    ],
)
def test_a_wrong_argument_is_named_with_its_value_and_what_was_expected(
    layers: list[Layer], x: Any, target: Any, message: str
) -> None:
    for function in (backprop, forward_loss, gradient_check):
        with pytest.raises(ValueError, match=message):
            function(layers, x, target, half_squared_error)
    with pytest.raises(TypeError, match="layers must hold layers, got 'Dense' as layer 1"):
        forward(["Dense"], x)  # type: ignore[list-item]


@pytest.mark.parametrize("shape", [(3,), (3, 2), (4, 3), (5, 3, 2)])
def test_an_output_gradient_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    layers, x = [Dense(np.eye(2), None, identity)], np.ones((4, 2))
    with pytest.raises(ValueError, match=r"da must have a shape .* the output's \(4, 2\), got"):
        backprop_from(layers, x, np.ones(shape))
    with pytest.raises(
        ValueError, match=r"da must have a shape .* output's \(1, 1\), got \(4, 2\)"
    ):
        backprop_from(LINE, [[1.0, 1.0]], np.ones((4, 2)))
    with pytest.raises(ValueError, match="da must be finite, got inf"):
        backprop_from(LINE, [[1.0, 1.0]], np.full((1, 1), np.inf))


@dataclass(frozen=True, eq=False)
class Faulty(Dense):
    """Return a gradient on W that is wrong by a relative `fault`."""

    fault: float = 0.0

    def backward(self, record: Forward, da: Array) -> Backward:
        back = super().backward(record, da)
        grads = {**back.grads, "W": back.grads["W"] * (1 + self.fault)}
        return Backward(back.dx, grads, back.delta)


def faulty_checks(fault: float, size: float = 1.0) -> tuple[DerivativeCheck, ...]:
    rng = np.random.default_rng(6)
    W, b = rng.standard_normal((3, 2)), rng.standard_normal(2)
    layers = [Faulty(W, b, tanh, fault), Dense(size * rng.standard_normal((2, 2)), None, identity)]
    return gradient_check(layers, rng.standard_normal((4, 3)), np.zeros(2), half_squared_error)


# The loss goes with the square of the size: from 1e-12 to 1e12 times.
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_check_finds_a_gradient_wrong_by_a_millionth_whatever_the_size_of_the_loss(
    size: float,
) -> None:
    names = [check.name for check in faulty_checks(1e-6, size) if not check.agrees]
    assert names == [f"W[1][{i}, {j}]" for i in range(3) for j in range(2)]
    assert all(check.agrees for check in faulty_checks(0, size))


def test_the_error_of_the_difference_covers_its_distance_from_the_truth_at_any_step() -> None:
    # L(w) = (e^w)²/2 has L' = e^2w: the truth is known without backpropagation.
    exponential = type(identity)("exp", np.exp, np.exp, np.inf)
    layers = [Dense(np.array([[0.5]]), None, exponential)]
    for step in 10.0 ** np.arange(-12, 0):
        [check] = gradient_check(layers, [[1.0]], [[0.0]], half_squared_error, step=step)
        assert check.analytic == pytest.approx(np.e, rel=1e-14)
        distance = abs(check.numeric - np.e)
        assert distance <= check.error
        # Not lazy either: truncation is a third of its part, rounding a sum of absolute values.
        truncation = (2 / 3) * step**2 * np.e
        assert check.error <= 4 * truncation + 10 * 2.2e-16 * np.e / step


def test_the_check_is_right_near_a_minimum_where_the_loss_is_tiny() -> None:
    rng = np.random.default_rng(8)
    layers = plain(rng, (3, 4, 2), tanh, lecun, bias_variance=0.1)
    x = rng.standard_normal((4, 3))
    target = forward(layers, x)[-1].a * (1 + 1e-7)
    checks = gradient_check(layers, x, target, half_squared_error)
    assert forward_loss(layers, x, target, half_squared_error) < 1e-14
    assert all(check.agrees for check in checks)


def test_a_dead_unit_agrees_exactly() -> None:
    layers = [Dense(np.array([[1.0]]), np.array([-5.0]), relu)]
    for check in gradient_check(layers, [[1.0]], [[0.0]], half_squared_error):
        assert (check.analytic, check.numeric, check.error) == (0, 0, 0)
        assert check.agrees


def test_a_derivative_that_is_not_a_number_never_agrees() -> None:
    assert not DerivativeCheck("w", float("nan"), 1.0, 1.0).agrees
    assert not DerivativeCheck("w", 1.0, 1.0, float("nan")).agrees
    assert DerivativeCheck("w", 1.0, 1.5, 0.5).agrees
    assert not DerivativeCheck("w", 1.0, -1.5, 0.5).agrees


def test_a_shared_weight_is_checked_once_under_its_first_name() -> None:
    steps = unrolled(np.random.default_rng(9), 2, 3, tanh, orthogonal, bias_variance=0.1)
    checks = gradient_check(steps, [[0.3, -0.4]], [[1.0, 0.0]], sigmoid_cross_entropy)
    assert [check.name for check in checks] == [
        *(f"W[1][{i}, {j}]" for i in range(2) for j in range(2)),
        "b[1][0]",
        "b[1][1]",
    ]
    assert all(check.agrees for check in checks)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_narrow_number_format_widens_the_error_and_still_agrees(dtype: type) -> None:
    rng = np.random.default_rng(10)
    wide = plain(rng, (3, 4, 2), tanh, lecun, bias_variance=0.1)
    layers = with_parameters(wide, [a.astype(dtype) for a in named_parameters(wide).values()])
    x, target = rng.standard_normal((4, 3)).astype(dtype), np.zeros(2, dtype)
    checks = gradient_check(layers, x, target, half_squared_error)
    assert all(check.agrees for check in checks)
    exact = gradient_check(wide, x, target, half_squared_error)
    # Each error is about eps^(2/3) times derivatives of order one.
    ratio = np.median([c.error for c in checks]) / np.median([c.error for c in exact])
    assert ratio == pytest.approx((float(np.finfo(dtype).eps) / 2.2e-16) ** (2 / 3), rel=5)


def test_the_coarsest_format_in_the_computation_sets_step_and_error() -> None:
    rng = np.random.default_rng(12)
    W = rng.standard_normal((3, 2)).astype(np.float32)
    example = [Dense(W, None, tanh)], rng.standard_normal((4, 3)), np.zeros(2), half_squared_error
    checks = gradient_check(*example)
    assert all(check.agrees for check in checks)
    # 2**-23 is the gap of float32 above 1.
    assert checks == gradient_check(*example, step=(2.0**-23) ** (1 / 3))


def test_checks_change_no_array() -> None:
    rng = np.random.default_rng(11)
    layers = plain(rng, (3, 2), tanh, lecun)
    before = [a.copy() for a in named_parameters(layers).values()]
    x, target = np.ones((1, 3)), np.zeros((1, 2))
    gradient_check(layers, x, target, half_squared_error)
    for old, new in zip(before, named_parameters(layers).values(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(x, np.ones((1, 3)))


def test_a_step_of_the_wrong_kind_is_refused() -> None:
    example = LINE, [[1.0, 1.0]], [[1.0]], half_squared_error
    with pytest.raises(ValueError, match="step must be positive, got 0"):
        gradient_check(*example, step=0)


def test_the_network_modules_do_not_import_matplotlib() -> None:
    names = ("layers", "parameters", "networks", "backpropagation", "update")
    code = "import sys; sys.modules['matplotlib'] = None; " + "; ".join(
        f"import gradbook.{name}" for name in names
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_rounding_may_do_to_networks_side_by_side_adds_up() -> None:
    """The difference of their losses is one of sums, so its error is, too."""
    rng = np.random.default_rng(4)
    layers = plain(rng, (3, 5, 2), tanh, lecun, ensemble=(2,))
    x, target = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    values = list(named_parameters(layers).values())
    alone = [
        backprop(with_parameters(layers, [v[k] for v in values]), x, target, half_squared_error)
        for k in range(2)
    ]
    together = backprop(layers, x, target, half_squared_error)
    assert _exposure(together) == pytest.approx(sum(map(_exposure, alone)), rel=1e-12)
