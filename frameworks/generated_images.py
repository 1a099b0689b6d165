"""Architectures for images."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from generated_parts import CLASSES, Around, Beside, Net, classes, drawn
from planted_networks import HE, conv
from torch import Tensor, nn
from torch.nn import functional as F


def strided(size: int) -> nn.Module:
    width = (8, 10)[size % 2]
    widths = [width, 2 * width, 3 * width, 4 * width][: size // 2 + 2]
    blocks = (nn.Sequential(conv(a, b, 2), nn.ReLU()) for a, b in pairwise(widths))
    return drawn(Net(nn.Sequential(conv(3, width), nn.ReLU()), blocks, classes(widths[-1])), HE)


def pooled(size: int) -> nn.Module:
    """As VGG has it: convolutions with batch normalization, and a pool behind every second one."""
    width = (8, 10)[size % 2]

    def block() -> nn.Module:
        parts = [
            m for _ in range(2) for m in (conv(width, width), nn.BatchNorm2d(width), nn.ReLU())
        ]
        return nn.Sequential(*parts, nn.MaxPool2d(2))

    return Net(conv(3, width), (block() for _ in range(size // 2 + 2)), classes(width))


def residual(size: int, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Module:
    def block() -> nn.Module:
        branch = conv(8, 8, bias=False), norm(8), nn.ReLU(), conv(8, 8, bias=False), norm(8)
        return Around(*branch, behind=nn.ReLU())

    return Net(conv(3, 8, 2), (block() for _ in range((2, 3, 4, 5, 6, 8)[size])), classes(8))


def grouped(size: int) -> nn.Module:
    return residual(size, lambda channels: nn.GroupNorm(4, channels))


def beside(size: int) -> nn.Module:
    widths = [8 + 6 * i for i in range(size + 3)]
    blocks = (Beside(nn.BatchNorm2d(w), nn.ReLU(), conv(w, 6)) for w in widths)
    return Net(conv(3, 8, 2), blocks, classes(widths[-1] + 6))


def by_channel(size: int) -> nn.Module:
    """Convolutions of each channel by itself, then of all channels of each pixel."""

    def block() -> nn.Module:
        wide = nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()
        own = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6()
        return Around(*wide, *own, nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8))

    return Net(conv(3, 8, 2), (block() for _ in range(size + 1)), classes(8))


class Skips(nn.Module):
    """A U-Net: what goes down is handed across to what comes up."""

    def __init__(self, size: int) -> None:
        super().__init__()
        first = (8, 6)[size % 2]
        widths = [first, first + 4, 2 * first, 3 * first][: size // 2 + 2]
        self.stem = conv(3, first)
        self.down = nn.ModuleList(self.level(a, b, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(self.level(a + b, b) for b, a in pairwise(widths))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(first, CLASSES))

    @staticmethod
    def level(before: int, after: int, stride: int = 1) -> nn.Module:
        return nn.Sequential(conv(before, after, stride), nn.BatchNorm2d(after), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        kept = [self.stem(x)]
        for level in self.down:
            kept.append(level(kept[-1]))
        h = kept.pop()
        for level in reversed(self.up):
            across = kept.pop()
            h = level(torch.cat([F.interpolate(h, across.shape[2:]), across], 1))
        return self.head(h)
