"""Claims of the chapter on diagnosis: how often it is right on networks it was not fitted on."""

from __future__ import annotations

import numpy as np

from gradbook.book.claims.record import Claim, ClaimKind, Measurement, Rival
from gradbook.book.diagnose.suite import DELTAS, GIVEN, TEST, TRUTHS, Matrix, see
from gradbook.book.sources import THIS_BOOK

CHAPTER = "diagnose"

SETTING = (
    f"depths {TEST.depths}, in time thrice as many steps, widths {TEST.widths} and seeds that no "
    "threshold was fitted on, and other activations where the fault allows it; networks whose "
    "numbers do not bear out what was built in are left out"
)


def _shares() -> Measurement:
    counts = Matrix.of(see(TEST, *GIVEN).judged[DELTAS]).counts
    total = {truth: sum(n for pair, n in counts.items() if pair[0] is truth) for truth in TRUTHS}
    return Measurement.of([counts.get((truth, truth), 0) / total[truth] for truth in TRUTHS])


def _false_alarms() -> Measurement:
    judged = see(TEST, *GIVEN).judged
    return Measurement.of([Matrix.of(judged[given]).false_alarms for given in GIVEN])


CONFUSION = Claim(
    name="diagnosis of networks it was not fitted on",
    chapter=CHAPTER,
    statement="With δ, gradients, weights and the rate the diagnosis says what was built in: the "
    "diagonal of the confusion matrix",
    setting=SETTING,
    source=THIS_BOOK,
    kind=ClaimKind.CHOSEN,
    cases=tuple(truth.value for truth in TRUTHS),
    theory=lambda: np.ones(len(TRUTHS)),
    measure=lambda rng, draws: _shares(),
    # The aim is 95 % right.
    tolerance=0.05,
    format=".2f",
    rival=Rival("It says one of the truths at random", lambda: [1 / len(TRUTHS)] * len(TRUTHS)),
)

FALSE_ALARMS = Claim(
    name="false alarms of the diagnosis",
    chapter=CHAPTER,
    statement="Whichever of these is given, hardly any healthy network is called faulty",
    setting=f"{SETTING}; where little is given mostly nothing is said, of healthy ones, either",
    source=THIS_BOOK,
    kind=ClaimKind.CHOSEN,
    cases=tuple(given.name for given in GIVEN),
    theory=lambda: np.zeros(len(GIVEN)),
    measure=lambda rng, draws: _false_alarms(),
    # The aim is at most 2 %.
    tolerance=0.02,
    format=".2f",
    rival=Rival("It calls every tenth healthy network ill", lambda: [0.1] * len(GIVEN)),
)
