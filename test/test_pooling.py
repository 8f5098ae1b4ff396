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


FRACTIONAL = {
    2: (torch.ops.aten.fractional_max_pool2d, (2, 3, 11, 13)),
    3: (torch.ops.aten.fractional_max_pool3d, (2, 3, 7, 8, 9)),
}


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("spatial", FRACTIONAL)
def test_fractional_windows(spatial, dtype):
    """In every dtype windows are where the CPU has them, whose arithmetic they follow rounding by rounding."""
    function, shape = FRACTIONAL[spatial]
    size = (5, 5, 4)[:spatial]
    samples = torch.rand(2, 3, spatial, generator=torch.Generator().manual_seed(1)).to(dtype)
    x = sample(*shape).to(dtype)
    on_metal, on_cpu = (function(x.to(d), [2, 3, 2][:spatial], size, samples.to(d)) for d in ("metal", "cpu"))
    for m, c in zip(on_metal, on_cpu):
        assert torch.equal(m.cpu(), c)


@pytest.mark.parametrize("spatial", FRACTIONAL)
def test_gradient_of_fractional_windows(spatial):
    function, shape = FRACTIONAL[spatial]
    samples = torch.rand(2, 3, spatial, generator=torch.Generator().manual_seed(1))
    assert_agrees(lambda x: function(x, [3] * spatial, [4] * spatial, samples.to(x.device)), sample(*shape))
    assert_agrees(lambda x: function(x[0].mT, [3] * spatial, [1] * spatial, samples[:1].to(x.device)), sample(*shape))
    assert_agrees(lambda x: function(x, [2] * spatial, [3] * spatial, samples[:0].to(x.device)), sample(0, *shape[1:]))


def test_nan_in_fractional_windows():
    x = sample(1, 1, 6, 6).where(sample(1, 1, 6, 6, seed=1) < 0.5, torch.nan)
    samples = torch.full((1, 1, 2), 0.4)
    assert_agrees(lambda x: torch.ops.aten.fractional_max_pool2d(x, [2, 2], [3, 3], samples.to(x.device)), x)


def test_errors_of_fractional_windows(device):
    x, samples = torch.ones(2, 3, 6, 7, device=device), torch.ones(2, 3, 2, device=device)
    with pytest.raises(RuntimeError, match="pool height 7 too large"):
        torch.ops.aten.fractional_max_pool2d(x, [7, 2], [3, 3], samples)
    with pytest.raises(RuntimeError, match="same dtype as input"):
        torch.ops.aten.fractional_max_pool2d(x, [2, 2], [3, 3], samples.half())


def test_averages_into_a_strided_output(device):
    """Not compared with the CPU's own, which ignores the strides."""
    x = sample(*VOLUME)
    wide = torch.zeros(2, 3, 2, 3, 6, device=device)
    torch._C._nn.avg_pool3d(x.to(device), [2, 2, 2], out=wide[..., ::2])
    torch.testing.assert_close(wide[..., ::2].cpu(), F.avg_pool3d(x, 2))
    assert (wide[..., 1::2] == 0).all()


@pytest.mark.parametrize("name", ["average", "average_padded", "average_divisor", "average_ceil", "average_3d"])
def test_averages_of_integers(name):
    function, shape, arguments = CASES[name]
    assert_agrees(lambda x: function(x, **arguments), 1000 * sample(*shape, dtype=torch.int64) + 7)
    if function is F.avg_pool2d:
        with pytest.raises(NotImplementedError):
            function(torch.ones(shape, dtype=torch.int32, device="metal"), **arguments)


def test_gradient_of_averages_of_integers(device):
    arguments = ([2, 2], [1, 1], [0, 0], False, True, None)
    x, grad = 100 * sample(1, 2, 5, 5, dtype=torch.int64), 100 * sample(1, 2, 4, 4, dtype=torch.int64, seed=1)
    backward = torch.ops.aten.avg_pool2d_backward
    assert torch.equal(backward(grad.to(device), x.to(device), *arguments).cpu(), backward(grad, x, *arguments))


def test_max_of_integers():
    for dtype in INTEGRAL:
        assert_agrees(lambda x: F.max_pool2d(x, 3, padding=1), sample(2, 3, 7, 7, dtype=dtype))


CHANNELS_LAST = "max_padded max_indices max_3d_indices average_padded adaptive_average adaptive_max_indices".split()


@pytest.mark.parametrize("channels", [3, 70])
@pytest.mark.parametrize("name", CHANNELS_LAST)
def test_channels_last(name, channels, device):
    function, (batch, _, *pixels), arguments = CASES[name]
    form = torch.channels_last if len(pixels) == 2 else torch.channels_last_3d

    def pool(x):
        return function(x.contiguous(memory_format=form), **arguments)

    x = sample(batch, channels, *pixels)
    assert_agrees(pool, x)
    out = pool(x.to(device))
    out = out[0] if isinstance(out, tuple) else out
    assert out.is_contiguous(memory_format=form)


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
