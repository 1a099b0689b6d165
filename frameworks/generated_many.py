"""Architectures in which the loss is a mean over many, or has a gradient penalty."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from generated_parts import BATCH, CLASSES, WIDTHS, Batch, Net, classes, drawn
from generated_sequences import STATES
from planted_networks import HE, conv
from torch import Tensor, nn
from torch.nn import functional as F

MANY, LONG = (64, 66, 70, 74, 80, 96), (64, 72, 96, 128, 160, 192)
"""How many towers there are, and steps."""


class Ensemble(nn.Module):
    """Many small networks, of whose scores the mean counts."""

    def __init__(self, size: int, count: int, factor: float = 1.0) -> None:
        super().__init__()
        width, self.factor = 8 + size, factor
        self.towers = nn.ModuleList(self.tower(width) for _ in range(count))
        drawn(self, HE)

    @staticmethod
    def tower(width: int) -> nn.Module:
        widths = 16, width, width, width
        layers = (nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in pairwise(widths))
        return nn.Sequential(*layers, nn.Linear(width, CLASSES))

    def one(self, tower: Any, x: Tensor) -> Tensor:
        h = tower[0](x)
        for layer in tower[1:-1]:
            h = self.factor * layer(h)
        return tower[-1](h)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.one(tower, x) for tower in self.towers]).mean(0)


def beside_another(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Take what all of them have found behind each layer, beside one another."""
    found = [torch.stack([tower[0](x) for tower in net.towers], 1)]
    for k in range(1, 3):
        parts = zip(net.towers, found[-1].unbind(1), strict=True)
        found.append(net.factor * torch.stack([tower[k](h) for tower, h in parts], 1))
    said = [tower[-1](h) for tower, h in zip(net.towers, found[-1].unbind(1), strict=True)]
    return found, torch.stack(said).mean(0)


class Stacked(Ensemble):
    """The same, where what all have found is one tensor between the layers."""

    def forward(self, x: Tensor) -> Tensor:
        return beside_another(self, x)[1]


class Unrolled(nn.Module):
    """A cell that is called step by step, and asked behind each."""

    def __init__(self, size: int, factor: float | None = None) -> None:
        super().__init__()
        width, self.factor = STATES[size], factor
        self.into, self.cell = nn.Linear(8, width), nn.GRUCell(width, width)
        if factor is not None:
            self.cell = nn.Linear(width, width, bias=False)
            nn.init.orthogonal_(self.cell.weight)
        self.head = nn.Linear(width, CLASSES)

    def states(self, x: Tensor) -> Tensor:
        found = []
        h = x.new_zeros(len(x), self.head.in_features)
        for step in self.into(x).unbind(1):
            h = self.cell(step, h) if self.factor is None else step + self.factor * self.cell(h)
            found.append(h)
        return torch.stack(found, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.states(x))


def with_its_steps(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Take what comes in and what is read: each step has a loss of its own."""
    h = net.states(x.requires_grad_())
    return [x, h], net.head(h)


def at_every_step(said: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(said.flatten(0, 1), y.repeat_interleave(said.shape[1]))


def noisy(size: int) -> Batch:
    """Draw series in which each step tells the class."""
    y = torch.arange(BATCH) % CLASSES
    return torch.randn(CLASSES, 8)[y][:, None] + 0.3 * torch.randn(BATCH, LONG[size], 8), y


def critic(size: int) -> nn.Module:
    """A critic, as WGAN-GP has it: no normalization, and a score at the end."""
    width = WIDTHS[size]
    blocks = (nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(0.2)) for _ in range(size + 2))
    stem = nn.Sequential(nn.Linear(16, width), nn.LeakyReLU(0.2))
    return drawn(Net(stem, blocks, nn.Linear(width, 1)), HE)


def smooth_critic(size: int) -> nn.Module:
    width = WIDTHS[size]
    blocks = (nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(size // 2 + 2))
    return drawn(Net(nn.Linear(16, width), blocks, nn.Linear(width, 1)), 1.0)


def critic_of_images(size: int) -> nn.Module:
    width = 8 + size
    blocks = (nn.Sequential(conv(width, width), nn.LeakyReLU(0.2)) for _ in range(size // 2 + 2))
    head = classes(width)
    head[-1] = nn.Linear(width, 1)
    return drawn(Net(conv(3, width, 2), blocks, head), HE)


def two_clouds(*shape: int) -> Any:
    """Draw as many that are made up as real ones."""

    def draw() -> Batch:
        y = torch.arange(BATCH) * 2 // BATCH
        x = torch.randn(BATCH, *shape)
        return x + y.view(-1, *[1] * len(shape)), y

    return draw


def apart(said: Tensor, y: Tensor) -> Tensor:
    """Score real ones above those made up."""
    return 2 * (said[:, 0] * (1 - 2 * y)).mean()


def gradient_penalty(net: nn.Module, x: Tensor) -> Tensor:
    """Ask for slopes of length 1 between what is made up and what is real."""
    fake, real = x.detach().chunk(2)
    share = torch.rand(len(fake), *[1] * (x.ndim - 1), dtype=x.dtype)
    mixed = torch.lerp(fake, real, share).requires_grad_()
    slope = torch.autograd.grad(net(mixed).sum(), mixed, create_graph=True)[0]
    return 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
