"""Below how many layers a weight stands still, found by taking the steps.

Examples:
    >>> from gradbook.precision import ALL
    >>> {f.name: freeze_depth(f, w=2.5, gradient=0.2, factor=0.25, lr=1.0) for f in ALL}
    {'float16': 4, 'bfloat16': 3, 'float32': 11, 'float64': 25}
"""

from gradbook.precision import Format, predicted_freeze_depth, round_to, step_is_lost


def freeze_depth(fmt: Format, w: float, gradient: float, factor: float, lr: float) -> int | None:
    r"""Find the first number of layers $L$ at which the update of $w$ changes nothing.

    The gradient is multiplied by the factor, between 0 and 1, once per layer, then by the learning
    rate, each time rounded to the format: $\mathrm{fl}(w - \eta g \cdot \text{factor}^L) = w$.
    It is None if the gradient sticks at a subnormal number before the step is lost: times a factor
    above 1/2 the smallest number rounds back to itself.
    """
    predicted_freeze_depth(fmt, w, gradient, factor, lr)  # refuses what it cannot take
    g, stored, rate = (float(round_to(fmt, x)) for x in (gradient, factor, lr))
    depth = 0
    while not step_is_lost(fmt, w, rate * g):
        smaller = float(round_to(fmt, g * stored))
        if smaller == g:
            return None
        g, depth = smaller, depth + 1
    return depth
