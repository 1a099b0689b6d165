r"""What the book calls vanishing, exploding, dead and frozen: one definition for every page.

Let $r_l$ be the root of the mean square of $\partial L/\partial h_l$ behind hidden layer $l$, over
batch and units, or behind step $l$ (of an LSTM on its state, $h$ and $c$ together), and
$D = \log_{10}(r_1/r_{\text{last}})$, the *decades*:

- vanishing: $D \le -2$; exploding: $D \ge 2$; healthy: $|D| \le 1$;
- dead units: at least 3/4 of all hidden units are off for every example, that is, put out exactly
  0. Half would not do: in a healthy deep ReLU network all examples become alike, and up to half of
  the units are off for all;
- frozen: at least half of the weights stay as they are, bit for bit, in their own number format;
  weights whose gradient is exactly 0 do not count.
"""

from collections.abc import Iterable

import numpy as np

from gradbook.checks import Array

DECADES, HEALTHY_DECADES, OFF, FROZEN = 2.0, 1.0, 0.75, 0.5
"""The numbers of the definitions."""


def _rms(x: Array) -> Array:
    return np.asarray(np.sqrt(np.square(x).mean(axis=(-2, -1))))


def decades(first: Array, last: Array) -> Array:
    """Return $D$ for each network: of its gradient behind the first layer or step and the last.

    Examples:
        >>> decades(np.full((5, 8, 3), 0.01), np.ones((5, 8, 3))).round(6).tolist()
        [-2.0, -2.0, -2.0, -2.0, -2.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(_rms(first)) - np.log10(_rms(last)))


def off_share(outputs: Iterable[Array]) -> Array:
    """Return the share of units whose output is 0 for every example, the mean over layers.

    Examples:
        >>> off_share([np.array([[0.0, 1.0], [0.0, 0.0]])]).tolist()
        0.5
    """
    return np.asarray(np.mean([(h == 0).all(axis=-2).mean(axis=-1) for h in outputs], axis=0))
