"""The last point at which a condition holds, against points known in closed form."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradbook.bisection import last_true


@given(st.floats(-1e300, 1e300))
def test_the_last_point_is_found_to_the_last_bit(edge: float) -> None:
    assert last_true(lambda x: x <= edge, -1e300, 2e300) == edge


def test_a_step_down_to_the_smallest_number_is_found() -> None:
    tiny = math.ulp(0.0)
    assert last_true(lambda x: x <= tiny, 0.0, 1.0) == tiny
    assert last_true(lambda x: x <= 0, 0.0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (1.0, 1.0, "high must be above low, 1.0, got 1.0"),
        (2.0, 1.0, "high must be above low, 2.0, got 1.0"),
        (0.5, 1.0, "low must be a point where the condition holds, got 0.5"),
        (-1.0, 0.0, "high must be a point where the condition fails, got 0.0"),
        (-sys.float_info.max, sys.float_info.max, "high - low must be a finite number, got inf"),
        (math.nan, 1.0, "low must be a finite number, got nan"),
    ],
)
def test_an_interval_without_an_edge_is_refused(low: float, high: float, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        last_true(lambda x: x <= 0.25, low, high)
