"""Gradients of PyTorch and JAX as they come, where both are installed: `make test-frameworks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.torch
import torch
from flax import nnx
from torch import nn

import gradbook
from gradbook.diagnosis import (
    BadInput,
    Kind,
    Verdict,
    as_tensor,
    group,
    hand_over,
    measure,
    measure_updates,
    network_order,
    open_tensors,
)

TORCH_FORMATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
TORCH_FORMATS += [torch.float8_e4m3fn, torch.float8_e5m2]
JAX_FORMATS = [jnp.float32, jnp.float16, jnp.bfloat16, jnp.float8_e4m3fn, jnp.float8_e5m2]


def values(value: Any) -> Any:
    tensor = as_tensor("w", value)
    assert tensor is not None
    return tensor.values()


@pytest.mark.parametrize("dtype", TORCH_FORMATS, ids=str)
def test_torch_tensors_of_every_format_are_read(dtype: torch.dtype) -> None:
    x = torch.linspace(-3, 3, 12).reshape(3, 4).to(dtype)
    tensor = as_tensor("w", nn.Parameter(x))
    assert tensor is not None
    assert tensor.storage.name == str(dtype).removeprefix("torch.")
    np.testing.assert_array_equal(tensor.values(), x.double().numpy())
    np.testing.assert_array_equal(values(x.T), x.double().numpy().T)
    np.testing.assert_array_equal(values(x[1, 1]), x[1, 1].double().numpy())


def test_every_bfloat16_is_widened_as_torch_does() -> None:
    x = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)
    np.testing.assert_array_equal(values(x), x.float().numpy())


def test_sparse_lazy_and_abstract_torch_tensors() -> None:
    layer = nn.Embedding(10, 3, sparse=True)
    layer(torch.tensor([1, 2, 1])).sum().backward()
    np.testing.assert_array_equal(values(layer.weight.grad).sum(1), [0, 6, 3] + [0] * 7)
    with pytest.raises(BadInput, match=r"gradients\['w'\] must be an array, got Tensor: "):
        as_tensor("w", torch.empty(3, device="meta"))
    with pytest.raises(BadInput, match="must hold real numbers, got complex64"):
        as_tensor("w", torch.ones(3, dtype=torch.complex64))
    np.testing.assert_array_equal(values(torch.ones(1).expand(4)), np.ones(4))
    np.testing.assert_array_equal(values(torch.tensor([-1.0])._neg_view()), [1.0])


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(11, 8)
        self.rnn = nn.LSTM(8, 8, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.unused = nn.Linear(8, 8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, x: Any) -> Any:
        h = self.norm(self.rnn(self.wte(x))[0])
        return self.head(self.attn(h, h, h)[0])


def test_a_torch_network_is_measured_with_its_unused_and_tied_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Small()
    net(torch.arange(10).reshape(2, 5)).square().mean().backward()
    parameters = dict(net.named_parameters(remove_duplicate=False))
    gradients = hand_over({name: p.grad for name, p in parameters.items()})
    assert gradients.tied == {"head.weight": "wte.weight"}
    found = {m.name: m for m in measure(gradients)}
    assert [name for name, m in found.items() if m.statistics is None] == [
        "unused.weight",
        "unused.bias",
    ]
    for name, m in found.items():
        if m.statistics is not None:
            norm = parameters[name].grad.double().norm().item()
            assert m.statistics.norm == pytest.approx(norm, rel=1e-5)  # float32 sums of squares
    kinds = {layer.name: layer.kind for layer in group({n: m.shape for n, m in found.items()})}
    assert kinds["wte"] is Kind.EMBEDDING
    assert kinds["rnn.hh_l0"] is Kind.RECURRENT
    assert kinds["norm"] is Kind.NORM
    assert kinds["attn.in_proj"] is kinds["attn.out_proj"] is Kind.ATTENTION
    saved = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
    path = tmp_path / "grads.safetensors"
    safetensors.torch.save_file(saved, path, metadata={"order": "\n".join(saved)})
    with open_tensors(path) as tensors:
        assert [m.name for m in measure(tensors)] == list(saved)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("lr", [2.0**-7, 1e-3, 2.0**-12])
def test_weights_that_stand_still_are_those_that_torch_leaves(dtype: Any, lr: float) -> None:
    torch.manual_seed(1)
    w = nn.Parameter(torch.randn(200, 100).to(dtype))
    w.grad = torch.randn(200, 100).mul(0.05).to(dtype)
    before = w.detach().clone()
    (step,) = measure_updates(hand_over({"w": w.grad}), hand_over({"w": before}), lr)
    still = step.still[step.stored_in]
    moved = before - torch.tensor(lr, dtype=dtype) * w.grad
    assert still == int((moved == before).sum())
    torch.optim.SGD([w], lr=lr).step()
    # SGD keeps learning rate and product in float32, which can differ at the very edge only.
    assert still == pytest.approx(int((w == before).sum()), abs=20)


@pytest.mark.parametrize("dtype", JAX_FORMATS, ids=lambda d: d.__name__)
def test_jax_arrays_of_every_format_are_read(dtype: Any) -> None:
    x = jnp.linspace(-3, 3, 12).reshape(3, 4).astype(dtype)
    tensor = as_tensor("w", x)
    assert tensor is not None
    assert tensor.storage.name == x.dtype.name
    np.testing.assert_array_equal(tensor.values(), np.asarray(x.astype(jnp.float32)))


def test_a_jax_network_is_measured_in_the_order_of_its_layers() -> None:
    keys = jax.random.split(jax.random.key(0), 12)
    params = {
        f"Dense_{i}": {"kernel": jax.random.normal(keys[i], (4, 4)) / 2, "bias": jnp.zeros(4)}
        for i in range(12)
    }

    def loss(params: Any, x: Any) -> Any:
        for i in range(12):
            x = jnp.tanh(x @ params[f"Dense_{i}"]["kernel"] + params[f"Dense_{i}"]["bias"])
        return (x**2).mean()

    grads = jax.grad(loss)({**params, "free": jnp.ones(2)}, jnp.ones((3, 4)))
    tensors = hand_over({"params": grads})
    assert not tensors.tied
    found = {m.name: m for m in measure(tensors)}
    order = network_order([name for name in found if "kernel" in name])
    assert "numbers" in order.note
    assert order.names[1:3] == ("params/Dense_1/kernel", "params/Dense_2/kernel")
    paths = jax.tree_util.tree_flatten_with_path({"params": grads})[0]
    assert list(hand_over(paths)) == list(found)
    pairs = hand_over([(jnp.ones((2, 3)), jnp.ones(3)), (), (jnp.ones((3, 1)), jnp.ones(1))])
    assert [layer.name for layer in group({n: t and t.shape for n, t in pairs.items()})] == [
        "0",
        "2",
    ]


def initial(key: int, widths: list[int], zero: list[int]) -> list[dict[str, Any]]:
    keys = jax.random.split(jax.random.key(key), len(widths))
    pairs = enumerate(zip(keys, widths, widths[1:], strict=False))
    return [
        {"W": (k not in zero) * jax.random.normal(one, (a, b)) * (2 / a) ** 0.5, "b": jnp.zeros(b)}
        for k, (one, a, b) in pairs
    ]


def outputs(params: list[dict[str, Any]], taps: list[Any], x: Any) -> Any:
    for layer, tap in zip(params[:-1], taps[:-1], strict=True):
        x = jax.nn.relu(x @ layer["W"] + layer["b"] + tap)
    return x @ params[-1]["W"] + params[-1]["b"] + taps[-1]


def flax(layers: list[Any]) -> dict[str, Any]:
    """Return what a list holds under the names of Flax."""
    names = {"W": "kernel", "b": "bias"}
    named = ({names[n]: x for n, x in p.items()} if isinstance(p, dict) else p for p in layers)
    return {f"Dense_{k}": one for k, one in enumerate(named)}


@pytest.mark.parametrize(
    ("zero", "verdict"), [([2], Verdict.ZERO_START), ([0, 1, 2], Verdict.STUCK)]
)
@pytest.mark.parametrize("named", [False, True])
def test_a_jax_network_that_begins_with_zero_is_neither_cut_nor_dead(
    zero: list[int], verdict: Verdict, named: bool
) -> None:
    params = initial(0, [10, 32, 32, 4], zero)
    taps = [jnp.zeros((64, layer["b"].size)) for layer in params]
    x, goal = (jax.random.normal(jax.random.key(k), (64, n)) for k, n in ((1, 10), (2, 4)))

    def loss(p: Any, t: Any) -> Any:
        return ((outputs(p, t, x) - goal) ** 2).mean()

    grads, deltas = jax.grad(loss, argnums=(0, 1))(params, taps)
    for known in (None, deltas[:-1], deltas):
        trees = (grads, params, known)
        g, w, d = (flax(t) if named and t is not None else t for t in trees)
        assert gradbook.diagnose(g, weights=w, deltas=d).verdict is verdict


def test_layers_that_jax_scans_are_no_steps_of_time() -> None:
    x, goal = jax.random.normal(jax.random.key(0), (2, 64, 32))
    stack = {"W": jax.random.normal(jax.random.key(1), (8, 32, 32)) / 32**0.5}

    def loss(p: Any, taps: Any) -> Any:
        def layer(h: Any, of: Any) -> Any:
            return jax.nn.sigmoid(h @ of[0]["W"] + of[1]), None

        return ((jax.lax.scan(layer, x, (p, taps))[0] - goal) ** 2).mean()

    grads, deltas = jax.grad(loss, (0, 1))(stack, jnp.zeros((8, 64, 32)))
    report = gradbook.diagnose(grads, weights=stack, deltas=deltas)
    assert report.verdict is Verdict.VANISHING
    assert "time-and-gates" not in report.steps[0].page


def test_jax_gradients_of_integers_are_none() -> None:
    grad = jax.grad(lambda x: 1.0, allow_int=True)(jnp.arange(3))
    assert as_tensor("w", grad) is None


def test_a_module_of_nnx_is_taken_as_weights_and_refused_as_gradients() -> None:
    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.norm, self.drop = nnx.BatchNorm(4, rngs=rngs), nnx.Dropout(0.1, rngs=rngs)
            self.fc, self.head = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.head(nnx.relu(self.fc(self.drop(self.norm(x)))))

    net, x = Net(nnx.Rngs(0)), jax.random.normal(jax.random.key(1), (8, 4))
    grads = nnx.grad(lambda net: (net(x) ** 2).mean())(net)
    said = [gradbook.diagnose(grads, weights=w, lr=0.1) for w in (net, nnx.state(net))]
    assert said[0].rows == said[1].rows
    assert any(row.update for row in said[0].rows)
    with pytest.raises(BadInput, match="got Net: hand over what nnx"):
        gradbook.diagnose(net)
