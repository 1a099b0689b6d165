"""Figures that one page needs: small networks node by node, a plane that is descended, phases."""

from gradbook.book.drawings.diagrams import phase_diagram
from gradbook.book.drawings.networks import network_diagram
from gradbook.book.drawings.planes import descent_plane, quadratic
from gradbook.book.drawings.wiring import Edge, all_edges, route, weight_names

__all__ = [
    "Edge",
    "all_edges",
    "descent_plane",
    "network_diagram",
    "phase_diagram",
    "quadratic",
    "route",
    "weight_names",
]
