"""Judge the diagnosis by networks whose fault is known, and fit its thresholds.

`python -m gradbook.book.diagnose.suite` prints how often it is right on networks it has not been
fitted on: other depths, widths, activations and seeds. With `--fit` it prints the thresholds that
the other half of the suite gives.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np

from gradbook.book.claims.keeping import measured_once
from gradbook.book.diagnose.planted import PlantedCase, cases, handed
from gradbook.book.diagnose.subjects import CLASSES, FITTED, HELD_OUT, RECIPES, Family, Size
from gradbook.book.symptoms import DECADES, OFF
from gradbook.checks import Array
from gradbook.diagnosis.findings import LIMITS, Limits, decide
from gradbook.diagnosis.measuring.evidence import Evidence
from gradbook.diagnosis.measuring.examination import Examined, measured_of, with_signals
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.verdicts import Verdict
from gradbook.show.tables import Table


@dataclass(frozen=True)
class Half:
    """One half of the suite.

    Attributes:
        seeds: Networks of each recipe, size and activation.
    """

    name: str
    family: Family
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    seed: int
    seeds: int = 1


FIT = Half("fitted", FITTED, (6, 14, 28), (16, 48), seed=1)
TEST = Half("held out", HELD_OUT, (8, 20, 32), (24, 64), seed=2)


@dataclass(frozen=True)
class Given:
    """What is handed over of a network.

    Attributes:
        deltas: Whether δ is.
        activations: Whether the layers' outputs are.
        weights: Whether weights and learning rate are.
        biases: Whether the gradients of biases are.
    """

    name: str
    deltas: bool = False
    activations: bool = False
    weights: bool = True
    biases: bool = True


DELTAS = Given("with δ", deltas=True)
OUTPUTS = Given("with activations", activations=True)
WEIGHTS = Given("gradients and weights")
GRADIENTS = Given("gradients alone", weights=False)
BARE = Given("gradients of weights alone", weights=False, biases=False)
GIVEN = (DELTAS, OUTPUTS, WEIGHTS, GRADIENTS, BARE)
"""From most to least."""

_SIGNALS = Given("with δ and activations", deltas=True, activations=True, weights=False)
"""What thresholds are fitted with: each sees its own part of it, and none sees the weights."""


@dataclass(frozen=True)
class Judged:
    """A case as the diagnosis sees it."""

    name: str
    truth: Verdict
    evidence: Evidence


def _measured(case: PlantedCase, weights: bool, biases: bool) -> Examined:
    def given(arrays: Mapping[str, Array]) -> Tensors:
        kept = {name: x for name, x in arrays.items() if biases or "bias" not in name}
        return handed(case.recipe.fmt, kept)

    return measured_of(
        given(case.gradients),
        weights=given(case.weights) if weights else None,
        lr=case.recipe.lr if weights else None,
        loss_scale=case.recipe.loss_scale,
    )


def seen(case: PlantedCase, givens: Sequence[Given]) -> list[Evidence]:
    """Examine a case as its owner would, with more given or less.

    Examples:
        >>> from gradbook.activations import relu
        >>> [case] = cases(np.random.default_rng(0), RECIPES[0], Size(8, 32, relu, seeds=1))
        >>> [decide(found).verdict.value for found in seen(case, [DELTAS, BARE])]
        ['healthy', 'cannot tell']
    """
    kinds = {(given.weights, given.biases) for given in givens}
    known = {kind: _measured(case, *kind) for kind in kinds}
    return [
        with_signals(
            known[given.weights, given.biases],
            deltas=case.deltas if given.deltas else None,
            activations=case.activations if given.activations else None,
        ).evidence
        for given in givens
    ]


def drawn(half: Half) -> Iterator[PlantedCase]:
    """Draw all networks of a half."""
    for number, recipe in enumerate(RECIPES):
        for depth in half.depths:
            for width in half.widths:
                for at, activation in enumerate(recipe.activations(half.family)):
                    rng = np.random.default_rng((half.seed, number, depth, width, at))
                    classes = int(rng.choice(CLASSES))
                    size = Size(depth, width, activation, half.seeds, classes)
                    yield from cases(rng, recipe, size)


@dataclass(frozen=True)
class Seen:
    """A half of the suite as the diagnosis sees it.

    Attributes:
        judged: Its cases with a truth, for each kind of what is given.
        left_out: How many have none.
    """

    judged: Mapping[Given, tuple[Judged, ...]]
    left_out: int


@cache
@measured_once
def see(half: Half, *givens: Given) -> Seen:
    """Draw a half of the suite and examine every network in it."""
    judged: dict[Given, list[Judged]] = {given: [] for given in givens}
    left_out = 0
    for case in drawn(half):
        if case.truth is None:
            left_out += 1
            continue
        for given, evidence in zip(givens, seen(case, givens), strict=True):
            judged[given].append(Judged(case.name, case.truth, evidence))
    return Seen({given: tuple(found) for given, found in judged.items()}, left_out)


@dataclass(frozen=True)
class Matrix:
    """Count what was said of what.

    Attributes:
        counts: For each pair of truth and verdict, how many.
    """

    counts: Mapping[tuple[Verdict, Verdict], int]

    @classmethod
    def of(cls, judged: Sequence[Judged], limits: Limits = LIMITS) -> Matrix:
        """Judge all cases."""
        pairs = [(case.truth, decide(case.evidence, limits).verdict) for case in judged]
        return cls(Counter(pairs))

    def _share(
        self, truth: Callable[[Verdict], bool], said: Callable[[Verdict, Verdict], bool]
    ) -> float:
        of = {pair: n for pair, n in self.counts.items() if truth(pair[0])}
        return sum(n for pair, n in of.items() if said(*pair)) / max(sum(of.values()), 1)

    @property
    def right_on_faults(self) -> float:
        """The share of faulty networks of which the right fault was named."""
        return self._share(lambda truth: truth.is_problem, lambda truth, said: said is truth)

    @property
    def false_alarms(self) -> float:
        """The share of healthy networks of which a fault was named."""
        return self._share(lambda truth: not truth.is_problem, lambda truth, said: said.is_problem)

    @property
    def wrong(self) -> float:
        """The share of all networks of which something else was said than the truth, or nothing."""
        return self._share(
            lambda truth: True,
            lambda truth, said: said is not truth and said is not Verdict.CANNOT_TELL,
        )

    @property
    def cannot_tell(self) -> float:
        """The share of all networks of which nothing was said."""
        return self._share(lambda truth: True, lambda truth, said: said is Verdict.CANNOT_TELL)

    @property
    def total(self) -> int:
        """How many networks were judged."""
        return sum(self.counts.values())

    def table(self, caption: str) -> Table:
        """Show the counts, a row for each truth and a column for each verdict."""
        said = [*TRUTHS, Verdict.CANNOT_TELL]
        rows = [
            [truth.value, *(self.counts.get((truth, one), 0) for one in said)] for truth in TRUTHS
        ]
        return Table(["truth", *(one.value for one in said)], rows, caption=caption)


def between(healthy: Sequence[float], faulty: Sequence[float], least: float) -> float:
    """Return the middle between the largest healthy value and the next larger faulty one.

    Args:
        least: From where on a value is faulty by definition; smaller ones of faulty networks do not
            count, because healthy networks outside the suite may have them as well.

    Examples:
        >>> between([0.5, 1.0], [0.7, 1.1, 2.5, 9.0], least=2.0)
        1.75
    """
    top = max(healthy)
    beyond = [value for value in faulty if value > top and value >= least]
    if not beyond:
        raise ValueError(f"faulty must reach beyond {max(top, least)}, got at most {max(faulty)}")
    return (top + min(beyond)) / 2


TRUTHS = (
    *(Verdict.NON_FINITE, Verdict.DEAD, Verdict.VANISHING, Verdict.EXPLODING),
    *(Verdict.FROZEN, Verdict.HEALTHY),
)
"""What can be built into a network that is known by its arrays alone."""

SOUND = (Verdict.HEALTHY, Verdict.FROZEN)
"""Verdicts on networks whose gradient arrives."""

SIZED = (Verdict.VANISHING, Verdict.EXPLODING)
"""Those on networks whose gradient does not."""


@dataclass(frozen=True)
class Sizes:
    """Say which sizes a threshold is fitted to.

    Attributes:
        name: The field of `Limits`.
        label: What the sizes are.
        given: What must be handed over for them.
        profile: Finds them.
        in_time: Whether those of recurrent networks count.
    """

    name: str
    label: str
    given: Given
    profile: Callable[[Evidence], Profile | None]
    in_time: bool = False

    def decades(self, evidence: Evidence) -> float | None:
        """Return by how many decades first and last layer differ, of δ any two, without their sign.

        Examples:
            >>> fall = Profile("δ", ("1", "2", "3"), (1e-4, 1e-2, 1.0))
            >>> f"{DELTA_SIZES.decades(Evidence(deltas=fall)):.1f}"
            '4.0'
        """
        if evidence.recurrent and not self.in_time:
            return None
        found = self.profile(evidence)
        return None if found is None else abs(found.extent)


DELTA_SIZES = Sizes("deltas", "δ", DELTAS, lambda e: e.deltas, in_time=True)
WEIGHT_SIZES = Sizes("weights", "weights", DELTAS, lambda e: e.weights)

SIZES = (
    DELTA_SIZES,
    Sizes("ratios", "weights' gradients over activations", OUTPUTS, lambda e: e.ratios),
    Sizes("norms", "shifts of normalizations", DELTAS, lambda e: e.norms),
    Sizes("biases", "biases", DELTAS, lambda e: e.biases),
    WEIGHT_SIZES,
)
"""Every threshold of sizes, with where to find what it is compared with."""


def values(
    judged: Sequence[Judged], truths: Sequence[Verdict], of: Callable[[Evidence], float | None]
) -> list[float]:
    """Return a number of every network that has it, sorted."""
    found = [of(case.evidence) for case in judged if case.truth in truths]
    return sorted(x for x in found if x is not None and not np.isnan(x))


def _fitted(
    judged: Sequence[Judged],
    faults: Sequence[Verdict],
    of: Callable[[Evidence], float | None],
    least: float = DECADES,
) -> float:
    return between(values(judged, SOUND, of), values(judged, faults, of), least)


def fit(half: Half = FIT) -> Limits:
    """Fit the thresholds to a half of the suite.

    Returns:
        The thresholds; those that are stated stay as they are.
    """
    known = see(half, _SIGNALS).judged[_SIGNALS]
    fitted = {kind.name: _fitted(known, SIZED, kind.decades) for kind in SIZES}
    return replace(
        LIMITS, **fitted, silent=_fitted(known, (Verdict.DEAD,), lambda e: e.silent, OFF)
    )


def show(halves: Sequence[Half] = (FIT, TEST)) -> None:
    """Print how often the diagnosis is right."""
    for half in halves:
        found = see(half, *GIVEN)
        for given, judged in found.judged.items():
            matrix = Matrix.of(judged)
            name = f"{half.name}, {given.name}"
            print(f"\n{name}: {matrix.total} networks, {found.left_out} left out")
            print(matrix.table(name))
            print(
                f"right on faults {matrix.right_on_faults:.1%}, false alarms "
                f"{matrix.false_alarms:.1%}, cannot tell {matrix.cannot_tell:.1%}, wrong "
                f"{matrix.wrong:.1%}"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the thresholds, or how often the diagnosis is right."""
    parser = argparse.ArgumentParser(prog="gradbook.book.diagnose.suite", description=__doc__)
    parser.add_argument("--fit", action="store_true", help="fit the thresholds and print them")
    if parser.parse_args(arguments).fit:
        limits = fit()
        for field in fields(limits):
            print(f"{field.name:8} {getattr(limits, field.name):.3f}")
    else:
        show()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
