"""Clipping against lengths and angles that are known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradbook.checks import Array
from gradbook.clipping import Clipped, angle, clip_global_norm, clip_norm, clip_value, global_norm

KINDS: tuple[Callable[..., Clipped], ...] = (clip_global_norm, clip_norm, clip_value)


def test_a_clip_shortens_all_arrays_by_one_factor() -> None:
    grads = [np.array([[2.0, -4.0]]), np.array([5.0]), np.array(6.0)]
    clipped, norm, was = clip_global_norm(grads, 4.5)
    assert norm == 9
    assert was
    for new, old in zip(clipped, grads, strict=True):
        assert new.shape == old.shape
        np.testing.assert_allclose(new, old / 2, rtol=1e-15)
    assert grads[1].tolist() == [5.0]


def test_a_gradient_within_the_norm_is_left_bit_for_bit() -> None:
    rng = np.random.default_rng(6)
    grads = [rng.standard_normal((3, 2)), np.zeros(4)]
    for max_norm in (np.linalg.norm(grads[0]) * (1 + 1e-12), 1e300):
        clipped, norm, was = clip_global_norm(grads, float(max_norm))
        assert not was
        assert norm == pytest.approx(np.linalg.norm(grads[0]), rel=1e-14)
        for new, old in zip(clipped, grads, strict=True):
            np.testing.assert_array_equal(new, old)


def test_a_gradient_of_zero_stays_zero() -> None:
    clipped, norm, was = clip_global_norm([np.zeros((2, 2)), np.zeros(3)], 1)
    assert norm == 0
    assert not was
    assert not any(g.any() for g in clipped)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300, 1.7e308])
def test_a_clip_holds_where_squares_leave_the_range(scale: float) -> None:
    grads = [scale * np.array([0.3, -0.4]), scale * np.array([[1.0]])]
    max_norm = scale / 10 if scale < 1 else 1.0
    clipped, norm, was = clip_global_norm(grads, max_norm)
    assert was
    # math.hypot scales by itself; beyond the largest number it is infinite, as our norm is.
    assert norm == pytest.approx(math.hypot(*grads[0], grads[1].item()), rel=1e-14)
    after = math.hypot(*clipped[0], clipped[1].item())
    assert after == pytest.approx(max_norm, rel=1e-14)
    assert clipped[0][0] / clipped[0][1] == pytest.approx(-0.75, rel=1e-14)


def test_a_clip_keeps_the_number_format_of_each_array() -> None:
    grads = [np.full(3, 300, np.float16), np.ones(2, np.float32), np.ones(1)]
    clipped, norm, _ = clip_global_norm(grads, 2)
    assert [g.dtype for g in clipped] == [np.float16, np.float32, np.float64]
    assert norm == pytest.approx(math.sqrt(3 * 300**2 + 3))  # 270,003 is beyond float16


def test_members_of_an_ensemble_are_clipped_one_by_one() -> None:
    rng = np.random.default_rng(7)
    grads = [rng.standard_normal((5, 3, 2)), rng.standard_normal((5, 4)), rng.standard_normal(5)]
    clipped, norm, was = clip_global_norm(grads, 2.5, members=1)
    assert norm.shape == was.shape == (5,)
    assert 0 < was.sum() < 5
    for k in range(5):
        alone, length, shortened = clip_global_norm([g[k] for g in grads], 2.5)
        assert (norm[k], was[k]) == (length, shortened)
        for new, old in zip(clipped, alone, strict=True):
            np.testing.assert_array_equal(new[k], old)


@pytest.mark.parametrize(
    ("grads", "max_norm", "members", "message"),
    [
        ([np.ones(2), np.array([1, math.nan])], 1, 0, r"grads\[1\] must be finite, got nan at .*1"),
        ([np.array([[-math.inf]])], 1, 0, r"grads\[0\] must be finite, got -inf at index \(0, 0\)"),
        ([], 1, 0, "grads must hold at least one array, got none"),
        ([np.ones(2)], 0, 0, "max_norm must be positive, got 0"),
        ([np.ones(2)], math.inf, 0, "max_norm must be a finite number, got inf"),
        ([np.ones(2)], 1, -1, "members must be an integer of at least 0, got -1"),
        ([np.ones((2, 3)), np.ones(3)], 1, 1, r"first members=1 axes, got shapes \[\(2, 3\), \(3"),
        ([np.ones(2)], 1, 2, r"first members=2 axes, got shapes \[\(2,\)\]"),
    ],
)
def test_a_clip_that_makes_no_sense_is_refused(
    grads: list[Array], max_norm: float, members: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        clip_global_norm(grads, max_norm, members=members)


@pytest.mark.parametrize(
    ("scale", "dtype"), [(1e-25, np.float32), (1e200, np.float64), (1e-200, np.float64)]
)
def test_norms_are_right_where_squares_underflow_or_overflow(scale: float, dtype: Any) -> None:
    grads = [(scale * np.array([3.0, 0.0])).astype(dtype), np.array([[4 * scale]], dtype)]
    # 1e-7 is one rounding of float32; float64 has none that is visible at 1e-15.
    rel = 1e-7 if dtype is np.float32 else 1e-15
    assert global_norm(grads) == pytest.approx(5 * scale, rel=rel)
    for kind in KINDS:
        whole = kind(grads, 2 * scale)
        assert np.all(np.isfinite(whole.norm))
        assert whole.clipped.any()
    assert global_norm(clip_global_norm(grads, 2 * scale).grads) == pytest.approx(
        2 * scale, rel=rel
    )


def test_each_array_is_shortened_on_its_own() -> None:
    grads = [np.array([3.0, 4.0]), np.array([[0.3]]), np.array(-2.0)]
    clipped, norm, was = clip_norm(grads, 1.0)
    np.testing.assert_allclose(clipped[0], [0.6, 0.8], rtol=1e-15)
    assert clipped[1].tolist() == [[0.3]]
    assert clipped[2].item() == -1.0
    assert norm.tolist() == [5.0, 0.3, 2.0]
    assert was.tolist() == [True, False, True]


def test_the_angle_of_a_clip_per_array_is_that_of_the_two_lengths() -> None:
    # With lengths a and b the gradient lies at atan(b/a); clipped to c and b at atan(b/c).
    grads = [np.array([6.0, 8.0]), np.array([0.5])]
    turned = angle(grads, clip_norm(grads, 1.0).grads)
    assert turned == pytest.approx(math.atan(0.5) - math.atan(0.05), rel=1e-14)


def test_entries_are_cut_off_one_by_one() -> None:
    grads = [np.array([3.0, -0.5, -7.0]), np.array([[1.0]])]
    clipped, norm, was = clip_value(grads, 1.0)
    assert [g.tolist() for g in clipped] == [[1.0, -0.5, -1.0], [[1.0]]]
    assert norm == pytest.approx(math.sqrt(9 + 0.25 + 49 + 1), rel=1e-15)
    assert was
    assert not clip_value(clipped, 1.0).clipped


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_clipped_as_if_alone(kind: Callable[..., Clipped]) -> None:
    rng = np.random.default_rng(8)
    grads = [rng.standard_normal((4, 3, 2)), rng.standard_normal((4, 5))]
    together = kind(grads, 1.9, members=1)
    assert len(together.norm) == len(together.clipped) == 4
    for k in range(4):
        alone = kind([g[k] for g in grads], 1.9)
        np.testing.assert_array_equal(together.norm[k], alone.norm)
        np.testing.assert_array_equal(together.clipped[k], alone.clipped)
        for new, old in zip(together.grads, alone.grads, strict=True):
            np.testing.assert_array_equal(new[k], old)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_raises_or_is_reported(kind: Callable[..., Clipped], bad: float) -> None:
    grads = [np.array([[3.0, 4.0], [3.0, bad], [0.1, 0.1]]), np.full((3, 1), 12.0)]
    with pytest.raises(ValueError, match=r"grads\[0\] must be finite, got -?(inf|nan)"):
        kind(grads, 6.0, members=1)
    clipped, norm, was = kind(grads, 6.0, members=1, error_if_nonfinite=False)
    reported = np.isfinite(norm).reshape(3, -1).all(axis=-1)
    assert reported.tolist() == [True, False, True]
    np.testing.assert_array_equal(clipped[0][1], grads[0][1])
    assert not was.reshape(3, -1)[1, 0]
    for k in (0, 2):  # the others are clipped as if it were not there
        alone = kind([g[k] for g in grads], 6.0)
        np.testing.assert_array_equal(norm[k], alone.norm)
        for new, old in zip(clipped, alone.grads, strict=True):
            np.testing.assert_array_equal(new[k], old)


def test_an_infinite_norm_of_finite_entries_is_clipped() -> None:
    clipped, norm, was = clip_global_norm([np.full(4, 1.7e308)], 1.0)
    assert np.isinf(norm)
    assert was
    np.testing.assert_allclose(clipped[0], 0.5, rtol=1e-15)


def test_limits_far_from_the_gradient_lose_no_digits() -> None:
    clipped, _, was = clip_global_norm([np.array([3e300, 4e300])], 1e-10)
    assert was  # the factor 2e-311 alone would be subnormal, with few digits
    np.testing.assert_allclose(clipped[0], [6e-11, 8e-11], rtol=1e-15)
    assert not clip_global_norm([np.array([5e-324])], 1e300).clipped


@pytest.mark.parametrize("degrees", [0.0, 1e-7, 30.0, 90.0, 135.0, 180.0])
def test_angles_are_right_to_rounding(degrees: float) -> None:
    turn = math.radians(degrees)
    first, second = [np.array([2.0]), np.array([0.0])], [np.cos([turn]), np.sin([turn])]
    # A rounding of the entries turns a vector by 1e-16, however small the angle is.
    assert angle(first, second) == pytest.approx(turn, rel=1e-14, abs=3e-16)


def test_angles_are_taken_for_each_member() -> None:
    first = [np.array([[1.0], [1e-200]]), np.array([[0.0], [0.0]])]
    second = [np.array([[1.0], [0.0]]), np.array([[1.0], [5.0]])]
    np.testing.assert_allclose(angle(first, second, members=1), [math.pi / 4, math.pi / 2])


def test_angles_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be zero throughout"):
        angle([np.zeros(2)], [np.ones(2)])
    with pytest.raises(ValueError, match=r"second must have the shapes of first, \[\(2,\)\], got"):
        angle([np.ones(2)], [np.ones(3)])
