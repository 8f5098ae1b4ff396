"""Padding and resizing images agree with the CPU."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

LINE, IMAGE, VOLUME = (2, 3, 9), (2, 3, 6, 7), (2, 3, 4, 5, 6)
PADDINGS = {1: (2, 3), 2: (1, 2, 3, 0), 3: (1, 2, 0, 3, 2, 1)}


@pytest.mark.parametrize("mode", ["reflect", "replicate", "constant", "circular"])
@pytest.mark.parametrize("shape", [LINE, IMAGE, VOLUME], ids=str)
def test_padding(mode, shape):
    assert_agrees(lambda x: F.pad(x, PADDINGS[len(shape) - 2], mode), sample(*shape))
    assert_agrees(lambda x: F.pad(x.transpose(0, 1)[..., ::2], (1, 2), mode), sample(*LINE))


def test_negative_padding_crops():
    assert_agrees(lambda x: F.pad(x, (-1, 2), "replicate"), sample(*LINE))
    assert_agrees(lambda x: F.pad(x, (-1, 2, 1, -2), "reflect"), sample(*IMAGE))


def test_too_much_reflection_is_refused(device):
    with pytest.raises(RuntimeError, match="Padding size should be less"):
        F.pad(torch.ones(1, 1, 3, 3, device=device), (3, 0, 0, 0), "reflect")


SIZES = [dict(scale_factor=2), dict(scale_factor=1.7), dict(size=(4, 13)), dict(size=(6, 7)), dict(size=(1, 1))]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_resizing(size, mode):
    assert_agrees(lambda x: F.interpolate(x, **size, mode=mode), sample(*IMAGE), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode, shape", [("linear", LINE), ("bilinear", IMAGE), ("bicubic", IMAGE), ("trilinear", VOLUME)])
def test_resizing_with_aligned_corners(mode, shape):
    size = (9, 3, 5)[: len(shape) - 2]
    assert_agrees(lambda x: F.interpolate(x, size, mode=mode, align_corners=True), sample(*shape), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [*SIZES, dict(size=(2, 3))], ids=str)
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_antialiased_resizing(size, mode):
    assert_agrees(lambda x: F.interpolate(x, **size, mode=mode, antialias=True), sample(*IMAGE), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode, antialias", [("bicubic", False), ("bicubic", True), ("bilinear", True)])
def test_a_scale_that_does_not_change_the_size(mode, antialias, device):
    """The gradient is that of the result; the CPU's is not."""

    def resized(x):
        return F.interpolate(x, scale_factor=1.05, mode=mode, antialias=antialias)

    assert_agrees(resized, sample(*IMAGE), backward=False, rtol=1e-5, atol=1e-5)
    x, along = sample(*IMAGE).to(device).requires_grad_(), sample(*IMAGE, seed=1).to(device)
    y = resized(x)
    (gradient,) = torch.autograd.grad(y, x, along)
    torch.testing.assert_close((y * along).sum(), (x * gradient).sum(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [3, 5])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_images_of_bytes_are_the_same_to_the_bit(mode, antialias, channels):
    x = torch.randint(0, 256, (2, channels, 31, 37), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for size in (dict(size=(57, 12)), dict(size=(7, 80)), dict(scale_factor=1.01), dict(scale_factor=(1.3, 0.4))):
        assert_agrees(lambda x: F.interpolate(x, **size, mode=mode, antialias=antialias), x)


def test_bytes_with_aligned_corners():
    x = torch.randint(0, 256, (1, 3, 9, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for mode in ("bilinear", "bicubic"):
        assert_agrees(lambda x: F.interpolate(x, (20, 3), mode=mode, align_corners=True), x)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resizing_lines(mode):
    assert_agrees(lambda x: F.interpolate(x, 13, mode=mode), sample(*LINE))


def test_resizing_volumes():
    for mode in ("nearest", "trilinear"):
        assert_agrees(lambda x: F.interpolate(x, (7, 5, 3), mode=mode), sample(*VOLUME), rtol=1e-5, atol=1e-5)


def test_what_filters_resize_may_be_strided_or_empty():
    for mode in ("bilinear", "bicubic"):
        assert_agrees(lambda x: F.interpolate(x.transpose(2, 3)[:, 1:], (9, 4), mode=mode), sample(*IMAGE))
        assert_agrees(lambda x: F.interpolate(x, (9, 4), mode=mode), sample(0, 3, 6, 7))


def test_filters_of_integers_are_refused(device):
    with pytest.raises(NotImplementedError):
        F.interpolate(torch.ones(1, 1, 4, 4, dtype=torch.int32, device=device), 8, mode="bilinear")
    with pytest.raises(NotImplementedError):
        F.interpolate(torch.ones(1, 1, 4, dtype=torch.uint8, device=device), 8, mode="linear")


@pytest.mark.parametrize("dtype", FLOATING[:2])
def test_low_precision(dtype):
    x = sample(*IMAGE, dtype=dtype)
    assert_agrees(lambda x: F.interpolate(x, (9, 4), mode="bilinear"), x, rtol=2e-2, atol=2e-2)


def test_channels_last_is_kept(device):
    x = sample(*IMAGE).to(device).to(memory_format=torch.channels_last)
    assert F.interpolate(x, scale_factor=2).is_contiguous(memory_format=torch.channels_last)
