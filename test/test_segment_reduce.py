"""Reductions over segments and their gradients agree with the CPU."""

import math

import pytest
import torch

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

REDUCTIONS = ("max", "min", "mean", "sum", "prod")
LENGTHS = torch.tensor([3, 0, 1, 5])
TOLERANCE = dict(rtol=1e-5, atol=1e-5)


def by_lengths(reduction, lengths=LENGTHS, **arguments):
    return lambda x: torch.segment_reduce(x, reduction, lengths=lengths.to(x.device), **arguments)


@pytest.mark.parametrize("initial", [None, 0.5])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions(reduction, initial):
    function = by_lengths(reduction, initial=initial)
    assert_agrees(function, sample(9), **TOLERANCE)
    assert_agrees(function, sample(9, 4, 3), **TOLERANCE)
    assert_agrees(lambda x: function(x.t()[::2]), sample(4, 18), **TOLERANCE)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_rows_of_lengths(reduction):
    lengths = torch.tensor([[2, 3, 1], [0, 6, 0]])
    assert_agrees(by_lengths(reduction, lengths, axis=1), sample(2, 6, 3), **TOLERANCE)
    assert_agrees(by_lengths(reduction, lengths.int(), axis=1), sample(2, 6), **TOLERANCE)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_offsets(reduction):
    offsets = torch.tensor([0, 3, 3, 7])  # two elements are in no segment
    function = lambda x: torch.segment_reduce(x, reduction, offsets=offsets.to(x.device))  # noqa: E731
    assert_agrees(function, sample(9, 2), **TOLERANCE)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_zeros_ties_and_nan(reduction):
    x = torch.tensor([0.0, 2.0, 2.0, -1.0, 0.0, 3.0, 0.0, math.nan, 1.0])
    backward = reduction not in ("max", "min")
    assert_agrees(by_lengths(reduction, initial=2.0), x, backward=backward)


def test_equal_maxima_share_their_gradient(device):
    x = torch.tensor([1.0, 2.0, 2.0], device=device, requires_grad=True)
    for sign in (1.0, -1.0):
        out = torch.segment_reduce(x, "max", lengths=torch.tensor([3], device=device))
        (gradient,) = torch.autograd.grad(sign * out.sum(), x)
        assert gradient.tolist() == [0.0, sign / 2, sign / 2]


@pytest.mark.parametrize("dtype", FLOATING[:2])
def test_low_precision(dtype):
    tolerance = 2e-2 if dtype == torch.bfloat16 else 2e-3
    assert_agrees(by_lengths("mean"), sample(9, 3, dtype=dtype), rtol=tolerance, atol=tolerance)


def test_errors(device):
    x = torch.ones(9, device=device)
    with pytest.raises(RuntimeError, match="lengths contains negative value"):
        by_lengths("sum", torch.tensor([10, -1]))(x)
    with pytest.raises(RuntimeError, match="sum to data.size"):
        by_lengths("sum", torch.tensor([3, 3]))(x)
    with pytest.raises(RuntimeError, match="outside of a dimension of size 9"):
        torch.segment_reduce(x, "sum", offsets=torch.tensor([0, 20], device=device))
        torch.accelerator.synchronize()
