"""Flows: densities against autograd's Jacobians, posteriors that know their own samples, and exact likelihoods."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Done, scores_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import zoo
from zoo import (
    Batch,
    DecodesLatents,
    Embeds,
    ExactLikelihood,
    LatentModel,
    Model,
    Reconstructs,
    SampleOptions,
    Site,
    Step,
    ZooError,
)
from zoo.compositions.autoencoder import Autoencoder
from zoo.data.cache import find_folder
from zoo.distributions import Normal, kl
from zoo_flows.density import Density
from zoo_flows.layers import Coupling, InvertibleLayer, Standardise, Triangular
from zoo_flows.options import LogitOptions
from zoo_flows.pixels import Logit, dequantise
from zoo_flows.planar import planar
from zoo_flows.pushforward import Pushforward
from zoo_flows.realnvp import RealNvp
from zoo_flows.sylvester import Step as SylvesterStep
from zoo_flows.sylvester import reflect, sylvester

START = Step.of(0, 0, 0)
POSTERIORS = ["iaf", "planar", "sylvester"]
Here = Callable[..., Done]

posteriors = pytest.mark.parametrize("name", POSTERIORS)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def batch_of(x: Tensor) -> Batch:
    return Batch(x, {}, torch.arange(len(x)))


def rough(model: Any, spread: float = 0.5) -> Any:
    """Move every weight far from where it starts, so that nothing is close to the identity."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn_like(parameter) / max(1, parameter.shape[-1]) ** 0.5)
    return model.double().eval().requires_grad_(False)


def vae(posterior: str, latent_dim: int = 5, **options: Any) -> Autoencoder:
    model = zoo.build("vae.tiny", (1, 4, 4), posterior=posterior, latent_dim=latent_dim, **options)
    assert isinstance(model, Autoencoder)
    return model


def density(shape: tuple[int, int, int] = (1, 4, 4), **options: Any) -> Density:
    model = zoo.build("realnvp.tiny", shape, **options)
    assert isinstance(model, Density)
    return model


def posterior_of(model: Autoencoder, count: int = 1) -> Pushforward:
    q = model.encode(torch.rand(count, 1, 4, 4).double())
    assert isinstance(q, Pushforward)
    return q


def log_det(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Return log |det| of autograd's Jacobian."""
    jacobian = torch.autograd.functional.jacobian(lambda flat: function(flat.reshape(at.shape)).flatten(), at.flatten())
    return torch.linalg.slogdet(jacobian).logabsdet


class TestPosteriors:
    @posteriors
    def test_log_determinants_are_those_of_autograd(self, name: str) -> None:
        q = posterior_of(rough(vae(name)))
        for _ in range(5):
            z = 2 * torch.randn(1, 5).double()
            torch.testing.assert_close(q.forward(z)[1][0], log_det(lambda at: q.forward(at)[0], z))

    @posteriors
    def test_a_draw_comes_with_its_density(self, name: str) -> None:
        q = posterior_of(rough(vae(name)), 3)
        torch.manual_seed(4)
        z, log_q = q.draw((7,))
        torch.manual_seed(4)
        start = q.base.rsample((7,))
        moved, change = q.forward(start)
        assert z.equal(moved)
        assert log_q.shape == (7, 3)
        torch.testing.assert_close(log_q, q.base.log_prob(start) - change)
        torch.manual_seed(4)
        assert q.rsample((7,)).equal(z)
        assert (q.batch_shape, q.event_shape, q.has_density) == ((3,), (5,), True)
        assert q.point.equal(q.forward(q.base.mean)[0])

    @posteriors
    def test_the_density_integrates_to_one(self, name: str) -> None:
        """The mean of p / q over q is one for any p that lies within q."""
        q = posterior_of(rough(vae(name, 2)))
        z, log_q = q.draw((100_000,))
        p = Normal(z.mean(0), 0.4 * z.std(0))
        assert float((p.log_prob(z) - log_q).exp().mean()) == pytest.approx(1, abs=0.04)

    def test_iaf_knows_the_density_of_any_code(self) -> None:
        q = posterior_of(rough(vae("iaf")), 3)
        z, log_q = q.draw((4,))
        torch.testing.assert_close(q.log_prob(z), log_q)
        assert q.inverse is not None
        torch.testing.assert_close(q.forward(q.inverse(z)[0])[0], z)
        single = vae("iaf").eval().encode(torch.rand(2, 1, 4, 4))
        z, log_q = single.draw((4,))
        torch.testing.assert_close(single.log_prob(z), log_q, atol=1e-5, rtol=1e-5)

    def test_iaf_integrates_to_one_on_a_grid(self) -> None:
        q = posterior_of(rough(vae("iaf", 2)))
        line = torch.linspace(-12, 12, 301).double()
        points = torch.cartesian_prod(line, line).unsqueeze(1) + q.point
        mass = q.log_prob(points).exp().sum() * (line[1] - line[0]) ** 2
        assert float(mass) == pytest.approx(1, abs=1e-3)

    @pytest.mark.parametrize("name", ["planar", "sylvester"])
    def test_others_say_that_they_do_not(self, name: str) -> None:
        with pytest.raises(ZooError, match=rf"a {name} posterior knows the density of its own samples only.*--loss"):
            posterior_of(rough(vae(name))).log_prob(torch.zeros(5).double())

    def test_iaf_of_zero_weights_is_the_normal_posterior(self) -> None:
        plain, bent = vae("normal"), vae("iaf")
        missing = bent.load_state_dict(plain.state_dict(), strict=False).missing_keys
        assert all(key.startswith(("encoder.head.steps", "encoder.head.context")) for key in missing)
        with torch.no_grad():
            for parameter in bent.encoder.head.steps.parameters():
                parameter.zero_()
        x = torch.rand(6, 1, 4, 4)
        q, flow = plain.encode(x), bent.encode(x)
        torch.manual_seed(2)
        z, log_q = flow.draw()
        torch.manual_seed(2)
        assert q.rsample().equal(z)
        torch.testing.assert_close(log_q, q.log_prob(z))
        torch.manual_seed(2)
        terms = bent.loss(batch_of(x), START)
        rate = (q.log_prob(z) - plain.prior_distribution().log_prob(z)).mean()
        distortion = -plain.decode(z).log_prob(x).mean()
        torch.testing.assert_close(terms.loss, distortion + rate)
        # And in the mean over many draws it is the closed form.
        many, log_many = flow.draw((20_000,))
        estimate = (log_many - plain.prior_distribution().log_prob(many)).mean(0)
        torch.testing.assert_close(estimate, kl(q, plain.prior_distribution(), z), atol=0.05, rtol=0.05)

    @posteriors
    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("latent_dim", [1, 4])
    def test_gradients_reach_every_parameter(self, name: str, count: int, latent_dim: int) -> None:
        model = vae(name, latent_dim)
        terms = model.loss(batch_of(torch.rand(count, 1, 4, 4)), START)
        terms.loss.backward()
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
        assert set(terms.logs) == {"distortion", "rate"}

    @posteriors
    @pytest.mark.parametrize("encoder", ["conv", "mlp", "linear"])
    def test_any_backbone_and_shape(self, name: str, encoder: str) -> None:
        for shape in ((3, 32, 32), (1, 30, 17)):
            model = zoo.build("vae", shape, posterior=name, encoder=encoder, decoder="linear", latent_dim=3)
            assert isinstance(model, Autoencoder)
            x = torch.rand(2, *shape)
            z, log_q = model.encode(x).draw((4,))
            assert (z.shape, log_q is not None and log_q.shape) == ((4, 2, 3), (4, 2))
            with torch.no_grad():
                assert model.reconstruct(x).shape == x.shape
            assert model.sample(2).shape == (2, *shape)

    @posteriors
    def test_scores(self, name: str) -> None:
        model = rough(vae(name))
        x = torch.rand(20, 1, 4, 4).double()
        scores = scores_of(model, batch_of(x), START)
        assert scores["rate"] is not None
        assert scores["kl_per_unit"] is None, "the rate of a flow does not split into units"
        assert scores["log_likelihood"] is None
        assert scores["elbo"] == pytest.approx(-scores["objective"])

    @posteriors
    def test_the_capacity_loss_takes_it_too(self, name: str) -> None:
        terms = vae(name, loss="capacity").loss(batch_of(torch.rand(3, 1, 4, 4)), START)
        assert terms.loss.isfinite()

    @posteriors
    def test_losses_of_independent_units_refuse_it(self, name: str) -> None:
        with pytest.raises(ZooError, match="independent units"):
            vae(name, loss="total-correlation").loss(batch_of(torch.rand(3, 1, 4, 4)), START)
        with pytest.raises(ZooError, match="normal posterior"):
            vae(name, balanced=True).loss(batch_of(torch.rand(3, 1, 4, 4)), START)


class TestPlanar:
    @given(scale=st.floats(0.01, 30), seed=st.integers(0, 1000))
    @settings(deadline=None, max_examples=40)
    def test_it_is_invertible_whatever_the_parameters(self, scale: float, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        w, u = scale * torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
        b = torch.randn(4, generator=generator, dtype=torch.float64)
        line = torch.linspace(-3, 3, 200).double()[:, None, None] * torch.nn.functional.normalize(w, dim=-1)
        moved, change = planar(line, u, w, b)
        assert change.isfinite().all()
        # Along w it must rise, or two codes would meet.
        assert ((w * moved).sum(-1).diff(dim=0) >= 0).all()

    def test_the_direction_is_that_of_the_paper(self) -> None:
        u, w, b = torch.randn(3, 4, 3).double().unbind()
        dot = (w * u).sum(-1, keepdim=True)
        v = u + (-1 + torch.log1p(dot.exp()) - dot) * w / (w**2).sum(-1, keepdim=True)
        z = torch.randn(4, 3).double()
        moved, change = planar(z, u, w, b[:, 0])
        bend = torch.tanh((w * z).sum(-1) + b[:, 0])
        torch.testing.assert_close(moved, z + v * bend[:, None])
        torch.testing.assert_close(change, (1 + (1 - bend**2) * (w * v).sum(-1)).abs().log())
        assert ((w * v).sum(-1) > -1).all()

    @pytest.mark.parametrize("size", [0.0, 1e-6, 1e-3])
    def test_all_but_no_direction(self, size: float) -> None:
        u, z = torch.randn(2, 1, 3).double().unbind()
        w, b = torch.full((1, 3), size, dtype=torch.float64, requires_grad=True), torch.zeros(1).double()
        moved, change = planar(z, u, w, b)
        torch.testing.assert_close(change[0], log_det(lambda at: planar(at, u, w, b)[0], z))
        (moved.sum() + change.sum()).backward()
        assert w.grad is not None
        assert w.grad.isfinite().all()

    def test_steep_slopes_stay_finite_in_single_precision(self) -> None:
        w = torch.full((1, 2), 5.0)
        for factor in (-8.0, 8.0):
            moved, change = planar(torch.randn(1000, 1, 2), factor * w / 5, w, torch.zeros(1))
            assert moved.isfinite().all()
            assert change.isfinite().all()


class TestSylvester:
    def test_one_direction_is_a_planar_flow(self) -> None:
        vectors, z, b = torch.randn(2, 1, 4).double(), torch.randn(2, 4).double(), torch.randn(2).double()
        outer, inner = torch.rand(2, 2).double().unbind()
        first = torch.zeros(2, 4).double()
        first[:, 0] = 1
        corner = torch.diag_embed(first)
        offset = first * b[:, None]
        step = SylvesterStep(vectors, outer[:, None, None] * corner, inner[:, None, None] * corner, offset)
        moved, change = sylvester(z, step)
        direction = reflect(first, vectors.unbind(-2))
        bend = torch.tanh(inner * (direction * z).sum(-1) + b)
        torch.testing.assert_close(moved, z + (outer * bend)[:, None] * direction)
        torch.testing.assert_close(change, torch.log(1 + (1 - bend**2) * outer * inner))

    def test_reflections_are_orthogonal_and_undo_themselves(self) -> None:
        vectors = torch.randn(3, 5).double().unbind()
        matrix = reflect(torch.eye(5).double(), vectors)
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(5).double())
        torch.testing.assert_close(reflect(matrix, reversed(vectors)), torch.eye(5).double())

    def test_no_step_is_singular(self) -> None:
        model = vae("sylvester").eval()
        with torch.no_grad():
            model.encoder.head.flow.bias.mul_(1e3)
        _, log_q = model.encode(torch.rand(50, 1, 4, 4)).draw((20,))
        assert log_q is not None
        assert log_q.isfinite().all()


def layers(size: int) -> list[InvertibleLayer]:
    mask = torch.arange(size) % 2 == 0
    return [rough(layer) for layer in (Standardise(size), Triangular(size), Coupling(mask, (8,)))]


class TestFlow:
    @pytest.mark.parametrize("number", range(3))
    def test_layers_against_autograd_and_their_inverses(self, number: int) -> None:
        layer = layers(6)[number]
        h = torch.randn(1, 6).double()
        mapped, change = layer(h)
        torch.testing.assert_close(change.reshape(()), log_det(lambda at: layer(at)[0], h))
        torch.testing.assert_close(layer.inverse(mapped), h)

    def test_the_whole_against_autograd_and_its_inverse(self) -> None:
        flow = rough(density((2, 3, 3), couplings=5)).flow
        h = torch.randn(1, 18).double()
        z, change = flow(h)
        torch.testing.assert_close(change[0], log_det(lambda at: flow(at)[0], h))
        torch.testing.assert_close(flow.inverse(z), h)

    def test_inverse_in_single_precision(self) -> None:
        model = rough(density((1, 12, 12), couplings=4), 0.1).float()
        h = torch.randn(50, 144)
        with torch.no_grad():
            torch.testing.assert_close(model.flow.inverse(model.flow(h)[0]), h, atol=1e-5, rtol=1e-5)

    def test_a_triangle_is_a_gaussian_of_any_covariance(self) -> None:
        root = torch.randn(5, 5).double()
        normal = torch.distributions.MultivariateNormal(torch.randn(5).double(), root @ root.T + torch.eye(5))
        whitening = torch.linalg.inv(normal.scale_tril)
        layer = Triangular(5).double()
        with torch.no_grad():
            layer.below.copy_(whitening)
            layer.log_diagonal.copy_(whitening.diagonal().log())
            layer.shift.copy_(-whitening @ normal.loc)
        h = torch.randn(7, 5).double()
        z, change = layer(h)
        found = Normal(torch.zeros(5).double(), torch.ones(5).double()).log_prob(z) + change
        torch.testing.assert_close(found, normal.log_prob(h))

    @pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (1, 5, 4), (3, 4, 4)])
    def test_each_pair_of_couplings_moves_every_value(self, shape: tuple[int, int, int]) -> None:
        flow = density(shape, couplings=6).flow
        assert isinstance(flow, RealNvp)
        kept = [layer.coupling.mask for layer in flow.layers if isinstance(layer, Coupling)]
        assert len(kept) == (6 if math.prod(shape) > 1 else 0)
        for one, other in zip(kept[::2], kept[1::2], strict=True):
            assert (one ^ other).all()

    def test_it_starts_standardised(self) -> None:
        model = density((1, 6, 6))
        x = torch.rand(400, 1, 6, 6) * torch.linspace(0.1, 1, 36).reshape(1, 6, 6)
        with torch.no_grad():
            model.prepare(batch_of(x))
            first = model.flow.layers[0]
            assert isinstance(first, Standardise)
            h = model.pixels(dequantise(x))[0].flatten(1)
        z = first(h)[0]
        torch.testing.assert_close(z.mean(0), torch.zeros(36), atol=0.3, rtol=0)
        torch.testing.assert_close(z.std(0), torch.ones(36), atol=0.2, rtol=0)

    def test_one_image_starts_it_too(self) -> None:
        model = density()
        with torch.no_grad():
            model.prepare(batch_of(torch.rand(1, 1, 4, 4)))
        assert model.loss(batch_of(torch.rand(2, 1, 4, 4)), START).loss.isfinite()


class TestDensity:
    def test_it_integrates_to_one_in_two_dimensions(self) -> None:
        model = rough(density((1, 1, 2), **{"pixels.alpha": 0.01}), 0.2)
        # A grid of pixels that is finer near black and white; it ends where the logit does, just beyond [0, 1].
        h = torch.linspace(-18, 18, 1201).double()
        share = torch.sigmoid(h)
        width = 256 * share * (1 - share) / 0.98 * (h[1] - h[0])
        y = torch.cartesian_prod(*[(share - 0.01) / 0.98] * 2).reshape(-1, 1, 1, 2)
        with torch.no_grad():
            mass = (model.log_density(y).exp() * torch.outer(width, width).flatten()).sum()
        assert float(mass) == pytest.approx(1, abs=1e-4)

    @pytest.mark.parametrize("alpha", [1e-6, 0.05])
    def test_the_logit_against_autograd(self, alpha: float) -> None:
        pixels = Logit(LogitOptions(alpha=alpha), Site((1, 2, 3), 1, {}))
        y = torch.rand(1, 1, 2, 3).double()
        h, change = pixels(y)
        torch.testing.assert_close(h, torch.logit(alpha + (1 - 2 * alpha) * y))
        torch.testing.assert_close(change[0], log_det(lambda at: pixels(at)[0], y))
        torch.testing.assert_close(pixels.inverse(h), y)

    def test_every_pixel_has_a_logit(self) -> None:
        pixels = Logit(LogitOptions(), Site((1, 1, 4), 1, {}))
        y = torch.tensor([0.0, 1e-30, 1 - 6e-8, 1.0]).reshape(1, 1, 1, 4).requires_grad_()
        h, change = pixels(y)
        assert h.isfinite().all()
        (h.sum() + change.sum()).backward()
        assert y.grad is not None
        assert y.grad.isfinite().all()
        torch.testing.assert_close(pixels.inverse(h), y, atol=1e-6, rtol=0)

    def test_bits_per_dimension_by_hand(self) -> None:
        model = density((1, 2, 3), couplings=0, linear=False).double()
        x = torch.randint(0, 256, (50, 1, 2, 3)).double() / 255
        torch.manual_seed(3)
        found = model.log_prob(x)
        torch.manual_seed(3)
        y = (255 * x + torch.rand_like(x)) / 256
        s = 1e-6 + (1 - 2e-6) * y
        h = (s / (1 - s)).log()
        logs = -0.5 * h**2 - 0.5 * math.log(2 * math.pi) - (s * (1 - s)).log() + math.log(1 - 2e-6) - math.log(256)
        torch.testing.assert_close(found, logs.flatten(1).sum(1))
        scores = scores_of(model, batch_of(x), START)
        assert scores["log_likelihood"] == pytest.approx(-scores["objective"], rel=1e-12)
        assert scores["bits_per_dim"] == pytest.approx(-scores["log_likelihood"] / (6 * math.log(2)), rel=1e-12)

    def test_uniform_pixels_cost_eight_bits(self) -> None:
        """Of a uniform density on [0, 1], each value is one of 256."""
        model = density((1, 4, 4)).double()
        x = torch.randint(0, 256, (4000, 1, 4, 4)).double() / 255
        uniform = 16 * math.log(256)
        with torch.no_grad():
            assert -float(model.log_prob(x).mean()) >= uniform - 1e-6

    def test_the_noise_makes_a_bound_of_the_probability_of_levels(self) -> None:
        model = rough(density((1, 1, 1), **{"pixels.alpha": 0.01}), 1.0)
        fine = (torch.arange(256 * 200).double() + 0.5) / (256 * 200)
        with torch.no_grad():
            log_p = model.log_density(fine.reshape(-1, 1, 1, 1)).reshape(256, 200)
        level = log_p.logsumexp(1) - math.log(200)
        assert (log_p.mean(1) <= level + 1e-12).all()
        assert float(level.exp().sum()) < 1 + 1e-6

    def test_terms_and_abilities(self) -> None:
        model = density()
        terms = model.loss(batch_of(torch.rand(3, 1, 4, 4)), START)
        torch.testing.assert_close(terms.logs["bits_per_dim"], terms.loss / (16 * math.log(2)))
        assert isinstance(model, ExactLikelihood)
        for ability in (LatentModel, Reconstructs, Embeds, DecodesLatents):
            assert not isinstance(model, ability)
        assert dict(model.players()["model"].parameters) == dict(model.named_parameters())

    @settings(deadline=None, max_examples=15)
    @given(
        shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
        count=st.integers(1, 4),
        couplings=st.integers(0, 5),
        linear=st.booleans(),
    )
    def test_any_shape(self, shape: tuple[int, int, int], count: int, couplings: int, linear: bool) -> None:
        model = density(shape, couplings=couplings, linear=linear)
        x = torch.rand(count, *shape)
        with torch.no_grad():
            model.prepare(batch_of(x))
            assert model.log_prob(x).shape == (count,)
        model.loss(batch_of(x), START).loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
        drawn = model.sample(2)
        assert drawn.shape == (2, *shape)
        assert ((drawn >= 0) & (drawn <= 1)).all()

    @pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 30, 17)])
    def test_images_of_the_usual_shapes(self, shape: tuple[int, int, int]) -> None:
        model = density(shape)
        assert model.loss(batch_of(torch.rand(2, *shape)), START).loss.isfinite()
        assert model.eval().sample(2).shape == (2, *shape)

    def test_samples_are_grey_levels_of_any_temperature(self) -> None:
        model = rough(density()).float()
        torch.manual_seed(0)
        drawn = model.sample(50)
        assert (255 * drawn).round().sub(255 * drawn).abs().max() < 1e-4
        torch.manual_seed(0)
        assert model.sample(50).equal(drawn)
        calm = model.sample(50, SampleOptions(temperature=1e-6))
        assert calm.std(0).max() < 0.01
        assert model.sample(4, SampleOptions(mean=3.0, std=1e-6)).std(0).max() < 0.01
        assert not model.sample(1, SampleOptions(mean=3.0, std=1e-6)).equal(calm[:1])

    def test_training_finds_a_correlated_gaussian(self) -> None:
        """Two values that follow each other: the map that starts as the identity learns that they do."""
        h = torch.randn(4000, 1).double()
        h = torch.cat([h, 0.9 * h + math.sqrt(1 - 0.81) * torch.randn(4000, 1)], 1).reshape(-1, 1, 1, 2)
        model = density((1, 1, 2)).double()
        optimiser = torch.optim.Adam(model.parameters(), 2e-2)
        y = model.pixels.inverse(h)
        for _ in range(150):
            optimiser.zero_grad()
            loss = -model.log_density(y).mean()
            loss.backward()
            optimiser.step()
        _, change = model.pixels(y)
        best = 1 + math.log(2 * math.pi) + 0.5 * math.log(1 - 0.81) + 2 * math.log(256) - float(change.mean())
        assert float(loss.detach()) == pytest.approx(best, abs=0.05)


def weights(run: zoo.Run) -> dict[str, Tensor]:
    return run.model.state_dict()


@pytest.mark.parametrize("name", ["iaf-vae.tiny", "realnvp.tiny", "planar", "sylvester"])
class TestRuns:
    def train(self, name: str, data: str, out: Path, **options: Any) -> zoo.Run:
        chosen = {} if "." in name else {"posterior": name}
        model = name if "." in name else "vae.tiny"
        return zoo.train(model, data=data, out=out, batch_size=16, **chosen, **options)

    def test_seed_saving_and_resuming_are_exact(self, name: str, small: str, tmp_path: Path, zoo_here: Here) -> None:
        straight = self.train(name, small, tmp_path / "a", epochs=2)
        again = self.train(name, small, tmp_path / "b", epochs=2)
        kept, trained = weights(straight), weights(again)
        assert all(kept[key].equal(value) for key, value in trained.items())
        assert straight.scores["objective"] == again.scores["objective"]
        scores = zoo.evaluate(tmp_path / "a")
        assert scores["objective"] == straight.scores["objective"]
        # lr is a share of the run, so that a longer run is another one; a constant rate is not.
        self.train(name, small, tmp_path / "c", epochs=1, lr=1e-3)
        zoo_here("train", "--resume", tmp_path / "c", "--epochs", "2")
        longer = self.train(name, small, tmp_path / "d", epochs=2, lr=1e-3)
        resumed = weights(zoo.load(tmp_path / "c"))
        assert all(resumed[key].equal(value) for key, value in weights(longer).items())


class TestComparison:
    def test_likelihoods_are_named_for_what_they_are(self) -> None:
        x = torch.rand(3, 1, 4, 4)

        def told(model: Model) -> object:
            return scores_of(model, batch_of(x), START)["likelihood"]

        assert told(density()) == "exact, grey levels"
        assert told(vae("iaf")) == "bound, binary pixels"
        assert told(vae("normal", likelihood="mse")) == "bound, density of pixels in [0, 1]"
        assert told(vae("normal", likelihood="mse", beta=0.0)) is None
        assert told(vae("delta")) is None


def test_commands(zoo_here: Here) -> None:
    """What people type: train, sample, evaluate, compare."""
    data = ("--data", "glyphs", "--limit", "400")
    trained = json.loads(zoo_here("train", "realnvp.tiny", *data, "--out", "runs/a", "--json").out)
    scores = trained["scores"]
    assert scores["bits_per_dim"] == pytest.approx(scores["objective"] / (784 * math.log(2)))
    assert scores["elbo"] is None
    assert scores["mse"] is None
    zoo_here("sample", "runs/a", "--temperature", "0.8", "-n", "4")
    zoo_here("sample", "runs/a", "--out", "samples.npz", "-n", "4")
    told = zoo_here("evaluate", "runs/a").out
    assert "Exact log p(x)" in told
    assert "elbo\t–" in told
    card = Path("runs/a/README.md").read_text()
    assert "| log_likelihood | -" in card
    assert "| elbo | – | nats per image | ↑ | -(distortion + rate) of the normalised model: a lower bound" in card
    assert sorted(path.name for path in Path("runs/a/figures").iterdir()) == ["loss.png", "samples.png"]
    compared = zoo_here("compare", "runs/a", "vae.tiny", "ae-mlp.tiny", *data, "--samples", "200", "--out", "both")
    heading, *rows = (line.split("\t") for line in compared.out.splitlines() if "\t" in line)
    assert {"log_likelihood ↑", "bits_per_dim ↓"} < set(heading)
    assert heading[-1] == "likelihood"
    cells = {row[0]: dict(zip(heading, row, strict=True)) for row in rows}
    assert cells["runs/a"]["likelihood"] == "exact, grey levels"
    assert cells["runs/a"]["elbo ↑"] == "–"
    assert cells["vae.tiny"]["bits_per_dim ↓"] == "–"
    assert cells["vae.tiny"]["likelihood"] == "bound, binary pixels"
    assert cells["ae-mlp.tiny"]["likelihood"] == "–"
    assert "NOTE: log_likelihood is log p(x) itself" in compared.err
    found = json.loads(Path("both/results.json").read_text())
    assert "lower bound" in found["cautions"][0]
    compared_by = {pair["metric"] for pair in found["pairs"]}
    assert not compared_by & {"elbo", "log_likelihood", "bits_per_dim", "distortion"}, "none is of another's kind"


def test_what_it_cannot_do_is_one_line(small: str, zoo_here: Here) -> None:
    zoo_here("train", "realnvp.tiny", "--data", small, "--out", "runs/a")
    assert "cannot reconstruct" in zoo_here("reconstruct", "runs/a", code=2).err
    assert "has no codes" in zoo_here("embed", "runs/a", code=2).err
    assert "has no codes" in zoo_here("interpolate", "runs/a", code=2).err
    assert "no such option: --beta" in zoo_here("train", "realnvp", "--beta", "2", code=2).err
    explained = zoo_here("explain", "realnvp").out
    assert "-log p(x) = -log N(f(h); 0, 1)" in explained
    assert "exact likelihood" in explained
    assert "q(z|x)" not in explained


PACKED = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
needs_mnist = pytest.mark.skipif(
    find_folder("MNIST/raw", [(name, f"{name}.gz") for name in PACKED]) is None, reason="MNIST is not under ZOO_DATA"
)


@pytest.mark.slow
@needs_mnist
@pytest.mark.parametrize(("linear", "bits"), [(True, 2.011), (False, 2.609)])
def test_gaussians_on_mnist_cost_what_is_known(linear: bool, bits: float) -> None:
    """The best Gaussian in logit space, full or of independent pixels, given to the model by hand."""
    from zoo.data.idx import mnist
    from zoo.data.options import DataOptions

    images = mnist(None, DataOptions())
    model = density((1, 28, 28), couplings=0, linear=linear).double().eval()

    def logits(block: Tensor) -> Tensor:
        return model.pixels(dequantise(block.double().reshape(-1, 1, 28, 28) / 255))[0].flatten(1)

    count, total = 60_000, torch.zeros(784).double()
    square = torch.zeros(784, 784).double()
    for block in images.train.x.split(5000):
        h = logits(block)
        total, square = total + h.sum(0), square + h.T @ h
    mean = total / count
    covariance = square / count - torch.outer(mean, mean)
    spread = covariance.diagonal().sqrt()
    standardise, *rest = model.flow.layers
    with torch.no_grad():
        standardise.shift.copy_(-mean)
        standardise.log_scale.copy_(-spread.log())
        for triangle in rest:
            whitening = torch.linalg.inv(torch.linalg.cholesky(covariance / torch.outer(spread, spread)))
            triangle.below.copy_(whitening)
            triangle.log_diagonal.copy_(whitening.diagonal().log())
        blocks = images.test.x.double().div(255).reshape(-1, 1, 28, 28).split(1000)
        found = torch.cat([model.log_prob(block) for block in blocks]).mean()
    # The noise below the last digit, whose logit has long tails, moves the mean of 10,000 images by 0.0005.
    assert -float(found) / (784 * math.log(2)) == pytest.approx(bits, abs=0.002)


@pytest.mark.slow
@needs_mnist
def test_realnvp_reaches_its_mark(tmp_path: Path) -> None:
    run = zoo.train("realnvp.mnist", data="mnist", out=tmp_path / "run")
    assert run.scores["bits_per_dim"] <= 1.99
    model = run.model
    assert isinstance(model, Density)
    drawn = model.sample(100)
    with torch.no_grad():
        h = model.pixels(dequantise(drawn))[0].flatten(1)
        assert (model.flow.inverse(model.flow(h)[0]) - h).abs().max() <= 1e-4
