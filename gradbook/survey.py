r"""Survey what initializers leave of a gradient: predicted and measured, at several depths at once.

The answer is a number of **decades**, $\log_{10} \lVert\partial L/\partial x\rVert$ for a gradient
of length 1 on the output: -3 means that a thousandth of it arrives at the input.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradbook.checks import Array, generator, positive_int
from gradbook.meanfield import propagate
from gradbook.measure import Recipe, boundary_norms
from gradbook.networks import plain


def predicted_decades(recipe: Recipe, depth: int, width: int) -> float:
    r"""Predict $\frac12 \log_{10} \prod_l \chi(q_l)$ at $\sigma_w^2 = n \mathrm{Var}(w)$.

    The input has a mean square of 1, and there are no biases.

    Args:
        recipe: Activation and initializer.
        depth: Number of layers.
        width: Units in each layer, $n$.

    Returns:
        The decades, negative where the gradient shrinks; those of the mean energy.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is not positive, or the length of the signal overflows.

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.initializers import torch_linear
        >>> f"{predicted_decades(Recipe('default', relu, torch_linear), 10, 100):.2f}"
        '-3.89'
    """
    width = positive_int("width", width)
    sigma_w2 = width * recipe.initializer.variance(width, width)
    net = propagate(recipe.activation, depth, sigma_w2)
    # Summed as logarithms, because the product itself may underflow.
    return 0.5 * math.fsum(np.log10(net.chi))


def measured_decades(
    rng: np.random.Generator, recipe: Recipe, depths: Sequence[int], *, width: int, draws: int
) -> Array:
    r"""Measure $\log_{10} \lVert\partial L/\partial x\rVert$ in networks that were never trained.

    Each draw is one network of the largest depth, whose first layers serve as the shallower ones.
    Each depth has a random gradient of length 1 on its own output.

    Args:
        rng: The random generator.
        recipe: Activation and initializer.
        depths: Numbers of layers.
        width: Units in each layer, inputs and outputs included.
        draws: Number of networks, each with one input from $N(0, 1)$ per unit and no biases.

    Returns:
        The decades, shape (draws, depths).

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If there is no depth, or a size is not positive.

    Examples:
        >>> from gradbook.activations import identity
        >>> from gradbook.initializers import orthogonal_with
        >>> tenth = Recipe("a tenth per layer", identity, orthogonal_with(0.1))
        >>> measured_decades(np.random.default_rng(0), tenth, (1, 3), width=4, draws=2).round(9)
        array([[-1., -3.],
               [-1., -3.]])
    """
    rng, width = generator("rng", rng), positive_int("width", width)
    sizes = [positive_int(f"depths[{i}]", depth) for i, depth in enumerate(depths)]
    if not sizes:
        raise ValueError("depths must hold at least one number of layers, got none")
    rows = []
    for _ in range(positive_int("draws", draws)):
        layers = plain(
            rng,
            [width] * (max(sizes) + 1),
            recipe.activation,
            recipe.initializer,
            output_activation=recipe.activation,
            bias_variance=None,
        )
        x, da = rng.standard_normal((2, 1, width))
        da /= np.linalg.norm(da)
        rows.append([boundary_norms(layers[:depth], x, da)[0] for depth in sizes])
    return np.log10(rows)


@dataclass(frozen=True)
class Finding:
    r"""Hold what is left of a gradient at one depth, in decades.

    Args:
        recipe: Activation and initializer.
        depth: Number of layers.
        predicted: Decades of the mean energy, for an infinite width.
        measured: Mean decades over the networks.
        error: Its standard error.
    """

    recipe: Recipe
    depth: int
    predicted: float
    measured: float
    error: float


def survey(
    rng: np.random.Generator,
    recipes: Sequence[Recipe],
    depths: Sequence[int],
    *,
    width: int,
    draws: int,
) -> list[Finding]:
    r"""Put prediction beside measurement for every recipe at every depth.

    Args:
        rng: The random generator.
        recipes: Activations with initializers.
        depths: Numbers of layers.
        width: Units in each layer.
        draws: Number of networks for each recipe, at least 2.

    Returns:
        The findings, recipe by recipe, each from the first depth to the last.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If there is no depth, a size is not positive, or there is only one draw.

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.initializers import lecun
        >>> recipes = [Recipe("ReLU", relu, lecun)]
        >>> (found,) = survey(np.random.default_rng(0), recipes, [10], width=200, draws=20)
        >>> f"{found.predicted:.2f}, {found.measured:.2f} ± {found.error:.2f}"
        '-1.51, -1.54 ± 0.02'
    """
    if positive_int("draws", draws) < 2:
        raise ValueError(f"draws must be at least 2 for an error bar, got {draws}")
    findings = []
    for recipe in recipes:
        decades = measured_decades(rng, recipe, depths, width=width, draws=draws)
        errors = decades.std(axis=0, ddof=1) / math.sqrt(draws)
        for depth, mean, error in zip(depths, decades.mean(axis=0), errors, strict=True):
            predicted = predicted_decades(recipe, depth, width)
            findings.append(Finding(recipe, depth, predicted, float(mean), float(error)))
    return findings
