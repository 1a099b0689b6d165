"""A tape writes down true derivatives, and its orders are what they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradbook.activations import sigmoid, tanh
from gradbook.book.backpropagation.tape import Value, recursive, users_first

random_tapes = settings(max_examples=100)


@st.composite
def tapes(draw: st.DrawFn) -> list[Value]:
    """Draw a computation: every new value is made from any two that are there."""
    values = [Value(draw(st.floats(-2, 2))) for _ in range(2)]
    for _ in range(draw(st.integers(1, 12))):
        pair = [draw(st.sampled_from(values)) for _ in range(2)]
        values.append(draw(st.sampled_from([Value.__add__, Value.__sub__, Value.__mul__]))(*pair))
    return values


def needed(output: Value) -> set[Value]:
    """Collect what a value was made from, one generation after the other."""
    found, front = {output}, {output}
    while front:
        front = {source for value in front for source, _ in value.sources} - found
        found |= front
    return found


def path_count(output: Value) -> int:
    return 1 + sum(path_count(source) for source, _ in output.sources)


def swept(output: Value) -> dict[Value, float]:
    """Send the gradient back, in the order under test."""
    grad = dict.fromkeys(users_first(output), 0.0) | {output: 1.0}
    for value in users_first(output):
        for source, slope in value.sources:
            grad[source] += grad[value] * slope
    return grad


@random_tapes
@given(tapes())
def test_users_first_lists_every_value_once_and_no_value_before_its_users(
    values: list[Value],
) -> None:
    output = values[-1]
    ordered = users_first(output)
    assert len(ordered) == len(set(ordered))
    assert set(ordered) == needed(output)
    for place, value in enumerate(ordered):
        assert not any(source in ordered[: place + 1] for source, _ in value.sources)


@random_tapes
@given(tapes())
def test_the_recursive_order_has_an_entry_for_every_path_back(values: list[Value]) -> None:
    ordered = recursive(values[-1])
    assert len(ordered) == path_count(values[-1])
    assert ordered[0] is values[-1]
    for value in ordered[1:]:
        assert any(value in [source for source, _ in user.sources] for user in ordered)


def test_doubling_again_and_again_has_few_values_and_exponentially_many_paths() -> None:
    value = Value(1.0)
    for _ in range(10):
        value = value + value
    assert len(users_first(value)) == 11
    assert len(recursive(value)) == 2**11 - 1


def test_a_long_chain_needs_no_deep_recursion() -> None:
    value = one = Value(1.0)
    for _ in range(10_000):
        value = value + one
    ordered = users_first(value)
    assert (len(ordered), ordered[-1]) == (10_001, one)


def expression(a: Any, b: Any, s: Callable[[Any], Any], t: Callable[[Any], Any]) -> Any:
    """Use everything a tape can do, most values more than once."""
    c = s(a * b - b) * a
    d = t(c + c * a)
    return d * d - c * b + d


@pytest.mark.parametrize("seed", range(5))
def test_a_sweep_gives_the_derivatives_that_autograd_finds(seed: int) -> None:
    given_numbers = np.random.default_rng(seed).standard_normal(2).tolist()
    a, b = map(Value, given_numbers)
    output = expression(a, b, lambda v: v.apply(sigmoid), lambda v: v.apply(tanh))

    def formula(x: float, y: float) -> Any:
        return expression(x, y, lambda v: 1 / (1 + anp.exp(-v)), anp.tanh)

    grad = swept(output)
    # A dozen operations on numbers of order 1.
    assert output.data == pytest.approx(formula(*given_numbers), rel=1e-13)
    for position, value in enumerate((a, b)):
        wanted = autograd.grad(formula, position)(*given_numbers)
        assert grad[value] == pytest.approx(wanted, rel=1e-12, abs=1e-13)


def test_values_are_the_same_only_if_they_are_the_same_object() -> None:
    assert Value(1.0) != Value(1.0)
    assert math.prod(value.data for value in users_first(Value(2.0) * Value(2.0))) == 16
