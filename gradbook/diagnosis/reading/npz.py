"""Read `.npz` files of NumPy, member by member, without trust.

Nothing is unpickled, so that no file can run code; nothing is allocated before it is known that the
file holds what its headers promise; and the checksum of every member is compared.
"""

import ast
import io
import math
import re
import warnings
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gradbook.diagnosis.bad_input import BadInput, one_line
from gradbook.diagnosis.reading.arrays import Tensors, checked
from gradbook.diagnosis.reading.storage import BFLOAT16, Tensor, storage_of

LONGEST_DIRECTORY = 8 * 2**20  # bytes of a table of contents: eighty thousand tensors
LONGEST_HEADER = 10_000  # bytes before an array
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


def _header(stream: IO[bytes]) -> tuple[str, bool, tuple[int, ...], int]:
    """Return what is stored, whether columns come first, the shape, and the header's length."""
    magic = stream.read(8)
    if len(magic) < 8 or magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise BadInput("is no array of NumPy")
    size = 2 if magic[6] == 1 else 4
    length = int.from_bytes(stream.read(size), "little")
    if length > LONGEST_HEADER:
        raise BadInput(f"has a header of {length} bytes, at most {LONGEST_HEADER}")
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
        descr, fortran, shape, length = _header(stream)
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
        return checked("it", name, shaped, BFLOAT16 if half else storage_of(dtype))


def read_npz(path: Path, opened: ExitStack) -> Tensors:
    """Read a file of `numpy.savez` or `numpy.savez_compressed`, in the order of saving."""
    archive = zipfile.ZipFile(opened.enter_context(_File(path)))
    members = _members(archive, path.stat().st_size)
    return Tensors({n: partial(_tensor, path, archive, m, n) for n, m in members.items()})
