"""The stream of a residual network, where no layer reads it and where nothing before it is trained.

What is true of each network is measured at the stream itself, by autograd.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

V = Verdict
WIDTH = 16

Function = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def rms_norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],))


def same(x: Tensor) -> Tensor:
    return x


class Stream(nn.Module):
    """Blocks in lists, so that none of them is a module that is called."""

    def __init__(self, blocks: int = 4, *, scale: float = 1.0, kept: float = 1.0) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 4)
        self.norms = nn.ModuleList(nn.Identity() for _ in range(blocks))
        self.layers = nn.ModuleList(branch() for _ in range(blocks))
        self.gains = nn.Parameter(torch.full((blocks, WIDTH), scale))
        self.read: Function = same
        self.kept = kept
        self.states: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.states = [x := self.stem(x)]
        for k, (norm, layer) in enumerate(zip(self.norms, self.layers, strict=True)):
            x = self.kept * x + self.gains[k] * layer(norm(self.read(x)))
            self.states.append(x)
        return self.head(self.read(x))

    def asked(self) -> tuple[Report, float]:
        """Return the report, and by how many decades δ changes over the stream."""
        x, y = torch.randn(32, WIDTH), torch.randint(4, (32,))
        deltas = gradbook.watch(self)
        loss = F.cross_entropy(self(x), y)
        loss.backward()
        report = gradbook.diagnose(self, deltas=deltas)
        deltas.remove()
        loss = F.cross_entropy(self(x), y)
        held = [h for h in self.states if h.requires_grad]
        sizes = [g.norm().item() for g in torch.autograd.grad(loss, held)]
        return report, math.log10(sizes[0] / sizes[-1])


def branch() -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, 32), nn.GELU(), nn.Linear(32, WIDTH))


def of_layer_norms(net: Stream) -> None:
    net.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in net.norms)


def of_functions(net: Stream) -> None:
    net.read = rms_norm


def of_cubes(net: Stream) -> None:
    net.read = lambda x: x**3


READERS = (same, of_layer_norms, of_functions, of_cubes)


@pytest.mark.parametrize("stem", [True, False])
@pytest.mark.parametrize(
    ("read", "scale"), [*((read, 1e-5) for read in READERS), *((read, 1.0) for read in READERS[:3])]
)
def test_a_stream_that_arrives_is_healthy_whoever_reads_it(
    read: Any, scale: float, stem: bool
) -> None:
    net = Stream(scale=scale)
    read(net)
    net.stem.requires_grad_(stem)
    report, change = net.asked()
    assert abs(change) < 1
    assert report.verdict is V.HEALTHY, report.reason


@pytest.mark.parametrize("stem", [True, False])
@pytest.mark.parametrize("read", READERS)
def test_a_stream_that_vanishes_is_found_whoever_reads_it(read: Any, stem: bool) -> None:
    net = Stream(8, scale=0.01, kept=0.3)
    read(net)
    net.stem.requires_grad_(stem)
    report, change = net.asked()
    assert change < -1.95
    assert report.verdict is V.VANISHING, report.reason


class Quantized(nn.Module):
    """Its losses are summed in the forward pass, straight behind the network."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8))
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 32))

    def forward(self, x: Tensor) -> Tensor:
        z = self.encoder(x)
        rounded = z + (z.round() - z).detach()
        near: Tensor = F.mse_loss(z, z.round().detach())
        return F.mse_loss(self.decoder(rounded), x) + 0.25 * near


def test_a_sum_of_losses_is_no_state_of_the_network() -> None:
    net, x = Quantized(), torch.randn(128, 32)
    deltas = gradbook.watch(net)
    net(x).backward()
    assert gradbook.diagnose(net, deltas=deltas).verdict is V.HEALTHY


class LowRank(nn.Module):
    """A frozen layer, and beside it two small matrices one step after the start."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.base = nn.Linear(width, out).requires_grad_(False)
        self.down, self.up = nn.Linear(width, 4, bias=False), nn.Linear(4, out, bias=False)
        nn.init.constant_(self.up.weight, 2e-4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base(x) + self.up(self.down(x))
        return out


class Adapted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.inner = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 48)
        self.requires_grad_(False)
        self.out = LowRank(48, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.out(F.gelu(self.inner(self.norm(x))))
        return out


@pytest.mark.parametrize("stem", [True, False])
def test_adapters_behind_a_frozen_stem_are_a_branch_from_the_first_block_on(stem: bool) -> None:
    blocks = [Adapted() for _ in range(3)]
    net = nn.Sequential(nn.Linear(8, WIDTH), *blocks, nn.Linear(WIDTH, 4))
    net[0].requires_grad_(stem)
    x, y = torch.randn(32, 8), torch.randint(4, (32,))
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    assert gradbook.diagnose(net, deltas=deltas).verdict is V.HEALTHY


def test_a_penalty_on_the_gradient_is_not_what_the_loss_sends_through_the_layers() -> None:
    parts = [p for _ in range(4) for p in (nn.Linear(64, 64), nn.LayerNorm(64))]
    net = nn.Sequential(nn.Linear(8, 64), *parts, nn.Linear(64, 1))
    for p in net.parameters():
        nn.init.normal_(p, 0, 0.02)
    real, fake = torch.randn(16, 8), torch.randn(16, 8)
    deltas = gradbook.watch(net)
    (net(fake).mean() - net(real).mean()).backward()
    bare = gradbook.diagnose(net, deltas=deltas)
    between = ((real + fake) / 2).requires_grad_()
    (slope,) = torch.autograd.grad(net(between).sum(), between, create_graph=True)
    loss = net(fake).mean() - net(real).mean() + 1e4 * (slope.norm(dim=1) - 1).square().mean()
    loss.backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.profile is not None
    assert bare.profile is not None
    assert report.profile.extent == pytest.approx(bare.profile.extent, abs=0.1)


class Plain(nn.Module):
    def __init__(self, between: Function) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(8))
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = self.between(layer(x))
        return self.layers[-1](x)[:, :4]


BETWEEN: tuple[Function, ...] = (
    torch.sigmoid,
    lambda z: torch.sigmoid(z) - 0.5,
    lambda z: torch.sigmoid(z) + 0.1 * torch.randn_like(z),
    lambda z: F.dropout(torch.sigmoid(z), 0.1),
    lambda z: 0.1 * z * (1 + torch.tanh(z + 0.04 * z**3)),
)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("between", BETWEEN)
def test_a_plain_stack_that_vanishes_is_found_whatever_is_added(
    between: Function, first: bool
) -> None:
    net = Plain(between)
    net.layers[0].requires_grad_(first)
    x, y = torch.randn(32, WIDTH), torch.randint(4, (32,))
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is V.VANISHING, report.reason
