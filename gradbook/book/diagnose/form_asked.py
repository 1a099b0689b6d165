"""Hand a network over in a form and ask, as its owner would."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gradbook.book.diagnose.form_files import (
    DIGITS,
    FILES,
    LOGS,
    MEASURES,
    SAID,
    Row,
    nested,
)
from gradbook.book.diagnose.form_names import NAMES, Named, ordered
from gradbook.book.diagnose.form_networks import Part, Subject, subject
from gradbook.book.diagnose.forms import GRADIENTS, IN_MEMORY, LISTS, WEIGHTS, WITH_A_LOG, Form
from gradbook.checks import Array
from gradbook.diagnosis import (
    BadInput,
    Report,
    diagnose,
    diagnose_log,
    is_log,
    open_log,
    open_tensors,
)
from gradbook.diagnosis.diagnose_logs import sizes_of
from gradbook.diagnosis.verdicts import Verdict


@dataclass(frozen=True, eq=False)
class Handed:
    """The arrays under their names, in their order."""

    gradients: Named
    weights: Named
    deltas: Named


def handed(form: Form) -> Handed:
    """Name, shape and order what a network has."""
    one, naming = subject(form.network), NAMES[form.names]
    kept = [part for part in one.gradients if form.biases or part.norm or not part.bias]
    named = {part: naming.tensor(part, one) for part in kept}
    if form.by_layer:
        kept = [part for part in kept if not part.norm and not part.bias]
        named = {part: naming.of_layer(part.at, one) for part in kept}
    names = {p: form.prefix + _called(form, named[p], p.at, one) for p in kept}
    around = form.prefix if form.around_both else ""
    deltas = {
        around + _called(form, naming.of_delta(at, one), at, one): _come(form, at, one)
        for at in one.deltas
        if form.output or at < one.layers - 1
    }
    gradients, weights = (
        {names[part]: _shaped(form, part, of[part], one) for part in kept}
        for of in (one.gradients, one.weights)
    )
    return Handed(ordered(gradients, form.order), weights, ordered(deltas, form.order_of_deltas))


def _convolves(form: Form, at: int, one: Subject) -> bool:
    return form.images and at < one.layers - 1


def _called(form: Form, name: str, at: int, one: Subject) -> str:
    """Call a convolution of Keras and Flax so."""
    conv = _convolves(form, at, one)
    return name.replace("dense", "conv2d").replace("Dense", "Conv") if conv else name


def _shaped(form: Form, part: Part, x: Array, one: Subject) -> Array:
    """Return a tensor with the axes of its library; a convolution is of three by three or one."""
    if x.ndim < 2:
        return x
    turned, (inputs, outputs) = NAMES[form.names].turned, x.shape
    if not _convolves(form, part.at, one):
        return np.ascontiguousarray(x.T) if turned else x
    side = 3 if inputs % 9 == 0 else 1
    channels = inputs // side**2
    shape = (outputs, channels, side, side) if turned else (side, side, channels, outputs)
    return (x.T if turned else x).reshape(shape)


def _come(form: Form, at: int, one: Subject) -> Array:
    """Return δ of a layer; images have four positions to an example."""
    x = one.deltas[at]
    if not _convolves(form, at, one):
        return x
    images = x.reshape(-1, 2, 2, x.shape[-1])
    return images.transpose(0, 3, 1, 2) if NAMES[form.names].turned else images


def said(form: Form) -> Verdict | None:
    """Ask and return the first finding; None for a refusal.

    Examples:
        >>> from gradbook.book.diagnose.forms import FACTORS
        >>> first = {name: choices[0] for name, choices in FACTORS.items()}
        >>> said(Form(**first | {"network": "sigmoids", "given": "and δ"}))
        <Verdict.VANISHING: 'vanishing'>
    """
    if form.container not in IN_MEMORY:
        with TemporaryDirectory() as folder:
            return _of_files(form, Path(folder))
    try:
        return _of_arrays(form)
    except BadInput:
        return None


def _of_arrays(form: Form) -> Verdict:
    what, make, more = handed(form), _MADE[form.container], dict[str, Any]()
    if form.given != GRADIENTS:
        measure = MEASURES.get(form.measure)
        deltas = {n: x if measure is None else measure(x) for n, x in what.deltas.items()}
        more["deltas"] = [*deltas.values()] if form.container in LISTS else deltas
        if form.container == "nested dict":  # as JAX makes it, whose norms are arrays, too
            more["deltas"] = nested({name: np.asarray(x) for name, x in deltas.items()})
    if form.given == WEIGHTS:
        more |= {"weights": make(what.weights), "lr": subject(form.network).lr}
    return diagnose(make(what.gradients), **more).verdict


def _list_of_dicts(arrays: Named) -> list[dict[str, Array]]:
    found: dict[str, dict[str, Array]] = {}
    for name, x in arrays.items():
        layer, _, end = name.rpartition(".")
        found.setdefault(layer, {})[end] = x
    return [*found.values()]


_MADE: Mapping[str, Callable[[Named], Any]] = {
    "dict": dict,
    "pairs": lambda arrays: [*arrays.items()],
    "nested dict": nested,
    "list": lambda arrays: [x for x in arrays.values() if x.ndim > 1],
    "list of dicts": _list_of_dicts,
}


def _of_files(form: Form, folder: Path) -> Verdict | None:
    """Ask as the command does."""
    what, deltas, weights, lr = handed(form), None, None, None
    write = FILES.get(".npz" if form.container == WITH_A_LOG else form.container)
    path = write(folder / "grads", what.gradients) if write else _log(form, folder, what.gradients)
    if form.given != GRADIENTS:
        arrays = write and form.container != WITH_A_LOG
        deltas = write(folder / "deltas", what.deltas) if write and arrays else None
        deltas = deltas or _log(form, folder, what.deltas, of_deltas=True)
    if write and form.given == WEIGHTS:
        weights, lr = write(folder / "weights", what.weights), subject(form.network).lr
    try:
        return _report(path, deltas, weights, lr).verdict
    except BadInput:
        return None


def _report(path: Path, deltas: Path | None, weights: Path | None, lr: float | None) -> Report:
    if is_log(path):
        return diagnose_log(open_log(path), deltas=open_log(deltas) if deltas else None)
    with ExitStack() as stack:

        def opened(file: Path | None) -> Any:
            return None if file is None else stack.enter_context(open_tensors(file))

        sizes = sizes_of(open_log(deltas)) if deltas and is_log(deltas) else opened(deltas)
        return diagnose(opened(path), weights=opened(weights), lr=lr, deltas=sizes)


def _log(form: Form, folder: Path, arrays: Named, *, of_deltas: bool = False) -> Path:
    """Write norms over steps, in which each batch makes all of them a little larger or smaller."""
    container = "wide CSV" if form.container == WITH_A_LOG else form.container
    end, measure, written = SAID[form.measure], MEASURES[form.measure], DIGITS[form.digits]
    if container == "long CSV":
        container, end = f"{container} of squares" if end == SAID["squares"] else container, ""
    draws = np.exp(0.2 * np.random.default_rng(of_deltas).standard_normal(form.steps))
    norms = [
        {f"{name}{end}": written(measure(x * by)) for name, x in arrays.items()} for by in draws
    ]
    beside = [{} if of_deltas else _beside(form, step, row) for step, row in enumerate(norms)]
    return LOGS[container](folder / ("deltas" if of_deltas else "log"), norms, beside)


def _beside(form: Form, step: int, row: Row) -> Row:
    if form.beside == "loss and rate":
        return {"loss": 2 / (1 + 0.01 * step), "lr": 0.01, "epoch": step // 10}
    power = 1 if form.measure == "squares" else 2
    total = float(np.sqrt(sum(norm**power for norm in row.values())))
    return {} if form.beside == "nothing" else {"grad_norm": total}
