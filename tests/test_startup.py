"""What a run does before its first step and after its last: what is told when, and what is not imported."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Done, write_small
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo.interfaces import Batch, Step
from zoo.runs.folder import find_run
from zoo.training.threads import _operations

Here = Callable[..., Done]
TRAIN = ("train", "vae.tiny", "--data", "npz:small.npz", "--epochs", "2", "--batch-size", "16", "--out", "runs/a")

_WATCHED = """
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "torch._dynamo", "matplotlib", "sklearn", "scipy", "torchvision"):
            print(f"importing {name}", file=sys.stderr, flush=True)

sys.meta_path.insert(0, Watch())
from zoo.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture
def events(tmp_path: Path, zoo_env: dict[str, str]) -> Callable[..., list[str]]:
    """Runs a command in a process of its own, and gives what it told and imported, in order."""
    write_small(tmp_path / "small.npz")

    def call(*words: str, code: int = 0) -> list[str]:
        env = {**zoo_env, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONUNBUFFERED": "1"}
        done = subprocess.run(
            [sys.executable, "-c", _WATCHED, *words],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout.splitlines()

    return call


def place_of(lines: list[str], start: str) -> int:
    return next(i for i, line in enumerate(lines) if line.startswith(start))


def test_a_run_tells_what_it_does_before_it_imports_what_is_slow(events: Callable[..., list[str]]) -> None:
    found = events(*TRAIN)
    order = ["training vae.tiny on", "importing torch", "epoch 1/2", "epoch 2/2", "mse ", "importing matplotlib"]
    places = [place_of(found, start) for start in [*order, "weights "]]
    assert places == sorted(places), found
    assert places[0] == 0
    # Its compiler takes about as long to import as torch itself, and these are for metrics and data sets that use them.
    assert not {"importing torch._dynamo", "importing sklearn", "importing scipy", "importing torchvision"} & set(found)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "vae.tiny", "--epochs", "0"), "epochs"),
        (("train", "--resume", "runs/none"), "there is no run at runs/none"),
        (("train", "vea"), "unknown model 'vea'"),
    ],
)
def test_a_mistake_is_told_without_torch(events: Callable[..., list[str]], words: tuple[str, ...], told: str) -> None:
    found = events(*words, code=2)
    assert len(found) == 1, found
    assert told in found[0]


def test_operations_are_counted_as_torch_counts_them() -> None:
    batch, step = Batch(torch.rand(6, 1, 12, 12), {}, torch.arange(6)), Step.of(0, 0, 0)
    for name in ("vae.tiny", "conv-vae.tiny", "iwae.tiny", "realnvp.tiny"):
        model = zoo.build(name, (1, 12, 12)).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.loss(batch, step)
        assert _operations(model, batch, step) == 3 * counter.get_total_flops() > 0


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path / "small.npz")
    return tmp_path


def broken(*arguments: Any, **options: Any) -> None:
    raise RuntimeError("no colour\nleft")


class TestFigures:
    def test_scores_are_shown_first(
        self, desk: Path, zoo_here: Here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        seen: list[str] = []
        monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: seen.append(capsys.readouterr().out))
        done = zoo_here(*TRAIN)
        assert seen[0].startswith("mse ")
        assert done.out == "weights   runs/a/model.safetensors\npictures  runs/a/figures\n"

    def test_one_that_cannot_be_drawn_costs_no_run_and_no_other(
        self, desk: Path, zoo_here: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zoo.figures.gallery.save_grid", broken)
        monkeypatch.setattr("zoo.figures.gallery.save_latent", broken)
        done = zoo_here(*TRAIN)
        told = [line for line in done.lines if line.startswith("NOTE: ")]
        cause = "could not be drawn: RuntimeError: no colour left; the run and its scores are whole"
        assert told == [f"NOTE: samples.png {cause}", f"NOTE: latent.png {cause}"]
        run = find_run("runs/a")
        assert run.scores["mse"] > 0
        drawn = {path.name for path in run.figures.iterdir()}
        assert drawn == {"loss.png", "reconstructions.png", "latent-grid.png", "traversals.png"}
        assert [(fault["who"], fault["hook"]) for fault in run.faults] == [
            ("figures", "samples.png"),
            ("figures", "latent.png"),
        ]
        assert "in broken" in run.faults[0]["traceback"]
        assert "figures: samples.png raised RuntimeError: no colour left" in zoo_here("show", "runs/a").out
        assert zoo_here("train", "--resume", "runs/a").lines == [
            "runs/a finished after 2 epochs; '--epochs 12' goes on"
        ]

    def test_a_model_that_cannot_be_sampled_is_still_a_run(self, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("zoo.figures.gallery.draw_gallery", broken)
        run = zoo.train("vae.tiny", data="npz:small.npz", epochs=1, out="runs/a")
        assert run.scores["elbo"] < 0
        assert (run.path / "README.md").is_file()
        assert run.faults[0]["hook"] == "the figures"

    def test_ctrl_c_among_them_leaves_a_run_that_goes_on(
        self, desk: Path, zoo_here: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stopped(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("zoo.figures.gallery.draw_gallery", stopped)
            done = zoo_here(*TRAIN, code=130)
        assert done.lines[-1] == "zoo: interrupted and saved; go on with 'zoo train --resume runs/a'"
        zoo_here("train", "--resume", "runs/a")
        assert (desk / "runs/a/figures/samples.png").is_file()
        assert len(find_run("runs/a").records()) == 2


def test_the_watch_itself_sees_an_import(tmp_path: Path) -> None:
    """What the tests above rest on."""
    code = (
        textwrap.dedent(_WATCHED).replace("from zoo.cli.main import run", "import matplotlib").partition("sys.exit")[0]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stderr.startswith("importing matplotlib")
