"""What four tools say of a network, each used as its own README says.

Each is told of an illness in its own words. A word that names none of the kinds of
`planted_truth.py`, such as noise, a plateau or an imbalance of weights, counts neither for a tool
nor against it. Of what a tool finds, the gravest counts: for gradbook its first finding, for the
others all that they call as grave as their gravest.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from planted_truth import Case

import gradbook
from gradbook.book.diagnose.compared import WATCHED

Found = Iterable[tuple[float, str]]
"""What a tool says, with how grave it calls it."""


@dataclass(frozen=True)
class Tool:
    """A tool, what it is asked, and what its words mean."""

    package: str
    ask: Callable[[Case, int], Found]
    words: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.package} {version(self.package)}"

    def kinds(self, case: Case, seed: int = 0) -> set[str]:
        """Return the illnesses that it names gravest; none, if it calls the network healthy."""
        with quiet():
            found = [(grave, self._kind(said)) for grave, said in self.ask(case, seed)]
        named = [(grave, kind) for grave, kind in found if kind]
        return {kind for grave, kind in named if grave == max(named)[0]}

    def _kind(self, said: str) -> str:
        return next((kind for word, kind in self.words.items() if word in said), "")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Say nothing, in Python or below it: some decompose matrices of NaN, and LAPACK complains."""
    sys.stdout.flush()
    screen, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        os.dup2(screen, 1)
        os.close(screen)
        os.close(nowhere)


def ask_gradbook(case: Case, seed: int) -> Found:
    net, x, y = case.made(seed)
    deltas = gradbook.watch(net)
    case.loss(net(x), y).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    return [(1.0, report.verdict.value)]


def ask_torchdiag(case: Case, seed: int) -> Found:
    import torchdiag  # noqa: PLC0415 - each tool is imported by whoever asks it

    net, x, y = case.made(seed)
    optimizer = case.optimizer([p for p in net.parameters() if p.requires_grad])
    dead = torchdiag.check_dead_neurons(net, x)
    step = torchdiag.verify_step(net, optimizer, case.loss, x, y)
    net.zero_grad()
    case.loss(net(x), y).backward()
    for layer in torchdiag.check_gradients(net).values():
        yield 1.0, layer["status"]
    for layer in dead.values():
        yield 1.0, "dead" if layer["dead_pct"] > 20 else "OK"  # where its own warnings begin
    yield 1.0, f"loss {step['loss']}"


def ask_torchmortem(case: Case, seed: int) -> Found:
    from torchmortem import Autopsy  # noqa: PLC0415

    net, x, y = case.made(seed)
    optimizer = case.optimizer([p for p in net.parameters() if p.requires_grad])
    with Autopsy(net, optimizer=optimizer) as autopsy:
        for _ in range(WATCHED):
            optimizer.zero_grad()
            loss = case.loss(net(x), y)
            loss.backward()
            optimizer.step()
            autopsy.step(loss=loss.item())
    with tempfile.TemporaryDirectory() as folder:
        report = autopsy.report(Path(folder, "autopsy_report.json"))
    return [(float(f.severity), f.title) for f in report.findings if f.severity > 0]


def ask_observatory(case: Case, seed: int) -> Found:
    from neural_observatory import Observatory  # noqa: PLC0415

    net, x, y = case.made(seed)
    optimizer = case.optimizer([p for p in net.parameters() if p.requires_grad])
    observatory = Observatory(net)
    observatory.watch()
    for step in range(WATCHED):
        observatory.step(step=step, epoch=0)
        optimizer.zero_grad()
        loss = case.loss(net(x), y)
        loss.backward()
        optimizer.step()
    observatory.stop()
    for result in observatory.report().warnings():
        for warning in result.warnings:
            yield float(result.status.value == "critical"), warning


GRADBOOK = {
    "non-finite": "not finite",
    "nothing from the loss": "silent",
    "dead units": "dead",
    "step too large": "updates",
    **{kind: kind for kind in ("vanishing", "exploding", "cut")},
}
TORCHDIAG = {
    "no_grad": "cut",
    "VANISH": "vanishing",
    "EXPLODE": "exploding",
    "dead": "dead",
    "loss nan": "not finite",
    "loss inf": "not finite",
}
TORCHMORTEM = {
    "Vanishing gradients": "vanishing",
    "Gradient stalling": "vanishing",
    "Exploding gradients": "exploding",
    "Dead units": "dead",
    "Update ratio too high": "updates",
    "Weight norm explosion": "updates",
    "Training divergence": "updates",
}
OBSERVATORY = {
    "NaN detected": "not finite",
    "Inf detected": "not finite",
    "NaN in parameter": "not finite",
    "Inf in parameter": "not finite",
    "Vanishing gradients": "vanishing",
    "Exploding gradients": "exploding",
    "neurons are dead": "dead",
    "neurons appear dead": "dead",
    "High parameter drift": "updates",
    "Large step-to-step": "updates",
}

TOOLS = [
    Tool("gradbook", ask_gradbook, GRADBOOK),
    Tool("torchdiag", ask_torchdiag, TORCHDIAG),
    Tool("torchmortem", ask_torchmortem, TORCHMORTEM),
    Tool("neural-observatory", ask_observatory, OBSERVATORY),
]
