"""Hold some networks whose fault is measured, as all forms of handing over have them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gradbook.activations import Activation, relu, sigmoid, tanh
from gradbook.book.diagnose.planted import cases
from gradbook.book.diagnose.subjects import (
    INPUTS,
    DrawNetworks,
    FaultRecipe,
    Size,
    chain,
    with_bias,
    with_norms,
)
from gradbook.checks import Array
from gradbook.diagnosis.verdicts import Verdict
from gradbook.initializers import Initializer, he, lecun, scaled
from gradbook.layers import Dense, Layer
from gradbook.networks import plain
from gradbook.networks.normalization import batch_norm, layer_norm

WIDTH = 36
"""Units of a hidden layer: as many as four channels of three by three."""


def _narrowing(
    init: Initializer, rng: np.random.Generator, size: Size
) -> tuple[list[Layer], range]:
    """Draw plain networks whose layers become narrower: their shapes tell an order, too."""
    hidden = np.linspace(size.width, size.width // 2, size.depth - 1).astype(int).tolist()
    widths = [INPUTS, *hidden, size.classes]
    return plain(rng, widths, size.activation, init, ensemble=(size.seeds,)), range(1, size.depth)


def _rounded(z: ArrayLike) -> Array:
    return np.round(np.asarray(z, np.float64))


def _no_slope(z: ArrayLike) -> Array:
    return np.zeros_like(np.asarray(z, np.float64))


def _cut(rng: np.random.Generator, size: Size) -> tuple[list[Layer], range]:
    """Draw healthy networks but for a layer in the middle whose activation has no slope."""
    layers, ends = chain(he, rng, size)
    middle = layers[size.depth // 2].parameters
    flat = Activation("rounded", _rounded, _no_slope, 0.0)
    layers[size.depth // 2] = Dense(middle["W"], middle["b"], flat)
    return layers, ends


_V = Verdict
_HE = partial(chain, he)


class Drawn(NamedTuple):
    """How a network is drawn, and how many layers it has; the fault is what was built in."""

    fault: Verdict
    draw: DrawNetworks
    depth: int = 10
    activation: Activation = relu
    lr: float = 0.01


NETWORKS: Mapping[str, Drawn] = {
    "healthy": Drawn(_V.HEALTHY, _HE),
    "healthy, narrowing": Drawn(_V.HEALTHY, partial(_narrowing, lecun), 6, tanh),
    "layer normalization": Drawn(_V.HEALTHY, partial(with_norms, layer_norm, he), 12),
    "sigmoids": Drawn(_V.VANISHING, partial(chain, lecun), 8, sigmoid),
    "small weights": Drawn(_V.VANISHING, partial(chain, scaled(0.7)), 24),
    "small weights, narrowing": Drawn(_V.VANISHING, partial(_narrowing, scaled(0.3)), 12),
    "large weights": Drawn(_V.EXPLODING, partial(chain, scaled(12.0)), lr=1e-6),
    "large weights, narrowing": Drawn(_V.EXPLODING, partial(_narrowing, scaled(12.0)), 12, lr=1e-6),
    "batch normalization": Drawn(_V.EXPLODING, partial(with_norms, batch_norm, he), 24),
    "units off": Drawn(_V.DEAD, partial(with_bias, -2.0)),
    "cut": Drawn(_V.CUT, _cut),
    "tiny steps": Drawn(_V.FROZEN, _HE, lr=1e-7),
    "not finite": Drawn(_V.NON_FINITE, _HE),
}
"""Every network that is handed over."""


class Part(NamedTuple):
    """One tensor: of which layer of weights, counted from 0, or of the normalization behind it."""

    at: int
    norm: bool
    bias: bool


@dataclass(frozen=True, eq=False)
class Subject:
    """A network as all forms hand it over.

    Attributes:
        truth: What was built in, borne out by a number as in `planted`.
        deltas: By layer of weights, first to last; the last is the output's.
    """

    truth: Verdict
    lr: float
    gradients: Mapping[Part, Array]
    weights: Mapping[Part, Array]
    deltas: Mapping[int, Array]

    @property
    def layers(self) -> int:
        """How many layers of weights there are."""
        return len(self.deltas)

    @property
    def normalized(self) -> bool:
        """Whether normalizations stand between."""
        return any(part.norm for part in self.gradients)


@cache
def subject(name: str) -> Subject:
    """Draw a network and measure its truth: a cut is a fall in which exactly nothing is left.

    Examples:
        >>> all(subject(name).truth is drawn.fault for name, drawn in NETWORKS.items())
        True
    """
    of = NETWORKS[name]
    cut, lost = of.fault is _V.CUT, of.fault is _V.NON_FINITE
    fault = _V.VANISHING if cut else of.fault
    recipe = FaultRecipe(name, fault, of.draw, lr=of.lr, planted=lost)
    size = Size(of.depth, WIDTH, of.activation, seeds=1)
    [case] = cases(np.random.default_rng(1), recipe, size)
    if case.truth is None or (cut and case.decades != -np.inf):
        raise ValueError(f"{name} must be {of.fault.value}, got {case.decades:.1f} decades")
    parts = dict(zip(case.gradients, _parts(case.gradients), strict=True))
    return Subject(
        truth=of.fault,
        lr=of.lr,
        gradients={part: case.gradients[name] for name, part in parts.items()},
        weights={part: case.weights[name] for name, part in parts.items()},
        deltas=dict(enumerate([*case.deltas.values()][::-1])),
    )


def _parts(gradients: Mapping[str, Array]) -> Iterator[Part]:
    at, norm = -1, False
    for name, gradient in gradients.items():
        bias = name.endswith("bias")
        if not bias:
            norm = gradient.ndim == 1
            at += not norm
        yield Part(at, norm, bias)
