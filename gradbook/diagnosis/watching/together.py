"""Put together what came back of the last passes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradbook.diagnosis.places import Place
from gradbook.diagnosis.watching.passes import Pass
from gradbook.diagnosis.watching.record import Record, Steps
from gradbook.diagnosis.watching.seen import Seen


def record_of(passes: Sequence[Pass]) -> Record:
    """Return what is known of the last passes that something came back of, or of the last one."""
    made = [p for p in passes if p.heard] or list(passes[-1:])
    if not made:
        return Record()
    together: dict[str, list[Seen]] = {}
    for one in made:
        for key, place in one.places.items():
            together.setdefault(key, []).append(place)
    shown = _shown_names(together)
    places = [_place(found, shown) for found in together.values()]
    return Record(
        places=tuple(_in_order(places)),
        steps=tuple(_steps(n, x) for one in made for n, x in one.loops.items() if "sizes" in x),
        called=frozenset(place.module for one in made for place in one.places.values()),
        given=frozenset(name for one in made for name in one.given),
        bad_input=tuple(dict.fromkeys(name for one in made for name in one.bad_input)),
        owned={shown[k]: tuple(sorted(p[-1].owned)) for k, p in together.items()},
        twice=next((s.twice for one in made for s in one.places.values() if s.twice), ""),
        strangers={k: shape for one in made for k, shape in one.strangers.items()},
        differentiated=all(one.differentiated for one in made),
    )


def _shown_names(together: Mapping[str, Sequence[Seen]]) -> dict[str, str]:
    """Call what enters a module by the layer that it comes from, if it comes from one alone."""
    shown = {key: key for key in together}
    for key, found in together.items():
        before = list(found[-1].before)
        if not key.startswith("input") or len(before) != 1:
            continue
        source = together[before[0]][-1] if before[0] in together else None
        alone = source is not None and source.layer and not source.state
        if alone and shown.get(before[0]) == before[0]:  # nothing else has taken its name
            shown[before[0]], shown[key] = f"{before[0]} (z)", before[0]
    return shown


def _place(found: Sequence[Seen], shown: Mapping[str, str]) -> Place:
    last = found[-1]
    heard = [seen for seen in found if seen.delta is not None]
    squares = sum(float(s.delta) ** 2 * s.count for s in heard)
    count = sum(s.count for s in heard)
    examples = sum(s.examples for s in found)
    return Place(
        name=shown[last.name],
        delta=(squares / count) ** 0.5 if count else None,
        count=sum(s.count for s in found),
        rows=sum(s.rows for s in found),
        before=tuple(dict.fromkeys(shown[b] for s in found for b in s.before if b in shown)),
        state=last.state and not last.data,
        weak=last.norm_reads and not last.data,
        module=last.module,
        asks=any(s.asks for s in found),
        norm=(squares / max(examples, 1)) ** 0.5 if count else None,
        out=_largest([float(s.out) for s in found if s.out is not None]),
        off=_read(last.off),
        saturated=_read(last.saturated),
        spread=_read(last.spread),
        also=tuple(sorted(last.also)),
        normed=last.normed,
        layer=last.layer,
        bend=last.bend,
        half=last.half,
        total=_read(last.total) if len(found) == 1 else None,
    )


def _read(value: Any) -> float | None:
    """Read a number that may still be on a device."""
    return None if value is None else float(value)


def _largest(sizes: Sequence[float]) -> float | None:
    if not sizes:
        return None
    return sizes[-1] if any(map(math.isnan, sizes)) else max(sizes)


def _in_order(places: Sequence[Place]) -> list[Place]:
    """Put places behind those that go into them, otherwise as they came."""
    by_name = {place.name: place for place in places}
    done: dict[str, Place] = {}
    for place in places:
        stack = [place.name]
        while stack:
            top = by_name[stack[-1]]
            waiting = [b for b in top.before if b in by_name and b not in done and b not in stack]
            if waiting:
                stack.append(waiting[0])
            else:
                done.setdefault(stack.pop(), top)
    # Of passes that one another's weights come from, as in an inner loop, none is first.
    first, found = set[str](), []
    for name, place in done.items():
        found.append(replace(place, before=tuple(b for b in place.before if b in first)))
        first.add(name)
    return found


def _steps(name: str, found: Mapping[str, Any]) -> Steps:
    lags = found.get("lags")
    return Steps(
        name=name,
        sizes=tuple(tuple(row) for row in found["sizes"]),
        every=bool(found.get("every")),
        lags=None if lags is None else tuple(_rms(row) for row in lags),
        both=found["both"],
        depth=found["depth"],
    )


def _rms(row: Sequence[float]) -> float:
    return float((sum(x * x for x in row) / len(row)) ** 0.5)
