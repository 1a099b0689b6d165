"""What people write by hand: the diagnosis against decades in float64, and against training."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from generated_hand import Cell, Solver
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook

LABELS = torch.arange(16) % 4


def said(net: nn.Module, x: Tensor, y: Tensor = LABELS) -> str:
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    return gradbook.diagnose(net, deltas=deltas).verdict.value


def decades(states: list[Tensor], loss: Tensor) -> float:
    """Return by how many decades the gradient changes from the last state to the first."""
    ends = torch.autograd.grad(loss, [states[0], states[-1]])
    first, last = (float(end.norm()) for end in ends)
    return math.log10(first / last)


def learns(net: Any, x: Tensor, rate: float = 1e-2, steps: int = 40) -> bool:
    optimizer, losses = torch.optim.Adam(net.parameters(), rate), list[float]()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), LABELS)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("how", ["midpoint", "Heun", "Runge-Kutta"])
@pytest.mark.parametrize(
    ("change", "expected"), [(0, "healthy"), (-3, "vanishing"), (3, "exploding")]
)
def test_of_a_neural_ode_the_states_are_compared(how: str, change: int, expected: str) -> None:
    torch.manual_seed(0)
    net, x = Solver(3, how, change).double(), torch.randn(16, 16).double()
    states = net.states(x)
    assert decades(states, F.cross_entropy(net.head(states[-1]), LABELS)) == pytest.approx(
        change, abs=0.5
    )
    assert said(net, x) == expected


class OverSteps(nn.Module):
    """The largest of all states counts, or the last."""

    def __init__(self, kind: str, largest: bool) -> None:
        super().__init__()
        self.body = getattr(nn, kind)(8, 32, **({} if "Cell" in kind else {"batch_first": True}))
        self.head, self.largest = nn.Linear(32, 4), largest

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.body, nn.RNNBase):
            found = self.body(x)[0]
        else:
            h: Any = None
            states = [h := self.body(row, h) for row in x.unbind(1)]
            found = torch.stack([s[0] if isinstance(s, tuple) else s for s in states], 1)
        return self.head(found.amax(1) if self.largest else found[:, -1])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"])
def test_steps_that_no_maximum_picks_are_no_fall_and_a_last_step_read_alone_is(kind: str) -> None:
    torch.manual_seed(0)
    net, x = OverSteps(kind, largest=True), torch.randn(16, 150, 8)
    assert said(net, x) == "healthy"
    assert learns(net, x)
    assert said(OverSteps(kind, largest=False), x) == "vanishing"


class Looped(nn.Module):
    """The mean of many towers, added up one by one."""

    def __init__(self, count: int, depth: int) -> None:
        super().__init__()
        layers = [
            [m for _ in range(depth) for m in (nn.Linear(8, 8), nn.Sigmoid())] for _ in range(count)
        ]
        self.towers = nn.ModuleList(nn.Sequential(*some, nn.Linear(8, 8)) for some in layers)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        total: Any = 0
        for tower in self.towers:
            total = total + tower(x) / len(self.towers)
        return self.head(total)


def test_a_running_mean_of_hundreds_of_towers_is_no_fall_and_one_within_them_is() -> None:
    torch.manual_seed(0)
    x = torch.randn(16, 8)
    assert said(Looped(256, 1), x) == "healthy"
    assert said(Looped(256, 6), x) == "vanishing"


class Experts(nn.Module):
    """Each token goes to one of many."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.stem, self.router, self.head = nn.Linear(8, 16), nn.Linear(16, count), nn.Linear(16, 4)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16)) for _ in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        best = (shares := self.router(h).softmax(-1)).topk(1, -1)
        gates = torch.zeros_like(shares).scatter(-1, best.indices, best.values)
        sent: Any = sum(gates[:, i : i + 1] * expert(h) for i, expert in enumerate(self.experts))
        return self.head(h + sent)


def test_more_experts_than_tokens_are_no_fall() -> None:
    torch.manual_seed(0)
    net, x = Experts(64), torch.randn(16, 8)
    assert said(net, x) == "healthy"
    assert learns(net, x)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell"])
@pytest.mark.parametrize(("steps", "expected"), [(5, "healthy"), (40, "vanishing")])
def test_a_mask_of_rows_hides_no_fall(kind: str, steps: int, expected: str) -> None:
    torch.manual_seed(0)
    net, x = Cell(0, kind).double(), torch.randn(16, steps, 8).double()
    x[:, steps - 1] *= (torch.arange(16) % 2)[:, None]
    kept: list[Tensor] = []
    loss = F.cross_entropy(net(x, kept), LABELS)
    change = decades(kept, loss)
    assert (change < -2) == (expected == "vanishing")
    assert said(net, x) == expected
