"""What is said of made-up losses, of which noise alone makes some end above where they began."""

import numpy as np
import pytest

from gradbook.checks import Array
from gradbook.diagnosis import Report, diagnose
from gradbook.diagnosis.run_losses import risen
from gradbook.diagnosis.run_page import Moment

LOOKS = (10, 20, 50)
RUNS = 200


def healthy() -> Report:
    rng = np.random.default_rng(0)
    grads = {f"fc{k}.weight": rng.standard_normal((8, 8)) for k in range(1, 5)}
    return diagnose(grads, deltas=[rng.standard_normal((16, 8)) for _ in grads])


def say_risen(losses: Array) -> float:
    """Return the share of runs, one a row, of which the report says that the loss has risen."""
    report, said = healthy(), 0
    for told in losses:
        moments = [Moment(k, float(x), 1.0, {}, {}, report) for k, x in enumerate(told)]
        said += "the loss has" in risen(report, moments).reason
    return said / len(losses)


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("spread", [0.2, 0.5, 0.8])
def test_a_loss_that_is_flat_and_noisy_has_not_risen(spread: float, looks: int) -> None:
    """At one in twenty: the share of draws that lie three standard errors off, and the tails."""
    noise = np.random.default_rng(0).standard_normal((RUNS, looks))
    assert say_risen(np.exp(spread * noise)) <= 0.05


@pytest.mark.parametrize("looks", LOOKS)
def test_a_loss_that_rises_has_risen_noise_or_not(looks: int) -> None:
    noise = np.random.default_rng(0).standard_normal((RUNS, looks))
    rises = np.linspace(0, np.log(4), looks)
    assert say_risen(np.exp(rises)[None]) == 1
    assert say_risen(np.exp(rises + 0.2 * noise)) >= 0.9


@pytest.mark.parametrize("sizes", [(1.0, 3.0), (1.0, 10.0), (1.0, 2.0, 6.0)])
@pytest.mark.parametrize("looks", [*LOOKS, 16, 18, 26, 56, 58])
def test_batches_that_take_turns_are_no_noise(looks: int, sizes: tuple[float, ...]) -> None:
    turns = np.resize(sizes, looks)
    noise = np.random.default_rng(0).lognormal(0, 0.05, (50, looks))
    assert say_risen(turns * noise) <= 0.05
    if looks >= 50:
        assert say_risen(turns * np.linspace(1, 4, looks) * noise) >= 0.95
