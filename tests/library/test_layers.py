"""Dense layers and recurrent steps: values against loops, gradients against differences."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from gradbook.activations import ALL, Activation, identity, relu, sigmoid, tanh
from gradbook.checks import Array
from gradbook.layers import Dense, Forward, Layer, Recurrent, sum_to
from layer_makers import (
    MAKERS,
    Maker,
    dense,
    dense_shared_by_an_ensemble,
    ensemble_of_dense,
    ensemble_of_steps,
    smooth_case,
    step_with_input,
)

each_activation = pytest.mark.parametrize("activation", ALL, ids=lambda a: a.name)
each_layer = pytest.mark.parametrize("make", MAKERS, ids=lambda m: m.__name__)


def slope(f: Callable[[float], Array], u: Array) -> float:
    """Differentiate <u, f(t)> at t = 0 by a difference of order 4."""
    step = 1e-4
    values = [float((u * f(t * step)).sum()) for t in (-2, -1, 1, 2)]
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)


def small(direction: Array) -> Array:
    """Scale a direction so that no step of the difference crosses a kink 1e-3 away.

    Entries shrink to 0.1 or less; two steps of 1e-4 times inputs that sum to at most 20 move no z
    by more than 4e-4.
    """
    return direction / 40


# Truncation is step⁴ f⁗/30, below 1e-16; rounding eps |<u, f>| / step, about 1e-15 * 10 / 1e-4.
NEAR = {"rel": 1e-7, "abs": 1e-10}


@each_activation
@each_layer
def test_the_input_gradient_is_the_transposed_jacobian(make: Maker, activation: Activation) -> None:
    rng, layer, x = smooth_case(make, activation)
    record = layer.forward(x)
    u, v = rng.standard_normal(record.a.shape), small(rng.standard_normal(x.shape))
    dx = layer.backward(record, u).dx
    assert dx.shape == x.shape
    assert (v * dx).sum() == pytest.approx(slope(lambda t: layer.forward(x + t * v).a, u), **NEAR)


@each_activation
@each_layer
def test_every_parameter_gradient_is_the_transposed_jacobian(
    make: Maker, activation: Activation
) -> None:
    rng, layer, x = smooth_case(make, activation)
    record = layer.forward(x)
    u = rng.standard_normal(record.a.shape)
    grads = layer.backward(record, u).grads
    assert list(grads) == list(layer.parameters)
    for name, value in layer.parameters.items():
        v = small(rng.standard_normal(value.shape))

        def moved(t: float, name: str = name, new: Array = value, v: Array = v) -> Array:
            return layer.with_parameters({name: new + t * v}).forward(x).a

        assert grads[name].shape == value.shape
        assert (v * grads[name]).sum() == pytest.approx(slope(moved, u), **NEAR)


@each_activation
@pytest.mark.parametrize("make", [step_with_input, ensemble_of_steps])
def test_the_gradient_on_the_steps_own_input_is_the_transposed_jacobian(
    make: Maker, activation: Activation
) -> None:
    rng, step, h = smooth_case(make, activation)
    assert isinstance(step, Recurrent)
    assert step.x is not None
    record = step.forward(h)
    u, v = rng.standard_normal(record.a.shape), small(rng.standard_normal(step.x.shape))
    dinput = step.backward(record, u).dinput
    assert dinput is not None

    def moved(t: float) -> Array:
        return dataclasses.replace(step, x=step.x + t * v).forward(h).a

    assert (v * dinput).sum() == pytest.approx(slope(moved, u), **NEAR)


@pytest.mark.parametrize(
    "make", [m for m in MAKERS if "dense" in m.__name__ or "step" in m.__name__]
)
def test_delta_is_the_upstream_gradient_times_the_slope_at_z(make: Maker) -> None:
    layer, x = make(np.random.default_rng(3), sigmoid)
    record = layer.forward(x)
    s, rest = 1 / (1 + np.exp(-record.z)), 1 / (1 + np.exp(record.z))
    # A few roundings apart; z is of order one, so nothing overflows.
    np.testing.assert_allclose(record.a, s, rtol=1e-14)
    delta = layer.backward(record, np.full(s.shape, 3.0)).delta
    np.testing.assert_allclose(delta, 3 * s * rest, rtol=1e-14)


def test_a_dense_layer_sums_over_its_inputs_one_by_one() -> None:
    layer, x = dense(np.random.default_rng(1), identity)
    W, b = layer.parameters["W"], layer.parameters["b"]
    for example, row in zip(x, layer.forward(x).a, strict=True):
        for j in range(4):
            by_hand = sum(example[i] * W[i, j] for i in range(3)) + b[j]
            assert row[j] == pytest.approx(by_hand, rel=1e-13)


def test_a_step_is_a_dense_layer_fed_with_the_hidden_state_beside_the_input() -> None:
    rng = np.random.default_rng(2)
    step, h = step_with_input(rng, tanh)
    assert isinstance(step, Recurrent)
    joint = Dense(np.vstack([step.W, step.U]), step.b, tanh)
    both = np.hstack([h, step.x])
    u = rng.standard_normal(h.shape)
    ours, theirs = step.forward(h), joint.forward(both)
    # The sums of seven products are taken in another order.
    np.testing.assert_allclose(ours.a, theirs.a, rtol=1e-13, atol=1e-15)
    ours_back, back = step.backward(ours, u), joint.backward(theirs, u)
    for mine, reference in (
        (np.hstack([ours_back.dx, ours_back.dinput]), back.dx),
        (np.vstack([ours_back.grads["W"], ours_back.grads["U"]]), back.grads["W"]),
        (ours_back.grads["b"], back.grads["b"]),
    ):
        np.testing.assert_allclose(mine, reference, rtol=1e-12, atol=1e-14)


def test_an_ensemble_is_its_members_side_by_side() -> None:
    rng = np.random.default_rng(4)
    layer, x = ensemble_of_dense(rng, tanh)
    u = rng.standard_normal((2, 5, 4))
    record = layer.forward(x)
    back = layer.backward(record, u)
    for m in range(2):
        alone = Dense(layer.parameters["W"][m], layer.parameters["b"][m], tanh)
        alone_record = alone.forward(x[m])
        alone_back = alone.backward(alone_record, u[m])
        # A stack of products need not be summed in the order of a single one.
        np.testing.assert_allclose(record.a[m], alone_record.a, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(back.dx[m], alone_back.dx, rtol=1e-12, atol=1e-14)
        for name in ("W", "b"):
            np.testing.assert_allclose(
                back.grads[name][m], alone_back.grads[name], rtol=1e-12, atol=1e-14
            )


def test_a_bias_of_more_members_than_the_weights_makes_as_many() -> None:
    rng = np.random.default_rng(8)
    W, b, x = rng.standard_normal((3, 4)), rng.standard_normal((2, 2, 4)), rng.random((2, 5, 3))
    z = Dense(W, b, identity).forward(x).z
    assert z.shape == (2, 2, 5, 4)
    for i, j, row, unit in np.ndindex(z.shape):
        expected = sum(x[j, row, k] * W[k, unit] for k in range(3)) + b[i, j, unit]
        assert z[i, j, row, unit] == pytest.approx(expected, rel=1e-14, abs=1e-14)


def test_weights_shared_by_members_that_read_one_input_get_the_sum_over_the_members() -> None:
    rng = np.random.default_rng(9)
    layer = Dense(rng.standard_normal((3, 4)), rng.standard_normal((2, 4)), identity)
    x, da = rng.standard_normal((5, 3)), rng.standard_normal((2, 5, 4))
    grads = layer.backward(layer.forward(x), da).grads
    expected = np.einsum("rk,mru->ku", x, da)
    np.testing.assert_allclose(grads["W"], expected, rtol=1e-13, atol=1e-13)


def test_one_input_fed_to_an_ensemble_has_a_gradient_for_every_member() -> None:
    rng = np.random.default_rng(5)
    layer, x = ensemble_of_dense(rng, tanh)
    u = rng.standard_normal((2, 5, 4))
    one = layer.backward(layer.forward(x[0]), u)
    repeated = np.stack([x[0], x[0]])
    two = layer.backward(layer.forward(repeated), u)
    assert one.dx.shape == (2, 5, 3)
    np.testing.assert_allclose(one.dx, two.dx, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(one.grads["W"], two.grads["W"], rtol=1e-12, atol=1e-14)


def test_weights_that_members_share_get_the_sum_over_the_members_only_they_share() -> None:
    rng = np.random.default_rng(6)
    layer, x = dense_shared_by_an_ensemble(rng, tanh)
    u = rng.standard_normal((2, 5, 4))
    back = layer.backward(layer.forward(x), u)
    parts = [layer.backward(layer.forward(x[m]), u[m]).grads for m in range(2)]
    assert back.grads["W"].shape == (3, 4)
    assert back.grads["b"].shape == (1, 4)
    for name in ("W", "b"):
        total = parts[0][name] + parts[1][name]
        np.testing.assert_allclose(back.grads[name], total, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("shape", "wide"),
    [((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 1), (4, 2, 3)), ((2, 3), (2, 3))],
)
def test_sum_to_is_the_transpose_of_broadcasting(
    shape: tuple[int, ...], wide: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(7)
    w, y = rng.standard_normal(shape), rng.standard_normal(wide)
    assert sum_to(y, shape).shape == shape
    # Both sides sum at most 24 products of order one.
    assert (w * sum_to(y, shape)).sum() == pytest.approx((np.broadcast_to(w, wide) * y).sum())


@each_layer
def test_a_layer_is_a_layer_and_changes_nothing_it_is_given(make: Maker) -> None:
    layer, x = make(np.random.default_rng(8), relu)
    assert isinstance(layer, Layer)
    before = [x.copy(), *(array.copy() for array in layer.parameters.values())]
    layer.backward(layer.forward(x), np.ones_like(layer.forward(x).a))
    for old, new in zip(before, [x, *layer.parameters.values()], strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.activation = tanh  # type: ignore[attr-defined]


@each_layer
def test_a_copy_with_other_parameters_keeps_the_very_arrays_that_were_not_named(
    make: Maker,
) -> None:
    layer, _ = make(np.random.default_rng(9), relu)
    for name, value in layer.parameters.items():
        new = value + 1
        copy = layer.with_parameters({name: new})
        assert type(copy) is type(layer)
        assert list(copy.parameters) == list(layer.parameters)
        for other, array in copy.parameters.items():
            assert array is (new if other == name else layer.parameters[other])
        assert layer.parameters[name] is value
    with pytest.raises(ValueError, match=r"values must .*got \['nothing'\]"):
        layer.with_parameters({"nothing": np.ones(1)})


def test_a_copy_may_diverge_or_gain_ensemble_axes_but_not_lose_its_shape() -> None:
    layer = Dense(np.ones((2, 3)), np.zeros(3), identity)
    diverged = layer.with_parameters({"W": np.full((2, 3), np.nan)})
    assert np.isnan(diverged.forward(np.ones((1, 2))).a).all()
    wide = layer.with_parameters({"b": np.arange(12.0).reshape(4, 3)})
    assert wide.forward(np.ones((1, 2))).a.shape == (4, 1, 3)
    with pytest.raises(ValueError, match=r"b must have shape \(\.\.\., 3\) to fit W, got \(2,\)"):
        layer.with_parameters({"b": np.zeros(2)})
    with pytest.raises(ValueError, match=r"parameters of the layer \(W, b\), got \['x', 'y'\]"):
        layer.with_parameters({"x": np.zeros(2), "W": np.ones((2, 3)), "y": np.zeros(2)})


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_number_format_is_kept_forward_and_backward(dtype: type) -> None:
    W, b, x = (np.ones(shape, dtype) for shape in ((3, 3), 3, (2, 3)))
    for layer in (Dense(W, b, tanh), Recurrent(W, W, b, tanh, x)):
        record = layer.forward(x)
        back = layer.backward(record, x)
        for array in (record.a, record.z, back.dx, back.delta, *back.grads.values()):
            assert array is not None
            assert array.dtype == dtype


ONES = np.ones((3, 3))
DENSE_FAULTS = [
    (np.ones(3), None, r"W must have shape \(\.\.\., fan_in, fan_out\), got \(3,\)"),
    (np.ones((3, 0)), None, r"W must not be empty, got an array of shape \(3, 0\)"),
    (np.array([[1, np.nan]]), None, r"W must be finite, got nan at index \(0, 1\)"),
    (ONES, np.array([0, np.inf, 0]), r"b must be finite, got inf at index \(1,\)"),
    (ONES, np.ones(2), r"b must have shape \(\.\.\., 3\) to fit W, got \(2,\)"),
    (ONES, np.array(1.0), r"b must have shape \(\.\.\., 3\) to fit W, got \(\)"),
    (np.ones((2, 3, 3)), np.ones((4, 3)), r"b must have ensemble axes .* \(2,\) of W, got \(4,\)"),
    (
        np.ones((4, 3, 3)),
        np.ones((4, 5, 3)),
        r"b must have ensemble axes .* \(4,\) of W, got \(4, 5\)",
    ),
]


@pytest.mark.parametrize(("W", "b", "message"), DENSE_FAULTS)
def test_a_dense_layer_that_does_not_fit_says_what_does_not(
    W: Array, b: Array | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Dense(W, b, identity)


STEP_FAULTS = [
    ({"W": np.ones((3, 2))}, r"W must have shape \(\.\.\., width, width\), got \(3, 2\)"),
    ({"W": np.array([[np.nan]])}, r"W must be finite, got nan"),
    ({"W": ONES, "U": np.ones((2, 3))}, r"U and x must be given together, got x=None"),
    ({"W": ONES, "x": np.ones((1, 2))}, r"U and x must be given together, got U=None"),
    (
        {"W": ONES, "U": np.ones((2, 2)), "x": np.ones((1, 2))},
        r"U must have shape \(\.\.\., fan_in, 3\) to fit W, got \(2, 2\)",
    ),
    (
        {"W": ONES, "U": np.ones((2, 3)), "x": np.ones((1, 3))},
        r"x must have shape \(\.\.\., batch, 2\), got \(1, 3\)",
    ),
    (
        {"W": ONES, "U": np.ones((2, 3)), "x": np.array([[np.nan, 1]])},
        r"x must be finite, got nan at index \(0, 0\)",
    ),
    (
        {"W": ONES, "U": np.ones((2, 3)), "x": np.ones((0, 2))},
        r"x must not be empty, got an array of shape \(0, 2\)",
    ),
]


@pytest.mark.parametrize(("fields", "message"), STEP_FAULTS)
def test_a_step_that_does_not_fit_says_what_does_not(
    fields: dict[str, Array], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Recurrent(**{"U": None, "b": None, "activation": identity, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("W", "found"), [([[1.0]], r"\[\[1.0\]\]"), (np.array([[1]]), "dtype int64"), (None, "None")]
)
def test_a_parameter_is_an_array_and_never_converted_because_sharing_goes_by_identity(
    W: Array, found: str
) -> None:
    with pytest.raises(TypeError, match=f"W must be a floating-point NumPy array, got {found}"):
        Dense(W, None, identity)


@pytest.mark.parametrize(
    ("x", "found"),
    [
        (np.ones(3), r"\(3,\)"),
        (np.ones((5, 2)), r"\(5, 2\)"),
        (np.ones((0, 3)), r"\(0, 3\)"),
    ],
)
def test_an_input_of_the_wrong_shape_is_named_with_the_shape_expected(x: Array, found: str) -> None:
    with pytest.raises(ValueError, match=rf"x must have shape \(\.\.\., batch, 3\), got {found}"):
        Dense(ONES, None, identity).forward(x)
    with pytest.raises(ValueError, match=rf"h must have shape \(\.\.\., batch, 3\), got {found}"):
        Recurrent(ONES, None, None, identity).forward(x)


def test_ensemble_axes_that_do_not_broadcast_are_named() -> None:
    ensemble = Dense(np.ones((2, 3, 3)), None, identity)
    with pytest.raises(ValueError, match=r"x must have ensemble axes .* \(2,\) of the weights"):
        ensemble.forward(np.ones((4, 5, 3)))
    step = Recurrent(ONES, ONES, None, identity, np.ones((2, 5, 3)))
    with pytest.raises(ValueError, match=r"h must have ensemble axes .* \(2,\) of x, got \(4,\)"):
        step.forward(np.ones((4, 5, 3)))
    with pytest.raises(ValueError, match=r"h must have shape \(\.\.\., 5, 3\) to fit the step's x"):
        step.forward(np.ones((4, 3)))


def test_a_record_without_z_is_not_this_layers() -> None:
    x = np.ones((1, 3))
    with pytest.raises(ValueError, match="record must come from this layer's forward"):
        Dense(ONES, None, identity).backward(Forward(x, x), x)


def test_a_bias_of_more_digits_than_the_weights_keeps_them() -> None:
    fine = 1 + 2.0**-40
    layer = Dense(np.zeros((1, 1), np.float32), np.array([fine]), identity)
    assert layer.forward(np.ones((1, 1), np.float32)).a.item() == fine
