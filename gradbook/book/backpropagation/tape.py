r"""Record a computation number by number: a tape, along which derivatives can be sent back.

Every operation writes down its result, the values it was made from, and the derivative of the
result with respect to each of them. An output's gradient then needs no more formulas: set it to 1
at the output, go through the values in an order in which each comes after everything made from it,
and let every value hand its gradient, times the derivative written down, to its sources.

The orders are what this module is about: `users_first` is the one that works, `recursive` the one
that looks as if it did.

Examples:
    >>> a = Value(3.0)
    >>> c = a * a + a
    >>> c.data
    12.0
    >>> [value.data for value in users_first(c)]  # the output, the product, a
    [12.0, 9.0, 3.0]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gradbook.activations import Activation

_SourceSlope: TypeAlias = tuple["Value", float]
"""A value that was used, with the derivative of the result with respect to it."""


@dataclass(frozen=True, eq=False)
class Value:
    """Hold one number of a computation, with what it was made from.

    Two values are the same only if they are the same object: a number that is used twice is one
    value with two users.

    Args:
        sources: Each value used, once per use, with the derivative of `data` with respect to it;
            empty for a number that was given.

    Examples:
        >>> a, b = Value(3.0), Value(4.0)
        >>> [slope for _, slope in (a * b).sources], [slope for _, slope in (a - b).sources]
        ([4.0, 3.0], [1.0, -1.0])
    """

    data: float
    sources: tuple[_SourceSlope, ...] = ()

    def __add__(self, other: Value) -> Value:
        r"""Return $u + v$, whose derivatives are 1 and 1."""
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __sub__(self, other: Value) -> Value:
        r"""Return $u - v$, whose derivatives are 1 and -1."""
        return Value(self.data - other.data, ((self, 1.0), (other, -1.0)))

    def __mul__(self, other: Value) -> Value:
        r"""Return $u v$, whose derivatives are $v$ and $u$."""
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def apply(self, activation: Activation) -> Value:
        """Return $f(u)$, whose derivative is $f'(u)$."""
        slope = activation.df(self.data).item()
        return Value(activation.f(self.data).item(), ((self, slope),))


def users_first(output: Value) -> tuple[Value, ...]:
    """Return every value once, each after all the values that were made from it.

    This is the reverse of a topological order. A value's gradient is complete when its turn comes,
    because everybody who contributes to it came before.

    Examples:
        >>> a = Value(1.0)
        >>> b = a + a
        >>> [value.data for value in users_first(b + b)]
        [4.0, 2.0, 1.0]
    """
    users = {output: 0}
    waiting = [output]
    while waiting:
        for source, _ in waiting.pop().sources:
            if source not in users:
                users[source] = 0
                waiting.append(source)
            users[source] += 1
    ready, ordered = [output], []
    while ready:
        ordered.append(ready.pop())
        for source, _ in ordered[-1].sources:
            users[source] -= 1
            if users[source] == 0:
                ready.append(source)
    return tuple(ordered)


def recursive(output: Value) -> tuple[Value, ...]:
    """Return the order of a recursion: first the value, then, for every use, its source.

    A value that is used twice comes twice, and so does everything behind it.

    Returns:
        One entry for each path that leads back from the output: their number can grow
        exponentially with the length of the computation.

    Examples:
        >>> a = Value(1.0)
        >>> b = a + a
        >>> [value.data for value in recursive(b + b)]
        [4.0, 2.0, 1.0, 1.0, 2.0, 1.0, 1.0]
    """
    ordered = [output]
    for source, _ in output.sources:
        ordered.extend(recursive(source))
    return tuple(ordered)
