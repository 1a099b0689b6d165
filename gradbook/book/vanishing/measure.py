"""What one chapter measures of its networks besides the lengths of their gradients."""

import numpy as np

from gradbook.backpropagation import Trace, forward
from gradbook.checks import Array, generator, positive_int
from gradbook.measure import Recipe
from gradbook.networks import plain


def bias_norms(trace: Trace) -> Array:
    r"""Return $\lVert\partial L/\partial b_l\rVert$, shape (..., layers); each needs a `b`.

    The bias gradient is the sum of $\delta_l$ over the batch.
    """
    found = [grads["b"] for grads in trace.gradients if "b" in grads]
    if len(found) != len(trace.gradients):
        raise ValueError(f"trace must have a gradient of b in each layer, got {len(found)}")
    return np.stack([np.sqrt(np.square(array).sum(axis=-1)) for array in found], axis=-1)


def mean_slopes(
    rng: np.random.Generator, recipe: Recipe, *, depth: int, width: int, draws: int
) -> Array:
    """Measure the mean of $f'(z)$ over each layer's units in random networks.

    Each draw has one input from $N(0, 1)$ per unit and no biases; shape (draws, depth).
    """
    rng = generator("rng", rng)
    depth, width = positive_int("depth", depth), positive_int("width", width)
    f, how, sizes, slopes = recipe.activation, recipe.initializer, [width] * (depth + 1), []
    for _ in range(positive_int("draws", draws)):
        layers = plain(rng, sizes, f, how, output_activation=f, bias_variance=None)
        passed = forward(layers, rng.standard_normal((1, width)))
        slopes.append([f.df(record.z).mean() for record in passed if record.z is not None])
    return np.array(slopes)
