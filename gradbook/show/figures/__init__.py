"""Figures: arrays in, a `Picture` with its alt text and caption out.

Every figure is drawn in the colors of `gradbook.show.theme`, and no series is told by color alone.
`alt` says in words what a reader sees in it; `caption` says what it shows, and may hold formulas
between dollars.
"""

from gradbook.show.figures.curves import lines, norms
from gradbook.show.figures.diagrams import phase_diagram
from gradbook.show.figures.networks import network_diagram
from gradbook.show.figures.picture import Picture
from gradbook.show.figures.planes import descent_plane, quadratic
from gradbook.show.figures.wiring import Edge, all_edges, route, weight_names

__all__ = [
    "Edge",
    "Picture",
    "all_edges",
    "descent_plane",
    "lines",
    "network_diagram",
    "norms",
    "phase_diagram",
    "quadratic",
    "route",
    "weight_names",
]
