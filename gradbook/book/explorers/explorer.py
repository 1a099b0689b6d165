"""A picture, and the data with which a script brings it to life."""

from collections.abc import Mapping
from dataclasses import dataclass

from gradbook.show.figures import Picture


@dataclass(frozen=True)
class Explorer:
    """Hold a picture, and what its explorer computes from.

    Args:
        element: The element on the page, `gb-` and the name of the script.
        picture: What is shown on paper and without scripts.
        data: What the script needs, made of JSON's kinds.
    """

    element: str
    picture: Picture
    data: Mapping[str, object]

    def _repr_html_(self) -> str:
        return self.picture._repr_html_()
