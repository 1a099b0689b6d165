"""Networks by the hundred: each architecture in several sizes, sound or with one fault in it.

A fault takes a sound network and breaks it where it can. What is planted is no truth yet: that is
measured in `planted_truth.py`, and what lies between its limits is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from planted_networks import HE, Adapted, LinearRnn, Recurrent, adam, conv, in_time, its_steps, sgd
from planted_truth import Case, through
from torch import Tensor, nn
from torch.nn import functional as F

BATCH, CLASSES = 24, 4
SIZES = (0, 1, 2)
ENDS, BODY = through("stem", "body.*"), through("body.*")

Fault = Callable[[Case, int], Case]


def labels() -> Tensor:
    return torch.arange(BATCH) % CLASSES


def rows() -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, 16), labels()


def images() -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, 3, 16, 16), labels()


def starts(steps: int) -> Callable[[], tuple[Tensor, Tensor]]:
    """Let the first step alone tell the class."""

    def draw() -> tuple[Tensor, Tensor]:
        x = torch.zeros(BATCH, steps, 8)
        x[:, 0] = torch.randn(BATCH, 8)
        return x, labels()

    return draw


def tokens() -> tuple[Tensor, Tensor]:
    return torch.randint(60, (BATCH, 8)), labels()


# Architectures: a stem, a body of blocks that come one after the other, and a head.


class Net(nn.Module):
    def __init__(self, stem: nn.Module, blocks: Iterator[nn.Module], head: nn.Module) -> None:
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


def mean_pixel() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mlp(size: int, activation: type[nn.Module] = nn.ReLU, gain: float = HE) -> nn.Module:
    width, depth = (24, 32, 48)[size], (5, 8, 12)[size]
    blocks = (nn.Sequential(nn.Linear(width, width), activation()) for _ in range(depth))
    stem = nn.Sequential(nn.Linear(16, width), activation())
    return drawn(Net(stem, blocks, nn.Linear(width, CLASSES)), gain)


def strided(size: int) -> nn.Module:
    widths = [8, 16, 24, 32][: size + 2]
    blocks = (nn.Sequential(conv(a, b, 2), nn.ReLU()) for a, b in pairwise(widths))
    stem, head = nn.Sequential(conv(3, 8), nn.ReLU()), nn.Linear(widths[-1], CLASSES)
    return drawn(Net(stem, blocks, nn.Sequential(mean_pixel(), head)), HE)


def pooled(size: int) -> nn.Module:
    """As VGG has it: convolutions with batch normalization, and a pool behind every second one."""

    def block() -> nn.Module:
        parts = [m for _ in range(2) for m in (conv(8, 8), nn.BatchNorm2d(8), nn.ReLU())]
        return nn.Sequential(*parts, nn.MaxPool2d(2))

    return Net(
        conv(3, 8),
        (block() for _ in range(size + 2)),
        nn.Sequential(mean_pixel(), nn.Linear(8, CLASSES)),
    )


def residual(size: int, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Module:
    def block() -> nn.Module:
        branch = conv(8, 8, bias=False), norm(8), nn.ReLU(), conv(8, 8, bias=False), norm(8)
        return Around(*branch, behind=nn.ReLU())

    head = nn.Sequential(mean_pixel(), nn.Linear(8, CLASSES))
    return Net(conv(3, 8, 2), (block() for _ in range((2, 4, 6)[size])), head)


def grouped(size: int) -> nn.Module:
    return residual(size, lambda channels: nn.GroupNorm(4, channels))


def beside(size: int) -> nn.Module:
    widths = [8 + 6 * i for i in range((3, 5, 7)[size])]
    blocks = (Beside(nn.BatchNorm2d(w), nn.ReLU(), conv(w, 6)) for w in widths)
    head = nn.Sequential(mean_pixel(), nn.Linear(widths[-1] + 6, CLASSES))
    return Net(conv(3, 8, 2), blocks, head)


def normalized(size: int) -> nn.Module:
    """Batch normalization in every layer and no path around any."""

    def block() -> nn.Module:
        return nn.Sequential(nn.Linear(32, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU())

    return Net(
        nn.Linear(16, 32), (block() for _ in range((4, 8, 14)[size])), nn.Linear(32, CLASSES)
    )


def too_deep(size: int) -> nn.Module:
    """The same, with so many layers that their growth adds up."""
    net: Any = normalized(0)
    block = net.body[0]
    blocks = [
        nn.Sequential(nn.Linear(32, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU())
        for _ in range((44, 52, 60)[size])
    ]
    net.body = nn.Sequential(block, *blocks)
    return net


def transformer(size: int, first: bool = True) -> nn.Module:
    layers = (
        nn.TransformerEncoderLayer(
            32, 4, 64, dropout=0.0, batch_first=True, norm_first=first, activation="gelu"
        )
        for _ in range((2, 3, 4)[size])
    )
    head = nn.Sequential(nn.LayerNorm(32), Then(lambda h: h.mean(1)), nn.Linear(32, CLASSES))
    return Net(nn.Embedding(60, 32), layers, head)


def mixer(size: int) -> nn.Module:
    def block() -> nn.Module:
        turn = Then(lambda h: h.transpose(1, 2))
        among = nn.Sequential(
            nn.LayerNorm(32), turn, nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8), turn
        )
        within = nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)
        return nn.Sequential(Around(among), Around(*within))

    head = nn.Sequential(nn.LayerNorm(32), Then(lambda h: h.mean(1)), nn.Linear(32, CLASSES))
    return Net(nn.Embedding(60, 32), (block() for _ in range(size + 1)), head)


def bag(size: int) -> nn.Module:
    stem = nn.Sequential(nn.Embedding((60, 600, 6000)[size], 32), Then(lambda h: h.mean(1)))
    blocks = (nn.Sequential(nn.Linear(32, 32), nn.ReLU()) for _ in range(size + 2))
    return drawn(Net(stem, blocks, nn.Linear(32, CLASSES)), HE)


def autoencoder(size: int) -> nn.Module:
    widths = [16, 24, (4, 6, 8)[size], 24]
    blocks = (nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(widths))
    return drawn(Net(nn.Identity(), blocks, nn.Linear(24, 16)), 1.3)


def same() -> tuple[Tensor, Tensor]:
    x = torch.randn(BATCH, 16)
    return x, x.clone()


def graph(size: int) -> nn.Module:
    """Nodes in a ring, which hear of their neighbors before every layer."""

    def heard(h: Tensor) -> Tensor:
        return (h + h.roll(1, 0) + h.roll(-1, 0)) / 3

    blocks = (nn.Sequential(Then(heard), nn.Linear(32, 32), nn.ReLU()) for _ in range(size + 1))
    return drawn(Net(nn.Linear(16, 32), blocks, nn.Linear(32, CLASSES)), 2.0)


class Towers(nn.Module):
    """Two networks that read one half each and agree on a score."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.towers = nn.ModuleList(self.tower((8, 32, *[32] * (size + 1))) for _ in range(2))
        self.head = nn.Linear(64, CLASSES)
        drawn(self, HE)

    @staticmethod
    def tower(widths: tuple[int, ...]) -> nn.Module:
        layers = (nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in pairwise(widths))
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        left, right = (tower(part) for tower, part in zip(self.towers, x.chunk(2, 1), strict=True))
        return self.head(torch.cat([left, right], 1))


class Skips(nn.Module):
    """A U-Net: what goes down is handed across to what comes up."""

    def __init__(self, size: int) -> None:
        super().__init__()
        widths = [8, 12, 16, 24][: size + 2]
        self.stem = conv(3, 8)
        self.down = nn.ModuleList(self.level(a, b, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(self.level(a + b, b) for b, a in pairwise(widths))
        self.head = nn.Sequential(mean_pixel(), nn.Linear(8, CLASSES))

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


def lstm(size: int) -> nn.Module:
    """An LSTM whose forget gates begin open."""
    width = (16, 24, 32)[size]
    net = Recurrent(nn.LSTM(8, width, batch_first=True))
    nn.init.constant_(net.rnn.bias_hh_l0[width : 2 * width], 5.0)  # the gates are i, f, g, o
    return net


def gru(size: int) -> nn.Module:
    """A GRU whose update gates begin closed."""
    width = (16, 24, 32)[size]
    net = Recurrent(nn.GRU(8, width, batch_first=True))
    nn.init.constant_(net.rnn.bias_hh_l0[width : 2 * width], 4.0)  # the gates are r, z, n
    return net


def sound(size: int) -> Iterator[Case]:
    """Yield one network of each architecture."""

    def case(name: str, make: Any, draw: Any, lr: float = 3e-3, **more: Any) -> Case:
        states = more.pop("states", ENDS)
        return Case(name, "healthy", lambda: make(size), draw, states, optimizer=adam(lr), **more)

    yield case("MLP", mlp, rows)
    yield case("MLP of tanh", lambda s: mlp(s, nn.Tanh, 1.0), rows)
    yield case("MLP of GELU", lambda s: mlp(s, nn.GELU, 1.5), rows)
    yield case("strided CNN", strided, images)
    yield case("pools and norms", pooled, images)
    yield case("residual, batch norm", residual, images)
    yield case("residual, group norm", grouped, images)
    yield case("layers beside", beside, images)
    yield case("batch norm, no paths", normalized, rows)
    yield case("transformer, norm first", transformer, tokens)
    yield case("transformer, norm last", lambda s: transformer(s, False), tokens)
    yield case("mixer", mixer, tokens)
    yield case("bag of words", bag, tokens, 1e-2)
    yield case("autoencoder", autoencoder, same, 1e-2, loss=F.mse_loss, states=BODY)
    yield case("graph", graph, rows, 1e-2)
    yield case("two towers", Towers, rows, states=through("head"))
    yield case("U-Net", Skips, images, states=through("stem", "up.0"))
    yield case("LSTM", lstm, starts((5, 8, 12)[size]), 1e-2, states=in_time)
    yield case("GRU", gru, starts((5, 8, 12)[size]), 1e-2, states=in_time)


# Faults. Each takes a sound network; None where it has nothing to be broken.


def rebuilt(case: Case, illness: str, change: Callable[[Any], None], **more: Any) -> Case:
    """Let a change be made to the network once it is built."""

    def build() -> nn.Module:
        net = case.build()
        change(net)
        return net

    name = f"{case.name}: {more.pop('called', illness)}"
    return replace(case, name=name, illness=illness, build=build, **more)


def lost(h: Tensor) -> Tensor:
    return h.detach()


def by_numpy(h: Tensor) -> Tensor:
    return torch.from_numpy(h.detach().numpy().copy())


def by_argmax(h: Tensor) -> Tensor:
    return F.one_hot(h.flatten(1).argmax(1), h[0].numel()).to(h.dtype).view_as(h)


def without_grad(h: Tensor) -> Tensor:
    with torch.no_grad():
        return h * 1.0


def cuts(case: Case, size: int) -> Iterator[Case]:
    """Cut the graph behind a block, in each of four ways."""
    if not _has_body(case):
        return
    ways = (lost, "detach"), (by_numpy, "NumPy"), (without_grad, "no_grad"), (by_argmax, "argmax")
    for number, (way, name) in enumerate(ways):

        def change(net: Any, way: Any = way, number: int = number) -> None:
            k = (number + size) % len(net.body)
            net.body[k] = nn.Sequential(net.body[k], Then(way))

        yield rebuilt(case, "cut", change, called=name, states=through("head"))


def _has_body(case: Case) -> bool:
    return case.states in (ENDS, BODY)


class Masked(nn.Module):
    """A loss of which no example counts."""

    def __init__(self, loss: Any) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, said: Tensor, y: Tensor) -> Tensor:
        return (self.loss(said, y) + 0.0) * (said.shape[0] < 0)


class AtTheEnd(nn.Module):
    """Probabilities so near 0 or 1 that no slope is left."""

    def forward(self, said: Tensor, y: Tensor) -> Tensor:
        return (said.flatten(1) - 200.0).sigmoid().sub(1.0).square().mean()


def silences(case: Case, size: int) -> Iterator[Case]:
    yield replace(case, name=f"{case}: no label counts", illness="silent", loss=Masked(case.loss))
    yield replace(case, name=f"{case}: saturated loss", illness="silent", loss=AtTheEnd())


def breaks(case: Case, size: int) -> Iterator[Case]:
    """Let something be infinite, or not a number: the data, a weight, the loss."""

    def draw() -> tuple[Tensor, Tensor]:
        x, y = case.draw()
        x = x.clone()
        x[size] = float("nan")
        return x, y

    def log_of_zero(said: Tensor, y: Tensor) -> Tensor:
        return -(said.flatten(1).relu() * 0.0).log().mean()

    def root_of_zero(said: Tensor, y: Tensor) -> Tensor:
        return (said - said.detach()).flatten(1).square().sum(1).sqrt().mean()

    def broken(net: Any) -> None:
        with torch.no_grad():
            matrices = [p for p in net.parameters() if p.ndim > 1][1:]
            matrices[size % len(matrices)][0] = float("inf")

    if case.draw()[0].is_floating_point():
        yield replace(case, name=f"{case}: NaN in the data", illness="not finite", draw=draw)
    for loss, name in ((log_of_zero, "log of 0"), (root_of_zero, "root of 0")):
        yield replace(case, name=f"{case}: {name}", illness="not finite", loss=loss)
    yield rebuilt(case, "not finite", broken, called="an infinite weight")


def zeros(case: Case, size: int) -> Iterator[Case]:
    """Begin with zeros: a head alone, which is sound, or the block in front of it as well."""
    if not _has_body(case):
        return

    def head(net: Any) -> None:
        last = [m for m in net.head.modules() if isinstance(m, nn.Linear)][-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def both(net: Any) -> None:
        head(net)
        for m in net.body[-1].modules():
            if isinstance(m, nn.Linear | nn.Conv2d):
                nn.init.zeros_(m.weight)

    yield rebuilt(case, "healthy", head, called="head of zeros", states=through("head"))
    if "MLP" in case.name or case.name in ("strided CNN", "bag of words", "graph"):
        yield rebuilt(case, "stuck", both, states=through("head"))


def harmless(case: Case, size: int) -> Iterator[Case]:
    """Do what looks like a fault and is none."""
    if not _has_body(case):
        return

    def fixed(net: Any) -> None:
        net.stem.requires_grad_(False)
        net.body[: len(net.body) // 2].requires_grad_(False)

    def low_rank(net: Any) -> None:
        net.requires_grad_(False)
        for block in net.body:
            for name, m in [*block.named_children()]:
                if isinstance(m, nn.Linear):
                    setattr(block, name, Adapted(m))
        net.head.requires_grad_(True)

    def closed(net: Any) -> None:
        for m in net.body.modules():
            if isinstance(m, Around) and "Norm" in type(m.branch[-1]).__name__:
                nn.init.zeros_(m.branch[-1].weight)

    def small(net: Any) -> None:
        net.bfloat16()

    yield rebuilt(case, "healthy", fixed, called="fixed front", states=through("head"))
    yield replace(case, name=f"{case}: small loss", loss=Less(case.loss))
    if case.name in CHAINS:
        yield rebuilt(case, "healthy", low_rank, called="low-rank adapters", states=through("head"))
        yield rebuilt(case, "healthy", small, called="bfloat16")
    if "residual" in case.name:
        yield rebuilt(case, "healthy", closed, called="branches begin at 0")


CHAINS = ("MLP", "MLP of tanh", "MLP of GELU", "bag of words")


class Less(nn.Module):
    """A thousandth of a loss."""

    def __init__(self, loss: Any) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, said: Tensor, y: Tensor) -> Tensor:
        return self.loss(said, y) / 1000


def alike(case: Case, size: int) -> Iterator[Case]:
    def change(net: Any) -> None:
        for p in net.parameters():
            if p.ndim > 1:
                nn.init.constant_(p, 1.0 / p[0].numel())

    if case.name in ("MLP", "MLP of GELU", "strided CNN", "two towers", "bag of words"):
        yield rebuilt(case, "symmetric", change, states=through("head"))


def off(case: Case, size: int) -> Iterator[Case]:
    """Switch all units of one layer off, as a step that was too long does."""
    if case.name not in ("MLP", "strided CNN", "bag of words", "graph"):
        return

    def change(net: Any) -> None:
        block = net.body[size % len(net.body)]
        layer = next(m for m in block if isinstance(m, nn.Linear | nn.Conv2d))
        nn.init.constant_(layer.bias, -30.0)

    yield rebuilt(case, "dead", change)


def steps(case: Case, size: int) -> Iterator[Case]:
    """Take steps of a size that no weight bears, or that no weight notices."""
    large = sgd(1e4) if size else adam(50.0)
    yield replace(case, name=f"{case}: steps too large", illness="updates", optimizer=large)

    def change(net: Any) -> None:
        net.bfloat16()

    if case.name in ("MLP", "MLP of tanh", "MLP of GELU", "bag of words", "autoencoder"):
        small = sgd(10.0 ** -(5 + size))
        yield rebuilt(case, "frozen", change, optimizer=small)


def scaled(case: Case, size: int) -> Iterator[Case]:
    """Draw the weights too small or too large, or let every block shrink or swell what passes.

    By how much follows from the number of blocks, so that all of them together make `FAR` decades.
    """
    slow = sgd(0.01)
    for decades in FAR if _has_body(case) else ():
        kind, called = ("vanishing" if decades < 0 else "exploding"), f"{decades:+g} decades"
        if case.name in ("MLP", "MLP of tanh", "MLP of GELU", "strided CNN"):
            changed = partial(_redrawn, decades=decades)
            yield rebuilt(case, kind, changed, called=f"weights, {called}", optimizer=slow)
        changed = partial(_times, decades=decades)
        yield rebuilt(case, kind, changed, called=f"blocks, {called}", optimizer=slow)
    if case.name == "MLP":
        name, make = "MLP of sigmoid", partial(mlp, size, nn.Sigmoid, 1.0)
        yield replace(case, name=name, illness="vanishing", build=make, optimizer=slow)
    if case.name == "batch norm, no paths":
        make = partial(too_deep, size)
        yield replace(case, name="batch norm, too deep", illness="exploding", build=make)


FAR = (-5.0, -3.0, 3.0, 5.0)


def _redrawn(net: Any, decades: float) -> None:
    drawn(net, HE * 10 ** (decades / len(net.body)))


def _times(net: Any, decades: float) -> None:
    factor = 10 ** (decades / len(net.body))
    for k, block in enumerate(net.body):
        net.body[k] = nn.Sequential(block, Then(lambda h: factor * h))


def remembered(case: Case, size: int) -> Iterator[Case]:
    """Ask recurrent networks for what was long ago, or let a state swell from step to step."""
    if case.name != "LSTM":
        return
    width, long = (16, 24, 32)[size], starts((40, 60, 80)[size])
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        name, make = f"plain {kind.__name__}: long", partial(_plain, kind, width)
        ill = replace(case, name=name, illness="vanishing", draw=long, build=make)
        yield replace(ill, optimizer=sgd(0.1))
    swelling = replace(case, name="linear steps", illness="exploding", draw=long, build=LinearRnn)
    yield replace(swelling, states=its_steps, optimizer=sgd(0.1))


def _plain(kind: Any, width: int) -> nn.Module:
    return Recurrent(kind(8, width, batch_first=True))


FAULTS = (cuts, silences, breaks, zeros, harmless, alike, off, steps, scaled, remembered)


def generated(size: int) -> Iterator[Case]:
    """Yield every network of a size, sound ones first."""
    cases = [*sound(size)]
    yield from cases
    for fault in FAULTS:
        for case in cases:
            yield from fault(case, size)
