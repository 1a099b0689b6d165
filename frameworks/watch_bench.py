"""What watching costs: a step of training alone, and with gradbook and others looking on."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rival_tools import quiet
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook

STEPS, AIM = 4, 1.1
"""How long a run is, and what a diagnosed step is to cost over one that nobody watches."""


@dataclass(frozen=True)
class Training:
    """A network, its optimizer and one batch."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    x: Tensor
    y: Tensor

    def backward(self) -> None:
        self.optimizer.zero_grad()
        F.cross_entropy(self.net(self.x), self.y).backward()

    def step(self) -> None:
        self.backward()
        self.optimizer.step()


def blocks(*, width: int = 64, depth: int = 16) -> tuple[nn.Module, Tensor]:
    """Return as many layers as ResNet-18 has; where it overwrites, some tools cannot look at it."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]
    return nn.Sequential(*layers), torch.randn(8, 3, 48, 48)


def gpt(*, width: int = 384, depth: int = 6) -> tuple[nn.Module, Tensor]:
    """Return a Transformer of 10 million weights as GPTs have them, and eight texts."""
    layer = nn.TransformerEncoderLayer(
        width, 6, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
    net = nn.Sequential(nn.Embedding(256, width), encoder, Mean(), nn.Linear(width, 10))
    return net, torch.randint(256, (8, 128))


class Mean(nn.Module):
    """Average over positions."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def training(made: tuple[nn.Module, Tensor]) -> Training:
    net, x = made
    return Training(net, torch.optim.Adam(net.parameters(), 1e-4), x, torch.randint(10, (len(x),)))


Way = AbstractContextManager[Callable[[], None]]
"""What looks on at a step, or at a few of them, whenever it is called."""


@contextmanager
def one(of: Training, **more: Any) -> Iterator[Callable[[], None]]:
    """Watch one step and diagnose it, as the README says."""

    def look() -> None:
        deltas = gradbook.watch(of.net)
        of.backward()
        gradbook.diagnose(of.net, deltas=deltas, **more)
        of.optimizer.step()
        deltas.remove()

    yield look


@contextmanager
def run(of: Training, every: int = 1) -> Iterator[Callable[[], None]]:
    """Watch some steps of a run."""

    def look() -> None:
        with gradbook.watching(of.net, optimizer=of.optimizer, every=every) as found:
            for _ in range(STEPS):
                of.backward()
                found.step()
                of.optimizer.step()

    yield look


@contextmanager
def mortem(of: Training) -> Iterator[Callable[[], None]]:
    from torchmortem import Autopsy  # noqa: PLC0415

    def look() -> None:
        with Autopsy(of.net, optimizer=of.optimizer) as autopsy:
            for _ in range(STEPS):
                of.step()
                autopsy.step()

    yield look


@contextmanager
def observatory(of: Training) -> Iterator[Callable[[], None]]:
    from neural_observatory import Observatory  # noqa: PLC0415

    def look() -> None:
        looking = Observatory(of.net)
        looking.watch()
        for step in range(STEPS):
            looking.step(step=step, epoch=0)
            of.step()
        looking.stop()

    yield look


@contextmanager
def diag(of: Training) -> Iterator[Callable[[], None]]:
    import torchdiag  # noqa: PLC0415

    def look() -> None:
        torchdiag.check_dead_neurons(of.net, of.x)
        of.backward()
        torchdiag.check_gradients(of.net)
        of.optimizer.step()

    yield look


@contextmanager
def bands(of: Training) -> Iterator[Callable[[], None]]:
    """Log histograms of all gradients and weights at each step, into a file that nobody sends."""
    import wandb  # noqa: PLC0415

    settings = wandb.Settings(silent=True, console="off")
    with (
        tempfile.TemporaryDirectory() as folder,
        wandb.init(mode="offline", dir=folder, settings=settings) as looking,
    ):

        def look() -> None:
            looking.watch(of.net, log="all", log_freq=1)
            for _ in range(STEPS):
                of.step()
                looking.log({})
            looking.unwatch(of.net)

        yield look


WAYS: Mapping[str, tuple[Callable[[Training], Way], int]] = {
    "diagnosed": (one, 1),
    "and its optimizer": (lambda of: one(of, optimizer=of.optimizer), 1),
    "run": (run, STEPS),
    "run, every=4": (lambda of: run(of, every=STEPS), STEPS),
    "torchdiag": (diag, 1),
    "torchmortem": (mortem, STEPS),
    "neural-observatory": (observatory, STEPS),
    "wandb, all": (bands, STEPS),
}
"""Each way to look on, and how many steps it takes at once."""


def seconds(act: Callable[[], None]) -> float:
    began = time.process_time()  # of this process alone, whatever else the machine does
    with quiet():
        act()
    return time.process_time() - began


def cost(way: Way, steps: int, alone: Callable[[], None], turns: int) -> float:
    """Return the median of what a step takes over one alone beside it, in the same minute."""
    with way as act:
        seconds(act)
        return statistics.median(seconds(act) / steps / seconds(alone) for _ in range(turns))


def table(networks: Mapping[str, tuple[nn.Module, Tensor]], turns: int = 3) -> Iterator[str]:
    yield f"{'a step of':16}{'alone':>10}" + "".join(f"{way:>20}" for way in WAYS)
    for name, made in networks.items():
        of = training(made)
        of.step()
        alone = statistics.median(seconds(of.step) for _ in range(turns))
        costs = [cost(make(of), steps, of.step, turns) for make, steps in WAYS.values()]
        yield f"{name:16}{alone * 1e3:7.0f} ms" + "".join(f"{one:19.2f}x" for one in costs)
    yield f"a diagnosed step is to cost at most {AIM:g}x"


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in table({"conv blocks": blocks(), "GPT": gpt()}):
        print(line, flush=True)
    sys.exit(0)
