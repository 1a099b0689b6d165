"""Units that are alike stay so only if what reads them treats them alike: training tells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Verdict as V

STEPS = 60


def trained(sizes: Sequence[int], same: Sequence[int], seed: int) -> tuple[V, float]:
    """Return the verdict at the first step, and the share of layers that are alike after all."""
    torch.manual_seed(seed)
    parts = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.Tanh())]
    net = nn.Sequential(*parts[:-1])
    layers = [m for m in net if isinstance(m, nn.Linear)]
    for index in same:
        nn.init.constant_(layers[index].weight, 0.1)
        nn.init.zeros_(layers[index].bias)
    x, y = torch.randn(64, sizes[0]), torch.randint(max(sizes[-1], 2), (64,))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    deltas, found = gradbook.watch(net), V.CANNOT_TELL
    for step in range(STEPS):
        optimizer.zero_grad()
        out = net(x)
        loss = F.cross_entropy(out, y) if sizes[-1] > 1 else F.mse_loss(out[:, 0], x[:, 0])
        loss.backward()
        if not step:
            found = gradbook.diagnose(net, deltas=deltas).verdict
            deltas.remove()
        optimizer.step()
    rows = (layer.weight.detach() for layer in layers if len(layer.weight) > 1)
    apart = [float((w - w.mean(0)).norm() / w.norm()) for w in rows]
    return found, sum(size < 1e-3 for size in apart) / len(layers)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("sizes", "same"),
    [
        ((8, 16, 4), [0]),
        ((8, 16, 4), [1]),
        ((8, 16, 1), [1]),
        ((1, 16, 1), [1]),
        ((1, 16, 4), [0]),
        ((8, 16, 16, 4), [2]),
        ((8, 16, 16, 4), [0, 1]),
        ((8, 16, 16, 16, 4), [0, 2]),
        ((8, 4), [0]),
    ],
)
def test_units_that_training_tells_apart(
    sizes: Sequence[int], same: Sequence[int], seed: int
) -> None:
    found, alike = trained(sizes, same, seed)
    assert alike < 0.5
    assert found is not V.SYMMETRIC


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("sizes", "same"),
    [
        ((8, 16, 4), [0, 1]),
        ((8, 7, 10), [0, 1]),
        ((8, 7, 7, 10), [0, 1, 2]),
        ((8, 16, 1), [0, 1]),
        ((1, 16, 1), [0, 1]),
        ((1, 16, 16, 1), [0, 1, 2]),
        ((8, 16, 16, 16, 4), [0, 1, 2]),
    ],
)
def test_units_that_stay_alike(sizes: Sequence[int], same: Sequence[int], seed: int) -> None:
    found, alike = trained(sizes, same, seed)
    assert alike >= 0.5
    assert found is V.SYMMETRIC


class Tied(nn.Module):
    """An autoencoder of one matrix, whatever it is called."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.register_parameter(name, nn.Parameter(torch.full((6, 12), 0.1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = getattr(self, self.name)
        return F.linear(F.linear(x, weight).tanh(), weight.t())


@pytest.mark.parametrize("name", ["W", "weight"])
def test_the_name_of_a_matrix_decides_nothing(name: str) -> None:
    torch.manual_seed(0)
    net, x = Tied(name), torch.randn(32, 12)
    deltas = gradbook.watch(net)
    F.mse_loss(net(x), x).backward()
    assert gradbook.diagnose(net, deltas=deltas).verdict is V.SYMMETRIC


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("head", [False, True])
def test_channels_that_stay_alike(channels: int, head: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    layers = [net[0], net[2], net[6]]
    for layer in layers if head else layers[:2]:
        nn.init.constant_(layer.weight, 0.1)
        nn.init.zeros_(layer.bias)
    x, y = torch.randn(32, channels, 10, 10), torch.arange(32) % 4
    optimizer, deltas = torch.optim.Adam(net.parameters(), 1e-2), gradbook.watch(net)
    found = None
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        found = found or gradbook.diagnose(net, deltas=deltas).verdict
        optimizer.step()
    rows = [layer.weight.detach().flatten(1) for layer in layers]
    alike = sum(float((w - w[:1]).norm() / w.norm()) < 1e-3 for w in rows)
    # Behind a random head the last ones come apart; one layer of three is less than half.
    assert alike == (2 if head else 1)
    assert (found is V.SYMMETRIC) == head


def test_a_kernel_of_one_channel_has_no_units_to_be_alike() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.Flatten(), nn.Linear(64, 4))
    nn.init.constant_(net[0].weight, 1 / 9)
    deltas = gradbook.watch(net)
    F.cross_entropy(net(torch.randn(16, 1, 10, 10)), torch.arange(16) % 4).backward()
    assert gradbook.diagnose(net, deltas=deltas).verdict is V.HEALTHY
