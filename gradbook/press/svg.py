"""Turn a picture into HTML: one SVG that follows the page's theme, width and font."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from functools import partial
from typing import Protocol

_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}\b")
_DECIMAL = re.compile(r"-?\d*\.\d+(?:e[+-]?\d+)?")
_NO_TURN = re.compile(r"rotate\(-?0 [^)]*\)")
_REFERENCE = re.compile(r"^(?:url\()?#([^)]+)\)?$")
_GEOMETRY = ("d", "height", "points", "r", "transform", "viewBox", "width", "x", "y")
# A style sheet inside an inline SVG would reach the whole page; on the root these are inherited.
_INHERITED = {"fill": "currentColor", "stroke-linejoin": "round", "stroke-linecap": "butt"}


class Drawn(Protocol):
    """What can be shown: a drawing with its texts and its colors."""

    @property
    def alt(self) -> str:
        """What a reader sees, in words."""

    @property
    def caption_html(self) -> str:
        """What the drawing shows, as HTML."""

    @property
    def palette(self) -> Mapping[str, str]:
        """What a page writes in place of each color."""

    @property
    def text_size(self) -> float:
        """The size of most of its text, in points."""

    def svg(self) -> str:
        """Return an SVG document drawn in the colors of the palette."""


def to_html(picture: Drawn, prefix: str, *, caption: str | None = None) -> str:
    r"""Return a figure for a page: themed SVG with its alt text, and its caption.

    The drawing is as wide as the column, up to the width at which its text is as large as the
    page's. Its text is in the page's font, its colors are the variables of `figures.css`.

    Args:
        picture: The picture.
        prefix: The figure's `id`, unique on the page; the ids inside begin with it.
        caption: The caption as HTML; by default the picture's own.

    Raises:
        ValueError: If a color is not in the palette, so that it could not follow the page's theme.

    Examples:
        >>> from types import SimpleNamespace
        >>> line = '<path d="M 0 0.123 L 9 9" style="stroke: #0072b2"/>'
        >>> source = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{line}</svg>'
        >>> drawn = SimpleNamespace(
        ...     alt="A line.", caption_html="Up.", svg=lambda: source, text_size=10.5,
        ...     palette={"#0072b2": "var(--gb-1,#0072b2)"},
        ... )
        >>> page = to_html(drawn, "figure-1")
        >>> '<path d="M0 .12L9 9" style="stroke:var(--gb-1,#0072b2)" />' in page
        True
    """
    svg = themed(picture, prefix)
    width = float(svg.attrib["viewBox"].split()[2]) / picture.text_size
    text = picture.caption_html if caption is None else caption
    return (
        f'<figure class="gb-figure" id="{html.escape(prefix)}" style="max-width:{width:.1f}em">'
        f"{ET.tostring(svg, encoding='unicode')}<figcaption>{text}</figcaption></figure>"
    )


def themed(picture: Drawn, prefix: str) -> ET.Element:
    """Return a picture's SVG document, its viewBox in points, as an element to stand inside a page.

    Args:
        picture: The picture.
        prefix: What every id begins with.

    Raises:
        ValueError: If a color is not in the palette.
    """
    root = ET.fromstring(picture.svg())
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): value for name, value in element.attrib.items()}
        _compact(element, picture)
    _drop(root)
    _rename(root, prefix)
    _unwrap(root)
    described = f"{prefix}-alt"
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": described,
        "data-search-exclude": "",
        "style": f"font-size:calc({picture.text_size}px*var(--gb-text,1))",
        **_INHERITED,
    }
    description = ET.Element("desc", {"id": described})
    description.text = picture.alt
    root.insert(0, description)
    return root


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _compact(element: ET.Element, picture: Drawn) -> None:
    attributes = element.attrib
    for name in _GEOMETRY:
        if name in attributes:
            attributes[name] = _geometry(attributes[name])
    if not attributes.get("transform", "-"):
        del attributes["transform"]
    if "style" in attributes:
        style = _style(attributes.pop("style"), picture)
        if style:
            attributes["style"] = style
    element.text, element.tail = (
        text if text and text.strip() else None for text in (element.text, element.tail)
    )


def _geometry(value: str) -> str:
    joined = re.sub(r"\s+", " ", _NO_TURN.sub("", value)).strip()
    return re.sub(r" ?([A-Za-z(),]) ?", r"\1", _rounded(joined))


def _rounded(value: str) -> str:
    def two(match: re.Match[str]) -> str:
        number = f"{float(match[0]):z.2f}".rstrip("0").rstrip(".")
        return re.sub(r"^(-?)0(?=\.)", r"\1", number)

    return _DECIMAL.sub(two, value)


def _style(value: str, picture: Drawn) -> str:
    declarations = (item.split(":", 1) for item in value.split(";") if ":" in item)
    pairs = (_declaration(name.strip(), given.strip(), picture) for name, given in declarations)
    return ";".join(pair for pair in pairs if pair)


def _declaration(name: str, value: str, picture: Drawn) -> str:
    if name == "font-family":
        return ""
    if name == "font-size":
        size = _rounded(f"{float(value.removesuffix('px')) / picture.text_size:.2f}")
        return "" if size == "1" else f"font-size:{size}em"
    themed_value = _COLOR.sub(partial(_variable, picture), _rounded(value))
    # What the root hands down need not be repeated; Matplotlib sets no color on groups.
    return "" if _INHERITED.get(name) == themed_value else f"{name}:{themed_value}"


def _variable(picture: Drawn, color: re.Match[str]) -> str:
    try:
        return picture.palette[color[0].lower()]
    except KeyError:
        raise ValueError(
            f"a figure must be drawn in the colors of its palette, which follow the page's light "
            f"or dark scheme, got {color[0]}"
        ) from None


def _drop(parent: ET.Element) -> None:
    """Remove what says nothing about the drawing, and paths that have neither fill nor stroke."""
    for child in list(parent):
        unseen = child.tag == "path" and child.get("style") == "fill:none"
        if unseen or child.tag in {"metadata", "style"}:
            parent.remove(child)
        else:
            _drop(child)


def _rename(root: ET.Element, prefix: str) -> None:
    """Keep the ids that something refers to, numbered behind the prefix."""
    links = [
        (element, name, found[1])
        for element in root.iter()
        for name, value in element.attrib.items()
        if (found := _REFERENCE.match(value))
    ]
    order = dict.fromkeys(target for _, _, target in links)
    names = {target: f"{prefix}-{number}" for number, target in enumerate(order, start=1)}
    for element in root.iter():
        name = names.get(element.attrib.pop("id", ""))
        if name:
            element.set("id", name)
    for element, attribute, target in links:
        element.set(attribute, element.attrib[attribute].replace(f"#{target}", f"#{names[target]}"))


def _unwrap(parent: ET.Element) -> None:
    """Put the children of each group that says nothing in the group's place."""
    children: list[ET.Element] = []
    for child in list(parent):
        _unwrap(child)
        bare = child.tag in {"g", "defs"} and not child.attrib
        children += list(child) if bare and (child.tag == "g" or len(child) == 0) else [child]
        parent.remove(child)
    parent.extend(children)
