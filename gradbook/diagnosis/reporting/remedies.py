"""What may be tried for each verdict, in the order that *What do I try?* measures.

A test holds the two together.
"""

from gradbook.diagnosis.reporting.forms import Advice, chapter
from gradbook.diagnosis.verdicts import Verdict

TABLE = Advice("Look up what each remedy did to networks like this.", "what-do-i-try.md")

_SIGMOIDS = chapter(
    "Replace the sigmoids by ReLU, its weights drawn with 2/n, or put BatchNorm before them: no "
    "usual variance of the weights saves sigmoids.",
    "activations",
    lambda t: t.sigmoids and not t.differentiated,
)
_WEIGHTS = chapter(
    "Draw the weights for the activation: 2/n for ReLU, 1/n for tanh; replace sigmoids.",
    "initialization",
    lambda t: not t.normalized and not t.made and not t.differentiated and not t.sigmoids,
)
_SMOOTH = chapter(
    "Draw the weights for tanh with variance 1/n; ReLU has no second derivative.",
    "initialization",
    lambda t: t.differentiated,
)
_NORM = chapter(
    "Normalize each layer before its activation.",
    "normalization",
    lambda t: not t.normalized and not t.differentiated and not t.sigmoids,
)
_PATH = chapter(
    "Lay a path around every block, and normalize what enters it.",
    "residual",
    lambda t: not t.paths,
)
_SCALE = chapter(
    "Divide what each block adds by the root of their number.", "residual", lambda t: t.paths
)
_ACTIVATION = chapter(
    "Replace sigmoid and tanh in hidden layers by ReLU or a relative.",
    "activations",
    lambda t: not t.differentiated and not t.normalized and not t.sigmoids,
)
_CLIP = chapter("Clip the global norm of the gradients; log it before the clip.", "clipping")
_GATES = chapter(
    "Open the gates: an LSTM with a large forget bias and its negative on the input gate, or a GRU "
    "with a large update bias.",
    "time-and-gates",
)
_SHORT = chapter("Show that so long a memory is needed; truncate if it is not.", "time-and-gates")
_ORTHOGONAL = chapter("Draw the recurrent weights of plain steps orthogonal.", "time-and-gates")
_DEEP_NORM = chapter(
    "Gradients explode in deep networks with batch normalization: lay a path around.",
    "normalization",
    lambda t: t.normalized and not t.paths,
)
_WARM = chapter(
    "Its size is no fault behind a normalization: warm the learning rate up, and clip.",
    "clipping",
    lambda t: t.normalized and t.paths,
)

_SKIP = chapter(
    "Skip the step, and lower the loss scale if there is one.", "clipping", lambda t: t.small
)

_WIDE = chapter(
    "Keep the weights in float32: in float16 the 1e-8 that Adam adds to what it divides by is 0.",
    "clipping",
    lambda t: t.small,
)

DEEP: dict[Verdict, tuple[Advice, ...]] = {
    Verdict.NON_FINITE: (
        _WIDE,
        _SKIP,
        chapter("Look for log, division and root at 0 where the first NaN appears.", "exploding"),
        chapter("Lower the learning rate, and clip the global norm.", "clipping"),
    ),
    Verdict.LOSS: (
        chapter(
            "Print the loss, what enters it and its targets: perhaps every label is masked.",
            "diagnose",
        ),
        chapter(
            "Look for a ReLU or a saturated sigmoid behind the last layer, softmax over one unit, "
            "rounding, argmax, or advantages of 0.",
            "diagnose",
        ),
    ),
    Verdict.CUT: (
        chapter(
            "Look there for .detach(), .data, .item(), NumPy, no_grad, argmax, or a checkpoint "
            "whose inputs ask for no gradient.",
            "diagnose",
        ),
    ),
    Verdict.STUCK: (
        chapter("Draw one of the two weights at random; one zero is enough.", "initialization"),
    ),
    Verdict.SYMMETRIC: (chapter("Draw the weights at random.", "initialization"),),
    Verdict.DEAD: (
        chapter("Start over with biases of 0 and a smaller learning rate.", "activations"),
        chapter("Give the off side a slope: leaky ReLU, GELU, ELU.", "activations"),
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
        chapter("Balance what is sent to the branches: the router has collapsed.", "residual"),
    ),
    Verdict.LARGE_STEP: (
        chapter("Lower the learning rate until a step is a thousandth.", "update-rule"),
        chapter("Bring the inputs to mean 0 and variance 1, and the targets.", "initialization"),
        _CLIP,
    ),
    Verdict.GROWING: (
        chapter("Lower the learning rate, or warm it up.", "update-rule"),
        _CLIP,
    ),
    Verdict.FROZEN: (
        chapter(
            "Keep a float32 copy of the weights, and update that.", "clipping", lambda t: t.small
        ),
        chapter(
            "Raise the learning rate: the step is below the gaps of the format.", "update-rule"
        ),
        chapter(
            "Scale the loss if the gradients underflow, and unscale them.",
            "clipping",
            lambda t: t.small,
        ),
    ),
    Verdict.ZERO_START: (
        chapter("Take one step, and ask again: the second step shows the rest.", "diagnose"),
    ),
    Verdict.HEALTHY: (chapter("Gradients arrive: look at learning rate and data.", "update-rule"),),
    Verdict.CANNOT_TELL: (chapter("Record δ, the gradient at each layer's output.", "diagnose"),),
}
"""For networks of layers. What does not fit the network is left out."""

IN_TIME: dict[Verdict, tuple[Advice, ...]] = DEEP | {
    Verdict.VANISHING: (_ORTHOGONAL, _GATES, _SHORT),
    Verdict.EXPLODING: (_ORTHOGONAL, _GATES, _CLIP),
    Verdict.CANNOT_TELL: (chapter("Record the norm of ∂L/∂x_t for each step.", "time-and-gates"),),
}
"""For the steps of recurrent networks."""
