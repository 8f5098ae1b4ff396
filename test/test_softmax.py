"""Softmax and log-softmax agree with the CPU, forward and backward."""

import math

import pytest
import torch

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

FUNCTIONS = (torch.softmax, torch.log_softmax)
# The gradient starts from the rounded result.
CLOSE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.float16: {"rtol": 2e-3, "atol": 4e-3},
    torch.bfloat16: {"rtol": 2e-2, "atol": 3e-2},
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape, dim", [((4, 10), 1), ((3, 100), 1), ((2, 1500), -1), ((70, 9), 0), ((3, 40, 33), 1), ((), 0), ((1,), 0), ((0, 5), 1), ((5, 0), 1)])
def test_every_shape(function, shape, dim):
    assert_agrees(lambda x: function(x, dim), sample(*shape) * 4)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", FLOATING)
def test_every_dtype(function, dtype):
    for dim in (0, 1):
        assert_agrees(lambda x: function(x, dim), sample(3, 50, dtype=dtype), **CLOSE[dtype])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_half_to_float(function):
    assert_agrees(lambda x: function(x, -1, dtype=torch.float32), sample(3, 50, dtype=torch.float16), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_strided(function):
    assert_agrees(lambda x: function(x.transpose(0, 2)[:, ::2], -1), sample(40, 6, 5))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_infinities_and_nan(function):
    x = sample(6, 70)
    x[0, :40] = -math.inf
    x[1, :] = -math.inf
    x[2, 5] = math.inf
    x[3, 69] = math.nan
    x[4] *= 1e4
    x[5, 1:] = -math.inf
    assert_agrees(lambda x: function(x, 1), x, backward=False)
    assert_agrees(lambda x: function(x, 1), x.t().contiguous().t(), backward=False)
