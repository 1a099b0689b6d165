"""Architectures with a stream that asks for no gradient, and those in which ReLUs may be off."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from generated_parts import CLASSES, WIDTHS, Around, Beside, Net, averaged, classes, drawn
from planted_networks import HE, Adapted, conv
from torch import Tensor, nn

OF_WORDS = (28, 36, 44, 52, 60, 68)
"""How wide words are, of which four heads have an even share each."""


def on_fixed_words(size: int) -> nn.Module:
    """Adapters in the branches of a stream of fixed words; the head alone is trained as well."""
    width = OF_WORDS[size]

    def block() -> nn.Module:
        up, down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        norm = nn.LayerNorm(width).requires_grad_(False)
        return Around(norm, Adapted(up), nn.GELU(), Adapted(down))

    words = nn.Embedding(60, width).requires_grad_(False)
    return Net(words, (block() for _ in range(size + 3)), averaged(width))


def on_fixed_attention(size: int) -> nn.Module:
    """The same with attention, whose matrix that tells what was heard has an adapter."""
    width = OF_WORDS[size]
    blocks = [
        nn.TransformerEncoderLayer(
            width, 4, 64, dropout=0.0, batch_first=True, norm_first=True, activation="gelu"
        ).requires_grad_(False)
        for _ in range(size // 2 + 2)
    ]
    for block in blocks:
        block.linear1, block.linear2 = Adapted(block.linear1), Adapted(block.linear2)
    words = nn.Embedding(60, width).requires_grad_(False)
    return Net(words, blocks, averaged(width))


def on_raw_rows(size: int) -> nn.Module:
    """A stream that begins as the data, with branches whose last matrix begins as 0."""

    def block() -> nn.Module:
        last = nn.Linear(WIDTHS[size], 16)
        nn.init.zeros_(last.weight)
        return Around(nn.Linear(16, WIDTHS[size]), nn.ReLU(), last)

    return Net(nn.Identity(), (block() for _ in range(size + 2)), nn.Linear(16, CLASSES))


def norm_behind(size: int, norm: type[nn.Module] = nn.BatchNorm1d) -> nn.Module:
    """Normalizations that stand behind the ReLU."""
    width = WIDTHS[size]
    blocks = (
        nn.Sequential(nn.Linear(width, width), nn.ReLU(), norm(width)) for _ in range(size // 2 + 2)
    )
    return drawn(Net(nn.Linear(16, width), blocks, nn.Linear(width, CLASSES)), HE)


def norm_behind_images(size: int) -> nn.Module:
    width = 8 + size
    blocks = (
        nn.Sequential(conv(width, width), nn.ReLU(), nn.BatchNorm2d(width))
        for _ in range(size // 2 + 2)
    )
    return drawn(Net(conv(3, width, 2), blocks, classes(width)), HE)


def norm_first(size: int) -> nn.Module:
    """Residual blocks that normalize before all else."""
    width = WIDTHS[size]

    def block() -> nn.Module:
        wide = 2 * width
        return Around(
            nn.LayerNorm(width), nn.Linear(width, wide), nn.ReLU(), nn.Linear(wide, width)
        )

    head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, CLASSES))
    return Net(nn.Linear(16, width), (block() for _ in range(size // 2 + 2)), head)


def activated_first(size: int) -> nn.Module:
    """Residual blocks for images, as He et al. had them later: norm, ReLU, convolution, twice."""
    width = 8 + size

    def block() -> nn.Module:
        twice = [(nn.BatchNorm2d(width), nn.ReLU(), conv(width, width)) for _ in range(2)]
        return Around(*twice[0], *twice[1])

    head = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), *classes(width))
    return Net(conv(3, width, 2), (block() for _ in range(size // 2 + 2)), head)


def of_relu(size: int, first: bool = True) -> nn.Module:
    """A Transformer whose feed-forward layers have ReLUs, as PyTorch's have unless told."""
    width = OF_WORDS[size]
    blocks = (
        nn.TransformerEncoderLayer(width, 4, 64, 0.0, batch_first=True, norm_first=first)
        for _ in range(size // 2 + 2)
    )
    return Net(nn.Embedding(60, width), blocks, averaged(width))


def added(size: int) -> nn.Module:
    """Residual blocks that add what a ReLU returns, as it is."""
    width = WIDTHS[size]
    blocks = (Around(nn.Linear(width, width), nn.ReLU()) for _ in range(size // 2 + 2))
    return Net(nn.Linear(16, width), blocks, nn.Linear(width, CLASSES))


def laid_beside(size: int) -> nn.Module:
    """What a ReLU returns is laid beside what its layer read."""
    widths = [WIDTHS[size] * (k + 1) for k in range(size // 2 + 3)]
    blocks = (Beside(nn.Linear(w, WIDTHS[size]), nn.ReLU()) for w in widths[:-1])
    return Net(nn.Linear(16, widths[0]), blocks, nn.Linear(widths[-1], CLASSES))


class Gated(nn.Module):
    """A product of two layers, of which one has a ReLU, as in ReGLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.bend = nn.Linear(width, 2 * width), nn.ReLU()
        self.gate, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.bend(self.up(x)) * self.gate(x))


def gated(size: int) -> nn.Module:
    width = WIDTHS[size]
    blocks = (Around(nn.LayerNorm(width), Gated(width)) for _ in range(size // 2 + 2))
    head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, CLASSES))
    return Net(nn.Linear(16, width), blocks, head)


class Squeezed(nn.Module):
    """What two units say of the mean over the pixels tells how much of each channel goes on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(width, 2, 1), nn.Conv2d(2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.up(self.down(x.mean((2, 3), True)).relu()).sigmoid()


def squeezed(size: int) -> nn.Module:
    width = 14 + size

    def block() -> nn.Module:
        return Around(conv(width, width), nn.BatchNorm2d(width), Squeezed(width), behind=nn.ReLU())

    return Net(conv(3, width, 2), (block() for _ in range(size // 2 + 3)), classes(width))


def shut(net: Any) -> None:
    """Shut the narrow side branch of every second block."""
    for block in net.body[::2]:
        nn.init.constant_(block.branch[-1].down.bias, -20.0)


class InTurns(Net):
    """Every fourth block is left out, at each step others."""

    def __init__(self, size: int) -> None:
        width, self.steps = WIDTHS[size], size
        blocks = (Around(nn.Linear(width, width), nn.Tanh()) for _ in range(size + 3))
        super().__init__(nn.Linear(16, width), blocks, nn.Linear(width, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        h, self.steps = self.stem(x), self.steps + 1
        for k, block in enumerate(self.body):
            h = block(h) if (k + self.steps) % 4 else h
        return self.head(h)


def before_relu(block: nn.Module) -> list[nn.Module]:
    """Return the layers in front of the ReLUs of a block."""
    if isinstance(block, nn.TransformerEncoderLayer):
        return [block.linear1]
    return [a for a, b in pairwise(block.modules()) if isinstance(b, nn.ReLU)]


def switch_off(layer: Any, share: float) -> None:
    """Give the first units of a layer biases that no input outweighs."""
    with torch.no_grad():
        layer.bias[: round(share * len(layer.bias))] = -30.0
