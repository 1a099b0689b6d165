"""Networks and logs as people ask about them in public, by the kinds of fault they stand for.

Each case is built anew here. What is true of it is measured by autograd in float64 or follows from
how it is built; the diagnosis is asked as the README says.
"""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

import gradbook
from gradbook import cli
from gradbook.diagnosis import Report, Verdict

V = Verdict


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def ask(net: nn.Module, loss: Callable[[nn.Module], Tensor], **more: Any) -> Report:
    deltas = gradbook.watch(net)
    loss(net).backward()
    return gradbook.diagnose(net, deltas=deltas, **more)


def decades(loss: Tensor, states: Sequence[Tensor]) -> float:
    sizes = [g.double().square().mean().sqrt().item() for g in torch.autograd.grad(loss, states)]
    return math.log10(sizes[0] / sizes[-1])


def dense(sizes: Sequence[int], activation: type[nn.Module], init: Any = None) -> nn.Sequential:
    parts: list[nn.Module] = []
    for a, b in pairwise(sizes):
        parts += [nn.Linear(a, b), activation()]
    net = nn.Sequential(*parts[:-1])
    for part in net:
        if init is not None and isinstance(part, nn.Linear):
            init(part.weight)
            nn.init.zeros_(part.bias)
    return net


def rows(number: int = 32) -> tuple[Tensor, Tensor]:
    return torch.randn(number, 16), torch.randint(4, (number,))


def entropy(x: Tensor, y: Tensor) -> Callable[[nn.Module], Tensor]:
    return lambda net: F.cross_entropy(net(x), y)


# Kind 1: a gradient that is missing.


class Halves(nn.Module):
    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.front = dense([16, 32, 32, 32], nn.ReLU)
        self.back = dense([32, 32, 32, 4], nn.ReLU)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.back(self.between(self.front(x)).relu())


@pytest.mark.parametrize(
    "between",
    [
        lambda h: h.detach(),
        lambda h: torch.from_numpy(h.detach().numpy()),
        lambda h: F.one_hot(h.argmax(-1), 32).float(),
    ],
    ids=["detach", "NumPy", "argmax"],
)
def test_a_graph_that_is_cut_is_said_with_the_place(between: Any) -> None:
    report = ask(Halves(between), entropy(*rows()))
    assert report.verdict is V.CUT
    assert "6 of 12 trainable tensors" in report.reason
    assert "between front.4 and" in report.reason
    assert ask(Halves(lambda h: h), entropy(*rows())).verdict is V.HEALTHY


class Block(nn.Module):
    def __init__(self, width: int = 32, zero: bool = False, bad: bool = False) -> None:
        super().__init__()
        self.norm, self.bad = nn.LayerNorm(width), bad
        self.up, self.down = (nn.Linear(width, width, bias=not zero) for _ in "ud")
        if zero:
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.down.weight)

    def forward(self, h: Tensor) -> Tensor:
        z = self.down(self.up(self.norm(h)).relu())
        return h + (torch.log(z) if self.bad else z)


class Path_(nn.Module):
    def __init__(self, blocks: Sequence[nn.Module], outputs: int = 4) -> None:
        super().__init__()
        self.stem, self.blocks = nn.Linear(16, 32), nn.ModuleList(blocks)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


def test_what_is_frozen_on_purpose_is_a_note() -> None:
    net = Path_([Block() for _ in range(4)])
    net.stem.requires_grad_(False)
    net.blocks.requires_grad_(False)
    report = ask(net, entropy(*rows()))
    assert report.verdict is V.HEALTHY
    assert any("have requires_grad False" in note for note in report.notes)


class Expert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


class Routed(nn.Module):
    """A mixture of four experts, of which a router prefers the first by so much."""

    def __init__(self, preference: float, hard: bool) -> None:
        super().__init__()
        self.router = nn.Linear(32, 4)
        self.experts = nn.ModuleList(Expert() for _ in range(4))
        self.hard = hard
        with torch.no_grad():
            self.router.bias[0] += preference

    def forward(self, h: Tensor) -> Tensor:
        share = self.router(h).softmax(-1)
        if not self.hard:
            parts = [e(h) * share[:, i : i + 1] for i, e in enumerate(self.experts)]
            return h + torch.stack(parts).sum(0)
        out = torch.zeros_like(h)
        for i, expert in enumerate(self.experts):
            chosen = (share.argmax(-1) == i).nonzero()[:, 0]
            if len(chosen):
                out = out.index_add(0, chosen, expert(h[chosen]) * share[chosen, i : i + 1])
        return h + out


def test_experts_that_nobody_calls_and_such_as_get_nothing() -> None:
    collapsed = ask(Path_([Routed(20.0, hard=True) for _ in range(3)]), entropy(*rows(64)))
    assert collapsed.verdict is V.CUT
    assert "never called" in collapsed.reason
    soft = ask(Path_([Routed(20.0, hard=False)]), entropy(*rows(64)))
    assert soft.verdict is V.STARVED
    balanced = ask(Path_([Routed(0.0, hard=False) for _ in range(3)]), entropy(*rows(64)))
    assert balanced.verdict is V.HEALTHY


def test_weights_that_the_optimizer_does_not_hold() -> None:
    net = dense([16, 32, 4], nn.ReLU)
    optimizer = torch.optim.SGD(net[0].parameters(), 0.01)
    report = ask(net, entropy(*rows()), optimizer=optimizer)
    assert report.verdict is V.CUT
    assert "2 of 4 trainable tensors are not in the optimizer" in report.reason


def test_what_another_optimizer_holds_is_not_cut_at_the_first_step() -> None:
    net = dense([16, 32, 32, 4], nn.ReLU)
    mine, other = (torch.optim.Adam(part.parameters(), 1e-3) for part in (net[:2], net[2:]))
    for optimizer in (mine, other):  # as a step of the generator, and one of the discriminator
        assert ask(net, entropy(*rows()), optimizer=optimizer).verdict is V.HEALTHY
        net.zero_grad()
    del optimizer, other
    assert ask(net, entropy(*rows()), optimizer=mine).verdict is V.CUT
    net.zero_grad()


@pytest.mark.parametrize("steps", [0, 1])
def test_of_two_optimizers_that_share_weights_the_steps_tell_whether_both_are_used(
    steps: int,
) -> None:
    """As where one trains all and the other a part; one that takes no step is an older one."""
    net = dense([16, 32, 32, 4], nn.ReLU)
    part, whole = (torch.optim.Adam(of.parameters(), 1e-3) for of in (net[:2], net))
    deltas = gradbook.watch(net)
    for number, expected in enumerate((V.HEALTHY, V.CUT if not steps else V.HEALTHY)):
        entropy(*rows())(net).backward()
        report = gradbook.diagnose(net, deltas=deltas, optimizer=part)
        assert report.verdict is expected
        assert ("if it takes no step" in report.reason) is (number == 0)
        for optimizer in (part, *steps * [whole]):
            optimizer.step()
        net.zero_grad()


NUMBERS = {
    "of no axis": torch.tensor(1.5),
    "of one number": torch.ones(1),
    "empty": torch.zeros(0),
    "of five axes": torch.ones(1, 1, 1, 1, 3),
    "complex": torch.ones(3, dtype=torch.complex64),
    "in bfloat16": torch.ones((), dtype=torch.bfloat16),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("run", [True, False])
def test_a_weight_of_any_shape_stops_neither_the_training_nor_the_report(
    kind: str, used: bool, run: bool
) -> None:
    """A temperature, a threshold, what CLIP multiplies by."""
    net = dense([16, 32, 32, 4], nn.Tanh)
    net.register_parameter("factor", nn.Parameter(NUMBERS[kind].clone()))
    optimizer, (x, y) = torch.optim.Adam(net.parameters(), 1e-3), rows()
    watched = gradbook.watching(net, optimizer=optimizer) if run else gradbook.watch(net)
    for _ in range(3):
        optimizer.zero_grad()
        factor = (1 + net.factor.real.sum()) if used else 1.0
        (F.cross_entropy(net(x), y) * factor).backward()
        report = None if run else gradbook.diagnose(net, deltas=watched, optimizer=optimizer)
        if run:
            watched.step()
        optimizer.step()
    report = watched.report() if run else report
    assert report.verdict is V.HEALTHY if used else report.verdict in (V.HEALTHY, V.CUT)


def test_what_fails_in_a_hook_does_not_stop_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks on may fail; then it says so, and gradients come as without it."""
    net, (x, y) = dense([16, 32, 32, 4], nn.Tanh), rows()
    F.cross_entropy(net(x), y).backward()
    alone = [p.grad.clone() for p in net.parameters()]
    for module, name in (("asking", "see"), ("record", "size_of")):
        inside = sys.modules[f"gradbook.diagnosis.watching.{module}"]
        monkeypatch.setattr(inside, name, lambda *_, **__: 1 / 0)
        deltas = gradbook.watch(net)
        net.zero_grad()
        with pytest.warns(RuntimeWarning, match="gradbook could not look at a step"):
            F.cross_entropy(net(x), y).backward()
        assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), alone, strict=True))
        deltas.remove()
        monkeypatch.undo()


# Kind 2: exactly zero is not dead.


def test_a_head_that_begins_with_zeros_is_called_so() -> None:
    for net in (Path_([Block() for _ in range(4)]), dense([16, 32, 32, 4], nn.Tanh)):
        last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
        nn.init.zeros_(last.weight)
        report = ask(net, entropy(*rows()))
        assert report.verdict is V.ZERO_START
        assert "first steps alone" in report.reason


class Squeeze(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(32, 8), nn.Linear(8, 32)

    def forward(self, h: Tensor) -> Tensor:
        return h * self.up(self.down(h).relu()).sigmoid()


def test_units_that_are_off_in_a_gate_are_dead_and_nothing_is_cut() -> None:
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), Squeeze(), nn.Linear(32, 4))
    assert ask(net, entropy(*rows())).verdict is V.HEALTHY
    net.zero_grad()
    nn.init.constant_(net[2].down.bias, -10)
    report = ask(net, entropy(*rows()))
    assert (report.verdict, report.since) == (V.DEAD, "2.down")


class LowRank(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base, self.down = nn.Linear(32, 32), nn.Linear(32, 4, bias=False)
        self.lora_up = nn.Linear(4, 32, bias=False)
        self.base.requires_grad_(False)
        nn.init.zeros_(self.lora_up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return (self.base(x) + self.lora_up(self.down(x))).relu()


def test_low_rank_adapters_are_no_fault_at_the_first_step() -> None:
    x, y = torch.randn(32, 32), torch.randint(4, (32,))
    report = ask(nn.Sequential(*(LowRank() for _ in range(4)), nn.Linear(32, 4)), entropy(x, y))
    assert [found.verdict for found in report.findings] == [V.HEALTHY, V.ZERO_START]
    assert "lora_up" in report.findings[1].reason


def test_a_sigmoid_that_is_saturated_at_the_output_is_the_loss_s_fault() -> None:
    net = nn.Sequential(*dense([16, 32, 32, 4], nn.ReLU), nn.Sigmoid())
    nn.init.constant_(net[-2].bias, -60.0)
    x, _ = rows()
    assert ask(net, lambda net: F.mse_loss(net(x), torch.ones(32, 4))).verdict is V.LOSS


def test_constant_weights_are_symmetric() -> None:
    net = dense([16, 32, 32, 4], nn.ReLU, lambda w: nn.init.constant_(w, 0.01))
    assert ask(net, entropy(*rows())).verdict is V.SYMMETRIC
    for part in net.children():
        if isinstance(part, nn.Linear):
            nn.init.uniform_(part.bias, -0.1, 0.1)
    net.zero_grad()
    assert ask(net, entropy(*rows())).verdict is V.HEALTHY


def test_branches_of_two_zeros_are_stuck() -> None:
    report = ask(Path_([Block(zero=True) for _ in range(4)]), entropy(*rows()))
    assert report.verdict is V.STUCK


def test_biases_far_below_zero_are_dead() -> None:
    net = dense([16, 32, 32, 32, 4], nn.ReLU, nn.init.kaiming_normal_)
    for part in net[:-1]:
        if isinstance(part, nn.Linear):
            nn.init.constant_(part.bias, -6.0)
    assert ask(net, entropy(*rows())).verdict is V.DEAD


# Kind 3: δ is looked at whatever the weights hold.


def test_weights_without_a_gradient_hide_nothing() -> None:
    net, (x, y) = dense([16, *[32] * 10, 4], nn.Sigmoid), rows()
    deltas = gradbook.watch(net)
    torch.autograd.grad(F.cross_entropy(net(x), y), list(net.parameters()))
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is V.VANISHING
    assert any("cleared" in note for note in report.notes)


@pytest.mark.parametrize("kind", ["relu", "softmax", "advantage", "masked", "round"])
def test_a_loss_that_sends_nothing(kind: str) -> None:
    x, y = rows()
    net = dense([16, 32, 32, 1 if kind in ("relu", "softmax") else 4], nn.ReLU)
    if kind == "relu":
        nn.init.constant_(net[-1].bias, -3.0)

    def loss(net: nn.Module) -> Tensor:
        out = net(x)
        if kind in ("relu", "softmax"):
            return F.mse_loss(out.relu() if kind == "relu" else out.softmax(1), torch.rand(32, 1))
        if kind == "advantage":
            return -(out.log_softmax(1)[torch.arange(32), y] * torch.zeros(32)).mean()
        if kind == "masked":
            return F.cross_entropy(out, torch.full((32,), -100), reduction="sum")
        return F.mse_loss(out.round(), F.one_hot(y, 4).float())

    report = ask(net, loss)
    assert report.verdict is V.LOSS
    assert "not your layers" in report.reason


# Kinds 4 and 5: the whole profile; directions, lengths, passes, lags, depth.


class Reader(nn.Module):
    def __init__(self, kind: Any, layers: int = 1, both: bool = False, every: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.rnn = kind(16, 32, layers, batch_first=True, bidirectional=both)
        self.out, self.both, self.every = nn.Linear(64 if both else 32, 50), both, every

    def forward(self, ids: Tensor, lengths: Any = None) -> Tensor:
        e = self.embed(ids)
        if lengths is not None:
            e = pack_padded_sequence(e, lengths, batch_first=True, enforce_sorted=False)
        out, last = self.rnn(e)
        last = last[0] if isinstance(last, tuple) else last
        if self.every:
            return self.out(out).flatten(0, 1)
        return self.out(torch.cat([last[-2], last[-1]], 1) if self.both else last[-1])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_both_directions_vanish_to_the_middle(kind: Any) -> None:
    ids, y = torch.randint(50, (8, 60)), torch.randint(50, (8,))
    report = ask(Reader(kind, both=True), entropy(ids, y))
    assert report.verdict is V.VANISHING
    assert "either direction" in report.reason


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("layers", [1, 3])
def test_one_direction_is_judged_where_the_loss_reads_the_last_step(kind: Any, layers: int) -> None:
    class Last(Reader):
        def forward(self, ids: Tensor, lengths: Any = None) -> Tensor:
            return self.out(self.rnn(self.embed(ids))[0][:, -1])

    ids, y = torch.randint(50, (8, 60)), torch.randint(50, (8,))
    report = ask(Last(kind, layers, both=True), entropy(ids, y))
    assert report.verdict is V.VANISHING
    assert "t=60 back to t=1" in report.reason
    assert ask(Last(kind, layers, both=True), entropy(ids[:, :3], y)).verdict is V.HEALTHY


def test_the_mean_over_all_steps_is_no_loss_at_every_step() -> None:
    class Mean(Reader):
        def forward(self, ids: Tensor, lengths: Any = None) -> Tensor:
            return self.out(self.rnn(self.embed(ids))[0].mean(1))

    ids, y = torch.randint(50, (8, 20)), torch.randint(50, (8,))
    assert ask(Mean(nn.GRU, both=True), entropy(ids, y)).verdict is V.HEALTHY
    floats = nn.GRU(8, 32, batch_first=True, bidirectional=True)

    class Direct(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = floats, nn.Linear(64, 50)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.rnn(x)[0].mean(1))

    assert ask(Direct(), entropy(torch.randn(8, 20, 8), y)).verdict is V.HEALTHY


def test_the_longest_sequence_is_judged() -> None:
    ids, y = torch.randint(50, (8, 60)), torch.randint(50, (8,))
    lengths = torch.tensor([60, 40, 20, 10, 8, 6, 4, 3])
    report = ask(Reader(nn.LSTM), lambda net: F.cross_entropy(net(ids, lengths), y))
    assert report.verdict is V.VANISHING
    assert "t=60 back to t=1" in report.reason


def test_a_loss_at_every_step_hides_what_is_forgotten() -> None:
    ids = torch.randint(50, (8, 60))
    report = ask(Reader(nn.LSTM, every=True), lambda net: F.cross_entropy(net(ids), ids.flatten()))
    assert report.verdict is V.CANNOT_TELL
    assert "last step's loss" in report.reason
    assert report.profile is not None
    assert report.profile.decades < -5


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "layers"), [(nn.LSTM, 8), (nn.GRU, 8), (nn.RNN, 12)])
def test_depth_and_time_are_told_apart(kind: Any, layers: int, bias: bool) -> None:
    ids, y = torch.randint(50, (16, 6)), torch.randint(50, (16,))
    report = ask(Reader(partial(kind, bias=bias), layers), entropy(ids, y))
    assert report.verdict is V.VANISHING
    assert f"{layers} layers of rnn" in report.reason


class Double(nn.Sequential):
    def __init__(self, a: int, b: int) -> None:
        convs = nn.Conv2d(a, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1)
        super().__init__(convs[0], nn.ReLU(), convs[1], nn.ReLU())


class Bowl(nn.Module):
    """A U-Net of PyTorch's own weights, without normalization."""

    def __init__(self, widths: Sequence[int] = (8, 16, 32, 64)) -> None:
        super().__init__()
        pairs = list(zip([1, *widths[:-1]], widths, strict=True))
        self.down = nn.ModuleList(Double(a, b) for a, b in pairs)
        self.bottom = Double(widths[-1], 2 * widths[-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * b, b, 2, 2) for b in reversed(widths))
        self.join = nn.ModuleList(Double(2 * b, b) for b in reversed(widths))
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for down in self.down:
            kept.append(down(x))
            x = F.max_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), kept.pop()], 1))
        return self.out(x)


def test_the_bottom_of_a_u_is_seen() -> None:
    x, y = torch.randn(2, 1, 32, 32), (torch.rand(2, 1, 32, 32) < 0.1).float()
    report = ask(Bowl(), lambda net: F.binary_cross_entropy_with_logits(net(x), y))
    assert report.verdict is V.VANISHING
    assert "bottom" in report.reason


class Field(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(32 if i else 1, 32) for i in range(6))
        self.out = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.out(x)


def test_several_passes_count_by_their_points() -> None:
    x = torch.linspace(-1, 1, 64)[:, None]

    def loss(net: nn.Module) -> Tensor:
        points = x.clone().requires_grad_()
        (first,) = torch.autograd.grad(net(points).sum(), points, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), points, create_graph=True)
        inner = (second + math.pi**2 * torch.sin(math.pi * points)).square().mean()
        return inner + net(torch.tensor([[-1.0], [1.0]])).square().mean()

    report = ask(Field(), loss)
    assert report.verdict is V.HEALTHY
    assert not any("ReLU" in step.text for step in report.steps)


# Kinds 6 and 7: side by side, in a branch; resolution.


class Scaled(nn.Module):
    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.stem, self.out = nn.Linear(16, 32), nn.Linear(32, 4)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 32))
            for _ in range(8)
        )
        self.gamma = nn.Parameter(torch.full((8,), gamma))

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for gamma, block in zip(self.gamma, self.blocks, strict=True):
            h = h + gamma * block(h)
        return self.out(h)


@pytest.mark.parametrize("gamma", [1e-5, 0.0, 1.0])
def test_a_scale_on_a_branch_is_no_fault(gamma: float) -> None:
    assert ask(Scaled(gamma), entropy(*rows())).verdict is V.HEALTHY


class Tasks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = dense([16, 32, 32], nn.Tanh)
        self.heads = nn.ModuleList(dense([32, 32, 1], nn.Tanh) for _ in range(3))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [head(self.trunk(x).tanh()) for head in self.heads]


def test_heads_of_other_weights_are_no_chain() -> None:
    x, _ = rows()
    weights = (1000, 1, 0.001)
    report = ask(
        Tasks(),
        lambda net: sum(
            (w * F.mse_loss(o, x[:, :1]) for w, o in zip(weights, net(x), strict=True)),
            torch.zeros(()),
        ),
    )
    assert report.verdict is V.HEALTHY


@pytest.mark.parametrize(("stages", "norm"), [(5, False), (8, False), (8, True)])
def test_strides_are_no_fault(stages: int, norm: bool) -> None:
    parts: list[nn.Module] = []
    for i in range(stages):
        parts += [nn.Conv2d(16 if i else 3, 16, 3, 2, 1)]
        parts += [nn.BatchNorm2d(16), nn.ReLU()] if norm else [nn.ReLU()]
    net = nn.Sequential(*parts, nn.Flatten(), nn.Linear(64, 10))
    for part in net:
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            nn.init.zeros_(part.bias)
    x, y = torch.randn(4, 3, *[2 ** (stages + 1)] * 2), torch.randint(10, (4,))
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    assert gradbook.diagnose(net, deltas=deltas).verdict is V.HEALTHY
    norms = {name: size.item() for name, size in deltas.items()}
    assert gradbook.diagnose(net, deltas=norms).verdict is V.HEALTHY


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        width = outputs // 4
        sizes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, k, s, k // 2, bias=False) for a, b, k, s in sizes
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _, _ in sizes)
        short = nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        self.short = nn.Sequential(*short) if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            h = norm(conv(h))
            h = h.relu() if i < 2 else h
        return (h + self.short(x)).relu()


def residual(depths: Sequence[int]) -> nn.Sequential:
    blocks, width = list[nn.Module](), 64
    for stage, (number, outputs) in enumerate(zip(depths, (256, 512, 1024, 2048), strict=True)):
        for i in range(number):
            blocks.append(Bottleneck(width, outputs, 2 if stage and not i else 1))
            width = outputs
    stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)
    end = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)
    net = nn.Sequential(*stem, *blocks, *end)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def test_a_deep_residual_network_at_its_own_weights_is_healthy() -> None:
    x, y = torch.randn(4, 3, 64, 64), torch.randint(10, (4,))
    report = ask(residual((3, 4, 6, 3)), entropy(x, y))
    assert report.verdict is V.HEALTHY
    assert len(str(report).splitlines()) <= 20


# Kinds 8 and 9: absolute sizes, and what a step is meant for.


def test_a_step_of_many_times_the_weights() -> None:
    net = dense([16, 32, 32, 1], nn.ReLU, nn.init.kaiming_normal_)
    x, y = 1e4 * torch.randn(32, 16), torch.rand(32, 1)
    report = ask(net, lambda net: F.mse_loss(net(x), y), lr=0.01)
    assert report.verdict is V.LARGE_STEP


def test_words_that_are_not_in_the_batch_are_not_frozen() -> None:
    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5000, 32)
            self.mlp = dense([32, 32, 32, 32, 2], nn.ReLU, nn.init.kaiming_normal_)

        def forward(self, ids: Tensor) -> Tensor:
            return self.mlp(self.embed(ids).mean(1) * 5)

    ids, y = torch.randint(5000, (32, 20)), torch.randint(2, (32,))
    assert ask(Text(), entropy(ids, y), lr=0.1).verdict is V.HEALTHY


# Kind 10: where NaN begins.


@pytest.mark.parametrize("kind", ["forward", "data", "loss"])
def test_nan_is_placed_where_it_begins(kind: str) -> None:
    net = Path_([Block(bad=kind == "forward" and i == 2) for i in range(6)])
    x, y = rows()
    if kind == "data":
        x[3, 5] = math.nan
    zero = 0.0 if kind == "loss" else 1.0
    report = ask(net, lambda net: F.cross_entropy(net(x), y) / (net(x).sum() * 0 + zero))
    assert report.verdict is V.NON_FINITE
    wanted = {
        "forward": "blocks.2 is the first",
        "data": "it is the data",
        "loss": "it is the loss",
    }
    assert wanted[kind] in report.reason


# Kind 11: names and order.


class Pair(nn.Module):
    def __init__(self, activation: Any, gain: float) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(32, 32) for _ in range(6))
        self.decoder = nn.ModuleList(nn.Linear(32, 32) for _ in range(6))
        self.activation = activation
        for layer in [*self.encoder, *self.decoder]:
            nn.init.normal_(layer.weight, std=gain / 32**0.5)

    def forward(self, h: Tensor) -> Tensor:
        *inner, last = [*self.encoder, *self.decoder]
        for layer in inner:
            h = self.activation(layer(h))
        return last(h)


@pytest.mark.parametrize(
    ("activation", "gain", "verdict"),
    [(torch.sigmoid, 1.0, V.VANISHING), (torch.relu, 3.0, V.EXPLODING)],
)
def test_the_alphabet_is_no_order(activation: Any, gain: float, verdict: Verdict) -> None:
    x = torch.randn(64, 32)
    net = Pair(activation, gain)
    deltas = gradbook.watch(net)
    F.mse_loss(net(x), x).backward()
    assert gradbook.diagnose(net, deltas=deltas).verdict is verdict
    grads = {name: p.grad for name, p in net.named_parameters()}
    by_name = dict(sorted(deltas.items()))
    assert gradbook.diagnose(grads, deltas=by_name).verdict is verdict
    assert gradbook.diagnose(dict(sorted(grads.items())), deltas=by_name).verdict in (
        verdict,
        V.CANNOT_TELL,
    )


def test_layers_assigned_in_another_order_change_nothing() -> None:
    net = Path_([Block() for _ in range(4)])
    blocks = net.blocks
    del net.blocks
    net.blocks = blocks
    assert ask(net, entropy(*rows())).verdict is V.HEALTHY


# Kind 13: doors.


def norms_of(depth: int = 8) -> list[dict[str, float]]:
    net, (x, y) = dense([16, *[32] * depth, 4], nn.Sigmoid), rows()
    F.cross_entropy(net(x), y).backward()
    sizes = {n: p.grad.norm().item() for n, p in net.named_parameters() if p.grad is not None}
    return [sizes] * 4


@pytest.mark.parametrize("prefix", ["grad_2.0_norm/", "grad_norm/", "gradients/", ""])
def test_logs_of_layers_are_read_as_they_come(prefix: str, tmp_path: Path) -> None:
    found = [
        {"epoch": 0, "step": i, **{f"{prefix}{n}": v for n, v in sizes.items()}, "val_loss": ""}
        for i, sizes in enumerate(norms_of())
    ]
    lines = [",".join(map(str, row.values())) for row in found]
    (tmp_path / "metrics.csv").write_text("\n".join([",".join(found[0]), *lines, ""]))
    assert cli.main(["diagnose", str(tmp_path / "metrics.csv")]) == 1


def test_logs_of_the_whole_norm_are_judged_over_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = [{"step": i, "loss": 4.3, "grad_norm": 10.0 ** (i / 4)} for i in range(16)]
    state = tmp_path / "trainer_state.json"
    state.write_text(json.dumps({"global_step": 16, "log_history": history}))
    assert cli.main(["diagnose", str(state), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "growing"


class Listed(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.out = how, nn.Linear(32, 4)
        self.w = nn.ParameterList(
            nn.Parameter(torch.randn(32 if i else 16, 32) * (32 if i else 16) ** -0.5)
            for i in range(10 if how == "list" else 0)
        )
        self.layers = nn.ModuleList(
            nn.Linear(32 if i else 16, 32) for i in range(0 if how == "list" else 10)
        )

    def forward(self, h: Tensor) -> Tensor:
        for w in self.w:
            h = torch.sigmoid(h @ w)
        for layer in self.layers:
            z = layer.forward(h) if self.how == "forward" else F.linear(h, layer.weight, layer.bias)
            h = torch.sigmoid(z)
        return self.out.forward(h) if self.how == "forward" else self.out(h)


@pytest.mark.parametrize("how", ["list", "forward", "functional"])
def test_weights_that_no_module_is_called_for_are_found(how: str) -> None:
    assert ask(Listed(how), entropy(*rows())).verdict is V.VANISHING


def test_one_odd_parameter_does_not_shut_the_door() -> None:
    net = dense([16, 32, 32, 4], nn.Tanh)
    net.register_parameter("shard", nn.Parameter(torch.zeros(0)))
    x, y = rows()
    report = ask(net, lambda net: F.cross_entropy(net(x), y) + net.shard.sum())
    assert report.verdict is V.HEALTHY
    assert any("shard" in note for note in report.notes)
    turning = nn.Sequential(*(nn.Linear(16, 16, dtype=torch.complex64) for _ in range(4)))
    report = ask(turning, lambda net: net(x.to(torch.complex64)).abs().square().mean())
    assert report.verdict in (V.HEALTHY, V.VANISHING, V.EXPLODING)


def test_modules_of_equinox_and_scanned_layers_are_taken() -> None:
    import equinox as eqx  # noqa: PLC0415
    import jax  # noqa: PLC0415

    class Net(eqx.Module):  # type: ignore[misc, name-defined]
        layers: list[Any]

        def __call__(self, h: Any, taps: Any) -> Any:
            for layer, tap in zip(self.layers, taps, strict=True):
                h = jax.nn.sigmoid(layer(h) + tap)
            return h

    keys = jax.random.split(jax.random.key(0), 10)
    net, x = Net([eqx.nn.Linear(16, 16, key=k) for k in keys]), jax.random.normal(keys[0], (8, 16))
    taps = [jax.numpy.zeros((8, 16)) for _ in keys]

    def loss(pair: Any) -> Any:
        return (jax.vmap(pair[0])(x, pair[1]) ** 2).mean()

    grads, deltas = eqx.filter_grad(loss)((net, taps))
    for given in (deltas, jax.numpy.stack(deltas)):
        report = gradbook.diagnose(grads, weights=net, deltas=given)
        assert report.verdict is V.VANISHING


# Kind 14: what it costs.


def test_a_few_numbers_are_kept_of_each_place() -> None:
    net = residual((3, 4, 6, 3))
    deltas = gradbook.watch(net)
    F.cross_entropy(net(torch.randn(4, 3, 64, 64)), torch.randint(10, (4,))).backward()
    held = sum(size.numel() * size.element_size() for size in deltas.values() if size is not None)
    kept = sum(len(repr(place)) for place in deltas.record.places)
    assert held + kept < 2**20
    assert np.isfinite([size.item() for size in deltas.values() if size is not None]).all()


def test_what_it_says_of_a_chain_is_what_autograd_gives() -> None:
    net, (x, y) = dense([16, *[32] * 10, 4], nn.Sigmoid), rows()
    exact, h, states = copy.deepcopy(net).double(), x.double(), list[Tensor]()
    for part in exact[:-1]:
        h = part(h)
        states += [h] if isinstance(part, nn.Sigmoid) else []
    truth = decades(F.cross_entropy(exact[-1](h), y), states)
    report = ask(net, entropy(x, y))
    assert report.profile is not None
    assert report.profile.decades == pytest.approx(truth, abs=0.01)
