"""The Fréchet distance and the label accuracy: against closed forms, and repeatable whatever the model draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import scipy.linalg
import torch
from conftest import Done
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import zoo
from zoo import Batch, Conditional, Measure, Model, SampleOptions, Step, ZooError
from zoo.evaluation.measure import Asked, measure
from zoo.options import Options
from zoo.registry import load_registry
from zoo_samples.classifier import LEAST, Classifier, LabelledImages, Unjudged, draw, train_classifier
from zoo_samples.frechet import Moments, frechet_distance
from zoo_samples.options import FrechetOptions, LabelAccuracyOptions

START = Step.of(0, 0, 0)
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


def bars(count: int, shape: tuple[int, int, int] = (1, 8, 8)) -> tuple[Tensor, Tensor]:
    """Images of a bar at a noisy height, whose label says at which of two places it stands."""
    y = torch.arange(count).mul(7).bitwise_right_shift(1) % 2
    x = torch.rand(count, *shape) * 0.2
    x[torch.arange(count), :, :, y * (shape[2] - 1)] += 0.6
    return x, 3 + 4 * y


def batches(x: Tensor, y: Tensor, size: int = 50) -> list[Batch]:
    parts = torch.split(torch.arange(len(x)), size)
    return [Batch(x[part], {"label": y[part], "slant": torch.rand(len(part))}, part) for part in parts]


class TestClassifier:
    @settings(max_examples=12, deadline=None)
    @given(c=st.sampled_from([1, 3]), h=st.integers(1, 40), w=st.integers(1, 40))
    def test_takes_images_of_any_shape(self, c: int, h: int, w: int) -> None:
        x = torch.rand(3, c, h, w)
        net = Classifier((c, h, w), torch.tensor([2, 5])).eval()
        assert net(x).shape == (3, 2)
        assert net.features(x).shape == (3, 64)
        assert set(net.classify(x).tolist()) <= {2, 5}

    @pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 30, 17), (1, 1, 2)])
    def test_learns(self, shape: tuple[int, int, int]) -> None:
        x, y = bars(400, shape)
        net = train_classifier(x[::2], y[::2])
        assert net.labels.tolist() == [3, 7]
        assert net.accuracy(x[1::2], y[1::2]) > 0.95
        assert not net.training

    def test_is_a_function_of_images_and_labels_alone(self) -> None:
        x, y = bars(120)
        one = train_classifier(x, y)
        torch.rand(17)
        before = torch.get_rng_state()
        with torch.no_grad():
            other = train_classifier(x, y)
        assert torch.equal(before, torch.get_rng_state())
        pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)

    def test_labels_are_told_apart_by_their_value(self) -> None:
        x, y = bars(200)
        assert train_classifier(x, 10 - y).classify(x).equal(10 - train_classifier(x, y).classify(x))


class TestImages:
    def test_alternate_between_learning_and_comparing(self) -> None:
        x, y = bars(37)
        kept = LabelledImages("label", 31)
        for batch in batches(x, y, 10):
            kept.add(batch)
        (learnt, _), (held, labels) = kept.split()
        assert learnt.equal(x[:31:2])
        assert held.equal(x[1:31:2])
        assert labels.equal(y[1:31:2])

    @pytest.mark.parametrize(
        ("y", "reason"),
        [
            ({}, "the images have no classes called 'label', which a classifier could learn"),
            ({"label": torch.rand(20)}, "the images have no classes called 'label'"),
            ({"label": torch.zeros(20, 2).long()}, "the images have no classes called 'label'"),
            ({"label": torch.full((20,), 4)}, "all images that the classifier learns from have the label 4"),
        ],
    )
    def test_without_classes_there_is_a_reason(self, y: dict[str, Tensor], reason: str) -> None:
        batch = Batch(torch.rand(20, 1, 4, 4), y, torch.arange(20))
        for name in ("frechet", "label-accuracy"):
            found = measured(Copier(*bars(20)), name, [batch])
            assert found.value is None
            assert found.reason.startswith(reason)

    def test_few_have_a_reason(self) -> None:
        found = measured(Copier(*bars(20)), "frechet", batches(*bars(LEAST - 1)))
        assert found == Measure(None, "15 test images are too few for a classifier, which needs 16")


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


KINDS: dict[str, type[Options]] = {"frechet": FrechetOptions, "label-accuracy": LabelAccuracyOptions}


def measured(model: Model, name: str, shown: list[Batch], seed: int = 0, **options: object) -> Measure:
    entry = load_registry(third_party=False).metric(name)
    return measure(model, [Asked(name, entry.item, KINDS[name](**options))], shown, START, seed)[name]


class TestFrechet:
    def test_is_small_for_the_images_themselves_and_large_for_others(self) -> None:
        x, y = bars(600)
        shown = batches(x, y)
        same = measured(Copier(*bars(600)), "frechet", shown, samples=600)
        other = measured(Copier(x.flip(3).transpose(2, 3), y), "frechet", shown, samples=600)
        assert same.value is not None
        assert other.value is not None
        assert same.details["accuracy"] > 0.95
        assert 0 < same.value < 3 * same.details["floor"]
        assert other.value > 10 * same.value
        assert {"samples": 600, "images": 300}.items() <= same.details.items()

    def test_of_half_the_classes_is_large(self) -> None:
        x, y = bars(600)
        whole, half = (measured(model, "frechet", batches(x, y), samples=400) for model in copiers(x, y))
        assert whole.value is not None
        assert half.value is not None
        assert half.value > 10 * whole.value

    def test_is_repeatable_to_the_bit_and_does_not_touch_the_generator(self) -> None:
        model, shown = Copier(*bars(100)), batches(*bars(60))
        before = torch.get_rng_state()
        found = [measured(model, "frechet", shown, seed, samples=50) for seed in (0, 0, 1)]
        assert torch.equal(before, torch.get_rng_state())
        assert found[0] == found[1]
        assert found[0].value != found[2].value
        # The classifier is the same whatever is drawn.
        assert found[0].details == found[2].details

    def test_samples_that_are_not_finite_are_told(self) -> None:
        x, y = bars(100)
        broken = Copier(torch.full_like(x, torch.nan), y)
        for name in KINDS:
            found = measured(broken, name, batches(x, y), samples=5)
            assert found == Measure(None, "the samples of the model are not all finite")

    def test_draws_what_is_asked_for(self) -> None:
        assert [len(x) for x in draw(Copier(*bars(20)), 1001)] == [500, 500, 1]
        with pytest.raises(Unjudged):
            next(draw(Copier(torch.full((3, 1, 2, 2), torch.inf), torch.zeros(3)), 2))


def copiers(x: Tensor, y: Tensor) -> tuple[Copier, Copier]:
    return Copier(x, y), Copier(x[y == 3], y[y == 3])


class TestLabelAccuracy:
    def test_of_what_is_right_and_what_is_wrong(self) -> None:
        x, y = bars(400)
        shown = batches(x, y)
        right = measured(Copier(x, y), "label-accuracy", shown, samples=100)
        wrong = measured(Copier(x, 10 - y), "label-accuracy", shown, samples=100)
        assert right.value is not None
        assert wrong.value is not None
        assert right.value > 0.95
        assert wrong.value < 0.05
        assert right.details["samples"] == 200
        assert right.details["worst"] <= right.value
        assert right.details["worst_label"] in (3, 7)

    def test_one_label_that_fails_is_named(self) -> None:
        x, y = bars(400)
        always = Copier(torch.cat([x[y == 3], x[y == 3]]), torch.cat([y[y == 3], 10 - y[y == 3]]))
        found = measured(always, "label-accuracy", batches(x, y), samples=50)
        assert found.value == pytest.approx(0.5, abs=0.05)
        assert found.details["worst_label"] == 7

    def test_has_the_classifier_of_the_other_metric(self) -> None:
        x, y = bars(90)
        both = [measured(Copier(x, y), name, batches(x, y), samples=9) for name in KINDS]
        assert both[0].details["accuracy"] == both[1].details["accuracy"]

    def test_of_a_model_that_is_told_nothing_or_another_label(self) -> None:
        shown = batches(*bars(40))
        told = measured(Untold(*bars(40)), "label-accuracy", shown)
        assert told == Measure(None, "the model is told no labels; train it with --condition label")
        other = measured(Copier(*bars(40), known="style"), "label-accuracy", shown)
        assert other == Measure(None, "this model is told the 'style' of each image, and these images have none")


class TestRuns:
    def test_of_glyphs(self, zoo_here: Here) -> None:
        zoo.train("cvae.tiny", data="glyphs", limit=400, out="runs/a")
        few = {"images": 600, "samples": 200}
        wanted = {"frechet": few, "label-accuracy": {**few, "samples": 20}}
        one = zoo.evaluate("runs/a", metrics=wanted)
        assert one["frechet"] > one["frechet.floor"] > 0
        assert one["frechet.accuracy"] == one["label-accuracy.accuracy"] > 0.8
        assert one["label-accuracy.samples"] == 200
        assert 0 <= one["label-accuracy.worst"] <= one["label-accuracy"] <= 1
        assert one == zoo.evaluate("runs/a", metrics=wanted)

    def test_of_models_of_other_kinds(self, zoo_here: Here, small: str) -> None:
        for name in ("ae.tiny", "vq-vae.tiny", "realnvp.tiny"):
            zoo.train(name, data=small, out=f"runs/{name}")
            found = zoo.evaluate(f"runs/{name}", metrics={"frechet": {"samples": 30}, "label-accuracy": {}})
            assert found["frechet"] > 0
            assert found["label-accuracy"] is None
            assert "label" in found["reasons"]["label-accuracy"] or "Conditional" in found["reasons"]["label-accuracy"]

    def test_from_the_command_line(self, zoo_here: Here, small: str) -> None:
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
        words = ("evaluate", "runs/a", "--metric", "frechet", "--metric", "label-accuracy", "--frechet.samples", "20")
        done = zoo_here(*words)
        assert "frechet\t" in done.out
        assert (
            "label-accuracy: none, because the model is told no labels; train it with --condition label" in done.lines
        )
        told = zoo_here("evaluate", "runs/a", "--metric", "frechet", "--frechet.samples", "1", code=2)
        assert "--frechet.samples must be at least 2, got 1" in told.err
        told = zoo_here("evaluate", "runs/a", "--metric", "frechet", "--frechet.label", "colour")
        assert "frechet: none, because the images have no classes called 'colour'" in told.err
