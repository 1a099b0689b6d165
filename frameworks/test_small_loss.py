"""What the loss sends is next to nothing, or gets no further than the output."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Verdict as V


@pytest.mark.parametrize(("kind", "trains"), [("Adam", True), ("SGD", False)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_loss_times_a_millionth(kind: str, trains: bool, seed: int) -> None:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 4))
    optimizer = getattr(torch.optim, kind)(net.parameters(), 1e-2)
    x, y, told = torch.randn(64, 8), torch.randint(4, (64,)), []
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(100):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            (1e-6 * loss).backward()
            optimizer.step()
            told.append(loss.item())
    found = run.moments[0].report
    assert found.verdict is V.LOSS
    assert "multiplied by a small number" in found.reason
    assert (told[-1] < told[0] / 2) is trains
    assert ("all the same" in found.reason) is trains


def test_a_run_says_in_a_terminal_what_is_frozen() -> None:
    net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 4)).requires_grad_(False)
    net[2].bias.requires_grad_(True)
    optimizer = torch.optim.SGD([net[2].bias], 0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(12):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(64, 8)), torch.arange(64) % 4).backward()
            optimizer.step()
    assert "3 of 4 tensors have requires_grad False, and stay as they are: " in str(run.report())
    assert "Step 12 of 12." in str(run.report())


@pytest.mark.parametrize(
    ("end", "rate"), [(nn.Sigmoid(), 1e-2), (nn.Tanh(), 1e-2), (nn.ReLU(), 1e-3)], ids=str
)
def test_an_output_at_its_end_has_not_learned(end: nn.Module, rate: float) -> None:
    """The loss falls to what a constant costs, and all gradients are exactly 0 from then on."""
    torch.manual_seed(0)
    x = torch.rand(256, 10) * 255
    y = ((x[:, :1] > 200) & (x[:, 1:2] > 200)).float()
    y = 2 * y - 1 if isinstance(end, nn.Tanh) else y
    net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1), end)
    optimizer, zero = torch.optim.Adam(net.parameters(), rate), 0
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(100):
            optimizer.zero_grad()
            loss = F.mse_loss(net(x), y)
            loss.backward()
            run.step(loss)
            zero += not any(p.grad.any() for p in net.parameters() if p.grad is not None)
            optimizer.step()
    losses = [moment.loss for moment in run.moments]
    report = run.report()
    assert zero > 30
    assert losses[-1] < losses[0] / 2
    assert losses[-1] >= y.var(correction=0).item()
    assert report.verdict is not V.HEALTHY
    assert "slope of 0" in " ".join(found.reason for found in report.findings)


class Mixture(nn.Module):
    """All experts, each times what a router gives it, which is sure of one."""

    def __init__(self, sure: int) -> None:
        super().__init__()
        self.router = nn.Linear(10, 4)
        self.router.bias.data[sure] = 20.0
        experts = [nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 4)) for _ in range(4)]
        self.experts = nn.ModuleList(experts)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.router(x).softmax(1)
        return sum(
            (shares[:, i : i + 1] * e(x) for i, e in enumerate(self.experts)), x.new_zeros(4)
        )


@pytest.mark.parametrize("sure", range(4))
def test_an_expert_that_comes_last_is_not_all_that_the_loss_reaches(sure: int) -> None:
    torch.manual_seed(0)
    net, x = Mixture(sure), torch.randn(128, 10)
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), torch.arange(128) % 4).backward()
    found = [one.verdict for one in gradbook.diagnose(net, deltas=deltas).findings]
    assert V.LOSS not in found
    assert {V.STARVED, V.VANISHING} & set(found)


class Beside(nn.Module):
    """The data, and next to nothing of what the layers make of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :4] + 1e-8 * self.layers(x)


def test_where_next_to_nothing_arrives_is_told_by_its_place() -> None:
    net, x = Beside(), torch.randn(64, 8)
    deltas, out = gradbook.watch(net), net(x)
    out.retain_grad()
    F.cross_entropy(out, torch.arange(64) % 4).backward()
    assert out.grad is not None
    assert out.grad.abs().sum() > 0.1
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is V.LOSS
    assert "sends something to output" in report.reason
    assert "gets to layers.2" in report.reason
    assert "not your layers" not in report.reason


@pytest.mark.parametrize(("ends", "rises"), [(0.0, False), (1e-9, False), (0.05, True)])
def test_a_loss_that_comes_to_nothing_has_not_risen(ends: float, *, rises: bool) -> None:
    torch.manual_seed(0)
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for step in range(40):
            optimizer.zero_grad()
            (net(torch.randn(8, 4)) - torch.randn(8, 1)).square().mean().backward()
            run.step(0.2 if step < 2 else 0.0 if step < 20 else ends)
            optimizer.step()
    assert ("risen" in str(run.report())) is rises
