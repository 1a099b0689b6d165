"""Read δ, the gradients at the layers' outputs, in the forms that hooks and logs give them.

A hook of PyTorch fires on the way back, so that a dictionary it fills begins with the last layer.
Where the names are those of the layers, they are put in order, and the output layer, whose δ comes
straight from the loss, is set apart from the hidden ones.
"""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from numbers import Real
from typing import Any

import numpy as np

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.measuring.chains import deltas_run_back
from gradbook.diagnosis.measuring.evidence import Evidence
from gradbook.diagnosis.measuring.matching import (
    came_by_number,
    containers,
    places_of,
    refuse_weights,
    renamed,
    side_by_side,
    tell_an_order,
)
from gradbook.diagnosis.measuring.names import NO_MATRIX, Kind, Layer, Role, uncounted
from gradbook.diagnosis.measuring.orders import (
    by_number,
    counts_down,
    end_of,
    goes_back,
    in_disorder,
    is_shuffled,
    network_order,
)
from gradbook.diagnosis.measuring.sizes import statistics
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.reading.arrays import Tensors, as_tensor, hand_over
from gradbook.diagnosis.reading.storage import Tensor
from gradbook.diagnosis.verdicts import listed


def read_deltas(
    deltas: Any, layers: Sequence[Layer] = (), *, loose: bool | None = None, logged: bool = False
) -> Evidence:
    """Measure δ: arrays, or norms, one for each layer or step.

    Args:
        deltas: A mapping or a sequence of arrays or numbers, or one array of norms, or one array
            whose first axis counts the layers, as `jax.lax.scan` stacks them. None says nothing.
        layers: The layers of the network, by whose names a mapping is put in order.
        loose: Whether the layers are known to have been sorted; by None their names tell.
        logged: Whether a tool wrote the names, which may have sorted them.

    Examples:
        >>> from gradbook.diagnosis.measuring.names import group
        >>> layers = group({f"fc{i}.weight": (2, 2) for i in (1, 2, 3)})
        >>> found = read_deltas({"fc3": 1.0, "fc2": 0.5, "fc1": 0.1}, layers)
        >>> found.deltas.names, found.output
        (('fc1', 'fc2'), 1.0)
    """
    if deltas is None:
        return Evidence()
    deltas = deltas if isinstance(deltas, (Mapping, list, tuple)) else _listed(deltas)
    tensors, by_alphabet = _tensors("deltas", _norms_as_arrays(deltas))
    tensors, layers, notes = _comparable(deltas, tensors, layers)
    branches = isinstance(deltas, Mapping) and side_by_side(list(tensors))
    sizes = {name: size_of(tensor) for name, tensor in tensors.items()}
    if len(sizes) < 2 and len(sizes) + 1 != len(layers):
        text = f"deltas must have entries for at least 2 layers, got {len(sizes)}: give those of "
        raise BadInput(f"{text}all hidden layers, first to last")
    if behind := () if isinstance(deltas, Mapping) else _behind(sizes, len(layers)):
        sizes = {name: size for name, size in sizes.items() if name not in behind}
        text = "is exactly 0 at the end alone: the loss does not read these steps, and they are "
        notes.append(f"δ of {listed(behind)} {text}left out.")
    told = tell_an_order([layer.name for layer in layers], loose)
    hidden, output = _hidden(deltas, list(sizes), layers, by_alphabet, told)
    names = [*hidden, *output]
    if names != list(sizes):
        notes.append(f"δ came {_came(list(sizes), names)}")
    if not output and not behind and (own := _of_output(hidden, tensors, layers)):
        hidden, output = hidden[:-1], [own]
        notes.append(f"δ of {own} is as wide as the output layer, and was set apart as its.")
    named = isinstance(deltas, Mapping) and not branches
    stacks = _apart(hidden, sizes, layers, by_alphabet) if named else ()
    words = all(name == uncounted(name) for name in hidden)
    if named and loose and words and (logged or names != sorted(names)):
        # Hooks give them backward, and code that lists layers forward: neither tells which.
        stacks = tuple(_profile([name], sizes) for name in hidden)
    alone = len(stacks) == 1 < len(stacks[0].names)
    if alone and (left := [name for name in hidden if name not in stacks[0].names]):
        notes.append(f"Not compared, for the names do not tell where they stand: {listed(left)}.")
    return Evidence(
        deltas=None if branches else stacks[0] if alone else _profile(hidden, sizes),
        output=sizes[output[0]] if output else None,
        nonfinite=tuple(f"δ of {name}" for name in names if not math.isfinite(sizes[name])),
        notes=tuple(notes),
        apart=() if alone else stacks,
        branches=branches,
    )


def _comparable(
    deltas: Any, tensors: dict[str, Tensor], layers: Sequence[Layer]
) -> tuple[dict[str, Tensor], Sequence[Layer], list[str]]:
    """Return δ without what holds others, a list first layer first, and the layers' names in it."""
    names = list(tensors)
    if not isinstance(deltas, Mapping):
        if not deltas_run_back([_widths(x.shape) for x in tensors.values()], layers):
            return tensors, layers, []
        text = "δ came last layer first, as its widths tell, and was turned around."
        return {name: tensors[name] for name in names[::-1]}, layers, [text]
    refuse_weights({name: x.shape for name, x in tensors.items()}, layers)
    outer = containers(names)
    kept = {name: x for name, x in tensors.items() if name not in outer}
    told = listed([name or "the whole network" for name in outer])
    text = f"δ of modules that hold others named is not compared, for these are: {told}."
    return kept, renamed(layers, list(kept)), [text] if outer else []


def read_activations(tree: Any, layers: Sequence[Layer] = ()) -> list[Tensor]:
    """Return the arrays of hidden layers in order, without the output layer's if it is named."""
    if tree is None:
        return []
    found, loose = _tensors("activations", tree)
    return [found[name] for name in _hidden(tree, list(found), layers, loose)[0]]


def _came(given: list[str], names: list[str]) -> str:
    """Say in which order δ came that was put in another."""
    if names == given[::-1]:
        return "last layer first, as hooks give it, and was turned around."
    alphabet = given in (sorted(given), by_number(given), by_number(given, ends=True))
    order = "in the order of the alphabet" if alphabet else "in an order of its own"
    return f"{order}, and was put in that of the layers."


def size_of(tensor: Tensor) -> float:
    """Return the root of the mean square of a tensor; NaN if it is not finite."""
    numbers = statistics(tensor)
    return math.nan if numbers.nonfinite else numbers.rms


def _behind(sizes: Mapping[str, float], layers: int) -> list[str]:
    """Name the last of more steps than layers where δ is exactly 0, if it is sound before them."""
    names = list(sizes)
    still = [*takewhile(lambda name: sizes[name] == 0, names[::-1])][::-1]
    before = names[: len(names) - len(still)]
    sound = len(before) > 1 and all(sizes[name] > 0 for name in before)
    return still if 0 < layers < len(names) and sound else []


def _weighted(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if layer.kind not in NO_MATRIX]


def _of_output(
    names: Sequence[str], tensors: Mapping[str, Tensor], layers: Sequence[Layer]
) -> str | None:
    """Name the last δ if there is one for each layer with weights, and it fits the last bias."""
    weighted = _weighted(layers)
    if not 1 < len(names) == len(weighted) or {x.kind for x in weighted} & _OWN_SHAPES:
        return None
    known = [
        (m.role is Role.BIAS or len(m.shape) == 1, m.shape) for m in weighted[-1].members if m.shape
    ]
    wide = {max(shape) for is_bias, shape in known if is_bias}  # also (n, 1)
    last, before = (_widths(tensors[name].shape) for name in names[-1:-3:-1])
    matrix = next((set(shape) for is_bias, shape in known if not is_bias), set[int]())
    fits = wide & last if wide else matrix and matrix <= last | before
    return names[-1] if fits else None


def _widths(shape: tuple[int, ...]) -> set[int]:
    """Return how many features δ may have: of images those along the second axis."""
    return set(shape if len(shape) < 3 else shape[1:2] if len(shape) > 3 else shape[2:])


_OWN_SHAPES = {Kind.RECURRENT, Kind.EMBEDDING, Kind.ATTENTION}


def _profile(names: Sequence[str], sizes: Mapping[str, float]) -> Profile:
    return Profile("δ", tuple(names), tuple(sizes[name] for name in names))


def _apart(
    names: list[str], sizes: Mapping[str, float], layers: Sequence[Layer], loose: bool
) -> tuple[Profile, ...]:
    """Split names that came in the order of the alphabet into the stacks that they count.

    The numbers within a stack tell its order; which of two stacks comes first, or of a stack and a
    layer beside it, only a network knows.

    Args:
        loose: Whether the order is known to be the alphabet's, as that of JAX is.
    """
    given = [layer.name for layer in layers]
    told = len(given) > 1 and given != by_number(given, ends=loose)
    if told or names != by_number(names, ends=loose):
        return ()
    stacks: dict[str, list[str]] = {}
    end = end_of(names) if loose else dict.fromkeys(names, 0)
    between = [name for name in names if end[name] == 0]
    for name in between:
        stacks.setdefault(uncounted(name), []).append(name)
    blocks = {re.split(r"\d+", name)[0].rstrip("_.") for name in between}
    # Of one beginning they are but parts of the same numbered blocks.
    several = [found for found in stacks.values() if len(found) > 1]
    if len(several) == 1:
        several = [[name for name in names if end[name] or name in several[0]]]
    found = several or ([[name] for name in names] if loose else [])
    return tuple(_profile(one, sizes) for one in found) if len(blocks) > 1 else ()


def _hidden(
    tree: Any, names: list[str], layers: Sequence[Layer], loose: bool, told: bool = False
) -> tuple[list[str], list[str]]:
    """Return the names of hidden layers in order, and that of the output layer if it is there.

    Args:
        told: Whether the layers are known to stand in the order of the network.
    """
    if not isinstance(tree, Mapping) or not names:
        return names, []
    output = [layer.name for layer in _weighted(layers)[-1:]]
    names = _in_order(names, layers, output, loose, told)
    return (names[:-1], output) if names[-1:] == output else (names, [])


def _in_order(
    names: list[str], layers: Sequence[Layer], output: list[str], loose: bool, told: bool
) -> list[str]:
    """Put names in the layers' order, or turn them around if they came last layer first."""
    known = places_of(layers)
    found = [known[name] for name in names if name in known]
    each = len(set(found)) == len(names)  # has a place of its own
    if len(found) == len(names) and ((told and each) or names == by_number(names, ends=loose)):
        return [name for _, name in sorted(zip(found, names, strict=True), key=lambda p: p[0])]
    falling = names[:1] == output
    if len(found) > 1:
        falling = all(a >= b for a, b in pairwise(found)) and found[0] > found[-1]
        falling = falling or (not told and goes_back(names))
        rising = all(a <= b for a, b in pairwise(found))
        sorted_ = len(found) == len(names) and came_by_number([x.name for x in layers])
        if sorted_ and not (falling or rising) and in_disorder(names):
            return by_number(names, ends=True)  # neither δ nor the layers came in an order
    elif not falling:  # modules without parameters, such as ReLU, whose names may still count down
        falling = counts_down(names) or by_number(names) == names[::-1]
        if not falling and is_shuffled(names):
            return by_number(names, ends=True)
    return names[::-1] if falling else names


def _norms_as_arrays(deltas: Any) -> Any:
    """Return norms as arrays of one number each, and arrays as they are."""
    named = deltas if isinstance(deltas, Mapping) else dict(enumerate(deltas, start=1))
    if isinstance(deltas, Tensors) or not all(isinstance(x, Real) for x in named.values()):
        return deltas
    if (low := next((name for name, norm in named.items() if norm < 0), None)) is not None:
        raise BadInput(f"deltas[{str(low)!r}] must be a norm, got {named[low]}")
    return {str(name): np.asarray(float(norm)) for name, norm in named.items()}


def _listed(deltas: Any) -> list[Any]:
    """Return one array as a list: of norms, or, stacked, of the arrays at each index."""
    tensor = as_tensor("norms", deltas, "deltas")
    if tensor is None or not tensor.shape:
        got = "none" if tensor is None else f"shape {tensor.shape}"
        text = "deltas must be a mapping or a list, one entry per layer or step, or one array of "
        raise BadInput(f"{text}norms, got {got}")
    return list(tensor.values())


def _tensors(what: str, tree: Any) -> tuple[dict[str, Tensor], bool]:
    """Return arrays in the order given, and whether what made their names sorts them, as JAX."""
    if isinstance(tree, (list, tuple)):
        tree = {str(number): value for number, value in enumerate(tree, start=1)}
    tensors = hand_over(tree, what)
    # What counts down is turned around with what the layers tell of it.
    order = network_order(tensors, tensors.ordered, turn=False)
    found = ((name, tensors[name]) for name in order.names)
    return {name: x for name, x in found if x is not None}, not tensors.ordered
