"""A run of training as one page that asks no other host: drawn as text, without Matplotlib."""

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from gradbook.diagnosis.reporting.report import Report


@dataclass(frozen=True)
class Moment:
    """What was found at one step."""

    step: int
    loss: float | None
    norm: float
    """The norm of all gradients."""
    norms: Mapping[str, float]
    """The norm of δ for an example, by place."""
    updates: Mapping[str, float]
    """The size of the step over that of the weights, by layer."""
    report: Report
    weights: float = math.nan
    """The norm of a matrix of weights, the median of all."""
    alike: bool = False
    """Whether all examples come out alike at a place that every path passes."""


def changes_of(moments: Sequence[Moment]) -> Iterator[str]:
    """Say when the verdict changed."""
    for verdict, same in groupby(moments, key=lambda moment: moment.report.verdict):
        yield f"From step {next(same).step} on: {verdict.value}."


WIDTH, HEIGHT = 640, 220
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


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
    count = min(len(COLORS), len(names))
    chosen = [names[round(i * (len(names) - 1) / max(count - 1, 1))] for i in range(count)]
    return {name: [one.get(name) for one in found] for name in chosen}


def _figure(title: str, steps: Sequence[int], series: Mapping[str, Sequence[float | None]]) -> str:
    """Draw powers of ten over the steps."""
    logs = {
        name: [math.log10(v) if v is not None and 0 < v < math.inf else None for v in values]
        for name, values in series.items()
    }
    known = [v for values in logs.values() for v in values if v is not None]
    if not known:
        return ""
    first, last, low = steps[0], steps[-1], math.floor(min(known))
    high = max(math.ceil(max(known)), low + 1)

    def at(step: int, level: float) -> str:
        x = 60 + (WIDTH - 80) * (step - first) / max(last - first, 1)
        return f"{x:.1f},{20 + (HEIGHT - 50) * (high - level) / (high - low):.1f}"

    drawn = _word(52, HEIGHT - 26, "end", f"10^{low}") + _word(52, 24, "end", f"10^{high}")
    drawn += _word(60, HEIGHT - 10, "start", f"step {first}")
    drawn += _word(WIDTH - 20, HEIGHT - 10, "end", f"step {last}")
    legend = []
    for color, (name, values) in zip(COLORS, logs.items(), strict=False):
        line = " ".join(at(s, v) for s, v in zip(steps, values, strict=True) if v is not None)
        drawn += f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{line}"/>'
        legend.append(f'<span style="color:{color}">■</span> {html.escape(name)}')
    over = f"{html.escape(title)} over steps {first} to {last}, 10^{low} to 10^{high}"
    svg = f'<svg role="img" aria-label="{over}" viewBox="0 0 {WIDTH} {HEIGHT}">{drawn}</svg>'
    return f"<h2>{html.escape(title)}</h2>{svg}<p>{' '.join(legend)}</p>"


def _word(x: int, y: int, anchor: str, word: str) -> str:
    style = f'text-anchor="{anchor}" font-size="12" fill="currentColor"'
    return f'<text x="{x}" y="{y}" {style}>{word}</text>'
