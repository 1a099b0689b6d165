"""How far δ may rise in layers that are normalized is held against what can be trained.

Truth is a training of sixty steps, at the best of four rates.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from planted_networks import CLASSES, adam, sgd
from planted_truth import TRAINED, Case, training
from torch import nn
from torch.nn import functional as F

import gradbook
from gradbook.book.diagnose.generated import LEARNS, LEARNS_NOT
from gradbook.diagnosis import Verdict
from gradbook.diagnosis.findings.over_depth import BEARABLE


def chain(depth: int, bend: type[nn.Module] = nn.ReLU, width: int = 32, slope: float = 1.0) -> Any:
    widths, parts = [16, *[width] * depth], []
    for a, b in pairwise(widths):
        parts += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), bend()]
        nn.init.constant_(parts[-2].weight, slope)
    return nn.Sequential(*parts, nn.Linear(width, CLASSES))


def learns(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> bool:
    case = Case("", "", lambda: net, lambda: (x, y))
    ways = (sgd(0.03), sgd(0.1), adam(1e-3), adam(1e-2))
    return any(training(replace(case, optimizer=way), net, x, y)[0] < TRAINED for way in ways)


@pytest.mark.parametrize(
    ("net", "is_ill"),
    [
        (lambda: chain(8), False),
        (lambda: chain(20), False),
        (lambda: chain(LEARNS), False),
        (lambda: chain(30, width=64), False),
        (lambda: chain(LEARNS_NOT), True),
        (lambda: chain(BEARABLE + 26), True),
        (lambda: chain(24, nn.GELU), False),
        (lambda: chain(56, nn.GELU), True),
        (lambda: chain(12, nn.Tanh, slope=4.0), False),
        (lambda: chain(24, nn.Tanh, slope=4.0), True),
    ],
    ids=[
        *("8 layers", "20 layers", "28 layers", "30 wide layers", "50 layers", "60 layers"),
        *("GELU, 24", "GELU, 56", "saturated tanh, 12", "saturated tanh, 24"),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_normalized_layers_are_ill_where_they_cannot_be_trained(
    net: Any, is_ill: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    made, x = net(), torch.randn(64, 16)
    y = torch.arange(64) % CLASSES
    deltas = gradbook.watch(made)
    F.cross_entropy(made(x), y).backward()
    verdict = gradbook.diagnose(made, deltas=deltas).verdict
    assert verdict is (Verdict.EXPLODING if is_ill else Verdict.HEALTHY)
    made.zero_grad()
    assert learns(made, x, y) is not is_ill
