"""Embeddings and their gradients agree with the CPU."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

TOKENS = torch.tensor([[1, 4, 4, 0], [9, 4, 1, 2]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("arguments", [{}, dict(padding_idx=4), dict(scale_grad_by_freq=True)], ids=str)
def test_values_and_gradients(arguments, dtype):
    tolerance = {} if dtype == torch.float32 else dict(rtol=2e-2, atol=2e-2)
    assert_agrees(lambda w: F.embedding(TOKENS.to(w.device), w, **arguments), sample(10, 6, dtype=dtype), **tolerance)


def test_int32_and_empty_tokens():
    assert_agrees(lambda w: F.embedding(TOKENS.int().to(w.device), w), sample(10, 6))
    assert_agrees(lambda w: F.embedding(torch.empty(0, 3, dtype=torch.long, device=w.device), w), sample(10, 6))


def test_many_tokens_of_one_kind():
    tokens = torch.randint(0, 3, (1000,), generator=torch.Generator().manual_seed(0))
    assert_agrees(lambda w: F.embedding(tokens.to(w.device), w), sample(5, 33), rtol=1e-4, atol=1e-4)


def test_gradients_are_reproducible(device):
    weight = sample(5, 64).to(device).requires_grad_()
    tokens = torch.randint(0, 5, (512,)).to(device)
    weights = sample(512, 64, seed=3).to(device)
    first, second = (torch.autograd.grad(F.embedding(tokens, weight), weight, weights)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_token_out_of_range_raises_when_waited_for(device):
    F.embedding(torch.tensor([0, 12], device=device), sample(10, 6).to(device))
    with pytest.raises((RuntimeError, IndexError), match="index 12 is out of bounds for dimension 0 with size 10"):
        torch.metal.synchronize()
