"""Fake quantisation agrees with the CPU: values, masks, gradients, observers; and a model trains with it."""

import math

import pytest
import torch
from torch import nn
from torch.ao import quantization

from test.agreement import FLOATING, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

aten = torch.ops.aten


def values():
    """Inside and outside of the bounds, halves between two steps, and infinities."""
    x = sample(6, 7, 5) * 30
    x[0, 0, :4] = torch.tensor([0.25, 0.75, -math.inf, -1e30])
    return x


@pytest.mark.parametrize("dtype", FLOATING)
def test_by_tensor(dtype):
    def quantized(x):
        return torch.fake_quantize_per_tensor_affine(x, 0.5, 3, -20, 40)

    assert_agrees(quantized, values().to(dtype))
    assert_agrees(lambda x: quantized(x.transpose(0, 2)[::2]), values().to(dtype))
    assert_agrees(lambda x: aten.fake_quantize_per_tensor_affine_cachemask(x, 0.5, 3, -20, 40), values().to(dtype), backward=False)
    assert_agrees(quantized, torch.empty(0, 3))
    assert_agrees(quantized, torch.tensor(2.3))


@pytest.mark.parametrize("enabled", [0, 1])
def test_by_tensor_with_parameters_on_the_device(enabled):
    def quantized(x):
        scale, zero = torch.tensor([0.3], device=x.device), torch.tensor([7], dtype=torch.int32, device=x.device)
        switch = torch.tensor([enabled], dtype=torch.int64, device=x.device)
        cachemask = aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams
        return (
            cachemask(x, scale, zero, switch, 0, 255),
            torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255),
        )

    assert_agrees(quantized, values(), backward=False)
    assert_agrees(lambda x: quantized(x)[1], values())


@pytest.mark.parametrize("zero_dtype", [torch.int32, torch.float32, torch.float16])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_by_channel(axis, zero_dtype):
    x = values()
    scale = sample(x.shape[axis], seed=1).abs() + 0.1
    zero = (sample(x.shape[axis], seed=2) * 3).to(zero_dtype)

    def quantized(x):
        return torch.fake_quantize_per_channel_affine(x, scale.to(x.device), zero.to(x.device), axis, -8, 9)

    assert_agrees(quantized, x)
    assert_agrees(lambda x: quantized(x.contiguous().flip(0)), x)


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_learnable_by_tensor(factor):
    def quantized(x, scale, zero):
        return torch._fake_quantize_learnable_per_tensor_affine(x, scale, zero, -20, 40, factor)

    finite = values().clamp(-100, 100)
    assert_agrees(quantized, finite, torch.tensor([0.7]), torch.tensor([3.0]), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1])
def test_learnable_by_channel(axis):
    def quantized(x, scale, zero):
        return torch._fake_quantize_learnable_per_channel_affine(x, scale, zero, axis, -20, 40, 0.5)

    x = values().clamp(-100, 100)
    scale, zero = sample(x.shape[axis], seed=1).abs() + 0.1, sample(x.shape[axis], seed=2) * 3
    assert_agrees(quantized, x, scale, zero, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("by_row", [False, True])
def test_moving_average_observer(by_row, symmetric):
    def observe(device):
        shape = (0,) if by_row else (1,)
        low, high = torch.full(shape, math.inf, device=device), torch.full(shape, -math.inf, device=device)
        scale, zero = torch.ones(shape, device=device), torch.zeros(shape, dtype=torch.int32, device=device)
        on, off = (torch.tensor([value], dtype=torch.int64, device=device) for value in (1, 0))
        results = []
        for step, (observer, fake) in enumerate([(on, off), (on, on), (off, on)]):
            x = sample(4, 3, 5, seed=step).to(device)
            results += aten._fused_moving_avg_obs_fq_helper(
                x, observer, fake, low, high, scale, zero, 0.1, -128, 127, 0, by_row, symmetric
            )
            results += [t.clone() for t in (low, high)]
            if fake is on:  # before, the CPU leaves them uninitialised
                results += [scale.clone(), zero.clone()]
        return results

    assert_close(observe("metal"), observe("cpu"))


@pytest.mark.filterwarnings("ignore")
def test_training_that_is_aware_of_quantisation():
    def train(device):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
        model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
        model = quantization.prepare_qat(model.train()).to(device)
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        losses = []
        for step in range(4):
            x, y = sample(8, 3, 6, 6, seed=step).to(device), torch.arange(8, device=device) % 5
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return losses

    assert_close(train("metal"), train("cpu"), rtol=2e-2, atol=1e-3)  # a value may round to the next step
