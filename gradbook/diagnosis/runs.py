"""A run instead of a step: keep the few numbers of each place over the steps of a training."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.diagnose_tensors import diagnose
from gradbook.diagnosis.findings.over_steps import ceasing, growing
from gradbook.diagnosis.measuring.parameters import innermost
from gradbook.diagnosis.reporting.advice import next_steps
from gradbook.diagnosis.reporting.compose import in_order
from gradbook.diagnosis.reporting.report import Report, finite
from gradbook.diagnosis.run_findings import (
    after_large_steps,
    cleared,
    holds_gradient,
    never_stepped,
)
from gradbook.diagnosis.run_page import Moment, changes_of, page_of
from gradbook.diagnosis.verdicts import Verdict
from gradbook.diagnosis.watching import Watched, watch

SCHEMA = "gradbook-run/1"
"""The version of a run's JSON."""


class Run:
    """The moments of a training, every k-th step and each that is not finite.

    Attributes:
        moments: What was kept, in order.
    """

    def __init__(self, net: Any, optimizer: Any = None, every: int = 1) -> None:
        """Watch a network from now on."""
        self._net, self._every = net, max(int(every), 1)
        self._optimizer = innermost(optimizer)  # what is laid around it has no hooks of its own
        self._deltas: Watched = watch(net)
        self._steps, self._taken, self._emptied, self._told = 0, 0, 0, False
        self._hook: Any = None
        self.moments: list[Moment] = []
        if hasattr(self._optimizer, "register_step_pre_hook"):
            self._hook = self._optimizer.register_step_pre_hook(self._before_step)

    def _before_step(self, *_: Any) -> None:
        self._taken += 1
        if not self._told:
            self.step()
        elif self.moments and self.moments[-1].step == self._steps:
            self._emptied += not holds_gradient(self._net)
        self._told = False

    def step(self, loss: Any = None) -> Report | None:
        """Look at a step, behind its backward pass; with an optimizer it is done by itself.

        Called before the optimizer's step it may tell the loss, and sees gradients unclipped.
        """
        self._steps, self._told = self._steps + 1, self._optimizer is not None
        size = None if loss is None else float(loss.detach() if hasattr(loss, "detach") else loss)
        bad = size is not None and not math.isfinite(size)
        # The second step shows what a start at zero hides in the first.
        due = self._steps == 2 or (self._steps - 1) % self._every == 0
        if not due and not bad:
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
        if not self.moments and self._deltas.record.places:
            return diagnose(self._net, deltas=self._deltas, optimizer=self._optimizer)
        if not self.moments:
            raise BadInput(
                "run must have looked at a step, got none: call run.step(loss) behind each "
                "backward pass, or hand over the optimizer, and train the network that is watched"
            )
        lost = (m for m in self.moments if m.report.verdict is Verdict.NON_FINITE)
        moment = next(lost, self.moments[-1])
        total = {float(m.step): m.norm for m in self.moments}
        later = [one for find in (growing, ceasing) if (one := find(total)) is not None]
        if self._hook is not None:
            asked = (cleared(self.moments, self._emptied), never_stepped(self._steps, self._taken))
            later += [one for one in asked if one is not None]
        found = in_order([*moment.report.findings, *later])
        notes = (f"Step {moment.step} of {self._steps}.", *changes_of(self.moments))
        steps = moment.report.steps if found[0] in moment.report.findings else next_steps(found[0])
        report = replace(
            moment.report, findings=found, steps=steps, notes=(*notes, *moment.report.notes)
        )
        return after_large_steps(report, self.moments)

    def to_json(self) -> str:
        """Write the run as JSON; NaN and infinity become null."""
        record = {"schema": SCHEMA, "steps": [_plain(moment) for moment in self.moments]}
        return json.dumps(finite(record), allow_nan=False, ensure_ascii=False)

    def html(self, path: str | Path) -> None:
        """Write the run as one page that asks no other host."""
        report = self.report() if self.moments else None
        Path(path).write_text(page_of(self.moments, report), encoding="utf-8")


@contextmanager
def watching(net: Any, *, optimizer: Any = None, every: int = 1) -> Iterator[Run]:
    """Watch a training of a PyTorch network.

        with gradbook.watching(net, optimizer=opt, every=10) as run:
            ...  # train
        run.html("run.html")

    Args:
        optimizer: Its optimizer; before each of its steps the gradients are looked at. Without one
            call `run.step(loss)` behind each backward pass.
        every: At each k-th step alone, and at the second.
    """
    run = Run(net, optimizer, every)
    try:
        yield run
    finally:
        run.close()


def _moment(step: int, loss: float | None, deltas: Watched, report: Report) -> Moment:
    norms = {name: float(size) for name, size in deltas.items() if size is not None}
    updates = {row.name: row.update for row in report.rows if row.update is not None}
    whole = math.hypot(*(r.norm for r in report.rows))
    lost = any(r.nonfinite for r in report.rows)
    return Moment(step, loss, math.nan if lost else whole, norms, updates, report)


def _plain(moment: Moment) -> dict[str, Any]:
    return {
        "step": moment.step,
        "loss": moment.loss,
        "norm": moment.norm,
        "deltas": moment.norms,
        "updates": moment.updates,
        "findings": [
            {"verdict": f.verdict.value, "reason": f.reason} for f in moment.report.findings
        ],
    }
