"""A sweep steps as each of its optimizers would alone, to the last bit."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from gradbook.book.clipping.mixed_precision import Kahan
from gradbook.book.what_do_i_try.rates_at_once import SideBySide, at_rate, innermost, sweeps
from gradbook.book.what_do_i_try.stored_weights import InFormat
from gradbook.clipping import clip_global_norm
from gradbook.optimizers import Adam, Clipping, GradientDescent, Momentum, Optimizer
from gradbook.precision import bfloat16

CLIP = partial(clip_global_norm, max_norm=1.0, members=1, error_if_nonfinite=False)
RATES = (0.3, 0.1, 0.01)
KINDS: dict[str, list[Optimizer]] = {
    "descent": [GradientDescent(lr) for lr in RATES],
    "Adam": [Adam(lr) for lr in RATES],
    "clipped": [Clipping(Adam(lr), CLIP) for lr in RATES],
    "in a format": [InFormat(lr, Kahan(bfloat16), 1024.0) for lr in RATES],
    "two kinds": [GradientDescent(0.3), GradientDescent(0.1), Adam(0.1)],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizers", KINDS.values(), ids=KINDS)
def test_each_steps_as_it_would_alone(
    optimizers: list[Optimizer], dtype: type[np.floating]
) -> None:
    rng, seeds = np.random.default_rng(0), 2
    start = [rng.standard_normal((seeds, 4, 3)), rng.standard_normal((seeds, 3))]
    start = [value.astype(dtype) for value in start]
    together = [np.concatenate([value] * len(optimizers)) for value in start]
    alone = [start for _ in optimizers]
    states = [optimizer.start(start) for optimizer in optimizers]
    training = SideBySide(optimizers, together)
    for _ in range(3):
        grads = [rng.standard_normal(value.shape).astype(dtype) for value in together]
        together = training.step(together, grads)
        for k, optimizer in enumerate(optimizers):
            own = [grad[k * seeds : (k + 1) * seeds] for grad in grads]
            alone[k], states[k] = optimizer.step(alone[k], own, states[k])
    for value, parts in zip(together, zip(*alone, strict=True), strict=True):
        np.testing.assert_array_equal(value, np.concatenate(parts), strict=True)


def test_neighbors_that_differ_in_more_than_the_rate_are_kept_apart() -> None:
    for optimizers in ([Adam(0.1), Adam(0.1, beta1=0.5)], [Adam(0.1), Clipping(Adam(0.2), CLIP)]):
        assert [sweep.rates for sweep in sweeps(optimizers)] == [
            (innermost(optimizer).lr,) for optimizer in optimizers
        ]
    (sweep,) = sweeps(KINDS["clipped"])
    assert sweep.rates == RATES


def test_a_rate_is_changed_behind_a_clip() -> None:
    assert at_rate(Clipping(Adam(0.1), CLIP), 0.5) == Clipping(Adam(0.5), CLIP)


def test_an_optimizer_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="optimizer must have a learning rate, got Momentum"):
        sweeps([Momentum(0.1, 0.9)])
