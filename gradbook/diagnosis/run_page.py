"""A run of training as one page that asks no other host: drawn as text, without Matplotlib."""

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradbook.diagnosis.reporting.report import Report


@dataclass(frozen=True)
class Moment:
    """What was found at one step.

    Attributes:
        norm: The norm of all gradients.
        norms: The norm of δ for an example, by place.
        updates: The size of the step over that of the weights, by layer.
    """

    step: int
    loss: float | None
    norm: float
    norms: Mapping[str, float]
    updates: Mapping[str, float]
    report: Report


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


def _figure(title: str, steps: Sequence[int], series: Mapping[str, Sequence[float | None]]) -> str:
    logs = {
        name: [
            math.log10(v) if v is not None and math.isfinite(v) and v > 0 else None for v in values
        ]
        for name, values in series.items()
    }
    all_logs = [v for values in logs.values() for v in values if v is not None]
    if not all_logs:
        return ""
    low, high = math.floor(min(all_logs)), math.ceil(max(all_logs))
    high = max(high, low + 1)
    span = max(steps[-1] - steps[0], 1)

    def place(step: int, level: float) -> str:
        x = 60 + (WIDTH - 80) * (step - steps[0]) / span
        return f"{x:.1f},{20 + (HEIGHT - 50) * (high - level) / (high - low):.1f}"

    lines, legend = [], []
    for color, (name, values) in zip(COLORS, logs.items(), strict=False):
        points = [place(s, v) for s, v in zip(steps, values, strict=True) if v is not None]
        lines.append(
            f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{" ".join(points)}"/>'
        )
        legend.append(f'<span style="color:{color}">■</span> {html.escape(name)}')
    ticks = "".join(
        f'<text x="52" y="{20 + (HEIGHT - 50) * (high - t) / (high - low) + 4:.0f}" '
        f'text-anchor="end" font-size="12" fill="currentColor">10^{t}</text>'
        for t in sorted({low, high})
    )
    ends = "".join(
        f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="{anchor}" font-size="12" '
        f'fill="currentColor">{word}</text>'
        for x, anchor, word in (
            (60, "start", f"step {steps[0]}"),
            (WIDTH - 20, "end", f"step {steps[-1]}"),
        )
    )
    label = html.escape(f"{title} over steps {steps[0]} to {steps[-1]}, 10^{low} to 10^{high}")
    return (
        f'<h2>{html.escape(title)}</h2><svg role="img" aria-label="{label}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{ticks}{ends}{"".join(lines)}</svg>'
        f"<p>{' '.join(legend)}</p>"
    )
