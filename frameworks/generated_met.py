"""Networks that people have and the others are not: each sound, and with the faults that fit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import generated_ends as ends
import generated_many as many
import generated_streams as streams
from generated_lost import cuts, has_body, rebuilt
from generated_parts import ENDS, images, rows, tokens
from generated_sequences import STATES
from generated_sized import FAR, SLOW, scaled, steps
from planted_networks import adam, sgd
from planted_truth import Case, training
from torch import nn

FIXED = ("adapters on fixed words", "adapters on fixed attention", "branches on raw rows")
SHARES = (0.4, 0.8)
TIMES = (35, 43, 51, 59, 67, 83)


def _case(name: str, net: Any, draw: Any, lr: float = 3e-3, states: Any = ENDS, **of: Any) -> Case:
    return Case(name, "healthy", net, draw, states, optimizer=adam(lr), **of)


def met(size: int) -> Iterator[Case]:
    """Yield one sound network of each."""
    nets = streams.on_fixed_words, streams.on_fixed_attention, streams.on_raw_rows
    for name, net, draw in zip(FIXED, nets, (tokens, tokens, rows), strict=True):
        yield _case(name, partial(net, size), draw, 1e-2)
    yield from _with_relus(size)
    yield from _with_means(size)
    yield from _with_penalties(size)


def _with_relus(size: int) -> Iterator[Case]:
    layer_norm = partial(streams.norm_behind, size, nn.LayerNorm)
    yield _case("norm behind ReLU", partial(streams.norm_behind, size), rows)
    yield _case("layer norm behind ReLU", layer_norm, rows)
    yield _case("norm behind ReLU, images", partial(streams.norm_behind_images, size), images)
    yield _case("residual, norm first", partial(streams.norm_first, size), rows)
    yield _case("residual, ReLU first", partial(streams.activated_first, size), images)
    yield _case("transformer of ReLU", partial(streams.of_relu, size), tokens)
    yield _case("ReLU added", partial(streams.added, size), rows)
    yield _case("ReLU laid beside", partial(streams.laid_beside, size), rows)
    yield _case("ReLU as a gate", partial(streams.gated, size), rows)
    yield _case("squeezed", partial(streams.squeezed, size), images)
    yield _case("blocks in turns", partial(streams.InTurns, size), rows)
    yield _case("transformer of ReLU, norm last", partial(streams.of_relu, size, False), tokens)


def _with_means(size: int) -> Iterator[Case]:
    noisy = partial(many.noisy, size)
    for name, (kind, count) in _towers(size).items():
        yield _case(name, partial(kind, size, count), rows, 1e-2, many.beside_another)
    read = {"loss": many.at_every_step}
    cell = partial(many.Unrolled, size)
    yield _case("a loss at every step", cell, noisy, 1e-2, many.with_its_steps, **read)
    for kind in (nn.LSTM, nn.GRU):
        net, draw = partial(ends.remembering, kind, size), ends.in_the_middle(size + 7)
        name = f"{kind.__name__} read at two ends"
        yield _case(name, net, draw, 1e-2, ends.towards_both_ends)


def _with_penalties(size: int) -> Iterator[Case]:
    both: dict[str, Any] = {"loss": many.apart, "penalty": many.gradient_penalty}
    of_rows, of_images = many.two_clouds(16), many.two_clouds(3, 16, 16)
    yield _case("critic", partial(many.critic, size), of_rows, **both)
    yield _case("critic of tanh", partial(many.smooth_critic, size), of_rows, **both)
    yield _case("critic of images", partial(many.critic_of_images, size), of_images, **both)


def later(case: Case, size: int) -> Iterator[Case]:
    """Ask behind the first step, when matrices that began as 0 are 0 no more."""
    if case.name in FIXED:
        slower = replace(case, optimizer=adam(3e-3))
        for each in (slower, *scaled(slower, size), *cuts(slower, size)):
            yield _behind(each)


def _behind(case: Case) -> Case:
    """Let one step be taken, so that the next is short beside the weights."""
    first = replace(case, optimizer=adam(1e-2))

    def build() -> nn.Module:
        net = training(first, case.build(), *case.draw(), steps=1)[1]
        net.zero_grad()
        return net

    return replace(case, name=f"{case}, a step later", build=build)


def partly_off(case: Case, size: int) -> Iterator[Case]:
    """Switch a share of the units off, in one layer or in all."""
    if "ReLU" not in case.name and "norm first" not in case.name:
        return
    for share in SHARES:
        for where, some in (("one layer", slice(size % 2, size % 2 + 1)), ("all", slice(None))):
            kind = "dead" if share > 0.5 and where == "all" else "healthy"
            change = partial(_off, share=share, some=some)
            yield rebuilt(case, kind, change, called=f"{share:g} of {where} off")


def aside(case: Case, size: int) -> Iterator[Case]:
    """Shut side branches that are so narrow that chance shuts them."""
    if case.name == "squeezed":
        yield rebuilt(case, "healthy", streams.shut, called="side branches shut")


def detached(case: Case, size: int) -> Iterator[Case]:
    """Cut the graph behind a block that is not left out, where blocks take turns."""
    if case.name == "blocks in turns":
        yield next(cuts(case, size))


def _off(net: Any, share: float, some: slice) -> None:
    for layer in [x for block in net.body for x in streams.before_relu(block)][some]:
        streams.switch_off(layer, share)


def penalized(case: Case, size: int) -> Iterator[Case]:
    if case.penalty is not None:
        yield from scaled(case, size)


def _towers(size: int) -> dict[str, tuple[Any, int]]:
    stacked = (many.Stacked, 16 + 4 * size)
    return {"mean of towers": (many.Ensemble, many.MANY[size]), "stacked towers": stacked}


def everywhere(case: Case, size: int) -> Iterator[Case]:
    """Let all that stand beside one another shrink or swell, or a state in every step."""
    yield from _everywhere(case, size, (FAR[size][0], FAR[size][-1]))


def less(case: Case, size: int) -> Iterator[Case]:
    """The same, by less, of those that take little time."""
    if case.name == "stacked towers":
        yield from _everywhere(case, size, FAR[size][1:-1])


def _everywhere(case: Case, size: int, strengths: Sequence[float]) -> Iterator[Case]:
    for decades in strengths:
        kind = "healthy" if abs(decades) <= 1 else "vanishing" if decades < 0 else "exploding"
        ill = replace(case, name=f"{case}: {decades:+g} decades", illness=kind)
        if case.name in _towers(size):
            tower, count = _towers(size)[case.name]
            make: Any = partial(tower, size, count, 10 ** (decades / 2))
            slow = case.optimizer if kind == "healthy" else sgd(0.01 * count)  # each has a share
            yield replace(ill, build=make, optimizer=slow)
        if case.name == "a loss at every step" and decades > 1:
            make = partial(many.Unrolled, size, 10 ** (decades / many.LONG[size]))
            yield replace(ill, build=make, optimizer=SLOW)


def both_ends(case: Case, size: int) -> Iterator[Case]:
    """Let what both directions remember fade or swell."""
    if case.name != "GRU read at two ends":
        return
    draw = ends.in_the_middle(TIMES[size])
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        make: Any = partial(ends.TwoEnds, kind, STATES[size])
        name = f"plain {kind.__name__} read at two ends"
        yield replace(case, name=name, illness="vanishing", build=make, draw=draw)
    for decades in FAR[size]:
        kind = "vanishing" if decades < 0 else "exploding"
        make = partial(ends.swelling, size, 10 ** (decades / (TIMES[size] // 2)))
        name = f"steps read at two ends, {decades:+g} decades"
        yield replace(case, name=name, illness=kind, build=make, draw=draw)


def too_long(case: Case, size: int) -> Iterator[Case]:
    if has_body(case):
        yield from steps(case, size)


FAULTS_MET = (later, partly_off, penalized, everywhere, both_ends, too_long, less, aside, detached)
