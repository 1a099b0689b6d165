"""Every exhibit has its fault by a truth that is not the diagnosis, and gets that verdict."""

from __future__ import annotations

import math
import re

import ml_dtypes
import numpy as np
import pytest

from gradbook.backpropagation import forward_loss
from gradbook.book.diagnose import gallery
from gradbook.book.diagnose.gallery import DEAD, GALLERY, OVERFLOWN, ROUNDED, Specimen, stuck_share
from gradbook.book.diagnose.subjects import Network
from gradbook.book.diagnose.suite import TRUTHS
from gradbook.book.symptoms import DECADES, FROZEN, HEALTHY_DECADES, OFF
from gradbook.checks import Array
from gradbook.diagnosis.verdicts import Verdict
from gradbook.losses import softmax_cross_entropy
from gradbook.press.places import ROOT

PAGE = (ROOT / "docs" / "chapters" / "diagnose-deeper.md").read_text(encoding="utf-8")
REACHED = [exhibit for exhibit in GALLERY if exhibit is not DEAD]


def name_of(exhibit: Specimen) -> str:
    return exhibit.name


def boundary(network: Network, end: int) -> Array:
    """Return the values behind so many layers, which are those of one network."""
    h = network.x
    for layer in network.layers[:end]:
        h = layer.forward(h).a
    return np.asarray(h)[0]


def length(network: Network, end: int, draws: int = 64) -> float:
    """Return the length of dL/dh at a boundary, without any backward pass.

    The mean of <g, v>^2 over normal directions v is |g|^2, and <g, v> is a central difference.
    """
    h, rest = boundary(network, end), network.layers[end:]
    rng, step, slopes = np.random.default_rng(0), 1e-6, []
    for _ in range(draws):
        move = step * rng.standard_normal(h.shape)
        up, down = (
            float(forward_loss(rest, (h + way)[None], network.target, softmax_cross_entropy)[0])
            for way in (move, -move)
        )
        slopes.append((up - down) / (2 * step))
    return math.sqrt(np.square(slopes).mean())


def decades(exhibit: Specimen) -> float:
    """Return D; all boundaries have as many entries, so lengths may stand for rms."""
    network = exhibit.network
    first, last = (length(network, network.ends[at]) for at in (0, -1))
    return math.log10(first) - math.log10(last)


@pytest.mark.parametrize("exhibit", REACHED, ids=name_of)
def test_the_decades_of_an_exhibit_are_those_of_finite_differences(exhibit: Specimen) -> None:
    # A mean of 64 squares has a relative error of 18 %, or .04 decades; two of them .055.
    assert decades(exhibit) == pytest.approx(exhibit.case.decades, abs=0.2)


@pytest.mark.parametrize("exhibit", REACHED, ids=name_of)
def test_finite_differences_bear_out_what_was_built_in(exhibit: Specimen) -> None:
    found = decades(exhibit)
    if exhibit.fault is Verdict.VANISHING:
        assert found <= -DECADES
    elif exhibit.fault is Verdict.EXPLODING:
        assert found >= DECADES
    else:
        assert abs(found) <= HEALTHY_DECADES


def test_the_dead_network_is_off_in_plain_numpy() -> None:
    network, off = DEAD.network, []
    h = network.x
    for layer in network.layers[:-1]:
        h = np.maximum(h @ layer.parameters["W"][0] + layer.parameters["b"][0], 0)
        off.append((h == 0).all(axis=0).mean())
    assert np.mean(off) >= OFF
    assert DEAD.shown_by == f"{100 * np.mean(off):.0f} % of the units off"


def test_the_rounded_network_stands_still_in_real_bfloat16() -> None:
    case, still, total = ROUNDED.case, 0, 0
    for name, weight in case.weights.items():
        w = weight.astype(ml_dtypes.bfloat16)
        assert np.array_equal(w.astype(np.float32), weight), "the weights are bfloat16 numbers"
        moved = (w.astype(np.float64) - case.recipe.lr * case.gradients[name]).astype(w.dtype)
        meant = case.gradients[name] != 0
        still += int((moved == w)[meant].sum())
        total += int(meant.sum())
    assert still / total >= FROZEN
    # A product rounded to float32 on its way may fall on the other side of a tie.
    assert stuck_share(case) == pytest.approx(still / total, abs=0.01)


def test_the_overflown_network_has_a_gradient_that_float16_cannot_hold() -> None:
    lost = [~np.isfinite(g) for g in OVERFLOWN.case.gradients.values()]
    assert all(g.dtype == np.float16 for g in OVERFLOWN.case.gradients.values())
    assert 0 < np.mean(np.concatenate([x.ravel() for x in lost])) < 1
    network = OVERFLOWN.network
    scaled = OVERFLOWN.recipe.loss_scale * length(network, network.ends[-1])
    assert scaled > float(np.finfo(np.float16).max)


@pytest.mark.parametrize("exhibit", GALLERY, ids=name_of)
def test_the_verdict_is_what_was_built_in(exhibit: Specimen) -> None:
    assert exhibit.report.verdict is exhibit.case.truth is exhibit.fault
    if exhibit.fault in (Verdict.VANISHING, Verdict.EXPLODING):
        assert exhibit.starts_at != "–"
        assert exhibit.report.profile is not None
        assert exhibit.report.profile.source == "δ"


def test_the_gallery_has_a_healthy_network_and_every_fault_there_is() -> None:
    faults = [exhibit.fault for exhibit in GALLERY]
    assert set(faults) == set(TRUTHS)
    assert sum(fault.is_problem for fault in faults) >= 8


@pytest.mark.parametrize("exhibit", GALLERY, ids=name_of)
def test_the_page_shows_an_exhibit_with_its_first_page(exhibit: Specimen) -> None:
    (name,) = [key for key, value in vars(gallery).items() if value is exhibit]
    (row,) = [line for line in PAGE.splitlines() if f"gallery.{name}.name" in line]
    page = exhibit.report.steps[0].page
    inside = page.startswith("chapters/")
    first = page.removeprefix("chapters/") if inside else f"../{page}"
    assert f"]({first})" in row


def test_the_page_opens_reports_that_differ_in_kind() -> None:
    shown = re.findall(r"(?m)^    gallery\.([A-Z_]+)\.report$", PAGE)
    faults = [getattr(gallery, name).fault for name in shown]
    assert set(faults) == set(TRUTHS) - {Verdict.EXPLODING}
    assert [fault for fault in faults if faults.count(fault) > 1] == [Verdict.VANISHING] * 2
