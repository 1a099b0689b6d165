"""What is known of a watched step: its places, its steps of time, and what ran."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradbook.diagnosis.places import Place


@dataclass(frozen=True)
class Steps:
    """The gradient at a recurrent layer's inputs, step by step.

    Attributes:
        sizes: Norms of ∂L/∂x_t, a list for each step with one norm for each example that has it.
        every: Whether each step has a loss of its own.
        lags: Where each has: the sizes that the last step's loss alone sends to each step.
        both: Whether the layer reads in both directions.
        depth: How many layers are stacked in it.
    """

    name: str
    sizes: tuple[tuple[float, ...], ...] = ()
    every: bool = False
    lags: tuple[float, ...] | None = None
    both: bool = False
    depth: int = 1


@dataclass(frozen=True)
class Record:
    """What was found of one step of training.

    Attributes:
        places: In the order of the forward pass.
        called: The modules that ran.
        given: Those that read what the network was called with, as it is.
        bad_input: The modules whose input was not finite though it came from no other place.
        owned: For each place the names of the weights between it and those before it.
        twice: What the loss takes of probabilities that it has already been taken of.
        strangers: By `id` the shapes of weights that it made use of and that were not its own.
        differentiated: Whether something was differentiated through a gradient, as in a penalty.
    """

    places: tuple[Place, ...] = ()
    steps: tuple[Steps, ...] = ()
    called: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    bad_input: tuple[str, ...] = ()
    owned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    twice: str = ""
    strangers: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    differentiated: bool = False
