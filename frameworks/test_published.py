"""Published networks with the random weights of their own authors are healthy.

They are known to train, so whoever calls one of them ill is wrong. From torchvision, timm and
transformers, and DCGAN as its paper has it; nothing is downloaded, images and batches are small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

CLASSES, WORDS = 10, 1000


@dataclass(frozen=True)
class Published:
    """A network by the name of its paper, and the loss on a batch, from its forward pass."""

    name: str
    build: Callable[[], nn.Module]
    loss: Callable[[Any], Tensor]

    def __str__(self) -> str:
        return self.name


# Images.


def on_images(batch: int, size: int) -> Callable[[Any], Tensor]:
    def loss(net: Any) -> Tensor:
        x = torch.randn(batch, 3, size, size)
        return F.cross_entropy(net(x), torch.arange(batch) % CLASSES)

    return loss


def vision(name: str, batch: int = 8) -> Published:
    build = getattr(torchvision.models, name)
    return Published(name, lambda: build(weights=None, num_classes=CLASSES), on_images(batch, 64))


def image_model(name: str, **options: Any) -> Published:
    def build() -> nn.Module:
        return timm.create_model(name, num_classes=CLASSES, **options)

    return Published(name, build, on_images(8, 64))


class Dcgan(nn.Module):
    """The generator and the discriminator, drawn from N(0, 0.02²).

    Source: Radford, Metz and Chintala 2016, section 3.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        up, down = (
            [width * 8, width * 4, width * 2, width],
            [width, width * 2, width * 4, width * 8],
        )
        layers: list[nn.Module] = [nn.ConvTranspose2d(100, up[0], 4, bias=False)]
        for a, b in zip(up, [*up[1:], 3], strict=True):
            layers += [nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
        self.generator = nn.Sequential(*layers, nn.Tanh())
        layers = [nn.Conv2d(3, down[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for a, b in pairwise(down):
            layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
        self.discriminator = nn.Sequential(*layers, nn.Conv2d(down[-1], 1, 4, bias=False))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def fooled(self, batch: int = 16) -> Tensor:
        """Return the generator's loss."""
        said = self.discriminator(self.generator(torch.randn(batch, 100, 1, 1))).flatten()
        return F.binary_cross_entropy_with_logits(said, torch.ones(batch))

    def told_apart(self, batch: int = 16) -> Tensor:
        """Return the discriminator's loss, on images that are noise on one side."""
        made = self.generator(torch.randn(batch, 100, 1, 1)).detach()
        said = self.discriminator(torch.cat([torch.rand_like(made) * 2 - 1, made])).flatten()
        is_real = torch.arange(2 * batch) < batch
        return F.binary_cross_entropy_with_logits(said, is_real.float())


# Words.


def words(batch: int = 4, length: int = 32) -> Tensor:
    return torch.randint(WORDS, (batch, length))


def gpt2() -> nn.Module:
    config = transformers.GPT2Config(
        vocab_size=WORDS, n_positions=64, n_embd=128, n_layer=12, n_head=4
    )
    return transformers.GPT2LMHeadModel(config)


def next_word(net: Any) -> Tensor:
    x = words()
    return net(input_ids=x, labels=x).loss


def bert() -> nn.Module:
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=128,
        num_hidden_layers=6,
        num_attention_heads=4,
        intermediate_size=512,
        num_labels=CLASSES,
    )
    return transformers.BertForSequenceClassification(config)


def masked_bert() -> nn.Module:
    return transformers.BertForMaskedLM(bert().config)


def of_sentence(net: Any) -> Tensor:
    return net(input_ids=words(8), labels=torch.arange(8) % CLASSES).loss


NETWORKS = [
    vision("resnet18"),
    vision("resnet50"),
    vision("resnet101"),
    vision("vgg11", batch=4),
    vision("vgg16", batch=4),
    vision("vgg16_bn", batch=4),
    vision("vgg19_bn", batch=4),
    image_model("vit_tiny_patch16_224", img_size=64),
    image_model("convmixer_768_32"),
    Published("GPT-2, predicting words", gpt2, next_word),
    Published("BERT, sorting sentences", bert, of_sentence),
    Published("BERT, predicting words", masked_bert, next_word),
]


def asked(net: nn.Module, loss: Callable[[Any], Tensor], part: nn.Module) -> Report:
    deltas = gradbook.watch(part)
    loss(net).backward()
    return gradbook.diagnose(part, deltas=deltas)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_published_network_is_healthy(network: Published) -> None:
    torch.manual_seed(0)
    net = network.build()
    report = asked(net, network.loss, net)
    assert report.verdict is Verdict.HEALTHY, report.reason


@pytest.mark.parametrize(
    ("part", "loss"),
    [("generator", Dcgan.fooled), ("discriminator", Dcgan.told_apart)],
    ids=["generator", "discriminator"],
)
def test_both_halves_of_a_dcgan_are_healthy(part: str, loss: Any) -> None:
    torch.manual_seed(0)
    net = Dcgan()
    report = asked(net, loss, getattr(net, part))
    assert report.verdict is Verdict.HEALTHY, report.reason
