"""The README's figure is the home page's, and its words are true."""

from __future__ import annotations

import re

import numpy as np

from gradbook import cli
from gradbook.diagnosis import Verdict, diagnose
from gradbook.press.places import ROOT

FIGURE = ROOT / "site" / "figures" / "index-1.svg"
NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")


def test_the_figure_is_the_home_pages() -> None:
    assert FIGURE.is_file(), "build the site first, as make test does"
    files = (ROOT / ".github" / "story.svg", FIGURE)
    kept, drawn = (path.read_text(encoding="utf-8") for path in files)
    assert NUMBER.sub("#", kept) == NUMBER.sub("#", drawn), "run make figure"
    pairs = zip(NUMBER.findall(kept), NUMBER.findall(drawn), strict=True)
    # Another processor may round the last bits of a norm differently: a tenth of a point is unseen.
    assert all(abs(float(a) - float(b)) < 0.1 for a, b in pairs), "run make figure"


def test_the_figure_stands_alone() -> None:
    text = (ROOT / ".github" / "story.svg").read_text(encoding="utf-8")
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg" width=')
    assert '<rect width="100%" height="100%" style="fill:white" />' in text
    assert not re.findall(r"var\(|calc\(|currentColor", text)


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
