"""What ails a network, measured in float64 by autograd and by training it: no tool's own code.

A network's states are what every path from input to output crosses, in order, as far as there is
something to be trained before them; g is the length of ∂L/∂state of one example, its root mean
square over the batch. It is

- *not finite* where the loss or a gradient is not;
- *cut* where a parameter that asks for a gradient gets none, and training does not move it;
- *silent* where the loss sends less than SILENT into what comes out of the last weights;
- *stuck* where two matrices or more are 0 and stay so through STEPS steps;
- *symmetric* where after STEPS steps all units of at least half of the matrices are still alike;
- *dead* where at least DEAD of the ReLUs are off for all examples, in the mean over layers, or all
  of one layer; those of fewer than NARROW units do not count where the network learns all the same;
- *vanishing* or *exploding* where g falls or rises by at least ILL decades on its way down, but
  for networks with normalizations that STEPS steps of some optimizer train all the same;
- *updates* where g stays within SOUND decades, and a step of the optimizer is longer than the
  weights;
- *frozen* where g does, and at least STILL of the weights that have a gradient are the same after a
  step, bit for bit, in the format they are kept in;
- *healthy* where g does, or rises where normalizations are, no step is that long, and the loss on
  one batch falls below TRAINED of its first value within STEPS steps.

What lies between the limits has no truth.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from planted_off import off
from torch import Tensor, nn
from torch.nn import functional as F

from gradbook.book.diagnose import generated
from gradbook.book.symptoms import DECADES, FROZEN, HEALTHY_DECADES, OFF

ILL, SOUND, DEAD, STILL = DECADES, HEALTHY_DECADES, OFF, FROZEN
"""As everywhere in the book."""
SILENT = 1e-6
BETWEEN, TRAINED, STEPS, NARROW = (
    generated.BETWEEN,
    generated.TRAINED,
    generated.STEPS,
    generated.NARROW,
)

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
    penalty: Callable[[nn.Module, Tensor], Tensor] | None = None
    """What is added to the loss, and asks the network once more."""

    def __str__(self) -> str:
        return self.name

    def made(self, seed: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
        torch.manual_seed(seed)
        net = self.build()
        return net, *self.draw()

    def lost(self, net: nn.Module, output: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return the whole loss of what the network says."""
        loss = self.loss(output, y)
        return loss if self.penalty is None else loss + self.penalty(net, x)


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
    sent: float
    """What the loss sends into what comes out of the last weights, by example."""
    own: nn.Module
    """The network in the format it is kept in."""
    y: Tensor

    def learns(self) -> bool:
        """Tell whether another optimizer trains it."""
        ways: tuple[Optimizer, ...] = (
            lambda parameters: torch.optim.Adam(parameters, 1e-3),
            lambda parameters: torch.optim.Adam(parameters, 1e-2),
            lambda parameters: torch.optim.SGD(parameters, 0.1),
        )
        cases = (replace(self.case, optimizer=way) for way in ways)
        return any(training(case, self.net, self.x, self.y)[0] < TRAINED for case in cases)


def truth_of(case: Case, seed: int = 0) -> Truth:
    """Judge a network in float64."""
    own, x, y = case.made(seed)
    net, x, y = copy.deepcopy(own).double(), _double(x), _double(y)
    ends: list[Tensor] = []
    with _hooked(_weighted(net), lambda module, inputs, output: ends.append(output)):
        states, output = case.states(net, x)
    loss = case.lost(net, output, x, y)
    states = [state for state in states if state.requires_grad]
    found = torch.autograd.grad(loss, [*states, ends[-1]], retain_graph=True)
    *sizes, sent = (size(g) for g in found)
    loss.backward()
    train = cache(lambda: training(case, net, x, y))
    signs = _signs(Pass(case, net, x, loss, sizes, sent, own, y), train)
    illness, trained = next(((k, t) for k, is_so, t in signs if is_so), (BETWEEN, 1.0))
    return Truth(illness, *extremes(sizes), trained)


def _signs(
    seen: Pass, train: Callable[[], tuple[float, nn.Module]]
) -> Iterator[tuple[str, bool, float]]:
    """Yield every kind, whether it is that one, and how far it was trained if that was tried.

    The first one hides the next.
    """
    found = [p.grad for p in seen.net.parameters() if p.grad is not None]
    fall, rise = extremes(seen.sizes)
    yield "not finite", not all(torch.isfinite(g).all() for g in [seen.loss, *found]), math.nan
    yield "cut", _lost(seen.net) and _left(seen.net, train()[1]), math.nan
    yield "silent", seen.sent * len(seen.x) < SILENT, math.nan
    trained, after = train()
    learned = trained < TRAINED
    yield "stuck", stuck(seen.net, after) > 1, trained
    yield "symmetric", symmetric(after) >= STILL, trained
    yield "dead", off(seen.net, seen.x, NARROW if learned else 1) >= DEAD, trained
    borne = normalized(seen.net) and (learned or (rise >= ILL and seen.learns()))
    yield "vanishing", not borne and fall >= max(rise, ILL), trained
    yield "exploding", not borne and rise >= ILL, trained
    flat = max(fall, rise) <= SOUND
    yield "updates", flat and step(seen.case, seen.net) >= 1, trained
    yield "frozen", flat and standing(seen) >= STILL, trained
    calm = step(seen.case, seen.net) < 1
    yield "healthy", calm and learned and (flat or (fall <= SOUND and borne)), trained


def _lost(net: nn.Module) -> bool:
    return any(p.requires_grad and p.grad is None for p in net.parameters())


def _left(before: nn.Module, after: nn.Module) -> bool:
    """Tell that training leaves a weight where it was of which a gradient is missing."""
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    return any(a.requires_grad and a.grad is None and torch.equal(a, b) for a, b in pairs)


def _weighted(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if [*m.parameters(recurse=False)]]


def normalized(net: nn.Module) -> bool:
    """Tell whether there are normalizations."""
    return any("Norm" in type(module).__name__ for module in net.modules())


def stuck(before: nn.Module, after: nn.Module) -> int:
    """Count the matrices that are to be trained and are 0, before and after."""
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    return sum(a.requires_grad and a.ndim > 1 and not a.any() and not b.any() for a, b in pairs)


def symmetric(net: nn.Module) -> float:
    """Return the share of matrices of which all lines are alike, and not 0."""
    matrices = [p.detach() for p in net.parameters() if p.ndim > 1 and len(p) > 1]
    same = [bool(p.any() and torch.allclose(p, p[:1].expand_as(p), 1e-9, 0)) for p in matrices]
    return sum(same) / max(len(same), 1)


def standing(seen: Pass) -> float:
    """Return the share of weights with a gradient that one step leaves as they are."""
    moved = copy.deepcopy(seen.own)
    of = [*zip(moved.parameters(), seen.own.parameters(), seen.net.parameters(), strict=True)]
    for a, _, exact in of:
        a.grad = None if exact.grad is None else exact.grad.to(a.dtype)
    seen.case.optimizer([a for a, _, _ in of if a.requires_grad]).step()
    pairs = [((a == b)[c.grad != 0], c) for a, b, c in of if c.grad is not None]
    same = torch.cat([found.flatten() for found, _ in pairs])
    return same.double().mean().item() if len(same) else 0.0


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


def training(
    case: Case, net: nn.Module, x: Tensor, y: Tensor, steps: int = STEPS
) -> tuple[float, nn.Module]:
    """Train a copy on the one batch; return the last loss over the first, and the copy."""
    copied = copy.deepcopy(net)
    optimizer = case.optimizer([p for p in copied.parameters() if p.requires_grad])
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = case.lost(copied, copied(x), x, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return (losses[-1] / losses[0] if losses[0] else 1.0), copied
