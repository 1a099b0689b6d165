r"""Networks with a known fault, or none: the truth that a diagnosis is judged by.

A case is a network at the start of its training with one fault built in, or a remedy. Its truth is
that fault *together with* a number measured in float64, as `gradbook.book.symptoms` defines it.
Frozen weights are a fault of their own only where $|D| \le 1$; non-finite is a network of which a
gradient in its own format is NaN or infinite.

A case whose number does not bear out its fault has no truth, and is left out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gradbook.backpropagation import Trace, backprop
from gradbook.book import symptoms
from gradbook.book.diagnose.subjects import FaultRecipe, Network, Size
from gradbook.book.symptoms import DECADES, FROZEN, HEALTHY_DECADES, OFF, off_share
from gradbook.checks import Array
from gradbook.diagnosis.reading.arrays import Tensors
from gradbook.diagnosis.reading.storage import BFLOAT16, Tensor, storage_of
from gradbook.diagnosis.verdicts import Verdict
from gradbook.losses import softmax_cross_entropy
from gradbook.precision import Format, bfloat16, float32, frozen_fraction, round_to


@dataclass(frozen=True, eq=False)
class PlantedCase:
    """Hold one network's gradients, as its owner has them, with the truth.

    Attributes:
        name: The recipe, the size and the seed.
        fault: What was built in.
        truth: What a diagnosis must say; None where the numbers do not bear out the fault.
        decades: $D$, in float64.
        gradients: By name, rounded to the format, times the loss scale.
        weights: By name, rounded to the format.
        deltas: The gradient on each layer's pre-activation, or behind each block, by the layer's
            name, and begun with the output layer, as hooks give it; of a recurrent network the
            gradient on each step's input, by its number.
        activations: The outputs of each hidden layer, first to last.
        recipe: How it was built.
    """

    name: str
    fault: Verdict
    truth: Verdict | None
    decades: float
    gradients: Mapping[str, Array]
    weights: Mapping[str, Array]
    deltas: Mapping[str, Array]
    activations: tuple[Array, ...]
    recipe: FaultRecipe


def stored(fmt: Format, x: Array) -> Array:
    """Round numbers to a format that is at most as wide as float32.

    Args:
        x: Numbers of any shape, for a format that NumPy does not know without NaN.

    Returns:
        The rounded numbers, in NumPy's type for the format, or in float32 if it has none.

    Examples:
        >>> from gradbook.precision import bfloat16, float16
        >>> stored(bfloat16, np.array([0.1])).tolist(), stored(float16, np.array([0.1])).dtype.name
        ([0.10009765625], 'float16')
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if fmt.name in ("float16", "float32"):
            return x.astype(fmt.name)
        return round_to(fmt, x).astype(np.float32)


def handed(fmt: Format, arrays: Mapping[str, Array]) -> Tensors:
    """Hand over arrays in their own format, also in bfloat16, which NumPy does not know."""

    def tensor(name: str) -> Callable[[], Tensor]:
        array = arrays[name]
        if fmt is bfloat16:
            bits = np.ascontiguousarray(array, np.float32).view(np.uint32) >> 16
            return lambda: Tensor(name, bits.astype(np.uint16), BFLOAT16)
        storage = storage_of(array.dtype)
        assert storage is not None
        return lambda: Tensor(name, array, storage)

    return Tensors({name: tensor(name) for name in arrays})


def _name(network: Network, place: str) -> str:
    """Name a parameter as PyTorch would: layers of an nn.Sequential by their numbers."""
    layer, _, kind = place.rpartition(".")
    if network.recurrent:
        last = str(len(network.layers))
        names = {"W": "weight_hh_l0", "U": "weight_ih_l0", "b": "bias_hh_l0"}
        rest = {"W": "head.weight", "b": "head.bias"}
        return rest[kind] if layer == last else f"rnn.{names[kind]}"
    kinds = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
    return f"layers.{layer}.{kinds[kind]}"


def _given_deltas(network: Network, trace: Trace) -> dict[str, Array]:
    if network.recurrent:
        steps = enumerate(trace.dinputs, start=1)
        return {str(step): dx for step, dx in steps if dx is not None}
    ends = [*network.ends, len(network.layers)]
    on_z = {end: trace.delta[end - 1] for end in ends}
    found = {end: trace.dh[end] if delta is None else delta for end, delta in on_z.items()}
    if any(delta is None for delta in on_z.values()):
        found = {end: trace.dh[end] for end in ends}
    return {f"layers.{end}": found[end] for end in reversed(ends)}


def _truth(case: PlantedCase, off: float) -> Verdict | None:
    """Return the fault if its number bears it out."""
    counts = case.fault in (Verdict.HEALTHY, Verdict.FROZEN)
    frozen = stuck_share(case) if counts else 0.0
    finite = all(np.isfinite(g).all() for g in case.gradients.values())
    healthy = abs(case.decades) <= HEALTHY_DECADES
    held = {
        Verdict.NON_FINITE: not finite,
        Verdict.DEAD: finite and off >= OFF,
        Verdict.VANISHING: finite and case.decades <= -DECADES,
        Verdict.EXPLODING: finite and case.decades >= DECADES,
        Verdict.FROZEN: finite and healthy and frozen >= FROZEN,
        Verdict.HEALTHY: finite and healthy and frozen < FROZEN and off < OFF,
    }
    return case.fault if held[case.fault] else None


def stuck_share(case: PlantedCase) -> float:
    """Return the share of the weights that one step leaves as they are, in their own format.

    Weights whose gradient is exactly 0 are left out: no step is meant for them.

    Returns:
        The share; 0 if a gradient is not finite.
    """
    grads = {name: g for name, g in case.gradients.items() if g.any()}
    pairs = [(case.weights[name], g / case.recipe.loss_scale) for name, g in grads.items()]
    if not all(np.isfinite(g).all() for _, g in pairs):
        return 0.0
    fmt, lr = case.recipe.fmt, case.recipe.lr
    meant = [(w[g != 0], g[g != 0]) for w, g in pairs]
    shares = [frozen_fraction(fmt, w, lr * np.float64(g)) * w.size for w, g in meant if w.size]
    return float(sum(shares) / max(sum(w.size for w, _ in meant), 1))


def cases(rng: np.random.Generator, recipe: FaultRecipe, size: Size) -> Iterator[PlantedCase]:
    """Draw networks of a recipe, and measure what is wrong with each.

    Examples:
        >>> from gradbook.activations import relu
        >>> from gradbook.book.diagnose.subjects import RECIPES
        >>> [case] = cases(np.random.default_rng(0), RECIPES[0], Size(8, 32, relu, seeds=1))
        >>> case.truth.value, f"{case.decades:.1f}", list(case.gradients)[:2]
        ('healthy', '0.0', ['layers.1.weight', 'layers.1.bias'])
    """
    network = recipe.network(rng, size)
    with np.errstate(all="ignore"):
        trace = backprop(network.layers, network.x, network.target, softmax_cross_entropy)
        first, last = (trace.dh[network.ends[end]] for end in (0, -1))
        decades, off = symptoms.decades(first, last), off_share(trace.h[e] for e in network.ends)
        deltas = _given_deltas(network, trace)
    for seed in range(size.seeds):
        name = f"{recipe.name}, {size.activation.name}, {size.depth} x {size.width}, seed {seed}"
        parameters = {_name(network, found.name): found for found in trace.parameters}
        with np.errstate(all="ignore"):
            scaled = {n: recipe.loss_scale * p.grad[seed] for n, p in parameters.items()}
        case = PlantedCase(
            name=name,
            fault=recipe.fault,
            truth=None,
            decades=float(decades[seed]),
            gradients=_planted(recipe, {n: stored(recipe.fmt, g) for n, g in scaled.items()}),
            weights={n: stored(recipe.fmt, p.value[seed]) for n, p in parameters.items()},
            deltas={n: stored(float32, delta[seed]) for n, delta in deltas.items()},
            activations=tuple(stored(float32, trace.h[end][seed]) for end in network.ends),
            recipe=recipe,
        )
        yield replace(case, truth=_truth(case, float(off[seed])))


def _planted(recipe: FaultRecipe, gradients: dict[str, Array]) -> dict[str, Array]:
    if recipe.planted:
        first = next(iter(gradients))
        gradients[first].flat[0] = np.nan
    return gradients
