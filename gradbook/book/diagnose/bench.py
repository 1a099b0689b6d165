"""Show what it costs to measure a hundred million gradients; run as a module, it prints it."""

import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradbook.checks import Array, positive_int
from gradbook.diagnosis.measuring.sizes import measure
from gradbook.diagnosis.reading.arrays import hand_over
from gradbook.diagnosis.reading.files import open_tensors

_SLOWEST = 3.0
"""How many times one pass of `numpy.linalg.norm` per tensor measuring may take."""

_MOST_MEMORY = 100_000_000
"""How many bytes beyond the largest tensor measuring may allocate."""


@dataclass(frozen=True)
class Cost:
    """What was found.

    Attributes:
        numbers: How many gradients there were.
        norm_seconds: The time of one pass of `numpy.linalg.norm` per tensor.
        seconds: The time of `measure`.
        largest: The bytes of the largest tensor.
        peak: The most bytes allocated while tensors in memory were measured.
        peak_file: The same, for tensors read from a file.
    """

    numbers: int
    norm_seconds: float
    seconds: float
    largest: int
    peak: int
    peak_file: int

    @property
    def ratio(self) -> float:
        """How many passes of `numpy.linalg.norm` measuring takes."""
        return self.seconds / self.norm_seconds

    @property
    def holds(self) -> bool:
        """Whether time and memory are within their bounds."""
        beyond = max(self.peak, self.peak_file - self.largest)
        return self.ratio <= _SLOWEST and beyond <= _MOST_MEMORY

    def __str__(self) -> str:
        """Say it in three lines."""
        return (
            f"{self.numbers:,} float32 gradients: {self.seconds:.3f} s, numpy.linalg.norm "
            f"{self.norm_seconds:.3f} s: {self.ratio:.2f} times (at most {_SLOWEST:g})\n"
            f"in memory: {self.peak / 1e6:.1f} MB allocated\n"
            f"from a file: {self.peak_file / 1e6:.1f} MB allocated, the largest tensor has "
            f"{self.largest / 1e6:.1f} MB (at most {_MOST_MEMORY / 1e6:g} MB more)"
        )


def _fastest(run: Callable[[], object], times: int) -> float:
    def seconds() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return min(seconds() for _ in range(times))


@contextmanager
def _peak(found: list[int]) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def _peaks(gradients: dict[str, Array]) -> tuple[int, int]:
    found: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gradients.npz")
        np.savez(path, **gradients)  # type: ignore[arg-type]
        with _peak(found):
            list(measure(hand_over(gradients)))
        with _peak(found), open_tensors(path) as tensors:
            list(measure(tensors))
    return found[0], found[1]


def cost(layers: int, width: int, rng: np.random.Generator, times: int = 5) -> Cost:
    """Measure what `measure` costs for a network of square layers in float32.

    Args:
        times: How often each time is taken; the shortest counts.
    """
    shape = (positive_int("width", width),) * 2
    gradients = {
        f"{i}.W": rng.standard_normal(shape, dtype=np.float32)
        for i in range(positive_int("layers", layers))
    }
    tensors = hand_over(gradients)
    return Cost(
        numbers=layers * width**2,
        norm_seconds=_fastest(lambda: [np.linalg.norm(g) for g in gradients.values()], times),
        seconds=_fastest(lambda: list(measure(tensors)), times),
        largest=gradients["0.W"].nbytes,
        **dict(zip(("peak", "peak_file"), _peaks(gradients), strict=True)),
    )


def main() -> int:
    """Print the cost of a hundred million gradients; return 1 if it is beyond its bounds."""
    found = cost(layers=25, width=2000, rng=np.random.default_rng(0))
    print(found)
    return 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(main())
