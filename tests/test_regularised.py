"""Losses without a density: the discrepancy of two samples against its sums, and the norms of code and decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import zoo
from zoo import Batch, SampleOptions, Step
from zoo.compositions.autoencoder import Autoencoder
from zoo.training.options import TrainOptions
from zoo.training.players import Optimisers
from zoo_regularised.discrepancy import Kernel, discrepancy, imq, rbf

START = Step.of(0, 0, 0)
NAMES = ["wae-mmd", "rae-l2"]
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

kernels = pytest.mark.parametrize("kernel", [imq, rbf])
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


def linear(**options: Any) -> Autoencoder:
    """A linear autoencoder in double precision, small enough to be computed by hand."""
    model = zoo.build("linear-ae", (1, 2, 3), latent_dim=2, **options).double()
    assert isinstance(model, Autoencoder)
    return model


def double_sums(a: Tensor, b: Tensor, kernel: Kernel, width: float) -> float:
    """The estimate pair by pair."""
    n = len(a)

    def k(x: Tensor, y: Tensor) -> float:
        return float(kernel(((x - y) ** 2).sum(), width))

    own = sum(k(a[i], a[j]) + k(b[i], b[j]) for i in range(n) for j in range(n) if i != j)
    return own / (n * (n - 1)) - 2 * sum(k(x, y) for x in a for y in b) / n**2


class TestDiscrepancy:
    def test_kernels_by_hand(self) -> None:
        square = torch.tensor([0.0, 2.0, 6.0]).double()
        close(imq(square, 2.0), torch.tensor([1.0, 1 / 2, 1 / 4]).double())
        close(rbf(square, 2.0), torch.tensor([0.0, -1.0, -3.0]).double().exp())

    @settings(deadline=None, max_examples=25)
    @given(st.integers(2, 6), st.integers(1, 3), st.floats(0.1, 9), st.integers(0, 99))
    @kernels
    def test_equals_the_double_sums(self, kernel: Kernel, count: int, units: int, width: float, seed: int) -> None:
        torch.manual_seed(seed)
        a, b = torch.randn(2, count, units).double()
        wanted = double_sums(a, 1 + b, kernel, width)
        assert float(discrepancy(a, 1 + b, kernel, [width])) == pytest.approx(wanted, abs=1e-9)

    @kernels
    def test_widths_are_summed(self, kernel: Kernel) -> None:
        a, b = torch.randn(2, 7, 3).double()
        close(
            discrepancy(a, b, kernel, [0.5, 3.0]), discrepancy(a, b, kernel, [0.5]) + discrepancy(a, b, kernel, [3.0])
        )

    @kernels
    @pytest.mark.parametrize("count", [2, 3, 20])
    def test_is_unbiased_for_equal_laws(self, kernel: Kernel, count: int) -> None:
        """Its mean over many samples is 0 within the standard error; in a small batch a biased one would show."""
        found = torch.stack([discrepancy(*torch.randn(2, count, 2), kernel, [2.0, 8.0]) for _ in range(1000)]).double()
        assert float(found.mean().abs()) < 4 * float(found.std()) / math.sqrt(len(found))
        assert float(found.min()) < 0 < float(found.max())

    def test_is_unbiased_for_different_laws(self) -> None:
        """In closed form: two normals of variances s and t a distance m apart, and a Gaussian kernel of width C."""
        shift, width = 1.0, 4.0

        def mean_kernel(variance: float, distance: float) -> float:
            return math.sqrt(width / (width + 2 * variance)) * math.exp(-(distance**2) / (width + 2 * variance))

        spread = 0.5
        wanted = mean_kernel(2, 0) + mean_kernel(2 * spread**2, 0) - 2 * mean_kernel(1 + spread**2, shift)
        found = torch.stack(
            [discrepancy(torch.randn(5, 1), shift + spread * torch.randn(5, 1), rbf, [width]) for _ in range(1000)]
        ).double()
        assert float((found.mean() - wanted).abs()) < 4 * float(found.std()) / math.sqrt(len(found))

    @kernels
    @pytest.mark.parametrize("change", [lambda z: z + 0.5, lambda z: 2 * z, lambda z: z.sign(), lambda z: 0 * z])
    def test_is_positive_for_different_laws(self, kernel: Kernel, change: Callable[[Tensor], Tensor]) -> None:
        """Moved, spread, with two values only, collapsed."""
        a, b = torch.randn(2, 400, 2)
        assert float(discrepancy(change(a), b, kernel, [4.0])) > 0.005

    @kernels
    def test_one_pair_says_nothing(self, kernel: Kernel) -> None:
        a = torch.randn(1, 3, requires_grad=True)
        found = discrepancy(a, torch.randn(1, 3), kernel, [1.0])
        assert float(found.detach()) == 0
        assert not torch.autograd.grad(found, a)[0].any()

    @kernels
    def test_gradients_pull_codes_to_the_prior(self, kernel: Kernel) -> None:
        """Finite where codes coincide, too."""
        z = torch.cat([torch.full((4, 2), 2.0), torch.tensor([[2.0, 3.0]])]).requires_grad_()
        gradient = torch.autograd.grad(discrepancy(z, 0.1 * torch.randn(5, 2), kernel, [4.0]), z)[0]
        assert gradient.isfinite().all()
        assert (gradient.sum(0) > 0).all()


class TestMmd:
    @pytest.mark.parametrize("kernel", ["imq", "rbf"])
    def test_equals_the_computation_by_hand(self, kernel: str) -> None:
        model, x = linear(loss="mmd", kernels=kernel, weight=3.0), torch.rand(5, 1, 2, 3).double()
        torch.manual_seed(1)
        terms = model.loss(Batch(x, {}, torch.arange(5)), START)
        torch.manual_seed(1)
        drawn, z = torch.randn(5, 2, dtype=torch.float64), model.embed(x)
        wanted = sum(double_sums(z, drawn, {"imq": imq, "rbf": rbf}[kernel], 4 * scale) for scale in SCALES)
        distortion = ((model.reconstruct(x) - x) ** 2).sum() / 5
        close(terms.logs["distortion"], distortion)
        close(terms.logs["mmd"], wanted)
        close(terms.loss, distortion + 3 * wanted)

    def test_options(self) -> None:
        model = linear(loss="mmd", scales=(0.5, 1.0), spread=8.0, weight="linear:0..4@10")
        assert model.objective.widths == (8.0, 16.0)
        terms = model.loss(Batch(torch.rand(5, 1, 2, 3).double(), {}, torch.arange(5)), Step.of(5, 0, 0))
        close(terms.loss, terms.logs["distortion"] + 2 * terms.logs["mmd"])

    def test_gradients_reach_the_encoder(self) -> None:
        model = tiny("wae-mmd")
        terms = model.loss(batch_of(), START)
        parameters = dict(model.encoder.named_parameters())
        found = torch.autograd.grad(terms.logs["mmd"], list(parameters.values()))
        # A bias before batch normalisation would be none; the conv encoder has none there.
        assert all(gradient.isfinite().all() and gradient.any() for gradient in found)

    @pytest.mark.parametrize(("posterior", "prior"), [("delta", "laplace"), ("normal", "normal"), ("gamma", "gamma")])
    def test_takes_any_posterior_and_prior(self, posterior: str, prior: str) -> None:
        model = tiny("wae-mmd", posterior=posterior, prior=prior)
        Optimisers(model.players(), TrainOptions()).step(model.loss(batch_of(), START), 0, 1e-3)
        assert model.loss(batch_of(), START).loss.isfinite()

    def test_training_brings_codes_to_the_prior(self) -> None:
        model, batch = tiny("wae-mmd", weight=1000.0), batch_of(64)
        with torch.no_grad():
            model.get_parameter("encoder.head.layer.bias").fill_(2.0)
        optimisers = Optimisers(model.players(), TrainOptions())
        first = float(model.loss(batch, START).logs["mmd"].detach())
        for count in range(60):
            optimisers.step(model.loss(batch, START), count, 3e-3)
        assert float(model.loss(batch, START).logs["mmd"].detach()) < 0.1 * first


class TestRae:
    def test_equals_the_computation_by_hand(self) -> None:
        model, x = linear(loss="rae", beta=0.3, decay=0.02), torch.rand(5, 1, 2, 3).double()
        terms = model.loss(Batch(x, {}, torch.arange(5)), START)
        values, z = dict(model.named_parameters()), model.embed(x)
        picture = z @ values["decoder.network.layer.weight"].T + values["decoder.network.layer.bias"]
        distortion = ((picture - x.flatten(1)) ** 2).sum() / 5
        code = (z**2).sum() / 2 / 5
        decoder = (values["decoder.network.layer.weight"] ** 2).sum() + (
            values["decoder.network.layer.bias"] ** 2
        ).sum()
        close(terms.logs["distortion"], distortion)
        close(terms.logs["code_norm"], code)
        close(terms.logs["weight_norm"], decoder)
        close(terms.loss, distortion + 0.3 * code + 0.02 * decoder)

    def test_decay_shrinks_the_decoder_alone(self) -> None:
        model = tiny("rae-l2", decay=1.0)
        gradients = torch.autograd.grad(
            model.loss(batch_of(), START).logs["weight_norm"], list(model.parameters()), allow_unused=True
        )
        for (name, value), gradient in zip(model.named_parameters(), gradients, strict=True):
            if name.startswith("decoder.network"):
                close(gradient, 2 * value.detach(), 1e-6)
            else:
                assert gradient is None

    def test_the_decoder_keeps_its_one_owner(self) -> None:
        model = tiny("rae-l2")
        assert not list(model.objective.parameters())
        assert model.state_dict().keys() == tiny("ae").state_dict().keys()

    def test_the_decoder_is_followed_into_another_precision(self) -> None:
        model = tiny("rae-l2").double()
        terms = model.loss(Batch(batch_of().x.double(), {}, torch.arange(8)), START)
        assert terms.logs["weight_norm"].dtype == torch.float64

    def test_weights_may_be_schedules(self) -> None:
        model = linear(loss="rae", beta="linear:0..2@10", decay="linear:0..4@10")
        terms = model.loss(Batch(torch.rand(5, 1, 2, 3).double(), {}, torch.arange(5)), Step.of(5, 0, 0))
        close(terms.loss, terms.logs["distortion"] + terms.logs["code_norm"] + 2 * terms.logs["weight_norm"])

    def test_takes_a_posterior_with_noise(self) -> None:
        terms = tiny("rae-l2", posterior="normal").loss(batch_of(), START)
        assert terms.loss.isfinite()


@both
def test_one_image(name: str) -> None:
    """Scored without a NaN; a lone code has no discrepancy."""
    model, batch = tiny(name).eval(), batch_of(1)
    torch.manual_seed(1)
    terms = model.loss(batch, START)
    assert all(value.isfinite() for value in (terms.loss, *terms.logs.values()))
    if name == "wae-mmd":
        assert float(terms.logs["mmd"].detach()) == 0
    torch.manual_seed(1)
    with torch.no_grad():
        assert model.loss(batch, START).loss.equal(terms.loss.detach())


@both
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 30, 17)])
def test_gradients_reach_every_parameter(name: str, shape: tuple[int, int, int]) -> None:
    model = tiny(name, shape)
    gradients = torch.autograd.grad(model.loss(batch_of(5, shape), START).loss, list(model.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert all(gradient.any() for gradient in gradients)


@both
def test_runs_are_repeatable_and_loadable(
    name: str, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
    options = {"data": small, "batch_size": 20, "device": "cpu", "val_fraction": 0.2}
    first, again, other = (zoo.train(f"{name}.tiny", seed=seed, **options) for seed in (3, 3, 4))
    loaded = zoo.load(first.path)
    for key, value in first.model.state_dict().items():
        assert value.equal(again.model.state_dict()[key])
        assert value.equal(loaded.model.state_dict()[key])
    layer = "encoder.head.layer.weight"
    assert not first.model.state_dict()[layer].equal(other.model.state_dict()[layer])
    assert first.scores["rate"] is None
    # The declared prior draws straight after training, at any temperature.
    images = loaded.model.sample(5, SampleOptions(temperature=0.8))
    assert images.shape == (5, 1, 12, 12)
    assert images.isfinite().all()


def test_the_command_trains_samples_and_explains(zoo_here: Callable[..., Any], small: str) -> None:
    words = ("--data", small, "--device", "cpu", "--kernels", "rbf", "--scales", "0.5,1", "--out", "run")
    zoo_here("train", "wae-mmd.tiny", *words)
    zoo_here("sample", "run", "--seed", "1")
    assert "MMD^2(q(z), p(z))" in zoo_here("explain", "wae-mmd").out
    refused = zoo_here("train", "wae-mmd.tiny", "--data", small, "--scales", "0", code=2)
    assert "scales" in refused.err
