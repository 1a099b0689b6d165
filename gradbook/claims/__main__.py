"""Print the board of claims: `python -m gradbook.claims [--full]`; exit 1 if one fails."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gradbook.claims import ALL, board


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every claim, print the board, and return 1 if a claim does not stand.

    Args:
        arguments: The command line; the process's own by default.
    """
    parser = argparse.ArgumentParser(prog="python -m gradbook.claims", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more draws, tighter error bars")
    given = parser.parse_args(arguments)
    found = board(ALL, full=given.full)
    print(found)
    return int(bool(found.failed))


if __name__ == "__main__":
    sys.exit(main())
