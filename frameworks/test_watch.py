"""`gradbook.watch` finds δ in networks of PyTorch, and the diagnosis of it is right."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from test_models import (
    DEEP,
    IN_TIME,
    SEEDS,
    Mlp,
    Net,
    ResNet,
    Subject,
    Transformer,
    Truth,
    check,
    truth_of,
)
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint

import gradbook
from gradbook.diagnosis import BadInput, Report, Verdict


def asked(subject: Subject, seed: int, **more: Any) -> tuple[Report, Truth]:
    torch.manual_seed(seed)
    net, (x, y) = subject.build(), subject.draw()
    truth = truth_of(net, x, y)

    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    return gradbook.diagnose(net, deltas=deltas, **more), truth


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("subject", DEEP + IN_TIME, ids=str)
def test_three_lines_give_the_verdict(subject: Subject, seed: int) -> None:
    # Between h and what is watched stand a slope and one layer's share of D.
    check(*asked(subject, seed), close=1.0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("subject", DEEP, ids=str)
def test_with_a_learning_rate_too(subject: Subject, seed: int) -> None:
    report, truth = asked(subject, seed, lr=0.1)
    assert report.verdict is truth.verdict
    assert any(row.frozen for row in report.rows)


def values(deltas: Any) -> dict[str, float]:
    return {name: float(size) for name, size in deltas.items() if size is not None}


def sizes(deltas: Any) -> dict[str, float]:
    return {place.name: place.delta for place in deltas.record.places}


def rms(x: Tensor) -> float:
    return x.double().square().mean().sqrt().item()


def test_it_is_what_autograd_gives() -> None:
    torch.manual_seed(0)
    net, x, y = Mlp(5, nn.Tanh), torch.randn(8, 16), torch.arange(8) % 4
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()

    h, outputs, names = x, [], []
    for number, layer in enumerate(net.layers):
        h = layer(h)
        outputs.append(h)
        linear = isinstance(layer, nn.Linear)
        names.append(f"layers.{number} (z)" if linear else f"layers.{number - 1}")
    names[-1] = names[-1].removesuffix(" (z)")
    wanted = torch.autograd.grad(F.cross_entropy(h, y), outputs)
    found = sizes(deltas)
    assert list(found) == names
    for name, delta in zip(names, wanted, strict=True):
        assert found[name] == pytest.approx(rms(delta), rel=1e-5)
    norms = [delta.norm().item() / 8**0.5 for delta in wanted]
    kept = values(deltas)
    assert list(kept) == [n for n in names if "(z)" not in n]
    assert list(kept.values()) == pytest.approx([*norms[1::2], norms[-1]], rel=1e-5)


def test_what_enters_and_leaves_blocks_is_what_autograd_gives() -> None:
    torch.manual_seed(0)
    for net, x, y in (
        (ResNet(), torch.randn(2, 3, 8, 8), torch.tensor([0, 1])),
        (Transformer(), torch.zeros(2, 5, dtype=torch.int64), torch.ones(10).long()),
    ):
        deltas = gradbook.watch(net)
        for _ in range(2):  # the second pass takes the place of the first
            F.cross_entropy(net(x), y).backward()
            states = net.states(x)
            wanted = torch.autograd.grad(F.cross_entropy(net.read(states[-1]), y), states)
            found = sizes(deltas)
            for number, delta in enumerate(wanted[1:]):
                assert found[f"blocks.{number}"] == pytest.approx(rms(delta), rel=1e-4)
            x, y = x[:1].clone(), y[: len(y) // 2].clone()  # noqa: PLW2901 - a smaller batch


def trained(net: nn.Module, x: Tensor) -> Tensor:
    loss = net(x).square().mean()
    loss.backward()
    return loss


def chain(depth: int = 4) -> nn.Sequential:
    return nn.Sequential(*(nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(depth)))


def test_an_evaluation_neither_clears_nor_counts() -> None:
    torch.manual_seed(0)
    for mode in (torch.no_grad, torch.enable_grad):
        net, x = chain(), torch.randn(5, 3)
        deltas = gradbook.watch(net)
        net(x)  # with a graph that nobody goes back through
        trained(net, x)
        kept = values(deltas)
        assert len(kept) == 4
        with mode():
            net(torch.randn(5, 3))
        assert values(deltas) == kept
        deltas.remove()
        trained(net, torch.randn(5, 3))
        assert values(deltas) == kept


def test_parts_that_are_called_one_by_one() -> None:
    torch.manual_seed(0)
    net, x = chain(), torch.randn(5, 3)
    deltas = gradbook.watch(net)
    for _ in range(3):
        h = x
        for part in net:
            h = part(h)
        h.sum().backward()
        assert len(deltas) == 4


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_change_nothing(reentrant: bool) -> None:
    class Checkpointed(Transformer):
        def states(self, x: Tensor) -> list[Tensor]:
            found = [self.wte(x)]
            for block in self.blocks:
                found.append(checkpoint(block, found[-1], use_reentrant=reentrant))
            return found

    torch.manual_seed(0)
    net = Transformer()
    again = Checkpointed()
    again.load_state_dict(net.state_dict())
    x, y = torch.randint(4, (2, 5)), torch.randint(4, (10,))
    for _ in range(2):
        found = []
        for each in (net, again):
            deltas = gradbook.watch(each)
            F.cross_entropy(each(x), y).backward()
            found.append(sizes(deltas))
            assert gradbook.diagnose(each, deltas=deltas).verdict is Verdict.HEALTHY
            deltas.remove()
        plain, checked = found
        for number in range(4):
            assert checked[f"blocks.{number}"] == pytest.approx(plain[f"blocks.{number}"], rel=1e-4)


class Gated(nn.Module):
    """A block around which a path leads, with a factor that asks for no gradient in the branch."""

    def __init__(self, write: bool) -> None:
        super().__init__()
        self.norm, self.fc, self.write, self.runs = nn.LayerNorm(6), nn.Linear(6, 6), write, 0
        self.register_buffer("gate", torch.ones(4, 6))

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        x = x + self.fc(self.norm(x)).relu() * self.gate
        if self.write:
            self.gate.mul_(0.9)  # so that nothing can go back any more
        return x


@pytest.mark.parametrize("masked", [True, False])
def test_a_checkpoint_computes_nothing_on_the_way_forward(masked: bool) -> None:
    found: list[list[tuple[str, bool]]] = []
    for checked in (True, False):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 6), Gated(False), Gated(False), nn.Linear(6, 6))
        deltas = gradbook.watch(net)
        x = net[0](torch.randn(4, 6))
        for block in (net[1], net[2]):
            x = checkpoint(block, x, use_reentrant=False) if checked else block(x)
            x = x + F.dropout(x, 1.0) if masked else x
        out = net[3](x)
        assert [net[1].runs, net[2].runs] == [1, 1]
        out.square().mean().backward()
        found.append([(p.name, p.delta is not None) for p in deltas.record.places])
    assert found[0] == found[1]
    assert all(came for _, came in found[0])


def test_a_factor_that_is_written_to_stops_nothing() -> None:
    net = nn.Sequential(nn.Linear(6, 6), Gated(True), nn.LayerNorm(6))
    deltas = gradbook.watch(net)
    net(torch.randn(4, 6))
    assert deltas.waits


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("embedded", [True, False])
def test_layers_that_loop_are_watched_in_time(kind: Any, batch_first: bool, embedded: bool) -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(3, 6) if embedded else nn.Identity()
            self.rnn = kind(6 if embedded else 3, 8, num_layers=2, batch_first=batch_first)
            self.head = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            out = self.rnn(self.embed(x))[0]
            return self.head(out[:, -1] if batch_first else out[-1])

    torch.manual_seed(0)
    net = Reader()
    x = torch.randn(4, 7, 3) if batch_first else torch.randn(7, 4, 3)
    deltas = gradbook.watch(net)
    trained(net, x)
    assert not x.requires_grad
    entered = net.embed(x).detach().requires_grad_()
    out = net.rnn(entered)[0]
    net.head(out[:, -1] if batch_first else out[-1]).square().mean().backward()
    assert entered.grad is not None
    wanted = entered.grad.norm(dim=-1)
    [steps] = deltas.record.steps
    found = torch.tensor(steps.sizes)
    torch.testing.assert_close(found, wanted.T if batch_first else wanted)
    assert (steps.name, steps.depth, steps.both, steps.every) == ("rnn", 2, False, False)
    with torch.no_grad():
        net(x)
    assert deltas.record.steps == (steps,)
    trained(net, x[:, :5] if batch_first else x[:5])  # shorter: nothing stays of the longer one
    assert len(deltas.record.steps[0].sizes) == 5


def test_behind_a_recurrent_layer_the_gradient_is_that_of_all_steps() -> None:
    """To tell how far back a loss reaches, the last step's alone is sent back once more."""

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(3, 8, batch_first=True)
            self.head = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.rnn(x)[0])

    torch.manual_seed(0)
    net, x = Tagger(), torch.randn(4, 7, 3)
    out = net.rnn(x)[0].detach().requires_grad_()
    net.head(out).square().mean().backward()
    assert out.grad is not None
    deltas = gradbook.watch(net)
    net(x).square().mean().backward()
    assert deltas.record.steps[0].lags is not None
    assert sizes(deltas)["rnn"] == pytest.approx(rms(out.grad))


def test_a_cell_that_is_called_in_a_loop() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTMCell(3, 8)
            self.head = nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            state = None
            for step in x:
                state = self.cell(step, state)
            assert state is not None
            return self.head(state[0])

    torch.manual_seed(0)
    net = Loop()
    deltas = gradbook.watch(net)
    for steps in (40, 30):
        trained(net, torch.randn(steps, 4, 3))
        assert sum(name.startswith("cell") for name in deltas) >= steps - 1
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is Verdict.VANISHING


class Looped(nn.Module):
    def __init__(self, named: bool = False, stepwise: bool = False) -> None:
        super().__init__()
        self.unused = nn.GRU(3, 8, batch_first=True)
        self.rnn = nn.GRU(3, 8, batch_first=True)
        self.head = nn.Linear(8, 2)
        self.named, self.stepwise = named, stepwise

    def forward(self, x: Any) -> Tensor:
        if self.named:
            return self.head(self.rnn(input=x)[1][-1])
        if not self.stepwise:
            return self.head(self.rnn(x)[1][-1])
        state = None
        for t in range(x.shape[1]):
            _, state = self.rnn(x[:, t : t + 1], state)
        assert state is not None
        return self.head(state[-1])


def test_the_loop_that_runs_is_watched_however_it_is_called() -> None:
    torch.manual_seed(0)
    plain, x = Looped(), torch.randn(4, 40, 3)
    for net in (plain, Looped(named=True), Looped(stepwise=True)):
        net.load_state_dict(plain.state_dict())
        net.unused.requires_grad_(False)
        found = gradbook.watch(net)
        trained(net, x)
        assert gradbook.diagnose(net, deltas=found).verdict is Verdict.VANISHING


@pytest.mark.parametrize("embedded", [True, False])
def test_packed_sequences_are_split_into_their_steps(embedded: bool) -> None:
    torch.manual_seed(0)
    net, x = Looped(), torch.randn(3, 9, 3)
    packed = pack_padded_sequence(x, torch.tensor([9, 2, 5]), True, enforce_sorted=False)
    wanted = trained(net, packed).detach()
    gradients = [parameter.grad for parameter in net.rnn.parameters()]
    net.zero_grad()
    if embedded:
        packed = packed._replace(data=packed.data.clone().requires_grad_())
    deltas = gradbook.watch(net)
    torch.testing.assert_close(trained(net, packed).detach(), wanted, rtol=0, atol=0)
    assert packed.data.requires_grad is embedded
    for parameter, gradient in zip(net.rnn.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    [steps] = deltas.record.steps
    assert [len(row) for row in steps.sizes] == packed.batch_sizes.tolist()


def test_a_loop_that_is_not_trained_and_one_that_is_asked_stay_as_they_are() -> None:
    net, x = Looped(), torch.randn(4, 5, 3)
    kept = gradbook.watch(net)
    with torch.inference_mode():
        data = torch.randn(4, 5, 3)
        net(data)
    with torch.no_grad():
        net(data)
    net.requires_grad_(False)
    assert not net(x).requires_grad
    assert not values(kept)


@dataclass(slots=True)
class State:
    hidden: Tensor


class Wrapping(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.part = kind, nn.Sequential(nn.Linear(6, 6), nn.Sigmoid())

    def forward(self, *, hidden: Tensor) -> Any:
        out = self.part(hidden)
        if self.kind == "tuple":
            return torch.softmax(out @ out.T, 1), out
        return {"hidden": out} if self.kind == "dict" else State(out)


def unwrap(out: Any) -> Tensor:
    if isinstance(out, State):
        return out.hidden
    return out["hidden"] if isinstance(out, dict) else out[1]


@pytest.mark.parametrize("kind", ["tuple", "dict", "dataclass"])
def test_blocks_may_be_called_by_keywords_and_return_what_they_like(kind: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(6, 6), nn.Linear(6, 2)
            self.blocks = nn.ModuleList(Wrapping(kind) for _ in range(8))

        def forward(self, x: Tensor) -> Tensor:
            states.append(self.stem(x))
            for block in self.blocks:
                out = block(hidden=states[-1])
                states.append(unwrap(out))
            return self.head(states[-1])

    torch.manual_seed(0)
    states: list[Tensor] = []
    net = Net()
    deltas = gradbook.watch(net)
    loss = net(torch.randn(4, 6)).square().mean()
    wanted = torch.autograd.grad(loss, states, retain_graph=True)
    loss.backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is Verdict.VANISHING
    assert report.profile is not None
    found = 10 ** abs(report.profile.decades)
    assert found == pytest.approx(rms(wanted[-1]) / rms(wanted[0]), rel=0.01)


def test_a_network_that_is_watched_can_be_copied_and_saved(tmp_path: Any) -> None:
    torch.manual_seed(0)
    for net, x in ((chain(), torch.randn(5, 3)), (Looped(), torch.randn(4, 5, 3))):
        deltas = gradbook.watch(net)
        trained(net, x)
        kept = values(deltas)
        torch.save(net, tmp_path / "net.pt")
        for other in (copy.deepcopy(net), torch.load(tmp_path / "net.pt", weights_only=False)):
            trained(other, 2 * x)
        assert values(deltas) == kept


def test_watched_in_every_step_it_does_not_pile_up() -> None:
    net, x = chain(), torch.randn(5, 3)
    for _ in range(5):
        deltas = gradbook.watch(net)
        trained(net, x)
    assert [len(part[0]._forward_hooks) for part in net] == [1] * 4
    del deltas
    assert not any(part[0]._forward_hooks for part in net)


def test_nothing_of_a_graph_is_kept() -> None:
    for net, x in ((chain(), torch.randn(5, 3)), (Looped(), torch.randn(4, 5, 3))):
        deltas = gradbook.watch(net)
        inner: list[Any] = []
        net.head if isinstance(net, Looped) else net[3][0].register_forward_hook(
            lambda _, args, out, inner=inner: inner.append(weakref.ref(out))
        )
        trained(net, x)
        gc.collect()
        assert all(ref() is None for ref in inner)
        assert not any(made.nodes for made in deltas._passes)


@pytest.mark.parametrize("last", [True, False])
def test_a_penalty_on_the_gradient_hides_nothing(last: bool) -> None:
    torch.manual_seed(0)
    net, x = chain(), torch.randn(5, 3)
    deltas = gradbook.watch(net)
    loss = torch.zeros(()) if not last else net(x).mean()
    data = torch.randn(5, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(net(data).sum(), data, create_graph=True)
    loss = loss + slope.square().sum() + (net(x).mean() if not last else 0)
    loss.backward()
    assert len(deltas.record.places) >= 8
    assert all(place.delta is not None for place in deltas.record.places[1:])
    assert gradbook.diagnose(net, deltas=deltas).verdict is Verdict.HEALTHY


def test_spectral_norm_and_layers_whose_size_comes_later() -> None:
    torch.manual_seed(0)
    parts = [[nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)), nn.Tanh()]] * 4
    net = nn.Sequential(*(copy.deepcopy(part) for pair in parts for part in pair))
    late = nn.Sequential(nn.LazyLinear(3), nn.Tanh(), nn.LazyLinear(3))
    for each, names in ((net, ["0", "2", "4", "output"]), (late, ["0", "2"])):
        deltas = gradbook.watch(each)
        trained(each, torch.randn(5, 3))
        assert list(deltas) == names


def test_tied_weights_are_named_and_those_that_nobody_uses() -> None:
    class Tied(Transformer):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(32, 4, bias=False)
            self.head.weight = self.wte.weight
            self.unused = nn.ModuleList(nn.Linear(2, 2) for _ in range(8))

    torch.manual_seed(0)
    net = Tied()
    deltas = gradbook.watch(net)
    F.cross_entropy(net(torch.randint(4, (2, 5))), torch.randint(4, (10,))).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert "head.weight is the same array as wte.weight" in " ".join(report.notes)
    assert report.verdict is Verdict.CUT
    assert "never called" in report.reason


def test_half_precision_and_a_copy() -> None:
    torch.manual_seed(0)
    net = copy.deepcopy(chain()).bfloat16()
    deltas = gradbook.watch(net)
    trained(net, torch.randn(5, 3, dtype=torch.bfloat16))
    report = gradbook.diagnose(net, deltas=deltas, lr=1e-3)
    assert "bfloat16" in report.rows[0].frozen


def test_the_optimizer_tells_its_steps() -> None:
    torch.manual_seed(0)
    net, x = chain(), torch.randn(5, 3)
    for make in (
        lambda p: torch.optim.SGD(p, 0.1),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
        lambda p: torch.optim.Adam(p, 1e-3),
    ):
        optimizer = make(net.parameters())
        deltas = gradbook.watch(net)
        for _ in range(3):
            optimizer.zero_grad()
            trained(net, x)
            optimizer.step()
        optimizer.zero_grad()
        trained(net, x)
        report = gradbook.diagnose(net, deltas=deltas, optimizer=optimizer)
        before = [p.detach().clone() for p in net.parameters()]
        optimizer.step()
        moved = [rms(p - b) / rms(b) for p, b in zip(net.parameters(), before, strict=True)]
        weights = report.rows[0].update
        assert weights is not None
        pair = torch.cat([before[0].flatten(), before[1]])
        step = torch.cat([(p - b).flatten() for p, b in zip(net.parameters(), before, strict=True)])
        assert weights == pytest.approx(rms(step[: len(pair)]) / rms(pair), rel=0.15)
        assert all(size > 0 for size in moved)


def test_what_cannot_be_watched_is_said() -> None:
    with pytest.raises(TypeError, match=r"must be a network of PyTorch .*, got Tensor"):
        gradbook.watch(torch.ones(3))
    with pytest.raises(ValueError, match="net must have weights, got none in ReLU"):
        gradbook.watch(nn.ReLU())
    with pytest.raises(TypeError, match="net must be a network of PyTorch"):
        gradbook.watch(nn.Linear)
    net = chain()
    deltas = gradbook.watch(net)
    with pytest.raises(BadInput, match=r"call gradbook\.watch before the forward pass"):
        gradbook.diagnose(net, deltas=deltas)
    deltas.remove()
    net(torch.randn(5, 3)).sum().backward()
    deltas = gradbook.watch(net)
    net(torch.randn(5, 3))
    with pytest.raises(BadInput, match="deltas must hold what the backward pass found, got none"):
        gradbook.diagnose(net, deltas=deltas)


def test_deltas_of_another_network_are_refused_and_those_of_what_is_in_it_are_not() -> None:
    old, new = chain(), chain()
    deltas = gradbook.watch(old)
    old(torch.randn(5, 3)).sum().backward()
    with pytest.raises(BadInput, match=r"deltas must be those of .*watch\(net\) again where"):
        gradbook.diagnose(new, deltas=deltas)
    assert gradbook.diagnose(nn.Sequential(old), deltas=deltas)
    with pytest.raises(BadInput, match=r"call diagnose\(net, deltas=deltas\)"):
        gradbook.diagnose(deltas)


def test_deltas_that_were_removed_answer_for_their_own_gradients_alone() -> None:
    net = chain()
    deltas = gradbook.watch(net)
    net(torch.randn(5, 3)).sum().backward()
    first = gradbook.diagnose(net, deltas=deltas)
    deltas.remove()
    assert gradbook.diagnose(net, deltas=deltas).verdict is first.verdict
    net.zero_grad()
    net(torch.randn(5, 3)).sum().backward()
    with pytest.raises(BadInput, match=r"a watch that was removed before: call gradbook\.watch"):
        gradbook.diagnose(net, deltas=deltas)


def test_weights_are_not_taken_for_gradients() -> None:
    with pytest.raises(BadInput, match="got a state_dict: hand over the network itself"):
        gradbook.diagnose(chain().state_dict())


def test_a_network_of_which_nothing_is_to_be_trained_is_told_so() -> None:
    net = chain().requires_grad_(False)
    deltas = gradbook.watch(net)
    net(torch.randn(5, 3))
    for report in (gradbook.diagnose(net, deltas=deltas), gradbook.diagnose(net)):
        assert "requires_grad False" in report.reason
        assert report.steps[0].text.startswith("Call requires_grad_(True)")


OUTSIDE: list[Callable[[Tensor], Tensor | None]] = [
    lambda out: None,
    lambda out: torch.tensor(out.square().mean().item(), requires_grad=True),
    lambda out: torch.zeros(1, requires_grad=True) + out.detach().numpy().sum().item(),
]


@pytest.mark.parametrize("way", OUTSIDE, ids=["no backward pass", "a new tensor", "NumPy"])
def test_a_loss_that_does_not_depend_on_the_network_is_a_cut(
    way: Callable[[Tensor], Tensor | None],
) -> None:
    net = chain()
    bare = gradbook.diagnose(net)
    assert bare.verdict is Verdict.CANNOT_TELL
    assert "No tensor holds a gradient" in bare.findings[0].reason
    assert "gradbook.watch" in bare.steps[0].text
    deltas = gradbook.watch(net)
    loss = way(net(torch.randn(5, 3)))
    if loss is not None:
        loss.backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is Verdict.CUT
    assert "backward() was not called" in report.findings[0].reason
    assert report.steps[0].text.startswith("Call backward()")


def test_a_run_whose_steps_never_get_a_gradient_says_so() -> None:
    net = chain()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(3):
            torch.tensor(net(torch.randn(5, 3)).sum().item(), requires_grad=True).backward()
            optimizer.step()
    assert run.report().verdict is Verdict.CUT


@pytest.mark.parametrize(("lr", "slow"), [(0.1, False), (3e-6, True)])
def test_of_a_healthy_network_that_hardly_moves_the_size_of_a_step_is_told(
    lr: float, slow: bool
) -> None:
    net = chain()
    deltas = gradbook.watch(net)
    net(torch.randn(5, 3)).square().mean().backward()
    report = gradbook.diagnose(net, deltas=deltas, lr=lr)
    assert report.verdict is Verdict.HEALTHY
    assert ("But a step changes no weights by more than" in report.findings[0].reason) is slow
    assert ("raise the learning rate" in report.steps[0].text) is slow


@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_path_around_the_blocks_is_no_fault(scale: float, seed: int) -> None:
    """The path is in forward: what leaves a block is in a branch, and all get the same share."""

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(32, 32), nn.Linear(32, 32)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc2(torch.tanh(self.fc1(x)))

    class Around(Net):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(16, 32), nn.Linear(32, 4)
            self.blocks = nn.ModuleList(Branch() for _ in range(8))

        def states(self, x: Tensor) -> list[Tensor]:
            found = [self.stem(x)]
            for block in self.blocks:
                found.append(found[-1] + scale * block(found[-1]))
            return found

        def read(self, h: Tensor) -> Tensor:
            return self.head(h)

    torch.manual_seed(seed)
    net, x, y = Around(), torch.randn(32, 16), torch.randint(4, (32,))
    deltas = gradbook.watch(net)
    for _ in range(2):
        F.cross_entropy(net(x), y).backward()
    check(gradbook.diagnose(net, deltas=deltas), truth_of(net, x, y), close=0.5)


def test_the_order_in_which_layers_were_made_does_not_matter() -> None:
    class Backwards(Net):
        """The layers have the order of the network, last to first, in its list of parameters."""

        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(32, 4)
            self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(8))
            self.stem = nn.Linear(16, 32)

        def states(self, x: Tensor) -> list[Tensor]:
            found = [torch.sigmoid(self.stem(x))]
            for i in reversed(range(8)):
                found.append(torch.sigmoid(self.layers[i](found[-1])))
            return found

        def read(self, h: Tensor) -> Tensor:
            return self.head(h)

    torch.manual_seed(0)
    net, x, y = Backwards(), torch.randn(32, 16), torch.randint(4, (32,))
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.profile is not None
    assert report.profile.names == ("stem", *(f"layers.{i}" for i in reversed(range(8))))
    truth = truth_of(net, x, y)
    assert truth.verdict is Verdict.VANISHING
    check(report, truth, close=1.0)


class Swish(nn.Module):
    """A gate, which is no sigmoid."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


@pytest.mark.parametrize(
    ("bend", "first"),
    [(nn.Sigmoid, "Replace the sigmoids"), (nn.Tanh, "Draw the weights"), (Swish, "Draw the")],
)
def test_sigmoids_are_advised_another_activation(bend: type[nn.Module], first: str) -> None:
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(16, 16), bend(), nn.Dropout(0.01)) for _ in range(20)]
    net, x, y = nn.Sequential(*blocks), torch.randn(32, 16), torch.arange(32) % 4
    deltas = gradbook.watch(net)
    F.cross_entropy(net(x), y).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is Verdict.VANISHING
    assert report.steps[0].text.startswith(first)


class Siren(nn.Module):
    """Sines of thirty times what layers make, of which PyTorch draws the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(1 if i == 0 else 32, 32) for i in range(6))
        self.out = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.sin(30 * layer(x))
        return self.out(x)


def _growth(net: Siren, x: Tensor, y: Tensor) -> tuple[float, Report]:
    net.zero_grad()
    deltas, made = gradbook.watch(net), []
    hooks = [layer.register_forward_hook(lambda *a: made.append(a[2])) for layer in net.layers]
    out = net(x)
    F.mse_loss(out, y).backward(retain_graph=True)
    report = gradbook.diagnose(net, deltas=deltas)
    deltas.remove()
    first, *_, last = torch.autograd.grad(F.mse_loss(out, y), made)
    for hook in hooks:
        hook.remove()
    return float((first.square().mean() / last.square().mean()).log10()) / 2, report


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_that_are_small_already_are_not_to_be_drawn_larger(seed: int) -> None:
    torch.manual_seed(seed)
    net, x = Siren(), torch.linspace(-1, 1, 128)[:, None]
    before, report = _growth(net, x, torch.sin(20 * x))
    assert before > 2
    assert report.verdict is Verdict.EXPLODING
    assert "divide them by it" in report.steps[0].text
    assert not any("2/n" in step.text for step in report.steps)
    for layer in [*net.layers][1:]:
        layer.weight.data /= 30
    after, report = _growth(net, x, torch.sin(20 * x))
    assert abs(after) < 2 < before
    for layer in [*net.layers][1:]:
        nn.init.normal_(layer.weight, 0, 32**-0.5)
    assert _growth(net, x, torch.sin(20 * x))[0] > before


class Swollen(nn.Module):
    """A sum of blocks that nothing keeps small."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(10, 32), nn.Linear(32, 4)
        blocks = (nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)) for _ in range(20))
        self.blocks = nn.ModuleList(blocks)
        for block in self.blocks:
            nn.init.kaiming_normal_(block[0].weight)
            nn.init.kaiming_normal_(block[2].weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


@pytest.mark.parametrize("unit", [1.0, 0.1])
def test_inputs_are_called_large_only_where_they_are(unit: float) -> None:
    torch.manual_seed(0)
    net = Swollen()
    deltas = gradbook.watch(net)
    F.cross_entropy(net(unit * torch.randn(128, 10)), torch.arange(128) % 4).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is Verdict.EXPLODING
    assert not any("far larger" in step.text for step in report.steps)


@pytest.mark.parametrize("bend", [nn.Tanh, nn.Sigmoid])
def test_units_that_large_inputs_drive_to_their_ends_are_told_with_these(
    bend: type[nn.Module],
) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 32), bend(), nn.Linear(32, 32), bend(), nn.Linear(32, 1))
    deltas, x = gradbook.watch(net), 1.6e9 + 3e7 * torch.rand(128, 1)
    F.mse_loss(net(x), torch.sin(x)).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is Verdict.CUT
    assert report.steps[0].text.startswith("Bring the inputs to mean 0")


STEPPERS = {
    "plain": lambda weights: torch.optim.SGD(weights, 0.1),
    "many at once": lambda weights: torch.optim.AdamW(weights, 1e-2, foreach=True),
    "fused": lambda weights: torch.optim.AdamW(weights, 1e-2, fused=True),  # counts no writing
}


@pytest.mark.parametrize("clears", [True, False])
@pytest.mark.parametrize("make", STEPPERS.values(), ids=STEPPERS)
def test_gradients_are_summed_on_purpose_where_steps_are_rarer_than_passes(
    make: Callable[[Any], torch.optim.Optimizer], clears: bool
) -> None:
    torch.manual_seed(0)
    net, reports = Mlp(2, nn.Tanh), list[Report]()
    x, y = torch.randn(4, 16, 16), torch.arange(16) % 4
    optimizer, deltas = make(net.parameters()), gradbook.watch(net)
    for number in range(12):
        F.cross_entropy(net(x[number % 4]), y).backward()
        reports.append(gradbook.diagnose(net, deltas=deltas, optimizer=optimizer))
        if number % 4 == 3 or not clears:
            optimizer.step()
        if number % 4 == 3 and clears:
            optimizer.zero_grad()
    last = reports[-1]
    notes = " ".join(last.notes)
    assert ("zero_grad" in last.steps[0].text) is not clears
    assert ("times the gradient that this pass sent" in last.reason) is not clears
    assert ("were summed over 4 passes without a step between them" in notes) is clears
    assert "summed" not in " ".join(reports[4].notes) or not clears  # the first behind a step


@pytest.mark.parametrize("turns", [True, False])
def test_what_is_not_trained_in_this_step_alone_is_not_said_to_stay(turns: bool) -> None:
    torch.manual_seed(0)

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.G, self.D = nn.Sequential(nn.Linear(8, 16), nn.ReLU()), nn.Linear(16, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.D(self.G(x))  # type: ignore[no-any-return]

    whole, x = Both(), torch.randn(8, 8)
    optimizer, deltas = torch.optim.SGD(whole.parameters(), 0.1), gradbook.watch(whole)
    for step in range(4):
        whole.G.requires_grad_(turns and step % 2 == 0)
        whole.D.requires_grad_(not turns or step % 2 == 1)
        optimizer.zero_grad()
        whole(x).square().mean().backward()
        report = gradbook.diagnose(whole, deltas=deltas)
        optimizer.step()
    [note] = [note for note in report.notes if "requires_grad" in note]
    assert "G.0.weight" in note
    assert ("in this step, and had a gradient before" in note) is turns
    assert ("stay as they are" in note) is not turns
