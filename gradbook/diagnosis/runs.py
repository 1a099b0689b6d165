"""A run instead of a step: keep the few numbers of each place over the steps of a training."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Self

from gradbook.checks import positive_int
from gradbook.diagnosis import run_course, run_findings, run_losses, run_reports
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.diagnose_tensors import diagnose
from gradbook.diagnosis.findings.about import CLEARED, by_hand, off_power_of_2
from gradbook.diagnosis.findings.over_steps import ceasing, growing, peaks
from gradbook.diagnosis.measuring.parameters import innermost
from gradbook.diagnosis.reporting.report import Report, finite
from gradbook.diagnosis.run_page import Moment, changes_of, page_of
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.diagnosis.watching import Watched, watch
from gradbook.diagnosis.watching.left_over import LeftOver

SCHEMA = "gradbook-run/1"
"""The version of a run's JSON."""

CLIPPED = 0.01
"""The share that a clip leaves of the gradients below which steps are other ones."""

NOTICED = 0.99
"""The same where a step was found too large."""

MOST_CHANGES = 5
"""How many changes of the verdict are told in a note; a page has all."""

EXACTLY = 1e-5
"""How far from a power of 2 one norm over another is that rounding alone makes so."""


class Run:
    """The `moments` of a training, every k-th step and each that is not finite."""

    def __init__(self, net: Any, optimizer: Any = None, every: int = 1) -> None:
        """Watch a network from now on."""
        self._net, self._every = net, positive_int("every", every)
        self._optimizer = innermost(optimizer)  # what is laid around it has no hooks of its own
        self._deltas: Watched = watch(net)
        self._steps, self._told, self._age = 0, False, 0
        self._returns, self._waits = 0, math.nan  # a loss told before what it sends back
        self._passed = set[int]()  # looks at what was not finite, behind which no step was taken
        self._idle = 0  # how often a loss was told, and nothing had come back
        self._untaken, self._between = 0, 0  # looks since the optimizer's step, and the most ever
        self._rates: list[float] = []
        self._taken: list[tuple[float, float]] = []  # by step the gradients' norm, and as seen
        self._hook: Any = None
        self._left = LeftOver(self._stepped())
        self.moments: list[Moment] = []
        if hasattr(self._optimizer, "register_step_pre_hook"):
            self._hook = self._optimizer.register_step_pre_hook(self._begin_step)

    def _stepped(self) -> Iterator[Any]:
        """Yield the network's weights that the optimizer holds."""
        groups = getattr(self._optimizer, "param_groups", ())
        held = {id(p) for group in groups for p in group["params"]}
        yield from (p for p in self._net.parameters() if id(p) in held)

    def __enter__(self) -> Self:
        """Return itself: at the end of a `with` block its hooks are taken off."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take them off."""
        self.close()

    def _begin_step(self, _: Any, args: Any, kwargs: Any) -> Any:
        """Look before a step, or, where it has a closure, behind what that sends back first."""
        closure = kwargs.get("closure", (*args, None)[1])
        if not callable(closure):
            return self._before_step()
        looks = iter([self._before_step])

        def and_look() -> Any:
            loss = closure()
            next(looks, lambda _: None)(loss)
            return loss

        if "closure" in kwargs:
            return args, {**kwargs, "closure": and_look}
        return (args[0], and_look), kwargs

    def _before_step(self, loss: Any = None) -> None:
        # A fused optimizer gets scaled gradients, and skips a step, or unscales them, by itself.
        if float(getattr(self._optimizer, "found_inf", None) or 0):
            return
        rates = (group.get("lr") for group in self._optimizer.param_groups)
        self._rates.append(max((float(r) for r in rates if r is not None), default=math.nan))
        if not self._told or self._deltas.returns > self._returns:  # of one that was skipped
            self._look(_number(loss))
        elif self.moments and self.moments[-1].step == self._steps:
            self._look_again()
        self._between, self._untaken = max(self._between, self._untaken), 0
        self._told = False
        self._left.step()

    def _look_again(self) -> None:
        """Look at the step that is taken, where it is not that of the gradients that were seen."""
        moment = self.moments[-1]
        held = run_course.norm_of(p.grad for p in self._net.parameters()) / self._scale
        self._taken.append((held, moment.norm))
        large = moment.report.verdict is Verdict.LARGE_STEP
        clipped = moment.norm * (NOTICED if large else CLIPPED)
        # A loss scale was taken off before the step, a power of 2, and nothing clipped.
        if 0 < held < clipped and off_power_of_2(moment.norm / held) < EXACTLY:
            self.moments[-1] = self._moment(moment.loss, self._diagnosed())
        elif 0 < held < clipped:
            share = held / moment.norm
            left = f"{share:.0e}" if share < CLIPPED else f"{share:.0%}"
            note = f"Gradients are clipped. A clip leaves {left} of them."
            seen = self._moment(moment.loss, _noted(self._diagnosed(), note))
            self.moments[-1] = replace(seen, norm=moment.norm)

    @property
    def _scale(self) -> float:
        return float(getattr(self._optimizer, "grad_scale", None) or 1)

    def _diagnosed(self) -> Report:
        return diagnose(
            self._net, deltas=self._deltas, optimizer=self._optimizer, loss_scale=self._scale
        )

    def step(self, loss: Any = None) -> Report | None:
        """Look at a step, behind its backward pass; with an optimizer it is done by itself.

        Called between backward pass and optimizer's step it sees gradients unclipped, and may tell
        the loss. Elsewhere in the loop it tells the loss alone, if there is an optimizer.
        """
        size = _number(loss)
        if self._hook is None or self._deltas.returns > self._returns:
            return self._look(size)
        if size is not None:
            self._tell(size)
        return None

    def accumulates(self, batches: int) -> None:
        """Say that each step is taken with the gradients of so many batches."""
        self._deltas.summed.meant = batches

    def _tell(self, loss: float) -> None:
        """Keep a loss for the look that comes, or add it to the one that has been."""
        last = self.moments[-1] if self.moments else None
        self._idle += 1
        if self._deltas.waits:
            self._waits = loss
        elif last is not None and last.step == self._steps:
            self.moments[-1] = replace(last, loss=loss)
        elif last is not None and not math.isfinite(loss):
            self.moments.append(self._moment(loss, self._diagnosed()))

    def _look(self, loss: float | None) -> Report | None:
        if self._untaken and self.moments and self.moments[-1].step == self._steps:
            lost = self.moments[-1].report.verdict is Verdict.NON_FINITE
            self._passed |= {self._steps} if lost and self._hook is not None else set()
        self._steps, self._told = self._steps + 1, self._optimizer is not None
        self._untaken += 1
        self._age, self._returns, self._idle = self._deltas.age, self._deltas.returns, 0
        if loss is None and not math.isnan(self._waits):
            loss, self._waits = self._waits, math.nan
        # The second step shows what a start at zero hides in the first.
        due = self._steps == 2 or (self._steps - 1) % self._every == 0
        if not due and (loss is None or math.isfinite(loss)):
            return None
        if all(place.delta is None for place in self._deltas.record.places):
            return None
        self.moments.append(self._moment(loss, self._diagnosed()))
        return self.moments[-1].report

    def _moment(self, loss: float | None, report: Report) -> Moment:
        if loss is None:  # a network that returns a single number returns its loss
            loss = self._deltas.record.loss
        lost = any(row.nonfinite for row in report.rows)
        # Without an optimizer it may be behind its step that gradients were cleared.
        lost |= self._hook is None and any(CLEARED in note for note in report.notes)
        matrices = [[p] for p in self._net.parameters() if p.ndim > 1]
        return Moment(
            step=self._steps,
            loss=loss,
            norm=math.nan if lost else math.hypot(*(row.norm for row in report.rows)),
            norms={name: float(size) for name, size in self._deltas.items() if size is not None},
            updates={row.name: row.update for row in report.rows if row.update is not None},
            report=report,
            weights=median(map(run_course.norm_of, matrices or [[]])),
            alike=run_course.alike(self._deltas.record.places),
        )

    def close(self) -> None:
        """Take all hooks off; what was found stays."""
        self._deltas.remove()
        self._left.remove()
        if self._hook is not None:
            self._hook.remove()

    def report(self) -> Report:
        """Return the report that matters most: the first that is not finite, or the last one.

        What happened over the steps is added to it.
        """
        since = self._deltas.age - self._age
        if self._deltas.record.places and (since > run_findings.OFTEN or not self.moments):
            report = self._diagnosed()
            if report.verdict is Verdict.NON_FINITE:
                note = f"After step {self._steps} no backward pass led to a step that was taken."
                return _noted(report, note)
            if not self.moments:
                return run_reports.joined(report, self._never_moved(since + 1))
        if not self.moments:
            text = "run must have looked at a step, got none: call run.step(loss) behind each "
            text += "backward pass, or hand over the optimizer, and train the network that is "
            raise BadInput(f"{text}watched")
        passed = self._skipped()
        looked = [m for m in self.moments if m.step not in passed] or self.moments
        bad = (m for m in looked if m.report.verdict is Verdict.NON_FINITE)
        trained = [name for name, p in self._net.named_parameters() if p.requires_grad]
        moment = next(bad, run_findings.last_of(self.moments, trained))
        total = {float(m.step): m.norm for m in self.moments}
        report = run_reports.joined(moment.report, *self._later(moment, total))
        alone = "" if report.verdict is moment.report.verdict else "Each step by itself: "
        changes = [*changes_of(self.moments)]
        if len(changes) > MOST_CHANGES:
            changes[2:-3] = ["..."]
        step = f"Step {moment.step} of {self._steps}. {alone}{' '.join(changes)}"
        # A terminal shows the first of what was known at the last step, too.
        skipped = [run_findings.SKIPPED.format(len(passed))] if passed else []
        below = run_course.below(self.moments)
        notes = *below, step, *skipped, *report.notes, *peaks(total)
        report = run_findings.seen_from_the_start(replace(report, notes=notes), self.moments)
        if self._idle > run_findings.OFTEN:
            return run_reports.of_another(report, self._steps)
        if self._rates and self._untaken > self._between + run_findings.OFTEN:
            return run_reports.by_another(report, self._untaken)
        named = self._net.named_parameters()
        formats = {n.rpartition(".")[0] or n: str(p.dtype).rpartition(".")[2] for n, p in named}
        arrived = report
        for told in (run_losses.risen, run_losses.stays):
            report = told(report, self.moments)
        if report is not arrived:  # a gradient of the wrong sign is as large as the right one
            report = _noted(report, *by_hand(self._deltas.record.functions))
        report = run_losses.still_falls(report, self.moments)
        report = run_findings.still_in_part(report, self.moments, formats)
        norms = [held for held, _ in self._taken] or [m.norm for m in self.moments]
        report = run_losses.held_small(report, self.moments, norms)
        return run_losses.slowed(report, self._rates)

    def _skipped(self) -> set[int]:
        """Return the looks at what was not finite with which no step was taken.

        Where no step is seen, those with a finite one behind them: NaN in weights stays there.
        """
        lost = [m.report.verdict is Verdict.NON_FINITE for m in self.moments]
        if self._hook is not None or all(lost):
            return self._passed
        last = len(lost) - lost[::-1].index(False)
        return {m.step for m, bad in zip(self.moments[:last], lost, strict=False) if bad}

    def _later(self, moment: Moment, total: dict[float, float]) -> Iterator[Finding | None]:
        """Yield what happened over the steps."""
        # Where a loss stays, gradients grow when learning begins, as behind a plateau.
        yield None if run_course.has_not_risen(self.moments) else growing(total)
        yield ceasing(total)
        yield from (run_findings.standing(self.moments), run_losses.lost(self.moments))
        yield self._never_moved(self._steps)
        if self._hook is not None:
            known = moment.report.verdict in (Verdict.CUT, Verdict.LOSS, Verdict.STUCK)
            known |= not any(p.requires_grad for p in self._net.parameters())
            gone = None if known else run_findings.cleared(self.moments, self._taken)
            yield gone or run_findings.summed(self._left.steps, self._left.kept)

    def _never_moved(self, looked: int) -> Finding | None:
        return self._hook and run_findings.never_moved(looked, self._rates)

    def to_json(self) -> str:
        """Write the run as JSON; NaN and infinity become null."""
        steps = [
            {
                "step": m.step,
                "loss": m.loss,
                "norm": m.norm,
                "deltas": m.norms,
                "updates": m.updates,
                "findings": [
                    {"verdict": f.verdict.value, "reason": f.reason} for f in m.report.findings
                ],
            }
            for m in self.moments
        ]
        record = finite({"schema": SCHEMA, "steps": steps})
        return json.dumps(record, allow_nan=False, ensure_ascii=False)

    def html(self, path: str | Path) -> None:
        """Write the run as one page that asks no other host."""
        path = writable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        report = self.report() if self._deltas.record.places else None
        path.write_text(page_of(self.moments, report), encoding="utf-8")


def writable(html: str | Path) -> Path:
    """Return where a page is to be written, or raise; folders on the way there are made then."""
    path = Path(html)
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not above.is_dir():
        got = f"{str(html)!r}, a folder" if path.is_dir() else f"{str(html)!r} below a file"
        raise BadInput(f"html must be the file to write, as run.html, got {got}")
    return path


def _number(loss: Any) -> float | None:
    if loss is None:
        return None
    try:
        return float(loss.detach() if hasattr(loss, "detach") else loss)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        got = f"shape {tuple(loss.shape)}" if hasattr(loss, "shape") else repr(loss)
        text = f"loss must be one number, got {got}: call run.step(loss.mean())"
        raise BadInput(text) from None


def _noted(report: Report, *notes: str) -> Report:
    return replace(report, notes=(*notes, *report.notes))


def watching(net: Any, *, optimizer: Any = None, every: int = 1) -> Run:
    """Watch a training of a PyTorch network.

        with gradbook.watching(net, optimizer=opt, every=10) as run:
            ...  # train
        run.html("run.html")

    Over several cells of a notebook call `run.close()` at the end instead of `with`.

    Args:
        optimizer: Its optimizer; before each of its steps the gradients are looked at. Without one
            call `run.step(loss)` behind each backward pass.
        every: At each k-th step alone, and at the second.
    """
    return Run(net, optimizer, every)
