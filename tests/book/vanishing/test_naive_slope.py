"""Where s(1 - s) dies, in NumPy's own formats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradbook.activations import sigmoid
from gradbook.book.vanishing.naive_slope import naive_sigmoid_derivative as naive

LN2 = math.log(2)
each_dtype = pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])


@each_dtype
def test_it_is_zero_where_the_true_slope_lives(dtype: type[np.floating[Any]]) -> None:
    last = -math.log(float(np.finfo(dtype).smallest_subnormal))
    for z in (last - 0.1, 0.1 - last):
        assert sigmoid.df(dtype(z)) > 0 == naive(dtype(z))


@pytest.mark.parametrize(("dtype", "bits"), [(np.float16, 11), (np.float32, 24), (np.float64, 53)])
def test_the_naive_sigmoid_slope_is_exactly_zero_from_p_ln_2_on(
    dtype: type[np.floating[Any]], bits: int
) -> None:
    edge = bits * LN2
    # 0.01 is more than float16's gap there, 2^-8, and moves e^-z by 1 %, which each format sees.
    assert naive(dtype(edge - 0.01)) > 0
    assert naive(dtype(edge + 0.01)) == 0
    assert naive(np.full((2, 3), edge + 0.01, dtype)).dtype == dtype


@each_dtype
def test_the_naive_sigmoid_slope_dies_on_the_left_where_exp_overflows(
    dtype: type[np.floating[Any]],
) -> None:
    overflow = math.log(float(np.finfo(dtype).max))
    assert naive(dtype(-overflow + 0.1)) > 0
    assert naive(dtype(-overflow - 0.1)) == 0  # and no warning is raised


def test_the_naive_sigmoid_slope_is_right_near_zero() -> None:
    z = np.linspace(-5, 5, 101)
    # 1 - s loses at most e^5 = 150 units in the last place there.
    np.testing.assert_allclose(naive(z), sigmoid.df(z), rtol=1e-13)
    assert naive(0) == 0.25
