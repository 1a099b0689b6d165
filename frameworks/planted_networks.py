"""Twenty-four small networks, twelve healthy and twelve ill, for `make compare`.

None is made for a tool: each stands for a question that people ask of their own network. What was
planted is measured again in `planted_truth.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from planted_truth import Case, through
from torch import Tensor, nn
from torch.nn import functional as F

BATCH, CLASSES, WIDTH, STEPS = 32, 4, 32, 60


def rows() -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, 16), torch.arange(BATCH) % CLASSES


def images() -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, 3, 32, 32), torch.arange(BATCH) % CLASSES


def tokens() -> tuple[Tensor, Tensor]:
    return torch.randint(100, (BATCH, 12)), torch.arange(BATCH) % CLASSES


def series(steps: int) -> Callable[[], tuple[Tensor, Tensor]]:
    """Let the first step alone tell the class: what does not remember it cannot learn."""

    def draw() -> tuple[Tensor, Tensor]:
        x = torch.zeros(BATCH, steps, 8)
        x[:, 0] = torch.randn(BATCH, 8)
        return x, torch.arange(BATCH) % CLASSES

    return draw


def adam(lr: float) -> Any:
    return lambda parameters: torch.optim.Adam(parameters, lr)


def sgd(lr: float) -> Any:
    return lambda parameters: torch.optim.SGD(parameters, lr)


# Deep networks.


class Mlp(nn.Module):
    def __init__(self, depth: int, activation: type[nn.Module], gain: float) -> None:
        super().__init__()
        widths = [16, *[WIDTH] * (depth - 1)]
        self.body = nn.Sequential(
            *(nn.Sequential(nn.Linear(*pair), activation()) for pair in pairwise(widths))
        )
        self.head = nn.Linear(WIDTH, CLASSES)
        for block in self.body:
            nn.init.normal_(block[0].weight, std=gain * block[0].in_features ** -0.5)
            nn.init.zeros_(block[0].bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


HE = math.sqrt(2)


def conv(before: int, after: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride, padding=1, bias=bias)


class Strided(nn.Module):
    """Five convolutions, four of stride 2: what is counted by pixel changes its size with them."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, 16, 32, 64, 64, 64]
        blocks = (nn.Sequential(conv(a, b, 2), nn.ReLU()) for a, b in pairwise(widths))
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(64, CLASSES)
        for block in self.body:
            nn.init.kaiming_normal_(block[0].weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


class Generator(nn.Module):
    """Draw images out of noise, each layer doubling the resolution."""

    def __init__(self) -> None:
        super().__init__()
        widths = [32, 16, 8]
        blocks = [
            nn.Sequential(nn.ConvTranspose2d(16, 32, 4, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        ]
        for a, b in pairwise(widths):
            up = nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)
            blocks.append(nn.Sequential(up, nn.BatchNorm2d(b), nn.ReLU()))
        self.body = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Conv2d(8, 3, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x[:, :, None, None]))


def pictures() -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, 16), torch.rand(BATCH, 3, 1, 1).expand(-1, -1, 16, 16) * 1.6 - 0.8


class Block(nn.Module):
    def __init__(self, is_residual: bool) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv(8, 8, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            conv(8, 8, bias=False),
            nn.BatchNorm2d(8),
        )
        self.relu, self.is_residual = nn.ReLU(), is_residual

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.branch(x) + (x if self.is_residual else 0))


class ConvNet(nn.Module):
    def __init__(self, blocks: int, is_residual: bool = True) -> None:
        super().__init__()
        self.stem = conv(3, 8, 4)
        self.body = nn.Sequential(*(Block(is_residual) for _ in range(blocks)))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Scaled(nn.Module):
    """A branch that begins as next to nothing, as ReZero and LayerScale have it."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
        self.scale = nn.Parameter(torch.full((WIDTH,), 1e-4))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.branch(x)


class LayerScale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(16, WIDTH)
        self.body = nn.Sequential(*(Scaled() for _ in range(8)))
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)))


class Reader(nn.Module):
    """A transformer that normalizes first."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, WIDTH)
        layers = (
            nn.TransformerEncoderLayer(
                WIDTH, 4, 64, dropout=0.0, batch_first=True, norm_first=True, activation="gelu"
            )
            for _ in range(6)
        )
        self.body = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.body(self.embed(x))).mean(1))


class Bag(nn.Module):
    """The mean of the embeddings of the words, and an MLP: few of all rows are in one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5000, WIDTH)
        self.body = Mlp(4, nn.ReLU, HE).body
        self.body[0] = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.embed(x).mean(1)))


# What is fixed, or begins with 0, on purpose.


def with_head_of_zeros() -> nn.Module:
    net = Mlp(6, nn.ReLU, HE)
    nn.init.zeros_(net.head.weight)
    nn.init.zeros_(net.head.bias)
    return net


def with_fixed_body() -> nn.Module:
    net = Mlp(5, nn.ReLU, HE)
    net.body.requires_grad_(False)
    net.head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, CLASSES))
    return net


class Adapted(nn.Module):
    """A fixed matrix and a low-rank one beside it, whose second factor begins as 0."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.down = nn.Linear(linear.in_features, 4, bias=False)
        self.up = nn.Linear(4, linear.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.up(self.down(x))


def with_adapters() -> nn.Module:
    net = Mlp(5, nn.ReLU, HE)
    for block in net.body:
        block[0] = Adapted(block[0])
    net.head.requires_grad_(False)
    return net


# Recurrent networks.


class Recurrent(nn.Module):
    """What is read is the last step, or, in both directions, the mean of all."""

    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = rnn
        self.head = nn.Linear(rnn.hidden_size * (1 + rnn.bidirectional), CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.rnn(x)[0]
        return self.head(h.mean(1) if self.rnn.bidirectional else h[:, -1])


def in_time(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Go step by step; a state of an LSTM is h beside c."""
    states: list[Tensor] = []
    carry = None
    for step in x.unbind(1):
        h, carry = net.rnn(step[:, None], carry)
        whole = torch.cat(carry, -1)[0] if isinstance(carry, tuple) else carry[0]
        states.append(whole)
        parts = [part[None].contiguous() for part in whole.chunk(2, -1)]
        carry = tuple(parts) if isinstance(carry, tuple) else whole[None]
        h = parts[0][0] if isinstance(carry, tuple) else whole
    return states, net.head(h)


def both_ways(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Take what comes in and what comes out: every step is as near to the loss as any other."""
    h = net.rnn(x.requires_grad_())[0]
    return [x, h], net.head(h.mean(1))


def remembering_lstm() -> nn.Module:
    net = Recurrent(nn.LSTM(8, WIDTH, batch_first=True))
    nn.init.constant_(net.rnn.bias_hh_l0[WIDTH : 2 * WIDTH], 6.0)  # the gates are i, f, g, o
    return net


class LinearRnn(nn.Module):
    """A state that is multiplied by 1.3 in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.recur = nn.Linear(8, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.head = nn.Linear(WIDTH, CLASSES)
        with torch.no_grad():
            self.recur.weight.copy_(1.3 * nn.init.orthogonal_(torch.empty(WIDTH, WIDTH)))

    def steps(self, x: Tensor) -> Iterator[Tensor]:
        h = x.new_zeros(len(x), WIDTH)
        for step in x.unbind(1):
            h = self.into(step) + self.recur(h)
            yield h

    def forward(self, x: Tensor) -> Tensor:
        return self.head([*self.steps(x)][-1])


def its_steps(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    states = [*net.steps(x)]
    return states, net.head(states[-1])


def in_depth(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Run a stack one layer at a time, with the very weights of the whole."""
    states, h = [], x
    for layer in range(net.rnn.num_layers):
        one = nn.LSTM(h.shape[-1], WIDTH, batch_first=True).double()
        parameters = {
            name: getattr(net.rnn, name.replace("_l0", f"_l{layer}"))
            for name, _ in one.named_parameters()
        }
        h = torch.func.functional_call(one, parameters, (h,))[0]
        states.append(h)
    return states, net.head(h[:, -1])


# Networks that a line of code has broken.


class Detached(Mlp):
    """A state is kept for a plot, and goes on without its graph."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.body[:3](x).detach()
        return self.head(self.body[3:](h))


class Routed(nn.Module):
    """Each example goes to the expert of the highest score, and no gradient to the score."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(16, 3)
        self.body = nn.ModuleList(
            nn.Sequential(nn.Linear(16, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
            for _ in range(3)
        )
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        chosen = F.one_hot(self.router(x).argmax(-1), 3).to(x.dtype)
        experts = torch.stack([expert(x) for expert in self.body], -1)
        return self.head((experts * chosen[:, None]).sum(-1))


def with_dead_layer() -> nn.Module:
    net = Mlp(6, nn.ReLU, HE)
    nn.init.constant_(net.body[2][0].bias, -20.0)  # as one step too long leaves it
    return net


class Rare(nn.Module):
    """Probabilities whose first value is taken from a count, not from its log-odds."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Mlp(5, nn.ReLU, HE).body
        self.head = nn.Sequential(nn.Linear(WIDTH, CLASSES), nn.Sigmoid())
        nn.init.constant_(self.head[0].bias, -60.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def probabilities() -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, 16), F.one_hot(torch.arange(BATCH) % CLASSES).float()


class Twins(nn.Module):
    """The distance of two rows; its slope at 0 is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Mlp(4, nn.ReLU, HE).body

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.body(x[:, 0]), self.body(x[:, 1])
        return (a - b).square().sum(-1).sqrt()


def pairs() -> tuple[Tensor, Tensor]:
    """Draw pairs of which one is a row beside itself."""
    x = torch.randn(BATCH, 2, 16)
    x[0, 1] = x[0, 0]
    return x, torch.arange(BATCH) % 2


def contrastive(distance: Tensor, differ: Tensor) -> Tensor:
    apart = F.relu(1 - distance).square()
    return torch.where(differ > 0, apart, distance.square()).mean()


CASES = [
    Case("ReLU, He", "healthy", lambda: Mlp(12, nn.ReLU, HE), rows, optimizer=adam(3e-3)),
    Case("strided convolutions", "healthy", Strided, images),
    Case("image generator", "healthy", Generator, pictures, loss=F.mse_loss, optimizer=adam(1e-2)),
    Case("residual, batch norm", "healthy", lambda: ConvNet(6), images),
    Case("branches scaled by 1e-4", "healthy", LayerScale, rows),
    Case("transformer, norm first", "healthy", Reader, tokens, optimizer=adam(3e-3)),
    Case("mean of embeddings", "healthy", Bag, tokens, optimizer=adam(1e-2)),
    Case("head of zeros", "healthy", with_head_of_zeros, rows, through("head")),
    Case(
        "fixed body, new head",
        "healthy",
        with_fixed_body,
        rows,
        through("head.*"),
        optimizer=adam(1e-2),
    ),
    Case("low-rank adapters", "healthy", with_adapters, rows, optimizer=adam(1e-2)),
    Case(
        "LSTM that remembers",
        "healthy",
        remembering_lstm,
        series(STEPS),
        in_time,
        optimizer=adam(3e-3),
    ),
    Case(
        "GRU in both directions",
        "healthy",
        lambda: Recurrent(nn.GRU(8, WIDTH, batch_first=True, bidirectional=True)),
        series(20),
        both_ways,
        optimizer=adam(1e-2),
    ),
    Case("sigmoid, 20 layers", "vanishing", lambda: Mlp(20, nn.Sigmoid, 1.0), rows),
    Case(
        "tanh RNN, 60 steps",
        "vanishing",
        lambda: Recurrent(nn.RNN(8, WIDTH, batch_first=True)),
        series(STEPS),
        in_time,
    ),
    Case(
        "stack of 8 LSTMs",
        "vanishing",
        lambda: Recurrent(nn.LSTM(8, WIDTH, 8, batch_first=True)),
        series(10),
        in_depth,
    ),
    Case("ReLU, gain 3", "exploding", lambda: Mlp(12, nn.ReLU, 3.0), rows),
    Case("batch norm, no shortcuts", "exploding", lambda: ConvNet(32, False), images),
    Case("linear RNN, radius 1.3", "exploding", LinearRnn, series(STEPS), its_steps),
    Case("a state detached", "cut", lambda: Detached(7, nn.ReLU, HE), rows, through("head")),
    Case("router by argmax", "cut", Routed, rows, through("head")),
    Case("biases of -20", "dead", with_dead_layer, rows),
    Case("sigmoid at -60, squared error", "silent", Rare, probabilities, loss=F.mse_loss),
    Case("distance of a pair of equals", "not finite", Twins, pairs, loss=contrastive),
    Case("steps of a thousand", "updates", lambda: Mlp(6, nn.ReLU, HE), rows, optimizer=sgd(1e3)),
]
