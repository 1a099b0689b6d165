"""Routes: their sum is the gradient, their number a product, their factors what the symbols say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.activations import identity, sigmoid, tanh
from gradbook.backpropagation import backprop
from gradbook.book.routing import route_count, routes
from gradbook.initializers import lecun
from gradbook.layers import Dense, Layer, Recurrent
from gradbook.losses import half_squared_error, softmax_cross_entropy
from gradbook.networks import plain
from network_oracle import Case, Piece, draw_dense_example


@st.composite
def examples(draw: st.DrawFn) -> Case:
    """Draw a chain of dense layers and one example."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return draw_dense_example(lambda options: draw(st.sampled_from(list(options))), rng)


@settings(max_examples=60)
@given(examples(), st.data())
def test_the_products_of_all_routes_sum_to_the_gradient(case: Case, data: st.DataObject) -> None:
    layers = case.layers()
    layer = data.draw(st.integers(1, len(layers)))
    fan_in, fan_out = layers[layer - 1].parameters["W"].shape
    i, j = data.draw(st.integers(0, fan_in - 1)), data.draw(st.integers(0, fan_out - 1))
    found = routes(layers, case.x, case.target, case.loss, layer, i, j)
    total = math.fsum(route.product for route in found)
    size = math.fsum(abs(route.product) for route in found)
    ours = backprop(layers, case.x, case.target, case.loss).gradients[layer - 1]["W"][i, j]
    # The same products in another order: a few eps each, relative to their absolute sum.
    assert abs(total - ours) <= 1e-12 * size
    index = case.pieces[layer - 1].W
    theirs = case.gradients()[index][i, j]
    # The oracle's formulas lose up to some hundred eps by cancellation.
    assert total == pytest.approx(theirs, rel=1e-9, abs=1e-10 * (1 + size))


@settings(max_examples=30)
@given(examples())
def test_every_weight_of_a_layer_has_as_many_routes_as_the_later_widths_multiply_to(
    case: Case,
) -> None:
    layers = case.layers()
    widths = [layer.parameters["W"].shape[1] for layer in layers]
    for layer in range(1, len(layers) + 1):
        found = routes(layers, case.x, case.target, case.loss, layer, 0, 0)
        later = widths[layer:]
        assert len(found) == len({route.units for route in found}) == route_count(later)
        assert len(found) == int(np.prod(later))


def network() -> tuple[list[Layer], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    layers = plain(rng, (2, 3, 4, 2), tanh, lecun, output_activation=sigmoid, bias_variance=0.1)
    return layers, rng.standard_normal((1, 2)), rng.standard_normal((1, 2))


def test_a_route_names_the_units_it_passes_and_its_factors_from_the_loss_to_the_weight() -> None:
    layers, x, target = network()
    found = routes(layers, x, target, half_squared_error, layer=1, i=1, j=2)
    assert len(found) == 8
    route = found[5]
    assert route.units == ((0, 1), (1, 2), (2, 2), (3, 1))
    assert route.symbol == r"x_2 \to a_{13} \to a_{23} \to o_2"
    assert [factor.symbol for factor in route.factors] == [
        r"\partial L/\partial o_2",
        r"\partial o_2/\partial a_{23}",
        r"\partial a_{23}/\partial a_{13}",
        r"\partial a_{13}/\partial w'_{23}",
    ]
    assert [[(part.kind, part.symbol) for part in factor.parts] for factor in route.factors] == [
        [("loss derivative", r"\partial L/\partial o_2")],
        [("activation derivative", "f'(z_{32})"), ("weight", "w'''_{32}")],
        [("activation derivative", "f'(z_{23})"), ("weight", "w''_{33}")],
        [("activation derivative", "f'(z_{13})"), ("input", "x_2")],
    ]


def test_every_factor_is_the_product_of_what_its_parts_say() -> None:
    layers, x, target = network()
    V, U, W = (layer.parameters["W"] for layer in layers)
    z = [x @ V + layers[0].parameters["b"]]
    z.append(np.tanh(z[0]) @ U + layers[1].parameters["b"])
    z.append(np.tanh(z[1]) @ W + layers[2].parameters["b"])
    output = 1 / (1 + np.exp(-z[2]))
    slopes = [1 / np.cosh(z[0]) ** 2, 1 / np.cosh(z[1]) ** 2, output * (1 - output)]
    route = routes(layers, x, target, half_squared_error, layer=1, i=1, j=2)[5]
    expected = [
        [(output - target)[0, 1]],
        [slopes[2][0, 1], W[2, 1]],
        [slopes[1][0, 2], U[2, 2]],
        [slopes[0][0, 2], x[0, 1]],
    ]
    for factor, numbers in zip(route.factors, expected, strict=True):
        # The slopes by other formulas, a few roundings apart.
        assert [part.value for part in factor.parts] == pytest.approx(numbers, rel=1e-12)
        assert factor.value == pytest.approx(math.prod(numbers), rel=1e-12)
    assert route.product == pytest.approx(math.prod(map(math.prod, expected)), rel=1e-12)


def test_a_weight_of_the_last_layer_has_one_route_and_two_factors() -> None:
    layers, x, target = network()
    [route] = routes(layers, x, target, half_squared_error, 3, 3, 1)
    assert route.units == ((2, 3), (3, 1))
    assert route.symbol == r"a_{24} \to o_2"
    assert [factor.symbol for factor in route.factors] == [
        r"\partial L/\partial o_2",
        r"\partial o_2/\partial w'''_{42}",
    ]
    assert [part.symbol for part in route.factors[1].parts] == ["f'(z_{32})", "a_{24}"]


def test_a_loss_that_couples_the_outputs_still_splits_into_routes() -> None:
    layers, x, _ = network()
    target = np.array([[0.25, 0.75]])
    found = routes(layers, x, target, softmax_cross_entropy, 2, 0, 0)
    ours = backprop(layers, x, target, softmax_cross_entropy).gradients[1]["W"][0, 0]
    assert len(found) == 2
    assert sum(route.product for route in found) == pytest.approx(ours, rel=1e-12)


def test_subscripts_above_nine_are_told_apart_and_high_layers_count_in_parentheses() -> None:
    wide = plain(np.random.default_rng(2), (11, 12, 10), identity, lecun)
    route = routes(wide, np.ones((1, 11)), np.zeros(10), half_squared_error, 1, 10, 11)[9]
    assert route.symbol == r"x_{11} \to a_{1,12} \to o_{10}"
    assert route.factors[-1].symbol == r"\partial a_{1,12}/\partial w'_{11,12}"
    assert route.factors[1].parts[0].symbol == "f'(z_{2,10})"
    deep = plain(np.random.default_rng(3), [1] * 5, identity, lecun)
    [route] = routes(deep, [[1.0]], [[0.0]], half_squared_error, 4, 0, 0)
    assert route.factors[-1].symbol == r"\partial o_1/\partial w^{(4)}_{11}"


def test_the_notes_network_has_one_route_with_its_three_factors() -> None:
    # The first row of weights of the 3-2-1 network that makes 0.20 × 0.5 × 0.02 come true.
    golden = (1 + math.sqrt(5)) / 2
    first = Dense(
        np.array([[2.5, 0], [0.4, 0], [0.4, 0]]),
        np.array([2 * math.log(golden) - 0.25, 0]),
        sigmoid,
    )
    last = Dense(np.array([[2.0], [-1.0]]), np.array([0.5 - (1 + math.sqrt(0.2))]), sigmoid)
    x = np.array([[0.1, 0.5, -0.5]])
    [route] = routes([first, last], x, [[0.3]], half_squared_error, layer=1, i=0, j=0)
    # Exact on paper.
    assert [f.value for f in route.factors] == pytest.approx([0.2, 0.5, 0.02], rel=1e-14)
    assert route.product == pytest.approx(0.002, rel=1e-14)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ((0, 0, 0), "layer must be an integer of at least 1, got 0"),
        ((4, 0, 0), "layer must be an integer from 1 to 3, got 4"),
        ((1, 2, 0), "i must be an integer from 0 to 1, got 2"),
        ((1, -1, 0), "i must be an integer of at least 0, got -1"),
        ((1, 0, 3), "j must be an integer from 0 to 2, got 3"),
    ],
)
def test_a_weight_that_does_not_exist_is_refused(where: tuple[int, int, int], message: str) -> None:
    layers, x, target = network()
    with pytest.raises(ValueError, match=message):
        routes(layers, x, target, half_squared_error, *where)


def test_routes_need_one_example_and_dense_layers_without_ensembles() -> None:
    layers, x, target = network()
    with pytest.raises(ValueError, match=r"x must be one example, .* got z of shape \(2, 3\)"):
        routes(layers, np.vstack([x, x]), target, half_squared_error, 1, 0, 0)
    ensemble = plain(np.random.default_rng(4), (2, 1), tanh, lecun, ensemble=(1,))
    with pytest.raises(ValueError, match=r"without ensemble axes, got z of shape \(1, 1, 1\)"):
        routes(ensemble, x, [[0.0]], half_squared_error, 1, 0, 0)
    step = Recurrent(np.eye(2), None, None, tanh)
    with pytest.raises(
        TypeError, match=r"layers must be dense to have routes, got a Recurrent as layer 1"
    ):
        routes([step], x, target, half_squared_error, 1, 0, 0)
    with pytest.raises(ValueError, match="layers must hold at least one layer"):
        routes([], x, target, half_squared_error, 1, 0, 0)


def test_too_many_routes_are_counted_before_they_are_listed() -> None:
    layers = plain(np.random.default_rng(5), [10] * 9, tanh, lecun)
    x, target = np.ones((1, 10)), np.zeros(10)
    with pytest.raises(ValueError, match="limit must be at least the 10000000 routes, got 100000"):
        routes(layers, x, target, half_squared_error, 1, 0, 0)
    assert len(routes(layers, x, target, half_squared_error, 6, 0, 0, limit=100)) == 100


def test_widths_that_are_no_widths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"widths_after\[1\] must be .* at least 1, got 0"):
        route_count([3, 0])


def test_an_example_of_the_oracle_is_a_chain_of_dense_layers() -> None:
    rng = np.random.default_rng(6)
    case = draw_dense_example(lambda options: options[-1], rng)
    assert all(isinstance(piece, Piece) and piece.U is None for piece in case.pieces)
    assert case.x.shape[0] == 1
