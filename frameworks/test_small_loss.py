"""A loss times a small number sends next to nothing, and Adam trains all the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn
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
