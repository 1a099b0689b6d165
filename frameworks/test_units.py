"""Units that are off, counted by hand where a ReLU is called, and zeros that are no such units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from planted_off import Rectified
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

V = Verdict
WIDTH = 64

Block = Callable[[Tensor, nn.Linear], Tensor]
"""What is made of a state, with a layer."""


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Blocks(nn.Module):
    """A few layers, and the same done with each."""

    def __init__(self, block: Block, share: float = 0.0) -> None:
        super().__init__()
        self.stem, self.out, self.block = nn.Linear(8, WIDTH), nn.LazyLinear(4), block
        self.layers = nn.ModuleList(nn.LazyLinear(WIDTH) for _ in range(4))
        self(torch.randn(2, 8))  # tells the layers how wide they are
        for layer in self.layers:
            nn.init.constant_(layer.bias[: round(share * WIDTH)], -50.0)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for layer in self.layers:
            h = self.block(h, layer)
        return self.out(h)


def ask(net: nn.Module, x: Tensor | None = None) -> Report:
    deltas, x = gradbook.watch(net), torch.randn(32, 8) if x is None else x
    F.cross_entropy(net(x), torch.randint(4, (len(x),))).backward()
    return gradbook.diagnose(net, deltas=deltas)


def trained(net: nn.Module, x: Tensor, steps: int = 60) -> float:
    """Return the last loss over the first."""
    y, optimizer = torch.randint(4, (len(x),)), torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] / losses[0]


GOES_ON: dict[str, Block] = {
    "sum": lambda h, layer: h + F.relu(layer(h)),
    "in place": lambda h, layer: h + F.relu(layer(h), inplace=True),
    "normalized, sum": lambda h, layer: h + F.relu(layer(F.layer_norm(h, [WIDTH]))),
    "normalized": lambda h, layer: F.layer_norm(F.relu(layer(h)), [WIDTH]),
    "sum behind a dropout": lambda h, layer: h + F.dropout(F.relu(layer(h)), 0.3),
    "concatenation": lambda h, layer: torch.cat([h, F.relu(layer(h))], 1),
    "product": lambda h, layer: h + F.relu(layer(h)) * h.sigmoid(),
}


@pytest.mark.parametrize("way", GOES_ON)
@pytest.mark.parametrize("share", [0.4, 0.8, 1.0])
def test_units_are_counted_wherever_what_they_return_goes(way: str, share: float) -> None:
    net, x = Blocks(GOES_ON[way], share), torch.randn(32, 8)
    with Rectified() as seen:
        net(x)
    truth = sum(seen.shares) / len(seen.shares)
    assert len(seen.shares) == 4
    assert truth == pytest.approx(share, abs=0.05)
    report = ask(net, x)
    assert report.verdict is (V.DEAD if share > 0.75 else V.HEALTHY)
    said = f"{truth:.0%} of a hidden layer's units", "All units of layers.3"
    assert share < 0.75 or any(one in report.reason for one in said)


def test_of_a_healthy_sum_it_is_said_that_few_units_of_a_layer_are_left() -> None:
    net = Blocks(GOES_ON["sum"])
    nn.init.constant_(net.layers[1].bias[:-3], -50.0)
    report = ask(net)
    assert (report.verdict, report.findings[0].hint) == (V.HEALTHY, "few left")
    assert f"{1 - 3 / WIDTH:.0%} of the units of layers.1" in report.reason


SPELLED: dict[str, Callable[[Tensor], Tensor]] = {
    "method": lambda z: z.relu(),
    "in place": lambda z: z.relu_(),
    "clamp": lambda z: z.clamp(min=0),
    "clamp_min": lambda z: z.clamp_min(0),
    "maximum": lambda z: torch.maximum(z, torch.zeros_like(z)),
    "squared": lambda z: z.relu().square(),
    "ReLU6": F.relu6,
    "hard swish": F.hardswish,
}


@pytest.mark.parametrize("way", SPELLED)
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_relu_is_one_however_it_is_written(way: str, share: float) -> None:
    bend = SPELLED[way]
    report = ask(Blocks(lambda h, layer: bend(layer(h)), share))
    assert (report.verdict is V.DEAD) == (share > 0.75)


def largest(z: Tensor) -> Tensor:
    return z >= z.topk(4, 1)[0][:, -1:]


FIXED = (torch.arange(WIDTH) % 5 == 0).float()
NO_UNITS: dict[str, Block] = {
    "the largest, by a condition": lambda h, layer: h + (z := layer(h)).where(largest(z), 0.0),
    "the largest, by a factor": lambda h, layer: h + (z := layer(h).relu()) * largest(z),
    "the largest, alone": lambda h, layer: h + layer((z := 9 * h).where(largest(z), 0.0)),
    "dropout": lambda h, layer: h + F.dropout(layer(h).relu(), 0.9),
    "a mask that is fixed": lambda h, layer: h + layer(h) * FIXED,
    "a mask that is fixed, of ReLUs": lambda h, layer: h + layer(h).relu() * FIXED,
    "a mask, read": lambda h, layer: h + layer(h * FIXED),
    "examples left out": lambda h, layer: h + layer(h).relu() * (torch.rand(len(h), 1) > 0.7),
    "the larger of two": lambda h, layer: torch.maximum(z := layer(h), -z),
    "the largest of eight": lambda h, layer: (
        h + F.max_pool1d(layer(h).relu(), 8).repeat_interleave(8, 1)
    ),
    "both sides": lambda h, layer: h + ((z := layer(h)) + 20).relu() - (-z - 20).relu(),
}


@pytest.mark.parametrize("way", NO_UNITS)
def test_other_zeros_are_no_units_that_are_off(way: str) -> None:
    assert ask(Blocks(NO_UNITS[way])).verdict is V.HEALTHY


def test_inputs_that_are_one_hot_are_no_units_that_are_off() -> None:
    words = nn.Sequential(nn.Linear(200, 32), nn.ReLU(), nn.Linear(32, 4))
    assert ask(words, F.one_hot(torch.arange(24), 200).float()).verdict is V.HEALTHY


class Squeezed(nn.Module):
    """Squeeze-and-excitation around a convolution, with so few units between."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.down, self.up = nn.Conv2d(32, units, 1), nn.Conv2d(units, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.conv(x))
        return (x + h * self.up(self.down(h.mean((2, 3), True)).relu()).sigmoid()).relu()


def squeezed(units: int, shut: int, blocks: int = 6) -> tuple[Any, Tensor]:
    body: list[Any] = [Squeezed(units) for _ in range(blocks)]
    for block in body[:shut]:
        nn.init.constant_(block.down.bias, -9.0)
    ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4)
    return nn.Sequential(nn.Conv2d(3, 32, 3), *body, *ends), torch.randn(16, 3, 8, 8)


@pytest.mark.parametrize("units", [1, 2, 4])
@pytest.mark.parametrize("shut", [1, 3])
def test_a_narrow_side_branch_that_is_shut_is_a_remark(units: int, shut: int) -> None:
    net, x = squeezed(units, shut)
    report = ask(net, x)
    assert report.verdict is V.HEALTHY
    assert "1.down" in report.reason
    assert "start over" not in report.steps[0].text.lower()
    assert trained(net, x) < 0.5


def by_hand(h: Tensor, layer: nn.Linear) -> Tensor:
    """Use a layer's weights without calling it, once it knows how wide they are."""
    known = type(layer) is nn.Linear
    return h @ layer.weight.T + layer.bias if known else layer(h)


BEFORE_A_RELU: dict[str, Block] = {
    "plain": lambda h, layer: F.relu(layer(h)),
    "sum": lambda h, layer: h + F.relu(layer(h)),
    "product": lambda h, layer: h * (1 + F.relu(layer(h))),
    "by hand": lambda h, layer: F.relu(by_hand(h, layer)),
    "a condition": lambda h, layer: (z := layer(h)).where(z > 0, 0.0),
    "ReLU6, squared": lambda h, layer: F.relu6(layer(h)).square(),
    "normalized": lambda h, layer: F.relu(F.layer_norm(layer(h), [WIDTH])),
}


@pytest.mark.parametrize("way", BEFORE_A_RELU)
@pytest.mark.parametrize("zero", [[0, 1, 2, 3], [2], [0], [3]])
def test_weights_of_zero_before_a_relu_are_stuck_and_no_chance(way: str, zero: list[int]) -> None:
    """Its slope at 0 is 0, so that no step moves them."""
    net, x = Blocks(BEFORE_A_RELU[way]), torch.randn(32, 8)
    for k in zero:
        nn.init.zeros_(net.layers[k].weight)
        nn.init.zeros_(net.layers[k].bias)
    report = ask(net, x)
    assert report.verdict is V.STUCK
    assert f"layers.{zero[0]}.weight" in report.reason
    assert "begin with 0" in report.reason
    assert report.steps[0].text.startswith("Draw these weights at random")
    assert V.DEAD not in [found.verdict for found in report.findings]
    trained(net, x, 3)
    assert not any(net.layers[k].weight.any() for k in zero)


SLOPED: list[Callable[[Tensor], Tensor]] = [
    *(torch.tanh, F.gelu, F.hardswish, F.leaky_relu),
    *(lambda z: z.clamp(min=0), lambda z: torch.maximum(z, torch.zeros_like(z))),
]


@pytest.mark.parametrize("bend", SLOPED)
def test_weights_of_zero_before_what_has_a_slope_there_are_no_units_that_are_off(
    bend: Callable[[Tensor], Tensor],
) -> None:
    net, x = Blocks(lambda h, layer: bend(layer(h))), torch.randn(32, 8)
    nn.init.zeros_(net.layers[2].weight)
    nn.init.zeros_(net.layers[2].bias)
    found = [one.verdict for one in ask(net, x).findings]
    assert found[-1] is V.ZERO_START
    assert not {V.DEAD, V.CUT, V.STUCK} & {*found}
    trained(net, x, 3)
    assert net.layers[2].weight.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_a_zero_is_one_with_either_sign_in_any_format(zero: float, dtype: torch.dtype) -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4)).to(dtype)
    nn.init.constant_(net[2].weight, zero)  # type: ignore[arg-type]
    assert ask(net, torch.randn(32, 8, dtype=dtype)).findings[-1].verdict is V.ZERO_START


def test_what_is_flat_whatever_the_weights_are_is_no_matter_of_zeros() -> None:
    net = Blocks(lambda h, layer: layer(h).tanh().round())
    for layer in net.layers:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    assert ask(net).verdict is V.CUT


def test_a_side_branch_of_many_units_that_is_shut_is_named() -> None:
    report = ask(*squeezed(16, 1))
    assert (report.verdict, report.since) == (V.DEAD, "1.down")


class Words(nn.Module):
    """Tokens, of which 0 is padding, averaged."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(30, 8, padding_idx=0)
        self.rest = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
        self.out = nn.Linear(16, 4)
        for layer in self.rest[::2]:
            layer.bias.data *= bias  # type: ignore[operator, union-attr]

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rest(self.words(x).mean(1)))


def normed() -> nn.Module:
    image = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(*image, nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 4))


EMPTY: list[tuple[Callable[[], nn.Module], Tensor]] = [
    (lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), torch.zeros(32, 8)),
    (normed, torch.zeros(32, 3, 8, 8)),
    (lambda: Words(bias=True), torch.zeros(32, 5, dtype=torch.long)),
    (lambda: Words(bias=False), torch.zeros(32, 5, dtype=torch.long)),
]


@pytest.mark.parametrize(("made", "x"), EMPTY)
def test_where_all_that_enters_is_0_the_batch_is_looked_at(
    made: Callable[[], nn.Module], x: Tensor
) -> None:
    report = ask(made(), x)
    assert (report.verdict, report.findings[0].hint) == (V.CUT, "enters"), report
    assert report.steps[0].text.startswith("Look at the batch")
    full = torch.randint(30, x.shape) if x.dtype is torch.long else torch.randn(x.shape)
    assert ask(made(), full).verdict is not V.CUT


class Branches(nn.Module):
    """Branches whose last layers begin with 0, and a head that may, too."""

    def __init__(self, shut: int, head: bool, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.head, self.act, self.shut = nn.Linear(8, 32), nn.Linear(32, 4), act, shut
        self.down = nn.ModuleList(nn.Linear(32, 8) for _ in range(12))
        self.up = nn.ModuleList(nn.Linear(8, 32) for _ in range(12))
        for layer in [*self.up, *([self.head] if head else [])]:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for k, (down, up) in enumerate(zip(self.down, self.up, strict=True)):
            h = h + self.act(up(down(h).relu())) * torch.full((len(h), 1), float(k >= self.shut))
        return self.head(h)


@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("shut", [0, 1, 2])
def test_branches_that_begin_with_zero_are_not_stuck_where_others_are_seen_to_move(
    head: bool, shut: int
) -> None:
    """A mask shuts some in this step, as stochastic depth and routers do, or a head all."""
    found = [one.verdict for one in ask(Branches(shut, head, lambda z: z)).findings]
    assert found[-1] is V.ZERO_START
    assert not {V.STUCK, V.CUT, V.DEAD} & {*found}
    assert ask(Branches(shut, False, torch.relu)).verdict is V.STUCK


NORMS: dict[str, tuple[nn.Module, bool]] = {
    "of one": (nn.Sequential(nn.Linear(8, 1), nn.LayerNorm(1), nn.Linear(1, 4)), True),
    "of eight": (nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 4)), False),
    "of a batch": (nn.Sequential(nn.Linear(8, 1), nn.BatchNorm1d(1), nn.Linear(1, 4)), False),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_normalization_over_one_number_is_named(name: str, shift: float) -> None:
    net, one = NORMS[name]
    nn.init.constant_(net[1].bias, shift)
    report = ask(net.requires_grad_(True))
    net.zero_grad()
    assert report.verdict is (V.CUT if one else V.HEALTHY)
    assert ("1 normalizes over one number" in report.reason) is one
    assert ("Normalize over more numbers" in str(report)) is one
