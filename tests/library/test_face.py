"""What a reader imports from `gradbook` itself is there, quick to come by, and typed."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gradbook

TREE = ast.parse(Path(gradbook.__file__).read_text(encoding="utf-8"))
TYPED = {
    alias.name: node.module
    for block in TREE.body
    if isinstance(block, ast.If)
    for node in block.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


@pytest.mark.parametrize("name", gradbook.__all__)
def test_a_name_is_that_of_its_module(name: str) -> None:
    assert getattr(gradbook, name) is getattr(import_module(TYPED[name]), name)


def test_what_is_loaded_is_what_type_checkers_see() -> None:
    assert sorted(gradbook.__all__) == sorted(TYPED)
    assert set(gradbook.__all__) <= set(dir(gradbook))
    assert 35 <= len(TYPED) <= 50


def test_no_module_is_named_as_a_function_or_class_in_it() -> None:
    package = Path(gradbook.__file__).parent
    named = [
        path
        for path in package.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == path.stem
    ]
    assert named == []


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = gradbook.nothing


def test_importing_the_package_loads_none_of_its_modules() -> None:
    code = "import gradbook, sys; print(*(m for m in sys.modules if m.startswith('gradbook.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
