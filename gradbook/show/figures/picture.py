"""A figure that cannot be shown without a text for those who do not see it."""

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from gradbook.show import theme
from gradbook.show.figures.style import house_style, settle
from gradbook.show.formats import inline_html

# None of these entries says anything about the figure, and the date would change every build.
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_CARD = "max-width:100%;background:#fff;padding:.5em;border-radius:.25em"


@dataclass(frozen=True)
class Picture:
    """Hold a figure with the texts that must go with it.

    Examples:
        >>> Picture(Figure(), alt="A line that falls.", caption=" ")
        Traceback (most recent call last):
        ValueError: caption must not be empty: every figure needs one, got ' '
    """

    figure: Figure
    alt: str
    caption: str

    def __post_init__(self) -> None:
        """Refuse a figure without its texts."""
        if not isinstance(self.figure, Figure):
            raise TypeError(f"figure must be a matplotlib.figure.Figure, got {self.figure!r}")
        for name, text in (("alt", self.alt), ("caption", self.caption)):
            if not isinstance(text, str):
                raise TypeError(f"{name} must be a string, got {text!r}")
            if not text.strip():
                raise ValueError(f"{name} must not be empty: every figure needs one, got {text!r}")

    @property
    def caption_html(self) -> str:
        """The caption as HTML, its formulas marked as math."""
        return inline_html(self.caption)

    @property
    def palette(self) -> Mapping[str, str]:
        """What stands on a page for each color, so that the drawing follows its scheme."""
        return theme.CSS

    @property
    def text_size(self) -> float:
        """The size of the drawing's text, in points."""
        return theme.TEXT_SIZE

    def svg(self) -> str:
        """Write the figure as SVG for a white page: text as text, the same bytes every time."""
        page = io.StringIO()
        with house_style():
            settle(self.figure)
            # `savefig` draws a figure twice, the first time for a layout that is settled here.
            canvas: Any = FigureCanvasSVG(self.figure)
            canvas.print_svg(page, metadata=_NO_METADATA)
        return page.getvalue()

    def _repr_html_(self) -> str:
        """Show the figure in a notebook, on a white card that suits a light and a dark one."""
        data = base64.b64encode(self.svg().encode()).decode()
        return (
            f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{html.escape(self.alt)}" '
            f'style="{_CARD}"><figcaption>{html.escape(self.caption)}</figcaption></figure>'
        )
