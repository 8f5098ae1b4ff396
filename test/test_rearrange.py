"""Unpooling, rolls, repeats, shuffles and membership agree with the CPU."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, INTEGRAL, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

# name -> (pooling, its inverse, input shape)
UNPOOLING = {
    "1d": (F.max_pool1d, F.max_unpool1d, (2, 3, 10)),
    "2d": (F.max_pool2d, F.max_unpool2d, (2, 3, 6, 8)),
    "2d_unbatched": (F.max_pool2d, F.max_unpool2d, (3, 6, 8)),
    "2d_empty_batch": (F.max_pool2d, F.max_unpool2d, (0, 3, 6, 8)),
    "3d": (F.max_pool3d, F.max_unpool3d, (2, 3, 4, 6, 4)),
}


@pytest.mark.parametrize("name", UNPOOLING)
def test_unpooling(name):
    pool, unpool, shape = UNPOOLING[name]
    for dtype in FLOATING:
        values, indices = pool(sample(*shape, dtype=dtype), 2, return_indices=True)
        assert_agrees(lambda x: unpool(x, indices.to(x.device), 2), values)


def test_unpooling_keeps_the_memory_format(device):
    values, indices = F.max_pool2d(sample(2, 3, 6, 8), 2, return_indices=True)
    last = dict(memory_format=torch.channels_last)
    result = F.max_unpool2d(values.to(device).contiguous(**last), indices.to(device).contiguous(**last), 2)
    assert result.is_contiguous(**last)
    assert_close(result, F.max_unpool2d(values, indices, 2))


def test_unpooling_checks(device):
    values, indices = F.max_pool2d(sample(2, 3, 6, 8).to(device), 2, return_indices=True)
    with pytest.raises(RuntimeError, match="same as that of the input"):
        F.max_unpool2d(values, indices[:1], 2)
    with pytest.raises(RuntimeError, match="out of bounds"):
        F.max_unpool2d(values, indices + 100, 2).cpu()


@pytest.mark.parametrize(
    "shape, dims",
    [((7,), 0), ((4, 6), 1), ((4, 6), -2), ((3, 4, 5), 1), ((3, 4, 5), (0, 2)), ((3, 4, 5), ()), ((0, 4), 1), ((4, 1), 1)],
)
def test_roll(shape, dims):
    dtypes = (torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64)
    for shift, dtype in itertools.product((0, 1, -2, 17, -(10**12)), dtypes):
        shifts = (shift, 1) if dims == (0, 2) else shift
        assert_agrees(lambda x: x.roll(shifts, dims), sample(*shape, dtype=dtype))
    assert_agrees(lambda x: x.t().roll(3, 0), sample(4, 6))
    assert_agrees(lambda x: x.conj().roll(3, 0), sample(4, 6, dtype=torch.complex64))


def test_roll_checks(device):
    for shifts, dims in [(1, 2), ((1, 2), 0), ((), 0)]:
        errors = []
        for where in ("cpu", device):
            with pytest.raises((RuntimeError, IndexError)) as caught:
                torch.ones(2, 3, device=where).roll(shifts, dims)
            errors.append((caught.type, str(caught.value).splitlines()[0]))
        assert errors[0] == errors[1]


def test_repeat_interleave(device):
    repeats = torch.tensor([2, 0, 3, 1])
    for dtype in (torch.int64, torch.int32):
        assert_agrees(lambda r: torch.repeat_interleave(r), repeats.to(dtype))
        assert_agrees(lambda x: torch.repeat_interleave(x, repeats.to(x.device, dtype), dim=0), sample(4, 3))
    assert_agrees(lambda r: torch.repeat_interleave(r), torch.empty(0, dtype=torch.int64))
    assert_agrees(lambda r: torch.repeat_interleave(r), torch.zeros(3, dtype=torch.int64))
    assert_agrees(lambda r: torch.repeat_interleave(r, output_size=6), repeats)
    with pytest.raises(RuntimeError, match="negative"):
        torch.repeat_interleave(torch.tensor([1, -1, 2], device=device))
    with pytest.raises(RuntimeError, match="does not match"):
        torch.repeat_interleave(repeats.to(device), output_size=5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.complex64, torch.int64, torch.bool])
def test_channel_shuffle(dtype):
    x = sample(2, 6, 3, 4, dtype=dtype)
    assert_agrees(lambda x: F.channel_shuffle(x, 3), x)
    assert_agrees(lambda x: F.channel_shuffle(x.to(memory_format=torch.channels_last), 2), x, backward=False)
    assert_agrees(lambda x: F.channel_shuffle(x, 2), x[:0])
    with pytest.raises(RuntimeError, match="divisible by groups"):
        F.channel_shuffle(x.to("metal"), 4)


@pytest.mark.parametrize("count", [0, 1, 5, 300])  # compared one by one, and sorted
def test_isin(count):
    for dtype in (*FLOATING, *INTEGRAL):
        elements, tests = sample(7, 9, dtype=dtype), sample(count, dtype=dtype, seed=3)
        if count:
            elements[2, 3] = tests[0]
        for invert in (False, True):
            assert_agrees(lambda e, t: torch.isin(e, t, invert=invert), elements, tests, backward=False)
    assert_agrees(lambda e: torch.isin(e, 2), sample(7, 9, dtype=torch.int32))
    assert_agrees(lambda t: torch.isin(2, t), sample(9, dtype=torch.int32))
    assert_agrees(lambda e, t: torch.isin(e, t), torch.tensor([1.0, math.nan]), torch.tensor([math.nan]), backward=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.int64, torch.complex64])
def test_nonzero_static(dtype):
    x = sample(4, 5, dtype=dtype)
    x[1] = 0
    for size in (0, 3, 40):
        assert_agrees(lambda x: torch.nonzero_static(x, size=size, fill_value=-7), x, backward=False)
    assert_agrees(lambda x: torch.nonzero_static(x, size=2), x[0, 0], backward=False)
    out = torch.empty(0, dtype=torch.int64, device="metal")
    torch.nonzero_static(x.to("metal"), size=40, out=out)
    assert_close(out, torch.nonzero_static(x, size=40))


def test_narrow_copy():
    x = sample(4, 6, 3)

    def narrowed(x):
        view = x.transpose(0, 1)
        out = torch.empty(0, device=x.device)
        return torch.narrow_copy(view, 0, 1, 3), torch.ops.aten.narrow_copy.out(view, 2, 0, 2, out=out)

    assert_agrees(narrowed, x, backward=False)
    with pytest.raises(RuntimeError, match="dtype"):
        torch.ops.aten.narrow_copy.out(x.to("metal"), 0, 0, 1, out=torch.empty(0, dtype=torch.int32, device="metal"))
