"""Recurrent networks that read in both directions, and are asked at either end."""

from __future__ import annotations

from typing import Any

import torch
from generated_parts import BATCH, CLASSES, Batch
from generated_sequences import STATES
from torch import Tensor, nn


class TwoEnds(nn.Module):
    """A recurrent network of which the last state of either direction is read."""

    def __init__(self, kind: Any, width: int, **of: Any) -> None:
        super().__init__()
        self.rnn = kind(8, width, batch_first=True, bidirectional=True, **of)
        self.head = nn.Linear(2 * width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        onward, back = self.rnn(x)[0].chunk(2, -1)
        return self.head(torch.cat([onward[:, -1], back[:, 0]], 1))


def remembering(kind: Any, size: int) -> nn.Module:
    """Keep what was read, by gates that begin open."""
    width = STATES[size]
    net = TwoEnds(kind, width)
    for bias in (net.rnn.bias_hh_l0, net.rnn.bias_hh_l0_reverse):
        nn.init.constant_(bias[width : 2 * width], 4.0)
    return net


def swelling(size: int, factor: float) -> nn.Module:
    """Let a state of ReLUs be multiplied in each step, in both directions."""
    net = TwoEnds(nn.RNN, STATES[size], nonlinearity="relu")
    for name in ("weight_hh_l0", "weight_hh_l0_reverse"):
        nn.init.eye_(getattr(net.rnn, name)).data.mul_(factor)
    return net


def towards_both_ends(net: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Go step by step in both directions at once; the states of both are one.

    What comes in the middle crosses those behind it alone.
    """
    whole, states = net.rnn, []
    named = dict(whole.named_parameters())
    of = {"nonlinearity": whole.nonlinearity} if isinstance(whole, nn.RNN) else {}
    one = type(whole)(whole.input_size, whole.hidden_size, batch_first=True, **of).double()
    names = [name for name, _ in one.named_parameters()]
    ways = [{name: named[name + end] for name in names} for end in ("", "_reverse")]
    carried: list[Any] = [None, None]
    for steps in zip(x.unbind(1), x.unbind(1)[::-1], strict=True):
        for k, step in enumerate(steps):
            given = (step[:, None], carried[k])
            carried[k] = torch.func.functional_call(one, ways[k], given)[1]
        states.append(torch.cat([torch.cat([*_parts(h)], -1)[0] for h in carried], -1))
        carried = [
            _taken(h, half) for h, half in zip(carried, states[-1].chunk(2, -1), strict=True)
        ]
    ends = [_parts(h)[0][0] for h in carried]
    return states[len(states) // 2 :], net.head(torch.cat(ends, -1))


def _parts(h: Any) -> tuple[Tensor, ...]:
    return h if isinstance(h, tuple) else (h,)


def _taken(h: Any, whole: Tensor) -> Any:
    parts = [part[None].contiguous() for part in whole.chunk(len(_parts(h)), -1)]
    return tuple(parts) if isinstance(h, tuple) else parts[0]


def in_the_middle(steps: int) -> Any:
    """Let the step in the middle alone tell the class."""

    def draw() -> Batch:
        x = torch.zeros(BATCH, steps, 8)
        x[:, steps // 2] = torch.randn(BATCH, 8)
        return x, torch.arange(BATCH) % CLASSES

    return draw
