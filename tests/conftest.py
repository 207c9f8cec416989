"""What the tests of the command line share: a way to call it, in a process of its own or here, and small data."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from installing import ROOT, Clean, build, make_clean
from torch import Tensor

from zoo.cli.main import run
from zoo.data.images import ImageSet
from zoo.data.options import DataOptions
from zoo.evaluation.measure import score, usual
from zoo.evaluation.subject import Subject
from zoo.interfaces import Batch, Model, Step
from zoo.registry import load_registry

# As in a terminal: a shell lets what it runs in the background ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it told on stderr."""
        return self.err.splitlines()


@dataclass(frozen=True)
class ZooProcess:
    """Calls `python -m zoo` in a working folder; with `code`, the exit code must be that."""

    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def start(self, *words: str | Path, **env: str) -> subprocess.Popen[str]:
        """Start a command, and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "zoo", *map(str, words)],
            cwd=self.cwd,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str | Path, code: int | None = 0, **env: str) -> Done:
        """Run a command to its end."""
        with self.start(*words, **env) as process:
            out, err = process.communicate(timeout=300)
        assert code in (None, process.returncode), f"zoo {' '.join(map(str, words))}\n{out}\n{err}"
        return Done(process.returncode, out, err)


@pytest.fixture(scope="session")
def zoo_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of commands: nothing of the user's, one cache for all tests of this process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZOO_", "_ZOO_", "PYTHONPATH"))}
    cache = tmp_path_factory.mktemp("cache")
    return {**kept, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache), "NO_COLOR": "1", "COLUMNS": "120"}


@pytest.fixture
def zoo_process(tmp_path: Path, zoo_env: dict[str, str]) -> ZooProcess:
    """The command in real processes, in a fresh working folder."""
    return ZooProcess(tmp_path, zoo_env)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zoo's wheel, built once."""
    return build("wheel", ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """A clean environment for each file of tests, with the zoo's wheel in it."""
    return make_clean(tmp_path_factory.mktemp("clean"), wheel)


@pytest.fixture
def zoo_here(
    tmp_path: Path, zoo_env: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """The command in this process, in the same fresh working folder: for what a process of its own adds nothing to."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ZOO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", zoo_env["XDG_CACHE_HOME"])

    def call(*words: str | Path, code: int | None = 0) -> Done:
        capsys.readouterr()
        found = run([str(word) for word in words])
        done = Done(found, *capsys.readouterr())
        assert code in (None, found), f"zoo {' '.join(map(str, words))}\n{done.out}\n{done.err}"
        return done

    return call


def scores_of(model: Model, batch: Batch, step: Step) -> dict[str, Any]:
    """Return what a model scores on a batch by the metrics that every run is scored by."""
    return score(Subject(model, step, lambda: iter([batch])), usual(load_registry(third_party=False)))[0]


def write_small(path: Path, count: int = 64, side: int = 12) -> None:
    """Write a data set of a few grey pictures of bars, which takes no time to train on."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, count + 16)
    x = np.zeros((count + 16, side, side), np.uint8)
    for image, position in zip(x, label * 4 + rng.integers(0, 3, count + 16), strict=True):
        image[:, position] = 255
    arrays = {"x_train": x[:count], "y_train": label[:count], "x_test": x[count:], "y_test": label[count:]}
    np.savez(path, **arrays)


@pytest.fixture
def small(tmp_path: Path) -> str:
    """The name of a small data set in the working folder, as `--data` takes it."""
    write_small(tmp_path / "small.npz")
    return "npz:small.npz"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ModuleType], ImageSet]:
    """Draws a data set of a module that draws one, all of it, with a cache of its own."""

    def draw(module: ModuleType) -> ImageSet:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
            found: ImageSet = module.load(None, DataOptions())
            return found

    return draw


@pytest.fixture
def made_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], Path]:
    """Makes such a module draw few images, and tells the file that caches them."""

    def make(module: ModuleType) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(module, "TRAIN", 50)
        monkeypatch.setattr(module, "TEST", 10)
        name = module.__name__.rpartition(".")[2]
        return tmp_path / "generative-zoo" / f"{name}-{module._VERSION}.bin"

    return make


def damaged(content: bytes, how: str) -> bytes:
    """Return what a file holds that is `flipped` in its last bit, too `short`, too `long` or `empty`."""
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    return {"flipped": flipped, "short": content[:-1], "long": content + b"0", "empty": b""}[how]


def sha256(*tensors: Tensor) -> str:
    """Return the hash of the bytes of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Site:
    """A folder on the import path, with distributions in it."""

    path: Path

    def install(self, dist: str, points: dict[str, str], version: str = "1.0", **modules: str) -> None:
        """Install a distribution with its entry points and modules; `parts__x` is the module `x` in `parts`."""
        info = self.path / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        readme = "Name: not-this\nVersion: 9\n"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n\n{readme}")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[zoo.plugins]", *lines, ""]))
        for name, code in modules.items():
            self.write(name, code)

    def write(self, name: str, code: str, suffix: str = ".py") -> Path:
        path = self.path / f"{name.replace('__', '/')}{suffix}"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(code))
        return path

    def uninstall(self, dist: str) -> None:
        for path in self.path.glob(f"{dist.replace('-', '_')}-*.dist-info"):
            shutil.rmtree(path)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A fresh folder on this process's import path; modules that came from it are forgotten again."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    before = set(sys.modules)
    yield Site(path)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(path)):
            del sys.modules[name]
