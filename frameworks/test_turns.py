"""Modules that take turns, at a single step: none is cut off, and what is cut off stays so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_units import ask, trained
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Verdict

V = Verdict


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Parts(nn.Module):
    """A stem, a list of layers with paths around them, and a head; a spare layer may be called."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.stem, self.out, self.way, self.steps = nn.Linear(8, 32), nn.Linear(32, 4), way, 0
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(5))
        self.heads = nn.ModuleDict({k: nn.Linear(32, 4) for k in ("a", "b")})
        self.spare = nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh())
        if way != "spare":
            del self.spare
        if way == "heads":
            del self.out
        else:
            del self.heads

    def forward(self, x: Tensor) -> Tensor:
        h, self.steps = self.stem(x), self.steps + 1
        if self.way == "experts":
            return self.out(h + self.experts(h))
        for k, layer in enumerate(self.layers):
            if self.way in ("dropped", "cut") and (k + self.steps) % 5 < 2:
                continue
            if self.way == "forgotten" and k == 3:
                continue
            h = h + layer(h).tanh()
            h = h.detach() if self.way == "cut" and k == 2 else h
        return self.heads["ab"[self.steps % 2]](h) if self.way == "heads" else self.out(h)

    def experts(self, h: Tensor) -> Tensor:
        """Send each example where its first number says, which spares two of the five."""
        to = (h[:, 0] > 0).long() + (self.steps + 1) % 3
        out = torch.zeros_like(h)
        for k, expert in enumerate(self.layers):
            if (chosen := (to == k).nonzero()[:, 0]).numel():
                out = out.index_add(0, chosen, expert(h[chosen]).tanh())
        return out


@pytest.mark.parametrize("way", ["dropped", "heads", "experts"])
def test_what_was_not_called_in_a_step_is_a_remark_where_others_of_its_list_were(way: str) -> None:
    net: Any = Parts(way)
    report = ask(net, torch.randn(24, 8))
    assert report.verdict is V.HEALTHY
    assert "not called in this step" in report.reason
    assert "Watch a run" in report.steps[0].text
    assert trained(net, torch.randn(24, 8)) < 0.7
    before = [p.clone() for p in net.layers.parameters()]
    trained(net, torch.randn(24, 8), 12)
    pairs = zip(before[:6], net.layers.parameters(), strict=False)
    assert not any(torch.equal(a, b) for a, b in pairs)


def test_a_layer_that_is_never_called_and_in_no_list_is_told_at_once() -> None:
    report = ask(Parts("spare"))
    assert report.verdict is V.CUT
    assert "never called: spare.0.weight" in report.reason


class Made(nn.Module):
    """A layer whose weights others make, and that gets them in one way or another."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.z, self.way, self.last = nn.Parameter(torch.randn(8)), way, nn.Linear(8, 4)
        if way == "bare":
            self.make = nn.Parameter(torch.randn(32, 8))
        else:
            self.maker = nn.Linear(8, 32)
        self.last.weight.requires_grad_(way != "handed over")

    def forward(self, x: Tensor) -> Any:
        w = (self.make @ self.z if self.way == "bare" else self.maker(self.z)).view(4, 8)
        if self.way == "handed over":
            return torch.func.functional_call(self.last, {"weight": w}, (x,))
        if self.way == "copied":
            with torch.no_grad():
                self.last.weight.copy_(w)
        elif self.way == "copied to data":
            self.last.weight.data.copy_(w)
        else:
            self.last.weight.data = w.data
        return self.last(x)


@pytest.mark.parametrize("way", ["data", "copied", "copied to data", "bare", "handed over"])
def test_weights_that_are_made_and_written_were_used(way: str) -> None:
    net = Made(way)
    report = ask(net)
    lost = [name for name, p in net.named_parameters() if p.requires_grad and p.grad is None]
    assert (report.verdict is V.CUT) is bool(lost)
    assert bool(lost) is (way != "handed over")
    if lost:
        assert "never called" not in report.reason
        assert all(name in report.reason for name in lost)
        assert ".data" in report.steps[0].text
        assert "functional_call" in report.steps[0].text


class Scaled(nn.Module):
    """A layer, and a number that nothing is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.layer = nn.Parameter(torch.ones(8)), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Any:
        return self.layer(x)


def test_a_module_that_returns_what_another_does_was_called() -> None:
    report = ask(nn.Sequential(Scaled(), nn.Tanh(), nn.Linear(8, 4)))
    assert report.verdict is V.CUT
    assert "0.scale. Nothing that ran was seen to read them" in report.reason


def test_a_cut_is_told_where_others_take_turns() -> None:
    net = Parts("cut")
    report = ask(net)
    assert [p.grad is None for p in (net.stem.weight, net.layers[2].weight)] == [True, True]
    assert (report.verdict, "cut between" in report.reason) == (V.CUT, True)


def test_a_layer_of_a_list_that_no_step_of_a_run_calls_is_told() -> None:
    net, y = Parts("forgotten"), torch.randint(4, (24,))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(8):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(24, 8)), y).backward()
            optimizer.step()
    report = run.report()
    assert report.verdict is V.CUT
    assert "never called: layers.3.weight" in report.reason


def test_of_a_cell_of_bare_weights_one_call_may_get_nothing() -> None:
    """The forget gate of the first step has nothing to forget, where the state begins with 0."""
    net = nn.Module()
    for k in "ifog":
        net.register_parameter(f"W{k}", nn.Parameter(torch.randn(16, 16) / 4))
        net.register_parameter(f"U{k}", nn.Parameter(torch.randn(8, 16) / 3))
    net.out = nn.Linear(16, 4)

    def run(x: Tensor) -> Tensor:
        h = c = torch.zeros(len(x), 16)
        for _ in range(4):
            parts = (x @ getattr(net, f"U{k}") + h @ getattr(net, f"W{k}") for k in "ifog")
            i, f, o, g = parts
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return net.out(h)

    net.forward = run
    report = ask(net)
    assert all(p.grad.any() for p in net.parameters())
    assert report.verdict is V.HEALTHY
    assert "nothing comes from the loss" not in report.reason
