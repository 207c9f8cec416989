"""Student's t against SciPy: its density, moments, samples and their gradients, and its closed forms."""

import math

import pytest
import torch
from scipy import integrate, special, stats
from torch import Tensor
from zoo.distributions import Normal, kl

from zoo_student.distribution import StudentT
from zoo_student.gammas import digamma_step, lgamma_step

DF = (2.1, 3.0, 5.0, 31.9, 32.1, 1e3, 1e6)


def student(loc: float, scale: float, df: float, dtype: torch.dtype = torch.float64) -> StudentT:
    """One unit, batch `()`, event `(1,)`."""
    return StudentT(*(torch.tensor([value], dtype=dtype) for value in (loc, scale, df)))


def normal(loc: float, scale: float) -> Normal:
    return Normal(*(torch.tensor([value], dtype=torch.float64) for value in (loc, scale)))


@pytest.mark.parametrize("df", DF)
def test_density_is_scipys(df):
    z = torch.tensor([-1e3, -4.0, -0.3, 0.0, 1.0, 7.0, 1e5], dtype=torch.float64)
    wanted = torch.from_numpy(stats.t(df, loc=-0.3, scale=1.7).logpdf(z.numpy()))
    assert torch.allclose(student(-0.3, 1.7, df).log_prob(z[:, None]), wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("df", DF)
def test_density_keeps_its_digits_in_single_precision(df):
    z = torch.tensor([-4.0, 0.0, 1.0])
    wanted = torch.from_numpy(stats.t(df, loc=-0.3, scale=1.7).logpdf(z.double().numpy()))
    found = student(-0.3, 1.7, df, torch.float32).log_prob(z[:, None])
    assert torch.allclose(found.double(), wanted, rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("df", DF)
def test_moments_and_entropy_are_scipys(df):
    q, known = student(0.4, 0.6, df), stats.t(df, loc=0.4, scale=0.6)
    assert q.mean.item() == pytest.approx(known.mean())
    assert q.variance.item() == pytest.approx(known.var())
    assert q.entropy_per_unit.item() == pytest.approx(float(known.entropy()), rel=1e-9)


def test_log_density_sums_over_the_event():
    q = StudentT(torch.zeros(5, 3), torch.ones(5, 3), torch.full((5, 3), 4.0))
    z = torch.randn(2, 5, 3)
    assert (q.batch_shape, q.event_shape) == ((5,), (3,))
    assert torch.allclose(q.log_prob(z), q.log_prob_per_unit(z).sum(-1))


@pytest.mark.parametrize("a", [0.05, 1.0, 15.99, 16.01, 40.0, 1e4])
def test_half_steps_of_the_gamma_function(a):
    value = torch.tensor([a], dtype=torch.float64, requires_grad=True)
    step = lgamma_step(value)
    assert step.item() == pytest.approx(special.gammaln(a + 0.5) - special.gammaln(a), rel=1e-11)
    (slope,) = torch.autograd.grad(step, value)
    assert slope.item() == pytest.approx(digamma_step(value).item(), rel=1e-10)
    assert slope.item() == pytest.approx(special.psi(a + 0.5) - special.psi(a), rel=1e-8)


@pytest.mark.parametrize("df", [2.5, 5.0, 100.0])
def test_samples_have_its_distribution(df):
    torch.manual_seed(0)
    z = student(1.0, 2.0, df).rsample((20_000,)).flatten().numpy()
    assert stats.kstest(z, stats.t(df, loc=1, scale=2).cdf).pvalue > 1e-3


def drawn(loc: Tensor, scale: Tensor, df: Tensor, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return StudentT(loc, scale, df).rsample()


@pytest.mark.parametrize("df", [2.5, 5.0, 40.0])
def test_gradients_of_a_sample_are_finite_differences(df):
    """With the normal and the chi-squared's place in its distribution held, a sample moves as its gradient says."""
    loc, scale = torch.full((200,), 0.4, dtype=torch.float64), torch.full((200,), 1.3, dtype=torch.float64)
    nu = torch.full((200,), df, dtype=torch.float64, requires_grad=True)
    z = drawn(loc.requires_grad_(), scale.requires_grad_(), nu)
    slopes = torch.autograd.grad(z.sum(), (loc, scale, nu))
    torch.manual_seed(0)
    noise = torch.randn(200, dtype=torch.float64).numpy()
    y = ((z - loc) / scale).detach().numpy()
    place = special.gammainc(df / 2, (noise / y) ** 2 * df / 2)

    def sample(nu: float):
        return 0.4 + 1.3 * noise * (nu / (2 * special.gammaincinv(nu / 2, place))) ** 0.5

    h = 1e-4
    wanted = torch.from_numpy((sample(df + h) - sample(df - h)) / (2 * h))
    assert torch.allclose(torch.from_numpy(sample(df)), z, rtol=1e-7)
    assert torch.allclose(slopes[0], torch.ones(200, dtype=torch.float64))
    assert torch.allclose(slopes[1], torch.from_numpy(y))
    assert torch.allclose(slopes[2], wanted, rtol=2e-3, atol=1e-5)


def test_gradient_of_an_expectation_in_the_degrees_of_freedom():
    """The mean gradient of cos(z) over samples, against the difference of two integrals."""
    count, df, h = 200_000, 4.0, 1e-3
    nu = torch.full((count,), df, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    z = StudentT(torch.zeros_like(nu), torch.ones_like(nu), nu).rsample()
    (slopes,) = torch.autograd.grad(z.cos().sum(), nu)

    def expectation(nu: float) -> float:
        return 2 * integrate.quad(stats.t(nu).pdf, 0, math.inf, weight="cos", wvar=1)[0]

    wanted = (expectation(df + h) - expectation(df - h)) / (2 * h)
    assert abs(slopes.mean().item() - wanted) < 4 * slopes.std().item() / count**0.5


@pytest.mark.parametrize("df", [2.1, 5.0, 1e6])
def test_kl_to_a_normal_is_the_integral(df):
    q, p = student(0.7, 0.4, df), normal(-0.2, 1.5)
    known, normal_prior = stats.t(df, loc=0.7, scale=0.4), stats.norm(-0.2, 1.5)

    def gap(z: float) -> float:
        return known.logpdf(z) - normal_prior.logpdf(z)

    # Over quantiles from both ends, as tails reach far.
    lower, upper = (integrate.quad(lambda u, end=end: gap(end(u)), 0, 0.5)[0] for end in (known.ppf, known.isf))
    assert q.kl_to(p).item() == pytest.approx(lower + upper, rel=1e-3)


def test_kl_to_another_t_is_taken_at_samples():
    q, p = student(0.7, 0.4, 5.0), student(0.0, 1.0, 3.0)
    assert q.kl_to(p) is None
    torch.manual_seed(0)
    z = q.rsample((200_000,))
    found = kl(q, p, z)
    known, prior = stats.t(5, loc=0.7, scale=0.4), stats.t(3)
    wanted = integrate.quad(lambda x: known.pdf(x) * (known.logpdf(x) - prior.logpdf(x)), -60, 60, points=[0.7])[0]
    assert abs(found.mean().item() - wanted) < 4 * found.std().item() / len(found) ** 0.5


def test_many_degrees_of_freedom_give_the_normal():
    q, like = student(0.3, 0.8, 1e8), normal(0.3, 0.8)
    z = torch.linspace(-4, 4, 50, dtype=torch.float64)[:, None]
    assert torch.allclose(q.log_prob(z), like.log_prob(z), atol=1e-6)
    assert q.variance.item() == pytest.approx(0.64)
    assert q.kl_to(like).item() == pytest.approx(0, abs=1e-6)
    other = normal(-1.0, 2.0)
    assert q.kl_to(other).item() == pytest.approx(like.kl_to(other).item(), rel=1e-6)
    torch.manual_seed(0)
    assert stats.kstest(q.rsample((20_000,)).flatten().numpy(), stats.norm(0.3, 0.8).cdf).pvalue > 1e-3


def test_a_temperature_multiplies_the_spread():
    q = student(0.3, 0.8, 5.0)
    narrow = q.tempered(0.5)
    assert narrow.variance.item() == pytest.approx(q.variance.item() / 4)
    assert narrow.mean.equal(q.mean)
