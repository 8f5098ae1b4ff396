"""Pooling and its gradients agree with the CPU."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, INTEGRAL, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

IMAGE, VOLUME, LINE = (2, 3, 9, 10), (2, 3, 5, 6, 7), (2, 3, 20)

# name -> (function, input shape, arguments)
CASES = {
    "max": (F.max_pool2d, IMAGE, dict(kernel_size=2)),
    "max_padded": (F.max_pool2d, IMAGE, dict(kernel_size=3, stride=2, padding=1)),
    "max_overlapping": (F.max_pool2d, IMAGE, dict(kernel_size=3, stride=1)),
    "max_dilated": (F.max_pool2d, IMAGE, dict(kernel_size=(2, 3), stride=(1, 2), dilation=(3, 2), padding=1)),
    "max_ceil": (F.max_pool2d, IMAGE, dict(kernel_size=3, stride=2, ceil_mode=True)),
    "max_indices": (F.max_pool2d, IMAGE, dict(kernel_size=3, return_indices=True)),
    "max_unbatched": (F.max_pool2d, (3, 9, 10), dict(kernel_size=2)),
    "max_empty_batch": (F.max_pool2d, (0, 3, 9, 10), dict(kernel_size=2)),
    "max_1d": (F.max_pool1d, LINE, dict(kernel_size=3, stride=2, padding=1)),
    "max_3d": (F.max_pool3d, VOLUME, dict(kernel_size=2, stride=1, padding=1)),
    "max_3d_indices": (F.max_pool3d, VOLUME, dict(kernel_size=2, return_indices=True)),
    "average": (F.avg_pool2d, IMAGE, dict(kernel_size=2)),
    "average_padded": (F.avg_pool2d, IMAGE, dict(kernel_size=3, stride=2, padding=1)),
    "average_without_padding": (F.avg_pool2d, IMAGE, dict(kernel_size=3, padding=1, count_include_pad=False)),
    "average_ceil": (F.avg_pool2d, IMAGE, dict(kernel_size=(2, 3), stride=(3, 2), ceil_mode=True, padding=(1, 0))),
    "average_divisor": (F.avg_pool2d, IMAGE, dict(kernel_size=3, divisor_override=5)),
    "average_unbatched": (F.avg_pool2d, (3, 9, 10), dict(kernel_size=2)),
    "average_1d": (F.avg_pool1d, LINE, dict(kernel_size=3, stride=2, padding=1)),
    "average_3d": (F.avg_pool3d, VOLUME, dict(kernel_size=3, stride=2, padding=1, count_include_pad=False)),
    "adaptive_average": (F.adaptive_avg_pool2d, IMAGE, dict(output_size=(4, 3))),
    "adaptive_average_larger": (F.adaptive_avg_pool2d, IMAGE, dict(output_size=(13, 10))),
    "adaptive_average_one": (F.adaptive_avg_pool2d, IMAGE, dict(output_size=1)),
    "adaptive_average_1d": (F.adaptive_avg_pool1d, LINE, dict(output_size=7)),
    "adaptive_average_3d": (F.adaptive_avg_pool3d, VOLUME, dict(output_size=(2, 4, 3))),
    "adaptive_max": (F.adaptive_max_pool2d, IMAGE, dict(output_size=(4, 3))),
    "adaptive_max_indices": (F.adaptive_max_pool2d, IMAGE, dict(output_size=(4, 3), return_indices=True)),
    "adaptive_max_1d": (F.adaptive_max_pool1d, LINE, dict(output_size=7)),
    "adaptive_max_3d": (F.adaptive_max_pool3d, VOLUME, dict(output_size=(2, 4, 3))),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_cpu(name):
    function, shape, arguments = CASES[name]
    assert_agrees(lambda x: function(x, **arguments), sample(*shape))


@pytest.mark.parametrize("dtype", FLOATING[:2])
@pytest.mark.parametrize("name", ["max_padded", "average_padded"])
def test_low_precision(name, dtype):
    function, shape, arguments = CASES[name]
    tolerance = dict(rtol=2e-2, atol=2e-2) if dtype == torch.bfloat16 else dict(rtol=2e-3, atol=2e-3)
    assert_agrees(lambda x: function(x, **arguments), sample(*shape, dtype=dtype), **tolerance)


def test_max_of_integers():
    for dtype in INTEGRAL:
        assert_agrees(lambda x: F.max_pool2d(x, 3, padding=1), sample(2, 3, 7, 7, dtype=dtype))


@pytest.mark.parametrize("name", ["max_padded", "average_padded", "adaptive_average", "adaptive_max_indices"])
def test_channels_last(name, device):
    function, shape, arguments = CASES[name]

    def pool(x):
        return function(x.contiguous(memory_format=torch.channels_last), **arguments)

    assert_agrees(pool, sample(*shape))
    out = pool(sample(*shape).to(device))
    out = out[0] if isinstance(out, tuple) else out
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_strided_input():
    assert_agrees(lambda x: F.max_pool2d(x.transpose(2, 3)[..., ::2], 2), sample(*IMAGE))
    assert_agrees(lambda x: F.avg_pool2d(x.transpose(0, 1)[:, :, 1:], 2), sample(*IMAGE))


def test_nan_and_ties():
    x = torch.tensor([[[[1.0, 1.0, 2.0, torch.nan], [0.0, 1.0, torch.nan, -torch.inf]]]])
    assert_agrees(lambda x: F.max_pool2d(x, 2, return_indices=True), x)
    assert_agrees(lambda x: F.max_pool2d(x, 2, return_indices=True), torch.full((1, 1, 4, 4), -torch.inf))


def test_errors_are_the_ones_users_know(device):
    x = torch.ones(1, 1, 4, 4, device=device)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        F.max_pool2d(x, 5)
    with pytest.raises(RuntimeError, match="pad should be"):
        F.avg_pool2d(x, 2, padding=2)
