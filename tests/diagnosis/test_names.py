"""Names of many frameworks: which layer, which kind, which order."""

from __future__ import annotations

import pytest

from gradbook.diagnosis.measuring.names import ENDINGS, RULES, Kind, Role, group, locate
from gradbook.diagnosis.measuring.orders import network_order

PLACES = [
    ("layers.3.weight", (8, 4), "layers.3", Role.WEIGHT, Kind.DENSE),
    ("layers.3.bias", (8,), "layers.3", Role.BIAS, Kind.BIAS),
    ("features.0.weight", (8, 3, 3, 3), "features.0", Role.WEIGHT, Kind.CONV),
    ("1.weight", (8,), "1", Role.WEIGHT, Kind.NORM),
    ("weight", (8, 8), "", Role.WEIGHT, Kind.DENSE),
    ("layer1.0.bn1.weight", (8,), "layer1.0.bn1", Role.WEIGHT, Kind.NORM),
    ("layer1.0.downsample.1.weight", (8,), "layer1.0.downsample.1", Role.WEIGHT, Kind.NORM),
    ("h.0.ln_1.bias", (8,), "h.0.ln_1", Role.BIAS, Kind.NORM),
    ("h.0.attn.c_attn.weight", (8, 24), "h.0.attn.c_attn", Role.WEIGHT, Kind.ATTENTION),
    ("self_attn.in_proj_weight", (24, 8), "self_attn.in_proj", Role.WEIGHT, Kind.ATTENTION),
    ("self_attn.in_proj_bias", (24,), "self_attn.in_proj", Role.BIAS, Kind.BIAS),
    ("layers.0.self_attn.q_norm.weight", (8,), None, Role.WEIGHT, Kind.NORM),
    ("layers.0.post_attention_layernorm.weight", (8,), None, Role.WEIGHT, Kind.NORM),
    ("layers.0.mlp.gate_proj.weight", (24, 8), None, Role.WEIGHT, Kind.DENSE),
    ("wte.weight", (100, 8), "wte", Role.WEIGHT, Kind.EMBEDDING),
    ("embeddings.LayerNorm.weight", (8,), "embeddings.LayerNorm", Role.WEIGHT, Kind.NORM),
    ("pos_embed", (1, 10, 8), "pos_embed", Role.UNKNOWN, Kind.EMBEDDING),
    ("patch_embed.proj.weight", (8, 3, 4, 4), "patch_embed.proj", Role.WEIGHT, Kind.CONV),
    ("logit_scale", (), "logit", Role.WEIGHT, Kind.SCALAR),
    ("rnn.weight_hh_l0", (32, 8), "rnn.hh_l0", Role.WEIGHT, Kind.RECURRENT),
    ("weight_ih_l1_reverse", (32, 8), "ih_l1_reverse", Role.WEIGHT, Kind.RECURRENT),
    ("cell.bias_ih", (32,), "cell.ih", Role.BIAS, Kind.BIAS),
    ("params/Dense_0/kernel", (4, 8), "params/Dense_0", Role.WEIGHT, Kind.DENSE),
    ("params/LayerNorm_0/scale", (8,), "params/LayerNorm_0", Role.WEIGHT, Kind.NORM),
    ("params/Embed_0/embedding", (100, 8), "params/Embed_0", Role.WEIGHT, Kind.EMBEDDING),
    ("params/SelfAttention_0/query/kernel", (8, 2, 4), None, Role.WEIGHT, Kind.ATTENTION),
    ("params/GRUCell_0/hn/kernel", (8, 8), "params/GRUCell_0/hn", Role.WEIGHT, Kind.RECURRENT),
    ("dense/kernel:0", (4, 8), "dense", Role.WEIGHT, Kind.DENSE),
    ("lstm/lstm_cell/recurrent_kernel:0", (8, 32), None, Role.WEIGHT, Kind.RECURRENT),
    ("batch_normalization/gamma:0", (8,), "batch_normalization", Role.WEIGHT, Kind.NORM),
    ("batch_normalization/beta:0", (8,), "batch_normalization", Role.BIAS, Kind.BIAS),
    ("1.W", (4, 8), "1", Role.WEIGHT, Kind.DENSE),
    ("1.b", (8,), "1", Role.BIAS, Kind.BIAS),
    ("W1", (4, 8), "1", Role.WEIGHT, Kind.DENSE),
    ("db_1", (8,), "1", Role.BIAS, Kind.BIAS),
    ("0/0", (4, 8), "0", Role.UNKNOWN, Kind.DENSE),
    ("0/1", (8,), "0", Role.UNKNOWN, Kind.BIAS),
    ("layer7", None, "layer7", Role.UNKNOWN, Kind.OTHER),
    ("fc.weight", None, "fc", Role.WEIGHT, Kind.DENSE),
    ("conv1.weight", None, "conv1", Role.WEIGHT, Kind.CONV),
    ("overweight", (3, 3), "overweight", Role.UNKNOWN, Kind.DENSE),
]


@pytest.mark.parametrize(("name", "shape", "layer", "role", "kind"), PLACES)
def test_a_name_tells_layer_role_and_kind(name, shape, layer, role, kind) -> None:
    found = locate(name, shape)
    assert (found.role, found.kind) == (role, kind)
    if layer is not None:
        assert found.layer == layer


def test_every_ending_and_every_kind_is_tried_above() -> None:
    assert {kind for *_, kind in PLACES} == set(Kind) == {rule.kind for rule in RULES}
    assert {role for *_, role, _ in PLACES} == set(Role)
    assert len({pattern for pattern, _ in ENDINGS}) == len(ENDINGS)


def test_weight_and_bias_of_a_layer_are_grouped_in_order() -> None:
    layers = group(
        {
            "z.bias": (3,),
            "z.weight": (3, 3),
            "a.weight": (3,),
            "a.bias": (3,),
            "rnn.weight_ih_l0": (3, 3),
            "rnn.bias_ih_l0": (3,),
            "free.bias": (3,),
        }
    )
    assert [(layer.name, layer.kind, len(layer.members)) for layer in layers] == [
        ("z", Kind.DENSE, 2),
        ("a", Kind.NORM, 2),
        ("rnn.ih_l0", Kind.RECURRENT, 2),
        ("free", Kind.BIAS, 1),
    ]


@pytest.mark.parametrize(
    ("names", "attend"),
    [
        (["mean.weight", "v.weight"], 0),  # a head for the logarithm of a variance
        (["body.weight", "q.weight"], 0),
        (["actor.weight", "critic.value.weight"], 0),
        (["q.weight", "k.weight", "v.weight", "out.weight"], 3),
        (["h.0.query.kernel", "h.0.key.kernel", "h.1.value.kernel"], 2),
        (["l.0.q_proj.lora_A", "l.0.v_proj.lora_A"], 2),
        (["h.0.attn.v.weight"], 1),
    ],
)
def test_a_value_alone_is_no_attention(names: list[str], attend: int) -> None:
    found = group(dict.fromkeys(names, (4, 4)))
    assert [layer.kind for layer in found].count(Kind.ATTENTION) == attend


def test_three_matrices_without_a_layers_name_are_layers_themselves() -> None:
    square = dict.fromkeys("WUV", (8, 8))
    assert [layer.name for layer in group(square)] == ["W", "U", "V"]
    assert len(group({"W": (8, 8), "U": (8, 8), "b": (8,)})) == 1  # a recurrent layer
    assert len(group({f"0.{name}": shape for name, shape in square.items()})) == 1


def test_hostile_names_take_no_time() -> None:
    for name in ("." * 5000, "a/" * 5000, "1" * 4000, "W_" * 2500, "é\x1b[2J"):
        assert locate(name, (2, 2)).name == name
        assert network_order([name, "a"], ordered=False).names


def test_the_order_given_is_kept_unless_it_is_the_alphabets() -> None:
    torch = [f"{i}.{part}" for i in range(12) for part in ("weight", "bias")]
    assert network_order(torch).names == tuple(torch)
    jax = sorted(f"Dense_{i}/{part}" for i in range(12) for part in ("bias", "kernel"))
    found = network_order(jax)
    assert "numbers" in found.note
    assert [locate(name).layer for name in found.names[::2]] == [f"Dense_{i}" for i in range(12)]
    nested = ["a/w", "a b/w"]  # in the order of the keys, though "a b/w" < "a/w"
    assert network_order(nested).names
    assert network_order(torch, ordered=False).names[0] == "0.bias"


def test_a_name_that_holds_what_stands_for_numbers_counts_nothing() -> None:
    for names in (["fc#", "fc1"], ["a##", "a1#", "fc2", "fc1"], ["#", "1"]):
        assert set(network_order(names).names) == set(names)
