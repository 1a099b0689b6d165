"""The error function as an activation: averages of it over a normal variable are closed forms."""

import math

import numpy as np

from gradbook.activations import Activation

erf = Activation(
    "erf",
    np.vectorize(math.erf, otypes=[float]),
    lambda z: 2 / math.sqrt(math.pi) * np.exp(-np.square(z)),
    2 / math.sqrt(math.pi),
)
