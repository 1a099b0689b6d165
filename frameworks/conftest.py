"""Small matrices need no threads, and beside other processes a second one waits for the first."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # a process has one, and several libraries load Keras

import stand_ins  # noqa: F401 - before timm, Lightning or torchvision is imported
import torch

torch.set_num_threads(1)

# Doctests would be looked for in a second copy of the one; the other takes Keras' other backend,
# for a process of its own.
collect_ignore = ["stand_ins.py", "keras_on_torch.py"]
