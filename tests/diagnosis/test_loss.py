"""What is said of a loss: that its gradient overflows, or is 0 though old ones hide it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gradbook.diagnosis import Verdict, diagnose
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.findings import Known, Parameter, findings_of
from gradbook.diagnosis.places import Place
from gradbook.diagnosis.reporting.advice import Traits, next_steps
from gradbook.diagnosis.verdicts import Finding
from gradbook.diagnosis.watching import Record

V = Verdict


def chain(*sizes: float) -> tuple[Place, ...]:
    names = [f"{i}" for i in range(len(sizes))]
    before = [(), *((name,) for name in names)]
    told = zip(names, sizes, before, strict=False)
    return tuple(Place(n, s, before=b, module=n, layer=True) for n, s, b in told)


def weights(*norms: float) -> tuple[Parameter, ...]:
    return tuple(Parameter(f"{i}.weight", norm=norm) for i, norm in enumerate(norms))


def first(places: tuple[Place, ...], *held: Parameter) -> Finding:
    owned = {place.name: (f"{place.name}.weight",) for place in places}
    return findings_of(Known(Record(places, owned=owned), held))[0]


@pytest.mark.parametrize("size", [math.inf, math.nan])
@pytest.mark.parametrize("half", [True, False])
def test_what_overflows_in_float16_is_the_scale_and_no_division_by_0(
    size: float, half: bool
) -> None:
    places = tuple(replace(place, out=1.0, half=half) for place in chain(size, size))
    found = first(places, *(replace(p, finite=False) for p in weights(1.0, 1.0)))
    scale = half and size == math.inf
    assert (found.verdict, found.since) == (V.NON_FINITE, "the loss")
    assert ("float16 ends" in found.reason) is scale
    advised = next_steps(found)[0].text
    assert advised.startswith("Lower the loss scale" if scale else "Look at the loss: what")


def test_what_first_fails_on_the_way_back_may_have_failed_unseen_before() -> None:
    places = tuple(replace(place, out=1.0) for place in chain(math.nan, 1.0))
    found = first(places, replace(weights(1.0)[0], finite=False))
    assert found.since == "0"
    assert "outputs are finite" not in found.reason.lower()
    assert "a softmax of which all is masked" in next_steps(found)[0].text


def test_old_gradients_do_not_hide_that_the_loss_sends_nothing() -> None:
    found = first(chain(0.0, 0.0), *weights(0.0, 3.0))
    assert (found.verdict, found.since) == (V.LOSS, "1")
    assert "come from elsewhere" in found.reason
    assert "elsewhere" not in first(chain(0.0, 0.0), *weights(0.0, 0.0)).reason
    # What no place shows may have got it now: a bare scale of a branch that begins with 0.
    bare = Parameter("scale", norm=3.0)
    assert first(chain(0.0, 0.0), *weights(0.0, 0.0), bare).verdict is not V.LOSS


@pytest.mark.parametrize(
    ("verdict", "hint", "part"),
    [
        (V.CUT, "aside", "use_reentrant=False"),
        (V.FROZEN, None, "Raise the limit if gradients are clipped"),
        (V.VANISHING, "time", "the identity with ReLU"),
    ],
)
def test_advice_fits_also_what_has_been_done(verdict: V, hint: str | None, part: str) -> None:
    steps = next_steps(Finding(verdict, "", hint=hint), Traits(recurrent=hint == "time"))
    assert part in steps[0].text


def test_all_variables_of_flax_are_refused_with_what_to_hand_over() -> None:
    params = {"Dense_0": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}}
    variables = {"params": params, "batch_stats": {"BatchNorm_0": {"mean": np.ones(3)}}}
    with pytest.raises(BadInput, match=r"hand over variables\['params'\]"):
        diagnose(params, weights=variables)
    with pytest.raises(BadInput, match=r"got none$"):
        diagnose(params, weights={"other": params})
