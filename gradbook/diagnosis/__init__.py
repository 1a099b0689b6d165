"""Look at the gradients of any network: read them, name its layers, and measure.

Gradients come from a mapping of any framework (`arrays`) or from a file (`files`), one tensor at a
time; `names` finds the layers, `statistics` measures tensors and `updates` what a step does to the
weights. NumPy is all that is needed.
"""

from gradbook.diagnosis.arrays import Tensors, as_tensor, hand_over
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.files import is_log, open_tensors
from gradbook.diagnosis.logs import Entry, open_log
from gradbook.diagnosis.names import Kind, Layer, Named, Order, Role, group, locate, network_order
from gradbook.diagnosis.statistics import Measured, Statistics, combine, measure, statistics
from gradbook.diagnosis.storage import Storage, Tensor
from gradbook.diagnosis.updates import Frozen, Update, measure_updates, update

__all__ = [
    "BadInput",
    "Entry",
    "Frozen",
    "Kind",
    "Layer",
    "Measured",
    "Named",
    "Order",
    "Role",
    "Statistics",
    "Storage",
    "Tensor",
    "Tensors",
    "Update",
    "as_tensor",
    "combine",
    "group",
    "hand_over",
    "is_log",
    "locate",
    "measure",
    "measure_updates",
    "network_order",
    "open_log",
    "open_tensors",
    "statistics",
    "update",
]
