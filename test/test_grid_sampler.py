"""Sampling at the points of a grid, and its gradients, agree with the CPU."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

PADDINGS = ("zeros", "border", "reflection")


def grid(*shape):
    """Points, of which some are far outside."""
    return (2.5 * sample(*shape, seed=1)).clamp(-4, 4)


def sampled(mode, padding, align_corners):
    return lambda x, points: F.grid_sample(x, points, mode, padding, align_corners)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode, padding", list(itertools.product(["bilinear", "nearest", "bicubic"], PADDINGS)))
def test_images(mode, padding, align_corners):
    function = sampled(mode, padding, align_corners)
    assert_agrees(function, sample(2, 3, 5, 7), grid(2, 6, 4, 2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode, padding", list(itertools.product(["bilinear", "nearest"], PADDINGS)))
def test_volumes(mode, padding, align_corners):
    function = sampled(mode, padding, align_corners)
    assert_agrees(function, sample(2, 3, 4, 5, 6), grid(2, 3, 4, 2, 3), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", FLOATING[:2])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_low_precision(mode, dtype):
    tolerance = 4e-2 if dtype == torch.bfloat16 else 4e-3
    x, points = sample(2, 3, 5, 7).to(dtype), grid(2, 6, 4, 2).to(dtype)
    assert_agrees(sampled(mode, "zeros", False), x, points, rtol=tolerance, atol=tolerance)


def test_layouts(device):
    function = sampled("bilinear", "zeros", False)
    assert_agrees(lambda x, g: function(x.transpose(2, 3)[:, 1:], g[:, ::2]), sample(2, 3, 5, 7), grid(2, 6, 4, 2))
    assert_agrees(lambda x, g: function(x, g.permute(0, 2, 3, 1)), sample(2, 3, 5, 7), grid(2, 2, 6, 4))
    last = sample(2, 3, 5, 7).to(device).to(memory_format=torch.channels_last).requires_grad_()
    function(last, grid(2, 6, 4, 2).to(device)).sum().backward()
    assert last.grad.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mode, padding", list(itertools.product(["bilinear", "nearest"], PADDINGS)))
def test_points_that_are_not_numbers(mode, padding):
    points = torch.tensor([math.nan, 0.0, 0.0, math.inf, 0.0, 1e20, -math.inf, 0.3]).view(1, 1, 4, 2)
    assert_agrees(sampled(mode, padding, False), sample(1, 1, 3, 3), points, backward=False)


@pytest.mark.parametrize("padding", PADDINGS)
def test_one_pixel(padding):
    assert_agrees(sampled("bilinear", padding, True), sample(1, 2, 1, 1), grid(1, 3, 3, 2))


def test_empty():
    function = sampled("bilinear", "zeros", False)
    assert_agrees(function, sample(0, 3, 5, 7), grid(0, 6, 4, 2))
    assert_agrees(function, sample(2, 3, 5, 7), grid(2, 0, 4, 2))
    assert_agrees(function, sample(2, 0, 5, 7), grid(2, 6, 4, 2))


def test_only_one_gradient(device):
    for wants_x, wants_grid in ((True, False), (False, True)):
        x, points = sample(2, 3, 5, 7).to(device), grid(2, 6, 4, 2).to(device)
        x.requires_grad_(wants_x), points.requires_grad_(wants_grid)
        F.grid_sample(x, points, align_corners=False).sum().backward()
        assert (x.grad is not None, points.grad is not None) == (wants_x, wants_grid)


def test_errors_are_the_ones_users_know(device):
    x = torch.ones(1, 1, 4, 4, device=device)
    with pytest.raises(RuntimeError, match="same batch size"):
        F.grid_sample(x, torch.ones(2, 3, 3, 2, device=device), align_corners=False)
    with pytest.raises(RuntimeError, match="only supports 4D input"):
        F.grid_sample(x[None], torch.ones(1, 3, 3, 3, 3, device=device), "bicubic", align_corners=False)
    with pytest.raises(RuntimeError, match="expected scalar type Float but found Half"):
        F.grid_sample(x, torch.ones(1, 3, 3, 2, device=device).half(), align_corners=False)
