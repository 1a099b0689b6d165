"""Faults of how a network begins, and what looks like one and is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from generated_lost import Loss, has_body, rebuilt
from generated_parts import Around
from planted_networks import Adapted
from planted_truth import Case, through
from torch import nn

PLAIN = ("MLP", "MLP of tanh", "MLP of GELU", "MLP of SiLU", "bag of words")
OF_RELU = ("MLP", "strided CNN", "bag of words", "graph")


def _head(net: Any) -> None:
    last = [m for m in net.head.modules() if isinstance(m, nn.Linear)][-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


def _head_and_block(net: Any) -> None:
    _head(net)
    for m in net.body[-1].modules():
        if isinstance(m, nn.Linear | nn.Conv2d):
            nn.init.zeros_(m.weight)


def zeros(case: Case, size: int) -> Iterator[Case]:
    """Begin with zeros: a head alone, which is sound, or the block in front of it as well."""
    if has_body(case):
        at_head = through("head")
        yield rebuilt(case, "healthy", _head, called="head of zeros", states=at_head)
        if case.name in (*PLAIN, "strided CNN", "graph"):
            yield rebuilt(case, "stuck", _head_and_block, states=at_head)


def _fixed(net: Any) -> None:
    net.stem.requires_grad_(False)
    net.body[: len(net.body) // 2].requires_grad_(False)


def _low_rank(net: Any) -> None:
    net.requires_grad_(False)
    for block in net.body:
        for name, m in [*block.named_children()]:
            if isinstance(m, nn.Linear):
                setattr(block, name, Adapted(m))
    net.head.requires_grad_(True)


def _closed(net: Any) -> None:
    for m in net.body.modules():
        if isinstance(m, Around) and "Norm" in type(m.branch[-1]).__name__:
            nn.init.zeros_(m.branch[-1].weight)


def small(net: Any) -> None:
    net.bfloat16()


def harmless(case: Case, size: int) -> Iterator[Case]:
    """Do what looks like a fault and is none."""
    if not has_body(case):
        return
    yield rebuilt(case, "healthy", _fixed, called="fixed front")
    less = Loss(case.loss, lambda loss: loss / 1000)
    yield replace(case, name=f"{case}: small loss", loss=less)
    if case.name in PLAIN:
        yield rebuilt(case, "healthy", _low_rank, called="low-rank adapters")
        yield rebuilt(case, "healthy", small, called="bfloat16")
    if "residual" in case.name or case.name == "channels by themselves":
        yield rebuilt(case, "healthy", _closed, called="branches begin at 0")


def _alike(net: Any) -> None:
    for p in net.parameters():
        if p.ndim > 1:
            nn.init.constant_(p, 1.0 / p[0].numel())


def alike(case: Case, size: int) -> Iterator[Case]:
    if case.name in (*PLAIN, "strided CNN", "two towers"):
        yield rebuilt(case, "symmetric", _alike, states=through("head"))


def off(case: Case, size: int) -> Iterator[Case]:
    """Switch all units of one layer off, as a step that was too long does."""

    def change(net: Any) -> None:
        block = net.body[size % len(net.body)]
        layer = next(m for m in block if isinstance(m, nn.Linear | nn.Conv2d))
        nn.init.constant_(layer.bias, -30.0)

    if case.name in OF_RELU:
        yield rebuilt(case, "dead", change)
