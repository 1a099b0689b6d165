"""Builders of networks; each returns a list of layers."""

from gradbook.networks.dense import plain, unrolled
from gradbook.networks.gated import unrolled_gru, unrolled_lstm, zero_state
from gradbook.networks.normalization import batch_norm, layer_norm, normalized
from gradbook.networks.residual_blocks import (
    chained,
    post_norm,
    pre_norm,
    residual,
    two_layer_blocks,
)
from gradbook.networks.transformer import attention_block, transformer_blocks

__all__ = [
    "attention_block",
    "batch_norm",
    "chained",
    "layer_norm",
    "normalized",
    "plain",
    "post_norm",
    "pre_norm",
    "residual",
    "transformer_blocks",
    "two_layer_blocks",
    "unrolled",
    "unrolled_gru",
    "unrolled_lstm",
    "zero_state",
]
