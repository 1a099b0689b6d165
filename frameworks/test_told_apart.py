"""What comes from elsewhere than the layers: data, their unit, a term of the loss, one batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report
from gradbook.diagnosis import Verdict as V

CLASSES = torch.arange(64) % 4


def looked(net: nn.Module, loss: Callable[[], Tensor]) -> Report:
    """Return the report on one step."""
    deltas = gradbook.watch(net)
    loss().backward()
    report = gradbook.diagnose(net, deltas=deltas)
    deltas.remove()
    return report


def decades(states: Sequence[Tensor], loss: Tensor) -> float:
    """Return those from the last state back to the first, in float64, by autograd alone."""
    first, *_, last = torch.autograd.grad(loss, states)
    return math.log10(float(first.square().mean().sqrt() / last.square().mean().sqrt()))


class Prepares(nn.Module):
    """Does something to finite data before the first layer reads them."""

    def __init__(self, prepare: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.prepare = prepare
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(self.prepare(x))
        return out


PREPARED: dict[str, Callable[[Tensor], Tensor]] = {
    "a constant column standardized": lambda x: (x - x.mean(0)) / x.std(0),
    "a row of zeros normalized": lambda x: x / x.norm(dim=1, keepdim=True),
    "the mean over no neighbor": lambda x: (x > 9).float() @ x.T / (x > 9).float().sum(1)[:, None],
    "the log of what is negative": torch.log,
}


@pytest.mark.parametrize("name", PREPARED)
def test_finite_data_are_not_blamed_for_what_forward_makes_of_them(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    x[:, 2], x[3] = 1.0, 0.0
    if "constant" in name:
        x[3, 2] = 1.0
    if "neighbor" in name:
        x = x[:8]
    net = Prepares(PREPARED[name])
    report = looked(net, lambda: F.cross_entropy(net(x), CLASSES[: len(x)]))
    assert report.verdict is V.NON_FINITE
    assert "though what the network was called with is: it is made in between" in report.reason
    assert "division and root at 0" in report.steps[0].text


def test_data_that_are_not_finite_are_blamed_also_behind_what_is_done_to_them() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    x[5, 5] = math.nan
    for prepare in (lambda x: x, lambda x: 2 * x):
        net = Prepares(prepare)
        report = looked(net, lambda net=net: F.cross_entropy(net(x), CLASSES))
        assert report.verdict is V.NON_FINITE
        assert report.reason.endswith("is not finite: it is the data.")
        assert report.steps[0].text.startswith("Look at the batch")


class Normed(nn.Module):
    """Layers with a normalization behind each, which takes away the unit of what enters."""

    def __init__(self, depth: int, norm: type[nn.Module]) -> None:
        super().__init__()
        sizes = [8] + [32] * depth
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(norm(32) for _ in range(depth))
        self.last = nn.Linear(32, 4)

    def states(self, x: Tensor) -> list[Tensor]:
        found = [x]
        for layer, norm in zip(self.dense, self.norms, strict=True):
            found.append(F.relu(norm(layer(found[-1]))))
        return found[1:]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.states(x)[-1])
        return out


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.LayerNorm])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_unit_of_the_inputs_is_no_fall_in_front_of_a_normalization(
    depth: int, norm: type[nn.Module], seed: int
) -> None:
    """Tables of ages and prices, pictures of 0 to 255: the states behind lose nothing."""
    torch.manual_seed(seed)
    net, x = Normed(depth, norm), 1000 * (torch.randn(64, 8) + CLASSES[:, None])
    wide = copy.deepcopy(net).double()
    states = wide.states(x.double())
    loss = F.cross_entropy(wide.last(states[-1]), CLASSES)
    assert abs(decades([*states, states[-1]], loss)) < 0.3
    assert looked(net, lambda: F.cross_entropy(net(x), CLASSES)).verdict is V.HEALTHY


class Coder(nn.Module):
    """A variational autoencoder, which returns what its loss reads in the middle, too."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 128), nn.ReLU())
        self.mean, self.log = nn.Linear(128, 8), nn.Linear(128, 8)
        self.decode = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 64))

    def states(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        h = self.encode(x)
        mean, log = self.mean(h), self.log(h)
        return h, mean, log, mean + (log / 2).exp() * torch.randn_like(mean)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, mean, log, z = self.states(x)
        return self.decode(z), mean, log


def divergence(mean: Tensor, log: Tensor) -> Tensor:
    return -0.5 * (1 + log - mean**2 - log.exp()).sum()


@pytest.mark.parametrize("weight", [0.0, 1e-4, 1.0, 100.0])
def test_a_term_of_the_loss_that_enters_in_the_middle_is_no_explosion(weight: float) -> None:
    """A sum beside a mean, as in many a first VAE: nothing grows on the way back."""
    torch.manual_seed(0)
    net, x = Coder(), torch.rand(64, 64)
    wide = copy.deepcopy(net).double()
    h, _, _, z = wide.states(x.double())
    back = F.mse_loss(wide.decode(z), x.double())
    assert abs(decades([h, z], back)) < 1

    def loss() -> Tensor:
        made, mean, log = net(x)
        return F.mse_loss(made, x) + weight * divergence(mean, log)

    report = looked(net, loss)
    assert report.verdict is V.HEALTHY
    hides = weight > 1
    assert ("But of what the loss sends" in report.reason) is hides
    assert (report.findings[0].hint == "terms") is hides


def test_a_gradient_that_explodes_does_so_though_all_states_are_returned() -> None:
    """As with output_hidden_states=True: a loss that reads the last alone sends none there."""

    class Returns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(8))
            for layer in self.layers:
                nn.init.normal_(layer.weight, 0, 3 / 32**0.5)

        def forward(self, x: Tensor) -> list[Tensor]:
            found = [x]
            for layer in self.layers:
                found.append(layer(found[-1]))
            return found[1:]

    torch.manual_seed(0)
    net = Returns()
    report = looked(net, lambda: F.cross_entropy(net(torch.randn(64, 32))[-1], CLASSES))
    assert report.verdict is V.EXPLODING


class Detector(nn.Module):
    """Says where something is, and for the places of objects what and how large."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.where = nn.Linear(32, 1)
        self.what = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
        self.size = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.body(x)
        return self.where(h)[:, 0], self.what(h), self.size(h)[:, 0]


@pytest.mark.parametrize(("places", "ill"), [(1.0, V.CUT), (0.0, V.LOSS)])
@pytest.mark.parametrize("empty", [(), (12,), (6,), (11, 12)])
def test_one_batch_without_an_object_is_no_illness(
    empty: tuple[int, ...], places: float, ill: V
) -> None:
    """If the loss has a term for places, the rest is cut; else nothing comes from it at all."""
    torch.manual_seed(0)
    net = Detector()
    net.where.requires_grad_(places > 0)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for step in range(1, 13):
            x, there = torch.randn(64, 8), torch.zeros(64)
            there[:16] = step not in empty
            where, what, size = net(x)
            loss = F.cross_entropy(what, CLASSES, reduction="none").mul(there).sum() / 16
            loss = loss + (size - x[:, 0]).square().mul(there).sum() / 16
            loss = loss + places * F.binary_cross_entropy_with_logits(where, there)
            optimizer.zero_grad()
            loss.backward()
            run.step()
            optimizer.step()
    report = run.report()
    assert report.verdict is (ill if len(empty) > 1 else V.HEALTHY)
    told = "So it was at step 11. At step 12 alone: "
    assert any(note.startswith(told) for note in report.notes) is (empty == (12,))


class Tokens(nn.Module):
    """A small Transformer with something that begins with zero and is added or laid beside."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.word = nn.Embedding(16, 32)
        self.token = nn.Parameter(torch.zeros(1, 1 if kind == "token" else 6, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.word(x)
        token = self.token.expand(len(x), -1, -1)
        h = h + token if self.kind == "positions" else torch.cat([token, h], 1)
        out: Tensor = self.head(self.layers(h)[:, 0])
        return out


@pytest.mark.parametrize("kind", ["token", "positions", "prompt"])
def test_what_is_added_or_laid_beside_keeps_nothing_back_though_it_begins_with_zero(
    kind: str,
) -> None:
    torch.manual_seed(0)
    net, x = Tokens(kind), torch.randint(16, (64, 6))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    deltas = gradbook.watch(net)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(net(x), CLASSES).backward()
        report = gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
        optimizer.step()
        assert report.verdict is V.HEALTHY
        assert "began with 0" not in report.reason
        assert report.findings[0].verdict is not V.ZERO_START


@pytest.mark.parametrize("maximize", [False, True])
def test_a_loss_that_rises_is_told_beside_a_healthy_gradient(maximize: bool) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4)), torch.randn(64, 8)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, maximize=maximize)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(40):
            loss = F.cross_entropy(net(x), CLASSES)
            optimizer.zero_grad()
            loss.backward()
            run.step(loss)
            optimizer.step()
    report = run.report()
    assert report.verdict is V.HEALTHY
    assert ("But the loss has risen from 1.4" in report.reason) is maximize
    assert ("maximize=True" in report.steps[0].text) is maximize


class Ladder(nn.Module):
    """What an encoder makes is added to, or laid beside, what a decoder makes."""

    def __init__(self, beside: bool) -> None:
        super().__init__()
        self.beside = beside
        self.down = nn.ModuleList(nn.Linear(32, 32) for _ in range(6))
        bottom = [part for _ in range(6) for part in (nn.Linear(32, 32), nn.Sigmoid())]
        self.bottom = nn.Sequential(*bottom)
        self.up = nn.ModuleList(nn.Linear(64 if beside else 32, 32) for _ in range(6))
        self.last = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 4))

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for layer in self.down:
            kept.append(x)
            x = torch.tanh(layer(x))
        x = self.bottom(x)
        for layer, other in zip(self.up, reversed(kept), strict=True):
            x = torch.tanh(layer(torch.cat([x, other], 1) if self.beside else x + other))
        out: Tensor = self.last(x)
        return out


@pytest.mark.parametrize("beside", [False, True])
def test_what_blocks_add_is_divided_only_where_they_add(beside: bool) -> None:
    torch.manual_seed(0)
    net = Ladder(beside)
    report = looked(net, lambda: F.cross_entropy(net(torch.randn(64, 32)), CLASSES))
    assert report.verdict is V.VANISHING
    divides = any("Divide what each block adds" in step.text for step in report.steps)
    assert divides is not beside
