"""Places and findings without any framework; those of real networks are in `frameworks/`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gradbook.diagnosis import Verdict, watch
from gradbook.diagnosis.findings import Known, Parameter, findings_of
from gradbook.diagnosis.findings.about import notes_of
from gradbook.diagnosis.findings.over_depth import FALL, RISE_OF_LAYER
from gradbook.diagnosis.findings.over_time import over_steps
from gradbook.diagnosis.paths import paths_of
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.states import States
from gradbook.diagnosis.watching import Record, Steps
from gradbook.diagnosis.watching.graph import bent_by, graph_below, kind_of

V = Verdict


def chain(sizes: Sequence[float], **more: object) -> list[Place]:
    places = [
        Place(f"{i}", size, before=(f"{i - 1}",) if i else (), module=f"{i}")
        for i, size in enumerate(sizes)
    ]
    return [replace(place, **more) for place in places]  # type: ignore[arg-type]


def said(
    places: Sequence[Place], *parameters: Parameter, normalized: bool = False, **more: object
) -> list[Verdict]:
    known = Known(Record(tuple(places), normalized=normalized), tuple(parameters))
    return [found.verdict for found in findings_of(replace(known, **more))]  # type: ignore[arg-type]


def residual(blocks: int, share: float, growth: float = 1.0) -> list[Place]:
    """Return a path with branches of two layers that get a share of the gradient."""
    places = [Place("h0", growth**blocks)]
    for i in range(blocks):
        size = growth ** (blocks - i - 1)
        places += [
            Place(f"a{i}", share * size, before=(f"h{i}",)),
            Place(f"b{i}", share * size, before=(f"a{i}",)),
            Place(f"h{i + 1}", size, before=(f"h{i}", f"b{i}")),
        ]
    return places


def test_a_fall_between_any_two_places_is_found() -> None:
    assert said(chain([1.0, 1e-3, 1e-3, 1.0])) == [V.VANISHING]
    assert said(chain([1.0, 0.9, 1.1, 1.0])) == [V.HEALTHY]
    assert said(chain([1e3, 1e2, 10.0, 1.0])) == [V.EXPLODING]
    assert said(chain([10**-FALL, 1.0])) == [V.VANISHING]


def test_a_branch_may_get_any_share() -> None:
    for share in (1.0, 1e-6, 0.0):
        assert said(residual(6, share)) == [V.HEALTHY]
    assert said(residual(6, 1e-6, growth=0.3)) == [V.VANISHING]


def test_what_all_paths_cross_counts_though_a_branch_gets_more() -> None:
    falls = [
        replace(p, delta=p.delta and p.delta * 3) if p.name[0] in "ab" else p
        for p in residual(6, 1.0, growth=0.3)
    ]
    assert said(falls) == [V.VANISHING]


def unrolled(states: Sequence[float], share: float, last: float) -> list[Place]:
    """Return a cell that is called over and over, and what it reads and hands on at each call."""
    places: list[Place] = []
    for t, size in enumerate(states):
        number = "" if t == 0 else f" {t + 1}"
        before = tuple(p.name for p in places[-1:])
        places += [
            Place(f"x{t}", share * size, module="x"),
            Place(f"cell{number}", size, before=(f"x{t}", *before), module="cell", layer=True),
        ]
    return [*places, Place("head", last, before=(places[-1].name,))]


def test_states_are_compared_with_states_from_call_to_call() -> None:
    flat = unrolled([0.01] * 8, 1e-3, 1.0)
    assert said(flat) == [V.HEALTHY]  # though all gates are nearly shut, at each call alike
    assert said(unrolled([10 ** (-0.4 * t) for t in range(8)][::-1], 1.0, 1.0)) == [V.VANISHING]
    # What enters beside may get more than the state gets.
    assert said(unrolled([10 ** (-0.4 * t) for t in range(8)][::-1], 1e3, 1.0)) == [V.VANISHING]
    assert said(unrolled([10 ** (0.4 * t) for t in range(8)][::-1], 1.0, 1.0)) == [V.EXPLODING]


@pytest.mark.parametrize(("inner", "verdict"), [(8, V.VANISHING), (3, V.HEALTHY)])
def test_what_falls_within_a_deep_branch_counts(inner: int, verdict: Verdict) -> None:
    """What goes down a U gets its share, and each layer of it takes its own; a block is short."""
    fall = 10 ** (-3.0 / inner)
    branch = [Place("b0", fall**inner, before=("in",))]
    branch += [Place(f"b{n}", fall ** (inner - n), before=(f"b{n - 1}",)) for n in range(1, inner)]
    ends = [Place("sum", 1.0, before=(branch[-1].name, "in")), Place("out", 1.0, before=("sum",))]
    assert said([Place("in", 1.0), *branch, *ends]) == [verdict]


def test_what_lies_beside_a_weight_gets_its_part() -> None:
    """As an image's tokens beside one of a class, which alone is read at the end."""
    for grown, verdict in ((True, V.HEALTHY), (False, V.VANISHING)):
        tokens = [Place("a", 1e-3), Place("b", 1e-3, before=("a",))]
        joined = Place("c", 1.0, before=("b",), joined=True, grown=grown)
        assert said([*tokens, joined, Place("d", 1.0, before=("c",))]) == [verdict]


def test_a_normalization_beside_the_path_is_not_what_a_stream_goes_on_to() -> None:
    """It gets more, as it divides by the size of what enters: 1000 here."""
    h, bias = Place("h", 1e-3, out=1000.0), Place("bias", 1.0)
    norm = Place("norm", 0.5, before=("h",), normed=True, out=1.0)
    scores = Place("scores", 1e-4, before=("norm", "bias"))
    add = Place("sum", 1e-3, before=("h", "scores"), out=1000.0)
    found = States([h, bias, norm, scores, add], {}).behind(h)
    assert found is add


def test_heads_side_by_side_are_no_chain() -> None:
    heads = [Place(f"head{i}", 10.0 ** (-3 * i), before=("h",)) for i in range(3)]
    assert said([Place("h", 1.0), *heads]) == [V.HEALTHY]


def test_of_several_outputs_those_that_get_nothing_are_said_not_to_be_reached() -> None:
    critic = Place("critic", 1.0, before=("body",), layer=True)
    for sent in (0.0, 1.0):  # with advantages of 0, and others
        actor = Place("actor", sent, before=("body",), layer=True)
        (found,) = findings_of(Known(Record((Place("body", 1.0), actor, critic))))
        assert found.verdict is V.HEALTHY
        assert ("actor: δ there is exactly 0" in found.reason) is (sent == 0)
    alone = (Place("actor.0", 0.0), Place("actor.1", 0.0, before=("actor.0",)), critic)
    (found,) = findings_of(Known(Record(alone)))
    assert "arrives at critic:" in found.reason


def test_what_a_loss_takes_amiss_is_said_of_a_healthy_network() -> None:
    for taken, hint in (("softmax", "twice"), ("picks", "picks"), ("", None)):
        (found,) = findings_of(Known(Record(tuple(chain([1.0, 1.0, 1.0])), twice=taken)))
        assert (found.verdict, found.hint) == (V.HEALTHY, hint)
        assert ("nll_loss" in found.reason) is (hint == "picks")


def test_resolution_does_not_count() -> None:
    strided = [
        Place(
            f"{i}",
            0.5 ** (8 - i),
            4 ** (8 - i) * 16,
            4 ** (8 - i),
            before=(f"{i - 1}",) if i else (),
        )
        for i in range(8)
    ]
    layered = [strided[0]]
    for a, b in pairwise(strided):
        z = replace(b, name=f"z{b.name}", before=(a.name,), state=False)
        layered += [z, replace(b, before=(z.name,))]
    assert said(layered) == [V.HEALTHY]
    assert next(iter(paths_of(layered))).fall[0] == pytest.approx(0, abs=1e-9)


def test_a_rise_behind_normalizations_counts_by_its_layers() -> None:
    steep = 10 ** (5 * RISE_OF_LAYER)
    assert said(residual(20, 1.0, growth=1.3), normalized=True) == [V.HEALTHY]
    assert said(residual(20, 1.0, growth=1.3)) == [V.EXPLODING]
    assert said(residual(20, 1.0, growth=steep), normalized=True) == [V.EXPLODING]


def test_nan_is_looked_for_forward_then_in_the_loss_then_back() -> None:
    fine = chain([1.0, 1.0, 1.0], out=1.0)
    lost = [replace(p, out=math.nan if int(p.name) > 0 else 1.0, delta=math.nan) for p in fine]
    cases = {
        "forward 1": lost,
        "the loss": [replace(p, delta=math.nan) for p in fine],
        "back 1": [replace(p, delta=math.nan if int(p.name) < 2 else 1.0) for p in fine],
    }
    for where, places in cases.items():
        (found,) = findings_of(Known(Record(tuple(places))))
        assert found.verdict is V.NON_FINITE
        assert found.since == where.removeprefix("forward ").removeprefix("back ")
    record = Record(tuple(lost), bad_input=("0",))
    assert "data" in findings_of(Known(record))[0].reason
    broken = Parameter("0.weight", norm=math.nan, finite=False, broken=True)
    assert "earlier step" in findings_of(Known(Record(tuple(lost)), (broken,)))[0].reason


def test_a_loss_that_sends_nothing_is_not_the_layers_fault() -> None:
    assert said(chain([0.0, 0.0, 0.0]), Parameter("0.weight", norm=0.0)) == [V.LOSS]
    faint = chain([1e-9, 1e-9, 1e-9])
    assert said(faint, Parameter("0.weight", norm=1e-9)) == [V.LOSS]
    assert said(faint, Parameter("0.weight", norm=1e-9), loss_scale=1e-6)[0] is V.HEALTHY


def test_who_gets_nothing_is_said_first() -> None:
    places = [*chain([1.0, 1.0, 1.0])]
    places[0] = replace(places[0], delta=None)
    places[1] = replace(places[1], before=())
    owned = {p.name: (f"{p.name}.weight",) for p in places}
    parameters = (
        Parameter("0.weight"),
        Parameter("1.weight", norm=1.0),
        Parameter("2.weight", norm=1.0),
        Parameter("frozen.weight", trainable=False),
    )
    record = Record(tuple(places), owned=owned, called=frozenset("012"))
    (found,) = findings_of(Known(record, parameters))
    assert found.verdict is V.CUT
    assert "1 of 3 trainable" in found.reason
    assert "between 0 and 1" in found.reason


def test_zeros_are_called_what_they_are() -> None:
    shut = chain([0.0, 0.0, 1.0])
    head = Parameter("2.weight", norm=1.0, zero=True)
    before = (Parameter("0.weight", norm=0.0), Parameter("1.weight", norm=0.0))
    assert said(shut, *before, head) == [V.ZERO_START]
    owned = {"2": ("2.weight",)}
    both = (Parameter("1.weight", norm=0.0, zero=True), Parameter("2.weight", norm=0.0, zero=True))
    known = Known(Record(tuple(shut), owned=owned), (*both, Parameter("3.weight", norm=1.0)))
    assert findings_of(known)[0].verdict is V.STUCK
    alike = [Parameter(f"{i}.weight", norm=1.0, alike=True, pulled_alike=True) for i in range(3)]
    assert said(chain([1.0, 1.0, 1.0]), *alike) == [V.SYMMETRIC]


def test_dead_is_said_where_outputs_are_off_alone() -> None:
    assert said(chain([1.0, 1.0, 1.0], off=0.9, bend="Relu", rows=16)) == [V.DEAD]
    assert said(chain([1.0, 1.0, 1.0], off=0.5, bend="Relu", rows=16)) == [V.HEALTHY]
    # Of few positions units that are on now and then may miss all.
    assert said(chain([1.0, 1.0, 1.0], off=0.9, bend="Relu", rows=15)) == [V.HEALTHY]


def test_zeros_that_no_activation_makes_or_of_few_or_equal_examples_are_no_dead_units() -> None:
    for more in ({"bend": "", "rows": 9}, {"rows": 1}, {"rows": 9, "spread": 1e-8}):
        assert said(chain([1.0, 1.0, 1.0], **{"off": 0.9, "bend": "Relu", **more})) == [V.HEALTHY]


def test_examples_that_are_alike_at_once_behind_a_normalization_are_said_so() -> None:
    places = [
        replace(p, spread=s) for p, s in zip(chain([1e4, 1e2, 1.0]), (0.5, 0.0, 0.0), strict=True)
    ]
    (found,) = findings_of(Known(Record(tuple(places), normalized=True)))
    assert (found.verdict, found.since, found.hint) == (V.CUT, "1", "alike")
    assert said(places) == [V.EXPLODING]
    slowly = [replace(p, spread=s) for p, s in zip(places, (0.5, 1e-4, 1e-8), strict=True)]
    assert said(slowly, normalized=True) == [V.EXPLODING]


def test_steps_and_frozen_shares_are_judged_where_the_gradient_arrives() -> None:
    fine = chain([1.0, 1.0, 1.0])
    assert said(fine, Parameter("0.weight", norm=1.0, ratio=1e3)) == [V.LARGE_STEP]
    assert said(fine, Parameter("0.weight", norm=1.0), frozen=0.9) == [V.FROZEN]
    for share, others in ((0.5, True), (1.0, False)):  # half is frozen, and the loss may fall
        (found,) = findings_of(Known(Record(tuple(fine)), frozen=share))
        assert found.verdict is V.FROZEN
        assert ("the loss may fall all the same" in found.reason) is others
    left = Parameter("0.weight", norm=1.0, stepped=False)
    assert said(fine, left) == [V.CUT]


def test_time_is_judged_for_the_longest_sequence_and_each_direction() -> None:
    ragged = Steps("rnn", tuple((10.0 ** (t - 5), 1.0)[: 2 if t < 2 else 1] for t in range(6)))
    path = over_steps(ragged)
    assert path is not None
    assert path.fall[0] == pytest.approx(5)
    dip = tuple((10.0 ** -min(t, 8 - t),) for t in range(9))
    fine = chain([1.0, 1.0])
    both = Record(tuple(fine), steps=(Steps("rnn", dip, both=True),))
    (found,) = findings_of(Known(both))
    assert found.verdict is V.VANISHING
    assert "either direction" in found.reason
    one_end = tuple((10.0**-t,) for t in range(9))
    rising = Record(tuple(fine), steps=(Steps("rnn", one_end, both=True),))
    assert findings_of(Known(rising))[0].verdict is V.HEALTHY


def test_a_loss_at_every_step_is_said_with_its_lag() -> None:
    flat = tuple((1.0, 1.0) for _ in range(10))
    steps = Steps("rnn", flat, every=True, lags=tuple(10.0 ** (t - 9) for t in range(10)))
    places = [Place("x", 1.0), Place("y", 1.0, 20, 20, before=("x",))]
    (found,) = findings_of(Known(Record(tuple(places), steps=(steps,))))
    assert found.verdict is V.CANNOT_TELL
    assert "2 steps back" in found.reason


def test_branches_that_get_nothing_are_starved() -> None:
    experts = [
        Place(f"e.{i}", 1.0 if i == 0 else 1e-9, before=("h",), module=f"e.{i}", also=(f"e.{i}",))
        for i in range(4)
    ]
    experts = [replace(e, rows=16) for e in experts]
    out = Place("out", 1.0, before=tuple(e.name for e in experts))
    assert said([Place("h", 1.0), *experts, out]) == [V.STARVED]
    level = [replace(e, delta=1.0) for e in experts]
    assert said([Place("h", 1.0), *level, out]) == [V.HEALTHY]
    few = [replace(e, rows=15) for e in experts]  # too few for a router to serve all
    assert said([Place("h", 1.0), *few, out]) == [V.HEALTHY]


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(TypeError, match="must be a network of PyTorch"):
        watch({"W": 1.0})


def test_nothing_that_came_back_is_no_verdict() -> None:
    places = [replace(p, delta=None) for p in chain([1.0, 1.0])]
    assert said(places) == [V.CANNOT_TELL]


def test_sigmoids_are_known_where_most_layers_read_them() -> None:
    def known(*bends: str) -> Known:
        places = chain([1e-3] * len(bends))
        return Known(Record(tuple(replace(p, bend=b) for p, b in zip(places, bends, strict=True))))

    assert known("Sigmoid", "", "Sigmoid", "Tanh").sigmoids
    assert not known("Sigmoid", "Relu").sigmoids
    assert not known("", "").sigmoids


class Node:
    """A node of autograd, with those behind it."""

    def __init__(self, *behind: Node | None) -> None:
        self.next_functions = [(node, 0) for node in behind]


class SigmoidBackward0(Node):
    """That of a sigmoid."""


class ReluBackward0(Node):
    """That of a ReLU."""


class ViewBackward0(Node):
    """That of another shape."""


class MulBackward0(Node):
    """That of a product with what is saved."""

    def __init__(self, *behind: Node | None, mask: float = 1.0) -> None:
        super().__init__(*behind)
        self._saved_other = np.full(3, mask)


def test_an_activation_is_named_through_what_only_rearranges() -> None:
    bent = SigmoidBackward0(ReluBackward0())
    assert bent_by(bent) is bent
    assert kind_of(bent_by(MulBackward0(ViewBackward0(bent), None))) == "Sigmoid"
    assert bent_by(MulBackward0(Node(), bent)) is None
    assert bent_by(MulBackward0(bent, None), empty=True) is bent
    assert bent_by(MulBackward0(bent, None, mask=0.0), empty=True) is None
    assert kind_of(bent_by(None)) == kind_of(bent_by(ViewBackward0())) == ""


def test_modules_that_nobody_calls_are_told_from_what_leads_nowhere() -> None:
    fine = chain([1.0, 1.0, 1.0])
    left = Parameter("spare.weight")
    kept = Parameter("0.weight", norm=1.0)
    (idle,) = findings_of(Known(Record(tuple(fine)), (left, kept)))
    assert idle.verdict is V.CUT
    assert "never called" in idle.reason
    ran = Record(tuple(fine), called=frozenset({"spare"}))
    (unread,) = findings_of(Known(ran, (left, kept)))
    assert "Nothing that ran was seen to read them" in unread.reason
    aside = Place("spare", None, module="spare")
    ran = Record((*fine, aside), called=ran.called, owned={"spare": ("spare.weight",)})
    (nowhere,) = findings_of(Known(ran, (left, kept)))
    assert "nothing comes back through what they return" in nowhere.reason
    (unwatched, *_) = findings_of(Known(Record(), (left, kept)))
    assert unwatched.hint == "unknown"
    many = tuple(Parameter(f"{i}.weight", norm=1.0) for i in range(10))
    assert said(fine, left, *many) == [V.HEALTHY]


def test_a_layer_whose_units_are_all_off_is_dead_whatever_leads_around_it() -> None:
    shut = chain([0.0, 1.0, 1.0], bend="Relu", rows=16)
    shut[1] = replace(shut[1], off=1.0)
    shut[2] = replace(shut[2], off=0.0)
    assert said(shut)[0] is V.DEAD
    around = [replace(p, delta=1.0, count=16 * 16) for p in shut]
    assert said(around)[0] is V.DEAD
    # Of so few units chance shuts all, as in squeeze-and-excitation.
    assert said([replace(p, count=7 * 16) for p in around]) == [V.HEALTHY]


def test_what_no_activation_makes_does_not_hide_units_that_are_off() -> None:
    places = chain([1.0] * 6, rows=16)
    for i in (0, 2, 4):
        places[i] = replace(places[i], off=0.84, bend="Relu")
        places[i + 1] = replace(places[i + 1], off=0.0)
    (found, *_) = findings_of(Known(Record(tuple(places))))
    assert (found.verdict, "84%" in found.reason) == (V.DEAD, True)


def test_units_that_are_off_in_a_branch_are_dead_and_no_cut() -> None:
    a, b = Parameter("b.weight", norm=0.0), Parameter("c.weight", norm=0.0)
    for off, verdict in ((1.0, V.DEAD), (0.2, V.CUT)):
        places = (
            Place("a", 1.0, layer=True),
            Place("b", 0.0, before=("a",), off=off, bend="Relu", rows=2, count=64, layer=True),
            Place("c", 1.0, before=("b",), layer=True),
            Place("d", 1.0, before=("a", "c"), layer=True),
        )
        record = Record(places, owned={"b": ("b.weight",), "c": ("c.weight",)})
        first = findings_of(Known(record, (Parameter("a.weight", norm=1.0), a, b)))[0]
        assert (first.verdict, first.since) == (verdict, "b" if off > 0.5 else "c.weight")


def test_stacked_recurrent_layers_are_compared_by_their_biases() -> None:
    fine = tuple(chain([1.0, 1.0]))
    steps = Steps("rnn", ((1.0,), (1.0,)), depth=3)
    biases = [Parameter(f"rnn.bias_ih_l{k}", axes=1, norm=10.0 ** (k - 2)) for k in range(3)]
    (found,) = findings_of(Known(Record(fine, steps=(steps,)), tuple(biases)))
    assert found.verdict is V.VANISHING
    assert found.hint == "stack"
    level = tuple(replace(bias, norm=1.0) for bias in biases)
    assert findings_of(Known(Record(fine, steps=(steps,)), level))[0].verdict is V.HEALTHY


def test_a_stack_without_biases_is_compared_by_its_weights_over_what_they_read() -> None:
    matrices = tuple(Parameter(f"rnn.weight_hh_l{k}", norm=1.0) for k in range(3))
    for states, verdict in (((1.0, 0.1, 0.01), V.VANISHING), ((1.0, 1.0, 1.0), V.HEALTHY)):
        steps = Steps("rnn", ((1.0,), (1.0,)), depth=3, ends=states)
        record = Record(tuple(chain([1.0, 1.0])), steps=(steps,))
        assert findings_of(Known(record, matrices))[0].verdict is verdict


def test_what_grows_over_the_steps_of_one_layer_explodes() -> None:
    growing = Steps("rnn", tuple((10.0 ** (3 - t),) for t in range(4)))
    record = Record(tuple(chain([1.0, 1.0])), steps=(growing,))
    (found,) = findings_of(Known(record))
    assert found.verdict is V.EXPLODING
    assert found.hint == "time"


def test_a_healthy_network_says_where_few_units_are_left() -> None:
    places = chain([1.0, 1.0, 1.0], off=0.1, state=True, out=1.0, bend="Relu", rows=16)
    level = findings_of(Known(Record(tuple(places))))
    assert (level[0].verdict, level[0].hint) == (V.HEALTHY, None)
    places[1] = replace(places[1], off=0.95)
    narrow = findings_of(Known(Record(tuple(places))))
    assert (narrow[0].verdict, narrow[0].hint) == (V.HEALTHY, "few left")
    assert "95% of the units of 1 are off" in narrow[0].reason


def test_a_vanishing_delta_says_what_it_comes_with() -> None:
    falls = [1e-4, 1e-2, 1.0]
    saturated = findings_of(Known(Record(tuple(chain(falls, saturated=0.9)))))
    assert "90% of what enters the layers is saturated" in saturated[0].reason
    alike = findings_of(Known(Record(tuple(chain(falls, spread=1e-5)))))
    assert "all examples come out alike" in alike[0].reason
    assert findings_of(Known(Record(tuple(chain(falls)))))[0].reason.endswith("10^4.0.")


def test_the_notes_tell_what_is_frozen_cleared_or_not_of_this_pass() -> None:
    place = Place("fc", 1.0, module="fc", total=1.0)
    record = Record((place,), owned={"fc": ("fc.weight", "fc.bias")})
    bias = Parameter("fc.bias", axes=1, norm=1.0)
    assert list(notes_of(Known(record, (bias,)))) == []
    (stale,) = notes_of(Known(record, (replace(bias, norm=2.0),)))
    assert stale.startswith("The gradient of fc.bias is not the sum of this pass's δ")
    (cleared,) = notes_of(Known(record, (replace(bias, norm=None),)))
    assert cleared.startswith("No weight holds a gradient")
    held = replace(bias, trainable=False)
    (frozen,) = notes_of(Known(record, (bias, held)))
    assert frozen == "1 of 2 tensors have requires_grad False, and stay as they are: fc.bias."
    penalty = replace(record, differentiated=True)
    assert list(notes_of(Known(penalty, (replace(bias, norm=2.0),)))) == []


def test_what_goes_into_a_place_is_always_named_in_the_same_order() -> None:
    # Sets of names come in another order in every run, and a report that differs with them.
    sources = [Node() for _ in range(12)]
    known = {(node, 0): f"place {i}" for i, node in enumerate(sources)}
    before, weights, sums = graph_below((MulBackward0(*sources), 0), known)
    assert list(before) == list(known.values())[::-1]
    assert not weights
    assert not sums
