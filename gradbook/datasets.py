"""The small generated tasks of the book: nothing to download, nothing that can go missing."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradbook.checks import Array, generator, non_negative, positive, positive_int


@dataclass(frozen=True, eq=False)
class Examples:
    """Hold the inputs of a task with the wanted outputs, one example per row.

    Args:
        x: Inputs, shape (examples, dimension).
        labels: The class of each example, counted from 0, shape (examples,).
        target: The classes as zeros and a one, shape (examples, classes).
    """

    x: Array
    labels: NDArray[np.integer]
    target: Array


def gaussian_classes(
    rng: np.random.Generator,
    *,
    classes: int,
    dimension: int,
    examples: int,
    noise: float = 0.5,
    mean_square: float = 1.0,
) -> Examples:
    r"""Draw points about class centers, $x = c_k + \text{noise} \cdot z$.

    The centers $c_k$, drawn first, and the noise $z$ of each example come from $N(0, I)$. All
    inputs are then multiplied by one number, which makes their mean square exact. The classes
    follow each other in turn: 0, 1, 2, 0, 1, 2, ...

    Examples:
        >>> task = gaussian_classes(np.random.default_rng(0), classes=3, dimension=2, examples=7)
        >>> task.x.shape, task.labels.tolist(), f"{np.square(task.x).mean():.3f}"
        ((7, 2), [0, 1, 2, 0, 1, 2, 0], '1.000')
    """
    rng, noise = generator("rng", rng), non_negative("noise", noise)
    classes, dimension = positive_int("classes", classes), positive_int("dimension", dimension)
    if positive_int("examples", examples) < classes:
        raise ValueError(f"examples must be at least one per class, {classes}, got {examples}")
    labels = np.arange(examples) % classes
    centers = rng.standard_normal((classes, dimension))
    x = centers[labels] + noise * rng.standard_normal((examples, dimension))
    scale = math.sqrt(positive("mean_square", mean_square) / np.square(x).mean())
    return Examples(scale * x, labels, np.eye(classes)[labels])
