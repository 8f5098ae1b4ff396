"""Attention agrees with the CPU, in training and on the fast paths of inference."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

TOLERANCE = {
    torch.float32: dict(rtol=1e-4, atol=1e-4),
    torch.float16: dict(rtol=1e-2, atol=1e-2),
    torch.bfloat16: dict(rtol=5e-2, atol=5e-2),
}
ARGUMENTS = {
    "plain": {},
    "causal": dict(is_causal=True),
    "scale": dict(scale=0.3),
    "float_mask": dict(attn_mask=sample(6, 9)),
    "bool_mask": dict(attn_mask=torch.ones(6, 9, dtype=torch.bool).tril(2)),
}


def queries_keys_values(dtype=torch.float32):
    return tuple(sample(2, 4, length, 8, dtype=dtype, seed=i) for i, length in enumerate((6, 9, 9)))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_scaled_dot_product_attention(name):
    def attend(q, k, v):
        moved = {n: a.to(q.device) if isinstance(a, torch.Tensor) else a for n, a in ARGUMENTS[name].items()}
        return F.scaled_dot_product_attention(q, k, v, **moved)

    assert_agrees(attend, *queries_keys_values(), **TOLERANCE[torch.float32])


@pytest.mark.parametrize("dtype", FLOATING[:2])
def test_low_precision(dtype):
    assert_agrees(F.scaled_dot_product_attention, *queries_keys_values(dtype), **TOLERANCE[dtype])


def test_grouped_queries():
    def attend(q, k, v):
        return F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True)

    assert_agrees(attend, *queries_keys_values(), **TOLERANCE[torch.float32])


def test_dropout_drops_and_keeps_the_mean(device):
    q, k = torch.zeros(1, 1, 64, 8, device=device), torch.zeros(1, 1, 64, 8, device=device)
    out = F.scaled_dot_product_attention(q, k, torch.ones(1, 1, 64, 8, device=device), dropout_p=0.5)
    assert out.unique().numel() > 1 and 0.8 < out.mean().item() < 1.2


def masks(name):
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1, 3:] = True
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    return {
        "none": {},
        "padding": dict(key_padding_mask=padding),
        "causal": dict(attn_mask=causal),
        "both": dict(key_padding_mask=padding, attn_mask=causal),
    }[name]


def on(device, arguments):
    return {name: a.to(device) for name, a in arguments.items()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mask", ["none", "padding", "causal", "both"])
def test_multi_head_attention(mask, training, device):
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(16, 4, batch_first=True).train(training)
    x = sample(2, 5, 16)
    with torch.set_grad_enabled(training):
        expected = layer(x, x, x, **masks(mask))
        actual = copy.deepcopy(layer).to(device)(*[x.to(device)] * 3, **on(device, masks(mask)))
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a.cpu(), e, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformer_encoder_layer_in_inference(norm_first, activation, device):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, activation=activation, norm_first=norm_first, batch_first=True).eval()
    x = sample(2, 5, 16)
    with torch.no_grad():
        expected = layer(x)
        actual = copy.deepcopy(layer).to(device)(x.to(device))
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mask_type", [0, 1, 2])
def test_masked_softmax(mask_type):
    shape = {0: (6, 6), 1: (2, 6), 2: (2, 3, 6, 6)}[mask_type]
    mask = sample(*shape, seed=1) > 0.3

    def softmax(scores):
        return torch._masked_softmax(scores, mask.to(scores.device), 3, mask_type)

    assert_agrees(softmax, sample(2, 3, 6, 6), backward=mask_type == 2)


def test_masked_softmax_of_rows_that_are_masked_whole():
    mask = torch.zeros(2, 3, 5, 6, dtype=torch.bool)
    mask[1, 2, 3] = True
    assert_agrees(lambda x: torch._masked_softmax(x, mask.to(x.device), -1, 2), sample(2, 3, 5, 6), backward=False)


@pytest.mark.parametrize("dtype", FLOATING)
def test_transform_bias_rescale_qkv(dtype):
    def transform(qkv, bias):
        return torch._transform_bias_rescale_qkv(qkv, bias, 4)

    assert_agrees(transform, sample(2, 5, 48, dtype=dtype), sample(48, dtype=dtype), backward=False, **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", FLOATING[:2])
@pytest.mark.parametrize("mask", ["none", "padding", "causal"])
def test_encoder_in_inference_in_low_precision(dtype, mask, device):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
    x = sample(2, 5, 16)
    of_layer = {"key_padding_mask": "src_key_padding_mask", "attn_mask": "src_mask"}
    arguments = {of_layer[name]: m for name, m in masks(mask).items()}
    with torch.no_grad():
        expected = layer(x, **arguments)
        actual = copy.deepcopy(layer).to(device, dtype)(x.to(device, dtype), **on(device, arguments))
    torch.testing.assert_close(actual.cpu().float(), expected, **TOLERANCE[dtype])
