"""The hooks of a run's life: when they are called, with what, and that none of them can disturb the run."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pluggy
import pytest
import torch
from conftest import Done, write_small

import zoo
from zoo import Diverged, Run, ZooError, hookimpl, hookspecs
from zoo.errors import Interrupted
from zoo.evaluation.runs import evaluate_run
from zoo.experiment import resume, run_training
from zoo.registry import Registry, load_registry
from zoo.runs.checkpoint import read_checkpoint
from zoo.settings import Layer, resolve
from zoo.specs import TrackerSpec
from zoo.tracking import Tracker
from zoo.training.progress import Progress

Here = Callable[..., Done]
SETTINGS = {"data": "npz:small.npz", "batch_size": 16, "epochs": 3, "limit": 48}
LIFE = ("zoo_train_start", "zoo_train_epoch", "zoo_evaluated", "zoo_train_end")


class Told(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None: ...

    def step(self, count: int, epoch: int, images_per_second: float) -> None: ...

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with small data, and no time spent on pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
    write_small(tmp_path / "small.npz")
    return tmp_path


def registry_with(**followers: object) -> Registry:
    """Return a registry with plugins made of objects, as if each had been installed."""
    registry = load_registry(third_party=False)
    for name, follower in followers.items():
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        manager.register(follower, name=f"zoo-{name}:{name}")
        registry.plugins.managers.append(manager)
    return registry


def train(registry: Registry, out: str, told: Progress | None = None, **values: Any) -> Run:
    settings = resolve(registry, "vae.tiny", [Layer("test", {**SETTINGS, **values})])
    return run_training(registry, settings, told or Told(), Path(out))


def tensors_of(where: str | Path) -> dict[str, torch.Tensor]:
    return zoo.load(where).model.state_dict()


def same_weights(one: str | Path, other: str | Path) -> bool:
    first, second = tensors_of(one), tensors_of(other)
    return all(torch.equal(first[name], second[name]) for name in second)


class Witness:
    """Notes each call, and what there is on disk at that moment."""

    def __init__(self, name: str, events: list[tuple[Any, ...]]) -> None:
        self.name = name
        self.events = events

    @hookimpl
    def zoo_train_start(self, run: Run) -> None:
        there = (run.path / "config.toml").is_file() and read_checkpoint(run.path) is not None
        self.events.append((self.name, "start", len(run.records()), there))

    @hookimpl
    def zoo_train_epoch(self, run: Run, record: Mapping[str, Any]) -> None:
        self.events.append((self.name, record["epoch"], run.records()[-1] == record))

    @hookimpl
    def zoo_evaluated(self, scores: Mapping[str, Any], run: Run) -> None:
        self.events.append((self.name, "evaluated", scores == run.scores, (run.path / "README.md").is_file()))

    @hookimpl
    def zoo_train_end(self, run: Run, ended: str) -> None:
        self.events.append((self.name, ended, run.finished, bool(run.scores)))


def test_each_hook_is_called_in_order_when_what_it_is_about_is_on_disk() -> None:
    events: list[tuple[Any, ...]] = []
    train(registry_with(b=Witness("b", events), a=Witness("a", events)), "run")
    calls = [("start", 0, True), (1, True), (2, True), (3, True), ("evaluated", True, True), ("finished", True, True)]
    assert events == [(name, *call) for call in calls for name in ("b", "a")], "in the order in which they were loaded"


def test_scores_that_are_kept_are_told_and_others_are_not() -> None:
    events: list[tuple[Any, ...]] = []
    registry = registry_with(a=Witness("a", events))
    run = train(registry, "run", epochs=1)
    events.clear()
    evaluate_run(registry, run, split="train")
    assert events == [], "scores on other images are no scores of the run"
    evaluate_run(registry, run)
    assert events == [("a", "evaluated", True, True)]


# --- however it ends -------------------------------------------------------------------------------------------------


class Stops:
    """Presses Ctrl-C in an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    @hookimpl
    def zoo_train_epoch(self, record: Mapping[str, Any]) -> None:
        if record["epoch"] == self.epoch:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_run_is_ended_and_a_resumed_one_starts_again() -> None:
    train(registry_with(), "straight")
    events: list[tuple[Any, ...]] = []
    with pytest.raises(Interrupted):
        train(registry_with(stops=Stops(2), a=Witness("a", events)), "run")
    assert events[-1] == ("a", "interrupted", False, False)
    assert [event[1] for event in events] == ["start", 1, 2, "interrupted"]
    events.clear()
    resume(registry_with(a=Witness("a", events)), "run", Told())
    assert [event[1] for event in events] == ["start", 3, "evaluated", "finished"]
    assert events[0] == ("a", "start", 2, True)
    assert same_weights("run", "straight")
    events.clear()
    resume(registry_with(a=Witness("a", events)), "run", Told())
    assert events == [], "there was nothing to do"


def test_a_diverging_run_is_ended() -> None:
    events: list[tuple[Any, ...]] = []
    with pytest.raises(Diverged):
        train(registry_with(a=Witness("a", events)), "run", lr=1e30)
    assert [event[1:] for event in events] == [("start", 0, True), ("failed", True, False)]


def test_a_run_that_fails_after_training_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("zoo.experiment.write_card", no_room)
    events: list[tuple[Any, ...]] = []
    with pytest.raises(OSError, match="No space left"):
        train(registry_with(a=Witness("a", events)), "run", epochs=1)
    assert [event[1] for event in events] == ["start", 1, "failed"]


def test_what_fails_before_the_folder_stands_starts_nothing() -> None:
    events: list[tuple[Any, ...]] = []
    with pytest.raises(ZooError):
        train(registry_with(a=Witness("a", events)), "run", init_from="nowhere")
    assert events == []


# --- hostile ones ----------------------------------------------------------------------------------------------------


class Odd(BaseException):
    """No Exception, as some libraries have them."""


def raises(error: BaseException) -> Callable[..., None]:
    def act(**_: Any) -> None:
        raise error

    return act


def disturb_generators(**_: Any) -> None:
    torch.manual_seed(1)
    torch.rand(1000)
    random.seed(1)
    np.random.seed(1)  # what a careless tracker does


def disturb_torch(**_: Any) -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_num_threads(torch.get_num_threads() + 1)


def disturb_process(**_: Any) -> None:
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def disturb_arguments(run: Run, **values: Any) -> None:
    run.path = run.weights = Path("/nowhere")
    for value in values.values():
        if isinstance(value, dict):
            value.get("train", {}).clear()
            value.clear()


def yields(**_: Any) -> Iterator[None]:
    yield


async def awaits(**_: Any) -> None: ...


FAULTY: dict[str, tuple[Callable[..., Any], str]] = {
    "raises": (raises(KeyError("tracker")), "KeyError: 'tracker'"),
    "exits": (raises(SystemExit(3)), "SystemExit: 3"),
    "raises what is no Exception": (raises(Odd("odd")), "Odd: odd"),
    "yields": (yields, "TypeError: it yields or awaits"),
    "awaits": (awaits, "TypeError: it yields or awaits"),
}
RUDE: dict[str, Callable[..., Any]] = {
    "draws random numbers": disturb_generators,
    "sets what torch does": disturb_torch,
    "leaves the folder": disturb_process,
    "writes into what it is given": disturb_arguments,
    "returns something": lambda **_: {"loss": 0},
    "prints": lambda **_: print("a line of its own"),
}


def hostile(act: Callable[..., Any], hooks: tuple[str, ...] = LIFE) -> object:
    """Return a plugin that does something in each of some hooks."""

    @hookimpl
    def zoo_train_start(run: Run) -> Any:
        return act(run=run)

    @hookimpl
    def zoo_train_epoch(run: Run, record: Any) -> Any:
        return act(run=run, record=record)

    @hookimpl
    def zoo_evaluated(run: Run, scores: Any) -> Any:
        return act(run=run, scores=scores)

    @hookimpl
    def zoo_train_end(run: Run, ended: str) -> Any:
        return act(run=run, ended=ended)

    return SimpleNamespace(**{name: function for name, function in locals().items() if name in hooks})


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody follows."""
    path = tmp_path_factory.mktemp("alone")
    write_small(path / "small.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        train(registry_with(), "run")
    return path / "run"


def check_undisturbed(run: Run, alone: Path) -> None:
    assert same_weights(run.path, alone)
    kept = [{**record, "seconds": 0, "images_per_second": 0} for record in run.records()]
    assert kept == [{**record, "seconds": 0, "images_per_second": 0} for record in zoo.load(alone).records()]
    timeless = ({k: v for k, v in zoo.load(p).scores.items() if "second" not in k} for p in (run.path, alone))
    assert next(timeless) == next(timeless)


@pytest.mark.parametrize("how", FAULTY)
def test_a_hook_that_fails_costs_one_line_and_leaves_the_run_alone(how: str, alone: Path) -> None:
    act, words = FAULTY[how]
    events: list[tuple[Any, ...]] = []
    told = Told()
    run = train(registry_with(bad=hostile(act), good=Witness("good", events)), "run", told)
    lines = [line for line in told.lines if "zoo-bad" in line]
    assert [line.split()[2] for line in lines] == list(LIFE), "once each, however many epochs there are"
    assert all(words in line and line.endswith("; the run goes on") for line in lines)
    assert [event[1] for event in events] == ["start", 1, 2, 3, "evaluated", "finished"], (
        "others are called all the same"
    )
    assert [(fault["who"], fault["hook"]) for fault in run.faults] == [("plugin zoo-bad:bad", hook) for hook in LIFE]
    assert all(words in fault["error"] and "Traceback" in fault["traceback"] for fault in run.faults)
    check_undisturbed(run, alone)


@pytest.mark.parametrize("hook", LIFE)
def test_it_may_fail_in_any_one_of_them(hook: str, alone: Path) -> None:
    told = Told()
    run = train(registry_with(bad=hostile(raises(ValueError("no")), (hook,))), "run", told)
    assert [line for line in told.lines if "bad" in line] == [
        f"plugin zoo-bad:bad: {hook} raised ValueError: no; the run goes on"
    ]
    check_undisturbed(run, alone)


@pytest.mark.parametrize("how", RUDE)
def test_a_rude_hook_leaves_the_run_alone(how: str, alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, handler, threads = Path.cwd(), signal.getsignal(signal.SIGINT), torch.get_num_threads()
    told = Told()
    run = train(registry_with(rude=hostile(RUDE[how])), "run", told)
    assert not [line for line in told.lines if "rude" in line]
    assert run.faults == []
    assert (Path.cwd(), signal.getsignal(signal.SIGINT), torch.get_num_threads()) == (folder, handler, threads)
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
    assert capsys.readouterr().out == "", "stdout is for the one document of --json"
    check_undisturbed(run, alone)


def test_a_working_folder_that_is_gone_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    data = f"npz:{tmp_path / 'small.npz'}"
    registry = registry_with(rude=hostile(lambda **_: os.chdir(tmp_path)))
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert train(registry, str(tmp_path / "run"), data=data, epochs=1).faults == []


def test_a_record_of_faults_that_was_written_over_does_not_matter(alone: Path) -> None:
    def overwrite(run: Run, **_: Any) -> None:
        (run.path / "faults.json").write_text(texts.pop())
        raise ValueError("no")

    texts = ["", "3", "[{}]", "{", "[1]", '[{"who": "me"}]']
    run = train(registry_with(bad=hostile(overwrite)), "run")
    check_undisturbed(run, alone)
    with pytest.raises(ZooError, match=r"faults\.json is damaged; remove it"):
        _ = run.faults


def test_strictly_the_first_one_raises() -> None:
    registry = registry_with(bad=hostile(raises(KeyError("tracker"))))
    registry.plugins.strict = True
    with pytest.raises(KeyError):
        train(registry, "run")


def test_a_fault_is_shown_with_the_run(zoo_here: Here) -> None:
    Path("falls.py").write_text("from zoo import hookimpl\n\n@hookimpl\ndef zoo_train_epoch():\n    1 / 0\n")
    words = ("--data", "npz:small.npz", "--epochs", "2", "--out", "runs/a", "--json")
    done = zoo_here("--plugin", "falls.py", "train", "vae.tiny", *words)
    assert json.loads(done.out)["run"] == "runs/a"
    line = "plugin falls.py:falls: zoo_train_epoch raised ZeroDivisionError: division by zero"
    assert [told for told in done.lines if "falls" in told] == [f"{line}; the run goes on"]
    assert f"\n{line}; --json shows where" in zoo_here("show", "runs/a").out
    faults = json.loads(zoo_here("show", "runs/a", "--json").out)["faults"]
    assert "falls.py" in faults[0]["traceback"]
    zoo_here("--plugin", "falls.py", "train", "--resume", "runs/a", "--epochs", "4")
    assert len(zoo.load("runs/a").faults) == 1, "the same fault again is no other"


# --- trackers --------------------------------------------------------------------------------------------------------


class Kept:
    """A tracker that keeps what it was made with."""

    made: ClassVar[list[Any]] = []

    def __init__(self, options: Any, run: Run) -> None:
        self.made.append((options, run.path))
        self.calls: list[str] = []
        self.made.append(self.calls)

    @hookimpl
    def zoo_train_epoch(self) -> None:
        self.calls.append("epoch")


class Refuses:
    """A tracker that cannot be built."""

    def __init__(self, options: Any, run: Run) -> None:
        raise RuntimeError("no server")


class Misspells:
    """A tracker with a hook that there is not."""

    def __init__(self, options: Any, run: Run) -> None: ...

    @hookimpl
    def zoo_train_step(self) -> None: ...


def tracker(cls: type) -> Tracker:
    spec = TrackerSpec(name=cls.__name__.lower(), summary="One.", tracker=f"{__name__}:{cls.__name__}")
    return Tracker(spec.name, spec, load_registry(third_party=False).plugins.loaded[0].source, zoo.Options())


def test_a_tracker_follows_its_run_alone() -> None:
    Kept.made.clear()
    registry = registry_with()
    settings = resolve(registry, "vae.tiny", [Layer("test", SETTINGS)])
    run_training(registry, settings, Told(), Path("one"), "", [tracker(Kept)])
    train(registry, "two")
    assert Kept.made == [(zoo.Options(), Path("one")), ["epoch"] * 3]


@pytest.mark.parametrize(("cls", "words"), [(Refuses, "RuntimeError: no server"), (Misspells, "zoo_train_step")])
def test_a_tracker_that_cannot_be_built_costs_one_line(cls: type, words: str, alone: Path) -> None:
    registry, told = registry_with(), Told()
    settings = resolve(registry, "vae.tiny", [Layer("test", SETTINGS)])
    run = run_training(registry, settings, told, Path("run"), "", [tracker(cls)])
    lines = [line for line in told.lines if line.startswith("tracker")]
    assert len(lines) == 1
    assert words in lines[0]
    assert [fault["who"] for fault in run.faults] == [f"tracker {cls.__name__.lower()}"]
    check_undisturbed(run, alone)


def test_a_tracker_that_does_not_import_stops_before_anything_is_written() -> None:
    registry = registry_with()
    spec = TrackerSpec(name="lost", summary="One.", tracker="nowhere:Lost")
    lost = Tracker("lost", spec, registry.plugins.loaded[0].source, zoo.Options())
    settings = resolve(registry, "vae.tiny", [Layer("test", SETTINGS)])
    with pytest.raises(ZooError, match=r"tracker 'lost' of generative-zoo .* does not import"):
        run_training(registry, settings, Told(), Path("run"), "", [lost])
    assert not Path("run").exists()
