"""Random numbers have their distribution, repeat with their seed, and fill any tensor."""

import math

import pytest
import torch
import torch.nn.functional as F

from test.agreement import sample

pytestmark = pytest.mark.usefixtures("no_fallback")

COUNT = 40001  # not a multiple of four, so that the last counter is used in part


def empty(*shape, dtype=torch.float32):
    return torch.empty(*shape, dtype=dtype, device="metal")


def assert_distributed(values, cdf):
    """Kolmogorov and Smirnov: the largest distance between the sample's distribution and `cdf`; p < 1e-6 fails."""
    values = values.flatten().double().cpu().sort().values
    n = len(values)
    expected = cdf(values)
    steps = torch.arange(1, n + 1, dtype=torch.float64) / n
    distance = torch.maximum((steps - expected).abs(), (steps - 1 / n - expected).abs()).max()
    assert distance < 2.7 / math.sqrt(n), distance


def normal_cdf(x):
    return torch.special.ndtr(x)


def test_uniform():
    x = empty(COUNT).uniform_(-2, 3)
    assert_distributed(x, lambda v: (v + 2) / 5)
    assert x.min() >= -2 and x.max() < 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_uniform_never_rounds_to_the_upper_bound(dtype):
    x = empty(COUNT, dtype=dtype).uniform_(0, 1)
    assert x.min() >= 0 and x.max() < 1


def test_normal():
    assert_distributed(empty(COUNT).normal_(1, 2), lambda v: normal_cdf((v - 1) / 2))
    assert_distributed(torch.randn(COUNT, device="metal"), normal_cdf)
    z = torch.randn(COUNT, dtype=torch.complex64, device="metal").cpu()
    assert_distributed(z.real * math.sqrt(2), normal_cdf)
    assert abs((z.real * z.imag).mean()) < 0.02


def test_normal_numbers_are_independent():
    x = torch.randn(COUNT, device="metal").cpu()
    for lag in (1, 2, 3, (COUNT + 3) // 4):
        assert abs((x[lag:] * x[:-lag]).mean()) < 0.03


def test_normal_with_tensors():
    mean, deviation = torch.linspace(-5, 5, 4001, device="metal"), torch.linspace(0.1, 3, 4001, device="metal")
    standard = (torch.normal(mean, deviation) - mean) / deviation
    assert_distributed(standard, normal_cdf)
    assert_distributed(torch.normal(mean, 2.0).sub(mean) / 2, normal_cdf)


def test_other_reals():
    assert_distributed(empty(COUNT).exponential_(2), lambda v: 1 - torch.exp(-2 * v))
    assert_distributed(empty(COUNT).cauchy_(1, 3), lambda v: torch.atan((v - 1) / 3) / math.pi + 0.5)
    assert_distributed(empty(COUNT).log_normal_(0.5, 0.7), lambda v: normal_cdf((v.log() - 0.5) / 0.7))
    assert empty(COUNT).exponential_().min() > 0


def test_geometric():
    x = empty(COUNT).geometric_(0.3).cpu()
    assert x.min() == 1
    for k in (1, 2, 5):
        assert abs((x == k).double().mean() - 0.3 * 0.7 ** (k - 1)) < 0.015


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64, torch.float32])
def test_integers(dtype):
    x = empty(COUNT, dtype=dtype).random_(3, 11).cpu().long()
    counts = torch.bincount(x, minlength=11)
    assert counts[:3].sum() == 0 and len(counts) == 11
    expected = COUNT / 8
    assert ((counts[3:] - expected) ** 2 / expected).sum() < 45  # chi squared, 7 degrees of freedom, p < 1e-6


def test_wide_integers():
    x = empty(COUNT, dtype=torch.int64).random_(-(2**62), 2**62).cpu()
    assert_distributed(x.double() / 2.0**63, lambda v: v + 0.5)
    every = empty(COUNT, dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None).cpu()
    assert_distributed(every.double() / 2.0**64, lambda v: v + 0.5)
    assert empty(COUNT, dtype=torch.int64).random_().min() >= 0
    assert set(empty(99, dtype=torch.bool).random_().tolist()) == {True, False}
    assert torch.randint(5, (9,), device="metal").max() < 5


def test_bernoulli():
    assert abs(empty(COUNT).bernoulli_(0.3).mean() - 0.3) < 0.015
    p = torch.linspace(0, 1, COUNT, device="metal")
    x = torch.bernoulli(p)
    assert x[0] == 0 and abs((x - p).mean()) < 0.015 and abs(x[: COUNT // 4].mean() - 0.125) < 0.02
    assert empty(9, dtype=torch.bool).bernoulli_(1.0).all()


def test_the_seed_repeats_and_streams_move_on():
    def draw():
        return [torch.randn(100, device="metal"), torch.rand(7, device="metal"), torch.randperm(50, device="metal")]

    torch.manual_seed(3)
    first, second = draw(), draw()
    torch.manual_seed(3)
    again = draw()
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not any(torch.equal(a, b) for a, b in zip(first, second))


def test_a_generator_of_its_own():
    def draw(seed):
        return empty(50).normal_(generator=torch.Generator("metal").manual_seed(seed))

    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))


def test_views_are_filled_and_nothing_else():
    x = torch.zeros(40, 50, device="metal")
    x[::2, 1:].uniform_(1, 2)
    x.t()[0].fill_(5)
    assert (x[::2, 1:] >= 1).all() and (x[1::2, 1:] == 0).all() and (x[:, 0] == 5).all()
    assert torch.rand(0, 3, device="metal").shape == (0, 3)


def test_permutation():
    for n in (0, 1, 1000, 5000, 65536, 100003):
        assert torch.equal(torch.randperm(n, device="metal").sort().values.cpu(), torch.arange(n))
    for n in (20, 10000):
        assert torch.randperm(n, dtype=torch.int32, device="metal").dtype == torch.int32


def is_odd(permutation):
    """Whether the number of exchanges that sort it is odd."""
    follows, cycles = permutation.tolist(), 0
    for at in range(len(follows)):
        cycles += follows[at] is not None
        while follows[at] is not None:
            follows[at], at = None, follows[at]
    return (len(follows) - cycles) % 2


@pytest.mark.parametrize("n", [1000, 5000])  # one that is sorted, one that is computed
def test_permutations_vary_in_every_way(n):
    draws = torch.stack([torch.randperm(n, device="metal").cpu() for _ in range(200)])
    places = torch.arange(n)
    assert abs((draws == places).sum(1).float().mean() - 1) < 0.5  # in place: one of them, on average
    assert abs((draws[:, 1:] == draws[:, :-1] + 1).sum(1).float().mean() - 1) < 0.5  # neighbours that stay so
    by_eighths = torch.stack([(draws[:, places * 8 // n == i] * 8 // n).flatten().bincount() for i in range(8)])
    assert ((by_eighths / by_eighths.sum() * 64 - 1).abs() < 0.06).all()
    assert {is_odd(order) for order in draws[:25]} == {0, 1}


def test_multinomial():
    weights = torch.tensor([1.0, 0.0, 3.0, 6.0], device="metal")
    drawn = torch.multinomial(weights, COUNT, replacement=True).cpu()
    shares = torch.bincount(drawn, minlength=4) / COUNT
    torch.testing.assert_close(shares, weights.cpu() / 10, atol=0.015, rtol=0)
    assert sorted(torch.multinomial(weights.expand(5, 4), 3)[2].tolist()) == [0, 2, 3]
    with pytest.raises(RuntimeError):
        torch.multinomial(torch.tensor([-1.0, 2.0], device="metal"), 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_dropout_scales_and_its_gradient_has_the_same_mask(dtype):
    x = (sample(100, 201).abs() + 0.1).to("metal", dtype).requires_grad_()
    y = F.dropout(x, 0.3)
    kept = y != 0
    assert abs(kept.float().mean() - 0.7) < 0.02
    torch.testing.assert_close(y[kept], x[kept] / 0.7)
    y.sum().backward()
    torch.testing.assert_close(x.grad, kept / torch.tensor(0.7, dtype=dtype, device="metal"))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int16])
def test_dropout_gradients_of_whole_numbers_are_float(dtype):
    grad, mask = torch.ones(4, device="metal").to(dtype), torch.tensor([True, False, True, True], device="metal")
    result = torch.ops.aten.native_dropout_backward(grad, mask, 1.5)
    assert result.dtype == torch.float32 and result.tolist() == [1.5, 0, 1.5, 1.5]


def test_dropout_at_its_ends():
    x = sample(50).to("metal")
    assert torch.equal(F.dropout(x, 0.5, training=False), x)
    assert torch.equal(F.dropout(x, 0.0), x)
    assert not F.dropout(x, 1.0).any()
    y = F.dropout(x.expand(9, 50).t(), 0.5)
    assert y.shape == (50, 9) and y.any()


def test_bad_arguments_are_refused():
    with pytest.raises(RuntimeError):
        empty(3).normal_(0, -1)
    with pytest.raises(RuntimeError):
        empty(3).uniform_(2, 1)
    with pytest.raises(RuntimeError):
        empty(3).bernoulli_(1.5)
