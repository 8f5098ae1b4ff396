"""Reductions agree with the CPU: every operator, dtype, kind of dimension and stride; empty and 0-d; NaN and ties."""

import math

import pytest
import torch

from test.agreement import FLOATING, INTEGRAL, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

# name -> (function of a tensor and dimensions, dtypes)
REAL = (*FLOATING, *INTEGRAL, torch.bool)
OPERATORS = {
    "sum": (torch.sum, (*REAL, torch.complex64)),
    "mean": (torch.mean, (*FLOATING, torch.complex64)),
    "nansum": (torch.nansum, FLOATING),
    "amax": (torch.amax, REAL),
    "amin": (torch.amin, REAL),
    "all": (torch.all, REAL),
    "any": (torch.any, REAL),
    "count_nonzero": (torch.count_nonzero, (*REAL, torch.complex64)),
    "var": (torch.var, FLOATING),
    "std_mean": (torch.std_mean, FLOATING),
    "logsumexp": (torch.logsumexp, FLOATING),
    "norm_2": (lambda x, dim: torch.linalg.vector_norm(x, 2, dim), (*FLOATING, torch.complex64)),
}
ONE_DIMENSION = {
    "prod": (torch.prod, (*REAL, torch.complex64)),
    "max": (torch.max, REAL),
    "min": (torch.min, REAL),
    "argmax": (torch.argmax, REAL[:-1]),
    "argmin": (torch.argmin, REAL[:-1]),
    "aminmax": (lambda x, dim: torch.aminmax(x, dim=dim), REAL),
}
ALL = OPERATORS | ONE_DIMENSION


@pytest.mark.parametrize("name", ALL)
def test_every_dtype(name):
    function, dtypes = ALL[name]
    for dtype in dtypes:  # low precision rounds each step of a gradient: its values are enough
        wide = dtype not in (torch.float16, torch.bfloat16)
        assert_agrees(lambda x: function(x, dim=1), sample(5, 37, dtype=dtype), backward=wide)


# One for each way through the kernels: lanes along rows or columns, one pass or two, several reduced dimensions.
GEOMETRIES = {
    "rows": ((70, 300), (1,)),
    "short_rows": ((70, 5), (1,)),
    "columns": ((300, 70), (0,)),
    "middle": ((9, 33, 40), (1,)),
    "outer_and_inner": ((6, 50, 40), (0, 2)),
    "split_rows": ((3, 9000), (1,)),
    "split_columns": ((5000, 33), (0,)),
    "split_outer_and_inner": ((120, 3, 170), (0, 2)),
    "alternating": ((3, 4, 5, 6, 7), (0, 2, 4)),
    "everything": ((11, 1300), (0, 1)),
}
VIEWS = {
    "dense": lambda x: x,
    "transposed": lambda x: x.transpose(0, -1),
    "every_second": lambda x: x[..., ::2],
    "expanded": lambda x: x[:1].expand(x.shape),
    "offset": lambda x: x[1:],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_geometry_and_stride(geometry, view):
    shape, dims = GEOMETRIES[geometry]
    x = sample(*shape)
    for function in (torch.sum, torch.var_mean):
        assert_agrees(lambda x: function(VIEWS[view](x), dim=dims), x, rtol=1e-5, atol=1e-4)
    exact = sample(*shape, dtype=torch.int64)
    assert_agrees(lambda x: torch.sum(VIEWS[view](x), dim=dims, keepdim=True), exact)
    assert_agrees(lambda x: torch.max(VIEWS[view](x), dim=dims[0]), exact)


@pytest.mark.parametrize("name", OPERATORS)
def test_no_dimension_reduces_everything(name):
    function, _ = OPERATORS[name]
    every = (0, 1) if name in ("logsumexp", "norm_2") else None
    for shape in ((13, 57), (1, 1)):
        assert_agrees(lambda x: function(x, dim=every), sample(*shape).abs() + 1)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "argmax", "argmin", "median", "norm", "std"])
def test_whole_tensor_forms(name):
    for x in (sample(13, 57), sample(13, 57).t(), torch.tensor(2.5)):
        if name != "std" or x.numel() > 1:
            assert_agrees(getattr(torch, name), x)


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, math.inf, -math.inf])
def test_norms(p):
    close = {"rtol": 1e-5, "atol": 1e-5, "backward": p != 0}
    for dtype in (torch.float32, torch.float16):
        x = sample(4, 45, dtype=dtype)
        assert_agrees(lambda x: torch.linalg.vector_norm(x, p, dim=1), x, **{**close, "rtol": 2e-3})
    assert_agrees(lambda x: torch.linalg.vector_norm(x, p), sample(4, 45, dtype=torch.complex64), **close)
    assert_agrees(lambda x: torch.norm(x, p, dim=0), sample(4, 45), **close)
    halves = sample(4, 45, dtype=torch.complex32)
    assert_agrees(lambda x: torch.linalg.vector_norm(x, p), halves, backward=False, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("correction", [0, 1, 2])
def test_corrections(correction):
    for function in (torch.var, torch.std, torch.var_mean, torch.std_mean):
        assert_agrees(lambda x: function(x, dim=1, correction=correction), sample(3, 40) + 100, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
def test_variance_of_one_element_is_nan():
    assert_agrees(lambda x: torch.var(x, dim=1), sample(3, 1), backward=False)


def test_variance_does_not_cancel():
    x = sample(2, 5000) + 1e4
    expected = x.double().var(1).float()
    torch.testing.assert_close(x.to("metal").var(1).cpu(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("shape, dim", [((1_000_000,), 0), ((100_000, 8), 0), ((40_000, 33), 0)])
def test_long_sums_are_as_accurate_as_the_cpu(shape, dim):
    x = sample(*shape).abs()
    exact = x.double().sum(dim)
    torch.testing.assert_close(x.to("metal").sum(dim).cpu().double(), exact, rtol=1e-6, atol=0)
    halves = x.half()
    expected = halves.double().mean(dim).half()
    torch.testing.assert_close(halves.to("metal").mean(dim).cpu(), expected, rtol=1e-3, atol=0)


def test_sums_are_reproducible():
    x = sample(300_001).to("metal")
    assert len({x.sum().item() for _ in range(5)}) == 1


@pytest.mark.parametrize("name", ["amax", "amin", "max", "min", "argmax", "argmin", "aminmax"])
def test_nan_beats_everything_and_the_first_of_equals_wins(name):
    function, _ = ALL[name]
    x = sample(8, 100).round()
    x[1, 40] = x[1, 70] = math.nan
    x[2, :] = math.inf
    x[3, :] = -math.inf
    x[4, 99] = math.nan
    assert_agrees(lambda x: function(x, dim=1), x, backward=False)
    ties = sample(8, 100, dtype=torch.int32)
    assert_agrees(lambda x: function(x, dim=1), ties)


def test_nan_in_sums():
    x = torch.tensor([[1.0, math.nan, 2.0], [math.nan, math.nan, math.nan]])
    assert_agrees(lambda x: (x.sum(1), x.nansum(1), x.mean(1), x.nanmean(1)), x, backward=False)


def test_extremes_of_integers():
    for dtype in (torch.uint8, torch.int8, torch.int32, torch.int64):
        info = torch.iinfo(dtype)
        x = torch.tensor([[info.min, info.max, info.min], [info.max, info.max, info.max]], dtype=dtype)
        assert_agrees(lambda x: (x.max(1), x.min(1), x.sum(1), x.amax(0)), x)


@pytest.mark.parametrize("shape, dim", [((0,), 0), ((0, 3), 0), ((3, 0), 1), ((3, 0), 0), ((), 0), ((), None)])
def test_empty_and_zero_dimensional(shape, dim):
    x = sample(*shape)
    for name in ("sum", "mean", "nansum", "all", "any", "std_mean"):
        assert_agrees(lambda x: OPERATORS[name][0](x, dim=dim, keepdim=True), x, backward=False)
    if 0 not in shape:
        assert_agrees(lambda x: (x.max(0), x.argmin(), x.amax(), x.prod(), torch.aminmax(x)), x)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
def test_empty_extrema_raise_what_the_cpu_raises():
    empty = torch.empty(0, 3, device="metal")
    for function in (torch.max, torch.argmax, lambda x: torch.amax(x, dim=0), lambda x: torch.max(x, dim=0)):
        with pytest.raises((RuntimeError, IndexError)):
            function(empty)


def test_dtype_arguments():
    x = sample(6, 20, dtype=torch.int32)
    for dtype in (torch.float32, torch.int64, torch.float16, torch.float64):
        assert_agrees(lambda x: (x.sum(1, dtype=dtype), x.prod(1, dtype=dtype), x.prod(dtype=dtype)), x)


def test_out_arguments():
    x = sample(6, 20)
    out = torch.empty(20, 6, device="metal").t()[:, 0]
    torch.sum(x.to("metal"), 1, out=out)
    assert_close(out, x.sum(1))
    values, indices = torch.empty(0, device="metal"), torch.empty(0, dtype=torch.int64, device="metal")
    torch.max(x.to("metal"), 1, out=(values, indices))
    assert_close((values, indices), tuple(x.max(1)))


def test_ten_dimensions():
    x = sample(2, 3, 2, 3, 2, 3, 2, 3, 2, 3)
    assert_agrees(lambda x: x.permute(9, 0, 7, 2, 5, 4, 3, 6, 1, 8).sum((0, 2, 4, 6, 8)), x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [*FLOATING, torch.bool, torch.uint8, torch.int8, torch.int64])
def test_hash_tensor(dtype):
    x = sample(7, 300, dtype=dtype)
    if dtype.is_floating_point:
        x[0, :8] = torch.tensor([0, -0.0, math.inf, -math.inf, math.nan, 6e-8, 1e-40, -1e-44], dtype=dtype)
    for dim in (0, 1, (0, 1), ()):
        assert_agrees(lambda x: torch.hash_tensor(x, dim).view(torch.int64), x, backward=False)
    assert_agrees(lambda x: torch.hash_tensor(x.t(), 1, keepdim=True).view(torch.int64), x, backward=False)


def test_equal():
    x = sample(3, 4).to("metal")
    assert torch.equal(x, x.clone()) and not torch.equal(x, x + 1) and not torch.equal(x, x[:2])


def test_trace_and_renorm():
    assert_agrees(lambda x: x.trace(), sample(5, 7))
    assert_agrees(lambda x: x.renorm(2, 0, 1.5), sample(5, 7), rtol=1e-5, atol=1e-5)


def test_maximum_norm_of_complex_numbers_has_a_gradient():
    x = torch.randn(20, 50, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    assert_agrees(lambda z: torch.linalg.vector_norm(z, float("inf"), 1), x)


def test_extremes_by_their_old_name():
    assert_agrees(lambda x: (torch._aminmax(x), torch._aminmax(x, 1, True)), sample(5, 40), backward=False)
