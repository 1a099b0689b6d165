r"""A wall in the loss of one weight that is used at many steps of time, and a clip.

The loss of one linear unit that is to add up $T$ inputs is
$L(w) = \frac12 \sum_{k=0}^{T-1} (w^k - 1)^2$: nearly flat below $w = 1$, and above it a wall that
grows like $w^{2T - 2}$. One step of gradient descent from the wall throws the weight far away; a
gradient of at most the norm $c$ moves it by at most $\eta c$.

Source: Pascanu, Mikolov & Bengio 2013.
"""

import math

import numpy as np

from gradbook.book.explorers.explorer import Explorer
from gradbook.checks import Array, positive, positive_int
from gradbook.show.figures import lines
from gradbook.show.formats import fixed_text, scientific_text

LOST = 1e6
"""A weight beyond this one is lost: its next steps overflow."""


def wall(
    *,
    time: int = 10,
    start: float = 1.4,
    lr: float = 0.001,
    max_norm: float = 20.0,
    steps: int = 60,
) -> Explorer:
    r"""Show where one step throws a ball from the wall, and what a clip makes of it.

    Args:
        time: $T$, the steps of time.
        start: The first weight.
        lr: The learning rate $\eta$.
        max_norm: $c$, to which longer gradients are shortened.
        steps: How many steps of descent are taken.
    """
    time, steps = positive_int("time", time), positive_int("steps", steps)
    lr, max_norm = positive("lr", lr), positive("max_norm", max_norm)
    plain, clipped = (_path(start, time, lr, norm, steps) for norm in (math.inf, max_norm))
    thrown, slope = float(plain[1]), _slope(start, time)
    losses = {"without": _loss(plain, time), f"clipped to {max_norm:g}": _loss(clipped, time)}
    ends = _loss(plain, time)[1], _loss(clipped, time)[-1]
    landing, end = (scientific_text(float(loss), 1) for loss in ends)
    picture = lines(
        np.arange(steps + 1),
        {name: np.where(loss > 0, loss, math.nan) for name, loss in losses.items()},
        log_y=True,
        x_label="step",
        y_label="loss",
        alt=f"Without a clip the first step takes the weight from {start:g} to "
        f"{fixed_text(thrown, 2)} and the loss to {landing}; clipped, the loss is {end} after "
        f"{steps} steps.",
        caption=rf"Descent on $\frac12\sum_{{k=0}}^{{{time - 1}}} (w^k - 1)^2$, the loss of one "
        rf"linear recurrent unit over {time} steps, from $w = {start:g}$, where the slope is "
        rf"{fixed_text(slope, 0)}. "
        rf"At $\eta = {lr:g}$ the "
        f"first step throws the weight to {fixed_text(thrown, 2)}; clipped, steps longer than "
        rf"$\eta c = {lr * max_norm:g}$ are cut to that length.",
    )
    data = {"time": time, "start": start, "lr": lr, "max_norm": max_norm, "steps": steps}
    return Explorer("gb-wall", picture, {**data, "lost": LOST})


def _loss(w: Array, time: int) -> Array:
    powers = np.asarray(w)[..., None] ** np.arange(time)
    return np.asarray(np.square(powers - 1).sum(axis=-1) / 2)


def _slope(w: float, time: int) -> float:
    k = np.arange(1, time)
    return float(((w**k - 1) * k * w ** (k - 1)).sum())


def _path(start: float, time: int, lr: float, max_norm: float, steps: int) -> Array:
    """Follow the ball until it is lost, NaN from there on."""
    path = [start]
    for _ in range(steps):
        slope = _slope(path[-1], time)
        moved = path[-1] - lr * max(-max_norm, min(slope, max_norm))
        path.append(moved if abs(moved) < LOST else math.nan)
    return np.array(path)
