"""The SVG of a page: accessible, themed, alone on its page, and still the same drawing."""

import colorsys
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser
from itertools import chain
from types import SimpleNamespace

import pytest

import gallery
from gradbook.press import svg
from gradbook.press.places import DOCS
from gradbook.show import theme
from gradbook.show.formats import inline_html

ASSETS = DOCS / "assets"
LOOK = {"palette": theme.CSS, "text_size": theme.TEXT_SIZE}
SVG = "{http://www.w3.org/2000/svg}"
every_picture = pytest.mark.parametrize("draw", gallery.ALL, ids=lambda draw: draw.__name__)


def drawn(inside: str, alt: str = "A line.", caption: str = "Up.") -> SimpleNamespace:
    """A picture whose SVG is given."""
    source = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{inside}</svg>'
    return SimpleNamespace(alt=alt, caption_html=caption, svg=lambda: source, **LOOK)


def page_of(picture, prefix="figure-1") -> ET.Element:
    return ET.fromstring(svg.to_html(picture, prefix))


@cache
def source(draw) -> str:
    """The SVG of a picture of the gallery, as Matplotlib writes it."""
    return draw().svg()


@cache
def html_of(draw) -> str:
    """A picture of the gallery as the page shows it."""
    texts = {"alt": gallery.TEXTS["alt"], "caption_html": inline_html(gallery.TEXTS["caption"])}
    return svg.to_html(SimpleNamespace(**texts, **LOOK, svg=lambda: source(draw)), "figure-1")


def numbers(element: ET.Element, *names: str) -> list[str]:
    return re.findall(r"-?\d*\.?\d+", " ".join(element.get(name, "") for name in names))


# --- accessible -----------------------------------------------------------------------------


@every_picture
def test_a_screen_reader_meets_one_image_named_by_its_alt_text(draw):
    figure = ET.fromstring(html_of(draw))
    (image,) = figure.findall("svg")
    assert image.get("role") == "img"
    (name,) = (e for e in figure.iter() if e.get("id") == image.get("aria-labelledby"))
    assert (name.tag, name.text) == ("desc", gallery.TEXTS["alt"])


def test_the_caption_is_escaped_and_its_formulas_are_left_for_the_page():
    caption = page_of(gallery.chain()).find("figcaption")
    assert "".join(caption.itertext()) == r"What \(x < 1\) shows."
    assert caption.find("span").get("class") == "arithmatex"


def test_a_caption_given_as_html_is_taken_as_it_is():
    page = svg.to_html(drawn("<g/>"), "figure-1", caption="<b>Figure 1.</b> Up &amp; down.")
    assert "<figcaption><b>Figure 1.</b> Up &amp; down.</figcaption>" in page


def test_the_search_index_is_spared_the_numbers_at_the_ticks():
    assert "data-search-exclude" in page_of(gallery.chain()).find("svg").attrib


# --- alone on its page ----------------------------------------------------------------------


@every_picture
def test_nothing_of_the_document_around_the_drawing_is_left(draw):
    page = html_of(draw)
    assert page.startswith('<figure class="gb-figure" id="figure-1"')
    assert not re.search(r"<\?xml|<!|<metadata|<style|xlink|xmlns|font-family|\n", page)


@every_picture
def test_the_drawing_takes_the_width_of_its_column_up_to_the_size_of_the_text(draw):
    picture = draw()
    figure = ET.fromstring(html_of(draw))
    image = figure.find("svg")
    assert not {"width", "height"} & set(image.attrib)
    width, height = (float(x) for x in image.get("viewBox").split()[2:])
    assert [width / 72, height / 72] == pytest.approx(picture.figure.get_size_inches(), abs=1e-3)
    em = float(re.fullmatch(r"max-width:([\d.]+)em", figure.get("style"))[1])
    assert em * theme.TEXT_SIZE == pytest.approx(width, abs=0.05 * theme.TEXT_SIZE + 1e-9)


def test_two_figures_on_a_page_share_no_id_and_find_their_own_marks():
    pages = [page_of(gallery.four_lines(), f"figure-{n}") for n in (1, 2)]
    ids = [{e.get("id") for e in page.iter() if e.get("id")} for page in pages]
    assert not ids[0] & ids[1]
    for page, own in zip(pages, ids, strict=True):
        values = chain.from_iterable(e.attrib.values() for e in page.iter())
        targets = {m[1] for v in values if (m := re.fullmatch(r"(?:url\()?#([^)]+)\)?", v))}
        assert targets
        assert targets <= own


def test_ids_that_nothing_refers_to_are_dropped():
    page = page_of(drawn('<g id="a"><path id="b" d="M0 0" style="fill: #0072b2"/></g>'))
    assert [e.get("id") for e in page.iter() if e.get("id")] == ["figure-1", "figure-1-alt"]


# --- themed ---------------------------------------------------------------------------------


@every_picture
def test_every_color_follows_the_page(draw):
    page = html_of(draw)
    themed = re.sub(r"var\(--gb-\w+,#[0-9a-f]{6}\)", "", page)
    assert not re.search(r"#[0-9a-fA-F]{6}\b", themed)
    assert "currentColor" in page


def test_a_color_from_outside_the_theme_is_refused_by_its_name():
    with pytest.raises(ValueError, match=r"colors of its palette.*got #1f77b4$"):
        page_of(drawn('<path d="M0 0" style="fill: #1f77b4"/>'))


def test_what_matplotlib_leaves_black_has_the_color_of_the_text():
    image = page_of(drawn('<path d="M0 0"/>')).find("svg")
    assert image.get("fill") == "currentColor"
    shape = page_of(drawn('<path d="M0 0" style="fill: none; stroke: #000000"/>')).find("svg/path")
    assert shape.get("style") == "fill:none;stroke:currentColor"


def test_text_keeps_its_face_and_relative_size_but_takes_the_page_s_font():
    style = "font-style: italic; font-weight: 700; font-size: 21px; font-family: 'DejaVu Sans'"
    text = page_of(drawn(f'<text x="1" y="2" style="{style}">w</text>')).find("svg/text")
    assert text.get("style") == "font-style:italic;font-weight:700;font-size:2em"


def test_text_of_the_book_s_size_needs_no_size():
    style = f"font-size: {theme.TEXT_SIZE}px; font-family: 'DejaVu Sans'"
    text = page_of(drawn(f'<text style="{style}">w</text>')).find("svg/text")
    assert text.attrib == {}


# --- still the same drawing -----------------------------------------------------------------


@every_picture
def test_every_text_stays_text_where_it_was(draw):
    before = list(ET.fromstring(source(draw)).iter(f"{SVG}text"))
    after = list(ET.fromstring(html_of(draw)).iter("text"))
    assert [t.text for t in before] == [t.text for t in after]
    for old, new in zip(before, after, strict=True):
        for axis in "xy":
            # Two decimals of a point: 0.005, and no more.
            assert float(new.get(axis)) == pytest.approx(float(old.get(axis)), abs=0.00501)


@every_picture
def test_rounding_moves_no_point_by_more_than_half_a_hundredth(draw):
    before = [e for e in ET.fromstring(source(draw)).iter(f"{SVG}path") if e.get("d")]
    seen = [e for e in before if e.get("style") != "fill: none"]
    after = list(ET.fromstring(html_of(draw)).iter("path"))
    assert len(seen) == len(after)
    for old, new in zip(seen, after, strict=True):
        old_numbers, new_numbers = numbers(old, "d"), numbers(new, "d")
        assert re.findall("[A-Za-z]", old.get("d")) == re.findall("[A-Za-z]", new.get("d"))
        assert [float(x) for x in new_numbers] == pytest.approx(
            [float(x) for x in old_numbers], abs=0.00501
        )
        assert all(len(x.partition(".")[2]) <= 2 for x in new_numbers)


def test_clipping_and_dashes_survive():
    page = page_of(gallery.four_lines())
    assert page.findall(".//clipPath")
    dashes = {e.get("style") for e in page.iter("path") if "dasharray" in e.get("style", "")}
    assert len(dashes) >= 3


def test_a_transform_that_turns_nothing_is_dropped_and_others_are_kept():
    page = page_of(
        drawn(
            '<text transform="rotate(-0 1.5 2)" style="fill: #0072b2">a</text>'
            '<text transform="translate(1.2345 2) rotate(-90)" style="fill: #0072b2">b</text>'
        )
    )
    assert [t.get("transform") for t in page.iter("text")] == [None, "translate(1.23 2)rotate(-90)"]


@pytest.mark.parametrize(
    ("value", "short"),
    [
        ("M 0.5 -0.25", "M.5 -.25"),
        ("M 10.0 0.004", "M10 0"),
        ("M -0.004 1.005e-05", "M0 0"),
        ("M 100 1200.0", "M100 1200"),
        ("M 1 2 \nL 3 4 \nz\n", "M1 2L3 4z"),
    ],
)
def test_coordinates_are_written_short(value, short):
    path = page_of(drawn(f'<path d="{value}" style="stroke: #000000"/>')).find("svg/path")
    assert path.get("d") == short


def test_a_log_plot_of_four_lines_is_some_15_kilobytes():
    assert len(svg.to_html(gallery.four_lines(), "figure-1")) < 16_000


# --- what the press may assume --------------------------------------------------------------


def test_transforming_a_figure_does_not_import_matplotlib():
    script = "import sys, gradbook.press.svg; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


class Nesting(HTMLParser):
    """Follows the tags as a browser's tokenizer does, and fails where they do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@every_picture
def test_the_figure_is_html_as_well_as_xml(draw):
    parser = Nesting()
    parser.feed(html_of(draw))
    parser.close()
    assert parser.open == []


# --- the style sheet ------------------------------------------------------------------------


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def variables(selector: str) -> dict[str, str]:
    """The colors that the style sheet declares under a selector."""
    sheet = (ASSETS / "figures.css").read_text()
    block = re.search(re.escape(selector) + r"\s*{([^}]*)}", sheet)[1]
    return dict(re.findall(r"(--gb-\w+):\s*(#[0-9a-f]{6});", block))


def slates() -> set[str]:
    """Material's slate, hsl(hue, 15 %, 14 %), for its own hue and for any the book sets."""
    sheets = "".join(path.read_text() for path in ASSETS.glob("*.css"))
    hues = {225, *map(int, re.findall(r"--md-hue:\s*(\d+)", sheets))}
    rgb = (colorsys.hls_to_rgb(hue / 360, 0.14, 0.15) for hue in hues)
    return {"#" + "".join(f"{round(255 * c):02x}" for c in color) for color in rgb}


def test_contrast_is_measured_as_wcag_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_the_light_colors_are_those_the_figures_are_drawn_in():
    assert variables("[data-md-color-scheme]") == {
        f"--gb-{n}": color for n, color in enumerate(theme.SERIES, start=1)
    }


def test_both_schemes_set_every_variable_that_figures_use():
    sheet = (ASSETS / "figures.css").read_text()
    names = {m[1] for value in theme.CSS.values() if (m := re.match(r"var\((--[\w-]+)", value))}
    assert all(f"{name}:" in sheet for name in names)
    light, dark = variables("[data-md-color-scheme]"), variables('[data-md-color-scheme="slate"]')
    assert light.keys() == dark.keys()


@pytest.mark.parametrize("name", [f"--gb-{n}" for n in range(1, len(theme.SERIES) + 1)])
def test_lines_reach_three_to_one_on_white_and_on_slate(name):
    # WCAG 2.2, 1.4.11: graphical objects need 3:1 against what they stand on.
    assert contrast(variables("[data-md-color-scheme]")[name], "#ffffff") >= 3
    for slate in slates():
        assert contrast(variables('[data-md-color-scheme="slate"]')[name], slate) >= 3


def test_the_ink_of_a_figure_in_a_notebook_is_readable():
    # WCAG 2.2, 1.4.3: text needs 4.5:1.
    assert contrast(theme.INK, theme.PAPER) >= 4.5
