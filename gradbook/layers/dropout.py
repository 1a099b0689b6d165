"""Dropout: leave out units at random, and scale the others up."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gradbook.checks import Array, finite, generator, positive_int
from gradbook.layers.base import Backward, Forward
from gradbook.layers.elementwise import Parameterless


@dataclass(frozen=True, eq=False)
class Dropout(Parameterless):
    r"""Keep some entries and leave out the others: `a = x * mask / keep`.

    If each entry of the mask is drawn to be kept with the probability $p$ (`keep`), then
    $E a = x p / p = x$: scaling at training time, called *inverted* dropout, leaves nothing to do
    at test time, where the layer is left out. The energy does not stay the same. It is $x^2/p^2$
    with the probability $p$, so that

    $$E a^2 = \frac{x^2}{p}, \qquad \operatorname{Var}(a) = x^2 \Bigl(\frac{1}{p} - 1\Bigr).$$

    The layer draws nothing itself: with its mask, a Boolean array that broadcasts to the input's
    shape, it is as fixed as any other.

    Examples:
        >>> layer = Dropout(np.array([[True, False]]), keep=0.5)
        >>> layer.forward(np.array([[3.0, 4.0]])).a.tolist()
        [[6.0, 0.0]]

    Source: Srivastava et al. 2014.
    """

    mask: NDArray[np.bool_]
    keep: float

    def __post_init__(self) -> None:
        """Check the mask and the probability."""
        if not isinstance(self.mask, np.ndarray) or self.mask.dtype != np.bool_:
            kind = getattr(self.mask, "dtype", type(self.mask).__name__)
            raise TypeError(f"mask must be a Boolean NumPy array, got {kind}")
        if self.mask.size == 0:
            raise ValueError(f"mask must not be empty, got an array of shape {self.mask.shape}")
        if not 0 < finite("keep", self.keep) <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, got {self.keep}")

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> Self:
        """Draw a mask whose entries are kept with the probability `keep`, each on its own.

        Its shape is mostly that of the input; `(1, width)` leaves out the same units for every
        example. With `keep=1` the layer is the identity.
        """
        sizes = [positive_int(f"shape[{i}]", size) for i, size in enumerate(shape)]
        keep = finite("keep", keep)
        return cls(np.asarray(generator("rng", rng).random(sizes) < keep), keep)

    def forward(self, x: Array) -> Forward:
        """Compute `a = x * mask / keep`."""
        return Forward(x, a=self._thinned("x", x))

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute $\partial L/\partial x = \partial L/\partial a \cdot \text{mask}/p$.

        The Jacobian is a diagonal matrix, so a gradient passes where its signal has passed, and is
        scaled up as its signal was.
        """
        return Backward(self._thinned("da", da), {})

    def _thinned(self, name: str, x: Array) -> Array:
        try:
            shape = np.broadcast_shapes(self.mask.shape, x.shape)
        except ValueError:
            shape = ()
        if shape[-2:] != x.shape[-2:]:
            raise ValueError(
                f"{name} must have a shape that mask {self.mask.shape} fits, got {x.shape}"
            )
        # Not a product: what is left out stays out, were it infinite.
        return np.where(self.mask, x / self.keep, np.zeros((), x.dtype))
