r"""Treat a patient with a remedy and measure what becomes of its gradient and of its training.

Both networks get the same task, the same number of updates, and for each optimizer of the plan a
run of its own, of which the best counts. Losses are in units of chance, the logarithm of the number
of classes: 1 is what knowing nothing costs.

Examples:
    >>> from gradbook.book.what_do_i_try import patients, remedies
    >>> for remedy in (remedies.swept_rate, remedies.suited_weights):
    ...     outcome = treat(patients.HASTY, remedy)
    ...     print(f"{remedy.name}: {outcome.verdict.value}")
    another rate: helps
    suited weights: does not apply
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, reduce
from math import log

import numpy as np

from gradbook.backpropagation import Trace, backprop, forward_loss
from gradbook.book import symptoms
from gradbook.book.claims.keeping import measured_once
from gradbook.book.four_classes import CLASSES
from gradbook.book.symptoms import DECADES, FROZEN, OFF, off_share
from gradbook.book.what_do_i_try.patients import Patient, Symptom
from gradbook.book.what_do_i_try.plans import Deep, PatientCase, Unrolled
from gradbook.book.what_do_i_try.rates_at_once import SideBySide, innermost
from gradbook.book.what_do_i_try.remedies import REMEDIES, Plan, Remedy, at_all_rates, swept_rate
from gradbook.book.what_do_i_try.stored_weights import InFormat
from gradbook.checks import Array
from gradbook.layers import Layer
from gradbook.losses import softmax_cross_entropy
from gradbook.optimizers import Optimizer
from gradbook.parameters import distinct_parameters, in_float32, named_parameters, with_parameters

CHANCE = log(CLASSES)
"""The loss of giving every class the same probability."""

MOST = 0.5
"""The share of networks whose loss must be lost for the cohort's to be."""

LEARNED = 0.5
"""The share of the chance loss that must be gone for a remedy to help."""

NOTICED = 0.1
"""The difference of that share, either way, that is more than none."""


AGREED = 0.8
"""The share of networks that must say the same; otherwise it depends on the draw."""


class RemedyVerdict(Enum):
    """What a remedy does, by the thresholds of this module."""

    HELPS = "helps"
    LITTLE = "helps a little"
    NOT = "does not help"
    WORSE = "makes it worse"
    DEPENDS = "depends on the draw"
    NONE = "does not apply"


@dataclass(frozen=True)
class Cohort:
    """Say how many networks of each plan are drawn, and from which seed.

    Args:
        seed: Of the random generator; every plan begins with the same.
    """

    seeds: int = 5
    seed: int = 0


COHORT = Cohort()
"""The setting of the book."""


@dataclass(frozen=True)
class Price:
    """Say what a network costs.

    Args:
        multiply_adds: In the matrix products of one forward pass for one example.
        parameters: Numbers that are trained.
        kept: Numbers that the optimizer keeps beside each of them.
    """

    multiply_adds: int
    parameters: int
    kept: float


@dataclass(frozen=True, eq=False)
class Signs:
    r"""Hold what was measured on a plan; one entry per network.

    Args:
        decades: From the last hidden layer or step to the first, before training; minus infinity if
            nothing arrives.
        dead: Share of units with an activation that are off for every example, before training.
        frozen: Share of weights with a gradient that the first update leaves as they are, bit for
            bit in the format in which they are trained.
        start: The loss before training, in units of chance.
        loss: The loss after it, with the best optimizer; infinite or NaN if the run is lost.
        optimizer: The best optimizer.
        swept: The loss with each optimizer of the plan, shape (optimizers, networks).
        price: What the network costs.
    """

    decades: Array
    dead: Array
    frozen: Array
    start: Array
    loss: Array
    optimizer: Optimizer
    swept: Array
    price: Price

    @property
    def shares(self) -> Array:
        """Return the share of the chance loss that is gone in each network, from -1 to 1.

        A run that is lost, or ends above twice the chance loss, counts as -1.
        """
        return np.asarray(np.clip(1 - _ordered(self.loss), -1, 1), dtype=float)

    @property
    def learned(self) -> float:
        """Return the median of the shares."""
        return float(np.median(self.shares))

    def has(self, symptom: Symptom) -> bool:
        """Say whether the median network has a symptom, by `gradbook.book.symptoms`."""
        decades = float(np.median(self.decades))
        return {
            Symptom.VANISHING: decades <= -DECADES,
            Symptom.EXPLODING: decades >= DECADES,
            Symptom.DEAD: float(np.median(self.dead)) >= OFF,
            Symptom.FROZEN: float(np.median(self.frozen)) >= FROZEN,
            Symptom.NON_FINITE: bool(np.median(~np.isfinite(self.loss)) > MOST),
        }[symptom]


@dataclass(frozen=True, eq=False)
class TreatmentOutcome:
    """Hold a patient before and after a remedy.

    Args:
        before: Without the remedy, at as many rates: where it is not the rate that is the remedy,
            the patient is given all rates, too.
        after: Treated; None if the remedy does not apply.
    """

    patient: Patient
    remedy: Remedy
    before: Signs
    after: Signs | None

    @property
    def verdict(self) -> RemedyVerdict:
        """Judge what the remedy does to the training: what four of five networks agree on."""
        if self.after is None:
            return RemedyVerdict.NONE
        pairs = zip(self.before.shares, self.after.shares, strict=True)
        [(said, votes)] = Counter(verdict_on(*map(float, pair)) for pair in pairs).most_common(1)
        return said if votes >= AGREED * len(self.before.shares) else RemedyVerdict.DEPENDS

    @property
    def cured(self) -> bool:
        """Say whether the patient's symptom is gone."""
        return self.after is not None and not self.after.has(self.patient.symptom)


def verdict_on(before: float, after: float) -> RemedyVerdict:
    """Say what a remedy does, from the shares of the chance loss that are gone.

    Examples:
        >>> [verdict_on(0.0, after).value for after in (0.9, 0.2, 0.05, -1.0)]
        ['helps', 'helps a little', 'does not help', 'makes it worse']
    """
    for name, share in (("before", before), ("after", after)):
        if not -1 <= share <= 1:
            raise ValueError(f"{name} must lie between -1 and 1, got {share}")
    if after - before <= -NOTICED:
        return RemedyVerdict.WORSE
    if after - before < NOTICED:
        return RemedyVerdict.NOT
    return RemedyVerdict.HELPS if after >= LEARNED else RemedyVerdict.LITTLE


def treat(patient: Patient, remedy: Remedy, setting: Cohort = COHORT) -> TreatmentOutcome:
    """Measure a patient with and without a remedy.

    Returns:
        The outcome; each plan is measured once, however often it is asked for.
    """
    for name, value, kind in (("patient", patient, Patient), ("remedy", remedy, Remedy)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}")
    plan = remedy.treated(patient.plan)
    after = None if plan is None else signs_of(plan, setting)
    same = patient.plan if remedy is swept_rate else at_all_rates(patient.plan)
    return TreatmentOutcome(patient, remedy, signs_of(same, setting), after)


def seen_after(patient: Patient, remedy: Remedy) -> Signs:
    """Return what is measured on a patient with a remedy that applies.

    Raises:
        ValueError: It does not apply.
    """
    after = treat(patient, remedy).after
    if after is None:
        raise ValueError(f"remedy must apply to {patient.name!r}, got {remedy.name!r}")
    return after


@cache
def try_remedies(patient: Patient, setting: Cohort = COHORT) -> tuple[TreatmentOutcome, ...]:
    """Treat a patient with every remedy that applies, and sort by what that does.

    Returns:
        The outcomes: those that learn most first, and among equals the healthier gradient.
    """
    found = [treat(patient, remedy, setting) for remedy in REMEDIES]
    return tuple(sorted((o for o in found if o.after is not None), key=_rank))


def signs_of(plan: Plan, setting: Cohort = COHORT) -> Signs:
    """Draw the networks of a plan, look at their gradients, and train them.

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.initializers import lecun
        >>> signs = signs_of(Deep(relu, lecun, depth=10, updates=1), Cohort(seeds=3))
        >>> signs.decades.shape, signs.price.multiply_adds, signs.price.kept
        ((3,), 5088, 0.0)
    """
    return _signs(plan, setting)


@cache  # by both arguments, whether the setting is named or not
@measured_once
# Gradients that are lost and losses that are not finite are what is looked for.
@np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")
def _signs(plan: Plan, setting: Cohort) -> Signs:
    case = plan.case(np.random.default_rng(setting.seed), setting.seeds)
    trace = backprop(case.layers, case.x, case.target, softmax_cross_entropy)
    losses = _train(case, plan)
    ends = [float(np.median(_ordered(loss))) for loss in losses]
    best = int(np.argmin(ends))
    return Signs(
        decades=_decades(trace, plan, case),
        dead=_dead(case.layers, trace),
        frozen=_frozen(plan.optimizers[best], *_first_update(case, plan)),
        start=trace.loss / CHANCE,
        loss=losses[best],
        optimizer=plan.optimizers[best],
        swept=np.stack(losses),
        price=_price(case.layers, plan.optimizers[best], setting.seeds),
    )


def _decades(trace: Trace, plan: Plan, case: PatientCase) -> Array:
    if isinstance(plan, Unrolled) and plan.window is not None and plan.window < plan.steps:
        return np.full(trace.loss.shape, -np.inf)
    return symptoms.decades(trace.dh[case.first], trace.dh[case.last])


def _train(case: PatientCase, plan: Plan) -> list[Array]:
    """Train side by side, on a leading axis, one ensemble for each optimizer."""
    case = _as_trained(case, plan)
    start = distinct_parameters(case.layers)
    values = [np.concatenate([value] * len(plan.optimizers)) for value in start]
    training = SideBySide(plan.optimizers, values)
    now = with_parameters(case.layers, values)
    for _ in range(plan.updates):
        grads = _gradient(backprop(now, case.x, case.target, softmax_cross_entropy), plan, case)
        values = training.step(values, grads)
        now = with_parameters(now, values)
    loss = forward_loss(now, case.x, case.target, softmax_cross_entropy) / CHANCE
    return np.split(loss, len(plan.optimizers))


def _as_trained(case: PatientCase, plan: Plan) -> PatientCase:
    """Return the networks in float32, but for those in time.

    What is looked at is computed in float64. Gradients that vanish through time would meet the
    subnormal numbers of float32, which are slow.
    """
    if isinstance(plan, Unrolled):
        return case
    return replace(case, layers=in_float32(case.layers), x=case.x.astype(np.float32))


def _first_update(case: PatientCase, plan: Plan) -> tuple[list[Array], list[Array]]:
    """Return weights and gradients as the training meets them first."""
    case = _as_trained(case, plan)
    trace = backprop(case.layers, case.x, case.target, softmax_cross_entropy)
    return distinct_parameters(case.layers), _gradient(trace, plan, case)


def _gradient(trace: Trace, plan: Plan, case: PatientCase) -> list[Array]:
    """Add up the places of each parameter, but for those that a truncated gradient leaves out."""
    if isinstance(plan, Deep) or plan.window is None:
        return [parameter.grad for parameter in trace.parameters]
    begin = case.last - plan.window * case.last // plan.steps
    return [
        reduce(
            np.add,
            [
                trace.gradients[int(number) - 1][name]
                for number, _, name in (place.partition(".") for place in parameter.places)
                if int(number) > begin
            ],
        )
        for parameter in trace.parameters
    ]


def _ordered(loss: Array) -> Array:
    """Put lost runs where the largest losses are."""
    return np.where(np.isnan(loss), np.inf, loss)


def _dead(layers: Sequence[Layer], trace: Trace) -> Array:
    """Count units of hidden layers with an activation that are off for all examples."""
    hidden = zip(trace.h[1:-1], layers[:-1], strict=True)
    bent = [h for h, layer in hidden if hasattr(layer, "activation")]
    return off_share(bent) if bent else np.zeros(trace.loss.shape)


def _frozen(optimizer: Optimizer, values: Sequence[Array], grads: Sequence[Array]) -> Array:
    """Count entries with a gradient for which an update leaves all that is stored as it was."""
    state = optimizer.start(values)
    stepped, after = optimizer.step(values, grads, state)
    in_format = _rounds(optimizer)
    old = state.averages if in_format else tuple((value,) for value in values)
    new = after.averages if in_format else tuple((value,) for value in stepped)
    pairs = zip(old, new, strict=True)
    same = [np.all([a == b for a, b in zip(*pair, strict=True)], axis=0) for pair in pairs]
    meant = _flat([grad != 0 for grad in grads])
    lost = np.logical_and(_flat(same), meant).sum(axis=-1)
    return np.asarray(lost / np.maximum(meant.sum(axis=-1), 1))


def _flat(arrays: Sequence[Array]) -> Array:
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=-1)


def _rounds(optimizer: Optimizer) -> bool:
    return isinstance(innermost(optimizer), InFormat)


def _price(
    layers: Sequence[Layer],
    optimizer: Optimizer,
    seeds: int,
) -> Price:
    values = distinct_parameters(layers)
    products = [w.size for w in named_parameters(layers).values() if w.ndim > 2]
    size = sum(value.size for value in values)
    state = optimizer.start(values)
    kept = sum(array.size for arrays in state.averages for array in arrays)
    shown = size if _rounds(optimizer) else 0  # a store's first array is the weight
    return Price(sum(products) // seeds, size // seeds, (kept - shown) / size)


def _rank(outcome: TreatmentOutcome) -> tuple[float, float]:
    signs = outcome.after
    assert signs is not None
    return -signs.learned, abs(float(np.median(signs.decades)))
