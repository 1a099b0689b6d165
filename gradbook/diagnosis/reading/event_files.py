"""Read the scalars of an event file, which is what TensorBoard shows, with its own reader."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput

MARK = "tfevents"
"""What the name of an event file holds; it ends in the name of a machine."""


def event_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the scalars of each step under their tags, numbered.

    Args:
        path: An event file; images, histograms and texts in it are passed over.

    Raises:
        BadInput: TensorBoard is not installed, or finds the file damaged.
    """
    row: dict[str, Any] = {}
    number = 1
    for step, tag, value in _scalars(path):
        if row and row["step"] != step:
            yield number, row
            number, row = number + 1, {}
        row |= {"step": step, tag: value}
    if row:
        yield number, row


def _scalars(path: Path) -> Iterator[tuple[int, str, float]]:
    try:
        loader = import_module("tensorboard.backend.event_processing.event_file_loader")
        tensors = import_module("tensorboard.util.tensor_util")
    except ImportError:
        told = "pip install 'gradbook[tensorboard]', or export the run as CSV"
        raise BadInput(f"is read by TensorBoard, which is not here: {told}") from None
    try:
        for event in loader.LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    yield event.step, value.tag, value.simple_value
                elif value.HasField("tensor"):
                    array = tensors.make_ndarray(value.tensor)
                    if array.size == 1 and array.dtype.kind == "f":
                        yield event.step, value.tag, array.item()
    except BadInput:
        raise
    except Exception as error:  # its own kinds are not to be imported before it is
        raise BadInput(f"TensorBoard cannot read it: {type(error).__name__}") from None
