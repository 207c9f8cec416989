"""Losses and schedules: what is minimised equals what the equations say, in nats per image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations, permutations

import pytest
import torch
from conftest import scores_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import zoo
from zoo import Batch, LatentModel, Likelihood, Loss, Options, Site, Step, Terms, ZooError, at_step
from zoo.distributions import Delta, Distribution, Factorised, Normal, SquaredError, kl
from zoo.options import Scheduled
from zoo.schedules import Schedule, parse_schedule
from zoo_autoencoder.options import MseOptions
from zoo_autoencoder.parts import MseLikelihood, Reconstruction
from zoo_beta_vae.capacity import Capacity
from zoo_beta_vae.options import CapacityOptions, TotalCorrelationOptions
from zoo_beta_vae.total_correlation import TotalCorrelation, _log_weights, decompose
from zoo_vae.likelihood_options import GaussianOptions, LaplaceOptions
from zoo_vae.likelihoods import (
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
)
from zoo_vae.losses import Elbo
from zoo_vae.options import ElboOptions

SITE = Site((1, 2, 3), 100, {})
START = Step.of(0, 0, 0)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def close(found: Tensor, wanted: Tensor | float, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(found, torch.as_tensor(wanted, dtype=found.dtype), rtol=tolerance, atol=tolerance)


def batch_of(x: Tensor) -> Batch:
    return Batch(x, {}, torch.arange(len(x)))


def images(count: int = 5) -> Tensor:
    return torch.rand(count, 1, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def linear(**options: object) -> LatentModel:
    """A linear model small enough to be computed by hand."""
    model = zoo.build("linear-vae", (1, 2, 3), latent_dim=2, **options).double().eval()
    assert isinstance(model, LatentModel)
    return model


class Fixed(LatentModel):
    """A model whose posterior is given, and whose picture is six times the sum of the code."""

    def __init__(self, q: Factorised, p: Distribution) -> None:
        self.q, self.p = q, p

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        return self.q

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        return SquaredError(z.sum(-1)[..., None, None, None].expand(*z.shape[:-1], 1, 2, 3))

    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        return self.p

    def rate_weight(self, step: Step) -> None:
        return None


def normals(batch: int, units: int) -> Normal:
    return Normal(torch.randn(batch, units).double(), torch.rand(batch, units).double() + 0.2)


def standard(units: int) -> Normal:
    return Normal(torch.zeros(units).double(), torch.ones(units).double())


class TestElbo:
    @pytest.mark.parametrize("beta", [0.0, 0.11, 1.0, 4.0])
    def test_equals_the_computation_by_hand(self, beta: float) -> None:
        model, x = linear(beta=beta), images()
        weights = dict(model.named_parameters())
        torch.manual_seed(7)
        terms = model.loss(batch_of(x), START)

        parameters = x.flatten(1) @ weights["encoder.head.layer.weight"].T + weights["encoder.head.layer.bias"]
        mean, logvar = parameters[:, :2], parameters[:, 2:]
        torch.manual_seed(7)
        z = mean + torch.exp(logvar / 2) * torch.randn(5, 2, dtype=torch.float64)
        picture = z @ weights["decoder.network.layer.weight"].T + weights["decoder.network.layer.bias"]
        distortion = ((x.flatten(1) - picture) ** 2).sum() / 5
        rate = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum() / 5
        close(terms.logs["distortion"], distortion)
        close(terms.logs["rate"], rate)
        close(terms.loss, distortion + beta * rate)

    @settings(deadline=None, max_examples=20)
    @given(st.floats(0, 50))
    def test_beta_multiplies_the_rate(self, beta: float) -> None:
        terms = Elbo(ElboOptions(beta=beta), SITE)(Fixed(normals(5, 2), standard(2)), batch_of(images()), START)
        close(terms.loss - terms.logs["distortion"], beta * terms.logs["rate"], 1e-7)

    @pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (25, 0.25), (100, 1.0), (1000, 1.0)])
    def test_beta_may_be_a_schedule(self, step: int, weight: float) -> None:
        loss = Elbo(ElboOptions(beta="linear:0..1@100"), SITE)
        at = Step.of(step, 0, 0)
        terms = loss(Fixed(normals(5, 2), standard(2)), batch_of(images()), at)
        close(terms.loss, terms.logs["distortion"] + weight * terms.logs["rate"])
        assert float(loss.rate_weight(at)) == weight

    def test_of_a_point_counts_its_energy(self) -> None:
        q = Delta(torch.randn(5, 2).double())
        terms = Elbo(ElboOptions(beta=0.5), SITE)(Fixed(q, standard(2)), batch_of(images()), START)
        assert set(terms.logs) == {"distortion", "energy"}
        close(terms.logs["energy"], (0.5 * q.loc**2 + 0.5 * math.log(2 * math.pi)).sum(-1).mean())
        close(terms.loss, terms.logs["distortion"] + 0.5 * terms.logs["energy"])

    @pytest.mark.parametrize("prior", ["normal", "laplace"])
    def test_gradient_is_that_of_its_expectation(self, prior: str) -> None:
        """Averaged over many draws, the gradient of the decoder's bias is that of the posterior mean's picture."""
        model = linear(prior=prior)
        x = images(1)
        many = batch_of(x.expand(20_000, -1, -1, -1))
        bias = dict(model.named_parameters())["decoder.network.layer.bias"]
        found = torch.autograd.grad(model.loss(many, START).loss, bias)[0]
        wanted = 2 * (model.decode_mean(model.embed(x)) - x).flatten()
        close(found, wanted, 0.05)

    def test_balanced_noise_makes_a_linear_model_exact(self) -> None:
        """E|x - Wz - b|² = |x - W mean - b|² + sum_i std_i² |W_i|², where the images share their noise."""
        model, x = linear(balanced=True, start_logvar=-1.0), images(64)
        weight = dict(model.named_parameters())["decoder.network.layer.weight"]
        terms = model.loss(batch_of(x), START)
        at_mean = ((model.decode_mean(model.embed(x)) - x) ** 2).sum() / len(x)
        close(terms.logs["distortion"], at_mean + math.exp(-1) * (weight**2).sum())

    def test_balanced_needs_a_normal_posterior(self) -> None:
        model = linear(balanced=True, posterior="laplace")
        with pytest.raises(ZooError, match=r"--loss\.balanced needs a normal posterior, not a Laplace; leave it out"):
            model.loss(batch_of(images()), START)

    @pytest.mark.parametrize("beta", [0.05, 0.3, 2.0])
    def test_of_mse_scores_as_the_gaussian_that_it_stands_for(self, beta: float) -> None:
        """elbo = -(distortion + beta rate) / beta - D/2 log(pi beta): one optimum, two scales."""
        model = linear(beta=beta).float()
        scores = scores_of(model, batch_of(images().float()), START)
        wanted = -scores["distortion"] / beta - scores["rate"] - 6 / 2 * math.log(math.pi * beta)
        assert scores["elbo"] == pytest.approx(wanted, rel=1e-5)


LOSSES: dict[str, Callable[[], Loss]] = {
    "reconstruction": lambda: Reconstruction(Options(), SITE),
    "elbo": lambda: Elbo(ElboOptions(beta=2.0), SITE),
    "capacity": lambda: Capacity(CapacityOptions(gamma=10.0, capacity=3.0), SITE),
}
LIKELIHOODS: dict[str, Callable[[], Likelihood]] = {
    "mse": lambda: MseLikelihood(MseOptions(), SITE),
    "bernoulli": lambda: BernoulliLikelihood(Options(), SITE),
    "continuous-bernoulli": lambda: ContinuousBernoulliLikelihood(Options(), SITE),
    "gaussian, optimal": lambda: GaussianLikelihood(GaussianOptions(sigma="optimal"), SITE),
    "gaussian, learned": lambda: GaussianLikelihood(GaussianOptions(sigma="learned"), SITE),
    "gaussian, fixed": lambda: GaussianLikelihood(GaussianOptions(sigma="fixed", std=0.3), SITE),
    "laplace": lambda: LaplaceLikelihood(LaplaceOptions(), SITE),
}


class TestNatsPerImage:
    @pytest.mark.parametrize("name", LOSSES)
    def test_a_batch_twice_costs_the_same(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Normal, "rsample", lambda self, shape=(): self.mean)
        q = normals(5, 2)
        doubled = Normal(torch.cat([q.loc, q.loc]), torch.cat([q.scale, q.scale]))
        loss, x = LOSSES[name](), images()
        once = loss(Fixed(q, standard(2)), batch_of(x), START)
        twice = loss(Fixed(doubled, standard(2)), batch_of(torch.cat([x, x])), START)
        close(twice.loss, once.loss)
        for key, value in once.logs.items():
            assert value.shape == ()
            close(twice.logs[key], value)

    @pytest.mark.parametrize("name", LIKELIHOODS)
    def test_twice_the_pixels_at_equal_error_cost_twice(self, name: str) -> None:
        head = LIKELIHOODS[name]().double()
        values, x = torch.randn(5, 1, 2, 3).double(), images()
        once = -head(values).log_prob(x).mean()
        tiled = -head(torch.cat([values, values], 2)).log_prob(torch.cat([x, x], 2)).mean()
        close(tiled, 2 * once)

    def test_the_gaussian_finds_its_noise(self) -> None:
        """Fixed at the root mean squared error it costs what the optimal one costs; elsewhere more."""
        values, x = torch.randn(5, 1, 2, 3).double(), images()
        error = float(((torch.sigmoid(values) - x) ** 2).mean().sqrt())

        def cost(**options: object) -> float:
            head = GaussianLikelihood(GaussianOptions(**options), SITE).double()
            return float(-head(values).log_prob(x).mean().detach())

        best = cost(sigma="optimal")
        assert cost(sigma="fixed", std=error) == pytest.approx(best, rel=1e-6)
        assert cost(sigma="learned", std=error) == pytest.approx(best, rel=1e-3)
        assert cost(sigma="fixed", std=1.2 * error) > best
        assert cost(sigma="fixed", std=0.8 * error) > best

    def test_the_optimal_gaussian_is_evaluated_with_its_running_noise(self) -> None:
        head = GaussianLikelihood(GaussianOptions(sigma="optimal", std=0.5), SITE)
        values, x = torch.randn(5, 1, 2, 3), images().float()
        mse = ((torch.sigmoid(values) - x) ** 2).mean()
        head(values).log_prob(x)
        close(head.variance, 0.99 * 0.25 + 0.01 * mse, 1e-6)
        before = head.variance.clone()
        found = head.eval()(values).log_prob(x)
        close(found, Normal(torch.sigmoid(values), before.sqrt(), 3).log_prob(x), 1e-5)
        assert head.variance.equal(before)


def naive(q: Normal, p: Normal, z: Tensor, size: int, estimator: str) -> tuple[float, float, float]:
    """Mutual information, total correlation and dimension-wise KL, image by image and unit by unit."""
    count, units = z.shape
    size, others = max(size, count), count - 1

    def weight(i: int, j: int) -> float:
        if estimator == "mws":
            return 1 / (size * count)
        if others == 0:
            return 1.0
        if i == j:
            return 1 / size
        return (size - others) / (size * others) if j == (i + 1) % count else 1 / others

    def density(i: int, j: int, k: int) -> float:
        unit = torch.distributions.Normal(q.loc[j, k], q.scale[j, k])
        return float(unit.log_prob(z[i, k]).exp())

    information = correlation = dimension = 0.0
    for i in range(count):
        own = sum(math.log(density(i, i, k)) for k in range(units))
        whole = math.log(sum(weight(i, j) * math.prod(density(i, j, k) for k in range(units)) for j in range(count)))
        each = sum(math.log(sum(weight(i, j) * density(i, j, k) for j in range(count))) for k in range(units))
        information += (own - whole) / count
        correlation += (whole - each) / count
        dimension += (each - float(p.log_prob(z[i]))) / count
    return information, correlation, dimension


def aggregate(q: Normal, z: Tensor, size: int) -> Tensor:
    """log q(z) of each sample by stratified sampling."""
    return torch.logsumexp(_log_weights(len(z), size, "mss", z) + q.unsqueeze().log_prob(z.unsqueeze(1)), 1)


both = pytest.mark.parametrize("estimator", ["mss", "mws"])


class TestTotalCorrelation:
    @settings(deadline=None, max_examples=25)
    @given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 50), st.integers(0, 99))
    @both
    def test_equals_the_loop(self, estimator: str, batch: int, units: int, size: int, seed: int) -> None:
        torch.manual_seed(seed)
        q, p = normals(batch, units), standard(units)
        z = q.rsample()
        found = decompose(q, p, z, size, estimator)
        wanted = naive(q, p, z, size, estimator)
        parts = (found.mutual_information, found.total_correlation, found.dimension_kl)
        assert [float(part) for part in parts] == pytest.approx(wanted, abs=1e-8)

    @settings(deadline=None, max_examples=25)
    @given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 1000), st.integers(0, 99))
    @both
    def test_parts_sum_to_the_sampled_rate(self, estimator: str, batch: int, units: int, size: int, seed: int) -> None:
        torch.manual_seed(seed)
        q, p = normals(batch, units), standard(units)
        z = q.rsample()
        found = decompose(q, p, z, size, estimator)
        total = found.mutual_information + found.total_correlation + found.dimension_kl
        close(total, (q.log_prob(z) - p.log_prob(z)).mean())

    @pytest.mark.parametrize("units", [1, 3])
    @pytest.mark.parametrize("size", [3, 4, 6])
    def test_stratified_sampling_is_unbiased(self, size: int, units: int) -> None:
        """Over all batches that hold an image, the mean estimate of q(z) at its sample is the exact mean over N.

        So too where the batch is all there is: exact over its orders, as one of its images is weighted otherwise.
        """
        batch, q = 3, normals(size, units)
        z = q.loc[:1] + 0.3
        exact = q.log_prob(z).exp().mean()
        found = []
        for chosen in combinations(range(1, size), batch - 1):
            for order in permutations(chosen):
                rows = [0, *order]
                drawn = Normal(q.loc[rows], q.scale[rows])
                points = torch.cat([z, drawn.loc[1:]])
                found.append(aggregate(drawn, points, size)[0].exp())
        close(torch.stack(found).mean(), exact)

    def test_two_of_two_are_the_whole(self) -> None:
        q = normals(2, 3)
        z = q.rsample()
        close(aggregate(q, z, 2), q.unsqueeze().log_prob(z[:, None]).logsumexp(1) - math.log(2))

    @settings(deadline=None, max_examples=50)
    @given(st.integers(1, 50), st.integers(1, 10_000))
    def test_stratified_weights_sum_to_one(self, batch: int, size: int) -> None:
        weights = _log_weights(batch, size, "mss", torch.zeros(()).double()).exp()
        close(weights.sum(1), torch.ones(batch))
        if batch > 1:
            close(weights.diagonal(), torch.ones(batch).double() / max(size, batch))

    def test_weighted_sampling_underestimates_by_the_share_of_the_batch(self) -> None:
        q, p = normals(4, 2), standard(2)
        z = q.rsample()
        small, large = (decompose(q, p, z, size, "mws") for size in (10, 1000))
        close(large.mutual_information - small.mutual_information, math.log(100))

    def test_independent_codes_have_none(self) -> None:
        """With one posterior for every image the code says nothing, and only the dimension-wise KL is left."""
        one = normals(1, 3)
        q = Normal(one.loc.expand(6, -1), one.scale.expand(6, -1))
        found = decompose(q, standard(3), q.rsample(), 60, "mss")
        close(found.mutual_information, 0.0)
        close(found.total_correlation, 0.0)

    @both
    def test_loss_weighs_each_part(self, estimator: str) -> None:
        options = TotalCorrelationOptions(alpha=0.5, beta="linear:0..6@10", gamma=2.0, estimator=estimator)
        terms = TotalCorrelation(options, SITE)(Fixed(normals(5, 3), standard(3)), batch_of(images()), Step.of(5, 0, 0))
        logs = terms.logs
        wanted = logs["distortion"] + 0.5 * logs["mutual_information"]
        close(terms.loss, wanted + 3 * logs["total_correlation"] + 2 * logs["dimension_kl"])

    @both
    def test_at_equal_weights_is_the_sampled_elbo(self, estimator: str) -> None:
        model, x = Fixed(normals(5, 3), standard(3)), batch_of(images())
        options = TotalCorrelationOptions(alpha=1, beta=1, gamma=1, estimator=estimator)
        torch.manual_seed(3)
        terms = TotalCorrelation(options, SITE)(model, x, START)
        torch.manual_seed(3)
        z = model.q.rsample()
        wanted = -model.decode(z).log_prob(x.x).mean() + (model.q.log_prob(z) - model.p.log_prob(z)).mean()
        close(terms.loss, wanted)
        close(terms.logs["rate"], (model.q.log_prob(z) - model.p.log_prob(z)).mean())

    def test_gradients_are_finite_with_one_image(self) -> None:
        q = Normal(torch.randn(1, 2, requires_grad=True), torch.ones(1, 2))
        terms = TotalCorrelation(TotalCorrelationOptions(), SITE)(Fixed(q, standard(2)), batch_of(images(1)), START)
        assert torch.autograd.grad(terms.loss, q.loc)[0].isfinite().all()


class TestCapacity:
    @settings(deadline=None, max_examples=20)
    @given(st.floats(0, 100), st.floats(0, 30))
    def test_equals_the_equation(self, gamma: float, capacity: float) -> None:
        q, p = normals(5, 2), standard(2)
        loss = Capacity(CapacityOptions(gamma=gamma, capacity=capacity), SITE)
        terms = loss(Fixed(q, p), batch_of(images()), START)
        rate = kl(q, p, q.loc).mean()
        close(terms.logs["rate"], rate)
        close(terms.logs["capacity_gap"], (rate - capacity).abs())
        close(terms.loss, terms.logs["distortion"] + gamma * (rate - capacity).abs(), 1e-7)

    def test_capacity_rises_over_the_run(self) -> None:
        loss = Capacity(CapacityOptions(), SITE)
        gaps = [
            loss(Fixed(normals(1, 2), standard(2)), batch_of(images(1)), Step.of(0, 0, share))
            for share in (0, 0.4, 0.8, 1)
        ]
        at = [float(terms.logs["rate"] + terms.logs["capacity_gap"]) for terms in gaps]
        assert at[1:] == pytest.approx([12.5, 25, 25], rel=1e-5)
        assert float(gaps[0].logs["capacity_gap"]) == pytest.approx(float(gaps[0].logs["rate"]))

    @pytest.mark.parametrize("capacity", [1.0, 4.0])
    def test_training_lands_on_it(self, capacity: float) -> None:
        model = linear(loss="capacity", gamma=20.0, capacity=capacity)
        data, optimiser = batch_of(images(8)), torch.optim.Adam(model.parameters(), 0.05)
        rates: list[float] = []
        for i in range(200):
            optimiser.param_groups[0]["lr"] = 0.05 * (1 - i / 200)
            optimiser.zero_grad()
            terms = model.loss(data, START)
            terms.loss.backward()
            optimiser.step()
            rates.append(float(terms.logs["rate"].detach()))
        assert rates[-1] == pytest.approx(capacity, abs=0.1)


@pytest.mark.parametrize("loss", [Capacity(CapacityOptions(), SITE), TotalCorrelation(TotalCorrelationOptions(), SITE)])
def test_a_loss_of_rates_refuses_a_point(loss: Loss) -> None:
    with pytest.raises(ZooError, match="posterior"):
        loss(Fixed(Delta(torch.zeros(5, 2).double()), standard(2)), batch_of(images()), START)


@pytest.mark.parametrize("name", LOSSES)
def test_logs_carry_what_the_loss_is_made_of(name: str) -> None:
    terms: Terms = LOSSES[name]()(Fixed(normals(5, 2), standard(2)), batch_of(images()), START)
    assert terms.loss.shape == ()
    assert "distortion" in terms.logs
    assert not terms.adversaries


def value_at(text: str, step: Step) -> float:
    return float(at_step(parse_schedule(text), step))


class TestSchedules:
    @pytest.mark.parametrize(
        ("text", "points"),
        [
            ("linear:0..1@100", {0: 0, 25: 0.25, 50: 0.5, 100: 1, 150: 1}),
            ("linear:4..1@10", {0: 4, 5: 2.5, 10: 1, 11: 1}),
            (
                "cosine:0..1@100",
                {0: 0, 25: 0.5 - math.sqrt(0.125), 50: 0.5, 75: 0.5 + math.sqrt(0.125), 100: 1, 101: 1},
            ),
            ("cosine:2..-2@8", {0: 2, 4: 0, 8: -2, 99: -2}),
            ("cyclic:0..1@100", {0: 0, 25: 0.5, 50: 1, 75: 1, 99.5: 1, 100: 0, 125: 0.5, 150: 1, 199: 1, 200: 0}),
            ("steps:1e-4@0,5e-5@200", {0: 1e-4, 199: 1e-4, 200: 5e-5, 1e6: 5e-5}),
            ("steps:3@0,2@10,1@20", {9: 3, 10: 2, 19: 2, 20: 1}),
            ("steps:7@0", {0: 7, 100: 7}),
            ("one-cycle:10@100", {0: 0.4, 15: 5.2, 30: 10, 65: 5.0005, 100: 1e-3, 200: 1e-3}),
        ],
    )
    def test_values(self, text: str, points: dict[float, float]) -> None:
        found = {count: value_at(text, Step.of(count, -1, -1)) for count in points}
        assert found == pytest.approx(points, rel=1e-5, abs=1e-5)

    @pytest.mark.parametrize(
        ("text", "step"),
        [
            ("linear:0..8@40", Step.of(10, 99, 0.99)),
            ("linear:0..8@40ep", Step.of(999, 10, 0.99)),
            ("linear:0..8@40%", Step.of(999, 99, 0.1)),
            ("linear:0..8", Step.of(999, 99, 0.25)),
            ("cyclic:0..8@8ep", Step.of(999, 9, 0.99)),
            ("steps:0@0,2@10ep,5@20ep", Step.of(999, 10, 0.99)),
            ("steps:0@0,2@50%", Step.of(0, 0, 0.5)),
        ],
    )
    def test_units(self, text: str, step: Step) -> None:
        assert value_at(text, step) == pytest.approx(2, rel=1e-5)

    def test_one_cycle_lasts_the_run(self) -> None:
        assert value_at("one-cycle:1", Step.of(0, 0, 0.3)) == pytest.approx(1)
        assert value_at("one-cycle:1", Step.of(0, 0, 1.0)) == pytest.approx(1e-4, rel=1e-3)

    @settings(deadline=None, max_examples=200)
    @given(
        st.sampled_from(["linear", "cosine", "cyclic"]),
        st.floats(-1e3, 1e3, width=16),
        st.floats(-1e3, 1e3, width=16),
        st.integers(1, 1000),
        st.sampled_from(["", "ep", "%"]),
        st.floats(0, 1e4),
    )
    def test_ramps_stay_within_their_ends(
        self, shape: str, start: float, end: float, length: int, unit: str, at: float
    ) -> None:
        length = min(length, 100) if unit == "%" else length
        schedule = Schedule("", shape, (start, end), (0.0, float(length)), unit)
        found = float(at_step(schedule, Step.of(at, at, min(at, 100) / 100)))
        slack = 1e-5 * max(abs(start), abs(end))
        assert min(start, end) - slack <= found <= max(start, end) + slack
        if shape != "cyclic" and at >= 1e4:
            assert found == pytest.approx(end, rel=1e-4, abs=slack)

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(st.tuples(st.integers(1, 50), st.floats(-9, 9, width=16)), min_size=1, max_size=5), st.integers(0, 300)
    )
    def test_steps_hold_the_last_value_reached(self, jumps: list[tuple[int, float]], at: int) -> None:
        points, position = [0.0], 0
        for gap, _ in jumps[1:]:
            position += gap
            points.append(float(position))
        values = tuple(value for _, value in jumps)
        wanted = next(value for point, value in reversed(list(zip(points, values, strict=True))) if point <= at)
        assert float(at_step(Schedule("", "steps", values, tuple(points), ""), Step.of(at, 0, 0))) == wanted

    @settings(deadline=None, max_examples=100)
    @given(st.floats(1e-6, 10), st.floats(0, 2))
    def test_one_cycle_stays_between_its_last_and_its_peak(self, peak: float, share: float) -> None:
        found = float(at_step(Schedule("", "one-cycle", (peak,), (0.0, 100.0), "%"), Step.of(0, 0, share)))
        assert 1e-4 * peak * (1 - 1e-3) <= found <= peak * (1 + 1e-5)

    @pytest.mark.parametrize("value", [3, 0.5])
    def test_a_number_is_itself(self, value: Scheduled) -> None:
        assert at_step(value, START) == value
