"""The command line: `gradbook diagnose FILE`.

The exit code is 0 for a healthy network or a zero start, 1 for a problem, 2 for bad input or usage,
with one line on the standard error, and 3 if it cannot be told.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from gradbook.diagnosis import BadInput, Report, diagnose, is_log, open_log, open_tensors
from gradbook.diagnosis.diagnose_logs import diagnose_log, sizes_of

OF_WEIGHTS = ("model.", "model-", "pytorch_model.", "adapter_model.", "diffusion_pytorch_model.")
"""How the names of files begin into which libraries save weights."""

BAD_INPUT = 2
"""The exit code for bad input or usage."""

LONG = 64
"""From how many tensors on progress is shown."""


class _Parser(argparse.ArgumentParser):
    """Say what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message} (see {self.prog} --help)")
        raise SystemExit(BAD_INPUT)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="gradbook", description="Find out what is wrong with a network.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    found = commands.add_parser(
        "diagnose",
        help="say which gradient problem a network has, how strong, since where, what to try",
        description="Exit codes: 0 healthy or zero start, 1 problem found, 2 bad input or usage, "
        "3 cannot tell.",
    )
    found.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="gradients by name (.npz, .safetensors), or a log of norms (.csv, .jsonl, .json, "
        "TensorBoard's events)",
    )
    found.add_argument(
        "--weights", type=Path, metavar="FILE", help="the weights under the same names"
    )
    found.add_argument("--lr", type=float, metavar="X", help="the learning rate; needs --weights")
    found.add_argument(
        "--deltas",
        type=Path,
        metavar="FILE",
        help="gradients at the layers' outputs, first to last, or a log of their norms",
    )
    found.add_argument(
        "--activations", type=Path, metavar="FILE", help="the hidden layers' outputs"
    )
    found.add_argument(
        "--loss-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="what the loss was multiplied by, if the gradients are not unscaled",
    )
    found.add_argument("--json", action="store_true", help="print the report as JSON")
    found.add_argument("--figure", type=Path, metavar="FILE.svg", help="draw the sizes")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Examples:
        >>> main(["diagnose", "no-such-file.npz"])
        2
    """
    try:
        given = _parser().parse_args(arguments)
        report = _report(given)
        if given.figure is not None:
            given.figure.write_text(report.figure().svg(), encoding="utf-8")
        _show(report, given.json)
    except (OSError, TypeError, ValueError, ImportError) as error:
        return _complain(_reason(error))
    except MemoryError:
        return _complain("there is not enough memory for the largest tensor")
    return report.exit_code


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error}: --figure needs python -m pip install 'gradbook[figures]'"
    return str(error) or type(error).__name__


def _complain(message: str) -> int:
    print(f"gradbook: {BadInput(message)}", file=sys.stderr)
    return BAD_INPUT


def _report(given: argparse.Namespace) -> Report:
    if is_log(given.file):
        extra = [n for n in ("weights", "lr", "activations") if getattr(given, n) is not None]
        if extra:
            raise BadInput(f"--{extra[0]} cannot be used with a log of norms, {given.file.name}")
        entries = open_log(given.file)
        deltas = None if given.deltas is None else _log_of(given.deltas)
        return diagnose_log(entries, deltas=deltas)
    if given.file.suffix == ".safetensors" and given.file.name.startswith(OF_WEIGHTS):
        text = f"{given.file.name}: libraries save weights under this name, and gradients are asked"
        raise BadInput(f"{text} for: save them as grads.safetensors, name by name p.grad")
    with ExitStack() as stack:

        def opened(path: Path | None) -> Any:
            return None if path is None else stack.enter_context(open_tensors(path))

        return diagnose(
            opened(given.file),
            weights=opened(given.weights),
            lr=given.lr,
            deltas=_deltas(given.deltas, opened),
            activations=opened(given.activations),
            loss_scale=given.loss_scale,
            progress=_watched,
        )


def _log_of(path: Path) -> Iterable[Any]:
    if not is_log(path):
        raise BadInput(f"{path.name}: --deltas must be a log of norms where FILE is one")
    return open_log(path)


def _deltas(path: Path | None, opened: Callable[[Path], Any]) -> Any:
    if path is None:
        return None
    return sizes_of(open_log(path)) if is_log(path) else opened(path)


def _watched(items: Iterable[Any], total: int) -> Iterator[Any]:
    """Show how far it is on the standard error, if that is a terminal and it takes long."""
    if not sys.stderr.isatty() or 0 < total < LONG:
        yield from items
        return
    try:
        from rich.progress import track  # noqa: PLC0415 - an optional package
    except ImportError:
        for number, item in enumerate(items, start=1):
            if number % LONG == 0:
                print(f"gradbook: {number} of {total or '?'}", file=sys.stderr)
            yield item
        return
    from rich.console import Console  # noqa: PLC0415

    yield from track(
        items, "measuring", total=total or None, console=Console(stderr=True), transient=True
    )


def _show(report: Report, as_json: bool) -> None:
    try:
        print(report.to_json() if as_json else report)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; what is left must not complain either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
