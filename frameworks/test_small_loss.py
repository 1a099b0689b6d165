"""What the loss sends is next to nothing, or gets no further than the output."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Verdict as V


@pytest.mark.parametrize(("kind", "trains"), [("Adam", True), ("SGD", False)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_loss_times_a_millionth(kind: str, trains: bool, seed: int) -> None:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 4))
    optimizer = getattr(torch.optim, kind)(net.parameters(), 1e-2)
    x, y, told = torch.randn(64, 8), torch.randint(4, (64,)), []
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(100):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            (1e-6 * loss).backward()
            optimizer.step()
            told.append(loss.item())
    found = run.moments[0].report
    assert found.verdict is V.LOSS
    assert "multiplied by a small number" in found.reason
    assert (told[-1] < told[0] / 2) is trains
    assert ("all the same" in found.reason) is trains


def test_a_run_says_in_a_terminal_what_is_frozen() -> None:
    net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 4)).requires_grad_(False)
    net[2].bias.requires_grad_(True)
    optimizer = torch.optim.SGD([net[2].bias], 0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(12):
            optimizer.zero_grad()
            F.cross_entropy(net(torch.randn(64, 8)), torch.arange(64) % 4).backward()
            optimizer.step()
    assert "3 of 4 tensors have requires_grad False, and stay as they are: " in str(run.report())
    assert "Step 12 of 12." in str(run.report())


@pytest.mark.parametrize(
    ("end", "rate"), [(nn.Sigmoid(), 1e-2), (nn.Tanh(), 1e-2), (nn.ReLU(), 1e-3)], ids=str
)
def test_an_output_at_its_end_has_not_learned(end: nn.Module, rate: float) -> None:
    """The loss falls to what a constant costs, and all gradients are exactly 0 from then on."""
    torch.manual_seed(0)
    x = torch.rand(256, 10) * 255
    y = ((x[:, :1] > 200) & (x[:, 1:2] > 200)).float()
    y = 2 * y - 1 if isinstance(end, nn.Tanh) else y
    net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1), end)
    optimizer, zero = torch.optim.Adam(net.parameters(), rate), 0
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(100):
            optimizer.zero_grad()
            loss = F.mse_loss(net(x), y)
            loss.backward()
            run.step(loss)
            zero += not any(p.grad.any() for p in net.parameters() if p.grad is not None)
            optimizer.step()
    losses = [moment.loss for moment in run.moments]
    report = run.report()
    assert zero > 30
    assert losses[-1] < losses[0] / 2
    assert losses[-1] >= y.var(correction=0).item()
    assert report.verdict is not V.HEALTHY
    assert "slope of 0" in " ".join(found.reason for found in report.findings)


class Mixture(nn.Module):
    """All experts, each times what a router gives it, which is sure of one."""

    def __init__(self, sure: int) -> None:
        super().__init__()
        self.router = nn.Linear(10, 4)
        self.router.bias.data[sure] = 20.0
        experts = [nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 4)) for _ in range(4)]
        self.experts = nn.ModuleList(experts)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.router(x).softmax(1)
        return sum(
            (shares[:, i : i + 1] * e(x) for i, e in enumerate(self.experts)), x.new_zeros(4)
        )


@pytest.mark.parametrize("sure", range(4))
def test_an_expert_that_comes_last_is_not_all_that_the_loss_reaches(sure: int) -> None:
    torch.manual_seed(0)
    net, x = Mixture(sure), torch.randn(128, 10)
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), torch.arange(128) % 4).backward()
    found = [one.verdict for one in gradbook.diagnose(net, deltas=deltas).findings]
    assert V.LOSS not in found
    assert {V.STARVED, V.VANISHING} & set(found)


class Beside(nn.Module):
    """The data, and next to nothing of what the layers make of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :4] + 1e-8 * self.layers(x)


def test_where_next_to_nothing_arrives_is_told_by_its_place() -> None:
    net, x = Beside(), torch.randn(64, 8)
    deltas, out = gradbook.watch(net), net(x)
    out.retain_grad()
    F.cross_entropy(out, torch.arange(64) % 4).backward()
    assert out.grad is not None
    assert out.grad.abs().sum() > 0.1
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is V.LOSS
    assert "sends something to output" in report.reason
    assert "gets to layers.2" in report.reason
    assert "not your layers" not in report.reason


@pytest.mark.parametrize(("ends", "rises"), [(0.0, False), (1e-9, False), (0.05, True)])
def test_a_loss_that_comes_to_nothing_has_not_risen(ends: float, *, rises: bool) -> None:
    torch.manual_seed(0)
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for step in range(40):
            optimizer.zero_grad()
            (net(torch.randn(8, 4)) - torch.randn(8, 1)).square().mean().backward()
            run.step(0.2 if step < 2 else 0.0 if step < 20 else ends)
            optimizer.step()
    assert ("risen" in str(run.report())) is rises


def small(end: nn.Module, out: int = 1) -> nn.Sequential:
    body = (nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, out))
    return nn.Sequential(*body, end)


def asked(net: nn.Module, loss: Callable[[], Tensor]) -> gradbook.diagnosis.Report:
    deltas = gradbook.watch(net)
    loss().backward()
    return gradbook.diagnose(net, deltas=deltas)


ENDS: dict[str, tuple[nn.Module, float, Callable[[Tensor], Tensor]]] = {
    "sigmoid at 1": (nn.Sigmoid(), 6.0, lambda p: F.mse_loss(p, p.detach() + 5)),
    "an absolute error": (nn.Sigmoid(), 6.0, lambda p: F.l1_loss(p, torch.zeros_like(p))),
    "tanh": (nn.Tanh(), 4.0, lambda p: F.mse_loss(p, -torch.ones_like(p))),
}


@pytest.mark.parametrize("seed", range(3))
def test_a_lower_end_that_is_trained_may_be_the_prior_of_a_rare_class(seed: int) -> None:
    """So of targets that are all 1 it is not told, either."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
    nn.init.constant_(net[2].bias, -6.0)
    x = torch.randn(64, 8)
    assert "at its end" not in asked(net, lambda: F.l1_loss(net(x), torch.ones(64, 1))).reason


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("seed", range(3))
def test_an_end_that_is_flat_is_told_beside_healthy(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    end, bias, loss = ENDS[name]
    net, x = small(end), torch.randn(64, 8)
    assert "at its end" not in str(asked(net, lambda: loss(net(x))))  # in the middle
    nn.init.constant_(net[4].bias, bias)
    net.zero_grad()
    z, p = net[:5](x), net(x)
    [of_z] = torch.autograd.grad(loss(net[5](z)), z)
    [of_p] = torch.autograd.grad(loss(p), p)
    fall = float((of_p.norm() / of_z.norm()).log10())
    report = asked(net, lambda: loss(net(x)))
    assert (report.verdict, report.findings[0].hint) == (V.HEALTHY, "at an end")
    assert f"10^{fall:.1f} from output back to 4" in report.reason


def labels(x: Tensor) -> Tensor:
    return (x[:, :1] > 0).float()


LEARNED: dict[str, tuple[nn.Module, int, Callable[[Tensor, Tensor], Tensor]]] = {
    "entropy": (nn.Sigmoid(), 1, lambda p, x: F.binary_cross_entropy(p, labels(x))),
    "one class": (nn.Sigmoid(), 1, lambda p, x: F.binary_cross_entropy(p, 0 * labels(x))),
    "squares": (nn.Tanh(), 1, lambda p, x: F.mse_loss(p, 2 * labels(x) - 1)),
    "softmax": (nn.Softmax(1), 2, lambda p, x: F.nll_loss(p.log(), labels(x)[:, 0].long())),
}


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_that_is_learned_is_at_no_end(name: str, seed: int) -> None:
    """Though next to nothing of what a logarithm sends gets past a sigmoid there."""
    torch.manual_seed(seed)
    end, out, loss = LEARNED[name]
    net, x = small(end, out), torch.randn(64, 8)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    assert "at its end" not in str(asked(net, lambda: loss(net(x), x)))
    for _ in range(120):
        optimizer.zero_grad()
        size = loss(net(x), x)
        size.backward()
        optimizer.step()
    assert size.item() < 0.01
    net.zero_grad()
    assert "at its end" not in str(asked(net, lambda: loss(net(x), x)))


MINIMAX: dict[str, Callable[[Tensor], Tensor]] = {
    "squares": lambda p: (p - 1).square().mean(),
    "log(1-D)": lambda p: (1 - p).log().mean(),
    "-log D": lambda p: -p.log().mean(),
}


@pytest.mark.parametrize("name", MINIMAX)
@pytest.mark.parametrize("seed", range(3))
def test_a_sure_critic_sends_its_generator_little_but_by_the_logarithm_of_what_it_says(
    name: str, seed: int
) -> None:
    torch.manual_seed(seed)
    net = nn.ModuleList([small(nn.Identity(), 8), small(nn.Sigmoid())])
    nn.init.constant_(net[1][4].bias, -7.0)
    optimizer = torch.optim.Adam(net[0].parameters(), 1e-3)
    torch.optim.Adam(net[1].parameters(), 1e-3)
    net[1].requires_grad_(False)
    deltas = gradbook.watch(net)
    MINIMAX[name](net[1](net[0](torch.randn(64, 8)))).backward()
    report = gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
    assert report.verdict is V.HEALTHY
    assert ("at its end" in report.reason) is (name != "-log D")


class Masked(nn.Module):
    """Some of the data, and else what a branch makes, as a mask tells."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.main = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
        self.made = nn.Sequential(nn.Linear(32, 8), nn.Tanh())
        self.mask = nn.Sequential(nn.Linear(32, 1), nn.Sigmoid())
        nn.init.constant_(self.mask[0].bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.main(x)
        mask = self.mask(h)
        return mask * x + (1 - mask) * self.made(h)


@pytest.mark.parametrize(("bias", "hint"), [(0.0, None), (6.0, "at an end"), (16.0, "bent")])
@pytest.mark.parametrize("seed", range(3))
def test_a_mask_at_its_end_lets_no_branch_learn(bias: float, hint: str | None, seed: int) -> None:
    torch.manual_seed(seed)
    net, x = Masked(bias), torch.randn(64, 8)
    report = asked(net, lambda: F.l1_loss(net(x), x.flip(0)))
    assert report.findings[0].hint == hint
    assert report.verdict is (V.LOSS if hint == "bent" else V.HEALTHY)
    assert hint is None or "made.0, mask.0" in report.reason


@pytest.mark.parametrize("seed", range(3))
def test_outputs_of_millions_are_told_before_the_loss_is_blamed(seed: int) -> None:
    torch.manual_seed(seed)
    net, x = nn.Linear(300, 3), torch.rand(32, 300) * 255
    y = F.one_hot(torch.randint(3, (32,)), 3)
    nn.init.normal_(net.weight, std=1e4)
    report = asked(net, lambda: -(y * (net(x).softmax(1) + 1e-10).log()).sum())
    assert report.verdict is V.LOSS
    assert "softmax and sigmoid are flat" in report.reason
    assert "not your layers" not in report.reason
    assert "Bring the inputs" in report.steps[0].text
    net.zero_grad()
    report = asked(net, lambda: 0.0 * net(x / 1e9).sum())  # a weight of 0
    assert report.verdict is V.LOSS
    assert "not your layers" in report.reason


class Between(nn.Module):
    """Two networks, and something done between them."""

    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.front, self.back, self.act = small(nn.Identity(), 8), small(nn.Identity()), act

    def forward(self, x: Tensor) -> Tensor:
        return self.back(self.act(self.front(x)))


@pytest.mark.parametrize(("by", "falls"), [(1e-3, True), (0.5, False)])
@pytest.mark.parametrize("seed", range(3))
def test_a_fall_past_no_weights_is_no_matter_of_weights(by: float, falls: bool, seed: int) -> None:
    torch.manual_seed(seed)
    net, x = Between(lambda z: z * by), torch.randn(64, 8)
    report = asked(net, lambda: F.mse_loss(net(x), labels(x)))
    assert report.verdict is (V.VANISHING if falls else V.HEALTHY)
    assert ("past no weights" in report.reason) is falls
    assert ("temperature or factor" in str(report)) is falls


@pytest.mark.parametrize("seed", range(3))
def test_a_fall_in_many_layers_is_one_of_weights(seed: int) -> None:
    torch.manual_seed(seed)
    layers = (part for _ in range(8) for part in (nn.Linear(8, 8), nn.Sigmoid()))
    net, x = nn.Sequential(*layers, nn.Linear(8, 1)), torch.randn(64, 8)
    report = asked(net, lambda: F.mse_loss(net(x), labels(x)))
    assert report.verdict is V.VANISHING
    assert "past no weights" not in report.reason


def derivative(net: nn.Module, x: Tensor, times: int) -> Tensor:
    out = net(x)
    for _ in range(times):
        [out] = torch.autograd.grad(out.sum(), x, create_graph=True)
    return out


@pytest.mark.parametrize("act", [nn.ReLU, nn.LeakyReLU, nn.Tanh])
@pytest.mark.parametrize("times", [1, 2])  # a penalty on gradients, and an equation
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_second_derivative_of_0_is_told_beside_what_the_rest_of_the_loss_sends(
    act: type[nn.Module], times: int, *, first: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(1, 20), act(), nn.Linear(20, 20), act(), nn.Linear(20, 1))
    x, edge = torch.rand(64, 1, requires_grad=True), torch.tensor([[0.0], [1.0]])
    zero = act is not nn.Tanh and times == 2
    terms = [lambda: (derivative(net, x, times) - 1).square().mean()]
    came = torch.autograd.grad(terms[0](), list(net.parameters()), allow_unused=True)
    assert any(grad is not None and grad.any() for grad in came) is not zero
    terms.insert(first, lambda: net(edge).square().mean())
    report = asked(net, lambda: terms[0]() + terms[1]())
    assert report.verdict is V.HEALTHY
    assert ("second derivative" in report.reason) is zero
    assert ("tanh, SiLU or a sine" in str(report)) is zero


@pytest.mark.parametrize("loss", ["focal", "a tenth of BCE"])
@pytest.mark.parametrize("prior", [0.01, 0.002])
@pytest.mark.parametrize("seed", range(3))
def test_a_rare_class_begins_at_the_end_of_a_sigmoid(loss: str, prior: float, seed: int) -> None:
    """As in detection: it is learned from there, whatever factor its loss has."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid())
    nn.init.normal_(net[2].weight, std=0.01)
    nn.init.constant_(net[2].bias, -math.log((1 - prior) / prior))
    x, y = torch.randn(512, 8), torch.zeros(512, 1)
    y[:5] = 1.0

    def sent() -> Tensor:
        p = net(x)
        if loss == "focal":
            on, off = 0.25 * (1 - p) ** 2 * p.log(), 0.75 * p**2 * (1 - p).log()
            return -(y * on + (1 - y) * off).mean()
        return 0.1 * F.binary_cross_entropy(p, y)

    report = asked(net, sent)
    assert report.verdict is V.HEALTHY
    assert "at its end" not in report.reason
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    first = float(sent().detach())
    for _ in range(200):
        optimizer.zero_grad()
        (now := sent()).backward()
        optimizer.step()
    assert float(now.detach()) < 0.3 * first
