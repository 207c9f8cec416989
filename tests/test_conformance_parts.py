"""Every bundled part, composition, data set and metric passes the checks that anyone's has to pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.registry import load_registry
from zoo.testing import Trial
from zoo.testing.datasets.checks import dataset_trials
from zoo.testing.metrics.checks import metric_trials
from zoo.testing.parts.checks import part_trials
from zoo.testing.parts.compositions import composition_trials

REGISTRY = load_registry(third_party=False)
SOURCES = [plugin.source for plugin in REGISTRY.plugins.loaded if plugin.source.ours]

QUICK_FIT = {"steps": 100, "transforms": 2, "hidden": (16,), "lr": 0.01}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "fitted-prior gmm": {"components": 2},
    "fitted-prior maf": QUICK_FIT,
    "fitted-prior nsf": QUICK_FIT,
    "fitted-prior pixelcnn": {"channels": 8, "layers": 1, "steps": 50},
    "loss factor": {"width": 32, "depth": 2},
    "loss adversarial": {"width": 32},
    "metric iwae-bound": {"k": 50},
    "metric annealed-bound": {"temperatures": 20, "simulated": 4},
}
"""Options that take less time than the defaults."""

SLOW = (
    *("data set mnist", "data set fashion-mnist", "data set omniglot", "data set cifar10", "data set sprites"),
    *("metric dci-", "metric annealed-bound", "metric factor-vae-score", "metric beta-vae-score"),
)
"""What takes long, by how it is called."""


def each(trials: Iterable[Trial]) -> list[Any]:
    """Return the trials of each thing as a parameter, those that take long marked."""
    return [
        pytest.param(list(own), id=thing, marks=[pytest.mark.slow] if thing.startswith(SLOW) else [])
        for thing, own in groupby(trials, lambda trial: trial.thing)
    ]


def conforms(trials: Iterable[Trial]) -> None:
    """Check that no check fails, and that some were made."""
    outcomes = [trial.run() for trial in trials]
    assert not [outcome.sentence for outcome in outcomes if outcome.status == "failed"]
    assert any(outcome.status == "passed" for outcome in outcomes)


@pytest.mark.parametrize("trials", each(trial for own in SOURCES for trial in part_trials(REGISTRY, own, OPTIONS)))
def test_parts(trials: list[Trial]) -> None:
    conforms(trials)


@pytest.mark.parametrize("trials", each(trial for own in SOURCES for trial in composition_trials(REGISTRY, own)))
def test_compositions(trials: list[Trial]) -> None:
    conforms(trials)


@pytest.mark.parametrize("trials", each(trial for own in SOURCES for trial in metric_trials(REGISTRY, own, OPTIONS)))
def test_metrics(trials: list[Trial]) -> None:
    conforms(trials)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive and a folder of small pictures."""
    from PIL import Image

    place = tmp_path_factory.mktemp("pictures")
    x = np.random.default_rng(0).integers(0, 255, (40, 9, 9), np.uint8)
    np.savez(place / "some.npz", x_train=x[:30], x_test=x[30:])
    (place / "folder").mkdir()
    for number, pixels in enumerate(x):
        Image.fromarray(pixels).save(place / "folder" / f"{number:02}.png")
    return place


@pytest.fixture
def own_cache(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn is kept as long as the tests run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(pictures))


NAMES = [entry.name for entry in REGISTRY.datasets.entries()]


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if f"data set {name}" in SLOW else []) for name in NAMES],
)
def test_datasets(name: str, pictures: Path) -> None:
    arguments = {"npz": str(pictures / "some.npz"), "folder": str(pictures / "folder")}
    trials = [trial for own in SOURCES for trial in dataset_trials(REGISTRY, own, arguments)]
    outcomes = [trial.run() for trial in trials if trial.thing == f"data set {name}"]
    assert not [outcome.sentence for outcome in outcomes if outcome.status == "failed"]
