"""The wheel, as somebody gets it who wants the package and not the book."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

# Figures need Matplotlib; the book and the press are not in the wheel.
LEFT_OUT = tuple(f"gradbook.{name}" for name in ("show.figures", "book", "press", "__main__"))
IMPORT_ALL = f"""
import importlib, pkgutil
import gradbook
def load(package):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not module.name.startswith({LEFT_OUT!r}):
            found = importlib.import_module(module.name)
            if module.ispkg:
                load(found)
load(gradbook)
print(gradbook.__file__)
"""

FACE = """
import gradbook, numpy as np
from gradbook.activations import sigmoid
from gradbook.backpropagation import backprop
from gradbook.initializers import lecun
from gradbook.losses import half_squared_error
from gradbook.networks import plain

rng = np.random.default_rng(0)
net = plain(rng, [16] * 21, sigmoid, lecun)
x = rng.standard_normal((8, 16))
trace = backprop(net, x, np.zeros((8, 16)), half_squared_error)
report = gradbook.diagnose(
    {f"{n}.W": g["W"] for n, g in enumerate(trace.gradients)}, deltas=trace.delta
)
print(report.verdict.value, gradbook.watch.__annotations__["return"].__name__)
"""


def run(python: Path | str, arguments: Sequence[str], folder: Path) -> str:
    """Run Python away from the sources and return what it prints."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), *arguments]
    done = subprocess.run(
        command, check=False, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_its_license_alone(wheel: Path) -> None:
    """No page, no test, nothing of the tools."""
    names = zipfile.ZipFile(wheel).namelist()
    others = [name for name in names if name.split("/")[0].split("-")[0] != "gradbook"]
    assert not others, f"leave these out in pyproject.toml: {others}"
    assert "gradbook/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "gradbook/diagnosis/watching/hooks.py" in names
    assert not [name for name in names if name.startswith(("gradbook/book", "gradbook/press"))]


def test_the_wheel_needs_numpy_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    """In a new environment pip brings NumPy; all modules but the book's own are imported there."""
    run(sys.executable, ["-m", "venv", "clean"], tmp_path)
    python = tmp_path / "clean" / "bin" / "python"
    run(python, ["-m", "pip", "install", "--quiet", str(wheel)], tmp_path)
    listed = json.loads(run(python, ["-m", "pip", "list", "--format=json"], tmp_path))
    assert {package["name"] for package in listed} - {"pip", "setuptools"} == {"gradbook", "numpy"}
    origin = run(python, ["-W", "error", "-c", IMPORT_ALL], tmp_path)
    assert Path(origin).is_relative_to(tmp_path)
    told = run(python, ["-W", "error", "-c", FACE], tmp_path)
    assert told.split() == ["vanishing", "Watched"]
    assert "usage: gradbook" in run(python.parent / "gradbook", ["--help"], tmp_path)
