"""What to try next, in order, by what a network has, and which page of the book explains it."""

from gradbook.diagnosis.reporting.forms import NOTHING_KNOWN, Advice, Traits
from gradbook.diagnosis.reporting.hints import BESIDE, HINTS, ONE_LAYER
from gradbook.diagnosis.reporting.remedies import DEEP, IN_TIME, TABLE
from gradbook.diagnosis.verdicts import Finding, Verdict

__all__ = ["Advice", "Traits", "next_steps"]

MOST = 4
"""How many things are advised at most."""


def next_steps(finding: Finding, traits: Traits = NOTHING_KNOWN) -> tuple[Advice, ...]:
    """Return what to try, the first thing first.

    Examples:
        >>> found = Finding(Verdict.VANISHING, "It falls.")
        >>> len(next_steps(found, Traits(recurrent=True)))
        4
        >>> [step.page for step in next_steps(found, Traits(paths=True, normalized=True))]
        ['chapters/residual.md', 'what-do-i-try.md']
        >>> [step.page for step in next_steps(found, Traits(sigmoids=True))][0]
        'chapters/activations.md'
    """
    verdict, tried = finding.verdict, (IN_TIME if traits.recurrent else DEEP)[finding.verdict]
    steps = [advice for advice in tried if advice.fits(traits)]
    if finding.hint in HINTS:
        steps = [HINTS[finding.hint], *(steps if finding.hint in BESIDE else [])]
    if traits.single and not traits.recurrent and verdict in (Verdict.VANISHING, Verdict.EXPLODING):
        steps = [ONE_LAYER, *steps]
    if verdict in (Verdict.VANISHING, Verdict.EXPLODING, Verdict.DEAD, Verdict.FROZEN):
        return (*steps[: MOST - 1], TABLE)
    return tuple(steps[:MOST])
