"""The diagnosis is right on networks it was not fitted on, and knows what it cannot see."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from gradbook import diagnose
from gradbook.activations import elu, identity, relu, tanh
from gradbook.backpropagation import backprop
from gradbook.book.diagnose import suite
from gradbook.book.diagnose.planted import PlantedCase, cases
from gradbook.book.diagnose.subjects import FITTED, HELD_OUT, RECIPES, Size
from gradbook.book.diagnose.suite import (
    BARE,
    DELTAS,
    FIT,
    GIVEN,
    GRADIENTS,
    OUTPUTS,
    TEST,
    WEIGHTS,
    Matrix,
    see,
)
from gradbook.book.symptoms import DECADES, HEALTHY_DECADES
from gradbook.datasets import gaussian_classes
from gradbook.diagnosis import as_tensor, hand_over, measure
from gradbook.diagnosis.findings import LIMITS, Limits, decide
from gradbook.diagnosis.measuring.evidence import Evidence, Facts
from gradbook.diagnosis.measuring.gathering import gather
from gradbook.diagnosis.measuring.names import Kind
from gradbook.diagnosis.measuring.rates import rate, student_quantile
from gradbook.diagnosis.measuring.sizes import silent_share, zero_lines
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.verdicts import Verdict
from gradbook.initializers import lecun, scaled
from gradbook.losses import softmax_cross_entropy
from gradbook.networks import plain

RECIPE = {recipe.name: recipe for recipe in RECIPES}


def one(name: str, depth: int, width: int, activation: object = relu, **size: int) -> PlantedCase:
    """Draw one network of a recipe."""
    rng = np.random.default_rng(size.pop("seed", 0))
    (found,) = cases(rng, RECIPE[name], Size(depth, width, activation, 1, **size))  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="module")
def held_out() -> suite.Seen:
    return see(TEST, *GIVEN)


def test_the_shipped_thresholds_are_the_fitted_ones() -> None:
    fitted = suite.fit()
    for field in fields(Limits):
        # They are shipped with two decimals; matrix products differ by less between machines.
        shipped = getattr(LIMITS, field.name)
        assert getattr(fitted, field.name) == pytest.approx(shipped, abs=0.02), field.name


def test_with_deltas_it_is_right_on_held_out_networks(held_out: suite.Seen) -> None:
    matrix = Matrix.of(held_out.judged[DELTAS])
    assert matrix.right_on_faults >= 0.95, matrix.table("held out")
    assert matrix.false_alarms <= 0.02
    assert matrix.cannot_tell <= 0.05


@pytest.mark.parametrize("given", [OUTPUTS, WEIGHTS, GRADIENTS, BARE], ids=lambda g: g.name)
def test_without_deltas_it_says_less_but_nothing_wrong(
    held_out: suite.Seen, given: suite.Given
) -> None:
    matrix = Matrix.of(held_out.judged[given])
    assert matrix.false_alarms <= 0.02
    assert matrix.wrong <= 0.01, matrix.table("held out")
    assert matrix.cannot_tell > 0.25  # what it does not know it does not say
    assert matrix.right_on_faults > (0.2 if given is BARE else 0.5)


def test_other_thresholds_would_fail_the_same_networks(held_out: suite.Seen) -> None:
    judged = held_out.judged[DELTAS]
    assert Matrix.of(judged, replace(LIMITS, deltas=0.3)).false_alarms > 0.1
    assert Matrix.of(judged, replace(LIMITS, deltas=4.0)).right_on_faults < 0.95
    assert Matrix.of(judged, replace(LIMITS, frozen=1.1)).right_on_faults < 0.95


def test_the_halves_share_no_width_depth_activation_or_seed() -> None:
    assert FIT.seed != TEST.seed
    assert not set(FIT.widths) & set(TEST.widths)
    assert not set(FIT.depths) & set(TEST.depths)
    for field in fields(FITTED):
        assert not set(getattr(FITTED, field.name)) & set(getattr(HELD_OUT, field.name))


def test_every_truth_is_there_often_enough_and_few_networks_have_none(
    held_out: suite.Seen,
) -> None:
    truths = [case.truth for case in held_out.judged[DELTAS]]
    for truth in suite.TRUTHS:
        assert truths.count(truth) >= 10, truth
    assert held_out.left_out < 0.3 * (len(truths) + held_out.left_out)


def test_truth_is_the_fault_only_where_its_number_bears_it_out() -> None:
    # A factor of 1/sqrt(2) per layer, by the chapter on vanishing: 2 decades take 13 layers.
    shallow, deep = (one("variance 1/n, one-sided", depth, 64) for depth in (6, 30))
    assert shallow.truth is None
    assert deep.truth is Verdict.VANISHING
    for case in (shallow, deep):
        layers = len(case.deltas) - 1  # without the output
        assert case.decades == pytest.approx(-0.5 * math.log10(2) * (layers - 1), rel=0.3)
    assert HEALTHY_DECADES < LIMITS.deltas < DECADES


def test_a_matrix_counts_shares_of_what_they_are_shares_of() -> None:
    v = Verdict
    said = {(v.DEAD, v.DEAD): 3, (v.DEAD, v.CANNOT_TELL): 1, (v.HEALTHY, v.FROZEN): 2}
    matrix = Matrix({**said, (v.HEALTHY, v.HEALTHY): 6})
    assert matrix.total == 12
    assert matrix.right_on_faults == pytest.approx(3 / 4)
    assert matrix.false_alarms == pytest.approx(2 / 8)
    assert matrix.cannot_tell == pytest.approx(1 / 12)
    assert matrix.wrong == pytest.approx(2 / 12)
    assert "dead units           0           3" in str(matrix.table("counts"))


def test_a_threshold_needs_faulty_values_beyond_the_healthy_ones() -> None:
    with pytest.raises(ValueError, match="faulty must reach beyond 2"):
        suite.between([1.0], [1.5], least=2.0)


def test_the_suite_prints_thresholds_and_matrices(capsys: pytest.CaptureFixture[str]) -> None:
    assert suite.main(["--fit"]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(printed["deltas"]) == pytest.approx(LIMITS.deltas, abs=0.02)
    halves = [replace(FIT, depths=(6,), widths=(16,)), replace(TEST, depths=(8,), widths=(24,))]
    suite.show(halves)
    assert "held out, gradients of weights alone" in capsys.readouterr().out


# What it cannot see.


def test_weight_gradients_are_flat_while_delta_vanishes_and_it_asks_for_delta() -> None:
    case = one("variance 0.4/n", 20, 48)
    bare = {name: g for name, g in case.gradients.items() if name.endswith("weight")}
    # Result 8: <W, dL/dW> is the same in all layers of a ReLU network without biases.
    sizes = [float(np.sqrt(np.square(g).mean())) for g in bare.values()]
    assert abs(math.log10(sizes[0] / sizes[-2])) < 1
    assert case.decades < -4
    report = diagnose(bare)
    assert report.verdict is Verdict.CANNOT_TELL
    assert "δ" in report.reason
    assert diagnose(bare, deltas=case.deltas).verdict is Verdict.VANISHING


def test_the_scale_of_the_weights_decides_what_flat_gradients_leave_open() -> None:
    small, large = one("variance 0.4/n", 20, 48), one("variance 6/n", 20, 48)
    for case, verdict in ((small, Verdict.VANISHING), (large, Verdict.EXPLODING)):
        bare = {name: g for name, g in case.gradients.items() if name.endswith("weight")}
        assert diagnose(bare).verdict is Verdict.CANNOT_TELL
        assert diagnose(bare, weights=case.weights).verdict is verdict


def test_small_weights_beside_a_path_raise_no_alarm() -> None:
    case = one("blocks of tiny weights", 20, 48)
    assert case.truth is Verdict.HEALTHY
    assert diagnose(case.gradients, weights=case.weights).verdict is Verdict.CANNOT_TELL
    found = diagnose(case.gradients, weights=case.weights, deltas=case.deltas)
    assert found.verdict is Verdict.HEALTHY


def test_shifts_within_blocks_do_not_speak_for_what_passes_beside_them() -> None:
    well, sick = (
        one("shifts, large inputs", 12, 48, tanh),
        one("shifts, small inputs", 12, 48, tanh),
    )
    assert (well.truth, sick.truth) == (Verdict.HEALTHY, Verdict.EXPLODING)
    for case in (well, sick):
        found = diagnose(case.gradients, weights=case.weights)
        assert found.verdict is Verdict.CANNOT_TELL
        assert "paths" in found.reason
        assert diagnose(case.gradients, deltas=case.deltas).verdict is case.truth


def test_branches_that_begin_with_0_are_neither_dead_nor_frozen() -> None:
    for name in ("blocks that begin with 0", "shifts, branches that begin with 0"):
        case = one(name, 12, 32, tanh)
        assert case.truth is Verdict.HEALTHY
        assert sum(not g.any() for g in case.gradients.values()) >= len(case.gradients) / 4
        for known in ({}, {"weights": case.weights, "lr": 0.01}):
            assert diagnose(case.gradients, **known).verdict is Verdict.CANNOT_TELL
            found = diagnose(case.gradients, **known, deltas=case.deltas)
            assert found.verdict is Verdict.HEALTHY, found.reason


def test_a_learning_rate_alone_does_not_turn_vanishing_into_frozen() -> None:
    case = one("variance 1/n, one-sided", 28, 16)
    assert case.truth is Verdict.VANISHING
    known = {"weights": case.weights, "lr": 1e-6}
    found = diagnose(case.gradients, **known)
    assert found.verdict is not Verdict.FROZEN
    assert diagnose(case.gradients, **known, deltas=case.deltas).verdict is Verdict.VANISHING


def test_a_balanced_batch_cancels_in_bias_gradients_and_hides_that_delta_vanishes() -> None:
    decades = {}
    for classes in (4, 5):  # of 32 examples: the same number of each class, or not
        task = gaussian_classes(
            np.random.default_rng(0), classes=classes, dimension=16, examples=32
        )
        widths = [16, *[64] * 19, classes]
        layers = plain(np.random.default_rng(1), widths, elu, scaled(0.4))
        trace = backprop(layers, task.x, task.target, softmax_cross_entropy)
        sizes = [np.sqrt(np.square(g["b"]).mean()) for g in trace.gradients[:-1]]
        decades[classes] = math.log10(sizes[0] / sizes[-1])
        deltas = [np.sqrt(np.square(d).mean()) for d in trace.delta[:-1] if d is not None]
        assert math.log10(deltas[0] / deltas[-1]) < -3
    assert abs(decades[4]) < 1
    assert decades[5] < -3


def test_recurrent_gradients_say_nothing_about_time_and_it_asks_for_the_inputs() -> None:
    sick = one("steps of 0.8", 10, 32, tanh)
    report = diagnose(sick.gradients)
    assert report.verdict is Verdict.CANNOT_TELL
    assert "x.requires_grad_()" in report.reason
    assert {step.page for step in report.steps} == {"chapters/time-and-gates.md"}
    norms = [float(np.linalg.norm(delta)) for delta in sick.deltas.values()]
    assert diagnose(sick.gradients, deltas=norms).verdict is Verdict.VANISHING
    well = one("orthogonal steps", 10, 32, identity)
    assert diagnose(well.gradients, deltas=well.deltas).verdict is Verdict.HEALTHY
    assert diagnose(well.gradients).verdict is Verdict.CANNOT_TELL


def test_gradients_too_small_for_their_format_are_not_taken_for_dead_units() -> None:
    rng = np.random.default_rng(0)
    fall = {f"{layer}.W": 1e-8 ** (12 - layer) * rng.normal(size=(8, 8)) for layer in range(12)}
    stored = {name: g.astype(np.float32) for name, g in fall.items()}
    assert sum(not g.any() for g in stored.values()) >= 6
    assert diagnose(stored).verdict is Verdict.VANISHING


def test_dead_units_are_told_from_gradients_activations_and_lines_of_a_matrix() -> None:
    case = one("biases of -3", 10, 32, seed=1)
    assert case.truth is Verdict.DEAD
    assert diagnose(case.gradients).verdict is Verdict.DEAD
    silent = one("biases of -3", 10, 32, classes=4)  # balanced: not even the output's bias moves
    assert not any(g.any() for g in silent.gradients.values())
    assert diagnose(silent.gradients).verdict is Verdict.CANNOT_TELL
    for known in ({"activations": silent.activations}, {"deltas": silent.deltas}):
        assert diagnose(silent.gradients, **known).verdict is Verdict.DEAD
    bare = np.ones((6, 8))
    bare[:, :6] = 0
    grads = {f"{layer}.W": bare for layer in range(5)} | {"out.W": np.ones((8, 2))}
    assert diagnose({n: g.copy() for n, g in grads.items()}).verdict is not Verdict.DEAD
    bare[:5] = 0
    assert diagnose({n: g.copy() for n, g in grads.items()}).verdict is Verdict.DEAD


def test_half_of_the_units_silent_is_healthy_in_a_deep_relu_network() -> None:
    case = one("weights of variance 2/n", 40, 64)
    off = [float((a == 0).all(axis=0).mean()) for a in case.activations]
    assert max(off) > 0.4
    found = diagnose(case.gradients, activations=case.activations, deltas=case.deltas)
    assert found.verdict is Verdict.HEALTHY


def test_activations_stand_in_for_delta() -> None:
    sick, well = one("variance 0.4/n", 20, 48, elu), one("weights of variance 2/n", 8, 48, elu)
    assert diagnose(sick.gradients, activations=sick.activations).verdict is Verdict.VANISHING
    assert diagnose(well.gradients, activations=well.activations).verdict is Verdict.HEALTHY


def test_a_bias_in_front_of_a_normalization_does_not_make_its_unit_dead() -> None:
    case = one("layer normalization", 8, 32)
    with_biases: dict[str, object] = {}
    for name, g in case.gradients.items():
        with_biases[name] = g
        if g.ndim == 2 and name != "layers.22.weight":
            with_biases[name.replace("weight", "bias")] = np.zeros(32, np.float32)
    assert len(with_biases) == len(case.gradients) + 7
    assert diagnose(with_biases).verdict is Verdict.HEALTHY


# Verdicts, from evidence alone.

FALL = Profile("δ", ("1", "2", "3"), (1e-4, 1e-2, 1.0))
NONE = Profile("δ", ("1", "2", "3"), (0.0, 0.0, 0.0))
SLOPE = Profile("shifts", ("1", "2", "3"), (0.06, 0.2, 1.0))
FLAT = Profile("δ", ("1", "2", "3"), (1.0, 1.0, 1.0))
RISE = Profile("δ", ("1", "2", "3"), (1e4, 1e2, 1.0))


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (Evidence(nonfinite=("a", "b"), silent=1.0, deltas=FALL, frozen=1.0), Verdict.NON_FINITE),
        (Evidence(reached=False), Verdict.CANNOT_TELL),
        (Evidence(reached=False, off=1.0), Verdict.DEAD),
        (Evidence(silent=1.0, deltas=FALL, frozen=1.0), Verdict.DEAD),
        (Evidence(reached=False, deltas=NONE, output=1.0), Verdict.DEAD),
        (Evidence(reached=False, deltas=NONE, output=1e-9), Verdict.CANNOT_TELL),
        (Evidence(silent=1.0, underflow=True, deltas=FALL), Verdict.VANISHING),
        (Evidence(deltas=FALL, frozen=1.0), Verdict.VANISHING),
        (Evidence(deltas=RISE, frozen=1.0), Verdict.EXPLODING),
        (Evidence(deltas=FLAT, frozen=1.0), Verdict.FROZEN),
        (Evidence(deltas=FLAT, frozen=0.1), Verdict.HEALTHY),
        (Evidence(deltas=FLAT, weights=FALL, biases=RISE), Verdict.HEALTHY),
        (Evidence(ratios=RISE, norms=FLAT), Verdict.EXPLODING),
        (Evidence(norms=FLAT), Verdict.HEALTHY),
        (Evidence(norms=FLAT, recurrent=True), Verdict.CANNOT_TELL),
        (Evidence(biases=FLAT, weights=FLAT), Verdict.CANNOT_TELL),
        (Evidence(biases=FLAT, weights=FLAT, pulls=0.0, gain=0.1), Verdict.HEALTHY),
        (Evidence(biases=FLAT, weights=FLAT, pulls=0.0), Verdict.CANNOT_TELL),
        # ReLU networks of variance 1/n: all examples become alike, and biases cancel
        (Evidence(biases=FLAT, pulls=0.0, gain=0.0, bends=3.9), Verdict.CANNOT_TELL),
        (Evidence(biases=FLAT, pulls=0.0, gain=0.0, bends=3.9, frozen=1.0), Verdict.CANNOT_TELL),
        (Evidence(biases=SLOPE, pulls=0.0, gain=0.0, bends=0.1), Verdict.CANNOT_TELL),
        (Evidence(pulls=0.3, gain=0.6, bends=0.6), Verdict.HEALTHY),
        (Evidence(pulls=0.3, gain=0.6, bends=0.6, frozen=0.9), Verdict.FROZEN),
        (Evidence(pulls=0.3, gain=0.6, bends=0.6, blocks=True), Verdict.CANNOT_TELL),
        (Evidence(pulls=0.0, gain=0.6, bends=0.6, blocks=True), Verdict.HEALTHY),
        (Evidence(pulls=0.3, gain=1.8, bends=1.8), Verdict.CANNOT_TELL),
        (Evidence(norms=SLOPE, frozen=1.0), Verdict.CANNOT_TELL),
        (Evidence(deltas=SLOPE, frozen=1.0), Verdict.FROZEN),
        (Evidence(ratios=RISE, recurrent=True), Verdict.CANNOT_TELL),
        (Evidence(biases=Profile("b", ("1", "2"), (0.03, 1.0))), Verdict.VANISHING),
        (Evidence(biases=Profile("b", ("1", "2"), (0.03, 1.0)), blocks=True), Verdict.CANNOT_TELL),
        (Evidence(biases=FLAT, weights=FALL), Verdict.VANISHING),
        (Evidence(weights=FLAT, pulls=0.1, gain=-2.0), Verdict.VANISHING),
        (Evidence(weights=FLAT, pulls=2.0, gain=-2.0), Verdict.CANNOT_TELL),
        (Evidence(weights=FLAT, pulls=0.1, gain=-2.0, normalized=True), Verdict.CANNOT_TELL),
        (Evidence(weights=FLAT, pulls=0.0, gain=3.0, bends=1.0), Verdict.EXPLODING),
        (Evidence(weights=FLAT, pulls=0.1, gain=3.0, bends=1.0), Verdict.CANNOT_TELL),
        (Evidence(frozen=1.0), Verdict.CANNOT_TELL),
        (Evidence(frozen=1.0, recurrent=True), Verdict.CANNOT_TELL),
        (Evidence(frozen=1.0, recurrent=True, deltas=FLAT), Verdict.FROZEN),
        (Evidence(), Verdict.CANNOT_TELL),
    ],
)
def test_what_hides_other_things_comes_first(evidence: Evidence, verdict: Verdict) -> None:
    found = decide(evidence)
    assert found.verdict is verdict, found.reason
    assert found.reason.endswith(".")
    if verdict is Verdict.CANNOT_TELL and evidence.reached:
        assert "gradbook.watch(net)" in found.reason or evidence.recurrent
        assert evidence.frozen is None or f"{evidence.frozen:.0%}" in found.reason


def test_a_delta_that_ends_in_zero_vanishes_and_one_without_any_size_tells_nothing() -> None:
    gone = Profile("δ", ("1", "2", "3"), (0.0, 1e-30, 1.0))
    assert gone.decades == -math.inf
    assert "without end" in decide(Evidence(deltas=gone)).reason
    assert Profile("δ", ("1", "2"), (1.0, 0.0)).decades == math.inf
    nothing = Profile("δ", ("1", "2", "3"), (0.0, 0.0, 0.0))
    assert decide(Evidence(deltas=nothing)).verdict is Verdict.CANNOT_TELL


def test_layers_are_compared_with_their_own_kind_and_too_few_are_no_profile() -> None:
    grads = {f"{i}.weight": np.full((4, 4), 10.0**-i) for i in range(6)}
    grads |= {"embed.weight": np.full((9, 4), 1e-9), "rest.norm.weight": np.full(4, 1e9)}
    other = [Facts("embed", Kind.EMBEDDING), Facts("norm", Kind.NORM)]
    evidence = gather(other, Evidence())
    assert evidence.weights is None
    report = diagnose(grads)
    assert report.verdict is Verdict.EXPLODING  # by the dense layers alone
    assert any("its own kind" in note for note in report.notes)
    few = diagnose({"1.W": np.ones((2, 2)), "2.W": np.full((2, 2), 1e-9)})
    assert few.verdict is Verdict.CANNOT_TELL
    assert "fewer than three" in few.reason


# Rates.


@pytest.mark.parametrize(
    # Student 1908 as printed in every table: two-sided 95 % points.
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042)],
)
def test_quantiles_are_the_printed_ones(freedom: int, quantile: float) -> None:
    assert student_quantile(freedom) == pytest.approx(quantile, abs=5e-4)


def test_quantiles_reach_the_normal_one_and_refuse_nonsense() -> None:
    assert student_quantile(5_000) == pytest.approx(1.95996, abs=1e-3)
    for freedom, confidence in ((0, 0.95), (3, 0.0), (3, 1.0)):
        with pytest.raises(ValueError, match="must"):
            student_quantile(freedom, confidence)


def test_the_interval_holds_the_true_rate_where_a_fitted_line_misses_it() -> None:
    seeds, depth = 150, 16
    task = gaussian_classes(np.random.default_rng(0), classes=5, dimension=16, examples=16)
    widths = [16, *[32] * (depth - 1), 5]
    layers = plain(np.random.default_rng(1), widths, relu, lecun, ensemble=(seeds,))
    trace = backprop(layers, task.x, task.target, softmax_cross_entropy)
    sizes = np.array([np.sqrt(np.square(d).mean(axis=(-2, -1))) for d in trace.dh[1:-1]])
    logs = np.log(sizes)
    true = float((logs[:-1] - logs[1:]).mean())
    found = [rate(column) for column in sizes.T]
    held = [
        f.low <= math.exp(true) <= f.high
        for f in found
        if f is not None and f.low is not None and f.high is not None
    ]
    # 150 intervals of 95 % each: fewer than 87 % or more than 99.5 % would be 4 deviations off.
    assert len(held) == seeds
    assert 0.87 <= np.mean(held) < 0.995
    x = np.arange(len(logs)) - (len(logs) - 1) / 2
    slopes = x @ logs / (x @ x)
    residues = logs - logs.mean(axis=0) - np.outer(x, slopes)
    errors = np.sqrt(np.square(residues).sum(axis=0) / (len(x) - 2) / (x @ x))
    line = np.abs(-slopes - true) <= student_quantile(len(x) - 2) * errors
    assert line.mean() < 0.6


def test_a_rate_leaves_out_what_has_no_logarithm() -> None:
    found = rate([0.0, 0.01, 0.1, 1.0])
    assert found is not None
    assert (found.steps, found.factor) == (2, pytest.approx(0.1))
    assert found.low == pytest.approx(found.high)
    assert rate([1.0, math.nan]) is None
    single = rate([0.5, 1.0])
    assert single is not None
    assert (single.low, single.high) == (None, None)
    wild = rate([1e300, 1e-300, 1e300])
    assert wild is not None
    assert wild.high is not None
    assert math.isfinite(wild.high)


def test_silence_needs_weights_that_tell() -> None:
    g = np.zeros((4, 3, 5))
    g[0] = 1
    (found,) = measure(hand_over({"conv.weight": g}))
    tensor = as_tensor("conv.weight", g)
    assert silent_share(tensor, found, None) is None  # 3/4 zeros, but no matrix and no bias
    assert zero_lines(as_tensor("w", np.eye(300))) == 0  # type: ignore[arg-type]


def test_one_hidden_layer_is_not_compared_with_itself() -> None:
    for deltas in ({"fc1": 1e-9, "fc2": 1.0}, [1.0, 1.0]):
        grads = {f"fc{i}.weight": np.full((3, 3), 0.5) for i in (1, 2)}
        report = diagnose(grads, deltas=deltas)
        alone = isinstance(deltas, dict)
        assert report.verdict is (Verdict.CANNOT_TELL if alone else Verdict.HEALTHY)
        assert ("one hidden layer alone" in report.reason) == alone


def test_a_branch_may_get_any_share_of_the_gradient() -> None:
    """The names count blocks: without δ neither weights nor biases name a fault."""
    for part in ("weight", "bias"):
        grads = {f"blocks.{i}.fc.weight": np.full((3, 3), 1.0) for i in range(8)}
        grads |= {f"blocks.{i}.fc.bias": np.full(3, 1.0) for i in range(8)}
        grads |= {name: g * 10.0 ** int(name[7]) for name, g in grads.items() if part in name}
        grads["head.weight"] = np.full((3, 3), 1.0)
        assert diagnose(grads).verdict is Verdict.CANNOT_TELL
        chain = {name.replace(".fc", ""): g for name, g in grads.items()}
        assert diagnose(chain).verdict is Verdict.VANISHING
