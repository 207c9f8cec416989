"""Several processes that train one model: the same numbers as one, one voice, and an end for all when one ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import write_small
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

import zoo
from zoo import ZooError
from zoo.distributed.launch import Launch, launched, refuse_launch
from zoo.distributed.meeting import met
from zoo.distributed.share import Share
from zoo.experiment import resume
from zoo.registry import load_registry
from zoo.training.options import TrainOptions
from zoo.training.progress import Silent

RUN = ("--standalone", "--nproc-per-node")
TWO = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1", "LOCAL_WORLD_SIZE": "2"}
JOBS = "few,uneven,normalised,drawn,messages,failures,resumed"
SHARING = Path(__file__).with_name("sharing.py")


class Torchrun:
    """Starts torchrun in a working folder."""

    def __init__(self, cwd: Path, env: Mapping[str, str]) -> None:
        self.cwd = cwd
        # The zoo that this process sees, and not another that may be installed.
        self.env = {**env, "PYTHONPATH": os.pathsep.join(sys.path)}

    def start(self, size: int, *words: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *RUN, str(size), *map(str, words)],
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, size: int, *words: str | Path) -> tuple[int, str, str]:
        with self.start(size, *words) as process:
            out, err = process.communicate(timeout=500)
        return process.returncode, out, err


@pytest.fixture
def torchrun(tmp_path: Path, zoo_env: dict[str, str]) -> Torchrun:
    write_small(tmp_path / "small.npz", 127)
    return Torchrun(tmp_path, zoo_env)


def ask(folder: Path, env: Mapping[str, str], size: int, *words: str) -> Any:
    """Return what processes find out, by job."""
    code, out, err = Torchrun(folder, env)(size, SHARING, *words)
    assert code == 0, err
    return json.loads(out)


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, zoo_env: dict[str, str]) -> Any:
    return ask(tmp_path_factory.mktemp("found"), zoo_env, request.param, JOBS)


class TestShare:
    @given(st.integers(1, 300), st.integers(1, 9))
    def test_each_row_is_one_process_own(self, count: int, size: int) -> None:
        shares = [Share.of(count, rank, size) for rank in range(size)]
        own = [row for share in shares for row in range(share.start, share.stop)]
        assert own == list(range(count))
        assert sum(share.weight for share in shares) == pytest.approx(1)
        assert max(s.stop - s.start for s in shares) - min(s.stop - s.start for s in shares) <= 1
        for share in shares:
            assert len(share.take(torch.zeros(count))) == share.size >= 1
            assert share.idle == (share.weight == 0)


class TestLaunch:
    def test_alone(self) -> None:
        assert launched({}) is None
        assert launched({"RANK": "0", "WORLD_SIZE": "4"}) is None
        assert launched({**TWO, "RANK": "0", "WORLD_SIZE": "1"}) is None

    def test_one_of_several(self) -> None:
        assert launched({**TWO, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}) == Launch(1, 2, 0, 1)

    @pytest.mark.parametrize("wrong", [{"RANK": "2"}, {"RANK": "x"}, {"RANK": "-1"}, {"WORLD_SIZE": ""}])
    def test_nonsense_is_told(self, wrong: dict[str, str]) -> None:
        with pytest.raises(ZooError, match="torchrun"):
            launched({**TWO, **wrong})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"batch_size": 1}, "name at least 2"),
            ({"device": "cuda:1"}, "write cuda"),
            ({"device": "mps"}, "cannot share"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in TWO.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ZooError, match=message), met(TrainOptions(**{"device": "cpu", **options})):
            pass

    def test_more_processes_than_gpus_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in TWO.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        with pytest.raises(ZooError, match="2 processes on a machine of 1 GPUs"), met(TrainOptions(device="cuda")):
            pass

    @pytest.mark.parametrize("call", [lambda: zoo.compare(["ae", "vae"]), lambda: zoo.sweep("vae", beta=[1.0, 2.0])])
    def test_what_runs_in_one_process_says_so(
        self, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        refuse_launch("anything")
        monkeypatch.chdir(tmp_path)
        for name, value in TWO.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ZooError, match="without torchrun"):
            call()


class TestNumbers:
    def test_recipes_equal_one_process(self, found: Any) -> None:
        """The first 20 steps, with noise, augmentation, clipping, adversaries and a running mean of the weights."""
        self.check(found["few"])

    @pytest.mark.slow
    @pytest.mark.parametrize("size", [2, 3])
    def test_all_recipes_equal_one_process(self, size: int, tmp_path: Path, zoo_env: dict[str, str]) -> None:
        found = ask(tmp_path, zoo_env, size, "recipes")["recipes"]
        assert {f"{name}.tiny" for name in load_registry().models.names()} <= found.keys()
        self.check(found)

    def check(self, found: Any) -> None:
        for name, each in found.items():
            assert each["steps"] == 20
            assert each["losses"] < 1e-4, name
            assert each["differing"] == 0, name

    def test_uneven_shares_equal_one_process(self, found: Any) -> None:
        for kind, each in found["uneven"].items():
            assert each["losses"] < 1e-5, kind
            assert each["weights"] < 1e-4, kind
            assert each["validation"] < 1e-3, kind
            assert each["differing"] == 0, kind

    def test_batch_normalisation_is_that_of_all_rows(self, found: Any) -> None:
        for shape, far in found["normalised"].items():
            assert far < 1e-5, shape

    def test_noise_is_the_rows_of_the_whole_batch(self, found: Any) -> None:
        assert not {name: far for name, far in found["drawn"].items() if far != 0}

    def test_messages_arrive(self, found: Any) -> None:
        assert not [name for name, right in found["messages"].items() if not right]
        assert found["messages"]["kind"] == "Host"

    def test_a_bad_loss_of_one_stops_all_at_the_same_step(self, found: Any) -> None:
        stopped = found["failures"]["stopped"]
        assert stopped == [8, 1] * (len(stopped) // 2)
        assert "step 6" in found["failures"]["message"]

    def test_one_then_several_then_one_equals_one_all_along(self, found: Any) -> None:
        assert found["resumed"]["same names"]
        assert found["resumed"]["epoch"] == 6
        assert found["resumed"]["far"] < 1e-4

    @pytest.mark.slow
    def test_messages_by_the_network_arrive(self, tmp_path: Path, zoo_env: dict[str, str]) -> None:
        found = ask(tmp_path, {**zoo_env, "ZOO_TEST_NETWORK": "1"}, 2, "messages,normalised,failures,uneven")
        assert found["messages"].pop("kind") == "Group"
        assert all(found["messages"].values())
        assert max(found["normalised"].values()) < 1e-5
        assert all(each["losses"] < 1e-5 for each in found["uneven"].values())


TRAIN = ("-m", "zoo", "train", "conv-vae.tiny", "--data", "npz:small.npz", "--batch-size", "25", "--lr", "1e-3")


class TestCommand:
    def test_a_run_is_that_of_one_process(self, torchrun: Torchrun, monkeypatch: pytest.MonkeyPatch) -> None:
        code, out, err = torchrun(2, *TRAIN, "--epochs", "2", "--val-fraction", "0.1", "--out", "two", "--json")
        assert code == 0, err
        monkeypatch.chdir(torchrun.cwd)
        options = {"data": "npz:small.npz", "batch_size": 25, "lr": 1e-3, "epochs": 2, "val_fraction": 0.1}
        zoo.train("conv-vae.tiny", out="one", **options)
        # One voice, though there are two processes.
        scores = json.loads(out)["scores"]
        assert err.count("training conv-vae.tiny") == 1
        assert err.count("epoch 1/2") == 1
        one, two = (zoo.load(torchrun.cwd / name) for name in ("one", "two"))
        assert {path.name for path in one.path.iterdir()} == {path.name for path in two.path.iterdir()}
        assert scores["mse"] == pytest.approx(one.scores["mse"], rel=1e-3)
        for mine, theirs in zip(two.records(), one.records(), strict=True):
            assert mine["train"] == pytest.approx(theirs["train"], rel=1e-4)
            assert mine["validation"] == pytest.approx(theirs["validation"], rel=1e-3)
        names = load_file(one.weights).keys()
        assert load_file(two.weights).keys() == names

    def test_a_mistake_is_one_line_of_one_process(self, torchrun: Torchrun) -> None:
        code, out, err = torchrun(2, "-m", "zoo", "compare", "ae", "vae")
        told = [line for line in err.splitlines() if line.startswith("zoo:")]
        assert told == ["zoo: 'zoo compare' runs in one process, and torchrun started 2; start it without torchrun"]
        assert "exitcode: 2" in err
        assert code != 0
        assert not out

    @pytest.mark.parametrize("victim", [0, pytest.param(1, marks=pytest.mark.slow)])
    def test_a_killed_process_ends_the_job_and_the_run_goes_on(
        self, victim: int, torchrun: Torchrun, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(torchrun.cwd)
        with torchrun.start(2, *TRAIN, "--epochs", "100000", "--out", "run") as process:
            wait_for_epochs(torchrun.cwd / "run", 2, process)
            os.kill(pid_of(process.pid, victim), signal.SIGKILL)
            _, err = process.communicate(timeout=60)
        told = [line for line in err.splitlines() if line.startswith("zoo:")]
        again = "go on with 'zoo train --resume run'"
        assert told == [f"zoo: another process of this run has ended before its time; {again}"]
        assert process.returncode != 0
        run = zoo.load(torchrun.cwd / "run")
        done = len(run.records())
        again, trained = resume(load_registry(), run.path, Silent(), epochs=done + 2)
        assert trained
        assert len(again.records()) == done + 2
        assert again.scores["mse"] > 0

    @pytest.mark.slow
    @pytest.mark.parametrize("everyone", [True, False])
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupt_saves_once(self, number: signal.Signals, everyone: bool, torchrun: Torchrun) -> None:
        """Sent to torchrun alone, or to all, as a terminal sends Ctrl-C."""
        with torchrun.start(2, *TRAIN, "--epochs", "100000", "--out", "run") as process:
            wait_for_epochs(torchrun.cwd / "run", 2, process)
            os.killpg(process.pid, number) if everyone else process.send_signal(number)
            _, err = process.communicate(timeout=60)
        told = [line for line in err.splitlines() if line.startswith("zoo:")]
        assert told == ["zoo: interrupted and saved; go on with 'zoo train --resume run'"]
        run = zoo.load(torchrun.cwd / "run")
        code, _, err = torchrun(3, "-m", "zoo", "train", "--resume", "run", "--epochs", str(len(run.records()) + 2))
        assert code == 0, err

    @pytest.mark.slow
    def test_a_budget_ends_all_together(self, torchrun: Torchrun) -> None:
        code, _, err = torchrun(2, *TRAIN, "--epochs", "100000", "--budget", "2s", "--out", "run")
        assert code == 0, err
        assert zoo.load(torchrun.cwd / "run").metadata["outcome"]["reason"] == "budget"

    @pytest.mark.slow
    def test_divergence_leaves_good_weights(self, torchrun: Torchrun) -> None:
        code, _, err = torchrun(2, *TRAIN, "--epochs", "3", "--lr", "1e30", "--out", "run")
        assert code != 0
        assert len([line for line in err.splitlines() if line.startswith("zoo: diverged")]) == 1
        assert all(value.isfinite().all() for value in load_file(torchrun.cwd / "run" / "model.safetensors").values())


def wait_for_epochs(run: Path, count: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() or len((run / "metrics.jsonl").read_text().splitlines()) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.1)


def pid_of(agent: int, rank: int) -> int:
    """Return the process of a rank, by the environment of torchrun's children."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            environment = path.joinpath("environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if parent == agent and f"RANK={rank}".encode() in environment:
            return int(path.name)
    raise AssertionError(f"no process of rank {rank}")
