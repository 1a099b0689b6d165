"""Patients have their symptoms, remedies change what they say, and verdicts follow thresholds."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from gradbook.activations import identity, relu, tanh
from gradbook.backpropagation import backprop, forward_loss
from gradbook.book import symptoms
from gradbook.book.clipping.mixed_precision import Kahan, Master, Plain
from gradbook.book.four_classes import CLASSES, DIMENSION
from gradbook.book.time_and_gates.sequences import truncated
from gradbook.book.what_do_i_try import draws, patients, remedies, remedy_tables, treatment
from gradbook.book.what_do_i_try.patients import PATIENTS, Patient, Symptom
from gradbook.book.what_do_i_try.plans import RATES, Deep, Unrolled, with_spectral_radius
from gradbook.book.what_do_i_try.rates_at_once import innermost
from gradbook.book.what_do_i_try.remedies import REMEDIES, Plan, Remedy
from gradbook.book.what_do_i_try.stored_weights import InFormat
from gradbook.book.what_do_i_try.treatment import (
    Cohort,
    RemedyVerdict,
    signs_of,
    treat,
    try_remedies,
    verdict_on,
)
from gradbook.initializers import he, lecun, orthogonal
from gradbook.losses import softmax_cross_entropy
from gradbook.optimizers import Adam, Clipping, GradientDescent
from gradbook.precision import bfloat16, float16, frozen_fraction, round_to
from gradbook.press.places import ROOT
from gradbook.theory.meanfield import propagate
from gradbook.training import train

FEW = Cohort(seeds=3)
"""Enough networks for what does not need the book's."""


def untrained(plan: Plan) -> Plan:
    """Spare the training where only the gradient before it is looked at."""
    return replace(plan, updates=1, optimizers=plan.optimizers[:1])


def decades(plan: Plan) -> float:
    return float(np.median(signs_of(untrained(plan)).decades))


class TestPatients:
    @pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.name)
    def test_each_has_its_symptom_and_no_other_of_the_gradient(self, patient: Patient) -> None:
        signs = signs_of(patient.plan)
        assert signs.has(patient.symptom)
        assert signs.learned < treatment.LEARNED
        lengths = {Symptom.VANISHING, Symptom.EXPLODING}
        if patient.symptom in {Symptom.FROZEN, Symptom.NON_FINITE}:
            assert not any(signs.has(symptom) for symptom in lengths)

    def test_the_promised_depth_and_length_are_there(self) -> None:
        for patient in (patients.SMALL, patients.LARGE, patients.SATURATED):
            case = patient.plan.case(np.random.default_rng(0), 1)
            assert sum("W" in layer.parameters for layer in case.layers) == 50
        for patient in (patients.FORGETFUL, patients.UNSTABLE):
            case = patient.plan.case(np.random.default_rng(0), 1)
            assert len(case.layers) == 201  # and the readout

    @pytest.mark.parametrize("patient", [patients.SIGMOID, patients.SMALL, patients.LARGE])
    def test_plain_networks_lose_what_mean_field_theory_says(self, patient: Patient) -> None:
        plan = patient.plan
        assert isinstance(plan, Deep)
        sigma_w2 = plan.initializer.variance(1, 1)
        layers = plan.depth - 2
        energy = propagate(plan.activation, plan.depth - 1, sigma_w2).boundary_energy
        theory = float(np.log10(energy[1] / energy[-1])) / 2
        # A typical ReLU network lies below the mean energy: log-normal, by 5 L/(4 n) nats in the
        # logarithm of the norm at most, 1.1 decades for L/n = 2; the scatter of 5 is half of that.
        tolerance = 5 * layers / (4 * plan.width) / math.log(10) + 0.5
        assert decades(plan) == pytest.approx(theory, abs=tolerance)

    def test_the_unstable_network_grows_with_its_radius(self) -> None:
        theory = 199 * math.log10(1.1)
        # A matrix that is not normal takes some steps to settle to its radius.
        assert decades(patients.UNSTABLE.plan) == pytest.approx(theory, abs=0.5)


class TestDecades:
    def test_agree_with_finite_differences(self) -> None:
        plan = remedies.suited_weights.treated(patients.DEAD.plan)
        assert plan is not None
        case = plan.case(np.random.default_rng(0), 1)
        trace = backprop(case.layers, case.x, case.target, softmax_cross_entropy)

        def length(boundary: int) -> float:
            h, s, slopes = trace.h[boundary], 1e-6, []
            for index in np.ndindex(h.shape):
                d = np.zeros(h.shape)
                d[index] = s
                ends = [
                    forward_loss(
                        case.layers[boundary:], h + sign * d, case.target, softmax_cross_entropy
                    ).item()
                    for sign in (1, -1)
                ]
                slopes.append((ends[0] - ends[1]) / (2 * s))
            return float(np.linalg.norm(slopes))

        found = signs_of(untrained(plan), Cohort(seeds=1)).decades.item()
        # Some of the 384 steps of 1e-6 cross a kink of a ReLU, which spoils no more than 1e-4.
        assert found == pytest.approx(math.log10(length(case.first) / length(case.last)), abs=1e-4)

    def test_orthogonal_linear_steps_lose_nothing_at_all(self) -> None:
        plan = remedies.orthogonal_linear.treated(patients.FORGETFUL.plan)
        assert plan is not None
        # 200 products, each good to a few roundings.
        np.testing.assert_allclose(signs_of(untrained(plan)).decades, 0, atol=1e-12)

    @pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient.name)
    def test_nothing_that_steps_changes_them(self, patient: Patient) -> None:
        steppers = [remedies.clipping, remedies.adam, remedies.swept_rate]
        before = signs_of(untrained(patient.plan)).decades
        for remedy in steppers:
            plan = remedy.treated(patient.plan)
            if plan is not None:
                np.testing.assert_array_equal(signs_of(untrained(plan)).decades, before)

    def test_a_truncated_gradient_does_not_arrive(self) -> None:
        plan = replace(patients.FORGETFUL.plan, steps=5, window=3)
        assert (signs_of(untrained(plan)).decades == -np.inf).all()
        whole = replace(plan, window=5)
        assert np.isfinite(signs_of(untrained(whole)).decades).all()


class TestTraining:
    def test_is_that_of_the_training_loop(self) -> None:
        plan = Deep(relu, he, depth=4, updates=6, optimizers=(GradientDescent(0.1),))
        case = plan.case(np.random.default_rng(0), FEW.seeds)
        run = train(case.layers, case.x, case.target, softmax_cross_entropy, lr=0.1, steps=6)
        signs = signs_of(plan, FEW)
        # One of the two is in float32.
        np.testing.assert_allclose(signs.loss, run.loss[..., -1] / math.log(4), rtol=1e-4)
        np.testing.assert_allclose(signs.start, run.loss[..., 0] / math.log(4), rtol=1e-12)

    def test_takes_the_best_optimizer(self) -> None:
        rates = tuple(map(GradientDescent, (1e-6, 0.1, 1e6)))
        plan = Deep(tanh, lecun, depth=4, updates=6, optimizers=rates)
        assert signs_of(plan, FEW).optimizer == rates[1]
        alone = signs_of(replace(plan, optimizers=rates[1:2]), FEW)
        np.testing.assert_array_equal(signs_of(plan, FEW).loss, alone.loss)

    def test_adds_up_a_truncated_gradient_as_a_slice_of_the_network_does(self) -> None:
        plan = Unrolled(tanh, orthogonal, steps=6, window=2, updates=1, norm=True)
        plan = replace(plan, optimizers=(GradientDescent(0.5),))
        case = plan.case(np.random.default_rng(0), FEW.seeds)
        trace = truncated(case.layers, case.x, case.target, softmax_cross_entropy, window=2)
        full = backprop(case.layers, case.x, case.target, softmax_cross_entropy)
        grads = treatment._gradient(full, plan, case)
        for grad, parameter in zip(grads, trace.parameters, strict=True):
            np.testing.assert_allclose(grad, parameter.grad, rtol=1e-12, atol=1e-15)

    def test_a_run_that_is_lost_has_lost_everything(self) -> None:
        signs = signs_of(patients.HASTY.plan)
        assert not np.isfinite(signs.loss).any()
        assert signs.learned == -1


class TestOtherSigns:
    def test_the_frozen_share_is_that_of_the_format(self) -> None:
        optimizer = InFormat(0.004, Plain(bfloat16))
        w, g = np.random.default_rng(0).standard_normal((2, 500))
        stored = round_to(bfloat16, w[None])
        steps = 0.004 * round_to(bfloat16, g[None])
        share = treatment._frozen(optimizer, [stored], [g[None]]).item()
        assert share == frozen_fraction(bfloat16, stored, round_to(bfloat16, steps))
        assert 0.1 < share < 0.9

    def test_it_is_counted_in_the_format_of_the_training(self) -> None:
        plan = replace(untrained(patients.SMALL.plan), optimizers=(GradientDescent(3.0),))
        case = plan.case(np.random.default_rng(0), FEW.seeds)
        parameters = backprop(case.layers, case.x, case.target, softmax_cross_entropy).parameters
        stay = meant = np.zeros(FEW.seeds)
        for p in parameters:
            axes = tuple(range(1, p.grad.ndim))
            w, step = p.value.astype(np.float32), np.float32(3) * p.grad.astype(np.float32)
            stay = stay + ((w - step == w) & (p.grad != 0)).sum(axis=axes)
            meant = meant + (p.grad != 0).sum(axis=axes)
        found = signs_of(plan, FEW).frozen
        # Gradients that are computed in float32 underflow elsewhere than those that are rounded.
        np.testing.assert_allclose(found, stay / meant, atol=0.01)
        assert found.min() > symptoms.FROZEN

    def test_steps_in_time_are_trained_and_counted_in_float64(self) -> None:
        plan = replace(untrained(patients.FORGETFUL.plan), steps=3)
        weights, _ = treatment._first_update(plan.case(np.random.default_rng(0), 1), plan)
        assert {w.dtype for w in weights} == {np.dtype(np.float64)}
        assert (signs_of(plan, FEW).frozen == 0).all()

    def test_a_weight_without_a_gradient_is_not_frozen(self) -> None:
        optimizer, w = InFormat(0.004, Plain(bfloat16)), np.ones((1, 4))
        for grad, share in ([1.0, 1.0, 1e-9, 0.0], 1 / 3), ([0.0] * 4, 0.0):
            found = treatment._frozen(optimizer, [w], [np.array([grad])])
            assert found.item() == pytest.approx(share)

    def test_units_far_below_zero_are_dead_and_those_far_above_are_not(self) -> None:
        plan = Deep(relu, he, depth=2, width=400, bias=-40.0, updates=1)
        assert (signs_of(plan, FEW).dead == 1).all()
        assert (signs_of(replace(plan, bias=40.0), FEW).dead == 0).all()

    def test_prices_are_those_of_the_formulas(self) -> None:
        n, m, k = 24, DIMENSION, CLASSES
        deep = signs_of(Deep(relu, lecun, depth=6, updates=1), FEW).price
        assert deep.multiply_adds == m * n + 4 * n * n + n * k
        assert deep.parameters == deep.multiply_adds + 5 * n + k
        step = replace(patients.FORGETFUL.plan, steps=7, updates=1)
        lstm = remedies.lstm.treated(step)
        assert lstm is not None
        before, after = signs_of(step, FEW).price, signs_of(lstm, FEW).price
        readout = 16 * k
        assert (after.multiply_adds - readout) / (before.multiply_adds - readout) == 4
        adam = Deep(relu, lecun, depth=4, updates=1, optimizers=(Adam(0.01),))
        assert signs_of(adam, FEW).price.kept == 2

    def test_a_loss_scale_that_is_a_power_of_two_changes_no_bit(self) -> None:
        outcome = treat(patients.ROUNDED, remedies.loss_scaling)
        assert outcome.after is not None
        np.testing.assert_array_equal(outcome.after.loss, outcome.before.loss)

    def test_it_rescues_a_gradient_that_underflows(self) -> None:
        w, tiny = [np.ones(1)], [np.array([1e-8])]
        for scale, moved in ((1.0, 0.0), (2.0**10, 1e-8)):
            optimizer = InFormat(1.0, Plain(float16), scale)
            (rounded,), _ = optimizer.direction(tiny, optimizer.start(w))
            assert rounded.item() == pytest.approx(moved, rel=0.01)
            assert optimizer.step(w, tiny, optimizer.start(w))[1].steps == 1

    def test_a_run_that_is_lost_in_a_format_stops_no_other(self) -> None:
        for store in (Plain(bfloat16), Master(bfloat16), Kahan(bfloat16)):
            optimizer = InFormat(3.0, store)
            w = [np.array([1.0, 1.0, 1.0, 1.0])]
            state = optimizer.start(w)
            grads = [np.array([np.nan, np.inf, 3e38, 1.0])]
            for _ in range(3):
                w, state = optimizer.step(w, grads, state)
            assert w[0].tolist() == [1.0, 1.0, 1.0, -8.0]


class TestRemedies:
    @pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
    def test_each_applies_to_some_patient_and_changes_little_else(self, remedy: Remedy) -> None:
        plans = [(p.plan, remedy.treated(p.plan)) for p in PATIENTS]
        changed = [
            {f.name for f in fields(old) if getattr(old, f.name) != getattr(new, f.name)}
            for old, new in plans
            if new is not None
        ]
        assert changed
        task = {"depth", "width", "steps", "noise", "updates"}
        assert all(names and not names & task for names in changed)

    def test_gates_take_both_halves_of_the_rule(self) -> None:
        for remedy, shut, keeps in (
            (remedies.lstm, 0.0, 1.0),
            (remedies.lstm_open, -5.0, 5.0),
            (remedies.gru_open, 0.0, 5.0),
        ):
            plan = remedy.treated(replace(patients.FORGETFUL.plan, steps=3, width=2))
            assert plan is not None
            layers = plan.case(np.random.default_rng(0), 1).layers
            for layer in layers[:3]:
                b = layer.parameters["b"]
                assert b is layers[0].parameters["b"]
                assert b[0, :4].tolist() == [shut, shut, keeps, keeps]
                assert not b[0, 4:].any()

    def test_one_that_changes_nothing_does_not_apply(self) -> None:
        assert remedies.suited_weights.treated(patients.HASTY.plan) is None
        assert remedies.adam.treated(patients.FORGETFUL.plan) is None
        assert remedies.lstm.treated(patients.SMALL.plan) is None
        assert remedies.loss_scaling.treated(patients.SMALL.plan) is None
        outcome = treat(patients.HASTY, remedies.suited_weights)
        assert (outcome.verdict, outcome.cured) == (RemedyVerdict.NONE, False)

    def test_names_are_unique(self) -> None:
        for records in (REMEDIES, PATIENTS):
            assert len({record.name for record in records}) == len(records)

    def test_what_the_page_concludes_is_measured(self) -> None:
        helps = {
            (patients.SMALL, remedies.scaled_path),
            (patients.SMALL, remedies.path),
            (patients.LARGE, remedies.pre_norm),
            (patients.DEAD, remedies.suited_weights),
            (patients.FORGETFUL, remedies.lstm_open),
            (patients.UNSTABLE, remedies.lstm_open),
            (patients.ROUNDED, remedies.swept_rate),
            (patients.HASTY, remedies.swept_rate),
        }
        useless = {
            (patients.SMALL, remedies.clipping),
            (patients.SMALL, remedies.adam),
            (patients.ROUNDED, remedies.loss_scaling),
        }
        drawn = {
            (patients.FORGETFUL, remedies.lstm),
            (patients.UNSTABLE, remedies.orthogonal_steps),
        }
        for pairs, verdict in (
            (helps, RemedyVerdict.HELPS),
            (useless, RemedyVerdict.NOT),
            (drawn, RemedyVerdict.DEPENDS),
        ):
            for pair in pairs:
                assert draws.agreed(*pair) is verdict, pair

    def test_both_ways_to_store_weights_unfreeze_them(self) -> None:
        before = signs_of(patients.ROUNDED.plan)
        for remedy in (remedies.master_weights, remedies.kahan):
            plan = remedy.apply(patients.ROUNDED.plan)
            assert plan is not None
            after = signs_of(plan)
            assert after.optimizer != before.optimizer
            assert not after.has(Symptom.FROZEN)
            assert after.learned > before.learned + treatment.NOTICED

    @pytest.mark.parametrize("patient", [patients.ROUNDED, patients.HASTY])
    def test_a_patient_with_one_rate_is_given_all_with_every_remedy(self, patient: Patient) -> None:
        assert len(patient.plan.optimizers) == 1
        plans = [remedy.treated(patient.plan) for remedy in REMEDIES if remedy != remedies.adam]
        rates = [
            [innermost(optimizer).lr for optimizer in plan.optimizers] for plan in plans if plan
        ]
        assert len(rates) > 5
        assert all(swept == list(RATES) for swept in rates)
        swept = treat(patient, remedies.swept_rate)
        assert swept.before is signs_of(patient.plan)
        assert treat(patient, remedies.path).before is swept.after


class TestVerdicts:
    @pytest.mark.parametrize(
        ("before", "after", "verdict"),
        [
            (0.0, 0.5, RemedyVerdict.HELPS),
            (0.0, 0.49, RemedyVerdict.LITTLE),
            (-1.0, 0.0, RemedyVerdict.LITTLE),
            (0.0, 0.1, RemedyVerdict.LITTLE),
            (0.0, 0.09, RemedyVerdict.NOT),
            (0.95, 1.0, RemedyVerdict.NOT),
            (0.0, -0.09, RemedyVerdict.NOT),
            (0.0, -0.1, RemedyVerdict.WORSE),
            (1.0, 0.8, RemedyVerdict.WORSE),
            (-1.0, -1.0, RemedyVerdict.NOT),
        ],
    )
    def test_follow_the_thresholds(
        self, before: float, after: float, verdict: RemedyVerdict
    ) -> None:
        assert verdict_on(before, after) is verdict

    def test_are_sorted_from_what_learns_most(self) -> None:
        for patient in PATIENTS:
            outcomes = try_remedies(patient)
            learned = [o.after.learned for o in outcomes if o.after is not None]
            assert len(learned) == len(outcomes)
            assert learned == sorted(learned, reverse=True)

    def test_of_one_table_are_those_of_the_other(self) -> None:
        marks = {row[0]: row[1:] for row in remedy_tables.decision_table().rows}
        assert set(marks) == {remedy.name for remedy in REMEDIES}
        for column, patient in enumerate(PATIENTS):
            rows = {row[0]: row[1] for row in remedy_tables.outcome_table(patient).rows}
            for name, row in marks.items():
                verdict = RemedyVerdict(rows.get(name, RemedyVerdict.NONE.value))
                assert row[column] == remedy_tables.MARKS[verdict]


def test_a_share_of_frozen_weights_says_at_which_rate_it_was_counted() -> None:
    rows = {str(row[1]): str(row[3]) for row in remedy_tables.patient_table().rows}
    for patient in PATIENTS:
        signs = signs_of(patient.plan)
        rate = f"η = {innermost(signs.optimizer).lr:g}"
        assert rows[patient.name].endswith(rate) is signs.has(Symptom.FROZEN)


def test_the_page_shows_every_patient_and_explains_every_remedy() -> None:
    names = ("what-do-i-try.md", "what-do-i-try-deeper.md")
    page = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in names)
    for name, value in vars(patients).items():
        if isinstance(value, Patient):
            assert f"outcome_table(patients.{name})" in page
    for remedy in REMEDIES:
        assert remedy.name.split(",")[0] in page, remedy.name
        assert remedy.chapter in page
        assert (ROOT / "docs" / remedy.chapter).exists()


class TestErrors:
    def test_treat_wants_a_patient_and_a_remedy(self) -> None:
        with pytest.raises(TypeError, match="patient must be a Patient, got 'me'"):
            treat("me", remedies.adam)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="remedy must be a Remedy, got 'rest'"):
            treat(patients.DEAD, "rest")  # type: ignore[arg-type]

    def test_a_remedy_wants_a_plan(self) -> None:
        with pytest.raises(TypeError, match="plan must be a Deep or an Unrolled plan, got 3"):
            remedies.adam.treated(3)  # type: ignore[arg-type]

    @pytest.mark.parametrize("share", [-1.1, 1.1, math.nan])
    def test_judge_wants_shares(self, share: float) -> None:
        with pytest.raises(ValueError, match="before must lie between -1 and 1"):
            verdict_on(share, 0.0)
        with pytest.raises(ValueError, match="after must lie between -1 and 1"):
            verdict_on(0.0, share)

    def test_a_radius_wants_a_square(self) -> None:
        with pytest.raises(ValueError, match="fan_out must be fan_in = 3, got 4"):
            with_spectral_radius(0.8).draw(np.random.default_rng(0), 3, 4)

    @pytest.mark.parametrize(("depth", "message"), [(7, "depth must be even, got 7"), (0, "depth")])
    def test_a_deep_plan_is_made_of_blocks_of_two(self, depth: int, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Deep(relu, he, depth=depth)

    def test_a_rate_and_a_scale_must_be_positive(self) -> None:
        with pytest.raises(ValueError, match="lr must be"):
            InFormat(0.0, Plain(bfloat16))
        with pytest.raises(ValueError, match="scale must be"):
            InFormat(1.0, Plain(bfloat16), 0.0)


def test_a_clip_around_a_format_keeps_the_format() -> None:
    plan = remedies.clipping.treated(patients.ROUNDED.plan)
    assert plan is not None
    for optimizer in plan.optimizers:
        assert isinstance(optimizer, Clipping)
        assert treatment._rounds(optimizer)
    assert plan.activation is tanh
    assert patients.UNSTABLE.plan.activation is identity
