"""The kit's checks of parts, data sets and metrics: each tells its fault by its sentence, and lets the sound one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import kit_mutants as mutants
import pytest
import torch
from torch import Tensor

import zoo
from zoo import DatasetSpec, ImageSet, Measure, Metric, MetricSpec, Options, PartSpec, Split, Subject, ZooError
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
    ("encoder", "WrongOutShape", "out-shape-is-what-comes-out", r"gives \(1, 12\) .* out_shape says \(1, 6\)", ()),
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
        ("closed-form-kl-is-that-of-samples", "copies-keep-the-density"),
    ),
    ("posterior", "CutScaleHead", "gradients-of-samples-are-those-of-the-mean", "where finite differences give", ()),
    (
        "posterior",
        "CutSamplesHead",
        "gradients-reach-samples",
        "carry no gradient to the encoder",
        ("gradients-of-samples-are-those-of-the-mean", "gradients-reach-parameters"),
    ),
    ("posterior", "LiveSamplesHead", "gradients-reach-samples", "sample carries gradients", ()),
    (
        "posterior",
        "BatchFirstHead",
        "shapes-of-samples",
        r"its density for \(3,\) samples has shape \(3, 3\)|has shape",
        ("closed-form-kl-is-that-of-samples", "copies-keep-the-density", "gradients-of-samples-are-those-of-the-mean"),
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
        ("copies-keep-the-density",),
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
