"""Recurrent layers, of which the gradient is measured at each step."""

import sys
from typing import Any

from gradbook.diagnosis.watching.graph import compiler_off, differentiating
from gradbook.diagnosis.watching.modules import tensors_in
from gradbook.diagnosis.watching.numbers import per_step
from gradbook.diagnosis.watching.passes import Pass


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
    found: dict[str, Any] = {
        "both": bool(module.bidirectional),
        "depth": int(getattr(module, "num_layers", 1)),
    }
    if lengths is None:
        found["tensors"] = data, out
    made.loops[name] = found

    def arrived(delta: Any) -> None:
        if not found.get("asking"):
            found["sizes"] = per_step(delta.detach(), axis, lengths)
            made.hear()

    def direct(delta: Any) -> None:
        if found.get("asking"):
            return
        steps, tensors = per_step(delta.detach(), axis, lengths), found.pop("tensors", None)
        found["every"] = len(steps) > 2 and all(any(s > 0 for s in row) for row in steps)
        if found["every"] and tensors is not None and not differentiating():
            found["lags"] = _lags(found, tensors[0], tensors[1], delta, axis)

    data.register_hook(compiler_off(arrived))
    out.register_hook(compiler_off(direct))


def _lags(found: dict[str, Any], data: Any, out: Any, delta: Any, axis: int) -> Any:
    """Send back what the last step's loss alone sends, while the graph is there."""
    alone = delta.detach().clone()
    alone.narrow(axis, 0, alone.shape[axis] - 1).zero_()
    found["asking"] = True
    try:
        (back,) = sys.modules["torch"].autograd.grad(out, data, alone, retain_graph=True)
    except RuntimeError:  # a graph that cannot be gone through twice
        return None
    finally:
        found["asking"] = False
    return per_step(back.detach(), axis, None)


def fresh(module: Any, args: Any, kwargs: Any) -> Any:
    """Return what a recurrent layer is given, with data that asks for a gradient."""
    if not any(parameter.requires_grad for parameter in module.parameters()):
        return None  # nothing of it is trained: what it returns shall have no gradient, either
    asking = sys.modules["torch"].is_grad_enabled()
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
