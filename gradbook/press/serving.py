"""Serve the book while it is being built: the page that is asked for comes first."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mkdocs.livereload import LiveReloadServer

from gradbook.press.ahead import ahead_of, workers
from gradbook.press.binding.policies import guarded, policy
from gradbook.press.binding.sheet import UNKNOWN
from gradbook.press.desk import Desk
from gradbook.press.maker import Maker
from gradbook.press.places import PACKAGE

POLL = 0.1
"""How often, in seconds, the files are looked at for changes."""


class Server(LiveReloadServer):
    """MkDocs' server, but a page that is not built yet is waited for."""

    def __init__(self, desk: Desk, port: int, root: str) -> None:
        """Bind nothing yet.

        Args:
            desk: Who has pages built.
            port: The port.
            root: The folder that built pages are written to.
        """
        super().__init__(desk.refresh, "127.0.0.1", port, root, polling_interval=POLL)
        self.build_delay = POLL / 10  # an editor that saves in two steps is looked at twice
        self.desk = desk
        self.error_handler = self._unknown

    def serve_request(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request once its page is as its sources are.

        Args:
            environ: The request.
            start_response: Takes the answer's head.
        """
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        if not path.startswith("/livereload/"):
            self.desk.wait_for(path)
        return super().serve_request(environ, start_response)

    def _inject_js_into_html(self, content: bytes, epoch: int) -> bytes:
        """Let a page follow edits, under the policy that it is published with."""
        live = super()._inject_js_into_html(content, epoch)  # type: ignore[no-untyped-call]
        page = live.decode("utf-8")
        return guarded(page, policy([page])).encode()

    def _unknown(self, code: int) -> bytes | None:
        """Return the book's page for unknown addresses; it follows edits, for one may mend it."""
        page = Path(self.root, UNKNOWN)
        if code != HTTPStatus.NOT_FOUND or not page.is_file():
            return None
        return self._inject_js_into_html(page.read_bytes(), self._visible_epoch)


def serve(config: Path, port: int, *, open_browser: bool) -> None:
    """Serve the book on localhost until it is interrupted, and build it page by page.

    Args:
        config: The book's `mkdocs.yml`.
        port: The port.
        open_browser: Show it in the reader's browser.
    """
    logging.getLogger("mkdocs").addHandler(logging.StreamHandler())
    with tempfile.TemporaryDirectory(prefix="gradbook-") as root:
        docs = config.parent / "docs"
        ahead = ahead_of(docs).begin(workers(), spare=True)  # blocks run from here on
        maker = Maker(config, Path(root), f"http://127.0.0.1:{port}/")
        desk = Desk(maker.read, maker.make, ahead)
        server = Server(desk, port, root)
        for watched in (docs, config, PACKAGE):
            server.watch(str(watched))
        desk.start()
        print(f"gradbook: {server.url} (Ctrl-C stops it)", file=sys.stderr, flush=True)
        try:
            server.serve(open_in_browser=open_browser)  # type: ignore[no-untyped-call]
        except KeyboardInterrupt:
            pass
        finally:
            server.shutdown()
