"""What may be tried for each verdict, in the order that *What do I try?* measures.

A test holds the two together.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

from gradbook.diagnosis.verdicts import Verdict


@dataclass(frozen=True)
class Traits:
    """What a network has, as far as it is known.

    Attributes:
        recurrent: Whether the finding is about steps of time.
        normalized: Whether there are normalizations.
        paths: Whether paths lead around layers.
        small: Whether numbers are kept in a format smaller than float32.
        differentiated: Whether the loss holds derivatives of the network.
        made: Whether weights are made of others, as in weight or spectral norm.
        single: Whether one layer does most of it.
        sigmoids: Whether its hidden layers are known to have sigmoids.
    """

    recurrent: bool = False
    normalized: bool = False
    paths: bool = False
    small: bool = False
    differentiated: bool = False
    made: bool = False
    single: bool = False
    sigmoids: bool = False


NOTHING_KNOWN = Traits()
"""Of a network of which nothing is known."""


@dataclass(frozen=True)
class Advice:
    """One thing to try, the page below `docs/` that explains it, and the networks it is for."""

    text: str
    page: str
    fits: Callable[[Traits], bool] = field(default=lambda traits: True, compare=False, repr=False)

    @property
    def link(self) -> str:
        """The page's address: on the site of the package, or below `GRADBOOK_BOOK`.

        Examples:
            >>> Advice("Clip.", "chapters/clipping.md").link.endswith("chapters/clipping/")
            True
        """
        return f"{site()}{self.page.removesuffix('.md')}/"


@cache
def _home() -> str:
    try:
        urls = metadata("gradbook").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    pairs = (url.partition(", ") for url in urls)
    found = {label.lower(): address for label, _, address in pairs}
    return found.get("documentation") or found.get("homepage") or ""


def site() -> str:
    """Return the address that the book is at, with a slash behind it; empty if nobody tells."""
    found = os.environ.get("GRADBOOK_BOOK") or _home()
    return found if not found or found.endswith("/") else f"{found}/"


def _chapter(text: str, name: str, fits: Callable[[Traits], bool] = lambda t: True) -> Advice:
    return Advice(text, f"chapters/{name}.md", fits)


TABLE = Advice("Look up what each remedy did to networks like this.", "what-do-i-try.md")

_SIGMOIDS = _chapter(
    "Replace the sigmoids by ReLU, its weights drawn with 2/n, or put BatchNorm before them: no "
    "usual variance of the weights saves sigmoids.",
    "activations",
    lambda t: t.sigmoids and not t.differentiated,
)
_WEIGHTS = _chapter(
    "Draw the weights for the activation: 2/n for ReLU, 1/n for tanh; replace sigmoids.",
    "initialization",
    lambda t: not t.normalized and not t.made and not t.differentiated and not t.sigmoids,
)
_SMOOTH = _chapter(
    "Draw the weights for tanh with variance 1/n; ReLU has no second derivative.",
    "initialization",
    lambda t: t.differentiated,
)
_NORM = _chapter(
    "Normalize each layer before its activation.",
    "normalization",
    lambda t: not t.normalized and not t.differentiated and not t.sigmoids,
)
_PATH = _chapter(
    "Lay a path around every block, and normalize what enters it.",
    "residual",
    lambda t: not t.paths,
)
_SCALE = _chapter(
    "Divide what each block adds by the root of their number.", "residual", lambda t: t.paths
)
_ACTIVATION = _chapter(
    "Replace sigmoid and tanh in hidden layers by ReLU or a relative.",
    "activations",
    lambda t: not t.differentiated and not t.normalized and not t.sigmoids,
)
_CLIP = _chapter("Clip the global norm of the gradients; log it before the clip.", "clipping")
_GATES = _chapter(
    "Open the gates: an LSTM with a large forget bias and its negative on the input gate, or a GRU "
    "with a large update bias.",
    "time-and-gates",
)
_SHORT = _chapter("Show that so long a memory is needed; truncate if it is not.", "time-and-gates")
_ORTHOGONAL = _chapter("Draw the recurrent weights of plain steps orthogonal.", "time-and-gates")
_DEEP_NORM = _chapter(
    "Batch normalization in deep networks explodes: use a path.",
    "normalization",
    lambda t: t.normalized and not t.paths,
)
_WARM = _chapter(
    "Its size is no fault behind a normalization: warm the learning rate up, and clip.",
    "clipping",
    lambda t: t.normalized and t.paths,
)

_SKIP = _chapter(
    "Skip the step, and lower the loss scale if there is one.", "clipping", lambda t: t.small
)

DEEP: dict[Verdict, tuple[Advice, ...]] = {
    Verdict.NON_FINITE: (
        _SKIP,
        _chapter("Look for log, division and root at 0 where the first NaN appears.", "exploding"),
        _chapter("Lower the learning rate, and clip the global norm.", "clipping"),
    ),
    Verdict.LOSS: (
        _chapter(
            "Print the loss, what enters it and its targets: perhaps every label is masked.",
            "diagnose",
        ),
        _chapter(
            "Look for a ReLU or a saturated sigmoid behind the last layer, softmax over one unit, "
            "rounding, argmax, or advantages of 0.",
            "diagnose",
        ),
    ),
    Verdict.CUT: (
        _chapter(
            "Look there for .detach(), .data, .item(), NumPy, no_grad, argmax, or a checkpoint "
            "whose inputs ask for no gradient.",
            "diagnose",
        ),
    ),
    Verdict.STUCK: (
        _chapter("Draw one of the two weights at random; one zero is enough.", "initialization"),
    ),
    Verdict.SYMMETRIC: (_chapter("Draw the weights at random.", "initialization"),),
    Verdict.DEAD: (
        _chapter("Start over with biases of 0 and a smaller learning rate.", "activations"),
        _chapter("Give the off side a slope: leaky ReLU, GELU, ELU.", "activations"),
        _NORM,
    ),
    Verdict.VANISHING: (_SIGMOIDS, _WEIGHTS, _SMOOTH, _PATH, _NORM, _ACTIVATION, _SCALE),
    Verdict.EXPLODING: (
        _SIGMOIDS,
        _WEIGHTS,
        _SMOOTH,
        _DEEP_NORM,
        _PATH,
        _SCALE,
        _WARM,
        _NORM,
        _CLIP,
    ),
    Verdict.STARVED: (
        _chapter("Balance what is sent to the branches: the router has collapsed.", "residual"),
    ),
    Verdict.LARGE_STEP: (
        _chapter("Bring the inputs to mean 0 and variance 1, and the targets.", "initialization"),
        _chapter("Lower the learning rate until a step is a thousandth.", "update-rule"),
        _CLIP,
    ),
    Verdict.GROWING: (
        _chapter("Lower the learning rate, or warm it up.", "update-rule"),
        _CLIP,
    ),
    Verdict.FROZEN: (
        _chapter(
            "Keep a float32 copy of the weights, and update that.", "clipping", lambda t: t.small
        ),
        _chapter(
            "Raise the learning rate: the step is below the gaps of the format.", "update-rule"
        ),
        _chapter(
            "Scale the loss if the gradients underflow, and unscale them.",
            "clipping",
            lambda t: t.small,
        ),
    ),
    Verdict.ZERO_START: (
        _chapter("Take one step, and ask again: the second step shows the rest.", "diagnose"),
    ),
    Verdict.HEALTHY: (
        _chapter("Gradients arrive: look at learning rate and data.", "update-rule"),
    ),
    Verdict.CANNOT_TELL: (_chapter("Record δ, the gradient at each layer's output.", "diagnose"),),
}
"""For networks of layers. What does not fit the network is left out."""

IN_TIME: dict[Verdict, tuple[Advice, ...]] = DEEP | {
    Verdict.VANISHING: (_ORTHOGONAL, _GATES, _SHORT),
    Verdict.EXPLODING: (_ORTHOGONAL, _GATES, _CLIP),
    Verdict.CANNOT_TELL: (_chapter("Record the norm of ∂L/∂x_t for each step.", "time-and-gates"),),
}
"""For the steps of recurrent networks."""

HINTS: dict[str, Advice] = {
    "data": _chapter("Look at the batch: count what is not finite in it, and drop it.", "diagnose"),
    "loss": _chapter(
        "Look at the loss: a division by 0, log(0), or all labels masked.", "diagnose"
    ),
    "step": _chapter(
        "Go back to the last weights that are finite; clip, lower the rate.", "clipping"
    ),
    "scale": _chapter("Lower the loss scale, and clear gradients at every step.", "clipping"),
    "idle": _chapter("See why they are not called: a router, a condition, a list.", "diagnose"),
    "outside": _chapter(
        "Call backward() behind this forward pass. If you did, look between what the network "
        "returns and the loss for .detach(), .item(), NumPy, argmax, or a new tensor.",
        "diagnose",
    ),
    "optimizer": _chapter(
        "Hand all parameters to the optimizer, unless another one has them.", "diagnose"
    ),
    "stack": _chapter("Lay a path around each recurrent layer, or stack fewer.", "residual"),
    "lag": _chapter("Ask once with the last step's loss alone.", "time-and-gates"),
    "list": _chapter(
        "Keep layers in nn.ModuleList or nn.ModuleDict, not in a plain list, and make them in "
        "__init__, not in forward. If you replaced a layer, watch again.",
        "diagnose",
    ),
    "flat": _chapter(
        "Look there for round, sign, a comparison, one-hot, clamp, an activation or a softmax at "
        "its ends, dropout of 1, or a hook: let a straight-through estimate or a slope pass.",
        "activations",
    ),
    "underflow": _chapter(
        "Multiply the loss by a large number, as GradScaler does, and unscale before the step.",
        "clipping",
    ),
    "ceased": _chapter(
        "Go back to weights from before, and ask gradbook.watch(net) at one step.", "diagnose"
    ),
    "idle 0": _chapter(
        "See whether they are frozen, cut off, or behind units that are off: gradbook.watch(net) "
        "at one step tells.",
        "diagnose",
    ),
    "steps": _chapter(
        "Detach the state where a new sequence begins, and not at each step.", "time-and-gates"
    ),
    "exactly": _chapter(
        "Look there for stop_gradient, detach, round, argmax or a comparison; give the activations "
        "to see whether units are off.",
        "diagnose",
    ),
    "diverged": _chapter(
        "Lower the learning rate: steps were as large as the weights before.", "update-rule"
    ),
    "saturated": _chapter(
        "Bring the inputs to mean 0 and variance 1, and draw smaller weights for sigmoid and tanh.",
        "initialization",
    ),
    "cleared": _chapter(
        "Call optimizer.zero_grad() before backward() or behind step(), not between.", "update-rule"
    ),
    "no step": _chapter(
        "Call optimizer.step() behind backward(), of the optimizer that you handed over.",
        "update-rule",
    ),
    "decay": _chapter("Lower the weight decay, or the learning rate.", "update-rule"),
    "rate": _chapter(
        "If a warm-up begins with 0, ask again at a later step; else look at the scheduler and at "
        "the optimizer's groups.",
        "update-rule",
    ),
    "twice": _chapter(
        "Leave softmax or sigmoid out of the network: CrossEntropyLoss and BCEWithLogitsLoss take "
        "what the last layer returns.",
        "diagnose",
    ),
    "slow": _chapter(
        "If the loss still has to fall, raise the learning rate tenfold, and again.", "update-rule"
    ),
    "unknown": _chapter("Use gradbook.watch(net): it sees where the graph is cut.", "diagnose"),
}
"""What comes first for a finding that knows more than its verdict."""

BESIDE = ("step", "scale")
"""After these hints the rest is advised, too; the others say all there is to do."""

ONE_LAYER = _chapter(
    "One layer does most of it: look at the weights next to where it starts.", "initialization"
)
"""What comes first if a single step makes most of the change."""
