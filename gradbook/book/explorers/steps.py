r"""Gradient descent on a parabola, and in a bowl of two curvatures.

On $L = \frac12 \lambda (w - w^*)^2$ the gradient is $\lambda (w - w^*)$, so that one step of
$w \leftarrow w - \eta \, dL/dw$ multiplies $w - w^*$ by $1 - \eta\lambda$: below
$\eta = 2/\lambda$ the distance shrinks. In a bowl each direction has its curvature, and all share
$\eta$.

Source: Nesterov 2004.
"""

import numpy as np

from gradbook.book.drawings import descent_plane, quadratic
from gradbook.book.explorers.explorer import Explorer
from gradbook.checks import Array, finite, positive, positive_int
from gradbook.show.figures import lines
from gradbook.show.formats import fixed_text, scientific_text

_SHARES = (0.2, 0.8, 1.8, 2.1)
"""Learning rates of the figure, in units of one over the curvature."""


def parabola(
    *, curvature: float = 1.0, minimum: float = 0.0, start: float = 2.0, steps: int = 20
) -> Explorer:
    r"""Show that each step multiplies $w - w^*$ by $1 - \eta\lambda$.

    Args:
        curvature: $\lambda$, positive.
        minimum: $w^*$.
        start: The first weight, another one than `minimum`.
        steps: How many steps can be taken.

    Examples:
        >>> parabola(curvature=2.0).data["curvature"]
        2.0
    """
    curve, steps = positive("curvature", curvature), positive_int("steps", steps)
    distance = abs(finite("start", start) - finite("minimum", minimum))
    if distance == 0:
        raise ValueError(f"start must differ from minimum, got {start} for both")
    rates = {share / curve: 1 - share for share in _SHARES}
    ends = [f"{scientific_text(abs(m) ** steps, 2)} at η = {lr:.3g}" for lr, m in rates.items()]
    picture = lines(
        np.arange(steps + 1),
        {
            f"η = {lr:.3g}, × {fixed_text(m, 1)}": _shrinking(distance, m, steps)
            for lr, m in rates.items()
        },
        log_y=True,
        x_label="step",
        y_label="distance to the minimum",
        alt=f"Four straight lines on a logarithmic axis. After {steps} steps the distance is, in "
        f"units of the first one, {', '.join(ends)}.",
        caption=rf"Gradient descent on $\frac12\lambda(w - w^*)^2$ with $\lambda = {curve:.3g}$. "
        rf"Each step multiplies $w - w^*$ by $1 - \eta\lambda$, so the distance shrinks for every "
        rf"$\eta$ between zero and $2/\lambda = {2 / curve:.3g}$ and grows for every larger one.",
    )
    data = {"curvature": curve, "minimum": minimum, "start": start, "steps": steps}
    return Explorer("gb-parabola", picture, data)


def bowl(*, ratio: int = 10, start: tuple[float, float] = (2.0, 1.0), steps: int = 40) -> Explorer:
    r"""Show that the steep direction limits the rate at which the flat one creeps.

    The loss is $\frac12 (w_1^2 + \kappa w_2^2)$: a step multiplies $w_1$ by $1 - \eta$ and $w_2$ by
    $1 - \eta\kappa$. The slower of both is fastest at $\eta = 2/(1 + \kappa)$, where the two are
    $\pm(\kappa - 1)/(\kappa + 1)$.

    Args:
        ratio: $\kappa$, the ratio of the curvatures, from 1 to 50.
        start: The first weights.
        steps: How many steps can be taken.

    Source: Nesterov 2004.

    Examples:
        >>> bowl(ratio=9).picture.caption[-44:]
        'multiplies $w_1$ by 0.80 and $w_2$ by −0.80.'
    """
    kappa, steps = positive_int("ratio", ratio), positive_int("steps", steps)
    lr, rate = 2 / (1 + kappa), (kappa - 1) / (kappa + 1)
    powers = np.array([rate, -rate]) ** np.arange(steps + 1)[:, None]
    picture = descent_plane(
        quadratic(np.diag([1.0, kappa])),
        {f"η = {lr:.3g}": np.array(start) * powers},
        minimum=(0, 0),
        alt=f"A path zigzags across the contours of a bowl {kappa} times steeper across than "
        f"along; each of its {steps} steps multiplies both distances by {rate:.2f} in size.",
        caption=rf"Gradient descent in the bowl $\frac12(w_1^2 + \kappa w_2^2)$ with "
        rf"$\kappa = {kappa}$ at its best learning rate, $2/(1 + \kappa) = {lr:.3g}$: each step "
        rf"multiplies $w_1$ by {rate:.2f} and $w_2$ by {fixed_text(-rate, 2)}.",
    )
    return Explorer("gb-bowl", picture, {"ratio": kappa, "start": list(start), "steps": steps})


def _shrinking(distance: float, multiplier: float, steps: int) -> Array:
    return np.asarray(distance * abs(multiplier) ** np.arange(steps + 1))
