"""Bounds on log p(x): against a model whose marginal likelihood is known, and against each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Done, write_small
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo import Batch, LatentModel, Measure, Step, Subject
from zoo.distributions import Delta, Distribution, Normal
from zoo.evaluation.measure import Asked, measure
from zoo.registry import load_registry
from zoo_likelihood import iwae_bound
from zoo_likelihood.annealed_bound import AnnealedBound
from zoo_likelihood.annealing import Ladder, anneal, anneal_back, sigmoidal, tuned_steps
from zoo_likelihood.densities import rate_weight
from zoo_likelihood.hmc import Joint, evaluate, transition
from zoo_likelihood.iwae_bound import IwaeBound, importance_weighted_bound
from zoo_likelihood.options import AnnealedBoundOptions, IwaeBoundOptions
from zoo_likelihood.weights import Weights

START = Step.of(0, 0, 0)
NOISE = 0.7
LATENTS, PIXELS = 10, 20
Here = Callable[..., Done]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class Gaussian(LatentModel):
    """A linear Gaussian model, whose marginal likelihood and posterior are known."""

    def __init__(self, widen: float = 1.0) -> None:
        draw = torch.Generator().manual_seed(3)
        spread = torch.linspace(1.5, 0.5, LATENTS, dtype=torch.float64)
        self.weight = torch.linalg.qr(torch.randn(PIXELS, LATENTS, generator=draw, dtype=torch.float64)).Q * spread
        self.precision = 1 + self.weight.square().sum(0) / NOISE**2
        self.widen = widen

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        loc = x.flatten(1) @ self.weight / NOISE**2 / self.precision
        return Normal(loc, (self.widen * self.precision**-0.5).expand_as(loc))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        loc = (z @ self.weight.T).unflatten(-1, (1, 4, 5))
        return Normal(loc, torch.tensor(NOISE, dtype=torch.float64), event_ndim=3)

    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        return Normal(torch.zeros(LATENTS).double(), torch.ones(LATENTS).double())

    def rate_weight(self, step: Step) -> float:
        return 1.0

    @property
    def marginal(self) -> torch.distributions.MultivariateNormal:
        covariance = self.weight @ self.weight.T + NOISE**2 * torch.eye(PIXELS).double()
        return torch.distributions.MultivariateNormal(torch.zeros(PIXELS).double(), covariance)

    def images(self, count: int) -> Tensor:
        return self.marginal.sample((count,)).reshape(count, 1, 4, 5)

    def log_marginal(self, x: Tensor) -> Tensor:
        return self.marginal.log_prob(x.flatten(1))

    def joint(self, x: Tensor) -> Joint:
        prior = self.prior_distribution()
        return lambda z: (prior.log_prob(z), self.decode(z).log_prob(x))


class Point(Gaussian):
    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        return Delta(x.flatten(1)[:, :LATENTS])


class Steps(Gaussian):
    """A decoder with steps, along which nothing can be moved."""

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        return super().decode(z.detach().round())


def subject_of(model: object, x: Tensor, y: dict[str, Tensor] | None = None, block: int = 500) -> Subject:
    labels = y or {}

    def blocks() -> Iterator[Batch]:
        for i in range(0, len(x), block):
            rows = slice(i, i + block)
            part = {name: value[rows] for name, value in labels.items()}
            yield Batch(x[rows], part, torch.arange(len(x))[rows])

    return Subject(model, START, blocks)  # type: ignore[arg-type]


@torch.no_grad()
def iwae_of(model: object, x: Tensor, **options: int) -> Measure:
    return IwaeBound(IwaeBoundOptions(**options), subject_of(model, x)).compute()


@torch.no_grad()
def annealed_of(model: object, x: Tensor, **options: int) -> Measure:
    return AnnealedBound(AnnealedBoundOptions(**options), subject_of(model, x)).compute()


def number(found: Measure) -> float:
    assert isinstance(found.value, float)
    return found.value


class TestWeights:
    @given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(1, 4), st.floats(0.1, 300))
    @settings(max_examples=30, deadline=None)
    def test_are_summed_as_at_once(self, sizes: list[int], images: int, spread: float) -> None:
        log_w, k = spread * torch.randn(sum(sizes), images).double(), sum(sizes)
        weights = Weights(torch.zeros(images, 1, 2, 2))
        for part in log_w.split(sizes):
            weights.add(part)
        found = weights.bound()
        torch.testing.assert_close(found.value, log_w.logsumexp(0) - math.log(k))
        torch.testing.assert_close(found.effective_samples, 1 / log_w.softmax(0).square().sum(0))
        halves = [half.logsumexp(0) - math.log(len(half)) for half in (log_w[::2], log_w[1::2]) if len(half)]
        shares = [(k + 1) // 2 / k, k // 2 / k]
        below = sum(share * half for share, half in zip(shares, halves, strict=False))
        torch.testing.assert_close(found.rise, found.value - below)
        assert bool((found.rise >= -1e-9 * spread).all())

    def test_the_rise_is_that_of_the_last_doubling(self) -> None:
        model = Gaussian(widen=1.5)
        x = model.images(3000)
        found, half = importance_weighted_bound(model, x, 20), importance_weighted_bound(model, x, 10)
        assert float(found.rise.mean()) == pytest.approx(float((found.value - half.value).mean()), abs=0.02)


class TestIwaeBound:
    def test_is_exact_with_one_code_of_the_exact_posterior(self) -> None:
        model = Gaussian()
        x = model.images(7)
        found = importance_weighted_bound(model, x, 1)
        torch.testing.assert_close(found.value, model.log_marginal(x))
        torch.testing.assert_close(found.effective_samples, torch.ones(7).double())

    def test_rises_with_k_to_the_likelihood_from_below(self) -> None:
        model = Gaussian(widen=1.5)
        x = model.images(1000)
        exact = float(model.log_marginal(x).mean())
        found = {k: iwae_of(model, x, k=k) for k in (1, 10, 100, 5000)}
        means = [number(one) for one in found.values()]
        assert means == sorted(means)
        assert means[0] < exact - 1
        assert means[2] < exact
        assert abs(means[3] - exact) < 0.05
        assert [bool(one.warning) for one in found.values()] == [True, True, False, False]

    def test_what_has_not_converged_is_told(self) -> None:
        model = Gaussian(widen=4)
        found = iwae_of(model, model.images(20), k=10)
        assert found.warning.startswith("L_10 has not converged: the last doubling of k added")
        assert found.details["few_samples"] > 0.5
        one = iwae_of(model, model.images(20), k=1)
        assert "one code of each image cannot tell" in one.warning
        assert "rise" not in one.details
        assert iwae_of(Gaussian(), model.images(20), k=4).warning == ""

    def test_streams_what_is_computed_at_once(self) -> None:
        model, k = Gaussian(widen=2), 47
        x = model.images(5)
        torch.manual_seed(4)
        found = importance_weighted_bound(model, x, k)
        torch.manual_seed(4)
        q = model.encode(x)
        z = torch.cat([q.rsample((iwae_bound.DRAWN,)) for _ in range(3)])[:k]
        log_w = model.decode(z).log_prob(x) + model.prior_distribution().log_prob(z) - q.log_prob(z)
        torch.testing.assert_close(found.value, log_w.logsumexp(0) - math.log(k))

    @pytest.mark.parametrize("k", [1, 19, 20, 47, 130])
    def test_draws_that_are_decoded_together_are_the_same(self, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
        model = Gaussian(widen=2)
        x, values = model.images(3), []
        for pixels in (1, 20 * 3 * 20 * 2, 2**30):
            monkeypatch.setattr(iwae_bound, "PIXELS", pixels)
            torch.manual_seed(4)
            values.append(importance_weighted_bound(model, x, k).value)
            assert torch.rand(()) == values_after(model, x, k)
        torch.testing.assert_close(values[1], values[0], rtol=1e-12, atol=0)
        torch.testing.assert_close(values[2], values[0], rtol=1e-12, atol=0)

    def test_a_gpu_is_not_waited_for(self) -> None:
        for name in ("vae", "conv-vae", "sigma-vae"):
            model = zoo.build(f"{name}.tiny", (1, 8, 8), beta="linear:0.5..1@10" if name == "vae" else 0.5).eval()
            beta = rate_weight(model, Step.of(3, 0, 0))  # type: ignore[arg-type]  # a LatentModel
            watch = Reads()
            with watch:
                importance_weighted_bound(model, torch.rand(3, 1, 8, 8), 60, beta=beta)  # type: ignore[arg-type]
            assert watch.count == 0

    def test_takes_the_first_images(self) -> None:
        x = Gaussian().images(30)
        found = IwaeBound(IwaeBoundOptions(images=25, k=3), subject_of(Gaussian(), x, block=10)).compute()
        assert found.details["images"] == 25
        assert found.per_image is not None
        torch.testing.assert_close(found.per_image, Gaussian().log_marginal(x[:25]))

    def test_one_code_is_the_elbo_in_expectation(self) -> None:
        model = Gaussian(widen=1.5)
        x = model.images(1).expand(20_000, -1, -1, -1)
        elbo = model.log_marginal(x[:1]) - torch.distributions.kl_divergence(
            *(
                torch.distributions.Normal(one.loc, one.scale)
                for one in map(normal, (model, Gaussian()), (x[:1], x[:1]))
            )
        ).sum(-1)
        assert number(iwae_of(model, x, k=1, images=20_000)) == pytest.approx(float(elbo), abs=0.05)

    @pytest.mark.parametrize("beta", [0.11, 1.0, 4.0])
    def test_a_squared_error_with_a_beta_is_a_gaussian(self, beta: float) -> None:
        squared = zoo.build("linear-vae", (1, 4, 5), latent_dim=2, beta=beta).double().eval()
        options = {"likelihood": "gaussian", "sigma": "fixed", "likelihood.std": math.sqrt(beta / 2)}
        gaussian = zoo.build("linear-vae", (1, 4, 5), latent_dim=2, **options).double().eval()
        gaussian.load_state_dict({**gaussian.state_dict(), **squared.state_dict()})
        x = Gaussian().images(4)
        one, other = (number(iwae_of(model, x, k=30)) for model in (squared, gaussian))
        assert one == pytest.approx(other, rel=1e-6)

    @pytest.mark.parametrize("name", ["vae", "conv-vae", "sigma-vae", "beta-tc-vae", "iwae", "iaf-vae", "svae"])
    def test_models_of_the_registry_have_one(self, name: str) -> None:
        found = iwae_of(zoo.build(f"{name}.tiny", (1, 8, 8)).eval(), torch.rand(5, 1, 8, 8), k=25)
        # The total correlation's loss has no one weight of the rate, but its likelihood is normalised.
        assert found.value is not None
        assert found.details["k"] == 25
        assert 1 <= found.details["effective_samples"] <= 25

    @pytest.mark.parametrize(
        ("name", "options", "reason"),
        [
            ("ae", {}, "a posterior that is a point has no density"),
            ("conv-vae", {"beta": 0}, "its likelihood is no density: a squared error is one only"),
            ("vq-vae", {}, "its likelihood is no density: a squared error is one only"),
        ],
    )
    def test_none_comes_with_a_reason(self, name: str, options: dict[str, float], reason: str) -> None:
        found = iwae_of(zoo.build(f"{name}.tiny", (1, 8, 8), **options).eval(), torch.rand(5, 1, 8, 8))
        assert found.value is None
        assert found.reason.startswith(reason)

    def test_a_point_stops_at_once(self) -> None:
        assert iwae_of(Point(), Gaussian().images(2), k=10**9).value is None


def values_after(model: Gaussian, x: Tensor, k: int) -> Tensor:
    """What torch draws next, after the codes of k samples."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        for _ in range(0, k, iwae_bound.DRAWN):
            model.encode(x).rsample((iwae_bound.DRAWN,))
        return torch.rand(())


class Reads(TorchDispatchMode):
    """Counts how often a number is read from a tensor."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += torch.Tag.data_dependent_output in func.tags
        return func(*args, **(kwargs or {}))


def normal(model: Gaussian, x: Tensor) -> Normal:
    q = model.encode(x)
    assert isinstance(q, Normal)
    return q


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> zoo.Run:
    """A small VAE that has learnt where bars are."""
    folder: Path = tmp_path_factory.mktemp("trained")
    write_small(folder / "small.npz", 640)
    return zoo.train("vae.tiny", data=f"npz:{folder / 'small.npz'}", out=folder / "run", epochs=6)


class TestTrained:
    def test_the_bound_rises_with_k(self, trained: zoo.Run) -> None:
        rows = [zoo.evaluate(trained.path, metrics={"iwae-bound": {"k": k}}) for k in (1, 10, 100, 1000)]
        values = [row["iwae_bound"] for row in rows]
        assert values == sorted(values)
        assert rows[0]["elbo"] == pytest.approx(values[0], abs=2)

    def test_it_does_not_depend_on_how_much_is_decoded_at_once(
        self, trained: zoo.Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values = []
        for pixels in (1, 144 * 20 * 5, 2**24):
            monkeypatch.setattr(iwae_bound, "PIXELS", pixels)
            values.append(zoo.evaluate(trained.path, metrics={"iwae-bound": {"k": 50}})["iwae_bound"])
        assert values == pytest.approx([values[0]] * 3, abs=1e-4)

    def test_both_bounds_agree_where_both_are_tight(self, trained: zoo.Run) -> None:
        asked = {
            "iwae-bound": {"k": 5000},
            "annealed-bound": {"temperatures": 40, "leaps": 4, "chains": 10, "simulated": 8},
        }
        found = zoo.evaluate(trained.path, metrics=asked)
        assert found["annealed_bound"] == pytest.approx(found["iwae_bound"], abs=0.3)
        assert found["annealed_bound.simulated"] == 8


class TestTransitions:
    @given(st.integers(1, 3), st.integers(1, 4), st.floats(0, 1))
    @settings(max_examples=10, deadline=None)
    def test_short_steps_are_always_taken(self, chains: int, images: int, power: float) -> None:
        model = Gaussian()
        joint, z = model.joint(model.images(images)), torch.randn(chains, images, LATENTS).double()
        moved, chance = transition(joint, evaluate(joint, z), power, torch.tensor(1e-4).double(), 3)
        torch.testing.assert_close(chance, torch.ones(chains, images).double(), rtol=0, atol=1e-4)
        assert not torch.equal(moved.z, z)
        torch.testing.assert_close(moved.likelihood_slope, evaluate(joint, moved.z).likelihood_slope)

    def test_they_leave_the_posterior_as_it_is(self) -> None:
        model = Gaussian()
        x = model.images(1)
        joint, q = model.joint(x), normal(model, x)
        state = evaluate(joint, q.rsample((4000,)))
        for _ in range(5):
            state, chance = transition(joint, state, 1.0, torch.tensor(0.7).double(), 4)
        assert 0.3 < float(chance.mean()) < 0.95
        standard = (state.z - q.loc) / q.scale
        assert float(standard.mean(0).abs().max()) < 0.08
        assert float((standard.std(0) - 1).abs().max()) < 0.06

    def test_a_trajectory_that_runs_off_is_refused(self) -> None:
        model = Gaussian()
        joint, z = model.joint(model.images(2)), torch.randn(3, 2, LATENTS).double()
        state, chance = transition(joint, evaluate(joint, z), 1.0, torch.tensor(1e200).double(), 10)
        assert torch.equal(state.z, z)
        assert float(chance.max()) == 0


class TestAnnealing:
    @given(st.integers(1, 50))
    def test_powers_rise_from_nothing_to_one(self, count: int) -> None:
        powers = sigmoidal(count)
        assert (len(powers), powers[0], powers[-1]) == (count + 1, 0, 1)
        assert powers == sorted(set(powers))
        assert [1 - power for power in reversed(powers)] == pytest.approx(powers)

    def test_one_temperature_is_importance_sampling_from_the_prior(self) -> None:
        model = Gaussian()
        x, z = model.images(3), torch.randn(5, 3, LATENTS).double()
        ladder = Ladder(sigmoidal(1), 3)
        steps = tuned_steps(model.joint(x), z, ladder)
        for run in (anneal, anneal_back):
            torch.testing.assert_close(run(model.joint(x), z, ladder, steps), model.decode(z).log_prob(x))

    def test_step_sizes_are_accepted_as_often_as_they_aim_at(self) -> None:
        model = Gaussian()
        x = model.images(50)
        steps = tuned_steps(model.joint(x), torch.randn(4, 50, LATENTS).double(), Ladder(sigmoidal(60), 4))
        assert steps.shape == (59, 50)
        state = evaluate(model.joint(x), normal(model, x).rsample((20,)))
        _, chance = transition(model.joint(x), state, 1.0, steps[-1], 4)
        assert float(chance.mean()) == pytest.approx(0.65, abs=0.1)

    def test_weights_are_unbiased_both_ways(self) -> None:
        model = Gaussian()
        x, ladder = model.images(1), Ladder(sigmoidal(40), 3)
        joint = model.joint(x)
        steps = tuned_steps(joint, torch.randn(2, 1, LATENTS).double(), ladder)
        below = anneal(joint, torch.randn(3000, 1, LATENTS).double(), ladder, steps)
        above = anneal_back(joint, normal(model, x).rsample((3000,)), ladder, steps)
        exact = float(model.log_marginal(x))
        assert float(below.mean()) < exact < float(above.mean())
        assert float(below.logsumexp(0)) - math.log(3000) == pytest.approx(exact, abs=0.1)
        assert math.log(3000) - float((-above).logsumexp(0)) == pytest.approx(exact, abs=0.1)


class TestAnnealedBound:
    def test_finds_the_likelihood_and_a_narrow_gap(self) -> None:
        model = Gaussian()
        x = model.images(1000)
        found = annealed_of(model, x, images=1000, temperatures=150, chains=10, leaps=3, simulated=200)
        exact = float(model.log_marginal(x).mean())
        assert abs(number(found) - exact) < 0.05
        assert -0.02 < found.details["gap"] < 0.1
        assert found.warning == ""
        assert found.per_image is not None
        assert number(found) == pytest.approx(float(found.per_image.mean()))

    def test_is_below_with_few_temperatures_and_says_so(self) -> None:
        model = Gaussian()
        x = model.images(200)
        found = annealed_of(model, x, images=200, temperatures=3, chains=2, leaps=2, simulated=200)
        assert number(found) < float(model.log_marginal(x).mean()) - 0.3
        assert found.details["gap"] > 0.5
        assert found.warning.startswith(f"on simulated images the bounds are {found.details['gap']:.2f} nats apart")

    def test_the_gap_may_be_left_out(self) -> None:
        found = annealed_of(Gaussian(), Gaussian().images(3), temperatures=2, simulated=0)
        assert "gap" not in found.details

    def test_asks_nothing_of_the_encoder(self) -> None:
        x = Gaussian().images(3)
        assert annealed_of(Point(), x, temperatures=4).value == annealed_of(Gaussian(), x, temperatures=4).value

    @pytest.mark.parametrize("name", ["conv-vae", "vamp-vae", "ladder-vae", "iaf-vae"])
    def test_models_of_the_registry_have_one(self, name: str) -> None:
        model = zoo.build(f"{name}.tiny", (1, 8, 8)).eval()
        found = annealed_of(model, torch.rand(4, 1, 8, 8).round(), temperatures=5, leaps=2, simulated=2)
        assert math.isfinite(number(found))
        assert math.isfinite(found.details["gap"])
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_a_model_that_is_told_labels_has_one(self, zoo_here: Here, small: str) -> None:
        zoo.train("cvae.tiny", data=small, out="runs/told")
        asked = {"annealed-bound": {"temperatures": 5, "leaps": 2, "simulated": 3}}
        assert math.isfinite(zoo.evaluate("runs/told", metrics=asked)["annealed_bound"])

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("ae", "its likelihood is no density"),
            ("vq-vae", "its codes are not on the real line"),
            ("fsq-vae", "its codes are not on the real line"),
            ("svae", "its codes are not on the real line"),
        ],
    )
    def test_none_comes_with_a_reason(self, name: str, reason: str) -> None:
        found = annealed_of(zoo.build(f"{name}.tiny", (1, 8, 8)).eval(), torch.rand(5, 1, 8, 8))
        assert found.value is None
        assert found.reason.startswith(reason)

    def test_needs_a_decoder_with_a_slope(self) -> None:
        found = annealed_of(Steps(), Gaussian().images(2), temperatures=3)
        assert (found.value, found.reason) == (
            None,
            "its prior or its decoder has no gradient in a code, which moves the chains",
        )

    def test_is_repeatable_and_leaves_no_trace(self) -> None:
        model = zoo.build("vae.tiny", (1, 8, 8)).train()
        spec = load_registry(third_party=False).metric("annealed-bound").item
        asked = [Asked("annealed-bound", spec, AnnealedBoundOptions(temperatures=3, leaps=2, simulated=2))]
        before = torch.get_rng_state()
        one, other = (measure(subject_of(model, torch.ones(3, 1, 8, 8)), asked)["annealed-bound"] for _ in range(2))
        assert one == other
        assert torch.equal(before, torch.get_rng_state())
        assert model.training
