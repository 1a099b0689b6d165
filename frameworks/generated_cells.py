"""Recurrent cells of one's own: what goes on is a mix of the last state and a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from generated_hand import handed_on, told_first
from generated_parts import CLASSES
from generated_sequences import STATES
from planted_networks import adam
from planted_truth import Case
from torch import Tensor, nn

Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Make the next state of the last one, a gate and what is new.

Where no gate is used it is added 0 times, or half of the weights would get no gradient.
"""


def mixed(h: Tensor, z: Tensor, new: Tensor) -> Tensor:
    """Weigh both, as a GRU does."""
    return z * new + (1 - z) * h


def moved(h: Tensor, z: Tensor, new: Tensor) -> Tensor:
    """Go a part of the way."""
    return h + z * (new - h)


def lerped(h: Tensor, z: Tensor, new: Tensor) -> Tensor:
    """Do the same by one operation."""
    return torch.lerp(h, new, z)


def leaky(h: Tensor, z: Tensor, new: Tensor) -> Tensor:
    """Keep the same share at each step, whatever the gate says."""
    return 0.6 * h + 0.4 * new + 0 * z


def decayed(h: Tensor, z: Tensor, new: Tensor) -> Tensor:
    """Forget by numbers that are learned and the same at each step, as a state-space model."""
    return z.mean(0) * h + new


def renewed(h: Tensor, z: Tensor, new: Tensor) -> Tensor:
    """Keep nothing but what is new, half of it."""
    return 0.5 * new + 0 * z


class Own(nn.Module):
    """A cell with one matrix for the data and one for the state, of which a gate is a half."""

    def __init__(self, size: int, mix: Mix, gate: float) -> None:
        super().__init__()
        self.width, self.mix, self.gate = STATES[size], mix, gate
        self.into, self.back = (nn.Linear(n, 2 * self.width) for n in (8, self.width))
        self.head = nn.Linear(self.width, CLASSES)

    def forward(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        h = x.new_zeros(len(x), self.width)
        for row in x.unbind(1):
            z, new = (0.7 * self.into(row) + self.back(h)).chunk(2, 1)
            h = self.mix(h, torch.sigmoid(z + self.gate), torch.tanh(new))
            if kept is not None:  # for truth alone
                kept.append(h)
        return self.head(h)


def own_cells(size: int) -> Iterator[Case]:
    """Yield cells whose gates are nearly shut, half open and open, over few steps and many."""
    for mix in (mixed, moved, lerped, leaky, decayed, renewed):
        for gate in (-4.0, 0.0, 3.0):
            for steps in (5 + size, 30 + size):
                name = f"own cell, {mix.__name__}, gate {gate:+g}, {steps} steps"
                net, draw = partial(Own, size, mix, gate), told_first(steps, padded=False)
                yield Case(name, "vanishing", net, draw, handed_on, optimizer=adam(1e-2))
