r"""He et al.'s remark on the network VGG-B, and the convolutions to check it with.

Model B has ten convolutions with $3 \times 3$ filters. The gradient goes back from the tenth to the
input of the second through nine of them. With the standard deviation 0.01 for all weights, as was
usual, instead of $\sqrt{2/\text{fan\_out}}$, each factor is smaller by the ratio of the two. The
ReLU is positively homogeneous, so for the same draws and the same gradient on the output all
these ratios multiply, exactly.

Source: He, Zhang, Ren & Sun 2015.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gradbook.activations import relu
from gradbook.book.sources import HE, Source
from gradbook.checks import Array, finite_array, generator, positive, positive_int
from gradbook.layers import Dense, Layer


@dataclass(frozen=True)
class VggRemark:
    """Hold what He et al. say of the network.

    Args:
        deviation: The fixed standard deviation of a weight.
        ratio: Their rounded result, the derived gradient over that of the fixed deviation.
    """

    filters: tuple[int, ...]
    side: int
    deviation: float
    ratio: float
    source: Source


REMARK = VggRemark(
    filters=(64, 64, 128, 128, 256, 256, 512, 512, 512, 512),
    side=3,
    deviation=0.01,
    ratio=1.7e4,
    source=HE,
)


def he_deviations() -> Array:
    r"""Compute $\sqrt{2/\text{fan\_out}}$, $\text{fan\_out} = 9d$ for $d$ filters, conv2 to conv10.

    Examples:
        >>> [f"{s:.3f}" for s in he_deviations()[[0, 1, 3, 5]]]
        ['0.059', '0.042', '0.029', '0.021']
    """
    filters = np.array(REMARK.filters[1:])
    return np.asarray(np.sqrt(2 / (REMARK.side**2 * filters)))


def product_of_ratios() -> float:
    r"""Compute $\prod_l \sqrt{2/(9 d_l)} / 0.01$ over the nine convolutions.

    Examples:
        >>> f"{product_of_ratios():.2f}"
        '16728.76'
    """
    return float(np.prod(he_deviations() / REMARK.deviation))


def product_of_forward_ratios() -> float:
    r"""Compute the same with $\sqrt{2/\text{fan\_in}}$, where the ends of the network differ.

    Examples:
        >>> f"{product_of_forward_ratios() / product_of_ratios():.3f}"
        '2.828'
    """
    inputs = np.array(REMARK.filters[:-1])
    return float(np.prod(np.sqrt(2 / (REMARK.side**2 * inputs)) / REMARK.deviation))


def convolution(kernel: Array, grid: int) -> Array:
    """Write a convolution on a square grid, zeros around it, as a matrix for $z = x W$.

    Args:
        kernel: Weights, shape (side, side, channels in, channels out), the side odd.

    Returns:
        The matrix, shape (grid² · channels in, grid² · channels out); a row or column counts
        pixels first and channels within a pixel.

    Examples:
        The middle weight of a filter stays in place, the one above it comes from a row higher:

        >>> kernel = np.zeros((3, 3, 1, 1))
        >>> kernel[0, 1], kernel[1, 1] = 10.0, 1.0
        >>> (np.array([1.0, 2.0, 3.0, 4.0]) @ convolution(kernel, 2)).tolist()
        [1.0, 2.0, 13.0, 24.0]
    """
    array, grid = finite_array("kernel", kernel), positive_int("grid", grid)
    if array.ndim != 4 or array.shape[0] != array.shape[1] or array.shape[0] % 2 == 0:
        raise ValueError(f"kernel must have shape (odd side, side, in, out), got {array.shape}")
    reach = array.shape[0] // 2
    moved = {step: np.eye(grid, k=-step) for step in range(-reach, reach + 1)}
    matrices = [
        np.kron(np.kron(moved[down], moved[right]), array[down + reach, right + reach])
        for down in moved
        for right in moved
    ]
    return np.asarray(np.sum(matrices, axis=0))


def small_vgg(
    rng: np.random.Generator, *, grid: int = 4, shrink: int = 16, scale: float = 1.0
) -> tuple[list[Layer], list[Layer]]:
    """Draw conv2 to conv10 with few channels, twice: as derived, and with the fixed deviation.

    There are `shrink` times fewer filters, and the deviations are those of the full network.

    Returns:
        Two networks of nine layers, bias-free ReLU convolutions with the same draws.

    Examples:
        >>> derived, fixed = small_vgg(np.random.default_rng(0), grid=2)
        >>> [f"{a.W[0, 0] / b.W[0, 0]:.2f}" for a, b in zip(derived, fixed)][:3]
        ['5.89', '4.17', '4.17']
    """
    rng, scale = generator("rng", rng), positive("scale", scale)
    if min(REMARK.filters) < positive_int("shrink", shrink):
        raise ValueError(f"shrink must leave at least one filter, got {shrink}")
    derived: list[Layer] = []
    fixed: list[Layer] = []
    channels = [count // shrink for count in REMARK.filters]
    for (fan_in, fan_out), deviation in zip(pairwise(channels), he_deviations(), strict=True):
        kernel = scale * rng.standard_normal((REMARK.side, REMARK.side, fan_in, fan_out))
        W = convolution(kernel, positive_int("grid", grid))
        derived.append(Dense(deviation * W, None, relu))
        fixed.append(Dense(REMARK.deviation * W, None, relu))
    return derived, fixed
