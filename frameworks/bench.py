"""Show what forward and backward through an MLP cost beside others: `make bench`.

Four compute the same thing, a loss and its gradients on all weights, biases and inputs: gradbook;
NumPy as a careful hand writes it for one network of one shape, into buffers made beforehand and
without a check; PyTorch as it comes; JAX compiled. On one processor, in turns, so that whatever
else the machine does slows all of them.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import geometric_mean, median
from typing import Any

# Before NumPy is loaded: on one processor a second thread waits for the first, and spins.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from gradbook.activations import relu, tanh
from gradbook.backpropagation import backprop
from gradbook.initializers import glorot, he
from gradbook.layers import Layer
from gradbook.losses import half_squared_error
from gradbook.networks import plain
from gradbook.parameters import in_float32

BATCH = 128
# Evenly spaced in their logarithms, rounded to whole vectors.
SHAPES = ((100, 16), (56, 40), (32, 88), (18, 216), (10, 512))
AIMS = {"straight NumPy": 1.30, "PyTorch eager": 0.65, "JAX jit": 1.25}
"""How many times the time of each gradbook shall take at most, in the geometric mean."""

Result = tuple[Any, list[Any], Any]
"""The loss, its gradients on `W` and `b` of each layer in turn, and that on the input."""


@dataclass(frozen=True)
class Setting:
    """One network: `depth` square layers, the last of them linear."""

    depth: int
    width: int
    dtype: str
    activation: str

    def __str__(self) -> str:
        return f"{self.depth:3} x {self.width:3}  {self.dtype}  {self.activation}"


SETTINGS = [
    Setting(*shape, dtype, activation)
    for shape, dtype, activation in product(SHAPES, ("float32", "float64"), ("tanh", "ReLU"))
]


@dataclass(frozen=True)
class Problem:
    """What all four are given; `y` is the target."""

    layers: list[Layer]
    x: Any
    y: Any
    is_tanh: bool

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        return [(layer.parameters["W"], layer.parameters["b"]) for layer in self.layers]


def problem(setting: Setting, rng: np.random.Generator) -> Problem:
    is_tanh = setting.activation == "tanh"
    widths = [setting.width] * (setting.depth + 1)
    activation, initializer = (tanh, glorot) if is_tanh else (relu, he)
    layers = plain(rng, widths, activation, initializer, bias_variance=0.01)
    if setting.dtype == "float32":
        layers = in_float32(layers)
    x, y = rng.standard_normal((2, BATCH, setting.width)).astype(setting.dtype)
    return Problem(layers, x, y, is_tanh)


def with_gradbook(given: Problem) -> Callable[[], Result]:
    def run() -> Result:
        trace = backprop(given.layers, given.x, given.y, half_squared_error)
        return trace.loss, [g for of in trace.gradients for g in of.values()], trace.dh[0]

    return run


def with_numpy(given: Problem) -> Callable[[], Result]:
    """Write every array where the last run wrote it; `z` and `a` share one place."""
    y, batch, is_tanh = given.y, len(given.y), given.is_tanh
    Ws, bs = zip(*given.pairs, strict=True)
    dWs, dbs = [np.empty_like(W) for W in Ws], [np.empty_like(b) for b in bs]
    h = [given.x, *(np.empty_like(y) for _ in Ws)]
    delta, dh, slope = np.empty_like(y), np.empty_like(y), np.empty_like(y)

    def forward() -> None:
        for i, (W, b) in enumerate(zip(Ws, bs, strict=True)):
            z = np.matmul(h[i], W, out=h[i + 1])
            z += b
            if i + 1 == len(Ws):
                break
            if is_tanh:
                np.tanh(z, out=z)
            else:
                np.maximum(z, 0, out=z)

    def through(a: Any) -> None:
        if is_tanh:
            np.multiply(a, a, out=slope)
            np.subtract(1, slope, out=slope)
        else:
            np.sign(a, out=slope)
        np.multiply(dh, slope, out=delta)

    def run() -> Result:
        forward()
        np.subtract(h[-1], y, out=delta)
        loss = np.vdot(delta, delta) / (2 * batch)
        np.divide(delta, batch, out=delta)
        for i in range(len(Ws) - 1, -1, -1):
            np.matmul(h[i].T, delta, out=dWs[i])
            np.add.reduce(delta, axis=0, out=dbs[i])
            np.matmul(delta, Ws[i].T, out=dh)
            if i > 0:
                through(h[i])
        return loss, [g for pair in zip(dWs, dbs, strict=True) for g in pair], dh

    return run


def with_torch(given: Problem) -> Callable[[], Result]:
    modules: list[nn.Module] = []
    for W, b in given.pairs:
        linear = nn.Linear(*W.shape, dtype=torch.from_numpy(W).dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W).T)
            linear.bias.copy_(torch.from_numpy(b))
        modules += [linear, nn.Tanh() if given.is_tanh else nn.ReLU()]
    net = nn.Sequential(*modules[:-1])
    x, y = torch.from_numpy(given.x).requires_grad_(), torch.from_numpy(given.y)

    def run() -> Result:
        x.grad = None
        net.zero_grad()
        loss = (net(x) - y).square().sum() / (2 * len(y))
        loss.backward()
        # PyTorch keeps W transposed.
        grads = [g.T if g.ndim == 2 else g for g in (p.grad for p in net.parameters())]
        return loss.detach(), grads, x.grad

    return run


def with_jax(given: Problem) -> Callable[[], Result]:
    f = jnp.tanh if given.is_tanh else jax.nn.relu

    def loss(pairs: Any, x: Any, y: Any) -> Any:
        for W, b in pairs[:-1]:
            x = f(x @ W + b)
        W, b = pairs[-1]
        return jnp.square(x @ W + b - y).sum() / (2 * len(y))

    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    arguments = jax.device_put((given.pairs, given.x, given.y))

    def run() -> Result:
        value, (pairs, dx) = jax.block_until_ready(gradient(*arguments))
        return value, [g for pair in pairs for g in pair], dx

    return run


ENGINES = {
    "gradbook": with_gradbook,
    "straight NumPy": with_numpy,
    "PyTorch eager": with_torch,
    "JAX jit": with_jax,
}


def _seconds(run: Callable[[], object], times: int) -> float:
    """Return the processor's time for one run: a program that is made to wait is not slower."""
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) / times


def in_turns(
    runs: Sequence[Callable[[], object]], turns: int, at_least: float
) -> list[list[float]]:
    """Time all runs in every turn, each for `at_least` so many seconds; turns stand by run."""
    once = [min(_seconds(run, 2), _seconds(run, 2)) for run in runs]
    times = [1 + int(at_least / max(seconds, 1e-6)) for seconds in once]
    taken = [[_seconds(run, n) for run, n in zip(runs, times, strict=True)] for _ in range(turns)]
    return [list(of_run) for of_run in zip(*taken, strict=True)]


def ratios(setting: Setting, turns: int, at_least: float) -> tuple[float, list[float]]:
    """Return gradbook's seconds, and the ratios to those of each other: medians over turns."""
    given = problem(setting, np.random.default_rng(0))
    own, *others = in_turns([make(given) for make in ENGINES.values()], turns, at_least)
    return median(own), [median(a / b for a, b in zip(own, of, strict=True)) for of in others]


def table(settings: Sequence[Setting], turns: int = 11, at_least: float = 0.02) -> Iterator[str]:
    """Yield the lines of the table as they are measured."""
    yield f"{'depth x width':28}{'gradbook':>12}" + "".join(f"{'/ ' + name:>18}" for name in AIMS)
    rows = []
    for setting in settings:
        own, row = ratios(setting, turns, at_least)
        rows.append(row)
        yield f"{setting!s:28}{own * 1e3:9.2f} ms" + "".join(f"{r:18.2f}" for r in row)
    means = [geometric_mean(column) for column in zip(*rows, strict=True)]
    yield f"{'geometric mean':40}" + "".join(f"{mean:18.2f}" for mean in means)
    yield f"{'aim: at most':40}" + "".join(f"{aim:18.2f}" for aim in AIMS.values())


def pinned() -> str:
    """Give the process one processor, where the system lets it; say which."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned"
    processor = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processor})
    return f"pinned to processor {processor}"


def main() -> int:
    """Print the table."""
    where = f"{os.cpu_count()} processors, {pinned()}, one thread"
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    torch.set_num_threads(1)
    jax.config.update("jax_enable_x64", True)
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, "
    versions += f"PyTorch {torch.__version__}, JAX {jax.__version__}"
    print(f"Forward and backward, batch {BATCH}: {where}; {versions}")
    for line in table(SETTINGS):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
