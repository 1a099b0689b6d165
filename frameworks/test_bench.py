"""What `make bench` compares is the same computation, by four engines that share no code."""

from __future__ import annotations

from dataclasses import replace

import bench
import jax
import numpy as np
import pytest
import torch
import watch_bench


@pytest.mark.parametrize("setting", bench.SETTINGS[:4], ids=str)
def test_the_four_compute_the_same_loss_and_gradients(setting: bench.Setting) -> None:
    given = bench.problem(replace(setting, depth=4, width=5), np.random.default_rng(0))
    with jax.enable_x64(True):
        found = {name: make(given)() for name, make in bench.ENGINES.items()}
    loss, grads, dx = found.pop("JAX jit")
    assert len(grads) == 8
    # Sums of 128 products, through four layers: some hundred roundings.
    close = 1e3 * np.finfo(setting.dtype).eps
    for other_loss, other_grads, other_dx in found.values():
        np.testing.assert_allclose(other_loss, loss, rtol=close)
        for a, b in zip([*other_grads, other_dx], [*grads, dx], strict=True):
            assert np.asarray(a).dtype == setting.dtype
            np.testing.assert_allclose(a, b, rtol=0, atol=close * np.abs(b).max())


def test_a_second_run_in_the_same_buffers_is_the_same() -> None:
    given = bench.problem(bench.Setting(3, 4, "float64", "tanh"), np.random.default_rng(0))
    run = bench.with_numpy(given)
    first = [np.copy(g) for g in run()[1]]
    for a, b in zip(run()[1], first, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_table_has_a_row_for_every_setting_and_the_aims_under_the_means() -> None:
    settings = [bench.Setting(2, 3, "float32", name) for name in ("tanh", "ReLU")]
    lines = list(bench.table(settings, turns=1, at_least=0))
    assert [line.split()[:5] for line in lines[1:3]] == [str(s).split() for s in settings]
    means, aims = (np.array(line.split()[-3:], float) for line in lines[-2:])
    rows = np.array([line.split()[-3:] for line in lines[1:3]], float)
    # Printed with two decimals.
    np.testing.assert_allclose(means, np.sqrt(rows[0] * rows[1]), atol=0.03)
    assert aims.tolist() == [*bench.AIMS.values()]


def test_what_watching_costs_is_told_for_every_network_and_way() -> None:
    networks = {"small": (torch.nn.Linear(4, 10), torch.randn(8, 4))}
    head, row, aim = watch_bench.table(networks, turns=1)
    assert [way in head for way in watch_bench.WAYS] == [True] * len(watch_bench.WAYS)
    assert row.startswith("small")
    assert row.count("x") == len(watch_bench.WAYS)
    assert "1.1x" in aim
