"""The Markdown extension that the press is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markdown.extensions import Extension

from gradbook.press import assets, blocks, inline
from gradbook.press.notebooks import writing
from gradbook.press.results import Results, folder
from gradbook.press.session import Session

if TYPE_CHECKING:
    from markdown import Markdown


class Press(Extension):
    """Executed blocks, inline values, math at build time, and strictness about all of them."""

    def __init__(self, **options: Any) -> None:
        """Take what the book's settings say of its pages."""
        known = dict.fromkeys(("cited", "programs", "excuses"), "excuses")
        known |= dict.fromkeys(("notebooks", "address", "published"), "notebooks.writing")
        self.config = {name: ["", f"see gradbook.press.{where}"] for name, where in known.items()}
        super().__init__(**options)

    def extendMarkdown(self, md: Markdown) -> None:
        """Hang a fresh page, with a session of its own, on the converter."""
        assets.ensure_assets()
        page = blocks.Page(Session(Results(folder())))
        md.gradbook = page  # type: ignore[attr-defined]
        inline.BuildTimeMath().extendMarkdown(md)
        announce, confirm = blocks.Announce(md, page), blocks.Confirm(md, page)
        md.preprocessors.register(announce, "gradbook-announce", blocks.BEFORE_SUPERFENCES)
        md.preprocessors.register(confirm, "gradbook-confirm", blocks.AFTER_SUPERFENCES)
        carry = writing.Carry(md, page, writing.Settings(**self._of_notebooks()))
        md.preprocessors.register(carry, "gradbook-notebook", blocks.AFTER_CONFIRM)
        value = inline.InlineValue(inline.INLINE, md)
        md.inlinePatterns.register(value, "gradbook-value", inline.ABOVE_BACKTICK)
        md.treeprocessors.register(inline.Typeset(md), "gradbook-math", inline.BELOW_INLINE)
        md.treeprocessors.register(inline.Terms(md), "gradbook-terms", inline.BELOW_INLINE - 1)

    def _of_notebooks(self) -> dict[str, Any]:
        given = {name: self.getConfig(name) for name in ("notebooks", "address", "published")}
        return {name: value for name, value in given.items() if value}
