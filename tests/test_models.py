"""Models of other parts, options and sizes than the registry's; what holds for each of its own is in the kit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
from zoo import Batch, Loss, Model, Player, SampleOptions, Site, Step, Terms, ZooError
from zoo.compositions.autoencoder import Autoencoder
from zoo.distributions import Normal

START = Step.of(0, 0, 0)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def tiny(name: str, shape: tuple[int, int, int] = (1, 12, 12), **options: Any) -> Autoencoder:
    model = zoo.build(f"{name}.tiny", shape, train_size=100, **options)
    assert isinstance(model, Autoencoder)
    return model


def batch_of(shape: tuple[int, ...] = (1, 12, 12), count: int = 5) -> Batch:
    return Batch(torch.rand(count, *shape), {}, torch.arange(count))


def check_gradients(model: Model, batch: Batch) -> None:
    """Check that the loss is finite, and that every parameter feels it."""
    terms = model.loss(batch, START)
    for name, value in [("loss", terms.loss), *terms.logs.items()]:
        assert value.shape == (), name
        assert value.isfinite(), name
    terms.loss.backward()
    untouched = [name for name, value in model.named_parameters() if value.grad is None]
    assert not untouched, f"no gradient: {untouched}"
    bad = [name for name, value in model.named_parameters() if not value.grad.isfinite().all()]
    assert not bad, f"gradient not finite: {bad}"


def check_shapes(model: Autoencoder, shape: tuple[int, int, int]) -> None:
    x = torch.rand(2, *shape)
    q, p = model.encode(x), model.prior_distribution()
    assert q.batch_shape == (2,)
    assert p.batch_shape == ()
    assert q.event_shape == p.event_shape == model.latent_shape
    for leading in ((), (3,)):
        decoded = model.decode(q.rsample(leading))
        assert decoded.batch_shape == (*leading, 2)
        assert decoded.event_shape == shape
        assert decoded.log_prob(x).shape == (*leading, 2)
    assert model.embed(x).shape == (2, *model.latent_shape)
    assert model.reconstruct(x).shape == x.shape
    assert model.sample(3).shape == (3, *shape)
    assert model.decode_mean(model.embed(x)[0]).shape == shape


sizes = st.tuples(st.integers(1, 4), st.integers(8, 40), st.integers(8, 40))


class TestAnySize:
    @settings(deadline=None, max_examples=12)
    @given(shape=sizes)
    @pytest.mark.parametrize("name", ["conv-vae", "vae", "linear-vae", "linear-ae"])
    def test_shapes_come_out_exactly(self, name: str, shape: tuple[int, int, int]) -> None:
        check_shapes(tiny(name, shape).eval(), shape)

    @settings(deadline=None, max_examples=40)
    @given(
        shape=sizes,
        kernel=st.sampled_from([3, 4, 5]),
        stride=st.sampled_from([1, 2, 3]),
        channels=st.lists(st.integers(2, 6), min_size=1, max_size=3),
        hidden=st.lists(st.integers(1, 9), max_size=2),
        norm=st.sampled_from(["batch", "group", "none"]),
    )
    def test_conv_options(
        self,
        shape: tuple[int, int, int],
        kernel: int,
        stride: int,
        channels: list[int],
        hidden: list[int],
        norm: str,
    ) -> None:
        both = {"kernel": kernel, "stride": stride, "channels": channels, "hidden": hidden, "norm": norm}
        options = {f"{role}.{key}": value for role in ("encoder", "decoder") for key, value in both.items()}
        if not fits_convolutions(shape, kernel, stride, len(channels)):
            with pytest.raises(ZooError, match="too small"):
                zoo.build("conv-vae", shape, latent_dim=2, **options)
            return
        model = zoo.build("conv-vae", shape, latent_dim=2, **options)
        check_shapes(model.eval(), shape)
        check_gradients(model.train(), batch_of(shape, 3))

    @pytest.mark.parametrize("activation", ["relu", "silu", "gelu", "elu", "leaky-relu", "tanh"])
    @pytest.mark.parametrize("name", ["conv-vae", "vae"])
    def test_activations(self, name: str, activation: str) -> None:
        model = tiny(name, **{"encoder.activation": activation, "decoder.activation": activation})
        check_gradients(model, batch_of())

    @pytest.mark.parametrize("hidden", [(), (7,), (7, 5)])
    def test_mlp_layers(self, hidden: tuple[int, ...]) -> None:
        model = tiny("vae", (2, 9, 8), **{"encoder.hidden": hidden, "decoder.hidden": hidden})
        check_gradients(model, batch_of((2, 9, 8)))
        check_shapes(model.eval(), (2, 9, 8))

    def test_encoder_and_decoder_may_differ(self) -> None:
        options = {"encoder.channels": (4,), "decoder.channels": (6, 5, 4), "decoder.kernel": 3, "encoder.stride": 3}
        check_shapes(tiny("conv-vae", (3, 19, 23), **options).eval(), (3, 19, 23))
        check_shapes(tiny("conv-vae", (1, 11, 9), decoder="mlp", **{"encoder.channels": (4,)}).eval(), (1, 11, 9))

    @pytest.mark.parametrize("norm", ["batch", "group", "none"])
    def test_small_layers_still_carry_the_image(self, norm: str) -> None:
        """Groups of a value or two would turn features into constants."""
        options = {"encoder.channels": (8, 8, 8), "encoder.hidden": (8,), "decoder.hidden": (8,)}
        model = tiny("ae", (1, 8, 8), **options, **{"encoder.norm": norm, "decoder.norm": norm})
        codes = model.embed(batch_of((1, 8, 8), 64).x)
        assert len(codes.round(decimals=6).unique(dim=0)) > 60

    def test_without_batch_normalisation_one_image_trains(self) -> None:
        for norm in ("group", "none"):
            model = tiny("conv-vae", **{"encoder.norm": norm, "decoder.norm": norm})
            check_gradients(model, batch_of(count=1))

    @pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 28), (1, 3, 3)])
    def test_too_small_images_name_the_mend(self, shape: tuple[int, int, int]) -> None:
        options = {"channels": (2, 2, 2), "kernel": 4}
        with pytest.raises(ZooError, match=r"too small for 3 convolutions .* fewer channels or a smaller kernel"):
            tiny("conv-vae", shape, **{f"{role}.{k}": v for role in ("encoder", "decoder") for k, v in options.items()})

    def test_no_convolution_at_all_names_the_mend(self) -> None:
        with pytest.raises(ZooError, match="use mlp"):
            tiny("conv-vae", **{"encoder.channels": ()})


def fits_convolutions(shape: tuple[int, int, int], kernel: int, stride: int, count: int) -> bool:
    """Whether torch itself can run the convolutions."""
    x = torch.zeros(1, 1, *shape[1:])
    for _ in range(count):
        try:
            x = nn.functional.conv2d(x, torch.zeros(1, 1, kernel, kernel), stride=stride, padding=(kernel - 1) // 2)
        except RuntimeError:
            return False
    return True


POSTERIORS = ["normal", "laplace", "gamma", "beta"]
FITTING = {
    "normal": {"normal", "laplace"},
    "laplace": {"normal", "laplace"},
    "gamma": {"normal", "laplace", "gamma"},
    "beta": {"normal", "laplace", "gamma", "beta"},
}
LIKELIHOODS: list[tuple[str, Mapping[str, Any]]] = [
    ("mse", {}),
    ("mse", {"squash": "identity"}),
    ("bernoulli", {}),
    ("continuous-bernoulli", {}),
    ("laplace", {}),
    ("gaussian", {"sigma": "fixed"}),
    ("gaussian", {"sigma": "learned"}),
    ("gaussian", {"sigma": "optimal"}),
]


def train_a_step(model: Model) -> None:
    batch = batch_of()
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    check_gradients(model, batch)
    optimiser.step()
    assert model.loss(batch, START).loss.isfinite()
    assert model.eval().sample(2).isfinite().all()


class TestParts:
    @pytest.mark.parametrize(("likelihood", "options"), LIKELIHOODS)
    def test_likelihoods(self, likelihood: str, options: Mapping[str, Any]) -> None:
        train_a_step(tiny("conv-vae", likelihood=likelihood, **options))

    @pytest.mark.parametrize(("posterior", "prior"), [(q, p) for q in POSTERIORS for p in sorted(FITTING[q])])
    def test_priors_that_fit(self, posterior: str, prior: str) -> None:
        train_a_step(tiny("vae", posterior=posterior, prior=prior))

    @pytest.mark.parametrize(
        ("posterior", "prior"), [(q, p) for q, p in product(POSTERIORS, POSTERIORS) if p not in FITTING[q]]
    )
    def test_priors_that_do_not(self, posterior: str, prior: str) -> None:
        with pytest.raises(ZooError, match=r"does not fit.*--posterior and --prior"):
            tiny("vae", posterior=posterior, prior=prior)

    @pytest.mark.parametrize("prior", ["normal", "laplace"])
    @pytest.mark.parametrize("loss", ["elbo", "reconstruction"])
    def test_point_posteriors(self, loss: str, prior: str) -> None:
        train_a_step(tiny("vae", posterior="delta", prior=prior, loss=loss))

    @pytest.mark.parametrize("loss", ["capacity", "total-correlation"])
    @pytest.mark.parametrize("posterior", POSTERIORS)
    def test_other_losses_take_every_posterior(self, loss: str, posterior: str) -> None:
        train_a_step(tiny("vae", posterior=posterior, prior=posterior, loss=loss))

    @pytest.mark.parametrize("prior", POSTERIORS)
    def test_prior_options(self, prior: str) -> None:
        first, second = {
            "normal": ("mean", "std"),
            "laplace": ("mean", "scale"),
            "gamma": ("concentration", "rate"),
        }.get(prior, ("a", "b"))
        options = {f"prior.{first}": 1.5, f"prior.{second}": 0.5}
        p = tiny("vae", posterior=prior, prior=prior, **options).prior_distribution()
        wanted = type(p)(torch.full((4,), 1.5), torch.full((4,), 0.5))
        assert p.mean.equal(wanted.mean)
        assert p.log_prob(torch.full((4,), 0.3)).equal(wanted.log_prob(torch.full((4,), 0.3)))

    def test_learned_noise_is_learned(self) -> None:
        model = tiny("sigma-vae", sigma="learned")
        assert "decoder.head.logvar" in dict(model.named_parameters())
        train_a_step(model)


class TestSampling:
    def test_temperature_multiplies_the_spread_of_codes(self) -> None:
        model = tiny("linear-vae").eval()
        origin = model.decode_mean(torch.zeros(model.latent_shape))
        torch.manual_seed(0)
        plain = model.sample(4)
        torch.manual_seed(0)
        warm = model.sample(4, SampleOptions(temperature=2.0))
        torch.testing.assert_close(warm - origin, 2 * (plain - origin))

    def test_mean_and_std_replace_the_prior(self) -> None:
        model = tiny("vae", posterior="gamma", prior="gamma").eval()
        point = model.sample(2, SampleOptions(mean=0.7, std=0.0))
        torch.testing.assert_close(point, model.decode_mean(torch.full((2, 4), 0.7)))
        torch.manual_seed(0)
        normal = model.sample(2, SampleOptions(mean=0.0, std=1.0))
        torch.manual_seed(0)
        z = Normal(torch.zeros(4), torch.ones(4)).sample((2,))
        torch.testing.assert_close(normal, model.decode_mean(z))

    def test_temperature_of_a_gamma_is_refused(self) -> None:
        model = tiny("vae", posterior="gamma", prior="gamma")
        with pytest.raises(ZooError, match="temperature"):
            model.sample(2, SampleOptions(temperature=2.0))


class Adversarial(Loss):
    """A loss with a critic of codes."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Linear(4, 1)
        self.prepared = 0

    def prepare(self, batch: Batch) -> None:
        self.prepared += len(batch.x)

    def players(self) -> Mapping[str, Player]:
        return {"critic": Player(dict(self.critic.named_parameters()), every=2)}

    def forward(self, model: Any, batch: Batch, step: Step) -> Terms:
        score: Tensor = self.critic(model.encode(batch.x).rsample()).mean()
        return Terms(-score, {}, {"critic": score})


def test_an_adversary_of_the_loss_is_a_player_of_its_own() -> None:
    plain = tiny("vae")
    parts = {
        "encoder": plain.encoder.network,
        "posterior": plain.encoder.head,
        "prior": plain.prior,
        "likelihood": plain.decoder.head,
        "decoder": plain.decoder.network,
        "loss": Adversarial(),
    }
    model = Autoencoder(parts, Site((1, 12, 12), 100, {}))
    players = model.players()
    assert list(players) == ["model", "critic"]
    assert list(players["critic"].parameters) == ["weight", "bias"]
    assert not any("critic" in name for name in players["model"].parameters)
    assert sum(len(player.parameters) for player in players.values()) == len(list(model.parameters()))
    model.prepare(batch_of())
    assert model.objective.prepared == 5
