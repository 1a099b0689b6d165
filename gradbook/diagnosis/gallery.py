"""A gallery of networks with one fault each: what was built in, a number that shows it, a report.

To exhibit one more fault, add an `Exhibit`; the page, its table and the tests loop over `GALLERY`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from gradbook import precision
from gradbook.activations import Activation, identity, relu, sigmoid, tanh
from gradbook.checks import Array
from gradbook.diagnosis.cases import Case, cases, frozen_share, handed
from gradbook.diagnosis.diagnose_tensors import diagnose
from gradbook.diagnosis.report import Report
from gradbook.diagnosis.subjects import (
    Network,
    Recipe,
    Size,
    biased,
    chain,
    changed,
    recurrent,
    with_norms,
)
from gradbook.diagnosis.verdicts import Verdict
from gradbook.formats import true_minus
from gradbook.initializers import Initializer, he, lecun, orthogonal_with, scaled
from gradbook.normalized import batch_norm

DEPTH, WIDTH = 10, 32
"""Layers of most exhibits, and units of a hidden layer."""


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One network at the start of its training, with a fault that was built in.

    Attributes:
        recipe: Its name and fault, how it is drawn, and how its numbers are stored.
        activation: The activation of its hidden layers.
        depth: Its layers, or a third of its steps.
        seed: Of its generator.
    """

    recipe: Recipe
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
    def case(self) -> Case:
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
        """The number that shows the fault, by the definitions of `gradbook.diagnosis.cases`.

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
            return f"{100 * frozen_share(case):.0f} % of the weights stand still"
        return true_minus(f"D = {case.decades:z.1f}")


@cache
def _case(exhibit: Exhibit) -> Case:
    (case,) = cases(np.random.default_rng(exhibit.seed), exhibit.recipe, exhibit.size)
    return case


@cache
def _report(exhibit: Exhibit) -> Report:
    case = exhibit.case
    return diagnose(
        handed(case.recipe.fmt, case.gradients),
        weights=handed(case.recipe.fmt, case.weights),
        lr=case.recipe.lr,
        deltas=case.deltas,
        loss_scale=case.recipe.loss_scale,
    )


def _deep(what: str, init: Initializer, fault: Verdict, activation: Activation) -> Exhibit:
    name = f"{what}, weights of variance {init.variance(1, 1):g}/n"
    return Exhibit(Recipe(name, fault, partial(chain, init)), activation)


def _in_time(what: str, radius: float, fault: Verdict, activation: Activation) -> Exhibit:
    name = f"{what} steps of spectral radius {radius:g}"
    steps = partial(recurrent, orthogonal_with(radius))
    return Exhibit(Recipe(name, fault, steps=steps), activation)


def _narrow_pass(number: int, parameters: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"W": parameters["W"] / NARROWER} if number == DEPTH // 2 else {}


NARROWER = 1000
"""What the weights of one layer are divided by."""

LOWER = 2
"""What is taken from the biases of units that are to be off."""

DOUBLINGS = 24
"""How often the loss is doubled that is to overflow in float16."""

V = Verdict

HEALTHY = _deep("ReLU", he, V.HEALTHY, relu)
"""For comparison: nothing is wrong with it."""

SIGMOIDS = _deep("sigmoids", lecun, V.VANISHING, sigmoid)
"""Slopes of at most 1/4."""

NARROW_PASS = Exhibit(
    Recipe(f"one layer's weights times 1/{NARROWER}", V.VANISHING, partial(changed, _narrow_pass)),
    relu,
)
"""A healthy network but for the weights of one layer in the middle."""

LARGE = _deep("ReLU", scaled(12.0), V.EXPLODING, relu)
"""Weights too large for the activation."""

NO_PATH = Exhibit(
    Recipe(
        "deep batch normalization without a path", V.EXPLODING, partial(with_norms, batch_norm, he)
    ),
    relu,
    depth=30,
)
"""Each normalization multiplies the gradient by a little more than 1."""

DEAD = Exhibit(Recipe(f"ReLU, biases of minus {LOWER}", V.DEAD, partial(biased, -LOWER)), relu)
"""Units that are off for every example."""

ROUNDED = Exhibit(
    Recipe(
        "weights stored in bfloat16", V.FROZEN, partial(chain, he), fmt=precision.bfloat16, lr=1e-3
    ),
    relu,
)
"""A healthy gradient, whose steps are too small for the gaps of the format."""

OVERFLOWN = Exhibit(
    Recipe(
        f"loss scale of 2^{DOUBLINGS} in float16",
        V.NON_FINITE,
        partial(chain, he),
        fmt=precision.float16,
        loss_scale=2.0**DOUBLINGS,
    ),
    relu,
)
"""A healthy gradient, scaled beyond the largest number of float16."""

FORGETFUL = _in_time("tanh", 0.8, V.VANISHING, tanh)
"""A recurrent network that forgets."""

UNSTABLE = _in_time("linear", 1.3, V.EXPLODING, identity)
"""A recurrent network whose state grows, and the gradient with it."""

GALLERY: tuple[Exhibit, ...] = tuple(x for x in globals().values() if isinstance(x, Exhibit))
"""Every exhibit, in the order above."""
