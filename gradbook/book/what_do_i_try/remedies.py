r"""Remedies: what can be changed about a network that does not train.

A remedy is a record with a function from plan to plan, which returns None where the remedy does not
apply. To add a remedy, add a record; `REMEDIES` gathers the records of this module.

Examples:
    >>> from gradbook.initializers import lecun
    >>> broken = Deep(relu, lecun)
    >>> suited_weights.treated(broken).initializer.name, lstm.treated(broken) is None
    ('N(0, 2/fan_in)', True)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from gradbook.activations import identity, leaky, relu, tanh
from gradbook.book.clipping.mixed_precision import Kahan, Master
from gradbook.book.one_law.criticality import critical
from gradbook.book.what_do_i_try.plans import RATES, Deep, GRUCell, LSTMCell, Unrolled
from gradbook.book.what_do_i_try.rates_at_once import at_rate
from gradbook.book.what_do_i_try.stored_weights import InFormat
from gradbook.clipping import clip_global_norm
from gradbook.initializers import he, lecun, orthogonal, scaled
from gradbook.networks import normalization
from gradbook.optimizers import Adam, Clipping, GradientDescent
from gradbook.precision import Format

Plan: TypeAlias = Deep | Unrolled
"""A plan of either kind."""

_ADAM = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""Adam's own learning rates, which do not compare with those of gradient descent."""

MAX_NORM = 1.0
"""The limit of the clip."""

SLOPE = 0.1
"""The slope of the leaky ReLU below zero."""

GATE_BIAS = 5.0
r"""The bias of a gate that is to keep its state for 200 steps, $\ln 200 = 5.3$ or nearly."""

WINDOW = 20
"""Through how many steps a truncated gradient goes back."""

SCALE = 2.0**10
"""The loss scale."""


@dataclass(frozen=True)
class Remedy:
    """Name a remedy, the chapter that explains it, and what it changes.

    Args:
        chapter: The page of the chapter, and where on it if need be.
        apply: From a plan to the plan treated at the rates that it has, or None where the remedy
            does not apply.
    """

    name: str
    chapter: str
    apply: Callable[[Plan], Plan | None]

    def treated(self, plan: Plan) -> Plan | None:
        """Return the plan with the remedy, None if it does not apply or changes nothing.

        Where the plan came with one learning rate, the remedy is given all.
        """
        if not isinstance(plan, Deep | Unrolled):
            raise TypeError(f"plan must be a Deep or an Unrolled plan, got {plan!r}")
        found = self.apply(plan)
        return None if found is None or found == plan else at_all_rates(found)


def at_all_rates(plan: Plan) -> Plan:
    """Return a plan whose one optimizer is tried at every rate; one with several stays as it is.

    Examples:
        >>> from gradbook.initializers import lecun
        >>> alone = Deep(relu, lecun, optimizers=(GradientDescent(0.5),))
        >>> len(at_all_rates(alone).optimizers)
        12
    """
    if len(plan.optimizers) > 1:
        return plan
    (alone,) = plan.optimizers
    return replace(plan, optimizers=tuple(at_rate(alone, lr) for lr in RATES))


def _suited(plan: Plan) -> Plan | None:
    if not isinstance(plan, Deep):
        return None
    point = critical(plan.activation)
    # Activations such as tanh are critical at the length 0, where their slope is 1.
    factor = 1.0 if point is None else point.sigma_w2
    same = math.isclose(plan.initializer.variance(1, 1), factor)
    initializer = plan.initializer if same else scaled(factor)
    return replace(plan, initializer=initializer, bias=0.0)


def _other_activation(plan: Plan) -> Plan | None:
    if isinstance(plan, Unrolled):
        return replace(plan, activation=tanh) if plan.activation is identity else None
    if plan.activation is relu:
        return replace(plan, activation=tanh, initializer=lecun)
    return replace(plan, activation=relu, initializer=he)


def _leaky(plan: Plan) -> Plan | None:
    applies = isinstance(plan, Deep) and plan.activation is relu
    return replace(plan, activation=leaky(SLOPE)) if applies else None


def _batch_norm(plan: Plan) -> Plan | None:
    return replace(plan, norm=normalization.batch_norm) if isinstance(plan, Deep) else None


def _layer_norm(plan: Plan) -> Plan | None:
    if isinstance(plan, Deep):
        return replace(plan, norm=normalization.layer_norm)
    return replace(plan, norm=True)


def _path(plan: Plan) -> Plan | None:
    return replace(plan, path=1.0) if isinstance(plan, Deep) else None


def _scaled_path(plan: Plan) -> Plan | None:
    blocks = (plan.depth - 2) // 2 if isinstance(plan, Deep) else 0
    return replace(plan, path=blocks**-0.5) if isinstance(plan, Deep) else None


def _pre_norm(plan: Plan) -> Plan | None:
    return replace(plan, path=1.0, pre_norm=True) if isinstance(plan, Deep) else None


def _swept(plan: Plan) -> Plan | None:
    return at_all_rates(plan)


_clip = partial(clip_global_norm, max_norm=MAX_NORM, members=1, error_if_nonfinite=False)


def _clipping(plan: Plan) -> Plan | None:
    return replace(plan, optimizers=tuple(Clipping(o, _clip) for o in plan.optimizers))


def _adam(plan: Plan) -> Plan | None:
    if any(not isinstance(o, GradientDescent) for o in plan.optimizers):
        return None
    return replace(plan, optimizers=tuple(map(Adam, _ADAM)))


def _stored(change: Callable[[InFormat], InFormat], plan: Plan) -> Plan | None:
    stored = [o for o in plan.optimizers if isinstance(o, InFormat)]
    return replace(plan, optimizers=tuple(map(change, stored))) if stored else None


def _format(optimizer: InFormat) -> Format:
    return optimizer.store.fmt


def _orthogonal(plan: Plan) -> Plan | None:
    return replace(plan, initializer=orthogonal) if isinstance(plan, Unrolled) else None


def _orthogonal_linear(plan: Plan) -> Plan | None:
    if not isinstance(plan, Unrolled) or plan.activation is identity:
        return None
    return replace(plan, initializer=orthogonal, activation=identity)


def _cell(cell: LSTMCell | GRUCell, plan: Plan) -> Plan | None:
    if not isinstance(plan, Unrolled):
        return None
    # Gated steps have activations and weights of their own: whoever comes, the net is the same.
    return replace(plan, cell=cell, activation=tanh, initializer=lecun)


def _truncated(plan: Plan) -> Plan | None:
    return replace(plan, window=WINDOW) if isinstance(plan, Unrolled) else None


suited_weights = Remedy("suited weights", "chapters/initialization.md", _suited)
"""Weights at the variance that keeps the energy, and no biases."""

other_activation = Remedy("another activation", "chapters/activations.md", _other_activation)
"""ReLU with He's weights for sigmoid or tanh, tanh with LeCun's for ReLU; tanh for linear steps."""

leaky_relu = Remedy("leaky ReLU", "chapters/activations.md", _leaky)
"""A slope below zero."""

batch_norm = Remedy("BatchNorm", "chapters/normalization.md", _batch_norm)
"""Batch normalization between weights and activation."""

layer_norm = Remedy("LayerNorm", "chapters/normalization.md", _layer_norm)
"""Layer normalization between weights and activation, or behind every step."""

path = Remedy("residual path", "chapters/residual.md", _path)
"""A path around every two layers, the second of which is linear."""

scaled_path = Remedy("residual path, 1/√L", "chapters/residual.md", _scaled_path)
"""The same with what is added made smaller."""

pre_norm = Remedy("pre-norm residual", "chapters/residual.md", _pre_norm)
"""The same with a normalization before what is added."""

swept_rate = Remedy("another rate", "chapters/update-rule.md", _swept)
"""All rates, for a patient that came with one."""

clipping = Remedy("clipping", "chapters/clipping.md", _clipping)
"""Clipping by the global norm."""

adam = Remedy("Adam", "chapters/clipping.md", _adam)
"""Adam for gradient descent."""

loss_scaling = Remedy(
    "loss scaling", "chapters/clipping.md", partial(_stored, lambda o: replace(o, scale=SCALE))
)
"""A loss scale, for weights in a small format."""

master_weights = Remedy(
    "master weights",
    "chapters/clipping.md",
    partial(_stored, lambda o: replace(o, store=Master(_format(o)))),
)
"""A wide copy of the weights."""

kahan = Remedy(
    "Kahan", "chapters/clipping.md", partial(_stored, lambda o: replace(o, store=Kahan(_format(o))))
)
"""Compensated updates."""

orthogonal_steps = Remedy("orthogonal W", "chapters/time-and-gates.md", _orthogonal)
"""Recurrent weights that keep lengths."""

orthogonal_linear = Remedy(
    "orthogonal W, no tanh", "chapters/time-and-gates.md", _orthogonal_linear
)
"""The same without activation."""

lstm = Remedy("LSTM, bias 1", "chapters/time-and-gates.md", partial(_cell, LSTMCell(1.0)))
"""An LSTM that starts as Keras's do."""

lstm_open = Remedy(
    f"LSTM, biases ±{GATE_BIAS:g}",
    "chapters/time-and-gates.md",
    partial(_cell, LSTMCell(GATE_BIAS, -GATE_BIAS)),
)
"""An LSTM whose forget gate is open for as long as the sequence, and whose input gate is shut."""

gru_open = Remedy(
    f"GRU, bias {GATE_BIAS:g}", "chapters/time-and-gates.md", partial(_cell, GRUCell(GATE_BIAS))
)
"""A GRU whose update gate keeps for as long, and so lets as little in."""

truncation = Remedy("shorter truncation", "chapters/time-and-gates.md", _truncated)
"""A gradient that goes back only a few steps."""

REMEDIES: tuple[Remedy, ...] = tuple(r for r in globals().values() if isinstance(r, Remedy))
"""Every remedy of this module, in the order above."""
