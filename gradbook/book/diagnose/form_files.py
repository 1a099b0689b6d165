"""Write what is handed over into files, as the tools that people have write them."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.book.diagnose.form_names import Named
from gradbook.checks import Array

Row = dict[str, float]
"""What a log holds of one step, by column."""


def nested(arrays: Named) -> dict[str, Any]:
    """Make a nest of what stands between dots and slashes.

    Examples:
        >>> nested({"fc.0.W": np.ones(1), "fc.1.W": np.ones(1)})
        {'fc': {'0': {'W': array([1.])}, '1': {'W': array([1.])}}}
    """
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *outer, last = name.replace("/", ".").split(".")
        branch = tree
        for key in outer:
            branch = branch.setdefault(key, {})
        branch[last] = array
    return tree


def npz(path: Path, arrays: Named) -> Path:
    """Write a file of NumPy, in the order that is given."""
    path = path.with_suffix(".npz")
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def safetensors(path: Path, arrays: Named) -> Path:
    """Write a `.safetensors` file, whose library sorts the names; float32 is all it is given."""
    path, header, at = path.with_suffix(".safetensors"), dict[str, Any](), 0
    kept = {name: np.ascontiguousarray(arrays[name], "<f4") for name in sorted(arrays)}
    for name, x in kept.items():
        offsets = [at, at := at + x.nbytes]
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": offsets}
    begun = json.dumps(header).encode()
    path.write_bytes(
        b"".join([len(begun).to_bytes(8, "little"), begun, *(x.tobytes() for x in kept.values())])
    )
    return path


FILES: Mapping[str, Callable[[Path, Named], Path]] = {".npz": npz, ".safetensors": safetensors}
"""What writes arrays, by what the file is called."""


def _csv(path: Path, rows: Iterable[Iterable[Any]]) -> Path:
    path = path.with_suffix(".csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def wide(path: Path, norms: list[Row], beside: list[Row]) -> Path:
    """Write a line for each step, with a column for each norm."""
    rows = [{"step": step, **beside[step], **row} for step, row in enumerate(norms)]
    return _csv(path, [[*rows[0]], *([*row.values()] for row in rows)])


def long(path: Path, norms: list[Row], beside: list[Row], column: str = "grad_norm") -> Path:
    """Write a line for each norm; the column says what of it."""
    named = ((step, name, x) for step, row in enumerate(norms) for name, x in row.items())
    lines = ([step, *beside[step].values(), name, x] for step, name, x in named)
    return _csv(path, [["step", *beside[0], "layer", column], *lines])


def json_lines(path: Path, norms: list[Row], beside: list[Row]) -> Path:
    """Write an object for each step, a line each."""
    path = path.with_suffix(".jsonl")
    rows = [{"step": step, **beside[step], **row} for step, row in enumerate(norms)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def trainer_state(path: Path, norms: list[Row], beside: list[Row]) -> Path:
    """Write what the Trainer of HuggingFace keeps, with a norm for each layer."""
    path = path.with_suffix(".json")
    rows = [{**beside[step], **row, "step": step} for step, row in enumerate(norms)]
    state = {"epoch": 1.0, "global_step": len(rows), "log_history": rows}
    path.write_text(json.dumps(state), encoding="utf-8")
    return path


LOGS: Mapping[str, Callable[[Path, list[Row], list[Row]], Path]] = {
    "wide CSV": wide,
    "long CSV": long,
    "long CSV of squares": partial(long, column="grad_norm_sq"),
    "JSON lines": json_lines,
    "trainer_state.json": trainer_state,
}
"""What writes norms over steps, with what stands beside them."""

MEASURES: Mapping[str, Callable[[Array], float]] = {
    "norms": lambda x: float(np.linalg.norm(x)),
    "rms": lambda x: float(np.sqrt(np.square(x).mean())),
    "squares": lambda x: float(np.square(x).sum()),
}
"""What is told of an array, where the array itself is not."""

DIGITS: Mapping[str, Callable[[float], float]] = {
    "in full": float,
    "four decimals": lambda x: round(x, 4),
    "three digits": lambda x: float(f"{x:.3g}"),
}
"""How a norm is written into a log."""

SAID = {"norms": "", "rms": "/rms", "squares": "/grad_norm_sq"}
"""What stands behind a column's name for it."""
