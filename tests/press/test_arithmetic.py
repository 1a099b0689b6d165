"""Numbers of pages are the same on all machines of a kind: one kernel of BLAS, one of NumPy."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys

import pytest

from gradbook.press.arithmetic import SETTINGS
from gradbook.press.places import ROOT

LOOK = """
import {first}
from numpy._core._multiarray_umath import __cpu_features__ as has
from threadpoolctl import threadpool_info
import numpy
[blas] = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
print(blas["architecture"], blas["num_threads"], has["X86_V4"], has["AVX512_ICL"])
"""


def test_the_makefile_says_what_the_press_says() -> None:
    said = re.findall(r"^export (\w+) \?= (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert SETTINGS.items() <= dict(said).items()


@pytest.mark.parametrize("first", ["gradbook.press", "gradbook.press.__main__", "conftest"])
def test_whatever_comes_by_the_press_computes_as_on_any_other_machine(first: str) -> None:
    bare = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    found = subprocess.run(
        [sys.executable, "-c", LOOK.format(first=first)],
        env=bare, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Elsewhere than on x86-64 there is nothing to choose.
    same = platform.machine() not in ("x86_64", "AMD64")
    assert same or found.stdout.split() == ["Haswell", "1", "False", "False"]
