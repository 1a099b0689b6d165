"""The notebooks of the site, run as a reader runs them: the wheel, its extra `figures`, no book."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output
from test_wheel import run
from visits import ROOT, SITE

NOTEBOOKS = sorted((SITE / "notebooks").glob("*.ipynb"))
SAME = [f"{name}=={version(name)}" for name in ("ipykernel", "matplotlib", "numpy")]
"""The versions that the pages were built with: another one may print a number otherwise."""


@pytest.fixture(scope="session")
def kernels(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> KernelSpecManager:
    """Make a new environment, once for all processes, and a kernel that runs in it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "notebooks"
    folder.mkdir(exist_ok=True)
    told = folder / "kernels" / "wheel" / "kernel.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            python = environment(folder, wheel)
            # -I: the book is not found by way of this process's own path either.
            argv = [str(python), "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            told.parent.mkdir(parents=True)
            told.write_text(json.dumps({"argv": argv, "display_name": "", "language": "python"}))
    return KernelSpecManager(kernel_dirs=[str(folder / "kernels")])


def environment(folder: Path, wheel: Path) -> Path:
    """Install the wheel, what draws its figures, and what runs notebooks; return its Python."""
    run(sys.executable, ["-m", "venv", "clean"], folder)
    python = folder / "clean" / "bin" / "python"
    run(python, ["-m", "pip", "install", "--quiet", f"{wheel}[figures]", *SAME], folder)
    return python


def text(outputs: list[NotebookNode]) -> str:
    """Return what a cell shows as text: what it prints, its last value, what it raises."""
    said = {"stream": "text", "error": "evalue"}
    parts = [o.get(said.get(o.output_type, ""), "") for o in outputs]
    parts += [o.data.get("text/plain", "") for o in outputs if "data" in o]
    return "".join(parts).rstrip("\n")


def faults(book: NotebookNode, kernels: KernelSpecManager, folder: Path) -> Iterator[str]:
    """Run a notebook, and yield what a reader of the page would wonder at."""
    expected = {cell.id: text(cell.outputs) for cell in book.cells if cell.get("outputs")}
    manager = AsyncKernelManager(kernel_name="wheel", kernel_spec_manager=kernels)
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(book, km=manager, timeout=180, allow_errors=True, resources=resources)
    client.execute(cleanup_kc=True)
    for number, cell in enumerate(book.cells):
        for output in cell.get("outputs", ()):
            meant = "raises-exception" in cell.metadata.get("tags", ())
            if output.output_type == "error" and not meant:
                yield f"cell {number} raises {output.ename}: {output.evalue}\n{cell.source}"
            if output.get("name") == "stderr":
                yield f"cell {number} warns: {output.text}\n{cell.source}"
        if cell.id in expected and (found := text(cell.outputs)) != expected[cell.id]:
            yield f"cell {number} shows {found!r}, its page {expected[cell.id]!r}\n{cell.source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_its_page_shows(
    path: Path, kernels: KernelSpecManager, tmp_path: Path
) -> None:
    """From top to bottom, with nothing of the book installed."""
    book = nbformat.read(path, 4)
    nbformat.validate(book)
    found = [*faults(book, kernels, tmp_path)]
    assert not found, "\n- ".join([f"{path.name} has {len(found)} faults", *found])


def test_every_chapter_is_a_notebook() -> None:
    """And each deeper page."""
    chapters = {path.stem for path in (ROOT / "docs" / "chapters").glob("*.md")}
    assert chapters - {path.stem for path in NOTEBOOKS} == set(), f"{SITE}/notebooks: build it"


def test_what_a_notebook_gets_wrong_is_told(kernels: KernelSpecManager, tmp_path: Path) -> None:
    """What raises, what warns, another output than the page's, and code that only the book has."""
    shown = new_output("stream", name="stdout", text="2\n")
    raised = new_output("error", ename="ValueError", evalue="no", traceback=[])
    raises = {"metadata": {"tags": ["raises-exception"]}, "outputs": [raised]}
    cells = [
        new_code_cell("print(1 + 1)", outputs=[shown]),
        new_code_cell("raise ValueError('no')", **raises),
        new_code_cell("1 / 0"),
        new_code_cell("import gradbook.book"),
        new_code_cell("import warnings; warnings.warn('odd')"),
        new_code_cell("print(3)", outputs=[shown]),
    ]
    found = [*faults(new_notebook(cells=cells), kernels, tmp_path)]
    assert [fault.partition(":")[0] for fault in found] == [
        "cell 2 raises ZeroDivisionError",
        "cell 3 raises ModuleNotFoundError",
        "cell 4 warns",
        "cell 5 shows '3', its page '2'\nprint(3)",
    ]
