"""What is said of networks whose fault is known, in whatever form people hand them over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import safetensors.numpy

from gradbook.book.diagnose.form_asked import handed
from gradbook.book.diagnose.form_files import nested
from gradbook.book.diagnose.form_files import safetensors as written
from gradbook.book.diagnose.form_names import NAMES
from gradbook.book.diagnose.form_networks import NETWORKS, subject
from gradbook.book.diagnose.forms import FACTORS, Form, lawful, sample, settled
from gradbook.book.diagnose.forms_counted import (
    ON_THE_PAGE,
    answered,
    counted,
    counts,
    judged,
)
from gradbook.diagnosis import Verdict as V
from gradbook.diagnosis.measuring import deltas
from gradbook.diagnosis.reading.arrays import leaves_of

COUNT = 2000
"""Each choice meets each other one; it takes some fifteen seconds."""

HARMFUL = 0.005
"""The most of all answers that may be harmful; 0.05 % were, and 0.2 and 0.4 % in other samples."""

REFUSED = 0.005
"""None was."""

LEFT_OPEN = {
    "arrays, gradients alone": 0.6,
    "arrays, with δ": 0.1,
    "files of arrays, gradients alone": 0.75,
    "files of arrays, with δ": 0.15,
    "logs, gradients alone": 0.75,
    "logs, with δ": 0.06,
}
"""The most that may be left open: 46, 6, 63, 11, 68 and 2 % were; with δ, names tell no order."""

FIRST = Form(**{name: choices[0] for name, choices in FACTORS.items()})


@cache
def asked() -> list[tuple[Form, str]]:
    return answered(sample(COUNT))


def shown(wrong: Iterable[Form]) -> str:
    """List forms, behind the choices that most of them have in common."""
    given = list(wrong)
    choices = Counter(f"{n}={x}" for form in given for n, x in asdict(form).items())
    lines = [f"{count:4} {choice}" for choice, count in choices.most_common(15)]
    return "\n".join([f"{len(given)} forms", *lines, *map(str, given)])


@pytest.mark.parametrize(("answer", "most"), [("harmful", HARMFUL), ("refused", REFUSED)])
def test_hardly_any_form_makes_an_answer_harmful_or_is_refused(answer: str, most: float) -> None:
    found = [form for form, said in asked() if said == answer]
    assert len(found) <= most * COUNT, shown(found)


@pytest.mark.parametrize("kind", LEFT_OPEN)
def test_what_a_form_leaves_open_is_little(kind: str) -> None:
    found = [(form, said) for form, said in asked() if form.kind == kind]
    left = [form for form, said in found if said == "cannot tell"]
    assert len(left) <= LEFT_OPEN[kind] * len(found), shown(left)


def test_a_diagnosis_that_takes_names_as_they_come_is_noticed() -> None:
    kept = [form for form in sample(COUNT) if form.order_of_deltas == "backward"][:60]
    with patch.object(deltas, "_in_order", lambda names, *_: names):
        found = answered(kept)
    assert sum(said == "harmful" for _, said in found) > 20 * HARMFUL * len(found)


def pairs(forms: Iterable[Form]) -> set[tuple[Any, ...]]:
    return {pair for form in forms for pair in combinations(asdict(form).items(), 2)}


def test_each_choice_meets_each_other_one() -> None:
    met, others = pairs(sample(COUNT)), pairs(sample(2 * COUNT, seed=1))
    assert len(others - met) < 0.01 * len(others), others - met


def test_a_form_is_drawn_without_what_makes_no_difference() -> None:
    drawn = list(sample(300))
    assert len({*drawn}) == 300
    assert all(settled(form) == form and lawful(form) for form in drawn)
    lists = replace(FIRST, container="list", names="words", order="shuffled", images=True)
    assert settled(lists) == replace(FIRST, container="list")


UNKNOWN = [
    {"network": "units off", "container": "wide CSV"},
    {"network": "tiny steps", "given": "and δ"},
    {"names": "words", "order": "shuffled"},
    {"names": "words", "order": "backward"},
    {"names": "words", "order": "alphabet", "given": "and δ", "order_of_deltas": "shuffled"},
    {"names": "Dense_0/kernel", "images": True, "order": "shuffled"},
    {"container": "list", "given": "and δ", "measure": "norms"},
]


@pytest.mark.parametrize("choices", UNKNOWN, ids=lambda choices: ", ".join(map(str, choices)))
def test_nobody_is_asked_what_nobody_can_know(choices: dict[str, Any]) -> None:
    assert lawful(FIRST)
    assert not lawful(settled(replace(FIRST, **choices)))


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("network", ["small weights", "batch normalization"])
def test_names_are_distinct_and_delta_is_called_like_its_layer(names: str, network: str) -> None:
    what = handed(replace(FIRST, names=names, network=network))
    assert len(what.deltas) == subject(network).layers == 24
    assert len(what.gradients) == len(what.weights) == len(subject(network).gradients)
    layers = {name.replace("/", ".").rpartition(".")[0] for name in what.gradients}
    assert names == "dW1, dZ1" or what.deltas.keys() <= layers


def test_files_hold_what_was_handed_over(tmp_path: Path) -> None:
    what = handed(replace(FIRST, names="Dense_0/kernel", images=True))
    found = safetensors.numpy.load_file(written(tmp_path / "x", what.gradients))
    assert list(found) == sorted(what.gradients)
    nest = dict(leaves_of(nested(what.gradients)))
    for name, x in what.gradients.items():
        assert np.array_equal(found[name], x)
        assert np.array_equal(nest[name], x)


def test_an_answer_is_judged_by_the_truth_and_a_refusal_is_neither() -> None:
    said = [V.HEALTHY, V.ZERO_START, V.CANNOT_TELL, V.DEAD, None]
    assert [judged(V.HEALTHY, one) for one in said] == [
        *("right", "right", "cannot tell", "harmful", "refused")
    ]
    assert {of.fault for of in NETWORKS.values()} >= {V.HEALTHY, V.CUT, V.FROZEN, V.NON_FINITE}


def test_all_kinds_of_forms_and_of_answers_are_counted() -> None:
    assert list(counted()) == sorted(LEFT_OPEN)
    assert sum(sum(of.values()) for of in counted().values()) == ON_THE_PAGE
    assert set(counts(asked())) == LEFT_OPEN.keys()
    assert {said for _, said in asked()} <= {"right", "cannot tell", "refused", "harmful"}
