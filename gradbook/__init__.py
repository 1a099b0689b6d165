"""Make, measure and predict the gradients of small neural networks.

The modules are imported one by one (`from gradbook.backprop import backprop`), so that importing
the package loads nothing but NumPy, and Matplotlib only where figures are drawn.
"""

from importlib.metadata import version

__version__ = version("gradbook")
