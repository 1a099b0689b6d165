"""Ask about networks by the hundred whose truth is measured: `make generated`.

Each architecture is built in several sizes, sound and with every fault that fits it, from several
seeds. What lies between the limits of truth is left out. The limits of the diagnosis are fitted on
the even seeds, and what it says of the odd ones is counted, by kind: *right* is who names the
illness first, or none where there is none; *harmful* is who calls an ill network healthy, a healthy
one ill, or names another illness. *Cannot tell* is neither.
"""

from __future__ import annotations

import csv
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from unittest.mock import patch

import torch
from generated_networks import SIZES, generated
from planted_truth import BETWEEN, Case, truth_of

import gradbook
from gradbook.book.diagnose.generated import GENERATED, wilson
from gradbook.diagnosis import Verdict, diagnose_tensors, findings
from gradbook.diagnosis.findings import Known, findings_of

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

SEEDS = range(4)


@dataclass(frozen=True)
class Asked:
    """A network with its truth, and all that the diagnosis knew of it."""

    name: str
    truth: str
    known: Known

    def says(self) -> str:
        """Return what the diagnosis says first."""
        verdict = findings_of(replace(self.known))[0].verdict
        return MEANT.get(verdict, verdict.value)


def known_of(case: Case, seed: int) -> Known:
    """Ask as the README says, and return what findings are made from."""
    net, x, y = case.made(seed)
    optimizer = case.optimizer([p for p in net.parameters() if p.requires_grad])
    kept: list[Known] = []

    def keep(known: Known) -> tuple[findings.Finding, ...]:
        kept.append(known)
        return findings_of(known)

    deltas = gradbook.watch(net)
    case.loss(net(x.to(_dtype(net)) if x.is_floating_point() else x), y).backward()
    with patch.object(diagnose_tensors, "findings_of", keep):
        gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
    return kept[0]


def _dtype(net: torch.nn.Module) -> torch.dtype:
    return next(p.dtype for p in net.parameters())


def asked(seeds: Iterable[int], sizes: Iterable[int] = SIZES) -> Iterator[Asked]:
    """Yield every network that has a truth, be it what was planted or not."""
    for size in sizes:
        for seed in seeds:
            for case in generated(size):
                truth = truth_of(case, seed).illness
                if truth != BETWEEN:
                    yield Asked(f"{case}, size {size}, seed {seed}", truth, known_of(case, seed))


def judged(truth: str, said: str) -> str:
    """Compare what is said with the truth."""
    if said == truth:
        return "right"
    return "harmful" if said else "open"


GRID = {
    "FALL": [1.0 + 0.05 * i for i in range(41)],
    "RISE": [1.0 + 0.05 * i for i in range(41)],
    "RISE_NORMALIZED": [1.5 + 0.1 * i for i in range(31)],
    "IN_TIME": [1.0 + 0.05 * i for i in range(41)],
    "OFF": [0.3 + 0.02 * i for i in range(35)],
    "LARGE": [10 ** (-1 + 0.05 * i) for i in range(41)],
    "STILL": [0.1 + 0.05 * i for i in range(19)],
    "LEAST": [10 ** (-9 + 0.25 * i) for i in range(29)],
}
"""What is tried for each limit of `gradbook.diagnosis.findings`."""


def fitted(half: Sequence[Asked]) -> dict[str, float]:
    """Return for each limit the middle of the values with which most are right, the others kept."""
    return {name: _best(half, name, values) for name, values in GRID.items()}


def _best(half: Sequence[Asked], name: str, values: Sequence[float]) -> float:
    scores = []
    for value in values:
        with patch.object(findings, name, value):
            scores.append(sum(one.says() == one.truth for one in half))
    best = [v for v, score in zip(values, scores, strict=True) if score == max(scores)]
    return math.sqrt(best[0] * best[-1]) if name in ("LARGE", "LEAST") else (best[0] + best[-1]) / 2


def counts(
    half: Iterable[Asked], limits: Mapping[str, float] | None = None
) -> dict[str, Counter[str]]:
    """Count the answers by kind."""
    found: dict[str, Counter[str]] = {}
    with ExitStack() as stack:
        for name, value in (limits or {}).items():
            stack.enter_context(patch.object(findings, name, value))
        for one in half:
            found.setdefault(one.truth, Counter())[judged(one.truth, one.says())] += 1
    return found


def table(found: Mapping[str, Counter[str]]) -> Iterator[str]:
    """Yield the lines of a table, with intervals at 95 %."""
    yield f"{'truth':14}{'networks':>9}{'right':>26}{'harmful':>26}"
    whole = sum(found.values(), Counter[str]())
    for kind, count in [*sorted(found.items()), ("all", whole)]:
        cells = (_share(count[answer], count.total()) for answer in ("right", "harmful"))
        yield f"{kind:14}{count.total():9}" + "".join(f"{cell:>26}" for cell in cells)


def _share(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"{part / whole:.1%} ({low:.1%} to {high:.1%})"


def main() -> int:
    """Fit, judge and print, and write the counts where the book reads them."""
    torch.set_num_threads(1)
    halves = [[*asked(seeds)] for seeds in (SEEDS[::2], SEEDS[1::2])]
    limits = fitted(halves[0])
    for name, value in limits.items():
        print(f"{name:16} fitted {value:.3g}, in use {getattr(findings, name):.3g}")
    for title, chosen in (("fitted limits", limits), ("limits in use", None)):
        print(f"\nThe other half, by the {title}")
        found = counts(halves[1], chosen)
        print("\n".join(table(found)))
    for one in halves[1]:
        if judged(one.truth, one.says()) != "right":
            print(f"{judged(one.truth, one.says())}: {one.name}: {one.truth}, not {one.says()}")
    with GENERATED.open("w", encoding="utf-8", newline="") as file:
        rows = [[k, c.total(), c["right"], c["harmful"]] for k, c in sorted(found.items())]
        csv.writer(file, lineterminator="\n").writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
