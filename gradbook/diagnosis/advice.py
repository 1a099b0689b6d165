"""What to try next, in order, and which page of the book explains it."""

from dataclasses import dataclass

from gradbook.diagnosis.verdicts import Verdict


@dataclass(frozen=True)
class Advice:
    """One thing to try.

    Attributes:
        text: What.
        page: The page that explains it, below `docs/`.
    """

    text: str
    page: str

    @property
    def link(self) -> str:
        """The page's address on the site.

        Examples:
            >>> Advice("Clip.", "chapters/clipping.md").link
            'chapters/clipping/'
        """
        return self.page.removesuffix(".md") + "/"


def _chapter(text: str, name: str) -> Advice:
    return Advice(text, f"chapters/{name}.md")


_START = _chapter(
    "Draw the weights for the activation: 2/n for ReLU, 1/n for tanh.", "initialization"
)
_NORM = _chapter("Normalize each layer before its activation.", "normalization")
_PATH = _chapter("Lay a path around every block, and normalize what enters it.", "residual")
_SCALE = _chapter("Divide what each block adds by the root of their number.", "residual")
_CLIP = _chapter("Clip the global norm of the gradients; log it before the clip.", "clipping")
_GATES = _chapter("Use an LSTM with a large forget bias, or a GRU.", "time-and-gates")
_SHORT = _chapter("Show that so long a memory is needed; truncate if it is not.", "time-and-gates")

_TABLE = Advice("Look up what each remedy did to networks like this.", "what-do-i-try.md")

DEEP: dict[Verdict, tuple[Advice, ...]] = {
    Verdict.NON_FINITE: (
        _chapter("Skip the step, and lower the loss scale if there is one.", "clipping"),
        _chapter("Lower the learning rate, and clip the global norm.", "clipping"),
        _chapter("Look for log, division and root at 0 where the first NaN appears.", "exploding"),
    ),
    Verdict.DEAD: (
        _chapter("Start over with biases of 0 and a smaller learning rate.", "activations"),
        _chapter("Give the off side a slope: leaky ReLU, GELU, ELU.", "activations"),
        _NORM,
    ),
    Verdict.VANISHING: (
        _START,
        _chapter("Replace sigmoid and tanh in hidden layers by ReLU or a relative.", "activations"),
        _NORM,
        _PATH,
    ),
    Verdict.EXPLODING: (
        _START,
        _SCALE,
        _CLIP,
        _NORM,
    ),
    Verdict.FROZEN: (
        _chapter("Keep a float32 copy of the weights, and update that.", "clipping"),
        _chapter(
            "Raise the learning rate: the step is below the gaps of the format.", "update-rule"
        ),
        _chapter("Scale the loss if the gradients underflow, and unscale them.", "clipping"),
    ),
    Verdict.HEALTHY: (
        _chapter("Gradients arrive: look at learning rate and data.", "update-rule"),
    ),
    Verdict.CANNOT_TELL: (_chapter("Record δ, the gradient at each layer's output.", "diagnose"),),
}
"""For networks of layers."""

IN_TIME: dict[Verdict, tuple[Advice, ...]] = DEEP | {
    Verdict.VANISHING: (_GATES, _SHORT),
    Verdict.EXPLODING: (
        _CLIP,
        _chapter("Draw the recurrent weights orthogonal.", "time-and-gates"),
        _GATES,
    ),
    Verdict.CANNOT_TELL: (_chapter("Record the norm of ∂L/∂x_t for each step.", "time-and-gates"),),
}
"""For recurrent networks."""


NORMALIZED: dict[Verdict, tuple[Advice, ...]] = DEEP | {
    Verdict.EXPLODING: (
        _chapter("Batch normalization in deep networks explodes: use a path.", "normalization"),
        _PATH,
        _SCALE,
        _CLIP,
    ),
}
"""For networks of layers with normalizations, which do not care about the scale of the weights."""

ONE_LAYER = _chapter(
    "One layer does most of it: look at the weights next to where it starts.", "initialization"
)
"""What comes first if a single step makes most of the change."""


def next_steps(
    verdict: Verdict, recurrent: bool = False, *, normalized: bool = False, single: bool = False
) -> tuple[Advice, ...]:
    """Return what to try, the first thing first.

    Args:
        verdict: What is wrong.
        recurrent: Whether the network has recurrent weights.
        normalized: Whether it has normalizations.
        single: Whether a single layer seems to be to blame for a gradient that changes.

    Returns:
        The steps.

    Examples:
        >>> [step.page for step in next_steps(Verdict.VANISHING, recurrent=True)]
        ['chapters/time-and-gates.md', 'chapters/time-and-gates.md', 'what-do-i-try.md']
    """
    of_layers = NORMALIZED if normalized else DEEP
    steps = (IN_TIME if recurrent else of_layers)[verdict]
    if single and not recurrent and verdict in (Verdict.VANISHING, Verdict.EXPLODING):
        steps = (ONE_LAYER, *steps)
    return (*steps, _TABLE) if verdict.is_problem else steps
