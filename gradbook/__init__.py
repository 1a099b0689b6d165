"""Make, measure and predict the gradients of small neural networks.

The modules are imported one by one (`from gradbook.backprop import backprop`), so that importing
the package loads nothing but NumPy, and Matplotlib only where figures are drawn. What the reader of
one page needs stands here: `gradbook.diagnose` and `gradbook.watch`.
"""

from importlib.metadata import version
from typing import Any

__version__ = version("gradbook")


def __getattr__(name: str) -> Any:
    """Import `diagnose` and `watch` when they are asked for."""
    if name in ("diagnose", "watch"):
        from gradbook import diagnosis  # noqa: PLC0415 - importing the package stays light

        return getattr(diagnosis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
