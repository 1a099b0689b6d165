"""Faults by which no gradient arrives, or none that is a number. Each takes a sound network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from generated_parts import BODY, ENDS, Batch, Then
from planted_truth import Case, through
from torch import Tensor, nn
from torch.nn import functional as F


def rebuilt(case: Case, illness: str, change: Callable[[Any], None], **more: Any) -> Case:
    """Let a change be made to the network once it is built."""

    def build() -> nn.Module:
        net = case.build()
        change(net)
        return net

    name = f"{case.name}: {more.pop('called', illness)}"
    return replace(case, name=name, illness=illness, build=build, **more)


def has_body(case: Case) -> bool:
    return case.states in (ENDS, BODY)


def lost(h: Tensor) -> Tensor:
    return h.detach()


def by_numpy(h: Tensor) -> Tensor:
    return torch.from_numpy(h.detach().numpy().copy())


def by_argmax(h: Tensor) -> Tensor:
    return F.one_hot(h.flatten(1).argmax(1), h[0].numel()).to(h.dtype).view_as(h)


def without_grad(h: Tensor) -> Tensor:
    with torch.no_grad():
        return h * 1.0


WAYS = {"detach": lost, "NumPy": by_numpy, "no_grad": without_grad, "argmax": by_argmax}


def cuts(case: Case, size: int) -> Iterator[Case]:
    """Cut the graph behind a block, in each of four ways."""
    for number, (name, way) in enumerate(WAYS.items() if has_body(case) else ()):

        def change(net: Any, way: Any = way, number: int = number) -> None:
            k = (number + size) % len(net.body)
            net.body[k] = nn.Sequential(net.body[k], Then(way))

        yield rebuilt(case, "cut", change, called=name, states=through("head"))


class Loss(nn.Module):
    """A loss, and what is done to it."""

    def __init__(self, loss: Any, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.loss, self.change = loss, change

    def forward(self, said: Tensor, y: Tensor) -> Tensor:
        return self.change(self.loss(said, y))


def at_the_end(said: Tensor, y: Tensor) -> Tensor:
    """Probabilities so near 0 or 1 that no slope is left."""
    return (said.flatten(1) - 200.0).sigmoid().sub(1.0).square().mean()


def silences(case: Case, size: int) -> Iterator[Case]:
    none = Loss(case.loss, lambda loss: loss * 0.0)
    yield replace(case, name=f"{case}: no label counts", illness="silent", loss=none)
    yield replace(case, name=f"{case}: saturated loss", illness="silent", loss=at_the_end)


def log_of_zero(said: Tensor, y: Tensor) -> Tensor:
    return -(said.flatten(1).relu() * 0.0).log().mean()


def root_of_zero(said: Tensor, y: Tensor) -> Tensor:
    return (said - said.detach()).flatten(1).square().sum(1).sqrt().mean()


def breaks(case: Case, size: int) -> Iterator[Case]:
    """Let something be infinite, or not a number: the data, a weight, the loss."""

    def draw() -> Batch:
        x, y = case.draw()
        x = x.clone()
        x[size] = float("nan")
        return x, y

    def broken(net: Any) -> None:
        with torch.no_grad():
            matrices = [p for p in net.parameters() if p.ndim > 1][1:]
            matrices[size % len(matrices)][0] = float("inf")

    if case.draw()[0].is_floating_point():
        yield replace(case, name=f"{case}: NaN in the data", illness="not finite", draw=draw)
    for loss, name in ((log_of_zero, "log of 0"), (root_of_zero, "root of 0")):
        yield replace(case, name=f"{case}: {name}", illness="not finite", loss=loss)
    yield rebuilt(case, "not finite", broken, called="an infinite weight")
