"""Bind a built site: `python -m gradbook.press.binding mkdocs.yml site`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradbook.press.binding.binder import Binder

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("site", type=Path)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--carry", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    Binder(given.config, given.site, offline=given.offline, carried=given.carry).bind()
