"""A run instead of a step: keep the few numbers of each place over the steps of a training."""

import html
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.diagnose_logs import growing
from gradbook.diagnosis.diagnose_tensors import diagnose, in_order
from gradbook.diagnosis.report import Report
from gradbook.diagnosis.verdicts import Verdict
from gradbook.diagnosis.watching import Watched, watch

SCHEMA = "gradbook-run/1"
"""The version of a run's JSON."""


@dataclass(frozen=True)
class Moment:
    """What was found at one step.

    Attributes:
        step: Its number, the first is 1.
        loss: The loss, if it was told.
        norm: The norm of all gradients.
        norms: The norm of δ for an example, by place.
        updates: The size of the step over that of the weights, by layer.
        report: The report.
    """

    step: int
    loss: float | None
    norm: float
    norms: Mapping[str, float]
    updates: Mapping[str, float]
    report: Report


class Run:
    """The moments of a training, every k-th step and each that is not finite.

    Attributes:
        moments: What was kept, in order.
    """

    def __init__(self, net: Any, optimizer: Any = None, every: int = 1) -> None:
        """Watch a network from now on."""
        self._net, self._optimizer, self._every = net, optimizer, max(int(every), 1)
        self._deltas: Watched = watch(net)
        self._steps, self._told = 0, False
        self._hook: Any = None
        self.moments: list[Moment] = []
        if hasattr(optimizer, "register_step_pre_hook"):
            self._hook = optimizer.register_step_pre_hook(self._before_step)

    def _before_step(self, *_: Any) -> None:
        if not self._told:
            self.step()
        self._told = False

    def step(self, loss: Any = None) -> Report | None:
        """Look at a step, behind its backward pass; with an optimizer it is done by itself.

        Called before the optimizer's step it may tell the loss, and sees gradients unclipped.

        Args:
            loss: The loss, a number or a tensor of one.
        """
        self._steps, self._told = self._steps + 1, self._optimizer is not None
        size = None if loss is None else float(loss.detach() if hasattr(loss, "detach") else loss)
        bad = size is not None and not math.isfinite(size)
        if (self._steps - 1) % self._every and not bad:
            return None
        if not any(place.delta is not None for place in self._deltas.record.places):
            return None
        report = diagnose(self._net, deltas=self._deltas, optimizer=self._optimizer)
        self.moments.append(_moment(self._steps, size, self._deltas, report))
        return report

    def close(self) -> None:
        """Take all hooks off; what was found stays."""
        self._deltas.remove()
        if self._hook is not None:
            self._hook.remove()

    def report(self) -> Report:
        """Return the report that matters most: the first that is not finite, or the last one.

        What happened over the steps is added to it.
        """
        if not self.moments and self._steps and self._deltas.record.places:
            return diagnose(self._net, deltas=self._deltas, optimizer=self._optimizer)
        if not self.moments:
            raise BadInput(
                "run must have looked at a step, got none: call run.step(loss) behind each "
                "backward pass, or hand over the optimizer"
            )
        lost = (m for m in self.moments if m.report.verdict is Verdict.NON_FINITE)
        moment = next(lost, self.moments[-1])
        later = growing({float(m.step): m.norm for m in self.moments})
        found = in_order([*moment.report.findings, *([later] if later else [])])
        notes = (f"Step {moment.step} of {self._steps}.", *_changes(self.moments))
        return replace(moment.report, findings=found, notes=(*notes, *moment.report.notes))

    def to_json(self) -> str:
        """Write the run as JSON; NaN and infinity become null."""
        record = {"schema": SCHEMA, "steps": [_plain(moment) for moment in self.moments]}
        return json.dumps(record, allow_nan=False, ensure_ascii=False)

    def html(self, path: str | Path) -> None:
        """Write the run as one page that asks no other host."""
        Path(path).write_text(_page(self), encoding="utf-8")


@contextmanager
def watching(net: Any, *, optimizer: Any = None, every: int = 1) -> Iterator[Run]:
    """Watch a training of a PyTorch network.

        with gradbook.watching(net, optimizer=opt, every=10) as run:
            ...  # train
        run.html("run.html")

    Args:
        net: The network.
        optimizer: Its optimizer; before each of its steps the gradients are looked at. Without one
            call `run.step(loss)` behind each backward pass.
        every: At each k-th step alone.
    """
    run = Run(net, optimizer, every)
    try:
        yield run
    finally:
        run.close()


def _moment(step: int, loss: float | None, deltas: Watched, report: Report) -> Moment:
    norms = {name: float(size) for name, size in deltas.items() if size is not None}
    updates = {row.name: row.update for row in report.rows if row.update is not None}
    return Moment(step, loss, math.hypot(*(r.norm for r in report.rows)), norms, updates, report)


def _changes(moments: Sequence[Moment]) -> Iterator[str]:
    """Say when the verdict changed."""
    last = None
    for moment in moments:
        if moment.report.verdict is not last:
            last = moment.report.verdict
            yield f"From step {moment.step} on: {last.value}."


def _finite(size: float | None) -> float | None:
    return size if size is not None and math.isfinite(size) else None


def _plain(moment: Moment) -> dict[str, Any]:
    return {
        "step": moment.step,
        "loss": _finite(moment.loss),
        "norm": _finite(moment.norm),
        "deltas": {name: _finite(size) for name, size in moment.norms.items()},
        "updates": {name: _finite(size) for name, size in moment.updates.items()},
        "findings": [
            {"verdict": f.verdict.value, "reason": f.reason} for f in moment.report.findings
        ],
    }


# --- the page -----------------------------------------------------------------------------------

WIDTH, HEIGHT = 640, 220
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MOST = len(COLORS)


def _page(run: Run) -> str:
    moments = run.moments
    steps = [m.step for m in moments]
    parts = [
        _figure("Loss", steps, {"loss": [m.loss for m in moments]}),
        _figure("Norm of all gradients", steps, {"norm": [m.norm for m in moments]}),
        _figure("δ, norm for an example", steps, _series([m.norms for m in moments])),
        _figure("Update over weight", steps, _series([m.updates for m in moments])),
    ]
    report = run.report()._repr_html_() if moments else "<p>No step was looked at.</p>"
    rows = "".join(f"<li>{html.escape(line)}</li>" for line in _changes(moments))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>A run of training</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:45rem;margin:2rem auto;"
        "padding:0 1rem}svg{max-width:100%;height:auto}table{border-collapse:collapse;"
        "font-size:.8rem}td,th{padding:.1rem .5rem;text-align:right}</style>"
        f"<h1>A run of training</h1>{report}<h2>When</h2><ul>{rows}</ul>{''.join(parts)}</html>"
    )


def _series(found: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """Return some places over the steps, spread evenly from the first to the last."""
    names = list(found[0]) if found else []
    count = min(MOST, len(names))
    chosen = [names[round(i * (len(names) - 1) / max(count - 1, 1))] for i in range(count)]
    return {name: [one.get(name) for one in found] for name in dict.fromkeys(chosen)}


def _figure(title: str, steps: Sequence[int], series: Mapping[str, Sequence[float | None]]) -> str:
    logs = {
        name: [
            math.log10(v) if v is not None and math.isfinite(v) and v > 0 else None for v in values
        ]
        for name, values in series.items()
    }
    all_logs = [v for values in logs.values() for v in values if v is not None]
    if not all_logs:
        return ""
    low, high = math.floor(min(all_logs)), math.ceil(max(all_logs))
    high = max(high, low + 1)
    span = max(steps[-1] - steps[0], 1)

    def place(step: int, level: float) -> str:
        x = 60 + (WIDTH - 80) * (step - steps[0]) / span
        return f"{x:.1f},{20 + (HEIGHT - 50) * (high - level) / (high - low):.1f}"

    lines, legend = [], []
    for color, (name, values) in zip(COLORS, logs.items(), strict=False):
        points = [place(s, v) for s, v in zip(steps, values, strict=True) if v is not None]
        lines.append(
            f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{" ".join(points)}"/>'
        )
        legend.append(f'<span style="color:{color}">■</span> {html.escape(name)}')
    ticks = "".join(
        f'<text x="52" y="{20 + (HEIGHT - 50) * (high - t) / (high - low) + 4:.0f}" '
        f'text-anchor="end" font-size="12" fill="currentColor">10^{t}</text>'
        for t in sorted({low, high})
    )
    ends = "".join(
        f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="{anchor}" font-size="12" '
        f'fill="currentColor">{word}</text>'
        for x, anchor, word in (
            (60, "start", f"step {steps[0]}"),
            (WIDTH - 20, "end", f"step {steps[-1]}"),
        )
    )
    label = html.escape(f"{title} over steps {steps[0]} to {steps[-1]}, 10^{low} to 10^{high}")
    return (
        f'<h2>{html.escape(title)}</h2><svg role="img" aria-label="{label}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{ticks}{ends}{"".join(lines)}</svg>'
        f"<p>{' '.join(legend)}</p>"
    )
