"""What ails a network, measured in float64 by autograd and by training it: no tool's own code.

A network's states are what every path from input to output crosses, in order; g is the length of
∂L/∂state of one example, its root mean square over the batch. It is

- *not finite* where the loss or a gradient is not;
- *cut* where a parameter that asks for a gradient gets none;
- *silent* where the loss sends less than SILENT into the last state of an example;
- *dead* where at least DEAD of a layer's ReLUs are off for all examples;
- *vanishing* or *exploding* where g falls or rises by at least ILL decades on its way down;
- *updates* where a step of the optimizer is longer than the weights;
- *healthy* where g stays within SOUND decades and the loss on one batch falls below TRAINED of
  its first value within STEPS steps.

What lies between the limits has no truth.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ILL, SOUND = 2.0, 1.0
DEAD, SILENT = 0.75, 1e-6
TRAINED, STEPS = 0.7, 60

Optimizer = Callable[[Any], torch.optim.Optimizer]
Loss = Callable[[Tensor, Tensor], Tensor]
States = Callable[[nn.Module, Tensor], tuple[list[Tensor], Tensor]]


def through(*names: str) -> States:
    """Take as states what comes out of the modules of these names, `*` standing for any part."""

    def states(net: nn.Module, x: Tensor) -> tuple[list[Tensor], Tensor]:
        kept: list[Tensor] = []

        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            kept.append(output[0] if isinstance(output, tuple) else output)

        hooks = [m.register_forward_hook(keep) for n, m in net.named_modules() if _is(n, names)]
        output = net(x)
        for hook in hooks:
            hook.remove()
        return kept, output

    return states


def _is(name: str, patterns: tuple[str, ...]) -> bool:
    parts = name.split(".")
    ways = [pattern.split(".") for pattern in patterns]
    return any(
        len(way) == len(parts) and all(a in ("*", b) for a, b in zip(way, parts, strict=True))
        for way in ways
    )


@dataclass(frozen=True)
class Case:
    """One network, the batch it is given, and what was planted in it."""

    name: str
    illness: str
    build: Callable[[], nn.Module]
    draw: Callable[[], tuple[Tensor, Tensor]]
    states: States = field(default_factory=lambda: through("body.*"))
    loss: Loss = F.cross_entropy
    optimizer: Optimizer = lambda parameters: torch.optim.SGD(parameters, 0.1)

    def __str__(self) -> str:
        return self.name

    def made(self, seed: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
        torch.manual_seed(seed)
        net = self.build()
        return net, *self.draw()


@dataclass(frozen=True)
class Truth:
    """What was measured; fall and rise are the largest on the way down, in decades."""

    illness: str
    fall: float
    rise: float
    trained: float


@dataclass(frozen=True)
class Pass:
    """One pass forward and backward, from which the illness is read."""

    case: Case
    net: nn.Module
    x: Tensor
    loss: Tensor
    sizes: list[float]


def truth_of(case: Case, seed: int = 0) -> Truth:
    """Judge a network in float64."""
    net, x, y = case.made(seed)
    net, x, y = net.double(), _double(x), _double(y)
    states, output = case.states(net, x)
    loss = case.loss(output, y)
    sizes = [size(g) for g in torch.autograd.grad(loss, states, retain_graph=True)]
    loss.backward()
    trained = training(case, net, x, y)
    signs = _signs(Pass(case, net, x, loss, sizes), trained)
    illness = next((kind for kind, is_so in signs if is_so), "between the limits")
    return Truth(illness, *extremes(sizes), trained)


def _signs(seen: Pass, trained: float) -> Iterator[tuple[str, bool]]:
    """Yield every kind with whether it is that one, the first of which hides the next."""
    asking = [p for p in seen.net.parameters() if p.requires_grad]
    found = [p.grad for p in asking if p.grad is not None]
    fall, rise = extremes(seen.sizes)
    yield "not finite", not all(torch.isfinite(g).all() for g in [seen.loss, *found])
    yield "cut", len(found) < len(asking)
    yield "silent", seen.sizes[-1] * len(seen.x) < SILENT
    yield "dead", off(seen.net, seen.x) >= DEAD
    yield "vanishing", fall >= max(rise, ILL)
    yield "exploding", rise >= ILL
    yield "updates", step(seen.case, seen.net) >= 1
    yield "healthy", max(fall, rise) <= SOUND and trained < TRAINED


def _double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x


def size(gradient: Tensor) -> float:
    """Return g of a gradient whose first axis counts the examples."""
    return float(gradient.flatten(1).norm(dim=1).square().mean().sqrt())


def extremes(sizes: list[float]) -> tuple[float, float]:
    """Return the largest fall and the largest rise on the way down, in decades."""
    logs = torch.tensor(sizes, dtype=torch.float64).clamp(min=1e-300).log10().flip(0)
    ways = logs[None, :] - logs[:, None]
    later = torch.triu(ways)
    return float(-later.min()), float(later.max())


def off(net: nn.Module, x: Tensor) -> float:
    """Return the largest share of one layer's ReLUs that are off for all examples."""
    shares = [0.0]

    def look(module: nn.Module, inputs: Any, output: Tensor) -> None:
        shares.append((output <= 0).transpose(0, 1).flatten(1).all(1).double().mean().item())

    with _hooked([m for m in net.modules() if isinstance(m, nn.ReLU)], look), torch.no_grad():
        net(x)
    return max(shares)


@contextmanager
def _hooked(modules: list[nn.Module], hook: Any) -> Iterator[None]:
    hooks = [module.register_forward_hook(hook) for module in modules]
    yield
    for each in hooks:
        each.remove()


def step(case: Case, net: nn.Module) -> float:
    """Return the length of one step over that of the weights, for the matrix that moves most."""
    moved = copy.deepcopy(net)
    pairs = [(a, b) for a, b in zip(moved.parameters(), net.parameters(), strict=True)]
    for a, b in pairs:
        a.grad = b.grad
    case.optimizer([a for a, _ in pairs if a.requires_grad]).step()
    with torch.no_grad():
        matrices = [(a, b) for a, b in pairs if b.ndim > 1 and b.norm() > 0]
        return max(float((a - b).norm() / b.norm()) for a, b in matrices)


def training(case: Case, net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Train a copy on the one batch and return the last loss over the first."""
    copied = copy.deepcopy(net)
    optimizer = case.optimizer([p for p in copied.parameters() if p.requires_grad])
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = case.loss(copied(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] / losses[0]
