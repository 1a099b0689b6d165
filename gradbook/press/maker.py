"""Make some pages of the book with MkDocs, and leave the others as they are."""

from __future__ import annotations

import html
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig

from gradbook.press.binding.binder import Binder
from gradbook.press.binding.sheet import UNKNOWN
from gradbook.press.sources import Source, read_sources

# MkDocs' "dirty" build leaves a page alone whose file is newer than its source: 2096 is.
_LATER = 4e9


class Maker:
    """Makes pages of one book into one folder."""

    def __init__(self, config: Path, site: Path, address: str) -> None:
        """Note where everything is.

        Args:
            config: The book's `mkdocs.yml`.
            site: The folder to build into.
            address: Where the site is served.
        """
        self._config, self._site, self._address = config, site, address
        self._found: dict[str, list[dict[str, Any]]] = {}
        self._templates: Environment | None = None
        logging.getLogger("mkdocs.commands.build").addFilter(_expected)
        self.settings().plugins.on_startup(command="serve", dirty=True)

    def settings(self) -> MkDocsConfig:
        """Return the book's settings as they are now."""
        settings = load_config(str(self._config), site_dir=str(self._site))
        settings.site_url = self._address
        # The theme's templates are read and compiled once; those that are edited, again.
        templates = self._templates = self._templates or settings.theme.get_env()
        templates.auto_reload = True
        settings.theme.get_env = lambda: templates  # type: ignore[method-assign]
        return settings

    def read(self) -> dict[str, Source]:
        """Return the pages by address, as their sources are now."""
        sources = read_sources(self.settings())
        for source in sources.values():
            source.built.parent.mkdir(parents=True, exist_ok=True)
            source.built.touch()
            os.utime(source.built, (_LATER, _LATER))
        return sources

    def make(self, pages: Mapping[str, Source]) -> None:
        """Make some pages, and what all pages share; a page with a fault says what it is.

        Args:
            pages: The pages by address.
        """
        for source in pages.values():
            os.utime(source.built, (0, 0))  # older than its source, and still there to be read
        try:
            build(self.settings(), serve_url=self._address, dirty=True)
            names = [source.built.relative_to(self._site).as_posix() for source in pages.values()]
            Binder(self._config, self._site).finish([*names, UNKNOWN])
        except Exception as error:
            fault = str(error) or type(error).__name__
            print(f"gradbook: {fault}", file=sys.stderr, flush=True)
            for source in pages.values():
                source.built.write_text(_faulty(fault), encoding="utf-8")
        else:
            self._merge_search(pages)
        for source in pages.values():
            os.utime(source.built, (_LATER, _LATER))

    def _merge_search(self, pages: Mapping[str, Source]) -> None:
        """Write an index of all pages that were made: MkDocs' has those of one build."""
        path = self._site / "search" / "search_index.json"
        index = json.loads(path.read_text(encoding="utf-8"))
        self._found |= {url: [] for url in pages}
        for entry in index["docs"]:
            url = entry["location"].partition("#")[0]
            if url in pages:
                self._found[url].append(entry)
        index["docs"] = [entry for entries in self._found.values() for entry in entries]
        path.write_text(json.dumps(index), encoding="utf-8")


def _expected(record: logging.LogRecord) -> bool:
    """Drop the warning that a build leaves pages out: that is what it is for."""
    return "'dirty' build" not in record.getMessage()


def _faulty(fault: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><title>This page has a fault</title></head><body>'
        f"<h1>This page has a fault</h1><pre>{html.escape(fault)}</pre>"
        "<p>Mend it and save: the page comes by itself.</p></body></html>"
    )
