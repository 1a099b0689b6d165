"""Statistics that are held fixed: against means and against batch normalization itself."""

import numpy as np
import pytest

from gradbook.activations import relu
from gradbook.backpropagation import forward
from gradbook.book.residual.centering import batch_normalized, centered, fixed_at
from gradbook.book.residual.input_kernel import centered_autocorrelation
from gradbook.book.residual.one_input import Replication, inputs, notebook_network, replicate
from gradbook.initializers import he
from gradbook.layers import Activate, BatchNorm
from gradbook.networks.normalization import batch_norm, normalized


def test_every_centered_pre_activation_has_mean_zero_over_the_inputs() -> None:
    x = inputs(16)[:, None]
    layers = notebook_network(np.random.default_rng(0), 5, 12, 2.0, ensemble=(3,))
    for record in forward(centered(layers, x), x)[:-1]:
        np.testing.assert_allclose(record.z.mean(axis=-2), 0.0, atol=1e-13)
    with pytest.raises(TypeError, match="layers must be dense"):
        centered([Activate(relu), *layers], x)


def test_the_scale_of_centered_weights_is_a_common_factor() -> None:
    setting = Replication(width=12, points=8, networks=4)
    one, two = (
        replicate(np.random.default_rng(1), 6, factor, center=True, setting=setting)[0]
        for factor in (1.0, 2.0)
    )
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_a_network_with_fixed_statistics_gives_what_the_batch_gives() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((8, 5))
    layers = normalized(rng, [5, 6, 4, 3], relu, he, batch_norm, ensemble=(2,))
    at_x = forward(fixed_at(layers, x), x)[-1].a
    np.testing.assert_allclose(at_x, forward(layers, x)[-1].a, rtol=1e-12)


def test_a_batch_normalized_network_ends_with_an_activation_and_is_fixed() -> None:
    x = np.random.default_rng(3).standard_normal((8, 5))
    layers = batch_normalized(np.random.default_rng(4), x, 3, ensemble=(2,))
    assert isinstance(layers[-1], Activate)
    norms = [layer for layer in layers if isinstance(layer, BatchNorm)]
    assert len(norms) == 3
    assert all(norm.mean is not None for norm in norms)


def test_the_centered_kernel_is_what_wide_networks_have() -> None:
    setting = Replication(width=256, points=16, networks=40)
    found, error = replicate(np.random.default_rng(5), 3, 1.0, center=True, setting=setting)
    theory = centered_autocorrelation(16, 3)
    # What width leaves out is of order layers/width: 0.01.
    assert (abs(found - theory)[:8] < 0.02 + 4 * error[:8]).all()
