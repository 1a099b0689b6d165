"""Cells of one's own, towers that are stacked and streams that are multiplied, against float64."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Any

import pytest
import torch
from generated_cells import Own, decayed, leaky, lerped, mixed, moved, renewed
from generated_many import Ensemble, Stacked, beside_another
from test_hand import LABELS, decades, learns, said
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook

MARGIN = 0.6
"""How many decades about the limits of a verdict are left out: the first step is not compared."""


def in_words(change: float) -> str:
    if abs(change) < 2 - 2 * MARGIN:
        return "healthy"
    assert abs(change) > 2 + MARGIN
    return "exploding" if change > 0 else "vanishing"


@pytest.mark.parametrize(
    ("mix", "gate"),
    [*product((mixed, moved, lerped, leaky, renewed), (-4.0, 0.0, 4.0)), (decayed, -4.0)],
)
def test_of_an_own_cell_the_states_are_compared(mix: Any, gate: float) -> None:
    torch.manual_seed(1)
    net, kept = Own(3, mix, gate).double(), list[Tensor]()
    x = torch.randn(16, 50, 8, dtype=torch.float64)
    change = decades(kept, F.cross_entropy(net(x, kept), LABELS))
    assert said(net, x) == in_words(change)


@pytest.mark.parametrize("factor", [0.03, 1.0])
def test_of_towers_that_are_stacked_each_falls_as_all_do(factor: float) -> None:
    torch.manual_seed(0)
    net, x = Stacked(3, 24, factor).double(), torch.randn(16, 16, dtype=torch.float64)
    states, out = beside_another(net, x)
    change = decades(states, F.cross_entropy(out, LABELS))
    assert said(net, x) == in_words(change)


class Multiplied(nn.Module):
    """A module that multiplies what another returns."""

    def __init__(self, inner: nn.Module, factor: float) -> None:
        super().__init__()
        self.inner, self.factor = inner, factor

    def forward(self, x: Tensor) -> Any:
        return self.factor * self.inner(x)


class Before(nn.Module):
    """A block with a normalization before its branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())

    def forward(self, x: Tensor) -> Any:
        return x + self.branch(x)


@pytest.mark.parametrize("factor", [1.0, 50.0])
def test_a_stream_that_is_multiplied_and_then_normalized_does_not_explode(factor: float) -> None:
    """It trains as well: the step of a weight does not depend on the factor behind it."""
    torch.manual_seed(0)
    blocks = [Multiplied(Before(32), factor) for _ in range(3)]
    net = nn.Sequential(nn.Linear(16, 32), *blocks, nn.LayerNorm(32), nn.Linear(32, 4))
    x = torch.randn(16, 16)
    h = [net[0](x)]
    for block in net[1:4]:
        h.append(block(h[-1]))
    rise = decades(h, F.cross_entropy(net[5](net[4](h[-1])), LABELS))
    assert rise == pytest.approx(3 * math.log10(factor), abs=0.8)
    assert said(net, x) == "healthy"
    assert learns(net, x)


@pytest.mark.parametrize("normalized", [False, True])
def test_a_normalization_of_the_data_does_not_bear_a_rise_behind_it(normalized: bool) -> None:
    torch.manual_seed(0)
    layers = [nn.LayerNorm(16) if normalized else nn.Identity()]
    widths = [16, *[32] * 8]
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
        nn.init.normal_(layers[-2].weight, std=3.1 / math.sqrt(a))
    net, x = nn.Sequential(*layers, nn.Linear(32, 4)), torch.randn(16, 16)
    first = net[1](net[0](x))
    rise = decades([first, h := net[2:-1](first)], F.cross_entropy(net[-1](h), LABELS))
    assert 2 < rise < 3.2
    assert said(net, x) == "exploding"


class LSTM(nn.Module):
    """One step of an LSTM, which hands on two states."""

    def __init__(self, width: int, forget: float) -> None:
        super().__init__()
        self.gates, self.forget = nn.Linear(8 + width, 4 * width), forget

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, c = state
        put, keep, out, new = self.gates(torch.cat([x, h], 1)).chunk(4, 1)
        c = torch.sigmoid(keep + self.forget) * c + torch.sigmoid(put) * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(c), c


class InALoop(nn.Module):
    """A cell that is called step by step, with a head that is asked at each of them."""

    def __init__(self, forget: float) -> None:
        super().__init__()
        self.cell, self.head = LSTM(24, forget), nn.Linear(24, 4)

    def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        h = c = x.new_zeros(len(x), 24)
        for row in x.unbind(1):
            h, c = self.cell(row, (h, c))
            if kept is not None:
                kept.append(torch.cat([h, c], 1))
                h, c = kept[-1].chunk(2, 1)
            said = self.head(h)
        return said


@pytest.mark.parametrize(("forget", "steps"), [(-2.0, 8), (0.0, 40), (4.0, 8), (4.0, 40)])
def test_a_cell_that_hands_on_two_states_is_judged_by_them(forget: float, steps: int) -> None:
    """A head within the loop that is read once is no cut, either."""
    torch.manual_seed(2)
    net, kept = InALoop(forget).double(), list[Tensor]()
    x = torch.randn(16, steps, 8, dtype=torch.float64)
    change = decades(kept, F.cross_entropy(net(x, kept), LABELS))
    assert said(net, x) == in_words(change)


class Prepared(nn.Module):
    """A recurrent network whose data are multiplied for all steps at once."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.back, self.head = nn.Linear(8, 24), nn.Linear(24, 24), nn.Linear(24, 4)

    def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        rows, h = self.into(x), x.new_zeros(len(x), 24)
        for row in rows.unbind(1):
            h = torch.tanh(row + self.back(h))
            if kept is not None:
                kept.append(h)
        return self.head(h)


def test_data_that_are_prepared_before_the_loop_are_not_what_goes_on() -> None:
    torch.manual_seed(0)
    net, kept = Prepared().double(), list[Tensor]()
    x = torch.randn(16, 14, 8, dtype=torch.float64)
    change = decades(kept, F.cross_entropy(net(x, kept), LABELS))
    assert said(net, x) == in_words(change)


@pytest.mark.parametrize("count", [3, 6, 9])
def test_the_share_of_a_mean_of_a_few_is_no_fall(count: int) -> None:
    torch.manual_seed(0)
    net, x = Ensemble(3, count), torch.randn(16, 16)
    assert said(net, x) == "healthy"
    states, out = beside_another(net, x)
    assert abs(decades(states, F.cross_entropy(out, LABELS))) < 1


class ByHand(nn.Module):
    """Cells as tutorials write them: `beside` lays input and state in one tensor."""

    def __init__(self, kind: str, way: str, width: int = 24) -> None:
        super().__init__()
        parts = {"gru": 3, "lstm": 4, "minimal": 2}[kind]
        self.kind, self.way, self.width = kind, way, width
        self.of_both = nn.Linear(8 + width, (parts - (kind != "lstm")) * width)
        self.new, self.out = nn.Linear(8 + width, width), nn.Linear(width, 4)
        split = [width] * parts if way == "apart" else [parts * width]
        self.of_x = nn.ModuleList(nn.Linear(8, n) for n in split)
        self.of_h = nn.ModuleList(nn.Linear(width, n) for n in split)

    def trained(self) -> ByHand:
        """Leave out what this kind has no use for."""
        if self.way == "beside":
            self.of_x = self.of_h = nn.ModuleList()
        else:
            del self.of_both
        if self.way != "beside" or self.kind == "lstm":
            del self.new
        return self.double()

    def gates(self, x: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return what is made of the input and of the state, or twice what is made of both."""
        if self.way == "beside":
            both = [*self.of_both(torch.cat([x, h], 1)).split(self.width, 1)]
            return both, [torch.zeros_like(part) for part in both]
        sides = ((self.of_x, x), (self.of_h, h))
        first, second = (torch.cat([layer(v) for layer in ls], 1) for ls, v in sides)
        return [*first.split(self.width, 1)], [*second.split(self.width, 1)]

    def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Any:
        h = c = x.new_zeros(len(x), self.width)
        for step in x.unbind(1):
            of_x, of_h = self.gates(step, h)
            gates = [(a + b).sigmoid() for a, b in zip(of_x, of_h, strict=True)]
            if self.kind == "lstm":
                c = gates[0] * c + gates[1] * (of_x[2] + of_h[2]).tanh()
                h = gates[3] * c.tanh()
            else:
                keep, reset = gates[0], gates[1 if self.kind == "gru" else 0]
                if self.way == "beside":
                    new = self.new(torch.cat([step, reset * h], 1)).tanh()
                else:
                    new = (of_x[-1] + reset * of_h[-1]).tanh()
                h = c = (1 - keep) * new + keep * h
            if kept is not None:
                c.retain_grad()
                kept.append(c)
        return self.out(h)


@pytest.mark.parametrize("width", [8, 24])
@pytest.mark.parametrize("way", ["beside", "chunks", "apart"])
@pytest.mark.parametrize(("kind", "short"), [("gru", 4), ("gru", 6), ("lstm", 5), ("minimal", 5)])
@pytest.mark.parametrize("long", [False, True])
def test_the_first_gates_of_a_cell_begin_no_path(
    kind: str, way: str, short: int, width: int, long: bool
) -> None:
    """They read data alone: what comes to them is a share of what comes to the state."""
    torch.manual_seed(0)
    net, kept = ByHand(kind, way, width).trained(), list[Tensor]()
    x = torch.randn(16, 24 if long else short, 8, dtype=torch.float64)
    change = decades(kept, F.cross_entropy(net(x, kept), LABELS))
    assert change < -2.5 if long else change > -1.5
    assert said(net, x) == ("vanishing" if long else "healthy")


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("forget", [0.0, 5.0])
def test_a_cell_that_begins_without_a_state_is_judged_as_with_one(
    given: bool, forget: float
) -> None:
    """Its input gate is nearly shut: at its first call nothing is handed on but what enters."""
    torch.manual_seed(0)

    class Looped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = nn.LSTMCell(2, 16), nn.Linear(16, 4)
            with torch.no_grad():
                self.cell.bias_ih[:16], self.cell.bias_ih[16:32] = -forget, forget

        def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
            state = (x.new_zeros(len(x), 16),) * 2 if given else None
            for step in x.unbind(1):
                state = self.cell(step, state)
                if kept is not None:
                    state[1].retain_grad()
                    kept.append(state[1])
            return self.out(state[0])

    net, kept = Looped().double(), list[Tensor]()
    x = torch.randn(16, 150, 2, dtype=torch.float64)
    loss = F.cross_entropy(net(x, kept), LABELS)
    assert said(net, x) == in_words(decades(kept, loss))


@pytest.mark.parametrize("steps", [6, 12, 24])
def test_of_a_plain_cell_each_step_counts(steps: int) -> None:
    """All states are read by the cell but the last, which differs from its tanh's input."""
    torch.manual_seed(0)

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = nn.Linear(8 + 24, 24), nn.Linear(24, 4)

        def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
            h = x.new_zeros(len(x), 24)
            for step in x.unbind(1):
                h = self.cell(torch.cat([step, h], 1)).tanh()
                if kept is not None:
                    kept.append(h)
            out: Tensor = self.out(h)
            return out

    net, kept = Plain().double(), list[Tensor]()
    x = torch.randn(16, steps, 8, dtype=torch.float64)
    change = decades(kept, F.cross_entropy(net(x, kept), LABELS))
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), LABELS).backward()
    [profile] = [f.profile for f in gradbook.diagnose(net, deltas=deltas).findings if f.profile]
    # One step is a third of a decade; where a state lies beside its input both are measured.
    assert profile.fall[0] == pytest.approx(-change, abs=0.1)


class Handed(nn.Module):
    """A cell that is called step by step with what the call before returned, or with another."""

    def __init__(self, kind: str, way: str) -> None:
        super().__init__()
        self.kind, self.way, self.out = kind, way, nn.Linear(24, 4)
        self.first = nn.Parameter(torch.randn(16, 24))
        self.first.requires_grad_(way == "learned")
        if kind in ("LSTM", "GRU"):
            self.cell = getattr(nn, kind)(8, 24, batch_first=True)
        elif kind == "beside":
            self.cell = nn.Linear(8 + 24, 24)
        elif kind == "apart":
            self.read, self.cell = nn.Linear(8, 24), nn.Linear(24, 24)
        else:
            self.cell = getattr(nn, kind)(8, 24)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return what is read of a step, and what may be handed on."""
        if self.kind == "beside":
            h = self.cell(torch.cat([x, state], 1)).tanh()
            return h, h
        if self.kind == "apart":
            h = (self.read(x) + self.cell(state)).tanh()
            return h, h
        if self.kind in ("LSTM", "GRU"):
            out, state = self.cell(x[:, None], state)
            return out[:, 0], state
        state = self.cell(x, state)
        return state[0] if self.kind == "LSTMCell" else state, state

    def fresh(self, h: Tensor) -> Any:
        state = h[None] if self.kind in ("LSTM", "GRU") else h
        return (state, torch.zeros_like(state)) if "LSTM" in self.kind else state

    def forward(self, x: Tensor) -> Tensor:
        zeros = x.new_zeros(len(x), 24)
        state = self.fresh(zeros)
        for row in x.unbind(1):
            if self.way == "detached":
                many = isinstance(state, tuple)
                state = tuple(s.detach() for s in state) if many else state.detach()
            elif self.way != "handed on":
                anew = {"learned": self.first * 1, "drawn": torch.randn(len(x), 24)}
                state = self.fresh(anew.get(self.way, zeros)) if self.way != "none" else None
            h, state = self.step(row, state)
        return self.out(h)


KINDS = ("LSTMCell", "GRUCell", "RNNCell", "LSTM", "GRU", "beside", "apart")
WAYS = ("zeros", "none", "learned", "drawn", "detached", "handed on")


NEEDY = ("beside", "apart")  # they cannot be called without a state


@pytest.mark.parametrize(
    ("kind", "way"), [(k, w) for k, w in product(KINDS, WAYS) if k not in NEEDY or w != "none"]
)
def test_of_a_cell_whose_state_is_not_handed_on_it_is_said_to_be_so(kind: str, way: str) -> None:
    torch.manual_seed(0)
    net, x = Handed(kind, way), torch.randn(16, 5, 8)
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), LABELS).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    if way == "handed on":
        assert report.verdict.value == "healthy"
        return
    assert report.verdict.value == "cut"
    assert "was called 5 times" in report.reason
    if way in ("zeros", "none") and kind != "beside":  # there one matrix reads the input, too
        assert report.reason.startswith("cell ")
        assert "state is 0, or none: nothing is handed on" in report.reason
        assert "detach" not in f"{report.reason} {report.steps[0].text}"
        assert "give each call what the one before returned" in report.steps[0].text
    else:
        assert "detached, or made anew" in report.reason
        assert report.steps[0].text.startswith("Hand the state on from call to call")
