"""Explorers: a figure that a reader can take hold of, where scripts run.

Each function returns an `Explorer`: a picture that stands on the page for everyone, on paper and
without scripts, and the data from which `docs/assets/explorers/` draws it anew as a reader moves
its controls. What a script computes is held against the package in the browser tests.
"""

from gradbook.show.explorers.attending import attention
from gradbook.show.explorers.bells import Bands, bell
from gradbook.show.explorers.explorer import Explorer
from gradbook.show.explorers.gates import gate
from gradbook.show.explorers.networks import backward, routes
from gradbook.show.explorers.products import arrow
from gradbook.show.explorers.steps import bowl, parabola
from gradbook.show.explorers.streams import stream
from gradbook.show.explorers.surveys import Survey, survey
from gradbook.show.explorers.walls import wall

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
