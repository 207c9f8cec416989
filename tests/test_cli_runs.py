"""The command line on runs: training, stopping at any moment, going on, using what was trained, comparing."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from conftest import Done, ZooProcess, write_small
from PIL import Image

import zoo
import zoo.runs.checkpoint
import zoo.runs.files
from zoo.cli.main import run
from zoo.runs.checkpoint import APART
from zoo.runs.folder import find_run

Here = Callable[..., Done]

LONG = ("train", "vae.tiny", "--data", "npz:small.npz", "--batch-size", "16", "--epochs", "80")
"""Long enough to be stopped in the middle: 320 steps."""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def document(done: Done) -> Any:
    """Return the one document on stdout."""
    return json.loads(done.out)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, zoo_env: dict[str, str]) -> ZooProcess:
    """A working folder with small data and two finished runs, one of them made by a real process."""
    folder = tmp_path_factory.mktemp("workshop")
    write_small(folder / "small.npz")
    call = ZooProcess(folder, zoo_env)
    call(*LONG, "--out", "runs/straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        one = ("train", "conv-vae.tiny", "--data", "npz:small.npz", "--out", "runs/one", "--epochs", "2", "--seed", "3")
        assert run(list(one)) == 0
    return call


@pytest.fixture
def trained(workshop: ZooProcess, zoo_here: Here) -> Here:
    """The command in this process, in a working folder that holds copies of the data and the runs."""
    shutil.copy(workshop.cwd / "small.npz", ".")
    for finished in ("runs/one", "runs/straight"):
        shutil.copytree(workshop.cwd / finished, finished)
    return zoo_here


# --- train -----------------------------------------------------------------------------------------------------------


def test_train_leaves_a_whole_run_and_prints_only_data(zoo_process: ZooProcess, zoo_here: Here, small: str) -> None:
    done = zoo_process("train", "conv-vae.tiny", "--data", small, "--json")
    found = document(done)
    assert found.keys() >= {"run", "model", "data", "scores"}
    assert found["run"] == "runs/conv-vae.tiny-npz-small.npz-1"
    assert (found["model"], found["data"]) == ("conv-vae", small)
    assert found["scores"]["images_per_second"] > 0
    scores = {"mse", "sse", "distortion", "rate", "objective", "elbo", "active_units", "parameters", "seconds"}
    assert scores <= found["scores"].keys()
    run = Path(found["run"])
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert names >= {
        *("model.safetensors", "config.toml", "metrics.jsonl", "scores.json", "README.md"),
        *("checkpoint/last.safetensors", "figures/loss.png", "figures/reconstructions.png", "figures/samples.png"),
        *("figures/latent.png", "figures/latent-grid.png", "figures/traversals.png"),
    }
    assert not [name for name in names if Path(name).name.startswith(".")], "no half-written files"
    assert any(line.startswith("epoch 1/1  loss ") and "images/s" in line for line in done.lines)
    assert "Warning" not in done.err
    torch.set_num_threads(1)
    again = zoo_here("train", "conv-vae.tiny", "--data", small)
    second = f"{found['run'].removesuffix('1')}2"
    assert f"weights   {second}/model.safetensors\npictures  {second}/figures\n" in again.out
    zoo_here("train", "conv-vae.tiny", "--data", small, "--seed", "1", "--out", "runs/other")
    assert same_weights(found["run"], second), "the same seed"
    assert not same_weights(found["run"], "runs/other"), "another seed"


def same_weights(one: str | Path, other: str | Path) -> bool:
    first, second = (find_run(path).model.state_dict() for path in (one, other))
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_default_data_is_told_to_be_glyphs_where_there_is_no_mnist(
    zoo_here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.data.download.PROBE_SECONDS", 0.01)
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
    done = zoo_here("train", "ae-mlp.tiny", "--limit", "64", "--json")
    assert document(done)["data"] == "glyphs"
    assert document(done)["run"] == "runs/ae-mlp.tiny-glyphs-1"
    assert "using 'glyphs' instead of MNIST" in done.err
    assert find_run("runs/ae-mlp.tiny-glyphs-1").metadata["data"]["name"] == "glyphs"
    rows = {row["name"]: row["path"] for row in document(zoo_here("data", "--json"))}
    assert Path(rows["glyphs"]).is_file(), "kept for the next time"


def test_every_source_of_settings_reaches_the_run(trained: Here) -> None:
    Path("zoo.toml").write_text(
        '[models.mine]\nextends = "vae"\noptions = { beta = 2.0, latent_dim = 3, encoder.hidden = [16] }\n'
        "recipes.quick = { epochs = 1, beta = 3.0, decoder.hidden = [16], batch_size = 20 }\n"
    )
    trained("train", "mine.quick", "--data", "npz:small.npz", "--batch-size", "32", "--out", "runs/mine")
    facts = document(trained("show", "runs/mine", "--json"))
    assert (facts["model"], facts["training"]["epochs"], facts["training"]["batch_size"]) == ("mine", 1, 32)
    options = {"loss.beta": 3.0, "posterior.latent_dim": 3, "encoder.hidden": [16], "decoder.hidden": [16]}
    assert options.items() <= facts["options"].items()
    words = ("train", "--config", "runs/mine/config.toml", "--beta", "linear:0..1@50%", "--prior", "laplace")
    trained(*words, "--out", "runs/again")
    again = document(trained("show", "runs/again", "--json"))
    assert again["options"]["loss.beta"] == "linear:0..1@50%"
    assert (again["parts"]["prior"], again["training"]["batch_size"]) == ("laplace", 32)
    card = Path("runs/again/README.md").read_text()
    assert "zoo train --config runs/mine/config.toml --beta linear:0..1@50% --prior laplace --out runs/again" in card
    Path("zoo.toml").unlink()
    trained("sample", "runs/mine", "-n", "2")
    trained("train", "--resume", "runs/mine", "--epochs", "2")


def test_out_that_holds_something_is_refused(trained: Here) -> None:
    before = {path: digest(path) for path in Path("runs/one").rglob("*") if path.is_file()}
    done = trained("train", "vae.tiny", "--data", "npz:small.npz", "--out", "runs/one", code=2)
    assert done.err == (
        "zoo: --out runs/one holds a run; name another folder, or go on with 'zoo train --resume runs/one'\n"
    )
    assert {path: digest(path) for path in Path("runs/one").rglob("*") if path.is_file()} == before
    done = trained("compare", "runs/one", "--out", "runs", code=2)
    assert "--out runs is there already and is not empty" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--patience", "2"), "--patience needs validation images; add --val-fraction 0.1"),
        (("--val-fraction", "0.001"), "--val-fraction 0.001 of 64 images leaves no image for validation"),
        (("--init-from", "nowhere"), "there is no run at nowhere"),
        (("--init-from", "runs/one"), "--init-from runs/one: its weights do not fit this model"),
        (("--posterior", "normal", "--prior", "gamma"), "does not fit a prior on positive numbers"),
    ],
)
def test_settings_that_do_not_fit_leave_nothing(words: tuple[str, ...], told: str, trained: Here) -> None:
    done = trained("train", "vae.tiny", "--data", "npz:small.npz", *words, "--out", "runs/new", code=2)
    assert told in done.lines[-1]
    assert "Traceback" not in done.err
    assert not Path("runs/new").exists()


# --- stopped and gone on with ----------------------------------------------------------------------------------------


def wait_for(process: subprocess.Popen[str], epoch: int) -> None:
    """Read what a process tells until an epoch is done."""
    assert process.stderr is not None
    for line in process.stderr:
        found = re.match(r"epoch (\d+)/", line)
        if found is not None and int(found[1]) >= epoch:
            return
    pytest.fail(f"it never finished epoch {epoch}")


def check_equals_straight(call: ZooProcess, name: str) -> None:
    one, straight = call.cwd / name, call.cwd / "runs/straight"
    assert same_weights(one, straight)
    records, wanted = ([(r["epoch"], r["steps"], r["train"]) for r in find_run(p).records()] for p in (one, straight))
    assert records == wanted, "each epoch once, with the same numbers"
    scores, wanted = ({k: v for k, v in find_run(p).scores.items() if "second" not in k} for p in (one, straight))
    assert scores == wanted


def test_ctrl_c_saves_and_the_run_goes_on_as_if_nothing_had_been(
    workshop: ZooProcess, zoo_here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    with workshop.start(*LONG, "--out", "runs/stopped", "--json") as process:
        wait_for(process, 7)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "zoo: interrupted and saved; go on with 'zoo train --resume runs/stopped'"
    assert "Traceback" not in err
    monkeypatch.chdir(workshop.cwd)
    rows = {row["run"]: row for row in document(zoo_here("runs", "--json"))}
    assert rows["runs/stopped"]["state"].startswith("unfinished, ")
    unfinished = zoo_here("sample", "runs/stopped", code=2)
    assert "run runs/stopped has no model.safetensors yet; see 'zoo train --resume runs/stopped'" in unfinished.err
    done = workshop("train", "--resume", "runs/stopped", "--json")
    assert done.lines[0].startswith("resuming runs/stopped from epoch ")
    assert document(done)["run"] == "runs/stopped"
    check_equals_straight(workshop, "runs/stopped")
    again = zoo_here("train", "--resume", "runs/stopped", "--json")
    assert again.lines == ["runs/stopped finished after 80 epochs; '--epochs 90' goes on"]
    assert document(again)["scores"] == document(done)["scores"]


def test_killed_at_any_moment_a_run_goes_on_to_the_same_bits(workshop: ZooProcess) -> None:
    words: tuple[str, ...] = (*LONG, "--out", "runs/killed")
    for epoch, pause in ((3, 0.0), (20, 0.013)):
        with workshop.start(*words) as process:
            wait_for(process, epoch)
            time.sleep(pause)
            process.kill()
            killed = time.time()
            process.communicate()
        written = (workshop.cwd / "runs/killed/checkpoint/last.safetensors").stat().st_mtime
        assert killed - written < APART + 3, (
            "at most an epoch, or half a second, is lost, and what a busy machine takes"
        )
        assert process.returncode == -signal.SIGKILL
        words = ("train", "--resume", "runs/killed")
    workshop(*words)
    check_equals_straight(workshop, "runs/killed")
    left = [path for path in (workshop.cwd / "runs/killed").rglob("*") if path.name.startswith(".")]
    assert len(left) <= 2, "what a kill left of a write is all that is left"


def test_a_run_takes_more_epochs_but_no_other_settings(trained: Here) -> None:
    done = trained("train", "--resume", "runs/one", "--epochs", "3", "--json")
    assert "resuming runs/one from epoch 2" in done.lines
    assert [record["epoch"] for record in find_run("runs/one").records()] == [1, 2, 3]
    assert find_run("runs/one").settings["training"]["epochs"] == 3
    fewer = trained("train", "--resume", "runs/one", "--epochs", "2", code=2)
    assert "--epochs 2: runs/one has trained 3 already; name more, or leave it out" in fewer.err
    other = trained("train", "--resume", "runs/one", "--batch-size", "3", code=2)
    assert "leave out --batch-size" in other.err


def limit_files(size: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_disk_with_no_room_at_the_start_leaves_nothing(workshop: ZooProcess) -> None:
    words = [sys.executable, "-m", "zoo", *LONG, "--out", "full/run"]
    limited = limit_files(20_000)
    done = subprocess.run(words, cwd=workshop.cwd, env=workshop.env, capture_output=True, text=True, preexec_fn=limited)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("File too large")
    assert "Traceback" not in done.stderr
    assert not list((workshop.cwd / "full").rglob("*"))


def test_a_disk_that_fills_up_stops_the_run_which_goes_on_when_there_is_room(
    trained: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, done = os.replace, []

    def full(source: str, target: Path) -> None:
        done.append(target)
        if len(done) > 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    torch.set_num_threads(1)
    with monkeypatch.context() as patch:
        patch.setattr(zoo.runs.files.os, "replace", full)
        patch.setattr(zoo.runs.checkpoint, "APART", 0.0)
        told = trained(*LONG, "--out", "runs/full", code=2)
    assert told.lines[-1].endswith("No space left on device")
    assert told.lines[-1].startswith("zoo: runs/full/")
    assert not [path for path in Path("runs/full").rglob("*") if path.name.startswith(".")]
    assert "unfinished" in trained("runs").out
    trained("train", "--resume", "runs/full")
    assert same_weights("runs/full", "runs/straight")


def test_a_diverging_run_says_where_and_keeps_the_last_good_weights(trained: Here) -> None:
    words = ("train", "vae.tiny", "--data", "npz:small.npz", "--batch-size", "4", "--lr", "1e30", "--out", "runs/wild")
    done = trained(*words, "--epochs", "3", "--json", code=1)
    assert done.out == ""
    line = done.lines[-1]
    assert line.startswith("zoo: diverged at step 1 (epoch 1): ")
    assert " became nan; first bad tensor: " in line
    assert "try a lower --lr, or --clip 1" in line
    assert line.endswith("the weights of epoch 0 are in runs/wild")
    weights = find_run("runs/wild").model.state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in weights.values() if value.is_floating_point())
    assert find_run("runs/wild").metadata["outcome"]["reason"] == "diverged"
    assert "runs/wild\tvae\tnpz:small.npz\tdiverged" in trained("runs").out
    trained("sample", "runs/wild", "-n", "2")
    trained("evaluate", "runs/wild")


def test_a_budget_ends_a_run(trained: Here) -> None:
    words = ("train", "vae.tiny", "--data", "npz:small.npz", "--epochs", "100000", "--budget", "0.3s", "--json")
    found = document(trained(*words))
    assert find_run(found["run"]).metadata["outcome"]["reason"] == "budget"


# --- using a run -----------------------------------------------------------------------------------------------------


def images_in(path: str) -> dict[str, Any]:
    with np.load(path) as arrays:
        return dict(arrays)


def test_sample_draws_from_the_prior_or_from_another_normal(trained: Here) -> None:
    assert trained("sample", "runs/one", "-n", "5").out == "runs/one/samples.png\n"
    with Image.open("runs/one/samples.png") as picture:
        assert picture.width > 12
    for words in ((), ("--seed", "1"), ("--mean", "2", "--std", "0.1"), ("--temperature", "0.1")):
        out = f"x{len(words)}{'-'.join(words)}.npz".replace("--", "")
        assert trained("sample", "runs/one", "-n", "5", "--out", out, *words).out == f"{out}\n"
    found = [images_in(str(path))["images"] for path in sorted(Path().glob("x*.npz"))]
    assert all(x.shape == (5, 1, 12, 12) and x.min() >= 0 and x.max() <= 1 for x in found)
    assert len({x.tobytes() for x in found}) == 4
    trained("sample", "runs/one", "-n", "5", "--out", "again.npz")
    assert np.array_equal(images_in("again.npz")["images"], images_in("x0.npz")["images"])
    trained("sample", "runs/one/model.safetensors", "-n", "5", "--out", "file.npz")
    assert np.array_equal(images_in("again.npz")["images"], images_in("file.npz")["images"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sample runs/one --out x.jpg", "--out x.jpg: its name must end in .png or .npz"),
        ("sample runs/one --out nowhere/x.png", "--out nowhere/x.png: there is no folder nowhere; make it first"),
        ("sample runs/one --device gpu", "--device gpu: write auto, cpu, cuda, cuda:N or mps"),
        ("sample runs/on", "there is no run at runs/on; see 'zoo runs'; did you mean 'runs/one'?"),
        ("embed runs/one --out z.png", "--out z.png: its name must end in .npz"),
        ("interpolate runs/one --to 16", "--to 16: the images of npz:small are 0 to 15"),
        ("reconstruct runs/one --image-size 12", "--image-size is about other images; name them with --data"),
        ("reconstruct runs/one --data folder:pictures", "runs/one takes images of 1×12×12, folder:pictures has"),
        ("evaluate runs/one --data nothing", "unknown data set 'nothing'"),
        ("evaluate runs/one --data folder:pictures", "add --colour grey"),
    ],
)
def test_what_a_run_cannot_do(words: str, told: str, trained: Here) -> None:
    draw_pictures()
    done = trained(*words.split(), code=2)
    assert told in done.lines[-1]
    assert done.out == ""


def draw_pictures(count: int = 6, side: int = 12) -> None:
    Path("pictures").mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(f"pictures/{i}.png")


def test_reconstruct_takes_test_images_or_ones_own(trained: Here) -> None:
    out = trained("reconstruct", "runs/one", "-n", "4").out
    assert out.startswith("runs/one/reconstructions.png  mse ")
    assert out.endswith(" over 4 images\n")
    trained("reconstruct", "runs/one", "--out", "r.npz")
    found = images_in("r.npz")
    assert found["images"].shape == found["reconstructions"].shape == (16, 1, 12, 12)
    assert np.array_equal(found["images"][0] * 255, np.load("small.npz")["x_test"][:1])
    draw_pictures()
    own = ("--data", "folder:pictures", "--colour", "grey", "--image-size", "12")
    assert "over 6 images" in trained("reconstruct", "runs/one", *own).out, "all of them"
    Path("pictures/broken.png").write_bytes(b"no picture")
    bad = trained("reconstruct", "runs/one", *own, code=2)
    assert "pictures/broken.png is not a readable picture" in bad.err
    done = trained("reconstruct", "runs/one", *own, "--skip-bad")
    assert "over 6 images" in done.out
    assert "skipped 1 unreadable pictures: broken.png" in done.err


def test_interpolate_goes_from_one_image_to_another(trained: Here) -> None:
    assert trained("interpolate", "runs/one", "--from", "2", "--to", "5").out == "runs/one/interpolation.png\n"
    trained("interpolate", "runs/one", "--from", "2", "--to", "5", "--steps", "3", "--out", "i.npz")
    trained("reconstruct", "runs/one", "--out", "r.npz")
    between, ends = images_in("i.npz")["images"], images_in("r.npz")["reconstructions"]
    assert between.shape == (3, 1, 12, 12)
    np.testing.assert_allclose(between[[0, -1]], ends[[2, 5]], atol=1e-5)


def test_embed_writes_codes_and_labels(trained: Here) -> None:
    assert trained("embed", "runs/one", "--out", "z.npz", "--projection", "pca").out == "z.npz  z (16, 4)\nz.png\n"
    found = images_in("z.npz")
    assert found["z"].shape == (16, 4)
    assert np.array_equal(found["label"], np.load("small.npz")["y_test"])
    assert trained("embed", "runs/one", "--split", "train", "--out", "t.npz").out == "t.npz  z (64, 4)\n"
    assert trained("embed", "runs/one", "--split", "all", "--out", "a.npz").out == "a.npz  z (80, 4)\n"
    draw_pictures()
    own = ("--data", "folder:pictures", "--colour", "grey")
    assert trained("embed", "runs/one", *own, "--out", "o.npz").out == "o.npz  z (6, 4)\n"


def test_evaluate_gives_the_scores_of_training_again(trained: Here) -> None:
    before = json.loads(Path("runs/one/scores.json").read_text())
    found = document(trained("evaluate", "runs/one", "--json"))
    assert (found["run"], found["data"]) == ("runs/one", "npz:small.npz")
    assert found["scores"] == before
    assert json.loads(Path("runs/one/scores.json").read_text()) == before
    table = trained("evaluate", "runs/one").out
    assert table.startswith("score\tvalue\tunit\tbetter\tmeaning\nmse\t")
    assert len(table.splitlines()[-1].split()) == 5, "the KL of each of four units"
    other = document(trained("evaluate", "runs/one", "--seed", "9", "--json"))["scores"]
    assert other["mse"] == before["mse"]
    assert other["sse"] != before["sse"]
    assert json.loads(Path("runs/one/scores.json").read_text()) == before, "another seed is not the run's"
    draw_pictures(20)
    own = ("--data", "folder:pictures", "--colour", "grey", "--json")
    assert document(trained("evaluate", "runs/one", *own))["data"] == "folder:pictures"
    assert json.loads(Path("runs/one/scores.json").read_text()) == before


def test_show_takes_a_run_or_a_weights_file(trained: Here) -> None:
    shown = trained("show", "runs/one").out
    assert shown.startswith("runs/one: conv-vae on npz:small.npz, 2 epochs")
    assert "--posterior.latent-dim\t4" in shown
    facts = document(trained("show", "runs/one", "--json"))
    assert facts["run"] == "runs/one"
    assert facts["scores"]["mse"] > 0
    shutil.copy("runs/one/model.safetensors", "away.safetensors")
    away = document(trained("show", "away.safetensors", "--json"))
    assert (away["model"], away["scores"]) == ("conv-vae", {})
    assert trained("show", "./away.safetensors").out.startswith(".: conv-vae on npz:small.npz")


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_weights_that_are_damaged_or_foreign(trained: Here) -> None:
    from safetensors.torch import save_file

    whole = Path("runs/one/model.safetensors").read_bytes()
    save_file({"a": torch.zeros(3)}, "foreign.safetensors")
    Path("empty.safetensors").touch()
    Path("text.safetensors").write_text("nothing of the kind, but long enough to have a header")
    Path("short.safetensors").write_bytes(whole[:-100])
    Path("header.safetensors").write_bytes(whole[:300])
    length = int.from_bytes(whole[:8], "little")
    odd = {"__metadata__": {"zoo": "{"}, "a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}
    for name, header in (
        ("json", odd),
        ("list", {**odd, "__metadata__": {"zoo": "[1]"}}),
        ("format", {**odd, "__metadata__": {"zoo": '{"format": 99}'}}),
        ("bare", {**odd, "__metadata__": {"zoo": '{"format": 1}'}}),
        ("offsets", {"a": 3}),
    ):
        text = json.dumps(header).encode()
        Path(f"{name}.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    Path("tensors.safetensors").write_bytes(whole[: 8 + length] + bytes(len(whole) - 8 - length))
    told = {
        "foreign": "was not made by the zoo",
        "empty": "is no safetensors file, or is truncated",
        "text": "is no safetensors file, or is truncated",
        "short": "is truncated: ",
        "header": "is no safetensors file, or is truncated",
        "json": "has a damaged header",
        "list": "has a damaged header",
        "format": "has format 99; this zoo reads 1",
        "bare": "has a damaged header",
        "offsets": "damaged",
    }
    for name, words in told.items():
        for command in ("sample", "show", "evaluate"):
            done = trained(command, f"{name}.safetensors", code=2)
            assert words in done.err, (command, name)
            assert f"{name}.safetensors" in done.err
            assert len(done.lines) == 1
    with pytest.raises(zoo.ZooError, match="truncated"):
        _ = zoo.load("short.safetensors").model
    cut(Path("runs/one/checkpoint/last.safetensors"), 500)
    done = trained("train", "--resume", "runs/one", "--epochs", "9", code=2)
    assert "last.safetensors" in done.err
    assert len(done.lines) == 1


def changed(value: Any, rng: random.Random) -> Any:
    """Return JSON with one thing left out or replaced, somewhere."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        rest = {k: v for k, v in value.items() if k != key}
        return rest if rng.random() < 0.3 else {**rest, key: changed(value[key], rng)}
    return rng.choice([None, 3, -1, 1e300, "x", "../x", True, [], [1, 2], {}])


def test_whatever_a_file_says_of_itself_it_is_used_or_refused_in_one_line(trained: Here) -> None:
    whole = Path("runs/one/model.safetensors").read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:end])
    rng, codes = random.Random(0), set()
    for _ in range(60):
        facts = changed(json.loads(header["__metadata__"]["zoo"]), rng)
        text = json.dumps({**header, "__metadata__": {"zoo": json.dumps(facts)}}).encode()
        Path("odd.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + whole[end:])
        for words in (("show",), ("sample", "-n", "1", "--out", "x.npz"), ("evaluate",)):
            done = trained(words[0], "odd.safetensors", *words[1:], code=None)
            codes.add(done.code)
            assert done.code == 0 or (done.out == "" and len(done.lines) == 1), (facts, done)
    assert codes == {0, 2}


def test_whatever_a_config_holds_it_is_used_or_refused_in_one_line(
    trained: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise zoo.ZooError("it would go on")

    monkeypatch.setattr("zoo.experiment._train_and_finish", stop)
    tables, rng = find_run("runs/one").settings, random.Random(0)
    for _ in range(60):
        Path("runs/one/config.toml").write_text(tomli_w.dumps(plain(changed(tables, rng))))
        for words in (
            ("train", "--resume", "runs/one", "--epochs", "9"),
            ("train", "--config", "runs/one/config.toml"),
        ):
            done = trained(*words, code=2)
            assert done.out == ""
            assert done.lines[-1].startswith("zoo: ")
        trained("runs")


def plain(value: Any) -> dict[str, Any]:
    """Return tables as TOML can hold them."""
    if not isinstance(value, dict):
        return {"x": "none" if value is None else value}
    return {k: plain(v) if isinstance(v, dict) else "none" if v is None else v for k, v in value.items()}


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (("[parts]", "[part]"), "config.toml: 'parts' is missing or makes no sense"),
        (('prior = "normal"', 'prior = "gama"'), "needs prior 'gama'"),
        (("batch_size = 128", "batch_size = 0"), "batch-size must be at least 1, got 0"),
        (("batch_size = 128", "batch_sizes = 128"), "no option 'batch_sizes'; did you mean 'batch_size'?"),
        (('data = "npz:small.npz"', 'data = "npz:gone.npz"'), "gone.npz"),
        (('data = "npz:small.npz"', "data = ["), "config.toml is no TOML"),
        (('composition = "autoencoder"', 'composition = "gan"'), "needs composition 'gan'"),
    ],
)
def test_a_run_whose_settings_were_broken_by_hand(edit: tuple[str, str], told: str, trained: Here) -> None:
    path = Path("runs/one/config.toml")
    text = path.read_text()
    assert edit[0] in text
    path.write_text(text.replace(*edit, 1))
    done = trained("train", "--resume", "runs/one", "--epochs", "9", code=2)
    assert told in done.lines[-1]
    assert len(done.lines) == 1


# --- the shelf -------------------------------------------------------------------------------------------------------


def test_runs_lists_sizes_and_removes(trained: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = document(trained("runs", "--json"))
    assert {row["run"]: (row["model"], row["data"], row["state"]) for row in rows} == {
        "runs/one": ("conv-vae", "npz:small.npz", "finished"),
        "runs/straight": ("vae", "npz:small.npz", "finished"),
    }
    assert all(row["bytes"] > 1000 for row in rows)
    assert trained("runs").out.splitlines()[0] == "run\tmodel\tdata\tstate\tsize"
    Path("runs/broken").mkdir()
    Path("runs/broken/config.toml").write_text("a = [")
    assert "damaged: " in trained("runs").out
    Path("mine").mkdir()
    Path("mine/config.toml").write_text("[tool]\nx = 1\n")
    refused = trained("runs", "rm", "runs/one", "mine", "--yes", code=2)
    assert refused.err == "zoo: mine is no run folder; nothing was removed\n"
    assert Path("runs/one").exists()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "add --yes" in trained("runs", "rm", "runs/one", code=2).err
    assert Path("runs/one").exists()
    assert trained("runs", "rm", "runs/one", "runs/one", "--yes").out.startswith("removed runs/one (")
    assert not Path("runs/one").exists()
    assert trained("runs", "--folder", "nowhere").err == "no runs in nowhere; 'zoo train conv-vae' makes one\n"
    assert document(trained("runs", "--folder", "nowhere", "--json")) == []


def test_runs_rm_asks(trained: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, True])
    monkeypatch.setattr("click.confirm", lambda *_, **__: next(answers))
    assert trained("runs", "rm", "runs/one", "runs/straight").out.startswith("removed runs/straight (")
    assert sorted(path.name for path in Path("runs").iterdir()) == ["one"]


# --- compare ---------------------------------------------------------------------------------------------------------


def test_compare_trains_models_under_the_same_settings(zoo_process: ZooProcess, small: str) -> None:
    quick = ("--epochs", "2", "--limit", "32", "--samples", "100")
    words = ("compare", "ae-mlp.tiny", "vae.tiny", "--data", small, *quick, "--json")
    done = zoo_process(*words, "--seeds", "2")
    found = document(done)
    folder = zoo_process.cwd / "compare" / "ae-mlp.tiny-vae.tiny-npz-small.npz-1"
    assert (folder / found["figure"]).is_file()
    models = {model["name"]: model for model in found["models"]}
    assert list(models) == ["ae-mlp.tiny", "vae.tiny"]
    values = {(row["model"], row["metric"], row["seed"]): row["value"] for row in found["rows"]}
    deviations = {(line["model"], line["metric"]): line["sd"] for line in found["summary"]}
    for name, model in models.items():
        assert len(model["runs"]) == 2
        assert model["error"] is None
        assert values[name, "mse", 0] > 0
        assert deviations[name, "mse"] > 0
        facts = [find_run(folder / one["path"]).metadata for one in model["runs"]]
        assert [fact["training"]["seed"] for fact in facts] == [0, 1]
        assert all(fact["training"]["epochs"] == 2 and fact["data"]["train_size"] == 32 for fact in facts)
    assert values["ae-mlp.tiny", "rate", 0] is None
    assert values["vae.tiny", "rate", 0] >= 0
    assert (folder / "results.json").read_text() == done.out
    assert "Warning" not in done.err


def test_compare_takes_runs_and_models_together(trained: Here) -> None:
    done = trained("compare", "runs/one", "ae-mlp.tiny", "runs/straight")
    assert "MNIST" not in done.err, "a model is trained on the data of the runs beside it"
    table = [line.split("\t") for line in done.out.splitlines() if "\t" in line]
    assert table[0][:2] == ["on npz:small.npz", "mse ↓"]
    assert [row[0] for row in table[1:]] == ["runs/one", "ae-mlp.tiny", "runs/straight"]
    assert table[2][table[0].index("rate")] == "–", "an autoencoder has no rate"
    figure, results = (line.split()[1] for line in done.out.splitlines()[-2:])
    assert Path(figure).is_file()
    assert Path(results).is_file()
    only = trained("compare", "runs/one", "runs/straight", "--out", "side-by-side", "--json")
    assert document(only)["figure"] == "figures/comparison.png"
    assert [one["path"] for model in document(only)["models"] for one in model["runs"]] == [
        "../runs/one",
        "../runs/straight",
    ]


def test_runs_on_other_data_are_not_compared(trained: Here) -> None:
    write_small(Path("other.npz"), side=13)
    trained("train", "vae.tiny", "--data", "npz:other.npz", "--out", "runs/other")
    done = trained("compare", "runs/one", "runs/other", code=2)
    assert "runs/one npz:small.npz, runs/other npz:other.npz" in done.lines[-1]
    trained("train", "vae.tiny", "--data", "npz:small.npz", "--image-size", "16", "--out", "runs/large")
    told = "these take images of different shapes; add --image-size or leave some out: "
    for others in (("runs/one",), ("ae-mlp.tiny",)):
        done = trained("compare", "runs/large", *others, code=2)
        assert f"{told}runs/large 1×16×16, {others[0]} 1×12×12" in done.lines[-1]
    Path("small.npz").unlink()
    assert "small.npz" in trained("compare", "runs/one", "runs/straight", code=2).lines[-1]
    assert not Path("compare").exists(), "nothing was written for any of them"


def test_a_row_that_fails_costs_the_others_nothing(trained: Here) -> None:
    Path("zoo.toml").write_text(
        '[models.wild]\nextends = "vae"\nrecipes.tiny = { epochs = 2, batch_size = 4, lr = 1e30 }\n'
        '[models.unfit]\nextends = "vae"\nprior = "gamma"\n'
    )
    words = ("compare", "wild.tiny", "unfit.tiny", "ae-mlp.tiny", "--data", "npz:small.npz")
    done = trained(*words, "--out", "c", code=1)
    table = {line.split("\t")[0]: line.split("\t")[1:] for line in done.out.splitlines() if "\t" in line}
    assert table["wild.tiny"][0] == table["unfit.tiny"][0] == "failed"
    assert float(table["ae-mlp.tiny"][0]) > 0
    assert any(line.startswith("wild.tiny failed: diverged at step 1") for line in done.lines)
    assert any(line.startswith("unfit.tiny failed: a posterior on the real line does not fit") for line in done.lines)
    found = document(trained(*words, "--json", code=1))
    assert [bool(model["error"]) for model in found["models"]] == [True, True, False]
    alone = trained("compare", "wild.tiny", "--data", "npz:small.npz", code=1)
    assert "figure   none" in alone.out
