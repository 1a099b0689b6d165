r"""A forget gate that only its bias moves: what is left of an impulse, and how large a cell grows.

With $f = \sigma(b)$ and $i = \sigma(a)$ the cell $c_t = f c_{t-1} + i x_t$ keeps $f^k$ of what
came in $k$ steps ago. Fed with independent inputs of mean square 1, its own mean square after $t$
steps is $i^2 (1 - f^{2t})/(1 - f^2)$.

Source: Gers et al. 2000; Tallec and Ollivier 2018.
"""

import math

import numpy as np

from gradbook.book.explorers.explorer import Explorer
from gradbook.checks import finite, positive_int
from gradbook.show.figures import lines
from gradbook.show.formats import fixed_text, scientific_text


def gate(*, bias: float = 1.0, entering: float = 0.0, lag: int = 50, most: int = 200) -> Explorer:
    r"""Show how a forget bias sets the memory of a cell, and the input bias its size.

    Args:
        bias: $b$, the bias of the forget gate.
        entering: $a$, the bias of the input gate.
        lag: The lag that is pointed out.
        most: The longest lag, and the last step.
    """
    b, a = finite("bias", bias), finite("entering", entering)
    lag, most = positive_int("lag", lag), positive_int("most", most)
    lags = np.arange(most + 1)
    chrono = math.log(most - 1)
    kept = {f"b = {each:.3g}": (1 + math.exp(-each)) ** -lags.astype(float) for each in (b, chrono)}
    first, last = (float(left[lag]) for left in kept.values())
    told = [scientific_text(first, 1), fixed_text(last, 2)]
    picture = lines(
        lags,
        kept,
        x_label="lag k",
        y_label="what is left of an impulse",
        alt=f"With a forget bias of {b:g} an impulse is down to {told[0]} after {lag} steps; with "
        f"one of {chrono:.2f}, {told[1]} are left.",
        caption=rf"What a cell keeps of an impulse, $\sigma(b)^k$, for a forget bias of {b:g} and "
        rf"of $\ln(T - 1)$ with $T = {most}$.",
    )
    data = {"bias": b, "entering": a, "lag": lag, "most": most}
    return Explorer("gb-gate", picture, data)
