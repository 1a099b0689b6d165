"""Networks of PyTorch and JAX, sound and broken by one line, and what is said of each.

What must be said is measured in each test, in float64: with r the root of the mean square of ∂L/∂h
and D = log10(first r / last r) over the outputs of all hidden layers, or the states after all
steps, D ≤ −2 is vanishing, D ≥ 2 exploding, and |D| ≤ 1 healthy. In between nothing is true.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.book.diagnose.planted import DECADES, HEALTHY_DECADES
from gradbook.diagnosis import Report, Verdict

SEEDS = [0, 1, 2]
CLASSES, STEPS = 4, 60
LR = 0.01


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Small matrices need no threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# What a reader pastes.


def watched(net: nn.Module, *kinds: type[nn.Module]) -> dict[str, Tensor]:
    """Fill a dictionary with δ; the kinds are nn.Linear, nn.Conv2d, or the class of the blocks."""
    deltas: dict[str, Tensor] = {}
    for name, module in net.named_modules():
        if isinstance(module, kinds):

            def hook(module: Any, inputs: Any, output: Any, name: str = name) -> None:
                output.register_hook(lambda delta: deltas.update({name: delta}))

            module.register_forward_hook(hook)
    return deltas


def gradients(net: nn.Module) -> dict[str, Tensor | None]:
    return {name: parameter.grad for name, parameter in net.named_parameters()}


# How the truth is measured.


class Net(nn.Module):
    """A network whose hidden states can be asked for."""

    def states(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of all hidden layers, or the states after all steps."""
        raise NotImplementedError

    def read(self, h: Tensor) -> Tensor:
        """Make the network's output from the last of them."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.states(x)[-1])


@dataclass(frozen=True)
class Truth:
    verdict: Verdict
    decades: float
    loss: float


def truth_of(net: Net, x: Tensor, y: Tensor) -> Truth:
    exact = copy.deepcopy(net).double()
    states = exact.states(x.detach().double() if x.is_floating_point() else x)
    loss = F.cross_entropy(exact.read(states[-1]), y)
    sizes = [d.square().mean().sqrt().item() for d in torch.autograd.grad(loss, states)]
    decades = math.log10(sizes[0]) - math.log10(sizes[-1])
    assert abs(decades) <= HEALTHY_DECADES or abs(decades) >= DECADES, f"D = {decades:.2f}"
    if abs(decades) <= HEALTHY_DECADES:
        return Truth(Verdict.HEALTHY, decades, loss.item())
    verdict = Verdict.VANISHING if decades < 0 else Verdict.EXPLODING
    return Truth(verdict, decades, loss.item())


def check(report: Report, truth: Truth, close: float) -> None:
    assert report.verdict is truth.verdict, f"{report.reason} In truth D = {truth.decades:.2f}"
    assert report.profile is not None
    assert report.profile.source == "δ"
    assert (report.since is None) == (truth.verdict is Verdict.HEALTHY)
    # In float32 a gradient may have run into 0, which is further than any number of decades.
    if not math.isinf(report.profile.decades):
        assert report.profile.decades == pytest.approx(truth.decades, abs=close)


# Deep networks.


class Mlp(Net):
    def __init__(self, depth: int, activation: type[nn.Module], init: Any = None) -> None:
        super().__init__()
        widths = [16, *[32] * (depth - 1), CLASSES]
        layers = [x for pair in pairwise(widths) for x in (nn.Linear(*pair), activation())]
        self.layers = nn.Sequential(*layers[:-1])
        for layer in layers[::2] if init else []:
            init(layer.weight)
            nn.init.zeros_(layer.bias)

    def states(self, x: Tensor) -> list[Tensor]:
        found = []
        for layer in self.layers[:-1]:
            x = layer(x)
            found += [] if isinstance(layer, nn.Linear) else [x]
        return found

    def read(self, h: Tensor) -> Tensor:
        return self.layers[-1](h)


def normal(gain: float) -> Callable[[Tensor], Tensor]:
    return lambda weight: nn.init.normal_(weight, std=gain * weight[0].numel() ** -0.5)


he = normal(math.sqrt(2))


def no_norm(channels: int) -> nn.Module:
    return nn.Identity()


class ConvBlock(nn.Module):
    def __init__(self, norm: Any, scale: float, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.norm1 = norm(16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.norm2 = norm(16)
        self.relu = nn.ReLU(inplace=True)
        self.scale, self.shortcut = scale, shortcut

    def forward(self, x: Tensor) -> Tensor:
        branch = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        return self.relu(x + self.scale * branch if self.shortcut else branch)


class ResNet(Net):
    def __init__(
        self,
        norm: Any = nn.BatchNorm2d,
        scale: float = 1.0,
        *,
        shortcut: bool = True,
        init: Any = he,
        blocks: int = 8,
        last_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*(ConvBlock(norm, scale, shortcut) for _ in range(blocks)))
        self.head = nn.Linear(16, CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and init:
                init(module.weight)
        for block in self.blocks if last_scale is not None else []:
            nn.init.constant_(block.norm2.weight, last_scale)

    def states(self, x: Tensor) -> list[Tensor]:
        found = [self.stem(x)]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def read(self, h: Tensor) -> Tensor:
        return self.head(h.mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (6, -1)).transpose(1, 2).chunk(3, 1)  # two heads
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class PreNorm(nn.Module):
    def __init__(self, width: int, norm: Any, shortcut: float) -> None:
        super().__init__()
        self.ln1 = norm(width)
        self.attn = Attention(width)
        self.ln2 = norm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        x = self.shortcut * x + self.attn(self.ln1(x))
        return self.shortcut * x + self.fc2(F.gelu(self.fc1(self.ln2(x))))


class Transformer(Net):
    def __init__(
        self,
        norm: Any = nn.LayerNorm,
        shortcut: float = 1.0,
        std: float | None = 0.02,
        embedding: float = 0.02,
        block: Any = None,
    ) -> None:
        super().__init__()
        self.wte = nn.Embedding(CLASSES, 32)
        make = block or (lambda: PreNorm(32, norm, shortcut))
        self.blocks = nn.ModuleList(make() for _ in range(4))
        self.ln_f = nn.LayerNorm(32)
        self.head = nn.Linear(32, CLASSES)
        nn.init.normal_(self.wte.weight, std=embedding)
        for module in self.modules():
            if isinstance(module, nn.Linear) and std is not None:
                nn.init.normal_(module.weight, std=std)
                nn.init.zeros_(module.bias)

    def states(self, x: Tensor) -> list[Tensor]:
        found = [self.wte(x)]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def read(self, h: Tensor) -> Tensor:
        return self.head(self.ln_f(h)).flatten(0, 1)


def torch_block() -> nn.Module:
    return nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, norm_first=True, batch_first=True)


def rows() -> tuple[Tensor, Tensor]:
    return torch.randn(32, 16), torch.randint(CLASSES, (32,))


def images() -> tuple[Tensor, Tensor]:
    return torch.randn(8, 3, 8, 8), torch.randint(CLASSES, (8,))


def tokens() -> tuple[Tensor, Tensor]:
    return torch.randint(CLASSES, (8, 12)), torch.randint(CLASSES, (8 * 12,))


Kept = dict[str, Tensor]

FORMS: dict[str, Callable[[Any, Any], dict[str, Any]]] = {
    "gradients alone": lambda weights, states: {},
    "weights": lambda weights, states: {"weights": weights},
    "weights and learning rate": lambda weights, states: {"weights": weights, "lr": LR},
    "activations": lambda weights, states: {"activations": states},
    "blocks' activations": lambda weights, states: {"activations": states[1:]},
    "all but δ": lambda weights, states: {"weights": weights, "lr": LR, "activations": states},
}
"""What the diagnosis is asked with, instead of δ."""


def kept(net: nn.Module) -> Kept:
    return {name: parameter.detach() for name, parameter in net.named_parameters()}


@dataclass(frozen=True)
class Subject:
    name: str
    said: Verdict
    build: Callable[[], Net]
    draw: Callable[[], tuple[Tensor, Tensor]] = rows
    watch: tuple[type[nn.Module], ...] = (nn.Linear,)

    def __str__(self) -> str:
        return self.name


V = Verdict
CONVS: Any = {"draw": images, "watch": (nn.Conv2d, nn.Linear)}
BLOCKS: Any = {"draw": images, "watch": (ConvBlock, nn.Linear)}
# The embedding belongs to the path that the blocks add to. Layers within blocks do not: what passes
# them is a share of δ that may be a hundred times smaller than what passes beside them.
STREAM: Any = {"draw": tokens, "watch": (nn.Embedding, PreNorm)}

DEEP = [
    Subject("MLP, He, ReLU", V.HEALTHY, lambda: Mlp(20, nn.ReLU, he)),
    Subject("MLP, sigmoid", V.VANISHING, lambda: Mlp(20, nn.Sigmoid, he)),
    Subject("MLP, PyTorch's own weights, ReLU", V.VANISHING, lambda: Mlp(20, nn.ReLU)),
    Subject("MLP, gain 2, ReLU", V.EXPLODING, lambda: Mlp(20, nn.ReLU, normal(2.0))),
    Subject("MLP, gain 1, tanh", V.HEALTHY, lambda: Mlp(20, nn.Tanh, normal(1.0))),
    Subject("MLP, gain 1/2, tanh", V.VANISHING, lambda: Mlp(20, nn.Tanh, normal(0.5))),
    Subject("ResNet, batch norm", V.HEALTHY, ResNet, **BLOCKS),
    Subject(
        "ResNet, batch norm, no shortcuts",
        V.EXPLODING,
        lambda: ResNet(shortcut=False, blocks=24),
        **BLOCKS,
    ),
    Subject(
        "ResNet, batch norms that begin with 0",
        V.HEALTHY,
        lambda: ResNet(last_scale=0.0),
        **BLOCKS,
    ),
    Subject("ResNet, batch norm, hooks on kernels", V.HEALTHY, ResNet, **CONVS),
    Subject("ResNet, branches scaled", V.HEALTHY, lambda: ResNet(no_norm, 8**-0.5), **BLOCKS),
    Subject("ResNet, branches times 3", V.EXPLODING, lambda: ResNet(no_norm, 3.0), **BLOCKS),
    Subject(
        "ResNet, branches times 3, hooks on kernels",
        V.EXPLODING,
        lambda: ResNet(no_norm, 3.0),
        **CONVS,
    ),
    Subject(
        "ResNet, no shortcuts, no norm, PyTorch's own weights",
        V.VANISHING,
        lambda: ResNet(no_norm, shortcut=False, init=None),
        **BLOCKS,
    ),
    Subject("Transformer, weights of 0.02", V.HEALTHY, Transformer, **STREAM),
    Subject(
        "Transformer, torch's layers",
        V.HEALTHY,
        lambda: Transformer(std=None, embedding=1.0, block=torch_block),
        draw=tokens,
        watch=(nn.Embedding, nn.TransformerEncoderLayer),
    ),
    Subject("Transformer, no norm", V.HEALTHY, lambda: Transformer(no_norm, std=None), **STREAM),
    Subject(
        "Transformer, no norm, no shortcuts",
        V.VANISHING,
        lambda: Transformer(no_norm, shortcut=0.0, std=None),
        **STREAM,
    ),
    Subject(
        "Transformer, weights of 1",
        V.EXPLODING,
        lambda: Transformer(std=1.0),
        **STREAM,
    ),
    Subject(
        "Transformer, shortcuts times 0.15",
        V.VANISHING,
        lambda: Transformer(shortcut=0.15, embedding=1.0),
        **STREAM,
    ),
    Subject(
        "Transformer, embeddings of 1",
        V.HEALTHY,
        lambda: Transformer(embedding=1.0),
        **STREAM,
    ),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("subject", DEEP, ids=str)
def test_a_deep_network_gets_its_verdict_from_the_hooks(subject: Subject, seed: int) -> None:
    torch.manual_seed(seed)
    net, (x, y) = subject.build(), subject.draw()
    truth = truth_of(net, x, y)
    assert truth.verdict is subject.said

    deltas = watched(net, *subject.watch)
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    report = gradbook.diagnose(gradients(net), deltas=deltas)

    assert loss.item() == pytest.approx(truth.loss, rel=1e-3)  # float32, 20 layers: the same net
    # On the way from h to the layer's own output stand a slope and one layer's share of D.
    check(report, truth, close=1.0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("subject", DEEP, ids=str)
def test_without_deltas_it_is_right_or_cannot_tell(subject: Subject, seed: int) -> None:
    torch.manual_seed(seed)
    net, (x, y) = subject.build(), subject.draw()
    truth = truth_of(net, x, y)
    F.cross_entropy(net(x), y).backward()
    with torch.no_grad():
        states = net.states(x)
    for name, form in FORMS.items():
        report = gradbook.diagnose(gradients(net), **form(kept(net), states))
        said = report.verdict
        if truth.verdict is V.EXPLODING and said is V.LARGE_STEP:
            continue  # which is true of it, too
        assert said in (truth.verdict, V.CANNOT_TELL), f"{name}: {report.reason}"
        if report.verdict is V.CANNOT_TELL:
            assert "gradbook.watch(net)" in report.reason


def test_the_sigmoid_is_caught_and_he_is_cleared_without_deltas() -> None:
    """To always answer "cannot tell" would be never wrong too."""
    for activation, said in ((nn.Sigmoid, V.VANISHING), (nn.ReLU, V.HEALTHY)):
        torch.manual_seed(0)
        net, (x, y) = Mlp(20, activation, he), rows()
        assert truth_of(net, x, y).verdict is said
        F.cross_entropy(net(x), y).backward()
        assert gradbook.diagnose(gradients(net), weights=kept(net)).verdict is said


# Recurrent networks.


class LinearRnn(Net):
    def __init__(self, radius: float) -> None:
        super().__init__()
        self.ih = nn.Linear(8, 32, bias=False)
        self.hh = nn.Linear(32, 32, bias=False)
        self.head = nn.Linear(32, CLASSES)
        with torch.no_grad():
            self.hh.weight.copy_(of_radius(radius))

    def states(self, x: Tensor) -> list[Tensor]:
        found = [self.ih(x[0])]
        for step in x[1:]:
            found.append(self.ih(step) + self.hh(found[-1]))
        return found

    def read(self, h: Tensor) -> Tensor:
        return self.head(h)


def of_radius(radius: float) -> Tensor:
    """Draw an orthogonal matrix, or, with another spectral radius than 1, a Gaussian one."""
    if radius == 1:
        return nn.init.orthogonal_(torch.empty(32, 32))
    drawn = torch.randn(32, 32)
    return drawn * (radius / torch.linalg.eigvals(drawn).abs().max())


class TanhRnn(Net):
    def __init__(self, radius: float) -> None:
        super().__init__()
        self.rnn = nn.RNN(8, 32)
        self.head = nn.Linear(32, CLASSES)
        with torch.no_grad():
            self.rnn.weight_hh_l0.copy_(of_radius(radius))
            normal(1.0)(self.rnn.weight_ih_l0)  # inputs of variance 1 drive with variance 1
            self.rnn.bias_ih_l0.zero_()
            self.rnn.bias_hh_l0.zero_()

    def states(self, x: Tensor) -> list[Tensor]:
        """Follow the equation in PyTorch's manual."""
        r, found = self.rnn, [x.new_zeros(x.shape[1], 32)]
        for step in x:
            z = F.linear(step, r.weight_ih_l0, r.bias_ih_l0)
            found.append(torch.tanh(z + F.linear(found[-1], r.weight_hh_l0, r.bias_hh_l0)))
        return found[1:]

    def read(self, h: Tensor) -> Tensor:
        return self.head(h)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.rnn(x)[0][-1])


class Lstm(Net):
    def __init__(self, forget: float | None) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 32)
        self.head = nn.Linear(32, CLASSES)
        if forget is not None:
            nn.init.constant_(self.rnn.bias_hh_l0[32:64], forget)  # the gates are i, f, g, o

    def states(self, x: Tensor) -> list[Tensor]:
        """Follow the equations in PyTorch's manual; a state is h beside c."""
        r, found = self.rnn, [x.new_zeros(x.shape[1], 64)]
        for step in x:
            h, c = found[-1].chunk(2, -1)
            z = F.linear(step, r.weight_ih_l0, r.bias_ih_l0)
            i, f, g, o = (z + F.linear(h, r.weight_hh_l0, r.bias_hh_l0)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            found.append(torch.cat([torch.sigmoid(o) * torch.tanh(c), c], -1))
        return found[1:]

    def read(self, h: Tensor) -> Tensor:
        return self.head(h[..., :32])

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.rnn(x)[0][-1])


def series(size: float) -> Callable[[], tuple[Tensor, Tensor]]:
    return lambda: (size * torch.randn(STEPS, 16, 8), torch.randint(CLASSES, (16,)))


UNIT, FAINT = series(1.0), series(0.01)

IN_TIME = [
    Subject("linear RNN, orthogonal", V.HEALTHY, lambda: LinearRnn(1.0), UNIT),
    Subject("linear RNN, radius 1.3", V.EXPLODING, lambda: LinearRnn(1.3), UNIT),
    Subject("linear RNN, radius 0.8", V.VANISHING, lambda: LinearRnn(0.8), UNIT),
    Subject("tanh RNN, orthogonal, faint inputs", V.HEALTHY, lambda: TanhRnn(1.0), FAINT),
    Subject("tanh RNN, radius 1.3, unit inputs", V.VANISHING, lambda: TanhRnn(1.3), UNIT),
    Subject("LSTM, forget bias 6", V.HEALTHY, lambda: Lstm(6.0), UNIT),
    Subject("LSTM, PyTorch's own biases", V.VANISHING, lambda: Lstm(None), UNIT),
    Subject("LSTM, forget bias -5", V.VANISHING, lambda: Lstm(-5.0), UNIT),
]

SPELLINGS: tuple[Callable[[Tensor], Any], ...] = (
    list,
    lambda grad: grad.flatten(1).norm(dim=1),
    lambda grad: grad.flatten(1).norm(dim=1).tolist(),
    lambda grad: {f"t={t}": step for t, step in enumerate(grad)},
)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("subject", IN_TIME, ids=str)
def test_a_recurrent_network_gets_its_verdict_from_its_inputs(subject: Subject, seed: int) -> None:
    torch.manual_seed(seed)
    net, (x, y) = subject.build(), subject.draw()
    truth = truth_of(net, x, y)
    assert truth.verdict is subject.said

    x.requires_grad_()  # step x batch x feature
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    assert loss.item() == pytest.approx(truth.loss, rel=1e-3)
    assert x.grad is not None
    for spell in SPELLINGS:
        # Between state and input stands the share of a step that the gates or slopes let in.
        check(gradbook.diagnose(gradients(net), deltas=spell(x.grad)), truth, close=1.0)

    for form in FORMS.values():
        states = [state.detach() for state in net.states(x)]
        report = gradbook.diagnose(gradients(net), **form(kept(net), states))
        if truth.verdict is V.EXPLODING and report.verdict is V.LARGE_STEP:
            continue
        assert report.verdict is V.CANNOT_TELL
        assert "∂L/∂x_t" in report.reason


# JAX.


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("module", "activation", "said"),
    [(nn.ReLU, jax.nn.relu, V.HEALTHY), (nn.Sigmoid, jax.nn.sigmoid, V.VANISHING)],
    ids=["ReLU", "sigmoid"],
)
def test_a_jax_network_gets_its_verdict(
    module: type[nn.Module], activation: Any, said: Verdict, seed: int
) -> None:
    torch.manual_seed(seed)
    twin, (x, y) = Mlp(20, module, he), rows()  # the same weights in PyTorch, for the truth
    truth = truth_of(twin, x, y)
    assert truth.verdict is said
    layers = [layer for layer in twin.layers if isinstance(layer, nn.Linear)]
    params = {
        f"Dense_{i}": {
            "kernel": jnp.asarray(layer.weight.detach().T.numpy()),
            "bias": jnp.asarray(layer.bias.detach().numpy()),
        }
        for i, layer in enumerate(layers)
    }
    inputs, target = jnp.asarray(x.numpy()), jnp.asarray(y.numpy())

    def loss(params: Any, taps: Any) -> Any:
        h = inputs
        for i in range(20):
            layer, name = params[f"Dense_{i}"], f"Dense_{i}"
            h = h @ layer["kernel"] + layer["bias"] + taps[name]
            h = activation(h) if i < 19 else h
        return -jax.nn.log_softmax(h)[jnp.arange(32), target].mean()

    taps = {name: jnp.zeros((32, layer["bias"].size)) for name, layer in params.items()}
    value, (grads, deltas) = jax.value_and_grad(loss, argnums=(0, 1))(params, taps)
    assert float(value) == pytest.approx(truth.loss, rel=1e-3)
    check(gradbook.diagnose(grads, deltas=deltas), truth, close=1.0)
    hidden = [deltas[f"Dense_{i}"] for i in range(19)]
    check(gradbook.diagnose(grads, deltas=hidden), truth, close=1.0)
    check(gradbook.diagnose({"params": grads}, deltas={"params": deltas}), truth, close=1.0)
    for form in FORMS.values():
        states = [jnp.asarray(h.detach().numpy()) for h in twin.states(x)]
        assert gradbook.diagnose(grads, **form(params, states)).verdict in (said, V.CANNOT_TELL)
