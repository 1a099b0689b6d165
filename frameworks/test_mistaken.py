"""Sound networks that look ill: by chance, by design, or as learning begins."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import Tensor, nn

import gradbook
from gradbook.diagnosis import Report, Verdict
from gradbook.diagnosis.findings.over_steps import growing

V = Verdict


def mlp(*sizes: int, bend: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    hidden = [part for a, b in pairwise(sizes[:-1]) for part in (nn.Linear(a, b), bend())]
    return nn.Sequential(*hidden, nn.Linear(*sizes[-2:]))


def looked(net: nn.Module, loss: Tensor, deltas: gradbook.diagnosis.Watched) -> Report:
    loss.backward()
    return gradbook.diagnose(net, deltas=deltas)


class Clicks(nn.Module):
    """Wide and deep, with products of its embeddings, as for recommendations."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.words = nn.Embedding(300, 1), nn.Embedding(300, 8)
        self.deep = mlp(48, 32, 1)
        for table in (self.wide, self.words):
            nn.init.normal_(table.weight, std=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        words = self.words(x)
        pairs = words.sum(1).square() - words.square().sum(1)
        return self.wide(x).sum(1) + self.deep(words.flatten(1)) + pairs.sum(1, keepdim=True) / 2


class Pictures(nn.Module):
    """A convolution of one number, and its mean over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean((2, 3))


class Several(nn.Module):
    """The mean of three networks."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(mlp(20, 16, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([part(x) for part in self.parts]).mean(0) / 2


LOGITS = {
    "clicks": (Clicks, lambda: torch.randint(300, (16, 6)), lambda net: net.deep[-1].bias),
    "pictures": (Pictures, lambda: torch.randn(16, 1, 8, 8), lambda net: net.body[-1].bias),
    "several": (Several, lambda: torch.randn(16, 20), lambda net: net.parts[0][-1].bias),
}


@pytest.mark.parametrize("name", LOGITS)
def test_logits_made_by_sums_means_and_products_are_no_probabilities(name: str) -> None:
    """Though all lie within 0 and 1: nothing is there that could be left out."""
    make, data, bias = LOGITS[name]
    torch.manual_seed(0)
    net, x = make(), data()
    with torch.no_grad():  # into the middle, so that all do
        for weight in net.parameters():
            weight.div_(4 if weight.ndim > 1 else 1)
        bias(net).add_(0.5 - net(x).mean() if name != "several" else 3.0)
    deltas = gradbook.watch(net)
    logits = net(x)
    assert 0 < float(logits.detach().min()) < float(logits.detach().max()) < 1
    report = looked(net, F.binary_cross_entropy_with_logits(logits[:, 0], torch.ones(16)), deltas)
    assert "probabilities" not in report.reason


@pytest.mark.parametrize("loss", ["entropy", "minimax", "squares"])
def test_probabilities_that_are_all_alike_are_told_from_those_of_which_one_sigmoid_is_too_many(
    loss: str,
) -> None:
    """As of a discriminator that is ahead: of equals many losses send the same."""
    torch.manual_seed(0)
    net, x = nn.Sequential(mlp(20, 32, 1), nn.Sigmoid()), torch.randn(64, 20)
    nn.init.normal_(net[0][-1].weight, std=1e-4)
    deltas = gradbook.watch(net)
    p = net(x)
    assert float(p.detach().std()) < 1e-4
    size = {
        "entropy": lambda: F.binary_cross_entropy(p, torch.ones(64, 1)),
        "minimax": lambda: (1 - p).log().mean(),
        "squares": lambda: (p - 1).square().mean(),
    }[loss]()
    assert looked(net, size, deltas).findings[0].hint != "twice"


def factors(std: float) -> nn.ModuleList:
    """Return what is multiplied to a table of ratings: at 0 there is a saddle."""
    tables = nn.ModuleList([nn.Embedding(60, 8), nn.Embedding(50, 8)])
    for table in tables:
        nn.init.normal_(table.weight, std=std)
    return tables


@pytest.mark.parametrize(
    ("seed", "tells"), [(0, True), (1, True), (2, True), (1, False), (2, False)]
)
def test_a_norm_that_grows_as_learning_begins_is_no_fault_where_the_loss_is_known(
    seed: int, tells: bool
) -> None:
    """A tenth of the rate, which is advised where gradients grow, leaves it on its plateau."""
    torch.manual_seed(seed)
    i, j = torch.randint(60, (2000,)), torch.randint(50, (2000,))
    ratings = (torch.randn(60, 3) @ torch.randn(3, 50))[i, j]

    def trained(lr: float, steps: int) -> tuple[float, Report]:
        torch.manual_seed(seed)
        net = factors(1e-3)
        optimizer = torch.optim.SGD(net.parameters(), lr)
        with gradbook.watching(net, optimizer=optimizer, every=5) as run:
            for _ in range(steps):
                optimizer.zero_grad()
                loss = ((net[0](i) * net[1](j)).sum(1) - ratings).square().mean()
                loss.backward()
                run.step(loss if tells else None)
                optimizer.step()
        return float(loss.detach()), run.report()

    begun, report = trained(2.0, 60)
    assert report.verdict is (V.HEALTHY if tells else V.GROWING)
    if tells:
        assert trained(2.0, 250)[0] < 0.1 < begun < 1.2 * trained(0.2, 250)[0]


def test_a_norm_that_climbs_is_seen_through_the_noise_of_batches() -> None:
    """And one that jumps once, or that settles again, is not called growing."""
    rng = torch.Generator().manual_seed(0)
    noise = (0.2 * torch.randn(200, generator=rng)).tolist()
    climbs = {float(k): 10 ** (2.5 * k / 200 + noise[k]) for k in range(200)}
    jumps = {float(k): 10 ** (2.5 * (k > 100) + noise[k]) for k in range(200)}
    settles = {float(k): 10 ** (2.5 * (50 < k < 150) + noise[k]) for k in range(200)}
    assert growing(climbs) is not None
    assert growing(jumps) is None
    assert growing(settles) is None


@pytest.mark.parametrize("rows", [60, 6000])
def test_a_table_of_embeddings_may_begin_with_next_to_nothing(rows: int) -> None:
    """As that of a hash grid, whatever the number of its rows; one whose rows jump may not."""
    for std, rate, said in ((1e-4, 1e-2, False), (1.0, 3.0, True)):
        torch.manual_seed(0)
        table, head = nn.Embedding(rows, 8), mlp(8, 32, 1)
        nn.init.normal_(table.weight, std=std)
        net = nn.Sequential(table, head)
        optimizer = torch.optim.Adam(
            [{"params": head.parameters(), "lr": 1e-3}, {"params": table.parameters(), "lr": rate}]
        )
        deltas = gradbook.watch(net)
        net(torch.arange(rows)).square().mean().backward()
        report = gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
        assert (report.verdict is V.LARGE_STEP) is said


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("depth", [2, 4])
def test_a_loss_on_the_derivative_alone_is_said_to_be_so(bias: bool, depth: int) -> None:
    """As of a Hamiltonian network, whose last bias is a constant that no derivative reads."""
    torch.manual_seed(0)
    net, x = mlp(2, *[32] * depth, 1, bend=nn.Tanh), torch.randn(64, 2)
    net[-1] = nn.Linear(32, 1, bias=bias)
    deltas = gradbook.watch(net)
    point = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(point).sum(), point, create_graph=True)
    report = looked(net, (slope - x.flip(1)).square().mean(), deltas)
    assert report.verdict is V.CANNOT_TELL
    assert "derivatives of the network alone" in report.reason
    assert any(f"{2 * depth}.bias" in note for note in report.notes) is bias


class Forgets(torch.autograd.Function):
    """A swish whose backward pass leaves out what comes back, or all."""

    sends = True

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z * z.sigmoid()

    @staticmethod
    def backward(ctx: Any, *came: Tensor) -> Tensor | None:
        (z,) = ctx.saved_tensors
        s = z.sigmoid()
        return s * (1 + z * (1 - s)) if Forgets.sends else None


class Swish(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return Forgets.apply(z)


@pytest.mark.parametrize(("sends", "said"), [(True, V.EXPLODING), (False, V.CUT)])
def test_a_backward_pass_of_ones_own_is_named_where_it_may_be_at_fault(
    sends: bool, said: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Forgets, "sends", sends)
    torch.manual_seed(0)
    net = mlp(20, 32, 32, 32, 10, bend=Swish)
    deltas = gradbook.watch(net)
    loss = F.cross_entropy(net(torch.randn(64, 20)), torch.arange(64) % 10)
    report = looked(net, loss, deltas)
    assert report.verdict is said
    assert "Function of your own, Forgets: " in report.notes[0]
    assert "gradcheck" in report.notes[0]
    sound = mlp(20, 32, 10)
    deltas = gradbook.watch(sound)
    x = torch.randn(64, 20, requires_grad=True)
    torch.utils.checkpoint.checkpoint(sound, x, use_reentrant=True).sum().backward()
    assert deltas.record.places
    assert not deltas.record.functions


class Heads(nn.Module):
    """A class and a number from one trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 64), nn.ReLU())
        self.kind, self.size = nn.Linear(64, 4), nn.Linear(64, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.kind(h), self.size(h)


@pytest.mark.parametrize(("scale", "hint"), [(1.0, None), (3000.0, "terms")])
def test_a_term_of_the_loss_that_hides_another_is_told_beside_healthy(
    scale: float, hint: str | None
) -> None:
    """As where the targets of one are in thousands: the other is hardly learned."""
    torch.manual_seed(0)
    x, classes = torch.randn(64, 20), torch.arange(64) % 4
    net = Heads()
    deltas = gradbook.watch(net)
    kind, size = net(x)
    loss = F.cross_entropy(kind, classes) + F.mse_loss(size, scale * torch.randn(64, 1))
    report = looked(net, loss, deltas)
    assert (report.verdict, report.findings[0].hint) == (V.HEALTHY, hint)
    assert ("size gets more than kind" in report.reason) is (hint is not None)
    if hint:
        assert report.steps[0].text.startswith("Bring the terms of the loss to one size")


class Signs(nn.Linear):
    """A layer whose weights are signs, and whose bias nobody reads."""

    def forward(self, x: Tensor) -> Tensor:
        rounded = self.weight + (self.weight.sign() - self.weight).detach()
        return F.linear(x, rounded) / 8


def test_a_bias_that_its_layer_does_not_read_is_a_note() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), Signs(64, 64), nn.Tanh(), Signs(64, 3))
    deltas = gradbook.watch(net)
    report = looked(net, F.cross_entropy(net(torch.randn(32, 8)), torch.arange(32) % 3), deltas)
    assert report.verdict is V.HEALTHY
    assert any("2.bias, 4.bias get no gradient" in note for note in report.notes)


@pytest.mark.parametrize("shape", [(2,), (1, 2), (8, 2)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_one_example_of_0_cuts_nothing_and_a_batch_of_them_does(
    shape: tuple[int, ...], *, bias: bool, seed: int
) -> None:
    """As the first of the truth table of XOR, learned example by example."""
    torch.manual_seed(seed)
    first = nn.Linear(2, 4, bias=bias)
    net = nn.Sequential(first, nn.Sigmoid(), nn.Linear(4, 1))
    for x, zero in ((torch.zeros(shape), True), (torch.rand(shape), False)):
        deltas = gradbook.watch(net)
        report = looked(net, (net(x) - 0.9).square().sum(), deltas)
        assert report.verdict is (V.CUT if zero and shape == (8, 2) else V.HEALTHY)
        assert ("0 in this one example" in report.reason) is (zero and shape != (8, 2))
        net.zero_grad()


class Returned(nn.Module):
    """It returns a loss beside its outputs, as those of transformers do where labels are given."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*(nn.Linear(16, 16) for _ in range(4)), nn.Linear(16, 4))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.body(x)
        return F.cross_entropy(logits, y), logits


@pytest.mark.parametrize("own", [False, True])
def test_a_loss_that_is_returned_and_not_used_reads_nothing(*, own: bool) -> None:
    torch.manual_seed(0)
    net, x, y = Returned(), torch.randn(32, 16), torch.arange(32) % 4
    deltas = gradbook.watch(net)
    loss, logits = net(x, y)
    (F.cross_entropy(logits, y, label_smoothing=0.1) if own else loss).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is Verdict.HEALTHY


class Gated(nn.Module):
    """A block whose branch sends little to what it reads, as attention with small weights does."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(32)
        self.a, self.b, self.c = (nn.Linear(32, 32) for _ in range(3))
        for layer, by in ((self.a, 0.02), (self.b, 0.1)):
            layer.weight.data.mul_(by)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.c(torch.tanh(self.b(torch.tanh(self.a(self.norm(x))))))


@pytest.mark.parametrize("frozen", [0, 4])
@pytest.mark.parametrize("falls", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_what_frozen_layers_put_out_goes_around_the_first_branch(
    frozen: int, seed: int, *, falls: bool
) -> None:
    """And a fall in the blocks that are trained is one as before."""
    torch.manual_seed(seed)
    read, blocks = nn.Linear(16, 32), [Gated() for _ in range(8)]
    behind = [part for _ in range(6) for part in (nn.Linear(32, 32), nn.Sigmoid()) if falls]
    net = nn.Sequential(read, *blocks, *behind, nn.LayerNorm(32), nn.Linear(32, 10))
    for part in net[: frozen + 1] if frozen else ():
        part.requires_grad_(False)
    deltas = gradbook.watch(net)
    F.cross_entropy(net(torch.randn(32, 16)), torch.arange(32) % 10).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is (Verdict.VANISHING if falls else Verdict.HEALTHY)
    sizes = [float(block.c.weight.grad.norm()) for block in blocks[frozen:]]
    assert max(sizes) < 10 * min(sizes)


class Mixed(nn.Module):
    """Half of the features go through one layer and half through another, which may be cut off."""

    def __init__(self, *, off: bool) -> None:
        super().__init__()
        self.off, self.a, self.b = off, nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(not self.off and torch.is_grad_enabled()):
            second = self.b(x[:, 16:])
        return x + torch.cat([self.a(x[:, :16]), second], 1)


@pytest.mark.parametrize("off", [False, True])
def test_a_branch_without_gradients_is_cut_whatever_reads_the_same(*, off: bool) -> None:
    torch.manual_seed(0)
    blocks = [Mixed(off=off and k == 4) for k in range(12)]
    net = nn.Sequential(nn.Linear(16, 32), *blocks, nn.Linear(32, 10))
    deltas = gradbook.watch(net)
    F.cross_entropy(net(torch.randn(32, 16)), torch.arange(32) % 10).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    lost = [name for name, p in net.named_parameters() if p.grad is None]
    assert (len(lost) == 2) is off
    assert report.verdict is (Verdict.CUT if off else Verdict.HEALTHY)
