"""Architectures for rows of numbers: layers one after the other, and side by side."""

from __future__ import annotations

from itertools import pairwise

import torch
from generated_parts import CLASSES, DEPTHS, WIDTHS, Net, Then, drawn
from planted_networks import HE
from torch import Tensor, nn


def mlp(size: int, activation: type[nn.Module] = nn.ReLU, gain: float = HE) -> nn.Module:
    width = WIDTHS[size]
    blocks = (nn.Sequential(nn.Linear(width, width), activation()) for _ in range(DEPTHS[size]))
    stem = nn.Sequential(nn.Linear(16, width), activation())
    return drawn(Net(stem, blocks, nn.Linear(width, CLASSES)), gain)


def _normed(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU())


def normalized(size: int) -> nn.Module:
    """Batch normalization in every layer and no path around any."""
    blocks = (_normed(32) for _ in range((4, 6, 8, 10, 14, 16)[size]))
    return Net(nn.Linear(16, 32), blocks, nn.Linear(32, CLASSES))


def too_deep(size: int) -> nn.Module:
    """The same, with so many layers that their growth adds up."""
    blocks = (_normed(32) for _ in range((45, 48, 53, 55, 61, 64)[size]))
    return Net(nn.Linear(16, 32), blocks, nn.Linear(32, CLASSES))


def bag(size: int) -> nn.Module:
    """The mean of what stands for the words."""
    words = nn.Embedding((60, 200, 600, 2000, 6000, 9000)[size], 32)
    blocks = (nn.Sequential(nn.Linear(32, 32), nn.ReLU()) for _ in range(size // 2 + 2))
    stem = nn.Sequential(words, Then(lambda h: h.mean(1)))
    return drawn(Net(stem, blocks, nn.Linear(32, CLASSES)), HE)


def autoencoder(size: int) -> nn.Module:
    widths = [16, 24, (4, 5, 6, 7, 8, 10)[size], 24]
    blocks = (nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(widths))
    return drawn(Net(nn.Identity(), blocks, nn.Linear(24, 16)), 1.3)


def graph(size: int) -> nn.Module:
    """Nodes in a ring, which hear of their neighbors before every layer."""

    def heard(h: Tensor) -> Tensor:
        return (h + h.roll(1, 0) + h.roll(-1, 0)) / 3

    width = WIDTHS[size]
    parts = (
        nn.Sequential(Then(heard), nn.Linear(width, width), nn.ReLU()) for _ in range(size // 2 + 1)
    )
    return drawn(Net(nn.Linear(16, width), parts, nn.Linear(width, CLASSES)), 2.0)


class Towers(nn.Module):
    """Two networks that read one half each and agree on a score."""

    def __init__(self, size: int) -> None:
        super().__init__()
        widths = (8, *[WIDTHS[size]] * (size // 2 + 2))
        self.towers = nn.ModuleList(self.tower(widths) for _ in range(2))
        self.head = nn.Linear(2 * widths[-1], CLASSES)
        drawn(self, HE)

    @staticmethod
    def tower(widths: tuple[int, ...]) -> nn.Module:
        layers = (nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in pairwise(widths))
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        left, right = (tower(part) for tower, part in zip(self.towers, x.chunk(2, 1), strict=True))
        return self.head(torch.cat([left, right], 1))


class Experts(nn.Module):
    """Several branches, of which a gate says how much each counts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, 3)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        found = torch.stack([expert(x) for expert in self.experts], 2)
        return x + (found @ self.gate(x).softmax(1)[:, :, None])[:, :, 0]


def experts(size: int) -> nn.Module:
    blocks = (Experts(WIDTHS[size]) for _ in range(size // 2 + 1))
    return Net(nn.Linear(16, WIDTHS[size]), blocks, nn.Linear(WIDTHS[size], CLASSES))
