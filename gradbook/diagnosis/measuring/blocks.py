"""Tell from names which layers may be compared, and where a path may lead around them.

What stands in a branch gets a share of the gradient that passes beside it, and the share may be
anything: it says nothing of how the gradient changes on its way back. Names tell of branches.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from gradbook.diagnosis.measuring.names import Kind


def place(name: str) -> str:
    """Return a layer's name without what counts blocks, or layers where there are no blocks.

    Examples:
        >>> [place(name) for name in ("blocks.3.fc1", "layers.11", "fc2", "head")]
        ['blocks.#.fc1', 'layers.#', 'fc#', 'head']
    """
    block, separator, layer = _parts(name)
    counted = re.sub(r"\d+", "#", block)
    return counted + separator + (layer if counted != block else re.sub(r"\d+", "#", layer))


def _parts(name: str) -> tuple[str, str, str]:
    found = re.fullmatch(r"(?:(.*)([./]))?([^./]*)", name)
    block, separator, layer = found.groups("") if found else ("", "", name)
    return block, separator, layer


def in_a_block(name: str) -> bool:
    """Tell whether a layer's name counts the block that it stands in.

    Examples:
        >>> in_a_block("blocks.3.fc1"), in_a_block("layers.11"), in_a_block("net.fc2")
        (True, False, False)
    """
    return re.search(r"\d", _parts(name)[0]) is not None


def in_one_sequence(layers: Sequence[tuple[str, Kind]], weighted: Sequence[str]) -> bool:
    """Tell whether normalizations and weights take turns in one sequence, without blocks.

    That is how PyTorch's `nn.Sequential` names what it holds, and no path leads around its members.
    A block has a name of its own, in which its layers are numbered or named anew.

    Examples:
        >>> kinds = (Kind.DENSE, Kind.NORM) * 3
        >>> plain = [f"net.{i}" for i in range(6)]
        >>> in_one_sequence(list(zip(plain, kinds)), plain[::2])
        True
        >>> blocks = [f"{i // 2}.{'fc' if i % 2 == 0 else 'norm'}" for i in range(6)]
        >>> in_one_sequence(list(zip(blocks, kinds)), blocks[::2])
        False
    """
    norms = [number for number, (_, kind) in enumerate(layers) if kind is Kind.NORM]
    names = [layers[number][0] for number in norms] + list(weighted)
    found = [re.fullmatch(r"(.*?)\d+", name) for name in names]
    if not norms or None in found or len({m.group(1) for m in found if m}) != 1:
        return False
    return all(b - a > 1 for a, b in pairwise(norms))
