"""Serve built pages to the browser: as they are, or compressed as hosts do."""

from __future__ import annotations

import gzip
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and keeps no log."""

    def log_message(self, *_: Any) -> None:
        """Say nothing: what fails is noticed by the browser."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine and yield its address."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))) as address:
        yield address


@contextmanager
def running(made: ThreadingHTTPServer) -> Iterator[str]:
    """Run a server while it is needed, and yield its address."""
    with made as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Compressed(Quiet):
    """Serves text compressed, as hosts do."""

    def send_head(self) -> Any:
        """Answer with a compressed body where the file is text."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix not in {".html", ".css", ".js", ".json", ".svg"} or not path.is_file():
            return super().send_head()
        body = gzip.compress(path.read_bytes(), mtime=0)
        self.send_response(200)
        for key, value in {
            "Content-Type": f"{self.guess_type(path)}; charset=utf-8",
            "Content-Encoding": "gzip",
            "Content-Length": str(len(body)),
            "Cache-Control": "max-age=31536000",
        }.items():
            self.send_header(key, value)
        self.end_headers()
        return io.BytesIO(body)


@contextmanager
def compressed(site: Path) -> Iterator[str]:
    """Serve a folder as a host does, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Compressed, directory=site))
    with running(server) as address:
        yield address
