"""What lies beside tokens, within short branches, or as rows of an image: told by real networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

V = Verdict


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def asked(net: nn.Module, *given: Tensor) -> Report:
    deltas = gradbook.watch(net)
    net(*given).square().mean().backward()
    return gradbook.diagnose(net, deltas=deltas)


def scaled(size: int, gain: float) -> nn.Linear:
    layer = nn.Linear(size, size, bias=False)
    layer.weight.data = gain * nn.init.orthogonal_(torch.empty(size, size))
    return layer


class Spelled(nn.Module):
    """Reads one word after the other, of which a table has a vector, beside its state."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.words, self.mix = nn.Embedding(20, 8), nn.Linear(24, 16)
        self.mix.weight.data[:, 8:] = gain * nn.init.orthogonal_(torch.empty(16, 16))
        self.head = nn.Linear(16, 1)

    def forward(self, words: Tensor) -> Tensor:
        h = torch.zeros(len(words), 16)
        for step in words.T:
            h = torch.tanh(self.mix(torch.cat([self.words(step), h], 1)))
        return self.head(h)


def test_a_word_beside_a_state_excuses_no_fall() -> None:
    words = torch.randint(0, 20, (8, 30))
    assert asked(Spelled(0.3), words).verdict is V.VANISHING
    assert asked(Spelled(1.0), words[:, :4]).verdict is V.HEALTHY


class Coded(nn.Module):
    """Lays a code of weights beside the features of each layer."""

    def __init__(self, gain: float, depth: int = 12) -> None:
        super().__init__()
        self.code = nn.Parameter(torch.randn(1, 4))
        self.layers = nn.ModuleList(nn.Linear(20, 16) for _ in range(depth))
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=gain * (2 / 20) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(torch.cat([x, self.code.expand(len(x), -1)], 1)))
        return x


@pytest.mark.parametrize(("gain", "verdict"), [(0.2, V.VANISHING), (4.0, V.EXPLODING)])
def test_a_code_beside_the_features_excuses_nothing(gain: float, verdict: Verdict) -> None:
    assert asked(Coded(gain), torch.randn(32, 16)).verdict is verdict


class Classified(nn.Module):
    """Attends `depth` times, and lays a token beside the others in front of one of these times.

    That alone is read. Its weights are so small that little goes from it to the others.
    """

    def __init__(self, at: int, depth: int = 6) -> None:
        super().__init__()
        self.at, self.read = at, nn.Linear(12, 16)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.values = nn.ModuleList(scaled(16, 0.01) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.read(x)
        for k, value in enumerate(self.values):
            if k == self.at:
                x = torch.cat([self.token.expand(len(x), 1, 16), x], 1)
            x = x + value(x).mean(1, keepdim=True)
        return x[:, 0]


def test_what_lies_beside_a_token_may_get_little() -> None:
    assert asked(Classified(4), torch.randn(8, 24, 12)).verdict is V.HEALTHY


class Block(nn.Module):
    """A residual network of one branch, which may be ill."""

    def __init__(self, depth: int, gain: float) -> None:
        super().__init__()
        inner: list[Any] = []
        for _ in range(depth):
            inner += [scaled(16, gain), nn.Tanh()]
        self.read, self.branch, self.head = (
            nn.Linear(12, 16),
            nn.Sequential(*inner),
            nn.Linear(16, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.read(x))
        return self.head(F.relu(x + self.branch(x)))


@pytest.mark.parametrize(
    ("depth", "gain", "verdict"),
    [(2, 0.01, V.HEALTHY), (4, 0.05, V.HEALTHY), (5, 0.003, V.VANISHING), (9, 0.1, V.VANISHING)],
)
def test_a_short_branch_is_told_beside_healthy(depth: int, gain: float, verdict: Verdict) -> None:
    """One layer of it may get next to nothing; many, or most of it, may not."""
    report = asked(Block(depth, gain), torch.randn(32, 12))
    assert report.verdict is verdict, report.reason
    told = "But in a branch, from" in report.reason
    assert told is (depth == 4)
    assert ("draw its weights" in report.steps[0].text) is told


class Shaped(nn.Module):
    """Halves an image's sides with features last, as layers that read rows do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(32, 8) for _ in range(4))
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(4))
        self.inner = nn.ModuleList(scaled(8, 0.1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        for layer, norm, inner in zip(self.layers, self.norms, self.inner, strict=True):
            b, h, w, c = x.shape
            x = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(b, h // 2, w // 2, -1)
            x = norm(layer(x))
            x = x + norm(inner(x))
        return x.mean((1, 2))


def test_images_with_features_last_lose_nothing_by_their_sides() -> None:
    assert asked(Shaped(), torch.randn(4, 64, 64, 8)).verdict is V.HEALTHY
