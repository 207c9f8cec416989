"""Trackers against the packages that they write for: what a run did is read back, also of one that was killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Done, ZooProcess, write_small

import zoo
from zoo import Diverged, ZooError
from zoo.registry import load_registry
from zoo.runs.folder import find_run
from zoo.tracking import find_trackers, is_there

Here = Callable[..., Done]

EPOCHS = 3
SETTINGS = ("--data", "npz:small.npz", "--batch-size", "16", "--epochs", str(EPOCHS), "--val-fraction", "0.25")
TERMS = {f"{split}/{term}" for split in ("train", "validation") for term in ("loss", "distortion", "rate")}
NUMBERS = {"epoch", "steps", "lr", "seconds", "images_per_second", *TERMS}

KILLS = """
import os, pathlib, signal
from zoo import TrackerSpec, hookimpl

class Kills:
    def __init__(self, options, run):
        self.done = run.path / "killed"

    @hookimpl
    def zoo_train_epoch(self, run, record):
        if record["epoch"] == 2 and not self.done.exists():
            self.done.touch()
            os.kill(os.getpid(), signal.SIGKILL)

@hookimpl
def zoo_trackers():
    yield TrackerSpec(name="kills", summary="Kills a run once, before a checkpoint.", tracker="kills:Kills")
"""


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is spent on pictures in this process; the run in processes of its own has them."""
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)


def installed(*names: str) -> list[str]:
    trackers = load_registry(third_party=False).trackers
    return [name for name in names if is_there(trackers.find(name).item)]


def environment(zoo_env: Mapping[str, str]) -> dict[str, str]:
    """Where W&B neither asks nor sends, and the code is the one under test."""
    return {
        **zoo_env,
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "WANDB_MODE": "offline",
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, zoo_env: dict[str, str]) -> Path:
    """A run that was killed after its trackers were told of an epoch and before that was in a checkpoint; resumed."""
    desk = tmp_path_factory.mktemp("killed")
    write_small(desk / "small.npz")
    (desk / "kills.py").write_text(KILLS)
    call = ZooProcess(desk, environment(zoo_env))
    track = ",".join([*installed("csv", "tensorboard", "mlflow", "wandb"), "kills"])
    words = ("--plugin", "kills.py", "train", "vae.tiny", *SETTINGS, "--track", track, "--out", "runs/a")
    assert call(*words, code=None).code == -signal.SIGKILL
    done = call("--plugin", "kills.py", "train", "--resume", "runs/a", "--json")
    assert done.lines[0] == "resuming runs/a from epoch 1"
    assert json.loads(done.out)["run"] == "runs/a", "and nothing beside the one document"
    run = find_run(desk / "runs/a")
    assert [record["epoch"] for record in run.records()] == [1, 2, 3]
    assert run.faults == []
    return desk


def values_of(desk: Path, name: str) -> list[float]:
    """Return a term of each epoch, as the run itself has it."""
    split, _, term = name.partition("/")
    return [record[split][term] if term else record[name] for record in find_run(desk / "runs/a").records()]


# --- csv -------------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_an_epoch(killed: Path) -> None:
    with (killed / "runs/a/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert set(rows[0]) == NUMBERS
    assert next(iter(rows[0])) == "epoch"
    for name in NUMBERS:
        assert [float(row[name]) for row in rows] == values_of(killed, name), "to the last digit"


def test_the_table_of_a_run_that_is_tracked_late_is_whole(zoo_here: Here, small: str) -> None:
    zoo_here("train", "vae.tiny", "--data", small, "--epochs", "1", "--out", "runs/a")
    zoo_here("train", "--resume", "runs/a", "--epochs", "2", "--track", "csv")
    assert len(Path("runs/a/metrics.csv").read_text().splitlines()) == 3


# --- TensorBoard -----------------------------------------------------------------------------------------------------


def events_in(folder: Path) -> Any:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return events


def text_of(events: Any, tag: str) -> str:
    found: bytes = events.Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val[0]
    return found.decode()


def test_tensorboard_reads_each_epoch_once(killed: Path) -> None:
    events = events_in(killed / "runs/a/tensorboard")
    for name in NUMBERS:
        scalars = events.Scalars(name)
        assert [scalar.step for scalar in scalars] == [1, 2, 3], "also the epoch that was trained twice"
        assert [scalar.value for scalar in scalars] == pytest.approx(values_of(killed, name), rel=1e-6)
    scores = find_run(killed / "runs/a").scores
    assert events.Scalars("scores/elbo")[-1].value == pytest.approx(scores["elbo"], rel=1e-6)
    assert "| loss.beta | 1.0 |" in text_of(events, "settings")
    assert text_of(events, "ended") == "finished"
    images = events.Images("figures/reconstructions")
    assert images[-1].encoded_image_string.startswith(b"\x89PNG")
    assert images[-1].width > 100


@pytest.mark.skipif(not installed("tensorboard"), reason="tensorboard is not installed")
def test_tensorboard_takes_a_folder_and_counts_steps(zoo_here: Here, small: str) -> None:
    words = ("train", "vae.tiny", "--data", small, "--batch-size", "16", "--epochs", "2", "--out", "runs/a")
    zoo_here(*words, "--track", "tensorboard", "--tensorboard.dir", "logs", "--tensorboard.by", "steps")
    assert [scalar.step for scalar in events_in(Path("logs/a")).Scalars("train/loss")] == [4, 8]
    assert not Path("runs/a/tensorboard").exists()


# --- MLflow ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(killed: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return mlflow.MlflowClient((killed / "mlruns").as_uri())


def mlflow_runs(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name("generative-zoo")
    return list(client.search_runs([experiment.experiment_id]))


def test_mlflow_reads_one_run_with_each_epoch_once(client: Any, killed: Path) -> None:
    (run,) = mlflow_runs(client)
    assert (run.info.run_name, run.info.status) == ("a", "FINISHED")
    assert run.data.params["loss.beta"] == "1.0"
    assert run.data.params["parts.prior"] == "normal"
    assert run.data.params["training.epochs"] == str(EPOCHS)
    for name in NUMBERS:
        history = sorted(client.get_metric_history(run.info.run_id, name), key=lambda metric: metric.step)
        assert [metric.step for metric in history] == [1, 2, 3]
        if name not in ("seconds", "images_per_second"):
            assert [metric.value for metric in history] == values_of(killed, name)
    assert run.data.metrics["scores/elbo"] == find_run(killed / "runs/a").scores["elbo"]
    names = {item.path for item in client.list_artifacts(run.info.run_id, "figures")}
    assert "figures/reconstructions.png" in names


@pytest.mark.skipif(not installed("mlflow"), reason="mlflow-skinny is not installed")
def test_mlflow_reads_that_a_run_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: str) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    with pytest.raises(Diverged):
        zoo.train("vae.tiny", data=small, batch_size=16, lr=1e30, track={"mlflow": {"uri": "kept"}})
    (run,) = mlflow_runs(mlflow.MlflowClient((tmp_path / "kept").as_uri()))
    assert run.info.status == "FAILED"


# --- Weights & Biases ------------------------------------------------------------------------------------------------


def wandb_records(path: Path) -> Iterator[Any]:
    """Yield the records of a `.wandb` file: 7 bytes of header, then a log in blocks of 32 KiB as LevelDB writes it."""
    proto = pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="wandb is not installed")
    data, at, whole = path.read_bytes(), 7, b""
    assert data.startswith(b":W&B")
    while at < len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        # A whole record, or the last piece of one.
        if kind in (1, 4):
            yield proto.Record.FromString(whole)
            whole = b""


def kind_of(record: Any) -> str:
    return str(record.WhichOneof("record_type"))


def items_of(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@pytest.mark.skipif(not installed("wandb"), reason="wandb is not installed")
def test_wandb_reads_both_parts_of_a_run_under_one_id(killed: Path) -> None:
    files = sorted((killed / "runs/a/wandb").glob("offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime)
    first, second = (list(wandb_records(file)) for file in files)
    begun = [record.run for record in [*first, *second] if kind_of(record) == "run"]
    known = (killed / "runs/a/trackers/wandb.txt").read_text().strip()
    assert {(run.run_id, run.project, run.display_name) for run in begun} == {(known, "generative-zoo", "a")}
    assert items_of(begun[0].config.update)["loss.beta"] == 1.0
    rows = [items_of(record.history.item) for record in second if kind_of(record) == "history"]
    epochs = [row for row in rows if "train/loss" in row]
    assert [row["epoch"] for row in epochs] == [2, 3]
    for name in TERMS:
        assert [row[name] for row in epochs] == values_of(killed, name)[1:]
    assert any(name.startswith("figures/reconstructions") for row in rows for name in row)
    found = [items_of(record.summary.update) for record in second if kind_of(record) == "summary"]
    scores = {name: value for one in found for name, value in one.items()}
    assert scores["scores/elbo"] == find_run(killed / "runs/a").scores["elbo"]
    assert [record.exit.exit_code for record in second if kind_of(record) == "exit"] == [0]


# --- asking for them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--track", "tensorbord"), "unknown tracker 'tensorbord'; did you mean 'tensorboard'?"),
        (("--track", "csv,,nothing"), "unknown tracker 'nothing'"),
        (("--track", " , "), "--track ' , ' names none; see 'zoo list --trackers'"),
        (
            ("--wandb.project", "p"),
            "--wandb.project sets an option of a tracker that is not asked for; add --track wandb",
        ),
        (("--track", "csv", "--tensorboard.dir=x"), "that is not asked for; add --track tensorboard"),
        (("--tensorboard.by", "hour"), "--tensorboard.by must be one of epoch, steps, got 'hour'"),
    ],
)
def test_a_mistake_is_told_before_anything_is_done(words: tuple[str, ...], told: str, zoo_here: Here) -> None:
    for command in (("train", "vae.tiny"), ("compare", "vae.tiny"), ("sweep", "vae.tiny", "--beta", "1,2")):
        done = zoo_here(*command, *words, code=2)
        assert told in done.err
        assert len(done.lines) == 1
    assert not list(Path().iterdir())


def test_a_package_that_is_missing_is_named(zoo_here: Here, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo_here("train", "vae.tiny", "--data", small, "--epochs", "1", "--out", "runs/a", "--track", "csv")
    config = Path("runs/a/config.toml")
    config.write_text(config.read_text().replace("[track.csv]", "[track.csv]\n[track.wandb]"))
    monkeypatch.setattr("zoo.tracking.is_there", lambda spec: not spec.requires)
    for name, package in (("tensorboard", "tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow")):
        done = zoo_here("train", "vae.tiny", "--track", name, code=2)
        hint = f"install it with pip install 'generative-zoo[{name}]'"
        assert done.lines == [f"zoo: --track {name} needs the package {package}; {hint}"]
    assert "mlflow (not installed)" in zoo_here("list", "--trackers").out
    done = zoo_here("train", "--resume", "runs/a", "--epochs", "2")
    assert done.lines[0].startswith("NOTE: the run was followed by wandb, and goes on without it: --track wandb needs")
    assert len(Path("runs/a/metrics.csv").read_text().splitlines()) == 3


def test_a_module_that_is_no_module_is_missing() -> None:
    for module in ("no_such_module", "no.such.module", "", ".", "os"):
        spec = zoo.TrackerSpec(name="a", summary="A.", tracker="m:T", requires=module)
        assert is_there(spec) == (module in ("", "os"))


def test_trackers_are_no_setting_of_a_run(zoo_here: Here, small: str) -> None:
    words = ("compare", "vae.tiny", "ae.tiny", "--data", small, "--epochs", "1")
    done = zoo_here(*words, "--track", "csv", "--json")
    first = {path.parent for path in Path("compare").rglob("metrics.csv")}
    assert len(first) == 2
    again = zoo_here(*words, "--out", "compare/again", "--json")
    rows = json.loads(again.out)["models"]
    assert all(run["reused"] for row in rows for run in row["runs"])
    assert {model["name"] for model in json.loads(done.out)["models"]} == {"vae.tiny", "ae.tiny"}
    run = next(iter(sorted(first)))
    assert find_run(run).settings["track"] == {"csv": {}}
    zoo_here("train", "--config", run / "config.toml", "--out", "runs/b")
    assert "track" not in find_run("runs/b").settings, "what a file asks for follows no other run"
    assert "followed by: csv" in zoo_here("show", run).out


def test_each_run_of_a_sweep_is_followed(zoo_here: Here, small: str) -> None:
    zoo_here("sweep", "vae.tiny", "--data", small, "--epochs", "1", "--beta", "1,2", "--track", "csv")
    assert len(list(Path("sweep").rglob("metrics.csv"))) == 2


def test_a_program_asks_by_name_or_with_options(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number, track in enumerate(["csv", ("csv",), {"csv": {}}]):
        run = zoo.train("vae.tiny", data=small, epochs=1, out=f"runs/{number}", track=track)  # type: ignore[arg-type]  # each is one of them
        assert (run.path / "metrics.csv").is_file()
    registry = load_registry(third_party=False)
    with pytest.raises(ZooError, match="tracker csv: Options has no option 'dir'"):
        find_trackers(registry, {"csv": {"dir": "x"}})


def test_a_run_whose_track_was_broken_by_hand(zoo_here: Here, small: str) -> None:
    zoo_here("train", "vae.tiny", "--data", small, "--epochs", "1", "--out", "runs/a")
    config = Path("runs/a/config.toml")
    text = config.read_text()
    for broken in ("track = 3\n", 'track = {csv = "x"}\n'):
        config.write_text(broken + text)
        done = zoo_here("train", "--resume", "runs/a", "--epochs", "2", code=2)
        assert done.lines == ["zoo: the run's config.toml: 'track' makes no sense; restore it, or take it out"]


# --- what there is --------------------------------------------------------------------------------------------------


def test_the_list_of_trackers(zoo_here: Here) -> None:
    rows = {row["name"]: row for row in json.loads(zoo_here("list", "--trackers", "--json").out)}
    assert {"csv", "tensorboard", "wandb", "mlflow"} <= set(rows)
    assert rows["csv"]["installed"]
    assert "dir" in rows["tensorboard"]["options"]
    assert "leave it out beside --trackers" in zoo_here("list", "--trackers", "--family", "vae", code=2).err
    assert "ask for one of them" in zoo_here("list", "--trackers", "--metrics", code=2).err
    plugins = {row["plugin"]: row for row in json.loads(zoo_here("plugins", "--json").out)["plugins"]}
    assert plugins["trackers"]["trackers"] == ["csv", "tensorboard", "wandb", "mlflow"]
    assert "4 trackers" in zoo_here("plugins").out
