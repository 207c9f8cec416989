"""Every bundled part, data set and metric passes the checks that anyone's has to pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.registry import load_registry
from zoo.testing import Trial
from zoo.testing.composition_checks import composition_trials
from zoo.testing.dataset_checks import dataset_trials
from zoo.testing.metric_checks import metric_trials
from zoo.testing.parametrize import PytestTrial
from zoo.testing.part_checks import part_trials

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


def marked(trials: Iterable[Trial]) -> list[Any]:
    """Return trials as parameters, those that take long marked."""
    return [
        pytest.param(
            PytestTrial(trial),
            id=str(trial).replace(" ", "-"),
            marks=[pytest.mark.slow] if trial.thing.startswith(SLOW) else [],
        )
        for trial in trials
    ]


@pytest.mark.parametrize("check", marked(t for s in SOURCES for t in part_trials(REGISTRY, s, OPTIONS)))
def test_parts(check: PytestTrial) -> None:
    check()


@pytest.mark.parametrize("check", marked(t for s in SOURCES for t in composition_trials(REGISTRY, s)))
def test_compositions(check: PytestTrial) -> None:
    check()


@pytest.mark.parametrize("check", marked(t for s in SOURCES for t in metric_trials(REGISTRY, s, OPTIONS)))
def test_metrics(check: PytestTrial) -> None:
    check()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn images that goes with the tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("check", marked(t for s in SOURCES for t in dataset_trials(REGISTRY, s)))
def test_datasets(check: PytestTrial) -> None:
    check()


PATHS = {"npz": "npz", "folder": "folder"}


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An archive and a folder of small pictures."""
    from PIL import Image

    place = tmp_path_factory.mktemp("pictures")
    x = np.random.default_rng(0).integers(0, 255, (40, 9, 9), np.uint8)
    np.savez(place / "some.npz", x_train=x[:30], x_test=x[30:])
    (place / "folder").mkdir()
    for number, pixels in enumerate(x):
        Image.fromarray(pixels).save(place / "folder" / f"{number:02}.png")
    return {"npz": str(place / "some.npz"), "folder": str(place / "folder")}


@pytest.mark.parametrize("name", sorted(PATHS))
def test_datasets_that_read_a_path(name: str, arguments: Mapping[str, str]) -> None:
    found = [t for s in SOURCES for t in dataset_trials(REGISTRY, s, arguments) if t.thing == f"data set {name}"]
    outcomes = [trial.run() for trial in found]
    assert not [outcome.sentence for outcome in outcomes if outcome.status == "failed"]
    assert sum(outcome.status == "passed" for outcome in outcomes) >= len(outcomes) - 1, os.listdir(arguments[name])
