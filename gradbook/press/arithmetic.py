"""One arithmetic on all machines of a kind, so that a page's numbers are the same on each.

OpenBLAS and NumPy choose their loops by the processor, and each adds up in an order of its own. A
training that is sensitive to rounding then ends elsewhere. What is set here is what every processor
of the last ten years has. Elsewhere than on x86-64 the last digits may differ.
"""

import os
import platform

SETTINGS = {
    # The book's matrices are small: threads cost more than they bring.
    "OPENBLAS_NUM_THREADS": "1",
    **(
        {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
        if platform.machine() in ("x86_64", "AMD64")
        else {}
    ),
}
"""What the environment has to say before NumPy is loaded; the Makefile says it, too."""


def settle() -> None:
    """Say it to this process and to those that it starts, where nothing else is said."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
