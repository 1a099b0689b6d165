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
    assert len({case.address for case in CASES}) == len(CASES) == 20


def test_the_losses_that_were_posted_diverge_as_the_curvature_says() -> None:
    """The factor between the losses printed in the question is that of a rate that is too large."""
    posted = [1305310646.9058952, 184198069792.42996, 25992991779912.277]
    t = torch.linspace(-10, 10, 100, dtype=torch.float64)
    x = (t**3 + t**2 + t)[:80]
    times = 1e-6 * 2 * (float(x @ x) + 1)
    assert times > 2
    assert posted[1] / posted[0] == pytest.approx((1 - times) ** 2, rel=1e-6)
    assert posted[2] / posted[1] == pytest.approx((1 - times) ** 2, rel=1e-6)


def test_the_losses_of_the_valley_that_were_posted_are_slow_as_its_curvatures_say() -> None:
    """No rate helps: what the steep side bears, the flat side needs a hundred thousand steps of."""
    A = torch.tensor([[-249.69, -4.1511], [-4.1511, -0.20755]], dtype=torch.float64)
    b = torch.tensor([0.0, 10.0], dtype=torch.float64)
    curvatures, directions = torch.linalg.eigh(2 * A.T @ A)
    start = directions.T @ torch.linalg.solve(A, b)
    posted = {1e-7: 99.20282745, 1e-6: 92.60104370, 1e-5: 46.44608688, 1.603e-5: 29.04493713}
    for lr, loss in posted.items():
        left = start * (1 - lr * curvatures) ** 1_000_001
        assert float(curvatures @ left**2) / 2 == pytest.approx(loss, rel=0.01)
    assert max(posted) < 2 / float(curvatures[1]) < 1.604e-5
    assert curvatures[1] / curvatures[0] > 3e6


def trained(lr: float, steps: int) -> float:
    """Return by which factor the loss of the language model falls."""
    torch.manual_seed(0)
    net, loss = public_cases.writer()
    optimizer, losses = torch.optim.SGD(net.parameters(), lr), []
    for _ in range(steps):
        optimizer.zero_grad()
        now = loss()
        now.backward()
        optimizer.step()
        losses.append(now.item())
    return losses[-1] / losses[0]


def test_only_the_rate_of_the_language_model_is_at_fault() -> None:
    assert trained(5e-5, 100) > 0.99
    assert trained(0.1, 100) < 0.5


def test_what_is_only_slow_is_told_so_and_what_is_cut_where() -> None:
    reports = {case.build: public_cases.report(case) for case in CASES[12:16]}
    assert "But a step changes no weights" in reports[public_cases.writer].findings[0].reason
    assert "raise the learning rate" in reports[public_cases.writer].steps[0].text
    cut = reports[public_cases.chosen].findings[0].reason
    assert "the graph is cut between first.2 and second.0" in cut
    assert "NumPy" in reports[public_cases.policy].steps[0].text


def test_what_the_last_four_threads_settled_is_said() -> None:
    found = {case.name: public_cases.report(case) for case in CASES[16:]}
    held, flat, twice, rate = found.values()
    assert "4 in number" in held.reason
    assert "ModuleList" in held.steps[0].text
    assert "exactly 0" in flat.reason
    assert "rounding" in flat.steps[1].text
    assert "softmax of them once more" in twice.reason
    assert "learning rate is 0 now" in rate.reason


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
    assert "public.asked()" in page.read_text(encoding="utf-8")
    shown = public.asked()._repr_html_()
    for number, case in enumerate(CASES, start=1):
        assert f'<a href="{case.address}" rel="noreferrer">{number}</a>' in shown
