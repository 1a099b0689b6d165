"""Kinds of fault that people ask about, and healthy networks that resemble them.

Each network is built here, so that what is true of it is known. The diagnosis is asked as the
README says.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict
from gradbook.diagnosis.watching.graph import is_linear, is_unbounded

V = Verdict


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def mlp(*sizes: int, bend: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    parts = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), bend())]
    return nn.Sequential(*parts[:-1])


def ask(net: nn.Module, loss: Callable[[], Tensor], optimizer: Any = None) -> Report:
    deltas = gradbook.watch(net)
    loss().backward()
    return gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)


def classified(net: nn.Module, optimizer: Any = None, classes: int = 4) -> Report:
    x, y = torch.randn(64, 8), torch.randint(classes, (64,))
    return ask(net, lambda: F.cross_entropy(net(x), y), optimizer)


class Through(nn.Module):
    """A network with a function between its layers."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 64), nn.Linear(64, 64), nn.Linear(64, 4)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.between(self.b(self.a(x).relu())))


def rounded(x: Tensor) -> Tensor:
    return (8 * x).round() / 8


def estimated(x: Tensor) -> Tensor:
    return x + (rounded(x) - x).detach()


def test_rounding_without_an_estimate_has_a_slope_of_zero() -> None:
    report = classified(Through(rounded))
    assert report.verdict is V.CUT
    assert "4 of 6 trainable tensors get a gradient of exactly 0" in report.reason
    assert "gets to b" in report.reason
    assert "straight-through" in report.steps[0].text
    assert classified(Through(estimated)).verdict is V.HEALTHY


def test_units_at_the_upper_end_of_their_activation() -> None:
    net = mlp(8, 64, 64, 4, bend=nn.ReLU6)
    nn.init.constant_(net[0].bias, 100.0)
    report = classified(net)
    assert report.verdict is V.CUT
    assert "2 of 6 trainable tensors get a gradient of exactly 0: 0.weight" in report.reason


@pytest.mark.parametrize("kind", ["dropout", "padding", "norm", "dead"])
def test_zeros_are_dead_units_only_where_an_activation_makes_them(kind: str) -> None:
    """Of each, half of the units behind it are off for all examples, which have become alike."""
    first, share = nn.Sequential(nn.Linear(8, 64)), 1.0 if kind == "dropout" else 0.1
    if kind == "padding":
        first = nn.Sequential(nn.Embedding(9, 4, padding_idx=0), nn.Flatten(), nn.Linear(12, 64))
    if kind == "norm":
        first = nn.Sequential(mlp(8, 64, 1), nn.LayerNorm(1), nn.Linear(1, 64))
    if kind == "dead":
        nn.init.constant_(first[0].bias, -10.0)
    net = nn.Sequential(first, nn.ReLU(), nn.Dropout(share), mlp(64, 64, 4))
    y = torch.randint(4, (64,))
    x = torch.zeros(64, 3, dtype=torch.long) if kind == "padding" else torch.randn(64, 8)
    report = ask(net, lambda: F.cross_entropy(net(x), y))
    assert report.verdict is (V.DEAD if kind == "dead" else V.CUT)
    told = "All that leaves 0.0 is 0" if kind == "padding" else "all that enters is 0"
    assert kind == "dead" or told in report.reason


class Added(nn.Module):
    """What a block makes is added to what enters it."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


@pytest.mark.parametrize("kind", ["norm behind", "path", "factored"])
@pytest.mark.parametrize("share", [0.85, 0.4])
def test_units_are_counted_behind_activations_alone(kind: str, share: float) -> None:
    """So that norms, sums and linear factors between them do not hide those that are off."""
    blocks = {
        "norm behind": lambda: (nn.Linear(64, 64), nn.ReLU(), nn.LayerNorm(64)),
        "path": lambda: (Added(nn.LayerNorm(64), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)),),
        "factored": lambda: (nn.Linear(64, 64), nn.Linear(64, 64), nn.ReLU()),
    }
    net = nn.Sequential(nn.Linear(8, 64), *(part for _ in range(3) for part in blocks[kind]()))
    net.append(nn.Linear(64, 4))
    for before, part in pairwise(net.modules()):
        if isinstance(part, nn.ReLU) and isinstance(before, nn.Linear):
            nn.init.constant_(before.bias[: int(share * 64)], -50.0)
    assert (classified(net).verdict is V.DEAD) == (share > 0.75)


def test_one_block_of_many_whose_units_are_all_off_is_named() -> None:
    blocks = [Added(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)) for _ in range(12)]
    nn.init.constant_(blocks[2].inner[0].bias, -50.0)
    report = classified(nn.Sequential(nn.Linear(8, 64), *blocks, nn.Linear(64, 4)))
    assert (report.verdict, report.since) == (V.DEAD, "3.inner.0")


@pytest.mark.parametrize("loop", [False, True])
def test_the_share_of_a_mean_is_no_fall(loop: bool) -> None:
    """Each of 128 towers gets 1/128 of the gradient, and each of 128 steps that a head averages."""

    def by_loop(states: list[Tensor]) -> Tensor:
        return sum(states[1:], states[0]) / len(states)

    def at_once(states: list[Tensor]) -> Tensor:
        return torch.stack(states).mean(0)

    class Towers(nn.Module):
        def __init__(self, bend: Callable[[], nn.Module]) -> None:
            super().__init__()
            self.all = nn.ModuleList(mlp(8, 8, 8, 8, 8, 8, bend=bend) for _ in range(128))
            self.out = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(mean([tower(x) for tower in self.all]))

    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = nn.GRUCell(8, 16), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            states = [torch.zeros(len(x), 16)]
            for _ in range(128):
                states.append(self.cell(x, states[-1]))
            return self.out(mean(states[1:]))

    mean = by_loop if loop else at_once
    assert classified(Towers(nn.Tanh)).verdict is V.HEALTHY
    assert classified(Steps()).verdict is V.HEALTHY
    report = classified(Towers(nn.Sigmoid))
    assert report.verdict is V.VANISHING
    assert report.findings[0].profile.fall[0] < 5


def test_a_step_of_time_counts_once_however_many_weights_it_has() -> None:
    """An orthogonal matrix times 1/2 and a linear step: each step keeps half of the gradient."""
    W = nn.Parameter(torch.linalg.qr(torch.randn(16, 16))[0] / 2)
    net = nn.Module()
    net.W, net.U, net.out = W, nn.Parameter(torch.randn(8, 16)), nn.Linear(16, 4)

    def run(x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 16)
        for _ in range(40):
            h = h @ net.W + x @ net.U
        return net.out(h)

    net.forward = run
    report = classified(net)
    assert report.verdict is V.VANISHING
    # Only the head's ends, which are no steps, may change it by a rounding.
    assert report.rate is not None
    assert report.rate.factor == pytest.approx(0.5, abs=0.01)
    assert report.rate.steps < 40


@pytest.mark.parametrize(
    ("scale", "verdict"), [(0.5, V.VANISHING), (0.8, V.VANISHING), (1.2, V.EXPLODING)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_what_grows_in_both_directions_is_told_from_what_falls_in_both(
    scale: float, verdict: Verdict, bias: bool
) -> None:
    """In either case the sum, which is all that is seen, is least in the middle."""

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(8, 32, bidirectional=True, batch_first=True, bias=bias)
            self.out = nn.Linear(64, 4)
            for name, weight in self.rnn.named_parameters():
                if "weight_hh" in name:
                    nn.init.orthogonal_(weight, scale)
                else:  # so small that no unit saturates
                    weight.data *= 0.0 if "bias" in name else 1e-4

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.cat([*self.rnn(x)[1]], 1))

    net, x, y = Reader(), torch.randn(8, 60, 8, requires_grad=True), torch.randint(4, (8,))
    alone = copy.deepcopy(net).double()
    alone.out.weight.data[:, 32:] = 0  # forward alone, as it is in truth
    F.cross_entropy(alone(exact := x.detach().double().requires_grad_()), y).backward()
    sizes = exact.grad.norm(dim=(0, 2))
    assert (math.log10(sizes[0] / sizes[-1]) > 3) == (verdict is V.EXPLODING)
    report = ask(net, lambda: F.cross_entropy(net(x), y))
    assert (report.verdict, "in either direction" in report.reason) == (verdict, True)


def test_an_output_of_minus_infinity_is_none_of_which_something_comes_back() -> None:
    """As where a mask leaves out actions that are not allowed."""

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = mlp(8, 32, 32, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x).masked_fill(torch.arange(4) > 2, -math.inf)

    report = classified(Masked(), classes=3)
    assert report.verdict is V.HEALTHY
    assert "output holds infinity" in report.reason


def by_hand(reset_first: bool) -> nn.Module:
    """Return a GRU of single layers, whose reset gate has nothing to reset at the first step."""
    net = nn.Module()
    net.gates, net.new, net.out = nn.Linear(40, 64), nn.Linear(40, 32), nn.Linear(32, 4)
    if not reset_first:
        net.old = nn.Linear(32, 32)

    def run(x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 32)
        for _ in range(3):
            r, z = net.gates(torch.cat([x, h], 1)).sigmoid().chunk(2, 1)
            q = net.new(torch.cat([x, r * h], 1)) if reset_first else net.new(torch.cat([x, h], 1))
            h = z * h + (1 - z) * (q if reset_first else q + net.old(r * h)).tanh()
        return net.out(h)

    net.forward = run
    return net


@pytest.mark.parametrize("reset_first", [True, False])
def test_a_state_that_begins_with_zero_is_no_unit_that_is_off(reset_first: bool) -> None:
    assert classified(by_hand(reset_first)).verdict is V.HEALTHY


def test_a_cell_is_judged_up_to_the_step_that_is_read() -> None:
    """As of padded sequences: what comes behind the last step that is read gets exactly zero."""
    net = nn.Module()
    net.cell, net.out = nn.LSTMCell(8, 16), nn.Linear(16, 4)

    def run(x: Tensor) -> Tensor:
        h = c = torch.zeros(len(x), 16)
        states = [h]
        for _ in range(40):
            h, c = net.cell(x, (h, c))
            states.append(h)
        return net.out(states[last])

    net.forward = run
    last = 30
    assert classified(net).verdict is V.VANISHING  # a forget gate of a half, thirty times
    last = 4
    assert classified(net).verdict is V.HEALTHY


def test_one_example_of_which_a_dropout_leaves_a_quarter_has_no_dead_units() -> None:
    parts = (nn.Linear(8, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 128), nn.ReLU())
    net = nn.Sequential(*parts, nn.Dropout(), nn.Linear(128, 4))
    report = ask(net, lambda: F.cross_entropy(net(torch.randn(1, 8)), torch.tensor([0])))
    assert report.verdict is V.HEALTHY


def test_zeros_among_which_the_largest_are_put_are_no_dead_units() -> None:
    """As in a sparse autoencoder, most of whose units no example of a batch makes use of."""

    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.code, self.out = nn.Linear(8, 512), nn.Linear(512, 8)

        def forward(self, x: Tensor) -> Tensor:
            largest, at = self.code(x).relu().topk(4, -1)
            return self.out(x.new_zeros(len(x), 512).scatter(-1, at, largest))

    net, x = Sparse(), torch.randn(16, 8)
    assert ask(net, lambda: F.mse_loss(net(x), x)).verdict is V.HEALTHY


def test_a_batch_of_one_example_again_and_again_leaves_a_normalization_nothing() -> None:
    parts = (nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU())
    more = (nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
    net, x, y = nn.Sequential(*parts, *more), torch.randn(1, 8), torch.randint(4, (32,))
    report = ask(net, lambda: F.cross_entropy(net(x.repeat(32, 1)), y))
    assert (report.verdict, report.findings[0].hint) == (V.CUT, "alike")
    assert "one example many times" in report.steps[0].text


class Signs(nn.Module):
    """A network of binary weights."""

    def __init__(self, estimate: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((8, 64, 64, 4)))
        self.estimate = estimate

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            w = layer.weight.sign()
            w = layer.weight + (w - layer.weight).detach() if self.estimate else w
            x = F.linear(x, w, layer.bias).relu() / 8
        return x


def test_weights_that_are_used_by_their_signs() -> None:
    assert classified(Signs(estimate=False)).verdict is V.CUT
    assert V.CUT not in [found.verdict for found in classified(Signs(estimate=True)).findings]


def test_a_hook_that_returns_zero() -> None:
    net = mlp(8, 64, 64, 4)
    for parameter in net[:3].parameters():
        parameter.register_hook(torch.zeros_like)
    report = classified(net)
    assert report.verdict is V.CUT
    assert "a hook returns 0" in report.reason


def test_a_relu_behind_the_last_layer_that_is_off() -> None:
    net = nn.Sequential(mlp(8, 64, 64, 1), nn.ReLU())
    nn.init.constant_(net[0][-1].bias, -5.0)
    x = torch.randn(64, 8)
    report = ask(net, lambda: F.mse_loss(net(x), torch.ones(64, 1)))
    assert report.verdict is V.LOSS
    assert "exactly nothing of it gets to 0.4" in report.reason


class Dropped(nn.Module):
    """A residual network of which every second block is dropped, as stochastic depth does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(8, 32), nn.Linear(32, 4)
        self.blocks = nn.ModuleList(mlp(32, 64, 32) for _ in range(8))

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for i, block in enumerate(self.blocks):
            h = h + block(h) * (2.0 * (i % 2))
        return self.head(h)


class Steps(nn.Module):
    """A recurrent layer, or a cell that is called at each step."""

    def __init__(self, hand_on: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.steps = nn.LSTM(8, 32, batch_first=True) if hand_on is None else nn.GRUCell(8, 32)
        self.readout, self.hand_on = nn.Linear(32, 4), hand_on

    def forward(self, x: Tensor) -> Tensor:
        if self.hand_on is None:
            return self.readout(self.steps(x)[0][:, -1])
        h = torch.zeros(len(x), 32)
        for t in range(x.shape[1]):
            h = self.steps(x[:, t], self.hand_on(h))
        return self.readout(h)


def test_what_is_dropped_or_fed_zeros_for_one_step_is_a_note() -> None:
    assert classified(Dropped()).verdict is V.HEALTHY
    net, x = Steps(), torch.randn(64, 1, 8)
    report = ask(net, lambda: net(x).square().mean())
    assert report.verdict is V.HEALTHY
    assert any("weight_hh" in note for note in report.notes)


def test_a_state_that_is_detached_at_each_step() -> None:
    x, found = torch.randn(64, 6, 8), []
    for hand_on in (torch.detach, lambda h: h):
        net = Steps(hand_on)
        found.append(ask(net, lambda net=net: net(x).square().mean()))  # type: ignore[misc]
    assert (found[0].verdict, found[0].findings[0].hint) == (V.CUT, "steps")
    assert found[1].verdict is V.HEALTHY


class Unrolled(nn.Module):
    """A cell behind a layer at each step; its gates as they are drawn, or open for all steps."""

    def __init__(self, kind: str, steps: int, open_gates: bool) -> None:
        super().__init__()
        self.read, self.out, self.kind = nn.Linear(8, 8), nn.Linear(32, 4), kind
        if kind == "by hand":
            self.cell, self.state = nn.Linear(8, 128), nn.Linear(32, 128)
            biases = self.cell.bias, self.state.bias
        else:
            self.cell = getattr(nn, f"{kind}Cell")(8, 32)
            biases = self.cell.bias_ih, self.cell.bias_hh
        for bias in biases if open_gates else ():
            nn.init.zeros_(bias)
        if open_gates:
            nn.init.constant_(biases[0][32:64], math.log(steps - 1))
            nn.init.constant_(biases[0][:32], -math.log(steps - 1) * (kind != "GRU"))

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[1], 32)
        for z in self.read(x):
            if self.kind == "LSTM":
                h, c = self.cell(z, (h, c))
            elif self.kind == "GRU":
                h = self.cell(z, h)
            else:
                i, f, g, o = (self.cell(z) + self.state(h)).chunk(4, 1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
        return self.out(h)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "by hand"])
@pytest.mark.parametrize(("open_gates", "verdict"), [(True, V.HEALTHY), (False, V.VANISHING)])
def test_cells_are_judged_by_what_they_hand_on(kind: str, open_gates: bool, verdict: V) -> None:
    """A gate that is nearly shut makes little of each step's input, and forgets nothing."""
    x, y = torch.randn(40, 16, 8, requires_grad=True), torch.randint(4, (16,))
    net = Unrolled(kind, 40, open_gates)
    F.cross_entropy(net(x), y).backward()
    assert x.grad is not None
    fell = (x.grad[-1].norm() / x.grad[0].norm()).log10()
    assert (fell < 1) if open_gates else (fell > 2)
    for given in (x, x.detach()):
        report = ask(net, lambda given=given: F.cross_entropy(net(given), y))  # type: ignore[misc]
        assert report.verdict is verdict


class Unheld(nn.Module):
    """Layers that the network does not hold: in a list, or made at each pass."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.head, self.how = nn.Linear(64, 4), how
        layers = [nn.Linear(8, 64)]
        self.layers = layers if how in ("list", "made") else nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        layer = nn.Linear(8, 64) if self.how == "made" else self.layers[0]
        if self.how == "replaced":
            self.layers[0].weight = nn.Parameter(self.layers[0].weight.detach().clone())
        return self.head(layer(x).relu())


class Averaged(nn.Module):
    """A recurrent layer whose outputs are averaged over its steps before they are read."""

    def __init__(self, steps: nn.Module) -> None:
        super().__init__()
        self.steps, self.out = steps, nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.steps(x)[0].mean(1))  # type: ignore[no-any-return]


def test_what_a_kept_state_sums_up_is_no_explosion_and_a_state_that_grows_is() -> None:
    keeps, grows = nn.GRU(8, 32, batch_first=True), nn.RNN(8, 32, batch_first=True)
    with torch.no_grad():
        for biases in (keeps.bias_ih_l0, keeps.bias_hh_l0):
            biases.zero_()
        keeps.bias_ih_l0[32:64] = math.log(199)
        nn.init.orthogonal_(grows.weight_hh_l0, 1.25)
        for small in (grows.weight_ih_l0, grows.bias_ih_l0, grows.bias_hh_l0):
            small.mul_(1e-4)
    x, y = torch.randn(16, 200, 8), torch.randint(4, (16,))
    for steps, verdict in ((keeps, V.HEALTHY), (grows, V.EXPLODING)):
        net = Averaged(steps)
        assert ask(net, lambda net=net: F.cross_entropy(net(x), y)).verdict is verdict  # type: ignore[misc]


def test_layers_that_the_network_does_not_hold() -> None:
    shapes = {"list": "2 in number, of shape 64×8, 64", "made": "64×8, 64", "replaced": "64×8"}
    for how, shape in shapes.items():
        report = classified(Unheld(how))
        assert report.verdict is V.CUT
        assert shape in report.reason
        assert "ModuleList" in report.steps[0].text
    assert classified(Unheld("held")).verdict is V.HEALTHY


class Teacher(nn.Module):
    """A student beside a teacher that nobody registered, as is done on purpose."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = mlp(8, 32, 4), [mlp(8, 64, 4)]

    def forward(self, x: Tensor) -> Tensor:
        goal = self.teacher[0](x).softmax(1).detach()
        return F.kl_div(self.student(x).log_softmax(1), goal, reduction="batchmean")


def test_weights_outside_of_what_is_watched_are_no_fault() -> None:
    x, y = torch.randn(64, 8), torch.randint(4, (64,))
    net = Teacher()
    assert ask(net, lambda: net(x)).verdict is V.HEALTHY
    body, head = mlp(8, 64, 64), mlp(64, 32, 4)
    assert ask(head, lambda: F.cross_entropy(head(body(x)), y)).verdict is V.HEALTHY


class Targets(nn.Module):
    """A network beside a copy of it that makes its targets, or one that only looks like it."""

    def __init__(self, old: bool) -> None:
        super().__init__()
        self.net = mlp(8, 64, 4)
        self.target = copy.deepcopy(self.net) if old else mlp(8, 64, 4)
        with torch.no_grad():
            for parameter in self.net.parameters():
                parameter.add_(0.3 * parameter.std() * torch.randn_like(parameter))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            goal = self.target(x)
        return F.mse_loss(self.net(x), goal)


def test_a_network_of_targets_is_no_cut() -> None:
    x = torch.randn(64, 8)
    for old, verdict in ((True, V.HEALTHY), (False, V.CUT)):
        net = Targets(old)
        report = ask(net, lambda net=net: net(x))  # type: ignore[misc]
        assert report.verdict is verdict
        assert any("a network of targets" in note for note in report.notes) is old
        assert (
            old or "target.2, before net.0, ran where gradients are switched off" in report.reason
        )
        assert old or "requires_grad_(False)" in report.steps[0].text


def test_an_inner_loop_is_diagnosed() -> None:
    net, x = mlp(1, 40, 40, 1), torch.randn(16, 1)

    def loss() -> Tensor:
        weights = dict(net.named_parameters())
        inner = F.mse_loss(torch.func.functional_call(net, weights, (x,)), x.sin())
        grads = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
        fast = {n: w - 0.01 * g for (n, w), g in zip(weights.items(), grads, strict=True)}
        return F.mse_loss(torch.func.functional_call(net, fast, (x,)), x.sin())

    assert ask(net, loss).verdict is V.HEALTHY


def test_weight_decay_and_a_rate_of_zero_are_seen() -> None:
    net = mlp(8, 64, 64, 4)
    report = classified(net, torch.optim.SGD(net.parameters(), 0.1, weight_decay=10.0))
    assert (report.verdict, report.findings[0].hint) == (V.LARGE_STEP, "decay")
    net = mlp(8, 64, 64, 4)
    groups = [{"params": net[:3].parameters(), "lr": 0.0}, {"params": net[3:].parameters()}]
    report = classified(net, torch.optim.AdamW(groups, 1e-3))
    assert (report.verdict, report.findings[0].hint) == (V.FROZEN, "rate")
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 100)
    report = classified(net, optimizer)
    assert (report.verdict, report.findings[0].hint) == (V.HEALTHY, "rate")


KINDS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "Adam": {"amsgrad": True},
    "RMSprop": {"momentum": 0.9, "centered": True},
    **{kind: {} for kind in ("AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "ASGD")},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [0, 3])
def test_the_step_is_the_one_that_the_optimizer_takes(kind: str, before: int) -> None:
    net, x, y = mlp(8, 64, 4).double(), torch.randn(64, 8).double(), torch.randint(4, (64,))
    make = getattr(torch.optim, kind)
    optimizer = make(net.parameters(), lr=0.01, weight_decay=0.5, **KINDS[kind])
    for _ in range(before):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    optimizer.zero_grad()
    report = ask(net, lambda: F.cross_entropy(net(x), y), optimizer)
    old = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer.step()
    for row in report.rows:
        names = [name for name in old if name.startswith(f"{row.name}.")]
        moved = math.hypot(*(float((net.get_parameter(n).detach() - old[n]).norm()) for n in names))
        assert row.update is not None
        size = math.hypot(*(old[n].norm() for n in names))
        assert row.update == pytest.approx(moved / size, rel=1e-6)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": F.cross_entropy,
    "summed, smoothed": lambda p, y: F.cross_entropy(p, y, reduction="sum") * 7,
    "log": lambda p, y: F.nll_loss(p.log(), y),
    "squares": lambda p, y: F.mse_loss(p, F.one_hot(y, p.shape[1]).float()),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("classes", [2, 4, 500])
def test_a_softmax_that_the_loss_takes_once_more(loss: str, classes: int) -> None:
    net, x = nn.Sequential(*mlp(8, 64, 64, classes), nn.Softmax(1)), torch.randn(64, 8)
    y = torch.randint(classes, (64,))
    report = ask(net, lambda: LOSSES[loss](net(x), y))
    twice = loss in ("cross-entropy", "summed, smoothed")
    assert report.verdict is V.HEALTHY
    assert (report.findings[0].hint == "twice") is twice
    assert ("softmax of them once more" in report.reason) is twice


@pytest.mark.parametrize("last", [[], [nn.Softmax(1)]])
def test_a_loss_of_logarithms_that_is_given_none(last: list[nn.Module]) -> None:
    """It falls without end, or to -1; of log_softmax the same δ is that of cross-entropy."""
    x, y = torch.randn(64, 8), torch.randint(4, (64,))
    for more, hint in ((last, "picks"), ([nn.LogSoftmax(1)], None)):
        net = nn.Sequential(*mlp(8, 64, 64, 4), *more)
        assert ask(net, lambda net=net: F.nll_loss(net(x), y)).findings[0].hint == hint  # type: ignore[misc]
    net = nn.Sequential(*mlp(8, 64, 64, 4), *last)
    for loss in (
        F.cross_entropy,
        F.multi_margin_loss,
        lambda z, y: -(z[range(64), y] * x[:, 0]).mean(),
    ):
        assert ask(net, lambda loss=loss: loss(net(x), y)).findings[0].hint != "picks"  # type: ignore[misc]


def test_logits_are_known_behind_a_recurrent_layer_whose_output_lies_in_pieces() -> None:
    head, read = nn.Linear(32, 20), nn.GRU(32, 32, batch_first=True)
    for x in (torch.randn(8, 12, 32), read(torch.randn(8, 12, 32))[0]):
        assert is_linear(head(x).grad_fn)
        assert is_unbounded((head(x) + head(x) * head.bias).mean(1).grad_fn)
        assert not is_unbounded((head(x) * head(x).sigmoid()).grad_fn)


def test_a_loss_below_zero_is_told() -> None:
    net, x, y = mlp(8, 64, 4), torch.randn(64, 8), torch.randint(4, (64,))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for loss, below in ((F.nll_loss, True), (F.cross_entropy, False)):
        with gradbook.watching(net, optimizer=optimizer) as run:
            for _ in range(8):
                optimizer.zero_grad()
                now = loss(net(x), y)
                now.backward()
                run.step(now)
                optimizer.step()
        assert any("end at 0" in note for note in run.report().notes) is below


class Speaks(nn.Module):
    """A network that returns probabilities of words or of pixels, and the loss of them."""

    def __init__(self, axis: int, takes: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.words, self.axis, self.takes = nn.Embedding(20, 32), axis, takes
        self.head = nn.Linear(32, 20)

    def forward(self, text: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        said_of = self.takes(self.head(self.words(text).relu()).movedim(-1, self.axis))
        rows = said_of.movedim(self.axis, -1).flatten(0, -2)
        return said_of, F.cross_entropy(rows, said.flatten())


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("shape", [(8, 12), (4, 5, 6)])
def test_a_softmax_over_words_or_pixels_that_the_loss_takes_once_more(
    axis: int, shape: tuple[int, ...]
) -> None:
    text = torch.randint(20, shape)
    for takes, hint in ((lambda z: z.softmax(axis), "twice"), (lambda z: z, None)):
        net = Speaks(axis, takes)
        report = ask(net, lambda net=net: net(text, text)[1])  # type: ignore[misc]
        assert report.findings[0].hint == hint


def test_a_sigmoid_that_the_loss_takes_once_more() -> None:
    x, y = torch.randn(64, 8), torch.randint(2, (64, 1)).float()
    losses = F.binary_cross_entropy_with_logits, F.binary_cross_entropy, F.mse_loss
    for loss, hint in zip(losses, ("twice", None, None), strict=True):
        net = nn.Sequential(*mlp(8, 64, 64, 1), nn.Sigmoid())
        report = ask(net, lambda net=net, loss=loss: loss(net(x), y))  # type: ignore[misc]
        assert report.findings[0].hint == hint


class Asking(nn.Module):
    """A decoder that looks at all that an encoder has read, word by word."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.read = nn.Embedding(20, 32), nn.GRU(32, 32, batch_first=True)
        self.write, self.out = nn.GRUCell(64, 32), nn.Linear(64, 20)

    def forward(self, text: Tensor, said: Tensor) -> Tensor:
        read, state = self.read(self.words(text))
        h, context, out = state[0], torch.zeros(len(text), 32), []
        for t in range(said.shape[1]):
            h = self.write(torch.cat([self.words(said[:, t]), context], 1), h)
            share = (read @ h[:, :, None]).softmax(1)
            context = (share * read).sum(1)
            out.append(self.out(torch.cat([h, context], 1)))
        return torch.stack(out, 1)


def test_a_decoder_that_looks_back_has_no_loss_at_every_step_of_what_it_reads() -> None:
    net, text = Asking(), torch.randint(20, (16, 10))
    report = ask(net, lambda: F.cross_entropy(net(text, text).flatten(0, 1), text.flatten()))
    assert report.verdict is V.HEALTHY
    assert not any("is not the sum" in note for note in report.notes)


def test_half_of_the_numbers_lost_in_float16() -> None:
    net, x = mlp(8, 64, 64, 4, bend=nn.Tanh).half(), torch.randn(64, 8).half()
    y = torch.randn(64, 4).half()
    report = ask(net, lambda: F.mse_loss(net(x), y) * 1e-4)
    assert "where that format ends" in report.reason
    assert "GradScaler" in report.steps[0].text


def test_a_run_that_diverges_is_advised_a_smaller_rate() -> None:
    net, x = mlp(8, 64, 64, 1), torch.randn(64, 8)
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(12):
            optimizer.zero_grad()
            F.mse_loss(net(x), 100 * x.sum(1, keepdim=True)).backward()
            optimizer.step()
    report = run.report()
    assert report.verdict is V.NON_FINITE
    assert V.FROZEN not in [found.verdict for found in report.findings]
    assert "Lower the learning rate" in report.steps[0].text


def test_sigmoids_that_their_inputs_drive_to_their_ends() -> None:
    pixels, y = torch.rand(64, 64), torch.randint(4, (64,))
    for scale, hint in ((255.0, "saturated"), (1.0, None)):
        net, x = mlp(64, 32, 32, 4, bend=nn.Sigmoid), scale * pixels
        report = ask(net, lambda net=net, x=x: F.cross_entropy(net(x), y))  # type: ignore[misc]
        assert report.verdict is V.HEALTHY
        assert report.findings[0].hint == hint


def test_biases_of_zero_keep_nothing_back() -> None:
    net = Through(rounded)
    for layer in (net.a, net.b, net.c):
        nn.init.zeros_(layer.bias)
    found = [one.verdict for one in classified(net).findings]
    assert found[0] is V.CUT
    assert V.ZERO_START not in found


def test_an_optimizer_that_another_is_laid_around_tells_its_steps() -> None:
    net = mlp(8, 64, 4)
    around = SimpleNamespace(optimizer=torch.optim.Adam(net.parameters(), 1.0))
    assert classified(net, around).verdict is V.LARGE_STEP


def run_of(*calls: str) -> Report:
    """Return what is said of a run that does these things at each of five steps, in this order."""
    net, x, y = mlp(8, 64, 4), torch.randn(64, 8), torch.randint(4, (64,))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(5):
            loss = F.cross_entropy(net(x), y)
            does = {
                "backward": loss.backward,
                "look": lambda loss=loss: run.step(loss),  # type: ignore[misc]
                "step": optimizer.step,
                "clear": optimizer.zero_grad,
                "fill": lambda: optimizer.zero_grad(set_to_none=False),
            }
            for call in calls:
                does[call]()
    return run.report()


def test_gradients_that_are_cleared_before_the_step_or_no_step_at_all() -> None:
    for clear in ("clear", "fill"):
        report = run_of("backward", clear, "step")
        assert (report.verdict, report.findings[0].hint) == (V.CUT, "cleared")
        assert "zero_grad" in report.steps[0].text
        assert run_of("backward", "step", clear).verdict is V.HEALTHY
        report = run_of("backward", "look", clear, "step")
        assert (report.verdict, report.findings[0].hint) == (V.CUT, "cleared")
    report = run_of("clear", "backward", "look")
    assert (report.verdict, report.findings[0].hint) == (V.CUT, "no step")
    assert run_of("clear", "backward", "look", "step").verdict is V.HEALTHY


def test_what_came_back_to_be_differentiated_is_not_what_the_loss_sends() -> None:
    """As in score matching: the slope of an energy with respect to its input, and some energy."""
    net, x = mlp(2, 64, 64, 1, bend=nn.Softplus), torch.randn(64, 2, requires_grad=True)

    def loss() -> Tensor:
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        return slope.square().mean() + 0.1 * net(x).square().mean()

    report = ask(net, loss)
    assert report.verdict is V.HEALTHY


def test_a_teacher_and_an_actor_that_the_optimizer_does_not_hold() -> None:
    student, teacher = mlp(8, 32, 4), mlp(8, 128, 4)
    net, x = nn.ModuleDict({"student": student, "teacher": teacher}), torch.randn(64, 8)

    def loss() -> Tensor:
        with torch.no_grad():
            goal = teacher(x).softmax(1)
        return F.kl_div(student(x).log_softmax(1), goal, reduction="batchmean")

    report = ask(net, loss, torch.optim.Adam(student.parameters()))
    assert report.verdict is V.HEALTHY
    assert any("they stay as they are" in note for note in report.notes)


@pytest.mark.parametrize(("made", "rate"), [(torch.optim.SGD, 0.1), (torch.optim.Adam, 1e-9)])
def test_weights_that_a_step_of_next_to_nothing_leaves_stand_still(made: Any, rate: float) -> None:
    """Also where the step is below the rounding of float64; bits are compared."""
    bends = [part for _ in range(40) for part in (nn.Linear(32, 32), nn.Sigmoid())]
    net, x, y = (
        nn.Sequential(*bends, nn.Linear(32, 4)),
        torch.randn(64, 32),
        torch.randint(4, (64,)),
    )
    optimizer = made(net.parameters(), rate)
    report = ask(net, lambda: F.cross_entropy(net(x), y), optimizer)
    first = bends[0]
    meant, before = first.weight.grad != 0, first.weight.detach().clone()
    optimizer.step()
    assert meant.any()
    assert torch.equal(first.weight[meant], before[meant])
    row = next(row for row in report.rows if row.name == "0")
    assert row.frozen["float32"] == 1.0
    assert row.update is not None
    assert 0 < row.update < 1e-9


@pytest.mark.parametrize(("made", "rate"), [(torch.optim.Adam, 1e-3), (torch.optim.SGD, 0.1)])
def test_a_head_that_begins_small_moves_far_and_the_step_is_not_too_large(
    made: Any, rate: float
) -> None:
    net, x, y = mlp(32, 64, 64, 64, 4), torch.randn(64, 32), torch.randint(4, (64,))
    head = [part for part in net.modules() if isinstance(part, nn.Linear)][-1]
    with torch.no_grad():
        head.weight.normal_(0, 1e-4)
    optimizer = made(net.parameters(), rate)
    report = ask(net, lambda: F.cross_entropy(net(x), y), optimizer)
    before = head.weight.detach().clone()
    optimizer.step()
    assert (head.weight - before).norm() > before.norm()
    assert report.verdict is V.HEALTHY
    far = ask(net, lambda: F.cross_entropy(net(x), y), made(net.parameters(), 300 * rate))
    assert far.verdict is V.LARGE_STEP
