"""A figure's drawing and its numbers are files of their own, linked from its caption."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure

import gallery
from gradbook.book import explorers
from gradbook.press.downloads import alone, code_anchor, linked
from gradbook.press.errors import Place
from gradbook.press.folding import folded
from gradbook.press.plotted import to_csv
from gradbook.press.shown import display
from gradbook.show import figures

TWO = {"a": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), "b": np.array([0.25, np.nan])}


def drawn() -> figures.Picture:
    return figures.norms(
        TWO, theory={"a": [3.0, 4.0]}, levels={"edge": 2.0}, x_label="layer, -- from 1",
        y_label="norm <1>", alt="Two lines.", caption="Two lines.",
    )  # fmt: skip


def shown(tmp_path: Path, value: object = None, *, is_folded: bool = True) -> str:
    place = Place("chapters/one.md", tmp_path, tmp_path, "chapters/one/", "../../")
    return linked(display(value or drawn(), "", 3), place, is_folded=is_folded)


def test_a_caption_links_to_the_drawing_to_the_numbers_and_to_the_code(tmp_path: Path) -> None:
    found = re.findall(r'<a href="([^"]*)"( download)? aria-label="([^"]*)">', shown(tmp_path))
    assert found == [
        ("../../figures/one-4.svg", "", "SVG of figure 4"),
        ("../../figures/one-4.csv", " download", "CSV of figure 4"),
        ("#figure-4-code", "", "code of figure 4"),
    ]
    assert 'id="figure-4-code"' in folded("Code", ["x"], code_anchor(display(drawn(), "", 3)))
    assert "#figure-4-code" not in shown(tmp_path, is_folded=False)


@pytest.mark.parametrize(
    "value", [drawn(), explorers.parabola(steps=3)], ids=["figure", "explorer"]
)
def test_a_page_holds_no_numbers_itself_with_files_and_without(
    tmp_path: Path, value: object
) -> None:
    there = shown(tmp_path, value)
    nowhere = linked(display(value, "", 3), Place("page"), is_folded=True)
    assert "gb-csv" not in there + nowhere
    assert "gb-files" not in nowhere
    assert re.sub(r" <span class=\"gb-files.*?</span>", "", there) == nowhere


def test_a_chapter_numbers_its_figures(tmp_path: Path) -> None:
    place = Place("chapters/one.md", tmp_path, tmp_path, "chapters/one/", "../../", "2")
    there = linked(display(drawn(), "", 3), place, is_folded=True)
    assert "<b>Figure 2.4.</b>" in there
    assert 'aria-label="CSV of figure 2.4"' in there
    assert 'id="figure-4"' in there
    assert "<b>Figure 4.</b>" in shown(tmp_path)


def test_the_numbers_are_those_of_lines_bands_theory_and_levels(tmp_path: Path) -> None:
    shown(tmp_path)
    with (tmp_path / "figures" / "one-4.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["series", "layer, -- from 1", "norm <1>"]
    assert ["a", "1", "3"] in rows
    assert ["a, lower edge", "2", "2"] in rows
    assert ["a, upper edge", "2", "6"] in rows
    assert ["a, theory", "2", "4"] in rows
    assert ["b", "1", "0.25"] in rows
    assert ["b", "2", "nan"] in rows
    assert ["edge", "", "2"] in rows
    assert len(rows) == 2 + 4 + 2 + 2 + 1


def test_panels_are_told_apart_and_a_diagram_has_no_numbers(tmp_path: Path) -> None:
    figure = Figure()
    for axes, name in zip(figure.subplots(1, 2), "uv", strict=True):
        axes.plot([1], [2], label="s")
        axes.set(xlabel="n", title=name)
    assert to_csv(figure).splitlines() == ["panel,series,x,y", "u over n,s,1,2", "v over n,s,1,2"]
    assert ">CSV<" not in shown(tmp_path, gallery.chain())


def test_a_drawing_stands_alone(tmp_path: Path) -> None:
    shown(tmp_path)
    text = (tmp_path / "figures" / "one-4.svg").read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].attrib["style"] == "fill:white"
    assert not re.search(r"var\(|calc\(|currentColor|data-", text)
    assert "#0072b2" in text
    assert float(root.attrib["width"].removesuffix("pt")) > 100


def test_a_drawing_keeps_what_it_needs_no_page_for() -> None:
    text = '<svg viewBox="0 0 9 8" style="font-size:calc(10.5px*var(--gb-text,1))"></svg>'
    assert 'height="8pt"' in alone(text)
    assert "font-size:10.5px" in alone(text)
