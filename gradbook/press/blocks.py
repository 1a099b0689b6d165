"""Run a page's fenced blocks: what SuperFences calls for a `python` fence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import markdown_exec
from markdown.preprocessors import Preprocessor
from markdown_exec import base_format

from gradbook.press import downloads
from gradbook.press.ahead import ahead_of, workers
from gradbook.press.errors import PressError, page_of, place_of
from gradbook.press.fences import Fence, PageError, check_fence, find_fences
from gradbook.press.folding import checks, folded, unpinned
from gradbook.press.session import BlockError, Session
from gradbook.press.work import work_of

if TYPE_CHECKING:
    from markdown import Markdown

BEFORE_SUPERFENCES = 27
AFTER_SUPERFENCES = 24
AFTER_CONFIRM = 23


class Page:
    """What the press knows of the page being converted: its session and its blocks."""

    def __init__(self, session: Session) -> None:
        """Start a page."""
        self.session = session
        self.text = ""
        self.shown: list[str] = []
        self.expected: list[Fence] = []
        self.ran = 0
        self.set_up: list[str] = []
        self.pins: list[Fence] = []

    def next_block(self) -> Fence | None:
        """Return the block that is to run now, if any is left."""
        return self.expected[self.ran] if self.ran < len(self.expected) else None


class Announce(Preprocessor):
    """Read which blocks the page holds, before SuperFences, and take the pins out of the text."""

    def __init__(self, md: Markdown, page: Page) -> None:
        """Hang on a converter."""
        super().__init__(md)
        self.page = page

    def run(self, lines: list[str]) -> list[str]:
        """Leave all lines but those of pins as they are; an unknown option is refused."""
        text = "\n".join(lines)
        place = place_of(self.md)
        try:
            fences = find_fences(text)
            for fence in fences:
                check_fence(fence)
            work = work_of(place.page, text)
        except PageError as error:
            raise PressError(f"{place.page}:{error}") from None
        self.page.expected = [fence for fence in fences if fence.executed]
        self.page.text, self.page.shown = text, []
        self.page.ran, self.page.set_up = 0, []
        self.page.pins = [fence for fence in fences if fence.pinned]
        if place.docs and work.blocks:
            self.page.session.failed = ahead_of(place.docs).begin(workers()).need(work)
        return unpinned(lines, self.page.pins)


class Confirm(Preprocessor):
    """Compare the blocks that ran with those announced, and end the page with what is folded."""

    def __init__(self, md: Markdown, page: Page) -> None:
        """Hang on a converter."""
        super().__init__(md)
        self.page = page

    def run(self, lines: list[str]) -> list[str]:
        """Add one line, which stands for the folded code and the checks."""
        missing = self.page.next_block()
        if missing is not None:
            number = self.page.ran + 1
            raise PressError(
                f"{page_of(self.md)}: block {number} (line {missing.line}) did not run; "
                "is it indented or nested so that it is not a fence there?"
            )
        end = folded("Set-up", self.page.set_up) + checks(self.page.pins)
        return [*lines, "", self.md.htmlStash.store(end)] if end else lines


def validator(
    language: str,
    inputs: dict[str, str],
    options: dict[str, Any],
    attrs: dict[str, Any],
    md: Markdown,
) -> bool:
    """Accept an executed fence, as markdown-exec does; its source stands above its output.

    Args:
        language: The fence's language.
        inputs: Its options as written, checked before by `Announce`.
        options: Filled for the formatter.
        attrs: Left alone.
        md: The converter.

    Returns:
        Whether the fence is to be executed; a plain fence is only highlighted.
    """
    if inputs.get("exec") == "on":
        inputs.setdefault("source", "above")
    accepted: bool = markdown_exec.validator(language, inputs, options, attrs, md)
    return accepted


def format_python(*, code: str, md: Markdown, **options: Any) -> str:
    """Run a block in its page's session and return its source and output as HTML.

    Args:
        code: The block's source.
        md: The converter, on which the press left the page.
        **options: markdown-exec's options, among them where the source is shown.

    Raises:
        PressError: Naming page, block and line, when the block raises.
    """
    page: Page = md.gradbook  # type: ignore[attr-defined]
    block = page.next_block()
    page.ran = number = page.ran + 1
    is_folded = options["source"] == "none"

    def run(code: str, **_: Any) -> str:
        try:
            page.shown.append(page.session.run(code))
            return downloads.linked(page.shown[-1], place_of(md), is_folded=is_folded)
        except (BlockError, ValueError, TypeError) as error:
            line = block.line if block else "unknown"
            raise PressError(f"{page_of(md)}: block {number} (line {line}): {error}") from error

    options["html"] = True
    options["update_toc"] = False
    if not is_folded:
        return str(base_format(language="python", run=run, code=code, md=md, **options))
    options["source"] = ""
    shown = str(base_format(language="python", run=run, code=code, md=md, **options))
    if not shown:
        page.set_up.append(code)
        return ""
    return shown + folded("Code", [code], downloads.code_anchor(page.shown[-1]))


markdown_exec.formatters["python"] = format_python
formatter = markdown_exec.formatter
"""What SuperFences calls: markdown-exec's formatter, which calls `format_python`."""
