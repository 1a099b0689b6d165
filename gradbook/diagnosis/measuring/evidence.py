r"""What can be known about a network from what was handed over.

The size of $\partial L/\partial h$ at each layer is what vanishes or explodes. Where it is not
given, other gradients speak of it more or less well, and the evidence keeps them apart.
"""

from dataclasses import dataclass

from gradbook.diagnosis.measuring.names import Kind
from gradbook.diagnosis.measuring.sizes import Measured
from gradbook.diagnosis.paths import Profile


@dataclass(frozen=True)
class Facts:
    """What was measured of one layer.

    Attributes:
        silent: The share of its units whose gradient is exactly 0.
        pull: <W, dL/dW>, if the weights are given.
        gain: log10 of the root of n Var(w), for a matrix whose weights are given.
    """

    name: str
    kind: Kind
    weight: Measured | None = None
    bias: Measured | None = None
    silent: float | None = None
    pull: float | None = None
    gain: float | None = None


@dataclass(frozen=True)
class Evidence:
    """All that a verdict is made from.

    Attributes:
        nonfinite: The names of tensors that hold NaN or infinity.
        reached: Whether any gradient is not 0.
        silent: The share of the hidden units whose gradient is 0; None if it cannot be known.
        off: The share of the hidden units that are off for every example, if activations are given.
        underflow: Whether zeros may be gradients too small for their format.
        deltas: The sizes of δ in the hidden layers, if given.
        apart: The same in stacks of layers of which no name tells which comes first.
        output: That at the output layer, if given.
        turned: Whether δ came last layer first, and was turned around.
        ratios: Weights' gradients over the activations that entered, if those are given.
        norms: Gradients of the normalizations' shifts, where no path leads around them.
        biases: Gradients of the hidden layers' biases, of one place in every block.
        weights: Gradients of the hidden layers' weights, likewise.
        frozen: The share of weights that stand still in their own format, if it can be known.
        recurrent: Whether there are recurrent weights, which all steps share.
        normalized: Whether there are normalizations.
        blocks: Whether names count blocks, which a path may lead around.
        gain: log10 of the product of all roots of n Var(w): of the factor from the last hidden
            layer to the first if all slopes were 1; None if it cannot be known.
        bends: By how much slopes that are 0 for half of all inputs lower that.
        pulls: log10 of the largest over the smallest <W, dL/dW>, without end if their signs differ;
            None if it cannot be known.
    """

    nonfinite: tuple[str, ...] = ()
    reached: bool = True
    silent: float | None = None
    off: float | None = None
    underflow: bool = False
    deltas: Profile | None = None
    apart: tuple[Profile, ...] = ()
    output: float | None = None
    turned: bool = False
    ratios: Profile | None = None
    norms: Profile | None = None
    biases: Profile | None = None
    weights: Profile | None = None
    frozen: float | None = None
    recurrent: bool = False
    normalized: bool = False
    blocks: bool = False
    gain: float | None = None
    bends: float = 0.0
    pulls: float | None = None
