"""Three logs of networks that do not train, as their owners have them: text, and nothing else.

Each is a log of norms over the first steps of a real training.
`gradbook.diagnosis.reading.logs` reads it.
To pose one more mystery, add a `Mystery`.
"""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.activations import identity, relu, tanh
from gradbook.backpropagation import Trace, backprop
from gradbook.checks import Array
from gradbook.datasets import gaussian_classes
from gradbook.diagnosis.diagnose_logs import diagnose_log
from gradbook.diagnosis.reading.logs import Entry, open_log
from gradbook.diagnosis.reporting.report import Report
from gradbook.initializers import Initializer, he, lecun, orthogonal_with
from gradbook.layers import Dense, Layer
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import plain, unrolled
from gradbook.parameters import with_parameters

CLASSES, INPUTS, EXAMPLES = 4, 16, 32
"""What all of them learn: to tell Gaussian classes apart."""

Norms = Mapping[str, float]
"""Norms by name, in the order of the network."""


@dataclass(frozen=True)
class Logs:
    """What is written down during a training.

    Attributes:
        gradients: CSV text, the norms of the parameters' gradients under `step,name,norm`.
        deltas: The same of δ: of each layer's pre-activation, or of each step's input.
    """

    gradients: str
    deltas: str


@dataclass(frozen=True, eq=False)
class Mystery:
    """A training that does not work, known by its logs."""

    name: str
    train: Callable[[], Logs]

    @property
    def logs(self) -> Logs:
        """Its logs."""
        return _logs(self)

    def report(self, *, deltas: bool = False, until: float = math.inf) -> Report:
        """Diagnose its log.

        Args:
            until: The step before which to stop reading.

        Examples:
            >>> FLAT.report().verdict.value, FLAT.report(deltas=True).verdict.value
            ('cannot tell', 'vanishing')
        """
        found = [e for e in entries(self.logs.gradients) if e.step < until]
        known = [e for e in entries(self.logs.deltas) if e.step < until] if deltas else None
        return diagnose_log(found, deltas=known)

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Write both logs to files, for the command line."""
        files = folder / f"{self.name}.csv", folder / f"{self.name}-deltas.csv"
        for file, text in zip(files, (self.logs.gradients, self.logs.deltas), strict=True):
            file.write_text(text, encoding="utf-8")
        return files

    def series(self) -> dict[str, list[float]]:
        """Return the norms of each weight's gradient over the steps.

        Returns:
            One list per weight, NaN where there is no number.
        """
        found: dict[str, list[float]] = {}
        for entry in entries(self.logs.gradients):
            usable = entry.norm if math.isfinite(entry.norm) and entry.norm > 0 else math.nan
            found.setdefault(entry.name, []).append(usable)
        return found

    def figure(self, most: int = 4) -> Any:
        """Draw the log, of a long network only some layers; needs Matplotlib."""
        from gradbook.show.figures import lines  # noqa: PLC0415 - Matplotlib is not always there

        series = self.series()
        names = list(series)
        chosen = [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]
        drawn = {name: series[name] for name in chosen}
        first = [values[0] for values in series.values()]
        return lines(
            range(len(series[names[0]])),
            drawn,
            log_y=True,
            x_label="step",
            y_label="norm of the gradient",
            alt=f"Norms of gradients over steps. At the first step the largest of all layers is "
            f"{max(first) / min(first):.1f} times the smallest.",
            caption=f"The log, {len(chosen)} of {len(names)} lines. At the first step the largest "
            f"norm of all is {max(first) / min(first):.1f} times the smallest.",
        )


@cache
def _logs(mystery: Mystery) -> Logs:
    return mystery.train()


def entries(text: str) -> list[Entry]:
    """Read the text of a log."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "log.csv")
        file.write_text(text, encoding="utf-8")
        return list(open_log(file))


def written(steps: Sequence[Norms]) -> str:
    r"""Write norms as a long log.

    Examples:
        >>> written([{"fc1": 0.5}, {"fc1": float("nan")}])
        'step,name,norm\n0,fc1,0.5\n1,fc1,nan\n'
    """
    rows = [
        f"{step},{name},{size:.4g}"
        for step, norms in enumerate(steps)
        for name, size in norms.items()
    ]
    return "\n".join(["step,name,norm", *rows, ""])


def _norm(x: Array) -> float:
    return float(np.linalg.norm(x))


_Look = Callable[[Trace], tuple[Norms, Norms]]
"""Return the norms of the parameters' gradients and of δ."""


# A training that diverges is a record, too.
@np.errstate(all="ignore")
def _trained(
    layers: Sequence[Layer], x: Array, target: Array, look: _Look, *, lr: float, steps: int
) -> Logs:
    gradients, deltas, now = [], [], list(layers)
    for _ in range(steps):
        trace = backprop(now, x, target, softmax_cross_entropy)
        of_parameters, of_layers = look(trace)
        gradients.append(of_parameters)
        deltas.append(of_layers)
        now = with_parameters(now, [p.value - lr * p.grad for p in trace.parameters])
    return Logs(written(gradients), written(deltas))


def _deep(trace: Trace) -> tuple[Norms, Norms]:
    weights = [p for p in trace.parameters if p.name.endswith("W")]
    given = enumerate(trace.delta, start=1)
    return (
        {f"layers.{p.name.rpartition('.')[0]}.weight": _norm(p.grad) for p in weights},
        {f"layers.{number}": _norm(delta) for number, delta in given if delta is not None},
    )


def _recurrent(trace: Trace) -> tuple[Norms, Norms]:
    names = ("rnn.weight_hh_l0", "rnn.weight_ih_l0", "rnn.bias_hh_l0", "head.weight", "head.bias")
    given = enumerate(trace.dinputs, start=1)
    return (
        {name: _norm(p.grad) for name, p in zip(names, trace.parameters, strict=True)},
        {str(step): _norm(dx) for step, dx in given if dx is not None},
    )


def _plain(init: Initializer, depth: int, lr: float, steps: int) -> Logs:
    rng = np.random.default_rng(0)
    task = gaussian_classes(rng, classes=CLASSES, dimension=INPUTS, examples=EXAMPLES)
    layers = plain(rng, [INPUTS, *[64] * (depth - 1), CLASSES], relu, init)
    return _trained(layers, task.x, task.target, _deep, lr=lr, steps=steps)


def _in_time(length: int, radius: float, lr: float, steps: int) -> Logs:
    rng, width = np.random.default_rng(0), 32
    task = gaussian_classes(rng, classes=CLASSES, dimension=INPUTS, examples=EXAMPLES)
    inputs = rng.standard_normal((length, *task.x.shape))
    inputs[0] = task.x
    layers = unrolled(
        rng, width, length, tanh, orthogonal_with(radius), inputs=inputs, input_initializer=lecun
    )
    read = Dense(lecun.draw(rng, width, CLASSES), np.zeros(CLASSES), identity)
    zeros = np.zeros((EXAMPLES, width))
    return _trained([*layers, read], zeros, task.target, _recurrent, lr=lr, steps=steps)


FLAT = Mystery("flat", partial(_plain, lecun, depth=24, lr=0.02, steps=8))
"""Weights' gradients as equal as can be, and yet a network that does not move."""

SUDDEN = Mystery("sudden", partial(_plain, he, depth=10, lr=0.5, steps=12))
"""A loss that becomes NaN."""

FOUR = Mystery("four", partial(_in_time, length=40, radius=0.8, lr=0.1, steps=8))
"""A recurrent network that does not learn what it read at the first step."""

MYSTERIES: tuple[Mystery, ...] = tuple(x for x in globals().values() if isinstance(x, Mystery))
"""Every mystery, in the order above."""
