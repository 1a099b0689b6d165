"""A gallery of networks with one fault each: what was built in, a number that shows it, a report.

To exhibit one more fault, add an `Exhibit`; the page, its table and the tests loop over `GALLERY`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from gradbook import precision
from gradbook.activations import Activation, identity, relu, sigmoid, tanh
from gradbook.checks import Array
from gradbook.diagnosis.arrays import Tensors
from gradbook.diagnosis.cases import Case, cases, frozen_share
from gradbook.diagnosis.diagnose_tensors import diagnose
from gradbook.diagnosis.report import Report
from gradbook.diagnosis.storage import BFLOAT16, Tensor
from gradbook.diagnosis.subjects import Network, Recipe, Size
from gradbook.diagnosis.verdicts import Verdict
from gradbook.formats import true_minus
from gradbook.initializers import Initializer, he, lecun, orthogonal_with, scaled
from gradbook.layers import Layer
from gradbook.networks import plain, unrolled
from gradbook.normalized import batch_norm, normalized
from gradbook.precision import Format, bfloat16

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


def handed(fmt: Format, arrays: Mapping[str, Array]) -> Tensors | Mapping[str, Array]:
    """Hand over arrays in their own format, also in bfloat16, which NumPy does not know.

    Args:
        fmt: The format that the numbers are rounded to.
        arrays: Them, by name.

    Returns:
        What `gradbook.diagnose` takes.

    Examples:
        >>> found = handed(bfloat16, {"W": np.ones((2, 2), np.float32)})
        >>> found["W"].storage.name
        'bfloat16'
    """
    if fmt is not bfloat16:
        return arrays

    def tensor(name: str) -> Callable[[], Tensor]:
        bits = np.ascontiguousarray(arrays[name], np.float32).view(np.uint32) >> 16
        return lambda: Tensor(name, bits.astype(np.uint16), BFLOAT16)

    return Tensors({name: tensor(name) for name in arrays})


def _chain(init: Initializer, rng: np.random.Generator, size: Size) -> tuple[list[Layer], range]:
    layers = plain(rng, size.widths, size.activation, init, ensemble=(size.seeds,))
    return layers, range(1, len(layers))


def _changed(
    change: Callable[[int, Mapping[str, Array]], Mapping[str, Array]],
    rng: np.random.Generator,
    size: Size,
) -> tuple[list[Layer], range]:
    """Draw a healthy network, and change the parameters of its hidden layers."""
    layers, ends = _chain(he, rng, size)
    hidden = [
        layer.with_parameters({**layer.parameters, **change(number, layer.parameters)})
        for number, layer in enumerate(layers[:-1], start=1)
    ]
    return [*hidden, layers[-1]], ends


def _low_biases(number: int, parameters: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"b": parameters["b"] - 2.0}


def _narrow_pass(number: int, parameters: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"W": parameters["W"] * (1e-3 if number == DEPTH // 2 else 1.0)}


def _normalized(rng: np.random.Generator, size: Size) -> tuple[list[Layer], range]:
    ensemble = (size.seeds,)
    layers = normalized(rng, size.widths, size.activation, he, batch_norm, ensemble=ensemble)
    return layers, range(3, len(layers), 3)


def _in_time(radius: float, rng: np.random.Generator, size: Size, inputs: Array) -> list[Layer]:
    return unrolled(
        rng,
        size.width,
        len(inputs),
        size.activation,
        orthogonal_with(radius),
        inputs=inputs,
        input_initializer=lecun,
        ensemble=(size.seeds,),
    )


V = Verdict

HEALTHY = Exhibit(Recipe("ReLU, weights of variance 2/n", V.HEALTHY, partial(_chain, he)), relu)
"""For comparison: nothing is wrong with it."""

SIGMOIDS = Exhibit(
    Recipe("sigmoids, weights of variance 1/n", V.VANISHING, partial(_chain, lecun)), sigmoid
)
"""Slopes of at most 1/4."""

NARROW_PASS = Exhibit(
    Recipe("one layer's weights times 1/1000", V.VANISHING, partial(_changed, _narrow_pass)), relu
)
"""A healthy network but for the weights of one layer in the middle."""

LARGE = Exhibit(
    Recipe("ReLU, weights of variance 12/n", V.EXPLODING, partial(_chain, scaled(12.0))), relu
)
"""Weights too large for the activation."""

NO_PATH = Exhibit(
    Recipe("deep batch normalization without a path", V.EXPLODING, _normalized), relu, depth=30
)
"""Each normalization multiplies the gradient by a little more than 1."""

DEAD = Exhibit(Recipe("ReLU, biases of minus 2", V.DEAD, partial(_changed, _low_biases)), relu)
"""Units that are off for every example."""

ROUNDED = Exhibit(
    Recipe(
        "weights stored in bfloat16", V.FROZEN, partial(_chain, he), fmt=precision.bfloat16, lr=1e-3
    ),
    relu,
)
"""A healthy gradient, whose steps are too small for the gaps of the format."""

OVERFLOWN = Exhibit(
    Recipe(
        "loss scale of 2^24 in float16",
        V.NON_FINITE,
        partial(_chain, he),
        fmt=precision.float16,
        loss_scale=2.0**24,
    ),
    relu,
)
"""A healthy gradient, scaled beyond the largest number of float16."""

FORGETFUL = Exhibit(
    Recipe("tanh steps of spectral radius 0.8", V.VANISHING, steps=partial(_in_time, 0.8)), tanh
)
"""A recurrent network that forgets."""

UNSTABLE = Exhibit(
    Recipe("linear steps of spectral radius 1.3", V.EXPLODING, steps=partial(_in_time, 1.3)),
    identity,
)
"""A recurrent network whose state grows, and the gradient with it."""

GALLERY: tuple[Exhibit, ...] = tuple(x for x in globals().values() if isinstance(x, Exhibit))
"""Every exhibit, in the order above."""
