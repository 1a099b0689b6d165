"""A run of training is kept, told and drawn; callbacks of the libraries do it by themselves."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import BadInput, Verdict
from gradbook.diagnosis.callbacks import lightning_callback, trainer_callback


def mlp(depth: int = 4, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    torch.manual_seed(0)
    sizes = [8, *[16] * depth]
    hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*hidden, nn.Linear(16, 3))


def batch() -> tuple[Tensor, Tensor]:
    return torch.randn(32, 8), torch.randint(3, (32,))


def train(net: nn.Module, optimizer: Any, steps: int, run: Any = None) -> None:
    for _ in range(steps):
        x, y = batch()
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        if run is not None:
            run.step(loss)
        optimizer.step()


def test_a_run_keeps_every_kth_step_and_writes_a_page(tmp_path: Path) -> None:
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer, every=5) as run:
        train(net, optimizer, 12)
    assert [m.step for m in run.moments] == [1, 2, 6, 11]
    assert run.report().verdict is Verdict.HEALTHY
    assert not any(module._forward_hooks for module in net.modules())
    run.html(tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3  # no loss was told
    assert "http" not in page.replace("https://", "").replace("http://www.w3.org", "")
    record = json.loads(run.to_json())
    assert [step["step"] for step in record["steps"]] == [1, 2, 6, 11]
    assert set(record["steps"][0]["deltas"]) == {"0", "2", "4", "6", "8"}


def test_a_step_that_is_not_finite_is_kept_and_comes_first() -> None:
    net = mlp(activation=nn.ReLU)
    optimizer = torch.optim.SGD(net.parameters(), 1e6)
    with gradbook.watching(net, optimizer=optimizer, every=1) as run:
        train(net, optimizer, 8, run)
    report = run.report()
    assert report.verdict is Verdict.NON_FINITE
    assert "earlier step" in report.reason or "forward" in report.reason or "loss" in report.reason
    assert all(m.loss is not None for m in run.moments)


def test_what_is_true_of_the_first_step_alone_is_said_to_have_ended() -> None:
    net = mlp()
    nn.init.zeros_(net[-1].weight)
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    with gradbook.watching(net, optimizer=optimizer) as run:
        train(net, optimizer, 3)
    verdicts = [m.report.verdict for m in run.moments]
    assert verdicts[0] is Verdict.ZERO_START
    assert Verdict.ZERO_START not in verdicts[1:]
    assert any("From step 2 on" in note for note in run.report().notes)


def test_a_run_without_a_step_says_what_to_do() -> None:
    with gradbook.watching(mlp()) as run:
        pass
    with pytest.raises(BadInput, match=r"call run\.step"):
        run.report()


SEEN = pytest.mark.parametrize(
    ("net", "rate", "verdict"),
    [
        (lambda: mlp(8, nn.Sigmoid), 0.1, Verdict.VANISHING),
        (mlp, 1e-12, Verdict.FROZEN),
    ],
    ids=["vanishing", "frozen"],
)
"""What a callback sees of a network, and what of the optimizer's steps."""


@SEEN
@pytest.mark.filterwarnings("ignore")  # Lightning's own, of PyTorch
def test_lightning_calls_it(
    net: Callable[[], nn.Module], rate: float, verdict: Verdict, tmp_path: Path
) -> None:
    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def training_step(self, pair: Any, _: int) -> Tensor:
            return F.cross_entropy(self.net(pair[0]), pair[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), rate)

    callback = lightning_callback(html=tmp_path / "run.html")
    data = torch.utils.data.DataLoader(
        [(x, y) for x, y in zip(*batch(), strict=True)], batch_size=8
    )
    trainer = lightning.Trainer(
        max_steps=3,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(Module(), data)
    assert callback.kept.run.report().verdict is verdict
    assert [moment.step for moment in callback.kept.run.moments] == [1, 2, 3]
    assert (tmp_path / "run.html").is_file()


class Broken(lightning.LightningModule):
    """A training that ends in an error at its third step."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, pair: Any, index: int) -> Tensor:
        if index == 2:
            raise ZeroDivisionError
        return F.cross_entropy(self.net(pair[0]), pair[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.01)


@pytest.mark.filterwarnings("ignore")
def test_of_a_training_that_ends_in_an_error_the_page_is_written_too(tmp_path: Path) -> None:
    net, pairs = mlp(), [*zip(*batch(), strict=True)]
    callback = lightning_callback(html=tmp_path / "run.html")
    told = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        max_steps=9, callbacks=[callback], accelerator="cpu", enable_model_summary=False, **told
    )
    with pytest.raises(ZeroDivisionError):
        trainer.fit(Broken(net), torch.utils.data.DataLoader(pairs, batch_size=4))
    assert (tmp_path / "run.html").is_file()
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("tells", [False, True])
@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.LBFGS])
def test_a_closure_is_looked_at_behind_what_it_sends_back(
    kind: type[Any], tells: bool, by_name: bool
) -> None:
    net = mlp()
    optimizer = kind(net.parameters(), 1e-3, **({"max_iter": 1} if "BFGS" in str(kind) else {}))
    with gradbook.watching(net, optimizer=optimizer, every=3) as run:
        for _ in range(5):
            x, y = batch()

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                if tells:
                    run.step(loss)
                return loss

            optimizer.step(closure=closure) if by_name else optimizer.step(closure)
    assert [moment.step for moment in run.moments] == [1, 2, 4]
    assert all(moment.loss for moment in run.moments)  # which the closure returns
    assert run.report().notes[0].startswith("Step 4 of 5.")


@SEEN
def test_the_trainer_calls_it(
    net: Callable[[], nn.Module], rate: float, verdict: Verdict, tmp_path: Path
) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            out = self.net(x)
            return {"loss": F.cross_entropy(out, labels), "logits": out}

    callback = trainer_callback(html=tmp_path / "run.html")
    rows = [{"x": x, "labels": y} for x, y in zip(*batch(), strict=True)]
    options = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=3,
        learning_rate=rate,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    transformers.Trainer(Model(), options, train_dataset=rows, callbacks=[callback]).train()
    assert callback.kept.run.report().verdict is verdict
    assert (tmp_path / "run.html").is_file()


@pytest.mark.parametrize("fused", [False, True])
def test_a_run_looks_where_the_optimizer_steps_and_not_at_what_a_scaler_skips(fused: bool) -> None:
    """A scaler begins too large on purpose, and skips steps until its scale fits."""
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(40):
            x, y = batch()
            optimizer.zero_grad()
            scaler.scale(2.0**8 * F.cross_entropy(net(x), y)).backward()
            scaler.step(optimizer)
            scaler.update()
    assert 0 < len(run.moments) < 40
    assert run.report().verdict is Verdict.HEALTHY
    assert (
        run.moments[0].norm < 2.0**16
    )  # without the scale, which a fused optimizer takes out itself


def test_a_run_whose_steps_are_all_skipped_says_why() -> None:
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu")
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(3):
            optimizer.zero_grad()
            scaler.scale((0 * net(batch()[0])).abs().sum().sqrt()).backward()
            scaler.step(optimizer)
            scaler.update()
    assert not run.moments
    assert run.report().verdict is Verdict.NON_FINITE


def test_a_rate_that_makes_a_sound_network_explode_is_what_is_to_be_lowered() -> None:
    net = mlp(7, nn.ReLU)
    for layer in net[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    optimizer = torch.optim.SGD(net.parameters(), 3.0)
    with gradbook.watching(net, optimizer=optimizer) as run:
        train(net, optimizer, 5)
    report = run.report()
    assert run.moments[0].report.verdict is Verdict.LARGE_STEP
    assert report.verdict in {Verdict.LARGE_STEP, Verdict.NON_FINITE}
    assert {Verdict.EXPLODING, Verdict.VANISHING} & {f.verdict for f in report.findings}
    assert report.steps[0].text.startswith("Lower the learning rate")


@pytest.mark.parametrize("added", [math.nan, math.inf])
def test_a_loss_that_is_told_and_not_finite_is_found_though_its_gradient_is(added: float) -> None:
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for step in range(10):
            x, y = batch()
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y) + (added if step == 5 else 0)
            loss.backward()
            run.step(loss)
            optimizer.step()
    report = run.report()
    assert report.verdict is Verdict.NON_FINITE
    assert f"The loss is {added:g} at step 6," in report.findings[0].reason
    assert report.steps[0].text.startswith("Look at the loss")


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("where", ["forward", "backward", "step", "end"])
@pytest.mark.parametrize("handed_over", [True, False])
def test_wherever_in_the_loop_a_loss_is_told_a_network_that_trains_is_healthy(
    where: str, to_none: bool, handed_over: bool
) -> None:
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    x, y = batch()
    told = list[float]()
    with gradbook.watching(net, optimizer=optimizer if handed_over else None) as run:
        for _ in range(12):
            loss = F.cross_entropy(net(x), y)
            told.append(float(loss.detach()))
            acts: dict[str, Callable[[], Any]] = {
                "forward": lambda: None,
                "backward": loss.backward,
                "step": optimizer.step,
                "end": lambda: optimizer.zero_grad(set_to_none=to_none),
            }
            for name, act in acts.items():
                act()
                if name == where:
                    run.step(loss)
    assert told[-1] < told[0]
    report = run.report()
    assert report.verdict is Verdict.HEALTHY, report
    if handed_over:
        assert [m.loss for m in run.moments] == told
        assert all(moment.norm > 0 for moment in run.moments)


def test_a_loss_that_is_told_late_and_is_not_finite_is_kept() -> None:
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with gradbook.watching(net, optimizer=optimizer, every=10) as run:
        train(net, optimizer, 5)
        run.step(math.nan)
    assert run.report().verdict is Verdict.NON_FINITE
    assert run.moments[-1].step == 5


def test_a_run_over_several_cells_needs_no_block() -> None:
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    run = gradbook.watching(net, optimizer=optimizer)
    train(net, optimizer, 3)
    run.close()
    train(net, optimizer, 3)
    assert len(run.moments) == 3
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("every", [0, 0.5])
def test_every_must_be_a_number_of_steps(every: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="every must be an integer of at least 1"):
        gradbook.watching(mlp(), every=every)


def test_a_run_of_a_network_that_was_made_anew_says_so() -> None:
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    run = gradbook.watching(net, optimizer=optimizer)
    train(net, optimizer, 3, run)
    assert run.report().verdict is Verdict.HEALTHY
    other = mlp()
    train(other, torch.optim.Adam(other.parameters(), 1e-3), 9, run)
    run.close()
    assert run.report().verdict is Verdict.CANNOT_TELL
    assert run.report().reason.startswith("After step 3 losses were told")


def test_a_run_whose_optimizer_was_made_anew_says_so_and_accumulation_is_not_that() -> None:
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 1e-2)
    run = gradbook.watching(net, optimizer=optimizer)
    train(net, optimizer, 3, run)
    train(net, torch.optim.SGD(net.parameters(), 1e-2), 9, run)
    report = run.report()
    assert report.verdict is Verdict.CANNOT_TELL
    assert report.reason == "At the last 9 looks the optimizer that was handed over took no step."
    run.close()
    with gradbook.watching(net, optimizer=optimizer) as run:
        for number in range(23):  # a step for each eight passes, and the last of them not taken
            net(torch.randn(8, 8)).square().mean().backward()
            run.step()
            if number % 8 == 7:
                optimizer.step()
                optimizer.zero_grad()
    assert run.report().verdict is Verdict.HEALTHY


@pytest.mark.parametrize("copied", [True, False])
def test_where_a_copy_ran_instead_of_the_network_that_is_said(copied: bool) -> None:
    net, (x, y) = mlp(), batch()
    deltas = gradbook.watch(net)
    ran = copy.deepcopy(net) if copied else net
    F.cross_entropy(ran(x), y).backward()
    for mine, other in zip(net.parameters(), ran.parameters(), strict=True):
        mine.grad = other.grad
    if not copied:
        assert gradbook.diagnose(net, deltas=deltas).verdict is Verdict.HEALTHY
        return
    with pytest.raises(BadInput, match="not a copy of it or its weights by hand"):
        gradbook.diagnose(net, deltas=deltas)
