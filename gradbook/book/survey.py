r"""Survey what pairs of an activation and an initializer leave of a gradient, at many depths.

The answer is a number of **decades**, $\log_{10} \lVert\partial L/\partial x\rVert$ for a gradient
of length 1 on the output: -3 means that a thousandth of its length arrives at the input.
"""

import math
from collections.abc import Sequence

import numpy as np

from gradbook.activations import Activation, elu, gelu, relu, selu, sigmoid, silu, tanh
from gradbook.book.claims.keeping import measured_once
from gradbook.book.explorers import Survey
from gradbook.checks import Array, generator, positive_int
from gradbook.initializers import Initializer, gain, he, lecun, orthogonal, torch_linear
from gradbook.measure import Recipe
from gradbook.theory.gaussian import expectation
from gradbook.theory.meanfield import propagate

ACTIVATIONS = (sigmoid, tanh, relu, gelu, silu, elu, selu)
INITIALIZERS = (torch_linear, lecun, he, orthogonal)
DEPTHS = (1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 35, 40, 45, 50)
OWN = "its own gain"
"""Normal weights of variance gain²/n, with the gain of the activation at length one."""


def predicted_decades(recipe: Recipe, depth: int, width: int) -> float:
    r"""Predict $\frac12 \log_{10} \prod_l \chi(q_l)$ at $\sigma_w^2 = n \mathrm{Var}(w)$.

    The input has a mean square of 1, and there are no biases.

    Returns:
        The decades, negative where the gradient shrinks; those of the mean energy.

    Examples:
        >>> f"{predicted_decades(Recipe('default', relu, torch_linear), 10, 100):.2f}"
        '-3.89'
    """
    width = positive_int("width", width)
    sigma_w2 = width * recipe.initializer.variance(width, width)
    net = propagate(recipe.activation, depth, sigma_w2)
    # Summed as logarithms, because the product itself may underflow.
    return 0.5 * math.fsum(np.log10(net.chi))


def typical_decades(recipe: Recipe, depth: int, width: int) -> float:
    r"""Predict the mean logarithm, which in layers of finite width lies below that of the mean.

    A layer takes the vector $\delta$ to entries $f'(z_i) (W \delta)_i$. Given $\delta$, those of $W
    \delta$ are independent and nearly normal, so the energy of the $n$ products has the relative
    variance $(3 m - 1)/n$, with $m = E f'^4 / (E f'^2)^2$. A product of such factors has a
    mean logarithm lower by half of it per layer, and the norm by a quarter, to first order in $1/n$
    and apart from what the length of the signal does:

    $$\frac12 \log_{10} \prod_l \chi(q_l) - \frac{\log_{10} e}{4n} \sum_l (3 m_l - 1).$$

    For the ReLU, $m = 2$, the variance is $5/n$. An orthogonal $W$ turns $\delta$ without changing
    its length, so that its own part goes, and $3 m - 3$ is left.

    Examples:
        >>> from gradbook.initializers import he
        >>> f"{typical_decades(Recipe('', relu, he), 50, 100):.3f}"
        '-0.271'

    Source: Hanin & Nica 2020 for the ReLU.
    """
    f, w2 = recipe.activation, width * recipe.initializer.variance(width, width)
    own = 3.0 if recipe.initializer is orthogonal else 1.0
    net = propagate(f, depth, w2)
    spread = 0.0
    for scale, chi in zip(np.sqrt(net.q), net.chi, strict=True):
        kinks = [kink / scale for kink in f.kinks]
        fourth = expectation(lambda z, scale=scale: f.df(scale * z) ** 4, kinks)  # type: ignore[misc]
        spread += 3 * float(fourth) / (chi / w2) ** 2 - own
    return predicted_decades(recipe, depth, width) - spread / (4 * width * math.log(10))


def measured_decades(
    rng: np.random.Generator,
    activation: Activation,
    weights: Sequence[Array],
    depths: Sequence[int] = DEPTHS,
    scale: float = 1.0,
) -> Array:
    r"""Measure $\log_{10} \lVert\partial L/\partial x\rVert$ in networks that were never trained.

    The first layers of a network serve as the shallower ones. Each depth has a random gradient of
    length 1 on its own output, and all go back together.

    Args:
        weights: Of each layer, shape (draws, width, width), which are multiplied by the scale.

    Returns:
        The decades, shape (draws, depths).

    Examples:
        >>> from gradbook.activations import identity
        >>> tenth = [np.array([0.1 * np.eye(4)])] * 3
        >>> measured_decades(np.random.default_rng(0), identity, tenth, (1, 3)).round(9)
        array([[-1., -3.]])
    """
    draws, width, _ = weights[0].shape
    if not depths or not 0 < min(depths) <= max(depths) <= len(weights):
        raise ValueError(f"depths must lie between 1 and {len(weights)}, got {depths}")
    h: Array
    h, slopes = generator("rng", rng).standard_normal((draws, 1, width)), []
    for W in weights:
        z = scale * (h @ W)
        slopes.append(activation.df(z))
        h = activation.f(z)
    start = rng.standard_normal((draws, len(depths), width))
    start /= np.linalg.norm(start, axis=-1, keepdims=True)
    da = np.zeros_like(start)
    for layer in range(len(weights), 0, -1):
        begins = [at for at, depth in enumerate(depths) if depth == layer]
        da[:, begins] = start[:, begins]
        da = scale * (da * slopes[layer - 1]) @ weights[layer - 1].swapaxes(-1, -2)
    with np.errstate(divide="ignore"):  # a network that is dead has nothing left
        return np.asarray(np.log10(np.linalg.norm(da, axis=-1)))


def drawn(
    rng: np.random.Generator, initializer: Initializer, *, depth: int, width: int, draws: int
) -> list[Array]:
    """Draw the weights of an ensemble of networks, layer by layer, each (draws, width, width)."""
    size = positive_int("width", width)
    ensemble = (positive_int("draws", draws),)
    return [
        initializer.draw(rng, size, size, ensemble) for _ in range(positive_int("depth", depth))
    ]


def scales(activation: Activation, width: int) -> dict[str, float]:
    r"""Return $\sigma_w^2 = n \mathrm{Var}(w)$ of every choice of weights, by its name.

    Examples:
        >>> [f"{w2:.3f}" for w2 in scales(tanh, 100).values()]
        ['0.333', '1.000', '2.000', '1.000', '2.153']
    """
    return {i.name: width * i.variance(width, width) for i in INITIALIZERS} | {
        OWN: gain(activation) ** 2
    }


@measured_once
def measured_pairs(
    rng: np.random.Generator,
    activations: Sequence[Activation] = ACTIVATIONS,
    *,
    depths: Sequence[int] = DEPTHS,
    width: int = 100,
    draws: int = 20,
) -> dict[str, dict[str, Array]]:
    """Measure the decades of every activation with every initializer and with its own gain.

    He's weights and those of an activation's own gain are LeCun's, scaled.

    Returns:
        By activation and weights, shape (draws, depths) each.

    Examples:
        >>> size = {"depths": (1, 4), "width": 16, "draws": 5}
        >>> found = measured_pairs(np.random.default_rng(0), [relu], **size)
        >>> list(found["ReLU"]), found["ReLU"]["He"].shape
        (['PyTorch Linear', 'LeCun', 'He', 'its own gain', 'orthogonal'], (5, 2))
    """
    found: dict[str, dict[str, Array]] = {f.name: {} for f in activations}
    for initializer in (torch_linear, lecun, orthogonal):
        weights = drawn(rng, initializer, depth=max(depths), width=width, draws=draws)
        names = [lecun.name, he.name, OWN] if initializer is lecun else [initializer.name]
        for activation in activations:
            w2 = scales(activation, width)
            for name in names:
                scale = math.sqrt(w2[name] / w2[initializer.name])
                found[activation.name][name] = measured_decades(
                    rng, activation, weights, depths, scale
                )
    return found


def measured_survey(
    rng: np.random.Generator,
    *,
    depths: Sequence[int] = DEPTHS,
    width: int = 100,
    draws: int = 20,
) -> Survey:
    """Measure all pairs, and put theory beside them, for the explorer of two pages.

    Examples:
        >>> found = measured_survey(np.random.default_rng(0), depths=(1, 4), width=16, draws=5)
        >>> found.bands["ReLU"]["He"].shape, found.theory["ReLU"]["He"].shape
        ((2, 2), (2, 4))
    """
    pairs = measured_pairs(rng, depths=depths, width=width, draws=draws)
    sigma_w2 = {f.name: scales(f, width) for f in ACTIVATIONS}
    return Survey(
        depths=tuple(depths),
        sigma_w2=sigma_w2,
        bands={
            f: {name: np.quantile(decades, [0.05, 0.95], axis=0) for name, decades in of.items()}
            for f, of in pairs.items()
        },
        theory={
            f.name: {name: _theory(f, w2, max(depths)) for name, w2 in sigma_w2[f.name].items()}
            for f in ACTIVATIONS
        },
        width=width,
        draws=draws,
    )


def _theory(activation: Activation, sigma_w2: float, depth: int) -> Array:
    """Return the decades at each depth and the length q of each layer, shape (2, depth)."""
    net = propagate(activation, depth, sigma_w2)
    return np.array([np.cumsum(np.log10(net.chi)) / 2, net.q])
