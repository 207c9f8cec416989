"""The kit's checks of parts, data sets and metrics: each tells its fault by a sentence, and the sound one passes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import zoo
from zoo import DatasetSpec, ImageSet, Measure, Metric, MetricSpec, Options, PartSpec, Split, Subject
from zoo.catalogue import Source
from zoo.registry import Registry, load_registry
from zoo.testing.check import Trial
from zoo.testing.dataset_checks import dataset_trials
from zoo.testing.metric_checks import metric_trials
from zoo.testing.part_checks import part_trials

MINE = Source("mine", "1", "mine")


def registry_with(**added: Any) -> Registry:
    """The registry with one thing more, called `odd`."""
    registry = load_registry(third_party=False)
    for kind, spec in added.items():
        if isinstance(spec, PartSpec):
            registry.parts[spec.kind].add(spec.name, spec, MINE)
        else:
            getattr(registry, kind).add(spec.name, spec, MINE)
    return registry


def part(kind: str, name: str) -> dict[str, Trial]:
    """The trials of a part of `kit_mutants`, by the name of the check."""
    spec = PartSpec(kind=kind, name="odd", summary="Odd.", part=f"kit_mutants:{name}")
    return {trial.name: trial for trial in part_trials(registry_with(part=spec), MINE)}


def fails(trials: Mapping[str, Trial], check: str, sentence: str, but: tuple[str, ...] = ()) -> None:
    """Check that one check fails with a sentence, and no other but those that are named."""
    outcomes = {name: trial.run() for name, trial in trials.items()}
    failed = {name: outcome.sentence for name, outcome in outcomes.items() if outcome.status == "failed"}
    assert check in failed, failed
    assert re.search(sentence, failed[check]), failed[check]
    assert failed.keys() - {check, *but} == set(), failed
    assert "could not be checked" not in failed[check]


def passes(trials: Mapping[str, Trial], applies: tuple[str, ...]) -> None:
    """Check that nothing fails, and that the checks that are named were made."""
    outcomes = {name: trial.run() for name, trial in trials.items()}
    failed = {name: outcome.sentence for name, outcome in outcomes.items() if outcome.status == "failed"}
    assert not failed, failed
    assert not [name for name in applies if outcomes[name].status != "passed"]


MUTANTS: list[tuple[str, str, str, str, tuple[str, ...]]] = [
    ("encoder", "WrongOutShape", "out-shape-is-what-comes-out", "does not take images of 3×16×11: RuntimeError", ()),
    ("encoder", "EvenSizes", "out-shape-is-what-comes-out", "does not take images of 1×13×9: images must be even", ()),
    ("encoder", "BatchStatistics", "images-are-mapped-alone", "depends on the others of its batch", ()),
    (
        "encoder",
        "Dropping",
        "eval-mode-is-deterministic",
        "something else the second time",
        ("images-are-mapped-alone",),
    ),
    ("encoder", "Counting", "eval-mode-is-deterministic", "it moves seen", ()),
    ("encoder", "Unused", "gradients-reach-parameters", "no gradient reaches spare", ()),
    ("encoder", "Cut", "gradients-reach-the-input", "no gradient reaches what it is handed", ()),
    ("decoder", "WrongDeclared", "out-shape-is-what-comes-out", r"its out_shape is \(1, 9, 13\), not \(1, 13, 9\)", ()),
    ("posterior", "DoubleKlHead", "closed-form-kl-is-that-of-samples", "its KL with .* in closed form", ()),
    ("posterior", "ShiftedKlHead", "kl-to-itself-is-zero", "its KL to itself is 0.2 nats a unit", ()),
    (
        "posterior",
        "NoSpreadHead",
        "samples-follow-the-density",
        "spread otherwise",
        (
            "closed-form-kl-is-that-of-samples",
            "gradients-of-samples-are-those-of-the-mean",
            "tempering-multiplies-the-spread",
        ),
    ),
    (
        "posterior",
        "HalfSpreadHead",
        "samples-follow-the-density",
        "spread otherwise",
        ("closed-form-kl-is-that-of-samples", "gradients-of-samples-are-those-of-the-mean"),
    ),
    ("posterior", "ShiftedHead", "mean-is-that-of-samples", "standard errors away; mend mean", ()),
    (
        "posterior",
        "UnnormalisedHead",
        "density-integrates-to-one",
        r"integrates to 2\.507",
        ("closed-form-kl-is-that-of-samples", "tempering-multiplies-the-spread", "copies-keep-the-density"),
    ),
    ("posterior", "CutScaleHead", "gradients-of-samples-are-those-of-the-mean", "where finite differences give", ()),
    (
        "posterior",
        "CutSamplesHead",
        "gradients-reach-samples",
        "carry no gradient to the encoder",
        ("gradients-of-samples-are-those-of-the-mean", "gradients-reach-parameters"),
    ),
    (
        "posterior",
        "LiveSamplesHead",
        "gradients-reach-samples",
        "sample carries gradients",
        ("copies-keep-the-density",),
    ),
    (
        "posterior",
        "BatchFirstHead",
        "shapes-of-samples",
        r"its density for \(3,\) samples has shape \(3, 3\)|has shape",
        (
            "closed-form-kl-is-that-of-samples",
            "tempering-multiplies-the-spread",
            "copies-keep-the-density",
            "gradients-of-samples-are-those-of-the-mean",
        ),
    ),
    (
        "posterior",
        "WrongDrawHead",
        "density-comes-with-the-draw",
        "differ by 1 nats",
        ("closed-form-kl-is-that-of-samples",),
    ),
    (
        "posterior",
        "InfiniteDensityHead",
        "density-is-finite-at-samples",
        "is not finite",
        (
            "closed-form-kl-is-that-of-samples",
            "density-integrates-to-one",
            "gradients-of-samples-are-those-of-the-mean",
            "samples-follow-the-density",
            "tempering-multiplies-the-spread",
            "copies-keep-the-density",
        ),
    ),
    ("posterior", "LiveDetachedHead", "copies-keep-the-density", "leaves gradients", ()),
    ("posterior", "HotTemperedHead", "tempering-multiplies-the-spread", "has a variance of", ()),
    ("posterior", "OtherShapeHead", "gradients-reach-parameters", "no gradient reaches unused", ()),
    (
        "posterior",
        "MissingLogDetHead",
        "density-integrates-to-one",
        "integrates to about",
        ("gradients-of-samples-are-those-of-the-mean",),
    ),
    ("prior", "HalfNewcomerPrior", "closed-form-kl-is-that-of-samples", "its KL with 'normal'", ()),
    (
        "likelihood",
        "MeanOverPixels",
        "distortion-counts-every-pixel",
        "have 1 times the distortion",
        (
            "tempering-multiplies-the-spread",
            "copies-keep-the-density",
        ),
    ),
    ("likelihood", "TiedPixels", "images-are-judged-alone", "depends on the others", ()),
    ("likelihood", "HeavyGreyLevels", "density-integrates-to-one", "sums over 256 grey levels to 1.1", ()),
    ("loss", "HalfRate", "bound-is-below-log-likelihood", "so that it is no bound", ()),
    ("loss", "WrongWeight", "rate-weight-is-the-factor", r"where distortion \+ 1 × rate", ()),
    ("loss", "SummedLoss", "loss-is-per-image", "average over the batch", ("bound-is-below-log-likelihood",)),
    ("loss", "VectorTerm", "terms-are-finite-numbers", "'each' is no number", ()),
    ("loss", "LazyCritic", "players-have-their-losses", "does not reach bias", ("gradients-reach-parameters",)),
    (
        "loss",
        "SilentCritic",
        "players-have-their-losses",
        r"its players are \['critic'\]",
        ("gradients-reach-parameters",),
    ),
    ("condition", "DeafCondition", "labels-are-honoured", "images of different labels", ()),
    ("condition", "RudeCondition", "strange-labels-are-refused", "images without labels: raises KeyError", ()),
    ("pixels", "ShortMap", "log-determinants-are-those-of-autograd", "where that of autograd's Jacobian is", ()),
    ("pixels", "LostMap", "inverse-undoes-forward", "is off by up to", ()),
    ("fitted-prior", "ForgetfulFit", "file-brings-the-fit-back", "another one after saving", ()),
    ("fitted-prior", "IdleFit", "fit-raises-the-likelihood", "after the fit, and", ()),
    ("fitted-prior", "ForeignFit", "fit-draws-from-torch-alone", "the same seed fits another density", ()),
    ("fitted-prior", "GrimFit", "too-few-codes-are-refused", "a single code gives a log-density of", ()),
]


@pytest.mark.parametrize(
    ("kind", "name", "check", "sentence", "but"),
    MUTANTS,
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_fault_fails_its_check(kind: str, name: str, check: str, sentence: str, but: tuple[str, ...]) -> None:
    fails(part(kind, name), check, sentence, but)


@pytest.mark.parametrize(
    ("kind", "name", "applies"),
    [
        ("encoder", "SoundEncoder", ("out-shape-is-what-comes-out", "gradients-reach-parameters")),
        ("posterior", "SoundNormalHead", ("closed-form-kl-is-that-of-samples", "samples-follow-the-density")),
        ("posterior", "StretchHead", ("density-integrates-to-one", "density-comes-with-the-draw")),
        ("prior", "NewcomerPrior", ("closed-form-kl-is-that-of-samples", "density-integrates-to-one")),
        ("likelihood", "SoundPixels", ("distortion-counts-every-pixel", "samples-follow-the-density")),
        ("loss", "SoundLoss", ("bound-is-below-log-likelihood", "rate-weight-is-the-factor", "loss-is-per-image")),
        ("loss", "Critic", ("players-have-their-losses",)),
        ("condition", "SoundCondition", ("condition-has-its-size", "labels-are-honoured")),
        ("pixels", "SoundMap", ("log-determinants-are-those-of-autograd", "inverse-undoes-forward")),
        (
            "fitted-prior",
            "SoundFit",
            ("fit-raises-the-likelihood", "file-brings-the-fit-back", "mean-is-that-of-samples"),
        ),
    ],
)
def test_a_sound_part_passes(kind: str, name: str, applies: tuple[str, ...]) -> None:
    passes(part(kind, name), applies)


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
    return torch.load(argument)  # type: ignore[no-any-return, arg-type]  # it fails, and rudely


def load_from_afar(argument: str | None, options: zoo.DataOptions) -> ImageSet:
    import urllib.request

    urllib.request.urlopen("http://example.org/images.npz")
    return gratings()


def data_set(load: str, **more: Any) -> dict[str, Trial]:
    spec = DatasetSpec(name="odd", summary="Odd.", load=f"test_kit_parts:{load}", **more)
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
    spec = MetricSpec(name="odd", summary="Odd.", metric=f"test_kit_parts:{name}", **facts)
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


def test_a_part_that_fits_nothing_is_told_once() -> None:
    fails(part("encoder", "NoNetwork"), "fits-a-model", "NoNetwork is no zoo.Network; derive it from that")
    fails(part("encoder", "Nowhere"), "fits-a-model", "'kit_mutants' has no 'Nowhere'")


def test_collecting_imports_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from zoo.testing.collection import collect; from zoo.testing.selection import select; "
        "found = collect(select('zoo_vae'), {}); assert len(found) > 100; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
