r"""One row of attention: how sharp its weights are, and how much gradient comes back through them.

The scores are a size $s$ times normal numbers, the weights $p$ their softmax. The entropy $H$ says
that the weights are as even as those of $e^H$ keys. The Jacobian of the softmax has the squared
norm $\sum p^2 - 2 \sum p^3 + (\sum p^2)^2$; its norm is shown beside that of equal
weights, so it is one at $s = 0$, and zero where one key has all the weight.

Source: Vaswani et al. 2017, section 3.2.1, for the concern; Derrida 1981 for the sharp side.
"""

import numpy as np

from gradbook.book.explorers.explorer import Explorer
from gradbook.checks import Array, generator, non_negative, positive_int
from gradbook.show.figures import lines

LARGEST = 16.0
"""The largest size of scores that a reader can set."""


def attention(
    rng: np.random.Generator, *, size: float = 1.0, keys: int = 16, most: int = 64, rows: int = 4000
) -> Explorer:
    r"""Show what rows of attention let through, for scores of a size from zero on.

    Args:
        rng: The random generator, drawn from for the figure's rows, then for the explorer's.
        size: $s$, shown first where scripts run.
        keys: $T$.
        most: As many keys as a reader can set.
        rows: Rows that the figure is about.
    """
    generator("rng", rng)
    size, keys = non_negative("size", size), positive_int("keys", keys)
    drawn = rng.standard_normal((positive_int("rows", rows), keys))
    sizes = np.linspace(0, LARGEST, 33)
    weights = [_weights(s * drawn) for s in sizes]
    through = np.array([_passed(p) for p in weights])
    shown = {name: np.quantile(through, q, axis=1) for name, q in _ROWS.items()}
    middle, low = shown.values()
    sharp = np.array([p.max(axis=-1).mean() for p in weights])
    at = {s: int(np.argmin(np.abs(sizes - s))) for s in (1.0, 8.0)}
    told = "; ".join(
        f"scores of size {s:g}: {middle[n]:.2f} in the median row, {low[n]:.3g} or less in one of "
        f"ten, {100 * sharp[n]:.0f} % of the weight on one key"
        for s, n in at.items()
    )
    picture = lines(
        sizes,
        shown,
        x_label="size of the scores",
        y_label="gradient that comes through",
        alt=f"The gradient rises above that of equal weights and then falls. S{told[1:]}.",
        caption=f"What a row of attention over {keys} keys lets through to its scores, beside one "
        "of equal weights: norms, root mean square over random gradients; "
        f"{rows} rows of independent normal scores. S{told[1:]}.",
    )
    draws = rng.standard_normal(positive_int("most", most)).round(3)
    return Explorer("gb-attention", picture, {"draws": draws.tolist(), "size": size, "keys": keys})


_ROWS = {"the median row": 0.5, "a row in ten has less": 0.1}


def _weights(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _passed(p: Array) -> Array:
    keys, two, three = p.shape[-1], (p**2).sum(axis=-1), (p**3).sum(axis=-1)
    squared = np.maximum(two - 2 * three + two**2, 0)
    return np.asarray(np.sqrt(squared * keys**2 / (keys - 1)))
