"""One sound network of each architecture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generated_chains import Towers, autoencoder, bag, experts, graph, mlp, normalized
from generated_images import Skips, beside, by_channel, grouped, pooled, residual, strided
from generated_parts import BODY, ENDS, STEPS_OF_TIME, images, rows, same, starts, tokens
from generated_sequences import along_time, both_directions, decoder, gru, lstm, mixer, transformer
from planted_networks import adam, both_ways, in_time
from planted_truth import Case, through
from torch import nn
from torch.nn import functional as F


def sound(size: int) -> Iterator[Case]:
    """Yield one network of each architecture; some are kept back for the sizes that are judged."""
    yield from _chains(size)
    yield from _images(size)
    yield from _sequences(size)
    if size % 2:
        yield from _kept_back(size)


def _case(name: str, net: Any, draw: Any, lr: float = 3e-3, states: Any = ENDS, **of: Any) -> Case:
    return Case(name, "healthy", net, draw, states, optimizer=adam(lr), **of)


def _chains(size: int) -> Iterator[Case]:
    yield _case("MLP", lambda: mlp(size), rows)
    yield _case("MLP of tanh", lambda: mlp(size, nn.Tanh, 1.0), rows)
    yield _case("MLP of GELU", lambda: mlp(size, nn.GELU, 1.5), rows)
    yield _case("batch norm, no paths", lambda: normalized(size), rows)
    yield _case("bag of words", lambda: bag(size), tokens, 1e-2)
    yield _case("autoencoder", lambda: autoencoder(size), same, 1e-2, BODY, loss=F.mse_loss)
    yield _case("graph", lambda: graph(size), rows, 1e-2)
    yield _case("two towers", lambda: Towers(size), rows, states=through("head"))


def _images(size: int) -> Iterator[Case]:
    yield _case("strided CNN", lambda: strided(size), images)
    yield _case("pools and norms", lambda: pooled(size), images)
    yield _case("residual, batch norm", lambda: residual(size), images)
    yield _case("residual, group norm", lambda: grouped(size), images)
    yield _case("layers beside", lambda: beside(size), images)
    yield _case("U-Net", lambda: Skips(size), images, states=through("stem", "up.0"))


def _sequences(size: int) -> Iterator[Case]:
    series = starts(STEPS_OF_TIME[size])
    yield _case("transformer, norm first", lambda: transformer(size), tokens)
    yield _case("transformer, norm last", lambda: transformer(size, False), tokens)
    yield _case("mixer", lambda: mixer(size), tokens)
    yield _case("LSTM", lambda: lstm(size), series, 1e-2, in_time)
    yield _case("GRU", lambda: gru(size), series, 1e-2, in_time)


def _kept_back(size: int) -> Iterator[Case]:
    series = starts(STEPS_OF_TIME[size])
    yield _case("MLP of SiLU", lambda: mlp(size, nn.SiLU, 1.7), rows)
    yield _case("experts", lambda: experts(size), rows)
    yield _case("channels by themselves", lambda: by_channel(size), images)
    yield _case("decoder", lambda: decoder(size), tokens)
    yield _case("convolutions along time", lambda: along_time(size), tokens)
    yield _case("GRU in both directions", lambda: both_directions(size), series, 1e-2, both_ways)
