"""Callbacks for Lightning and for the Trainer of HuggingFace, made when they are asked for.

Nothing of either is imported before. Both keep a `Run` and write its page at the end.
"""

import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.runs import Run, writable


@dataclass
class _Kept:
    """The run, once the training has begun, and where to write its page."""

    html: str | Path | None
    run: Run | None = None

    def __post_init__(self) -> None:
        """Refuse, before anything is trained, where no page can be written."""
        if self.html is not None:
            writable(self.html)

    def look(self, loss: Any = None, *, accumulated: int = 1) -> None:
        """Look at a step, which is taken with the gradients of so many batches."""
        if self.run is not None:
            self.run.accumulates(accumulated)
            self.run.step(loss)

    def end(self) -> None:
        if self.run is not None:
            self.run.close()
            if self.html is not None:
                try:
                    self.run.html(self.html)
                except (BadInput, OSError) as error:  # what was trained is worth more than its page
                    print(f"gradbook: no page was written: {error}", file=sys.stderr)


def _base(name: str, *modules: str) -> Any:
    # Of two that are installed the one that is in use.
    for module in sorted(modules, key=lambda one: one not in sys.modules):
        with suppress(ImportError):
            return getattr(import_module(module), name)
    raise ImportError(f"needs {modules[0].partition('.')[0]}: python -m pip install it")


def lightning_callback(every: int = 1, html: str | Path | None = None) -> Any:
    """Return a callback of Lightning; its `kept.run` is the `Run`, `html` where its page goes.

    It looks behind each k-th backward pass, before gradients are clipped. Where they are
    accumulated over several batches it sees each of them. Steps are judged where one optimizer
    takes them, and no loss scale is on the gradients.
    """
    base: Any = _base("Callback", "lightning.pytorch", "pytorch_lightning")

    class Diagnosis(base):  # type: ignore[misc]
        kept, loss = _Kept(html), None

        # Not when the fit starts: there is no optimizer yet, and a check of the validation follows.
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
            one = len(trainer.optimizers) == 1 and not scaled
            self.kept.run = Run(pl_module, trainer.optimizers[0] if one else None, every)

        def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
            self.loss = loss.detach()

        def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
            # A scheduler may change it from epoch to epoch.
            self.kept.look(self.loss, accumulated=trainer.accumulate_grad_batches)

        def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
            self.kept.end()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            self.kept.end()

    return Diagnosis()


def trainer_callback(every: int = 1, html: str | Path | None = None) -> Any:
    """Return a callback of HuggingFace's Trainer; its `kept.run` is the `Run`, as with Lightning.

    The Trainer calls back before the optimizer's step and *behind its clip*: norms of weights'
    gradients are those of clipped ones. What comes back to the places is not clipped. Steps are
    judged, unless a loss scale is on the gradients: in float16 the clip takes it off.
    """
    base: Any = _base("TrainerCallback", "transformers")

    class Diagnosis(base):  # type: ignore[misc]
        kept = _Kept(html)

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            scaled = args.fp16 and not args.max_grad_norm
            optimizer = None if scaled else more.get("optimizer")
            self.kept.run = Run(more["model"], optimizer, every)

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.kept.look(accumulated=args.gradient_accumulation_steps)

        def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.kept.end()

    return Diagnosis()
