"""Open a file of gradients or weights, tensor by tensor, without trust.

Nothing is unpickled, so that no file can run code, and nothing is allocated before it is known that
the file holds what its headers promise. Of NumPy's `.npz` the checksum of every member is compared.
A `.safetensors` file is a length, a header in JSON, and bytes, without a checksum: what is checked
is that the header describes every byte of the file once, and nothing else.
"""

import ast
import io
import json
import math
import re
import reprlib
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradbook.diagnosis.bad_input import BadInput, distinct_keys, one_line, require_file
from gradbook.diagnosis.reading import log_rows
from gradbook.diagnosis.reading.arrays import Tensors, checked
from gradbook.diagnosis.reading.storage import ALL, BFLOAT16, Storage, Tensor

LONGEST_DIRECTORY = 8 * 2**20  # bytes of a table of contents: eighty thousand tensors
NPZ_HEADER = 10_000  # bytes before an array
MOST_AXES = 64  # NumPy's own limit
FREE_RATIO = 100  # times its compressed size that a member may hold without being padding
MOST_PADDING = 256 * 2**20  # bytes beyond that: gradients that are 0 compress well
PIECE = 2**20  # bytes read at a time


class _File(io.FileIO):
    """A file that does not read a table of contents of any size."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `LONGEST_DIRECTORY` bytes; zipfile asks for the table in one piece."""
        if size is not None and size > LONGEST_DIRECTORY:
            raise BadInput(f"its table of contents has {size} bytes, at most {LONGEST_DIRECTORY}")
        return super().read(size) or b""


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Name what a file holds, unless that promises more than the file has bytes for."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        called, stored = member.filename, member.compress_type == zipfile.ZIP_STORED
        if not stored and member.compress_type != zipfile.ZIP_DEFLATED:
            raise BadInput(f"member {called!r} is compressed in a way NumPy does not use")
        if stored and member.file_size != member.compress_size:
            raise BadInput(f"member {called!r} promises {member.file_size} bytes")
        if not called.endswith(".npy"):
            raise BadInput(f"holds {called!r}, which is no array of NumPy")
        if (name := called.removesuffix(".npy")) in found:
            raise BadInput(f"holds {name!r} twice")
        found[name] = member
    if not found:
        raise BadInput("holds no arrays")
    _check_sizes(list(found.values()), size)
    return found


def _check_sizes(members: list[zipfile.ZipInfo], size: int) -> None:
    held, whole = sum(m.compress_size for m in members), sum(m.file_size for m in members)
    if held > size:  # or else many names for the same bytes
        raise BadInput(f"its members promise {held} bytes, the file has {size}")
    if sum(max(0, m.file_size - FREE_RATIO * m.compress_size) for m in members) > MOST_PADDING:
        told = "if that is meant, save it with numpy.savez, uncompressed"
        raise BadInput(f"it would unpack to {whole} bytes from {size}: {told}")


def _npz_header(stream: IO[bytes]) -> tuple[str, bool, tuple[int, ...], int]:
    """Return what is stored, whether columns come first, the shape, and the header's length."""
    magic = stream.read(8)
    if len(magic) < 8 or magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise BadInput("is no array of NumPy")
    size = 2 if magic[6] == 1 else 4
    length = int.from_bytes(stream.read(size), "little")
    if length > NPZ_HEADER:
        raise BadInput(f"has a header of {length} bytes, at most {NPZ_HEADER}")
    text = stream.read(length)
    if len(text) < length:
        raise BadInput("ends within its header")
    with warnings.catch_warnings(action="ignore"):  # of odd Python in a stranger's header
        fields = ast.literal_eval(text.decode("utf-8" if magic[6] == 3 else "latin-1").strip())
    if not isinstance(fields, dict) or fields.keys() != {"descr", "fortran_order", "shape"}:
        raise BadInput("has a header with other fields than those of NumPy")
    descr, shape, fortran = fields["descr"], fields["shape"], fields["fortran_order"]
    if not isinstance(descr, str) or not re.fullmatch(r"[<>|=]?[fiuV]\d{1,2}", descr):
        raise BadInput(f"must hold real numbers, got {descr!r}")
    if not are_counts(shape, tuple) or not isinstance(fortran, bool):
        raise BadInput(f"has the shape {shape!r} and the order {fortran!r}")
    return descr, fortran, shape, 8 + size + length


def are_counts(value: object, kind: type[Sequence[int]], most: int = MOST_AXES) -> bool:
    """Tell a shape, or places in a file, from anything else that a header may hold."""
    if not isinstance(value, kind) or len(value) > most:
        return False
    return all(type(n) is int and 0 <= n < 2**63 for n in value)


def _tensor(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Tensor:
    with one_line(f"{path.name}: {name!r}"), archive.open(member) as stream:
        descr, fortran, shape, length = _npz_header(stream)
        # numpy.savez forgets the name of bfloat16 and calls it two bytes of anything.
        half = np.dtype(descr) == np.dtype("V2")
        dtype = np.dtype(BFLOAT16.raw if half else descr)
        promised = length + math.prod(shape) * dtype.itemsize
        if promised != member.file_size:
            raise BadInput(f"promises {promised} bytes, the file holds {member.file_size}")
        raw: NDArray[Any] = np.empty(math.prod(shape), dtype)
        view = raw.view(np.uint8)
        for at in range(0, len(view), PIECE):
            piece = stream.read(min(PIECE, len(view) - at))
            view[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
            if len(piece) < min(PIECE, len(view) - at):
                raise BadInput("ends before its numbers do")
        shaped = raw.reshape(shape, order="F" if fortran else "C")
        return checked("it", name, shaped, BFLOAT16 if half else None)


def read_npz(path: Path, opened: ExitStack) -> Tensors:
    """Read a file of `numpy.savez` or `numpy.savez_compressed`, in the order of saving."""
    archive = zipfile.ZipFile(opened.enter_context(_File(path)))
    members = _members(archive, path.stat().st_size)
    return Tensors({n: partial(_tensor, path, archive, m, n) for n, m in members.items()})


SAFETENSORS_HEADER = 4 * 2**20
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


def _safetensors_header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    if size < 8:
        raise BadInput(f"must begin with 8 bytes of length, has {size}")
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8:
        raise BadInput(f"promises a header of {length} bytes, the file holds {size - 8} more")
    if length > SAFETENSORS_HEADER:
        raise BadInput(f"has a header of {length} bytes, at most {SAFETENSORS_HEADER}")
    header = json.loads(file.read(length).decode(), object_pairs_hook=distinct_keys)
    if not isinstance(header, dict):
        raise BadInput("has a header that is no JSON object")
    return header, 8 + length


def _entry_tensor(path: Path, file: BinaryIO, start: int, entry: _Entry) -> Tensor:
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
    header, start = _safetensors_header(file, size)
    metadata = header.pop("__metadata__", None)
    entries = {name: _entry(name, entry) for name, entry in header.items()}
    _check_layout(entries.values(), size - start)
    if not entries:
        raise BadInput("holds no tensors")
    order = metadata.get("order") if isinstance(metadata, dict) else None
    names = order.split("\n") if isinstance(order, str) else []
    ordered = sorted(names) == sorted(entries)
    kept = [entries[name] for name in (names if ordered else entries)]
    return Tensors({e.name: partial(_entry_tensor, path, file, start, e) for e in kept}, ordered)


READERS: dict[str, Callable[[Path, ExitStack], Tensors]] = {
    ".npz": read_npz,
    ".safetensors": read_safetensors,
}
"""What reads a file of tensors, by the ending of its name."""


def is_log(path: str | Path) -> bool:
    """Tell a log of norms from a file of tensors by the ending of its name."""
    path = Path(path)
    if log_rows.reader_of(path) is None and path.suffix.lower() not in READERS:
        endings = (ending[1:] for ending in [*READERS, *log_rows.READERS])
        text = f"must end in {', '.join(endings)}, or be an event file ({log_rows.MARK})"
        raise BadInput(f"{path.name}: {text}")
    return log_rows.reader_of(path) is not None


@contextmanager
def open_tensors(path: str | Path) -> Iterator[Tensors]:
    """Open a file of tensors, read one by one; no pickle, such as `.pt`, for it can run code."""
    path = Path(path)
    if (reader := READERS.get(path.suffix.lower())) is None:
        raise BadInput(f"{path.name}: must end in {' or '.join(READERS)}")
    with ExitStack() as opened:
        with one_line(path.name):
            require_file(path)
            tensors = reader(path, opened)
        yield tensors
