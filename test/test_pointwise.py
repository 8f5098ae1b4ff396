"""where, masked_fill, clamp, lerp, addcmul, addcdiv and pointwise losses agree with the CPU."""

import math

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, INTEGRAL, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

ALL = (*FLOATING, *INTEGRAL, torch.bool, torch.complex64)


@pytest.mark.parametrize("dtype", ALL)
def test_where_and_masked_fill(dtype):
    x, y = sample(5, 9, dtype=dtype), sample(5, 9, dtype=dtype, seed=1)
    mask = sample(5, 9) > 0
    assert_agrees(torch.where, mask, x, y, backward=False)
    assert_agrees(lambda t, m: t.masked_fill(m, 1), x, mask, backward=False)


def test_where_broadcasts_and_promotes():
    mask, x, y = sample(5, 1) > 0, sample(9), sample(5, 9, dtype=torch.float16)
    assert_agrees(torch.where, mask, x, y)
    assert_agrees(lambda m, t: torch.where(m, t, 2.0), mask, x)
    assert_agrees(lambda m: torch.where(m, 1, 0), mask)


def test_masked_fill_of_views_and_tensors():
    metal, cpu = sample(6, 9).to("metal"), sample(6, 9)
    for x in (metal, cpu):
        x.t()[1:4].masked_fill_((x[:, 1:4].t() > 0), -1.5)
        x[::2].masked_fill_(x[0] > 0, torch.tensor(2.5, device=x.device))
        x.masked_fill_(x[:, :1] < 0, torch.tensor(7))
    assert_close(metal, cpu)
    with pytest.raises(RuntimeError, match="boolean masks"):
        metal.masked_fill_(metal, 1)


@pytest.mark.parametrize("dtype", [*FLOATING, torch.int8, torch.int64])
def test_clamp(dtype):
    x = sample(40, dtype=dtype)
    low, high = sample(40, dtype=dtype, seed=1), sample(40, dtype=dtype, seed=2)
    for function in (lambda t: t.clamp(-1, 1), lambda t: t.clamp(min=0), lambda t: t.clamp(max=1)):
        assert_agrees(function, x)
    assert_agrees(torch.clamp, x, low, high, backward=False)
    assert_agrees(lambda t, b: t.clamp(min=b), x, low, backward=False)


def test_clamp_and_nan():
    x = torch.tensor([math.nan, 1.0, -3.0, math.inf])
    assert_agrees(lambda t: t.clamp(-1, 2), x, backward=False)
    assert_agrees(lambda t: t.clamp(5, 2), x, backward=False)
    assert_agrees(torch.clamp, x, torch.full((4,), math.nan), torch.ones(4), backward=False)


@pytest.mark.parametrize("dtype", [*FLOATING, torch.complex64])
def test_lerp_and_fused_multiply(dtype):
    x, y, z = (sample(4, 9, dtype=dtype, seed=i) for i in range(3))
    tolerance = {} if dtype in (torch.float32, torch.complex64) else {"rtol": 2e-2, "atol": 2e-2}
    assert_agrees(torch.lerp, x, y, z, **tolerance)
    assert_agrees(lambda a, b: torch.lerp(a, b, 0.3), x, y, **tolerance)
    assert_agrees(lambda a, b, c: torch.addcmul(a, b, c, value=0.5), x, y, z, **tolerance)
    assert_agrees(lambda a, b, c: torch.addcdiv(a, b, c, value=0.5), x, y, z + 3, **tolerance)


def test_addcmul_of_integers_broadcasts():
    assert_agrees(torch.addcmul, torch.arange(6).view(2, 3), torch.arange(3), torch.arange(2).view(2, 1))


LOSSES = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "smooth_l1": lambda x, y, **k: F.smooth_l1_loss(x, y, beta=0.7, **k),
    "huber": lambda x, y, **k: F.huber_loss(x, y, delta=0.7, **k),
    "bce": lambda x, y, **k: F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), **k),
    "bce_logits": lambda x, y, **k: F.binary_cross_entropy_with_logits(x, y.sigmoid(), **k),
}


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, reduction):
    x, y = sample(6, 11), sample(6, 11, seed=1)
    assert_agrees(lambda a, b: LOSSES[name](a, b, reduction=reduction), x, y, rtol=1e-5, atol=1e-5)
