"""The convolutions convolve, and their gradients have the ratio that He et al. state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradbook.book.initialization.vgg import (
    REMARK,
    convolution,
    he_deviations,
    product_of_ratios,
    small_vgg,
)
from gradbook.layers import Dense
from gradbook.measure import boundary_norms


def by_loops(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve as the definition says: each output sums the weighted neighborhood."""
    grid, reach = len(image), len(kernel) // 2
    out = np.zeros((grid, grid, kernel.shape[-1]))
    for i in range(grid):
        for j in range(grid):
            for down in range(-reach, reach + 1):
                for right in range(-reach, reach + 1):
                    if 0 <= i + down < grid and 0 <= j + right < grid:
                        weights = kernel[down + reach, right + reach]
                        out[i, j] += image[i + down, j + right] @ weights
    return out


@pytest.mark.parametrize(("side", "grid"), [(1, 3), (3, 1), (3, 4), (5, 4)])
def test_the_matrix_of_a_convolution_does_what_loops_do(side: int, grid: int) -> None:
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((side, side, 2, 3))
    image = rng.standard_normal((grid, grid, 2))
    found = (image.ravel() @ convolution(kernel, grid)).reshape(grid, grid, 3)
    assert found == pytest.approx(by_loops(image, kernel), abs=1e-12)


@pytest.mark.parametrize("shape", [(3, 3, 1), (2, 2, 1, 1), (3, 5, 1, 1)])
def test_a_kernel_that_is_none_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="kernel"):
        convolution(np.ones(shape), 4)


def test_the_ratio_is_the_published_one_to_its_digits() -> None:
    # He et al. print 1/(5.9 · 4.2² · 2.9² · 2.1⁴), and 1/(1.7 · 10⁴) for it.
    factors = np.unique(np.round(he_deviations() / REMARK.deviation, 1))[::-1]
    assert factors.tolist() == [5.9, 4.2, 2.9, 2.1]
    assert product_of_ratios() == pytest.approx(math.prod([5.9, 4.2**2, 2.9**2, 2.1**4]), rel=0.02)
    assert product_of_ratios() == pytest.approx(REMARK.ratio, rel=0.02)
    assert len(he_deviations()) == 9


@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_of_the_two_networks_have_that_ratio_for_every_draw(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pair = small_vgg(rng, grid=3, shrink=32, scale=1.5)
    x, da = rng.standard_normal((1, 9 * 2)), rng.standard_normal((1, 9 * 16))
    derived, fixed = (boundary_norms(layers, x, da)[0] for layers in pair)
    assert derived / fixed == pytest.approx(product_of_ratios(), rel=1e-10)


def test_the_derived_weights_have_the_derived_deviation() -> None:
    derived, _ = small_vgg(np.random.default_rng(2), grid=3, shrink=8)
    last = derived[-1]
    assert isinstance(last, Dense)
    middle = last.W.reshape(9, 64, 9, 64)[4, :, 4]  # the center weight of each filter
    # Relative error of a deviation from 64² draws: 1/sqrt(2 · 4096) = 1.1 %, times four.
    assert middle.std() == pytest.approx(math.sqrt(2 / (9 * 512)), rel=0.045)


def test_more_filters_than_there_are_cannot_be_taken_away() -> None:
    with pytest.raises(ValueError, match="shrink"):
        small_vgg(np.random.default_rng(0), shrink=65)
