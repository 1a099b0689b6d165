"""Count what is said of networks in the many forms in which people hand them over."""

from collections import Counter
from collections.abc import Iterable

from gradbook.book.claims.keeping import measured_once
from gradbook.book.diagnose.form_asked import said
from gradbook.book.diagnose.form_networks import NETWORKS
from gradbook.book.diagnose.forms import Form, sample
from gradbook.diagnosis.verdicts import Verdict

ON_THE_PAGE = 250
"""How many forms the page asks in."""


def judged(truth: Verdict, answer: Verdict | None) -> str:
    """Compare what is said with the truth, as of the generated networks; a refusal is neither.

    Examples:
        >>> judged(Verdict.HEALTHY, Verdict.VANISHING), judged(Verdict.DEAD, Verdict.CANNOT_TELL)
        ('harmful', 'cannot tell')
    """
    if answer is None:
        return "refused"
    if answer is truth or (truth is Verdict.HEALTHY and answer is Verdict.ZERO_START):
        return "right"
    return "cannot tell" if answer is Verdict.CANNOT_TELL else "harmful"


def answered(forms: Iterable[Form]) -> list[tuple[Form, str]]:
    """Ask in each form and judge the answer."""
    return [(form, judged(NETWORKS[form.network].fault, said(form))) for form in forms]


def counts(answers: Iterable[tuple[Form, str]]) -> dict[str, Counter[str]]:
    """Count the answers of each kind of form."""
    found: dict[str, Counter[str]] = {}
    for form, answer in answers:
        found.setdefault(form.kind, Counter())[answer] += 1
    return dict(sorted(found.items()))


@measured_once
def counted(count: int = ON_THE_PAGE, seed: int = 1) -> dict[str, dict[str, int]]:
    """Ask in a sample of forms and return the counts; it takes some ten milliseconds for each."""
    return {kind: dict(found) for kind, found in counts(answered(sample(count, seed))).items()}
