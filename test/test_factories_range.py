"""Tensors filled by position agree with the CPU."""

import pytest
import torch

from test.agreement import assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")


def assert_same(make, **tolerance):
    assert_close(make("metal"), make("cpu"), **tolerance)


@pytest.mark.parametrize(
    "arguments",
    [(10,), (0,), (3, 17, 2), (5, -5, -1), (0, 1, 0.1), (-2.5, 100, 0.7), (0, 100000, 0.1), (2**40, 2**40 + 9, 3)],
    ids=str,
)
def test_arange(arguments):
    assert_same(lambda device: torch.arange(*arguments, device=device))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float16, torch.bfloat16])
def test_arange_dtypes(dtype):
    assert_same(lambda device: torch.arange(1, 60, 3, dtype=dtype, device=device))
    assert_same(lambda device: torch.arange(20, out=torch.empty(20, 2, device=device)[:, 0]))


@pytest.mark.parametrize("arguments", [(0, 1, 7), (-3, 10, 1000), (5, -5, 1), (2, 3, 0), (1, 1, 4), (0.1, 7.3, 100)], ids=str)
def test_linspace(arguments):
    assert_same(lambda device: torch.linspace(*arguments, device=device))
    assert_same(lambda device: torch.linspace(*arguments, dtype=torch.int32, device=device))


def test_complex_linspace():
    for steps in (0, 1, 6):
        assert_same(lambda device: torch.linspace(1 + 2j, 5 - 1j, steps, device=device))


@pytest.mark.parametrize("dtype", [torch.float32, torch.int32, torch.complex64])
def test_logspace(dtype):
    assert_same(lambda device: torch.logspace(0, 5, 6, dtype=dtype, device=device))
    assert_same(lambda device: torch.logspace(-2, 3, 9, base=2.5, dtype=dtype, device=device))


def test_eye():
    for arguments in ((4,), (3, 5), (5, 3), (0,)):
        assert_same(lambda device: torch.eye(*arguments, device=device))
    assert_same(lambda device: torch.eye(3, dtype=torch.bool, device=device))
    assert_same(lambda device: torch.eye(3, dtype=torch.float8_e4m3fn, device=device).view(torch.uint8))


@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.float32, torch.complex64])
def test_triangles(dtype):
    x = sample(2, 3, 5, 7).to(dtype)
    for diagonal in (-2, 0, 3):
        for view in (lambda t: t, lambda t: t.transpose(2, 3), lambda t: t[0, :, ::2], lambda t: t.expand(2, 3, 5, 7)):
            assert_same(lambda device: torch.tril(view(x.to(device)), diagonal))
            assert_same(lambda device: torch.triu(view(x.to(device)), diagonal))
    assert_same(lambda device: x.to(device).tril_())
    assert_same(lambda device: torch.triu(x.to(device), out=torch.empty(2, 3, 7, 5, dtype=dtype, device=device).mT))


def test_triangles_of_nothing():
    assert_same(lambda device: torch.tril(torch.empty(0, 3, device=device)))


@pytest.mark.parametrize("rows, columns", [(0, 3), (1, 1), (4, 0), (4, 7), (7, 4), (40, 40)])
def test_triangle_indices(rows, columns):
    for offset in (-50, -7, -4, -1, 0, 1, 3, 7, 50):
        for dtype in (torch.int32, torch.int64):
            for indices in (torch.tril_indices, torch.triu_indices):
                assert_same(lambda device: indices(rows, columns, offset, dtype=dtype, device=device))
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.tril_indices(-1, 2, device="metal")


@pytest.mark.filterwarnings("ignore:torch.range is deprecated")
@pytest.mark.parametrize("arguments", [(0, 4), (1, 9, 3), (5, -5, -2), (0, 1, 0.1), (3, 3)], ids=str)
def test_range(arguments):
    assert_same(lambda device: torch.range(*arguments, device=device))
    assert_same(lambda device: torch.range(*arguments, out=torch.empty(30, 2, device=device)[:, 0]))
    if all(isinstance(a, int) for a in arguments):
        assert_same(lambda device: torch.range(*arguments, dtype=torch.int16, device=device))
    for bad in ((0, 1, 0), (0, 1, -1), (0, float("inf"))):
        with pytest.raises(RuntimeError):
            torch.range(*bad, device="metal")


def test_from_file(tmp_path):
    file = tmp_path / "numbers"
    torch.arange(6.0).numpy().tofile(file)
    assert_same(lambda device: torch.from_file(str(file), size=5, device=device))
    with pytest.raises(NotImplementedError, match="would not reach"):
        torch.from_file(str(file), shared=True, size=5, device="metal")
