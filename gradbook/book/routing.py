r"""Follow the routes from one weight to the loss, and say what each factor on the way is.

A weight moves the loss along every path from the unit it feeds to an output. The chain rule gives
one product per route; the gradient is the sum of these products. Backpropagation finds the same sum
without listing the routes, whose number grows like a product of widths.

Symbols are LaTeX and count from 1: inputs $x_i$, hidden units $a_{lj}$ in layer $l$, outputs $o_k$,
pre-activations $z_{lj}$; the primes on $w'_{ij}$, $w''_{ij}$ count the layer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal, TypeAlias

from numpy.typing import ArrayLike

from gradbook.backpropagation import forward
from gradbook.checks import Array, integer_at_least, positive_int
from gradbook.layers import Dense, Layer
from gradbook.losses import Loss

Kind: TypeAlias = Literal["loss derivative", "activation derivative", "weight", "input"]
"""What a number in a factor is."""


@dataclass(frozen=True)
class Part:
    """Name one number of a factor, with its LaTeX.

    An "input" is what the weight multiplies: an input of the network or the value of a unit.
    """

    kind: Kind
    symbol: str
    value: float


@dataclass(frozen=True)
class Factor:
    r"""Hold one factor of the chain rule, such as $\partial o_1/\partial a_{11}$, in LaTeX."""

    symbol: str
    parts: tuple[Part, ...]

    @property
    def value(self) -> float:
        """Multiply the parts."""
        return math.prod(part.value for part in self.parts)


@dataclass(frozen=True)
class Route:
    r"""Hold one path from a weight to the loss with the factors along it.

    Args:
        units: The units passed, as pairs of boundary and index, both from 0: `(0, i)` is input
            $x_{i+1}$ and `(l, j)` the unit of column `j` of `h[l]`. The first is the one that the
            weight comes from, the second the one that it feeds, the last an output.
        symbol: The path in LaTeX, such as `x_1 \to a_{11} \to o_1`.
        factors: The factors, from the loss back to the weight.
    """

    units: tuple[tuple[int, int], ...]
    symbol: str
    factors: tuple[Factor, ...]

    @property
    def product(self) -> float:
        """Multiply the factors: what this route contributes to the gradient."""
        return math.prod(factor.value for factor in self.factors)


def route_count(widths_after: Sequence[int]) -> int:
    """Count the routes of a weight: the product of the widths of all later layers."""
    return math.prod(positive_int(f"widths_after[{i}]", n) for i, n in enumerate(widths_after))


def routes(  # noqa: PLR0917 (a weight is named by three indices, in this order)
    layers: Sequence[Layer],
    x: ArrayLike,
    target: ArrayLike,
    loss: Loss,
    layer: int,
    i: int,
    j: int,
    *,
    limit: int = 100_000,
) -> tuple[Route, ...]:
    r"""List every route from the weight `W[i, j]` of a layer to the loss.

    On a route through the units $j = k_l, k_{l+1}, \dots, k_n$ the factors are, in this order,

    $$\frac{\partial L}{\partial o_{k_n}}, \qquad
    \frac{\partial a_{m k_m}}{\partial a_{m-1, k_{m-1}}} = f'(z_{m k_m}) \, w_{k_{m-1} k_m}
    \quad (m = n, \dots, l + 1), \qquad
    \frac{\partial a_{l j}}{\partial w_{ij}} = f'(z_{l j}) \, h_{l-1, i}.$$

    Their products sum to the gradient. The layers are dense, without ensemble axes, and `x` is
    one example, `(1, fan_in)`. The weight is the one that `gradient_check` calls
    `W[layer][i, j]`: layers count from 1, the units that it comes from and feeds, `i` and `j`,
    from 0. More routes than `limit` are refused.

    Examples:
        >>> import numpy as np
        >>> from gradbook.activations import identity
        >>> from gradbook.losses import half_squared_error
        >>> net = [Dense(np.array([[w]]), None, identity) for w in (2.0, 3.0)]
        >>> [route] = routes(net, [[5.0]], [[29.0]], half_squared_error, layer=1, i=0, j=0)
        >>> print(route.symbol)
        x_1 \to a_{11} \to o_1
        >>> for factor in route.factors:
        ...     print(f"{factor.symbol:38}", *(f"{part.value:g}" for part in factor.parts))
        \partial L/\partial o_1                1
        \partial o_1/\partial a_{11}           1 3
        \partial a_{11}/\partial w'_{11}       1 5
    """
    net = _values(layers, x, target, loss)
    layer = _index("layer", layer, 1, len(net.weights))
    fan_in, fan_out = net.weights[layer - 1].shape
    ends = _index("i", i, 0, fan_in - 1), _index("j", j, 0, fan_out - 1)
    later = [W.shape[1] for W in net.weights[layer:]]
    if route_count(later) > limit:
        raise ValueError(f"limit must be at least the {route_count(later)} routes, got {limit}")
    return tuple(
        _route(net, tuple(enumerate((*ends, *rest), start=layer - 1)))
        for rest in product(*map(range, later))
    )


@dataclass(frozen=True, eq=False)
class _Values:
    """Hold every number that factors are made of: at index l what belongs to layer l + 1."""

    weights: tuple[Array, ...]
    slopes: tuple[Array, ...]
    inputs: tuple[Array, ...]
    output_gradient: Array


def _values(layers: Sequence[Layer], x: ArrayLike, target: ArrayLike, loss: Loss) -> _Values:
    records = forward(layers, x)
    weights, slopes = [], []
    for number, (layer, record) in enumerate(zip(layers, records, strict=True), start=1):
        if not isinstance(layer, Dense) or record.z is None:
            kind = type(layer).__name__
            raise TypeError(f"layers must be dense to have routes, got a {kind} as layer {number}")
        if record.z.shape[:-1] != (1,):
            expected = "one example, (1, fan_in), through layers without ensemble axes"
            raise ValueError(f"x must be {expected}, got z of shape {record.z.shape}")
        weights.append(layer.W)
        slopes.append(layer.activation.df(record.z))
    gradient = loss.df(records[-1].a, target)
    return _Values(tuple(weights), tuple(slopes), tuple(r.x for r in records), gradient)


def _route(net: _Values, units: tuple[tuple[int, int], ...]) -> Route:
    names = [_unit(net, *unit) for unit in units]
    steps = [
        Factor(
            rf"\partial {_unit(net, *unit)}/\partial {_unit(net, *before)}",
            (_slope(net, *unit), _weight(net, *unit, before[1])),
        )
        for before, unit in pairwise(units[1:])
    ]
    return Route(
        units,
        r" \to ".join(names),
        (_start(net, *units[-1]), *reversed(steps), _end(net, *units[:2])),
    )


def _start(net: _Values, layer: int, unit: int) -> Factor:
    symbol = rf"\partial L/\partial {_unit(net, layer, unit)}"
    value = net.output_gradient[0, unit]
    return Factor(symbol, (Part("loss derivative", symbol, float(value)),))


def _end(net: _Values, source: tuple[int, int], unit: tuple[int, int]) -> Factor:
    symbol = rf"\partial {_unit(net, *unit)}/\partial {_weight(net, *unit, source[1]).symbol}"
    value = net.inputs[source[0]][0, source[1]]
    return Factor(symbol, (_slope(net, *unit), Part("input", _unit(net, *source), float(value))))


def _slope(net: _Values, layer: int, unit: int) -> Part:
    symbol = f"f'(z{_subscript(layer, unit + 1)})"
    return Part("activation derivative", symbol, float(net.slopes[layer - 1][0, unit]))


def _weight(net: _Values, layer: int, unit: int, source: int) -> Part:
    mark = "'" * layer if layer <= 3 else f"^{{({layer})}}"
    symbol = f"w{mark}{_subscript(source + 1, unit + 1)}"
    return Part("weight", symbol, float(net.weights[layer - 1][source, unit]))


def _unit(net: _Values, layer: int, unit: int) -> str:
    if layer == 0:
        return f"x{_subscript(unit + 1)}"
    if layer == len(net.weights):
        return f"o{_subscript(unit + 1)}"
    return f"a{_subscript(layer, unit + 1)}"


def _subscript(*indices: int) -> str:
    separator = "" if max(indices) < 10 else ","
    text = separator.join(map(str, indices))
    return f"_{text}" if len(text) == 1 else f"_{{{text}}}"


def _index(name: str, value: int, least: int, most: int) -> int:
    number = integer_at_least(name, value, least)
    if number > most:
        raise ValueError(f"{name} must be an integer from {least} to {most}, got {value}")
    return number
