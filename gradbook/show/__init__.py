"""How results are shown: numbers as text, tables, figures, and the colors of both."""

from gradbook.show.tables import Table

__all__ = ["Table"]
