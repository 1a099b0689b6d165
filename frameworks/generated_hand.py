"""Networks people write by hand: cells in a loop, masks, means by a loop, solvers of an ODE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import generated_many as many
import torch
from generated_parts import BATCH, CLASSES, WIDTHS, Batch, rows
from generated_sequences import STATES
from generated_sized import FAR
from planted_networks import adam, sgd
from planted_truth import Case
from torch import Tensor, nn


class Solver(nn.Module):
    """A neural ODE: one function, asked at every stage of every step."""

    def __init__(self, size: int, how: str, decades: float = 0.0) -> None:
        super().__init__()
        width, self.steps, self.how = WIDTHS[size], 6 + 3 * size, how
        self.stem, self.head = nn.Linear(16, width), nn.Linear(width, CLASSES)
        self.slope = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))
        self.factor = 10 ** (decades / self.steps)
        with torch.no_grad():  # states that grow begin small: saturated, a slope vanishes besides
            for tensor in self.stem.parameters():
                tensor.mul_(10 ** min(-decades, 0.0))

    def step(self, h: Tensor) -> Tensor:
        d, f = 1 / self.steps, self.slope
        a = f(h)
        if self.how == "midpoint":
            return h + d * f(h + d * a / 2)
        if self.how == "Heun":
            return h + d * (a + f(h + d * a)) / 2
        b = f(h + d * a / 2)
        c = f(h + d * b / 2)
        return h + d * (a + 2 * b + 2 * c + f(h + d * c)) / 6

    def states(self, x: Tensor) -> list[Tensor]:
        found = [self.stem(x)]
        for _ in range(self.steps):
            found.append(self.factor * self.step(found[-1]))
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.states(x)[-1])


def solved(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Take the state behind each step."""
    found = net.states(x)
    return found, net.head(found[-1])


class Looped(many.Ensemble):
    """Towers of which the mean is taken in a loop."""

    def forward(self, x: Tensor) -> Tensor:
        said: Any = sum(self.one(tower, x) for tower in self.towers)
        return said / len(self.towers)


class Cell(nn.Module):
    """A cell that is called step by step, and stands still where a row of data is only zeros."""

    def __init__(self, size: int, kind: str, forget: float = 1.0, put_in: float = 0.0) -> None:
        super().__init__()
        self.kind, self.width, self.biases = kind, STATES[size], (put_in, forget)
        self.cell = self.made(8, self.width)
        self.head = nn.Linear(self.width, CLASSES)

    def made(self, inputs: int, width: int) -> nn.Module:
        if self.kind.endswith("Cell"):
            return getattr(nn, self.kind)(inputs, width)
        return nn.Linear(inputs + width, 4 * width if "LSTM" in self.kind else width)

    def next(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        if self.kind == "LSTMCell":
            return self.cell(x, (h, c))
        if self.kind.endswith("Cell"):
            return self.cell(x, h), c
        gates = self.cell(torch.cat([x, h], 1))
        if "LSTM" not in self.kind:
            return torch.tanh(gates), c
        put, keep, out, new = gates.chunk(4, 1)
        put, keep = torch.sigmoid(put + self.biases[0]), torch.sigmoid(keep + self.biases[1])
        c = keep * c + put * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(c), c

    def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        h = c = x.new_zeros(len(x), self.width)
        padded = bool((x == 0).all(-1).any())
        for row in x.unbind(1):
            new, cell = self.next(row, h, c)
            if padded:
                m = row.any(1, keepdim=True).to(x)
                new, cell = m * new + (1 - m) * h, m * cell + (1 - m) * c
            h, c = new, cell
            if kept is not None:  # for truth alone: what goes on is one tensor
                kept.append(torch.cat([h, c], 1))
                h, c = kept[-1].chunk(2, 1)
        return self.head(h)


def handed_on(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Take what each step hands on."""
    kept: list[Tensor] = []
    return kept, net(x, kept)


def told_first(steps: int, padded: bool) -> Any:
    """Draw series that tell their class in the first half, some of which end earlier."""

    def draw() -> Batch:
        y = torch.arange(BATCH) % CLASSES
        x = 0.3 * torch.randn(BATCH, steps, 8)
        x[:, : steps // 2] += torch.randn(CLASSES, 8)[y][:, None]
        ends = torch.randint(steps // 2, steps + 1, (BATCH, 1)) if padded else steps
        return x * (torch.arange(steps)[None] < ends)[..., None], y

    return draw


def by_hand(size: int) -> Iterator[Case]:
    """Yield networks of each kind, sound and ill."""
    yield from _solvers(size)
    for factor in (0.0, FAR[size][0]):
        kind = "vanishing" if factor else "healthy"
        net = partial(Looped, size, many.MANY[size], 10 ** (factor / 2))
        name = f"towers in a loop, {factor:+g} decades"
        yield Case(name, kind, net, rows, many.beside_another, optimizer=adam(1e-2))
    for kind in ("LSTMCell", "GRUCell", "Linear", "LSTM of a Linear"):
        for padded in (False, True):
            for steps in (4 + size, 25 + size):
                draw, called = told_first(steps, padded), "padded" if padded else "even"
                name = f"{kind} by hand, {called}, {steps} steps"
                net = partial(Cell, size, kind)
                ill = "vanishing" if steps > 20 else "healthy"
                yield Case(name, ill, net, draw, handed_on, optimizer=adam(1e-2))


def _solvers(size: int) -> Iterator[Case]:
    for how in ("midpoint", "Heun", "Runge-Kutta"):
        for decades in (0.0, FAR[size][0], FAR[size][-1]):
            kind = "exploding" if decades > 0 else "vanishing" if decades else "healthy"
            net, name = partial(Solver, size, how, decades), f"ODE by {how}, {decades:+g} decades"
            yield Case(
                name, kind, net, rows, solved, optimizer=sgd(1e-6) if decades else adam(1e-2)
            )
