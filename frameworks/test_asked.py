"""Questions that are asked most: each with the fault, and with it mended."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from told_runs import run_of
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report
from gradbook.diagnosis import Verdict as V
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
