"""Deep sigmoid networks under remedies: what the first step is known to do."""

from __future__ import annotations

import numpy as np

from gradbook.activations import sigmoid
from gradbook.book.clipping.rescuing import (
    RESCUES,
    Rescue,
    compare,
    compare_epsilons,
    weight_gradients,
)
from gradbook.initializers import lecun
from gradbook.theory.meanfield import propagate

SMALL = Rescue(depth=5, steps=1, seeds=3)


def test_the_first_step_of_each_remedy_follows_from_the_gradient() -> None:
    for name, run in compare(SMALL).items():
        initializer, optimizer = RESCUES[name]
        grads = weight_gradients(SMALL, initializer)
        for i, (layer, g) in enumerate(zip(SMALL.networks(initializer), grads, strict=True)):
            W = layer.parameters["W"]
            (stepped,), _ = optimizer.step([W], [g], optimizer.start([W]))
            moved = np.linalg.norm(stepped - W, axis=(-2, -1)) / np.linalg.norm(W, axis=(-2, -1))
            # Differences of weights lose digits where steps are small.
            np.testing.assert_allclose(run.movement[:, 1, i], moved, rtol=1e-6)


def test_a_large_epsilon_freezes_what_a_small_one_moves() -> None:
    runs = compare_epsilons(SMALL, (1e-30, 1.0))
    moved = [run.movement[:, 1, 0] for run in runs.values()]
    assert (moved[0] > 1e3 * moved[1]).all()


def test_the_gradient_vanishes_at_the_rate_of_theory() -> None:
    grads = weight_gradients(Rescue(depth=12, seeds=7), lecun)
    sizes = np.log([np.linalg.norm(g[:, :, :], axis=(-2, -1)) for g in grads]).mean(axis=1)
    rate = np.exp((sizes[2] - sizes[9]) / 7)
    energy = propagate(sigmoid, 12, 1.0).boundary_energy
    # Seven layers of width 20 scatter: 15 % covers three standard errors of their mean rate.
    assert abs(rate / np.sqrt(energy[2] / energy[3]) - 1) < 0.15
