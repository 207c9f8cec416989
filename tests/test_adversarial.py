"""Losses with an adversary: two players that never move each other's weights, and a ratio of densities between them."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import zoo
from zoo import Batch, Diverged, LatentModel, Part, Player, Posterior, Site, Step, ZooError
from zoo.compositions.autoencoder import Autoencoder
from zoo.distributions import Delta, Distribution, Normal, SquaredError
from zoo.experiment import resume
from zoo.registry import load_registry
from zoo.training.diagnosis import remedy
from zoo.training.options import TrainOptions
from zoo.training.players import Optimisers
from zoo.training.progress import Progress, Silent
from zoo_adversarial.adversarial import Adversarial
from zoo_adversarial.discriminator import Discriminator, cross_entropy
from zoo_adversarial.factor import Factor, permute_units
from zoo_adversarial.options import AdversarialOptions, DiscriminatorOptions, FactorOptions

START = Step.of(0, 0, 0)
NAMES = ["factor-vae", "aae"]
OPTIMISERS = ["adam", "adamw", "adamax", "nadam", "sgd"]

both = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def close(found: Tensor, wanted: Tensor | float, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(found, torch.as_tensor(wanted, dtype=found.dtype), rtol=tolerance, atol=tolerance)


def batch_of(count: int = 8, shape: tuple[int, int, int] = (1, 12, 12)) -> Batch:
    return Batch(torch.rand(count, *shape), {}, torch.arange(count))


def tiny(name: str, shape: tuple[int, int, int] = (1, 12, 12), **options: Any) -> Autoencoder:
    model = zoo.build(f"{name}.tiny", shape, train_size=100, **options)
    assert isinstance(model, Autoencoder)
    return model


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def moved(model: nn.Module, before: Mapping[str, Tensor]) -> set[str]:
    return {name for name, value in model.named_parameters() if not value.equal(before[name])}


def adversaries_names(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_parameters() if name.startswith("objective.discriminator")}


class Head(Posterior):
    """A posterior of two units, for sites."""

    latent_shape = (2,)

    def forward(self, features: Tensor) -> Distribution:
        raise NotImplementedError


def site(size: int = 2) -> Site:
    head: Part = Head()
    head.latent_shape = (size,)
    return Site((1, 2, 3), 100, {"posterior": head})


class Fixed(LatentModel):
    """A model whose posterior is given, and whose picture is the sum of the code."""

    def __init__(self, q: Distribution, p: Distribution) -> None:
        self.q, self.p = q, p

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        return self.q

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        return SquaredError(z.sum(-1)[..., None, None, None].expand(*z.shape[:-1], 1, 2, 3))

    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        return self.p

    def rate_weight(self, step: Step) -> None:
        return None


class Logit(nn.Module):
    """A discriminator that is given."""

    def __init__(self, logit: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, z: Tensor) -> Tensor:
        return self.logit(z)


def standard(units: int) -> Normal:
    return Normal(torch.zeros(units).double(), torch.ones(units).double())


def normal_logit(covariance: Tensor) -> Callable[[Tensor], Tensor]:
    """log N(z; 0, S) - sum_j log N(z_j; 0, S_jj): what the best discriminator of the FactorVAE answers."""
    whole = torch.distributions.MultivariateNormal(torch.zeros(len(covariance)).double(), covariance)
    units = torch.distributions.Normal(torch.zeros(len(covariance)).double(), covariance.diagonal().sqrt())
    return lambda z: whole.log_prob(z) - units.log_prob(z).sum(-1)


class TestPlayers:
    @both
    @pytest.mark.parametrize("optimizer", OPTIMISERS)
    def test_neither_moves_the_others_weights(self, name: str, optimizer: str) -> None:
        """To the bit; and a step of both is the step of each."""
        options, batch = TrainOptions(optimizer=optimizer), batch_of()
        start = tiny(name).state_dict()

        def after(who: list[str]) -> tuple[set[str], dict[str, Tensor], Autoencoder]:
            model = tiny(name)
            model.load_state_dict(start)
            before = weights(model)
            players = {player: value for player, value in model.players().items() if player in who}
            torch.manual_seed(5)
            Optimisers(players, options).step(model.loss(batch, START), 0, 1e-2)
            return moved(model, before), weights(model), model

        changed, first, model = after(["discriminator"])
        assert changed
        assert changed <= adversaries_names(model)
        # Not even a gradient: what the discriminator learns from is cut from the encoder.
        assert all(v.grad is None for n, v in model.named_parameters() if n not in adversaries_names(model))
        changed, second, model = after(["model"])
        assert changed
        assert not changed & adversaries_names(model)
        changed, together, model = after(["model", "discriminator"])
        for key, value in together.items():
            assert value.equal((first if key in adversaries_names(model) else second)[key]), key

    @both
    def test_everyone_is_owned_once(self, name: str) -> None:
        players = tiny(name).players()
        assert list(players) == ["model", "discriminator"]
        owned = [id(value) for player in players.values() for value in player.parameters.values()]
        model = tiny(name)
        assert len(owned) == len(set(owned)) == len(list(model.parameters()))

    @both
    def test_moves_every_nth_step_and_keeps_no_gradient_between(self, name: str) -> None:
        model = tiny(name, discriminator_every=3)
        optimisers = Optimisers(model.players(), TrainOptions())
        turns = []
        for count in range(7):
            for value in model.objective.parameters():
                value.grad = None
            before = weights(model)
            optimisers.step(model.loss(batch_of(), START), count, 1e-3)
            turns.append(bool(moved(model, before) & adversaries_names(model)))
            if not turns[-1]:
                assert all(value.grad is None for value in model.objective.parameters())
        assert turns == [count % 3 == 0 for count in range(7)]

    @pytest.mark.parametrize("optimizer", OPTIMISERS)
    def test_its_rate_and_decays_are_its_own(self, optimizer: str) -> None:
        """The same steps as torch's optimiser at those numbers, whatever the run's are."""
        options = TrainOptions(optimizer=optimizer, momentum=0.9, square_decay=0.99)
        layer, twin = nn.Linear(3, 2), nn.Linear(3, 2)
        twin.load_state_dict(layer.state_dict())
        player = Player(dict(layer.named_parameters()), lr=0.02, momentum=0.5, square_decay=0.7)
        ours = Optimisers({"critic": player}, options)
        kinds = {
            "adam": torch.optim.Adam,
            "adamw": torch.optim.AdamW,
            "adamax": torch.optim.Adamax,
            "nadam": torch.optim.NAdam,
        }
        reference = (
            torch.optim.SGD(twin.parameters(), 0.02, momentum=0.5)
            if optimizer == "sgd"
            else kinds[optimizer](twin.parameters(), 0.02, betas=(0.5, 0.7), weight_decay=0.0)
        )
        for count in range(4):
            x = torch.randn(5, 3)
            ours.step(zoo.Terms(torch.zeros(()), {}, {"critic": (layer(x) ** 2).mean()}), count, 1.0)
            reference.zero_grad()
            (twin(x) ** 2).mean().backward()
            reference.step()
        for found, wanted in zip(layer.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(found, wanted)

    def test_options_reach_the_player(self) -> None:
        chosen = {"lr": 3e-3, "momentum": 0.1, "square_decay": 0.2, "every": 4}
        player = tiny("aae", **{f"discriminator_{key}": value for key, value in chosen.items()}).players()
        assert {key: getattr(player["discriminator"], key) for key in chosen} == chosen
        assert player["model"].lr is player["model"].momentum is player["model"].square_decay is None


class TestDiscriminator:
    @settings(deadline=None, max_examples=20)
    @given(st.integers(1, 5), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 9), st.integers(0, 3))
    def test_one_logit_a_code(self, count: int, latent: list[int], width: int, depth: int) -> None:
        critic = Discriminator(math.prod(latent), DiscriminatorOptions(width=width, depth=depth))
        logits = critic(torch.randn(count, *latent))
        assert logits.shape == (count,)
        assert logits.equal(torch.zeros(count)), "it starts undecided"
        assert len([layer for layer in critic.modules() if isinstance(layer, nn.Linear)]) == depth + 1

    def test_is_the_papers_by_default(self) -> None:
        layers = [layer for layer in Discriminator(10, FactorOptions()).modules() if isinstance(layer, nn.Linear)]
        assert [layer.out_features for layer in layers] == [1000] * 6 + [1]
        options = FactorOptions()
        assert (options.discriminator_lr, options.discriminator_momentum, options.discriminator_square_decay) == (
            1e-4,
            0.5,
            0.9,
        )

    def test_cross_entropy_by_hand(self) -> None:
        first, second = torch.tensor([0.3, -1.0]).double(), torch.tensor([0.7]).double()
        chance = torch.sigmoid(first).log().mean() + torch.log(1 - torch.sigmoid(second)).mean()
        close(cross_entropy(first, second), -chance / 2)
        close(cross_entropy(torch.zeros(3), torch.zeros(2)), math.log(2), 1e-6)

    def test_learns_the_ratio_of_two_normals(self) -> None:
        """log N(z; 1, 1) - log N(z; 0, 1) = z - 1/2, and its mean over the first the KL, 1/2."""
        critic = Discriminator(1, DiscriminatorOptions(width=32, depth=2))
        optimiser = torch.optim.Adam(critic.parameters(), 3e-3, betas=(0.5, 0.9))
        for step in range(400):
            optimiser.param_groups[0]["lr"] = 3e-3 * (1 - step / 400)
            optimiser.zero_grad()
            cross_entropy(critic(1 + torch.randn(512, 1)), critic(torch.randn(512, 1))).backward()
            optimiser.step()
        with torch.no_grad():
            z = torch.linspace(-1, 2, 13).unsqueeze(1)
            assert float((critic(z) - (z.squeeze(1) - 0.5)).abs().max()) < 0.25
            assert float(critic(1 + torch.randn(20_000, 1)).mean()) == pytest.approx(0.5, abs=0.06)

    def test_learns_a_total_correlation(self) -> None:
        """As the FactorVAE's loss trains it: two halves of a batch of correlated normals, the second one permuted."""
        rho, loss = 0.8, Factor(FactorOptions(width=32, depth=2), site())
        optimiser = torch.optim.Adam(loss.parameters(), 3e-3, betas=(0.5, 0.9))
        mix = torch.tensor([[1.0, 0.0], [rho, math.sqrt(1 - rho**2)]])
        for step in range(400):
            optimiser.param_groups[0]["lr"] = 3e-3 * (1 - step / 400)
            optimiser.zero_grad()
            loss._error(torch.randn(512, 2) @ mix.T).backward()
            optimiser.step()
        with torch.no_grad():
            found = float(loss.discriminator(torch.randn(20_000, 2) @ mix.T).mean())
        assert found == pytest.approx(-0.5 * math.log(1 - rho**2), abs=0.08)


class TestPermutation:
    @settings(deadline=None, max_examples=30)
    @given(st.integers(1, 20), st.lists(st.integers(1, 3), min_size=1, max_size=2), st.integers(0, 99))
    def test_keeps_the_marginals(self, count: int, latent: list[int], seed: int) -> None:
        torch.manual_seed(seed)
        z = torch.randn(count, *latent)
        found = permute_units(z)
        assert found.shape == z.shape
        assert found.sort(0).values.equal(z.sort(0).values)

    def test_shuffles_units_apart(self) -> None:
        z = torch.randn(2000, 1).expand(-1, 3)
        correlation = torch.corrcoef(permute_units(z).T)
        assert float((correlation - torch.eye(3)).abs().max()) < 0.1

    def test_every_order_is_as_likely(self) -> None:
        z = torch.arange(3.0).unsqueeze(1).expand(-1, 4000)
        orders = (permute_units(z).T @ torch.tensor([9.0, 3.0, 1.0])).unique(return_counts=True)[1]
        assert len(orders) == 6
        assert float((orders / 4000 - 1 / 6).abs().max()) < 0.03

    def test_the_generator_decides(self) -> None:
        z = torch.randn(10, 3)
        torch.manual_seed(1)
        first = permute_units(z)
        torch.manual_seed(1)
        assert permute_units(z).equal(first)
        assert not permute_units(z).equal(first)


class TestFactor:
    def test_the_best_discriminator_gives_the_total_correlation(self) -> None:
        """Codes of correlated means and independent noise: q(z) is normal, and its total correlation known."""
        torch.manual_seed(3)
        mix, noise, count = torch.randn(3, 3).double(), 0.5, 40_000
        covariance = mix @ mix.T + noise**2 * torch.eye(3)
        wanted = 0.5 * (covariance.diagonal().log().sum() - torch.logdet(covariance))
        loss = Factor(FactorOptions(gamma=3.0), site(3))
        loss.discriminator = Logit(normal_logit(covariance))
        q = Normal(torch.randn(count, 3).double() @ mix.T, torch.full((count, 3), noise).double())
        terms = loss(Fixed(q, standard(3)), Batch(torch.rand(count, 1, 2, 3).double(), {}, torch.arange(count)), START)
        correlation = terms.logs["total_correlation"]
        deviation = normal_logit(covariance)(q.sample()).std() / math.sqrt(count)
        assert float((correlation - wanted).abs()) < 5 * float(deviation)
        close(terms.loss, terms.logs["distortion"] + terms.logs["rate"] + 3 * correlation)
        # At the best discriminator its own loss is log 2 less the Jensen-Shannon divergence of the two kinds.
        assert 0 < float(terms.adversaries["discriminator"]) < math.log(2)

    def test_of_independent_codes_is_nothing(self) -> None:
        loss = Factor(FactorOptions(), site(3))
        loss.discriminator = Logit(normal_logit(torch.diag(torch.tensor([1.0, 4.0, 0.3]).double())))
        q = Normal(torch.randn(9, 3).double(), torch.ones(9, 3).double())
        terms = loss(Fixed(q, standard(3)), Batch(torch.rand(9, 1, 2, 3).double(), {}, torch.arange(9)), START)
        close(terms.logs["total_correlation"], 0.0)
        close(terms.adversaries["discriminator"], math.log(2))

    def test_gamma_may_be_a_schedule(self) -> None:
        model, batch = tiny("factor-vae", gamma="linear:0..6@10"), batch_of()
        with torch.no_grad():
            model.objective.discriminator.last.bias.fill_(0.5)
        terms = model.loss(batch, Step.of(5, 0, 0))
        close(terms.logs["total_correlation"], 0.5, 1e-6)
        close(terms.loss, terms.logs["distortion"] + terms.logs["rate"] + 1.5, 1e-5)

    def test_the_adversary_learns_from_two_halves(self) -> None:
        """The first as it is, the second permuted: no permuted code shares a value with a whole one."""
        loss, seen = Factor(FactorOptions(), site(2)), []
        loss.discriminator = Logit(lambda z: (seen.append(z), z.sum(1))[1])
        z = torch.arange(14.0).reshape(7, 2)
        loss._error(z)
        assert seen[0].equal(z[:4])
        assert seen[1].sort(0).values.equal(z[4:])

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_a_batch_too_small_to_permute_teaches_nothing(self, count: int) -> None:
        model = tiny("factor-vae").eval()
        with torch.no_grad():
            model.objective.discriminator.last.weight.fill_(0.1)
        terms = model.loss(batch_of(count), START)
        assert float(terms.adversaries["discriminator"].detach()) == 0
        assert terms.loss.isfinite()
        parameters = list(model.objective.parameters())
        gradients = torch.autograd.grad(terms.adversaries["discriminator"], parameters)
        assert not any(gradient.any() for gradient in gradients)

    def test_a_point_is_refused(self) -> None:
        q = Delta(torch.zeros(5, 2))
        with pytest.raises(ZooError, match=r"factor.*delta.*--posterior"):
            Factor(FactorOptions(), site())(Fixed(q, standard(2)), batch_of(5, (1, 2, 3)), START)


class TestAdversarial:
    def test_equals_the_computation_by_hand(self) -> None:
        loss = Adversarial(AdversarialOptions(weight=3.0), site())
        loss.discriminator = Logit(lambda z: z.sum(-1))
        z, x = torch.randn(5, 2).double(), torch.rand(5, 1, 2, 3).double()
        torch.manual_seed(1)
        terms = loss(Fixed(Delta(z), standard(2)), Batch(x, {}, torch.arange(5)), START)
        torch.manual_seed(1)
        drawn = torch.randn(5, 2, dtype=torch.float64)
        distortion = ((x - z.sum(1)[:, None, None, None]) ** 2).sum() / 5
        close(terms.logs["distortion"], distortion)
        close(terms.logs["mismatch"], -torch.sigmoid(z.sum(1)).log().mean())
        close(terms.logs["aggregate_kl"], -z.sum(1).mean())
        close(terms.loss, distortion + 3 * terms.logs["mismatch"])
        error = -0.5 * (F.logsigmoid(drawn.sum(1)).mean() + F.logsigmoid(-z.sum(1)).mean())
        close(terms.adversaries["discriminator"], error)

    def test_the_best_discriminator_gives_the_kl_of_all_codes(self) -> None:
        count, mean, std = 40_000, 0.7, 0.8
        loss = Adversarial(AdversarialOptions(), site(1))
        p, aggregate = standard(1), Normal(torch.tensor([mean]).double(), torch.tensor([std]).double())
        loss.discriminator = Logit(lambda z: p.log_prob(z) - aggregate.log_prob(z))
        q = Delta(aggregate.sample((count,)))
        x = torch.rand(count, 1, 2, 3).double()
        terms = loss(Fixed(q, p), Batch(x, {}, torch.arange(count)), START)
        wanted = 0.5 * (std**2 + mean**2 - 1) - math.log(std)
        assert float(terms.logs["aggregate_kl"]) == pytest.approx(wanted, abs=0.02)

    def test_where_it_cannot_tell_it_pushes_half_as_hard_as_the_kl(self) -> None:
        loss = Adversarial(AdversarialOptions(), site())
        loss.discriminator = Logit(lambda z: torch.tanh(z).sum(-1))
        z = torch.zeros(4, 2, requires_grad=True)
        terms = loss(Fixed(Delta(z), standard(2)), batch_of(4, (1, 2, 3)), START)
        push, pull = (
            torch.autograd.grad(terms.logs[key], z, retain_graph=True)[0] for key in ("mismatch", "aggregate_kl")
        )
        close(push, 0.5 * pull, 1e-6)

    @pytest.mark.parametrize(("posterior", "prior"), [("delta", "laplace"), ("normal", "normal"), ("gamma", "gamma")])
    def test_takes_any_posterior_and_prior(self, posterior: str, prior: str) -> None:
        model = tiny("aae", posterior=posterior, prior=prior)
        optimisers = Optimisers(model.players(), TrainOptions())
        before = weights(model)
        for count in range(2):
            optimisers.step(model.loss(batch_of(), START), count, 1e-3)
        assert moved(model, before) == set(before)

    def test_training_brings_codes_to_the_prior(self) -> None:
        """Codes that start far off, and a decoder that does not care."""
        codes = nn.Parameter(3 + 0.3 * torch.randn(256, 1))
        loss = Adversarial(AdversarialOptions(width=32, weight=1.0, discriminator_lr=1e-3), site(1))
        players = {"model": Player({"codes": codes}), "discriminator": loss.players()["discriminator"]}
        optimisers = Optimisers(players, TrainOptions(momentum=0.5, square_decay=0.9))
        for count in range(400):
            z = codes
            logits = loss.discriminator(z)
            error = cross_entropy(loss.discriminator(torch.randn(256, 1)), loss.discriminator(z.detach()))
            terms = zoo.Terms(F.softplus(-logits).mean(), {}, {"discriminator": error})
            optimisers.step(terms, count, 0.02)
        assert abs(float(codes.detach().mean())) < 0.6
        assert 0.5 < float(codes.detach().std()) < 1.6


@both
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 30, 17)])
@pytest.mark.parametrize("count", [2, 5])
def test_gradients_reach_every_parameter(name: str, shape: tuple[int, int, int], count: int) -> None:
    """After a step, as the discriminator's last layer starts at 0."""
    model = tiny(name, shape)
    optimisers = Optimisers(model.players(), TrainOptions())
    optimisers.step(model.loss(batch_of(6, shape), START), 0, 1e-3)
    terms = model.loss(batch_of(count, shape), START)
    losses = {"model": terms.loss, **terms.adversaries}
    for player, owned in model.players().items():
        found = torch.autograd.grad(losses[player], list(owned.parameters.values()), retain_graph=True)
        assert all(gradient.isfinite().all() for gradient in found)
        if player == "model" or name == "aae" or count > 3:
            silent = [key for key, gradient in zip(owned.parameters, found, strict=True) if not gradient.any()]
            assert not silent, f"{player}: {silent}"


class Stopper(Progress):
    """Presses Ctrl-C after a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def say(self, message: str) -> None: ...

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None: ...

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        if count == self.at:
            signal.raise_signal(signal.SIGINT)

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: str) -> dict[str, Any]:
    """Settings of a short run on small data, without figures, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
    return {"data": small, "epochs": 2, "batch_size": 10, "device": "cpu", "val_fraction": 0.2}


def same(first: zoo.Run, second: zoo.Run) -> None:
    one, other = first.model.state_dict(), second.model.state_dict()
    differing = [name for name, value in one.items() if not value.equal(other[name])]
    assert not differing, f"not equal to the bit: {differing}"
    left_out = ("seconds", "images_per_second")
    assert {k: v for k, v in first.scores.items() if k not in left_out} == {
        k: v for k, v in second.scores.items() if k not in left_out
    }


class TestRuns:
    @both
    @pytest.mark.parametrize(("optimizer", "stop"), [("adam", 3), ("adamax", 7), ("sgd", 9)])
    def test_resumed_equals_straight(self, name: str, optimizer: str, stop: int, plain: dict[str, Any]) -> None:
        options = {**plain, "optimizer": optimizer, "ema": 0.9, "clip": 1.0, "discriminator_every": 2, "lr": 1e-3}
        straight = zoo.train(f"{name}.tiny", **options)
        with pytest.raises(KeyboardInterrupt):
            zoo.train(f"{name}.tiny", out="stopped", progress=Stopper(stop), **options)
        torch.manual_seed(99)
        resumed, _ = resume(load_registry(), "stopped", Silent())
        same(resumed, straight)
        records = [[(r["train"], r["validation"]) for r in run.records()] for run in (resumed, straight)]
        assert records[0] == records[1]

    @both
    def test_a_seed_decides_and_a_file_keeps_every_weight(self, name: str, plain: dict[str, Any]) -> None:
        first, again, other = (zoo.train(f"{name}.tiny", seed=seed, **plain) for seed in (3, 3, 4))
        same(first, again)
        same(zoo.load(first.path), first)
        critic = "objective.discriminator.layers.0.weight"
        assert not first.model.state_dict()[critic].equal(other.model.state_dict()[critic])
        x = torch.rand(3, 1, 12, 12)
        assert zoo.load(first.path).model.reconstruct(x).equal(first.model.reconstruct(x))
        assert first.model.sample(4).isfinite().all()

    @both
    def test_logs_of_training_and_validation(self, name: str, plain: dict[str, Any]) -> None:
        for record in zoo.train(f"{name}.tiny", **plain).records():
            assert record["train"].keys() == record["validation"].keys()
            assert {"loss", "distortion", "discriminator"} <= record["train"].keys()
            assert 0 < record["train"]["discriminator"] < 2

    def test_the_runs_rate_is_not_the_adversarys(self, plain: dict[str, Any]) -> None:
        """A model that stands still lets its adversary move, and the other way round."""
        names = {"model": "encoder.head.layer.weight", "critic": "objective.discriminator.last.weight"}
        start = zoo.train("aae.tiny", lr=1e-30, discriminator_lr=1e-30, **plain).model.state_dict()
        fixed = zoo.train("aae.tiny", lr=1e-30, **plain).model.state_dict()
        assert fixed[names["model"]].equal(start[names["model"]])
        assert not fixed[names["critic"]].equal(start[names["critic"]])
        alone = zoo.train("aae.tiny", discriminator_lr=1e-30, **plain).model.state_dict()
        assert not alone[names["model"]].equal(start[names["model"]])
        close(alone[names["critic"]], torch.zeros(1, 32), 1e-20)

    @both
    def test_a_diverging_adversary_is_named(self, name: str, plain: dict[str, Any]) -> None:
        with pytest.raises(Diverged, match=r"lower learning rate for the discriminator, which has its own, 1e\+30"):
            zoo.train(f"{name}.tiny", discriminator_lr=1e30, **plain)

    def test_the_remedy_is_the_players(self) -> None:
        model = tiny("factor-vae")
        own = "try a lower learning rate for the discriminator, which has its own, 0.0001, or --clip 1"
        assert remedy(model, "discriminator", "a term of the loss") == own
        assert remedy(model, "loss", "weight objective.discriminator.last.bias") == own
        assert remedy(model, "loss", "output of objective.discriminator") == own
        for place in ("weight encoder.head.layer.bias", "output of encoder.network", "the data", "a term of the loss"):
            assert remedy(model, "rate", place) == "try a lower --lr, or --clip 1"


def test_the_command_trains_samples_and_refuses(zoo_here: Callable[..., Any], small: str) -> None:
    zoo_here("train", "factor-vae.tiny", "--data", small, "--device", "cpu", "--gamma", "2", "--out", "run")
    zoo_here("sample", "run", "--seed", "1")
    shown = zoo_here("train", "factor-vae", "--help").out
    assert "--discriminator-lr" in shown
    refused = zoo_here("train", "factor-vae.tiny", "--data", small, "--posterior", "delta", code=2)
    assert "choose another --posterior" in refused.err
