r"""The bell over the slope: the average of $f'^2$ under the distribution of $z$ decides everything.

In a wide network with independent weights of variance $\sigma_w^2/n$ the pre-activations of a layer
are normal with some variance $q$, and each layer multiplies the squared length of the gradient by

$$\chi = \sigma_w^2 \, E f'(z)^2, \qquad z \sim N(0, q).$$

Below one it dies on its way back, above one it blows up.

Source: Schoenholz et al. 2017.
"""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradbook.book.explorers.explorer import Explorer
from gradbook.checks import Array
from gradbook.show.figures import Picture
from gradbook.show.figures.labels import legend_above
from gradbook.show.figures.style import LOOKS, WIDTH, house_style
from gradbook.show.figures.ticks import linear_axis, log_axis, tick_text
from gradbook.show.formats import scientific_text
from gradbook.show.theme import INK, SERIES

_HEIGHT, _REACH = 3.3, 6.0


@dataclass(frozen=True, eq=False)
class Bands:
    r"""Hold $\lVert\delta_l\rVert/\lVert\delta_L\rVert$, predicted and measured.

    Args:
        names: The activations, as the explorer's script knows them.
        sigma_w2: Values of $\sigma_w^2$, shape (n,).
        low: Lower edge of the middle 90 % of the networks, shape (activations, n, depth).
        high: Upper edge, same shape.
        theory: Predicted, same shape.
        q: Predicted variance of $z$, same shape.
        z: Where the slopes are given, shape (m,).
        slopes: $f'$ there, shape (activations, m).
        width: Units per layer of the measured networks.
        draws: How many networks were measured.
    """

    names: tuple[str, ...]
    sigma_w2: Array
    low: Array
    high: Array
    theory: Array
    q: Array
    z: Array
    slopes: Array
    width: int
    draws: int

    @property
    def middle(self) -> int:
        """The layer whose bell is shown first, counted from 1."""
        return int(self.theory.shape[-1]) // 2

    @property
    def inside(self) -> float:
        """The share of all layers, of all settings, in which the prediction lies in the band."""
        hit = (self.low <= self.theory) & (self.theory <= self.high)
        return float(hit[..., :-1].mean())  # the last layer is 1 by definition


def bell(
    bands: Bands, *, activation: str = "sigmoid", sigma_w2: float = 1.0, small: bool = False
) -> Explorer:
    r"""Show that the shaded average of $f'^2$ under the bell, times $\sigma_w^2$, is $\chi$.

    Args:
        bands: What was measured, such as `gradbook.book.bell.measured_bands()`.
        activation: The one shown first.
        sigma_w2: The value shown first, one of the bands'.
        small: For a first look: lower panels, and the layer stays where it is.
    """
    row = bands.names.index(activation)
    at = int(np.argmin(np.abs(bands.sigma_w2 - sigma_w2)))
    depth = bands.theory.shape[-1]
    end, low, high = (
        scientific_text(float(a[row, at, 0]), 2) for a in (bands.theory, bands.low, bands.high)
    )
    of = f"{activation}, inputs × Var(w) = {tick_text(float(bands.sigma_w2[at]))}"
    picture = Picture(
        _drawing(bands, row, at),
        alt=f"Left, for {of}: the bell of z in layer {bands.middle} over the slope f′, and shaded "
        f"what is left of the bell times f′². Right: the length of δ, 1 in layer {depth}, is {end} "
        f"in layer 1; measured {low} to {high}.",
        caption=f"Left, for {of}: {_read(bands, small)}; the line is theory, the band the middle "
        f"90 % of {bands.draws} networks of {bands.width} units per layer. Theory lies in the band "
        f"in {_share(bands.inside)} layers and settings.",
    )
    return Explorer("gb-bell", picture, _data(bands, activation, at, small))


def _share(inside: float) -> str:
    return "all" if inside == 1 else f"{math.floor(100 * inside)} % of all"


def _read(bands: Bands, small: bool) -> str:
    """Say what the panels show: for a first look in words alone."""
    if small:
        return (
            f"where the sums of layer {bands.middle} lie (the bell), and what is left of it "
            "where the activation function is steep (shaded). Right: the length of the arrow in "
            "each layer, as a multiple of what it is in the last"
        )
    return (
        rf"the bell of $z$ in layer {bands.middle}. Its shaded share is the mean of $f'^2$; times "
        r"inputs × Var(w) that is $\chi$. Right: $\lVert\delta\rVert$ changes by $\sqrt\chi$ per "
        "layer"
    )


def _data(bands: Bands, activation: str, at: int, small: bool) -> dict[str, object]:
    """Keep two decimals of the logarithms: a hundredth of a decade cannot be seen."""
    logs = {
        name: [np.log10(edge[row]).round(2).tolist() for edge in (bands.low, bands.high)]
        for row, name in enumerate(bands.names)
    }
    return {
        "activation": activation,
        "at": at,
        "bands": logs,
        "depth": bands.theory.shape[-1],
        "draws": bands.draws,
        "sigma_w2": bands.sigma_w2.tolist(),
        "small": small,
    }


@house_style()
def _drawing(bands: Bands, row: int, at: int) -> Figure:
    figure = Figure(figsize=(WIDTH, _HEIGHT), layout="constrained")
    left, right = figure.subplots(1, 2)
    q = float(bands.q[row, at, bands.middle - 1])
    over = np.exp(-np.square(bands.z) / (2 * q))
    slope = bands.slopes[row]
    (bell_line,) = left.plot(bands.z, over, color=SERIES[0], linewidth=2, label="bell of z")
    (slope_line,) = left.plot(
        bands.z, slope, color=SERIES[1], linestyle=LOOKS[1].dashes, linewidth=2, label="slope f′"
    )
    left.fill_between(bands.z, over * slope**2, color=SERIES[0], alpha=0.3, linewidth=0)
    left.set(xlim=(-_REACH, _REACH), ylim=(0, 1.2), xlabel="z", title="bell, its top at 1")
    _lengths(right, bands, row, at)
    for axis in (left.xaxis, left.yaxis):
        linear_axis(axis)
    legend_above(figure, [bell_line, slope_line])
    return figure


def _lengths(axes: Axes, bands: Bands, row: int, at: int) -> None:
    layers = np.arange(1, bands.theory.shape[-1] + 1)
    low, high, theory = (a[row, at] for a in (bands.low, bands.high, bands.theory))
    axes.fill_between(layers, low, high, color=SERIES[0], alpha=0.25, linewidth=0)
    axes.plot(layers, theory, color=INK, linewidth=1.6)
    axes.set(yscale="log", xlabel="layer", title="length of δ")
    bottom, top = min(low.min(), 0.1), max(high.max(), 10.0)
    log_axis(axes.yaxis, bottom, top)
    axes.set_ylim(bottom, top)
    linear_axis(axes.xaxis, integers=True)
