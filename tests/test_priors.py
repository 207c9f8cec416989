"""Priors with parameters, priors that read the encoder, and priors fitted after training, saved with the run."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Done, write_small
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import zoo
from zoo import Batch, FittedPrior, Network, Posterior, Prior, Run, SampleOptions, Site, Step, ZooError
from zoo.assembly import build_fitted_prior
from zoo.compositions.autoencoder import Autoencoder
from zoo.distributions import Delta, Distribution, Mixture, Normal, kl
from zoo.registry import load_registry
from zoo.settings import options_class
from zoo.specs import FITTED_PRIOR
from zoo_priors.flow import FlowDistribution, RealNvpPrior
from zoo_priors.gaussians import Gaussians, Kernels
from zoo_priors.mixture import MixturePrior
from zoo_priors.options import MixturePriorOptions, RealNvpPriorOptions
from zoo_priors.vamp import VampPrior
from zoo_vae.prior_options import GammaPriorOptions
from zoo_vae.priors import GammaPrior

REGISTRY = load_registry(third_party=False)
FITTED = ["gaussian", "gmm", "kde", "maf", "nsf"]
TRAINED = ["vamp", "mixture", "realnvp"]
START = Step.of(0, 0, 0)
SHAPE = (1, 6, 5)

fitted = pytest.mark.parametrize("name", FITTED)
trained = pytest.mark.parametrize("name", TRAINED)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def close(found: Tensor, wanted: Any, tolerance: float = 1e-9) -> None:
    wanted = torch.as_tensor(wanted, dtype=found.dtype)
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


def batch_of(count: int = 5, shape: tuple[int, int, int] = SHAPE) -> Batch:
    return Batch(torch.rand(count, *shape), {}, torch.arange(count))


class Latents(Posterior):
    """A head that only says how large the codes are."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.latent_shape = shape

    def forward(self, features: Tensor) -> Distribution:
        return Delta(features)


def site(*latent: int, codes: int = 1) -> Site:
    return Site(SHAPE, codes, {"posterior": Latents(*latent)})


def fitted_prior(name: str, codes: Tensor, **options: Any) -> FittedPrior:
    """Fit a prior to codes, in single precision as a run does."""
    chosen = options_class(REGISTRY.part(FITTED_PRIOR, name), name).from_dict(options)
    prior = build_fitted_prior(REGISTRY, name, chosen, site(*codes.shape[1:], codes=len(codes)))
    prior.fit(codes)
    return prior.eval()


SMALL_FLOW = {"steps": 20, "transforms": 2, "hidden": (16,)}
LONGER = {**SMALL_FLOW, "steps": 200, "lr": 0.01}
QUICK: dict[str, dict[str, Any]] = {"maf": SMALL_FLOW, "nsf": SMALL_FLOW, "gmm": {"components": 3}}
"""Options that make a fit take no time."""


def two_clusters(count: int = 600, units: int = 3) -> Tensor:
    side = torch.randint(2, (count, 1)) * 6.0 - 3.0
    return side + 0.4 * torch.randn(count, units)


def model_with(prior: str, name: str = "vae.tiny", shape: tuple[int, int, int] = SHAPE, **options: Any) -> Autoencoder:
    fewer = {"prior.components": 4} if prior != "realnvp" else {}
    model = zoo.build(name, shape, train_size=100, prior=prior, **{**fewer, **options})
    assert isinstance(model, Autoencoder)
    return model


class TestMixture:
    @settings(deadline=None, max_examples=20)
    @given(components=st.integers(1, 5), units=st.integers(1, 6), seed=st.integers(0, 99))
    def test_equals_torch(self, components: int, units: int, seed: int) -> None:
        torch.manual_seed(seed)
        prior = MixturePrior(MixturePriorOptions(components=components), site(units)).double()
        for parameter in prior.parameters():
            parameter.data.normal_()
        wanted = torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(logits=prior.logits),
            torch.distributions.Independent(torch.distributions.Normal(prior.means, (prior.logvars / 2).exp()), 1),
        )
        z = torch.randn(7, 2, units, dtype=torch.float64)
        p = prior()
        close(p.log_prob(z), wanted.log_prob(z))
        close(p.mean, wanted.mean)

    def test_a_component_that_nothing_weighs_is_not_drawn(self) -> None:
        prior = MixturePrior(MixturePriorOptions(components=2), site(2))
        prior.means.data.copy_(torch.tensor([[5.0, 5.0], [-5.0, -5.0]]))
        prior.logits.data.copy_(torch.tensor([0.0, -50.0]))
        assert (prior().sample((200,)) > 0).all()

    def test_latents_of_any_shape(self) -> None:
        p = MixturePrior(MixturePriorOptions(components=3), site(2, 3, 4))()
        assert p.sample((5, 2)).shape == (5, 2, 2, 3, 4)
        assert p.log_prob(torch.randn(7, 2, 3, 4)).shape == (7,)


class TestVamp:
    def test_one_pseudo_input_is_its_posterior_in_closed_form(self) -> None:
        model = model_with("vamp", **{"prior.components": 1}).double().eval()
        prior = model.prior
        assert isinstance(prior, VampPrior)
        component = model.encode(prior.images)
        q = model.encode(batch_of(3).x.double())
        wanted = q.kl_to(component)
        assert wanted is not None
        z = q.rsample((40000,))
        found = kl(q, model.prior_distribution(), z)
        error = found.std(0) / math.sqrt(len(found))
        assert ((found.mean(0) - wanted.sum(-1)).abs() < 4 * error).all()
        close(model.prior_distribution().log_prob(z), component.log_prob(z))

    def test_is_the_mean_of_the_posteriors_of_its_pseudo_inputs(self) -> None:
        model = model_with("vamp").double().eval()
        prior = model.prior
        assert isinstance(prior, VampPrior)
        z = torch.randn(6, 4, dtype=torch.float64)
        each = torch.stack([model.encode(image.unsqueeze(0)).log_prob(z).exp() for image in prior.images])
        close(model.prior_distribution().log_prob(z), each.mean(0).log())

    @pytest.mark.parametrize("squash", ["hardtanh", "sigmoid"])
    @pytest.mark.parametrize("name", ["vae.tiny", "conv-vae.tiny"])
    def test_gradients_reach_pseudo_inputs_and_encoder(self, name: str, squash: str) -> None:
        model = model_with("vamp", name, (1, 12, 12), **{"prior.squash": squash})
        batch = batch_of(8, (1, 12, 12))
        # Black pixels, which a cut at 0 would hold for ever.
        batch.x[:, :, :6] = 0
        model.prepare(batch)
        model.loss(batch, START).loss.backward()
        gradient = model.prior.inputs.grad
        assert gradient is not None
        assert (gradient != 0).float().mean() > 0.9
        assert all(parameter.grad is not None for parameter in model.parameters())

    def test_the_rate_has_gradients_to_the_encoder_through_the_prior(self) -> None:
        model = model_with("vamp")
        p = model.prior_distribution()
        p.log_prob(torch.randn(3, 4)).sum().backward()
        assert all(parameter.grad is not None for parameter in model.encoder.parameters())

    def test_no_weight_has_two_names(self) -> None:
        model = model_with("vamp")
        assert [name for name in model.state_dict() if name.startswith("prior.")] == ["prior.inputs"]
        assert len(set(map(id, model.parameters()))) == len(list(model.named_parameters(remove_duplicate=False)))

    @pytest.mark.parametrize("squash", ["hardtanh", "sigmoid"])
    def test_starts_at_images_of_the_first_batch(self, squash: str) -> None:
        model = model_with("vamp", **{"prior.components": 7, "prior.squash": squash})
        batch = batch_of(3)
        model.prepare(batch)
        prior = model.prior
        assert isinstance(prior, VampPrior)
        assert (prior.images - batch.x[torch.arange(7) % 3]).abs().max() < 0.07
        assert not prior.images[0].equal(prior.images[3]), "copies of an image must be told apart"

    def test_random_pixels_stay_random(self) -> None:
        model = model_with("vamp", **{"prior.start": "random"})
        before = model.prior.inputs.detach().clone()
        model.prepare(batch_of(3))
        assert model.prior.inputs.equal(before)

    def test_images_stay_in_the_unit_interval(self) -> None:
        for squash in ("hardtanh", "sigmoid"):
            model = model_with("vamp", **{"prior.squash": squash})
            model.prior.inputs.data.normal_(std=30)
            assert ((model.prior.images >= 0) & (model.prior.images <= 1)).all()

    def test_running_statistics_are_of_images_alone(self) -> None:
        model, batch = model_with("vamp", "conv-vae.tiny", (1, 12, 12)).train(), batch_of(6, (1, 12, 12))
        model.encode(batch.x)
        wanted = {name: value.clone() for name, value in model.encoder.named_buffers()}
        for name, value in model.encoder.named_buffers():
            value.copy_(torch.ones_like(value) if "var" in name else torch.zeros_like(value))
        model.prior_distribution()
        model.encode(batch.x)
        model.prior_distribution()
        assert wanted
        assert all(value.equal(wanted[name]) for name, value in model.encoder.named_buffers())

    def test_train_and_eval_normalise_as_they_normalise_images(self) -> None:
        model = model_with("vamp", "conv-vae.tiny", (1, 12, 12))
        batch = batch_of(4, (1, 12, 12))
        model.prepare(batch)
        for training in (True, False):
            model.train(training)
            p = model.prior_distribution()
            assert isinstance(p, Mixture)
            # In training a batch of its own; in eval mode what the images left behind.
            torch.testing.assert_close(p.components.mean, model.encode(model.prior.images).mean)

    def test_nothing_is_kept_between_calls(self) -> None:
        model = model_with("vamp").eval()
        before = model.prior_distribution().mean
        model.encoder.head.layer.bias.data.add_(1.0)
        assert not model.prior_distribution().mean.allclose(before)

    def test_a_point_posterior_is_refused(self) -> None:
        with pytest.raises(ZooError, match="needs a posterior of independent units with a density, not a Delta"):
            model_with("vamp", "ae.tiny", (1, 12, 12))

    def test_other_families_are_mixed_too(self) -> None:
        model = model_with("vamp", posterior="gamma")
        assert (model.eval().prior_distribution().sample((9,)) > 0).all()
        assert model.loss(batch_of(), START).loss.isfinite()

    def test_the_named_model_trains_to_a_lower_rate_than_its_own_start(self) -> None:
        model = zoo.build("vamp-vae.tiny", SHAPE)
        batch = batch_of(16)
        with torch.no_grad():
            model.prepare(batch)
        optimiser = torch.optim.Adam(model.parameters(), 3e-3)
        losses = []
        for _ in range(40):
            optimiser.zero_grad()
            loss = model.loss(batch, START).loss
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        assert sum(losses[-5:]) < sum(losses[:5])


class TestOnAnyVae:
    @trained
    @pytest.mark.parametrize("name_of_model", ["vae.tiny", "conv-vae.tiny", "sigma-vae.tiny", "annealed-vae.tiny"])
    @pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 30, 17)], ids=str)
    def test_trains_and_draws(self, name: str, name_of_model: str, shape: tuple[int, int, int]) -> None:
        model, batch = model_with(name, name_of_model, shape), batch_of(3, shape)
        model.prepare(batch)
        terms = model.loss(batch, START)
        terms.loss.backward()
        bad = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.isfinite().all()]
        assert not bad
        model.eval()
        for options in (SampleOptions(), SampleOptions(0.5), SampleOptions(mean=0.2), SampleOptions(std=2.0)):
            assert model.sample(2, options).shape == (2, *shape)
        assert model.loss(batch_of(1, shape), START).loss.isfinite()
        p = model.prior_distribution()
        assert p.batch_shape == ()
        assert p.event_shape == p.point.shape == model.latent_shape

    @trained
    def test_double_precision(self, name: str) -> None:
        model = model_with(name).double().eval()
        p = model.prior_distribution()
        z = p.sample((3,))
        assert z.dtype == p.log_prob(z).dtype == torch.float64

    @trained
    def test_temperature_multiplies_the_spread(self, name: str) -> None:
        p = model_with(name).eval().prior_distribution()
        cool = p.tempered(1e-3)
        assert cool is not None
        torch.manual_seed(1)
        z = cool.sample((500,))
        if isinstance(p, FlowDistribution):
            torch.testing.assert_close(z, p.mean.expand_as(z), atol=0.05, rtol=0)
        else:
            assert isinstance(p, Mixture)
            assert torch.cdist(z, p.components.mean).min(1).values.max() < 0.05


@st.composite
def flows(draw: st.DrawFn) -> FlowDistribution:
    """A flow of any of the three kinds with weights that are far from the identity."""
    units, kind = draw(st.integers(1, 5)), draw(st.sampled_from(["realnvp", "maf", "nsf"]))
    torch.manual_seed(draw(st.integers(0, 99)))
    if kind == "realnvp":
        prior: Prior = RealNvpPrior(RealNvpPriorOptions(transforms=3, hidden=(8,)), site(units))
    else:
        options = options_class(REGISTRY.part(FITTED_PRIOR, kind), kind).from_dict({"transforms": 2, "hidden": (8,)})
        prior = build_fitted_prior(REGISTRY, kind, options, site(units))
        prior.loc.normal_()
        prior.scale.uniform_(0.5, 2)
    for parameter in prior.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    p = prior.double()()
    assert isinstance(p, FlowDistribution)
    return p


class TestFlows:
    @settings(deadline=None, max_examples=40)
    @given(flows())
    def test_the_density_is_that_of_the_jacobian(self, p: FlowDistribution) -> None:
        z = torch.randn(len(p.loc), dtype=torch.float64)

        def to_noise(z: Tensor) -> Tensor:
            noise: Tensor = p.inverse((z - p.loc) / p.scale)
            return noise

        log_det = torch.linalg.slogdet(torch.autograd.functional.jacobian(to_noise, z)).logabsdet
        base = -0.5 * (to_noise(z).square() + math.log(2 * math.pi)).sum()
        close(p.log_prob(z), base + log_det, 1e-6)

    @settings(deadline=None, max_examples=40)
    @given(flows())
    def test_the_inverse_is_one(self, p: FlowDistribution) -> None:
        noise = torch.randn(20, len(p.loc), dtype=torch.float64)
        close(p.inverse((p._image(noise) - p.loc) / p.scale), noise, 1e-5)

    @settings(deadline=None, max_examples=20)
    @given(flows(), st.sampled_from([(), (3,), (2, 3)]))
    def test_shapes(self, p: FlowDistribution, shape: tuple[int, ...]) -> None:
        z = p.sample(shape)
        assert z.shape == (*shape, len(p.loc))
        assert p.log_prob(z).shape == shape
        assert p.mean.shape == p.event_shape == (len(p.loc),)

    @pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
    def test_integrates_to_one(self, temperature: float) -> None:
        prior = RealNvpPrior(RealNvpPriorOptions(transforms=2, hidden=(8,)), site(2)).double()
        for parameter in prior.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
        p = prior().tempered(temperature)
        assert p is not None
        # By tangents, so that the grid reaches as far as the tails do.
        count = 1201
        angle = (torch.arange(count, dtype=torch.float64) + 0.5) / count * math.pi - math.pi / 2
        weight = math.pi / count / angle.cos() ** 2
        with torch.no_grad():
            density = p.log_prob(torch.cartesian_prod(angle.tan(), angle.tan())).exp()
        assert float(density @ torch.outer(weight, weight).flatten()) == pytest.approx(1, abs=1e-3)

    def test_latents_of_any_shape(self) -> None:
        p = RealNvpPrior(RealNvpPriorOptions(), site(2, 3))()
        z = p.rsample((4,))
        assert z.shape == (4, 2, 3)
        assert p.log_prob(z).shape == (4,)
        assert p.mean.shape == (2, 3)


class TestFittedDensities:
    def test_gaussian_equals_scipy(self) -> None:
        from scipy.stats import multivariate_normal

        codes = torch.randn(300, 4) @ torch.randn(4, 4) + 2
        prior = fitted_prior("gaussian", codes, reg=0.0)
        wanted = multivariate_normal(codes.double().numpy().mean(0), np.cov(codes.double().numpy().T)).logpdf(
            codes[:50]
        )
        close(prior().log_prob(codes[:50]), wanted, 1e-3)
        draws = prior().sample((40000,))
        close(draws.mean(0), codes.mean(0), 0.1)
        torch.testing.assert_close(draws.T.cov(), codes.T.cov(), rtol=0.1, atol=0.1)

    @pytest.mark.parametrize("covariance", ["full", "diag"])
    def test_mixture_equals_scikit_learn(self, covariance: str) -> None:
        from sklearn.mixture import GaussianMixture

        codes = two_clusters(400) @ torch.randn(3, 3)
        prior = fitted_prior("gmm", codes, components=3, covariance=covariance)
        p = prior()
        assert isinstance(p, Gaussians)
        estimator = GaussianMixture(3, covariance_type="full")
        estimator.weights_ = p.logits.double().softmax(-1).numpy()
        estimator.means_ = p.means.double().numpy()
        # scikit-learn keeps the transposed inverse of the Cholesky factors.
        estimator.precisions_cholesky_ = torch.linalg.inv(p.factors.double()).mT.numpy()
        close(p.log_prob(codes), estimator.score_samples(codes.double().numpy()), 1e-3)

    def test_mixture_finds_what_scikit_learn_finds(self) -> None:
        from sklearn.mixture import GaussianMixture

        codes = two_clusters(800)
        wanted = GaussianMixture(2, random_state=0).fit(codes.numpy()).score(codes.numpy())
        found = fitted_prior("gmm", codes, components=2)().log_prob(codes).mean()
        assert float(found) == pytest.approx(wanted, abs=1e-2)

    @pytest.mark.parametrize("bandwidth", [0.1, 0.5, 1.0])
    def test_kernels_equal_scipy(self, bandwidth: float) -> None:
        from scipy.stats import gaussian_kde

        codes = two_clusters(200) @ torch.randn(3, 3)
        wanted = gaussian_kde(codes.double().numpy().T, bw_method=bandwidth).logpdf(codes[:40].double().numpy().T)
        close(fitted_prior("kde", codes, bandwidth=bandwidth)().log_prob(codes[:40]), wanted, 1e-2)

    def test_kernels_equal_scikit_learn(self) -> None:
        from sklearn.neighbors import KernelDensity

        codes = torch.randn(150, 2)
        p = fitted_prior("kde", codes, bandwidth=0.3)()
        assert isinstance(p, Kernels)
        estimator = KernelDensity(bandwidth=0.3).fit(p.points.double().numpy())
        white = torch.linalg.solve(p.factor, (codes - p.centre).T).T
        wanted = estimator.score_samples(white.double().numpy()) - float(p.factor.diagonal().log().sum())
        close(p.log_prob(codes), wanted, 1e-3)

    def test_the_bandwidth_that_is_found_beats_rules_of_thumb(self) -> None:
        codes, held = two_clusters(1200), two_clusters(300)
        found = fitted_prior("kde", codes)().log_prob(held).mean()
        scott = len(codes) ** (-1 / 7)
        assert found > fitted_prior("kde", codes, bandwidth=scott)().log_prob(held).mean()

    @fitted
    def test_samples_have_the_moments_of_the_codes(self, name: str) -> None:
        codes = torch.randn(1000, 3) * torch.tensor([0.5, 1.0, 4.0]) + torch.tensor([3.0, 0.0, -8.0])
        options = LONGER if name in ("maf", "nsf") else {}
        draws = fitted_prior(name, codes, **options)().sample((4000,))
        assert ((draws.mean(0) - codes.mean(0)) / codes.std(0)).abs().max() < 0.25
        assert (draws.std(0) / codes.std(0) - 1).abs().max() < 0.25

    @pytest.mark.parametrize("name", ["gmm", "kde", "maf", "nsf"])
    def test_two_clusters_are_no_single_normal(self, name: str) -> None:
        codes, held = two_clusters(), two_clusters()
        options: dict[str, Any] = {"gmm": {"components": 2}, "kde": {}}.get(name, LONGER)
        better = fitted_prior(name, codes, **options)().log_prob(held).mean()
        assert better > fitted_prior("gaussian", codes)().log_prob(held).mean() + 0.3

    @fitted
    @settings(deadline=None, max_examples=3)
    @given(latent=st.sampled_from([(1,), (2,), (5,), (2, 3), (2, 2, 2)]), count=st.sampled_from([12, 60]))
    def test_latents_of_any_shape(self, name: str, latent: tuple[int, ...], count: int) -> None:
        torch.manual_seed(0)
        quick = {"maf": {"steps": 3}, "nsf": {"steps": 3}, "gmm": {"components": 2, "reg": 1e-2}}.get(name, {})
        p = fitted_prior(name, torch.randn(count, *latent), **quick)()
        for leading in ((), (4,), (3, 2)):
            z = p.sample(leading)
            assert z.shape == (*leading, *latent)
            assert p.log_prob(z).shape == leading
        assert p.mean.shape == p.event_shape == latent
        assert p.tempered(0.5).sample((2,)).shape == (2, *latent)

    @fitted
    def test_a_unit_that_never_changes_does_no_harm(self, name: str) -> None:
        codes = torch.cat([torch.randn(100, 2), torch.ones(100, 1)], 1)
        p = fitted_prior(name, codes, **QUICK.get(name, {}))()
        assert p.log_prob(codes).isfinite().all()
        assert p.sample((10,)).isfinite().all()

    @fitted
    def test_a_seed_gives_the_same_prior(self, name: str) -> None:
        codes, states = two_clusters(200), []
        for _ in range(2):
            torch.manual_seed(3)
            np.random.seed(None)  # nothing may depend on numpy's own generator
            states.append(fitted_prior(name, codes, **QUICK.get(name, {})).state_dict())
        assert all(states[1][key].equal(value) for key, value in states[0].items())

    @fitted
    def test_colder_samples_lie_closer(self, name: str) -> None:
        codes = torch.randn(300, 2)
        p = fitted_prior(name, codes, **{**QUICK.get(name, {}), **({"components": 1} if name == "gmm" else {})})()
        if name == "kde":
            assert isinstance(p, Kernels)
            assert float(p.tempered(0.1).bandwidth) == pytest.approx(0.1 * float(p.bandwidth))
        else:
            assert p.tempered(0.1).sample((300,)).std(0).max() < 0.3

    def test_whole_numbers_are_refused(self) -> None:
        with pytest.raises(ZooError, match="whole numbers"):
            fitted_prior("gmm", torch.randint(5, (30, 4)))

    def test_more_components_than_codes_are_refused(self) -> None:
        with pytest.raises(ZooError, match="--components 40: there are 30 codes"):
            fitted_prior("gmm", torch.randn(30, 2), components=40)

    def test_fewer_codes_than_units_need_a_reg(self) -> None:
        prior = fitted_prior("gaussian", torch.randn(3, 8), reg=0.1)
        assert prior().log_prob(torch.randn(2, 8)).isfinite().all()

    def test_no_warning_is_left(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted_prior("gmm", torch.zeros(30, 2) + torch.randint(2, (30, 1)), components=5, iterations=1)


class TestInterface:
    def test_another_prior_is_taken_if_it_covers_the_codes(self) -> None:
        model = zoo.build("vae.tiny", SHAPE, prior="gamma", posterior="gamma")
        assert isinstance(model, Autoencoder)
        model.take_prior(RealNvpPrior(RealNvpPriorOptions(), model.prior_site))
        assert isinstance(model.prior_distribution(), FlowDistribution)

    def test_one_that_does_not_is_refused(self) -> None:
        model = zoo.build("vae.tiny", SHAPE)
        assert isinstance(model, Autoencoder)
        with pytest.raises(ZooError, match="does not fit a prior on positive numbers"):
            model.take_prior(GammaPrior(GammaPriorOptions(), model.prior_site))

    def test_a_site_names_what_a_prior_needs(self) -> None:
        model = zoo.build("vae.tiny", SHAPE, train_size=7)
        assert isinstance(model, Autoencoder)
        assert model.prior_site.part("posterior", Posterior).latent_shape == (4,)
        assert isinstance(model.prior_site.part("encoder", Network), Network)
        assert model.prior_site.train_size == 7
        assert not any(name.startswith("_prior_site") for name in model.state_dict())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a plain and a variational run."""
    folder = tmp_path_factory.mktemp("priors")
    write_small(folder / "small.npz", 200)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("ae", "vae"):
            zoo.train(f"{name}.tiny", data="npz:small.npz", epochs=3, batch_size=50, out=f"runs/{name}")
    return folder


@pytest.fixture
def runs(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same in a folder of one's own."""
    shutil.copytree(shop, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestRuns:
    @fitted
    @pytest.mark.parametrize("model", ["ae", "vae"])
    def test_a_file_brings_the_prior_back_to_the_bit(self, runs: Path, model: str, name: str) -> None:
        run = zoo.fit(runs / model, name, **QUICK.get(name, {}))
        facts = run.priors[name]
        assert (facts["codes"], facts["held_out"], facts["seed"]) == (180, 20, 0)
        assert facts["provider"]["plugin"] == "priors"
        first, again = run.model, zoo.load(runs / model).with_prior(name).model
        assert isinstance(first, Autoencoder)
        assert isinstance(again, Autoencoder)
        z = torch.randn(9, *first.latent_shape)
        assert first.prior_distribution().log_prob(z).equal(again.prior_distribution().log_prob(z))
        draws = []
        for one in (first, again):
            torch.manual_seed(5)
            draws.append(one.sample(4))
        assert draws[0].equal(draws[1])

    @fitted
    def test_the_same_seed_gives_the_same_file(self, runs: Path, name: str) -> None:
        files = []
        for seed in (4, 4, 5):
            zoo.fit(runs / "vae", name, seed=seed, **QUICK.get(name, {}))
            files.append(digest(runs / "vae" / "priors" / f"{name}.safetensors"))
        assert files[0] == files[1] != files[2]
        assert [path.name for path in (runs / "vae" / "priors").iterdir()] == [f"{name}.safetensors"]

    def test_a_fit_leaves_the_callers_generator_alone(self, runs: Path) -> None:
        torch.manual_seed(8)
        wanted = torch.rand(3)
        torch.manual_seed(8)
        zoo.fit(runs / "ae", "kde")
        assert torch.rand(3).equal(wanted)

    def test_the_declared_prior_stays_what_it_was(self, runs: Path) -> None:
        zoo.fit(runs / "vae", "gmm", components=3)
        run = zoo.load(runs / "vae")
        assert run.prior is None
        assert isinstance(run.model, Autoencoder)
        assert isinstance(run.model.prior_distribution(), Normal)
        assert list(run.priors) == ["gmm"]
        assert digest(run.weights) == run.priors["gmm"]["weights"]

    def test_a_better_prior_lowers_the_rate_and_is_not_written_into_the_scores(self, runs: Path) -> None:
        before = (runs / "vae" / "scores.json").read_bytes()
        own = zoo.evaluate(runs / "vae")
        zoo.fit(runs / "vae", "gaussian")
        scores = zoo.evaluate(runs / "vae", prior="gaussian")
        assert scores["mse"] == own["mse"]
        assert scores["distortion"] == own["distortion"]
        assert scores["rate"] != own["rate"]
        assert scores["elbo"] == pytest.approx(-scores["distortion"] - scores["rate"], rel=1e-5)
        assert (runs / "vae" / "scores.json").read_bytes() == before

    def test_points_have_no_rate_whatever_the_prior(self, runs: Path) -> None:
        zoo.fit(runs / "ae", "gmm", components=2)
        scores = zoo.evaluate(runs / "ae", prior="gmm")
        assert scores["rate"] is None
        assert scores["mse"] == zoo.evaluate(runs / "ae")["mse"]

    def test_held_out_likelihood_is_that_of_the_file(self, runs: Path) -> None:
        found = zoo.fit(runs / "ae", "gaussian").priors["gaussian"]["log_likelihood"]
        assert found["fitted"] > found["declared"]

    def test_limit_takes_fewer_images(self, runs: Path) -> None:
        assert zoo.fit(runs / "ae", "gaussian", limit=50).priors["gaussian"]["codes"] == 45

    def test_a_prior_of_other_weights_is_refused(self, runs: Path) -> None:
        zoo.fit(runs / "vae", "gaussian")
        other = zoo.train("vae.tiny", data="npz:small.npz", epochs=1, seed=9, out=str(runs / "other"))
        shutil.copytree(runs / "vae" / "priors", other.path / "priors")
        with pytest.raises(
            ZooError, match="fitted before the run was trained to what it is; fit it again with 'zoo fit"
        ):
            _ = other.with_prior("gaussian").model

    def test_a_prior_that_was_not_fitted(self, runs: Path) -> None:
        with pytest.raises(ZooError, match=r"has no fitted prior 'kde' yet; fit it with 'zoo fit .*vae --prior kde'"):
            zoo.load(runs / "vae").with_prior("kde")

    def test_a_damaged_file(self, runs: Path) -> None:
        run = zoo.fit(runs / "vae", "gaussian")
        path = run.prior_file("gaussian")
        path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(ZooError, match="truncated"):
            _ = zoo.load(runs / "vae").with_prior("gaussian").model

    def test_a_file_by_itself_takes_priors_too(self, runs: Path) -> None:
        zoo.fit(runs / "vae" / "model.safetensors", "gaussian")
        assert isinstance(zoo.load(runs / "vae" / "model.safetensors").with_prior("gaussian"), Run)

    def test_wrong_options(self, runs: Path) -> None:
        with pytest.raises(ZooError, match="unknown fitted-prior 'gmn'; did you mean 'gmm'"):
            zoo.fit(runs / "vae", "gmn")
        with pytest.raises(ZooError, match="no option 'compnents'; did you mean 'components'"):
            zoo.fit(runs / "vae", "gmm", compnents=3)
        assert not (runs / "vae" / "priors").exists()

    def test_a_vamp_run_comes_back_to_the_bit(self, runs: Path) -> None:
        made = [
            zoo.train("vamp-vae.tiny", data="npz:small.npz", batch_size=50, seed=2, out=str(runs / f"vamp-{i}"))
            for i in range(2)
        ]
        first, again = (run.model.state_dict() for run in made)
        assert all(value.equal(again[key]) for key, value in first.items())
        x = batch_of(2, (1, 12, 12)).x
        assert isinstance(made[0].model, Autoencoder)
        assert made[0].model.reconstruct(x).equal(zoo.load(made[0].path).model.reconstruct(x))  # type: ignore[attr-defined]


Here = Callable[..., Done]


class TestCommands:
    def test_from_training_to_scores(self, zoo_here: Here, small: str) -> None:
        zoo_here("train", "ae.tiny", "--data", small, "--out", "runs/a")
        plain = zoo_here("sample", "runs/a", "-n", "4")
        assert plain.lines == [
            "its codes are points; a prior fitted to them may draw better: 'zoo fit runs/a --prior gmm'"
        ]
        told = zoo_here("fit", "runs/a", "--prior", "gmm", "--components", "2", "--reg", "1e-3")
        assert told.out.startswith("runs/a/priors/gmm.safetensors  held-out log-likelihood ")
        assert "nats per image, against" in told.out
        assert "of the declared prior 'normal'; 58 codes, 6 held out" in told.out
        assert told.lines == ["fitting gmm to the codes of runs/a"]
        again = zoo_here("fit", "runs/a", "--prior", "gmm", "--components", "3", "--reg", "1e-3", "--json")
        assert again.lines[1:] == ["replaced the earlier runs/a/priors/gmm.safetensors"]
        document = json.loads(again.out)
        assert document["replaced"] is True
        assert document["options"]["components"] == 3
        drawn = zoo_here("sample", "runs/a", "--prior", "gmm", "--out", "s.npz")
        assert drawn.lines == []
        scored = zoo_here("evaluate", "runs/a", "--prior", "gmm", "--json")
        assert json.loads(scored.out)["prior"] == "gmm"

    def test_what_is_shown(self, runs: Path, zoo_here: Here) -> None:
        zoo_here("fit", "runs/vae", "--prior", "kde", "--limit", "60")
        assert list(json.loads(zoo_here("show", "runs/vae", "--json").out)["priors"]) == ["kde"]
        assert "\nkde\t54\t" in zoo_here("show", "runs/vae").out
        assert "draw better: 'zoo sample runs/ae --prior" not in zoo_here("sample", "runs/ae").err
        zoo_here("fit", "runs/ae", "--prior", "gaussian")
        assert "draw better: 'zoo sample runs/ae --prior gaussian'" in zoo_here("sample", "runs/ae").err
        assert zoo_here("sample", "runs/vae").err == ""
        assert zoo_here("sample", "runs/ae", "--std", "2").err == ""

    def test_help_shows_the_options_of_the_prior(self, zoo_here: Here) -> None:
        assert "--components INTEGER" in zoo_here("fit", "--prior", "gmm", "--help").out
        assert "--bins" in zoo_here("fit", "--prior=nsf", "--help").out
        assert "--components" not in zoo_here("fit", "--help").out.partition("Run")[2]

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("fit", "runs/vae"), "which prior? Add --prior NAME (there are gaussian, gmm, kde, maf, nsf, pixelcnn)"),
            (("fit", "runs/vae", "--prior", "gnm"), "unknown fitted-prior 'gnm'; did you mean 'gmm'?"),
            (("fit", "runs/vae", "--prior", "gmm", "--bins", "3"), "no such option: --bins"),
            (("fit", "runs/vae", "--prior", "gmm", "--components", "0"), "--components must be at least 1, got 0"),
            (("fit", "runs/vae", "--prior", "gmm", "--components", "999"), "--components 999: there are 180 codes"),
            (("fit", "runs/nowhere", "--prior", "gmm"), "there is no run at runs/nowhere"),
            (("fit", "vae", "--prior", "gmm"), "'vae' is a model, not a run"),
            (("sample", "runs/vae", "--prior", "gmm"), "has no fitted prior 'gmm' yet; fit it with 'zoo fit runs/vae"),
            (("sample", "runs/vae", "--prior", "gamma"), "unknown fitted-prior 'gamma'"),
            (("evaluate", "runs/vae", "--prior", "kde"), "has no fitted prior 'kde' yet"),
        ],
    )
    def test_mistakes_are_one_line(self, runs: Path, zoo_here: Here, words: tuple[str, ...], told: str) -> None:
        done = zoo_here(*words, code=2)
        assert told in done.lines[-1]
        assert [line for line in done.lines if line.startswith("zoo: ")] == done.lines[-1:]
        assert done.out == ""
