"""The Fréchet distance and the label accuracy: against closed forms, and repeatable whatever the model draws."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import scipy.linalg
import torch
from conftest import Done
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import zoo
from zoo import Batch, Conditional, DataOptions, ImageSet, Measure, Model, SampleOptions, Split, Step, Subject, ZooError
from zoo.data.cache import find_folder
from zoo.data.glyphs import load as glyphs
from zoo.evaluation.measure import ask, measure
from zoo.features.classifier import Classifier
from zoo.features.find import classifier_of
from zoo.features.learning import learn
from zoo.registry import load_registry
from zoo_samples.frechet import Moments, frechet_distance

START = Step.of(0, 0, 0)
DATA = os.environ.get("ZOO_DATA")
HAS_MNIST = find_folder("MNIST/raw", [("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz")]) is not None
Here = Callable[..., Done]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def gaussian(size: int, rank: int | None = None) -> Moments:
    root = torch.randn(size, rank or size, dtype=torch.float64)
    return Moments(torch.randn(size, dtype=torch.float64), root @ root.T)


class TestDistance:
    def test_of_what_is_equal_is_nothing(self) -> None:
        # 10 features of 64 values: a covariance of rank 9, where a root of a rounding error would show.
        for features in (torch.randn(500, 64), torch.randn(10, 64), torch.zeros(5, 3)):
            one = Moments.of(features)
            assert frechet_distance(one, one) < 1e-12 * (1 + float(one.covariance.trace()))

    def test_of_diagonal_gaussians_is_that_of_means_and_spreads(self) -> None:
        m, n, s, t = torch.rand(4, 7, dtype=torch.float64)
        wanted = (m - n).square().sum() + (s - t).square().sum()
        found = frechet_distance(Moments(m, s.square().diag()), Moments(n, t.square().diag()))
        assert found == pytest.approx(float(wanted), rel=1e-12)

    @pytest.mark.parametrize("size", [1, 5, 64])
    def test_equals_the_root_of_the_product(self, size: int) -> None:
        one, other = gaussian(size), gaussian(size)
        root = scipy.linalg.sqrtm((one.covariance @ other.covariance).numpy())
        wanted = float((one.mean - other.mean).square().sum())
        wanted += float(one.covariance.trace() + other.covariance.trace()) - 2 * float(root.trace().real)
        assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-9)

    @settings(max_examples=30, deadline=None)
    @given(size=st.integers(1, 20), rank=st.integers(1, 20), seed=st.integers(0, 10**6))
    def test_is_symmetric_and_at_least_nothing(self, size: int, rank: int, seed: int) -> None:
        torch.manual_seed(seed)
        one, other = gaussian(size, rank), gaussian(size)
        found = frechet_distance(one, other)
        assert found >= 0
        assert found == pytest.approx(frechet_distance(other, one), rel=1e-8)

    def test_does_not_change_when_both_turn_and_move(self) -> None:
        one, other = gaussian(6), gaussian(6)
        turn, move = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q, torch.randn(6, dtype=torch.float64)
        moved = [Moments(turn @ g.mean + move, turn @ g.covariance @ turn.T) for g in (one, other)]
        assert frechet_distance(*moved) == pytest.approx(frechet_distance(one, other), rel=1e-10)

    def test_moments_are_of_the_features(self) -> None:
        features = torch.randn(40, 3)
        found = Moments.of(features)
        assert found.mean.dtype == found.covariance.dtype == torch.float64
        torch.testing.assert_close(found.covariance, torch.cov(features.double().T))
        assert Moments.of(torch.randn(4, 1)).covariance.shape == (1, 1)


class TestFeatures:
    """What the distance of real images does as they get worse."""

    @pytest.fixture
    def images(self, zoo_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ImageSet:
        monkeypatch.setenv("XDG_CACHE_HOME", zoo_env["XDG_CACHE_HOME"])
        return glyphs(None, DataOptions(limit=4000))

    def test_rises_with_noise_blur_and_blackout(self, images: ImageSet) -> None:
        classifier = classifier_of(images)
        x = images.read(images.test.x[:1500])
        seen = Moments.of(classifier.features(images.read(images.train.x[:1500])))
        floor = frechet_distance(seen, Moments.of(classifier.features(x)))
        for worse in (noisy, blurred, blackened):
            found = [frechet_distance(seen, Moments.of(classifier.features(worse(x, level)))) for level in (1, 2, 3, 4)]
            assert [floor, *found] == sorted([floor, *found]), worse.__name__
            assert found[-1] > 10 * floor, worse.__name__


def noisy(x: Tensor, level: int) -> Tensor:
    return (x + 0.12 * level * torch.randn(x.shape)).clamp(0, 1)


def blurred(x: Tensor, level: int) -> Tensor:
    return functional.avg_pool2d(x, 2 * level + 1, 1, level, count_include_pad=False)


def blackened(x: Tensor, level: int) -> Tensor:
    """Images with a black square at a place of its own each."""
    side, x = 4 * level, x.clone()
    for image, (top, left) in zip(x, torch.randint(0, 28 - side + 1, (len(x), 2)).tolist(), strict=True):
        image[:, top : top + side, left : left + side] = 0
    return x


def bars(count: int) -> tuple[Tensor, Tensor]:
    """Images of a bar at a noisy height, whose label says at which of two places it stands."""
    y = torch.arange(count).mul(7).bitwise_right_shift(1) % 2
    x = torch.rand(count, 1, 8, 8) * 0.2
    x[torch.arange(count), :, :, y * 7] += 0.6
    return x, 3 + 4 * y


@cache
def classifier() -> Classifier:
    x, y = bars(400)
    part = Split(x, {"label": y})
    return learn(ImageSet("bars", part, part, 1.0, ""))


class Copier(Model, Conditional):
    """A model that knows images by heart, and draws them anew."""

    def __init__(self, x: Tensor, y: Tensor, known: str = "label") -> None:
        super().__init__()
        self.x, self.y, self.known = x, y, known

    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        x = self.x if options is None or options.label is None else self.x[self.y == options.label]
        return x[torch.randint(len(x), (n,))]

    def given(self, y: Any) -> object:
        if self.known not in y:
            raise ZooError(f"this model is told the '{self.known}' of each image, and these images have none")
        return object()

    loss = players = prepare = sample  # type: ignore[assignment]


class Untold(Copier):
    """The same, told nothing."""

    def given(self, y: Any) -> object:
        return self


def accuracy(model: Model, samples: int = 100) -> Measure:
    x, y = bars(100)
    batch = Batch(x, {"label": y}, torch.arange(100))
    subject = Subject(model, START, lambda: iter([batch]), classifier=lambda label: classifier())
    asked = ask(load_registry(third_party=False), {"label-accuracy": {"samples": samples}})
    return measure(subject, asked)["label-accuracy"]


class TestLabelAccuracy:
    def test_of_what_is_right_and_what_is_wrong(self) -> None:
        x, y = bars(400)
        right, wrong = accuracy(Copier(x, y)), accuracy(Copier(x, 10 - y))
        assert right.value is not None
        assert right.value > 0.95  # type: ignore[operator]
        assert wrong.value < 0.05  # type: ignore[operator]
        assert right.details["samples"] == 200
        assert right.details["worst"] <= right.value  # type: ignore[operator]
        assert right.details["worst_label"] in (3, 7)
        assert right.details["accuracy"] == classifier().accuracy

    def test_one_label_that_fails_is_named(self) -> None:
        x, y = bars(400)
        always = Copier(torch.cat([x[y == 3], x[y == 3]]), torch.cat([y[y == 3], 10 - y[y == 3]]))
        found = accuracy(always, 50)
        assert found.value == pytest.approx(0.5, abs=0.05)
        assert found.details["worst_label"] == 7

    def test_of_a_model_that_is_told_nothing_or_another_label(self) -> None:
        told = accuracy(Untold(*bars(40)))
        assert told == Measure(None, "the model is told no labels; train it with --condition label")
        other = accuracy(Copier(*bars(40), known="style"))
        assert other == Measure(None, "this model is told the 'style' of each image, and these images have none")

    def test_samples_that_are_not_finite_are_told(self) -> None:
        x, y = bars(100)
        found = accuracy(Copier(torch.full_like(x, torch.nan), y), 5)
        assert found == Measure(None, "the samples of the model are not all finite")


class TestRuns:
    def test_of_glyphs(self, zoo_here: Here) -> None:
        zoo.train("cvae.tiny", data="glyphs", limit=400, out="runs/a")
        wanted = {"frechet": {}, "label-accuracy": {"samples": 20}}
        one = zoo.evaluate("runs/a", metrics=wanted, samples=200)
        assert 0 < one["frechet.floor"] < one["frechet"]
        assert one["frechet.floor"] < one["frechet.pca"] < one["frechet.noise"]
        assert one["frechet.accuracy"] == one["label_accuracy.accuracy"] > 0.98
        assert one["label_accuracy.samples"] == 200
        assert 0 <= one["label_accuracy.worst"] <= one["label_accuracy"] <= 1
        assert one == zoo.evaluate("runs/a", metrics=wanted, samples=200)

    def test_of_models_of_other_kinds(self, zoo_here: Here) -> None:
        for name in ("ae.tiny", "vq-vae.tiny"):
            zoo.train(name, data="glyphs", limit=200, out=f"runs/{name}")
            found = zoo.evaluate(f"runs/{name}", metrics={"frechet": {}, "label-accuracy": {}}, samples=100)
            assert found["frechet"] > found["frechet.floor"]
            assert found["label_accuracy"] is None
            assert "label" in found["reasons"]["label_accuracy"] or "Conditional" in found["reasons"]["label_accuracy"]

    def test_from_the_command_line(self, zoo_here: Here, small: str) -> None:
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
        done = zoo_here("evaluate", "runs/a", "--metrics", "frechet,label-accuracy", "--samples", "100")
        assert "frechet\t" in done.out
        assert "frechet: none, because 16 test images are too few, it needs 65" in done.lines
        assert (
            "label-accuracy: none, because the model is told no labels; train it with --condition label" in done.lines
        )
        told = zoo_here("evaluate", "runs/a", "--metrics", "coverage", "--samples", "5", code=2)
        assert "5 samples are too few: --samples must be at least 6" in told.err


@pytest.mark.slow
@pytest.mark.skipif(not HAS_MNIST, reason="MNIST is not under ZOO_DATA")
class TestOrder:
    """What the numbers say of models that were trained as long as each other, on MNIST."""

    def test_a_mixture_saves_the_autoencoder(self, zoo_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
        if DATA is not None:
            monkeypatch.setenv("ZOO_DATA", DATA)
        for name in ("ae", "conv-vae"):
            zoo.train(name, data="mnist", limit=20_000, epochs=3, out=f"runs/{name}")
        zoo.fit("runs/ae", "gmm")
        wanted: dict[str, Any] = {"metrics": {"frechet": {}}, "samples": 5000}
        ae, vae = zoo.evaluate("runs/ae", **wanted), zoo.evaluate("runs/conv-vae", **wanted)
        mixture = zoo.evaluate("runs/ae", prior="gmm", **wanted)
        assert ae["frechet"] > 2 * vae["frechet"]
        # Most of what lies between the two is closed.
        assert mixture["frechet"] < vae["frechet"] + 0.5 * (ae["frechet"] - vae["frechet"])
        for scores in (ae, vae, mixture):
            assert scores["frechet.floor"] < scores["frechet"] < scores["frechet.noise"]
