"""Recurrent layers, of which the gradient is measured at each step."""

import sys
from dataclasses import replace
from typing import Any

from gradbook.diagnosis.watching.graph import compiler_off, differentiating
from gradbook.diagnosis.watching.modules import tensors_in
from gradbook.diagnosis.watching.numbers import per_step
from gradbook.diagnosis.watching.passes import Pass
from gradbook.diagnosis.watching.record import Steps


def given_to(args: Any, kwargs: Any) -> Any:
    """Return the sequence that a recurrent layer is given."""
    return args[0] if args else kwargs.get("input")


def listen(made: Pass, name: str, module: Any, x: Any, output: Any) -> None:
    """Have the gradient at each step of a recurrent layer measured."""
    data, out = next(tensors_in(x), None), next(tensors_in(output), None)
    if data is None or out is None or not data.requires_grad or name in made.loops:
        return
    counts = getattr(x, "batch_sizes", None)
    lengths = None if counts is None else counts.tolist()
    axis = 1 if module.batch_first and data.ndim > 2 else 0
    depth = int(getattr(module, "num_layers", 1))
    made.loops[name] = Steps(name, both=bool(module.bidirectional), depth=depth)
    if lengths is None:
        made.kept[name] = data, out

    def arrived(delta: Any) -> None:
        if not made.asking:
            made.loops[name] = replace(made.loops[name], sizes=per_step(delta, axis, lengths))
            made.hear()

    def direct(delta: Any) -> None:
        if made.asking:
            return
        steps, kept, lags = per_step(delta, axis, lengths), made.kept.pop(name, None), None
        every = len(steps) > 2 and all(any(s > 0 for s in row) for row in steps)
        if every and kept is not None and not differentiating():
            lags = _lags(made, *kept, delta, axis)
        lags = lags or made.loops[name].lags
        made.loops[name] = replace(made.loops[name], every=every, lags=lags)

    data.register_hook(compiler_off(arrived))
    out.register_hook(compiler_off(direct))


def _lags(made: Pass, data: Any, out: Any, delta: Any, axis: int) -> tuple[float, ...] | None:
    """Send back what the last step's loss alone sends, while the graph is there."""
    alone = delta.detach().clone()
    alone.narrow(axis, 0, alone.shape[axis] - 1).zero_()
    made.asking = True
    try:
        (back,) = sys.modules["torch"].autograd.grad(out, data, alone, retain_graph=True)
    except RuntimeError:  # a graph that cannot be gone through twice
        return None
    finally:
        made.asking = False
    rows = per_step(back, axis, None)
    return tuple((sum(x * x for x in row) / len(row)) ** 0.5 for row in rows)


def fresh(module: Any, args: Any, kwargs: Any) -> Any:
    """Return what a recurrent layer is given, with data that asks for a gradient."""
    # What returns from one of which nothing is trained shall have no gradient, either.
    trained = any(parameter.requires_grad for parameter in module.parameters())
    asking = trained and sys.modules["torch"].is_grad_enabled()
    x = _with_gradient(given_to(args, kwargs)) if asking else None
    if x is None:
        return None
    return ((x, *args[1:]), kwargs) if args else (args, {**kwargs, "input": x})


def _with_gradient(x: Any) -> Any:
    if hasattr(x, "batch_sizes"):
        data = _with_gradient(x.data)
        return None if data is None else x._replace(data=data)
    if not hasattr(x, "requires_grad") or x.requires_grad or not x.is_floating_point():
        return None
    return x.detach().requires_grad_()
