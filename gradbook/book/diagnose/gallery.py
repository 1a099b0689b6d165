"""A gallery of networks with one fault each: what was built in, a number that shows it, a report.

To exhibit one more fault, add an `Specimen`; the page, its table and the tests loop over `GALLERY`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from gradbook import precision
from gradbook.activations import Activation, identity, relu, sigmoid, tanh
from gradbook.book.diagnose.planted import PlantedCase, cases, handed, stuck_share
from gradbook.book.diagnose.subjects import (
    FaultRecipe,
    Network,
    Size,
    chain,
    changed,
    recurrent_steps,
    with_bias,
    with_norms,
)
from gradbook.checks import Array
from gradbook.diagnosis.diagnose_tensors import diagnose
from gradbook.diagnosis.reporting.report import Report
from gradbook.diagnosis.verdicts import Verdict
from gradbook.initializers import Initializer, he, lecun, orthogonal_with, scaled
from gradbook.networks.normalization import batch_norm
from gradbook.show.formats import true_minus

DEPTH, WIDTH = 10, 32
"""Layers of most exhibits, and units of a hidden layer."""


@dataclass(frozen=True, eq=False)
class Specimen:
    """One network at the start of its training, with a fault that was built in.

    Attributes:
        depth: Its layers, or a third of its steps.
    """

    recipe: FaultRecipe
    activation: Activation
    depth: int = DEPTH
    seed: int = 0

    @property
    def size(self) -> Size:
        """How large it is."""
        return Size(self.depth, WIDTH, self.activation, seeds=1)

    @property
    def name(self) -> str:
        """What was done to it."""
        return self.recipe.name

    @property
    def fault(self) -> Verdict:
        """What was built in, as a verdict."""
        return self.recipe.fault

    @property
    def network(self) -> Network:
        """The layers, with what enters them."""
        return self.recipe.network(np.random.default_rng(self.seed), self.size)

    @property
    def case(self) -> PlantedCase:
        """Its gradients as its owner has them, with the truth in float64."""
        return _case(self)

    @property
    def report(self) -> Report:
        """What the diagnosis says if it is given all there is: weights, learning rate and δ."""
        return _report(self)

    @property
    def starts_at(self) -> str:
        """Where the report says that it starts."""
        return self.report.since or "–"

    @property
    def per_layer(self) -> str:
        """The rate that the report prints."""
        rate = self.report.rate
        return "–" if rate is None else f"{rate.factor:.2f}"

    @property
    def shown_by(self) -> str:
        """The number that shows the fault, by the definitions of `gradbook.book.diagnose.planted`.

        Examples:
            >>> DEAD.shown_by
            '92 % of the units off'
        """
        case = self.case
        if self.fault is Verdict.NON_FINITE:
            lost = np.concatenate([~np.isfinite(g).ravel() for g in case.gradients.values()])
            return f"{100 * lost.mean():.0f} % of the gradients not finite"
        if self.fault is Verdict.DEAD:
            off = np.mean([(h == 0).all(axis=0).mean() for h in case.activations])
            return f"{100 * off:.0f} % of the units off"
        if self.fault is Verdict.FROZEN:
            return f"{100 * stuck_share(case):.0f} % of the weights stand still"
        return true_minus(f"D = {case.decades:z.1f}")


@cache
def _case(exhibit: Specimen) -> PlantedCase:
    (case,) = cases(np.random.default_rng(exhibit.seed), exhibit.recipe, exhibit.size)
    return case


@cache
def _report(exhibit: Specimen) -> Report:
    case = exhibit.case
    return diagnose(
        handed(case.recipe.fmt, case.gradients),
        weights=handed(case.recipe.fmt, case.weights),
        lr=case.recipe.lr,
        deltas=case.deltas,
        loss_scale=case.recipe.loss_scale,
    )


def _deep(what: str, init: Initializer, fault: Verdict, activation: Activation) -> Specimen:
    name = f"{what}, weights of variance {init.variance(1, 1):g}/n"
    return Specimen(FaultRecipe(name, fault, partial(chain, init)), activation)


def _in_time(what: str, radius: float, fault: Verdict, activation: Activation) -> Specimen:
    name = f"{what} steps of spectral radius {radius:g}"
    steps = partial(recurrent_steps, orthogonal_with(radius))
    return Specimen(FaultRecipe(name, fault, steps=steps), activation)


def _narrow_pass(number: int, parameters: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"W": parameters["W"] / NARROWER} if number == DEPTH // 2 else {}


NARROWER = 1000
"""What the weights of one layer are divided by."""

_LOWER = 2
"""What is taken from the biases of units that are to be off."""

_DOUBLINGS = 24
"""How often the loss is doubled that is to overflow in float16."""

_V = Verdict

HEALTHY = _deep("ReLU", he, _V.HEALTHY, relu)
"""For comparison: nothing is wrong with it."""

SIGMOIDS = _deep("sigmoids", lecun, _V.VANISHING, sigmoid)
"""Slopes of at most 1/4."""

NARROW_PASS = Specimen(
    FaultRecipe(
        f"one layer's weights times 1/{NARROWER}", _V.VANISHING, partial(changed, _narrow_pass)
    ),
    relu,
)
"""A healthy network but for the weights of one layer in the middle."""

LARGE = _deep("ReLU", scaled(12.0), _V.EXPLODING, relu)
"""Weights too large for the activation."""

NO_PATH = Specimen(
    FaultRecipe(
        "deep batch normalization without a path", _V.EXPLODING, partial(with_norms, batch_norm, he)
    ),
    relu,
    depth=30,
)
"""Each normalization multiplies the gradient by a little more than 1."""

DEAD = Specimen(
    FaultRecipe(f"ReLU, biases of minus {_LOWER}", _V.DEAD, partial(with_bias, -_LOWER)), relu
)
"""Units that are off for every example."""

ROUNDED = Specimen(
    FaultRecipe(
        "weights stored in bfloat16", _V.FROZEN, partial(chain, he), fmt=precision.bfloat16, lr=1e-3
    ),
    relu,
)
"""A healthy gradient, whose steps are too small for the gaps of the format."""

OVERFLOWN = Specimen(
    FaultRecipe(
        f"loss scale of 2^{_DOUBLINGS} in float16",
        _V.NON_FINITE,
        partial(chain, he),
        fmt=precision.float16,
        loss_scale=2.0**_DOUBLINGS,
    ),
    relu,
)
"""A healthy gradient, scaled beyond the largest number of float16."""

FORGETFUL = _in_time("tanh", 0.8, _V.VANISHING, tanh)
"""A recurrent network that forgets."""

UNSTABLE = _in_time("linear", 1.3, _V.EXPLODING, identity)
"""A recurrent network whose state grows, and the gradient with it."""

GALLERY: tuple[Specimen, ...] = tuple(x for x in globals().values() if isinstance(x, Specimen))
"""Every exhibit, in the order above."""
