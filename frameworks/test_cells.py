"""Cells of one's own, towers that are stacked and streams that are multiplied, against float64."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Any

import pytest
import torch
from generated_cells import Own, decayed, leaky, lerped, mixed, moved, renewed
from generated_many import Stacked, beside_another
from test_hand import LABELS, decades, said
from torch import Tensor, nn
from torch.nn import functional as F

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
