"""Draw one layer of each kind with an input that fits: the generic tests loop over these functions.

To put a new kind of layer to every generic test, add one function here. It takes a random generator
and an activation, and returns the layer with an input. A layer whose activations are fixed ignores
the one it is given. Helpers start with an underscore.
"""

import sys
from collections.abc import Callable, Iterator
from inspect import getmembers, isfunction
from typing import Any, TypeAlias

import numpy as np

from gradbook.activations import Activation, identity
from gradbook.checks import Array
from gradbook.layers import (
    GRU,
    LSTM,
    Activate,
    Attention,
    BatchNorm,
    Dense,
    Dropout,
    Forward,
    Layer,
    LayerNorm,
    Positions,
    Recurrent,
    Residual,
    RMSNorm,
    Select,
)

Drawn: TypeAlias = tuple[Layer, Array]
Maker: TypeAlias = Callable[[np.random.Generator, Activation], Drawn]


def dense(rng: np.random.Generator, f: Activation) -> Drawn:
    layer = Dense(rng.standard_normal((3, 4)), rng.standard_normal(4), f)
    return layer, rng.standard_normal((5, 3))


def dense_without_biases(rng: np.random.Generator, f: Activation) -> Drawn:
    return Dense(rng.standard_normal((3, 4)), None, f), rng.standard_normal((5, 3))


def ensemble_of_dense(rng: np.random.Generator, f: Activation) -> Drawn:
    layer = Dense(rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 4)), f)
    return layer, rng.standard_normal((2, 5, 3))


def dense_shared_by_an_ensemble(rng: np.random.Generator, f: Activation) -> Drawn:
    layer = Dense(rng.standard_normal((3, 4)), rng.standard_normal((1, 4)), f)
    return layer, rng.standard_normal((2, 5, 3))


def step_without_input(rng: np.random.Generator, f: Activation) -> Drawn:
    layer = Recurrent(rng.standard_normal((4, 4)), None, rng.standard_normal(4), f)
    return layer, rng.standard_normal((5, 4))


def step_with_input(rng: np.random.Generator, f: Activation) -> Drawn:
    W, U, b = (rng.standard_normal(shape) for shape in ((4, 4), (3, 4), 4))
    return Recurrent(W, U, b, f, rng.standard_normal((5, 3))), rng.standard_normal((5, 4))


def ensemble_of_steps(rng: np.random.Generator, f: Activation) -> Drawn:
    W, U, b = (rng.standard_normal(shape) for shape in ((2, 4, 4), (3, 4), (2, 4)))
    return Recurrent(W, U, b, f, rng.standard_normal((2, 5, 3))), rng.standard_normal((2, 5, 4))


def activation_alone(rng: np.random.Generator, f: Activation) -> Drawn:
    return Activate(f), rng.standard_normal((2, 5, 3))


def residual_block(rng: np.random.Generator, f: Activation) -> Drawn:
    W, V = rng.standard_normal((2, 4, 4)) / 2
    block = [Dense(W, rng.standard_normal(4), f), Dense(V, None, f)]
    return Residual(block, scale=0.5), rng.standard_normal((5, 4))


def ensemble_of_residual_blocks(rng: np.random.Generator, f: Activation) -> Drawn:
    block = [Activate(f), Dense(rng.standard_normal((2, 4, 4)), None, identity)]
    return Residual(block), rng.standard_normal((2, 5, 4))


def dropout(rng: np.random.Generator, f: Activation) -> Drawn:
    return Dropout.drawn(rng, (5, 3), keep=0.6), rng.standard_normal((2, 5, 3))


def batch_norm(rng: np.random.Generator, _: Activation) -> Drawn:
    layer = BatchNorm(rng.standard_normal(4), rng.standard_normal(4))
    return layer, rng.standard_normal((5, 4))


def batch_norm_without_parameters(rng: np.random.Generator, _: Activation) -> Drawn:
    return BatchNorm(None, None), rng.standard_normal((2, 5, 4))


def batch_norm_with_fixed_statistics(rng: np.random.Generator, _: Activation) -> Drawn:
    layer = BatchNorm(rng.standard_normal(4), rng.standard_normal(4))
    return layer.fixed(rng.standard_normal((9, 4))), rng.standard_normal((5, 4))


def layer_norm(rng: np.random.Generator, _: Activation) -> Drawn:
    layer = LayerNorm(rng.standard_normal(4), rng.standard_normal(4))
    return layer, rng.standard_normal((5, 4))


def ensemble_of_layer_norms(rng: np.random.Generator, _: Activation) -> Drawn:
    layer = LayerNorm(rng.standard_normal((2, 4)), rng.standard_normal((1, 4)))
    return layer, rng.standard_normal((2, 5, 4))


def ensemble_of_batch_norms(rng: np.random.Generator, _: Activation) -> Drawn:
    layer = BatchNorm(rng.standard_normal((2, 4)), None)
    return layer, rng.standard_normal((2, 5, 4))


def rms_norm(rng: np.random.Generator, _: Activation) -> Drawn:
    return RMSNorm(rng.standard_normal(4)), rng.standard_normal((5, 4))


def rms_norm_without_parameters(rng: np.random.Generator, _: Activation) -> Drawn:
    return RMSNorm(None), rng.standard_normal((2, 5, 4))


def lstm(rng: np.random.Generator, _: Activation) -> Drawn:
    W, U, b = (rng.standard_normal(shape) for shape in ((4, 16), (3, 16), 16))
    return LSTM(W, U, b, rng.standard_normal((5, 3))), rng.standard_normal((5, 8))


def lstm_without_input(rng: np.random.Generator, _: Activation) -> Drawn:
    return LSTM(rng.standard_normal((4, 16)), None, None), rng.standard_normal((5, 8))


def ensemble_of_lstms(rng: np.random.Generator, _: Activation) -> Drawn:
    W, U, b = (rng.standard_normal(shape) for shape in ((2, 4, 16), (3, 16), (2, 16)))
    return LSTM(W, U, b, rng.standard_normal((2, 5, 3))), rng.standard_normal((2, 5, 8))


def gru(rng: np.random.Generator, _: Activation) -> Drawn:
    W, U, b, b_h = (rng.standard_normal(shape) for shape in ((4, 12), (3, 12), 12, 4))
    return GRU(W, U, b, rng.standard_normal((5, 3)), b_h), rng.standard_normal((5, 4))


def gru_without_input(rng: np.random.Generator, _: Activation) -> Drawn:
    return GRU(rng.standard_normal((4, 12)), None, None), rng.standard_normal((5, 4))


def ensemble_of_grus(rng: np.random.Generator, _: Activation) -> Drawn:
    W, U, b, b_h = (rng.standard_normal(s) for s in ((2, 4, 12), (3, 12), (2, 12), (1, 4)))
    return GRU(W, U, b, rng.standard_normal((2, 5, 3)), b_h), rng.standard_normal((2, 5, 4))


def attention(rng: np.random.Generator, _: Activation) -> Drawn:
    return Attention(time=3), rng.standard_normal((6, 12))


def causal_attention_of_two_heads(rng: np.random.Generator, _: Activation) -> Drawn:
    return Attention(time=3, heads=2, causal=True), rng.standard_normal((2, 6, 18))


def attention_without_a_scale(rng: np.random.Generator, _: Activation) -> Drawn:
    return Attention(time=5, heads=2, scale=1.3), rng.standard_normal((5, 12))


def positions(rng: np.random.Generator, _: Activation) -> Drawn:
    return Positions(rng.standard_normal((3, 4))), rng.standard_normal((6, 4))


def ensemble_of_positions(rng: np.random.Generator, _: Activation) -> Drawn:
    return Positions(rng.standard_normal((2, 3, 4))), rng.standard_normal((2, 6, 4))


def columns_selected(rng: np.random.Generator, _: Activation) -> Drawn:
    return Select(1, 3), rng.standard_normal((2, 5, 4))


def _is_maker(member: object) -> bool:
    return (
        isfunction(member) and member.__module__ == __name__ and not member.__name__.startswith("_")
    )


MAKERS: list[Maker] = [maker for _, maker in getmembers(sys.modules[__name__], _is_maker)]


def _records(saved: Any) -> Iterator[Forward]:
    """Yield the records of wrapped layers, however deep they lie in what a record saved."""
    if isinstance(saved, Forward):
        yield saved
        yield from _records(saved.saved)
    elif isinstance(saved, tuple | list):
        for item in saved:
            yield from _records(item)


def _pre_activations(record: Forward) -> list[Array]:
    return [r.z for r in _records(record) if r.z is not None]


def _smooth_case(make: Maker, f: Activation) -> tuple[np.random.Generator, Layer, Array]:
    """Draw a layer and an input until every z is at least 1e-3 away from every kink."""
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        layer, x = make(rng, f)
        zs = _pre_activations(layer.forward(x))
        if all((np.abs(z - kink) > 1e-3).all() for z in zs for kink in f.kinks):
            return rng, layer, x
    raise AssertionError("no draw stays away from the kinks")


smooth_case = _smooth_case
