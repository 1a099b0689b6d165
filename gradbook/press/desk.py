"""Build the pages of the book one by one: first those that somebody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from gradbook.press.ahead import Ahead
from gradbook.press.sources import Source
from gradbook.press.work import Done


class Desk:
    """Knows which pages are not as their sources are, and has them built.

    A page's blocks run in other processes, and the page is then made of what they gave, here. The
    pages of the reference are made together, for they refer to each other.
    """

    def __init__(
        self,
        read: Callable[[], dict[str, Source]],
        make: Callable[[Mapping[str, Source]], None],
        ahead: Ahead,
    ) -> None:
        """Take what it needs.

        Args:
            read: Returns the pages by address, as their sources are now.
            make: Makes some pages, and what all pages share.
            ahead: Runs blocks.
        """
        self._read, self._make, self._ahead = read, make, ahead
        self._turn = threading.Condition()
        self._sources: dict[str, Source] = {}
        self._built: dict[str, Source] = {}
        self._runs: dict[Source, Future[Done]] = {}
        self._wanted: list[str] = []
        self._shared_is_due = True

    def start(self) -> None:
        """Begin to build, the home page first."""
        threading.Thread(target=self._run, daemon=True).start()

    def refresh(self) -> None:
        """Look at the sources: a page is due when its text, or code that it reaches, changed."""
        found = self._read()
        self._ahead.refresh()
        with self._turn:
            new = [source for url, source in found.items() if self._sources.get(url) != source]
            for source in new:
                if source.work.blocks:
                    self._runs[source] = run = self._ahead.start(source.work)
                    run.add_done_callback(self._look_again)
            self._sources, self._shared_is_due = found, True
            self._turn.notify_all()

    def wait_for(self, path: str) -> None:
        """Wait until what an address names is as its sources are.

        Args:
            path: The path of the address.
        """
        url = path.lstrip("/").removesuffix("index.html")
        with self._turn:
            self._turn.wait_for(lambda: self._sources)
            if url not in self._sources:  # a style sheet, a font: they come with any page
                self._turn.wait_for(lambda: not self._shared_is_due)
                return
            if self._is_due(url) and self._sources[url] in self._runs:
                self._ahead.start(self._sources[url].work, first=True)
            self._wanted.append(url)
            self._turn.notify_all()
            self._turn.wait_for(lambda: url not in self._sources or not self._is_due(url))
            self._wanted.remove(url)

    def _look_again(self, _: Future[Done]) -> None:
        with self._turn:
            self._turn.notify_all()

    def _run(self) -> None:
        self.refresh()
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._shared_is_due or self._next())
                seen, sources = self._sources, {url: self._sources[url] for url in self._next()}
            self._make(sources)
            with self._turn:
                self._built |= sources
                self._shared_is_due &= self._sources is not seen
                self._turn.notify_all()

    def _next(self) -> list[str]:
        """Return what to build now; nothing else is begun while somebody waits for blocks."""
        due = [url for url in self._sources if self._is_due(url)]
        wanted = [url for url in due if url in self._wanted]
        reference = [url for url in due if self._sources[url].is_reference]
        pages = [url for url in due if url not in reference]
        if any(url in reference for url in wanted):
            return reference
        if wanted or pages:
            return [url for url in wanted or pages if self._has_run(url)][:1]
        # When an edit has made it due again, the reference waits until it is asked for.
        return reference if not any(url in self._built for url in reference) else []

    def _is_due(self, url: str) -> bool:
        return self._built.get(url) != self._sources[url]

    def _has_run(self, url: str) -> bool:
        run = self._runs.get(self._sources[url])
        return run is None or run.done()
