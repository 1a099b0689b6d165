"""Look at the gradients of any network: read them, name its layers, measure, and judge.

Gradients come from a mapping of any framework (`arrays`) or from a file (`files`), one tensor at a
time; `names` finds the layers, `sizes` measures tensors and `updates` what a step does to the
weights. A network of PyTorch is a graph of `places` that `watching` records, and `findings` come
from it. What is known by arrays alone (`evidence`) is judged by its sizes (`verdict`). Both end in
a `report`; `runs` keeps those of a whole training. NumPy is all that is needed.
"""

from gradbook.diagnosis.arrays import Tensors, as_tensor, hand_over
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.diagnose_logs import diagnose_log
from gradbook.diagnosis.diagnose_tensors import diagnose
from gradbook.diagnosis.files import is_log, open_tensors
from gradbook.diagnosis.logs import Entry, open_log
from gradbook.diagnosis.names import Kind, Layer, Named, Order, Role, group, locate, network_order
from gradbook.diagnosis.report import Report
from gradbook.diagnosis.rows import Row
from gradbook.diagnosis.runs import Run, watching
from gradbook.diagnosis.sizes import Measured, Statistics, combine, measure, statistics
from gradbook.diagnosis.storage import Storage, Tensor
from gradbook.diagnosis.updates import Frozen, Update, measure_updates, update
from gradbook.diagnosis.verdicts import Verdict
from gradbook.diagnosis.watching import Watched, watch

__all__ = [
    "BadInput",
    "Entry",
    "Frozen",
    "Kind",
    "Layer",
    "Measured",
    "Named",
    "Order",
    "Report",
    "Role",
    "Row",
    "Run",
    "Statistics",
    "Storage",
    "Tensor",
    "Tensors",
    "Update",
    "Verdict",
    "Watched",
    "as_tensor",
    "combine",
    "diagnose",
    "diagnose_log",
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
    "watch",
    "watching",
]
