"""Print what is said of a network of `test_libraries.py` in Keras on PyTorch.

Keras takes one backend for a whole process, so this is one: `python keras_on_torch.py NAME`.
"""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
from planted_networks import CASES
from torch.nn import functional as F

import gradbook


def main(name: str) -> int:
    """Ask with three lines, as of any module of PyTorch."""
    case = next(case for case in CASES if case.name == name)
    drawn, x, y = case.made()
    slope = "relu" if case.illness == "healthy" else "sigmoid"
    hidden = [keras.layers.Dense(32, slope) for _ in drawn.body]
    net = keras.Sequential([keras.Input((16,)), *hidden, keras.layers.Dense(4)])
    linear = [*(block[0] for block in drawn.body), drawn.head]
    pairs = ((each.weight.detach().T.numpy(), each.bias.detach().numpy()) for each in linear)
    net.set_weights([part for pair in pairs for part in pair])

    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    print(gradbook.diagnose(net, deltas=deltas).verdict.value)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
