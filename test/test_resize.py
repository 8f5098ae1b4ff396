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
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
def test_resizing(size, mode):
    assert_agrees(lambda x: F.interpolate(x, **size, mode=mode), sample(*IMAGE), rtol=1e-5, atol=1e-5)


def test_resizing_with_aligned_corners():
    assert_agrees(lambda x: F.interpolate(x, (9, 3), mode="bilinear", align_corners=True), sample(*IMAGE))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resizing_lines(mode):
    assert_agrees(lambda x: F.interpolate(x, 13, mode=mode), sample(*LINE))


def test_resizing_volumes():
    assert_agrees(lambda x: F.interpolate(x, (7, 5, 3), mode="nearest"), sample(*VOLUME))


@pytest.mark.parametrize("dtype", FLOATING[:2])
def test_low_precision(dtype):
    x = sample(*IMAGE, dtype=dtype)
    assert_agrees(lambda x: F.interpolate(x, (9, 4), mode="bilinear"), x, rtol=2e-2, atol=2e-2)


def test_channels_last_is_kept(device):
    x = sample(*IMAGE).to(device).to(memory_format=torch.channels_last)
    assert F.interpolate(x, scale_factor=2).is_contiguous(memory_format=torch.channels_last)
