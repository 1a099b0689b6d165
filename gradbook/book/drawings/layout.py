"""Where the nodes of a small network stand, and the labels of its edges."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradbook.book.drawings.wiring import Edge, Node
from gradbook.checks import Array
from gradbook.show.figures.style import WIDTH
from gradbook.show.theme import TEXT_SIZE

RADIUS = 15.0
"""Points, of a node."""

_MARGIN = RADIUS + 4
_ROW = 58.0
_COLUMN = 132.0
_TITLE = 2.3 * TEXT_SIZE
_WIDEST = 72 * WIDTH
# Half the size of a letter, with the padding that keeps lines off it.
_HALF_LETTER = 0.33 * TEXT_SIZE
_HALF_LINE = 0.75 * TEXT_SIZE
# A label is best a third of the way along its edge, where edges of one node have parted; room
# beyond this many of its own half-sizes makes it no clearer.
_BEST_STOP, _ENOUGH_ROOM = 0.34, 1.6


def places(widths: Sequence[int], titles: Sequence[str]) -> tuple[dict[Node, Array], float, float]:
    """Place the nodes in columns from left to right, each centered, below the titles.

    Returns:
        Centers by node, shape (2,) each; the width and the height of the drawing in points.
    """
    sides = [_HALF_LETTER * len(title) for title in (*titles[:1], *titles[-1:])]
    margin = max([_MARGIN, *sides])
    column = min(_COLUMN, (_WIDEST - 2 * margin) / (len(widths) - 1))
    tallest = _ROW * (max(widths) - 1)
    centers = {
        (k, i): np.array(
            [margin + column * k, _MARGIN + (tallest + _ROW * (width - 1)) / 2 - _ROW * i]
        )
        for k, width in enumerate(widths)
        for i in range(width)
    }
    headroom = _TITLE if titles else 0.0
    return centers, 2 * margin + column * (len(widths) - 1), 2 * _MARGIN + tallest + headroom


def label_places(texts: Mapping[Edge, str], ends: Mapping[Edge, Array]) -> dict[Edge, Array]:
    """Place each label on its edge where it stands clearest of other edges and labels.

    `ends` holds both ends of every edge of the drawing, shape (2, 2).
    """
    stops = np.linspace(0.16, 0.84, 35)
    placed: dict[Edge, Array] = {}
    for edge, text in texts.items():
        start, stop = ends[edge]
        spots = start + stops[:, None] * (stop - start)
        half = _half_size(text)
        others = np.array([ends[other] for other in ends if other != edge]).reshape(-1, 2, 2)
        room = np.full(len(spots), _ENOUGH_ROOM)
        for line in others:
            room = np.minimum(room, _distance(spots / half, line / half))
        for other, spot in placed.items():
            both = half + _half_size(texts[other])
            room = np.minimum(room, np.abs((spots - spot) / both).max(axis=1))
        placed[edge] = spots[np.argmax(room - 0.5 * np.abs(stops - _BEST_STOP))]
    return placed


def _half_size(text: str) -> Array:
    return np.array([_HALF_LETTER * len(text), _HALF_LINE])


def _distance(points: Array, line: Array) -> Array:
    """Return the distance of each point, shape (n, 2), to a segment, shape (2, 2)."""
    start, along = line[0], line[1] - line[0]
    share = np.clip((points - start) @ along / (along @ along), 0, 1)
    return np.asarray(np.linalg.norm(points - start - share[:, None] * along, axis=1))
