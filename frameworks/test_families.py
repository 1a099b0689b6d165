"""One small network of each of many families of timm and transformers, as its authors begin it.

All are known to train from there, so whoever calls one ill is wrong: also who has no more than the
gradients of its weights, under their names, in whatever order these come. Left out are families
whose smallest is large, that want other data, and those that the tool is wrong about.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import timm
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Report, Verdict

IMAGES = """
cait_xxs24_224 convit_tiny cpubone_nano cs3darknet_focus_s cspnext_tiny deit_tiny_patch16_224
densenet121 dla46x_c dla60x dpn48b edgenext_xx_small efficientformerv2_s0 efficientvim_m1
efficientvit_b0 efficientvit_m0 ese_vovnet19b_slim_dw fasternet_t0 focalnet_tiny_srf gcvit_xxtiny
ghostnet_050 gmlp_ti16_224 hardcorenas_b hgnetv2_b0 hrnet_w18_small inception_next_atto
inception_v3 lcnetv2_small levit_128s mobilenetv3_small_050 mobilevit_xxs nest_tiny_jx pit_ti_224
pvt_v2_b0 rdnet_tiny regnetx_002 repghostnet_050 repvit_m1 rexnet_100 shvit_s1 skresnet18
starnet_s050 swiftformer_xs swinv2_tiny_window16_256 test_coatnet test_convnext test_efficientnet
test_mambaout test_nfnet test_resnet test_vit test_vit_relpos tiny_vit_5m_224 visformer_tiny
vit_tiny_r_s16_p8_224 volo_d1_224 xcit_nano_12_p8_224
"""

WORDS = """
AlbertForMaskedLM BartForConditionalGeneration BertForMaskedLM BioGptForCausalLM BitNetForCausalLM
BloomForCausalLM CTRLLMHeadModel CodeGenForCausalLM CohereForCausalLM ConvBertForMaskedLM
DebertaV2ForMaskedLM DistilBertForMaskedLM ElectraForMaskedLM EsmForMaskedLM
FalconMambaForCausalLM GPT2LMHeadModel GPTJForCausalLM GPTNeoXForCausalLM Gemma2ForCausalLM
GlmForCausalLM GptOssForCausalLM GraniteForCausalLM IBertForMaskedLM JambaForCausalLM
Lfm2ForCausalLM LlamaForCausalLM M2M100ForConditionalGeneration MPNetForMaskedLM
MT5ForConditionalGeneration MambaForCausalLM MarianMTModel MistralForCausalLM MixtralForCausalLM
ModernBertForMaskedLM MptForCausalLM NemotronForCausalLM
NystromformerForMaskedLM OPTForCausalLM Olmo2ForCausalLM PersimmonForCausalLM PhiForCausalLM
Qwen3ForCausalLM RecurrentGemmaForCausalLM RoFormerForMaskedLM RobertaForMaskedLM RwkvForCausalLM
StableLmForCausalLM UMT5ForConditionalGeneration XGLMForCausalLM XLMWithLMHeadModel
YosoForMaskedLM
"""

WIDE = ("hidden_size", "d_model", "n_embd", "dim", "embedding_size", "emb_dim")
MANY = (
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "encoder_layers",
    "decoder_layers",
)
HEADS = (
    *("num_attention_heads", "encoder_attention_heads", "decoder_attention_heads"),
    *("n_head", "n_heads", "num_heads"),
)
INNER = ("intermediate_size", "d_ff", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim")
POSITIONS = ("max_position_embeddings", "n_positions")
SMALL = {
    **dict.fromkeys(WIDE, 64),
    **dict.fromkeys(MANY, 6),
    **dict.fromkeys(HEADS, 4),
    **dict.fromkeys(INNER, 160),
    **dict.fromkeys(POSITIONS, 128),
    "vocab_size": 211,
    "num_key_value_heads": 2,
    "num_decoder_layers": 6,
    "rotary_dim": 8,
    "head_dim": 16,
    "d_kv": 16,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 0,
}
"""What of a configuration is made small, where it has it."""

SOUND = (Verdict.HEALTHY, Verdict.ZERO_START)
"""What may be said: some begin with heads or branches of 0."""


def image_model(name: str, side: int = 96) -> nn.Module:
    """Build it for small images, if it lets itself be told how large they are."""
    for options in ({"img_size": side}, {}):
        try:
            return timm.create_model(name, num_classes=10, **options)
        except (TypeError, AssertionError):
            continue
    raise AssertionError(name)


def images(side: int) -> Tensor:
    """Draw eight: shades that differ between images and within them, and some noise."""
    coarse = F.interpolate(torch.randn(8, 3, 7, 7), size=(side, side), mode="bicubic")
    x = coarse + 0.3 * torch.randn(8, 3, side, side) + 0.5 * torch.randn(8, 3, 1, 1)
    return (x - x.mean()) / x.std()


def of_images(net: nn.Module) -> Tensor:
    for side in (96, 128, 256):
        try:
            return F.cross_entropy(net(images(side)), torch.arange(8))
        except (RuntimeError, AssertionError) as error:  # a side that its windows do not divide
            told = error
    raise told


def configured(name: str) -> Any:
    """Return the configuration of a class, made small."""
    kind = getattr(transformers, name).config_class
    plain = kind()
    few = {key: value for key, value in SMALL.items() if hasattr(plain, key)}
    try:
        return kind(**few)
    except (AttributeError, ValueError):  # the size of a head follows from others
        return kind(**{key: value for key, value in few.items() if key != "head_dim"})


def of_words(net: Any) -> Tensor:
    words = torch.randint(3, 200, (4, 32))
    return net(input_ids=words, labels=words).loss


def orders(names: list[str]) -> Iterator[list[str]]:
    """Yield what files, code that goes back, and sets make of an order."""
    shuffled = random.Random(0).sample(names, len(names))
    yield from (names, sorted(names), names[::-1], shuffled)


def watched(net: nn.Module, loss: Any) -> Report:
    deltas = gradbook.watch(net)
    loss(net.train()).backward()
    return gradbook.diagnose(net, deltas=deltas)


def require_sound(net: nn.Module, loss: Any) -> None:
    report = watched(net, loss)
    assert report.verdict in SOUND, report.reason
    grads = {n: p.grad.numpy() for n, p in net.named_parameters() if p.grad is not None}
    if any(not grad.any() for grad in grads.values()):
        return  # of gradients alone nobody knows that weights begin with 0
    for names in orders(list(grads)):
        told = gradbook.diagnose({name: grads[name] for name in names})
        assert told.verdict in (*SOUND, Verdict.CANNOT_TELL), told.reason


@pytest.mark.parametrize("name", IMAGES.split())
def test_no_family_of_timm_is_ill(name: str) -> None:
    torch.manual_seed(0)
    require_sound(image_model(name), of_images)


@pytest.mark.parametrize("name", WORDS.split())
def test_no_family_of_transformers_is_ill(name: str) -> None:
    torch.manual_seed(0)
    require_sound(getattr(transformers, name)(configured(name)), of_words)
