"""Lets torchvision be imported beside a PyTorch that it was not built for.

An index may have torchvision for CUDA alone, and PyTorch without: then the C++ operators of
detection cannot be loaded, and `import torchvision` fails where it describes them, and with it
timm's and Lightning's. No network here uses one, so their names are enough.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch

DESCRIBED = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
"""The operators that torchvision describes whether they are there or not."""


def install() -> torch.library.Library | None:
    """Define the names, and return what keeps them, if the operators do not load."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        torch.ops.load_library(str(next(Path(spec.origin).parent.glob("_C.*so"))))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name, schema in DESCRIBED.items():
            library.define(name + schema)
        return library
    return None


KEPT = install()
