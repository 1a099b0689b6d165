"""The picture that is shown where a page is passed on: its headline, what it says, and a bell."""

from __future__ import annotations

import io
import textwrap
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

WIDTH, HEIGHT = 1200, 630
"""Its size in pixels: what the services that show previews ask for."""

_PAPER, _INK, _ACCENT, _FADED = "#0b5a5e", "#ffffff", "#ffb27a", "#ffffffd9"
_DPI = 100
_POINT = 72 / _DPI


def card(headline: str, text: str, book: str) -> bytes:
    """Return a picture as PNG: the same words give the same bytes.

    Args:
        headline: The page's.
        text: What the page says, in one sentence or two.
        book: What the book is called.
    """
    figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    _bell(figure)
    title, said = textwrap.fill(headline, 26), textwrap.fill(text, 54)
    below = 0.86 - 0.125 * (title.count("\n") + 1) - 0.03
    _write(figure, 0.86, title, size=62, color=_INK, weight="bold")
    _write(figure, below, said, size=34, color=_FADED, weight="normal")
    figure.text(0.06, 0.07, book, size=34 * _POINT, color=_ACCENT, weight="bold", parse_math=False)
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def _write(figure: Figure, y: float, text: str, *, size: float, color: str, weight: str) -> None:
    style: dict[str, Any] = {
        "size": size * _POINT,
        "color": color,
        "weight": weight,
        "linespacing": 1.25,
    }
    figure.text(0.06, y, text, va="top", parse_math=False, **style)


def _bell(figure: Figure) -> None:
    """Draw the slope of a sigmoid, which the book's sign is, faint and out of the text's way."""
    axes = figure.add_axes((0.45, 0.0, 0.55, 0.42))
    axes.set_axis_off()
    x = np.linspace(-6, 6, 200)
    axes.plot(x, 1 / np.cosh(x / 2) ** 2, color=_ACCENT, linewidth=5)
    axes.set(xlim=(-6, 6), ylim=(-0.1, 1.15))
