"""In front of a normalization a gradient has the unit of what enters; that is no fall and no rise.

Truth is the size of δ at the blocks, and of the gradients of their weights, both in float64.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

V = Verdict
X, Y = torch.randn(32, 16, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 10


class Stream(nn.Module):
    """Blocks that normalize what they read; the stream is multiplied before them or in each."""

    def __init__(
        self, *, once: float = 1.0, each: float = 1.0, blocks: int = 12, head: bool = False
    ) -> None:
        super().__init__()
        self.once, self.each = once, each
        self.read, self.norm = nn.Linear(16, 32), nn.LayerNorm(32)
        self.blocks = nn.ModuleList(self.block() for _ in range(blocks))
        last = [nn.Linear(32, 32), nn.GELU(), nn.LayerNorm(32)] if head else []
        self.head = nn.Sequential(*last, nn.Linear(32, 10))

    @staticmethod
    def block() -> nn.Module:
        return nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 32))

    def forward(self, x: Tensor) -> Tensor:
        self.seen = [self.read(x) * self.once]
        for block in self.blocks:
            self.seen.append((self.seen[-1] + block(self.seen[-1])) * self.each)
        return self.head(self.norm(self.seen[-1]))


class Behind(nn.Module):
    """Blocks that normalize behind the sum, which is multiplied by a number."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by, self.read, self.head = by, nn.Linear(16, 32), nn.Linear(32, 10)
        self.branches = nn.ModuleList(Stream.block()[1:] for _ in range(6))
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.read(x)
        for branch, norm in zip(self.branches, self.norms, strict=True):
            x = norm(self.by * (x + branch(x)))
        return self.head(x)


def asked(net: nn.Module) -> Report:
    deltas = gradbook.watch(net)
    F.cross_entropy(net(X), Y).backward()
    return gradbook.diagnose(net, deltas=deltas)


def decades(net: Any) -> float:
    """Return by how much the gradients of the first block's weights are above those of the last."""
    net.double().zero_grad()
    F.cross_entropy(net(X.double()), Y).backward()
    first, last = (net.blocks[k][1].weight.grad.norm() for k in (0, -1))
    return math.log10(first / last)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("once", [0.01, 1.0, 300.0])
def test_a_stream_that_is_multiplied_once_is_another_unit(
    once: float, seed: int, *, head: bool
) -> None:
    torch.manual_seed(seed)
    net = Stream(once=once, head=head)
    assert asked(net).verdict is V.HEALTHY
    assert abs(decades(net)) < 1.6  # where it is small at first blocks add most of it


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("blocks", [12, 24])
@pytest.mark.parametrize(("each", "verdict"), [(1.0, V.HEALTHY), (2.6, V.EXPLODING)])
def test_a_stream_that_is_multiplied_in_each_block_is_none(
    each: float, verdict: Verdict, seed: int, blocks: int
) -> None:
    torch.manual_seed(seed)
    net = Stream(each=each, blocks=blocks)
    assert asked(net).verdict is verdict
    assert (decades(net) > 3) is (verdict is V.EXPLODING)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("by", [0.03, 0.1, 1.0, 250.0])
def test_what_is_multiplied_in_front_of_a_normalization_changes_nothing(
    by: float, seed: int
) -> None:
    grads = []
    for factor in (1.0, by):
        torch.manual_seed(seed)
        net = Behind(factor)
        assert asked(net).verdict is V.HEALTHY
        grads.append(net.branches[0][0].weight.grad.norm())
    assert abs(math.log10(grads[1] / grads[0])) < 0.1  # but for the number that LayerNorm adds


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [1.0, 1e-4])
@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.BatchNorm1d, nn.RMSNorm])
def test_what_a_normalization_multiplies_by_is_no_unit(
    norm: type[nn.Module], size: float, seed: int
) -> None:
    torch.manual_seed(seed)
    inner = [part for _ in range(6) for part in (nn.Linear(32, 32), norm(32), nn.ReLU())]
    net = nn.Sequential(nn.Linear(16, 32), *inner, nn.Linear(32, 32), norm(32), nn.Linear(32, 10))
    nn.init.constant_(net[-2].weight, size)
    assert asked(net).verdict is (V.VANISHING if size < 1 else V.HEALTHY)
    small = net[1].weight.grad.norm()
    nn.init.constant_(net[-2].weight, 1.0)
    net.zero_grad()
    F.cross_entropy(net(X), Y).backward()
    assert net[1].weight.grad.norm() > 0.5 * small / size
