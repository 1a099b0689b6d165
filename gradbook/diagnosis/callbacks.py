"""Callbacks for Lightning and for the Trainer of HuggingFace, made when they are asked for.

Nothing of either is imported before. Both keep a `Run` and write its page at the end.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from gradbook.diagnosis.runs import Run


class _Kept:
    """What both callbacks do: begin, look, end."""

    def __init__(self, every: int, html: str | Path | None) -> None:
        self._every, self._html = every, html
        self.run: Run | None = None

    def begin(self, net: Any, optimizer: Any = None) -> None:
        self.run = Run(net, optimizer, self._every)

    def look(self, loss: Any = None) -> None:
        if self.run is not None:
            self.run.step(loss)

    def end(self) -> None:
        if self.run is not None:
            self.run.close()
            if self._html is not None:
                self.run.html(self._html)


def _base(*modules: str, name: str) -> type[Any]:
    # Of two that are installed the one that is in use.
    for module in sorted(modules, key=lambda one: one not in sys.modules):
        try:
            found: type[Any] = getattr(import_module(module), name)
        except ImportError:
            continue
        return found
    raise ImportError(f"needs {modules[0].partition('.')[0]}: python -m pip install it")


def lightning_callback(every: int = 1, html: str | Path | None = None) -> Any:
    """Return a callback of Lightning; its `kept.run` is the `Run`.

    It looks behind the backward pass, before gradients are clipped. Where they are accumulated over
    several batches it sees each of them. Steps are judged where one optimizer takes them, and no
    loss scale is on the gradients.

    Args:
        every: At each k-th backward pass.
        html: Where to write the page at the end of the training.
    """
    base: Any = _base("lightning.pytorch", "pytorch_lightning", name="Callback")

    class Diagnosis(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.kept, self.loss = _Kept(every, html), None

        # Not when the fit starts: there is no optimizer yet, and a check of the validation follows.
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
            one = len(trainer.optimizers) == 1 and not scaled
            self.kept.begin(pl_module, trainer.optimizers[0] if one else None)

        def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
            self.loss = loss.detach()

        def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
            self.kept.look(self.loss)

        def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
            self.kept.end()

    return Diagnosis()


def trainer_callback(every: int = 1, html: str | Path | None = None) -> Any:
    """Return a callback of HuggingFace's Trainer; its `kept.run` is the `Run`.

    The Trainer calls back before the optimizer's step and *behind its clip*: norms of weights'
    gradients are those of clipped ones. What comes back to the places is not clipped. Steps are
    judged, unless a loss scale is on the gradients: in float16 the clip takes it off.

    Args:
        every: At each k-th step of the optimizer.
        html: Where to write the page at the end of the training.
    """
    base: Any = _base("transformers", name="TrainerCallback")

    class Diagnosis(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.kept = _Kept(every, html)

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            scaled = args.fp16 and not args.max_grad_norm
            self.kept.begin(more["model"], None if scaled else more.get("optimizer"))

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.kept.look()

        def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.kept.end()

    return Diagnosis()
