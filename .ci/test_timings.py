"""`make timings` measures a book in a clone, says what it does not see, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import timings

from gradbook.press.work import work_of

MAKEFILE = """
setup site:
\t@test ! -e broken
serve:
\t@exec {python} -u server.py $(PORT)
"""
# Shows a page's source, and the module's behind it: both as they are now, or as they were.
SERVER = """
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = pathlib.Path("docs", self.path.strip("/") or "index").with_suffix(".md")
        text = page.read_text() + {module}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<article>" + text.encode())
    def log_message(self, *_): pass
pathlib.Path({pid!r}).write_text(str(__import__("os").getpid()))
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
NOW = f"pathlib.Path({timings.MODULE!r}).read_text()"


def book(folder: Path, module: str = NOW) -> Path:
    """Write a book of three pages that answers at once, and commit it."""
    server = SERVER.format(module=module, pid=str(folder / "pid"))
    files = {
        "Makefile": MAKEFILE.format(python=sys.executable),
        "server.py": server,
        timings.MODULE: timings.LABEL,
        "docs/index.md": "home",
        f"docs/{timings.CHAPTER}.md": timings.SENTENCE,
        f"docs/{timings.ITS_CHAPTER}.md": "clipping",
    }
    for name, text in files.items():
        path = folder / "book" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    who = ["-c", "user.name=a", "-c", "user.email=a"]
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "Book"]):
        subprocess.run(["git", *command], cwd=folder / "book", check=True)
    (folder / "tmp").mkdir()
    return folder


def run(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command on the book, with a temporary folder of its own."""
    command = [sys.executable, timings.__file__, "--root", str(folder / "book"), *arguments]
    environment = os.environ | {"TMPDIR": str(folder / "tmp")}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def left(folder: Path) -> list[str]:
    """Return what is left behind: files, changes, a server that answers nobody."""
    status = ["git", "-C", str(folder / "book"), "status", "--porcelain"]
    changed = subprocess.run(status, check=True, capture_output=True, text=True).stdout.split("\n")
    files = [path.name for path in (folder / "tmp").iterdir()]
    return [*files, *filter(None, changed), *(["a server"] if is_alive(folder / "pid") else [])]


def is_alive(pid: Path) -> bool:
    """Return whether the process of a file runs."""
    try:
        os.kill(int(pid.read_text()), 0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def test_every_wait_stands_beside_its_aim_and_nothing_is_left(tmp_path: Path) -> None:
    """In one table, with the day, the cores and the commit above it."""
    table, errors = run(book(tmp_path)).communicate(timeout=180)
    assert errors == ""
    head, *rows = table.splitlines()
    assert f"{os.cpu_count()} cores" in head
    assert head.endswith("Book")
    assert [row.split()[-3:-1] for row in rows[1:]] == [
        ["≤", aim] for aim in ("5", "5", "3", "3", "0.5", "5", "40")
    ]
    assert left(tmp_path) == []


def test_a_change_that_never_shows_is_told(tmp_path: Path) -> None:
    """With how long it was waited for, and the aim that was missed."""
    table, _ = run(book(tmp_path, "''"), "--patience", "1").communicate(timeout=180)
    (row,) = (row for row in table.splitlines() if row.startswith(timings.MODULE))
    assert row.split("shown")[1].split() == ["not", "within", "1", "s", "MISSED", "≤", "5", "s"]
    assert left(tmp_path) == []


def test_a_command_that_fails_is_told_with_what_it_printed(tmp_path: Path) -> None:
    """And nothing is left."""
    folder = book(tmp_path)
    (folder / "book" / "Makefile").write_text("setup:\n\t@echo no network; false\n")
    who = ["-c", "user.name=a", "-c", "user.email=a"]
    subprocess.run(["git", *who, "commit", "-qam", "Fail"], cwd=folder / "book", check=True)
    process = run(folder)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "make setup failed:\nno network" in errors
    assert left(folder) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_interrupted(tmp_path: Path, how: signal.Signals) -> None:
    """Neither the clone nor a server, while it waits for a page that never comes."""
    folder = book(tmp_path, "1 / 0")
    process = run(folder)
    until = time.monotonic() + 30
    while not is_alive(folder / "pid") and time.monotonic() < until:
        time.sleep(0.05)
    assert is_alive(folder / "pid")
    process.send_signal(how)
    process.communicate(timeout=180)
    assert process.returncode in {130, 143}
    assert left(folder) == []


def test_the_module_is_one_that_a_single_chapter_shows() -> None:
    """What is changed in it must come to be seen, and on that chapter alone."""
    module = Path(timings.MODULE).stem
    assert timings.LABEL in (timings.ROOT / timings.MODULE).read_text(encoding="utf-8")
    pages = [
        path.relative_to(timings.ROOT / "docs").with_suffix("").as_posix()
        for path in (timings.ROOT / "docs").rglob("*.md")
        if f"{module}." in path.read_text(encoding="utf-8") and "reference" not in path.parts
    ]
    assert pages == [timings.ITS_CHAPTER]


def test_the_words_that_are_changed_run_no_block() -> None:
    """They stand in the chapter, and in its prose alone."""
    page = timings.ROOT / f"docs/{timings.CHAPTER}.md"
    text = page.read_text(encoding="utf-8")
    assert timings.SENTENCE in text
    assert work_of(page.name, text.replace(timings.SENTENCE, "")) == work_of(page.name, text)
