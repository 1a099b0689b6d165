"""Weights that get exactly 0, that are not the network's, or that no step is taken with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from gradbook.diagnosis import Verdict, diagnose
from gradbook.diagnosis.findings import Known, Parameter, decide, findings_of
from gradbook.diagnosis.findings.about import notes_of
from gradbook.diagnosis.findings.missing import copies
from gradbook.diagnosis.findings.zeros import CLEAR, LEFT, stuck
from gradbook.diagnosis.measuring.evidence import Evidence
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.reporting.advice import next_steps
from gradbook.diagnosis.watching import Record

V = Verdict


def known(sizes: Sequence[float], norms: Sequence[float | None], **of: object) -> Known:
    """Return a chain of layers, each with one weight."""
    places = [
        Place(f"{i}", size, before=(f"{i - 1}",) if i else (), module=f"{i}", layer=True)
        for i, size in enumerate(sizes)
    ]
    places = [replace(p, **of) for p in places]  # type: ignore[arg-type]
    weights = tuple(Parameter(f"{i}.weight", norm=norm) for i, norm in enumerate(norms))
    owned = {f"{i}": (f"{i}.weight",) for i in range(len(sizes))}
    return Known(Record(tuple(places), owned=owned), weights)


def said(of: Known) -> list[Verdict]:
    return [found.verdict for found in findings_of(of)]


def test_weights_that_delta_comes_to_and_that_get_nothing_are_told() -> None:
    of = known([1.0, 1.0, 1.0], [0.0, 0.0, 1.0])
    first = findings_of(of)[0]
    assert first.verdict is V.CUT
    assert "2 of 3 trainable tensors get a gradient of exactly 0" in first.reason
    assert "δ comes to 0.weight, 1.weight" in first.reason
    assert "straight-through" in next_steps(first)[0].text
    assert said(known([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])) == [V.HEALTHY]


def test_what_has_a_slope_of_zero_is_told_with_its_place() -> None:
    first = findings_of(known([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]))[0]
    assert first.verdict is V.CUT
    assert "nothing of what comes to 2 gets to 1" in first.reason


@pytest.mark.parametrize(("half", "limit"), [(False, LEFT), (True, CLEAR)])
def test_what_the_number_format_loses_is_no_slope_of_zero(half: bool, limit: float) -> None:
    for size, verdict in ((2 * limit, V.CUT), (limit / 2, V.VANISHING)):
        of = known([0.0, size, 1.0], [0.0, size, 1.0], half=half)
        assert said(of)[0] is verdict


def test_weights_that_begin_with_zero_or_are_dead_have_names_of_their_own() -> None:
    of = known([0.0, 1.0], [0.0, 1.0])
    zero = of.parameters[0], replace(of.parameters[1], zero=True)
    assert said(replace(of, parameters=zero))[-1] is V.ZERO_START
    assert V.CUT not in said(replace(of, parameters=zero))
    off = known([0.0, 1.0], [0.0, 1.0], off=1.0, bend="Relu", rows=9)
    assert said(off)[0] is V.DEAD


def test_what_is_not_finite_is_not_exactly_zero() -> None:
    of = known([1.0, 1.0], [0.0, 1.0])
    lost = replace(of.parameters[0], finite=False), of.parameters[1]
    assert said(replace(of, parameters=lost)) == [V.NON_FINITE]


@pytest.mark.parametrize("others", [False, True])
def test_a_branch_that_gets_nothing_is_a_note_if_others_like_it_get_something(
    others: bool,
) -> None:
    places = (
        Place("a", 1.0, module="a", layer=True),
        Place("q.0", 0.0, before=("a",), module="q.0", layer=True),
        Place("q.1", float(others), before=("a",), module="q.1", layer=True),
        Place("b", 1.0, before=("a", "q.0", "q.1"), module="b", layer=True),
    )
    weights = tuple(Parameter(f"{p.name}.weight", norm=p.delta) for p in places)
    of = Known(Record(places, owned={p.name: (f"{p.name}.weight",) for p in places}), weights)
    first = findings_of(of)[0]
    assert first.verdict is (V.HEALTHY if others else V.CUT)
    note = "q.0.weight get a gradient of exactly 0 in this step."
    assert (note in list(notes_of(of))) is others
    assert others or "exactly nothing of what comes to b gets to q.0" in first.reason


def test_a_loss_of_which_nothing_gets_past_the_output() -> None:
    of = known([0.0, 0.0], [0.0, 0.0])
    end = Place("output", 1.0, before=("1",))
    shut = replace(of, record=replace(of.record, places=(*of.record.places, end)))
    first = findings_of(shut)[0]
    assert first.verdict is V.LOSS
    assert "exactly nothing of it gets to 1" in first.reason
    assert said(shut).count(V.CUT) == 0


def test_weights_that_are_not_the_network_s_are_told() -> None:
    of = known([1.0, 1.0], [1.0, 1.0])
    first = findings_of(replace(of, record=replace(of.record, strangers={1: (8, 4), 2: ()})))[0]
    assert first.verdict is V.CUT
    assert "2 in number, of shape 8×4, 1" in first.reason
    assert "ModuleList" in next_steps(first)[0].text


def twins(sample: tuple[float, ...], asks: bool) -> Known:
    """Return a network with another of the same form that gets no gradient."""
    names = "f.0", "f.1", "t.0", "t.1"
    places = tuple(
        Place(n, 1.0 if n[0] == "f" else None, module=n, asks=asks or n[0] == "f", layer=True)
        for n in names
    )
    weights = tuple(
        Parameter(
            f"{n}.weight",
            norm=1.0 if n[0] == "f" else None,
            sample=64 * (1.0, 2.0, -1.0) if n[0] == "f" else sample,
        )
        for n in names
    )
    return Known(Record(places, owned={n: (f"{n}.weight",) for n in names}), weights)


@pytest.mark.parametrize("asks", [True, False])
def test_an_older_copy_that_gets_nothing_is_a_network_of_targets(asks: bool) -> None:
    of = twins(64 * (1.1, 1.9, -1.0), asks=asks)
    assert copies(of) == {"t": "f"}
    assert said(of) == [V.HEALTHY]
    assert any("a network of targets" in note for note in notes_of(of))
    other = twins(64 * (-1.0, 1.0, 1.0), asks=asks)
    assert copies(other) == {}
    assert said(other)[0] is V.CUT


def test_weights_that_are_alike_by_chance_are_no_older_copy() -> None:
    for seed in range(300):
        drawn = np.random.default_rng(seed).standard_normal((2, 64))
        of = twins(tuple(drawn[0]), asks=False)
        scales = [
            replace(p, axes=1, sample=(1.0,) * 64, name=f"{p.layer}.scale") for p in of.parameters
        ]
        own = [replace(p, sample=tuple(drawn[p.name[0] == "f"])) for p in of.parameters]
        assert copies(replace(of, parameters=(*own, *scales))) == {}


def test_what_had_a_gradient_at_an_earlier_look_takes_turns_and_is_not_cut() -> None:
    of = known([1.0, 1.0], [1.0, 1.0])
    idle = tuple(Parameter(f"{name}.weight") for name in ("a", "b"))
    of = replace(of, parameters=(*of.parameters, *idle))
    first = findings_of(of)[0]
    assert (first.verdict, first.hint) == (V.CUT, "idle")
    assert "not used in this step, never called: a.weight, b.weight." in first.reason
    assert "2 of 4" in first.reason
    assert "1 of 4" in findings_of(replace(of, came={"a.weight": 1}))[0].reason
    assert said(replace(of, came={"a.weight": 1, "b.weight": 1})) == [V.HEALTHY]


def test_what_was_called_and_gets_nothing_is_told_apart_from_what_was_not_called() -> None:
    of = known([1.0, 1.0], [1.0, 1.0])
    more = (Parameter("idle.weight"), Parameter("ran.weight"))
    record = replace(of.record, called=frozenset({"ran"}))
    first = findings_of(replace(of, record=record, parameters=(*of.parameters, *more)))[0]
    assert "never called: idle.weight. Called, and nothing came back: ran.weight." in first.reason


def test_weights_that_read_what_is_cut_off_get_something_and_what_is_off_gives_nothing() -> None:
    rng = np.random.default_rng(0)
    for reads, verdict in ((1.0, V.CUT), (0.0, V.DEAD)):
        grads = {f"{k}.{n}": np.zeros((8, 8)[: 2 - (n == "b")]) for k in (1, 2) for n in ("W", "b")}
        grads |= {"3.W": reads * rng.standard_normal((8, 8)), "3.b": rng.standard_normal(8)}
        grads |= {"4.W": rng.standard_normal((8, 4)), "4.b": rng.standard_normal(4)}
        report = diagnose(grads)
        assert report.verdict is verdict
        assert report.since == ("2" if reads else None)


def test_a_rate_of_zero_is_told() -> None:
    of = known([1.0, 1.0], [1.0, 1.0])
    for rates, verdict in (
        ((0.0, 0.1), V.FROZEN),
        ((0.0, 0.0), V.HEALTHY),
        ((0.1, 0.1), V.HEALTHY),
    ):
        weights = tuple(replace(p, rate=r) for p, r in zip(of.parameters, rates, strict=True))
        first = findings_of(replace(of, parameters=weights))[0]
        assert first.verdict is verdict
        assert (first.hint == "rate") == (0.0 in rates)


def test_of_a_large_step_it_is_told_whether_it_is_decay() -> None:
    of = known([1.0, 1.0], [1.0, 1.0])
    for decay, hint in ((0.9, "decay"), (0.1, None)):
        weights = tuple(replace(p, ratio=1.2, decay=decay) for p in of.parameters)
        first = findings_of(replace(of, parameters=weights))[0]
        assert (first.verdict, first.hint) == (V.LARGE_STEP, hint)


def steps(sizes: Sequence[float | None]) -> Known:
    """Return a cell that is called once for each size."""
    places = tuple(
        Place(f"c {t}", size, before=(f"c {t - 1}",) if t else (), module="c", layer=True)
        for t, size in enumerate(sizes)
    )
    return Known(Record(places), (Parameter("c.weight", norm=1.0),))


def test_a_state_that_is_detached_at_each_step_is_told() -> None:
    first = findings_of(steps([None, None, None, None, 1.0]))[0]
    assert (first.verdict, first.hint) == (V.CUT, "steps")
    assert "called 5 times" in first.reason
    assert said(steps([None, 1.0])) == [V.HEALTHY]
    assert said(steps([None, None, None, 1.0, 1.0])) == [V.HEALTHY]


def test_what_falls_over_the_calls_of_a_cell_is_advised_as_time() -> None:
    of = steps([10.0 ** (t - 4) for t in range(5)])
    (found,) = findings_of(of)
    assert (found.verdict, found.hint) == (V.VANISHING, "time")
    normed = replace(of, record=replace(of.record, normalized=True))
    assert findings_of(normed)[0].hint is None


def test_one_output_that_gets_more_than_another_is_a_note_until_it_hides_it() -> None:
    def of(second: float, verdict: Verdict = V.HEALTHY) -> list[str]:
        names = {"h": 1.0, "a": 1.0, "b": second}
        places = tuple(
            Place(n, s, before=("h",) if n != "h" else (), module=n, layer=True, norm=s)
            for n, s in names.items()
        )
        return [note for note in notes_of(Known(Record(places)), verdict) if "terms" in note]

    assert of(0.1) == []
    assert "a gets more than b by a factor of 10^2.5" in of(3e-3)[0]
    assert of(1e-4) == []  # healthy says it
    assert "a gets more than b by a factor of 10^4.0" in of(1e-4, V.VANISHING)[0]
    assert of(0.0, V.VANISHING) == []  # one without advantages, as it may be in one batch


def test_numbers_at_the_end_of_float16_are_told() -> None:
    (found,) = findings_of(known([1e-7, 2e-7, 3e-7], [1.0] * 3, half=True, count=99))
    assert (found.verdict, found.hint) == (V.HEALTHY, "underflow")
    (found,) = findings_of(known([1e-7, 2e-7, 3e-7], [1.0] * 3, count=99))
    assert found.hint is None


def test_sizes_that_are_exactly_zero_at_once_are_no_gradient_that_vanishes() -> None:
    for sizes, verdict in {
        (0.0, 0.0, 1e-2, 1e-2): V.CUT,
        (1e-2, 1e-2, 0.0, 0.0): V.CUT,
        (0.0, 1e-30, 1e-15, 1.0): V.VANISHING,
    }.items():
        found = decide(Evidence(deltas=Profile("δ", ("1", "2", "3", "4"), sizes), reached=True))
        assert found.verdict is verdict
        assert (found.hint == "exactly") is (verdict is V.CUT)


def test_more_sizes_than_weights_are_those_of_steps() -> None:
    grads = {name: np.full((4, 4), 0.1) for name in ("W", "U", "V")}
    report = diagnose(grads, deltas=[0.3 ** (20 - t) for t in range(20)])
    assert report.verdict is V.VANISHING
    assert "orthogonal" in report.steps[0].text


def test_where_numbers_are_lost_their_sizes_say_nothing() -> None:
    of = known([math.inf, 1e-9, 1.0], [1.0, 1.0, 1.0])
    assert said(of) == [V.NON_FINITE]


def test_gradients_that_were_cleared_with_zeros_are_no_fault() -> None:
    of = known([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    assert said(of) == [V.HEALTHY]
    assert any("they were cleared" in note for note in notes_of(of))


def test_weights_that_nobody_means_to_train_are_a_note() -> None:
    of = known([1.0, None, 1.0], [1.0, None, 1.0])  # type: ignore[list-item]
    for held, verdict in ((True, V.CUT), (False, V.HEALTHY)):
        weights = [replace(p, stepped=held or p.norm is not None) for p in of.parameters]
        left = replace(of, parameters=tuple(weights))
        assert said(left)[0] is verdict
        assert any("not in the optimizer" in note for note in notes_of(left)) is not held


def test_weights_that_another_optimizer_holds_do_not_stay_as_they_are() -> None:
    of = known([1.0, None, 1.0], [1.0, None, 1.0])  # type: ignore[list-item]
    apart = [replace(p, stepped=p.norm is not None, moved=p.norm is None) for p in of.parameters]
    assert not any("in the optimizer" in n for n in notes_of(replace(of, parameters=tuple(apart))))


def test_a_loss_of_derivatives_that_are_all_zero() -> None:
    of = known([0.0, None], [0.0, None])  # type: ignore[list-item]
    assert said(of)[0] is V.LOSS


def test_an_expert_that_gets_nothing_does_not_make_the_loss_send_nothing() -> None:
    def of(second: float) -> Known:
        experts = [
            Place(f"e{i}", size, module=f"e{i}", layer=True, state=False)
            for i, size in enumerate((1e-2, second))
        ]
        end = Place("output", 1e-2, before=("e0", "e1"), state=False)
        weights = tuple(Parameter(f"e{i}.weight", norm=1.0) for i in range(2))
        return Known(Record((*experts, end)), weights)

    assert V.LOSS not in said(of(1e-2))
    assert V.LOSS not in said(of(1e-26))
    shut = of(1e-26)
    lost = tuple(replace(p, delta=1e-26) if p.layer else p for p in shut.record.places)
    assert said(replace(shut, record=Record(lost)))[0] is V.LOSS


def test_a_network_that_ran_without_gradients_is_told_so() -> None:
    of = known([None, None], [None, None], asks=False)  # type: ignore[list-item]
    first = findings_of(of)[0]
    assert (first.verdict, first.hint) == (V.CUT, "off")
    assert "no_grad" in next_steps(first)[0].text
    asking = known([None, None], [None, None])  # type: ignore[list-item]
    assert findings_of(asking)[0].hint == "outside"


@pytest.mark.parametrize(("same", "alike"), [((0,), False), ((1,), False), ((0, 1), True)])
def test_units_of_arrays_are_alike_if_what_reads_them_is(
    same: tuple[int, ...], alike: bool
) -> None:
    """Two layers by hand: the first one's gradient is x' (δ W') and a slope."""
    rng = np.random.default_rng(0)
    w, v = rng.normal(size=(8, 16)) / 8, rng.normal(size=(16, 3)) / 16
    for matrix in [(w, v)[index] for index in same]:
        matrix[:] = 0.1
    x, y = rng.normal(size=(32, 8)), rng.normal(size=(32, 3))
    h = np.tanh(x @ w)
    out = (h @ v - y) / len(x)
    inner = (out @ v.T) * (1 - h**2)
    pulls = x.T @ inner
    assert np.allclose(pulls, pulls[:, :1]) is alike
    found = diagnose({"a.W": pulls, "b.W": h.T @ out}, weights={"a.W": w, "b.W": v})
    assert (found.verdict is V.SYMMETRIC) is alike


@pytest.mark.parametrize(("head", "verdict"), [(1.0, V.HEALTHY), (1e-6, V.EXPLODING)])
def test_what_a_head_sends_behind_a_normalization_is_no_rise_there(head: float, verdict: V) -> None:
    places = (
        Place("a", 10**2.2, before=()),
        Place("n", 1.0, before=("a",), normed=True),
        Place("b", 1.0, before=("n",)),
        Place("h", head, before=("b",), state=False),
        Place("d", 1e-3, before=("b",)),
        Place("e", 1e-3, before=("d",), state=False),
    )
    weights = (Parameter("a.weight", norm=1.0),)
    of = Known(Record(places, owned={"a": ("a.weight",)}, normalized=True), weights)
    # Without the head those three decades are no loss's, and nothing bears them.
    assert said(of)[0] is verdict


class Counted(tuple[Place, ...]):
    """Places that count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[Place]:
        self.times += 1
        return super().__iter__()


@pytest.mark.parametrize("queries", [2, 40])
def test_places_are_not_gone_through_for_each_matrix_of_zero(queries: int) -> None:
    """A query in each block begins with 0, and so does the head: nothing comes to any of them."""
    body = [("in", ())]
    for k in range(queries):
        body += [(f"{k}.q", (body[-1][0],)), (f"{k}.v", (f"{k}.q", body[-1][0]))]
    places = [Place(n, 0.0, before=b, out=1.0 * ("q" not in n), layer=True) for n, b in body]
    head = Place("head", 1.0, before=(body[-1][0],), out=0.0, layer=True)
    zero = [n for n, _ in body if "q" in n]
    weights = (
        *(Parameter(f"{n}.weight", norm=0.0, zero=n in zero) for n, _ in body),
        Parameter("head.weight", norm=1.0, zero=True),
    )
    counted = Counted((*places, head))
    owned = {place.name: (f"{place.name}.weight",) for place in counted}
    assert stuck(Known(Record(counted, owned=owned), weights)) is None
    assert counted.times < 5


@pytest.mark.parametrize("also", [(), ("experts.0",)])
def test_what_a_module_that_ran_does_not_call_takes_no_turns(also: tuple[str, ...]) -> None:
    """A block that returns what a layer in it does has no place of its own, and is no list."""
    names = ("experts.0.used", "experts.0.spare", "head")
    weights = (Parameter(f"{n}.weight", norm=None if "spare" in n else 1.0) for n in names)
    places = (
        Place("experts.0.used", 1.0, module="experts.0.used", layer=True, also=also),
        Place("head", 1.0, before=("experts.0.used",), module="head", layer=True),
    )
    owned = {place.name: (f"{place.name}.weight",) for place in places}
    of = Known(
        Record(places, called=frozenset(p.module for p in places), owned=owned), tuple(weights)
    )
    assert (findings_of(of)[0].verdict is V.CUT) == bool(also)
