"""The first finding on networks from public questions is what their threads settled."""

from __future__ import annotations

from pathlib import Path

import public_cases
import pytest
import torch
from public_cases import CASES, PublicCase

from gradbook.book.diagnose import public


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_finding_is_what_the_thread_settled(case: PublicCase) -> None:
    assert public_cases.said(case) is (case.says or case.truth)


def test_at_most_two_are_not_what_the_thread_settled() -> None:
    assert sum(case.says is not None for case in CASES) <= 2
    assert all(case.says is not case.truth for case in CASES)
    assert len({case.address for case in CASES}) == len(CASES) == 12


def test_the_losses_that_were_posted_diverge_as_the_curvature_says() -> None:
    """The factor between the losses printed in the question is that of a rate that is too large."""
    posted = [1305310646.9058952, 184198069792.42996, 25992991779912.277]
    t = torch.linspace(-10, 10, 100, dtype=torch.float64)
    x = (t**3 + t**2 + t)[:80]
    times = 1e-6 * 2 * (float(x @ x) + 1)
    assert times > 2
    assert posted[1] / posted[0] == pytest.approx((1 - times) ** 2, rel=1e-6)
    assert posted[2] / posted[1] == pytest.approx((1 - times) ** 2, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_recurrent_weights_of_variance_one_explode_whatever_the_draw(seed: int) -> None:
    torch.manual_seed(seed)
    net, _ = public_cases.recurrent()
    steps = net.steps
    assert isinstance(steps, torch.nn.RNN)
    x = torch.randint(2, (32, 12, 1)).double()
    steps.double()
    h = torch.zeros(32, 32, dtype=torch.float64)
    states = []
    for step in range(12):
        h = torch.tanh(x[:, step] @ steps.weight_ih_l0.T + h @ steps.weight_hh_l0.T)
        h.retain_grad()
        states.append(h)
    h.sum().backward()
    sizes = [float(state.grad.norm()) for state in states if state.grad is not None]
    assert sizes[0] > 100 * sizes[-1]


def test_the_book_shows_what_is_found() -> None:
    assert public.rows() == public_cases.records()


def test_the_page_links_to_every_thread_by_its_number() -> None:
    page = Path(__file__).parents[1] / "docs" / "chapters" / "diagnose-deeper.md"
    text = page.read_text(encoding="utf-8")
    for number, case in enumerate(CASES, start=1):
        assert f"[{number}]({case.address})" in text
