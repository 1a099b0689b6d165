"""Put the names of a network's layers in the order in which it has them.

Where no graph tells the order, the numbers in the names may: JAX and `.safetensors` files sort what
they hold, and code that goes back through the layers fills a dictionary last layer first.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

from gradbook.diagnosis.measuring.names import Kind, Layer, locate, uncounted
from gradbook.diagnosis.reading.arrays import is_sorted


class Order(NamedTuple):
    """Names in the order of the network, and what was done to them, if they came in another."""

    names: tuple[str, ...]
    note: str = ""


BY_NO_CHANCE = 4
"""So many words stand in the order of the alphabet since something sorted them."""


def are_sorted_words(names: Sequence[str], layers: Sequence[Layer]) -> bool:
    """Tell whether names stand in the order of the alphabet, and many of them count nothing."""
    uncounting = sum(layer.name == uncounted(layer.name) for layer in layers)
    return is_sorted(names) and uncounting >= BY_NO_CHANCE


def number_key(name: str) -> list[tuple[int, str]]:
    """Return what sorts layer 2 before layer 10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]


def network_order(names: Iterable[str], ordered: bool = True, *, turn: bool = True) -> Order:
    """Count layer 2 before layer 10 where the alphabet did not, and turn what counts down.

    JAX sorts the keys of its dictionaries and `.safetensors` files their names; code that goes back
    through the layers fills a dictionary last layer first. What is in no order is put in that of
    its numbers, if these count on. Another order is kept if they are said to be ordered.

    Examples:
        >>> network_order(["fc1", "fc10", "fc2"]).names
        ('fc1', 'fc2', 'fc10')
        >>> network_order(["dW2", "db2", "dW1", "db1"]).names
        ('db1', 'dW1', 'db2', 'dW2')
        >>> network_order(["out.weight", "in.weight"])
        Order(names=('out.weight', 'in.weight'), note='')
    """
    given = list(names)
    if ordered and turn and counts_down(given):
        return Order(tuple(given[::-1]), "The names count down, as on the way back: turned around.")
    if ordered and not is_sorted(given):
        if not (turn and is_shuffled(given)):
            return Order(tuple(given))
        text = "The names came in no order, and were put in that of their numbers."
        return Order(tuple(by_number(given, ends=True)), text)
    counted = by_number(given, ends=not ordered)
    if counted == given:
        return Order(tuple(given))
    note = "The names came in the order of the alphabet and were put in that of their numbers"
    ends = ", an input or stem first, an output or head last" * (counted != by_number(given))
    return Order(tuple(counted), f"{note}{ends}.")


def by_number(names: Iterable[str], *, ends: bool = False) -> list[str]:
    """Sort names: layer 2 before layer 10; if asked, an input or stem first, a head last.

    Examples:
        >>> by_number(["head", "layers_10", "layers_2", "stem"], ends=True)
        ['stem', 'layers_2', 'layers_10', 'head']
    """
    given = list(names)
    end = end_of(given) if ends else {}
    return sorted(given, key=lambda name: (end.get(name, 0), number_key(name)))


def end_of(names: Sequence[str]) -> dict[str, int]:
    """Return -1 for what is called as if it read the input, 1 as if it made the output, else 0.

    Of two words for one end neither tells.
    """
    words = [re.split(r"[./:]", rest)[0] for rest in bare(names)]
    read, made = ({w for w in words if of.fullmatch(w)} for of in (_READS_INPUT, _MAKES_OUTPUT))
    end = dict.fromkeys(read, -1) if len(read) == 1 else {}
    end |= dict.fromkeys(made, 1) if len(made) == 1 else {}
    return {name: end.get(word, 0) for name, word in zip(names, words, strict=True)}


_READS_INPUT = re.compile(r"(?i)inputs?|stem|embed\w*|embd|wte|patch\w*")
_MAKES_OUTPUT = re.compile(r"(?i)out|outputs?|(?:lm_)?head|logits|classifier|final|predictor")


def counts_down(names: Sequence[str]) -> bool:
    """Tell whether numbers fall by equal steps, to 2 at most, as of names written going back.

    In a sequence the steps need not be equal. Sizes fall otherwise, and what goes up again or
    decodes counts down on its way forward.

    Examples:
        >>> counts_down(["fc3", "fc2", "fc1"]), counts_down(["4.weight", "2.weight", "0.weight"])
        (True, True)
        >>> counts_down(["fc512", "fc128", "fc10"]), counts_down(["up3", "up2", "up1"])
        (False, False)
        >>> counts_down(["dense_2", "dense_1", "dense"]), counts_down(["fc2", "fc1", "out"])
        (True, False)
    """
    return not any(map(_GOES_UP.search, names)) and _falls(names)


def goes_back(names: Sequence[str]) -> bool:
    """Tell whether all stacks count down, also what decodes, since what does not decode does, too.

    Examples:
        >>> goes_back(["head", "decoder.1", "decoder.0", "encoder.1", "encoder.0"])
        True
        >>> goes_back(["up3", "up2", "up1"]), goes_back(["down.0", "down.1", "up.1", "up.0"])
        (False, False)
    """
    return not all(map(_GOES_UP.search, names)) and _falls(names)


def _falls(names: Sequence[str]) -> bool:
    stacks: dict[str, list[list[int]]] = {}
    counting = _counted(bare(names))
    for name in counting:
        stacks.setdefault(uncounted(name), []).append([int(n) for n in re.findall(r"\d+", name)])
    if not names or counting[-1] == uncounted(counting[-1]):
        return False
    kept = {stack: found for stack, found in stacks.items() if len(found) > 1 and all(found)}
    counted = [*kept.values()]
    # Of a sequence the numbers count what has no weights, too, and are names of their own.
    whole = [re.search(r"(?:^|[./])#(?:[./]|$)", stack) is not None for stack in kept]
    return bool(counted) and all(map(_falls_by_step, counted, whole))


def is_shuffled(names: Sequence[str]) -> bool:
    """Tell names of one stem that count every layer, as sizes do not, and follow no pattern.

    Levels that are gone down and up, and experts or towers side by side, step by few numbers.
    Normalizations beside the layers are compared with one another alone.

    Examples:
        >>> is_shuffled(["fc2", "fc6", "fc1", "out", "fc5", "fc3", "fc4"])
        True
        >>> is_shuffled(["fc784", "fc512", "fc1024", "fc10"]), is_shuffled(["a2", "b3", "a1"])
        (False, False)
    """
    end = end_of(names)
    found = map(locate, bare([name for name in names if not end[name]]))
    layers = _counted([one.layer for one in found if one.kind is not Kind.NORM])
    parts = [re.split(r"(\d+)", re.sub(r"(?<=[a-z])\dd", "", layer)) for layer in layers]
    if not parts or min(map(len, parts)) < 3 or len({of[0] for of in parts}) > 1:
        return False
    came = [int(of[1]) for of in parts]
    counts = sorted({*came})
    every = counts[0] < _STEP and all(b - a <= _STEP for a, b in pairwise(counts))
    return every and len({b - a for a, b in pairwise(came)} - {0}) > _MANY


def _counted(names: Sequence[str]) -> list[str]:
    """Number the first of those that Keras counts on from: dense, dense_1, dense_2."""
    parts = [re.split(r"([./])", name) for name in names]
    words = {word for found in parts for word in found}
    return ["".join(f"{w}_0" if f"{w}_1" in words else w for w in found) for found in parts]


_GOES_UP = re.compile(r"(?i)(?:^|[^a-z])(?:up|dec)")
_STEP = 3  # a weight, a normalization and an activation count on together
_MANY = 3  # steps of different length that are no pattern, or layers that fall by no chance


def _falls_by_step(found: list[list[int]], whole: bool) -> bool:
    first = list(dict.fromkeys(numbers[0] for numbers in found))
    steps = {a - b for a, b in pairwise(first)}
    alike = len(steps) < 2 or (whole and len(first) > _MANY)
    by_step = alike and all(0 < step <= _STEP for step in steps)
    return by_step and first[-1] < _STEP and all(a > b for a, b in pairwise(found))


def in_disorder(names: Sequence[str]) -> bool:
    """Tell whether the numbers of some stack neither rise nor fall.

    Examples:
        >>> in_disorder(["enc.0", "enc.2", "enc.1"]), in_disorder(["enc.0", "enc.1", "dec.0"])
        (True, False)
    """
    turns = [{a < b for a, b in pairwise(found)} for found in stacks_of(names)]
    return any(len(found) > 1 for found in turns)


def stacks_of(names: Sequence[str]) -> list[list[list[tuple[int, str]]]]:
    """Return the numbers of names that count the same, in the order in which these come."""
    stacks: dict[str, list[list[tuple[int, str]]]] = {}
    for name in names:
        stacks.setdefault(uncounted(name), []).append(number_key(name))
    return list(stacks.values())


def bare(names: Sequence[str]) -> list[str]:
    """Leave out what all names begin with: modules that stand around all layers count nothing.

    Examples:
        >>> bare(["sequential_1/dense_3", "sequential_1/dense_4"])
        ['dense_3', 'dense_4']
    """
    outer = "".join(around(names))
    return [name.removeprefix(outer) for name in names]


def around(names: Sequence[str]) -> list[str]:
    """Return the modules that stand around all layers, from the outermost.

    Examples:
        >>> around(["module.net.0", "module.net.2"])
        ['module.', 'net.']
    """
    parts = [re.findall(r"[^./]*[./]?", name) for name in names]
    columns = zip(*(found[:-2] for found in parts), strict=False)  # it ends with one that is empty
    return [column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns)]
