"""Histograms agree with the CPU: bins by number and by edges, ranges, weights, densities, several dimensions."""

import math

import pytest
import torch

from test.agreement import INTEGRAL, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")


@pytest.mark.parametrize("arguments", [(), (7,), (10, -1, 1), (5, 0.5, 0.75)], ids=str)
def test_histc(arguments):
    x = sample(6, 50)
    x[0, 0], x[0, 1] = math.nan, 1.0
    if len(arguments) < 3:
        x[0, 0] = 2
    assert_agrees(lambda x: torch.histc(x, *arguments), x, backward=False)
    assert_agrees(lambda x: torch.histc(x.t()[::2], *arguments), x, backward=False)


def test_histc_of_equal_numbers_and_of_nothing():
    assert_agrees(lambda x: torch.histc(x, 4), torch.full((5,), 3.0), backward=False)
    assert_agrees(lambda x: torch.histc(x, 4), torch.empty(0), backward=False)
    for bad in ((4, 2, 1), (0,)):
        with pytest.raises(RuntimeError):
            torch.histc(sample(5).to("metal"), *bad)
    with pytest.raises(RuntimeError, match="finite"):
        torch.histc(torch.tensor([math.inf, 0], device="metal"))


@pytest.mark.parametrize("density", [False, True])
def test_histogram(density):
    x, weight = sample(300), sample(300, seed=2).abs()
    edges = torch.tensor([-2, -0.5, 0, 0.1, 3])
    close = {"backward": False, "rtol": 1e-5, "atol": 1e-5}
    assert_agrees(lambda x: torch.histogram(x, 11, density=density), x, **close)
    assert_agrees(lambda x: torch.histogram(x, 11, range=(-1, 0.5), density=density), x, **close)
    assert_agrees(lambda x, e: torch.histogram(x, e, density=density), x, edges, **close)
    assert_agrees(lambda x, w: torch.histogram(x, 11, weight=w, density=density), x, weight, **close)


def test_the_edges_themselves():
    edges = torch.linspace(0, 1, 11)
    for x in (edges, edges.nextafter(torch.tensor(2.0)), edges.nextafter(torch.tensor(-2.0))):
        assert_agrees(lambda x: torch.histogram(x, 10, range=(0, 1)), x, backward=False)
        assert_agrees(lambda x: torch.histogram(x, edges.to(x.device)), x, backward=False)


def test_histogramdd():
    x = sample(200, 3)
    edges = [torch.tensor([-2.0, 0, 1]), torch.tensor([-1.0, -0.5, 0, 2]), torch.tensor([0.0, 1])]
    close = {"backward": False, "rtol": 1e-5, "atol": 1e-5}
    assert_agrees(lambda x: torch.histogramdd(x, [3, 4, 5]), x, **close)
    assert_agrees(lambda x: torch.histogramdd(x, 3, range=[-1, 1] * 3, density=True), x, **close)
    assert_agrees(lambda x, *e: torch.histogramdd(x, list(e)), x, *edges, **close)


def test_out():
    hist, edges = torch.empty(0, device="metal"), torch.empty(0, device="metal")
    x = sample(90)
    torch.histogram(x.to("metal"), 5, out=(hist, edges))
    expected = torch.histogram(x, 5)
    torch.testing.assert_close((hist.cpu(), edges.cpu()), tuple(expected))


def test_bincount():
    x = sample(50, dtype=torch.int64).abs()
    assert_agrees(lambda x: (x.bincount(), x.bincount(minlength=9), x[:0].bincount()), x)
    assert_agrees(lambda x, w: x.bincount(w), x, sample(50), backward=False)
    with pytest.raises(RuntimeError):
        torch.tensor([1, -1], device="metal").bincount()


@pytest.mark.parametrize("dtype", INTEGRAL)
def test_bincount_of_every_dtype(dtype):
    x = sample(50, dtype=dtype).abs()
    for weights in (torch.float16, torch.float32, torch.int8, torch.bool):
        assert_agrees(lambda x, w: x.bincount(w), x, sample(50).to(weights), backward=False)


def test_bincount_of_many_values():
    """More bins than a threadgroup holds, and more values than a threadgroup counts."""
    x = torch.randint(0, 100_000, (300_000,), generator=torch.Generator().manual_seed(0))
    assert_agrees(lambda x: (x.bincount(), (x % 3000).bincount(), x[:5].bincount()), x)
