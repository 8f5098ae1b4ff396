"""Sorting and scanning agree with the CPU: values, stable indices, gradients, NaN, every dtype and dimension."""

import math

import pytest
import torch

from test.agreement import FLOATING, INTEGRAL, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

REAL = (*FLOATING, *INTEGRAL, torch.bool)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", REAL)
def test_stable_sort_of_every_dtype(dtype, descending):
    assert_agrees(lambda x: torch.sort(x, stable=True, descending=descending), sample(3, 77, dtype=dtype))


@pytest.mark.parametrize("shape, dim", [((1,), 0), ((), 0), ((0,), 0), ((4, 0), 0), ((5, 6, 7), 1), ((40, 3), 0), ((2, 1024), 1), ((2, 1025), 1), ((7000,), 0), ((3, 2500), -1)])
def test_every_shape(shape, dim):
    assert_agrees(lambda x: torch.sort(x, dim=dim, stable=True), (sample(*shape) * 50).round())


def test_nan_comes_last_and_first_in_descending_order():
    x = sample(4, 90)
    x[:, ::7] = math.nan
    x[1, 3], x[1, 4] = math.inf, -math.inf
    for descending in (False, True):
        assert_agrees(lambda x: torch.sort(x, stable=True, descending=descending), x, backward=False)
    assert_agrees(lambda x: (x.topk(20)[0], x.topk(20, largest=False)[0]), x, backward=False)


@pytest.mark.parametrize("dtype", FLOATING)
def test_zeros_are_equal_and_keep_their_signs(dtype):
    x = torch.tensor([0.0, -0.0, 1.0, -0.0, 0.0, -1.0, 0.0, -0.0], dtype=dtype).repeat(60)
    for descending in (False, True):
        expected, order = x.sort(stable=True, descending=descending)
        values, places = x.to("metal").sort(stable=True, descending=descending)
        torch.testing.assert_close(places.cpu(), order)
        torch.testing.assert_close(values.signbit().cpu(), expected.signbit())


def test_extremes_of_integers():
    for dtype in INTEGRAL:
        limits = torch.iinfo(dtype)
        x = torch.tensor([0, limits.max, limits.min, 1, limits.max - 1, limits.min + 1], dtype=dtype).repeat(250)
        for descending in (False, True):
            assert_agrees(lambda x: torch.sort(x, stable=True, descending=descending), x)


def test_halves_of_64_bits_both_count():
    x = torch.tensor([1 << 32, 1, (1 << 32) + 1, 0, -1, -(1 << 32), -(1 << 32) - 1]).repeat(200)
    assert_agrees(lambda x: torch.sort(x, stable=True), x)


def test_results_may_be_where_the_input_is():
    x = torch.randint(50, (3, 300))
    for out in ("values", "indices", "both apart"):
        a = x.to("metal")
        values, indices = torch.empty_like(a), torch.empty_like(a)
        torch.sort(a, stable=True, out=(a if out == "values" else values, a if out == "indices" else indices))
        expected, order = x.sort(stable=True)
        torch.testing.assert_close((a if out == "values" else values).cpu(), expected)
        torch.testing.assert_close((a if out == "indices" else indices).cpu(), order)


def test_strided_and_out():
    x = sample(60, 8)
    assert_agrees(lambda x: torch.sort(x.t()[:, ::3], dim=1), x)
    assert_agrees(lambda x: torch.sort(x.t(), dim=1, descending=True), x)
    values, indices = torch.empty(0, device="metal"), torch.empty(0, dtype=torch.int64, device="metal")
    torch.sort(x.to("metal"), dim=0, out=(values, indices))
    torch.testing.assert_close(values.cpu(), x.sort(0)[0])


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("k, dim", [(0, 1), (1, 1), (5, 1), (4, 0), (90, 1)])
def test_topk(k, dim, largest):
    assert_agrees(lambda x: torch.topk(x, k, dim, largest), sample(6, 90))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", [*FLOATING, *INTEGRAL], ids=str)
def test_topk_of_long_rows_is_the_beginning_of_the_sorted_ones(dtype, largest):
    """Many elements are equal, and some are no numbers; rows are of less than a block, of one, and of several."""
    for shape, k in (((3, 600), 5), ((1, 2048), 50), ((2, 2049), 512), ((2, 5000), 1), ((1, 300_000), 20)):
        x = sample(*shape, dtype=dtype)
        if dtype.is_floating_point:
            x[:, 7::100], x[:, 9], x[:, 11], x[:, 13] = math.nan, math.inf, -0.0, -math.inf
        values, indices = x.to("metal").topk(k, largest=largest)
        order = x.to("metal").sort(descending=largest, stable=True)
        assert torch.equal(indices, order.indices[:, :k])
        torch.testing.assert_close(values.cpu(), x.topk(k, largest=largest).values, equal_nan=True, rtol=0, atol=0)
    columns = sample(700, 3, dtype=dtype).to("metal")
    order = columns.sort(dim=0, descending=largest, stable=True)
    values, indices = torch.topk(columns, 9, 0, largest)
    assert torch.equal(values, order.values[:9]) and torch.equal(indices, order.indices[:9])


def test_argsort_and_msort():
    x = sample(6, 90)
    assert_agrees(lambda x: (torch.argsort(x, 1), torch.msort(x)), x)


@pytest.mark.parametrize("function", [lambda x, d: x.kthvalue(3, d), lambda x, d: x.median(d), lambda x, d: x.nanmedian(d)])
def test_order_statistics(function):
    x = sample(6, 9, 5)
    for dim in (0, 1, -1):
        assert_agrees(lambda x: function(x, dim), x)
    assert_agrees(lambda x: function(x, 1)[0], sample(6, 9, dtype=torch.int32))


def test_medians_and_nan():
    x = sample(4, 9)
    x[1, 3] = x[2, 0] = x[2, 8] = math.nan
    x[3] = math.nan
    assert_agrees(lambda x: (x.median(1)[0], x.nanmedian(1)[0], x.median(), x.nanmedian()), x, backward=False)


SCANS = {
    "cumsum": (torch.cumsum, (*REAL, torch.complex64)),
    "cumprod": (torch.cumprod, (torch.float32, torch.int64)),
    "logcumsumexp": (torch.logcumsumexp, (*FLOATING, torch.complex64)),
    "cummax": (torch.cummax, REAL),
    "cummin": (torch.cummin, (torch.float32, torch.int32)),
}


@pytest.mark.parametrize("name", SCANS)
def test_scans(name):
    function, dtypes = SCANS[name]
    for dtype in dtypes:
        close = {"rtol": 2e-2 if dtype == torch.bfloat16 else 2e-3, "atol": 2e-3}
        for dim in (0, 1):
            x = sample(5, 70, dtype=dtype)
            assert_agrees(lambda x: function(x, dim), x, backward=dtype == torch.float32, **close)


@pytest.mark.parametrize("name", SCANS)
def test_scans_of_every_shape(name):
    function, _ = SCANS[name]
    for shape, dim in (((), 0), ((0, 3), 1), ((3, 0), 1), ((1,), 0), ((3, 4, 5), 1), ((2, 1000), 1)):
        assert_agrees(lambda x: function(x, dim), sample(*shape).clamp(-1.1, 1.1), rtol=1e-4, atol=1e-4)
    assert_agrees(lambda x: function(x.t()[::2], 1), sample(9, 8), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["cummax", "cummin", "logcumsumexp"])
def test_scans_of_nan_and_ties(name):
    x = sample(4, 60).round()
    x[1, 20] = x[1, 40] = math.nan
    x[2] = -math.inf
    x[3, 5] = math.inf
    assert_agrees(lambda x: SCANS[name][0](x, 1), x, backward=False)


def test_complex_logcumsumexp_of_infinities():
    inf, nan = math.inf, math.nan
    numbers = [complex(-inf, 2), 1 + 3j, complex(inf, 2), complex(inf, 3), complex(0, nan), 5]
    for first in range(6):
        x = torch.tensor(numbers[first:], dtype=torch.complex64)
        assert_agrees(lambda x: x.logcumsumexp(0), x, backward=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_unique(dtype):
    x = sample(7, 9).round().to(dtype)
    assert_agrees(lambda x: torch.unique(x, return_inverse=True, return_counts=True), x, backward=False)
    assert_agrees(lambda x: torch.unique_consecutive(x, return_inverse=True, return_counts=True), x, backward=False)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
@pytest.mark.parametrize("low, high", [(-100, 100), (-128, 127), (0, 1)])
def test_unique_of_many_integers(dtype, low, high):
    """Counted where their range is narrow, sorted where one of them is far off."""
    x = torch.randint(low, high, (130, 130), generator=torch.Generator().manual_seed(0)).to(dtype)
    far = x.clone()
    far[7, 7] = torch.iinfo(dtype).max
    far[9, 9] = torch.iinfo(dtype).min
    for values in (x, far, x.t()[::2].repeat(3, 1)):
        assert_agrees(lambda x: torch.unique(x, return_inverse=True, return_counts=True), values, backward=False)
        assert_agrees(torch.unique, values, backward=False)


def test_unique_along_a_dimension():
    x = sample(12, 2, 2, dtype=torch.int64).clamp(0, 1)
    for dim in (0, 1):
        assert_agrees(lambda x: torch.unique(x, dim=dim, return_inverse=True, return_counts=True), x)
        assert_agrees(lambda x: torch.unique_consecutive(x, dim=dim, return_inverse=True, return_counts=True), x)
    assert_agrees(lambda x: torch.unique(x, return_inverse=True), torch.empty(0), backward=False)


@pytest.mark.parametrize("function", [torch.unique, torch.unique_consecutive])
def test_unique_of_nothing(function):
    for shape in ((0,), (0, 3), (2, 0, 3)):
        x = torch.empty(shape)
        for dim in (None, shape.index(0)):
            assert_agrees(lambda x: function(x, dim=dim, return_inverse=True, return_counts=True), x, backward=False)
    for shape, dim in (((0, 3), 1), ((0, 0), 0)):
        with pytest.raises(RuntimeError, match="sized dimensions"):
            function(torch.empty(shape, device="metal"), dim=dim)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_mode(dtype):
    x = sample(6, 40, dtype=dtype).round()
    for dim in (0, 1):
        assert_agrees(lambda x: x.mode(dim)[0], x, backward=False)
        assert_agrees(lambda x: x.gather(dim, x.mode(dim, keepdim=True)[1]), x, backward=False)


@pytest.mark.parametrize("right", [False, True])
def test_searchsorted(right):
    boundaries, values = sample(3, 20, seed=1).sort(1)[0], sample(3, 7)
    values[0, 0], values[1, 1] = boundaries[0, 3], math.nan

    def search(b, v):
        order = torch.arange(19, -1, -1, device=b.device).expand(3, 20)
        return (
            torch.searchsorted(b, v, right=right),
            torch.searchsorted(b[0], v, right=right, out_int32=True),
            torch.searchsorted(b.flip(1), v, right=right, sorter=order),
            torch.searchsorted(b[0], 0.5, right=right),
            torch.bucketize(v, b[0], right=right),
        )

    assert_agrees(search, boundaries, values, backward=False)
    integers = torch.arange(0, 40, 3)
    assert_agrees(lambda b, v: torch.bucketize(v, b, right=right), integers, sample(9, dtype=torch.int64))
    assert_agrees(lambda b, v: torch.bucketize(v, b, right=right), integers, sample(0), backward=False)


def test_search_for_a_number():
    def search(boundaries):
        out = torch.empty((), dtype=torch.int64, device=boundaries.device)
        return torch.bucketize(3, boundaries), torch.ops.aten.searchsorted.Scalar_out(boundaries, 2.5, right=True, out=out)

    assert_agrees(search, torch.arange(1, 9), backward=False)
    assert_agrees(search, torch.linspace(0, 5, 11), backward=False)


@pytest.mark.parametrize("dim", [0, 1])
def test_runs_of_equal_slices(dim):
    def unique(x):
        return torch.ops.aten.unique_dim_consecutive(x, dim, True, True)

    assert_agrees(unique, torch.tensor([[1.0, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 3]]), backward=False)
    assert_agrees(unique, sample(6, 5, dtype=torch.int16).clamp(0, 1), backward=False)
