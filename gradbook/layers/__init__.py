r"""Layers as values: what a network, a plain list of layers, is made of.

A layer maps its input `x` to its output `a` and, going back, the upstream gradient
`da` $= \partial L/\partial a$ to `dx` $= \partial L/\partial x$. It holds its parameters and
changes nothing: what the backward pass needs travels in the record that the forward pass returns.

Arrays are rows: `x` is `(..., batch, fan_in)`, `W` is `(..., fan_in, fan_out)`, `b` is
`(..., fan_out)`. The leading axes are an ensemble and follow NumPy's broadcasting, so one input can
feed a hundred networks. A gradient on an activation keeps an entry for every member of the
ensemble; a gradient on a parameter has the parameter's shape, summed over whatever shares it.
"""

from gradbook.layers.attention import Attention
from gradbook.layers.base import Backward, Forward, Layer
from gradbook.layers.dense import Dense
from gradbook.layers.dropout import Dropout
from gradbook.layers.elementwise import Activate
from gradbook.layers.gru import GRU, GRUGates
from gradbook.layers.lstm import LSTM, LSTMGates
from gradbook.layers.normalization import BatchNorm, LayerNorm, RMSNorm
from gradbook.layers.positions import Positions
from gradbook.layers.recurrent import Recurrent
from gradbook.layers.residual import Residual
from gradbook.layers.select import Select
from gradbook.layers.shared import sum_to
from gradbook.layers.step import Step

__all__ = [
    "GRU",
    "LSTM",
    "Activate",
    "Attention",
    "Backward",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Forward",
    "GRUGates",
    "LSTMGates",
    "Layer",
    "LayerNorm",
    "Positions",
    "RMSNorm",
    "Recurrent",
    "Residual",
    "Select",
    "Step",
    "sum_to",
]
