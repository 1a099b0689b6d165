"""A figure that cannot be shown without a text for those who do not see it."""

import base64
import html
import io
from dataclasses import dataclass

from matplotlib.figure import Figure

from gradbook.figures.style import house_style, settle

# None of these entries says anything about the figure, and the date would change every build.
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_CARD = "max-width:100%;background:#fff;padding:.5em;border-radius:.25em"


@dataclass(frozen=True)
class Picture:
    """Hold a figure with the texts that must go with it.

    Args:
        figure: The drawing.
        alt: What a reader sees in it, in words, for those who do not see it.
        caption: What it shows, below it; may hold formulas between dollars.

    Raises:
        TypeError: If `figure` is not a Matplotlib figure, or a text is not a string.
        ValueError: If a text is empty.

    Examples:
        >>> Picture(Figure(), alt="A line that falls.", caption=" ")
        Traceback (most recent call last):
        ValueError: caption must not be empty: every figure needs one, got ' '
    """

    figure: Figure
    alt: str
    caption: str

    def __post_init__(self) -> None:
        """Refuse a figure without its texts, and settle its layout for good."""
        if not isinstance(self.figure, Figure):
            raise TypeError(f"figure must be a matplotlib.figure.Figure, got {self.figure!r}")
        for name, text in (("alt", self.alt), ("caption", self.caption)):
            if not isinstance(text, str):
                raise TypeError(f"{name} must be a string, got {text!r}")
            if not text.strip():
                raise ValueError(f"{name} must not be empty: every figure needs one, got {text!r}")
        with house_style():
            settle(self.figure)

    def svg(self) -> str:
        """Write the figure as SVG whose text is text, the same bytes every time.

        Returns:
            A whole SVG document, colored for a white page.

        Examples:
            >>> picture = Picture(Figure(), alt="Nothing.", caption="An empty figure.")
            >>> picture.svg() == picture.svg()
            True
        """
        page = io.StringIO()
        with house_style():
            self.figure.savefig(page, format="svg", metadata=_NO_METADATA)
        return page.getvalue()

    def _repr_html_(self) -> str:
        """Show the figure in a notebook, on a white card that suits a light and a dark one."""
        data = base64.b64encode(self.svg().encode()).decode()
        return (
            f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{html.escape(self.alt)}" '
            f'style="{_CARD}"><figcaption>{html.escape(self.caption)}</figcaption></figure>'
        )
