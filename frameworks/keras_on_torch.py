"""Print what is said of networks in Keras on PyTorch, for `test_libraries.py`.

Keras takes one backend for a whole process, so this is one: `python keras_on_torch.py NAME` of a
network of `planted_networks.py`; without a name, as JSON, the reports of `BESIDE` in Keras and with
the same numbers in plain PyTorch, and what is said of Keras alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
import torch
from planted_networks import CASES
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook

layers = keras.layers


def judged(name: str) -> str:
    """Ask with three lines, as of any module of PyTorch."""
    case = next(case for case in CASES if case.name == name)
    drawn, x, y = case.made()
    slope = "relu" if case.illness == "healthy" else "sigmoid"
    hidden = [layers.Dense(32, slope) for _ in drawn.body]
    net = keras.Sequential([keras.Input((16,)), *hidden, layers.Dense(4)])
    linear = [*(block[0] for block in drawn.body), drawn.head]
    pairs = ((each.weight.detach().T.numpy(), each.bias.detach().numpy()) for each in linear)
    net.set_weights([part for pair in pairs for part in pair])

    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    return gradbook.diagnose(net, deltas=deltas).verdict.value


@dataclass(frozen=True)
class Pair:
    """A network to be made in both."""

    verdict: str
    slope: str = "relu"
    widths: Sequence[int] = (10, 32, 32, 32, 2)
    how: str = "argument"
    """Where the slope stands: an argument of the layer, as a function or a layer; or behind it."""
    bias: float = 0.0
    gain: float = 1.0
    off: float = 0.0
    """The share of each hidden layer's units that have a bias of -60."""
    last: str = ""
    last_bias: float = 0.0
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy
    data: float = 1.0
    images: bool = False


def squares(output: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(output[:, 0], y.float())


BESIDE = {
    **{
        f"all off, {how}": Pair("dead units", bias=-50.0, how=how)
        for how in ("argument", "layer as argument", "behind")
    },
    "images, all off": Pair("dead units", bias=-50.0, images=True),
    "images, most off": Pair("dead units", off=0.875, images=True),
    "images": Pair("healthy", images=True),
    "most off": Pair("dead units", widths=(10, 64, 64, 64, 2), off=0.875),
    "sound": Pair("healthy"),
    "no slope": Pair("healthy", slope="linear"),
    "data of 0": Pair("cut", data=0.0),
    "sigmoids": Pair("vanishing", "sigmoid", (10, *[32] * 9, 2)),
    "too large": Pair("exploding", widths=(10, *[32] * 9, 2), gain=4.0),
    "at its ends": Pair("healthy", "tanh", gain=50.0),
    "softmax twice": Pair("healthy", last="softmax"),
    "output off": Pair("nothing from the loss", last="relu", last_bias=-50.0, loss=squares),
}

SLOPES = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "linear": nn.Identity}


def in_keras(pair: Pair) -> Any:
    def hidden(width: int, number: int) -> Iterator[Any]:
        asked = {"argument": pair.slope, "layer as argument": layers.Activation(pair.slope)}
        bias = keras.initializers.Constant(pair.bias)
        more = {"activation": asked.get(pair.how), "bias_initializer": bias}
        conv = layers.Conv2D(width, 3, name=f"fc{number}", **more)
        yield conv if pair.images else layers.Dense(width, name=f"fc{number}", **more)
        if pair.how == "behind":
            yield layers.Activation(pair.slope)
        if pair.images and number == 0:
            yield layers.MaxPooling2D()

    shape = (12, 12, pair.widths[0]) if pair.images else pair.widths[:1]
    inner = [one for k, width in enumerate(pair.widths[1:-1]) for one in hidden(width, k)]
    inner += [layers.GlobalAveragePooling2D()] if pair.images else []
    head = layers.Dense(pair.widths[-1], pair.last or None, name="head")
    net = keras.Sequential([keras.Input(shape), *inner, head], name="net")
    with torch.no_grad():
        for layer in net.layers:
            if layer.weights:
                layer.kernel.value.mul_(pair.gain)
                layer.bias.value[: int(pair.off * len(layer.bias.value))] = -60.0
        head.bias.value.fill_(pair.last_bias)
    return net


def in_torch(pair: Pair, of: Any) -> nn.Module:
    """Make the same network, under the same names, with the same numbers."""
    made: dict[str, nn.Module] = {}
    weighted = [layer for layer in of.layers if layer.weights]
    for number, layer in enumerate(weighted):
        kernel, hidden = layer.kernel.value.detach(), layer is not weighted[-1]
        one: Any = nn.Linear(*kernel.shape) if kernel.ndim == 2 else nn.Conv2d(*kernel.shape[2:], 3)
        axes = (3, 2, 0, 1) if kernel.ndim > 2 else (1, 0)
        one.weight.data = kernel.permute(axes).clone()
        one.bias.data = layer.bias.value.detach().clone()
        made |= {} if hidden or not pair.images else {"mean": Mean()}
        made[layer.path] = one
        made |= {f"slope{number}": SLOPES[pair.slope]()} if hidden else {}
        made |= {"pool": nn.MaxPool2d(2)} if pair.images and number == 0 else {}
    made |= {"last": {"softmax": nn.Softmax(-1), "relu": nn.ReLU()}[pair.last]} if pair.last else {}
    return nn.Sequential(OrderedDict(made))


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def told(net: Any, x: Tensor, y: Tensor, loss: Any) -> list[str]:
    deltas = gradbook.watch(net)
    loss(net(x), y).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    deltas.remove()
    said = [report.verdict.value, *report.summary, *(one.text for one in report.steps)]
    said += report.notes
    return [text.replace("/kernel", ".weight").replace("/bias", ".bias") for text in said]


def beside(pair: Pair) -> list[list[str]]:
    keras.utils.set_random_seed(0)
    y = torch.arange(64) % 3 % 2
    x = torch.randn(64, *((pair.widths[0], 12, 12) if pair.images else pair.widths[:1]))
    x[:, 0] += y.reshape(-1, *[1] * (x.ndim - 2))
    x = pair.data * x
    net = in_keras(pair)
    other = in_torch(pair, net)
    return [
        told(net, x.movedim(1, -1), y, pair.loss),
        told(other, x, y, pair.loss),
    ]


def without_gradient() -> list[str]:
    """Say what is said of a model that is cut, whose weights have no names but paths."""
    entered = keras.Input((10,))
    h = layers.Dense(16, "relu", name="b")(layers.Dense(16, "relu", name="a")(entered))
    h = layers.Lambda(keras.ops.stop_gradient)(h)
    net = keras.Model(entered, layers.Dense(2, name="d")(layers.Dense(16, "relu", name="c")(h)))
    return told(net, torch.randn(32, 10), torch.arange(32) % 2, F.cross_entropy)


def averaged() -> list[str]:
    """Say what is noted of a run in which averages are taken, and numbers are drawn."""
    inner = [layers.Dense(16), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2)]
    net = keras.Sequential([keras.Input((10,)), *inner, layers.Dense(2)])
    x, y = torch.randn(32, 10) + 1, torch.arange(32) % 2
    before = [v.value.detach().clone() for v in net.non_trainable_variables]
    optimizer = torch.optim.Adam([v.value for v in net.trainable_variables], 1e-2)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(net(x, training=True), y).backward()
            optimizer.step()
    after = [v.value for v in net.non_trainable_variables]
    assert sum(bool((a != b).any()) for a, b in zip(before, after, strict=True)) == 2
    report = run.report()
    return [report.verdict.value, *(row.name for row in report.rows), *report.notes]


def put_back(where: str) -> bool:
    """Tell whether activations are what they were when a layer has been called, or has failed."""

    class Fails(layers.Dense):
        def call(self, x: Tensor) -> Tensor:
            self.activation(x)
            raise NotImplementedError

    slope: Any = layers.ReLU() if "layer" in where else keras.activations.relu
    net = keras.Sequential([keras.Input((10,)), layers.Dense(8, slope), layers.Dense(2)])
    fails = Fails(3, activation=slope)
    fails.build((None, 10))
    deltas = [gradbook.watch(net), gradbook.watch(net), gradbook.watch(fails)]
    net(torch.randn(4, 10))
    with suppress(NotImplementedError):
        fails(torch.randn(4, 10))
    del deltas
    return all(one.activation is slope for one in (net.layers[0], fails))


if __name__ == "__main__":
    names = sys.argv[1:]
    print(*map(judged, names), sep="\n", end="")
    if not names:
        both = {name: [pair.verdict, *beside(pair)] for name, pair in BESIDE.items()}
        alone = {
            "cut": without_gradient(),
            "averaged": averaged(),
            "put back": [put_back("a function"), put_back("a layer")],
        }
        print(json.dumps({"both": both, "alone": alone}))
