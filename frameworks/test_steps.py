"""What is said of the optimizer's next step is held against that step, taken behind it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

V = Verdict


class Signs(torch.optim.Optimizer):
    """An optimizer that somebody wrote."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * p.grad.sign())


class Trusting(torch.optim.Adam):
    """One that is Adam by its name and state, and not by its step."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        before = [p.detach().clone() for p in self.param_groups[0]["params"]]
        super().step()
        for p, old in zip(self.param_groups[0]["params"], before, strict=True):
            p.copy_(old + (p - old) / (p - old).norm() * 0.01 * old.norm())


class Renamed(torch.optim.AdamW):
    """One that is AdamW in all but its name."""


class Taken(NamedTuple):
    report: Report
    sizes: dict[str, float]
    still: float
    """The share of weights with a gradient that are the same behind the step."""
    finite: bool


def net_of(width: int = 32, dtype: torch.dtype = torch.float32) -> nn.Sequential:
    layers = (nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(width, 4)).to(dtype)


def asked_and_taken(
    net: nn.Module,
    optimizer: Any,
    before: int = 0,
    loss: Callable[[Tensor], Tensor] = lambda loss: loss,
    scale: float | None = None,
) -> Taken:
    """Ask, take the step, and measure it."""
    dtype = next(net.parameters()).dtype
    x, y = torch.randn(64, 8, dtype=dtype), torch.arange(64) % 4
    scaler = torch.amp.GradScaler("cpu", scale or 1.0, enabled=scale is not None)
    options = {} if scale is None else {"loss_scale": scale}
    report, grads = None, list[Tensor]()
    for step in range(before + 1):
        optimizer.zero_grad()
        deltas = gradbook.watch(net)
        scaler.scale(loss(F.cross_entropy(net(x).float(), y))).backward()
        if step == before:
            report = gradbook.diagnose(net, deltas=deltas, optimizer=optimizer, **options)
            grads = [p.grad.clone() for p in net.parameters() if p.grad is not None]
        old = [p.detach().clone() for p in net.parameters()]
        scaler.step(optimizer)
        scaler.update()
    assert report is not None
    new = [p.detach() for p in net.parameters()]
    sizes = {
        name: float((p - q).double().norm() / q.double().norm())
        for (name, _), p, q in zip(net.named_parameters(), new, old, strict=True)
    }
    stays = [((p == q) & (g != 0)).sum() for p, q, g in zip(new, old, grads, strict=True)]
    meant = sum(int((g != 0).sum()) for g in grads)
    finite = all(bool(p.isfinite().all()) for p in new)
    return Taken(report, sizes, sum(map(int, stays)) / meant, finite)


STRANGE: dict[str, Callable[[Any], Any]] = {
    "Adafactor": lambda params: torch.optim.Adafactor(params, 1e-2),
    "Signs": lambda params: Signs(params, 1e-2),
    "Trusting": lambda params: Trusting(params, 1e-2),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("name", STRANGE)
def test_nothing_is_said_of_steps_that_are_not_known(
    name: str, before: int, dtype: torch.dtype
) -> None:
    """Plain descent would leave the weights as they are, and these move by a hundredth or so."""
    torch.manual_seed(0)
    net, factor = net_of(dtype=dtype), 1e-3 if dtype is torch.float32 else 1.0
    taken = asked_and_taken(
        net, STRANGE[name](net.parameters()), before, lambda loss: factor * loss
    )
    assert min(taken.sizes.values()) > 1e-3
    assert taken.report.verdict is V.HEALTHY
    assert "a step changes" not in taken.report.reason
    assert not any(row.frozen or row.update is not None for row in taken.report.rows)
    assert f"What a step of {name} does" in taken.report.notes[0]


def test_a_step_of_another_name_that_is_known() -> None:
    torch.manual_seed(0)
    net = net_of()
    taken = asked_and_taken(net, Renamed(net.parameters(), 1e-3, weight_decay=0.1), 2)
    assert taken.report.rows[1].update == pytest.approx(taken.sizes["2.weight"], rel=0.1)


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize(
    "made",
    [
        lambda params: torch.optim.SGD(params, 0.1),
        lambda params: torch.optim.SGD(params, 1e-3, momentum=0.9),
        lambda params: torch.optim.Adam(params, 1e-3),
        lambda params: torch.optim.Adagrad(params, 1e-2),
    ],
    ids=["SGD", "momentum", "Adam", "Adagrad"],
)
def test_a_loss_scale_is_taken_out_before_the_step(made: Any, before: int) -> None:
    torch.manual_seed(0)
    net = net_of(64)
    taken = asked_and_taken(net, made(net.parameters()), before, scale=65536.0)
    assert taken.report.verdict is V.HEALTHY
    assert taken.report.rows[1].update == pytest.approx(taken.sizes["2.weight"], rel=0.1)


HALVES: dict[str, tuple[Callable[[Any], Any], Verdict]] = {
    "Adam": (lambda params: torch.optim.Adam(params, 1e-3), V.NON_FINITE),
    "Adam, slow": (lambda params: torch.optim.Adam(params, 1e-5), V.NON_FINITE),
    "AdamW": (lambda params: torch.optim.AdamW(params, 1e-4), V.NON_FINITE),
    "RMSprop": (lambda params: torch.optim.RMSprop(params, 1e-4), V.NON_FINITE),
    "a small eps": (lambda params: torch.optim.Adam(params, 1e-3, eps=1e-6), V.LARGE_STEP),
    "a large eps": (lambda params: torch.optim.Adam(params, 1e-2, eps=1e-2), V.HEALTHY),
    "SGD": (lambda params: torch.optim.SGD(params, 0.1), V.HEALTHY),
}


@pytest.mark.parametrize("width", [32, 256])
@pytest.mark.parametrize("kind", HALVES)
def test_in_float16_a_step_may_be_infinite_or_far_too_large(kind: str, width: int) -> None:
    torch.manual_seed(0)
    made, verdict = HALVES[kind]
    net = net_of(width, torch.float16)
    optimizer = made(net.parameters())
    taken = asked_and_taken(net, optimizer)
    assert taken.report.verdict is verdict
    assert taken.finite is (verdict is not V.NON_FINITE)
    assert taken.report.verdict is V.HEALTHY or "in float32" in taken.report.steps[0].text
    if taken.finite:
        said = taken.report.rows[1].update
        assert said == pytest.approx(taken.sizes["2.weight"], rel=0.2)
        assert (max(taken.sizes.values()) > 1) is (verdict is V.LARGE_STEP)
    else:
        assert "next step" in taken.report.reason
        later = asked_and_taken(net, optimizer).report  # of weights that are broken by now
        assert "an earlier step broke them" in later.reason
        assert "in float32" in later.steps[0].text


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rate", [1e-7, 1e-3, 1e-1])
def test_what_stands_still_is_counted_in_each_format(dtype: torch.dtype, rate: float) -> None:
    torch.manual_seed(0)
    net = net_of(dtype=dtype)
    taken = asked_and_taken(net, torch.optim.SGD(net.parameters(), rate))
    rows = taken.report.rows
    assert all(list(row.frozen) == ["float32", "bfloat16", "float16"] for row in rows)
    own = str(dtype).removeprefix("torch.")
    still = math.fsum(row.frozen[own] * row.count for row in rows) / sum(r.count for r in rows)
    assert still == pytest.approx(taken.still, abs=0.03)
    assert (taken.report.verdict is V.FROZEN) is (taken.still > 0.5)


@pytest.mark.parametrize(
    ("made", "helps"),
    [(torch.optim.SGD, True), (torch.optim.Adam, False), (torch.optim.RMSprop, False)],
)
def test_to_clip_is_advised_where_a_clip_shortens_the_step(made: Any, helps: bool) -> None:
    def step(limit: float) -> tuple[float, Report, Report]:
        torch.manual_seed(0)
        net, x, y = net_of(), torch.randn(64, 8), torch.arange(64) % 4
        optimizer = made(net.parameters(), 50.0 if helps else 0.5)
        with gradbook.watching(net, optimizer=optimizer) as run:
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            report = run.step(loss)
            nn.utils.clip_grad_norm_(net.parameters(), limit)
            old = net[2].weight.detach().clone()
            optimizer.step()
        assert report is not None
        return float((net[2].weight.detach() - old).norm()), report, run.report()

    whole, report, of_run = step(math.inf)
    assert (step(0.01)[0] < 0.5 * whole) is helps
    for one in (report, of_run):
        assert one.verdict is V.LARGE_STEP
        assert any("Clip the global norm" in advice.text for advice in one.steps) is helps


@pytest.mark.parametrize("rate", [1e308, math.inf])
def test_a_step_that_is_infinite_for_its_rate_is_told_as_such(rate: float) -> None:
    torch.manual_seed(0)
    net = net_of()
    taken = asked_and_taken(net, torch.optim.Adam(net.parameters(), rate))
    assert not taken.finite
    assert taken.report.verdict is V.NON_FINITE
    assert "float16" not in taken.report.reason
    assert taken.report.steps
