"""Tables: their HTML is read back by an XML parser, their plain text by its columns."""

import re
import xml.etree.ElementTree as ET
from functools import partial

import numpy as np
import pytest

from gradbook.show.formats import scientific_text
from gradbook.show.tables import Table

NUMBERS = [[1, 0.25], [2, -0.0625], [10, np.float64(9.5e-7)]]


def small(**changes):
    given = {
        "headers": ["depth", "slope"],
        "rows": NUMBERS,
        "caption": "Slopes.",
        "formats": ["d", ".2f"],
    }
    return Table(**{**given, **changes})


def html(table: Table) -> ET.Element:
    return ET.fromstring(table._repr_html_())


def cells(table: Table, tag: str) -> list[str]:
    return ["".join(cell.itertext()) for cell in html(table).iter(tag)]


def test_a_screen_reader_finds_the_caption_and_the_header_of_every_cell():
    page = html(small())
    assert page.findtext("table/caption") == "Slopes."
    assert [th.get("scope") for th in page.findall("table/thead/tr/th")] == ["col", "col"]
    for row in page.findall("table/tbody/tr"):
        assert [(cell.tag, cell.get("scope")) for cell in row] == [("th", "row"), ("td", None)]


def test_an_empty_corner_and_a_row_without_a_name_are_no_headers():
    page = html(Table(["", "b"], [["", "c"], ["d", "e"]], caption="c"))
    assert [cell.tag for cell in page.find("table/thead/tr")] == ["td", "th"]
    assert [[cell.tag for cell in row] for row in page.find("table/tbody")] == [
        ["td", "td"],
        ["th", "td"],
    ]


def test_a_wide_table_scrolls_in_a_named_frame_that_the_keyboard_reaches():
    frame = html(small(caption="Slopes of $f$."))
    assert frame.attrib == {
        "class": "gb-table",
        "role": "region",
        "tabindex": "0",
        "aria-label": "Slopes of f.",
    }


def test_a_table_that_may_come_twice_is_no_landmark():
    frame = html(small(landmark=False))
    assert frame.attrib == html(small()).attrib | {"role": "group"}


def test_cells_stay_words_of_their_own_where_the_marks_are_taken_away():
    assert "".join(html(small()).itertext()).split()[:5] == [
        "Slopes.",
        "depth",
        "slope",
        "1",
        "0.25",
    ]


def test_numbers_follow_their_column_format_with_a_true_minus_sign_in_html():
    assert cells(small(), "td") == ["0.25", "−0.06", "0.00"]


def test_plain_text_keeps_the_hyphen_and_sets_the_columns_under_each_other():
    assert str(small()).splitlines() == [
        "depth  slope",
        "-----  -----",
        "    1   0.25",
        "    2  -0.06",
        "   10   0.00",
    ]


def test_a_format_may_be_a_function():
    table = small(formats=["d", partial(scientific_text, digits=2)])
    assert cells(table, "td") == ["2.5·10⁻¹", "−6.2·10⁻²", "9.5·10⁻⁷"]


def test_without_formats_numbers_are_printed_as_python_does():
    assert cells(small(formats=()), "td") == ["0.25", "−0.0625", "9.5e−07"]


def test_text_is_escaped_and_its_formulas_are_left_for_the_page():
    table = Table(["<name>", "rule"], [["a & b", r"$w-\eta g<0$"]], caption='"x" < $y$', align="lr")
    page = html(table)
    assert cells(table, "th") == ["<name>", "rule", "a & b"]
    formula = page.find("table/tbody/tr/td/span")
    assert formula is not None
    assert (formula.get("class"), formula.text) == ("arithmatex", r"\(w-\eta g<0\)")
    assert page.get("aria-label") == '"x" < y'


def test_a_hyphen_inside_text_or_a_formula_is_not_turned_into_a_minus_sign():
    formula = small(formats=["d", lambda x: rf"$10^{{{x:.0f}}}-1$"], rows=[[1, -2.0]])
    assert cells(formula, "td") == [r"\(10^{-2}-1\)"]
    assert cells(Table(["a", "b"], [["x", "He-like"]], caption="c"), "td") == ["He-like"]


def test_columns_of_numbers_are_set_right_and_columns_of_text_left():
    table = Table(["name", "n"], [["a", 1], ["b", 2]], caption="c")
    sides = [cell.get("class") for cell in html(table).find("table/tbody/tr")]
    assert sides == [None, "gb-right"]
    turned = html(Table(["name", "n"], [["a", 1]], caption="c", align="rl"))
    assert [cell.get("class") for cell in turned.find("table/tbody/tr")] == ["gb-right", None]


def test_a_table_without_rows_still_shows_its_headers():
    assert str(Table(["a", "b"], [], caption="c")) == "a  b\n-  -"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headers": []}, "headers must name at least one column, got none"),
        ({"caption": "  "}, "caption must say what the table shows, got '  '"),
        ({"rows": [[1, 2], [3]]}, "row 1 must have 2 entries, one per header, got 1"),
        ({"formats": ["d"]}, "formats must have 2 entries, one per header, got 1"),
        ({"align": "lrr"}, "align must have 2 entries, one per header, got 3"),
        ({"align": "lc"}, "align must hold only 'l' and 'r', got 'lc'"),
    ],
)
def test_errors_name_the_argument_its_value_and_what_was_expected(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small(**changes)


def test_a_cell_that_is_neither_text_nor_number_is_refused():
    with pytest.raises(TypeError, match=r"a cell must be text or a real number, got None"):
        small(rows=[[1, None]])
