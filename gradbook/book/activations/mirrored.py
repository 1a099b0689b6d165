"""Networks whose weights are mirrored, so that they begin as linear maps."""

from collections.abc import Sequence

import numpy as np

from gradbook.activations import Activation
from gradbook.initializers import Initializer
from gradbook.layers import Layer
from gradbook.networks import plain


def looks_linear(
    rng: np.random.Generator,
    widths: Sequence[int],
    activation: Activation,
    initializer: Initializer,
    *,
    ensemble: tuple[int, ...] = (),
) -> list[Layer]:
    r"""Chain dense layers with mirrored weights, which at first compute a linear map.

    Each hidden layer has every unit twice, with $z$ and with $-z$, and the next layer takes the
    difference: with the mirrored weights

    $$\begin{pmatrix} V & -V \\ -V & V \end{pmatrix}$$

    a layer turns the difference $u = h_+ - h_-$ into $f(uV) - f(-uV)$. If $f(z) - f(-z) = z$, that
    is $uV$, and the network is the product of its $V$, however deep. With orthogonal $V$ all
    singular values of its Jacobian are 1. Training is free to break the mirror.

    `widths` counts inputs, *pairs* of units in each hidden layer, and outputs, which are linear;
    biases are zero.

    Source: Balduzzi et al. 2017.
    """
    halves = plain(rng, widths, activation, initializer, ensemble=ensemble)
    mirrored: list[Layer] = []
    for number, layer in enumerate(halves, start=1):
        params = dict(layer.parameters)
        if number > 1:
            params["W"] = np.concatenate([params["W"], -params["W"]], axis=-2)
        if number < len(halves):
            params["W"] = np.concatenate([params["W"], -params["W"]], axis=-1)
            params["b"] = np.concatenate([params["b"], params["b"]], axis=-1)
        mirrored.append(layer.with_parameters(params))
    return mirrored
