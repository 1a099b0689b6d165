"""Record what passes through a network of PyTorch while it is trained: `gradbook.watch`.

No framework is imported. Every module that holds weights is looked at where it is entered and left
(`hooks`), and every place is asked for its gradient (`asking`). What is kept of a tensor are a few
`numbers`. Which place goes into which is read from the `graph` that autograd keeps, while it is
there; weights that no module is called for, as in `h @ self.w`, are found in that graph, too.
What is kept of passes becomes a `record`.
"""

from gradbook.diagnosis.watching.hooks import watch
from gradbook.diagnosis.watching.record import Record, Steps
from gradbook.diagnosis.watching.watched import Watched

__all__ = ["Record", "Steps", "Watched", "watch"]
