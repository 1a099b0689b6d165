"""Look at the gradients of any network: read them, name its layers, measure, and judge.

Gradients come from a mapping of any framework (`arrays`) or from a file (`files`), one tensor at a
time; `names` finds the layers, `statistics` measures tensors and `updates` what a step does to the
weights. From what is known (`evidence`) comes a `verdict`, and from both a `report`; `suite` holds
the networks that the verdicts are fitted to and judged by. NumPy is all that is needed.
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
from gradbook.diagnosis.statistics import Measured, Statistics, combine, measure, statistics
from gradbook.diagnosis.storage import Storage, Tensor
from gradbook.diagnosis.updates import Frozen, Update, measure_updates, update
from gradbook.diagnosis.verdicts import Verdict
from gradbook.diagnosis.watch import Watched, watch

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
]
