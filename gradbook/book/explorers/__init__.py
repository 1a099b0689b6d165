"""Explorers: a figure that a reader can take hold of, where scripts run.

Each function returns an `Explorer`: a picture that stands on the page for everyone, on paper and
without scripts, and the data from which `docs/assets/explorers/` draws it anew as a reader moves
its controls. What a script computes is held against the package in the browser tests.
"""

from gradbook.book.explorers.attending import attention
from gradbook.book.explorers.bells import Bands, bell
from gradbook.book.explorers.explorer import Explorer
from gradbook.book.explorers.gates import gate
from gradbook.book.explorers.networks import backward, routes
from gradbook.book.explorers.products import arrow
from gradbook.book.explorers.steps import bowl, parabola
from gradbook.book.explorers.streams import stream
from gradbook.book.explorers.surveys import Survey, survey
from gradbook.book.explorers.walls import wall

__all__ = [
    "Bands",
    "Explorer",
    "Survey",
    "arrow",
    "attention",
    "backward",
    "bell",
    "bowl",
    "gate",
    "parabola",
    "routes",
    "stream",
    "survey",
    "wall",
]
