"""Figures: arrays in, a `Picture` with its alt text and caption out.

Every figure is drawn in the colors of `gradbook.theme`, and no series is told by color alone.
"""

from gradbook.figures.comparison import bars
from gradbook.figures.curves import lines, norms
from gradbook.figures.diagrams import phase_diagram
from gradbook.figures.networks import network_diagram
from gradbook.figures.picture import Picture
from gradbook.figures.planes import descent_plane, quadratic
from gradbook.figures.wiring import Edge, all_edges, route, weight_names

__all__ = [
    "Edge",
    "Picture",
    "all_edges",
    "bars",
    "descent_plane",
    "lines",
    "network_diagram",
    "norms",
    "phase_diagram",
    "quadratic",
    "route",
    "weight_names",
]
