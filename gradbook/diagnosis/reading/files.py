"""Open a file of gradients or weights, whatever its format."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gradbook.diagnosis.bad_input import BadInput, one_line, require_file
from gradbook.diagnosis.reading import log_rows
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.reading.npz import read_npz
from gradbook.diagnosis.reading.safetensors_file import read_safetensors

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
        raise BadInput(f"{path.name}: must end in {', '.join(endings)}")
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
