"""Heads, gates and branches that get nothing, and losses of several terms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from told_runs import run_of
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

V = Verdict


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def ask(net: nn.Module, loss: Callable[[], Tensor]) -> Report:
    deltas = gradbook.watch(net)
    loss().backward()
    return gradbook.diagnose(net, deltas=deltas)


class Tasks(nn.Module):
    """A trunk with two heads, of which the first has two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.near = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
        self.far = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.near(h), self.far(h)


class Timed(nn.Module):
    """A time is embedded and, perhaps, forgotten."""

    def __init__(self, detached: bool) -> None:
        super().__init__()
        self.time, self.body, self.out = nn.Linear(1, 8), nn.Linear(8, 32), nn.Linear(32, 8)
        self.detached = detached

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        embedded = self.time(t)
        h = self.body(x + embedded.detach() if self.detached else x.view(x.shape))
        return self.out(h.relu())


def test_a_head_that_the_loss_does_not_take_is_no_cut_between_two_layers() -> None:
    net, x, y = Tasks(), torch.randn(32, 8), torch.randint(4, (32,))
    report = ask(net, lambda: F.cross_entropy(net(x)[1], y))
    assert report.verdict is V.CUT
    assert "near.0.weight" in report.reason
    assert "nothing comes back through what they return" in report.reason
    assert report.since == "near.2"


class Routed(nn.Module):
    """The one of four experts that a router names: no gradient comes to the router."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.router, self.out = nn.Linear(8, 16), nn.Linear(16, 4), nn.Linear(16, 4)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16)) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x).relu()
        chosen = self.router(h).argmax(-1)
        parts = ((chosen == k).float()[:, None] * e(h) for k, e in enumerate(self.experts))
        return self.out(h + sum(parts))


def test_a_router_that_is_cut_off_is_said_however_small_it_is() -> None:
    net, x, y = Routed(), torch.randn(64, 8), torch.randint(4, (64,))
    report = ask(net, lambda: F.cross_entropy(net(x), y))
    assert report.verdict is V.CUT
    assert report.since == "router"
    assert "argmax" in report.steps[0].text


@pytest.mark.parametrize("detached", [False, True])
def test_what_reads_the_networks_own_input_reads_nothing_that_is_cut_off(detached: bool) -> None:
    net, x, t = Timed(detached), torch.randn(32, 8), torch.rand(32, 1)
    report = ask(net, lambda: net(x, t).square().mean())
    assert report.verdict is V.CUT
    assert ("cut between time and body" in report.reason) is detached
    assert ("nothing comes back through what they return" in report.reason) is not detached


@pytest.mark.parametrize("weight", [1.0, 1e-3, 1e-9])
def test_terms_of_a_loss_that_weigh_unlike_are_no_explosion(weight: float) -> None:
    net, x, y = Tasks(), torch.randn(32, 8), torch.randint(4, (32,))

    def loss() -> Tensor:
        near, far = net(x)
        return weight * F.mse_loss(near, x[:, :1]) + F.cross_entropy(far, y)

    report = ask(net, loss)
    assert report.verdict is V.HEALTHY
    assert any("gets more than" in n for n in (report.reason, *report.notes)) is (weight < 1e-2)


class Pooled(nn.Module):
    """Attention over what has been read, along an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.read, self.say, self.axis = nn.Linear(8, 16), nn.Linear(16, 4), axis
        self.score = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.read(x).relu()
        return self.say((self.score(h).softmax(self.axis) * h).sum(1))


@pytest.mark.parametrize(("axis", "verdict"), [(-1, V.CUT), (1, V.HEALTHY)])
def test_a_softmax_over_one_number(axis: int, verdict: V) -> None:
    net, x, y = Pooled(axis), torch.randn(32, 5, 8), torch.randint(4, (32,))
    report = ask(net, lambda: F.cross_entropy(net(x), y))
    assert report.verdict is verdict
    assert verdict is V.HEALTHY or "score.2" in report.reason


@pytest.mark.parametrize(("weight", "verdict"), [(0.0, V.CUT), (1.0, V.HEALTHY)])
def test_a_head_that_gets_exactly_zero_at_every_step(weight: float, verdict: V) -> None:
    net, x, y = Tasks(), torch.randn(32, 8), torch.randint(4, (32,))
    report = run_of(net, lambda: weight * net(x)[0].square().mean() + F.cross_entropy(net(x)[1], y))
    assert report.verdict is verdict
    assert verdict is V.HEALTHY or "exactly 0 at each of 6 steps" in report.reason
    assert verdict is V.HEALTHY or "their term of the loss is 0" in report.steps[0].text


class Turns(nn.Module):
    """A head for each of three tasks, of which each step has one; a fourth is never its turn."""

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
        self.heads, self.steps = nn.ModuleList(nn.Linear(32, 4) for _ in range(tasks)), 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        found: Tensor = self.heads[self.steps % 3](self.trunk(x))
        return found


@pytest.mark.parametrize("tasks", [3, 4])
def test_heads_that_take_turns_are_not_cut_in_a_run(tasks: int) -> None:
    net, x, y = Turns(tasks), torch.randn(32, 8), torch.randint(4, (32,))
    report = ask(net, lambda: F.cross_entropy(net(x), y))
    assert report.verdict is (V.HEALTHY if tasks == 3 else V.CUT)  # most of the network
    assert ("not called" if tasks == 3 else "not used in this step") in report.reason
    assert "Watch a run if they take turns" in report.steps[0].text
    report = run_of(net, lambda: F.cross_entropy(net(x), y))
    assert report.verdict is (V.HEALTHY if tasks == 3 else V.CUT)
    assert tasks == 3 or "heads.3.weight" in report.reason
    assert "heads.0.weight" not in report.reason


class Scaled(nn.Module):
    """Branches of convolutions with a scale for each channel."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 2, 2), nn.Linear(8, 4)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(1, 8), nn.Conv2d(8, 16, 1), nn.GELU(), nn.Conv2d(16, 8, 1))
            for _ in range(4)
        )
        scales = (nn.Parameter(torch.full((8, 1, 1), size)) for _ in self.branches)
        self.scales = nn.ParameterList(scales)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for branch, scale in zip(self.branches, self.scales, strict=True):
            h = h + scale * branch(h)
        return self.head(h.mean((2, 3)))


@pytest.mark.parametrize("size", [1e-6, 0.0, 1.0])
def test_a_scale_of_each_channel_is_no_layer_behind_which_a_branch_vanishes(size: float) -> None:
    net, x, y = Scaled(size), torch.randn(8, 3, 8, 8), torch.randint(4, (8,))
    assert not ask(net, lambda: F.cross_entropy(net(x), y)).verdict.is_problem


def test_a_network_that_returns_its_loss_without_a_graph_is_cut_before_it() -> None:
    class Compared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.made, self.judge = nn.Linear(8, 8), nn.Linear(8, 8).requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            made = self.made(x)
            with torch.no_grad():
                off = (self.judge(made) - self.judge(x)).square().mean()
            return off.requires_grad_()

    net, x = Compared(), torch.randn(16, 8)
    for report in (ask(net, lambda: net(x)), run_of(net, lambda: net(x))):
        assert [found.verdict for found in report.findings] == [V.CUT]
        assert "cut between made and output" in report.reason


@pytest.mark.parametrize("bend", [nn.ReLU, nn.Tanh])
def test_a_loss_of_second_derivatives_gets_nothing_of_relu(bend: type[nn.Module]) -> None:
    net = nn.Sequential(nn.Linear(1, 32), bend(), nn.Linear(32, 32), bend(), nn.Linear(32, 1))
    x = torch.linspace(0, 1, 32)[:, None].requires_grad_()

    def loss() -> Tensor:
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        (bent,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        return (bent - x.sin()).square().mean()

    for report in (ask(net, loss), run_of(net, loss)):
        assert (report.verdict is V.LOSS) is (bend is nn.ReLU)
        assert not any("cleared" in found.reason for found in report.findings)
    assert bend is nn.Tanh or "second one of ReLU is 0" in report.steps[0].text


def test_a_loss_that_sends_nothing_in_a_run_is_no_gradient_that_was_cleared() -> None:
    net, x = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(16, 8)
    report = run_of(net, lambda: F.cross_entropy(net(x), torch.zeros(16, dtype=torch.long)))
    assert [found.verdict for found in report.findings] == [V.LOSS]


@pytest.mark.parametrize("told", [True, False])
def test_labels_that_are_all_masked_are_no_gradients_that_were_cleared(told: bool) -> None:
    """As of a network that returns its loss, as those of transformers do."""

    class Returning(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

        def forward(self, x: Tensor) -> Tensor:
            return F.cross_entropy(self.body(x), torch.full((16,), -100), reduction="sum")

    net, x = Returning(), torch.randn(16, 8)
    optimizer = torch.optim.Adam(net.parameters())
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(6):
            optimizer.zero_grad()
            loss = net(x)
            loss.backward()
            run.step(loss) if told else run.step()
            optimizer.step()
    assert [found.verdict for found in run.report().findings] == [V.LOSS]


@pytest.mark.parametrize("held", [True, False])
def test_frozen_weights_that_an_optimizer_holds_are_a_fault_and_others_are_none(held: bool) -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)).requires_grad_(False)
    x = torch.randn(16, 8, requires_grad=True)
    optimizer = torch.optim.Adam([*net.parameters(), x] if held else [x])
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(6):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
    report = run.report()
    assert report.verdict is (V.CUT if held else V.HEALTHY)
    assert "requires_grad False" in report.reason
    assert report.steps[0].text.startswith("Call requires_grad_(True)")


def test_a_run_that_is_never_finite_has_a_report() -> None:
    net, x = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(16, 8)
    report = run_of(net, lambda: (net(x) - net(x)).square().sum().sqrt())
    assert report.verdict is V.NON_FINITE


def test_logits_between_zero_and_one_are_no_probabilities() -> None:
    net, x = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1)), torch.randn(16, 8) / 20
    nn.init.constant_(net[1].bias, 0.5)
    for out in (lambda: net(x)[:, 0], lambda: net(x).squeeze(1)):
        report = ask(net, lambda out=out: F.binary_cross_entropy_with_logits(out(), torch.ones(16)))  # type: ignore[misc]
        assert report.verdict is V.HEALTHY
        assert "probabilities" not in report.reason


class Neighbors(nn.Module):
    """Each node adds up its neighbors, many of them, in each of eight layers."""

    def __init__(self, near: Tensor) -> None:
        super().__init__()
        self.near = near
        self.layers = nn.ModuleList(nn.Linear(16 if k == 0 else 32, 32) for k in range(8))

    def forward(self, h: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            h = (self.near @ layer(h)).relu()
        return self.near @ self.layers[-1](h)


def test_what_exploded_before_its_units_died_is_said_to_have_exploded() -> None:
    near = (torch.rand(60, 60) < 0.5).float()
    net, x, y = Neighbors(near), torch.randn(60, 16), torch.randint(32, (60,))
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(30):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    assert run.moments[0].report.verdict is V.EXPLODING
    assert run.moments[-1].report.verdict is V.DEAD
    assert run.report().verdict is V.EXPLODING
    assert run.report().reason.startswith("At step 1: ")


@pytest.mark.parametrize("theirs", [True, False])
def test_weights_that_another_optimizer_moves_are_no_fault(theirs: bool) -> None:
    """What is made is judged, and the judge has an optimizer of its own."""
    net, x = nn.ModuleDict({"maker": nn.Linear(4, 8), "judge": nn.Linear(8, 1)}), torch.randn(16, 4)
    ours, other = (torch.optim.Adam(net[name].parameters()) for name in ("maker", "judge"))
    with gradbook.watching(net, optimizer=ours) as run:
        for _ in range(40):
            net.zero_grad()
            net["judge"](net["maker"](x).tanh()).mean().backward()
            ours.step()
            if theirs:
                other.step()
    assert run.moments[0].report.verdict is V.HEALTHY  # the other's turn may be yet to come
    assert run.report().verdict is (V.HEALTHY if theirs else V.CUT)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # PyTorch asks for it itself
@pytest.mark.parametrize("whole", [True, False])
def test_a_network_that_ran_compiled_before_it_was_watched(whole: bool) -> None:
    torch.compiler.reset()
    parts = [part for _ in range(6) for part in (nn.Linear(8, 8), nn.Sigmoid())]
    inner = torch.compile(nn.Sequential(*parts), backend="aot_eager")
    net = inner if whole else nn.Sequential(inner, nn.Linear(8, 8))
    x = torch.randn(16, 8)
    net(x).sum().backward()
    net.zero_grad()
    report = ask(net, lambda: net(x).square().mean())
    assert report.verdict is V.CANNOT_TELL
    assert "torch.compiler.reset()" in report.steps[0].text
    deltas = gradbook.watch(net)
    torch.compiler.reset()
    net(x).square().mean().backward()
    assert gradbook.diagnose(net, deltas=deltas).verdict is V.VANISHING


class Modulated(nn.Module):
    """A scale and a shift are made of a condition by weights that begin with `size`."""

    def __init__(self, size: float, width: int = 32) -> None:
        super().__init__()
        self.x, self.out = nn.Linear(8, width), nn.Linear(width, 8)
        self.time = nn.Sequential(nn.Linear(8, width), nn.SiLU(), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.made = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        for layer in (self.made[1], self.out):
            nn.init.normal_(layer.weight, std=size)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        scale, shift = self.made(self.time(x.cos())).chunk(2, 1)
        return self.out(self.norm(self.x(x)) * (1 + scale) + shift)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("rate", [1e-3, 1e-4])
def test_a_fall_at_weights_that_began_with_0_is_none_while_they_grow(
    rate: float, known: bool
) -> None:
    """Truth is that it trains; the same sizes that nobody has made grow are a fall."""
    net, x = Modulated(0.0), torch.randn(64, 8)
    optimizer = torch.optim.Adam(net.parameters(), rate)
    with gradbook.watching(net, optimizer=optimizer if known else None) as run:
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            losses.append(F.mse_loss(net(x), x.sin()))
            losses[-1].backward()
            run.step()
            optimizer.step()
    told = [moment.report for moment in run.moments]
    assert losses[-1] < 0.9 * losses[0]
    # Behind the head, which has moved, stands another layer of zeros at the second step.
    assert [report.verdict for report in told[:2]] == [V.ZERO_START, V.ZERO_START]
    assert {report.verdict for report in told[2:]} == {V.HEALTHY}
    assert "began with 0" in told[2].reason
    small = Modulated(3e-4)
    assert ask(small, lambda: F.mse_loss(small(x), x.sin())).verdict is V.VANISHING


def test_weights_that_began_with_0_and_stay_small_hold_back_in_the_end() -> None:
    net, x = Modulated(0.0), torch.randn(64, 8)
    deltas, verdicts = gradbook.watch(net), list[V]()
    for size in (0.0, *(102 * [3e-4])):
        nn.init.normal_(net.made[1].weight, std=size)
        nn.init.normal_(net.out.weight, std=size)
        net.zero_grad()
        F.mse_loss(net(x), x.sin()).backward()
        verdicts.append(gradbook.diagnose(net, deltas=deltas).verdict)
    assert verdicts[1] is V.HEALTHY
    assert verdicts[-1] is V.VANISHING


class Coded(nn.Module):
    """A variational autoencoder; with `sample` nothing comes back through the draw."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.code = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.mean, self.log, self.way = nn.Linear(32, 4), nn.Linear(32, 4), way
        self.made = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 8))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        code = self.code(x)
        mean, log = self.mean(code), self.log(code)
        draw = getattr(torch.distributions.Normal(mean, (log / 2).exp()), self.way)()
        return self.made(draw), mean, log


@pytest.mark.parametrize(("way", "verdict"), [("sample", V.CUT), ("rsample", V.HEALTHY)])
def test_an_encoder_that_gets_exactly_zero_is_cut_where_another_term_is_times_0(
    way: str, verdict: V
) -> None:
    net, x = Coded(way), torch.randn(32, 8)

    def loss() -> Tensor:
        made, mean, log = net(x)
        divergence = (mean.square() + log.exp() - 1 - log).sum(1).mean()
        return F.mse_loss(made, x) + 0.0 * divergence

    report = ask(net, loss)
    zero = [not p.grad.any() for p in net.parameters() if p.grad is not None]
    assert sum(zero) == (8 if way == "sample" else 0)
    assert report.verdict is verdict
    assert way != "sample" or "sample()" in report.steps[0].text


def test_what_is_divided_between_two_layers_is_named_by_what_it_enters() -> None:
    """Neither the layer nor its ReLU returns what is not finite."""

    class Divided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            h = F.relu(self.first(x))
            return self.second(h / h.norm(dim=1, keepdim=True))

    net, x = Divided(), torch.randn(16, 8)
    with torch.no_grad():
        x[3] = 0
        net.first.bias.fill_(-0.01)
    report = ask(net, lambda: F.cross_entropy(net(x), torch.randint(4, (16,))))
    assert (report.verdict, report.since) == (V.NON_FINITE, "second")
    assert "what enters second is the first that is not finite" in report.reason


@pytest.mark.parametrize("clears", [True, False])
def test_gradients_that_are_not_cleared_are_told_at_the_second_look(clears: bool) -> None:
    net, x = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4)), torch.randn(16, 8)
    deltas, optimizer = gradbook.watch(net), torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(2):
        if clears:
            optimizer.zero_grad()
        F.cross_entropy(net(x), torch.arange(16) % 4).backward()
        report = gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
        optimizer.step()
    assert report.verdict is V.HEALTHY
    assert ("times the gradient that this pass sent" in report.reason) is not clears
    assert ("zero_grad" in report.steps[0].text) is not clears


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize(("first", "right"), [(True, True), (False, False)])
def test_a_sequence_read_along_the_wrong_axis_is_told(
    kind: type[nn.RNNBase], first: bool, right: bool
) -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.loop, self.out = kind(3, 16, batch_first=first), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.loop(x)[0][:, -1])

    net, x = Reader(), torch.randn(32, 6, 3)
    report = ask(net, lambda: F.cross_entropy(net(x), torch.arange(32) % 4))
    assert report.verdict is V.HEALTHY, report
    assert ("of 6 sequences that loop reads one alone gets" in report.reason) is not right
    assert ("batch_first" in report.steps[0].text) is not right


@pytest.mark.parametrize("held", [True, False])
def test_layers_that_came_behind_the_watching_are_a_fault_unless_the_optimizer_has_them(
    held: bool,
) -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    deltas, x = gradbook.watch(net), torch.randn(32, 8)
    early = torch.optim.Adam(net.parameters())
    net[2] = nn.Linear(16, 4)
    optimizer = torch.optim.Adam(net.parameters()) if held else early
    F.cross_entropy(net(x), torch.arange(32) % 4).backward()
    report = gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
    assert report.verdict is (V.HEALTHY if held else V.CUT), report


def test_micro_batches_that_are_cleared_behind_a_step_are_no_cleared_gradients() -> None:
    net, x = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4)), torch.randn(32, 8)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for i in range(12):
            loss = F.cross_entropy(net(x), torch.arange(32) % 4)
            loss.backward()
            if i % 4 == 3:
                optimizer.step()
            optimizer.zero_grad()
            run.step(loss)
    assert run.report().verdict is V.HEALTHY, run.report()
