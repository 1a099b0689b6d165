"""How results are shown: numbers as text, tables, figures, and the colors of both."""

from gradbook.show.bounds import at_least, at_most
from gradbook.show.tables import Table

__all__ = ["Table", "at_least", "at_most"]
