r"""What texts commonly say about vanishing and exploding gradients, each with a test that decides.

A claim is a record: the statement, where it is said, and a proof, a function that tries the
statement in several cases. The verdict is computed from the cases, never typed.

Examples:
    >>> print(CLIPPING.verdict.value, "--", CLIPPING.condition)
    true with a condition -- it is clipped by the norm of all gradients together
    >>> print(CLIPPING)
    cosine with the gradient before
    by the global norm             1  holds
    by the norm of each array  0.883  does not hold
    entry by entry             0.753  does not hold
"""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import CodeType, FunctionType

from gradbook.book import sources
from gradbook.book.common_claims import proofs
from gradbook.book.common_claims.proofs import Instance
from gradbook.book.sources import Source


class ClaimVerdict(Enum):
    """What the cases of a claim amount to."""

    TRUE = "true"
    CONDITIONAL = "true with a condition"
    FALSE = "false as stated"


@dataclass(frozen=True)
class Place:
    """Say where a claim was read."""

    source: Source
    part: str
    url: str

    def __str__(self) -> str:
        """Return source and part, in running text."""
        return f"{self.source.label}, {self.part}"


@dataclass(frozen=True)
class CommonClaim:
    """One statement that many texts make, and the proof that decides it.

    Attributes:
        number: What the proof measures in each case.
        condition: Under which the claim is true; empty if none is known or none is needed.
    """

    statement: str
    places: tuple[Place, ...]
    number: str
    proof: Callable[[], tuple[Instance, ...]]
    condition: str = ""

    def cases(self) -> tuple[Instance, ...]:
        """Return the cases of the proof, run once."""
        return _run(self.proof)

    def __str__(self) -> str:
        """Return what was measured and the cases, one per line."""
        setting = max(len(case.setting) for case in self.cases())
        number = max(len(case.shown) for case in self.cases())
        lines = [
            f"{case.setting:{setting}}  {case.shown:>{number}}  {case.outcome}"
            for case in self.cases()
        ]
        return "\n".join([self.number, *lines])

    @property
    def verdict(self) -> ClaimVerdict:
        """The verdict that the cases amount to."""
        return verdict_from(self.cases())

    @property
    def anchor(self) -> str:
        """The anchor of the claim's section on the page."""
        kept = "".join(c for c in self.statement.lower() if c.isalnum() or c in " -")
        return kept.strip().replace(" ", "-")


def verdict_from(cases: Iterable[Instance]) -> ClaimVerdict:
    """Say what the cases of a proof amount to.

    A claim is true if it holds in every case, and true with a condition if it holds in every case
    that meets the condition, there are some, and it fails in some other.

    Raises:
        ValueError: There are fewer than two cases, which could not tell one verdict from another.

    Examples:
        >>> outside = Instance("deep", 0.0, holds=False, expected=False)
        >>> verdict_from([Instance("shallow", 1.0, holds=True), outside]).value
        'true with a condition'
    """
    tried = tuple(cases)
    if len(tried) < 2:
        raise ValueError(f"cases must hold at least two, got {tried!r}")
    if all(case.holds for case in tried):
        return ClaimVerdict.TRUE
    expected = [case.holds for case in tried if case.expected]
    conditional = len(expected) < len(tried) and bool(expected) and all(expected)
    return ClaimVerdict.CONDITIONAL if conditional else ClaimVerdict.FALSE


@dataclass(frozen=True)
class Overview:
    """Show claims as a table, a row each, linked to their sections."""

    claims: tuple[CommonClaim, ...]

    def __str__(self) -> str:
        """Return one line per claim, for a terminal."""
        return "\n".join(f"{claim.statement}: {claim.verdict.value}" for claim in self.claims)

    def _repr_html_(self) -> str:
        caption = "Common claims, where they were read, and what a computation makes of them."
        rows = " ".join(map(_row, self.claims))
        return (
            f'<div class="gb-table" role="region" tabindex="0" aria-label="{caption}">'
            f'<table class="gb-table__grid" style="width: auto"><caption>{caption}</caption> '
            '<thead><tr><th scope="col">claim, and where it was read</th> '
            f'<th scope="col">verdict</th></tr></thead> <tbody>{rows}</tbody></table></div>'
        )


def _row(claim: CommonClaim) -> str:
    places = "; ".join(
        f'<a href="{place.url}">{html.escape(str(place))}</a>' for place in claim.places
    )
    condition = f": {html.escape(claim.condition)}" if claim.condition else ""
    return (
        f'<tr><th scope="row"><a href="#{claim.anchor}">{html.escape(claim.statement)}</a>'
        f" <br><small>{places}</small></th> <td><b>{claim.verdict.value}</b>{condition}</td></tr>"
    )


@dataclass(frozen=True)
class Code:
    """Show the code of a claim's proof, folded, as it is run."""

    claim: CommonClaim

    def __str__(self) -> str:
        """Return the source of the proof and of the helpers that it calls."""
        return "\n\n".join(inspect.getsource(part).rstrip() for part in _parts(self.claim.proof))

    def _repr_html_(self) -> str:
        return (
            '<details class="example"><summary>How it was tried</summary>'
            f'<pre class="gb-output">{html.escape(str(self))}</pre></details>'
        )


def _parts(proof: Callable[[], tuple[Instance, ...]]) -> list[FunctionType]:
    """Return a proof and the functions of its module that it calls, directly or not."""
    own = {name: value for name, value in vars(proofs).items() if isinstance(value, FunctionType)}
    found = [own[proof.__name__]]
    for function in found:
        called = [own[name] for name in _names(function.__code__) if name in own]
        found += [f for f in called if f not in found and f.__module__ == proofs.__name__]
    return found


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


@cache
def _run(proof: Callable[[], tuple[Instance, ...]]) -> tuple[Instance, ...]:
    return proof()


_D2L = "https://github.com/d2l-ai/d2l-en/blob/master/chapter_"
_UVA = "https://github.com/phlippe/uvadlc_notebooks/blob/master/docs/tutorial_notebooks/"
_UDL = "https://github.com/udlbook/udlbook/blob/main/Notebooks/Chap11/"

_RATIO = f"ratio per layer, {proofs.SIZE['depth']} layers of width {proofs.SIZE['width']}"

CS231N_RNN = Place(
    sources.CS231N,
    "recurrent networks",
    "https://github.com/cs231n/cs231n.github.io/blob/master/rnn.md",
)
CRASH_COURSE = Place(
    sources.CRASH_COURSE,
    "page on backpropagation",
    "https://developers.google.com/machine-learning/crash-course/neural-networks/backpropagation",
)
LIPPE_ACTIVATIONS = Place(
    sources.LIPPE, "tutorial 3", _UVA + "tutorial3/Activation_Functions.ipynb"
)
LIPPE_INITIALIZATION = Place(
    sources.LIPPE, "tutorial 4", _UVA + "tutorial4/Optimization_and_Initialization.ipynb"
)

SLOPE_AT_OUTPUT = CommonClaim(
    "The slope of a ReLU is one where its output is not negative",
    (
        Place(
            sources.NUMPY_TUTORIALS,
            "step 2 of the model",
            "https://github.com/numpy/numpy-tutorials/blob/main/content/"
            "tutorial-deep-learning-on-mnist.md",
        ),
    ),
    "relative distance of the gradient from its finite differences",
    proofs.slope_at_the_output,
)
EQUAL_WEIGHTS = CommonClaim(
    "Equal weights get equal gradients",
    (
        Place(
            sources.DIVE,
            "numerical stability",
            _D2L + "multilayer-perceptrons/numerical-stability-and-init.md",
        ),
    ),
    "spread of the entries of the gradient, relative to the largest",
    proofs.equal_weights,
    "the inputs of the layer are equal, and so are its biases and the weights behind each unit",
)
BOUNDED_SLOPES = CommonClaim(
    "The slope is below one, so the gradient vanishes",
    (LIPPE_ACTIVATIONS, CS231N_RNN),
    _RATIO,
    proofs.bounded_slopes,
    "layers are plain, without paths and normalizations, the largest slope times the largest "
    "singular value of the weights stays below a fixed number less than one, and there are "
    "layers enough",
)
RELU = CommonClaim(
    "The ReLU prevents vanishing gradients",
    (
        CRASH_COURSE,
        Place(sources.DIVE, "multilayer perceptrons", _D2L + "multilayer-perceptrons/mlp.md"),
    ),
    _RATIO,
    proofs.relu_keeps_gradients,
    "biases are zero, the variance of the weights is two over fan-in or more, and layers are wide "
    "against the depth",
)
WEIGHT_GRADIENTS = CommonClaim(
    "Weight gradients of one size in all layers show that nothing vanishes",
    (LIPPE_ACTIVATIONS,),
    f"delta of the first layer over that of the last, {proofs.SIZE['depth']} layers",
    proofs.flat_weight_gradients,
    "the signal keeps its size on its way forward (of one example: in a batch terms may cancel)",
)
DEFAULT_WEIGHTS = CommonClaim(
    "By default PyTorch draws the weights that a ReLU needs",
    (LIPPE_ACTIVATIONS,),
    "fan-in times the variance of a weight, where a ReLU needs 2",
    proofs.default_weights,
)
TANH = CommonClaim(
    "With Xavier weights the variance in a tanh network settles at a quarter",
    (LIPPE_INITIALIZATION,),
    "variance of the pre-activations, said to settle at 0.25",
    proofs.tanh_settles,
)
ORTHOGONAL = CommonClaim(
    "From orthogonal weights gradients neither vanish nor explode",
    (
        Place(
            sources.MUKHERJEE,
            "the note",
            "https://subhadityamukherjee.github.io/AI-knowledge-base/KB/Orthogonal-Initialization",
        ),
        Place(
            sources.MERITY,
            "the article",
            "https://smerity.com/articles/2016/orthogonal_init.html",
        ),
    ),
    f"gradient at the input over that at the output, {proofs.SIZE['depth']} layers on",
    proofs.orthogonal_weights,
    "the units are linear, and the layers equally wide",
)
SMALL_NORM = CommonClaim(
    "A largest singular value below one means vanishing",
    (CS231N_RNN,),
    f"norm of the product of {proofs.POWER} factors",
    proofs.small_singular_values,
)
LARGE_NORM = CommonClaim(
    "A largest singular value above one means explosion",
    (CS231N_RNN,),
    f"norm of the product of {proofs.POWER} factors",
    proofs.large_singular_values,
    "the units are linear, and the same matrix comes at every step, a normal one, as a symmetric "
    "one is",
)
EIGENVALUE = CommonClaim(
    "An eigenvalue of size above one means explosion",
    (
        Place(
            sources.DIVE,
            "backpropagation through time",
            _D2L + "recurrent-neural-networks/bptt.md",
        ),
    ),
    f"growth of a gradient over {proofs.POWER} steps back",
    proofs.large_eigenvalue,
    "the units are linear",
)
NAN = CommonClaim(
    "Exploding gradients end in NaN",
    (CS231N_RNN,),
    "product of the factors in float32",
    proofs.explosion_overflows,
    "in one pass: the product exceeds the largest number of the format, and an infinity is "
    "subtracted from another, or multiplied by zero",
)
CLIPPING = CommonClaim(
    "Clipping keeps the direction of the gradient",
    (
        Place(
            sources.DIVE,
            "recurrent networks from scratch",
            _D2L + "recurrent-neural-networks/rnn-scratch.md",
        ),
    ),
    "cosine with the gradient before",
    proofs.clipped_directions,
    "it is clipped by the norm of all gradients together",
)
BATCH_NORM = CommonClaim(
    "Batch normalization helps against exploding gradients",
    (CRASH_COURSE,),
    "ratio per layer with it, over that without",
    proofs.batch_norm_helps,
    "the variance of the weights is above one and a half times He's, and batches are large",
)
RESIDUAL = CommonClaim(
    "Each residual block doubles the variance",
    (Place(sources.PRINCE, "notebook 11.3", _UDL + "11_3_Batch_Normalization.ipynb"),),
    "factor per block",
    proofs.residual_blocks_double,
    "the mean square is meant, weights are He's, each stands behind a ReLU, and what comes "
    "along the path is symmetric around zero",
)
SHATTERED = CommonClaim(
    "Deep in a network the gradients of neighboring inputs have little in common",
    (Place(sources.BALDUZZI, "the abstract", "https://arxiv.org/abs/1702.08591"),),
    f"autocorrelation of the gradient at neighboring inputs, {proofs.DEEP} layers",
    proofs.shattered_gradients,
    "units are ReLUs, each is centered over the inputs, as by batch normalization, no path leads "
    "around layers, and the network is deep against the spacing of the inputs",
)
LSTM = CommonClaim(
    "Through the cell of an LSTM gradients pass without vanishing",
    (
        Place(sources.DIVE, "long short-term memory", _D2L + "recurrent-modern/lstm.md"),
        CS231N_RNN,
    ),
    "derivative of the last cell by the first",
    proofs.cells_remember,
    "the time is short against the lifetime that the forget gate sets",
)
ADAM = CommonClaim(
    "With Adam the size of the gradient does not matter",
    (Place(sources.KINGMA_BA, "the abstract", "https://arxiv.org/abs/1412.6980"),),
    "last step over the learning rate",
    proofs.adam_steps,
    "the gradient is large against epsilon, and has kept its size and sign so far",
)

ALL: tuple[CommonClaim, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, CommonClaim)
)
"""Every claim, in the order of the page."""
