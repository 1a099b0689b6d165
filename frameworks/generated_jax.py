"""Networks of JAX by the hundred, with zeros added where the gradient is asked for.

Each is a function of its weights, of two sets of zeros and of a batch. The gradient at the first
set is handed over, as the book's page says; that at the second, at the states themselves, is truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from generated_parts import BATCH, CLASSES, DEPTHS, WIDTHS
from generated_sized import FAR

Weights = list[dict[str, Any]]
HE, TIMES = 2.0**0.5, 20


def entropy(said: Any, y: Any) -> Any:
    return -jax.nn.log_softmax(said)[jnp.arange(len(y)), y].mean()


@dataclass(frozen=True)
class JaxCase:
    """A network, the batch it is given, and what was planted in it."""

    name: str
    illness: str
    draw: Callable[[np.random.Generator], Weights]
    run: Callable[[Weights, Any, Any], Any]
    hidden: Callable[[Weights], list[tuple[int, ...]]]
    """The shapes of its states."""
    series: bool = False
    loss: Callable[[Any, Any], Any] = entropy
    lr: float = 0.1
    format: Any = jnp.float32
    bad_data: bool = False
    bend: Any = None

    def batch(self, rng: np.random.Generator) -> tuple[Any, Any]:
        x = rng.standard_normal((BATCH, 16))
        if self.bad_data:
            x[0] = np.nan
        return x, np.arange(BATCH) % CLASSES


def drawn(rng: np.random.Generator, widths: list[int], gain: float) -> Weights:
    """Draw matrices with the variance gain²/fan-in, and biases of 0."""
    return [
        {"W": gain * a**-0.5 * rng.standard_normal((a, b)), "b": np.zeros(b)}
        for a, b in pairwise(widths)
    ]


def chain(bend: Any) -> Callable[[Weights, Any, Any], Any]:
    """Return layers one after the other; given is what comes before the bend."""

    def run(weights: Weights, taps: Any, x: Any) -> Any:
        for layer, before, behind in zip(weights[:-1], *taps, strict=True):
            x = bend(x @ layer["W"] + layer["b"] + before) + behind
        return x @ weights[-1]["W"] + weights[-1]["b"]

    return run


def chain_states(weights: Weights) -> list[tuple[int, ...]]:
    return [(BATCH, len(layer["b"])) for layer in weights[:-1]]


def trunk(factor: float) -> Callable[[Weights, Any, Any], Any]:
    """Return branches beside a path, and a factor behind each."""

    def run(weights: Weights, taps: Any, x: Any) -> Any:
        stem, *blocks, head = weights
        h = x @ stem["W"] + stem["b"] + taps[0][0] + taps[1][0]
        for block, tap, other in zip(blocks, taps[0][1:], taps[1][1:], strict=True):
            h = factor * (h + 0.3 * jax.nn.relu(h @ block["W"] + block["b"])) + tap + other
        return h @ head["W"] + head["b"]

    return run


def recurrent(weights: Weights, taps: Any, x: Any) -> Any:
    """Read the batch at the first step, and remember it for `TIMES` steps."""
    into, step, head = weights

    def once(h: Any, tap: Any) -> tuple[Any, None]:
        return jnp.tanh(h @ step["W"]) + tap, None

    first = x @ into["W"] + into["b"]
    return jax.lax.scan(once, first, taps[0] + taps[1])[0] @ head["W"] + head["b"]


def recurrent_states(weights: Weights) -> list[tuple[int, ...]]:
    return [(BATCH, len(weights[1]["W"]))] * TIMES


def sound_chains(size: int, decades: float = 0.0) -> Iterator[JaxCase]:
    """Yield chains of several bends, whose weights add so many decades."""
    widths = [16, *[WIDTHS[size]] * DEPTHS[size], CLASSES]
    times = 10 ** (decades / DEPTHS[size])
    bends = {
        "ReLU": (jax.nn.relu, HE),
        "tanh": (jnp.tanh, 1.0),
        "GELU": (jax.nn.gelu, 1.5),
        "SiLU": (jax.nn.silu, 1.7),
    }
    for name, (bend, gain) in bends.items():
        draw = _drawing(widths, gain * times)
        yield JaxCase(f"MLP of {name}", "healthy", draw, chain(bend), chain_states, bend=bend)


def _drawing(widths: list[int], gain: float) -> Callable[[np.random.Generator], Weights]:
    return lambda rng: drawn(rng, widths, gain)


def sound_others(size: int, decades: float = 0.0) -> Iterator[JaxCase]:
    """Yield a path with branches, and a recurrent network, that add so many decades."""
    width, depth = WIDTHS[size], DEPTHS[size]
    draw = _drawing([16, *[width] * (depth + 1), CLASSES], 1.0)
    yield JaxCase("branches", "healthy", draw, trunk(10 ** (decades / depth)), chain_states)

    def remembering(rng: np.random.Generator) -> Weights:
        into, _, head = drawn(rng, [16, width, width, CLASSES], 0.05)
        turn = np.linalg.qr(rng.standard_normal((width, width)))[0]
        return [into, {"W": 10 ** (decades / TIMES) * turn}, {**head, "W": head["W"] * 20}]

    yield JaxCase("recurrent", "healthy", remembering, recurrent, recurrent_states, series=True)


def generated(size: int) -> Iterator[JaxCase]:
    """Yield every network of a size, sound ones first."""
    for decades in (0.0, *FAR[size]):
        for case in (*sound_chains(size, decades), *sound_others(size, decades)):
            kind = "healthy" if abs(decades) <= 1 else "vanishing" if decades < 0 else "exploding"
            yield replace(case, name=f"{case.name}, {decades:+g} decades", illness=kind)
    for case in (*sound_chains(size), *sound_others(size)):
        yield from faults(case, size)


def faults(case: JaxCase, size: int) -> Iterator[JaxCase]:
    yield replace(case, name=f"{case.name}: NaN in the data", illness="not finite", bad_data=True)
    yield changed(case, "an infinite weight", "not finite", _broken)
    yield replace(case, name=f"{case.name}: no label counts", illness="silent", loss=no_label)
    yield replace(case, name=f"{case.name}: steps too large", illness="updates", lr=1e4)
    small = {"format": jnp.bfloat16, "lr": 10.0 ** -(5 + size / 2)}
    yield replace(case, name=f"{case.name}: frozen", illness="frozen", **small)
    if "ReLU" in case.name:
        yield changed(case, "off", "dead", _off)


def no_label(said: Any, y: Any) -> Any:
    return entropy(said, y) * 0.0


def _broken(weights: Weights) -> None:
    weights[1]["W"][0] = np.inf


def _off(weights: Weights) -> None:
    weights[len(weights) // 2]["b"] -= 30.0


def changed(case: JaxCase, called: str, illness: str, change: Callable[[Weights], Any]) -> JaxCase:
    """Let a change be made to the weights once they are drawn."""

    def draw(rng: np.random.Generator) -> Weights:
        weights = case.draw(rng)
        change(weights)
        return weights

    return replace(case, name=f"{case.name}: {called}", illness=illness, draw=draw)
