"""A claim: what the book says a number is, where that comes from, and what a run gives."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradbook.book.sources import Source
from gradbook.checks import Array, finite_array

_STANDARD_ERRORS = 4.0
"""How many standard errors a measurement may lie from a theory that is exact in expectation."""


class ClaimKind(Enum):
    """How theory and measurement are compared."""

    EXACT = "exact"
    EXPECTATION = "exact in expectation"
    ASYMPTOTIC = "asymptotic"
    TRAINING = "training run"
    CHOSEN = "chosen tolerance"


@dataclass(frozen=True)
class Measurement:
    """What a run gave.

    Attributes:
        values: One number per case.
        errors: Their standard errors; 0 where nothing is random.
    """

    values: Array
    errors: Array

    @classmethod
    def of(cls, values: ArrayLike, errors: ArrayLike = 0.0) -> Measurement:
        """Return a measurement of one or more cases.

        Raises:
            ValueError: A value is not finite: a claim about it would hold of anything.

        Examples:
            >>> Measurement.of([1, 2]).errors.tolist()
            [0.0, 0.0]
        """
        numbers = np.atleast_1d(_doubles("values", values))
        return cls(numbers, np.broadcast_to(_doubles("errors", errors), numbers.shape))

    @classmethod
    def mean(cls, draws: Array) -> Measurement:
        r"""Return the mean over draws with its standard error $s/\sqrt{n}$.

        Args:
            draws: Shape (draws, cases).

        Examples:
            >>> Measurement.mean(np.array([[1.0], [3.0]])).errors.tolist()
            [1.0]
        """
        count = len(draws)
        if count < 2:
            raise ValueError(f"draws has {count} rows; expected at least 2 for an error bar")
        return cls.of(draws.mean(axis=0), draws.std(axis=0, ddof=1) / np.sqrt(count))


@dataclass(frozen=True)
class Rival:
    """The theory that a reader could hold instead: a claim is worth what it rules out.

    Attributes:
        statement: What it says, in a sentence beside the claim's.
        theory: Returns its numbers, one per case.
    """

    statement: str
    theory: Callable[[], ArrayLike]


@dataclass(frozen=True)
class Claim:
    """One quantitative statement of the book, with its theory and its measurement.

    Attributes:
        name: A short name, unique on the board.
        chapter: The chapter's file name without its ending.
        statement: What is claimed, in a sentence.
        setting: What is run: sizes, seeds, number type.
        source: Where the theory comes from.
        kind: How theory and measurement are compared.
        cases: What each number belongs to.
        theory: Returns the predicted numbers, one per case.
        measure: Returns the measured ones from a generator and a number of draws.
        tolerance: For `EXACT` the relative error allowed, which is rounding; for `ASYMPTOTIC` the
            relative allowance for what theory leaves out, for `TRAINING` for what a run adds, for
            `CHOSEN` for what nobody has derived; unused for `EXPECTATION`, whose allowance is four
            standard errors.
        rival: What the measurement rules out, at the same tolerance.
        seed: Of the generator, with the name: each claim has a stream of its own.
        draws: How many draws the book's own build takes.
        full: How many draws `--full` takes.
        format: The format of the numbers.
        holds: `False` for a published statement that does not reproduce, printed as such.
    """

    name: str
    chapter: str
    statement: str
    setting: str
    source: Source
    kind: ClaimKind
    cases: tuple[str, ...]
    theory: Callable[[], ArrayLike]
    measure: Callable[[np.random.Generator, int], Measurement]
    tolerance: float = 1e-9
    rival: Rival | None = None
    seed: int = 0
    draws: int = 1
    full: int = 1
    format: str = ".4g"
    holds: bool = True

    @property
    def place(self) -> tuple[str, str] | None:
        """The module and the name under which its chapter holds it; None if it holds it not."""
        module = f"gradbook.book.{self.chapter.replace('-', '_')}.claims"
        held = vars(sys.modules[module]) if module in sys.modules else {}
        names = [name for name, value in held.items() if value is self]
        return (module, names[0]) if names else None

    def generator(self) -> np.random.Generator:
        """Return the stream that this claim alone draws from, the same in every run."""
        return np.random.default_rng([self.seed, crc32(self.name.encode())])

    def draws_for(self, full: bool) -> int:
        """Return how many draws a run takes."""
        return self.full if full else self.draws

    def __post_init__(self) -> None:
        """Refuse a claim that could not fail."""
        if not self.cases:
            raise ValueError(f"cases is {self.cases!r}; expected at least one case")
        if not 0 < self.tolerance < 1:
            raise ValueError(
                f"tolerance is {self.tolerance!r}; expected a number between 0 and 1, "
                "or no number would be wrong"
            )


@dataclass(frozen=True)
class Outcome:
    """Theory beside measurement for every case of a claim.

    Attributes:
        allowance: How far each measured number may lie from its theory.
        rival: The numbers of the rival theory, if the claim names one.
        room: How far each measured number may lie from the rival's.
    """

    claim: Claim
    theory: Array
    measured: Measurement
    allowance: Array
    rival: Array | None = None
    room: Array | None = None

    @property
    def numbers(self) -> tuple[list[float], list[float], list[float]]:
        """Theory, measured values and their standard errors, from which the rest follows."""
        return self.theory.tolist(), self.measured.values.tolist(), self.measured.errors.tolist()

    @property
    def agrees(self) -> NDArray[np.bool_]:
        """Whether each case lies within its allowance."""
        return np.asarray(np.abs(self.measured.values - self.theory) <= self.allowance)

    @property
    def rejects(self) -> NDArray[np.bool_]:
        """Whether each case rules the rival out; without a rival, none does."""
        if self.rival is None or self.room is None:
            return np.zeros(len(self.theory), dtype=bool)
        return np.asarray(np.abs(self.measured.values - self.rival) > self.room)

    @property
    def stands(self) -> bool:
        """Whether the outcome is what the book says, and the rival, if there is one, ruled out."""
        as_said = bool(self.agrees.all()) is self.claim.holds
        return as_said and (self.rival is None or bool(self.rejects.any()))

    def moved(self, tolerances: float) -> Outcome:
        """Return the outcome with the theory moved by so many allowances."""
        return replace(self, theory=self.theory + tolerances * self.allowance)


def judge(claim: Claim, theory: ArrayLike, measured: Measurement) -> Outcome:
    """Compare what a claim predicts with what a run gave.

    Examples:
        >>> from gradbook.book.update_rule.claims import NOTE_STEP
        >>> judge(NOTE_STEP, theory=2.5, measured=Measurement.of(2.6)).agrees.tolist()
        [False]
    """
    numbers = np.atleast_1d(_doubles("theory", theory))
    wanted = (len(claim.cases),)
    if numbers.shape != wanted or measured.values.shape != wanted:
        raise ValueError(
            f"the claim {claim.name!r} has theory of shape {numbers.shape} and measurement of "
            f"shape {measured.values.shape}; expected {wanted}, one number per case"
        )
    allowed = _allowance(claim, numbers, measured)
    if claim.rival is None:
        return Outcome(claim, numbers, measured, allowed)
    rival = np.broadcast_to(_doubles("rival", claim.rival.theory()), wanted)
    return Outcome(claim, numbers, measured, allowed, rival, _allowance(claim, rival, measured))


def _doubles(name: str, values: ArrayLike) -> Array:
    # What is read back from a file is float64, whatever it was measured in.
    return finite_array(name, values).astype(np.float64)


def _allowance(claim: Claim, theory: Array, measured: Measurement) -> Array:
    if claim.kind is ClaimKind.EXPECTATION:
        return _STANDARD_ERRORS * measured.errors
    # A theory of zero has no relative error: there the tolerance is absolute.
    scale = np.where(theory == 0, 1.0, np.abs(theory))
    allowance: Array = claim.tolerance * scale
    if claim.kind is not ClaimKind.EXACT:
        allowance = allowance + _STANDARD_ERRORS * measured.errors
    return allowance
