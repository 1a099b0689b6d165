"""A run of training as one page that asks no other host: drawn as text, without Matplotlib."""

import html
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradbook.diagnosis.reporting.report import Report


@dataclass(frozen=True)
class Moment:
    """What was found at one step.

    Attributes:
        norm: The norm of all gradients.
        norms: The norm of δ for an example, by place.
        updates: The size of the step over that of the weights, by layer.
        weights: The norm of a matrix of weights, the median of all.
    """

    step: int
    loss: float | None
    norm: float
    norms: Mapping[str, float]
    updates: Mapping[str, float]
    report: Report
    weights: float = math.nan


def changes_of(moments: Sequence[Moment]) -> Iterator[str]:
    """Say when the verdict changed."""
    last = None
    for moment in moments:
        if moment.report.verdict is not last:
            last = moment.report.verdict
            yield f"From step {moment.step} on: {last.value}."


WIDTH, HEIGHT = 640, 220
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MOST = len(COLORS)


def page_of(moments: Sequence[Moment], report: Report | None) -> str:
    """Write the moments of a run as a page, with the report that sums them up."""
    steps = [m.step for m in moments]
    parts = [
        _figure("Loss", steps, {"loss": [m.loss for m in moments]}),
        _figure("Norm of all gradients", steps, {"norm": [m.norm for m in moments]}),
        _figure("δ, norm for an example", steps, _series([m.norms for m in moments])),
        _figure("Update over weight", steps, _series([m.updates for m in moments])),
    ]
    summary = report._repr_html_() if report else "<p>No step was looked at.</p>"
    rows = "".join(f"<li>{html.escape(line)}</li>" for line in changes_of(moments))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>A run of training</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:45rem;margin:2rem auto;"
        "padding:0 1rem}svg{max-width:100%;height:auto}table{border-collapse:collapse;"
        "font-size:.8rem}td,th{padding:.1rem .5rem;text-align:right}</style>"
        f"<h1>A run of training</h1>{summary}<h2>When</h2><ul>{rows}</ul>{''.join(parts)}</html>"
    )


def _series(found: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """Return some places over the steps, spread evenly from the first to the last."""
    names = list(found[0]) if found else []
    count = min(MOST, len(names))
    chosen = [names[round(i * (len(names) - 1) / max(count - 1, 1))] for i in range(count)]
    return {name: [one.get(name) for one in found] for name in dict.fromkeys(chosen)}


@dataclass(frozen=True)
class _Axes:
    """Where steps and powers of ten are in a figure."""

    first: int
    last: int
    low: int
    high: int

    def x(self, step: int) -> float:
        return 60 + (WIDTH - 80) * (step - self.first) / max(self.last - self.first, 1)

    def y(self, level: float) -> float:
        return 20 + (HEIGHT - 50) * (self.high - level) / (self.high - self.low)


def _figure(title: str, steps: Sequence[int], series: Mapping[str, Sequence[float | None]]) -> str:
    logs = {name: [_log10(v) for v in values] for name, values in series.items()}
    known = [v for values in logs.values() for v in values if v is not None]
    if not known:
        return ""
    low = math.floor(min(known))
    axes = _Axes(steps[0], steps[-1], low, max(math.ceil(max(known)), low + 1))
    words = [_word(52, f"{axes.y(t) + 4:.0f}", "end", f"10^{t}") for t in (axes.low, axes.high)]
    words += [_word(60, HEIGHT - 10, "start", f"step {axes.first}")]
    words += [_word(WIDTH - 20, HEIGHT - 10, "end", f"step {axes.last}")]
    curves = zip(COLORS, logs.values(), strict=False)
    lines = [_line(axes, color, zip(steps, values, strict=True)) for color, values in curves]
    legend = " ".join(
        f'<span style="color:{color}">■</span> {html.escape(name)}'
        for color, name in zip(COLORS, logs, strict=False)
    )
    over = f"over steps {axes.first} to {axes.last}, 10^{axes.low} to 10^{axes.high}"
    return (
        f'<h2>{html.escape(title)}</h2><svg role="img" aria-label="{html.escape(title)} {over}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(words + lines)}</svg><p>{legend}</p>'
    )


def _log10(size: float | None) -> float | None:
    return math.log10(size) if size is not None and math.isfinite(size) and size > 0 else None


def _word(x: float, y: float | str, anchor: str, word: str) -> str:
    style = f'text-anchor="{anchor}" font-size="12" fill="currentColor"'
    return f'<text x="{x}" y="{y}" {style}>{word}</text>'


def _line(axes: _Axes, color: str, points: Iterable[tuple[int, float | None]]) -> str:
    at = " ".join(f"{axes.x(s):.1f},{axes.y(v):.1f}" for s, v in points if v is not None)
    return f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{at}"/>'
