"""The residual layer: sums by hand, gradients against autograd, sharing, what it refuses."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from gradbook.activations import identity, relu, tanh
from gradbook.backpropagation import backprop, backprop_from, forward
from gradbook.book.exploding.directions import direction_check
from gradbook.jacobians import jacobian
from gradbook.layers import Activate, Dense, Forward, Layer, Recurrent, Residual
from gradbook.losses import half_squared_error
from gradbook.parameters import distinct_parameters, named_parameters, places, with_parameters


def drawn(rng: np.random.Generator, width: int = 4, scale: float = 0.7) -> Residual:
    W, V = rng.standard_normal((2, width, width))
    return Residual([Dense(W, rng.standard_normal(width), tanh), Dense(V, None, identity)], scale)


def test_the_input_is_added_to_what_the_block_makes_of_it() -> None:
    rng = np.random.default_rng(0)
    layer, x = drawn(rng), rng.standard_normal((5, 4))
    W, b, V = (layer.parameters[name] for name in ("1.W", "1.b", "2.W"))
    # The same operations in the same order.
    np.testing.assert_array_equal(layer.forward(x).a, x + 0.7 * (np.tanh(x @ W + b) @ V))


def test_gradients_are_those_of_autograd() -> None:
    rng = np.random.default_rng(1)
    layer, x, u = drawn(rng), rng.standard_normal((5, 4)), rng.standard_normal((5, 4))

    def loss(x, W, b, V):  # type: ignore[no-untyped-def]
        return anp.sum(u * (x + 0.7 * anp.dot(anp.tanh(anp.dot(x, W) + b), V)))

    theirs = autograd.grad(loss, (0, 1, 2, 3))(x, *layer.parameters.values())
    back = layer.backward(layer.forward(x), u)
    assert list(back.grads) == ["1.W", "1.b", "2.W"]
    for ours, reference in zip((back.dx, *back.grads.values()), theirs, strict=True):
        # Sums of twenty products of order one, in another order.
        np.testing.assert_allclose(ours, reference, rtol=1e-12, atol=1e-13)


def test_the_jacobian_is_the_identity_plus_the_scaled_one_of_the_block() -> None:
    rng = np.random.default_rng(2)
    layer, x = drawn(rng), rng.standard_normal((3, 4))
    J = jacobian(layer.layers, x)
    np.testing.assert_allclose(jacobian([layer], x), np.eye(4) + 0.7 * J, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("scale", [0.0, 1.0, -2.0])
def test_a_linear_block_gives_the_closed_form(scale: float) -> None:
    layer = Residual(Dense(np.diag([1.0, 3.0]), None, identity), scale)
    record = layer.forward(np.array([[1.0, 1.0]]))
    np.testing.assert_allclose(record.a, [[1 + scale, 1 + 3 * scale]], rtol=1e-15)
    back = layer.backward(record, np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(back.dx, [[1 + scale, 2 + 6 * scale]], rtol=1e-15)


def test_a_zero_block_is_the_identity_and_lets_the_gradient_through_untouched() -> None:
    rng = np.random.default_rng(3)
    zero = Residual(Dense(np.zeros((4, 4)), None, relu))
    x, u = rng.standard_normal((2, 5, 4))
    trace = backprop_from([zero] * 300, x, u)
    np.testing.assert_array_equal(trace.h[-1], x)
    np.testing.assert_array_equal(trace.dh[0], u)


def test_one_layer_is_a_block_of_one() -> None:
    layer = Dense(np.ones((2, 2)), None, relu)
    assert Residual(layer).layers == (layer,)
    assert Residual([layer]).layers == (layer,)
    assert Residual(layer).scale == 1.0


def test_blocks_nest_and_names_tell_the_way() -> None:
    inner = Residual([Activate(tanh), Dense(np.ones((2, 2)), np.zeros(2), identity)])
    layers: list[Layer] = [Residual([inner, inner])]
    assert list(named_parameters(layers)) == ["1.1.2.W", "1.1.2.b", "1.2.2.W", "1.2.2.b"]
    x, y = np.random.default_rng(4).standard_normal((2, 3, 2))
    assert direction_check(np.random.default_rng(5), layers, x, y, half_squared_error).agrees


def test_a_weight_shared_within_a_block_and_beyond_is_one_parameter() -> None:
    W = np.random.default_rng(6).standard_normal((3, 3)) / 2
    shared = Dense(W, None, tanh)
    layers = [Residual([shared, shared]), shared]
    assert places(layers) == (("1.1.W", "1.2.W", "2.W"),)
    x, y = np.random.default_rng(7).standard_normal((2, 4, 3))
    [parameter] = backprop(layers, x, y, half_squared_error).parameters

    def loss(W):  # type: ignore[no-untyped-def]
        h = x + anp.tanh(anp.dot(anp.tanh(anp.dot(x, W)), W))
        return anp.sum((anp.tanh(anp.dot(h, W)) - y) ** 2) / 2 / len(x)

    np.testing.assert_allclose(parameter.grad, autograd.grad(loss)(W), rtol=1e-11, atol=1e-13)
    new = with_parameters(layers, [2 * W])
    assert len(distinct_parameters(new)) == 1
    assert isinstance(new[0], Residual)
    assert new[0].parameters["1.W"] is new[1].parameters["W"]


def test_an_ensemble_of_blocks_is_its_members_side_by_side() -> None:
    rng = np.random.default_rng(8)
    W, x, u = rng.standard_normal((2, 3, 3)), rng.standard_normal((5, 3)), np.ones((2, 5, 3))
    layer = Residual(Dense(W, None, tanh), 0.5)
    record = layer.forward(x)
    back = layer.backward(record, u)
    assert record.a.shape == back.dx.shape == (2, 5, 3)
    for m in range(2):
        alone = Residual(Dense(W[m], None, tanh), 0.5)
        of_one = alone.forward(x)
        # A stack of products need not be summed in the order of a single one.
        np.testing.assert_allclose(record.a[m], of_one.a, rtol=1e-13)
        np.testing.assert_allclose(back.dx[m], alone.backward(of_one, u[m]).dx, rtol=1e-12)


def test_the_records_of_the_block_are_kept_in_order() -> None:
    layer = drawn(np.random.default_rng(9))
    x = np.ones((1, 4))
    first, second = layer.forward(x).saved
    assert first.x is x
    assert second.x is first.a
    np.testing.assert_array_equal(layer.forward(x).a, x + 0.7 * second.a)


def test_a_copy_may_diverge() -> None:
    layer = drawn(np.random.default_rng(10))
    copy = layer.with_parameters({"2.W": np.full((4, 4), np.nan)})
    assert np.isnan(copy.forward(np.ones((1, 4))).a).all()
    assert copy.parameters["1.W"] is layer.parameters["1.W"]
    assert copy.scale == layer.scale


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_number_format_is_kept(dtype: type) -> None:
    layer = Residual(Dense(np.ones((3, 3), dtype), None, tanh), 0.3)
    record = layer.forward(np.ones((2, 3), dtype))
    back = layer.backward(record, np.ones((2, 3), dtype))
    assert record.a.dtype == back.dx.dtype == back.grads["1.W"].dtype == dtype


@pytest.mark.parametrize(("fan_in", "fan_out"), [(3, 2), (3, 1), (3, 4)])
def test_a_block_that_changes_the_width_is_refused_even_if_it_would_broadcast(
    fan_in: int, fan_out: int
) -> None:
    layer = Residual(Dense(np.ones((fan_in, fan_out)), None, relu))
    message = (
        rf"the block must return the shape \(\.\.\., 5, 3\) of its input, got \(5, {fan_out}\)"
    )
    with pytest.raises(ValueError, match=message):
        layer.forward(np.ones((5, fan_in)))


def test_what_does_not_fit_is_named_with_its_place_in_the_block() -> None:
    square = Dense(np.ones((3, 3)), None, relu)
    layer = Residual([square, Dense(np.ones((2, 2)), None, relu)])
    message = r"layer 4 of 4: layer 2 of 2 in the block: x must have shape \(\.\.\., batch, 2\)"
    with pytest.raises(ValueError, match=message):
        forward([square, square, square, layer], np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"layer 1 of 1 in the block: h must have shape"):
        Residual(Recurrent(np.ones((2, 2)), None, None, relu)).forward(np.ones((1, 3)))


@pytest.mark.parametrize(
    ("layers", "scale", "error", "message"),
    [
        ([], 1.0, ValueError, r"layers must hold at least one layer, got \[\]"),
        (["relu"], 1.0, TypeError, "layers must hold layers, got 'relu' as layer 1"),
        ([Activate(relu)], np.nan, ValueError, "scale must be a finite number, got nan"),
        ([Activate(relu)], "1", TypeError, "scale must be a real number, got '1'"),
    ],
)
def test_what_is_no_residual_layer_is_refused(
    layers: list[Layer], scale: float, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Residual(layers, scale)


def test_a_record_of_another_layer_is_refused() -> None:
    layer, x = drawn(np.random.default_rng(11)), np.ones((1, 4))
    with pytest.raises(ValueError, match="record must hold 2 records of wrapped layers, got 0"):
        layer.backward(Forward(x, x), x)
