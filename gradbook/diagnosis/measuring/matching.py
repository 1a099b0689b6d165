"""Match the names under which δ comes with those of the layers, whose order may be known."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise, product

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.measuring.names import (
    Kind,
    Layer,
    Role,
    Shape,
    in_a_block,
    locate,
    uncounted,
)
from gradbook.diagnosis.measuring.orders import around, bare, by_number, end_of, stacks_of


def places_of(layers: Sequence[Layer]) -> dict[str, int]:
    """Return for each layer, and each block, the position of the last layer of that name.

    Examples:
        >>> from gradbook.diagnosis.measuring.names import group
        >>> places_of(group({"a.1.weight": (2, 2), "a.10.weight": (2, 2)}))
        {'a': 1, 'a.1': 0, 'a.10': 1}
    """
    found = dict[str, int]()
    for position, layer in enumerate(layers):
        for at in re.finditer(r"\.", f"{layer.name}."):
            found[layer.name[: at.start()]] = position
    return found


def renamed(layers: Sequence[Layer], names: Sequence[str]) -> Sequence[Layer]:
    """Call the layers as δ calls them, where only what stands around all layers differs.

    Examples:
        >>> from gradbook.diagnosis.measuring.names import group
        >>> layers = group({"fc1.weight": (2, 2), "fc2.weight": (2, 2)})
        >>> [layer.name for layer in renamed(layers, ["module.fc2", "module.fc1"])]
        ['module.fc1', 'module.fc2']
    """
    if not names or not places_of(layers).keys().isdisjoint(names):
        return layers
    own = [layer.name for layer in layers]
    for more, less in _prefixes(names, own):
        known = [replace(x, name=more + x.name.removeprefix(less)) for x in layers]
        found = sum(map(places_of(known).__contains__, names))
        # What wraps a network says so; of other words chance is excluded if they fit for all.
        wrapped = all(not outer or _WRAPS.fullmatch(outer) for outer in (more, less))
        if found == len(names) or (wrapped and found > 1):
            return known
    return layers


def _prefixes(names: Sequence[str], own: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what stands around all names of the one or the other alone, or wraps either."""
    of_names, of_own = _outer(names), _outer(own)
    yield from ((found, "") for found in of_names)
    yield from (("", found) for found in of_own)
    wraps = (filter(_WRAPS.fullmatch, found) for found in (of_names, of_own))
    yield from product(*wraps)


def _outer(names: Sequence[str]) -> list[str]:
    """Return what all names begin with, as far as the rest tells of what it counts."""
    found = list(accumulate(around(names)))
    counts = [all(re.match(r"\d", name.removeprefix(outer)) for name in names) for outer in found]
    return [o for o, only in zip(found, counts, strict=True) if not only or _WRAPS.fullmatch(o)]


_WRAPS = re.compile(r"(?:(?:_*(?:orig_mod|(?:fsdp_wrapped_)?module)|model|net|network)[./])+")


def containers(names: Sequence[str]) -> list[str]:
    """Return the modules that hold others of those named: they fire when all these are through.

    Examples:
        >>> containers(["", "features", "features.0", "features.10", "features.1"])
        ['', 'features']
    """
    ends = {name[: at.start()] for name in names for at in re.finditer(r"[./]", name)}
    return [name for name in names if name in ends or (not name and len(names) > 1)]


def side_by_side(names: Sequence[str]) -> bool:
    """Tell whether names are of several places in blocks with attention, whose paths go in between.

    Queries, keys and values each get a share of δ, and embeddings stand beside one another; what
    blocks put out follows one another.

    Examples:
        >>> side_by_side(["h.0.attn.q", "h.0.mlp", "h.1.attn.q", "h.1.mlp"])
        True
        >>> side_by_side(["h.0", "h.1"]), side_by_side(["block1.conv1", "block1.conv2"])
        (False, False)
    """
    within = [name for name in bare(names) if in_a_block(name)]
    attends = any(locate(f"{name}.weight").kind is Kind.ATTENTION for name in within)
    return attends and len(set(map(uncounted, within))) > 1


def refuse_weights(shapes: Mapping[str, Shape], layers: Sequence[Layer]) -> None:
    """Refuse weights, or their gradients, that are said to be δ."""
    if wrong := of_weights(shapes, layers):
        text = "deltas must be gradients at the layers' outputs, under the layers' names, got those"
        raise BadInput(f"{text} of weights, or weights, as {wrong!r}")


def of_weights(shapes: Mapping[str, Shape], layers: Sequence[Layer]) -> str:
    """Name a tensor of weights among what is said to be δ; without any it is empty.

    δ of a layer is not called after its bias, and the first axis of all δ counts the examples.

    Examples:
        >>> from gradbook.diagnosis.measuring.names import group
        >>> given = {"fc1.weight": (4, 2), "fc1.bias": (4,)}
        >>> of_weights(given, group(given)), of_weights({"fc1": (4, 2)}, group(given))
        ('fc1.bias', '')
    """
    own = {member.name: member.shape for layer in layers for member in layer.members}
    if not (shapes.keys() <= own.keys() or own.keys() <= shapes.keys()):
        return ""
    pairs = [x.members for x in layers if x.name and len(x.members) > 1]
    found = (m.name for of in pairs for m in of if m.role is Role.BIAS)
    if (bias := next((name for name in found if name in shapes), "")) or not own:
        return bias
    same = all(len(shape) > 1 and shapes.get(name) == shape for name, shape in own.items() if shape)
    counts = {shape[0] for shape in own.values() if shape}
    return next(iter(own)) if same and len(counts) > 1 else ""


def tell_an_order(names: Sequence[str], loose: bool | None = None) -> bool:
    """Tell whether names came in the network's order, and not in one that something made of them.

    Args:
        loose: Whether they are known to have been sorted; by None the names themselves tell.

    Examples:
        >>> tell_an_order(["encoder.0", "encoder.1", "decoder.0", "decoder.1", "head"])
        True
        >>> tell_an_order(["decoder.0", "decoder.1", "encoder.0", "encoder.1", "head"])
        False
    """
    end = end_of(names)
    rise = all(a < b for found in stacks_of(names) for a, b in pairwise(found))
    if len(names) < 2 or not rise or any(end[a] > end[b] for a, b in pairwise(names)):
        return False
    stems = {uncounted(name).removesuffix("_#") for name in names if not end[name]}
    several = len(stems) > 1  # Keras counts dense, dense_1 and so on
    return not several or not (came_by_number(names) if loose is None else loose)


def came_by_number(names: Sequence[str]) -> bool:
    """Tell whether names stand as a sorting by their numbers leaves them."""
    return list(names) in (by_number(names), by_number(names, ends=True))
