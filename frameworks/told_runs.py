"""A training in which a run is told the loss, as the page *Diagnose* has it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import gradbook
from gradbook.diagnosis import Report


def run_of(
    net: nn.Module,
    loss: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer | None = None,
    steps: int = 6,
) -> Report:
    """Train, tell the loss, and return the report of the run; by plain descent if not said."""
    optimizer = optimizer or torch.optim.SGD(net.parameters(), 0.01)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(steps):
            optimizer.zero_grad()
            found = loss()
            found.backward()
            run.step(found)
            optimizer.step()
    return run.report()
