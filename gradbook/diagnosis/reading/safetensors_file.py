"""Read `.safetensors` files tensor by tensor, without trust and without another library.

The format is a length, a header in JSON, and bytes; it has no checksum, so that what is checked is
all that can be: that the header describes every byte of the file once, and nothing else.
"""

import json
import math
import reprlib
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradbook.diagnosis.bad_input import BadInput, distinct_keys, one_line
from gradbook.diagnosis.reading.arrays import Tensors, checked
from gradbook.diagnosis.reading.npz import are_counts
from gradbook.diagnosis.reading.storage import ALL, Storage, Tensor

LONGEST_HEADER = 4 * 2**20
"""The most bytes of a header: forty thousand tensors. Parsed, it takes up to a hundredfold."""


class _Entry(NamedTuple):
    name: str
    storage: Storage
    shape: tuple[int, ...]
    start: int
    stop: int


def _entry(name: str, entry: object) -> _Entry:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        got = reprlib.repr(entry)
        raise BadInput(f"{name!r} must have dtype, shape and data_offsets, got {got}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not are_counts(shape, list):
        raise BadInput(f"{name!r} has the shape {reprlib.repr(shape)}")
    if not are_counts(offsets, list, 2) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise BadInput(f"{name!r} has the offsets {reprlib.repr(offsets)}")
    storage = next((storage for storage in ALL if storage.code == entry["dtype"]), None)
    if storage is None:
        raise BadInput(f"{name!r} must hold real numbers, got dtype {reprlib.repr(entry['dtype'])}")
    size, held = math.prod(shape) * np.dtype(storage.raw).itemsize, offsets[1] - offsets[0]
    if size != held:
        raise BadInput(f"{name!r} of shape {shape} promises {size} bytes, its offsets {held}")
    return _Entry(name, storage, tuple(shape), *offsets)


def _check_layout(entries: Iterable[_Entry], size: int) -> None:
    at = 0
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.stop)):
        if entry.start != at:
            raise BadInput(f"{entry.name!r} begins at byte {entry.start}, expected {at}")
        at = entry.stop
    if at != size:
        raise BadInput(f"its header promises {at} bytes of numbers, the file holds {size}")


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    if size < 8:
        raise BadInput(f"must begin with 8 bytes of length, has {size}")
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8:
        raise BadInput(f"promises a header of {length} bytes, the file holds {size - 8} more")
    if length > LONGEST_HEADER:
        raise BadInput(f"has a header of {length} bytes, at most {LONGEST_HEADER}")
    header = json.loads(file.read(length).decode(), object_pairs_hook=distinct_keys)
    if not isinstance(header, dict):
        raise BadInput("has a header that is no JSON object")
    return header, 8 + length


def _read(path: Path, file: BinaryIO, start: int, entry: _Entry) -> Tensor:
    with one_line(f"{path.name}: {entry.name!r}"):
        file.seek(start + entry.start)
        count, dtype = math.prod(entry.shape), np.dtype(entry.storage.raw).newbyteorder("<")
        raw: NDArray[Any] = np.fromfile(file, dtype, count)
        if raw.size != count:
            raise BadInput("the file has become shorter")
        return checked("it", entry.name, raw.reshape(entry.shape), entry.storage)


def read_safetensors(path: Path, opened: ExitStack) -> Tensors:
    r"""Read a `.safetensors` file, whose library sorts the names.

    To keep the order of the network, save it, a name a line, with
    `save_file(grads, path, metadata={"order": "\n".join(grads)})`.
    """
    file, size = opened.enter_context(path.open("rb")), path.stat().st_size
    header, start = _header(file, size)
    metadata = header.pop("__metadata__", None)
    entries = {name: _entry(name, entry) for name, entry in header.items()}
    _check_layout(entries.values(), size - start)
    if not entries:
        raise BadInput("holds no tensors")
    order = metadata.get("order") if isinstance(metadata, dict) else None
    names = order.split("\n") if isinstance(order, str) else []
    ordered = sorted(names) == sorted(entries)
    kept = [entries[name] for name in (names if ordered else entries)]
    return Tensors({e.name: partial(_read, path, file, start, e) for e in kept}, ordered)
