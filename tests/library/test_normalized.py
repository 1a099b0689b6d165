"""Networks with normalizations: what the builders build."""

import numpy as np
import pytest

from gradbook.activations import relu, tanh
from gradbook.backpropagation import forward
from gradbook.initializers import he
from gradbook.layers import Activate, BatchNorm, Dense, LayerNorm
from gradbook.networks.normalization import Norm, batch_norm, layer_norm, normalized


@pytest.mark.parametrize(("norm", "kind"), [(batch_norm, BatchNorm), (layer_norm, LayerNorm)])
def test_every_hidden_layer_is_weights_normalization_activation(norm: Norm, kind: type) -> None:
    layers = normalized(np.random.default_rng(0), (2, 5, 4, 3), tanh, he, norm)
    assert [type(layer) for layer in layers] == [Dense, kind, Activate] * 2 + [Dense]
    assert [layers[i].parameters["W"].shape for i in (0, 3, 6)] == [(2, 5), (5, 4), (4, 3)]
    assert [layers[i].parameters["gamma"].tolist() for i in (1, 4)] == [[1.0] * 5, [1.0] * 4]
    assert "b" not in layers[0].parameters
    assert layers[6].parameters["b"].tolist() == [0.0] * 3


def test_a_normalization_can_stand_behind_the_activation() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6, 2))
    layers = normalized(rng, (2, 5, 3), relu, he, layer_norm, norm_last=True)
    h = forward(layers, x)[2].a
    # Zero mean over the units, up to five roundings.
    np.testing.assert_allclose(h.mean(axis=-1), 0, atol=1e-15)


def test_members_of_an_ensemble_have_parameters_of_their_own() -> None:
    layers = normalized(np.random.default_rng(2), (2, 5, 3), relu, he, batch_norm, ensemble=(7,))
    shapes = [p.shape for layer in layers for p in layer.parameters.values()]
    assert shapes == [(7, 2, 5), (7, 5), (7, 5), (7, 5, 3), (7, 3)]
    assert forward(layers, np.random.default_rng(3).standard_normal((4, 2)))[-1].a.shape == (
        7,
        4,
        3,
    )


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="widths must hold the inputs and at least one layer"):
        normalized(np.random.default_rng(0), (3,), relu, he, layer_norm)
    with pytest.raises(ValueError, match=r"widths\[1\] must be an integer of at least 1, got 0"):
        normalized(np.random.default_rng(0), (3, 0), relu, he, layer_norm)
