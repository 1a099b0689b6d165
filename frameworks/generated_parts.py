"""What the generated networks are put together from, and the batches they are given.

Everything comes in six sizes. Those with an even number are for fitting, those with an odd one are
judged, and no two have the same widths and depths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from planted_truth import through
from torch import Tensor, nn

BATCH, CLASSES = 24, 4
SIZES = range(6)
ENDS, BODY = through("stem", "body.*"), through("body.*")
WIDTHS, DEPTHS = (24, 28, 32, 40, 48, 56), (5, 6, 8, 10, 12, 14)
STEPS_OF_TIME = (5, 6, 8, 10, 12, 14)

Batch = tuple[Tensor, Tensor]


def labels() -> Tensor:
    return torch.arange(BATCH) % CLASSES


def rows() -> Batch:
    return torch.randn(BATCH, 16), labels()


def images() -> Batch:
    return torch.randn(BATCH, 3, 16, 16), labels()


def tokens() -> Batch:
    return torch.randint(60, (BATCH, 8)), labels()


def same() -> Batch:
    x = torch.randn(BATCH, 16)
    return x, x.clone()


def starts(steps: int) -> Callable[[], Batch]:
    """Let the first step alone tell the class."""

    def draw() -> Batch:
        x = torch.zeros(BATCH, steps, 8)
        x[:, 0] = torch.randn(BATCH, 8)
        return x, labels()

    return draw


class Net(nn.Module):
    """A stem, a body of blocks that come one after the other, and a head."""

    def __init__(self, stem: nn.Module, blocks: Iterable[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.body, self.head = stem, nn.Sequential(*blocks), head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)))


class Then(nn.Module):
    """A function, where a module is wanted."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Around(nn.Module):
    """A path around a branch, and what comes behind both."""

    def __init__(self, *branch: nn.Module, behind: nn.Module | None = None) -> None:
        super().__init__()
        self.branch, self.behind = nn.Sequential(*branch), behind or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.behind(x + self.branch(x))


class Beside(nn.Module):
    """What a branch finds is laid beside what came in, as in DenseNet."""

    def __init__(self, *branch: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.branch(x)], 1)


def drawn(net: nn.Module, gain: float) -> nn.Module:
    """Draw all matrices with the variance gain²/fan-in, and set their biases to 0."""
    for m in net.modules():
        if isinstance(m, nn.Linear | nn.Conv2d):
            nn.init.normal_(m.weight, std=gain * m.weight[0].numel() ** -0.5)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return net


def classes(width: int) -> nn.Module:
    """Take the mean over the pixels, and tell the class."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))


def averaged(width: int) -> nn.Module:
    """Take the mean over the tokens, and tell the class."""
    return nn.Sequential(nn.LayerNorm(width), Then(lambda h: h.mean(1)), nn.Linear(width, CLASSES))
