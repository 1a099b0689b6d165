"""The page tells where PyTorch keeps the biases of its gates, and what setting both does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from test_snippets import ROOT, snippet

from gradbook.backpropagation import backprop_from, forward
from gradbook.initializers import lecun
from gradbook.networks.gated import unrolled_gru, unrolled_lstm, zero_state

PAGE = ROOT / "docs" / "chapters" / "time-and-gates-deeper.md"
STEPS, BATCH, FAN_IN, WIDTH = 6, 3, 8, 5


def pasted() -> dict[str, Any]:
    rnn = torch.nn.LSTM(8, 16)
    names: dict[str, Any] = {"torch": torch, "math": math, "rnn": rnn, "T": 200}
    exec(snippet(PAGE, "rnn.bias_ih_l0"), names)
    return names


def kept(rnn: Any) -> float:
    """Return the share of a cell that one step keeps, with nothing else to read."""
    n = rnn.hidden_size
    for name, weight in rnn.named_parameters():
        if name.startswith("weight"):
            torch.nn.init.zeros_(weight)
    cell = torch.full((1, 1, n), 3.0)
    with torch.no_grad():
        for b in (rnn.bias_ih_l0, rnn.bias_hh_l0):
            b[:n] = -50  # nothing enters
        _, (_, after) = rnn(torch.zeros(1, 1, rnn.input_size), (torch.zeros(1, 1, n), cell))
    return float((after / cell).mean())


def test_the_lines_of_the_page_open_the_forget_gate() -> None:
    names = pasted()
    expected = 1 - 1 / names["T"]
    # float32, and the sigmoid of PyTorch is good to a few units in the last place.
    assert kept(names["rnn"]) == pytest.approx(expected, rel=1e-5)


def test_setting_both_doubles_the_bias() -> None:
    names = pasted()
    rnn, n, b = names["rnn"], names["n"], names["b"]
    with torch.no_grad():
        rnn.bias_hh_l0[n : 2 * n] = b
    assert kept(rnn) == pytest.approx(1 / (1 + math.exp(-2 * b)), rel=1e-5)


def test_biases_are_drawn_evenly_around_zero() -> None:
    torch.manual_seed(0)
    rnn = torch.nn.LSTM(4, 400)
    drawn = torch.cat([rnn.bias_ih_l0, rnn.bias_hh_l0]).detach()
    assert float(drawn.abs().max()) <= 400**-0.5
    # The standard error of the mean of 3,200 numbers of this spread is 0.0005.
    assert abs(float(drawn.mean())) < 0.002


@pytest.mark.parametrize(("kind", "unrolled"), [("LSTM", unrolled_lstm), ("GRU", unrolled_gru)])
def test_steps_are_those_of_pytorch(kind: str, unrolled: Any) -> None:
    """Outputs and the gradient on the inputs' weights agree, block for block."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS, BATCH, FAN_IN))
    layers = unrolled(rng, WIDTH, STEPS, lecun, inputs=x)
    first = layers[0]
    rnn = getattr(torch.nn, kind)(FAN_IN, WIDTH).double()
    with torch.no_grad():
        rnn.weight_hh_l0.copy_(torch.tensor(first.W.T))
        rnn.weight_ih_l0.copy_(torch.tensor(first.U.T))
        rnn.bias_ih_l0.copy_(torch.tensor(first.b))
        rnn.bias_hh_l0.zero_()
    out, _ = rnn(torch.tensor(x))
    out[-1].sum().backward()
    state = np.broadcast_to(zero_state(layers), (BATCH, zero_state(layers).shape[-1]))
    records = forward(layers, state)
    np.testing.assert_allclose(records[-1].a[:, :WIDTH], out[-1].detach().numpy(), rtol=1e-12)
    seed = np.zeros_like(records[-1].a)
    seed[:, :WIDTH] = 1.0
    trace = backprop_from(layers, state, seed)
    grads = {p.name.rpartition(".")[2]: p.grad for p in trace.parameters}
    np.testing.assert_allclose(grads["U"], rnn.weight_ih_l0.grad.numpy().T, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(grads["b"], rnn.bias_ih_l0.grad.numpy(), rtol=1e-9, atol=1e-14)
