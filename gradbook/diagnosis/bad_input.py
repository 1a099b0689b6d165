"""What is raised for gradients, weights and files that cannot be used."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradbook.diagnosis.verdicts import shown

LONGEST = 400
"""The most characters of a message; what is cut is cut from its middle."""


class BadInput(ValueError):
    """Say in one printable line what is wrong with the input.

    Names in a stranger's file may hold line breaks or escape sequences of a terminal; none of them
    gets through, and a name of a megabyte gets shortened.

    Examples:
        >>> str(BadInput("a name with a break:" + chr(10) + "and an escape:" + chr(27) + "[2J"))
        'a name with a break:?and an escape:?[2J'
    """

    def __init__(self, message: str) -> None:
        """Make the message one printable line."""
        if len(message) > LONGEST:
            half = (LONGEST - 5) // 2
            message = f"{message[:half]} ... {message[-half:]}"
        super().__init__(shown(message))


class Odd(BadInput):
    """Say of one tensor that it cannot be measured, though the others may be."""


def reason(error: BaseException) -> str:
    """Return the first line of what another library's error says, or its type's name."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def one_line(place: str) -> Iterator[None]:
    """Turn whatever goes wrong in a block into one line that names the place."""
    try:
        yield
    except (AttributeError, NameError, AssertionError):
        raise  # a fault of this code, and none of the file
    except Exception as error:  # whatever a library raises for a file that is not as it should be
        raise BadInput(f"{place}: {reason(error)}") from None


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary, but not of a key that comes twice: two readers could see two files."""
    twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
    if twice:
        raise BadInput(f"must name everything once, got {twice[0]!r} twice")
    return dict(pairs)


def require_file(path: Path) -> None:
    """Raise unless a path is a file that ends: a pipe or a device may never give anything."""
    if not path.exists():
        raise BadInput("there is no such file")
    if not path.is_file():
        raise BadInput("it is no regular file: write what it holds into one")
