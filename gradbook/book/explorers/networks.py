r"""Small networks with their numbers on them: the chain rule along a route, and backpropagation.

The gradient of a weight is the sum over its routes to the loss of products of factors. Seen layer
by layer it is $\partial L/\partial W_l = h_{l-1}^\top \delta_l$ with
$\delta_l = (\delta_{l+1} W_{l+1}^\top) \odot f'(z_l)$, which adds up all routes at once.

Source: Rumelhart, Hinton & Williams 1986.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from gradbook.book.drawings import all_edges, network_diagram, route, weight_names
from gradbook.book.drawings.wiring import node_names
from gradbook.book.explorers.explorer import Explorer
from gradbook.book.explorers.passing import Affine, Passes, passes
from gradbook.checks import Array
from gradbook.show.figures.ticks import tick_text
from gradbook.show.formats import subscript


def routes(layers: Sequence[Affine], x: ArrayLike, target: ArrayLike) -> Explorer:
    r"""Show the factors of each gradient of a 3-2-1 network, as its numbers change.

    $\partial L/\partial w'_{ij} = (o - y) \, \sigma'(z_{21}) w''_{j1} \, \sigma'(z_{1j}) x_i$.

    Args:
        layers: Two sigmoid layers with 3 inputs, 2 hidden units and 1 output.
        x: One example, shape (1, 3).
        target: What is wanted of it, shape (1, 1).
    """
    found = passes(layers, x, target)
    widths = [len(h) for h in found.values]
    if widths != [3, 2, 1]:
        raise ValueError(f"layers must be a 3-2-1 network, got {'-'.join(map(str, widths))}")
    factors = _first_factors(found, float(np.ravel(target)[0]))
    product, tex = (sign.join(f"{x:.3g}" for x in factors) for sign in (" × ", r" \cdot "))
    gradient = f"{np.prod(factors):.3g}"
    picture = network_diagram(
        widths,
        weights={
            edge: tick_text(found.weights[edge[0]][edge[1:]]) for edge in weight_names(widths)
        },
        lit=[*route([0, 0, 0]), (2, 0, 0)],
        loss="L",
        alt="Three inputs, two hidden units, an output and the loss, with a weight on each edge. "
        f"The route of the first weight is lit; back along it the factors {product} give "
        f"{gradient}.",
        caption="The network's weights, and the route of $w'_{11}$ to the loss. Back along it the "
        rf"factors are ${tex}$, so that $\partial L/\partial w'_{{11}} = {gradient}$.",
    )
    numbers = dict(zip(_names(widths), _numbers(found, target), strict=True))
    data = {"names": [*numbers], "values": [*numbers.values()], "chosen": "w′₁₁"}
    return Explorer("gb-routes", picture, data)


def backward(layers: Sequence[Affine], x: ArrayLike, target: ArrayLike) -> Explorer:
    r"""Show how $\delta$ fills a network from right to left, and what is lost without the sum.

    $\delta_l = (\delta_{l+1} W_{l+1}^\top) \odot \sigma'(z_l)$: the product with $W^\top$ adds what
    returns from every unit of the next layer. The routes of a weight multiply with each layer, by
    its width; the products add up.

    Args:
        layers: Sigmoid layers of at most 3 units, the last one with 1.
        x: One example, shape (1, fan_in).
        target: What is wanted of it, shape (1, 1).
    """
    found = passes(layers, x, target)
    widths = [len(h) for h in found.values]
    inputs, thousandths = node_names(widths)[0], [1000 * delta for delta in found.deltas]
    names = [f"δ{subscript(k)}" for k in range(1, len(widths))]
    listed = [
        f"{name}: {', '.join(tick_text(round(float(d))) for d in delta)}"
        for name, delta in zip(names, thousandths, strict=True)
    ]
    picture = network_diagram(
        widths,
        labels=[inputs, *([tick_text(round(float(d))) for d in delta] for delta in thousandths)],
        titles=["input", *names],
        lit=[edge for edge in all_edges(widths) if edge[0] > 0],
        alt="A network with δ in each unit, in thousandths, filled from right to left. From the "
        f"output back: {'; '.join(reversed(listed))}.",
        caption=r"What the backward pass leaves in each unit, $\delta = \partial L/\partial z$ in "
        rf"thousandths: {', '.join(tick_text(round(float(d))) for d in thousandths[-1])} at the "
        r"output, and before it the sum of what a unit's edges bring back, times the unit's slope.",
    )
    data = {
        "x": found.values[0].tolist(),
        "weights": [W.tolist() for W in found.weights],
        "biases": [b.tolist() for b in found.biases],
        "target": np.ravel(target).tolist(),
    }
    return Explorer("gb-backward", picture, data)


def _first_factors(found: Passes, target: float) -> list[float]:
    """Return the factors of the first weight's gradient, from the loss back."""
    (x, hidden, output), W = found.values, found.weights[1]
    slopes = [float(a[0] * (1 - a[0])) for a in (hidden, output)]
    return [float(output[0] - target), slopes[1] * float(W[0, 0]), slopes[0] * float(x[0])]


def _names(widths: Sequence[int]) -> list[str]:
    inputs = [f"x{subscript(i + 1)}" for i in range(widths[0])]
    weights = weight_names(widths)
    by_layer = [
        [name for edge, name in weights.items() if edge[0] == k]
        + [f"b{'′″'[k]}{subscript(j + 1)}" for j in range(width)]
        for k, width in enumerate(widths[1:])
    ]
    return [*inputs, *chain(*by_layer), "y"]


def _numbers(found: Passes, target: ArrayLike) -> list[float]:
    """Return the inputs, the parameters layer by layer, weights before biases, and the target."""
    layers = zip(found.weights, found.biases, strict=True)
    parts: list[Array] = [found.values[0], *chain(*layers), np.asarray(target)]
    return [float(number) for part in parts for number in part.ravel()]
