"""The truth of the generated networks of JAX, and what the diagnosis says of them.

The kinds are those of `planted_truth.py`, as far as they can be planted here; steps are those of
plain descent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from generated_asked import MEANT
from generated_jax import JaxCase, Weights, generated
from planted_truth import BETWEEN, DEAD, ILL, SILENT, SOUND, STEPS, STILL, TRAINED, extremes

import gradbook


def made(case: JaxCase, seed: int, dtype: Any) -> tuple[Weights, Any, Any, Any]:
    """Return weights, zeros and the batch in a format."""
    rng = np.random.default_rng(seed)
    weights = case.draw(rng)
    x, y = case.batch(rng)
    taps = [jnp.zeros(shape, dtype) for shape in case.hidden(weights)]
    if case.series:
        taps = jnp.stack(taps)
    cast = jax.tree.map(lambda w: jnp.asarray(w, dtype), weights)
    return cast, (taps, taps), jnp.asarray(x, dtype), jnp.asarray(y)


@dataclass(frozen=True)
class Found:
    """What one pass gave."""

    weights: Weights
    loss: Any
    grads: Weights
    given: Any
    states: Any
    output: Any


def found(case: JaxCase, seed: int, dtype: Any) -> Found:
    """Differentiate with respect to the weights, both sets of zeros and the output."""
    weights, taps, x, y = made(case, seed, dtype)
    nothing = jnp.zeros((len(x), len(weights[-1]["b"])), dtype)

    def loss(weights: Weights, taps: Any, end: Any) -> Any:
        return case.loss(case.run(weights, taps, x) + end, y)

    value, all_of = jax.value_and_grad(loss, argnums=(0, 1, 2))(weights, taps, nothing)
    grads, (given, states), output = all_of
    return Found(weights, value, grads, given, states, output)


def says(case: JaxCase, seed: int) -> str:
    """Ask as the book's page says: by the names of the layers, or with what `scan` stacks."""
    one = found(case, seed, case.format)
    by_name = {str(k): delta for k, delta in enumerate([*one.given, one.output])}
    deltas = one.given if case.series else by_name
    report = gradbook.diagnose(one.grads, weights=one.weights, deltas=deltas, lr=case.lr)
    return MEANT.get(report.verdict, report.verdict.value)


def truth_of(case: JaxCase, seed: int) -> str:
    """Judge a network in float64."""
    with jax.enable_x64(True):
        return next((kind for kind, is_so in _signs(case, seed) if is_so()), BETWEEN)


def _signs(case: JaxCase, seed: int) -> Iterator[tuple[str, Callable[[], bool]]]:
    one = found(case, seed, jnp.float64)
    leaves = [np.asarray(g) for g in jax.tree.leaves(one.grads)]
    sizes = [float(np.sqrt(np.square(g).sum() / len(g))) for g in one.states]
    yield "not finite", lambda: not all(np.isfinite(g).all() for g in [one.loss, *leaves])
    yield "silent", lambda: np.abs(one.output).sum() < SILENT
    yield "dead", lambda: _off(case, seed) >= DEAD
    fall, rise = extremes(sizes)
    yield "vanishing", lambda: fall >= max(rise, ILL)
    yield "exploding", lambda: rise >= ILL
    flat = max(fall, rise) <= SOUND
    pairs = [*zip(jax.tree.leaves(one.weights), leaves, strict=True)]
    steps = [case.lr * np.linalg.norm(g) / np.linalg.norm(w) for w, g in pairs if w.ndim > 1]
    yield "updates", lambda: flat and max(steps) >= 1
    yield "frozen", lambda: flat and _standing(case, pairs) >= STILL
    yield "healthy", lambda: flat and max(steps) < 1 and trained(case, seed) < TRAINED


def _off(case: JaxCase, seed: int) -> float:
    if case.bend is not jax.nn.relu:
        return 0.0
    weights, _, x, _ = made(case, seed, jnp.float64)
    shares = []
    for layer in weights[:-1]:
        x = case.bend(x @ layer["W"] + layer["b"])
        shares.append(float((x <= 0).all(0).mean()))
    return max(shares)


def _standing(case: JaxCase, pairs: list[tuple[Any, Any]]) -> float:
    """Return the share of weights with a gradient that one step leaves as they are."""
    same = []
    for weight, gradient in pairs:
        w, g = jnp.asarray(weight, case.format), jnp.asarray(gradient, case.format)
        stays = w - jnp.asarray(case.lr, case.format) * g == w
        same.append(np.asarray(stays)[np.asarray(gradient) != 0])
    return float(np.concatenate(same).mean())


def trained(case: JaxCase, seed: int) -> float:
    """Train on the one batch and return the last loss over the first."""
    weights, taps, x, y = made(case, seed, jnp.float64)

    @jax.jit
    def step(weights: Weights) -> tuple[Any, Weights]:
        value, grads = jax.value_and_grad(lambda w: case.loss(case.run(w, taps, x), y))(weights)
        return value, jax.tree.map(lambda w, g: w - case.lr * g, weights, grads)

    losses = []
    for _ in range(STEPS):
        value, weights = step(weights)
        losses.append(float(value))
    return losses[-1] / losses[0]


def asked(size: int, part: int, parts: int) -> Iterator[tuple[str, str, str]]:
    """Yield name, truth and what is said of the networks of a part; the size is their seed, too."""
    for i, case in enumerate(generated(size)):
        if i % parts == part:
            yield f"{case.name}, size {size}", truth_of(case, size), says(case, size)


def answers(piece: tuple[int, int, int]) -> list[tuple[str, str, str]]:
    """Return them all, in a process of its own."""
    return [*asked(*piece)]
