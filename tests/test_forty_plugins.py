"""Forty plugins of other people, three models each: the list stays quick, and imports no torch."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Site, ZooProcess

COUNT, MODELS = 40, 3
ROUNDS = 7

CODE = '''
"""Plugin number {number}."""

from pathlib import Path

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts():
    yield PartSpec(
        kind="prior",
        name="prior-{number}",
        summary="A prior.",
        part="zoo_crowd_{number}.parts:Prior",
        options="zoo_crowd_{number}.options:PriorOptions",
    )


@hookimpl
def zoo_registry():
    return Path(__file__).with_name("registry.toml")
'''
TABLE = """
[models.crowd-{number}-{model}]
extends = "conv-vae"
summary = "Model {model} of plugin {number}."
prior = "prior-{number}"
options = {{ "loss.beta" = 0.5, latent_dim = 4 }}

[models.crowd-{number}-{model}.recipes.tiny]
epochs = 1
limit = 2000
"""
TORCH = "import torch\nfrom zoo import Prior\n\n\nclass Other(Prior):\n    pass\n"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with forty distributions as pip leaves them."""
    site = Site(tmp_path_factory.mktemp("crowd"))
    for number in range(COUNT):
        package = f"zoo_crowd_{number}"
        site.install(f"zoo-crowd-{number}", {f"crowd-{number}": package}, "0.1")
        site.write(f"{package}__parts", TORCH)
        (site.path / package / "__init__.py").write_text(CODE.format(number=number))
        tables = [TABLE.format(number=number, model=model) for model in range(MODELS)]
        site.write(f"{package}__registry", "".join(tables), ".toml")
    return site.path


def listed(zoo_process: ZooProcess, path: Path | None) -> tuple[str, float]:
    """Return what `zoo list` prints where torch cannot be imported, and the seconds that it takes."""
    code = "import sys; sys.modules['torch'] = None; from zoo.cli.main import main; main()"
    found = filter(None, (str(path) if path else "", os.environ.get("PYTHONPATH")))
    env = {**zoo_process.env, "PYTHONPATH": os.pathsep.join(found), "PYTHONPYCACHEPREFIX": str(zoo_process.cwd)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    words = [sys.executable, "-c", code, "list"]
    done = subprocess.run(words, cwd=zoo_process.cwd, env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout, time.perf_counter() - started


def test_the_list_has_all_of_them_and_stays_quick(crowd: Path, zoo_process: ZooProcess) -> None:
    alone, together = listed(zoo_process, None)[0], listed(zoo_process, crowd)[0]
    models = {line.split("\t")[0] for line in together.splitlines()}
    assert models - {line.split("\t")[0] for line in alone.splitlines()} == {
        f"crowd-{number}-{model}" for number in range(COUNT) for model in range(MODELS)
    }
    # In turn, so that whatever else this machine does slows both alike; the first of each has compiled the modules.
    times = [(listed(zoo_process, None)[1], listed(zoo_process, crowd)[1]) for _ in range(ROUNDS)]
    none, forty = (statistics.median(column) for column in zip(*times, strict=True))
    assert forty <= 3 * none, f"{forty:.3f} s with {COUNT} plugins, {none:.3f} s with none"
