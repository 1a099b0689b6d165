"""What the README and the chapter on diagnosis tell a reader to paste, pasted."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
import torch
from test_models import DEEP, IN_TIME, SEEDS, LinearRnn, Subject, truth_of
from torch.nn import functional as F

from gradbook.diagnosis import Verdict

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CHAPTER = ROOT / "docs" / "chapters" / "diagnose.md"


def snippet(page: Path, line: str) -> str:
    """Return the one fence of a page that holds a line."""
    fences = re.findall(r"(?ms)^```text\n(.*?)^```$", page.read_text(encoding="utf-8"))
    (found,) = [fence for fence in fences if line in fence]
    return str(found)


@pytest.mark.parametrize("page", [README, CHAPTER], ids=lambda page: page.stem)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("subject", DEEP + IN_TIME, ids=str)
def test_the_lines_for_pytorch(
    page: Path, seed: int, subject: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(seed)
    net, (x, y) = subject.build(), subject.draw()
    said = truth_of(net, x, y).verdict
    names: dict[str, Any] = {"net": net, "x": x, "y": y, "loss_function": F.cross_entropy}
    exec(snippet(page, "gradbook.watch(net)"), names)
    assert capsys.readouterr().out.startswith(f"Verdict: {said.value}\n")


def test_the_lines_for_steps_unrolled_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    net, x, y = LinearRnn(1.3), torch.randn(60, 16, 8), torch.randint(4, (16,))
    assert truth_of(net, x, y).verdict is Verdict.EXPLODING
    names: dict[str, Any] = {"net": net, "x": x, "y": y, "loss_function": F.cross_entropy}
    exec("import gradbook\n" + snippet(CHAPTER, "list(x.grad)"), names)
    assert capsys.readouterr().out.startswith("Verdict: exploding\n")


def drawn(depth: int) -> tuple[list[dict[str, Any]], Any, Any]:
    keys = jax.random.split(jax.random.key(0), depth + 2)
    widths = [16, *[32] * (depth - 1), 4]
    params = [
        {"W": jax.random.normal(key, (m, n)) * m**-0.5, "b": jnp.zeros(n)}
        for key, (m, n) in zip(keys, pairwise(widths), strict=False)
    ]
    y = jax.nn.one_hot(jax.random.randint(keys[-1], (32,), 0, 4), 4)
    return params, jax.random.normal(keys[-2], (32, 16)), y


@pytest.mark.parametrize("depth", [12, 20])
def test_the_lines_for_jax(depth: int, capsys: pytest.CaptureFixture[str]) -> None:
    params, x, y = drawn(depth)
    names: dict[str, Any] = {"jax": jax, "jnp": jnp, "params": params, "x": x, "y": y}
    exec(snippet(CHAPTER, "argnums=(0, 1)"), names)
    assert capsys.readouterr().out.startswith("Verdict: vanishing\n")
    # A slope of 1/4 at most and weights of variance 1/n: two decades are lost within four layers.
    sizes = [float(jnp.sqrt(jnp.mean(delta**2))) for delta in names["deltas"][:-1]]
    assert sizes[0] < 1e-2 * sizes[-1]

    # The README's two lines are the page's last ones.
    exec("import gradbook\n" + snippet(README, "argnums=(0, 1)"), names)
    assert capsys.readouterr().out.startswith("Verdict: vanishing\n")
    assert snippet(README, "argnums=(0, 1)") in snippet(CHAPTER, "argnums=(0, 1)")
