"""The generated networks with their truth, and what the diagnosis knows of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

import torch
from generated_networks import dealt
from planted_truth import Case, truth_of
from torch import nn

import gradbook
from gradbook.book.diagnose.generated import BETWEEN
from gradbook.diagnosis import Verdict, diagnose_tensors
from gradbook.diagnosis.findings import Finding, Known, findings_of

V = Verdict
MEANT = {
    V.NON_FINITE: "not finite",
    V.LOSS: "silent",
    V.DEAD: "dead",
    V.STUCK: "stuck",
    V.LARGE_STEP: "updates",
    V.CANNOT_TELL: "",
    V.ZERO_START: "healthy",
}
"""What verdicts mean in the words of truth, where they are others."""


@dataclass(frozen=True)
class Asked:
    """A network with its truth, and all that the diagnosis knew of it, if there is a truth."""

    name: str
    truth: str
    known: Known | None

    def says(self) -> str:
        """Return what the diagnosis says first."""
        if self.known is None:
            return ""
        verdict = findings_of(self.known)[0].verdict
        return MEANT.get(verdict, verdict.value)


def known_of(case: Case, seed: int) -> Known:
    """Ask as the README says, and return what findings are made from."""
    net, x, y = case.made(seed)
    optimizer = case.optimizer([p for p in net.parameters() if p.requires_grad])
    kept: list[Known] = []

    def keep(known: Known) -> tuple[Finding, ...]:
        kept.append(known)
        return findings_of(known)

    deltas = gradbook.watch(net)
    x = x.to(_dtype(net)) if x.is_floating_point() else x
    case.lost(net, net(x), x, y).backward()
    with patch.object(diagnose_tensors, "findings_of", keep):
        gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
    return kept[0]


def _dtype(net: nn.Module) -> torch.dtype:
    return next(p.dtype for p in net.parameters())


def asked(size: int, part: int, parts: int) -> Iterator[Asked]:
    """Yield the networks of a part; the size is their seed, too."""
    for case in dealt(size, part, parts):
        truth = truth_of(case, size).illness
        known = None if truth == BETWEEN else known_of(case, size)
        yield Asked(f"{case}, size {size}", truth, known)


def answers(piece: tuple[int, int, int]) -> list[Asked]:
    """Return them all, in a process of its own."""
    torch.set_num_threads(1)
    return [*asked(*piece)]


def said(piece: tuple[int, int, int]) -> list[tuple[str, str, str]]:
    """Return for each its name, its truth and what is said of it."""
    return [(one.name, one.truth, one.says()) for one in answers(piece)]
