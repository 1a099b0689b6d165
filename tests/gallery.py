"""One picture of each kind, as chapters draw them, for the tests of figures and of their SVG.

Each is drawn once; `picture.__wrapped__()` draws it anew.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from gradbook.book import drawings
from gradbook.show import figures
from gradbook.show.figures import Picture

TEXTS = {"alt": "What is < seen.", "caption": "What $x < 1$ shows."}
LAYERS = np.arange(1, 31)
NOTE = [3, 2, 1]
DEEP = [3, 3, 2, 2]


@cache
def four_lines() -> Picture:
    factors = {"sigmoid": 0.24, "tanh": 0.6, "ReLU": 0.9, "SELU": 0.95}
    return figures.lines(
        LAYERS,
        {name: factor**LAYERS for name, factor in factors.items()},
        log_y=True,
        x_label="depth",
        y_label="gradient norm ‖δ‖",
        **TEXTS,
    )


@cache
def everything_on_lines() -> Picture:
    return figures.lines(
        LAYERS,
        {"sigmoid": 0.24**LAYERS, "tanh": 0.6**LAYERS},
        bands={"tanh": (0.5**LAYERS, 0.7**LAYERS)},
        theory={"sigmoid": 0.25**LAYERS},
        theory_label="mean field",
        levels={"float32": 2.0**-149},
        log_y=True,
        x_label="depth",
        y_label="gradient norm ‖δ‖",
        **TEXTS,
    )


@cache
def eight_in_a_legend() -> Picture:
    step = np.arange(40)
    waves = {f"series {n}": np.cos(step / 13 + n * 0.4) for n in range(8)}
    return figures.lines(step, waves, legend=True, x_label="step", y_label="loss", **TEXTS)


@cache
def ties_at_the_end() -> Picture:
    z = np.linspace(-6, 6, 121)
    slopes = {"sigmoid": 1 / (2 + 2 * np.cosh(z)), "tanh": 1 / np.cosh(z) ** 2, "step": 0 * z}
    return figures.lines(z, slopes, levels={"1/4": 0.25}, x_label="z", y_label="f′(z)", **TEXTS)


@cache
def ensemble() -> Picture:
    noise = np.random.default_rng(1).normal(0, 0.5, (100, 20))
    norms = {"He": np.exp(noise), "too large": 1.4 ** np.arange(20, 0, -1) * np.exp(noise)}
    return figures.norms(norms, theory={"He": np.ones(20)}, **TEXTS)


@cache
def valley() -> Picture:
    steps = np.arange(25)[:, None]
    paths = {
        f"η = {lr}": (1 - lr * np.array([1, 25])) ** steps * [1, 0.3] for lr in (0.02, 0.07, 0.081)
    }
    bowl = drawings.quadratic([[1, 0], [0, 25]])
    return drawings.descent_plane(bowl, paths, minimum=(0, 0), **TEXTS)


@cache
def lecture_note() -> Picture:
    return drawings.network_diagram(
        NOTE,
        weights=drawings.weight_names(NOTE),
        loss="L",
        lit=drawings.route([0, 0, 0, 0]),
        titles=["inputs", "hidden", "output", "loss"],
        **TEXTS,
    )


@cache
def chain() -> Picture:
    widths = [1] * 5
    return drawings.network_diagram(widths, weights=drawings.weight_names(widths), **TEXTS)


@cache
def deep_network() -> Picture:
    return drawings.network_diagram(DEEP, weights=drawings.weight_names(DEEP), loss="L", **TEXTS)


@cache
def phases() -> Picture:
    w2, b2 = np.linspace(0, 4, 41), np.linspace(0, 0.5, 21)
    return drawings.phase_diagram(
        w2,
        b2,
        w2 / (1 + 2 * b2[:, None]),
        levels=[0.5, 1.5],
        points=[[0.6, 0.1, 0.51], [1.6, 0.3, 0.99], [2.4, 0.3, 1.52]],
        x_label="σw²",
        y_label="σb²",
        **TEXTS,
    )


ALL: tuple[Callable[[], Picture], ...] = (
    four_lines,
    everything_on_lines,
    eight_in_a_legend,
    ties_at_the_end,
    ensemble,
    valley,
    lecture_note,
    chain,
    deep_network,
    phases,
)
