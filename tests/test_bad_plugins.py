"""The seven bad plugins of `examples/bad-plugins`, really installed, all at once: every command works and says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Done, ZooProcess

import zoo

Here = Callable[..., Done]

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "bad-plugins"
NAMES = sorted(path.name for path in FOLDER.glob("zoo-*"))
FAULTS = {
    "zoo-import-error": (
        "plugin import-error (zoo-import-error 0.1.0): did not load: "
        "ModuleNotFoundError: No module named 'a_package_that_is_nowhere'"
    ),
    "zoo-misspelt-hook": (
        "plugin misspelt (zoo-misspelt-hook 0.1.0): did not load: PluginValidationError: unknown hook 'zoo_part'"
    ),
    "zoo-wrong-argument": (
        "plugin argument (zoo-wrong-argument 0.1.0): did not load: PluginValidationError: "
        "Plugin 'zoo-wrong-argument:argument' for hook 'zoo_parts'"
    ),
    "zoo-yields-none": (
        "plugin none (zoo-yields-none 0.1.0): did not load: TypeError: zoo_parts gave NoneType, not PartSpec"
    ),
    "zoo-not-a-spec": (
        "plugin mapping (zoo-not-a-spec 0.1.0): did not load: TypeError: zoo_parts gave dict, not PartSpec"
    ),
    "zoo-taken-names": (
        f"plugin taken (zoo-taken-names 0.1.0): model 'conv-vae' is in generative-zoo {zoo.__version__} too; "
        "this one is 'conv-vae@zoo-taken-names'"
    ),
    "zoo-torch-at-import": (
        "plugin heavy (zoo-torch-at-import 0.1.0): model 'broad-vae' is in zoo-taken-names 0.1.0 too; "
        "this one is 'broad-vae@zoo-torch-at-import'"
    ),
}
"""What each costs: one line."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed all of them."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    folders = [FOLDER / name for name in NAMES]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, *folders], check=True)
    return target


@pytest.fixture
def bad(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """All of them on the import path of this process."""
    monkeypatch.syspath_prepend(installed)
    yield installed
    for name in [name for name in sys.modules if name.startswith(tuple(n.replace("-", "_") for n in NAMES))]:
        del sys.modules[name]


def faults(done: Done) -> list[str]:
    return [line for line in done.lines if line.startswith("zoo: plugin ")]


def test_there_are_seven_and_each_is_a_distribution() -> None:
    assert set(NAMES) == set(FAULTS)
    assert len(NAMES) == 7
    for name in NAMES:
        assert {path.name for path in (FOLDER / name).iterdir() if path.name != "__pycache__"} == {
            "pyproject.toml",
            f"{name.replace('-', '_')}.py",
        }
        assert f"`{name}`" in (FOLDER / "README.md").read_text()


def test_each_costs_one_line_and_says_what_is_wrong(bad: Path, zoo_here: Here) -> None:
    told = faults(zoo_here("list"))
    assert len(told) == len(FAULTS)
    for name, words in FAULTS.items():
        assert len([line for line in told if line.startswith(f"zoo: {words}")]) == 1, f"{name}: {told}"
    assert any("Argument(s) {'registry'} are declared" in line for line in told), "the wrong argument is named"


def test_every_command_works(bad: Path, zoo_here: Here, small: str) -> None:
    train = ("--data", small, "--epochs", "1")
    trained = zoo_here("train", "vae.tiny", *train, "--out", "runs/a", "--json")
    assert json.loads(trained.out)["model"] == "vae"
    words = {
        ("list",): "conv-vae\tvae\tvae",
        ("list", "--metrics"): "bernoulli-nll",
        ("show", "conv-vae"): "Convolutional variational autoencoder",
        ("explain", "conv-vae"): "q(z|x)",
        ("data",): "glyphs",
        ("runs",): "runs/a",
        ("show", "runs/a"): "vae on npz",
        ("sample", "runs/a"): "samples.png",
        ("reconstruct", "runs/a"): "reconstructions.png",
        ("interpolate", "runs/a"): ".png",
        ("embed", "runs/a"): "codes.npz",
        ("evaluate", "runs/a"): "mse",
        ("fit", "runs/a", "--prior", "gaussian"): "gaussian.safetensors",
        ("compare", "ae-mlp.tiny", "runs/a", *train): "ae-mlp.tiny",
        ("sweep", "vae", "--help"): "--trials",
        ("features",): "",
        ("verify", "--list"): "",
        ("train", "broad-vae@zoo-torch-at-import", "--help"): "Options of broad-vae@zoo-torch-at-import",
        ("train", "broad-vae@zoo-torch-at-import.tiny", *train): "weights",
        ("--help",): "Commands",
        ("--version",): zoo.__version__,
    }
    wrong = []
    for command, shown in words.items():
        done = zoo_here(*command, code=None)
        fine = done.code == 0 and shown in done.out and len(faults(done)) in (0, 7)
        wrong += [] if fine and "Traceback" not in done.out + done.err else [(command, done)]
    assert wrong == []


def test_names_that_are_taken_are_told_apart(bad: Path, zoo_here: Here) -> None:
    ours = json.loads(zoo_here("show", "conv-vae", "--json").out)
    assert ours["summary"].startswith("Convolutional")
    theirs = json.loads(zoo_here("show", "conv-vae@zoo-taken-names", "--json").out)
    assert theirs["summary"] == "Another model of that name."
    both = zoo_here("show", "broad-vae", code=2).lines[-1]
    assert both == (
        "zoo: model 'broad-vae' is provided more than once; write 'broad-vae@zoo-taken-names' or "
        "'broad-vae@zoo-torch-at-import' (plugins with faults: argument, heavy, import-error, mapping, misspelt, none, "
        "taken; see 'zoo plugins --errors')"
    )


def test_zoo_plugins_says_all_of_it(installed: Path, zoo_process: ZooProcess) -> None:
    path = {"PYTHONPATH": os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))}
    told = zoo_process("plugins", "--errors", **path).out
    rows = {row[1]: row for row in (line.split("\t") for line in told.splitlines()) if len(row) == 5}
    assert rows["zoo-torch-at-import 0.1.0"][2] == "1 part, 1 model"
    assert rows["zoo-torch-at-import 0.1.0"][4].startswith("imports torch at load; ")
    assert rows["zoo-import-error 0.1.0"][4].startswith("did not load: ModuleNotFoundError")
    assert told.count("Traceback (most recent call last)") == 5, "of each that did not load"
    assert 'zoo_import_error.py", line 3, in <module>' in told
    off = zoo_process("plugins", "--json", ZOO_DISABLE="*", **path)
    assert len(json.loads(off.out)["disabled"]) == 7
    assert off.err == ""
    assert zoo_process("--no-plugins", "list", **path).err == ""
    strict = zoo_process("list", ZOO_STRICT="1", code=1, **path)
    assert "ModuleNotFoundError: No module named 'a_package_that_is_nowhere'" in strict.err
