"""An independent network: formulas of other test files, differentiated by HIPS autograd.

It knows nothing of `gradbook.layers`: a network is a list of plain descriptions into a pool of
arrays, computed for one member of the ensemble at a time, so that neither broadcasting nor sharing
of the package is taken for granted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from formulas import ACTIVATIONS, LOSSES
from gradbook.activations import Activation
from gradbook.layers import Dense, Layer, Recurrent
from gradbook.losses import Loss


@dataclass(frozen=True)
class Piece:
    """Describe one layer by indices into the pool: weights, input weights, biases, step input."""

    formula: int
    W: int
    b: int | None = None
    U: int | None = None
    x: int | None = None

    @property
    def activation(self) -> Activation:
        return ACTIVATIONS[self.formula][0]


@dataclass(frozen=True)
class Case:
    """Describe a network, its data and its ensemble. `pool[0]` is the input."""

    pieces: tuple[Piece, ...]
    pool: tuple[np.ndarray, ...]
    cores: tuple[int, ...]
    target: np.ndarray
    loss_formula: int
    ensemble: tuple[int, ...]

    @property
    def loss(self) -> Loss:
        return LOSSES[self.loss_formula][0]

    @property
    def x(self) -> np.ndarray:
        return self.pool[0]

    def layers(self) -> list[Layer]:
        """Build the package's layers; what shares a pool index shares the array object."""

        def at(index: int | None) -> Any:
            return None if index is None else self.pool[index]

        return [
            Dense(at(p.W), at(p.b), p.activation)
            if p.U is None
            else Recurrent(at(p.W), at(p.U), at(p.b), p.activation, at(p.x))
            for p in self.pieces
        ]

    def member_loss(self, pool: Sequence[Any], member: tuple[int, ...]) -> Any:
        """Compute the loss of one member with formulas of their own."""
        own = [of_member(a, core, member) for a, core in zip(pool, self.cores, strict=True)]
        h = own[0]
        for p in self.pieces:
            z = anp.dot(h, own[p.W])
            if p.U is not None:
                z = z + anp.dot(own[p.x], own[p.U])
            if p.b is not None:
                z = z + own[p.b]
            h = ACTIVATIONS[p.formula][1](z)
        return LOSSES[self.loss_formula][1](h, self.target)

    def losses(self) -> np.ndarray:
        """Compute the loss of every member."""
        members = np.ndindex(self.ensemble)
        return np.array([self.member_loss(self.pool, m) for m in members]).reshape(self.ensemble)

    def gradients(self) -> list[np.ndarray]:
        """Differentiate the sum of the members' losses by every array of the pool."""

        def total(pool: Sequence[Any]) -> Any:
            return sum(self.member_loss(pool, m) for m in np.ndindex(self.ensemble))

        return autograd.grad(total)(list(self.pool))


def of_member(array: Any, core: int, member: tuple[int, ...]) -> Any:
    """Take a member's slice of an array with `core` own axes; ensemble axes may be 1 or absent."""
    lead = array.shape[: len(array.shape) - core]
    own = member[len(member) - len(lead) :]
    return array[tuple(i if n > 1 else 0 for i, n in zip(own, lead, strict=True))]


def draw_case(choose: Callable[[Sequence[Any]], Any], rng: np.random.Generator) -> Case:
    """Assemble a random network.

    Args:
        choose: Picks one of several options: how the shape of the network is decided.
        rng: Draws the numbers.
    """
    ensemble = choose([(), (3,), (2, 2)])
    batch = choose([1, 2, 3])
    pool: list[np.ndarray] = []
    cores: list[int] = []

    def new(*core: int, scale: float = 1.0) -> int:
        """Put a new array into the pool, with all, some or none of the ensemble axes."""
        ones = tuple(1 for _ in ensemble)
        lead = choose([ensemble, (), ones, ensemble[-1:]])
        pool.append(scale * rng.standard_normal((*lead, *core)))
        cores.append(len(core))
        return len(pool) - 1

    def shared(*core: int, scale: float = 1.0) -> int:
        """Reuse an array of the same shape, or make a new one."""
        alike = [i for i in range(1, len(pool)) if pool[i].shape[pool[i].ndim - cores[i] :] == core]
        alike = [i for i in alike if cores[i] == len(core) and i not in inputs]
        return choose(alike) if alike and choose([True, False]) else new(*core, scale=scale)

    inputs: list[int] = []
    width = choose([1, 2, 3])
    new(batch, width)
    pieces = []
    for _ in range(choose([1, 2, 3, 4])):
        formula = choose(range(len(ACTIVATIONS)))
        if choose(["dense", "dense", "recurrent"]) == "dense":
            fan_out = choose([width, 1, 2, 3])
            W, U, x = shared(width, fan_out), None, None
            width = fan_out
        else:
            fan_in = choose([1, 2, 3])
            W, U, x = shared(width, width), shared(fan_in, width), new(batch, fan_in)
            inputs.append(x)
        b = shared(width) if choose([True, False]) else None
        pieces.append(Piece(formula, W, b, U, x))
    target = rng.dirichlet(np.ones(width), batch)
    loss = choose(range(len(LOSSES)))
    # The ensemble that the network really has: the axes that any of its arrays brings.
    leads = [a.shape[: a.ndim - core] for a, core in zip(pool, cores, strict=True)]
    real = np.broadcast_shapes(*leads)
    return Case(tuple(pieces), tuple(pool), tuple(cores), target, loss, real)


def draw_dense_example(choose: Callable[[Sequence[Any]], Any], rng: np.random.Generator) -> Case:
    """Assemble a random chain of dense layers, nothing shared, and one example."""
    widths = [choose([1, 2, 3]) for _ in range(choose([2, 3, 4, 5]))]
    pool, cores, pieces = [rng.standard_normal((1, widths[0]))], [2], []
    for fan_in, fan_out in pairwise(widths):
        pool += [rng.standard_normal((fan_in, fan_out)), rng.standard_normal(fan_out)]
        cores += [2, 1]
        pieces.append(Piece(choose(range(len(ACTIVATIONS))), W=len(pool) - 2, b=len(pool) - 1))
    target = rng.dirichlet(np.ones(widths[-1]), 1)
    loss = choose(range(len(LOSSES)))
    return Case(tuple(pieces), tuple(pool), tuple(cores), target, loss, ())
