"""Draw the energies behind ReLU networks, by the law of `finite_width`."""

from collections.abc import Sequence

import numpy as np

from gradbook.book.finite_width import layer_sizes
from gradbook.checks import Array, generator, non_negative, positive_int


def draw_relu_energies(
    rng: np.random.Generator, widths: Sequence[int], draws: int, sigma_w2: float = 2.0
) -> Array:
    r"""Draw $X = \prod_l \frac{\sigma_w^2}{n_l} \chi^2_{B_l}$ without building a network.

    Two random numbers per layer instead of a matrix, for what has no closed form: medians, bands.
    It is 0 where a layer died.

    Examples:
        >>> x = draw_relu_energies(np.random.default_rng(0), [20] * 6, draws=50_000)
        >>> f"{x.mean():.2f} {np.median(x):.2f}"
        '1.00 0.47'
    """
    rng, draws = generator("rng", rng), positive_int("draws", draws)
    w2, product = non_negative("sigma_w2", sigma_w2), np.ones(draws)
    for n in layer_sizes(widths):
        active = rng.binomial(n, 0.5, draws)
        # chi-squared is twice a gamma variable, which takes a shape of 0 where a layer is dead.
        product *= w2 / n * 2 * rng.standard_gamma(active / 2)
    return product
