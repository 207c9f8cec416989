"""The command line before any training: what it prints, how fast, and what it says to mistakes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from conftest import Done, ZooProcess
from PIL import Image

import zoo
from zoo.cli.main import COMMANDS
from zoo.cli.terminal import number

Here = Callable[..., Done]

LIGHT = {
    "help": ("--help",),
    "list": ("list",),
    "show": ("show", "conv-vae"),
    "plugins": ("plugins",),
    "train": ("train", "conv-vae", "--help"),
}
ALSO_LIGHT = [
    ("--version",),
    (),
    *((command, "--help") for command in COMMANDS),
    ("list", "--json"),
    ("list", "--metrics"),
    ("list", "--metrics", "--json"),
    ("list", "--trackers"),
    ("list", "--trackers", "--json"),
    ("show", "conv-vae.tiny", "--json"),
    ("show", "metric:iwae-bound"),
    ("show", "metric:total-correlation", "--json"),
    ("plugins", "--json"),
    ("explain", "conv-vae", "--beta", "0.11"),
    ("runs",),
    ("data",),
]

# --- light -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIGHT)
def test_commands_that_only_tell_import_no_torch(name: str, zoo_process: ZooProcess) -> None:
    code = "import sys; sys.modules['torch'] = None; from zoo.cli.main import main; main()"
    words = [sys.executable, "-c", code, *LIGHT[name]]
    done = subprocess.run(words, cwd=zoo_process.cwd, env=zoo_process.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "vae" in done.stdout


def test_nor_do_others_of_their_kind(zoo_process: ZooProcess) -> None:
    code = f"""
import sys
for name in ("torch", "numpy", "matplotlib", "PIL", "safetensors"):
    sys.modules[name] = None
from zoo.cli.main import run
codes = [run(list(words)) for words in {ALSO_LIGHT!r}]
sys.exit(any(codes))
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=zoo_process.cwd, env=zoo_process.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def seconds(words: list[str], env: dict[str, str]) -> float:
    """Return the processor's time that a process takes, which other processes change less than the clock's."""
    with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not tell what a child took")
def test_commands_that_only_tell_take_hardly_longer_than_their_imports(zoo_env: dict[str, str], tmp_path: Path) -> None:
    # As where it is installed: compiled once.
    env = {**zoo_env, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    base = [sys.executable, "-c", "import click, pluggy, importlib.metadata, rich.table"]
    commands = {name: [sys.executable, "-m", "zoo", *words] for name, words in LIGHT.items()}
    least = dict.fromkeys(("base", *commands), float("inf"))
    for attempt in range(24):
        for name, words in {"base": base, **commands}.items():
            least[name] = min(least[name], seconds(words, env))
        # The least of some rounds, or of more where something else is at work.
        if attempt >= 4 and all(value <= 1.5 * least["base"] for value in least.values()):
            break
    assert {name: value / least["base"] for name, value in least.items() if value > 1.5 * least["base"]} == {}


# --- what it prints --------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_says_where_to_start(zoo_here: Here) -> None:
    done = zoo_here("--help")
    assert all(f"  {command} " in done.out for command in COMMANDS)
    assert "    zoo list\n    zoo train conv-vae --beta 0.11\n" in done.out, "examples stay as they are written"
    assert zoo_here().out == done.out, "without a word, the same"
    assert zoo_here("-h").out == done.out
    assert zoo_here("--version").out == f"zoo, version {zoo.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, zoo_here: Here) -> None:
    done = zoo_here(command, "--help")
    assert done.out.startswith(f"Usage: zoo {command}")
    assert done.err == ""


def test_help_of_a_model_shows_its_options_with_ranges_and_defaults(zoo_here: Here) -> None:
    helped = " ".join(zoo_here("train", "conv-vae", "--help").out.split())
    for words in (
        "Options of conv-vae: --encoder.channels INTEGER,…",
        "--loss.beta, --beta FLOAT or SCHEDULE Weight of the rate; 1 is the plain ELBO. [default: 0.11; x>=0]",
        "--posterior.latent-dim, --latent-dim INTEGER Size of the latent code. [default: 16; x>=1]",
        "--encoder.norm [batch|group|none]",
        "Parts of conv-vae: --encoder NAME conv, linear, mlp, resnet [default: conv]",
        "--prior NAME beta, gamma, ladder, laplace, ",
        "Run: --data NAME",
        "Training: --epochs INTEGER Passes over the training images. [default: 20; x>=1]",
        "Images: --image-size INTEGER",
        "--skip-bad / --no-skip-bad",
        "0<=x<=4294967295",
    ):
        assert words in helped, words
    assert "[default: 4; x>=1]" in " ".join(zoo_here("train", "conv-vae.tiny", "--help").out.split())
    swapped = zoo_here("train", "conv-vae", "--encoder", "mlp", "--prior=laplace", "--help").out
    assert "--encoder.channels" not in swapped
    assert "--decoder.channels" in swapped
    assert "--prior.scale, --scale" in swapped


def test_list_prints_a_table_or_a_document(zoo_here: Here) -> None:
    lines = zoo_here("list").out.splitlines()
    assert lines[0] == "name\tfamily\tplugin\tstatus\tsummary"
    rows = json.loads(zoo_here("list", "--json").out)
    assert len(rows) == len(lines) - 1
    assert all({"name", "family", "plugin", "status"} <= row.keys() for row in rows)
    names = {row["name"]: row["plugin"] for row in rows}
    for name, plugin in {"ae": "autoencoder", "linear-vae": "vae", "beta-tc-vae": "beta-vae"}.items():
        assert names[name] == plugin
    some = json.loads(zoo_here("list", "--family", "beta-vae", "--json").out)
    assert {row["name"] for row in some} == {"beta-vae", "annealed-vae", "beta-tc-vae", "factor-vae"}


def test_show_prints_a_model_or_a_recipe(zoo_here: Here) -> None:
    shown = zoo_here("show", "conv-vae").out
    assert shown.startswith("conv-vae: Convolutional variational autoencoder.\n")
    assert "likelihood  mse\n" in shown
    assert "--loss.beta\t0.11\tx>=0\tWeight of the rate; 1 is the plain ELBO.\n" in shown
    assert "recipe conv-vae.blog: epochs=400" in shown
    document = json.loads(zoo_here("show", "conv-vae", "--json").out)
    assert document["parts"]["encoder"] == "conv"
    assert document["options"]["loss.beta"] == {
        "default": 0.11,
        "range": "x>=0",
        "help": "Weight of the rate; 1 is the plain ELBO.",
    }
    recipe = json.loads(zoo_here("show", "conv-vae.blog", "--json").out)
    assert recipe["recipe"] == "blog"
    assert recipe["training"]["lr"] == "steps:1e-4@0,5e-5@200ep"
    assert (document["recipe"], document["training"]["epochs"]) == (None, 20)


def test_explain_prints_the_objective_and_other_scales(zoo_here: Here) -> None:
    out = zoo_here("explain", "conv-vae", "--beta", "0.11").out
    assert "loss = distortion + beta * rate" in out
    assert "variance beta / 2 = 0.055" in out
    assert "pythae               beta 0.055" in out
    document = json.loads(zoo_here("explain", "conv-vae", "--beta", "0.22", "--pixels", "100", "--json").out)
    assert document["values"]["beta"] == 0.22
    assert document["scales"]["mean squared error"].startswith("mean MSE + 0.0022 * KL")
    assert "beta is scheduled: linear:0..1@50%" in zoo_here("explain", "conv-vae", "--beta", "linear:0..1@50%").out
    assert "Laplace(mean, scale)" in zoo_here("explain", "vae", "--prior", "laplace").out


def test_plugins_prints_what_each_brings(zoo_here: Here) -> None:
    document = json.loads(zoo_here("plugins", "--json").out)
    assert document["faults"] == document["disabled"] == []
    found = {row["plugin"]: row for row in document["plugins"]}
    assert set(found) >= {"engine", "networks", "autoencoder", "vae", "beta-vae"}
    assert found["vae"]["models"] == ["conv-vae", "cvae", "linear-vae", "sigma-vae", "vae"]
    assert "glyphs" in found["engine"]["datasets"]
    assert found["engine"]["compositions"] == ["autoencoder"]
    assert zoo_here("plugins").out.splitlines()[0] == "plugin\tfrom\tbrings\tload time\tnote"


def test_data_says_where_sets_lie(zoo_here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "given" / "MNIST" / "raw").mkdir(parents=True)
    monkeypatch.setenv("ZOO_DATA", "given")
    done = zoo_here("data", "--json")
    rows = {row["name"]: row for row in json.loads(done.out)}
    assert rows["mnist"]["path"] == str(Path("given/MNIST/raw"))
    assert rows["fashion-mnist"]["path"] is None
    assert rows["folder:PATH"]["from"] == "generative-zoo"
    assert "60,000 + 10,000" in rows["mnist"]["size"]
    told = zoo_here("data")
    assert told.out.splitlines()[0] == "name\timages\tlies in\twhat it is"
    assert "searched: given" in told.err


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (3, "3"),
        (12345, "12,345"),
        (0.00812345, "0.008123"),
        (105.59, "105.6"),
        (12345.678, "12,345.7"),
        (4.0, "4"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("word", "word"),
    ],
)
def test_numbers_as_people_read_them(value: object, text: str) -> None:
    assert number(value) == text


def test_python_m_zoo_is_zoo(zoo_process: ZooProcess) -> None:
    script = Path(sys.executable).with_name("zoo")
    if not script.exists():
        pytest.skip("the command is not beside this Python")
    found = subprocess.run([script, "list"], capture_output=True, text=True, env=zoo_process.env, cwd=zoo_process.cwd)
    assert found.stdout == zoo_process("list").out


def test_a_reader_that_goes_away_is_no_mistake(zoo_process: ZooProcess) -> None:
    with zoo_process.start("train", "conv-vae", "--help") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_terminal_without_our_letters_gets_others(zoo_process: ZooProcess) -> None:
    words = [sys.executable, "-m", "zoo", "train", "conv-vae", "--help"]
    env = {**zoo_process.env, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run(words, env=env, capture_output=True, check=True)
    assert b"--encoder.channels INTEGER,?" in done.stdout


# --- mistakes --------------------------------------------------------------------------------------------------------

MISTAKES = {
    "trian": "unknown command 'trian'; did you mean 'train'? (see 'zoo --help')",
    "--versoin": "no such option: --versoin; did you mean '--version'?",
    "list --family va": "unknown family 'va'; did you mean 'vae'? (there are autoencoder,",
    "list extra": "unexpected extra argument",
    "list --plugin x.py": "--plugin goes before the command: zoo --plugin … list …",
    "show": "Missing argument",
    "show conv-vea": "unknown model 'conv-vea'; did you mean 'conv-vae'?",
    "show conv-vae.tinny": "model 'conv-vae' has no recipe 'tinny' (it has blog, tiny); did you mean 'tiny'?",
    "show ./conv-vae": "there is no run at conv-vae; see 'zoo runs'",
    "show nothing.safetensors": "there is no run at nothing.safetensors",
    "show .": ". is no run: it has neither config.toml nor model.safetensors",
    "explain": "Missing argument",
    "explain conv-vae --pixels 0": "--pixels",
    "explain conv-vea": "did you mean 'conv-vae'?",
    "train": "which model? Name one, such as 'zoo train conv-vae'; 'zoo list' shows them all",
    "train conv-vea": "unknown model 'conv-vea'; did you mean 'conv-vae'?",
    "train --beta 1 conv-vea": "unknown model 'conv-vea'; did you mean 'conv-vae'?",
    "train conv-vea --help": "did you mean 'conv-vae'?",
    "train conv-vae.blg": "model 'conv-vae' has no recipe 'blg' (it has blog, tiny); did you mean 'blog'?",
    "train conv-vae ae": "train takes one model; train conv-vae and ae side by side with 'zoo compare'",
    "train conv-vae --bta 1": "no such option: --bta; did you mean '--beta'?",
    "train conv-vae --latent_dim 3": "no such option: --latent_dim; did you mean '--latent-dim'?",
    "train conv-vae --posterior.latent 3": "did you mean '--posterior.latent-dim'?",
    "train conv-vae --kernel 3": "--kernel is ambiguous; write --encoder.kernel or --decoder.kernel",
    "train conv-vae --encoder.kernel 99": "--encoder.kernel must be at most 15, got 99",
    "train conv-vae --encoder mlp --encoder.kernel 3": "no such option: --encoder.kernel",
    "train conv-vae --beta -1": "--beta must be at least 0, got -1",
    "train conv-vae --beta=-1": "--beta must be at least 0, got -1",
    "train conv-vae --beta": "requires an argument",
    "train conv-vae --beta nan": "--beta must be finite, got nan",
    "train conv-vae --beta much": "--beta: 'much' is neither a number nor a schedule such as linear:0..1@5000",
    "train conv-vae --beta linear:0..1@": "is no linear schedule; write linear:0..1@5000, @200ep or @50%",
    "train conv-vae --beta linaer:0..1": "did you mean 'linear'?",
    "train conv-vae --std linear:0..1": "--std is read once, not at each step: it takes a number, no schedule",
    "train conv-vae --std 0": "--std must be above 0, got 0",
    "train conv-vae --latent-dim 0": "--latent-dim must be at least 1, got 0",
    "train conv-vae --latent-dim 2.5": "--latent-dim must be a whole number, got 2.5",
    "train conv-vae --encoder.channels 8,x": "--encoder.channels must be a whole number, got 'x'",
    "train conv-vae --encoder.norm layer": "--encoder.norm must be one of batch, group, none, got 'layer'",
    "train conv-vae --prior gama": "unknown prior 'gama'; did you mean 'gamma'?",
    "train conv-vae --prior gamma --mean 1": "no such option: --mean",
    "train conv-vae --data mnits": "unknown data set 'mnits'; did you mean 'mnist'?",
    "train conv-vae --epochs 0": "--epochs must be at least 1, got 0",
    "train conv-vae --epochs many": "--epochs must be a whole number, got 'many'",
    "train conv-vae --batch-size 0": "--batch-size must be at least 1, got 0",
    "train conv-vae --limit 0": "--limit must be at least 1, got 0",
    "train conv-vae --lr 0": "--lr must be above 0, got 0",
    "train conv-vae --lr one-cycle": "--lr: 'one-cycle' is neither a number nor a schedule",
    "train conv-vae --seed -1": "--seed must be at least 0, got -1",
    "train conv-vae --seed 4294967296": "--seed must be at most 4294967295, got 4294967296",
    "train conv-vae --optimizer adm": "--optimizer must be one of adam, ",
    "train conv-vae --ema 1": "--ema must be below 1, got 1",
    "train conv-vae --clip 0": "--clip must be above 0, got 0",
    "train conv-vae --val-fraction 1": "--val-fraction must be below 1, got 1",
    "train conv-vae --image-size 2": "--image-size must be at least 4, got 2",
    "train conv-vae --augment rotate": "--augment must be one of none, flip, shift, flip-shift, got 'rotate'",
    "train conv-vae --budget soon": "budget must be a time such as 90s, 5m or 2h, got 'soon'",
    "train conv-vae --device gpu": "device must be auto, cpu, cuda, cuda:N or mps, got 'gpu'",
    "train conv-vae --out taken": "--out taken is there already and is not empty; name another folder",
    "train conv-vae --config nothing.toml": "--config nothing.toml: No such file or directory",
    "train conv-vae --config taken/bad.toml": "--config taken/bad.toml is no TOML",
    "train ae --config taken/vae.toml": "--config taken/vae.toml is of model 'vae', not 'ae'; leave one of them out",
    "train --config taken/odd.toml": "config taken/odd.toml: unknown option 'bta'; did you mean 'beta'?",
    "train --resume nothing": "there is no run at nothing; see 'zoo runs'",
    "train --resume taken": "taken is no run",
    "train ae --resume x --epochs 3 --lr 1 --batch-size 3": "--track alone; leave out MODEL, --batch-size, --lr",
    "train --resume x --beta 3": "--resume takes the run's own settings, --epochs and --track alone; leave out --beta",
    "train --resume x --out y": "leave out --out",
    "train conv-vae --registry x.toml": "--registry goes before the command: zoo --registry … train …",
    "--registry nothing.toml list": "registry file nothing.toml: No such file or directory",
    "--plugin nothing.py list": "--plugin nothing.py: there is no such file",
    "sample": "Missing argument",
    "sample nothing": "there is no run at nothing; see 'zoo runs'",
    "sample conv-vae": "'conv-vae' is a model, not a run; train it with 'zoo train conv-vae'",
    "sample taken/vae.toml": "taken/vae.toml is no safetensors file",
    "sample nothing -n 0": "Invalid value for '-n'",
    "sample nothing --std 0": "Invalid value for '--std'",
    "sample nothing --sed 3": "no such option: --sed; did you mean '--seed'?",
    "evaluate nothing": "there is no run at nothing",
    "embed nothing --split some": "'some' is not one of",
    "compare": "nothing to compare; name models such as 'ae conv-vae', or runs such as runs/ae-mnist-1",
    "compare ae conv-vea": "unknown model 'conv-vea'; did you mean 'conv-vae'?",
    "compare ae runs/nothing": "there is no run at runs/nothing",
    "compare ae --seeds 0": "--seeds",
    "compare ae --epochs 0": "--epochs must be at least 1, got 0",
    "compare ae --epoch 2": "no such option: --epoch; did you mean '--epochs'?",
    "runs rm": "Missing argument",
    "runs rm nothing": "there is no run at nothing",
    "runs rm taken --yes": "taken is no run",
    "runs mv": "No such command 'mv'",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_told_in_one_line_with_what_to_do(words: str, zoo_here: Here) -> None:
    make_taken()
    before = sorted(Path().rglob("*"))
    done = zoo_here(*words.split(), code=2)
    assert done.out == ""
    assert len(done.lines) == 1
    assert done.err.startswith("zoo: ")
    assert MISTAKES[words] in done.err
    assert sorted(Path().rglob("*")) == before, "nothing was written"


WORDS = (
    *(
        "conv-vae",
        "ae",
        "vae.tiny",
        "conv-vea",
        "conv-vae.nope",
        "--beta",
        "--loss.beta",
        "--beta=3",
        "--prior",
        "--epochs",
    ),
    *(
        "--encoder",
        "--posterior",
        "--lr",
        "--seed",
        "--data",
        "--out",
        "--config",
        "--resume",
        "--json",
        "--help",
        "-n",
    ),
    *(
        "--device",
        "--budget",
        "--skip-bad",
        "--no-skip-bad",
        "--encoder.channels",
        "--kernel",
        "--std",
        "--pixels",
        "-x",
    ),
    *(
        "",
        "0",
        "-1",
        "2.5",
        "nan",
        "1e999",
        "none",
        "linear:0..1@5",
        "gamma",
        "mlp",
        "8,16",
        "gpu",
        "中",
        "--",
        "-",
        "a=b",
    ),
    *("taken", "taken/vae.toml", "taken/odd.toml", "npz:x.npz", "mnist", "5m", "10" * 30, "conv-vae@generative-zoo"),
)


def test_no_words_in_any_order_end_in_a_traceback(zoo_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise zoo.ZooError("it would start")

    monkeypatch.setattr("zoo.experiment.run_training", stop)
    monkeypatch.setattr("zoo.comparison.compare.compare_models", stop)
    make_taken()
    rng = random.Random(0)
    for _ in range(250):
        words = [rng.choice(["train", "explain", "show", "compare", "sample", "evaluate", "list", "runs", "data"])]
        words += rng.choices(WORDS, k=rng.randrange(6))
        done = zoo_here(*words, code=None)
        told = [line for line in done.lines if line.startswith("zoo: ")]
        assert done.code in (0, 2), words
        assert len(told) == (1 if done.code else 0), (words, done.err)


def make_taken() -> None:
    Path("taken").mkdir()
    Path("taken/bad.toml").write_text("beta = [")
    Path("taken/vae.toml").write_text('model = "vae"\n')
    Path("taken/odd.toml").write_text('model = "vae"\nbta = 3\n')


def test_a_registry_of_the_working_folder_that_is_broken_is_told(zoo_here: Here) -> None:
    Path("zoo.toml").write_text("[models.x\n")
    done = zoo_here("list", code=2)
    assert "zoo: registry file zoo.toml is no TOML: TOMLDecodeError" in done.err
    assert len(done.lines) == 1
    Path("zoo.toml").write_text("[models.x]\nextends = 'conv-vea'\n")
    done = zoo_here("list")
    assert done.lines == ["zoo: plugin zoo (zoo.toml): model 'x': unknown model 'conv-vea'; did you mean 'conv-vae'?"]
    assert "conv-vae" in done.out


def test_options_stand_before_or_after_the_model(zoo_here: Here) -> None:
    for words in (
        "explain --beta 0.5 conv-vae",
        "explain --loss.beta=0.5 conv-vae",
        "explain conv-vae --beta 0.5",
        "explain --epochs 3 --beta 0.5 --skip-bad conv-vae",
        "explain --prior laplace --likelihood mse --no-skip-bad conv-vae --beta 0.5",
        "explain --encoder conv conv-vae --beta 3 --beta 0.5",
    ):
        assert "beta       = 0.5" in zoo_here(*words.split()).out, words


# --- data that is wrong ----------------------------------------------------------------------------------------------


def picture(path: str, width: int = 12, height: int = 12, *, mode: str = "L") -> None:
    rng = np.random.default_rng(len(path))
    shape = (height, width) if mode == "L" else (height, width, 3)
    Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(path)


def pictures(count: int = 12) -> None:
    Path("pictures").mkdir()
    for i in range(count):
        picture(f"pictures/p{i:02}.png")


BAD_NPZ = {
    "whole numbers": ({"x": np.zeros((9, 8, 8), np.int64)}, "holds int64: save images as uint8"),
    "texts": ({"x": np.full((9, 8, 8), "a")}, "holds <U1"),
    "flat": ({"x": np.zeros((9, 64), np.uint8)}, "has shape (9, 64): images are (N, H, W)"),
    "five channels": ({"x": np.zeros((9, 5, 8, 5), np.uint8)}, "neither side has 1, 3 or 4 channels"),
    "empty": ({"x": np.zeros((0, 8, 8), np.uint8)}, "which holds no image"),
    "not a number": ({"x": np.full((9, 8, 8), np.nan, np.float32)}, "holds NaN or infinite values"),
    "too large": ({"x": np.full((9, 8, 8), 200, np.float32)}, "not in [0, 1]: save x / 255"),
    "below zero": ({"x": np.full((9, 8, 8), -1, np.float32)}, "save (x + 1) / 2"),
    "labels": ({"x": np.zeros((9, 8, 8), np.uint8), "y": np.zeros(3)}, "holds 3 labels for the 9 images"),
    "no images": ({"a": np.zeros(3), "b": np.zeros(3)}, "holds a, b: name the images x, or x_train and x_test"),
}


@pytest.mark.parametrize("name", BAD_NPZ)
def test_arrays_that_are_no_images(name: str, zoo_here: Here) -> None:
    arrays, words = BAD_NPZ[name]
    np.savez("bad.npz", **arrays)  # type: ignore[arg-type]  # numpy types its flag, not the names
    done = zoo_here("train", "vae", "--data", "npz:bad.npz", code=2)
    assert words in done.lines[-1]
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("folder:nowhere", "--data folder:nowhere: there is no such folder: check the path"),
        ("folder", "--data folder needs a path: write --data folder:PATH"),
        ("folder:empty", "empty holds no pictures"),
        ("folder:one", "one holds one readable picture: it takes two"),
        ("folder:mixed", "mixed/b.png has 9 × 12: add --image-size"),
        ("folder:broken", "broken/p03.png is not a readable picture"),
        ("folder:text.npz", "that is a file: write npz:text.npz"),
        ("npz:nowhere.npz", "nowhere.npz"),
        ("npz:text.npz", "text.npz"),
        ("npz", "--data npz needs a path: write --data npz:"),
        ("glyphs:3", "glyphs takes nothing after its name, write --data glyphs"),
        ("mnist", "set ZOO_DATA to a folder that holds MNIST/raw/*.gz, connect to the network, or use --data glyphs"),
    ],
)
def test_data_that_cannot_be_read(data: str, words: str, zoo_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("empty", "one", "mixed", "broken"):
        Path(folder).mkdir()
    Path("text.npz").write_text("no archive")
    picture("one/a.png")
    picture("mixed/a.png")
    picture("mixed/b.png", 9, 12)
    for i in range(5):
        picture(f"broken/p{i:02}.png")
    whole = Path("broken/p03.png").read_bytes()
    Path("broken/p03.png").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr("zoo.data.download.PROBE_SECONDS", 0.01)
    monkeypatch.setenv("XDG_CACHE_HOME", "nothing-here")
    done = zoo_here("train", "vae", "--data", data, code=2)
    assert words in done.lines[-1]
    assert not Path("runs").exists()
    assert done.out == ""


def test_no_gpu_is_told_before_anything_is_written(zoo_here: Here, small: str) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    done = zoo_here("train", "vae.tiny", "--data", small, "--device", "cuda", code=2)
    assert done.lines[-1] == "zoo: --device cuda: torch finds no CUDA GPU here; use --device cpu, or auto"
    assert not Path("runs").exists()
    assert "use --device cpu" in zoo_here("compare", "vae.tiny", "--data", small, "--device", "cuda:1", code=None).err


# --- completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "offered", "withheld"),
    [
        ("tr", {"train"}, {"list"}),
        ("--no", {"--no-plugins"}, {"train"}),
        ("train conv", {"conv-vae", "conv-vae.blog", "conv-vae.tiny"}, {"ae"}),
        ("train conv-vae --la", {"--latent-dim"}, {"--loss.beta"}),
        ("train conv-vae --posterior", {"--posterior", "--posterior.latent-dim"}, {"--prior"}),
        ("train conv-vae --prior laplace --prior.", {"--prior.mean", "--prior.scale"}, {"--prior.std"}),
        ("train conv-vae --prior ", {"normal", "laplace", "gamma", "beta"}, {"conv"}),
        ("train conv-vae --encoder.norm ", {"batch", "group", "none"}, {"relu"}),
        ("train --optimizer ad", {"adam", "adamw"}, {"sgd"}),
        ("train vae --data gl", {"glyphs"}, {"mnist"}),
        ("train --resume ", {"runs/one"}, {"runs/two"}),
        ("train conv-vea --ba", {"--batch-size"}, {"--beta"}),
        ("show beta", {"beta-vae", "beta-tc-vae"}, {"ae"}),
        ("show metric:iw", {"metric:iwae-bound"}, {"metric:mse"}),
        ("evaluate runs/one --metrics iw", {"iwae-bound"}, {"mse"}),
        ("evaluate runs/one --metrics mse,iw", {"mse,iwae-bound"}, {"iwae-bound"}),
        ("sample runs/", {"runs/one"}, {"ae"}),
        ("compare ae lin", {"linear-ae", "linear-vae"}, {"ae"}),
        ("list --family be", {"beta-vae"}, {"vae"}),
        ("runs rm ", {"runs/one"}, {"ae"}),
    ],
)
def test_the_shell_completes_commands_models_options_and_choices(
    typed: str,
    offered: set[str],
    withheld: set[str],
    zoo_here: Here,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("runs/one").mkdir(parents=True)
    Path("runs/one/config.toml").touch()
    Path("runs/two").mkdir()
    monkeypatch.setenv("_ZOO_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"zoo {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(f"zoo {typed}x".split()) - 1))
    with pytest.raises(SystemExit):
        zoo_here()
    out, err = capsys.readouterr()
    found = {line.partition(",")[2] for line in out.splitlines()}
    assert offered <= found
    assert not withheld & found
    assert err == ""


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_completion_is_quiet_where_the_registry_is_broken(command: str, zoo_process: ZooProcess) -> None:
    (zoo_process.cwd / "zoo.toml").write_text("[models.x\n")
    env = {"_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": f"zoo {command} conv", "COMP_CWORD": "2"}
    done = zoo_process(code=None, **env)
    assert (done.out + done.err).strip() == ""
    (zoo_process.cwd / "zoo.toml").write_text("[models.x]\nextends = 'nothing'\n")
    done = zoo_process(**env)
    assert done.err == ""
    assert "plain,conv-vae\n" in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell: str, zoo_process: ZooProcess) -> None:
    assert f"_ZOO_COMPLETE={shell}_complete" in zoo_process(_ZOO_COMPLETE=f"{shell}_source").out


def test_every_command_of_the_table_is_a_click_command(zoo_here: Here) -> None:
    import importlib

    for where, summary in COMMANDS.values():
        module, _, name = where.partition(":")
        assert isinstance(getattr(importlib.import_module(module), name), click.Command)
        assert summary.endswith(".")
