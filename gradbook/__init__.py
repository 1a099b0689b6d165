"""Make, measure and diagnose the gradients of neural networks, with NumPy alone.

A network is a list of layers. Draw one, send a batch through it and back, and ask what is wrong:

>>> import numpy as np
>>> from gradbook import backprop, diagnose, half_squared_error, lecun, plain, sigmoid
>>> rng = np.random.default_rng(0)
>>> net = plain(rng, [16] * 21, sigmoid, lecun)
>>> x, y = rng.standard_normal((2, 8, 16))
>>> trace = backprop(net, x, y, half_squared_error)
>>> weights = {f"{n}.W": layer.W for n, layer in enumerate(net)}
>>> grads = {f"{n}.W": found["W"] for n, found in enumerate(trace.gradients)}
>>> diagnose(grads, weights=weights, deltas=trace.delta).verdict.value
'vanishing'

The names below are loaded when they are asked for, so that importing the package is quick. The
reference lists every module; `gradbook.show.figures` alone needs more than NumPy.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradbook.activations import gelu, identity, leaky_relu, relu, sigmoid, silu, tanh
    from gradbook.backpropagation import backprop, forward, gradient_check
    from gradbook.clipping import clip_global_norm, global_norm
    from gradbook.diagnosis import diagnose, watch, watching
    from gradbook.initializers import glorot, he, lecun, orthogonal, scaled
    from gradbook.jacobians import layer_jacobians, singular_values
    from gradbook.layers import (
        GRU,
        LSTM,
        Activate,
        Attention,
        BatchNorm,
        Dense,
        Dropout,
        LayerNorm,
        Positions,
        Recurrent,
        Residual,
        RMSNorm,
    )
    from gradbook.losses import half_squared_error, sigmoid_cross_entropy, softmax_cross_entropy
    from gradbook.measure import gradient_norms
    from gradbook.networks import (
        attention_block,
        plain,
        post_norm,
        pre_norm,
        residual,
        transformer_blocks,
        unrolled,
    )
    from gradbook.optimizers import Adam, GradientDescent, Momentum
    from gradbook.training import train
    from gradbook.update import gradient_step

__version__ = version("gradbook")

_HOMES = {
    "activations": "gelu identity leaky_relu relu sigmoid silu tanh",
    "backpropagation": "backprop forward gradient_check",
    "clipping": "clip_global_norm global_norm",
    "diagnosis": "diagnose watch watching",
    "initializers": "glorot he lecun orthogonal scaled",
    "jacobians": "layer_jacobians singular_values",
    "layers": "Activate Attention BatchNorm Dense Dropout GRU LayerNorm LSTM Positions Recurrent "
    "Residual RMSNorm",
    "losses": "half_squared_error sigmoid_cross_entropy softmax_cross_entropy",
    "measure": "gradient_norms",
    "networks": "attention_block plain post_norm pre_norm residual transformer_blocks unrolled",
    "optimizers": "Adam GradientDescent Momentum",
    "training": "train",
    "update": "gradient_step",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [*_HOME_OF]


def __getattr__(name: str) -> Any:
    """Load a name of the list above from the module that it is at home in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return what there is, loaded or not."""
    return sorted({*globals(), *_HOME_OF})
