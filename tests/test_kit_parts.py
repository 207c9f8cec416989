"""The kit's checks of parts: each tells its fault by a sentence, and the sound one passes."""

from __future__ import annotations

import pytest
from kit_trials import MINE, fails, passes, registry_with

from zoo import PartSpec
from zoo.testing.check import Trial
from zoo.testing.parts.checks import part_trials

LAWS = dict.fromkeys(("posterior", "prior", "likelihood"), "kit_laws")


def part(kind: str, name: str) -> dict[str, Trial]:
    """The trials of a part of `kit_laws` or `kit_parts`, by the name of the check."""
    spec = PartSpec(kind=kind, name="odd", summary="Odd.", part=f"{LAWS.get(kind, 'kit_parts')}:{name}")
    return {trial.name: trial for trial in part_trials(registry_with(part=spec), MINE)}


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
        ("likelihood", "GreyLevels", ("density-integrates-to-one", "samples-follow-the-density")),
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


def test_a_part_that_fits_nothing_is_told_once() -> None:
    fails(part("encoder", "NoNetwork"), "fits-a-model", "NoNetwork is no zoo.Network; derive it from that")
    fails(part("encoder", "Nowhere"), "fits-a-model", "'kit_parts' has no 'Nowhere'")


def test_collecting_imports_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from zoo.testing.collection import collect; from zoo.testing.selection import select; "
        "found = collect(select('zoo_vae'), {}); assert len(found) > 100; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
