"""Images resized to their nearest neighbours are those of the CPU, in its memory format."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import sample

pytestmark = pytest.mark.usefixtures("no_fallback")

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
SIZES = [
    {"scale_factor": 1.0}, {"scale_factor": 2.0}, {"scale_factor": 1.7}, {"scale_factor": 0.6}, {"size": 13},
    {"scale_factor": 2.3, "recompute_scale_factor": True},
]  # fmt: skip


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 7, 5), (1, 1, 4, 4), (2, 1, 2, 3), (2, 3, 4, 5, 6), (2, 70, 3, 4), (0, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8], ids=str)
def test_nearest(dtype, shape, mode):
    for form in {torch.contiguous_format, CHANNELS_LAST.get(len(shape), torch.contiguous_format)}:
        x = sample(*shape, dtype=dtype).contiguous(memory_format=form)
        for size in SIZES:
            expected = F.interpolate(x, mode=mode, **size)
            actual = F.interpolate(x.to("metal"), mode=mode, **size)
            assert torch.equal(actual.cpu(), expected) and actual.stride() == expected.stride()


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_of_views(mode):
    x = sample(4, 6, 9, 8)
    for view in (lambda t: t[:, ::2, 1:, ::3], lambda t: t.transpose(1, 3), lambda t: t[:1].expand(3, 6, 9, 8)):
        expected = F.interpolate(view(x), scale_factor=1.5, mode=mode)
        assert torch.equal(F.interpolate(view(x.to("metal")), scale_factor=1.5, mode=mode).cpu(), expected)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_positions_round_as_on_the_cpu(mode):
    """Scales that are no floats, and lines on which each rounding would move a position."""
    x = torch.arange(1 << 17, dtype=torch.float32).view(1, 1, -1)
    for size in ({"scale_factor": 1.1}, {"scale_factor": 3.3}, {"scale_factor": 1 / 3}, {"size": 99_991}, {"size": 300_007}):
        assert torch.equal(F.interpolate(x.to("metal"), mode=mode, **size).cpu(), F.interpolate(x, mode=mode, **size))
