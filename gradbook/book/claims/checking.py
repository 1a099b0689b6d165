"""Check a claim: measure it, or take what was measured before if a cache is set."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.util import find_spec

from gradbook.book.claims.record import Claim, Outcome, judge
from gradbook.book.claims.store import ClaimStore, store_in_force


def check(claim: Claim, *, full: bool = False) -> Outcome:
    """Return the outcome of a claim: its theory beside what a run measures.

    A claim is its seed and two pure functions, so one run is enough: a chapter and the results page
    measure once. With a cache folder in the environment, runs of other processes count as well.

    Examples:
        >>> from gradbook.book.update_rule.claims import MULTIPLIER
        >>> check(MULTIPLIER).stands
        True
    """
    return _checked(claim, full, store_in_force())


@cache
def _checked(claim: Claim, full: bool, store: ClaimStore | None) -> Outcome:
    outcome = store.read(claim, full=full) if store else None
    if outcome is None:
        outcome = measured(claim, full=full)
        if store is not None:
            store.write(outcome, full=full)
    return outcome


def measured(claim: Claim, *, full: bool = False) -> Outcome:
    """Run a claim: compute its theory, measure, and compare."""
    with one_thread():
        found = claim.measure(claim.generator(), claim.draws_for(full))
        return judge(claim, claim.theory(), found)


def one_thread() -> AbstractContextManager[object]:
    """Give matrix products one thread each: how many share one decides about its last bit.

    That holds for the process from the call on, until the context is left. In a process where
    several threads measure at a time, call it before they do and leave it after, or never.

    Examples:
        >>> import numpy as np
        >>> with one_thread():
        ...     bool((np.ones((2, 2)) @ np.ones(2) == 2).all())
        True
    """
    if not installed("threadpoolctl"):
        return nullcontext()
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    limits: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limits


def installed(package: str) -> bool:
    """Return whether a package that the core does without is there."""
    return find_spec(package) is not None
