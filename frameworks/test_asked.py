"""Questions that are asked most: each with the fault, and with it mended."""

from __future__ import annotations

import copy
import gc
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from told_runs import run_of
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import BadInput, Report
from gradbook.diagnosis import Verdict as V
from gradbook.diagnosis.callbacks import lightning_callback, trainer_callback
from gradbook.diagnosis.watching.graph import divides_by_own

STEPS = 60


def looked(net: nn.Module, loss: Tensor, deltas: object, **known: object) -> Report:
    """Return the report on one step."""
    loss.backward()
    report: Report = gradbook.diagnose(net, deltas=deltas, **known)
    return report


class ByHand(nn.Module):
    """A normalization that somebody wrote, whose name does not tell."""

    def __init__(self, way: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.scale, self.way = nn.Parameter(torch.ones(64)), way

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.way(x)


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "over the root of the mean square": lambda x: (
        x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
    ),
    "over the deviation": lambda x: (
        (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6)
    ),
    "over the root of the variance": lambda x: (
        (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt()
    ),
    "over the norm": lambda x: 8 * F.normalize(x, dim=-1),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_normalization_by_hand_takes_the_unit_away(way: str) -> None:
    """What comes behind it is the same, to rounding, whatever the inputs' unit."""
    torch.manual_seed(0)
    layers = [nn.Linear(20, 64), ByHand(WAYS[way]), nn.ReLU()]
    layers += [nn.Linear(64, 64), ByHand(WAYS[way]), nn.ReLU(), nn.Linear(64, 5)]
    net, x, y = nn.Sequential(*layers), torch.randn(128, 20), torch.arange(128) % 5
    nn.init.zeros_(layers[0].bias)  # type: ignore[arg-type]  # which would have a unit
    outputs = [net(unit * x) for unit in (1, 1000)]
    assert torch.allclose(*outputs, atol=1e-4)
    for unit in (1, 1000):
        net.zero_grad()
        deltas = gradbook.watch(net)
        report = looked(net, F.cross_entropy(net(unit * x), y), deltas)
        assert report.verdict is V.HEALTHY, report.reason
        deltas.remove()


def test_a_gate_made_of_the_mean_is_no_normalization() -> None:
    x, gate = 2 * torch.randn(8, 4, requires_grad=True), nn.Linear(4, 4)
    normed = x / x.norm(dim=-1, keepdim=True)
    gated = [x * gate(x).sigmoid(), x * x, x * x.mean(-1, keepdim=True), x / 2, x + x.std()]
    assert divides_by_own(normed.grad_fn)
    assert not any(divides_by_own(one.grad_fn) for one in gated)


class Tower(nn.Module):
    """Blocks on a path: each adds as much as there is, so that the gradient grows."""

    def __init__(self, depth: int, bend: Callable[[], nn.Module], normalize: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(depth))
        self.bends = nn.ModuleList(bend() for _ in range(depth))
        self.head, self.normalize = nn.Linear(32, 4), normalize
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)  # type: ignore[arg-type]

    def states(self, x: Tensor) -> list[Tensor]:
        found = [x]
        for layer, bend in zip(self.layers, self.bends, strict=True):
            inner = F.layer_norm(found[-1], (32,)) if self.normalize else found[-1]
            found.append(found[-1] + 1.5 * layer(bend(inner)))
        return found

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.states(x)[-1])
        return out


@pytest.mark.parametrize("bend", [nn.ReLU, nn.PReLU])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_slope_that_is_learned_is_no_normalization(
    bend: Callable[[], nn.Module], normalize: bool
) -> None:
    """And one without weights, called in forward, is one: behind it a rise is borne."""
    torch.manual_seed(0)
    net, x = Tower(12, bend, normalize), torch.randn(64, 32)
    states = net.states(x.requires_grad_())
    loss = F.cross_entropy(net.head(states[-1]), torch.arange(64) % 4)
    first, last = torch.autograd.grad(loss, [states[0], states[-1]])
    grows = math.log10(float(first.norm() / last.norm()))
    assert (grows > 2) is not normalize
    deltas = gradbook.watch(net)
    report = looked(net, F.cross_entropy(net(x.detach()), torch.arange(64) % 4), deltas)
    assert report.verdict is (V.HEALTHY if normalize else V.EXPLODING), report.reason


@pytest.mark.parametrize("detached", [True, False])
def test_a_generator_whose_picture_was_detached_was_called(detached: bool) -> None:
    torch.manual_seed(0)
    parts = {"G": nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16))}
    parts["D"] = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))
    net = nn.ModuleDict(parts)
    optimizers = {name: torch.optim.Adam(net[name].parameters(), 1e-3) for name in "GD"}
    deltas = gradbook.watch(net)
    fake, ones, zeros = net["G"](torch.randn(16, 8)), torch.ones(16, 1), torch.zeros(16, 1)
    scores = net["D"](torch.randn(16, 16)), net["D"](fake.detach())
    targets = ones, zeros
    losses = map(F.binary_cross_entropy_with_logits, scores, targets)
    optimizers["D"].zero_grad()
    sum(losses).backward()  # type: ignore[union-attr]
    optimizers["D"].step()
    score = net["D"](fake.detach() if detached else fake)
    loss = F.binary_cross_entropy_with_logits(score, ones)
    report = looked(net, loss, deltas, optimizer=optimizers["G"])
    lost = [name for name, p in net["G"].named_parameters() if p.grad is None]
    assert len(lost) == (4 if detached else 0)
    assert report.verdict is (V.CUT if detached else V.HEALTHY)
    assert "holds" not in report.reason, "D's optimizer clears what D holds"
    if detached:
        assert "never called" not in report.reason
        assert report.steps[0].text.startswith("Look for .detach()")


class Reads(nn.Module):
    """A recurrent layer of whose outputs some are read."""

    def __init__(self, read: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.cell, self.head, self.read = nn.LSTM(6, 32, batch_first=True), nn.Linear(32, 1), read

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.read(self.cell(x)[0]))
        return out


READ: dict[str, Callable[[Tensor], Tensor]] = {
    "of 12 steps that cell reads the first alone": lambda out: out[:, 0],
    "of 32 sequences that cell reads one alone": lambda out: out.reshape(-1, 32)[-1:],
    "": lambda out: out[:, -1],
}


@pytest.mark.parametrize("told", READ)
def test_what_is_read_by_the_wrong_axis_is_told_also_where_gradients_vanish(told: str) -> None:
    torch.manual_seed(0)
    net, x = Reads(READ[told]), torch.randn(32, 12, 6, requires_grad=True)
    deltas = gradbook.watch(net)
    report = looked(net, net(x).square().sum(), deltas)
    assert x.grad is not None
    came = x.grad.ne(0).any(-1)
    assert ("steps" in told) is bool(came[:, 0].any() and not came[:, 1:].any())
    assert ("sequences" in told) is (int(came.any(1).sum()) == 1)
    assert told in report.reason
    assert "shapes" in report.steps[0].text or not told


def test_a_batch_normalization_left_in_evaluation_from_the_start_is_told() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    x, y = torch.randn(32, 8), torch.arange(32) % 4
    deltas = gradbook.watch(net)
    for trained, told in ((False, True), (True, False)):
        net.train(trained)
        report = looked(net, F.cross_entropy(net(x), y), deltas)
        assert ("ran in eval() mode" in report.reason) is told
    net.eval()  # as to fine-tune what has been trained
    report = looked(net, F.cross_entropy(net(x), y), deltas)
    assert "eval() mode" not in report.reason


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_an_overflow_of_float16_is_named(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 4))
    x, y = torch.full((16, 64), 200.0), torch.arange(16) % 4
    nn.init.constant_(net[0].weight, 1.0)
    nn.init.constant_(net[2].weight, 1.0)
    deltas = gradbook.watch(net)
    with torch.autocast("cpu", kind):
        out, middle = net(x), net[2](net[1](net[0](x)))
    report = looked(net, F.cross_entropy(out.float(), y), deltas)
    narrow = not bool(middle.isfinite().all())
    assert narrow is (kind is torch.float16)
    assert (report.verdict is V.NON_FINITE) is narrow
    if narrow:
        assert "2 is the first that is not finite" in report.reason
        assert "65504" in report.reason
        assert "bfloat16" in report.steps[0].text


@pytest.mark.parametrize("unit", [1, 300])
def test_squares_that_overflow_in_a_normalization_are_named(unit: int) -> None:
    torch.manual_seed(0)
    way = WAYS["over the root of the mean square"]
    layers = [nn.Linear(20, 64), ByHand(way), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(64, 4)).half()
    nn.init.normal_(net[0].weight)  # type: ignore[arg-type]
    x, y = (unit * torch.randn(64, 20)).half(), torch.arange(64) % 4
    lost = not bool(net[:2](x).any())
    assert lost is (unit > 1)
    deltas = gradbook.watch(net)
    report = looked(net, F.cross_entropy(net(x).float(), y), deltas)
    assert ("squares overflow in float16" in report.reason) is lost
    assert ("float16 ends at 65504" in report.steps[0].text) is lost


@pytest.mark.parametrize("shape", [(64,), (64, 1)])
def test_a_target_that_is_spread_is_told_by_the_loss_that_stands(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1)), torch.randn(64, 8)
    y = (3 * x[:, 0] + x[:, 1]).reshape(shape)

    def loss() -> Tensor:
        return (net(x) - y).square().mean()  # as mse_loss, which also warns

    report = run_of(net, loss, torch.optim.Adam(net.parameters(), 0.01), STEPS)
    ratio = float(loss().detach()) / float(y.var())
    assert (ratio > 0.9) is (len(shape) == 1)
    assert report.verdict is V.HEALTHY
    assert ("the loss has not fallen" in report.reason) is (len(shape) == 1)
    if len(shape) == 1:
        assert "shapes of outputs and targets" in report.steps[0].text


class Returns(nn.Module):
    """A network that returns its loss, made of terms, which may be below 0."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.log = nn.Linear(8, 1), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        log = self.log(x)
        terms = log, 0.5 * ((self.mean(x) - 0.01 * x[:, :1]) / log.exp()).square()
        return (sum(term.mean() for term in terms) + 0.5 * math.log(2 * math.pi)) / 1.0


def test_a_loss_that_the_network_returns_keeps_its_sign() -> None:
    torch.manual_seed(0)
    net, x, told = Returns(), torch.randn(64, 8), list[float]()
    optimizer = torch.optim.Adam(net.parameters(), 0.03)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(200):
            optimizer.zero_grad()
            loss = net(x)
            loss.backward()
            told.append(float(loss.detach()))
            optimizer.step()
    assert told[0] > 0 > told[-1]
    assert -told[-1] > 1.3 * told[0], "of its size alone it would have risen"
    assert [moment.loss for moment in run.moments] == told
    assert "risen" not in run.report().reason


@pytest.mark.parametrize("seed", range(3))
def test_a_loss_that_falls_to_guessing_is_no_network_that_trains(seed: int) -> None:
    """A recurrent ReLU network whose first loss is blown up, and that learns nothing."""
    torch.manual_seed(seed)
    net = nn.ModuleDict({"r": nn.RNN(6, 64, nonlinearity="relu"), "o": nn.Linear(64, 2)})
    for name, weight in net["r"].named_parameters():
        if "weight" in name:
            nn.init.kaiming_normal_(weight)
    x = torch.randn(100, 2000, 6)
    y = (x[0, :, 0] > 0).long()

    def out(part: slice) -> Tensor:
        logits: Tensor = net["o"](net["r"](x[:, part])[0][-1])
        return logits

    parts = iter(range(10**6))

    def loss() -> Tensor:
        at = 64 * (next(parts) % 30)
        return F.cross_entropy(out(slice(at, at + 64)), y[at : at + 64])

    report = run_of(net, loss, torch.optim.Adam(net.parameters(), 0.01), 100)
    with torch.no_grad():
        right = float((out(slice(None)).argmax(1) == y).float().mean())
    assert right < 0.6
    assert "this network trains" not in report.reason


def test_of_a_single_layer_a_step_as_large_as_it_is_may_be_right() -> None:
    torch.manual_seed(0)
    net, x = nn.Linear(1, 1), torch.randn(64, 1)
    nn.init.constant_(net.weight, 0.1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    deltas = gradbook.watch(net)
    for step in range(100):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), 2 * x + 1)
        loss.backward()
        if step == 0:
            report = gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
        optimizer.step()
    assert float(loss.detach()) < 1e-6
    assert report.verdict is V.LARGE_STEP
    assert report.steps[0].text.startswith("If the loss falls, go on")


@pytest.mark.parametrize("broken", [False, True])
def test_without_the_optimizer_a_skipped_step_is_known_by_what_follows(broken: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    x, y = torch.randn(32, 8), torch.arange(32) % 4
    with gradbook.watching(net) as run:
        for step in range(6):
            net.zero_grad()
            loss = F.cross_entropy(net(x), y) * (math.inf if step in (0, 1) else 1.0)
            loss.backward()
            run.step()
            with torch.no_grad():
                for p in net.parameters() if broken or step > 1 else ():
                    p.sub_(0.1 * p.grad)
    report = run.report()
    assert (report.verdict is V.NON_FINITE) is broken
    assert any("no step was taken with it" in note for note in report.notes) is not broken


class Quantized(nn.Module):
    """Layers whose weights the network rounds, and lets the gradient pass straight."""

    def __init__(self, bend: Callable[[Tensor], Tensor], depth: int = 8) -> None:
        super().__init__()
        widths = [16, *[32] * depth, 4]
        self.bend = bend
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(widths)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            W = layer.weight
            W = W + ((W / 0.005).round() * 0.005 - W).detach()
            x = F.linear(x, W, layer.bias)
            x = x if layer is self.layers[-1] else self.bend(x)
        return x


@pytest.mark.parametrize(("bend", "verdict"), [(torch.sigmoid, V.VANISHING), (F.silu, None)])
def test_weights_that_are_rounded_in_between_are_places(
    bend: Callable[[Tensor], Tensor], verdict: V | None
) -> None:
    """What passes a rounded weight's layer is compared, not what comes back to the weight."""
    torch.manual_seed(0)
    net = Quantized(bend)
    deltas = gradbook.watch(net)
    loss = F.cross_entropy(net(torch.randn(32, 16)), torch.randint(4, (32,)))
    report = looked(net, loss, deltas)
    places = {p.name: p.before for p in deltas.record.places}
    assert [places[f"layers.{k}"] for k in range(1, 8)] == [(f"layers.{k}",) for k in range(7)]
    assert verdict is None or report.verdict is verdict


class Towers(nn.Module):
    """Two tables, or two networks, of which a product is taken."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.u, self.v = (
            nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16)) for _ in "uv"
        )
        for tower in (self.u, self.v):
            for weight in tower[-1].parameters():
                nn.init.normal_(weight, 0, size)

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = (self.u(x) * self.v(x)).sum(1)
        return product


@pytest.mark.parametrize(("size", "verdict"), [(0, V.STUCK), (1e-8, V.STUCK), (0.2, V.HEALTHY)])
@pytest.mark.parametrize("seed", range(3))
def test_a_product_of_two_that_are_next_to_zero_is_no_fault_of_the_loss(
    size: float, verdict: V, seed: int
) -> None:
    torch.manual_seed(seed)
    net = Towers(size)
    deltas = gradbook.watch(net)
    report = looked(net, F.mse_loss(net(torch.randn(64, 8)), torch.randn(64)), deltas)
    assert report.verdict is verdict


@pytest.mark.parametrize("size", [0.0, 1e-8])
def test_so_is_a_product_of_two_embeddings(size: float) -> None:
    torch.manual_seed(0)
    tables = nn.ModuleList([nn.Embedding(100, 16) for _ in range(2)])
    for table in tables:
        nn.init.normal_(table.weight, 0, size)

    class Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = tables

        def forward(self, i: Tensor, j: Tensor) -> Tensor:
            return (self.tables[0](i) * self.tables[1](j)).sum(1)

    net = Factors()
    deltas = gradbook.watch(net)
    out = net(torch.randint(100, (256,)), torch.randint(100, (256,)))
    assert looked(net, F.mse_loss(out, torch.full((256,), 3.0)), deltas).verdict is V.STUCK


class Sums(nn.Module):
    """Two heads that begin with 0 and whose errors are added: a product of none."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 32), nn.Linear(16, 32)
        for head in (self.a, self.b):
            for weight in head.parameters():
                nn.init.zeros_(weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = torch.relu(self.body(x))
        return F.mse_loss(self.a(h), y) + F.mse_loss(self.b(h), -y)


def test_a_loss_of_two_heads_that_begin_with_zero_is_no_product() -> None:
    torch.manual_seed(0)
    net = Sums()
    deltas = gradbook.watch(net)
    report = looked(net, net(torch.randn(1024, 8), torch.randn(1024, 32)), deltas)
    assert report.verdict is not V.STUCK


class Skipping(nn.Module):
    """Blocks that send something to the output and add something to the path, as WaveNet's."""

    def __init__(self, blocks: int = 6) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(8, 16), nn.Linear(16, 4)
        self.skip, self.add = (
            nn.ModuleList([nn.Linear(16, 16) for _ in range(blocks)]) for _ in range(2)
        )
        self.cut = -1

    def forward(self, x: Tensor) -> Tensor:
        x, out = self.enter(x), 0
        for k, (skip, add) in enumerate(zip(self.skip, self.add, strict=True)):
            inner = torch.tanh(x)
            out = out + skip(inner)
            x = x + (add(inner).detach() if k == self.cut else add(inner))
        left: Tensor = self.leave(torch.relu(out))
        return left


class LastCut(nn.Module):
    """A stack of blocks of which the last is cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(8, 16), nn.Linear(16, 4)
        self.blocks = nn.ModuleList([nn.Linear(16, 16) for _ in range(12)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            added = torch.tanh(block(x))
            x = x + (added.detach() if block is self.blocks[-1] else added)
        left: Tensor = self.leave(x)
        return left


@pytest.mark.parametrize("seed", range(3))
def test_a_last_block_that_is_cut_off_is_a_cut(seed: int) -> None:
    torch.manual_seed(seed)
    net = LastCut()
    deltas = gradbook.watch(net)
    loss = F.cross_entropy(net(torch.randn(32, 8)), torch.randint(4, (32,)))
    assert looked(net, loss, deltas).verdict is V.CUT


@pytest.mark.parametrize(("cut", "verdict"), [(-1, V.HEALTHY), (2, V.CUT)])
@pytest.mark.parametrize("seed", range(3))
def test_what_the_last_block_adds_enters_nothing(cut: int, verdict: V, seed: int) -> None:
    torch.manual_seed(seed)
    net = Skipping()
    net.cut = cut
    deltas = gradbook.watch(net)
    loss = F.cross_entropy(net(torch.randn(32, 8)), torch.randint(4, (32,)))
    assert looked(net, loss, deltas).verdict is verdict


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_inputs_in_a_unit_of_their_own_come_first_where_it_starts_at_them(unit: float) -> None:
    torch.manual_seed(0)
    layers = [m for _ in range(3) for m in (nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU())]
    net = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), *layers, nn.Linear(16, 4))
    deltas = gradbook.watch(net)
    loss = F.cross_entropy(net(unit * torch.rand(32, 16)), torch.randint(4, (32,)))
    report = looked(net, loss, deltas)
    assert report.verdict is (V.VANISHING if unit > 1 else V.HEALTHY)
    assert report.steps[0].text.startswith("Bring the inputs") is (unit > 1)


def test_sigmoids_come_first_where_they_are_the_fault_whatever_enters() -> None:
    torch.manual_seed(0)
    layers = [m for _ in range(8) for m in (nn.Linear(16, 16), nn.Sigmoid())]
    net = nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16), *layers, nn.Linear(16, 4))
    deltas = gradbook.watch(net)
    loss = F.cross_entropy(net(255 * torch.rand(32, 16)), torch.randint(4, (32,)))
    report = looked(net, loss, deltas)
    assert report.verdict is V.VANISHING
    assert "sigmoids" in report.steps[0].text


@pytest.mark.parametrize(("clip", "verdict"), [(0.05, V.HEALTHY), (math.inf, V.LARGE_STEP)])
@pytest.mark.parametrize("seed", range(3))
def test_a_step_is_judged_behind_the_clip(clip: float, verdict: V, seed: int) -> None:
    """A look between backward and clip sees other gradients than those of the step."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 4)
    )
    optimizer = torch.optim.SGD(net.parameters(), 10.0)
    x, y = torch.randn(64, 16), torch.randint(4, (64,))
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            run.step(loss)
            nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
    assert run.report().verdict is verdict


@pytest.mark.parametrize("loss", [torch.ones(3), "high", [1.0, 2.0]])
def test_a_loss_that_is_no_number_is_refused_by_name(loss: object) -> None:
    net = nn.Linear(2, 2)
    with (
        gradbook.watching(net) as run,
        pytest.raises(BadInput, match=r"loss must be one number, got .*loss.mean\(\)"),
    ):
        run.step(loss)


@pytest.mark.parametrize("where", ["", "file/run.html"])
@pytest.mark.parametrize("make", [lightning_callback, trainer_callback])
def test_a_page_that_cannot_be_written_is_refused_before_the_training(
    where: str, make: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="html must be the file to write"):
        make(html=tmp_path / where)


@pytest.mark.parametrize("there", [True, False])
def test_a_page_is_written_into_a_folder_that_is_made_and_stops_no_training(
    there: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = trainer_callback(html=tmp_path / "runs" / "run.html")
    net = nn.Linear(2, 2)
    callback.kept.run = gradbook.watching(net)
    net(torch.ones(1, 2)).sum().backward()
    callback.kept.look()
    if not there:
        (tmp_path / "runs").touch()
    callback.kept.end()
    assert (tmp_path / "runs" / "run.html").is_file() is there
    assert ("no page was written: html must be" in capsys.readouterr().err) is not there


class Codebook(nn.Module):
    """What counts its embeddings beside them, as quantizers do."""

    def __init__(self) -> None:
        super().__init__()
        self.num_embeddings, self.embedding = 8, nn.Embedding(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.embedding(x.argmax(-1) % self.num_embeddings)


def test_a_codebook_that_counts_its_embeddings_is_asked_like_others() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(16, 16), Codebook(), nn.Linear(16, 4))
    deltas = gradbook.watch(net)
    assert looked(net, net(torch.randn(32, 16)).square().mean(), deltas).verdict is V.HEALTHY


class Named(nn.Module):
    """Layers in a row, called as they are called here."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x


@pytest.mark.parametrize("name", ["input_norm", "input", "input2", "in_norm"])
def test_a_layer_may_be_called_like_an_input(name: str) -> None:
    """What it returns is its own place, and not what another one hands it."""
    torch.manual_seed(0)
    layers = {"embed": nn.Linear(16, 16), name: nn.LayerNorm(16), "head": nn.Linear(16, 4)}
    net = Named(**layers)
    deltas = gradbook.watch(net)
    net(torch.randn(32, 16)).square().mean().backward()
    assert [place.name for place in deltas.record.places] == ["embed", name, "head"]
    # And what is large there is none of the data.
    with torch.no_grad():
        net.get_submodule(name).weight.mul_(1e3)
    deltas = gradbook.watch(net)
    report = looked(net, net(torch.randn(32, 16)).square().mean(), deltas)
    assert "Bring the inputs" not in str(report)


def test_a_parameter_that_nothing_reads_did_not_run() -> None:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(16, 16), nn.ReLU())
    block.register_parameter("gamma", nn.Parameter(torch.ones(16)))
    net = Named(block=block, last=nn.Linear(16, 4))
    deltas = gradbook.watch(net)
    report = looked(net, net(torch.randn(32, 16)).square().mean(), deltas)
    assert report.verdict is V.CUT
    assert "Nothing that ran was seen to read them" in report.reason


def test_weights_of_the_network_itself_are_given_no_empty_name() -> None:
    net = nn.Linear(16, 4)
    deltas = gradbook.watch(net)
    out = net(torch.zeros(32, 16))
    assert "starts at ." not in str(gradbook.diagnose(net, deltas=deltas))
    report = looked(net, out.square().mean() + out.sum(), deltas)
    assert "All that enters the network is 0." in str(report)
    assert "starts at ." not in str(report)


def of_sigmoids(last: str) -> Report:
    torch.manual_seed(0)
    layers: dict[str, nn.Module] = {}
    for number in range(8):
        layers[f"fc{number}"], layers[f"bend{number}"] = nn.Linear(32, 32), nn.Sigmoid()
    net = Named(**layers, **{last: nn.Linear(32, 4)})
    deltas = gradbook.watch(net)
    return looked(net, net(torch.randn(64, 32)).square().mean(), deltas)


def test_a_layer_called_like_what_a_weight_is_made_of_is_advised_as_others() -> None:
    assert of_sigmoids("original_head").steps == of_sigmoids("head").steps


def test_a_head_that_explores_is_no_adapter() -> None:
    """ "Exploration" holds the letters of LoRA."""
    torch.manual_seed(0)
    layers = {"fc": nn.Linear(16, 16), "bend": nn.Tanh(), "exploration_head": nn.Linear(16, 4)}
    net = Named(**layers)
    nn.init.zeros_(net.get_submodule("exploration_head").weight)
    deltas = gradbook.watch(net)
    x, y = torch.randn(32, 16), torch.randint(4, (32,))
    report = looked(net, F.cross_entropy(net(x), y), deltas)
    assert "LoRA" not in str(report)
    assert "exploration_head.weight" in str(report)


class Followed(nn.Module):
    """A network and what follows it, or teaches it, all in one module and one optimizer."""

    def __init__(self, other: str, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.add_module(other, copy.deepcopy(net))


def half_way(net: Followed, other: str) -> None:
    with torch.no_grad():
        pairs = zip(net.get_submodule(other).parameters(), net.net.parameters(), strict=True)
        for mine, its in pairs:
            mine.lerp_(its, 0.1)


FOLLOWS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "an average that is not called": lambda ema, x: torch.zeros(()),
    "targets that are detached": lambda ema, x: ema(x).detach(),
    "targets without a graph": lambda ema, x: torch.no_grad()(ema)(x),
}


@pytest.mark.parametrize("way", FOLLOWS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_follows_the_trained_network_is_no_cut(way: str, seed: int) -> None:
    torch.manual_seed(seed)
    net = Followed("ema", nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4)))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    x, y = torch.randn(64, 8), torch.randn(64, 4)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(20):
            optimizer.zero_grad()
            pulled = 0.1 * (net.net(x) - FOLLOWS[way](net.get_submodule("ema"), x)).square().mean()
            ((net.net(x) - y).square().mean() + pulled).backward()
            optimizer.step()
            half_way(net, "ema")
    report = run.report()
    assert report.verdict is V.HEALTHY
    assert any("an older copy of those of net" in note for note in report.notes)


BEGUN: dict[str, Callable[[Tensor], object]] = {
    "above 0": nn.init.uniform_,
    "all alike": lambda w: nn.init.constant_(w, 0.1),
    "drawn": lambda w: nn.init.normal_(w, std=0.2),
}


@pytest.mark.parametrize("way", BEGUN)
@pytest.mark.parametrize("width", [16, 32])
def test_a_layer_that_begins_like_others_is_no_copy_of_them(way: str, width: int) -> None:
    torch.manual_seed(0)
    net = Named(embed=nn.Linear(16, 16), hidden=nn.Linear(16, width), head=nn.Linear(width, 4))
    for layer in net.children():
        BEGUN[way](layer.weight)
    deltas = gradbook.watch(net)
    h = net.get_submodule("embed")(torch.randn(32, 16)).detach()
    out = net.get_submodule("head")(net.get_submodule("hidden")(h))
    assert V.CUT in [f.verdict for f in looked(net, out.square().mean(), deltas).findings]


def test_targets_may_be_counted_where_they_run_without_a_graph() -> None:
    torch.manual_seed(0)
    net = nn.ModuleList([nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4))])
    net.append(copy.deepcopy(net[0]))
    deltas, x = gradbook.watch(net), torch.randn(32, 16)
    with torch.no_grad():
        target = net[1](x) + 1
    report = looked(net, (net[0](x) - target).square().mean(), deltas)
    assert V.CUT not in [found.verdict for found in report.findings]


def test_a_layer_that_is_cut_off_is_no_copy_of_its_neighbors() -> None:
    """As the layers of an encoder begin, which are all copied from one."""
    torch.manual_seed(0)
    layer = nn.Linear(16, 16)
    net = Named(**{f"layer{number}": copy.deepcopy(layer) for number in range(4)})
    deltas = gradbook.watch(net)
    x = torch.randn(32, 16)
    for number in range(4):
        x = net.get_submodule(f"layer{number}")(x)
        x = x.detach() if number == 1 else x
    assert looked(net, x.square().mean(), deltas).verdict is V.CUT


def test_of_a_teacher_it_is_said_that_nothing_comes_back() -> None:
    torch.manual_seed(0)
    net = Named(teacher=nn.Linear(8, 4), student=nn.Linear(8, 4))
    deltas, x = gradbook.watch(net), torch.randn(32, 8)
    teacher, student = net.children()
    report = looked(net, (student(x) - teacher(x).detach()).square().mean(), deltas)
    assert "depend" not in report.reason
    assert "nothing comes back through what they return" in report.reason
    assert "a teacher" in report.steps[0].text


@pytest.mark.parametrize("returns", [1, 2])
@pytest.mark.parametrize("twice", [True, False])
def test_a_watch_that_was_removed_answers_for_no_later_pass(returns: int, twice: bool) -> None:
    """Though nothing was asked of it before: its δ is that of the network as it was then."""
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4))
    deltas = gradbook.watch(net)
    for _ in range(returns):
        net.zero_grad()
        net(torch.randn(16, 8)).square().mean().backward()
    deltas.remove()
    net.zero_grad()
    net(torch.randn(16, 8)).square().mean().backward()
    if twice:
        deltas.remove()
    with pytest.raises(BadInput, match=r"a watch that was removed before: call gradbook\.watch"):
        gradbook.diagnose(net, deltas=deltas)


@pytest.mark.parametrize("then", ["nothing", "a clip", "a step", "cleared", "double"])
def test_a_watch_that_was_removed_answers_for_its_own_pass(then: str) -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4))
    deltas = gradbook.watch(net)
    net(torch.randn(16, 8)).square().mean().backward()
    deltas.remove()
    gc.collect()
    if then == "a clip":
        nn.utils.clip_grad_norm_(net.parameters(), 1e-3)
    if then == "a step":
        torch.optim.SGD(net.parameters(), 1e-3).step()
    if then == "cleared":
        net.zero_grad()
    if then == "double":
        net.double()
    assert gradbook.diagnose(net, deltas=deltas).rows
