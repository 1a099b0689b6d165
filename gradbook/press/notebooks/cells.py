"""Notebook files, format 4.5: the same bytes for the same cells."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook.

    Attributes:
        source: Its Markdown or code.
        is_code: Which of the two.
        hidden: Whether its code is folded away until it is asked for.
        answers: Whether what it shows is folded away, too.
        outputs: What it shows, as the file has it.
        raises: Whether it is meant to raise.
    """

    source: str
    is_code: bool = False
    hidden: bool = False
    answers: bool = False
    outputs: tuple[dict[str, Any], ...] = ()
    raises: bool = False


def text_output(text: str, *, printed: bool) -> dict[str, Any]:
    """Return an output of plain text.

    Args:
        text: What is shown.
        printed: Whether it was printed, or is the value of the last expression.
    """
    if printed:
        return {"output_type": "stream", "name": "stdout", "text": text}
    data = {"text/plain": text.removesuffix("\n")}
    return {"output_type": "execute_result", "execution_count": None, "data": data, "metadata": {}}


def error_output(message: str) -> dict[str, Any]:
    """Return the output of a cell that raises.

    Args:
        message: The exception's name and text, as a traceback ends.
    """
    name, _, value = message.rstrip("\n").partition(": ")
    told = [message.rstrip("\n")]
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": told}


def notebook(cells: Sequence[Cell]) -> str:
    """Return the file of a notebook.

    Args:
        cells: Its cells.
    """
    seen: Counter[str] = Counter()
    told: dict[str, Any] = {"cells": [_cell(cell, seen) for cell in cells], "metadata": KERNEL}
    told |= {"nbformat": 4, "nbformat_minor": 5}
    return json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _cell(cell: Cell, seen: Counter[str]) -> dict[str, Any]:
    kind = "code" if cell.is_code else "markdown"
    name = hashlib.sha256(f"{kind} {cell.source}".encode()).hexdigest()[:12]
    seen[name] += 1
    folds = {"source_hidden": cell.hidden or cell.answers, "outputs_hidden": cell.answers}
    folds = {name: True for name, is_folded in folds.items() if is_folded}
    metadata: dict[str, Any] = {"jupyter": folds} if folds else {}
    if cell.raises:
        metadata["tags"] = ["raises-exception"]
    told: dict[str, Any] = {"cell_type": kind, "id": f"{name}-{seen[name]}", "metadata": metadata}
    told["source"] = cell.source
    if cell.is_code:
        told |= {"execution_count": None, "outputs": list(cell.outputs)}
    return told
