"""The wheel: what is in it, and that it works in an environment and a folder that know nothing of the checkout."""

from __future__ import annotations

import json
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from installing import ROOT, Clean, build, call

from zoo.features.files import SHIPPED

pytestmark = [pytest.mark.slow, pytest.mark.anchor]

PACKAGES = {"zoo", *(path.name for path in (ROOT / "plugins").glob("zoo_*"))}


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_holds_engine_plugins_and_registry(wheel: Path) -> None:
    names = members(wheel)
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == PACKAGES
    assert "zoo/registry.toml" in names
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zoo/comparison/templates").iterdir()}
    assert templates <= names
    assert {f"zoo/features/{name}.safetensors" for name in SHIPPED} <= names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_every_module_of_the_checkout_is_in_it(wheel: Path) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "zoo").rglob("*.py")}
    modules |= {str(path.relative_to(ROOT / "plugins")) for path in (ROOT / "plugins").rglob("*.py")}
    assert {name for name in members(wheel) if name.endswith(".py")} == modules


def test_the_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "sdist").mkdir()
    archive = build("sdist", ROOT, tmp_path / "sdist")
    call(sys.executable, "-m", "tarfile", "--extract", archive, tmp_path / "source", cwd=tmp_path)
    (source,) = (tmp_path / "source").iterdir()
    (tmp_path / "wheel").mkdir()
    assert members(build("wheel", source, tmp_path / "wheel")) == members(wheel)


def test_the_clean_environment_imports_the_wheel_alone(clean: Clean) -> None:
    code = f"""if True:
        import importlib, importlib.metadata, json
        files = [importlib.import_module(name).__file__ for name in {sorted(PACKAGES)}]
        print(json.dumps([*files, str(importlib.metadata.distribution("generative-zoo").locate_file(""))]))
    """
    places = [Path(place) for place in json.loads(clean("python", "-c", code))]
    assert all(place.is_relative_to(clean.site) for place in places)


def test_lists_every_model(clean: Clean) -> None:
    declared = tomllib.loads((ROOT / "registry.toml").read_text())["models"]
    listed = json.loads(clean("zoo", "list", "--json"))
    assert {model["name"] for model in listed} == set(declared)


def test_loads_every_plugin_without_a_fault(clean: Clean) -> None:
    found = json.loads(clean("zoo", "plugins", "--json"))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["zoo.plugins"]
    assert {plugin["plugin"] for plugin in found["plugins"]} == set(declared)
    assert found["faults"] == []


def test_trains_and_loads_again(clean: Clean) -> None:
    options = ["--data", "glyphs", "--limit", "1024", "--epochs", "1", "--out", "run", "--json"]
    done = json.loads(clean("zoo", "train", "conv-vae", *options))
    assert (done["run"], done["model"], done["data"]) == ("run", "conv-vae", "glyphs")
    assert 0 < done["scores"]["mse"] < 1
    shape = clean("python", "-c", "import zoo; print(tuple(zoo.load('run').model.sample(2).shape))")
    assert shape.strip() == "(2, 1, 28, 28)"
