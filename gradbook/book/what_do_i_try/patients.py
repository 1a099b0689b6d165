r"""Networks that do not train: how each is built, and which symptom it has.

Examples:
    >>> for patient in PATIENTS[:3]:
    ...     print(f"{patient.name}: {patient.symptom.value}")
    sigmoid, 10 layers: vanishing
    ReLU, 50 layers, Var(w) = 1/n: vanishing
    ReLU, 50 layers, Var(w) = 4/n: exploding
"""

from dataclasses import dataclass
from enum import Enum

from gradbook.activations import identity, relu, sigmoid, tanh
from gradbook.book.clipping.mixed_precision import Plain
from gradbook.book.what_do_i_try.plans import Deep, Unrolled, with_spectral_radius
from gradbook.book.what_do_i_try.stored_weights import InFormat
from gradbook.initializers import he, lecun, scaled
from gradbook.optimizers import GradientDescent
from gradbook.precision import bfloat16


class Symptom(Enum):
    """What is wrong with a network."""

    VANISHING = "vanishing"
    EXPLODING = "exploding"
    DEAD = "dead units"
    FROZEN = "frozen"
    NON_FINITE = "non-finite"


@dataclass(frozen=True)
class Patient:
    """Name a network that does not train."""

    name: str
    symptom: Symptom
    plan: Deep | Unrolled


SIGMOID = Patient("sigmoid, 10 layers", Symptom.VANISHING, Deep(sigmoid, lecun, depth=10))
"""Sigmoids, whose slope is at most 1/4."""

SMALL = Patient("ReLU, 50 layers, Var(w) = 1/n", Symptom.VANISHING, Deep(relu, lecun))
"""ReLUs with weights too small, as LeCun's and (for equal widths) Glorot's are."""

LARGE = Patient("ReLU, 50 layers, Var(w) = 4/n", Symptom.EXPLODING, Deep(relu, scaled(4.0)))
"""ReLUs with weights too large."""

SATURATED = Patient("tanh, 50 layers, Var(w) = 25/n", Symptom.EXPLODING, Deep(tanh, scaled(25.0)))
"""Saturated units: their slopes are small, but their weights are larger."""

DEAD = Patient("ReLU, biases of -2", Symptom.DEAD, Deep(relu, he, depth=6, bias=-2.0))
"""ReLUs that are off for every example."""

FORGETFUL = Patient(
    "tanh, 200 steps, radius 0.8", Symptom.VANISHING, Unrolled(tanh, with_spectral_radius(0.8))
)
"""A recurrent network that forgets."""

UNSTABLE = Patient(
    "linear, 200 steps, radius 1.1",
    Symptom.EXPLODING,
    Unrolled(identity, with_spectral_radius(1.1)),
)
"""A recurrent network whose state grows, and with it the gradient."""

ROUNDED = Patient(
    "weights in bfloat16",
    Symptom.FROZEN,
    Deep(tanh, lecun, depth=4, optimizers=(InFormat(0.004, Plain(bfloat16)),), updates=80),
)
"""Steps too short for the format that they are subtracted in."""

HASTY = Patient(
    "learning rate of 3",
    Symptom.NON_FINITE,
    Deep(relu, he, depth=10, optimizers=(GradientDescent(3.0),), updates=30),
)
"""A healthy network with a rate that is too large."""

PATIENTS: tuple[Patient, ...] = tuple(p for p in globals().values() if isinstance(p, Patient))
"""Every patient of this module, in the order above."""
