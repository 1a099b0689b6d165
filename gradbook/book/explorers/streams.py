r"""A residual stream: what its blocks make of a gradient, and on which routes it comes.

A block on a path adds the share $\beta_l$ of the energy that passes by: $\alpha^2$ where it
keeps the energy it gets, and $\alpha^2/q_{l-1}$ where its input is normalized, with the stream's
mean square $q_l = 1 + \alpha^2 l$. Going back through it multiplies the energy of a gradient by
$1 + \beta_l$ on average, and a share $\beta_l/(1 + \beta_l)$ of it has crossed the block.

Source: Veit, Wilber & Belongie 2016 for the routes; Zhang, Dauphin & Ma 2019 for the energies.
"""

import numpy as np

from gradbook.book.explorers.explorer import Explorer
from gradbook.checks import Array, positive, positive_int
from gradbook.show.figures import lines
from gradbook.show.formats import fixed_text, scientific_text

KINDS = ("scaled", "pre-norm")
"""Blocks that get the stream as it is, and blocks that get it normalized."""


def stream(
    *, kind: str = "scaled", scale: float = 0.25, blocks: int = 16, most: int = 64
) -> Explorer:
    r"""Show the gradient's energy on its way back, for three ways to add blocks.

    Args:
        kind: The one shown first where scripts run.
        scale: $\alpha$ there.
        blocks: $L$.
        most: As many blocks as a reader can set.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    scale, blocks = positive("scale", scale), positive_int("blocks", blocks)
    branches = {
        "α = 1": _branches("scaled", 1.0, blocks),
        "α = 1/√L": _branches("scaled", blocks**-0.5, blocks),
        "pre-norm, α = 1": _branches("pre-norm", 1.0, blocks),
    }
    energies = {name: _energies(beta) for name, beta in branches.items()}
    ends = "; ".join(
        f"{_number(energies[name][-1])} with {name}, on routes of {_crossed(beta).sum():.1f} blocks"
        for name, beta in branches.items()
    )
    picture = lines(
        np.arange(blocks + 1),
        energies,
        log_y=True,
        x_label="blocks after it, from the output",
        y_label="energy of the gradient",
        alt=f"Energy of a gradient after {blocks} blocks, that at the output being 1: {ends}.",
        caption=f"What {blocks} random blocks on a path make of a gradient's energy, on average: "
        f"{ends} on average, weighted by the energy that they bring.",
    )
    data = {"kind": kind, "power": float(np.log10(scale).round(2)), "blocks": blocks, "most": most}
    return Explorer("gb-stream", picture, data)


def _branches(kind: str, scale: float, blocks: int) -> Array:
    """Return each block's share beside the path's one, from the input on."""
    before = np.arange(blocks) if kind == "pre-norm" else np.zeros(blocks)
    return np.asarray(scale**2 / (1 + scale**2 * before))


def _energies(branches: Array) -> Array:
    return np.concatenate([[1.0], np.cumprod(1 + branches[::-1])])


def _crossed(branches: Array) -> Array:
    return np.asarray(branches / (1 + branches))


def _number(x: float) -> str:
    return fixed_text(x, 1) if x < 1000 else scientific_text(x, 2)
