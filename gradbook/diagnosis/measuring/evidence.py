r"""What can be known about a network from what was handed over.

The size of $\partial L/\partial h$ at each layer is what vanishes or explodes. Where it is not
given, other gradients speak of it more or less well, and the evidence keeps them apart.
"""

from dataclasses import dataclass, field

from gradbook.diagnosis.measuring.names import Kind
from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.paths import Profile


@dataclass(frozen=True)
class Matrix:
    """A matrix of weights that are known, which may hold nothing but 0."""

    name: str
    still: bool
    """Whether its gradient is exactly 0."""
    zero: bool
    """Whether its weights are."""
    table: bool = False
    """Whether it is looked up or added, as tokens are, and so keeps nothing back."""
    lifted: bool = False
    """Whether its layer's biases are not all 0, so that more than 0 may come out of it."""


@dataclass(frozen=True)
class Facts:
    """What was measured of one layer."""

    name: str
    kind: Kind
    weight: Measured | None = None
    bias: Measured | None = None
    silent: float | None = None
    """The share of its units whose gradient is exactly 0."""
    pull: float | None = None
    """⟨W, dL/dW⟩, if the weights are given."""
    gain: float | None = None
    """log10 of the root of n Var(w), for a matrix whose weights are given."""
    matrices: tuple[Matrix, ...] = ()
    """Its matrices, if the weights are given."""


@dataclass(frozen=True)
class Zeros:
    """Weights that are exactly 0, and what gets a gradient of exactly 0 for that."""

    begun: tuple[str, ...] = ()
    """The matrices of 0 that get a gradient, so that the next step moves them."""
    held: frozenset[str] = frozenset()
    """The layers next to them of which all weights get exactly 0 until then."""
    alone: bool = False
    """Whether nothing in front of them gets anything, so that nothing is known of it."""
    stuck: tuple[str, ...] = ()
    """The matrices of 0 that get exactly 0 and keep one another there."""
    flat: bool = False
    """Whether it is what reads them that keeps them there, as a ReLU does, which is flat at 0."""
    share: str = ""
    """How many matrices get exactly 0, or do so because others begin with 0, in words."""


@dataclass(frozen=True)
class Evidence:
    """All that a verdict is made from."""

    nonfinite: tuple[str, ...] = ()
    """The names of tensors that hold NaN or infinity."""
    reached: bool = True
    """Whether any gradient is not 0."""
    silent: float | None = None
    """The share of the hidden units whose gradient is 0; None if it cannot be known."""
    stop: str = ""
    """The last of the first layers that get exactly 0, if weights that read it get something."""
    off: float | None = None
    """The share of the hidden units that are off for every example, if activations are given."""
    underflow: bool = False
    """Whether zeros may be gradients too small for their format."""
    deltas: Profile | None = None
    """The sizes of δ in the hidden layers, if given."""
    apart: tuple[Profile, ...] = ()
    """The same in stacks of layers of which no name tells which comes first."""
    branches: bool = False
    """Whether δ is given of what stands side by side in blocks, and so is not compared."""
    output: float | None = None
    """That at the output layer, if given."""
    head_alone: bool = False
    """Whether the output layer's weights get a gradient, and nothing in front of them does."""
    weighed: bool = False
    """Whether weights are given."""
    notes: tuple[str, ...] = ()
    """What was done to δ before it was compared."""
    unordered: bool = False
    """Whether names came in the order of the alphabet, and do not tell that of the network."""
    unmoved: tuple[str, ...] = ()
    """The names of weights whose gradient is exactly 0, of some and not of all."""
    zeros: Zeros = field(default_factory=Zeros)
    """Weights that are exactly 0, if any are, and what that explains."""
    ratios: Profile | None = None
    """Weights' gradients over the activations that entered, if those are given."""
    norms: Profile | None = None
    """Gradients of the normalizations' shifts, where no path leads around them."""
    biases: Profile | None = None
    """Gradients of the hidden layers' biases, of one place in every block."""
    weights: Profile | None = None
    """Gradients of the hidden layers' weights, likewise."""
    frozen: float | None = None
    """The share of weights that stand still in their own format, if it can be known."""
    recurrent: bool = False
    """Whether there are recurrent weights, which all steps share."""
    normalized: bool = False
    """Whether there are normalizations."""
    blocks: bool = False
    """Whether names count blocks, which a path may lead around."""
    gain: float | None = None
    """log10 of the product of all roots of n Var(w), the whole factor if slopes were 1."""
    bends: float = 0.0
    """By how much slopes that are 0 for half of all inputs lower that."""
    pulls: float | None = None
    """log10 of the largest over the smallest ⟨W, dL/dW⟩, infinite if their signs differ."""


@dataclass(frozen=True)
class Limits:
    r"""The thresholds of a verdict; `python -m gradbook.book.diagnose.suite --fit` prints them.

    Those up to `silent` are in the middle between the largest value of a healthy network and the
    next of a faulty one, in the half of the suite that they are fitted on; the others are stated.

    Attributes:
        deltas: Decades of δ between any two layers, the largest fall or rise; 2 are a fault.
        ratios: The same of weights' gradients over the activations that entered.
        norms: The same of normalizations' shifts, where no path leads around them: in a branch they
            see the share of δ that enters it.
        biases: The same of biases; in a batch of balanced classes what they sum may cancel. Within
            blocks they must reach the threshold of weights, if that is larger.
        weights: The same of weights, in which activations that shrink make up for a δ that does.
        silent: The share of hidden units with a gradient of exactly 0; healthy ones come near 1/2.
        small: Decades by which the weights alone, with slopes of 1, shrink a gradient.
        flat: Decades up to which what stands in for δ is flat; above, only its threshold counts.
        pulls: Decades by which ⟨W, dL/dW⟩ of layers may differ if they are equal but for rounding.
        similar: The same where they are equal but for slopes between 1/2 and 1 or so.
        frozen: The share of weights that stand still, as in the definition of truth.
    """

    deltas: float = 1.84
    ratios: float = 1.42
    norms: float = 1.73
    biases: float = 1.34
    weights: float = 1.67
    silent: float = 0.66
    small: float = 1.5
    flat: float = 1.0
    pulls: float = 0.005
    similar: float = 0.5
    frozen: float = 0.5


LIMITS = Limits()
"""The thresholds in use."""
