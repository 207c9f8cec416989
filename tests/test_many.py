"""Many runs: side by side they are what they are alone, and what happens to one happens to no other."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Done, ZooProcess, write_small

import zoo
from zoo.many.messages import receive, send, unpack
from zoo.many.pool import train_in_processes
from zoo.many.task import Lost, Task
from zoo.registry import load_registry
from zoo.runs.folder import find_run
from zoo.settings import Layer, resolve
from zoo.training.progress import Progress

Here = Callable[..., Done]
OURS = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
QUICK = ("--data", "npz:small.npz", "--batch-size", "32", "--device", "cpu")


class Heard(Progress):
    """Keeps what it is told, and may act on it."""

    def __init__(self, act: Callable[[str], None] = lambda _: None) -> None:
        self.lines: list[str] = []
        self.steps: list[int] = []
        self.epochs = 0
        self.stopped = 0
        self.act = act

    def say(self, message: str) -> None:
        self.lines.append(message)
        self.act(message)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        self.epochs = epochs * steps_per_epoch

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        self.steps.append(count)

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path / "small.npz")
    return tmp_path


def tasks_of(model: str, seeds: range, **options: Any) -> list[Task]:
    layer = Layer("test", {"data": "npz:small.npz", "batch_size": 32, "device": "cpu", **options})
    settings = resolve(load_registry(), model, [layer])
    return [
        Task(f"seed {seed}", replace(settings, training=replace(settings.training, seed=seed)), Path(f"seed{seed}"))
        for seed in seeds
    ]


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[signal.Handlers], object]]:
    """Sets what Ctrl-C does in this process, until the test ends."""
    before = signal.getsignal(signal.SIGINT)
    yield partial(signal.signal, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def children() -> list[int]:
    """Return the processes that this one has started and that are still there, dead or alive."""
    found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return [int(word) for word in found.split()]


def scores_of(run: zoo.Run) -> dict[str, Any]:
    return {key: value for key, value in run.scores.items() if key not in ("seconds", "images_per_second")}


class TestProcesses:
    def test_runs_are_what_they_are_alone(self, here: Path) -> None:
        """To the bit, on one thread; two workers for three runs, and one of the runs diverges."""
        registry, heard, before = load_registry(), Heard(), children()
        tasks = tasks_of("vae.tiny", range(3))
        wild = replace(tasks[1].settings, training=replace(tasks[1].settings.training, lr=1e30))
        tasks[1] = replace(tasks[1], settings=wild)
        ended = train_in_processes(registry, tasks, heard, (), 2)
        assert children() == before
        assert [one.path for one in ended] == [Path("seed0"), None, Path("seed2")]
        assert isinstance(ended[1].error, zoo.Diverged)
        alone = zoo.train("vae.tiny", data="npz:small.npz", batch_size=32, device="cpu", seed=2, out="alone")
        run = find_run("seed2")
        assert all(value.equal(alone.model.state_dict()[name]) for name, value in run.model.state_dict().items())
        assert scores_of(run) == scores_of(alone)
        assert (run.path / "figures").is_dir()
        assert "seed 2: epoch 1/1  loss " in "\n".join(heard.lines)
        assert heard.steps == sorted(heard.steps)
        assert heard.steps[-1] == heard.epochs
        assert heard.stopped == 1

    def test_a_killed_worker_costs_its_run_alone(self, here: Path) -> None:
        killed: list[int] = []

        def kill(line: str) -> None:
            if line.startswith("seed 0: epoch 1") and not killed:
                killed.extend(children())
                os.kill(killed[0], signal.SIGKILL)

        tasks = tasks_of("vae.tiny", range(2), epochs=2)
        tasks[0] = replace(
            tasks[0], settings=replace(tasks[0].settings, training=replace(tasks[0].settings.training, epochs=5000))
        )
        ended = train_in_processes(load_registry(), tasks, Heard(kill), (), 1)
        assert isinstance(ended[0].error, Lost)
        assert "its process ended before it did (SIGKILL" in str(ended[0].error)
        assert find_run("seed1").scores
        assert children() == []

    def test_ctrl_c_saves_all(self, here: Path) -> None:
        """Both are found at a whole step, and go on."""
        started: set[str] = set()

        def press(line: str) -> None:
            if ": epoch " in line:
                started.add(line[:6])
            if {"seed 0", "seed 1"} <= started:
                started.clear()
                signal.raise_signal(signal.SIGINT)

        # So many that neither is done before the other, on a busy machine, has begun.
        tasks = tasks_of("vae.tiny", range(2), epochs=100_000)
        with pytest.raises(KeyboardInterrupt):
            train_in_processes(load_registry(), tasks, Heard(press), (), 2)
        assert children() == []
        for seed in (0, 1):
            assert not find_run(f"seed{seed}").scores
            assert (Path(f"seed{seed}") / "checkpoint").is_dir()

    @pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN], ids=["in front", "in the background"])
    def test_workers_end_with_their_parent(
        self, here: Path, zoo_process: ZooProcess, handler: signal.Handlers, ctrl_c: Callable[[signal.Handlers], object]
    ) -> None:
        """Even where it is killed, and cannot say so; the run is saved then too."""
        # Which is handed down.
        ctrl_c(handler)
        words = ("train", "vae.tiny", *QUICK, "--epochs", "5000", "--seeds", "2", "--side-by-side", "processes")
        with zoo_process.start(*words, **OURS) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "epoch 2/5000" in line:
                    break
            workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            assert len(workers) == 2
            process.kill()
        deadline = time.monotonic() + 20
        while any(alive(int(pid)) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def test_errors_that_cannot_be_sent_are_told(self) -> None:
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as inbox:
            with os.fdopen(writer, "wb") as out:
                send(out, ("say", "x" * 1000))
                out.write(b"\x05")
            first, second = receive(inbox), receive(inbox)
        assert first is not None
        assert unpack(first) == ("say", "x" * 1000)
        assert second is None, "half a message is none"


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except FileNotFoundError:
        return False


class TestSeeds:
    def test_a_run_each_with_what_they_have_in_common(self, here: Path, zoo_here: Here) -> None:
        done = zoo_here("train", "vae.tiny", *QUICK, "--seeds", "2", "--seed", "4")
        names = [path.name for path in sorted(Path("runs").iterdir())]
        assert names == ["vae.tiny-npz-small.npz-1-seed4", "vae.tiny-npz-small.npz-1-seed5"]
        mean = done.out.splitlines()[3].split("\t")
        assert mean[0] == "mean"
        assert all("±" in cell for cell in mean[1:])
        again = json.loads(zoo_here("train", "vae.tiny", *QUICK, "--seeds", "2", "--json").out)
        assert [one["run"] for one in again["runs"]] == [f"runs/vae.tiny-npz-small.npz-2-seed{s}" for s in (0, 1)]
        values = [find_run(one["run"]).scores["mse"] for one in again["runs"]]
        assert again["scores"]["mse"]["mean"] == pytest.approx(sum(values) / 2)

    def test_a_folder_of_runs_goes_on(self, here: Path, zoo_here: Here) -> None:
        words = ("train", "vae.tiny", *QUICK, "--out", "mine", "--seeds")
        zoo_here(*words, "1")
        before = (Path("mine/vae.tiny-npz-small.npz-seed0") / "model.safetensors").stat().st_mtime_ns
        done = zoo_here(*words, "2")
        assert "taking mine/vae.tiny-npz-small.npz-seed0" in done.err
        assert (Path("mine/vae.tiny-npz-small.npz-seed0") / "model.safetensors").stat().st_mtime_ns == before
        other = zoo_here(*words, "2", "--beta", "2", code=2)
        assert other.err.count("zoo: ") == 1
        assert "holds a run" in other.err

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--seeds", "0"), "0 is not in the range x>=1"),
            (("--seeds", "3", "--seed", str(2**32 - 2)), "goes beyond 4294967295"),
            (("--seeds", "2", "--out", "small.npz"), "is a file"),
            (("--side-by-side", "vectorised"), "is for several runs"),
        ],
    )
    def test_mistakes_are_one_line(self, words: tuple[str, ...], told: str, here: Path, zoo_here: Here) -> None:
        done = zoo_here("train", "vae.tiny", *QUICK, *words, code=2)
        assert told in done.err
        assert len(done.lines) == 1
        assert not Path("runs").exists()

    def test_resume_takes_no_seeds(self, here: Path, zoo_here: Here) -> None:
        done = zoo_here("train", "--resume", "runs/x", "--seeds", "3", code=2)
        assert done.lines == [
            "zoo: --resume takes the run's own settings, --epochs and --track alone; leave out --seeds"
        ]

    def test_one_run_is_no_folder_of_runs(self, here: Path, zoo_here: Here) -> None:
        zoo_here("train", "vae.tiny", *QUICK, "--out", "one")
        done = zoo_here("train", "vae.tiny", *QUICK, "--seeds", "2", "--out", "one", code=2)
        assert done.lines == [
            "zoo: --out one is one run; with --seeds it is the folder that the runs lie in, name another"
        ]
