"""What is seen though no layer reads it at once: saturation, loops of bare weights, scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

V = Verdict


def ask(net: nn.Module, loss: Callable[[nn.Module], Tensor], **more: Any) -> Report:
    deltas = gradbook.watch(net)
    loss(net).backward()
    return gradbook.diagnose(net, deltas=deltas, **more)


class Actor(nn.Module):
    """What acts is laid beside the state, which has other numbers."""

    def __init__(self, scale: float, bend: type[nn.Module]) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 2), bend())
        self.critic = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
        with torch.no_grad():
            self.actor[2].weight.mul_(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.critic(torch.cat([x, self.actor(x)], 1))


@pytest.mark.parametrize("bend", [nn.Tanh, nn.Sigmoid])
def test_what_is_saturated_is_told_though_it_is_laid_beside_others(bend: type[nn.Module]) -> None:
    x = torch.randn(128, 6, generator=torch.Generator().manual_seed(0))
    for scale, told in ((400.0, True), (1.0, False)):
        torch.manual_seed(0)
        report = ask(Actor(scale, bend), lambda net: -net(x).mean())
        assert ("at an end of its activation" in report.reason) is told, report.reason


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_scripted_is_refused_with_what_to_do() -> None:
    for net in (nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))):
        with pytest.raises(TypeError, match=r"before torch\.jit\.script"):
            gradbook.watch(torch.jit.script(net))


class Unrolled(nn.Module):
    """A loop over steps of bare weights, or the same weights beside one another."""

    def __init__(self, how: str, steps: int = 30) -> None:
        super().__init__()
        self.read, self.hold = (nn.Parameter(0.1 * torch.randn(n, 16)) for n in (4, 16))
        self.out, self.how, self.steps = nn.Linear(16, 1), how, steps

    def forward(self, x: Tensor) -> Tensor:
        h, found = x.new_zeros(x.shape[1], 16), []
        for step in x[: self.steps]:
            if self.how == "linear":
                h = torch.tanh(step @ self.read + F.linear(h, self.hold))
            elif self.how == "matrix":
                h = torch.tanh(step @ self.read + h @ self.hold)
            else:
                found.append(torch.tanh(torch.tanh(step @ self.read) @ self.hold))
        return self.out(torch.stack(found).mean(0) if found else h)


def decades(net: Unrolled, x: Tensor) -> float:
    """Return how far the gradient at what enters falls from the last step to the first."""
    x = x.double().requires_grad_()
    (back,) = torch.autograd.grad(net.double()(x).square().mean(), x)
    sizes = back.flatten(1).norm(dim=1)
    net.float()
    return float((sizes[-1] / sizes[0]).log10())


@pytest.mark.parametrize("how", ["matrix", "linear"])
def test_a_loop_of_bare_weights_is_seen_step_by_step(how: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(30, 8, 4)
    net = Unrolled(how)
    report = ask(net, lambda net: net(x).square().mean())
    assert decades(net, x) > 8
    assert (report.verdict, report.findings[0].hint) == (V.VANISHING, "time")
    nn.init.orthogonal_(net.hold)
    assert decades(net, x) < 1.9
    report = ask(net, lambda net: net(x).square().mean())
    assert report.verdict is V.HEALTHY, report.reason


def test_bare_weights_that_are_used_beside_one_another_are_no_loop() -> None:
    torch.manual_seed(0)
    report = ask(Unrolled("beside"), lambda net: net(torch.randn(30, 8, 4)).square().mean())
    assert report.verdict is V.HEALTHY, report.reason
