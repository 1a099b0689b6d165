"""Look at the gradients of any network: read them, name its layers, measure, and judge.

There is one way through it. A record is made: `watching` sees the places of a PyTorch network and
which goes into which; `reading` takes arrays of any framework and files, one tensor at a time, and
`measuring` finds their layers and sizes. The record becomes `findings`, in order of consequence,
each with its words, and `reporting` makes a report of them: `diagnose_tensors` and `diagnose_logs`
are the doors, `runs` keeps a whole training. NumPy is all that is needed.
"""

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.diagnose_logs import diagnose_log
from gradbook.diagnosis.diagnose_tensors import diagnose
from gradbook.diagnosis.measuring.names import Kind, group
from gradbook.diagnosis.measuring.orders import network_order
from gradbook.diagnosis.measuring.sizes import measure
from gradbook.diagnosis.measuring.updates import measure_updates
from gradbook.diagnosis.reading.arrays import as_tensor, hand_over
from gradbook.diagnosis.reading.files import is_log, open_tensors
from gradbook.diagnosis.reading.logs import Entry, open_log
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.runs import Run, watching
from gradbook.diagnosis.verdicts import Verdict
from gradbook.diagnosis.watching import Watched, watch

__all__ = [
    "BadInput",
    "Entry",
    "Kind",
    "Report",
    "Run",
    "Verdict",
    "Watched",
    "as_tensor",
    "diagnose",
    "diagnose_log",
    "group",
    "hand_over",
    "is_log",
    "measure",
    "measure_updates",
    "network_order",
    "open_log",
    "open_tensors",
    "watch",
    "watching",
]
