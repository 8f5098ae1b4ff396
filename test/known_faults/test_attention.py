"""Attention masks that the mps backend has misread."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")
CLOSE = {torch.float32: {"rtol": 1e-4, "atol": 1e-4}, torch.float16: {"rtol": 1e-2, "atol": 1e-2}}
CLOSE[torch.bfloat16] = {"rtol": 5e-2, "atol": 5e-2}


def attend(q, k, v, mask=None, **options):
    return F.scaled_dot_product_attention(q, k, v, mask, **options)


def heads(length=8, features=16, dtype=torch.float32, batch=2):
    return [sample(batch, 4, length, features, dtype=dtype, seed=i) for i in range(3)]


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_fully_masked_rows_agree_with_the_cpu_for_boolean_masks(dtype):
    mask = torch.ones(2, 1, 8, 8, dtype=torch.bool)
    mask[0, :, 3] = False
    mask[1] = False
    assert_agrees(lambda m, q, k, v: attend(q, k, v, m), mask, *heads(dtype=dtype), **CLOSE[dtype])


def test_fully_masked_rows_agree_with_the_cpu_for_additive_masks():
    mask = torch.zeros(1, 4, 8, 8)
    mask[:, :, 2] = -torch.inf
    mask[:, 1] = -torch.inf
    assert_agrees(lambda q, k, v, m: attend(q, k, v, m.detach()), *heads(), mask, rtol=1e-4, atol=1e-4)


MASKS = [(8, 8), (2, 1, 8, 8), (1, 4, 8, 8), (2, 4, 1, 8), (2, 1, 1, 8), (1, 8), (2, 4, 8, 1)]


@pytest.mark.parametrize("shape", MASKS)
@pytest.mark.parametrize("boolean", [True, False])
def test_masks_broadcast_along_any_dimensions(shape, boolean):
    mask = sample(*shape, seed=5)
    mask = mask > -1 if boolean else mask
    assert_agrees(lambda m, q, k, v: attend(q, k, v, m.detach()), mask, *heads(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
@pytest.mark.parametrize("length", [1, 5, 64, 67])
def test_causal_attention_never_sees_the_future(dtype, length, device):
    q, k, v = (t.to(device) for t in heads(length, 64, dtype))
    before = attend(q, k, v, is_causal=True)
    for row in {0, length // 2, length - 1}:
        later_k, later_v = k.clone(), v.clone()
        later_k[:, :, row + 1 :], later_v[:, :, row + 1 :] = 100, -100
        after = attend(q, later_k, later_v, is_causal=True)
        assert torch.equal(after[:, :, : row + 1], before[:, :, : row + 1])
    assert_agrees(lambda q, k, v: attend(q, k, v, is_causal=True), *heads(length, 64, dtype), **CLOSE[dtype])


def test_attention_over_transposed_and_sliced_heads():
    def compute(x):
        q, k, v = (t.transpose(1, 2) for t in x.view(2, 8, 3, 4, 16).unbind(2))
        return attend(q, k, v), attend(q[:, :, 2:3], k[:, :, ::2], v[:, :, ::2])

    assert_agrees(compute, sample(2, 8, 192), rtol=1e-4, atol=1e-4)


def test_multi_head_attention_with_padding_of_whole_rows():
    torch.manual_seed(0)
    layer = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    x, padding = sample(3, 6, 16), torch.zeros(3, 6, dtype=torch.bool)
    padding[1, 3:] = True
    padding[2] = True
    results = [
        layer.to(where)(*[x.to(where)] * 3, key_padding_mask=padding.to(where))[0].cpu() for where in ("cpu", "metal")
    ]
    torch.testing.assert_close(results[1], results[0], equal_nan=True, rtol=1e-4, atol=1e-4)
