"""The kit's checks of data sets and metrics: each tells its fault by a sentence, and the sound one passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from kit_trials import MINE, fails, passes, registry_with
from torch import Tensor

import zoo
from zoo import DatasetSpec, ImageSet, Measure, Metric, MetricSpec, Options, Split, Subject
from zoo.testing.check import Trial
from zoo.testing.datasets.checks import dataset_trials
from zoo.testing.metrics.checks import metric_trials


def gratings(count: int = 60, test: int = 20) -> ImageSet:
    angle = torch.linspace(0, 3, count + test)
    row = torch.linspace(-3, 3, 10)
    phase = row * angle.cos()[:, None, None] + row[:, None] * angle.sin()[:, None, None]
    whole = Split((127.5 + 127.5 * torch.sin(3 * phase)).to(torch.uint8)[:, None], {"angle": angle})
    return ImageSet("gratings", whole[:count], whole[count:], 1 / 255, "drawn by a test")


def load(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    return gratings()


def load_dark(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    return replace(gratings(), scale=1 / 255**2)


def load_bright(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    return replace(gratings(), scale=1.0)


def load_random(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    images = gratings()
    return replace(images, train=images.train[torch.randperm(len(images.train))])


def load_leaking(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    images = gratings()
    return replace(images, test=images.train[:20])


def load_short_labels(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    images = gratings()
    return replace(images, train=Split(images.train.x, {"angle": images.train.y["angle"][:-1]}))


def load_whole(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    images = gratings()
    return replace(images, test=Split(images.test.x.long(), images.test.y))


def load_path(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    raise FileNotFoundError(argument)


def load_from_afar(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    import urllib.request

    urllib.request.urlopen("http://example.org/images.npz")
    return gratings()


def data_set(load: str, **more: Any) -> dict[str, Trial]:
    spec = DatasetSpec(name="odd", summary="Odd.", load=f"test_kit_data:{load}", **more)
    return {trial.name: trial for trial in dataset_trials(registry_with(datasets=spec), MINE)}


class TestDatasets:
    def test_a_sound_set_passes(self) -> None:
        passes(data_set("load", size="60 + 20 of 1×10×10"), ("size-is-what-it-says", "strange-arguments-are-refused"))

    @pytest.mark.parametrize(
        ("load", "more", "check", "sentence", "but"),
        [
            ("load_dark", {}, "pixels-lie-in-the-unit-interval", "at most 0.003922 once read; mend scale", ()),
            ("load_bright", {}, "pixels-lie-in-the-unit-interval", r"lie in \[0, 255\] once read", ()),
            ("load_random", {}, "loads-the-same-again", "other training images", ("limit-takes-the-first",)),
            ("load_leaking", {}, "held-out-images-are-others", "100% of its test images", ()),
            ("load_short_labels", {}, "labels-are-one-an-image", r"has shape \(59,\) for 60 training", ()),
            ("load_whole", {}, "loads-images", "its test images are torch.int64", ()),
            ("load", {"size": "61 + 20"}, "size-is-what-it-says", "has 60 \\+ 20 of 1×10×10", ()),
            ("load_path", {"argument": "PATH"}, "strange-arguments-are-refused", "raises FileNotFoundError", ()),
        ],
    )
    def test_a_fault_fails_its_check(
        self, load: str, more: dict[str, str], check: str, sentence: str, but: tuple[str, ...]
    ) -> None:
        fails(data_set(load, **more), check, sentence, but)

    def test_nothing_is_downloaded(self) -> None:
        outcomes = [trial.run() for trial in data_set("load_from_afar").values()]
        assert {outcome.status for outcome in outcomes} <= {"not-applicable", "passed"}
        assert "it would be downloaded, and is not" in outcomes[0].sentence


class Brightness(Metric):
    """The mean brightness of reconstructions."""

    def __init__(self, options: Options, subject: Subject) -> None:
        self.subject = subject

    def values(self) -> list[Tensor]:
        found = self.subject.test()
        return [zoo.given(self.subject.model, batch.y).reconstruct(batch.x).flatten(1).mean(1) for batch in found]

    def compute(self) -> Measure:
        found = torch.cat(self.values())
        return Measure(float(found.mean()), per_image=found)


class BlockMeans(Brightness):
    def compute(self) -> Measure:
        found = self.values()
        return Measure(float(torch.stack([(each**2).mean() for each in found]).mean()))


class Unlabelled(Brightness):
    def values(self) -> list[Tensor]:
        return [self.subject.model.reconstruct(batch.x).flatten(1).mean(1) for batch in self.subject.test()]


class SumOfImages(Brightness):
    def compute(self) -> Measure:
        found = torch.cat(self.values())
        return Measure(float(found.sum()), per_image=found)


class NotFinite(Brightness):
    def compute(self) -> Measure:
        return Measure(float("nan"))


class NoReason(Brightness):
    def compute(self) -> Measure:
        return Measure(None)


class Drifting(Brightness):
    count = 0

    def compute(self) -> Measure:
        Drifting.count += 1
        return Measure(float(Drifting.count))


class Meddling(Brightness):
    def compute(self) -> Measure:
        next(iter(self.subject.model.parameters())).data.mul_(0.5)
        return super().compute()


class TensorValue(Brightness):
    def compute(self) -> Measure:
        return Measure(torch.cat(self.values()).mean())  # type: ignore[arg-type]  # the fault


class Crashing(Brightness):
    def compute(self) -> Measure:
        return Measure(float(self.subject.model.latent_shape[7]))


def metric(name: str, **more: Any) -> dict[str, Trial]:
    facts = {"needs": "Reconstructs", "estimator": "exact", **more}
    spec = MetricSpec(name="odd", summary="Odd.", metric=f"test_kit_data:{name}", **facts)
    return {trial.name: trial for trial in metric_trials(registry_with(metrics=spec), MINE)}


class TestMetrics:
    def test_a_sound_one_passes(self) -> None:
        passes(metric("Brightness"), ("gives-a-number", "blocks-change-nothing", "images-have-their-mean"))

    @pytest.mark.parametrize(
        ("name", "more", "check", "sentence", "but"),
        [
            ("BlockMeans", {}, "blocks-change-nothing", "weigh each block by its images", ()),
            ("SumOfImages", {}, "images-have-their-mean", "leave per_image out", ()),
            (
                "NotFinite",
                {},
                "answers-for-every-model",
                "gives nan for vae",
                ("same-seed-same-score", "blocks-change-nothing"),
            ),
            ("Unlabelled", {}, "answers-for-every-model", "cannot be asked of cvae .* zoo.given", ()),
            ("NoReason", {}, "answers-for-every-model", "no number for vae and no reason", ()),
            ("Drifting", {}, "same-seed-same-score", "the second, with the same seed", ()),
            ("Meddling", {}, "leaves-the-model-alone", "changes encoder", ("blocks-change-nothing",)),
            (
                "TensorValue",
                {},
                "gives-a-number",
                "its value is a Tensor",
                ("blocks-change-nothing", "images-have-their-mean"),
            ),
            ("Brightness", {"estimator": ""}, "estimator-is-told", "add estimator to its spec", ()),
        ],
    )
    def test_a_fault_fails_its_check(
        self, name: str, more: dict[str, str], check: str, sentence: str, but: tuple[str, ...]
    ) -> None:
        fails(metric(name, **more), check, sentence, but)

    def test_one_that_crashes_is_told(self) -> None:
        with pytest.raises(AssertionError, match="answers-for-every-model could not be checked: IndexError"):
            metric("Crashing")["answers-for-every-model"]()
