"""Fourier transforms agree with the CPU, and are about as exact as its own are."""

import pytest
import torch

from test.agreement import assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

fft = torch.fft
COMPLEX = torch.complex64

#: Powers of two, products of small primes, one, primes with and without a butterfly of their own, products of both.
SIZES = (1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 30, 31, 37, 64, 74, 90, 97, 128, 243, 360, 512, 1000, 1009, 1024, 2310, 4096)


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size):
    for function in (fft.fft, fft.ifft):
        assert_agrees(function, sample(3, size, dtype=COMPLEX), rtol=1e-4, atol=2e-5 * size**0.5)


@pytest.mark.parametrize("size", (*SIZES, 9, 15, 301))
def test_real_sizes(size):
    assert_agrees(fft.rfft, sample(3, size), rtol=1e-4, atol=2e-5 * size**0.5)
    half = sample(3, size // 2 + 1, dtype=COMPLEX)
    assert_agrees(lambda x: fft.irfft(x, size), half, rtol=1e-4, atol=1e-4)
    assert_agrees(lambda x: fft.hfft(x, size), half, rtol=1e-4, atol=2e-5 * size**0.5)
    assert_agrees(fft.ihfft, sample(3, size), rtol=1e-4, atol=1e-4)


def relative_error(result, exact):
    return ((result.cpu() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("size", (97, 128, 1000, 1009, 4096, 5040, 65536, 65537, 3**10, 1 << 20))
def test_as_exact_as_the_cpu(size, device):
    x = sample(size, dtype=COMPLEX)
    exact = fft.fft(x.to(torch.complex128))
    assert relative_error(fft.fft(x.to(device)), exact) < max(3 * relative_error(fft.fft(x), exact), 1e-7)
    real = x.real.contiguous()
    exact = fft.rfft(real.double())
    assert relative_error(fft.rfft(real.to(device)), exact) < max(3 * relative_error(fft.rfft(real), exact), 1e-7)


@pytest.mark.parametrize("size", [16, 48, 128, 256, 1024, 4096])
def test_columns_are_as_exact_as_rows(size):
    x = sample(2, size, 5, dtype=COMPLEX)
    for function in (fft.fft, fft.ifft, fft.hfft, lambda x, **along: fft.rfft(x.real, **along)):
        columns, rows = function(x.to("metal"), dim=1), function(x.mT.to("metal"), dim=2)
        torch.testing.assert_close(columns.mT.cpu(), rows.cpu(), rtol=1e-5, atol=2e-6 * rows.abs().max().item())


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_norms(norm):
    x = sample(4, 6, 10, dtype=COMPLEX)
    tolerance = dict(rtol=1e-4, atol=1e-4)
    for function in (fft.fft2, fft.ifft2, fft.fftn, fft.ifftn, fft.irfftn, fft.hfftn):
        assert_agrees(lambda x: function(x, norm=norm), x, **tolerance)
    for function in (fft.rfftn, fft.rfft2, fft.ihfftn):
        assert_agrees(lambda x: function(x, norm=norm), sample(4, 6, 10), **tolerance)


@pytest.mark.parametrize("dims", [(0,), (1,), (0, 2), (2, 0, 1), ()], ids=str)
def test_any_dimensions(dims):
    x, tolerance = sample(5, 37, 6, dtype=COMPLEX), dict(rtol=1e-4, atol=1e-4)
    assert_agrees(lambda x: fft.fftn(x, dim=dims), x, **tolerance)
    assert_agrees(lambda x: fft.ifftn(x.transpose(0, 2)[:, ::3], dim=dims), x, **tolerance)
    if dims:
        assert_agrees(lambda x: fft.rfftn(x, dim=dims), sample(5, 37, 6), **tolerance)
        assert_agrees(lambda x: fft.irfftn(x, dim=dims), x, **tolerance)


def test_padded_and_cut():
    x, tolerance = sample(3, 10, dtype=COMPLEX), dict(rtol=1e-4, atol=1e-4)
    for n in (7, 10, 16):
        assert_agrees(lambda x: fft.fft(x, n), x, **tolerance)
        assert_agrees(lambda x: fft.irfft(x, n), x, **tolerance)
        assert_agrees(lambda x: fft.rfft(x, n), sample(3, 10), **tolerance)


def test_both_sides_of_real_numbers():
    assert_agrees(fft.fft, sample(3, 10), rtol=1e-4, atol=1e-4)
    assert_agrees(lambda x: torch._fft_r2c(x, [0, 1], 0, False), sample(3, 10), rtol=1e-4, atol=1e-4)


def test_conjugated_input():
    assert_agrees(lambda x: fft.fft(x.conj()), sample(3, 10, dtype=COMPLEX), rtol=1e-4, atol=1e-4)


def test_out(device):
    x = sample(3, 10, dtype=COMPLEX)
    out = torch.empty(10, 6, dtype=COMPLEX, device=device).t()[::2]
    torch.testing.assert_close(fft.fft(x.to(device), out=out).cpu(), fft.fft(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fft.rfft(x.real.to(device), out=out).cpu(), fft.rfft(x.real), rtol=1e-4, atol=1e-4)


def test_no_rows(device):
    """The CPU's library refuses these."""
    assert fft.fft(torch.empty(0, 10, device=device)).shape == (0, 10)
    assert fft.rfft(torch.empty(0, 10, device=device)).shape == (0, 6)
    assert fft.irfft(torch.empty(0, 10, device=device)).shape == (0, 18)


def test_half_precision(device):
    x = sample(3, 24).half()
    half = torch._fft_r2c(x.to(device), [1], 0, True)
    assert half.dtype == torch.complex32
    torch.testing.assert_close(half.to(COMPLEX).cpu(), fft.rfft(x.float()), rtol=2e-3, atol=2e-3)
    whole = torch._fft_c2c(half, [1], 0, True)
    torch.testing.assert_close(whole.to(COMPLEX).cpu(), fft.fft(half.to(COMPLEX).cpu()), rtol=4e-3, atol=4e-2)
    back = torch._fft_c2r(half, [1], 2, 24)
    assert back.dtype == torch.float16
    torch.testing.assert_close(back.cpu(), x, rtol=4e-3, atol=4e-3)


def test_short_time_transform():
    window = torch.hann_window(32)
    function = lambda x: torch.stft(x, 32, window=window.to(x.device), return_complex=True)  # noqa: E731
    assert_agrees(function, sample(2, 200), rtol=1e-4, atol=1e-4)
