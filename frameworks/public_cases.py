"""Networks that people asked about in public, in our own words, with what their threads settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.book.diagnose.public import PUBLIC
from gradbook.book.written import write_rows
from gradbook.diagnosis import Report, Verdict

Built = tuple[nn.Module, Callable[[], Tensor]]


@dataclass(frozen=True)
class PublicCase:
    """A question and its answer: what the network is, where it was asked, what was true."""

    name: str
    address: str
    truth: Verdict
    build: Callable[[], Built]
    says: Verdict | None = None
    """What the tool says, where that is not what the thread settled."""
    lr: float | None = None
    """The rate of plain descent, where the question is about it."""
    optimizer: Callable[[nn.Module], torch.optim.Optimizer] | None = None
    """What makes the optimizer, where the question is about that."""


def mlp(*sizes: int, bend: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    parts: list[nn.Module] = []
    for a, b in pairwise(sizes):
        parts += [nn.Linear(a, b), bend()]
    return nn.Sequential(*parts[:-1])


class Probed(nn.Module):
    """An encoder with its own loss, and a classifier that looks at detached features."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head, self.probe = mlp(8, 32, 32), nn.Linear(32, 8), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(x).relu()
        return self.head(features), self.probe(features.detach())


def probed() -> Built:
    net, x, y = Probed(), torch.randn(32, 8), torch.randint(4, (32,))

    def loss() -> Tensor:
        back, guess = net(x)
        return F.mse_loss(back, x) + F.cross_entropy(guess, y)

    return net, loss


class Detached(nn.Module):
    """Weights that an encoder predicts are detached before the loss that judges them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = mlp(8, 32, 32), mlp(32, 32, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x).detach())


def detached() -> Built:
    net, x = Detached(), torch.randn(32, 8)
    return net, lambda: F.mse_loss(net(x), x)


def root_of_zero() -> Built:
    net, x = mlp(8, 32, 4), torch.randn(32, 8)
    target = net(x).detach()
    return net, lambda: ((net(x) - target) ** 2).sqrt().mean()


def branch_not_taken() -> Built:
    net, x = mlp(8, 32, 4), torch.randn(32, 8)

    def either(y: Tensor) -> Tensor:
        return torch.where(y <= 0, y.exp(), 1 + y).mean()

    return net, lambda: either(net(x) + 100)


def masked_target() -> Built:
    net, x, y = mlp(8, 32, 4), torch.randn(32, 8), torch.randn(32, 4)
    y[3] = torch.nan

    def loss() -> Tensor:
        each = F.mse_loss(net(x), y, reduction="none")
        return each[~y.isnan()].mean()

    return net, loss


def masked_row() -> Built:
    net, x = mlp(8, 32, 4), torch.randn(32, 8)
    x[2] = torch.nan

    def loss() -> Tensor:
        each = net(x).square().sum(1)
        return each.masked_fill(each.isnan(), 0).mean()

    return net, loss


def negative_weights() -> Built:
    net, x = mlp(2, 1, 1), torch.rand(32, 2)
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[-0.03, -0.02]]))
        net[0].bias.zero_()
    return net, lambda: F.binary_cross_entropy_with_logits(net(x), (x[:, :1] > x[:, 1:]).float())


def logistic() -> Built:
    net, x = mlp(16, 500, 500, 500, 500, 1, bend=nn.Sigmoid), torch.randint(2, (32, 16)).float()
    return net, lambda: F.mse_loss(net(x), x.sum(1, keepdim=True))


def frozen() -> Built:
    net, x, y = mlp(8, 32, 32, 4), torch.randn(32, 8), torch.randint(4, (32,))
    net[0].requires_grad_(False)
    return net, lambda: F.cross_entropy(net(x), y)


def all_zero() -> Built:
    net, x, y = mlp(8, 32, 4), torch.randn(32, 8), torch.randint(4, (32,))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    return net, lambda: F.cross_entropy(net(x), y)


def cubic() -> Built:
    """Build a map from 80 values of a cubic to the next 20; the posted losses grow by 141 a step.

    That is (1 - lr c)^2 with the curvature c = 2 (|x|^2 + 1) of the summed squares: lr c is 12.9,
    and from 2 on descent diverges.
    """
    t = torch.linspace(-10, 10, 100)
    y = (t**3 + t**2 + t)[None]
    net = nn.Linear(80, 20)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 3)
    return net, lambda: F.mse_loss(net(y[:, :80]), y[:, 80:], reduction="sum")


class Recurrent(nn.Module):
    """A plain recurrent network whose weights are all drawn with variance 1."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.readout = nn.RNN(1, 32, batch_first=True), nn.Linear(32, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_() if parameter.dim() > 1 else parameter.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.steps(x)[0][:, -1])


def recurrent() -> Built:
    net, x = Recurrent(), torch.randint(2, (32, 12, 1)).float()
    return net, lambda: F.binary_cross_entropy_with_logits(net(x), x[:, 0])


class Chosen(nn.Module):
    """A second network reads which output of the first is the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = mlp(8, 32, 5), mlp(1, 32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).max(1)[1].float()[:, None])


def chosen() -> Built:
    net, x, y = Chosen(), torch.randn(32, 8), torch.randint(3, (32,))
    return net, lambda: F.cross_entropy(net(x), y)


class Policy(nn.Module):
    """A network that writes strings, letter by letter."""

    def __init__(self, letters: int = 10) -> None:
        super().__init__()
        self.letters, self.steps = nn.Embedding(letters, 16), nn.GRU(16, 32, batch_first=True)
        self.readout = nn.Linear(32, letters)

    def forward(self, text: Tensor) -> Tensor:
        return self.readout(self.steps(self.letters(text))[0]).log_softmax(-1)


def policy() -> Built:
    """Sum discounted rewards times log-probabilities, which go through NumPy on their way."""
    net, text = Policy(), torch.randint(10, (1, 12))

    def loss() -> Tensor:
        total, said = torch.zeros(1, requires_grad=True), net(text)[0]
        for step, letter in enumerate(text[0, 1:]):
            total = total - torch.from_numpy(said[step, letter].detach().numpy()) * 0.97**step
        return total

    return net, loss


class Writer(nn.Module):
    """A small language model: two pre-norm blocks."""

    def __init__(self, words: int = 64, width: int = 32) -> None:
        super().__init__()
        self.words, self.norm = nn.Embedding(words, width), nn.LayerNorm(width)
        form = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        blocks = [nn.TransformerEncoderLayer(width, 4, 4 * width, **form) for _ in range(2)]
        self.blocks, self.head = nn.ModuleList(blocks), nn.Linear(width, words)

    def forward(self, text: Tensor) -> Tensor:
        h, mask = self.words(text), nn.Transformer.generate_square_subsequent_mask(text.shape[1])
        for block in self.blocks:
            h = block(h, src_mask=mask, is_causal=True)
        return self.head(self.norm(h))


def writer() -> Built:
    net, text = Writer(), (torch.randint(64, (16, 1)) + torch.arange(13)) % 64
    return net, lambda: F.cross_entropy(net(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())


def valley() -> Built:
    """Build the least squares whose losses were posted; of its two curvatures one is tiny."""
    A = torch.tensor([[-249.69, -4.1511], [-4.1511, -0.20755]])
    net = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(net.weight)
    return net, lambda: F.mse_loss(net(A)[:, 0], torch.tensor([0.0, 10.0]), reduction="sum")


class Listed(nn.Module):
    """Hidden layers in lists of lists, and a classifier that is an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = [[nn.Linear(a, 32), nn.Tanh()] for a in (8, 32)]
        self.classifier = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        for linear, bend in self.hidden:
            x = bend(linear(x))
        return self.classifier(x)


def listed() -> Built:
    net, x, y = Listed(), torch.randn(32, 8), torch.randint(3, (32,))
    return net, lambda: F.cross_entropy(net(x), y)


def rounded() -> Built:
    """Round what a network returns to a decimal before the loss."""
    net, x, y = mlp(8, 32, 1), torch.randn(32, 8), torch.rand(32, 1)
    return net, lambda: F.mse_loss((10 * net(x)).round() / 10, y)


class Broken(nn.Module):
    """A model of letters that takes softmax, and cross-entropy of that."""

    def __init__(self, letters: int = 65, width: int = 128) -> None:
        super().__init__()
        self.embedding, self.linear = nn.Embedding(letters, width), mlp(width, width, letters)

    def forward(self, text: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        said = self.linear(self.embedding(text)).softmax(-1)
        return said, F.cross_entropy(said.flatten(0, 1), following.flatten())


def broken() -> Built:
    net, text = Broken(), torch.randint(65, (8, 17))
    return net, lambda: net(text[:, :-1], text[:, 1:])[1]


def warming(net: nn.Module) -> torch.optim.Optimizer:
    """Return an optimizer whose rate rises from 0 over ten steps."""
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 10, 1.0))
    return optimizer


V, GITHUB = Verdict, "https://github.com/"
CASES = (
    PublicCase(
        "an encoder beside a probe on detached features",
        GITHUB + "vturrisi/solo-learn/issues/135",
        V.HEALTHY,
        probed,
    ),
    PublicCase(
        "predicted weights detached before their loss",
        GITHUB + "yifita/deep_cage/issues/16",
        V.CUT,
        detached,
    ),
    PublicCase(
        "the root of a square that is 0",
        GITHUB + "pytorch/pytorch/issues/6394",
        V.NON_FINITE,
        root_of_zero,
    ),
    PublicCase(
        "exp overflows in the branch not taken",
        GITHUB + "pytorch/pytorch/issues/68425",
        V.NON_FINITE,
        branch_not_taken,
    ),
    PublicCase(
        "a target of NaN, masked after the loss",
        GITHUB + "pytorch/pytorch/issues/121416",
        V.NON_FINITE,
        masked_target,
    ),
    PublicCase(
        "an input row of NaN, masked in the loss",
        GITHUB + "pytorch/pytorch/issues/23156",
        V.NON_FINITE,
        masked_row,
    ),
    PublicCase(
        "one ReLU, both its weights negative, inputs positive",
        "https://stats.stackexchange.com/questions/450100",
        V.DEAD,
        negative_weights,
    ),
    PublicCase(
        "four hidden layers of 500 logistic units",
        "https://ai.stackexchange.com/questions/16557",
        V.VANISHING,
        logistic,
    ),
    PublicCase(
        "a first stage frozen on purpose",
        GITHUB + "ultralytics/yolov3/issues/1301",
        V.HEALTHY,
        frozen,
    ),
    PublicCase(
        "all weights 0",
        "https://community.deeplearning.ai/t/why-dont-weights-get-adjusted-when-initialized-to-0/431799",
        V.SYMMETRIC,
        all_zero,
        V.STUCK,
    ),
    PublicCase(
        "one linear map of a cubic's values, by plain descent",
        "https://stats.stackexchange.com/questions/594738",
        V.LARGE_STEP,
        cubic,
        lr=1e-6,
    ),
    PublicCase(
        "a plain recurrent network, all weights of variance 1",
        "https://ai.stackexchange.com/questions/36451",
        V.EXPLODING,
        recurrent,
    ),
    PublicCase(
        "a second network that reads the first one's argmax",
        GITHUB + "pytorch/pytorch/issues/1339",
        V.CUT,
        chosen,
    ),
    PublicCase(
        "a policy whose log-probabilities go through NumPy",
        GITHUB + "isayev/ReLeaSE/issues/39",
        V.CUT,
        policy,
    ),
    PublicCase(
        "a language model by plain descent, its rate too small",
        GITHUB + "OpenLMLab/LOMO/issues/50",
        V.HEALTHY,
        writer,
        lr=5e-5,
    ),
    PublicCase(
        "two weights in a long valley, by plain descent",
        "https://discuss.pytorch.org/t/why-is-this-simple-linear-regression-with-only-two-"
        "variables-so-hard-to-converge-during-gradient-descent/208572",
        V.HEALTHY,
        valley,
        lr=1e-5,
    ),
    PublicCase(
        "hidden layers in a list of lists",
        GITHUB + "pytorch/pytorch/issues/715",
        V.CUT,
        listed,
    ),
    PublicCase(
        "outputs rounded before the loss",
        "https://discuss.pytorch.org/t/torch-round-gradient/28628",
        V.LOSS,
        rounded,
    ),
    PublicCase(
        "a softmax of which cross-entropy takes another",
        GITHUB + "bkitano/llama-from-scratch/issues/5",
        V.HEALTHY,
        broken,
    ),
    PublicCase(
        "the first step of a warm-up",
        GITHUB + "huggingface/transformers/issues/34754",
        V.HEALTHY,
        writer,
        optimizer=warming,
    ),
)


def report(case: PublicCase) -> Report:
    """Diagnose after one backward pass."""
    torch.manual_seed(0)
    net, loss = case.build()
    optimizer = None if case.optimizer is None else case.optimizer(net)
    deltas = gradbook.watch(net)
    loss().backward()
    return gradbook.diagnose(net, deltas=deltas, lr=case.lr, optimizer=optimizer)


def said(case: PublicCase) -> Verdict:
    """Return the first finding."""
    return report(case).verdict


def records() -> list[list[str]]:
    """Return what the book shows."""
    return [[c.name, c.truth.value, said(c).value, c.address] for c in CASES]


def main() -> None:
    """Write the table where the book reads it."""
    write_rows(PUBLIC, records())


if __name__ == "__main__":
    main()
