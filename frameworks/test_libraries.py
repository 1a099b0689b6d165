"""One network, sound and ill, in the libraries that people write it in: the verdict is the same.

The weights are those of PyTorch's network, whose truth is measured in float64, and the gradients
are checked to be its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")  # a process has one

import accelerate
import equinox
import flax.linen
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import torch
from planted_networks import CASES, Mlp
from planted_truth import Case, truth_of
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Verdict

SUBJECTS = [case for case in CASES if case.name in ("ReLU, He", "sigmoid, 20 layers")]
SLOPED = {"healthy": jax.nn.relu, "vanishing": jax.nn.sigmoid}

everywhere = pytest.mark.parametrize("case", SUBJECTS, ids=str)


def said(case: Case) -> Verdict:
    """Return what must be said, and see that it is true."""
    assert truth_of(case).illness == case.illness
    return Verdict(case.illness)


@cache
def passed(case: Case) -> tuple[Mlp, Any, Any]:
    """Return PyTorch's network after a pass back, and its batch."""
    net, x, y = case.made()
    F.cross_entropy(net(x), y).backward()
    return net, x, y  # type: ignore[return-value]


def layers(case: Case) -> list[tuple[Any, Any]]:
    """Return W, inputs by outputs, and b of all layers, the head last."""
    net = passed(case)[0]
    linear = [*(block[0] for block in net.body), net.head]
    return [(each.weight.detach().T.numpy(), each.bias.detach().numpy()) for each in linear]


def batch(case: Case) -> tuple[Any, Any]:
    return tuple(jnp.asarray(part.numpy()) for part in passed(case)[1:])


def cross_entropy(output: Any, y: Any) -> Any:
    return -jax.nn.log_softmax(output)[jnp.arange(len(y)), y].mean()


def same_as_torch(case: Case, first: Any, last: Any) -> None:
    """Check the gradients on the first and the last matrix."""
    net = passed(case)[0]
    for found, weight in ((first, net.body[0][0].weight), (last, net.head.weight)):
        wanted = weight.grad.T.numpy()
        np.testing.assert_allclose(found, wanted, rtol=2e-2, atol=1e-4 * abs(wanted).max())


@everywhere
def test_accelerate(case: Case) -> None:
    net, x, y = case.made()
    accelerator = accelerate.Accelerator(cpu=True)
    net, _ = accelerator.prepare(net, torch.optim.SGD(net.parameters(), 0.1))
    deltas = gradbook.watch(net)
    accelerator.backward(F.cross_entropy(net(x), y))
    assert gradbook.diagnose(net, deltas=deltas).verdict is said(case)


class Flax(flax.linen.Module):
    slope: Any
    depth: int

    @flax.linen.compact
    def __call__(self, h: Any) -> Any:
        for i in range(self.depth):
            dense = flax.linen.Dense(32, name=f"layer_{i}")
            h = self.slope(self.perturb(f"layer_{i}_z", dense(h)))
        return flax.linen.Dense(4, name=f"layer_{self.depth}")(h)


@everywhere
def test_flax(case: Case) -> None:
    (x, y), drawn = batch(case), layers(case)
    params = {f"layer_{i}": {"kernel": W, "bias": b} for i, (W, b) in enumerate(drawn)}
    net = Flax(SLOPED[case.illness], len(drawn) - 1)
    taps = net.init(jax.random.key(0), x)["perturbations"]

    def loss(params: Any, taps: Any) -> Any:
        return cross_entropy(net.apply({"params": params, "perturbations": taps}, x), y)

    grads, deltas = jax.grad(loss, argnums=(0, 1))(params, taps)
    same_as_torch(case, grads["layer_0"]["kernel"], grads[f"layer_{len(taps)}"]["kernel"])
    deltas = [deltas[f"layer_{i}_z"] for i in range(len(taps))]
    assert gradbook.diagnose(grads, weights=params, deltas=deltas).verdict is said(case)


class Equinox(equinox.Module):
    layers: list[Any]
    slope: Any = equinox.field(static=True)

    def __call__(self, h: Any, taps: Any) -> Any:
        for layer, tap in zip(self.layers[:-1], taps, strict=True):
            h = self.slope(layer(h) + tap)
        return self.layers[-1](h)


def flat(tree: Any) -> Mapping[str, Any]:
    """Name what JAX finds in a module."""
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path).strip("."): leaf for path, leaf in found}


@everywhere
def test_equinox(case: Case) -> None:
    (x, y), drawn = batch(case), layers(case)

    def dense(W: Any, b: Any) -> Any:
        made = equinox.nn.Linear(*W.shape, key=jax.random.key(0))
        return equinox.tree_at(lambda of: (of.weight, of.bias), made, (W.T, b))

    net = Equinox([dense(*pair) for pair in drawn], SLOPED[case.illness])
    taps = [jnp.zeros((len(x), 32)) for _ in drawn[:-1]]

    def loss(given: Any) -> Any:
        net, taps = given
        return cross_entropy(jax.vmap(net)(x, taps), y)

    grads, deltas = equinox.filter_grad(loss)((net, taps))
    same_as_torch(case, grads.layers[0].weight.T, grads.layers[-1].weight.T)
    report = gradbook.diagnose(flat(grads), weights=flat(net), deltas=deltas)
    assert report.verdict is said(case)


@everywhere
def test_keras_on_jax_is_right_or_cannot_tell(case: Case) -> None:
    """Keras offers no place to hook in; gradients and weights alone do not settle every network."""
    (x, y), drawn = batch(case), layers(case)
    slope = "relu" if case.illness == "healthy" else "sigmoid"
    hidden = [keras.layers.Dense(32, slope, name=f"layer_{i}") for i in range(len(drawn) - 1)]
    net = keras.Sequential([keras.Input((16,)), *hidden, keras.layers.Dense(4, name="head")])
    net.set_weights([part for pair in drawn for part in pair])
    values = [variable.value for variable in net.trainable_variables]

    def loss(values: Any) -> Any:
        return cross_entropy(net.stateless_call(values, [], x)[0], y)

    grads = jax.grad(loss)(values)
    same_as_torch(case, grads[0], grads[-2])
    names = [variable.path for variable in net.trainable_variables]
    weights = dict(zip(names, values, strict=True))
    report = gradbook.diagnose(dict(zip(names, grads, strict=True)), weights=weights)
    assert report.verdict in (said(case), Verdict.CANNOT_TELL), report.reason


@everywhere
def test_keras_on_torch(case: Case) -> None:
    script = Path(__file__).with_name("keras_on_torch.py")
    done = subprocess.run(
        [sys.executable, script, case.name], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == said(case).value, done.stderr[-400:]


@cache
def from_keras_on_torch() -> dict[str, Any]:
    script = Path(__file__).with_name("keras_on_torch.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr[-400:]
    return json.loads(done.stdout.splitlines()[-1])


def test_keras_on_torch_is_told_what_pytorch_is() -> None:
    """Units that are off are seen, whether Keras' layer or one behind it has the slope."""
    both = from_keras_on_torch()["both"]
    for name, (verdict, keras_, torch_) in both.items():
        assert keras_ == torch_, name
        assert keras_[0] == verdict, name
    assert sum(verdict == "dead units" for verdict, *_ in both.values()) > 5


def test_weights_of_keras_that_are_cut_off_are_named_with_their_biases() -> None:
    verdict, said, *rest = from_keras_on_torch()["alone"]["cut"]
    assert verdict == "cut"
    assert said.startswith("4 of 8 trainable tensors get no gradient: the graph is cut between b ")
    assert "stop_gradient" in said
    assert not any("nothing reads them" in text or "was seen to read" in text for text in rest)


def test_averages_of_keras_are_no_weights_that_stay_as_they_are() -> None:
    verdict, *said = from_keras_on_torch()["alone"]["averaged"]
    assert verdict == "healthy"
    assert not any("moving" in text or "seed" in text or "requires_grad" in text for text in said)


def test_activations_of_keras_are_put_back() -> None:
    assert from_keras_on_torch()["alone"]["put back"] == [True, True]
