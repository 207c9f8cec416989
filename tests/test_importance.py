"""Importance-weighted bounds: what they are worth, what they reduce to, and that each gradient is the one it says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from conftest import Done
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
from zoo import Batch, LatentModel, Loss, Site, Step, Terms, ZooError
from zoo.distributions import Delta, Distribution, Mixture, Normal
from zoo_importance.bounds import Ciwae, Iwae, Miwae, Piwae
from zoo_importance.options import CiwaeOptions, Estimator, IwaeOptions, MiwaeOptions
from zoo_importance.weights import effective_samples, miwae
from zoo_vae.losses import Elbo
from zoo_vae.options import ElboOptions

SITE = Site((1, 2, 3), 100, {})
START = Step.of(0, 0, 0)
NOISE = 0.7
"""Standard deviation of the pixels of the small model."""
ESTIMATORS: tuple[Estimator, ...] = ("plain", "stl", "dreg")
MODELS = ("iwae", "miwae", "ciwae", "piwae")
Gradients = dict[str, Tensor]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def iwae(k: int, estimator: Estimator = "plain") -> Loss:
    return Iwae(IwaeOptions(k=k, estimator=estimator), SITE)


def grouped(groups: int, k: int, estimator: Estimator = "plain") -> Loss:
    return Miwae(MiwaeOptions(groups=groups, k=k, estimator=estimator), SITE)


def partial(groups: int, k: int, estimator: Estimator = "plain") -> Loss:
    return Piwae(MiwaeOptions(groups=groups, k=k, estimator=estimator), SITE)


def mixed(share: float, k: int, estimator: Estimator = "plain") -> Loss:
    return Ciwae(CiwaeOptions(k=k, elbo_share=share, estimator=estimator), SITE)


@dataclass(frozen=True, eq=False)
class DrawsOnly(Distribution):
    """A normal that tells its density of its own draws alone, as an inverse autoregressive flow does."""

    inner: Normal

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.inner.batch_shape

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.inner.event_shape

    @property
    def mean(self) -> Tensor:
        return self.inner.mean

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.inner.rsample(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError

    def draw(self, shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor | None]:
        z = self.inner.rsample(shape)
        return z, self.inner.log_prob(z)


class Gaussian(nn.Module, LatentModel):
    """A linear Gaussian model of six pixels with a learnt prior, whose marginal likelihood is known."""

    def __init__(self, wrap: Callable[[Normal], Distribution] = lambda q: q) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        self.wrap = wrap
        self.mean = nn.Parameter(torch.randn(2, 6, generator=draw).double() / 3)
        self.logstd = nn.Parameter(torch.tensor([-0.4, -0.8]).double())
        self.weight = nn.Parameter(torch.randn(6, 2, generator=draw).double())
        self.bias = nn.Parameter(torch.randn(6, generator=draw).double() / 5)
        self.centre = nn.Parameter(torch.tensor([0.3, -0.2]).double())

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        loc = x.flatten(1) @ self.mean.T
        return self.wrap(Normal(loc, self.logstd.exp().expand_as(loc)))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        loc = (z @ self.weight.T + self.bias).unflatten(-1, (1, 2, 3))
        return Normal(loc, torch.tensor(NOISE, dtype=torch.float64), event_ndim=3)

    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        # A mixture of one knows no closed form, so that the ELBO is log p - log q at its samples, as L_1 is.
        components = Normal(self.centre.unsqueeze(0), torch.ones(1, 2).double())
        return Mixture(torch.zeros(1).double(), components)

    def rate_weight(self, step: Step) -> float:
        return 1.0

    def log_marginal(self, x: Tensor) -> Tensor:
        covariance = self.weight @ self.weight.T + NOISE**2 * torch.eye(6).double()
        exact = torch.distributions.MultivariateNormal(self.weight @ self.centre + self.bias, covariance)
        return exact.log_prob(x.flatten(1))

    @torch.no_grad()
    def aim(self) -> None:
        """Give the model orthogonal columns and the encoder its exact posterior, which then has independent units."""
        self.weight.copy_(torch.linalg.qr(self.weight).Q * torch.tensor([1.5, 0.8]).double())
        precision = 1 + self.weight.square().sum(0) / NOISE**2
        self.logstd.copy_(-0.5 * precision.log())
        self.mean.copy_(self.weight.T / NOISE**2 / precision.unsqueeze(1))
        # With these the posterior mean is linear in x without a constant.
        self.bias.zero_()
        self.centre.zero_()


def near() -> Gaussian:
    """Return a model whose encoder is somewhat off its exact posterior, so that weights vary and bounds converge."""
    model = Gaussian()
    model.aim()
    with torch.no_grad():
        model.mean.mul_(0.8)
        model.logstd.add_(torch.tensor([0.3, -0.1]).double())
    return model


def batch_of(x: Tensor) -> Batch:
    return Batch(x, {}, torch.arange(len(x)))


def images(count: int = 4) -> Tensor:
    return torch.randn(count, 1, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def copies(count: int) -> Batch:
    return batch_of(images(1).expand(count, -1, -1, -1))


def run(loss: Loss, model: Gaussian, batch: Batch | None = None, seed: int = 7) -> tuple[Terms, Gradients]:
    """Return the terms and the gradient of each parameter, with the draws of a seed."""
    torch.manual_seed(seed)
    terms = loss(model, batch or batch_of(images()), START)
    names, weights = zip(*model.named_parameters(), strict=True)
    return terms, dict(zip(names, torch.autograd.grad(terms.loss, weights), strict=True))


def same(one: tuple[Terms, Gradients], other: tuple[Terms, Gradients], names: tuple[str, ...] = ()) -> None:
    torch.testing.assert_close(one[0].loss, other[0].loss, rtol=1e-10, atol=1e-10)
    same_gradients(one, other, names)


def same_gradients(one: tuple[Terms, Gradients], other: tuple[Terms, Gradients], names: tuple[str, ...] = ()) -> None:
    for name in names or one[1]:
        torch.testing.assert_close(one[1][name], other[1][name], rtol=1e-9, atol=1e-10, msg=name)


ENCODER, GENERATIVE = ("mean", "logstd"), ("weight", "bias", "centre")


class TestValues:
    @pytest.mark.parametrize("loss", [iwae(1), grouped(1, 1), partial(1, 1), mixed(0.3, 1)], ids=MODELS)
    def test_one_code_is_the_elbo(self, loss: Loss) -> None:
        """To the last digit: the same draw, value and every gradient."""
        same(run(loss, Gaussian()), run(Elbo(ElboOptions(), SITE), Gaussian()))

    @pytest.mark.parametrize("groups", [1, 3])
    def test_equals_the_computation_by_hand(self, groups: int) -> None:
        model, x = Gaussian(), images()
        terms, found = run(grouped(groups, 5), model)
        torch.manual_seed(7)
        q = model.encode(x)
        z = q.rsample((5 * groups,))
        log_w = model.decode(z).log_prob(x) + model.prior_distribution().log_prob(z) - q.log_prob(z)
        bound = (log_w.reshape(groups, 5, 4).logsumexp(1) - math.log(5)).mean()
        torch.testing.assert_close(terms.loss, -bound)
        for name, weight in model.named_parameters():
            wanted = torch.autograd.grad(-bound, weight, retain_graph=True)[0]
            torch.testing.assert_close(found[name], wanted, rtol=1e-9, atol=1e-10, msg=name)

    def test_rises_with_k_towards_the_likelihood(self) -> None:
        model, x = near(), images()
        many = batch_of(x.repeat(2000, 1, 1, 1))
        with torch.no_grad():
            found = [float(iwae(k)(model, many, START).logs["bound"]) for k in (1, 2, 5, 20, 100)]
            exact = float(model.log_marginal(x).mean())
        assert found == sorted(found)
        assert found[0] < exact - 0.1
        assert abs(found[-1] - exact) < 0.02

    def test_is_exact_where_the_posterior_is(self) -> None:
        model, x = Gaussian(), images()
        model.aim()
        with torch.no_grad():
            for k in (1, 3):
                terms = iwae(k)(model, batch_of(x), START)
                torch.testing.assert_close(terms.logs["bound"], model.log_marginal(x).mean())
                torch.testing.assert_close(terms.logs["effective_samples"], torch.tensor(float(k)).double())

    @pytest.mark.parametrize("estimator", ESTIMATORS)
    @pytest.mark.parametrize("make", [lambda e: iwae(4, e), lambda e: partial(2, 3, e), lambda e: mixed(0.2, 4, e)])
    def test_the_value_needs_no_gradient(self, make: Callable[[Estimator], Loss], estimator: Estimator) -> None:
        model, loss = Gaussian(), make(estimator)
        terms, _ = run(loss, model)
        torch.manual_seed(7)
        with torch.no_grad():
            still = loss(model, batch_of(images()), START)
        torch.testing.assert_close(still.loss, terms.loss)
        torch.testing.assert_close(still.loss, -still.logs["bound"])
        assert not any(value.requires_grad for value in terms.logs.values())

    def test_evaluation_decodes_a_few_codes_at_a_time(self) -> None:
        most: list[int] = []

        class Counted(Gaussian):
            def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
                most.append(len(z))
                return super().decode(z, c)

        terms, _ = run(iwae(25), Counted())
        torch.manual_seed(7)
        with torch.no_grad():
            still = iwae(25)(Counted(), batch_of(images()), START)
        torch.testing.assert_close(still.loss, terms.loss)
        assert most == [25, 10, 10, 5]

    def test_logs_are_those_of_the_elbo(self) -> None:
        torch.manual_seed(1)
        model, many = Gaussian(), copies(20_000)
        found = iwae(5)(model, many, START).logs
        wanted = Elbo(ElboOptions(), SITE)(model, many, START).logs
        for name in ("distortion", "rate"):
            torch.testing.assert_close(found[name], wanted[name].detach(), rtol=0.02, atol=0.02)

    @settings(deadline=None, max_examples=30)
    @given(st.integers(1, 6), st.integers(1, 6), st.floats(0, 30))
    def test_weights_are_shares(self, groups: int, k: int, spread: float) -> None:
        log_w = spread * torch.randn(groups * k, 3).double()
        found = miwae(log_w, groups, doubly=True)
        torch.testing.assert_close(found.generative.sum(0), torch.ones(3).double())
        assert bool((found.inference <= found.generative + 1e-12).all())
        count = effective_samples(log_w)
        assert bool(((count >= 1 - 1e-9) & (count <= groups * k + 1e-9)).all())

    def test_weights_of_any_size_stay_finite(self) -> None:
        log_w = torch.tensor([[-1e5, 3e4], [-1.1e5, 3.1e4]])
        found = miwae(log_w, 1, doubly=True)
        for value in (found.bound, found.generative, found.inference, effective_samples(log_w)):
            assert bool(torch.isfinite(value).all())


@pytest.mark.parametrize("estimator", ESTIMATORS)
class TestEnds:
    """Value and every gradient, with the same draws."""

    def test_one_group_is_iwae(self, estimator: Estimator) -> None:
        wanted = run(iwae(6, estimator), Gaussian())
        same(run(grouped(1, 6, estimator), Gaussian()), wanted)
        same(run(partial(1, 6, estimator), Gaussian()), wanted)

    def test_ciwae_goes_from_iwae_to_the_elbo(self, estimator: Estimator) -> None:
        same(run(mixed(0, 6, estimator), Gaussian()), run(iwae(6, estimator), Gaussian()))
        same(run(mixed(1, 6, estimator), Gaussian()), run(grouped(6, 1, estimator), Gaussian()))

    def test_ciwae_is_linear_between(self, estimator: Estimator) -> None:
        ends = [run(mixed(share, 6, estimator), Gaussian())[1] for share in (0, 1)]
        between = run(mixed(0.25, 6, estimator), Gaussian())[1]
        for name, value in between.items():
            torch.testing.assert_close(value, 0.75 * ends[0][name] + 0.25 * ends[1][name])

    def test_groups_of_one_are_the_elbo_of_several_codes(self, estimator: Estimator) -> None:
        found = run(grouped(6, 1, estimator), Gaussian())
        repeated = batch_of(images().repeat(6, 1, 1, 1))
        same(found, run(iwae(1, estimator), Gaussian(), repeated))

    @pytest.mark.parametrize(("groups", "k"), [(2, 3), (6, 1), (1, 6)])
    def test_piwae_is_iwae_for_the_decoder_and_miwae_for_the_encoder(
        self, estimator: Estimator, groups: int, k: int
    ) -> None:
        found = run(partial(groups, k, estimator), Gaussian())
        same(found, run(iwae(groups * k, estimator), Gaussian()), GENERATIVE)
        same_gradients(found, run(grouped(groups, k, estimator), Gaussian()), ENCODER)

    def test_decoders_learn_alike_by_every_estimator(self, estimator: Estimator) -> None:
        same(run(iwae(6, estimator), Gaussian()), run(iwae(6), Gaussian()), GENERATIVE)

    def test_a_point_is_refused(self, estimator: Estimator) -> None:
        with pytest.raises(ZooError, match="needs a density, and a Delta posterior has none; change --posterior"):
            iwae(2, estimator)(Gaussian(lambda q: Delta(q.loc)), batch_of(images()), START)


def many_gradients(loss: Loss, model: Gaussian, runs: int = 60, count: int = 400) -> tuple[Tensor, Tensor]:
    """Return the mean of the encoder's gradient at one image, and its standard error, `(14,)` each."""
    rows = []
    for seed in range(runs):
        _, found = run(loss, model, copies(count), seed)
        rows.append(torch.cat([found[name].flatten() for name in ENCODER]))
    stacked = torch.stack(rows)
    return stacked.mean(0), stacked.std(0) / math.sqrt(runs)


def apart(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
    """Return the largest distance of two means in their standard errors."""
    return float(((one[0] - other[0]).abs() / (one[1].square() + other[1].square()).sqrt()).max())


class TestEstimators:
    @pytest.mark.parametrize(
        "make",
        [lambda e: iwae(5, e), lambda e: grouped(2, 4, e), lambda e: mixed(0.3, 5, e), lambda e: partial(2, 4, e)],
        ids=MODELS,
    )
    def test_doubly_reparameterised_agrees_with_plain_in_expectation(self, make: Callable[[Estimator], Loss]) -> None:
        assert apart(many_gradients(make("plain"), near()), many_gradients(make("dreg"), near())) < 4

    def test_sticking_the_landing_is_right_for_one_code_and_biased_for_more(self) -> None:
        ones = [many_gradients(iwae(1, estimator), near()) for estimator in ESTIMATORS]
        assert apart(ones[0], ones[1]) < 4
        torch.testing.assert_close(ones[1][0], ones[2][0])
        fives = [many_gradients(iwae(5, estimator), near()) for estimator in ESTIMATORS]
        assert apart(fives[0], fives[1]) > 10

    def test_doubly_reparameterised_is_the_quieter(self) -> None:
        plain, dreg = (many_gradients(iwae(20, estimator), near())[1] for estimator in ("plain", "dreg"))
        assert float((dreg / plain).max()) < 1
        assert float((dreg / plain).mean()) < 0.7

    @pytest.mark.parametrize("k", [1, 5])
    def test_at_the_exact_posterior_both_have_no_noise_left(self, k: int) -> None:
        model = Gaussian()
        model.aim()
        noise = {e: max(float(run(iwae(k, e), model)[1][n].abs().max()) for n in ENCODER) for e in ESTIMATORS}
        assert noise["plain"] > 0.01
        assert noise["stl"] < 1e-12
        assert noise["dreg"] < 1e-12

    def test_a_density_known_for_draws_alone_does_for_plain(self) -> None:
        same(run(iwae(5), Gaussian(DrawsOnly)), run(iwae(5), Gaussian()))
        same(run(partial(2, 3), Gaussian(DrawsOnly)), run(partial(2, 3), Gaussian()))
        with pytest.raises(ZooError, match=r"--loss.estimator dreg needs .* a DrawsOnly posterior .* plain"):
            iwae(5, "dreg")(Gaussian(DrawsOnly), batch_of(images()), START)

    def test_batch_normalisation_mixes_images_and_nothing_goes_astray(self) -> None:
        """Codes that share statistics: the two ways back through the decoder still agree."""
        model = zoo.build("conv-vae.tiny", (1, 8, 8), likelihood="bernoulli").double().train()
        x = torch.rand(3, 1, 8, 8).double()
        rows = []
        # Both are IWAE; one goes back through the decoder in two passes.
        for loss in (grouped(1, 4), partial(1, 4)):
            torch.manual_seed(5)
            value = loss(model, batch_of(x), START).loss
            rows.append(torch.autograd.grad(value, list(model.parameters())))
        for one, other in zip(*rows, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


class TestModels:
    @settings(deadline=None, max_examples=12)
    @given(
        st.sampled_from(MODELS),
        st.sampled_from(ESTIMATORS),
        st.tuples(st.integers(1, 3), st.integers(2, 12), st.integers(2, 12)),
        st.integers(1, 3),
    )
    def test_every_parameter_learns_on_any_shape(
        self, name: str, estimator: str, shape: tuple[int, int, int], count: int
    ) -> None:
        model = zoo.build(f"{name}.tiny", shape, estimator=estimator, k=3).train()
        terms = model.loss(batch_of(torch.rand(count, *shape)), START)
        terms.loss.backward()
        assert terms.loss.shape == ()
        assert all(bool(torch.isfinite(weight.grad).all()) for weight in model.parameters())  # type: ignore[arg-type]
        assert all(weight.grad.abs().sum() > 0 for weight in model.parameters())  # type: ignore[union-attr]
        with torch.no_grad():
            assert bool(torch.isfinite(model.eval().loss(batch_of(torch.rand(1, *shape)), START).loss))

    @pytest.mark.parametrize("posterior", ["laplace", "gamma", "beta"])
    @pytest.mark.parametrize("estimator", ESTIMATORS)
    def test_other_posteriors(self, posterior: str, estimator: str) -> None:
        prior = {"laplace": "normal"}.get(posterior, posterior)
        model = zoo.build("iwae.tiny", (1, 5, 7), posterior=posterior, prior=prior, estimator=estimator, k=3)
        model.loss(batch_of(torch.rand(4, 1, 5, 7)), START).loss.backward()
        assert all(bool(torch.isfinite(weight.grad).all()) for weight in model.parameters())  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["iwae", "piwae"])
    def test_tiny_is_repeatable_and_comes_back(self, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        folder = tmp_path_factory.mktemp("runs")
        runs = [
            zoo.train(f"{name}.tiny", data="glyphs", limit=256, k=3, out=folder / str(i), device="cpu")
            for i in range(2)
        ]
        states = [run.model.state_dict() for run in runs]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
        assert set(runs[0].records()[0]["train"]) == {"loss", "bound", "distortion", "rate", "effective_samples"}
        assert runs[0].scores["objective"] == runs[1].scores["objective"]
        again = zoo.load(folder / "0").model.state_dict()
        assert all(torch.equal(states[0][key], again[key]) for key in again)

    def test_objective_is_the_bound_and_elbo_below_it(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        out = tmp_path_factory.mktemp("run") / "a"
        scores = zoo.train("iwae.tiny", data="glyphs", limit=512, k=20, likelihood="mse", out=out).scores
        plain = zoo.train("iwae.tiny", data="glyphs", limit=512, k=20, out=out.parent / "b").scores
        assert -plain["objective"] > plain["elbo"]
        assert scores["elbo"] is not None, "an mse counts as the Gaussian of variance 1/2"


def test_on_the_command_line(zoo_here: Callable[..., Done], small: str) -> None:
    words = ("train", "piwae.tiny", "--data", small, "--groups", "2", "--k", "3", "--estimator", "dreg")
    zoo_here(*words, "--epochs", "2", "--batch-size", "16", "--out", "runs/a")
    lines = Path("runs/a/metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["train"]["effective_samples"] <= 6


def test_mistakes_cost_one_line(zoo_here: Callable[..., Done], small: str) -> None:
    told = zoo_here("train", "iwae.tiny", "--data", small, "--posterior", "delta", code=2).lines[-1]
    assert "an importance-weighted bound needs a density, and a Delta posterior has none; change --posterior" in told
    assert "elbo-share must be at most 1" in zoo_here("train", "ciwae", "--elbo-share", "2", code=2).err
