"""What is known of a network where advice is given, and the form of advice: words and a page."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


@dataclass(frozen=True)
class Traits:
    """What a network has, as far as it is known.

    Attributes:
        recurrent: Whether the finding is about steps of time.
        normalized: Whether there are normalizations.
        paths: Whether paths lead around layers.
        small: Whether numbers are kept in a format smaller than float32.
        differentiated: Whether the loss holds derivatives of the network.
        made: Whether weights are made of others, as in weight or spectral norm.
        single: Whether one layer does most of it.
        sigmoids: Whether its hidden layers are known to have sigmoids.
    """

    recurrent: bool = False
    normalized: bool = False
    paths: bool = False
    small: bool = False
    differentiated: bool = False
    made: bool = False
    single: bool = False
    sigmoids: bool = False


NOTHING_KNOWN = Traits()
"""Of a network of which nothing is known."""


@dataclass(frozen=True)
class Advice:
    """One thing to try, the page below `docs/` that explains it, and the networks it is for."""

    text: str
    page: str
    fits: Callable[[Traits], bool] = field(default=lambda traits: True, compare=False, repr=False)

    @property
    def link(self) -> str:
        """The page's address: on the site of the package, or below `GRADBOOK_BOOK`.

        Examples:
            >>> Advice("Clip.", "chapters/clipping.md").link.endswith("chapters/clipping/")
            True
        """
        return f"{site()}{self.page.removesuffix('.md')}/"


@cache
def _home() -> str:
    try:
        urls = metadata("gradbook").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    pairs = (url.partition(", ") for url in urls)
    found = {label.lower(): address for label, _, address in pairs}
    return found.get("documentation") or found.get("homepage") or ""


def site() -> str:
    """Return the address that the book is at, with a slash behind it; empty if nobody tells."""
    found = os.environ.get("GRADBOOK_BOOK") or _home()
    return found if not found or found.endswith("/") else f"{found}/"


def chapter(text: str, name: str, fits: Callable[[Traits], bool] = lambda t: True) -> Advice:
    """Return advice that a chapter of the book explains."""
    return Advice(text, f"chapters/{name}.md", fits)
