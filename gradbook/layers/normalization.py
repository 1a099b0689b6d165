"""Normalizations: layers that give their inputs a fixed mean and length."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from gradbook.checks import Array, non_negative
from gradbook.layers.base import Backward, Forward, Parameterized, present
from gradbook.layers.shared import bias_gradient, biased, check_ensemble, floating, sum_to
from gradbook.layers.standardization import standardize, standardize_back


class Normalization(Parameterized):
    r"""Share what the normalizations have in common: $a = \gamma \hat x + \beta$.

    A kind of normalization says along which axis it takes its statistics, and whether it subtracts
    the mean; see `gradbook.layers.standardization` for $\hat x$ and its gradient, derived by hand.
    Each has factors `gamma`, `(..., width)`, or None for 1; shifts `beta`, or None for 0; and
    `epsilon`, which is added to the variance.
    """

    _names: ClassVar[tuple[str, ...]] = ("gamma", "beta")
    _axis: ClassVar[int] = -1
    _center: ClassVar[bool] = True

    epsilon: float

    def __post_init__(self) -> None:
        """Check the parameters and epsilon."""
        non_negative("epsilon", self.epsilon)
        super().__post_init__()

    def _check_shapes(self) -> None:
        widths = {}
        for name, value in self.parameters.items():
            if floating(name, value).ndim < 1:
                raise ValueError(f"{name} must have shape (..., width), got {value.shape}")
            widths[name] = value.shape[-1]
        if len(set(widths.values())) > 1:
            raise ValueError(f"gamma and beta must have the same width, got {widths}")

    def forward(self, x: Array) -> Forward:
        r"""Compute $a = \gamma \hat x + \beta$ with $\hat x = (x - \mu)/s$, and save $\hat x$, $s$.

        Raises:
            ValueError: If one number is left where the mean is subtracted, which leaves nothing; or
                nothing to divide by, and epsilon is 0.
        """
        self._check_input(x)
        x_hat, s = self._standardized(x)
        gamma = self.parameters.get("gamma")
        a = x_hat.astype(np.result_type(x, np.float16))
        a = biased(a if gamma is None else a * gamma[..., None, :], self.parameters.get("beta"))
        return Forward(x, a, saved=(x_hat, s))

    def backward(self, record: Forward, da: Array) -> Backward:
        r"""Compute the gradients on `x`, `gamma` and `beta` by the chain rule.

        With $g = \gamma \, \partial L/\partial a$ the gradient on $\hat x$, and means along the
        axis of the statistics,

        $$\frac{\partial L}{\partial x}
        = \frac{1}{s} \bigl(g - \overline{g} - \hat x \, \overline{g \hat x}\bigr), \qquad
        \frac{\partial L}{\partial \gamma} = \sum \frac{\partial L}{\partial a} \, \hat x, \qquad
        \frac{\partial L}{\partial \beta} = \sum \frac{\partial L}{\partial a},$$

        the sums over the batch. `gradbook.layers.standardization` derives the first. RMSNorm has no
        $\overline{g}$; fixed statistics leave $g/s$ alone.
        """
        if len(record.saved) != 2:
            raise ValueError(
                "record must come from this layer's forward, got one without x_hat and s"
            )
        x_hat, s = record.saved
        gamma, beta = self.parameters.get("gamma"), self.parameters.get("beta")
        dx = self._standardized_back(x_hat, s, da if gamma is None else da * gamma[..., None, :])
        grads = {"gamma": _scale_gradient(gamma, da, x_hat), "beta": bias_gradient(beta, da)}
        return Backward(dx.astype(np.result_type(da, np.float16)), present(grads))

    def _standardized(self, x: Array) -> tuple[Array, Array]:
        if self._center and x.shape[self._axis] < 2:
            what = {-1: "units", -2: "examples, or the layer its fixed mean and variance"}
            raise ValueError(f"x must have at least 2 {what[self._axis]}, got shape {x.shape}")
        return standardize(x, self._axis, self.epsilon, center=self._center)

    def _standardized_back(self, x_hat: Array, s: Array, dx_hat: Array) -> Array:
        return standardize_back(x_hat, s, dx_hat, self._axis, center=self._center)

    def _check_input(self, x: Array) -> None:
        if np.ndim(x) < 2 or x.size == 0:
            raise ValueError(f"x must have shape (..., batch, width), got {np.shape(x)}")
        for name, value in self._columns().items():
            if value.shape[-1] != x.shape[-1]:
                expected = f"(..., batch, {value.shape[-1]})"
                raise ValueError(f"x must have shape {expected} to fit {name}, got {x.shape}")
            check_ensemble("x", x.shape[:-2], name, value.shape[:-1])

    def _columns(self) -> dict[str, Array]:
        return dict(self.parameters)


@dataclass(frozen=True, eq=False)
class BatchNorm(Normalization):
    r"""Normalize a unit over the batch: $a = \gamma (x - \mu)/s + \beta$.

    In training, $\mu$ and $\sigma^2 = s^2 - \varepsilon$ are each unit's mean and (biased) variance
    in the batch, so the output for one example depends on the others. For evaluation the layer is
    given a mean and a variance, `(..., width)`, and treats every example on its own: then `a` is
    `x`, scaled and shifted.

    Examples:
        >>> layer = BatchNorm(gamma=None, beta=np.array([0.0, 10.0]), epsilon=0.0)
        >>> layer.forward(np.array([[1.0, 5.0], [3.0, 7.0]])).a.tolist()
        [[-1.0, 9.0], [1.0, 11.0]]

    Source: Ioffe & Szegedy 2015.
    """

    _axis = -2

    gamma: Array | None
    beta: Array | None
    epsilon: float = 1e-5
    mean: Array | None = None
    variance: Array | None = None

    def _check_shapes(self) -> None:
        super()._check_shapes()
        if (self.mean is None) != (self.variance is None):
            missing = "variance" if self.variance is None else "mean"
            raise ValueError(f"mean and variance must be given together, got {missing}=None")
        for name, value in self._columns().items():
            if floating(name, value).ndim < 1 or not np.isfinite(value).all():
                raise ValueError(f"{name} must be finite and of shape (..., width), got {value!r}")
        if self.variance is not None and (self.variance + self.epsilon <= 0).any():
            raise ValueError(f"variance + epsilon must be positive, got {self.variance!r}")

    def fixed(self, x: Array) -> Self:
        """Return the layer for evaluation, with the mean and variance that `x` has."""
        self._check_input(x)
        wide = x.astype(np.result_type(x, np.float32))
        return type(self)(self.gamma, self.beta, self.epsilon, wide.mean(-2), wide.var(-2))

    def _standardized(self, x: Array) -> tuple[Array, Array]:
        if self.mean is None or self.variance is None:
            return super()._standardized(x)
        wide = x.astype(np.result_type(x, np.float32))
        s = np.sqrt(self.variance[..., None, :] + self.epsilon)
        return (wide - self.mean[..., None, :]) / s, s

    def _standardized_back(self, x_hat: Array, s: Array, dx_hat: Array) -> Array:
        if self.mean is None:
            return super()._standardized_back(x_hat, s, dx_hat)
        return np.asarray(dx_hat / s)

    def _columns(self) -> dict[str, Array]:
        return present({**self.parameters, "mean": self.mean, "variance": self.variance})


@dataclass(frozen=True, eq=False)
class LayerNorm(Normalization):
    r"""Normalize an example over its units: $a = \gamma (x - \mu)/s + \beta$.

    $\mu$ and $\sigma^2 = s^2 - \varepsilon$ are the mean and (biased) variance of one example's
    units, so examples do not depend on each other, in training or afterwards.

    Examples:
        >>> layer = LayerNorm(gamma=None, beta=None, epsilon=0.0)
        >>> layer.forward(np.array([[1.0, 5.0]])).a.tolist()
        [[-1.0, 1.0]]

    Source: Ba et al. 2016.
    """

    gamma: Array | None
    beta: Array | None
    epsilon: float = 1e-5


@dataclass(frozen=True, eq=False)
class RMSNorm(Normalization):
    r"""Divide an example by its length: $a = \gamma x/s$ with $s^2 = \overline{x^2} + \varepsilon$.

    It is layer normalization without the mean and without the shift.

    Examples:
        >>> layer, x = RMSNorm(gamma=None, epsilon=0.0), np.array([[1.0, 7.0]])
        >>> (record := layer.forward(x)).a.tolist()
        [[0.2, 1.4]]
        >>> layer.backward(record, x).dx.round(4).tolist()  # no gradient along x is left
        [[0.0, 0.0]]

    Source: Zhang & Sennrich 2019.
    """

    _names = ("gamma",)
    _center = False

    gamma: Array | None
    epsilon: float = 1e-5


def _scale_gradient(gamma: Array | None, da: Array, x_hat: Array) -> Array | None:
    if gamma is None:
        return None
    return sum_to((da * x_hat).sum(axis=-2), gamma.shape).astype(gamma.dtype)
