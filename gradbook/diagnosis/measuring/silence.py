"""Find units that no example reaches: their gradients are exactly 0.

A unit that is off for every example has a gradient of 0 on its bias and on every weight that enters
it; in a network without biases the zeros of its line among the weights are all there is to see.
"""

import numpy as np

from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.reading.storage import Tensor

WORTH_A_LOOK = 0.25
"""From which share of zeros on the lines of a matrix are looked at one by one."""


def zero_share(found: Measured | None) -> float | None:
    """Return the share of a tensor's numbers that are exactly 0.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import hand_over
        >>> from gradbook.diagnosis.measuring.sizes import measure
        >>> [zero_share(found) for found in measure(hand_over({"b": np.array([0.0, 2.0])}))]
        [0.5]
    """
    if found is None or found.statistics is None:
        return None
    return found.statistics.zeros / found.statistics.count


def zero_lines(tensor: Tensor) -> float:
    """Return the share of rows and columns that hold nothing but zeros, the mean of both.

    Which of the two axes counts the units differs between frameworks; in a stack of layers the
    silent units of one are the silent inputs of the next, so that both tell the same.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import as_tensor
        >>> g = np.array([[0.0, 1.0, 0.0, 2.0], [0.0, 3.0, 0.0, 4.0]])
        >>> zero_lines(as_tensor("g", g))
        0.25
    """
    shape = tensor.shape
    alive = [np.zeros(shape[0], bool), np.zeros(shape[1], bool)]
    for start in range(0, shape[0], 256):
        block = tensor.storage.widen(tensor.raw[start : start + 256]) != 0
        alive[0][start : start + 256] = block.any(axis=1)
        alive[1] |= block.any(axis=0)
    return 1 - float(alive[0].mean() + alive[1].mean()) / 2


def silent_share(
    tensor: Tensor | None, weight: Measured | None, bias: Measured | None
) -> float | None:
    """Return the share of a layer's units whose gradient is exactly 0.

    Returns:
        The share, or None if the layer has no gradient that would tell.

    Examples:
        >>> silent_share(None, None, None) is None
        True
    """
    of_weight, of_bias = zero_share(weight), zero_share(bias)
    if of_bias is not None and of_weight is not None:
        # A bias in front of a normalization may have a gradient of 0 while its unit is alive.
        return min(of_bias, of_weight)
    if of_weight is None:
        return None
    if of_weight < WORTH_A_LOOK or tensor is None or len(tensor.shape) != 2:
        return of_weight if of_weight < WORTH_A_LOOK else None
    return zero_lines(tensor)


def off_share(tensor: Tensor) -> float:
    """Return the share of units whose output is 0 for every example.

    Args:
        tensor: The outputs of a layer; the last axis counts its units, the others examples, or,
            with more than two axes, the second counts channels, as in PyTorch's convolutions.

    Examples:
        >>> from gradbook.diagnosis.reading.arrays import as_tensor
        >>> off_share(as_tensor("a", np.array([[0.0, 1.0], [0.0, 0.0]])))
        0.5
    """
    values = tensor.values()
    if values.ndim == 4:
        values = np.moveaxis(values, 1, -1)
    examples = values.reshape(-1, values.shape[-1])
    return float((examples == 0).all(axis=0).mean())
