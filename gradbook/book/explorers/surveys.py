r"""The survey: what an activation, an initializer and a depth leave of a gradient.

In a wide network without biases the length of the signal and the decades of the gradient follow

$$q_{l+1} = \sigma_w^2 \, E f(z)^2, \qquad
D = \tfrac12 \sum_l \log_{10} \left( \sigma_w^2 \, E f'(z)^2 \right), \qquad z \sim N(0, q_l),$$

with $\sigma_w^2 = n \mathrm{Var}(w)$ and $q_1 = \sigma_w^2$ for inputs of mean square 1.

Source: Poole et al. 2016; Schoenholz et al. 2017.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradbook.book.explorers.explorer import Explorer
from gradbook.checks import Array
from gradbook.show.figures import Picture
from gradbook.show.figures.style import WIDTH, house_style
from gradbook.show.figures.ticks import linear_axis, log_axis, tick_text
from gradbook.show.formats import fixed_text
from gradbook.show.theme import INK, SERIES

_HEIGHT = 3.0


@dataclass(frozen=True, eq=False)
class Survey:
    r"""Hold $\log_{10}\lVert\partial L/\partial x\rVert$ at many depths, predicted and measured.

    Args:
        depths: Numbers of layers that were measured, in order.
        sigma_w2: $n \mathrm{Var}(w)$, by activation and weights.
        bands: Edges of the middle 90 % of the networks, shape (2, depths), by the same names.
        theory: Decades at each depth and the length $q$ of each layer, shape (2, most layers).
        width: Units per layer of the measured networks.
        draws: How many networks were measured.
    """

    depths: tuple[int, ...]
    sigma_w2: Mapping[str, Mapping[str, float]]
    bands: Mapping[str, Mapping[str, Array]]
    theory: Mapping[str, Mapping[str, Array]]
    width: int
    draws: int


def lasts(decades: Array) -> int:
    """Count the layers up to which a gradient stays within a factor of ten.

    Examples:
        >>> lasts(np.array([-0.4, -0.8, -1.2, -0.9])), lasts(np.zeros(5))
        (2, 5)
    """
    beyond = np.flatnonzero(np.abs(decades) > 1 + 1e-9)
    return int(beyond[0]) if len(beyond) else len(decades)


def survey(found: Survey, *, activation: str, weights: str, layers: int) -> Explorer:
    """Show what is left of a gradient at each depth, and where the length of the signal goes.

    Args:
        found: What was measured, such as `gradbook.book.survey.measured_survey()`.
        activation: The one shown first.
        weights: Those shown first.
        layers: The depth shown first, one of those measured.
    """
    at = found.depths.index(layers)
    theory, band = found.theory[activation][weights], found.bands[activation][weights]
    end, low, high = (fixed_text(float(x), 2) for x in (theory[0, layers - 1], *band[:, at]))
    factor = tick_text(round(found.sigma_w2[activation][weights], 3))
    picture = Picture(
        _drawing(found, activation, weights),
        alt=f"Left: {layers} {activation} layers change the norm of a gradient by {end} decades in "
        f"theory and by {low} to {high} in the middle 90 % of the networks. "
        f"Right: the length q of the signal, {theory[1, 0]:.3g} in layer 1 and "
        f"{theory[1, layers - 1]:.3g} in layer {layers}.",
        caption=f"{activation}, weights: {weights}, inputs × Var(w) = {factor}. Left: decades of "
        "the gradient's norm at the input, one sent into the output, by number of layers; the "
        f"line is theory, the band the middle 90 % of {found.draws} networks of {found.width} "
        "units per layer, the shaded strip a factor of ten either way. Right: the length $q$ of "
        "the signal in each layer, by theory.",
    )
    data = {
        "activation": activation,
        "at": at,
        "bands": {
            f: {w: edges.round(2).tolist() for w, edges in of.items()}
            for f, of in found.bands.items()
        },
        "depths": list(found.depths),
        "draws": found.draws,
        "sigma_w2": {f: dict(of) for f, of in found.sigma_w2.items()},
        "weights": weights,
    }
    return Explorer("gb-survey", picture, data)


@house_style()
def _drawing(found: Survey, activation: str, weights: str) -> Figure:
    figure = Figure(figsize=(WIDTH, _HEIGHT), layout="constrained")
    left, right = figure.subplots(1, 2)
    decades, q = found.theory[activation][weights]
    band, layers = found.bands[activation][weights], np.arange(1, len(q) + 1)
    left.axhspan(-1, 1, color=INK, alpha=0.1, linewidth=0)
    left.fill_between(found.depths, *band, color=SERIES[0], alpha=0.25, linewidth=0)
    left.plot(layers, decades, color=INK, linewidth=1.6)
    left.set(xlabel="number of layers", title="decades of the gradient's norm")
    right.plot(layers, q, color=INK, linewidth=1.6)
    right.set(xlabel="layer", title="length q of the signal")
    _log(right, q)
    for axis in (left.yaxis, left.xaxis, right.xaxis):
        linear_axis(axis, integers=axis is not left.yaxis)
    return figure


def _log(axes: Axes, values: Array) -> None:
    low, high = min(0.1, float(values.min())), max(10.0, float(values.max()))
    low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
    axes.set_yscale("log")
    log_axis(axes.yaxis, low, high)
    axes.set_ylim(low, high)
