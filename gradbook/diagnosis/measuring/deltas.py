"""Read δ, the gradients at the layers' outputs, in the forms that hooks and logs give them.

A hook of PyTorch fires on the way back, so that a dictionary it fills begins with the last layer.
Where the names are those of the layers, they are put in order, and the output layer, whose δ comes
straight from the loss, is set apart from the hidden ones.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.measuring.names import Kind, Layer, network_order, number_key
from gradbook.diagnosis.measuring.sizes import measure
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.reading.arrays import Tensors, as_tensor, hand_over
from gradbook.diagnosis.reading.storage import Tensor


@dataclass(frozen=True)
class Deltas:
    """What was measured of δ.

    Attributes:
        profile: The sizes of the hidden layers or steps, first to last.
        output: The size at the output layer, if it is known by its name.
        nonfinite: The names of those that are NaN or infinite.
        apart: The same in stacks of which no name tells which comes first.
    """

    profile: Profile | None = None
    output: float | None = None
    nonfinite: tuple[str, ...] = ()
    turned: bool = False
    apart: tuple[Profile, ...] = ()


NOT_GIVEN = Deltas()
"""Where nothing is known of δ."""


def read_deltas(deltas: Any, layers: Sequence[Layer] = ()) -> Deltas:
    """Measure δ: arrays, or norms, one for each layer or step.

    Args:
        deltas: A mapping or a sequence of arrays or numbers, or one array of norms, or one array
            whose first axis counts the layers, as `jax.lax.scan` stacks them.
        layers: The layers of the network, by whose names a mapping is put in order.

    Examples:
        >>> read_deltas([0.1, 0.5, 1.0]).profile.rms
        (0.1, 0.5, 1.0)
        >>> from gradbook.diagnosis.measuring.names import group
        >>> layers = group({f"fc{i}.weight": (2, 2) for i in (1, 2, 3)})
        >>> found = read_deltas({"fc3": 1.0, "fc2": 0.5, "fc1": 0.1}, layers)
        >>> found.profile.names, found.output
        (('fc1', 'fc2'), 1.0)
    """
    sizes = _sizes(deltas)
    if len(sizes) < 2:
        raise BadInput(
            f"deltas must have entries for at least 2 layers, got {len(sizes)}: give those of all "
            "hidden layers, first to last"
        )
    known = layers if isinstance(deltas, Mapping) else ()
    names = _in_order(list(sizes), known) if isinstance(deltas, Mapping) else list(sizes)
    bad = tuple(f"δ of {name}" for name in names if not math.isfinite(sizes[name]))
    last = _output(known)
    output = sizes[last] if last is not None and last == names[-1] else None
    hidden = names if output is None else names[:-1]
    profile = _profile(hidden, sizes)
    apart = _apart(hidden, sizes, known) if isinstance(deltas, Mapping) else ()
    return Deltas(profile, output, bad, turned=names != list(sizes), apart=apart)


def _profile(names: Sequence[str], sizes: Mapping[str, float]) -> Profile:
    return Profile("δ", tuple(names), tuple(sizes[name] for name in names))


def _apart(
    names: list[str], sizes: Mapping[str, float], layers: Sequence[Layer]
) -> tuple[Profile, ...]:
    """Split names that came in the order of the alphabet into the stacks that they count.

    The numbers within a stack tell its order; which of two stacks comes first only a network knows.
    """
    given = [layer.name for layer in layers]
    told = len(given) > 1 and given != sorted(given, key=number_key)
    if told or names != sorted(names, key=number_key):
        return ()
    stacks: dict[str, list[str]] = {}
    for name in names:
        stacks.setdefault(re.sub(r"[0-9]+", "#", name), []).append(name)
    several = [found for found in stacks.values() if len(found) > 1]
    if len(several) < 2 or _by_block(several):
        return ()
    return tuple(_profile(found, sizes) for found in several)


def _by_block(stacks: Sequence[Sequence[str]]) -> bool:
    """Tell whether the stacks are but parts of the same numbered blocks."""
    return len({re.split(r"[0-9]+", found[0])[0] for found in stacks}) == 1


def _output(layers: Sequence[Layer]) -> str | None:
    rest = [layer for layer in layers if layer.kind not in (Kind.NORM, Kind.BIAS, Kind.SCALAR)]
    return rest[-1].name if rest else None


def _in_order(names: list[str], layers: Sequence[Layer]) -> list[str]:
    """Turn names around that came last layer first, as from hooks, and sort what was sorted."""
    known = {name: place for name in names if (place := _place(name, layers)) is not None}
    if len(known) == len(names) and names == sorted(names, key=number_key):
        return sorted(names, key=lambda name: known[name])
    places = [place for place in (_place(name, layers) for name in names) if place is not None]
    if len(places) > 1:
        falling = all(a >= b for a, b in pairwise(places)) and places[0] > places[-1]
    elif names[0] == _output(layers):
        falling = True
    else:  # modules without parameters, such as ReLU, whose names may still count down
        falling = list(network_order(names, ordered=False).names) == names[::-1]
    return names[::-1] if falling else names


def _place(name: str, layers: Sequence[Layer]) -> int | None:
    """Return the position of the last layer of that name, or within the block of that name."""
    found = [i for i, x in enumerate(layers) if x.name == name or x.name.startswith(f"{name}.")]
    return found[-1] if found else None


def tensors_of(what: str, tree: Any, layers: Sequence[Layer] = ()) -> list[Tensor]:
    """Return the arrays of hidden layers in order, without the output layer's if it is named.

    Examples:
        >>> import numpy as np
        >>> [tensor.name for tensor in tensors_of("activations", [np.ones(2), np.zeros(3)])]
        ['1', '2']
    """
    found = {tensor.name: tensor for tensor in _tensors(what, tree)}
    known = layers if isinstance(tree, Mapping) else ()
    names = _in_order(list(found), known) if found and known else list(found)
    if names and names[-1] == _output(known):
        names = names[:-1]
    return [found[name] for name in names]


def size_of(tensor: Tensor) -> float:
    """Return the root of the mean square of a tensor; NaN if it is not finite.

    Examples:
        >>> f"{size_of(as_tensor('a', [3.0, 4.0])) ** 2:.2f}"
        '12.50'
    """
    (found,) = measure(Tensors({tensor.name: lambda: tensor}))
    numbers = found.statistics
    assert numbers is not None
    return math.nan if numbers.nonfinite else numbers.rms


def _sizes(deltas: Any) -> dict[str, float]:
    named = (
        dict(deltas) if isinstance(deltas, Mapping) and not isinstance(deltas, Tensors) else None
    )
    values: Any = deltas if named is None else list(named.values())
    if isinstance(values, (list, tuple)) and values and all(isinstance(v, Real) for v in values):
        names = [str(i) for i in range(1, len(values) + 1)] if named is None else map(str, named)
        return {name: _norm(name, value) for name, value in zip(names, values, strict=True)}
    if not isinstance(deltas, (Mapping, list, tuple)):
        tensor = as_tensor("norms", deltas, "deltas")
        if tensor is not None and len(tensor.shape) > 1:  # stacked, a layer at each index
            return _sizes(list(tensor.values()))
        if tensor is None or len(tensor.shape) != 1:
            raise BadInput(
                "deltas must be a mapping or a list, one entry per layer or step, or one array of "
                f"norms, got {'none' if tensor is None else f'shape {tensor.shape}'}"
            )
        return _sizes([float(value) for value in tensor.values()])
    return {tensor.name: size_of(tensor) for tensor in _tensors("deltas", deltas)}


def _norm(name: str, value: Any) -> float:
    if value < 0:
        raise BadInput(f"deltas[{name!r}] must be a norm, got {value}")
    return float(value)


def _tensors(what: str, tree: Any) -> list[Tensor]:
    if isinstance(tree, (list, tuple)):
        tree = {str(number): value for number, value in enumerate(tree, start=1)}
    tensors = hand_over(tree, what)
    names = network_order(tensors, tensors.ordered).names
    found = (tensors[name] for name in names)
    return [tensor for tensor in found if tensor is not None]
