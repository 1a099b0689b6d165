"""What is seen though no layer reads it at once: saturation, loops of bare weights, scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

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
