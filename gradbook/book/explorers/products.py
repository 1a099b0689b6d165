r"""An arrow through many 2 by 2 matrices: what stretches once, and what stretches for ever.

A matrix $J$ lengthens an arrow by at most its largest singular value, $\lVert J v \rVert \le
s_{\max} \lVert v \rVert$. Under the same matrix again and again the length grows like
$\rho^n$, with the spectral radius $\rho \le s_{\max}$; on the way it may grow before it
shrinks. Where the matrices differ, the products of neither number decide.

Source: Trefethen & Embree 2005.
"""

import numpy as np

from gradbook.book.explorers.explorer import Explorer
from gradbook.checks import Array, generator, positive, positive_int
from gradbook.show.figures import lines
from gradbook.show.formats import scientific_text

TURN = 0.6
"""Radians by which the matrix that turns turns."""


def arrow(
    rng: np.random.Generator, *, gain: float = 0.9, shear: float = 1.0, factors: int = 30
) -> Explorer:
    r"""Show the way of an arrow through $J_1, J_2, \dots$, and its length beside two bounds.

    The kinds are `turn`, gain times a rotation, where $s_{\max} = \rho$ = gain; `shear`,
    $\begin{pmatrix} g & s \\ 0 & g \end{pmatrix}$, where $\rho = g < s_{\max}$; and `random`,
    gain times draws with entries from $N(0, 1)$.

    Args:
        rng: The random generator, drawn from for the matrices.
        gain: $g$, shown first, below 1.
        shear: $s$, shown first.
        factors: How many matrices there are.
    """
    gain, factors = positive("gain", gain), positive_int("factors", factors)
    if gain >= 1:
        raise ValueError(f"gain must be below 1, so that the arrow of the figure dies, got {gain}")
    matrix = np.array([[gain, shear], [0.0, gain]])
    stretch = float(np.linalg.norm(matrix, 2))
    lengths = _lengths(matrix, factors)
    n, peak = np.arange(factors + 1), int(np.argmax(lengths))
    highest, last = f"{lengths[peak]:.2f}", scientific_text(lengths[-1], 2)
    picture = lines(
        n,
        {"s_max to the n": stretch**n, "the arrow": lengths, "ρ to the n": gain**n},
        log_y=True,
        x_label="factors n",
        y_label="length",
        alt=f"The arrow's length goes from 1 to {highest} after {peak} factors and to {last} after "
        f"{factors}, between two straight lines: one rises by {stretch:.2f} per factor, the "
        f"other falls by {gain:.2f}.",
        caption=r"An arrow sent again and again through a matrix that shears: "
        rf"$s_{{\max}} = {stretch:.2f}$ says that it may grow, $\rho = {gain:.2f}$ that it "
        f"shrinks in the end. It grows to {highest} times its length first.",
    )
    draws = _draws(rng, factors)
    data = {"gain": gain, "shear": shear, "turn": TURN, "draws": draws.tolist()}
    return Explorer("gb-arrow", picture, data)


def _draws(rng: np.random.Generator, factors: int) -> Array:
    """Draw the matrices of the kind `random`, to four decimals, which is what a page carries."""
    return np.asarray(generator("rng", rng).standard_normal((factors, 2, 2)).round(4))


def _lengths(matrix: Array, factors: int) -> Array:
    """Return the lengths of an arrow that starts as (0, 1)."""
    v = [np.array([0.0, 1.0])]
    for _ in range(factors):
        v.append(matrix @ v[-1])
    return np.asarray(np.linalg.norm(v, axis=1))
