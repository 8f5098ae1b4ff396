"""Activations and their gradients agree with the CPU, in every floating dtype and at their corners."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "elu": lambda x: F.elu(x, 0.7),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 1.3),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": lambda x: F.softplus(x, 1.5, 2),
    "logsigmoid": F.logsigmoid,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": lambda x: F.hardtanh(x, -0.5, 0.8),
    "hardshrink": F.hardshrink,
    "softshrink": F.softshrink,
    "tanhshrink": F.tanhshrink,
    "softsign": F.softsign,
    "threshold": lambda x: F.threshold(x, 0.3, -2.0),
    "glu": lambda x: F.glu(x, 0),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_gradients(name):
    assert_agrees(ACTIVATIONS[name], sample(6, 35) * 3, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", FLOATING[:2])
@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "tanh", "leaky_relu", "glu"])
def test_low_precision(name, dtype):
    assert_agrees(ACTIVATIONS[name], sample(6, 35, dtype=dtype), rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize("name", ["elu", "leaky_relu", "hardtanh", "silu", "relu", "celu", "hardswish"])
def test_in_place(name):
    assert_agrees(lambda x: getattr(F, name)(x * 2, inplace=True), sample(6, 35), rtol=2e-5, atol=1e-5)


def test_corners():
    x = torch.tensor([-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 100.0, -100.0])
    for name in ("hardswish", "hardsigmoid", "hardtanh", "hardshrink", "softshrink", "relu6", "elu", "softplus", "logsigmoid"):
        assert_agrees(ACTIVATIONS[name], x, rtol=1e-5, atol=1e-6)


def test_strided_input():
    for view in (lambda t: t.t(), lambda t: t[:, ::2], lambda t: t[:1].expand(6, 35)):
        assert_agrees(lambda t: F.gelu(view(t)), sample(6, 35), rtol=1e-5, atol=1e-5)


def test_complex_silu():
    assert_agrees(F.silu, sample(5, 9, dtype=torch.complex64) * 3, backward=False, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights", [1, 5])
def test_prelu(weights):
    assert_agrees(F.prelu, sample(4, 5, 6), sample(weights, seed=1).abs(), rtol=1e-5, atol=1e-5)


def test_rrelu_draws_slopes_for_what_is_not_positive(device):
    x = torch.cat([sample(1000), torch.tensor([0.0, torch.nan])]).to(device).requires_grad_()
    y = F.rrelu(x, 0.1, 0.3, training=True)
    (gradient,) = torch.autograd.grad(y.nansum(), x)
    slopes = gradient[:-1][x[:-1] <= 0]
    assert slopes.min() >= 0.1 and slopes.max() <= 0.3 and slopes.unique().numel() > 400
    assert (gradient[:-1][x[:-1] > 0] == 1).all() and y[-1].isnan()
    torch.testing.assert_close(y[:-1], x[:-1] * gradient[:-1])
    again = x.detach().clone()
    F.rrelu_(again, 0.1, 0.3, training=True)
    assert (again[:-1][x[:-1] > 0] == x[:-1][x[:-1] > 0]).all() and not torch.equal(again[:-1], y[:-1])


def test_rrelu_outside_of_training():
    assert_agrees(lambda x: F.rrelu(x, 0.1, 0.3), sample(5, 7))
    with pytest.raises(RuntimeError, match="noise tensor shape must match"):
        torch.ops.aten.rrelu_with_noise(torch.ones(3, device="metal"), torch.ones(2, device="metal"), 0.1, 0.3, True)


def test_glu_forward_mode():
    def tangents(device):
        x, dx = sample(3, 8).to(device), sample(3, 8, seed=1).to(device)
        slope = torch.func.grad(lambda x: F.glu(x, 1).square().sum())
        return torch.func.jvp(lambda x: F.glu(x, 1), (x,), (dx,)), torch.func.jvp(slope, (x,), (dx,))

    assert_close(tangents("metal"), tangents("cpu"))
