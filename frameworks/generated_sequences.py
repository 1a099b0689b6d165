"""Architectures for words and for series."""

from __future__ import annotations

from generated_parts import CLASSES, Around, Net, Then, averaged
from planted_networks import Recurrent
from torch import Tensor, nn

STATES = (16, 20, 24, 28, 32, 36)


def transformer(size: int, first: bool = True) -> nn.Module:
    width = (32, 40)[size % 2]
    layers = (
        nn.TransformerEncoderLayer(
            width, 4, 64, dropout=0.0, batch_first=True, norm_first=first, activation="gelu"
        )
        for _ in range(size // 2 + 2)
    )
    return Net(nn.Embedding(60, width), layers, averaged(width))


def mixer(size: int) -> nn.Module:
    width = (32, 40)[size % 2]

    def block() -> nn.Module:
        turn = Then(lambda h: h.transpose(1, 2))
        among = nn.LayerNorm(width), turn, nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8), turn
        within = nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width)
        return nn.Sequential(Around(*among), Around(*within))

    return Net(nn.Embedding(60, width), (block() for _ in range(size // 2 + 1)), averaged(width))


class Asking(nn.Module):
    """Words that hear of those before them, in several heads, by matrices of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.qkv = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(self.norm(x)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (4, -1)).transpose(1, 2) for part in parts)
        heard = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + self.out(heard.transpose(1, 2).flatten(2))


def decoder(size: int) -> nn.Module:
    """As GPT has it; the last word tells the class."""

    def block() -> nn.Module:
        within = nn.LayerNorm(40), nn.Linear(40, 80), nn.GELU(), nn.Linear(80, 40)
        return nn.Sequential(Asking(40), Around(*within))

    head = nn.Sequential(nn.LayerNorm(40), Then(lambda h: h[:, -1]), nn.Linear(40, CLASSES))
    return Net(nn.Embedding(60, 40), (block() for _ in range(size // 2 + 1)), head)


def along_time(size: int) -> nn.Module:
    """Convolutions over the words, each reaching twice as far as the one before."""

    def block(k: int) -> nn.Module:
        reach = 2 ** (k % 3)
        over = nn.Conv1d(24, 24, 3, padding=reach, dilation=reach)
        return Around(over, nn.GroupNorm(4, 24), nn.SiLU(), behind=nn.Identity())

    stem = nn.Sequential(nn.Embedding(60, 24), Then(lambda h: h.transpose(1, 2)))
    head = nn.Sequential(Then(lambda h: h.mean(2)), nn.Linear(24, CLASSES))
    return Net(stem, (block(k) for k in range(size + 2)), head)


def lstm(size: int) -> nn.Module:
    """An LSTM whose forget gates begin open."""
    width = STATES[size]
    net = Recurrent(nn.LSTM(8, width, batch_first=True))
    nn.init.constant_(net.rnn.bias_hh_l0[width : 2 * width], 5.0)  # the gates are i, f, g, o
    return net


def gru(size: int) -> nn.Module:
    """A GRU whose update gates begin closed."""
    width = STATES[size]
    net = Recurrent(nn.GRU(8, width, batch_first=True))
    nn.init.constant_(net.rnn.bias_hh_l0[width : 2 * width], 4.0)  # the gates are r, z, n
    return net


def both_directions(size: int) -> nn.Module:
    return Recurrent(nn.GRU(8, STATES[size], batch_first=True, bidirectional=True))
