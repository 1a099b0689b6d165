"""Bind a built site: finish its pages, and lay what belongs beside them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mkdocs.utils.yaml import yaml_load

from gradbook.press.binding import as_text, heads, listing, pace, policies
from gradbook.press.binding.cards import card
from gradbook.press.binding.first_paint import bundled, hastened, unhindered
from gradbook.press.binding.footer import foot, footed
from gradbook.press.binding.lost import led_on
from gradbook.press.binding.sheet import UNKNOWN, Sheet, built, sheets
from gradbook.press.binding.slimming import slim
from gradbook.press.pages import Page
from gradbook.press.reading import nav_of
from gradbook.press.results import Results, folder
from gradbook.press.session import Session

KEPT = {".zip": "The book as a folder (zip)", ".pdf": "The book on paper (PDF)"}
"""What a site may carry for its readers to keep, and how it is called."""
TEXT = "llms-full.txt"


@dataclass(frozen=True)
class Binder:
    """One built site and what is known of its book.

    Attributes:
        config: The book's `mkdocs.yml`; `CITATION.cff` lies beside it.
        site: The folder with the pages.
        offline: Whether the pages open from a folder.
        carried: Files for readers to keep.
    """

    config: Path
    site: Path
    offline: bool = False
    carried: Sequence[Path] = ()

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What `mkdocs.yml` says."""
        with self.config.open(encoding="utf-8") as file:
            return dict(yaml_load(file))

    @property
    def home(self) -> str:
        """Where the book will be, with a slash behind; empty if nobody knows."""
        address = "" if self.offline else str(self.settings.get("site_url") or "")
        return address and address.rstrip("/") + "/"

    @property
    def docs(self) -> Path:
        """Where the sources are."""
        return self.config.parent / "docs"

    @cached_property
    def citation(self) -> dict[str, Any]:
        """How to cite the book, if it says so."""
        path = self.config.with_name("CITATION.cff")
        if not path.exists():
            return {}
        at = {"url": self.home} if self.home else {}
        return at | dict(yaml_load(path.read_text(encoding="utf-8")))

    def bind(self) -> None:
        """Finish every page."""
        for path in self.carried:
            shutil.copyfile(path, self.site / path.name)
        given = list(sheets(self.docs, self.site))
        if not self.offline:
            self._write_texts(given)
        if self.home:
            self._draw(given)
        finished = {sheet.name: self._finished(sheet) for sheet in given}
        pages, styles = bundled(finished, self.site)
        as_text.write(self.site, styles)
        if not self.offline:  # from a folder a browser asks for no font before it needs it
            pages = {name: hastened(page, name) for name, page in pages.items()}
            as_text.write(self.site, {"_headers": policies.headers(pages.values())})
        rules = policies.FROM_A_FOLDER if self.offline else ""
        guarded = {
            name: policies.guarded(page, rules or policies.policy([page]))
            for name, page in pages.items()
        }
        as_text.write(self.site, guarded)

    def finish(self, names: Iterable[str]) -> None:
        """Finish some pages of a site that is served: what lies beside them is not made.

        Args:
            names: Their files; the policy comes with what the server adds to them.
        """
        given = sheets(self.docs, self.site, names)
        as_text.write(self.site, {sheet.name: self._finished(sheet) for sheet in given})

    def _finished(self, sheet: Sheet) -> str:
        if sheet.name == UNKNOWN:
            return led_on(slim(sheet.html))
        name = str(self.settings["site_name"])
        page = heads.headed(sheet, unhindered(slim(sheet.html)), name=name, home=self.home)
        if sheet.name.startswith("chapters/"):
            page = pace.timed(page, Page(sheet.source, sheet.name))
        if self.citation:
            page = footed(page, foot(self.citation, sheet.name, self._kept()))
        return page

    def _draw(self, given: Sequence[Sheet]) -> None:
        name = str(self.settings["site_name"])
        for sheet in given:
            if sheet.name != UNKNOWN:
                picture = self.site / heads.card_of(sheet)
                picture.parent.mkdir(parents=True, exist_ok=True)
                picture.write_bytes(card(sheet.opening.headline, sheet.description, name))

    def _kept(self) -> dict[str, str]:
        changelog = built(Path("changelog.md"), self.site)
        kept = {path.name: KEPT.get(path.suffix, path.name) for path in self.carried}
        if (self.site / TEXT).exists():
            kept[TEXT] = "The book as text"
        if (self.site / changelog).exists():
            kept[changelog if self.offline else "changelog/"] = "Changelog"
        return kept

    def _write_texts(self, given: Sequence[Sheet]) -> None:
        by_source = {sheet.path: sheet for sheet in given if sheet.source}
        texts = {
            sheet.name: listing.linked(self._text(sheet), path, by_source, self.home)
            for path, sheet in by_source.items()
        }
        nav = self.settings["nav"]
        lines = listing.contents(nav, by_source, self.home)
        title = f"# {self.settings['site_name']}\n\n> {self.settings['site_description']}\n"
        order = [by_source[name].name for name in nav_of(nav)]
        for name, text in texts.items():
            as_text.write(self.site, {f"{name}.md": text})
        llms = {"llms.txt": title + "\n" + "\n".join(lines) + "\n"}
        llms[TEXT] = "\n".join([title, *(texts[name] for name in order)])
        as_text.write(self.site, llms)

    def _text(self, sheet: Sheet) -> str:
        return as_text.filled(Page(sheet.source, sheet.path), Session(Results(folder())))
