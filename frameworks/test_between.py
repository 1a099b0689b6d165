"""What goes on between passes: inner gradients, tensors that outlive a step, exact zeros."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import BadInput
from gradbook.diagnosis import Verdict as V

LABELS = torch.arange(16) % 4


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 4)
    )


def attacked(net: Callable[[Tensor], Tensor], x: Tensor, steps: int) -> Tensor:
    """Return inputs that raise the loss, as for adversarial training."""
    moved = x.clone()
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(net(moved), LABELS), moved)
        moved = moved + 0.1 * slope.sign()
    return moved.detach()


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("clean_first", [False, True])
def test_a_gradient_taken_between_two_passes_of_one_loss_hides_neither(
    steps: int, clean_first: bool
) -> None:
    net, x = perceptron(), torch.randn(16, 8)
    deltas = gradbook.watch(net)
    for _ in range(3):
        clean = net(x) if clean_first else None
        other = net(attacked(net, x, steps))
        (
            F.cross_entropy(net(x) if clean is None else clean, LABELS)
            + F.cross_entropy(other, LABELS)
        ).backward()
        assert gradbook.diagnose(net, deltas=deltas).verdict is V.HEALTHY
        # Both come back: as many examples as two batches have.
        place = next(p for p in deltas.record.places if p.name == "2")
        assert place.count == 2 * 16 * 32
        net.zero_grad()


@pytest.mark.parametrize("second", ["pass", "no_grad", "none"])
def test_a_derivative_that_is_taken_between_two_passes_hides_neither(second: str) -> None:
    """Its pass comes back twice, for the derivative and for the loss, which is what it counts."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
    optimizer, deltas = torch.optim.Adam(net.parameters(), 1e-2), gradbook.watch(net)
    for _ in range(20):
        optimizer.zero_grad()
        x = torch.linspace(0, 1, 32)[:, None].requires_grad_()
        u = net(x)
        (slope,) = torch.autograd.grad(u.sum(), x, retain_graph=True)
        with torch.set_grad_enabled(second == "pass"):
            at = x if second == "no_grad" else torch.zeros(1, 1)  # as to log an error
            end = net(at) - 1 if second != "none" else at
        sent: list[Tensor] = []
        u.register_hook(sent.append)
        ((slope + u).square().mean() + end.square().mean()).backward()
        report = gradbook.diagnose(net, deltas=deltas)
        assert report.verdict is V.HEALTHY
        assert "holds" not in report.reason
        assert not any("stale" in note for note in report.notes)
        ends = [end.detach()] if second == "pass" else []
        whole = float(sent[0].square().sum()) + sum(4 * float(e.square().sum()) for e in ends)
        place = deltas.record.places[-1]
        assert place.delta == pytest.approx((whole / (32 + len(ends))) ** 0.5)
        optimizer.step()


def test_of_two_losses_that_go_back_in_turn_a_bias_holds_both() -> None:
    """To clear gradients between the two would lose the first."""
    net, x = perceptron(), torch.randn(16, 8)
    deltas = gradbook.watch(net)
    out = net(x)
    F.cross_entropy(out, LABELS).backward(retain_graph=True)
    F.cross_entropy(out, LABELS, label_smoothing=0.1).backward()
    assert "holds" not in gradbook.diagnose(net, deltas=deltas).reason
    for _ in range(2):  # of another pass each, which nobody clears
        F.cross_entropy(net(x), LABELS).backward()
    assert "holds" in gradbook.diagnose(net, deltas=deltas).reason


def test_of_passes_that_come_back_together_the_last_forward_is_the_last() -> None:
    net: Any = perceptron()
    deltas = gradbook.watch(net)
    first, last = net(torch.randn(16, 8)), net(torch.full((16, 8), 1e6))
    # Autograd goes back through the last one first.
    (F.cross_entropy(first, LABELS) + F.cross_entropy(last, LABELS)).backward()
    ends = [p.saturated for p in deltas.record.places if p.bend == "Tanh"]
    assert ends[0] == 1.0


class Asking(nn.Module):
    """A network that is asked for a parameter's own gradient, as by queries or a hypernetwork."""

    def __init__(self) -> None:
        super().__init__()
        self.queries, self.body = nn.Parameter(torch.randn(16, 8)), perceptron()

    def forward(self, x: Tensor) -> Any:
        return self.body(self.queries) + self.body(x)


@pytest.mark.parametrize("how", ["remove", "drop"])
def test_hooks_on_what_outlives_a_step_are_taken_off(how: str) -> None:
    net, x = Asking(), torch.randn(16, 8).requires_grad_()
    deltas: Any = gradbook.watch(net)
    for _ in range(20):
        F.cross_entropy(net(x), LABELS).backward()
    assert len(x._backward_hooks or ()) == len(net.queries._backward_hooks or ()) == 1
    deltas.remove() if how == "remove" else None
    del deltas
    assert not x._backward_hooks
    assert not net.queries._backward_hooks


class Flat(nn.Module):
    """A layer whose weights pass what has a slope of exactly 0."""

    def __init__(self, round_by: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.round_by = nn.Parameter(torch.randn(16, 16)), round_by

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.round_by(self.weight)) / 4


@pytest.mark.parametrize("round_by", [torch.sign, torch.round])
def test_weights_without_a_slope_get_nothing_and_were_not_cleared(round_by: Any) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(Flat(round_by), nn.Tanh(), Flat(round_by))
    optimizer, deltas = torch.optim.SGD(net.parameters(), 0.1), gradbook.watch(net)
    net(torch.randn(16, 16)).square().mean().backward()
    assert all(not p.grad.any() for p in net.parameters() if p.grad is not None)
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is V.CUT
    assert report.findings[0].hint == "flat"
    optimizer.zero_grad(set_to_none=False)
    assert "cleared" in " ".join(gradbook.diagnose(net, deltas=deltas).notes)


@pytest.mark.parametrize("kind", ["stuck", "frozen", "flat"])
def test_a_run_in_which_nothing_is_held_says_cleared_only_where_it_was(kind: str) -> None:
    torch.manual_seed(0)
    x: Any = torch.randn(16, 8)
    net: nn.Module = perceptron()
    if kind == "frozen":  # an input is trained, as in style transfer
        net.requires_grad_(False)
        x = x.requires_grad_()
    elif kind == "flat":
        net, x = nn.Sequential(Flat(torch.sign), nn.Tanh(), Flat(torch.sign)), torch.randn(16, 16)
    else:
        net = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 4, bias=False))
        for layer in net:
            nn.init.zeros_(layer.weight)
    moved = [x] if kind == "frozen" else list(net.parameters())
    optimizer = torch.optim.SGD(moved, 0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(6):
            optimizer.zero_grad()
            net(x)[:, :4].sub(F.one_hot(LABELS)).square().mean().backward()
            optimizer.step()
    expected = {"stuck": V.STUCK, "frozen": V.HEALTHY, "flat": V.CUT}[kind]
    report = run.report()
    assert report.verdict is expected
    assert all(found.hint != "cleared" for found in report.findings)


def test_several_optimizers_at_once_are_refused_in_one_line() -> None:
    net = perceptron()
    both = [torch.optim.SGD(layer.parameters(), 0.1) for layer in (net[0], net[2])]
    with pytest.raises(BadInput, match="one optimizer of PyTorch, got list: watch each apart"):
        gradbook.watching(net, optimizer=both).__enter__()


def test_parameters_are_not_taken_for_gradients() -> None:
    for given in (perceptron().parameters(), dict(perceptron().named_parameters())):
        with pytest.raises(BadInput, match="got parameters: hand over the network itself"):
            gradbook.diagnose(given)


@pytest.mark.parametrize("scale", [2.0**16, None])
def test_a_loss_scale_that_is_taken_off_is_no_clip(scale: float | None) -> None:
    net, x = perceptron(), torch.randn(16, 8)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), LABELS)
            (loss * (scale or 1.0)).backward()
            run.step(loss)
            if scale is None:
                nn.utils.clip_grad_norm_(net.parameters(), 1e-4)
            else:
                for p in net.parameters():
                    p.grad = None if p.grad is None else p.grad / scale
            optimizer.step()
    clipped = any("Gradients are clipped" in note for note in run.report().notes)
    assert clipped == (scale is None)
