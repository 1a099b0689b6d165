"""What else goes through a watched network: evaluation, transforms, and steps that are skipped."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Verdict as V

CLASSES = torch.arange(64) % 4


def mlp(depth: int = 3, bend: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    hidden = [part for _ in range(depth) for part in (nn.Linear(8, 8), bend())]
    return nn.Sequential(*hidden, nn.Linear(8, 4))


class Padded(nn.Module):
    """A Transformer that PyTorch computes with nested tensors in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.word, self.head = nn.Embedding(16, 16), nn.Linear(16, 4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.layers = nn.TransformerEncoder(layer, 2)

    def forward(self, x: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nested tensors are called a prototype
            h = self.layers(self.word(x), src_key_padding_mask=x == 0)
        out: Tensor = self.head(h[:, 0])
        return out


def test_an_evaluation_with_nested_tensors_goes_on_while_one_watches() -> None:
    torch.manual_seed(0)
    net, x = Padded(), torch.randint(1, 16, (64, 6))
    x[:, 4:] = 0
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(2):
            loss = F.cross_entropy(net(x), CLASSES)
            optimizer.zero_grad()
            loss.backward()
            run.step(loss)
            optimizer.step()
            net.eval()
            with torch.no_grad():
                seen = net(x)
            net.train()
    assert seen.shape == (64, 4)
    assert run.report().verdict is V.HEALTHY
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(net(x), copy.deepcopy(net)(x))


def _for_each_example(net: nn.Module, x: Tensor) -> object:
    weights = {name: p.detach() for name, p in net.named_parameters()}

    def loss(weights: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(net, weights, (one[None],))
        return F.cross_entropy(out, label[None])

    made: Callable[..., object] = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))
    return made(weights, x, CLASSES)


TRANSFORMS: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "a gradient for each example": _for_each_example,
    "torch.jit.trace": lambda net, x: torch.jit.trace(net, (x,)),
    "torch.func.jacrev": lambda net, x: torch.func.jacrev(net)(x[:2]),
    "a sparse input": lambda net, x: net(x.relu().to_sparse_csr()),
}


@pytest.mark.filterwarnings("ignore")  # of PyTorch, about what it traces and about sparse tensors
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_watched_network_can_be_taken_as_a_function(name: str) -> None:
    torch.manual_seed(0)
    net, x = mlp(), torch.randn(64, 8)
    expected = TRANSFORMS[name](copy.deepcopy(net), x)
    deltas = gradbook.watch(net)
    found = TRANSFORMS[name](net, x)
    if isinstance(found, Tensor):
        assert isinstance(expected, Tensor)
        torch.testing.assert_close(found, expected)
    F.cross_entropy(net(x), CLASSES).backward()
    assert gradbook.diagnose(net, deltas=deltas).verdict is V.HEALTHY


@pytest.mark.parametrize("told", ["behind", "before", "never"])
@pytest.mark.parametrize("seed", range(2))
def test_steps_that_a_scaler_skips_are_no_illness(told: str, seed: int) -> None:
    """It begins with a scale that overflows, and lowers it: with half of it a step is taken."""
    torch.manual_seed(seed)
    net, x = mlp(), torch.randn(64, 8)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**22)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(20):
            with torch.autocast("cpu", dtype=torch.float16):
                loss = F.cross_entropy(net(x).float(), CLASSES)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            if told == "before":
                run.step(loss)
            scaler.step(optimizer)
            if told == "behind":
                run.step(loss)
            scaler.update()
    assert scaler.get_scale() < 2.0**22
    report = run.report()
    assert report.verdict is V.HEALTHY
    skipped = any("looks what came back was not finite" in note for note in report.notes)
    assert skipped is (told != "never")


def test_what_is_not_finite_is_told_where_a_step_is_taken_or_none_comes_behind() -> None:
    for ends in (True, False):
        torch.manual_seed(0)
        net, x = mlp(), torch.randn(64, 8)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        with gradbook.watching(net, optimizer=optimizer) as run:
            for step in range(6):
                loss = F.cross_entropy(net(x), CLASSES) * (float("nan") if step == 3 else 1)
                optimizer.zero_grad()
                loss.backward()
                run.step(loss)
                if ends and step == 3:
                    break
                optimizer.step()
        assert run.report().verdict is V.NON_FINITE


@pytest.mark.parametrize("biases", [False, True])
def test_weights_of_zero_are_stuck_only_if_nothing_gets_past_them(biases: bool) -> None:
    torch.manual_seed(0)
    net, x = mlp(), torch.randn(64, 8)
    for p in net.parameters():
        if p.ndim > 1 or not biases:
            nn.init.zeros_(p)
    begun = copy.deepcopy(net)
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    deltas = gradbook.watch(net)
    said = []
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(net(x), CLASSES).backward()
        said.append(gradbook.diagnose(net, deltas=deltas).verdict)
        optimizer.step()
    pairs = zip(net[::2], begun[::2], strict=True)
    moved = [not torch.equal(now.weight, then.weight) for now, then in pairs]
    assert all(moved) is biases
    assert (V.STUCK in said) is not biases
    assert biases or set(said) == {V.STUCK}


class Gates(nn.Module):
    """A gated cell of several layers, called by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
        self.outer = nn.ModuleList(nn.Linear(8, 16) for _ in range(3))
        self.last = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[1], 16)
        for now in x:
            r, z = (torch.sigmoid(self.inner[i](h) + self.outer[i](now)) for i in (0, 1))
            h = z * torch.tanh(self.inner[2](r * h) + self.outer[2](now))
        out: Tensor = self.last(h)
        return out


@pytest.mark.parametrize("steps", [10, 14, 20])
def test_a_cell_by_hand_is_advised_as_what_has_steps_of_time(steps: int) -> None:
    """As the page says: the gradients at the inputs of its steps, in a list."""
    torch.manual_seed(0)
    net, x = Gates(), torch.randn(steps, 64, 8, requires_grad=True)
    F.cross_entropy(net(x), CLASSES).backward()
    assert x.grad is not None
    report = gradbook.diagnose(net, deltas=list(x.grad))
    assert report.verdict is V.VANISHING
    assert report.steps[0].page == "chapters/time-and-gates.md"


@pytest.mark.parametrize("count", [6, 12])
def test_stands_still_counts_from_the_last_layer_whatever_the_order_of_names(count: int) -> None:
    torch.manual_seed(0)
    net, x = mlp(count, nn.Sigmoid), torch.randn(64, 8)
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), CLASSES).backward()
    sizes = [float(size) for size in deltas.values()]
    grads = {name: np.asarray(p.grad) for name, p in net.named_parameters()}
    weights = {name: p.detach().numpy() for name, p in net.named_parameters()}
    found = [
        gradbook.diagnose({n: grads[n] for n in names}, weights=weights, deltas=sizes[:-1], lr=0.1)
        for names in (list(grads), sorted(grads))
    ]
    assert found[0].freeze_depth == found[1].freeze_depth
    assert found[0].freeze_depth is not None
