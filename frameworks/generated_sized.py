"""Faults of size: steps and gradients that are too large or too small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from generated_begun import PLAIN, small
from generated_chains import mlp, too_deep
from generated_lost import has_body, rebuilt
from generated_parts import Then, drawn, starts
from generated_sequences import STATES
from planted_networks import HE, LinearRnn, Recurrent, adam, its_steps, sgd
from planted_truth import Case
from torch import nn

SLOW = sgd(0.01)
FAR = (
    (-5.0, -2.5, -0.5, 2.5, 5.0),
    (-4.5, -2.2, -0.8, 2.2, 4.5),
    (-3.0, -1.0, 0.5, 1.0, 3.0),
    (-3.5, -2.7, -0.6, 0.7, 3.5),
    (-4.0, -0.7, 0.7, 2.3, 4.0),
    (-6.0, -2.4, 0.6, 2.8, 6.0),
)
"""The decades that all blocks together add, for each size."""


def steps(case: Case, size: int) -> Iterator[Case]:
    """Take steps of a size that no weight bears, or that no weight notices."""
    large = sgd(1e4) if size > 1 else adam(50.0)
    yield replace(case, name=f"{case}: steps too large", illness="updates", optimizer=large)
    if case.name in (*PLAIN, "autoencoder"):
        yield rebuilt(case, "frozen", small, optimizer=sgd(10.0 ** -(5 + size / 2)))


def scaled(case: Case, size: int) -> Iterator[Case]:
    """Draw the weights too small or too large, or let every block shrink or swell what passes."""
    for decades in FAR[size] if has_body(case) else ():
        kind = "healthy" if abs(decades) <= 1 else "vanishing" if decades < 0 else "exploding"
        more = {} if kind == "healthy" else {"optimizer": SLOW}
        if case.name in ("MLP", "MLP of tanh", "MLP of GELU", "MLP of SiLU", "strided CNN"):
            changed, called = partial(_redrawn, decades=decades), f"weights, {decades:+g} decades"
            yield rebuilt(case, kind, changed, called=called, **more)
        changed, called = partial(_times, decades=decades), f"blocks, {decades:+g} decades"
        yield rebuilt(case, kind, changed, called=called, **more)


def _redrawn(net: Any, decades: float) -> None:
    drawn(net, HE * 10 ** (decades / len(net.body)))


def _times(net: Any, decades: float) -> None:
    factor = 10 ** (decades / len(net.body))
    for k, block in enumerate(net.body):
        net.body[k] = nn.Sequential(block, Then(lambda h: factor * h))


def deeper(case: Case, size: int) -> Iterator[Case]:
    """Build what only depth makes ill."""
    if case.name == "MLP":
        make = partial(mlp, size, nn.Sigmoid, 1.0)
        name = "MLP of sigmoid"
        yield replace(case, name=name, illness="vanishing", build=make, optimizer=SLOW)
    if case.name == "batch norm, no paths":
        make = partial(too_deep, size)
        yield replace(case, name="batch norm, too deep", illness="exploding", build=make)


def remembered(case: Case, size: int) -> Iterator[Case]:
    """Ask recurrent networks for what was long ago, or let a state swell or shrink in each step."""
    if case.name != "LSTM":
        return
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        for steps in (6 + size, 14 + 2 * size, 40 + 8 * size):
            make = partial(_plain, kind, STATES[size])
            name, draw = f"plain {kind.__name__}, {steps} steps", starts(steps)
            yield replace(case, name=name, illness="vanishing", draw=draw, build=make)
    for decades in FAR[size]:
        make = partial(_linear, 10 ** (decades / 19))
        kind = "vanishing" if decades < 0 else "exploding"
        ill = replace(case, name=f"linear steps, {decades:+g} decades", illness=kind, build=make)
        yield replace(ill, draw=starts(20), states=its_steps)


def _plain(kind: Any, width: int) -> nn.Module:
    return Recurrent(kind(8, width, batch_first=True))


def _linear(factor: float) -> nn.Module:
    net = LinearRnn()
    with torch.no_grad():
        net.recur.weight.mul_(factor / 1.3)
    return net
