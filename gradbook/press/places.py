"""Where the book is: `mkdocs.yml` lies at its root, and the press in its package."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve()

ROOT = next(folder for folder in _HERE.parents if (folder / "mkdocs.yml").is_file())
"""The repository: the folder of `mkdocs.yml`, `package.json` and `pyproject.toml`."""

PACKAGE = ROOT / _HERE.relative_to(ROOT).parts[0]
"""The package whose files the blocks of pages can reach."""

DOCS = ROOT / "docs"
"""The folder of the pages."""


def paths() -> list[Path]:
    """List every page of the book; a new chapter is found without being named anywhere."""
    return sorted(DOCS.rglob("*.md"))
