"""What people write by hand: the diagnosis against decades in float64, and against training."""

from __future__ import annotations

import math
from itertools import pairwise
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


class Told(nn.Module):
    """A cell of one's own in a loop, with a head and a loss at each step."""

    def __init__(self, gain: float, inside: bool) -> None:
        super().__init__()
        self.i, self.h, self.o = nn.Linear(5, 32), nn.Linear(32, 32), nn.Linear(32, 2)
        self.inside, self.states = inside, list[Tensor]()
        nn.init.orthogonal_(self.h.weight, gain)

    def forward(self, x: Tensor) -> Tensor:
        h, outs = x.new_zeros(x.shape[1], 32), list[Tensor]()
        self.states = []
        for row in x:
            h = torch.tanh(self.i(row) + self.h(h))
            self.states.append(h)
            outs.append(self.o(h) if self.inside else h)
        return torch.stack(outs) if self.inside else self.o(torch.stack(outs))


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("steps", [8, 20, 40])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_loss_at_each_step_of_a_cell_of_ones_own_is_no_fall(
    inside: bool, steps: int, seed: int
) -> None:
    torch.manual_seed(seed)
    net, x = Told(1.0, inside).double(), torch.randn(steps, 16, 5).double()
    labels = (x.cumsum(0)[..., 0] > 0).long()
    deltas = gradbook.watch(net)
    loss = F.cross_entropy(net(x).flatten(0, 1), labels.flatten())
    assert abs(decades(net.states, loss)) < 0.5
    F.cross_entropy(net(x).flatten(0, 1), labels.flatten()).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict.value == "healthy"
    # The rate that is printed is that of the states: a tenth a step would be another network's.
    rate = report.rate
    assert not inside or rate is None or 0.9 < rate.factor < 1.2


class Pooled(nn.Module):
    """Layers at each of many positions, whose outputs are summed, or averaged, before the head."""

    def __init__(self, depth: int, bend: type[nn.Module], way: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(depth))
        self.bend, self.head, self.way, self.states = bend(), nn.Linear(16, 4), way, list[Tensor]()

    def forward(self, x: Tensor) -> Tensor:
        self.states = []
        for layer in self.layers:
            x = self.bend(layer(x))
            self.states.append(x)
        return self.head(x.sum(1) if self.way == "sum" else x.mean(1))


@pytest.mark.parametrize("way", ["sum", "mean"])
@pytest.mark.parametrize(
    ("depth", "bend", "positions"),
    [(5, nn.Sigmoid, 20), (5, nn.Sigmoid, 50), (2, nn.Tanh, 20_000), (3, nn.Tanh, 200)],
)
def test_a_sum_over_positions_keeps_the_size_and_a_mean_shares_it(
    depth: int, bend: type[nn.Module], positions: int, way: str
) -> None:
    torch.manual_seed(0)
    net, x = Pooled(depth, bend, way).double(), torch.randn(16, positions, 16).double()
    out = net(x)
    change = decades(net.states, F.cross_entropy(out, LABELS))
    assert abs(change) < 0.5 or change < -2.2
    assert said(net, x) == ("healthy" if abs(change) < 0.5 else "vanishing")


@pytest.mark.parametrize("way", ["sum", "mean"])
@pytest.mark.parametrize("count", [4, 8, 16])
def test_towers_that_are_stacked_and_summed_get_each_all(count: int, way: str) -> None:
    torch.manual_seed(0)
    towers = [
        [m for _ in range(5) for m in (nn.Linear(16, 16), nn.Sigmoid())] for _ in range(count)
    ]
    net: Any = nn.Module()
    net.towers, net.head = nn.ModuleList(nn.Sequential(*t) for t in towers), nn.Linear(16, 4)

    def forward(x: Tensor) -> Any:
        outs = torch.stack([tower(x) for tower in net.towers])
        return net.head(outs.sum(0) if way == "sum" else outs.mean(0))

    net.forward = forward
    # Five sigmoids lose half a decade each: of the last state's gradient 10^-2 is left.
    assert said(net.double(), torch.randn(16, 16).double()) == "vanishing"


class Members(nn.Module):
    """Several networks side by side, whose weights of three axes no module is called for."""

    def __init__(self, how: str, bend: Any, layers: int = 7, width: int = 24) -> None:
        super().__init__()
        sizes = [8, *[width] * layers]
        drawn = (torch.randn(4, a, b) / a**0.5 for a, b in pairwise(sizes))
        self.weights = nn.ParameterList(drawn)
        self.biases = nn.ParameterList(torch.zeros(4, 1, width) for _ in range(layers))
        self.how, self.bend, self.out = how, bend, nn.Linear(width, 4)

    def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        h = x.expand(4, -1, -1)
        for w, b in zip(self.weights, self.biases, strict=True):
            if self.how == "einsum":
                z = torch.einsum("ebi,eio->ebo", h, w) + b
            else:
                z = torch.baddbmm(b, h, w)
            h = self.bend(z)
            if kept is not None:
                kept.append(h)
        out: Tensor = self.out(h.mean(0))
        return out


@pytest.mark.parametrize("how", ["einsum", "baddbmm"])
@pytest.mark.parametrize(("bend", "expected"), [("sigmoid", "vanishing"), ("tanh", "healthy")])
def test_a_weight_that_is_rearranged_before_it_is_read_is_a_weight(
    how: str, bend: str, expected: str
) -> None:
    torch.manual_seed(0)
    net, kept = Members(how, getattr(torch, bend)).double(), list[Tensor]()
    x = torch.randn(16, 8, dtype=torch.float64)
    change = decades(kept, F.cross_entropy(net(x, kept), LABELS))
    assert change < -3 if expected == "vanishing" else abs(change) < 1
    assert said(net, x) == expected
