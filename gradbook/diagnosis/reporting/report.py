"""A diagnosis as a record that a terminal, a notebook, a program and a figure can show."""

import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradbook.diagnosis.measuring.rates import Rate
from gradbook.diagnosis.paths import Profile
from gradbook.diagnosis.reporting.advice import Advice
from gradbook.diagnosis.reporting.rows import Row, table_of
from gradbook.diagnosis.verdicts import Finding, Verdict
from gradbook.show.tables import Table

MOST_SERIES = 6  # in one figure

MOST_ROWS = 24
"""The most layers of a report in a notebook or on a page; its table has all."""

LINES, WIDE = 20, 160
"""The most lines of a report in a terminal, and the most characters of a note there."""

SCHEMA = "gradbook-report/2"
"""The version of the JSON; the page on diagnosis describes it."""


@dataclass(frozen=True)
class Report:
    """The outcome of a diagnosis."""

    findings: tuple[Finding, ...]
    """What was found, in order of consequence."""
    rate: Rate | None
    """The factor per layer on the way back, of the sizes that the first one rests on."""
    freeze_depth: int | None
    """How many layers back a float32 weight would stand still, at that rate."""
    rows: tuple[Row, ...]
    steps: tuple[Advice, ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """What the first finding says."""
        return self.findings[0].verdict

    @property
    def reason(self) -> str:
        """What it rests on."""
        return self.findings[0].reason

    @property
    def since(self) -> str | None:
        """Where it starts, going back from the output."""
        return self.findings[0].since

    @property
    def profile(self) -> Profile | None:
        """The sizes that it rests on."""
        return self.findings[0].profile

    @property
    def exit_code(self) -> int:
        """0 for a healthy network or a zero start, 1 for a problem, 3 if it cannot be told."""
        return 3 if self.verdict is Verdict.CANNOT_TELL else int(self.verdict.is_problem)

    @property
    def summary(self) -> tuple[str, ...]:
        """The sentences above the table."""
        lines = [self.reason]
        if self.since:
            lines.append(f"It starts at {self.since}.")
        if (found := self.rate) is not None:
            sure = ""
            if found.low is not None and found.high is not None:
                interval = f"{found.low:.3g} to {found.high:.3g}"
                sure = f" (95 % interval {interval}, from {found.steps} steps)"
            read = self.profile if self.verdict is Verdict.CANNOT_TELL else None
            what = f"the size of {read.source}" if read else "it"
            lines.append(f"Going back, each layer multiplies {what} by {found.factor:.3g}{sure}.")
        if (back := self.freeze_depth) is not None:
            before = f"{back} layer{'s' * (back > 1)} before" if back else "in"
            lines.append(f"At that rate a float32 weight stands still {before} the last.")
        return tuple(lines)

    def table(self, most: int | None = None) -> Table:
        """Return the layers as a table, at most so many of them: those that tell most, in order."""
        return table_of(self.rows if most is None else self._telling(most))

    def _telling(self, most: int) -> list[Row]:
        """Return the rows that tell most: where it starts or jumps, the ends, least and largest."""
        rows, places = self.rows, range(len(self.rows))
        sized = [i for i in places if rows[i].count]
        by_size = sorted(sized, key=lambda i: rows[i].rms)
        since = [i for i in places if self.since and rows[i].name == self.since]
        bad = [i for i in sized if rows[i].nonfinite][:2]
        jumps = sorted(sized, key=lambda i: -abs(math.log(rows[i].ratio or 1)))[:1]
        first = [*since, *bad, *sized[:1], *sized[-1:], *jumps, *by_size[:1], *by_size[-1:]]
        kept = list(dict.fromkeys([*first, *places]))
        return [rows[i] for i in sorted(kept[:most])]

    def __str__(self) -> str:
        """Write the report for a terminal, in at most `LINES` lines whatever the network."""
        head = [f"Verdict: {self.verdict.value}", *self.summary]
        head += [f"Also {f.verdict.value}: {f.reason}" for f in self.findings[1:3]]
        tail = [f"{i}. {step.text} ({step.link})" for i, step in enumerate(self.steps, start=1)]
        tail += ["", *map(_short, self.notes[:2])] if self.notes else []
        # A table has two lines of its own; blank lines and the one that counts the rest take three.
        room = LINES - len(head) - len(tail) - 6
        if room < 1 or not self.rows:
            return "\n".join([*head, "", *tail][:LINES])
        rows = self.table(min(room, len(self.rows)))
        left = len(self.rows) - len(rows.rows)
        more = [f"... {left} more rows: report.table()"] if left else []
        return "\n".join([*head, "", *str(rows).splitlines(), *more, "", *tail])

    def _repr_html_(self) -> str:
        """Write the report for a notebook; names of layers are text, whatever they hold."""
        also = [f"Also {f.verdict.value}: {f.reason}" for f in self.findings[1:]]
        lines = "".join(f"<p>{_raised(html.escape(line))}</p>" for line in (*self.summary, *also))
        steps = (f"{html.escape(s.text)} <code>{html.escape(s.link)}</code>" for s in self.steps)
        tried, notes = _items("ol", steps), _items("ul", map(html.escape, self.notes))
        # A table takes dollars for mathematics, which a name does not mean. And a page may show
        # many reports: no two landmarks may have the same name.
        table = self.table(MOST_ROWS)
        rows = [[c.replace("$", r"\$") if isinstance(c, str) else c for c in r] for r in table.rows]
        layers = replace(table, rows=rows, landmark=False)._repr_html_()
        verdict = f"<p><strong>Verdict: {self.verdict.value}</strong></p>"
        left = len(self.rows) - len(rows)
        more = f"<p>... {left} more rows: <code>report.table()</code></p>" if left > 0 else ""
        shown = f"{verdict}{lines}{layers}{more}<p>Next steps:</p>{tried}{notes}"
        return f'<div class="gb-report">{shown}</div>'

    def to_json(self, *, indent: int | None = 2) -> str:
        """Write the report as JSON; NaN and infinity become null."""
        record = {
            "schema": SCHEMA,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "since": self.since,
            "rate": None if self.rate is None else vars(self.rate),
            "profile": None if self.profile is None else vars(self.profile),
            "findings": [
                {"verdict": f.verdict.value, "reason": f.reason, "since": f.since}
                for f in self.findings
            ],
            "freeze_depth": self.freeze_depth,
            "layers": [vars(row) for row in self.rows],
            "steps": [{"text": step.text, "link": step.link} for step in self.steps],
            "notes": self.notes,
        }
        return json.dumps(finite(record), indent=indent, allow_nan=False, ensure_ascii=False)

    def figure(self) -> Any:
        """Draw the sizes from the first layer to the last; needs Matplotlib."""
        from gradbook.show.figures import lines  # noqa: PLC0415 - Matplotlib is not always there

        series = self._series()
        if not series:
            raise ValueError("rows must hold a positive, finite size to draw, got none")
        length = max(map(len, series.values()))
        return lines(
            range(1, length + 1),
            {name: [*sizes, *[math.nan] * (length - len(sizes))] for name, sizes in series.items()},
            alt=f"Sizes of gradients along the network. {self.reason}",
            caption=f"Verdict: {self.verdict.value}. Sizes of 0 or without a number are left out.",
            x_label="layer",
            y_label="root mean square of the gradient",
            log_y=True,
        )

    def _series(self) -> dict[str, list[float]]:
        """Return what can be drawn of δ, then of each kind of layers at its places."""
        found: dict[str, Sequence[float]] = {}
        if self.profile is not None and self.profile.source == "δ":
            found["δ"] = self.profile.rms
        for kind in dict.fromkeys(row.kind for row in self.rows):
            found[kind] = [row.rms if row.kind == kind else math.nan for row in self.rows]
        drawn = {n: [x if 0 < x < math.inf else math.nan for x in v] for n, v in found.items()}
        some = [(n, v) for n, v in drawn.items() if any(x > 0 for x in v)]
        return dict(some[:MOST_SERIES])


def finite(value: Any) -> Any:
    """Return what JSON can hold: NaN and infinity become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value


def _short(note: str) -> str:
    """Return a note for a terminal, cut where a sentence ends, or else behind a word.

    Examples:
        >>> _short(80 * "So. ")[-12:], _short(80 * "So it is ")[-12:]
        (' So. So. ...', 'it is So ...')
    """
    head = note[: WIDE - 3]
    end = head.rfind(". ") + 1
    cut = head[: end if 2 * end > WIDE else head.rfind(" ")]
    return note if len(note) <= WIDE else f"{cut} ..."


def _items(kind: str, texts: Iterable[str]) -> str:
    items = "".join(f"<li>{text}</li>" for text in texts)
    return f"<{kind}>{items}</{kind}>" if items else ""


def _raised(text: str) -> str:
    """Set powers of ten, which a terminal writes with a caret, as a page does."""
    return re.sub(r"\b10\^(-?)(\d+\.\d)", lambda m: f"10<sup>{'−' * len(m[1])}{m[2]}</sup>", text)
