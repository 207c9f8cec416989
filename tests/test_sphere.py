"""Codes on a sphere: densities, draws, divergences and gradients, and what they recover."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Done, scores_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from torch import Tensor
from torch.nn import functional as F

import zoo
from zoo import Batch, Embeds, Geometry, SampleOptions, Step, ZooError
from zoo.distributions import Normal, fits, kl
from zoo_sphere.bessel import log_peak, mean_length, rate
from zoo_sphere.distributions import UniformSphere, VonMisesFisher, log_area
from zoo_sphere.geometry import SphereGeometry
from zoo_sphere.sampling import _slope, draw_angle

CONCENTRATIONS = (1e-3, 0.1, 1.0, 10.0, 1e2, 1e3, 1e4, 1e5)
START = Step.of(0, 0, 0)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def direction(d: int) -> Tensor:
    return F.normalize(torch.arange(1.0, d + 1, dtype=torch.float64), dim=-1)


def vmf(d: int, kappa: float, count: int = 1) -> VonMisesFisher:
    return VonMisesFisher(direction(d).expand(count, d), torch.full((count,), kappa, dtype=torch.float64))


def fibonacci(count: int) -> Tensor:
    """Points that each stand for an equal area of the 2-sphere."""
    i = torch.arange(count, dtype=torch.float64) + 0.5
    height, longitude = 1 - 2 * i / count, math.pi * (1 + 5**0.5) * i
    radius = torch.sqrt(1 - height**2)
    return torch.stack([radius * longitude.cos(), radius * longitude.sin(), height], -1)


class TestBessel:
    @pytest.mark.parametrize("d", [2, 3, 5, 10, 50])
    @pytest.mark.parametrize("kappa", [0.1, 1.0, 10.0, 100.0, 300.0])
    def test_where_scipy_can_it_agrees(self, d: int, kappa: float) -> None:
        order, k = d / 2 - 1, torch.tensor(kappa, dtype=torch.float64)
        scaled, further = special.ive(order, kappa), special.ive(order + 1, kappa)
        # log E[exp(k w)], less k
        log_mean = math.lgamma(order + 1) + order * math.log(2 / kappa) + math.log(scaled)
        assert float(log_peak(k, d)) == pytest.approx(-log_mean, rel=1e-9, abs=1e-9)
        assert float(mean_length(k, d)) == pytest.approx(further / scaled, rel=1e-9)
        assert float(rate(k, d)) == pytest.approx(kappa * (further / scaled - 1) - log_mean, rel=1e-9, abs=1e-9)

    @pytest.mark.parametrize("kappa", CONCENTRATIONS)
    def test_in_three_dimensions_it_is_elementary(self, kappa: float) -> None:
        k = torch.tensor(kappa, dtype=torch.float64)
        # 1 - coth and k - log(sinh(k) / k), by what cannot overflow.
        if kappa >= 0.1:
            assert float(mean_length(k, 3)) == pytest.approx(1 / math.tanh(kappa) - 1 / kappa, rel=1e-9)
            assert float(log_peak(k, 3)) == pytest.approx(math.log(2 * kappa / -math.expm1(-2 * kappa)), rel=1e-9)
        else:
            assert float(mean_length(k, 3)) == pytest.approx(kappa / 3 - kappa**3 / 45, rel=1e-9)
            assert float(rate(k, 3)) == pytest.approx(kappa**2 / 6, rel=1e-5)

    @pytest.mark.parametrize("d", [2, 3, 10, 50, 200])
    def test_derivatives_are_those_of_differences(self, d: int) -> None:
        k = torch.tensor([0.05, 1.0, 20.0, 150.0], dtype=torch.float64, requires_grad=True)
        for curve in (log_peak, mean_length, rate):
            torch.autograd.gradcheck(lambda kappa, curve=curve: curve(kappa, d), (k,), eps=1e-5, rtol=1e-4, atol=1e-8)

    @settings(deadline=None, max_examples=60)
    @given(st.floats(-3, 5), st.integers(2, 200))
    def test_bounds_hold_everywhere(self, exponent: float, d: int) -> None:
        kappa = 10**exponent
        k = torch.tensor(kappa, dtype=torch.float64)
        # Amos (1974): the ratio lies between k / (v + 1/2 + sqrt(k² + c²)) with c = v + 3/2 and with c = v + 1/2.
        half = d / 2 - 0.5
        found, slack = float(mean_length(k, d)), 1e-9
        assert kappa / (half + math.hypot(kappa, half + 1)) * (1 - slack) <= found
        assert found <= kappa / (half + math.hypot(kappa, half)) * (1 + slack)
        assert float(rate(k, d)) >= 0
        assert float(log_peak(k, d)) >= 0


class TestDensity:
    @pytest.mark.parametrize("kappa", [1e-3, 1.0, 30.0, 300.0])
    def test_it_integrates_to_one_on_the_2_sphere(self, kappa: float) -> None:
        points = fibonacci(200_000)
        mean = vmf(3, kappa).log_prob(points.unsqueeze(1)).exp().mean()
        assert float(mean) * 4 * math.pi == pytest.approx(1, abs=1e-4)

    @pytest.mark.parametrize(("d", "area"), [(1, 2.0), (2, 2 * math.pi), (3, 4 * math.pi), (4, 2 * math.pi**2)])
    def test_areas(self, d: int, area: float) -> None:
        assert math.exp(log_area(d)) == pytest.approx(area)
        p = UniformSphere(torch.zeros(d, dtype=torch.float64))
        z = p.sample((5, 2))
        torch.testing.assert_close(z.norm(dim=-1), torch.ones(5, 2, dtype=torch.float64))
        torch.testing.assert_close(p.log_prob(z), torch.full((5, 2), -math.log(area), dtype=torch.float64))

    def test_without_concentration_it_is_uniform(self) -> None:
        q, p = vmf(7, 0.0), UniformSphere(torch.zeros(7, dtype=torch.float64))
        z = p.sample((4, 1))
        torch.testing.assert_close(q.log_prob(z), p.log_prob(z))
        assert float(kl(q, p, z[0])) == 0

    @pytest.mark.parametrize("d", [3, 10, 50])
    @pytest.mark.parametrize("kappa", [1.0, 20.0, 500.0])
    def test_the_rate_is_that_of_samples(self, d: int, kappa: float) -> None:
        q, p = vmf(d, kappa), UniformSphere(torch.zeros(d, dtype=torch.float64))
        z = q.sample((40_000,))
        found = (q.log_prob(z) - p.log_prob(z)).flatten()
        error = float(found.std()) / 200
        assert float(kl(q, p, z[0])) == pytest.approx(float(found.mean()), abs=4 * error + 1e-9)

    def test_the_density_keeps_its_digits_in_single_precision(self) -> None:
        q = vmf(3, 1e5)
        z = q.sample((100,))
        narrow = VonMisesFisher(q.loc.float(), q.concentration.float())
        torch.testing.assert_close(narrow.log_prob(z.float()).double(), q.log_prob(z), atol=5e-3, rtol=1e-3)


class TestDraws:
    @pytest.mark.parametrize("d", [2, 3, 10, 50])
    @pytest.mark.parametrize("kappa", [0.5, 10.0, 1000.0])
    def test_two_moments(self, d: int, kappa: float) -> None:
        q, count = vmf(d, kappa), 40_000
        z = q.sample((count,))[:, 0]
        torch.testing.assert_close(z.norm(dim=-1), torch.ones(count, dtype=torch.float64))
        along = z @ q.loc[0]
        error = float(along.std()) / count**0.5
        assert float(along.mean()) == pytest.approx(float(mean_length(q.concentration, d)), abs=4 * error)
        # E[z z'] = A / k I + (1 - d A / k) mu mu'
        share = float(mean_length(q.concentration, d)) / kappa
        wanted = share * torch.eye(d, dtype=torch.float64) + (1 - d * share) * torch.outer(q.loc[0], q.loc[0])
        found = z.T @ z / count
        spread = torch.sqrt(((z**2).T @ z**2 / count - found**2) / count)
        assert bool(((found - wanted).abs() <= 5.5 * spread + 1e-12).all())

    @pytest.mark.parametrize("d", [2, 3, 10, 50])
    @pytest.mark.parametrize("kappa", [0.3, 5.0, 400.0])
    def test_the_gradient_of_an_expectation_is_exact(self, d: int, kappa: float) -> None:
        """E[w] = A(k) and E[w²] = 1 - (d - 1) A / k have known derivatives, which samples must have on average."""
        count = 20_000
        k = torch.full((count,), kappa, dtype=torch.float64, requires_grad=True)
        w = torch.cos(draw_angle(k, d))
        at = torch.tensor(kappa, dtype=torch.float64, requires_grad=True)
        length = mean_length(at, d)
        for moment, wanted in ((w, length), (w**2, 1 - (d - 1) * length / at)):
            (each,) = torch.autograd.grad(moment.sum(), k, retain_graph=True)
            (exact,) = torch.autograd.grad(wanted, at, retain_graph=True)
            assert float(each.mean()) == pytest.approx(float(exact), abs=4.5 * float(each.std()) / count**0.5)

    @pytest.mark.parametrize("kappa", CONCENTRATIONS)
    def test_in_three_dimensions_the_gradient_is_that_of_the_inverse(self, kappa: float) -> None:
        """There w = 1 + log(u + (1 - u) exp(-2 k)) / k, whose derivative at a fixed u is elementary."""
        k = torch.full((200,), kappa, dtype=torch.float64)
        angle = draw_angle(k, 3)
        drop = 2 * torch.sin(angle / 2) ** 2
        share = torch.special.expm1(-kappa * drop) - math.expm1(-2 * kappa)
        u = (share / -math.expm1(-2 * kappa)).clamp(min=1e-300)
        inner = torch.exp(-kappa * drop)
        slope = drop / kappa - 2 * (1 - u) * math.exp(-2 * kappa) / (kappa * inner)
        wanted = -slope / torch.sin(angle)
        middle = (u > 0.01) & (u < 0.99)
        torch.testing.assert_close(_slope(k, angle, 3)[middle], wanted[middle], rtol=1e-4, atol=1e-7)

    @pytest.mark.parametrize("d", [3, 10])
    def test_a_reparameterised_gradient_is_that_of_differences(self, d: int) -> None:
        """For f(z) = exp(a'z), whose mean is a ratio of partition functions in closed form."""
        a = torch.linspace(-1, 1, d, dtype=torch.float64)
        raw = torch.linspace(0.5, 2, d, dtype=torch.float64)

        def exact(mu: Tensor, kappa: Tensor) -> Tensor:
            both = (kappa * mu + a).norm()
            return torch.exp(both - log_peak(both, d) - kappa + log_peak(kappa, d))

        step, kappa = 1e-5, torch.tensor(6.0, dtype=torch.float64)
        differences = [
            float(exact(F.normalize(raw + e, dim=0), kappa) - exact(F.normalize(raw - e, dim=0), kappa)) / (2 * step)
            for e in step * torch.eye(d, dtype=torch.float64)
        ]
        mu = F.normalize(raw, dim=0)
        differences.append(float(exact(mu, kappa + step) - exact(mu, kappa - step)) / (2 * step))
        count = 40_000
        free = raw.expand(count, d).clone().requires_grad_()
        k = kappa.expand(count).clone().requires_grad_()
        z = VonMisesFisher(F.normalize(free, dim=-1), k).rsample()
        torch.exp(z @ a).sum().backward()
        assert free.grad is not None
        assert k.grad is not None
        found = torch.cat([free.grad, k.grad.unsqueeze(1)], 1)
        error = found.std(0) / count**0.5
        wanted = torch.tensor(differences, dtype=torch.float64)
        assert bool(((found.mean(0) - wanted).abs() < 4.5 * error).all())

    @pytest.mark.parametrize("d", [2, 3, 10, 50, 200])
    @pytest.mark.parametrize("kappa", CONCENTRATIONS)
    def test_gradients_are_finite(self, d: int, kappa: float) -> None:
        raw = torch.randn(64, d, requires_grad=True)
        k = torch.full((64,), kappa, requires_grad=True)
        q, p = VonMisesFisher(F.normalize(raw, dim=-1), k), UniformSphere(torch.zeros(d))
        z = q.rsample()
        (q.log_prob(z).sum() + kl(q, p, z).sum() + (z**3).sum() + q.mean.sum()).backward()
        for value in (raw.grad, k.grad):
            assert value is not None
            assert bool(value.isfinite().all())

    def test_draws_come_from_torch_alone(self) -> None:
        q = vmf(5, 3.0, 4)
        torch.manual_seed(3)
        first = q.sample((6,))
        np.random.default_rng(9)
        torch.manual_seed(3)
        assert torch.equal(first, q.sample((6,)))
        assert first.shape == (6, 4, 5)

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.integers(1, 3), max_size=2), st.lists(st.integers(1, 3), max_size=2), st.integers(2, 8))
    def test_shapes(self, shape: list[int], batch: list[int], d: int) -> None:
        q = VonMisesFisher(F.normalize(torch.randn(*batch, d), dim=-1), torch.rand(batch) * 9)
        z, log_q = q.draw(tuple(shape))
        assert log_q is None
        assert z.shape == (*shape, *batch, d)
        assert q.log_prob(z).shape == (*shape, *batch)
        assert (q.batch_shape, q.event_shape, q.mean.shape) == (tuple(batch), (d,), q.point.shape)
        assert q.detached().log_prob(z).shape == (*shape, *batch)


class TestGeometry:
    def test_between_codes_the_way_is_a_great_circle(self) -> None:
        start, end = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0])
        way = SphereGeometry().between(start, end, torch.tensor([0.0, 0.5, 1.0]))
        half = 0.5**0.5
        torch.testing.assert_close(way, torch.tensor([[1.0, 0, 0], [half, half, 0], [0, 1, 0]]), atol=1e-6, rtol=0)
        assert bool(SphereGeometry().between(start, start, torch.linspace(0, 1, 3)).isfinite().all())

    def test_the_map_goes_there_and_back_and_keeps_areas(self) -> None:
        chart = SphereGeometry().chart(3)
        assert chart is not None
        z = fibonacci(1000)
        places = chart.places(z)
        torch.testing.assert_close(chart.codes(places), z)
        counts = torch.histogramdd(places, bins=[4, 4], range=[-1.0, 1.0, -1.0, 1.0]).hist
        assert bool(((counts - 1000 / 16).abs() < 4).all())
        assert SphereGeometry().chart(4) is None

    def test_flat_space_has_straight_lines(self) -> None:
        way = Geometry().between(torch.zeros(2, 2), torch.ones(2, 2), torch.tensor([0.0, 0.25, 1.0]))
        torch.testing.assert_close(way, torch.tensor([0.0, 0.25, 1.0]).reshape(3, 1, 1).expand(3, 2, 2))


class TestModel:
    def test_its_codes_and_pictures_and_scores(self) -> None:
        model = zoo.build("svae.tiny", (3, 7, 5), train_size=10)
        assert isinstance(model, Embeds)
        batch = Batch(torch.rand(6, 3, 7, 5), {}, torch.arange(6))
        torch.testing.assert_close(model.embed(batch.x).norm(dim=-1), torch.ones(6))
        scores = scores_of(model, batch, START)
        assert scores["kl_per_unit"] is None
        assert isinstance(scores["rate"], float)
        assert model.sample(4).shape == (4, 3, 7, 5)

    def test_another_normal_is_refused_in_one_line(self) -> None:
        model = zoo.build("svae.tiny", (1, 4, 4))
        with pytest.raises(ZooError, match="codes of this model lie on the unit sphere"):
            model.sample(2, SampleOptions(std=2.0))
        with pytest.raises(ZooError, match="temperature has no meaning for a UniformSphere prior"):
            model.sample(2, SampleOptions(temperature=0.5))

    @pytest.mark.parametrize("parts", [{"prior": "normal"}, {"posterior": "normal"}])
    def test_a_sphere_fits_a_sphere_only(self, parts: dict[str, str]) -> None:
        with pytest.raises(ZooError, match="the unit sphere"):
            zoo.build("svae.tiny", (1, 4, 4), **parts)
        sphere, space = vmf(3, 1.0), Normal(torch.zeros(3), torch.ones(3))
        assert not fits(sphere, space)
        assert not fits(space, sphere)

    def test_a_batch_of_one_and_no_gradients(self) -> None:
        model = zoo.build("svae", (1, 30, 17))
        batch = Batch(torch.rand(1, 1, 30, 17), {}, torch.arange(1))
        model.loss(batch, START).loss.backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())
        with torch.no_grad():
            assert bool(model.eval().loss(batch, START).loss.isfinite())


def test_a_run_repeats_to_the_bit_and_draws_its_maps(zoo_here: Callable[..., Done], tmp_path: Path) -> None:
    words = ("train", "svae.tiny", "--data", "glyphs", "--limit", "60", "--batch-size", "30")
    zoo_here(*words, "--out", "runs/a")
    zoo_here(*words, "--out", "runs/b")
    folder = tmp_path / "runs"
    first, second = (zoo.load(folder / name).model.state_dict() for name in ("a", "b"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert (folder / "a/figures/latent-grid.png").exists()
    zoo_here("interpolate", "runs/a")
    refused = zoo_here("sample", "runs/a", "--std", "2", code=2)
    assert len(refused.err.strip().splitlines()) == 1


def _images(count: int, noise: float) -> tuple[Tensor, Tensor]:
    """Points of a 2-sphere through a random smooth map to 100 pixels, with noise.

    The map is a random rotation of bumps around 100 even points, so that it stretches no part of the sphere much: no
    model could know by how much it did.
    """
    z = F.normalize(torch.randn(count, 3), dim=-1)
    bumps = torch.exp(2 * (z @ fibonacci(100).float().T - 1))
    smooth = (bumps - bumps.mean(0)) @ torch.linalg.qr(torch.randn(100, 100)).Q
    pixels = 0.5 + 0.2 * smooth / smooth.std() + noise * torch.randn(count, 100)
    return z, pixels.clamp(0, 1).reshape(count, 1, 10, 10)


def _mean_angle(codes: Tensor, z: Tensor) -> float:
    """The mean angle to the true points after the best rotation of the codes, brought to length one (Procrustes)."""
    codes = F.normalize(F.pad(codes, (0, 3 - codes.shape[1])), dim=-1)
    u, _, v = torch.linalg.svd(codes.T @ z)
    return float(torch.acos(((codes @ (u @ v)) * z).sum(-1).clamp(-1, 1)).mean())


@pytest.mark.slow
def test_the_sphere_is_recovered_up_to_rotation(tmp_path: Path) -> None:
    """The normal posterior with as many dimensions, two, cannot: a plane has to tear the sphere."""
    z, x = _images(5000, noise=0.05)
    x = (255 * x).round().byte()
    np.savez(tmp_path / "sphere.npz", x_train=x[:4000].numpy(), x_test=x[4000:].numpy())
    angles = {}
    for name, d in (("svae", 3), ("vae", 2)):
        run = zoo.train(
            name,
            data=f"npz:{tmp_path / 'sphere.npz'}",
            out=tmp_path / name,
            latent_dim=d,
            likelihood="gaussian",
            epochs=10,
            batch_size=64,
        )
        assert isinstance(run.model, Embeds)
        angles[name] = _mean_angle(run.model.embed(x[4000:].float() / 255), z[4000:])
    assert angles["svae"] < 0.1
    assert angles["vae"] > 2 * angles["svae"]
