"""The README's figure is the home page's, and its words are true."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from gradbook import cli
from gradbook.diagnosis import Verdict, diagnose
from gradbook.press.__main__ import main
from gradbook.press.places import ROOT
from gradbook.press.readme import FIGURE, story

NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
NAME = re.compile(r"\b[a-z][0-9a-f]{10}\b")
"""What Matplotlib calls a part of a figure, by a hash in which digits are no numbers."""


def test_the_figure_is_the_home_pages() -> None:
    kept, drawn = (NAME.sub("", s) for s in (FIGURE.read_text(encoding="utf-8"), story()))
    assert NUMBER.sub("#", kept) == NUMBER.sub("#", drawn), "run make figure"
    pairs = zip(NUMBER.findall(kept), NUMBER.findall(drawn), strict=True)
    # Another processor may round the last bits of a norm differently: a tenth of a point is unseen.
    assert all(abs(float(a) - float(b)) < 0.1 for a, b in pairs), "run make figure"


def test_the_command_draws_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradbook.press.__main__.FIGURE", tmp_path / "story.svg")
    monkeypatch.setattr("gradbook.press.__main__.story", lambda: "<svg/>")
    assert main(["figure"]) == 0
    assert (tmp_path / "story.svg").read_text(encoding="utf-8") == "<svg/>"


def test_a_page_without_a_figure_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('```python exec="on"\n1\n```\n', encoding="utf-8")
    with pytest.raises(ValueError, match="expected a page with a figure"):
        story(page)


def test_the_exit_codes_are_those_of_the_command() -> None:
    size = {Verdict.HEALTHY: 1.0, Verdict.VANISHING: 1e-9}
    found = [diagnose({"W": np.ones((2, 2))}, deltas=[size[v], 1.0, 1.0]).exit_code for v in size]
    silent = diagnose({"W": np.ones((2, 2))}).exit_code
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    sound = [v.value for v in Verdict if not v.is_problem and v is not Verdict.CANNOT_TELL]
    assert (
        f"The exit code is {found[0]} for {' and '.join(sound[::-1])}, {found[1]} for a problem, "
        f"{cli.BAD_INPUT} for bad input, {silent} if it cannot be told."
    ) in text


def test_every_file_and_command_it_names_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"(?m)(?:`|^)make (\w+)", text):
        assert f"\n{command}:" in targets, command
