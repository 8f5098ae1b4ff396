"""Gamma, Dirichlet, Poisson and binomial numbers have their distribution; gradients through samples are exact."""

import math

import pytest
import torch
from torch import distributions

from test.agreement import assert_agrees, assert_close, sample
from test.test_random import COUNT, assert_distributed

pytestmark = pytest.mark.usefixtures("no_fallback")


def filled(value, count=COUNT, dtype=torch.float32):
    return torch.full((count,), value, dtype=dtype, device="metal")


def assert_counts(values, log_probability):
    """Chi squared of whole numbers, those rarer than 20 in the sample put together; 6 standard deviations fail."""
    values = values.double().cpu()
    assert torch.equal(values, values.floor()) and values.min() >= 0
    k = torch.arange(values.max() + 2, dtype=torch.float64)
    expected = log_probability(k).exp() * len(values)
    counts = torch.bincount(values.long(), minlength=len(k)).double()
    common = expected > 20
    expected = torch.cat([expected[common], (len(values) - expected[common].sum()).clamp_min(1).view(1)])
    counts = torch.cat([counts[common], counts[~common].sum().view(1)])
    freedom = len(counts) - 1
    chi = ((counts - expected) ** 2 / expected).sum()
    assert chi < freedom + 6 * math.sqrt(2 * freedom) + 20, (chi, freedom)


@pytest.mark.parametrize("alpha", [0.05, 0.7, 1.0, 3.3, 50.0, 1e5])
def test_gamma(alpha):
    x = torch._standard_gamma(filled(alpha))
    assert_distributed(x, lambda v: torch.special.gammainc(torch.tensor(alpha, dtype=torch.float64), v))
    assert (x > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gamma_in_low_precision(dtype):
    x = torch._standard_gamma(filled(2.5, dtype=dtype))
    assert x.dtype == dtype and abs(x.float().mean() - 2.5) < 0.05
    assert (torch._standard_gamma(filled(0.001, dtype=dtype)) > 0).all()


def test_gamma_at_its_ends():
    x = torch._standard_gamma(torch.tensor([0.0, math.inf, math.nan, -1.0], device="metal")).tolist()
    assert 0 < x[0] < 1e-30 and x[1] == math.inf and math.isnan(x[2]) and math.isnan(x[3])
    assert torch._standard_gamma(torch.empty(0, 3, device="metal")).shape == (0, 3)
    strided = torch._standard_gamma(torch.tensor([[1.0, 1e4]], device="metal").expand(500, 2).t())
    assert strided.shape == (2, 500) and strided[0].max() < 100 and strided[1].min() > 9000


@pytest.mark.parametrize("rate", [0.3, 4.0, 9.9, 10.1, 35.0, 800.0])
def test_poisson(rate):
    log = torch.tensor(rate, dtype=torch.float64).log()
    assert_counts(torch.poisson(filled(rate)), lambda k: k * log - rate - torch.lgamma(k + 1))


def test_poisson_of_large_rates_is_nearly_normal():
    for rate in (1e5, 1e7):
        standard = (torch.poisson(filled(rate)).double() - rate) / math.sqrt(rate)
        assert_distributed(standard, torch.special.ndtr)


def test_poisson_arguments():
    assert not torch.poisson(filled(0.0, 9)).any()
    assert torch.poisson(torch.rand(3, 4, device="metal").t()).shape == (4, 3)
    assert torch.poisson(filled(3.0, 5, torch.float16)).dtype == torch.float16
    with pytest.raises(RuntimeError, match="invalid Poisson rate"):
        torch.poisson(torch.tensor([2.0, -1.0], device="metal")).cpu()


@pytest.mark.parametrize("n, p", [(1, 0.3), (20, 0.1), (20, 0.5), (40, 0.5), (40, 0.9), (1000, 0.003), (1000, 0.7), (30000, 0.02)])
def test_binomial(n, p):
    def log_probability(k):
        choices = torch.lgamma(torch.tensor(n + 1.0, dtype=torch.float64)) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
        return torch.where(k <= n, choices.double() + k * math.log(p) + (n - k) * math.log1p(-p), -math.inf)

    assert_counts(torch.binomial(filled(float(n)), filled(p)), log_probability)


def test_binomial_of_many_trials_is_nearly_normal():
    n, p = 1e6, 0.3
    standard = (torch.binomial(filled(n), filled(p)).double() - n * p) / math.sqrt(n * p * (1 - p))
    assert_distributed(standard, torch.special.ndtr)
    rare = torch.binomial(filled(1e6), filled(1e-6))
    assert_counts(rare, lambda k: -1 - torch.lgamma(k + 1))


def test_binomial_at_its_ends():
    n = torch.tensor([5.0, 5.0, 0.0, 5.0], device="metal")
    x = torch.binomial(n, torch.tensor([0.0, 1.0, 0.5, math.nan], device="metal")).tolist()
    assert x[:3] == [0, 5, 0] and math.isnan(x[3])
    assert torch.binomial(filled(7.0, 5), torch.tensor(0.5, device="metal")).shape == (5,)


@pytest.mark.parametrize("alpha", [(0.5, 1.0, 4.0), (1e-3, 1e-3)])
def test_dirichlet(alpha):
    alpha = torch.tensor(alpha, device="metal")
    x = torch._sample_dirichlet(alpha.expand(COUNT, -1))
    torch.testing.assert_close(x.sum(-1), torch.ones(COUNT, device="metal"))
    mean = alpha / alpha.sum()
    torch.testing.assert_close(x.mean(0), mean, atol=0.015, rtol=0)
    torch.testing.assert_close(x.var(0), mean * (1 - mean) / (alpha.sum() + 1), atol=0.01, rtol=0.05)


def test_the_seed_repeats():
    def draw():
        a = torch.linspace(0.1, 30, 500, device="metal")
        return [torch._standard_gamma(a), torch.poisson(a), torch.binomial(a.ceil(), a / 40), torch._sample_dirichlet(a)]

    torch.manual_seed(5)
    first, second = draw(), draw()
    torch.manual_seed(5)
    again = draw()
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not any(torch.equal(a, b) for a, b in zip(first, second))
    generator = torch.Generator("metal").manual_seed(1)
    x = torch.poisson(filled(5.0, 50), generator=generator)
    assert torch.equal(x, torch.poisson(filled(5.0, 50), generator=generator.manual_seed(1)))


def test_elements_are_independent():
    x = torch._standard_gamma(filled(2.0)).cpu() - 2
    for lag in (1, 2, 7):
        assert abs((x[lag:] * x[:-lag]).mean()) < 0.06


def gamma_quantile_slope(alpha, x):
    """-(dP / d alpha) / density, by central differences in float64."""
    alpha, x = alpha.double(), x.double()
    step = alpha * 1e-5
    cdf = torch.special.gammainc
    survival = torch.special.gammaincc
    below = (cdf(alpha - step, x) - cdf(alpha + step, x)) / (2 * step)
    above = (survival(alpha + step, x) - survival(alpha - step, x)) / (2 * step)
    density = ((alpha - 1) * x.log() - x - torch.lgamma(alpha)).exp()
    return torch.where(x < alpha, below, above) / density


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 1.7, 8.0, 99.0, 990.0, 1e4])
def test_gamma_gradient(alpha):
    a = torch.tensor(alpha, dtype=torch.float64)
    quantiles = torch.distributions.Normal(0, 1).icdf(torch.linspace(0.001, 0.999, 101, dtype=torch.float64))
    x = (a * (1 - 1 / (9 * a) + quantiles / (3 * a.sqrt())) ** 3).clamp_min(1e-4).float()  # Wilson and Hilferty
    a = a.float().expand_as(x)
    actual = torch._standard_gamma_grad(a.to("metal"), x.to("metal")).cpu().double()
    torch.testing.assert_close(actual, gamma_quantile_slope(a, x), rtol=2e-4, atol=1e-5)


def test_gamma_gradient_of_strided_and_empty():
    a, x = sample(6, 5).abs() + 0.5, sample(6, 5, seed=1).abs()
    assert_agrees(lambda a, x: torch._standard_gamma_grad(a.t(), x.t()), a, x, backward=False, rtol=1e-3, atol=1e-4)
    assert_agrees(torch._standard_gamma_grad, a[:0], x[:0], backward=False)
    assert torch._standard_gamma_grad(a.to("metal"), torch.zeros_like(a).to("metal")).eq(0).all()


def test_beta_gradient():
    """Against the CPU, whose approximation is good to a few thousandths, and exactly where there is a closed form."""
    a, b, x = torch.meshgrid(
        torch.tensor([0.1, 0.6, 2.0, 7.0, 40.0, 900.0]), torch.tensor([0.1, 0.6, 2.0, 7.0, 40.0, 900.0]),
        torch.tensor([0.02, 0.1, 0.3, 0.5, 0.7, 0.95]), indexing="ij",
    )  # fmt: skip
    mean, deviation = a / (a + b), (a * b / (a + b + 1)).sqrt() / (a + b)
    x = (mean + (x - 0.5) * 4 * deviation).clamp(0.002, 0.998)
    expected = torch._dirichlet_grad(x.double(), a.double(), (a + b).double())
    actual = torch._dirichlet_grad(x.to("metal"), a.to("metal"), (a + b).to("metal"))
    torch.testing.assert_close(actual.cpu().double(), expected, rtol=1e-2, atol=1e-4)
    x = torch.linspace(0.01, 0.99, 99)
    for alpha in (0.05, 1.0, 3.0, 50.0):
        actual = torch._dirichlet_grad(*(t.to("metal") for t in (x, torch.tensor(alpha), torch.tensor(alpha + 1))))
        assert_close(actual, -x * x.double().log() / alpha / (1 - x), rtol=1e-4, atol=1e-6)


DISTRIBUTIONS = {
    "Gamma": (lambda a, b: distributions.Gamma(a, b), (2.5, 1.5)),
    "Beta": (lambda a, b: distributions.Beta(a, b), (2.0, 3.0)),
    "Dirichlet": (lambda a, b: distributions.Dirichlet(torch.stack([a, b], -1)), (2.0, 3.0)),
    "StudentT": (lambda a, b: distributions.StudentT(a + 5, scale=b), (2.0, 3.0)),
    "Chi2": (lambda a, b: distributions.Chi2(a), (4.0, 1.0)),
    "FisherSnedecor": (lambda a, b: distributions.FisherSnedecor(a, b + 20), (4.0, 3.0)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_gradients_through_samples(name):
    """The mean of samples has the gradient of the mean."""
    make, parameters = DISTRIBUTIONS[name]
    a, b = (torch.full((COUNT,), value, device="metal", requires_grad=True) for value in parameters)
    distribution = make(a, b)
    x = distribution.rsample()
    estimated = torch.autograd.grad((x**2).sum() / COUNT, (a, b), allow_unused=True, retain_graph=True)
    expected = torch.autograd.grad((distribution.variance + distribution.mean**2).sum() / COUNT, (a, b), allow_unused=True)
    for e, t in zip(estimated, expected):
        if t is not None:
            assert abs(e.sum() - t.sum()) < 0.05 * abs(t.sum()) + 0.1, (e.sum(), t.sum())
    assert distribution.log_prob(x).isfinite().all()


def test_discrete_distributions():
    rate = torch.tensor([2.0, 30.0], device="metal", requires_grad=True)
    poisson = distributions.Poisson(rate)
    x = poisson.sample((COUNT,))
    torch.testing.assert_close(x.mean(0), rate.detach(), rtol=0.03, atol=0)
    poisson.log_prob(x).sum().backward()
    assert rate.grad.isfinite().all()
    binomial = distributions.Binomial(10, torch.tensor([0.2, 0.9], device="metal"))
    torch.testing.assert_close(binomial.sample((COUNT,)).mean(0), binomial.mean, rtol=0.03, atol=0)
