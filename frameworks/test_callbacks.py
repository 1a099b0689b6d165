"""Lightning and the Trainer of transformers run the loop, and the diagnosis is asked inside it.

Both have a place between the pass back and the optimizer's step. Lightning's `on_after_backward`
comes before the gradients are clipped, the Trainer's `on_pre_optimizer_step` behind that: there δ,
which no clip touches, is what to look at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
import transformers
from planted_networks import CASES
from planted_truth import Case, truth_of
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import gradbook
from gradbook.diagnosis import Report, Verdict
from gradbook.diagnosis.callbacks import lightning_callback, trainer_callback

SUBJECTS = [
    case
    for case in CASES
    if case.name in ("ReLU, He", "residual, batch norm", "sigmoid, 20 layers", "ReLU, gain 3")
]
CLIP = 1e-3

everywhere = pytest.mark.parametrize("case", SUBJECTS, ids=str)


def length(net: nn.Module) -> float:
    """Return the length of all gradients together."""
    return torch.stack([p.grad.norm() for p in net.parameters()]).norm().item()  # type: ignore[union-attr]


def agrees(reports: list[Report], case: Case) -> None:
    assert truth_of(case).illness == case.illness
    assert [report.verdict for report in reports] == [Verdict(case.illness)], reports[0].reason


class Module(lightning.LightningModule):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: Any, index: int) -> Tensor:
        x, y = batch
        return F.cross_entropy(self.net(x), y)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.0)


class InLightning(lightning.Callback):
    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.lengths: list[float] = []

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.deltas = gradbook.watch(pl_module)

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        self.reports.append(gradbook.diagnose(pl_module, deltas=self.deltas))
        self.lengths.append(length(pl_module))


@everywhere
@pytest.mark.filterwarnings("ignore")  # Lightning's own, of old names in PyTorch and of few workers
def test_lightning(case: Case, tmp_path: Path) -> None:
    net, x, y = case.made()
    callback = InLightning()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=1,
        gradient_clip_val=CLIP,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Module(net), DataLoader(TensorDataset(x, y), batch_size=len(x)))
    agrees(callback.reports, case)
    assert callback.lengths[0] > 2 * CLIP


class Model(nn.Module):
    """What the Trainer asks for: named inputs, and the loss first among the outputs."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        output = self.net(x)
        return F.cross_entropy(output, labels), output


class InTrainer(transformers.TrainerCallback):
    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.lengths: list[float] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.deltas = gradbook.watch(more["model"])

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.reports.append(gradbook.diagnose(more["model"], deltas=self.deltas))
        self.lengths.append(length(more["model"]))


def one_step(folder: Path, batch: int, **more: Any) -> Any:
    """Have the Trainer take one step, and write and show nothing."""
    return transformers.TrainingArguments(
        str(folder),
        max_steps=1,
        per_device_train_batch_size=batch,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        **more,
    )


@everywhere
def test_the_trainer_of_transformers(case: Case, tmp_path: Path) -> None:
    net, x, y = case.made()
    callback = InTrainer()
    rows = [{"x": row, "labels": label} for row, label in zip(x, y, strict=True)]
    arguments = one_step(tmp_path, len(rows), max_grad_norm=CLIP, learning_rate=0.0)
    trainer = transformers.Trainer(Model(net), arguments, train_dataset=rows, callbacks=[callback])
    trainer.train()
    agrees(callback.reports, case)
    assert callback.lengths[0] < 1.01 * CLIP


QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.filterwarnings("ignore")
def test_what_the_libraries_accumulate_is_known_before_the_first_step(
    batches: int, tmp_path: Path
) -> None:
    """Of two batches a bias holds more than the last one sends, and nothing is to be cleared."""
    net, x, y = SUBJECTS[0].made()
    size, told = len(x) // 2, list[Report]()
    module, seen = Module(net), lightning_callback()
    lightning.Trainer(
        accelerator="cpu",
        max_steps=1,
        accumulate_grad_batches=batches,
        callbacks=[seen],
        default_root_dir=tmp_path,
        **QUIET,
    ).fit(module, DataLoader(TensorDataset(x, y), batch_size=size))
    told.append(seen.kept.run.report())

    again = trainer_callback()
    rows = [{"x": row, "labels": label} for row, label in zip(x, y, strict=True)]
    arguments = one_step(tmp_path, size, max_grad_norm=0.0, gradient_accumulation_steps=batches)
    transformers.Trainer(Model(net), arguments, train_dataset=rows, callbacks=[again]).train()
    told.append(again.kept.run.report())
    for report in told:
        assert report.verdict is Verdict.HEALTHY
        assert "holds" not in report.reason
        assert "zero_grad" not in report.steps[0].text
        notes = " ".join(report.notes)
        assert ("summed over 2 passes without a step between them" in notes) is (batches == 2)
