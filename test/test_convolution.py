"""Convolution and its gradients agree with the CPU in one to three dimensions."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback", "library")

TOLERANCE = {
    torch.float32: dict(rtol=1e-4, atol=2e-4),
    torch.float16: dict(rtol=1e-2, atol=5e-2),
    torch.bfloat16: dict(rtol=5e-2, atol=5e-1),
}
CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}

# name -> (input, weight, arguments)
FORWARD = {
    "3x3": ((2, 3, 9, 10), (8, 3, 3, 3), dict(padding=1)),
    "1x1": ((2, 16, 7, 7), (12, 16, 1, 1), {}),
    "large_tiles": ((4, 20, 18, 18), (40, 20, 3, 3), dict(padding=1)),
    "stride": ((2, 3, 11, 12), (8, 3, 3, 3), dict(stride=2, padding=1)),
    "uneven": ((2, 3, 11, 12), (8, 3, 3, 2), dict(stride=(3, 2), padding=(0, 1), dilation=(1, 2))),
    "dilation": ((2, 3, 11, 11), (8, 3, 3, 3), dict(dilation=3, padding=2)),
    "stride_beyond_kernel": ((2, 3, 11, 12), (8, 3, 2, 1), dict(stride=(3, 4))),
    "stride_and_dilation": ((2, 3, 19, 21), (8, 3, 3, 3), dict(stride=(4, 2), dilation=(6, 2), padding=4)),
    "image_ends_within_lanes": ((5, 40, 7, 7), (70, 40, 3, 3), dict(padding=1)),
    "same": ((2, 3, 8, 8), (9, 3, 4, 4), dict(padding="same")),
    "groups": ((2, 6, 7, 7), (18, 3, 3, 3), dict(groups=2)),
    "depthwise": ((2, 6, 9, 9), (6, 1, 3, 3), dict(groups=6, padding=1)),
    "depthwise_multiplier": ((2, 6, 9, 9), (12, 1, 3, 3), dict(groups=6, stride=2)),
    "depthwise_wide": ((2, 35, 9, 70), (35, 1, 3, 5), dict(groups=35, padding=(1, 3), dilation=(2, 1))),
    "depthwise_stride_beyond_kernel": ((2, 6, 9, 9), (6, 1, 1, 2), dict(groups=6, stride=(2, 3))),
    "one_channel": ((3, 1, 8, 8), (16, 1, 3, 3), dict(padding=1)),
    "many_pixels": ((1, 2, 70, 70), (3, 2, 3, 3), {}),
    "whole_input": ((2, 3, 5, 5), (10, 3, 5, 5), {}),
    "no_batch": ((3, 9, 9), (8, 3, 3, 3), {}),
    "empty_batch": ((0, 3, 9, 9), (8, 3, 3, 3), {}),
    "1d": ((2, 4, 20), (8, 4, 5), dict(stride=2, padding=2)),
    "1d_groups": ((2, 4, 20), (4, 1, 5), dict(groups=4)),
    "3d": ((2, 3, 5, 6, 7), (8, 3, 3, 2, 3), dict(padding=1, stride=(1, 2, 1))),
    "3d_uneven": ((2, 4, 7, 6, 5), (9, 4, 2, 3, 1), dict(padding=(1, 0, 2), stride=(2, 1, 3), dilation=(3, 2, 1))),
    "3d_groups": ((2, 6, 5, 5, 5), (12, 3, 3, 3, 3), dict(groups=2, padding=(0, 1, 2))),
    "3d_depthwise": ((2, 6, 4, 5, 6), (6, 1, 3, 3, 3), dict(groups=6, dilation=(1, 2, 1), padding=(0, 1, 0))),
}
BACKWARD = {
    "3x3": ((2, 4, 6, 7), (4, 9, 3, 3), dict(padding=1)),
    "stride": ((2, 4, 5, 5), (4, 9, 3, 3), dict(stride=2, output_padding=1)),
    "stride_beyond_kernel": ((2, 4, 5, 5), (4, 9, 2, 1), dict(stride=(3, 2), output_padding=(1, 0))),
    "1x1_with_output_padding": ((2, 4, 5, 5), (4, 9, 1, 1), dict(output_padding=3, dilation=4)),
    "uneven": ((2, 4, 5, 5), (4, 9, 3, 2), dict(stride=(3, 2), dilation=(1, 2), padding=(0, 1))),
    "groups": ((2, 4, 5, 5), (4, 3, 3, 3), dict(groups=2)),
    "depthwise": ((2, 4, 5, 5), (4, 1, 2, 3), dict(groups=4, stride=(3, 1))),
    "1d": ((2, 4, 9), (4, 9, 4), dict(stride=2)),
    "3d": ((2, 3, 4, 4, 4), (3, 2, 3, 3, 3), dict(stride=2)),
    "3d_uneven": ((2, 4, 3, 4, 5), (4, 6, 3, 2, 1), dict(groups=2, stride=(2, 1, 3), padding=(1, 0, 0), dilation=(2, 3, 1))),
    "3d_output_padding": ((2, 4, 3, 3, 3), (4, 3, 3, 3, 3), dict(stride=(2, 3, 1), output_padding=(1, 2, 0))),
}


def bias_of(weight, transposed, arguments):
    return sample(weight[1] * arguments.get("groups", 1) if transposed else weight[0], seed=2)


def check(kinds, case, transposed, dtype=torch.float32, prepare=lambda x: x):
    shape, weight, arguments = case

    def convolve(x, w, b):
        return kinds[len(weight) - 2](prepare(x), w, b, **arguments)

    tensors = sample(*shape), sample(*weight, seed=1), bias_of(weight, transposed, arguments)
    assert_agrees(convolve, *(t.to(dtype) for t in tensors), **TOLERANCE[dtype])


@pytest.mark.parametrize("name", FORWARD)
def test_convolution(name):
    check(CONVOLUTIONS, FORWARD[name], False)


@pytest.mark.parametrize("name", BACKWARD)
def test_transposed_convolution(name):
    check(TRANSPOSED, BACKWARD[name], True)


FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


@pytest.mark.parametrize("name", [name for name, (shape, *_) in FORWARD.items() if len(shape) in FORMATS and shape[0]])
def test_channels_last(name):
    shape, weight, arguments = FORWARD[name]
    convolve, memory_format = CONVOLUTIONS[len(weight) - 2], FORMATS.get(len(shape))

    def last(x, w):
        return convolve(x.contiguous(memory_format=memory_format), w.contiguous(memory_format=memory_format), **arguments)

    assert_agrees(last, sample(*shape), sample(*weight, seed=1), **TOLERANCE[torch.float32])


@pytest.mark.parametrize("dtype", FLOATING[:2])
@pytest.mark.parametrize("name", ["stride", "depthwise", "3d_groups"])
def test_low_precision(name, dtype):
    check(CONVOLUTIONS, FORWARD[name], False, dtype)


def check_every_form(dtype):
    arguments = dict(groups=2, padding=1, stride=(1, 2))
    x, weight, bias = sample(2, 4, 6, 7, dtype=dtype), sample(10, 2, 3, 3, dtype=dtype), sample(10, dtype=dtype)
    assert_agrees(lambda x, w, b: F.conv2d(x, w, b, **arguments), x, weight, bias)
    assert_agrees(lambda x, w, b: F.conv_transpose2d(x, w, b[:4], **arguments), sample(2, 10, 4, 3, dtype=dtype), weight, bias)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_double_precision_runs_on_the_host(dtype):
    check_every_form(dtype)


def test_integers_are_exact():
    check_every_form(torch.int64)
    x = torch.full((1, 1, 4, 4), 2**40 + 1)
    assert_agrees(lambda x: F.conv2d(x, torch.ones_like(x[..., :3, :3])), x)


def test_without_bias():
    assert_agrees(F.conv2d, sample(2, 3, 8, 8), sample(9, 3, 3, 3, seed=1), **TOLERANCE[torch.float32])


STRIDED = {
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "every_other": lambda x: x.repeat_interleave(2, 3)[..., ::2],
    "expanded": lambda x: x[:, :1].expand_as(x),
}


@pytest.mark.parametrize("name", STRIDED)
def test_strided_input(name):
    check(CONVOLUTIONS, FORWARD["stride"], False, prepare=STRIDED[name])


def test_channels_last_is_kept(device):
    x = sample(2, 8, 9, 9).to(device).to(memory_format=torch.channels_last)
    out = F.conv2d(x, sample(12, 8, 3, 3).to(device))
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_only_the_gradients_that_are_asked_for(device):
    x, weight = sample(2, 3, 8, 8).to(device), sample(9, 3, 3, 3).to(device).requires_grad_()
    (gradient,) = torch.autograd.grad(F.conv2d(x, weight).sum(), weight)
    assert gradient.shape == weight.shape and x.grad is None


def test_the_gradient_of_a_sum_is_one_repeated_number(device):
    x, weight = sample(4, 16, 20, 20), sample(16, 16, 3, 3, seed=1)
    gradients = [
        torch.autograd.grad(F.conv2d(*leaves, padding=1).sum(), leaves)
        for leaves in ([t.to(d).requires_grad_() for t in (x, weight)] for d in (device, "cpu"))
    ]
    for metal, cpu in zip(*gradients):
        torch.testing.assert_close(metal.cpu(), cpu, rtol=1e-4, atol=1e-3)


def test_gradients_are_reproducible(device):
    x, weight = sample(8, 4, 20, 20).to(device), sample(9, 4, 3, 3).to(device).requires_grad_()
    first, second = (torch.autograd.grad(F.conv2d(x, weight).square().sum(), weight)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_errors_are_the_ones_users_know(device):
    x = torch.ones(2, 3, 8, 8, device=device)
    with pytest.raises(RuntimeError, match="expected input.*to have 4 channels"):
        F.conv2d(x, torch.ones(5, 4, 3, 3, device=device))
    with pytest.raises(RuntimeError, match="should be the same"):
        F.conv2d(x, torch.ones(5, 3, 3, 3, device=device, dtype=torch.float16))
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        F.conv2d(x, torch.ones(5, 3, 9, 9, device=device))


def test_convolutions_by_their_slow_names():
    """CUDA has these under names of their own; they share the kernels of convolution."""
    named, close = torch._C._nn, TOLERANCE[torch.float32]
    x, w, bias = sample(2, 3, 7, 8), sample(4, 3, 3, 2, seed=1), sample(4, seed=2)
    wide, thin = x.unsqueeze(2).repeat(1, 1, 3, 1, 1), w.unsqueeze(2)
    assert_agrees(lambda x, w, b: named.thnn_conv2d(x, w, (3, 2), b, (2, 1), (1, 0)), x, w, bias, **close)
    assert_agrees(lambda x, w, b: named.slow_conv_dilated2d(x, w, (3, 2), b, 1, 1, 2), x, w, bias, **close)
    assert_agrees(lambda x, w, b: named.slow_conv3d(x, w, (1, 3, 2), b, 1, 1), wide, thin, bias, **close)
    assert_agrees(lambda x, w, b: named.slow_conv_dilated3d(x, w, (1, 3, 2), b, 1, 0, (1, 2, 1)), wide, thin, bias, **close)
    w, thin = w.transpose(0, 1), thin.transpose(0, 1)
    assert_agrees(lambda x, w, b: named.slow_conv_transpose2d(x, w, (3, 2), b, 2, 1, (1, 0)), x, w, bias, **close)
    assert_agrees(lambda x, w, b: named.slow_conv_transpose3d(x, w, (1, 3, 2), b, 1, 0, 0, (1, 2, 1)), wide, thin, bias, **close)
    with pytest.raises(RuntimeError, match="expected a weight"):
        named.thnn_conv2d(x.to("metal"), w.to("metal"), (5, 5))
