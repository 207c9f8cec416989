"""The conformance kit: each check of a plugin as a whole fails for one that is broken in that way, and for no other."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from zoo import ZooError
from zoo.catalogue import Source
from zoo.registry import load_registry
from zoo.testing.check import Failed, NotApplicable
from zoo.testing.plugins.checks import LIGHT_CHECKS, loads_quickly, plugin_trials
from zoo.testing.plugins.probe import Probe
from zoo.testing.selection import select

INIT = """
from pathlib import Path
from zoo import CompositionSpec, DatasetSpec, MetricSpec, PartSpec, Role, hookimpl

@hookimpl
def zoo_parts():
    yield PartSpec(kind="prior", name="kit-prior", summary="A prior.", part="zoo_kit.parts:KitPrior",
                   options="zoo_kit.options:KitOptions", equation="p(z) = U[0, 1)",
                   paper="Nobody (2020), arXiv:2001.00001")

@hookimpl
def zoo_metrics():
    yield MetricSpec(name="kit-metric", summary="A score.", metric="zoo_kit.parts:KitMetric")

@hookimpl
def zoo_datasets():
    yield DatasetSpec(name="kit-data", summary="Some images.", load="zoo_kit.parts:load")

@hookimpl
def zoo_compositions():
    yield CompositionSpec(name="kit-kind", summary="A kind.", model="zoo_kit.parts:KitModel",
                          roles=(Role(name="prior", kind="prior"),))

@hookimpl
def zoo_registry():
    return Path(__file__).parent / "registry.toml"
"""
OPTIONS = """
from dataclasses import dataclass
from zoo import Options, option

@dataclass(frozen=True, kw_only=True)
class KitOptions(Options):
    scale: float = option(1.0, "How wide.", above=0)
"""
PARTS = """
import torch
from zoo import Metric, Model, Prior

class KitPrior(Prior):
    pass

class KitMetric(Metric):
    pass

class KitModel(Model):
    pass

def load(argument, options):
    pass
"""
KIT = Source("zoo-kit", "1.0", "kit")
REGISTRY = """
[models.kit-model]
extends = "vae"
summary = "A model."
paper = "Nobody & Somebody (2021), arXiv:2101.12345v2; Anybody (1999), Nature"
"""
FILES = {"__init__.py": INIT, "options.py": OPTIONS, "parts.py": PARTS, "registry.toml": REGISTRY}


@dataclass(frozen=True)
class Package:
    """A plugin of one package, as if it were installed; its modules are forgotten at the end."""

    path: Path

    def write(self, files: Mapping[str, str]) -> None:
        info = self.path / "zoo_kit-1.0.dist-info"
        (self.path / "zoo_kit").mkdir()
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-kit\nVersion: 1.0\n\n")
        (info / "entry_points.txt").write_text("[zoo.plugins]\nkit = zoo_kit\n")
        for name, text in files.items():
            (self.path / "zoo_kit" / name).write_text(textwrap.dedent(text))
        importlib.invalidate_caches()

    def failures(self) -> dict[str, str]:
        found = [trial.run() for trial in plugin_trials(load_registry(), KIT)]
        return {outcome.trial.name: outcome.sentence for outcome in found if outcome.status == "failed"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    yield Package(path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo_kit"]:
        del sys.modules[name]


def test_a_sound_plugin_passes_every_check(package: Package) -> None:
    package.write(FILES)
    found = [trial.run() for trial in plugin_trials(load_registry(), KIT)]
    assert [outcome.sentence for outcome in found if outcome.status != "passed"] == []
    assert len(found) == len(LIGHT_CHECKS["light"])


FAULTS = {
    "a module that is missing": (
        "__init__.py",
        "from pathlib import Path",
        "import lost_library",
        "loads-without-fault",
        "did not load: ModuleNotFoundError: No module named 'lost_library'",
    ),
    "a hook that is misspelt": ("__init__.py", "zoo_metrics", "zoo_metriks", "loads-without-fault", "zoo_metriks"),
    "a name that is taken": (
        "registry.toml",
        "[models.kit-model]",
        "[models.vae]",
        "loads-without-fault",
        "model 'vae' is in generative-zoo",
    ),
    "a model that names no part": (
        "registry.toml",
        'extends = "vae"',
        'extends = "vae"\nprior = "nothing"',
        "loads-without-fault",
        "model 'kit-model': unknown prior 'nothing'",
    ),
    "a hook that is not marked": (
        "__init__.py",
        "@hookimpl\ndef zoo_metrics",
        "def zoo_metrics",
        "hooks-are-marked",
        "zoo_metrics is not called; mark it with @zoo.hookimpl",
    ),
    "a hook that is not marked and misspelt": (
        "__init__.py",
        "@hookimpl\ndef zoo_metrics",
        "def zoo_metricks",
        "hooks-are-marked",
        "zoo_metricks looks like a hook, and there is none of that name; did you mean 'zoo_metrics'?",
    ),
    "torch at import": (
        "__init__.py",
        "from pathlib import Path",
        "from pathlib import Path\nimport torch",
        "imports-without-torch",
        "zoo_kit imports torch when it is loaded; keep parts in a module of their own",
    ),
    "torch in secret": (
        "__init__.py",
        "from pathlib import Path",
        "from pathlib import Path\ntry:\n    import torch\nexcept ImportError:\n    pass",
        "imports-without-torch",
        "zoo_kit imports torch",
    ),
    "torch beside the options": (
        "options.py",
        "from zoo import Options",
        "import torch\nfrom zoo import Options",
        "options-import-without-torch",
        "importing zoo_kit.options:KitOptions imports torch",
    ),
    "a name with an underscore": (
        "__init__.py",
        '"kit-data"',
        '"kit_data"',
        "names-are-in-kebab-case",
        "data set kit_data: its name is not in kebab-case",
    ),
    "a model with an underscore": (
        "registry.toml",
        "kit-model",
        "kit_model",
        "names-are-in-kebab-case",
        "model kit_model: its name",
    ),
    "no summary": (
        "__init__.py",
        '"A score."',
        '""',
        "summaries-are-sentences",
        "metric kit-metric: it has no summary",
    ),
    "a summary without a stop": (
        "__init__.py",
        '"A kind."',
        '"A kind"',
        "summaries-are-sentences",
        "composition kit-kind: its summary is no sentence: 'A kind'",
    ),
    "two sentences": (
        "registry.toml",
        '"A model."',
        '"A model. It is good."',
        "summaries-are-sentences",
        "model kit-model: its summary is more than one sentence",
    ),
    "a long summary": (
        "__init__.py",
        '"A prior."',
        '"A ' + "very " * 30 + 'long prior."',
        "summaries-are-sentences",
        "characters; 120 fit a table",
    ),
    "an open bracket": (
        "__init__.py",
        "U[0, 1)",
        "U[0, 1",
        "equations-and-papers-are-in-form",
        "a bracket of its equation does not close",
    ),
    "a paper without a year": (
        "__init__.py",
        "Nobody (2020), arXiv:2001.00001",
        "Nobody, arXiv:2001.00001",
        "equations-and-papers-are-in-form",
        "its paper has no year",
    ),
    "a wrong arXiv number": (
        "registry.toml",
        "arXiv:2101.12345v2",
        "arXiv:21.12345",
        "equations-and-papers-are-in-form",
        "'21.12345' is no arXiv number",
    ),
    "a class that is missing": (
        "parts.py",
        "class KitPrior",
        "class Prior2",
        "references-lead-to-classes",
        "'zoo_kit.parts:KitPrior' does not import: ImportError: module 'zoo_kit.parts' has no 'KitPrior'",
    ),
    "a class of another kind": (
        "parts.py",
        "class KitMetric(Metric)",
        "class KitMetric",
        "references-lead-to-classes",
        "'zoo_kit.parts:KitMetric' is no class below zoo.Metric",
    ),
    "a registry that nobody reads": (
        "__init__.py",
        "@hookimpl\ndef zoo_registry",
        "def _registry",
        "registry-file-is-read",
        "registry.toml is not read; return its path from the hook zoo_registry",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_its_own_check(name: str, package: Package) -> None:
    file, old, new, check, words = FAULTS[name]
    assert FILES[file].count(old) == 1
    package.write({**FILES, file: FILES[file].replace(old, new)})
    found = package.failures()
    assert set(found) == {check}, found
    assert words in found[check]
    assert found[check].startswith("plugin kit: ")


@dataclass
class Probed:
    """A plugin whose loading takes what is said, one value a try."""

    seconds: list[float]
    source = KIT

    @property
    def probed(self) -> Probe:
        return self.probe_again()

    def probe_again(self) -> Probe:
        return Probe(0.2, self.seconds.pop(0), (), "")


def test_slow_loading_is_told_once_it_is_sure() -> None:
    loads_quickly(Probed([0.19]))  # type: ignore[arg-type]  # a stand-in
    loads_quickly(Probed([0.9, 0.3, 0.1]))  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(Failed, match=r"takes 0\.70 s to load, and the engine 0\.20 s beside it; import what is heavy"):
        loads_quickly(Probed([0.9, 0.8, 0.7]))  # type: ignore[arg-type]  # a stand-in


# --- which plugins are meant -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zoo_kit", "zoo-kit", "Zoo_Kit", "kit"])
def test_a_plugin_is_found_by_package_distribution_or_name(name: str, package: Package) -> None:
    package.write(FILES)
    assert [str(source) for source in select(name).sources] == ["zoo-kit 1.0"]


def test_a_plugin_that_does_not_load_is_found_too(package: Package) -> None:
    package.write({**FILES, "__init__.py": "1 / 0"})
    assert [source.plugin for source in select("zoo_kit").sources] == ["kit"]


def test_an_unknown_plugin_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ZooError, match=r"no plugin is called 'spher'; did you mean 'sphere'\? \(see 'zoo plugins'"):
        select("spher")


def test_what_needs_a_plugin_that_did_not_load_does_not_apply(package: Package) -> None:
    package.write({**FILES, "__init__.py": "1 / 0"})
    found: list[Any] = [trial.run() for trial in plugin_trials(load_registry(), KIT)]
    assert {outcome.status for outcome in found} == {"failed", "not-applicable"}
    with pytest.raises(NotApplicable, match="it did not load"):
        found[1].trial()
