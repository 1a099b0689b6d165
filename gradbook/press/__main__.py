"""Build, check, measure, pack or serve the book: `python -m gradbook.press --help`."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradbook.press.assets import ensure_assets
from gradbook.press.check import check_site
from gradbook.press.places import ROOT
from gradbook.press.reading import report
from gradbook.press.results import CACHE_VARIABLE

GENERATORS = ("mkdocs", "zensical")
# 1980, the first year a zip file can name: two builds are the same, byte for byte.
_DEFAULTS = {"SOURCE_DATE_EPOCH": "315532800"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: The command line; the process's own by default.
    """
    parser = argparse.ArgumentParser(prog="python -m gradbook.press", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="open the book on localhost")
    serving.add_argument("--port", type=int, default=8000)
    for name, text in (("site", "build site/ strictly and check it"), ("offline", "pack a zip")):
        building = commands.add_parser(name, help=text)
        building.add_argument("--config", type=Path, default=ROOT / "mkdocs.yml")
        building.add_argument("--site", type=Path, default=ROOT / "site")
        building.add_argument("--generator", choices=GENERATORS, default="mkdocs")
        building.add_argument("--fresh", action="store_true", help="run every block again")
        carrying = "files for readers to keep, such as the book as a PDF"
        building.add_argument("--carry", type=_file, nargs="*", default=[], help=carrying)
    checking = commands.add_parser("check", help="find what is typed that could be computed")
    checking.add_argument("pages", type=Path, nargs="*", help="all pages by default")
    numbers = "also change the numbers in their code; of all pages, those that were edited"
    checking.add_argument("--numbers", action="store_true", help=numbers)
    checking.add_argument("--every-number", action="store_true", help="of all, edited or not")
    draws = "instead show what other draws change in them, for their writer to judge"
    checking.add_argument("--draws", action="store_true", help=draws)
    commands.add_parser("reading", help="measure what each page asks of its reader")
    commands.add_parser("assets", help="fetch what the pages need from the npm registry")
    given = parser.parse_args(arguments)
    if given.command == "serve":
        return serve(given.port)
    if given.command == "check":
        how = {"numbers": given.numbers, "every_number": given.every_number, "draws": given.draws}
        return check(given.pages, **how)
    if given.command == "assets":
        ensure_assets()
        return 0
    if given.command == "reading":
        print(report())
        return 0
    offline = given.command == "offline"
    asked: dict[str, Any] = {"offline": offline, "fresh": given.fresh, "carry": given.carry}
    code = build(given.config, given.site, given.generator, **asked)
    if offline and code == 0:
        print(pack(given.site, ROOT / "dist" / "gradbook-offline.zip"))
    return code


def _file(text: str) -> Path:
    """Return a path as one from here, for a build that runs elsewhere."""
    path = Path(text).resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is no file")
    return path


def check(pages: Sequence[Path], *, numbers: bool, every_number: bool, draws: bool) -> int:
    """Proofread pages, print their faults and return the exit code."""
    from gradbook.press.proofreading import proofread  # noqa: PLC0415 - a build does without
    from gradbook.press.redraws import redrawn_pages  # noqa: PLC0415 - a build does without

    if draws:
        print(*redrawn_pages(pages), sep="\n")
        return 0
    faults = proofread(pages, numbers=numbers, every_number=every_number)
    print("\n".join(faults), end="\n" if faults else "")
    return min(len(faults), 1)


def serve(port: int) -> int:
    """Serve the book on localhost, building a page when it is asked for and on every change.

    Args:
        port: The port; a busy one gets one clear line.
    """
    with socket.socket() as probe:
        # As the server itself does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name != "nt"))
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            print(f"port {port} is busy: try make serve PORT={port + 1}", file=sys.stderr)
            return 1
    os.environ.update(_DEFAULTS | os.environ)
    from gradbook.press.serving import serve as serve_pages  # noqa: PLC0415 - a build does without

    serve_pages(ROOT / "mkdocs.yml", port, open_browser=_has_display())
    return 0


def _has_display() -> bool:
    screen = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ
    return sys.stdout.isatty() and (screen or "WAYLAND_DISPLAY" in os.environ)


def build(
    config: Path,
    site: Path,
    generator: str,
    *,
    offline: bool = False,
    fresh: bool = False,
    carry: Sequence[Path] = (),
) -> int:
    """Build a site strictly, bind and check it; return the exit code.

    Args:
        config: The `mkdocs.yml` to build.
        site: The folder to build into; what it held is gone.
        generator: `mkdocs` or `zensical`.
        offline: Build pages that open from `file://`.
        fresh: Run every block, whatever results are kept.
        carry: Files that the site brings for its readers to keep.
    """
    shutil.rmtree(site, ignore_errors=True)
    settings = {
        "GRADBOOK_SITE": str(site),
        "GRADBOOK_OFFLINE": str(offline).lower(),
        "NO_MKDOCS_2_WARNING": "1",
    }
    command = [sys.executable, "-m", generator, "build", "--strict", "--config-file", str(config)]
    if generator == "zensical":
        command.append("--clean")
    binding = [sys.executable, "-m", "gradbook.press.binding", str(config), str(site)]
    binding += ["--offline"] * offline + ["--carry", *map(str, carry)]
    with tempfile.TemporaryDirectory() as empty:
        if fresh:
            settings[CACHE_VARIABLE] = empty
        environment = _DEFAULTS | os.environ | settings
        for step in (command, binding):
            done = subprocess.run(step, cwd=config.parent, env=environment, check=False)
            if done.returncode:
                return done.returncode
    faults = check_site(site)
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return min(len(faults), 1)


def pack(site: Path, archive: Path) -> str:
    """Pack a built site into one zip file and return its path.

    Args:
        site: The built pages.
        archive: The file to write.
    """
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in site.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"gradbook/{path.relative_to(site).as_posix()}")
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())
    return str(archive)


if __name__ == "__main__":
    sys.exit(main())
