"""Show what remedies did to patients: one table for all, and one for each patient.

Examples:
    >>> from gradbook.book.what_do_i_try.patients import DEAD
    >>> table = outcome_table(DEAD)
    >>> print(table.headers[0], [row[0] for row in table.rows[:2]])
    remedy ['BatchNorm', 'suited weights']
"""

import math

import numpy as np

from gradbook.book.what_do_i_try import draws
from gradbook.book.what_do_i_try.draws import DRAWS
from gradbook.book.what_do_i_try.patients import PATIENTS, Patient, Symptom
from gradbook.book.what_do_i_try.rates_at_once import innermost
from gradbook.book.what_do_i_try.remedies import REMEDIES, Remedy, swept_rate
from gradbook.book.what_do_i_try.treatment import (
    COHORT,
    Cohort,
    Price,
    RemedyVerdict,
    Signs,
    seen_after,
    signs_of,
    try_remedies,
)
from gradbook.checks import Array
from gradbook.show.formats import scientific_text, true_minus
from gradbook.show.tables import Table

MARKS = {
    RemedyVerdict.HELPS: "++",
    RemedyVerdict.LITTLE: "+",
    RemedyVerdict.NOT: "0",
    RemedyVerdict.WORSE: "−",
    RemedyVerdict.DEPENDS: "?",
    RemedyVerdict.NONE: "",
}
"""How the table of all remedies writes a verdict."""


def patient_table(setting: Cohort = COHORT) -> Table:
    """List the patients with the number that shows their symptom."""
    return Table(
        ["", "patient", "symptom", "measured", "loss at the end"],
        [
            [
                str(number),
                patient.name,
                patient.symptom.value,
                _evidence(patient.symptom, signs_of(patient.plan, setting)),
                loss_text(signs_of(patient.plan, setting).loss),
            ]
            for number, patient in enumerate(PATIENTS, start=1)
        ],
        caption=f"Networks that do not train; medians of {setting.seeds}. Losses are in units of "
        "chance: 1 is what knowing nothing costs.",
        align="rlllr",
    )


def decision_table() -> Table:
    """Show what all draws agree on, for every remedy and every patient.

    Returns:
        A row per remedy, a column per patient, in the order of `patient_table`.
    """
    legend = ", ".join(f"{mark or 'blank'} {verdict.value}" for verdict, mark in MARKS.items())
    return Table(
        ["remedy", *(str(number) for number, _ in enumerate(PATIENTS, start=1))],
        [[remedy.name, *(MARKS[draws.agreed(p, remedy)] for p in PATIENTS)] for remedy in REMEDIES],
        caption=f"What each remedy does to the training of each patient, in all of {len(DRAWS)} "
        f"draws: {legend}.",
    )


def outcome_table(patient: Patient) -> Table:
    """Show what every remedy that applies does to a patient, what learns most first."""
    outcomes, before = try_remedies(patient), signs_of(patient.plan)
    rows = [
        [
            outcome.remedy.name,
            draws.agreed(patient, outcome.remedy).value,
            " ".join(MARKS[verdict] for verdict in draws.of(patient, outcome.remedy)),
            decades_text(outcome.after.decades),
            f"{loss_text(outcome.after.loss)} ({_range_text(outcome.after.loss)})",
            _price_text(outcome.after.price, before.price),
        ]
        for outcome in outcomes
        if outcome.after is not None
    ]
    return Table(
        ["remedy", "verdict", "each draw", "decades", "loss", "price"],
        rows,
        caption=f"{patient.name}: {decades_text(before.decades)} decades and a loss of "
        f"{loss_text(before.loss)} untreated. Treated: the verdict of all draws and of each; in "
        f"the first, the gradient's decades and the loss after {patient.plan.updates} updates "
        f"(from the best to the worst of {COHORT.seeds}); the price.{_compared(patient)}",
        align="lllrrl",
    )


def _compared(patient: Patient) -> str:
    if len(patient.plan.optimizers) > 1:
        return ""
    return f" All but {swept_rate.name} are judged beside the patient at the best of all rates."


def decades_text(decades: Array) -> str:
    """Write the median number of decades.

    Examples:
        >>> decades_text(np.array([-1.234])), decades_text(np.array([-np.inf]))
        ('−1.23', '−∞')
    """
    median = float(np.median(decades))
    return "−∞" if median == -math.inf else true_minus(f"{median:.2f}")


def loss_text(loss: Array) -> str:
    """Write the median loss in units of chance, infinity where most runs are lost.

    Examples:
        >>> loss_text(np.array([0.0123])), loss_text(np.array([np.nan])), loss_text(np.array([4e7]))
        ('0.012', '∞', '4·10⁷')
    """
    return _number(float(np.median(np.where(np.isnan(loss), np.inf, loss))))


def decades_of(patient: Patient, remedy: Remedy) -> str:
    """Write the median number of decades of a patient with a remedy.

    Examples:
        >>> from gradbook.book.what_do_i_try.patients import DEAD
        >>> from gradbook.book.what_do_i_try.remedies import suited_weights
        >>> decades_of(DEAD, suited_weights), loss_of(DEAD, suited_weights)
        ('−0.02', '7·10⁻³')
    """
    return decades_text(seen_after(patient, remedy).decades)


def loss_of(patient: Patient, remedy: Remedy) -> str:
    """Write the median loss of a patient with a remedy, in units of chance."""
    return loss_text(seen_after(patient, remedy).loss)


def _price_text(price: Price, before: Price) -> str:
    """Write what a remedy costs, beside the patient untreated.

    Examples:
        >>> _price_text(Price(400, 120, 2.0), Price(100, 100, 0.0))
        '4× work, 1.2× parameters, keeps 2'
        >>> _price_text(Price(100, 100, 0.0), Price(100, 100, 0.0))
        'free'
    """
    work = price.multiply_adds / before.multiply_adds
    parameters = price.parameters / before.parameters
    parts = [
        f"{work:.3g}× work" if abs(work - 1) >= _VISIBLE else "",
        f"{parameters:.3g}× parameters" if abs(parameters - 1) >= _VISIBLE else "",
        f"keeps {price.kept:.2g}" if price.kept > before.kept else "",
    ]
    return ", ".join(part for part in parts if part) or "free"


_VISIBLE = 0.005
"""The smallest relative change that three digits show."""


def _evidence(symptom: Symptom, signs: Signs) -> str:
    shares = {Symptom.DEAD: signs.dead, Symptom.FROZEN: signs.frozen}
    if symptom in shares:
        return f"{float(np.median(shares[symptom])):.2f} of them{_at(signs, symptom)}"
    decades = f"{decades_text(signs.decades)} decades"
    if signs.has(Symptom.FROZEN):
        share = float(np.median(signs.frozen))
        return f"{decades}, and {share:.2f} frozen{_at(signs, Symptom.FROZEN)}"
    return f"{decades}, and yet" if symptom is Symptom.NON_FINITE else decades


def _at(signs: Signs, symptom: Symptom) -> str:
    """Name the rate that a share of frozen weights was counted at."""
    return f" at η = {innermost(signs.optimizer).lr:g}" if symptom is Symptom.FROZEN else ""


def _range_text(loss: Array) -> str:
    ordered = np.where(np.isnan(loss), np.inf, loss)
    return f"{_number(float(ordered.min()))}–{_number(float(ordered.max()))}"


def _number(x: float) -> str:
    if x == math.inf:
        return "∞"
    if 0 < x < 0.01 or x >= 100:
        return scientific_text(x, 1)
    return f"{x:.2g}" if x < 0.1 or x >= 10 else f"{x:.2f}"
