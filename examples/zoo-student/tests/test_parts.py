"""The posterior, the prior and the loss in models, and what is said of mistakes."""

import math

import pytest
import torch
import zoo
from zoo import ZooError
from zoo.distributions import Normal, kl

from zoo_student.power import power_divergence

SMALL = {"encoder.hidden": (16,), "decoder.hidden": (16,), "posterior.latent_dim": 3}
START = zoo.Step.of(0, 0, 0)


def build(name: str = "student-vae", **config):
    """A small model, seeded; options by their dotted names, with two underscores for the dot."""
    torch.manual_seed(0)
    return zoo.build(name, shape=(1, 8, 8), config={**SMALL, **{key.replace("__", "."): config[key] for key in config}})


def batch(count: int = 6) -> zoo.Batch:
    generator = torch.Generator().manual_seed(0)
    return zoo.Batch(torch.rand(count, 1, 8, 8, generator=generator), {}, torch.arange(count))


def test_fixed_tails_are_those_of_the_option():
    q = build(posterior__df=7.0).encode(batch().x)
    assert q.df.shape == q.loc.shape == (6, 3)
    assert (q.df == 7).all()


@pytest.mark.parametrize("df", [2.2, 5.0, 500.0])
@pytest.mark.parametrize("tails", ["unit", "image"])
def test_learned_tails_start_at_the_option_and_learn(tails, df):
    model = build(posterior__tails=tails, posterior__df=df)
    assert model.encode(batch().x).df.detach().mean().item() == pytest.approx(df, rel=0.2)
    model.loss(batch(), START).loss.backward()
    weights = list(model.encoder.head.tails.parameters())
    assert weights
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in weights)


def test_learned_tails_keep_a_variance_whatever_the_weights():
    model = build(posterior__tails="unit")
    with torch.no_grad():
        model.encoder.head.tails.excess.fill_(-1e4)
    q = model.encode(batch().x)
    assert (q.df > 2).all()
    assert q.variance.isfinite().all()


def test_tails_of_the_image_depend_on_it():
    df = build(posterior__tails="image").encode(batch().x).df
    assert not torch.allclose(df[0], df[1])


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"posterior__df": 2.0}, "df must be above 2"),
        ({"prior__df": 1.0}, "df must be above 2"),
        ({"prior__scale": 0.0}, "scale must be above 0"),
        ({"posterior__df": 2.05, "posterior__tails": "unit"}, "--posterior.df 2.05 must be above"),
        ({"posterior__tails": "image", "posterior__least_df": 6.0}, "--posterior.least-df 6"),
        ({"posterior__tails": "every"}, "tails"),
        ({"loss__samples": 0}, "samples must be at least 1"),
    ],
)
def test_mistakes_are_refused(config, told):
    with pytest.raises(ZooError, match=told):
        build(**config)


def test_the_prior_is_that_of_its_options():
    prior = build(prior__df=4.0, prior__scale=0.5).prior_distribution()
    assert (prior.batch_shape, prior.event_shape) == ((), (3,))
    assert torch.allclose(prior.variance, torch.full((3,), 0.25 * 4 / 2))


def test_the_loss_is_distortion_and_the_kl_at_its_samples():
    model = build(loss__samples=3, loss__beta=0.5)
    x = batch().x
    torch.manual_seed(7)
    terms = model.loss(batch(), START)
    torch.manual_seed(7)
    q = model.encode(x)
    z = q.rsample((3,))
    distortion = -model.decode(z).log_prob(x).mean()
    rate = kl(q, model.prior_distribution(), z).mean()
    assert torch.allclose(terms.logs["distortion"], distortion)
    assert torch.allclose(terms.logs["rate"], rate)
    assert torch.allclose(terms.loss, distortion + 0.5 * rate)
    assert model.rate_weight(START) == 0.5


def test_more_samples_are_less_noise():
    def spread(samples: int) -> float:
        model = build(loss__samples=samples)
        return float(torch.stack([model.loss(batch(), START).logs["rate"].detach() for _ in range(40)]).std())

    assert spread(64) < spread(1) / 3


def test_the_power_divergence_has_no_noise_and_is_no_rate():
    model = build("student-power-vae")
    terms, again = model.loss(batch(), START), model.loss(batch(), START)
    divergence = power_divergence(model.encode(batch().x), model.prior_distribution()).sum(-1).mean()
    assert terms.logs["divergence"].equal(again.logs["divergence"])
    assert torch.allclose(terms.logs["divergence"], divergence)
    assert torch.allclose(terms.loss, terms.logs["distortion"] + divergence)
    assert "rate" not in terms.logs
    assert model.rate_weight(START) is None


@pytest.mark.parametrize("parts", [{"prior": "normal"}, {"posterior": "normal"}, {"posterior": "delta"}])
def test_the_power_divergence_is_of_two_t(parts):
    with pytest.raises(ZooError, match="Student-t posterior with a Student-t prior"):
        build("student-power-vae", **parts)


class StandardNormal(zoo.Prior):
    def forward(self, c=None):
        return Normal(torch.zeros(3), torch.ones(3))


def test_with_a_prior_that_was_fitted_since_the_second_term_is_the_kl():
    model = build("student-power-vae")
    model.take_prior(StandardNormal())
    terms = model.loss(batch(), START)
    rate = kl(model.encode(batch().x), Normal(torch.zeros(3), torch.ones(3)), torch.zeros(3)).mean()
    assert torch.allclose(terms.logs["rate"], rate)


@pytest.mark.parametrize("name", ["vae", "conv-vae", "ae", "iwae"])
def test_the_prior_fits_bundled_models(name):
    torch.manual_seed(0)
    model = zoo.build(name, shape=(1, 16, 16), config={"prior": "student-t"})
    x = torch.rand(4, 1, 16, 16)
    terms = model.loss(zoo.Batch(x, {}, torch.arange(4)), START)
    assert math.isfinite(terms.loss.detach())
    assert model.sample(2).shape == (2, 1, 16, 16)


def test_the_posterior_takes_a_normal_prior_in_closed_form():
    torch.manual_seed(0)
    model = zoo.build("vae", shape=(1, 8, 8), config={**SMALL, "posterior": "student-t"})
    first, second = (model.loss(batch(), START).logs["rate"] for _ in range(2))
    assert first.equal(second)
