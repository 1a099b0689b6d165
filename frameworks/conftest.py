"""Small matrices need no threads, and beside other processes a second one waits for the first."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # a process has one, and several libraries load Keras

import stand_ins  # noqa: F401 - before timm, Lightning or torchvision is imported
import torch

torch.set_num_threads(1)

# It may be imported once in a process; doctests would be looked for in a second copy.
collect_ignore = ["stand_ins.py"]
