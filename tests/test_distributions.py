"""Distributions: densities, samples, gradients and divergences, against torch, scipy, quadrature and sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from torch import Tensor
from torch import distributions as td

from zoo.distributions import (
    Bernoulli,
    Beta,
    ContinuousBernoulli,
    Delta,
    Distribution,
    Factorised,
    Gamma,
    Laplace,
    Normal,
    OptimalNormal,
    SquaredError,
    fits,
    kl,
    kl_per_unit,
)

quick = settings(deadline=None, max_examples=25)


def real(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True)
class Family:
    """A family beside torch's: how both are made of two parameters, and some values of these, one row each."""

    ours: Callable[..., Factorised]
    theirs: Callable[..., td.Distribution]
    rows: tuple[tuple[float, ...], ...]

    @property
    def parameters(self) -> list[Tensor]:
        return [real(*column) for column in zip(*self.rows, strict=True)]


def continuous_bernoulli(logits: Tensor) -> td.Distribution:
    return td.ContinuousBernoulli(logits=logits, validate_args=False)


LATENT = {
    "normal": Family(Normal, td.Normal, ((0.0, 1.0), (-1.5, 0.3), (2.0, 4.0))),
    "laplace": Family(Laplace, td.Laplace, ((0.0, 1.0), (-1.5, 0.3), (0.7, 2.0))),
    "gamma": Family(Gamma, td.Gamma, ((2.0, 1.0), (0.7, 3.0), (9.0, 0.5))),
    "beta": Family(Beta, td.Beta, ((2.0, 2.0), (0.8, 3.0), (9.0, 1.5))),
}
PIXELS = {"continuous-bernoulli": Family(ContinuousBernoulli, continuous_bernoulli, ((1e-3,), (-2.0,), (7.0,)))}
CONTINUOUS = {**LATENT, **PIXELS}
PRIORS = {
    "normal": Normal(real(0.3), real(1.7)),
    "laplace": Laplace(real(-0.2), real(0.8)),
    "gamma": Gamma(real(2.0), real(1.5)),
    "beta": Beta(real(2.0), real(3.0)),
}
FITTING = {
    "normal": ("normal", "laplace"),
    "laplace": ("normal", "laplace"),
    "gamma": ("normal", "laplace", "gamma"),
    "beta": ("normal", "laplace", "gamma", "beta"),
}
PAIRS = [(q, p) for q, priors in FITTING.items() for p in priors]

families = pytest.mark.parametrize("family", [pytest.param(value, id=key) for key, value in CONTINUOUS.items()])


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(found, wanted.to(found.dtype), rtol=tolerance, atol=tolerance)


def drawn(draw: Callable[[], Tensor], seed: int = 2) -> Tensor:
    torch.manual_seed(seed)
    return draw()


def within_error(draws: Tensor, wanted: Tensor, sigmas: float = 5.0) -> None:
    """Check that the mean over the first dimension is `wanted`, within its standard errors."""
    error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - wanted).abs() <= sigmas * error + 1e-9).all(), (draws.mean(0), wanted, error)


class TestLogProb:
    @quick
    @given(st.floats(-5, 5), st.floats(0.01, 50), st.floats(-20, 20))
    @pytest.mark.parametrize("name", ["normal", "laplace"])
    def test_on_the_real_line(self, name: str, loc: float, scale: float, value: float) -> None:
        family, parameters = LATENT[name], (real(loc), real(scale))
        close(family.ours(*parameters).log_prob_per_unit(real(value)), family.theirs(*parameters).log_prob(real(value)))

    @quick
    @given(st.floats(0.05, 50), st.floats(0.05, 50), st.floats(1e-6, 1 - 1e-6))
    @pytest.mark.parametrize("name", ["gamma", "beta"])
    def test_on_positive_numbers(self, name: str, a: float, b: float, value: float) -> None:
        family, parameters = LATENT[name], (real(a), real(b))
        close(family.ours(*parameters).log_prob_per_unit(real(value)), family.theirs(*parameters).log_prob(real(value)))

    def test_scipy_agrees(self) -> None:
        x = real(0.3, 0.8)
        for found, reference in (
            (Normal(real(0.2), real(0.5)), stats.norm(0.2, 0.5)),
            (Laplace(real(0.2), real(0.5)), stats.laplace(0.2, 0.5)),
            (Gamma(real(2.5), real(4.0)), stats.gamma(2.5, scale=1 / 4.0)),
            (Beta(real(2.5), real(0.6)), stats.beta(2.5, 0.6)),
        ):
            close(found.log_prob_per_unit(x), torch.from_numpy(reference.logpdf(x.numpy())))

    @quick
    @given(st.floats(-30, 30), st.sampled_from([0.0, 1.0]))
    def test_bernoulli(self, logit: float, value: float) -> None:
        wanted = td.Bernoulli(logits=real(logit)).log_prob(real(value))
        close(Bernoulli(real(logit), 1).log_prob(real(value)), wanted.sum(), 1e-8)

    def test_bernoulli_on_grey_is_the_mean_over_binarisations(self) -> None:
        p, x = Bernoulli(real(0.4), 1), 0.3
        close(p.log_prob(real(x)), x * p.log_prob(real(1.0)) + (1 - x) * p.log_prob(real(0.0)))

    @quick
    @given(st.floats(-60, 60).filter(lambda u: abs(u) > 0.1), st.floats(0, 1))
    def test_continuous_bernoulli(self, logit: float, value: float) -> None:
        """By the density u exp(u x) / (exp(u) - 1); torch's own is good to five digits at large logits."""
        wanted = math.log(logit / math.expm1(logit)) + logit * value
        close(ContinuousBernoulli(real(logit), 1).log_prob(real(value)), real(wanted).sum(), 1e-9)
        theirs = continuous_bernoulli(real(logit)).log_prob(real(value)).sum()
        assert abs(logit) > 12 or float(theirs) == pytest.approx(wanted, abs=1e-6)

    def test_squared_error(self) -> None:
        x, mean = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
        close(SquaredError(mean).log_prob(x), -((x - mean) ** 2).sum((1, 2, 3)), 1e-5)

    def test_a_gamma_of_the_exponential_family_at_zero_is_finite(self) -> None:
        """At concentration 1 the density at 0 is the rate, though log 0 appears in it."""
        close(Gamma(real(1.0), real(3.0)).log_prob(real(0.0)), real(3.0).log().sum())
        close(Beta(real(1.0), real(1.0)).log_prob(real(0.0)), torch.tensor(0.0))


class TestShapes:
    @settings(deadline=None, max_examples=60)
    @given(st.data())
    @pytest.mark.parametrize("name", [*LATENT, "continuous-bernoulli", "bernoulli", "delta", "mse"])
    def test_batch_event_and_samples(self, name: str, data: st.DataObject) -> None:
        sizes = st.lists(st.integers(1, 4), max_size=2).map(tuple)
        batch, event = data.draw(sizes), data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
        more, n = data.draw(sizes), len(event)
        ones = torch.ones(*batch, *event)
        p: Factorised = {
            "bernoulli": lambda: Bernoulli(ones, n),
            "continuous-bernoulli": lambda: ContinuousBernoulli(ones, n),
            "delta": lambda: Delta(ones, n),
            "mse": lambda: SquaredError(ones, n),
        }.get(name, lambda: LATENT[name].ours(ones, ones, n))()
        assert (p.batch_shape, p.event_shape) == (batch, event)
        z = p.rsample(more)
        assert z.shape == (*more, *batch, *event)
        assert p.log_prob(z).shape == (*more, *batch)
        assert p.mean.shape == (*batch, *event)
        assert p.unsqueeze().batch_shape == (1, *batch)
        assert p.point.equal(p.mean)
        assert not p.sample().requires_grad

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @families
    def test_dtype_is_kept(self, family: Family, dtype: torch.dtype) -> None:
        p = family.ours(*(value.to(dtype) for value in family.parameters))
        z = p.rsample((4,))
        assert z.dtype == p.log_prob_per_unit(z).dtype == p.mean.dtype == dtype

    def test_one_scale_serves_all_pixels(self) -> None:
        mean, x = torch.rand(5, 1, 4, 4), torch.rand(5, 1, 4, 4)
        for ours, theirs in ((Normal, td.Normal), (Laplace, td.Laplace)):
            wanted = theirs(mean, torch.tensor(0.3)).log_prob(x).sum((1, 2, 3))
            close(ours(mean, torch.tensor(0.3), 3).log_prob(x), wanted, 1e-5)


class TestSamples:
    @families
    def test_follow_the_distribution(self, family: Family) -> None:
        """Kolmogorov–Smirnov against the distribution function, and both moments within five standard errors."""
        theirs = family.theirs(*family.parameters)
        draws = family.ours(*family.parameters).sample((40_000,))
        uniform = stats.beta(*family.parameters).cdf(draws) if family is LATENT["beta"] else theirs.cdf(draws).numpy()
        for column in uniform.T:
            assert stats.kstest(column, "uniform").pvalue > 1e-3
        mean = family.ours(*family.parameters).mean
        within_error(draws, mean)
        within_error((draws - mean) ** 2, theirs.variance)
        close(mean, theirs.mean, 1e-4)

    def test_bernoulli(self) -> None:
        p = Bernoulli(real(-2.0, 0.0, 3.0), 1)
        draws = p.sample((40_000,))
        assert set(draws.unique().tolist()) == {0.0, 1.0}
        within_error(draws, torch.sigmoid(p.logits))

    @pytest.mark.parametrize("ours", [Delta, SquaredError])
    def test_a_point_is_its_only_sample(self, ours: type[Factorised]) -> None:
        loc = torch.rand(2, 3)
        assert ours(loc, 1).rsample((4,)).equal(loc.expand(4, 2, 3))

    @families
    def test_stay_inside_the_support(self, family: Family) -> None:
        """In single precision, at extreme parameters: where a draw rounded to the border has infinite density."""
        extreme = 80.0 if len(family.parameters) == 1 else 1e-4
        p = family.ours(*[torch.full((20_000,), extreme)] * len(family.parameters), event_ndim=0)
        z = p.rsample()
        assert z.isfinite().all()
        assert p.log_prob_per_unit(z).isfinite().all()

    @families
    def test_are_decided_by_the_generator(self, family: Family) -> None:
        p = family.ours(*family.parameters)
        first = drawn(p.rsample)
        assert drawn(p.rsample).equal(first)
        assert not p.rsample().equal(first)

    def test_optimal_normal_draws_with_its_running_variance(self) -> None:
        p = OptimalNormal(torch.zeros(1, 1, 1, dtype=torch.float64), torch.tensor(0.09, dtype=torch.float64))
        within_error(p.sample((40_000,)) ** 2, torch.tensor(0.09))


class TestBalancedSamples:
    @pytest.mark.parametrize(("batch", "units"), [(7, 3), (5, 5), (64, 20)])
    def test_have_the_moments_of_the_distribution(self, batch: int, units: int) -> None:
        q = Normal(torch.randn(batch, units).double(), torch.rand(batch, units).double() + 0.1)
        z = q.rsample_balanced()
        noise = (z - q.mean) / q.scale
        close(noise.sum(0), torch.zeros(batch, units))
        close(noise[0].T @ noise[0] / batch, torch.eye(units))

    def test_are_normal_over_many_draws(self) -> None:
        q = Normal(torch.zeros(40, 4), torch.ones(40, 4))
        draws = torch.stack([q.rsample_balanced() for _ in range(200)])
        assert stats.kstest(draws[:, 0, 0, 0], "norm").pvalue > 1e-3
        assert stats.kstest(draws[:, 1, 9, 2], "norm").pvalue > 1e-3

    def test_of_a_batch_smaller_than_the_units_are_mirrored(self) -> None:
        z = Normal(torch.zeros(2, 3), torch.ones(2, 3)).rsample_balanced()
        assert z[0].equal(-z[1])
        assert bool(z.isfinite().all())

    def test_keep_the_event_shape(self) -> None:
        assert Normal(torch.zeros(30, 2, 3), torch.ones(30, 2, 3), 2).rsample_balanced().shape == (2, 30, 2, 3)

    @pytest.mark.parametrize("family", [Laplace(torch.zeros(3, 2), torch.ones(3, 2)), Delta(torch.zeros(3, 2))])
    def test_are_for_normals(self, family: Distribution) -> None:
        assert family.rsample_balanced() is None


class TestReparameterisedGradients:
    @pytest.mark.parametrize("name", ["normal", "laplace", "continuous-bernoulli"])
    def test_equal_finite_differences_at_fixed_noise(self, name: str) -> None:
        family = CONTINUOUS[name]
        parameters = [value.requires_grad_() for value in family.parameters]

        def draw(*values: Tensor) -> Tensor:
            return drawn(lambda: family.ours(*values).rsample((7,)))

        assert torch.autograd.gradcheck(draw, parameters)

    @families
    def test_are_unbiased_for_both_moments(self, family: Family) -> None:
        """E[d z^k / d theta] = d E[z^k] / d theta, with the moments of torch."""
        count = 20_000
        copies = [value.expand(count, -1).clone().requires_grad_() for value in family.parameters]
        exact = [value.clone().requires_grad_() for value in family.parameters]
        theirs = td.Beta(*exact) if family is LATENT["beta"] else family.theirs(*exact)
        z = family.ours(*copies).rsample()
        for power, moment in ((1, theirs.mean), (2, theirs.variance + theirs.mean**2)):
            drawn = torch.autograd.grad((z**power).sum(), copies, retain_graph=True)
            wanted = torch.autograd.grad(moment.sum(), exact, retain_graph=True, allow_unused=True)
            for sample, value in zip(drawn, wanted, strict=True):
                within_error(sample, torch.zeros(()) if value is None else value)

    def test_of_a_continuous_bernoulli_are_smooth_across_its_middle(self) -> None:
        """d z / d logit at logit 0 is half the variance of a coin: y (1 - y) / 2, and continuous at the seams."""
        y = drawn(lambda: torch.rand(50, dtype=torch.float64))
        for seam in (0.0, 0.02, -0.02):
            sides = [torch.full_like(y, seam + step).requires_grad_() for step in (-1e-9, 1e-9)]
            low, high = (drawn(ContinuousBernoulli(logits, 1).rsample) for logits in sides)
            slopes = torch.autograd.grad((low + high).sum(), sides)
            close(low, high, 1e-6)
            close(slopes[0], slopes[1], 1e-5)
            close(slopes[0], y * (1 - y) / 2, 1e-2)

    def test_log_moment_of_a_gamma(self) -> None:
        """E[log z] = digamma(a) - log b, whose gradients are trigamma(a) and -1 / b."""
        a, b = (value.expand(20_000, -1).clone().requires_grad_() for value in LATENT["gamma"].parameters)
        drawn = torch.autograd.grad(Gamma(a, b).rsample().log().sum(), (a, b))
        within_error(drawn[0], torch.polygamma(1, a[0].detach()))
        within_error(drawn[1], -1 / b[0].detach())


def make(name: str) -> Factorised:
    return LATENT[name].ours(*LATENT[name].parameters)


class TestKL:
    @pytest.mark.parametrize(("posterior", "prior"), PAIRS)
    def test_closed_form_equals_monte_carlo(self, posterior: str, prior: str) -> None:
        q, p = make(posterior), PRIORS[prior]
        closed = q.kl_to(p)
        assert closed is not None
        z = q.sample((40_000,))
        within_error(q.log_prob_per_unit(z) - p.log_prob_per_unit(z), closed)

    @pytest.mark.parametrize(("posterior", "prior"), PAIRS)
    def test_closed_form_equals_quadrature(self, posterior: str, prior: str) -> None:
        q, p = make(posterior), PRIORS[prior]
        closed = q.kl_to(p)
        assert closed is not None
        for i, row in enumerate(zip(*LATENT[posterior].parameters, strict=True)):
            one = LATENT[posterior].ours(*row, 0)
            wanted = quadrature(one, type(p)(*(v.squeeze() for v in list(vars(p).values())[:2]), 0))
            assert float(closed[i]) == pytest.approx(wanted, rel=1e-5, abs=1e-6)

    @quick
    @given(st.data())
    @pytest.mark.parametrize(
        ("posterior", "prior"),
        [pair for pair in PAIRS if pair not in [("gamma", "laplace"), ("beta", "laplace")]],
    )
    def test_closed_form_equals_torch(self, posterior: str, prior: str, data: st.DataObject) -> None:
        def draw(name: str) -> list[Tensor]:
            low = 0.1 if name in ("gamma", "beta") else -4
            return [real(data.draw(st.floats(low, 4))), real(data.draw(st.floats(0.1, 4)))]

        q, p = draw(posterior), draw(prior)
        wanted = td.kl_divergence(LATENT[posterior].theirs(*q), LATENT[prior].theirs(*p))
        found = LATENT[posterior].ours(*q).kl_to(LATENT[prior].ours(*p))
        assert found is not None
        close(found, wanted, 1e-8)
        assert float(found) >= -1e-9

    def test_of_a_normal_one_away_is_a_half_per_dimension(self) -> None:
        q = Normal(torch.ones(5, 3), torch.exp(0.5 * torch.zeros(5, 3)))
        found = kl(q, Normal(torch.zeros(3), torch.ones(3)), q.rsample())
        assert found.equal(torch.full((5,), 1.5))

    @quick
    @given(st.floats(0.1, 30), st.floats(0.1, 30))
    @pytest.mark.parametrize("name", LATENT)
    def test_to_itself_is_zero(self, name: str, first: float, second: float) -> None:
        q = LATENT[name].ours(real(first), real(second))
        close(kl(q, q, q.rsample()), torch.tensor(0.0), 1e-10)

    @pytest.mark.parametrize(("posterior", "prior"), PAIRS)
    def test_units_sum_to_the_whole(self, posterior: str, prior: str) -> None:
        parameters = [value.expand(4, -1) for value in LATENT[posterior].parameters]
        q, p = LATENT[posterior].ours(*parameters), PRIORS[prior]
        z = q.rsample()
        units = kl_per_unit(q, p, z)
        assert units is not None
        assert units.shape == (4, 3)
        close(kl(q, p, z), units.sum(-1))

    @pytest.mark.parametrize("name", ["gamma", "beta"])
    def test_without_a_closed_form_is_sampled(self, name: str) -> None:
        """A Laplace prior with its peak among positive codes has none."""
        q, p = make(name), Laplace(real(0.4), real(0.8))
        assert q.kl_to(p) is None
        z = q.sample((40_000,))
        estimate = kl_per_unit(q, p, z)
        assert estimate is not None
        close(estimate, q.log_prob_per_unit(z) - p.log_prob_per_unit(z))
        for i, row in enumerate(zip(*LATENT[name].parameters, strict=True)):
            wanted = quadrature(LATENT[name].ours(*row, 0), Laplace(p.loc.squeeze(), p.scale.squeeze(), 0))
            within_error(estimate[:, i], torch.tensor(wanted, dtype=torch.float64))

    def test_to_a_prior_of_no_independent_units_is_sampled_as_a_whole(self) -> None:
        q, p = Normal(torch.ones(4, 2), torch.full((4, 2), 0.5)), Mixture()
        z = q.rsample()
        assert kl_per_unit(q, p, z) is None
        close(kl(q, p, z), q.log_prob(z) - p.log_prob(z))

    def test_of_a_newer_prior_is_asked_of_the_prior(self) -> None:
        q = Normal(torch.ones(4, 2), torch.ones(4, 2))
        close(kl(q, Newer(), q.rsample()), torch.full((4,), 14.0))

    @pytest.mark.parametrize(("q", "p"), list(product(LATENT, LATENT)))
    def test_infinite_pairs_are_told(self, q: str, p: str) -> None:
        assert fits(make(q), PRIORS[p]) == (p in FITTING[q])

    def test_pixels_that_are_zero_or_one_fit_no_density(self) -> None:
        ink = Bernoulli(torch.zeros(1), 1)
        assert fits(ink, ink)
        assert not fits(ink, PRIORS["normal"])
        assert not fits(PRIORS["normal"], ink)


class Mixture(Distribution):
    """Two normals in the plane: no class of ours knows it."""

    batch_shape = ()
    event_shape = (2,)
    mean = torch.zeros(2)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return torch.randn(*shape, 2) + torch.randint(2, (*shape, 1)).mul(2).sub(1)

    def log_prob(self, value: Tensor) -> Tensor:
        each = torch.stack([Normal(torch.full((2,), m), torch.ones(2)).log_prob(value) for m in (-1.0, 1.0)])
        return each.logsumexp(0) - math.log(2)


class Newer(Mixture):
    """A prior that knows its divergence from every posterior."""

    def kl_from(self, other: Distribution) -> Tensor | None:
        return torch.full_like(other.mean, 7.0)


def quadrature(q: Factorised, p: Factorised) -> float:
    """KL(q || p) of one unit, by the quantiles of q: the mean of log q - log p over a uniform variable."""
    first, second = (float(value) for value in list(vars(q).values())[:2])
    frozen = {
        Normal: lambda: stats.norm(first, second),
        Laplace: lambda: stats.laplace(first, second),
        Gamma: lambda: stats.gamma(first, scale=1 / second),
        Beta: lambda: stats.beta(first, second),
    }[type(q)]()
    knots = [float(frozen.ppf(level)) for level in (1e-13, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-3, 1 - 1e-6, 1 - 1e-13)]
    kinks = [float(x) for x in (getattr(q, "loc", None), getattr(p, "loc", None)) if x is not None]
    edges = sorted({*knots, *(x for x in kinks if knots[0] < x < knots[-1])})

    def integrand(x: float) -> float:
        value = torch.tensor(x, dtype=torch.float64)
        log_q = q.log_prob_per_unit(value)
        return float(log_q.exp() * (log_q - p.log_prob_per_unit(value)))

    return sum(integrate.quad(integrand, a, b, epsabs=1e-9)[0] for a, b in pairwise(edges))


class TestDelta:
    @pytest.mark.parametrize("prior", ["normal", "laplace"])
    def test_divergence_is_the_energy_of_the_point(self, prior: str) -> None:
        loc = torch.randn(4, 3, dtype=torch.float64).requires_grad_()
        q, p = Delta(loc), PRIORS[prior]
        energy = kl(q, p, q.rsample())
        close(energy, -p.log_prob(loc))
        found = torch.autograd.grad(energy.sum(), loc)[0]
        close(found, torch.autograd.grad(-p.log_prob(loc).sum(), loc)[0])

    def test_has_no_density(self) -> None:
        q = Delta(torch.zeros(2, 3))
        assert not q.has_density
        assert q.log_prob(torch.zeros(2, 3)).equal(torch.zeros(2))
        assert q.log_prob(torch.tensor([0.0, 0.0, 1.0])).equal(torch.full((2,), -torch.inf))


class TestSquaredError:
    @quick
    @given(st.floats(1e-3, 20), st.integers(1, 6), st.integers(0, 99))
    def test_with_a_beta_is_the_gaussian_of_half_its_variance(self, beta: float, side: int, seed: int) -> None:
        torch.manual_seed(seed)
        x, mean = (torch.rand(3, 2, side, side, dtype=torch.float64) for _ in range(2))
        p = SquaredError(mean)
        assert not p.normalised
        normal = p.with_variance(beta / 2)
        close(normal.log_prob(x), p.log_prob(x) / beta - side * side * math.log(math.pi * beta))
        close(normal.log_prob(x), td.Normal(mean, math.sqrt(beta / 2)).log_prob(x).sum((1, 2, 3)))

    @families
    def test_only_it_needs_a_variance(self, family: Family) -> None:
        p = family.ours(*family.parameters)
        assert p.with_variance(0.3) is p

    def test_variance_may_be_a_tensor(self) -> None:
        p = SquaredError(torch.rand(2, 1, 2, 2))
        x = torch.rand(2, 1, 2, 2)
        close(p.with_variance(torch.tensor(0.2)).log_prob(x), p.with_variance(0.2).log_prob(x))


LOGITS = [0.0, 1e-9, -1e-5, 1e-3, -0.0199999, 0.02, 0.0200001, -0.5, 3.0, -12.0, 40.0]


class TestContinuousBernoulli:
    @pytest.mark.parametrize("logit", LOGITS)
    def test_integrates_to_one_and_has_its_mean(self, logit: float) -> None:
        nodes, weights = np.polynomial.legendre.leggauss(120)
        x, w = torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)
        p = ContinuousBernoulli(real(logit), 1)
        density = p.log_prob_per_unit(x).exp()
        assert float((w * density).sum()) == pytest.approx(1, abs=1e-9)
        assert float((w * density * x).sum()) == pytest.approx(float(p.mean), abs=1e-9)

    @pytest.mark.parametrize("logit", LOGITS)
    def test_single_precision_is_enough(self, logit: float) -> None:
        p, exact = ContinuousBernoulli(torch.tensor([logit]), 1), ContinuousBernoulli(real(logit), 1)
        close(p.mean, exact.mean, 2e-5)
        close(p.log_prob(torch.tensor([0.7])), exact.log_prob(real(0.7)), 1e-5)

    def test_the_seam_of_its_series_is_smooth(self) -> None:
        """Value and gradient on either side of |logit| = 0.02 agree."""
        logits = real(0.02 - 1e-9, 0.02 + 1e-9).requires_grad_()
        for found in (ContinuousBernoulli(logits, 1).log_prob_per_unit(real(0.3)), ContinuousBernoulli(logits, 1).mean):
            slope = torch.autograd.grad(found.sum(), logits)[0]
            close(found[0], found[1], 1e-9)
            close(slope[0], slope[1], 1e-6)

    def test_gradient_in_its_middle_is_that_of_the_mean(self) -> None:
        """d log p / d logit = x - mean, as in every exponential family."""
        logits = real(*LOGITS).requires_grad_()
        p = ContinuousBernoulli(logits, 1)
        slope = torch.autograd.grad(p.log_prob_per_unit(real(0.3)).sum(), logits)[0]
        close(slope, 0.3 - p.mean, 1e-7)


class TestOptimalNormal:
    @quick
    @given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
    def test_log_prob_is_that_of_the_best_variance(self, batch: int, side: int, seed: int) -> None:
        torch.manual_seed(seed)
        x, mean = (torch.rand(batch, 1, side, side, dtype=torch.float64) for _ in range(2))
        mse = ((x - mean) ** 2).mean().clamp(min=1e-6)
        running = torch.tensor(1.0, dtype=torch.float64)
        found = OptimalNormal(mean, running, momentum=0.25).log_prob(x)
        close(found.mean(), -side * side / 2 * (1 + torch.log(2 * math.pi * mse)), 1e-6)
        close(running, 0.75 + 0.25 * mse)
        for factor in (0.5, 0.9, 1.1, 2.0):
            assert float(found.mean()) >= float(Normal(mean, (factor * mse).sqrt(), 3).log_prob(x).mean())

    def test_gradient_is_that_of_the_logarithm(self) -> None:
        x, mean = torch.rand(4, 1, 3, 3, dtype=torch.float64), torch.rand(4, 1, 3, 3, dtype=torch.float64)
        mean.requires_grad_()
        found = OptimalNormal(mean, torch.tensor(1.0)).log_prob(x).mean()
        wanted = -9 / 2 * torch.log(((x - mean) ** 2).mean())
        close(torch.autograd.grad(found, mean)[0], torch.autograd.grad(wanted, mean)[0])

    def test_a_perfect_picture_is_finite(self) -> None:
        mean = torch.rand(4, 1, 3, 3, requires_grad=True)
        found = OptimalNormal(mean, torch.tensor(1.0)).log_prob(mean.detach()).mean()
        assert found.isfinite()
        assert torch.autograd.grad(found, mean)[0].isfinite().all()


class TestTempered:
    @quick
    @given(st.floats(0.1, 5))
    @pytest.mark.parametrize("name", ["normal", "laplace"])
    def test_spread_is_multiplied(self, name: str, temperature: float) -> None:
        p = make(name)
        close(drawn(p.tempered(temperature).sample) - p.mean, temperature * (drawn(p.sample) - p.mean))

    @pytest.mark.parametrize("name", ["gamma", "beta"])
    def test_has_no_meaning_elsewhere(self, name: str) -> None:
        assert make(name).tempered(2.0) is None


class TestExtremes:
    """In single precision: what a network may put out in a bad moment must not end the run."""

    @pytest.mark.parametrize(("posterior", "prior"), PAIRS)
    def test_divergence_and_its_gradients_are_finite(self, posterior: str, prior: str) -> None:
        raw = torch.tensor([-50.0, -10.0, 0.0, 10.0, 50.0])
        first, second = (value.flatten().requires_grad_() for value in torch.meshgrid(raw, raw, indexing="ij"))
        q = {
            "normal": lambda: Normal(first, torch.exp(0.5 * second)),
            "laplace": lambda: Laplace(first, torch.exp(second / 2)),
            "gamma": lambda: Gamma(softplus(first), softplus(second)),
            "beta": lambda: Beta(softplus(first), softplus(second)),
        }[posterior]()
        p = type(PRIORS[prior])(*(value.float() for value in list(vars(PRIORS[prior]).values())[:2]))
        z = q.rsample()
        units = kl_per_unit(q, p, z)
        assert units is not None
        for total in (units.sum(), z.sum(), q.log_prob_per_unit(z.detach()).sum()):
            assert total.isfinite()
            for gradient in torch.autograd.grad(total, (first, second), retain_graph=True, allow_unused=True):
                assert gradient is None or gradient.isfinite().all()

    def test_a_normal_may_be_as_narrow_as_its_variance_is_not(self) -> None:
        """exp(logvar) rounds to 0 below -104, the standard deviation not before -206."""
        logvar = torch.tensor([-120.0, -150.0], requires_grad=True)
        q = Normal(torch.zeros(2), torch.exp(0.5 * logvar))
        rate = kl(q, Normal(torch.zeros(2), torch.ones(2)), q.rsample())
        close(rate, torch.tensor(134.0), 1e-5)
        close(torch.autograd.grad(rate, logvar)[0], torch.tensor([-0.5, -0.5]), 1e-5)

    @pytest.mark.parametrize("ours", [Bernoulli, ContinuousBernoulli])
    def test_pixels_by_logits(self, ours: type[Bernoulli]) -> None:
        logits = torch.tensor([-1e4, -200.0, -20.0, 0.0, 20.0, 200.0, 1e4], requires_grad=True)
        p = ours(logits, 1)
        for x in (0.0, 0.5, 1.0):
            total = p.log_prob(torch.full((7,), x))
            assert total.isfinite()
            assert torch.autograd.grad(total, logits)[0].isfinite().all()
        assert ((p.mean >= 0) & (p.mean <= 1)).all()
        assert torch.autograd.grad(p.mean.sum(), logits)[0].isfinite().all()


def softplus(values: Tensor) -> Tensor:
    return torch.nn.functional.softplus(values + 1) + 1e-4


@quick
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 3), st.floats(1e-3, 10), st.floats(-30, 30))
def test_normals_of_a_batch_by_products_of_matrices(
    events: int, units: int, values: int, scale: float, shift: float
) -> None:
    """log q(z_i|x_j) of every pair is that of one pair at a time, far from the mean and with a small spread too."""
    draw = torch.Generator().manual_seed(events * 10 + units)
    q = Normal(
        shift + torch.randn(events, units, generator=draw),
        scale * (0.5 + torch.rand(events, units, generator=draw)),
    )
    z = q.loc[:1] + scale * torch.randn(2, values, units, generator=draw)
    found = q.log_prob_of_each(z)
    assert found.shape == (2, values, events)
    torch.testing.assert_close(found, Factorised.log_prob_of_each(q, z), rtol=1e-4, atol=1e-4)


class TestSumsOverPixels:
    """Densities of whole images, computed with fewer passes over memory than pixel by pixel, against these."""

    @pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 13, 17), (1, 1, 1), (1, 1, 997)])
    @pytest.mark.parametrize("leading", [(), (20,), (2, 3)])
    def test_bernoulli_is_the_sum(self, shape: tuple[int, int, int], leading: tuple[int, ...]) -> None:
        draw = torch.Generator().manual_seed(len(leading))
        logits = 12 * torch.randn(*leading, 4, *shape, generator=draw)
        logits[..., 0, 0] = torch.tensor([-90.0, -1e-9, 0.0, 200.0])[:, None]
        x = torch.rand(4, *shape, generator=draw).to(memory_format=torch.channels_last)
        wanted = Bernoulli(logits.double()).log_prob_per_unit(x.double()).sum((-3, -2, -1))
        torch.testing.assert_close(Bernoulli(logits.double()).log_prob(x.double()), wanted, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(Bernoulli(logits).log_prob(x).double(), wanted, rtol=2e-6, atol=1e-5)
        learned = logits.clone().requires_grad_()
        torch.testing.assert_close(Bernoulli(learned).log_prob(x).detach().double(), wanted, rtol=2e-6, atol=1e-5)

    def test_bernoulli_of_a_shorter_type_is_computed_in_that_of_the_image(self) -> None:
        logits, x = torch.randn(3, 1, 28, 28).bfloat16(), torch.rand(3, 1, 28, 28)
        found = Bernoulli(logits).log_prob(x)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, Bernoulli(logits.float()).log_prob(x))

    def test_no_event_dimension_is_a_sum_of_one(self) -> None:
        logits, x = torch.randn(5), torch.rand(5)
        p = Bernoulli(logits, 0)
        torch.testing.assert_close(p.log_prob(x), p.log_prob_per_unit(x))

    @pytest.mark.parametrize("scale", [(), (1, 1, 1), (1, 5, 7), (4, 1, 5, 7), (4, 1, 1, 1)])
    @pytest.mark.parametrize("more", [(), (6,)])
    def test_normal_is_the_sum(self, scale: tuple[int, ...], more: tuple[int, ...]) -> None:
        spread = torch.rand(scale, dtype=torch.float64) + 0.1
        p = Normal(torch.randn(4, 1, 5, 7, dtype=torch.float64), spread, 3)
        value = torch.randn(*more, 4, 1, 5, 7, dtype=torch.float64)
        wanted = p.log_prob_per_unit(value).sum((-3, -2, -1))
        torch.testing.assert_close(p.log_prob(value), wanted)
        decoded = Normal(torch.randn(*more, 4, 1, 5, 7, dtype=torch.float64), spread, 3)
        wanted = decoded.log_prob_per_unit(value[0] if more else value).sum((-3, -2, -1))
        torch.testing.assert_close(decoded.log_prob(value[0] if more else value), wanted)

    def test_normal_keeps_its_gradients(self) -> None:
        scale = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
        loc = torch.randn(4, 1, 3, 3, dtype=torch.float64, requires_grad=True)
        x = torch.randn(4, 1, 3, 3, dtype=torch.float64)
        p = Normal(loc, scale, 3)
        found = torch.autograd.grad(p.log_prob(x).sum(), (loc, scale))
        wanted = torch.autograd.grad(p.log_prob_per_unit(x).sum(), (loc, scale))
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other)
