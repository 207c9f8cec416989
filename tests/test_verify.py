"""`zoo verify`: tables are checked when they are read, and what they state is trained again and compared."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Done
from hypothesis import given
from hypothesis import strategies as st

import zoo.verification
from zoo.cli.session import Session
from zoo.cli.verify import settings_of
from zoo.evaluation.measure import ask
from zoo.registry import load_registry
from zoo.verified import TRAINING, Stated, Verified, read_verified

Here = Callable[..., Done]

BUNDLED = load_registry(third_party=False)
CLAIMS = [(entry.name, one) for entry in BUNDLED.models.entries() for one in entry.item.results.values()]
TRAIN = "zoo train small --data npz:small.npz"
MODEL = """
[models.small]
extends = "vae"
options = { "encoder.hidden" = [8], "decoder.hidden" = [8], epochs = 1, batch_size = 32, latent_dim = 2 }
"""


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "verified"), CLAIMS, ids=[f"{name}-{one.name}" for name, one in CLAIMS])
def test_what_is_verified_here_can_be_trained_and_scored(model: str, verified: Verified) -> None:
    settings = settings_of(Session((), True, (), (), quiet=True), verified.command)
    assert settings.model.name == model
    assert verified.name in (settings.data, f"{settings.data}-{settings.recipe}")
    assert settings.training.seed == verified.seed
    assert settings.data_asked
    ask(BUNDLED, verified.metrics)
    # Where it was measured; what is to be measured says what others found, and waits for a GPU.
    assert bool(verified.machine) == verified.measured
    assert verified.measured or verified.gpu
    for stated in verified.scores.values():
        assert stated.holds(stated.aim)
        assert stated.allowed <= 0.05 * abs(stated.aim)


def test_there_is_something_to_verify() -> None:
    assert len(CLAIMS) >= 8
    assert BUNDLED.model("linear-ae").status == "verified"
    assert BUNDLED.model("ae-mlp").status == "ready"


GOOD = "command = 'zoo train small'\nseed = 0\nscores = { mse = { value = 0.5, tolerance = '2%' } }\n"


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (changed("seed = 0\n", ""), "'verified.mine' has no seed"),
        (changed("seed = 0", "seed = -1"), "seed must be a whole number from 0, got -1"),
        (changed("seed = 0", "seed = true"), "seed must be a whole number from 0, got True"),
        (changed("zoo train", "zoo fit"), "command must begin with 'zoo train ', got 'zoo fit small'"),
        (changed("'zoo train small'", "3"), "command must be text, got 3"),
        (changed("scores", "score"), "unknown key 'score'; did you mean 'scores'?"),
        (GOOD + "gpu = 1\n", "gpu must be true or false, got 1"),
        (GOOD + "seconds = 0\n", "seconds must be above 0, got 0"),
        (GOOD + "seconds = 'long'\n", "seconds must be a number, got 'long'"),
        (
            changed("{ mse = { value = 0.5, tolerance = '2%' } }", "{}"),
            "scores must be a table with at least one score",
        ),
        (changed("{ value = 0.5, tolerance = '2%' }", "0.5"), "'verified.mine.scores.mse' must be a table such as"),
        (changed("value = 0.5, ", ""), "'verified.mine.scores.mse' has no value"),
        (
            changed("value = 0.5, ", "published = { value = 0.5, source = 'a paper' }, "),
            "a score without a value is one that wants a GPU; add the value, or gpu = true",
        ),
        (changed("value = 0.5", "value = nan"), "value must be a number, got nan"),
        (changed(", tolerance = '2%'", ""), "'verified.mine.scores.mse' has no tolerance"),
        (changed("'2%'", "-1"), "tolerance must be a number from 0, or a share such as '2%', got '-1'"),
        (changed("'2%'", "'two'"), "tolerance must be a number from 0, or a share such as '2%', got 'two'"),
        (changed("'2%' }", "1, options = 3 }"), "options must be a table, got 3"),
        (changed("'2%' }", "1, published = 3 }"), "'verified.mine.scores.mse.published' must be a table"),
        (changed("'2%' }", "1, published = { value = 3 } }"), "published' has no source"),
    ],
)
def test_a_wrong_table_is_told_in_one_line_when_it_is_read(zoo_here: Here, table: str, words: str) -> None:
    Path("zoo.toml").write_text(f"{MODEL}[models.small.verified.mine]\n{table}\n[models.other]\nextends = 'vae'\n")
    done = zoo_here("list")
    assert len(done.lines) == 1
    assert words in done.lines[0]
    assert "model 'small'" in done.lines[0]
    assert "\nother\t" in done.out


@given(st.floats(-1e6, 1e6), st.floats(0, 1e3), st.floats(-2, 2))
def test_a_score_holds_up_to_its_tolerance(value: float, tolerance: float, share: float) -> None:
    stated = Stated(value, f"{tolerance:.3f}", {})
    measured = value + share * stated.allowed
    if abs(abs(share) - 1) > 1e-3 and stated.allowed > 1e-6 * abs(value):
        assert stated.holds(measured) == (abs(share) < 1)
    assert stated.holds(value)
    assert not stated.holds(math.nan)
    assert not stated.holds(math.inf)


def test_what_is_to_be_measured_is_held_to_what_others_measured(zoo_here: Here) -> None:
    claimed = "{ mse = { tolerance = 0.1, published = { value = 0.5, source = 'a paper' } } }"
    table = f"command = 'zoo train small'\nseed = 0\ngpu = true\nscores = {claimed}\n"
    Path("zoo.toml").write_text(f"{MODEL}[models.small.verified.mine]\n{table}")
    model = load_registry(third_party=False, registry_files=[Path("zoo.toml")]).model("small")
    (result,) = model.results.values()
    assert model.status == "user", "nothing was measured yet"
    assert not result.measured
    assert result.scores["mse"].holds(0.59)
    assert not result.scores["mse"].holds(0.61)
    assert "mse to be measured" in zoo_here("verify", "--list", "small").out
    assert "mse=to be measured, published 0.5" in zoo_here("show", "small").out
    assert result.to_dict()["scores"]["mse"]["value"] is None


def test_a_share_is_one_of_the_value() -> None:
    assert Stated(-50.0, "2%", {}).allowed == 1.0
    assert Stated(-50.0, "2", {}).allowed == 2.0
    assert Stated(9, "0", {}).holds(9.0)
    assert not Stated(9, "0", {}).holds(10.0)


def test_metrics_come_with_their_options_and_details_with_their_metric() -> None:
    scores: dict[str, Any] = {
        "iwae_bound": {"value": 1, "tolerance": 1, "options": {"k": 7}},
        "iwae_bound.effective_samples": {"value": 1, "tolerance": 1},
        "mse": {"value": 1, "tolerance": 1},
        f"{TRAINING}rate": {"value": 1, "tolerance": 1},
    }
    found = read_verified("mine", {"command": "zoo train vae", "seed": 3, "scores": scores})
    assert found.metrics == {"iwae-bound": {"k": 7}, "mse": {}}
    again = json.loads(json.dumps(found.to_dict()))
    assert again["scores"]["iwae_bound"]["options"] == {"k": 7}


# --- runs ------------------------------------------------------------------------------------------------------------


def write(name: str, scores: str, command: str = TRAIN, more: str = "") -> None:
    """Add a verified result to the user's registry."""
    path = Path("zoo.toml")
    before = path.read_text() if path.exists() else MODEL
    table = f"command = '{command}'\nseed = 3\n{more}\n[models.small.verified.{name}.scores]\n{scores}\n"
    path.write_text(f"{before}\n[models.small.verified.{name}]\n{table}")


@pytest.fixture
def measured(zoo_here: Here, small: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the small model scores, trained by hand."""
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
    Path("zoo.toml").write_text(MODEL)
    zoo_here(*TRAIN.split()[1:], "--seed", "3", "--out", "runs/by-hand")
    done = zoo_here("evaluate", "runs/by-hand", "--metrics", "iwae-bound", "--iwae-bound.k", "5", "--json")
    records = [json.loads(line) for line in Path("runs/by-hand/metrics.jsonl").read_text().splitlines()]
    return {**json.loads(done.out)["scores"], "training.rate": records[-1]["train"]["rate"]}


def test_pass_fail_and_what_cannot_be_run(zoo_here: Here, measured: dict[str, float]) -> None:
    mse, bound, rate = measured["mse"], measured["iwae_bound"], measured["training.rate"]
    good = [
        f"mse = {{ value = {mse!r}, tolerance = 0 }}",
        f"iwae_bound = {{ value = {bound!r}, tolerance = '1e-6%', options = {{ k = 5 }} }}",
        f"'training.rate' = {{ value = {rate!r}, tolerance = 1e-9 }}",
    ]
    write("good", "\n".join(good))
    done = zoo_here("verify", "small")
    assert [line.split("\t")[2] for line in done.out.splitlines()] == ["score", "mse", "iwae_bound", "training.rate"]
    assert [line.split("\t")[-1] for line in done.out.splitlines()[1:]] == ["pass"] * 3
    assert "1 result passed, 0 failed, 0 skipped" in done.lines[-1]
    assert Path("verify/1/small-good/model.safetensors").is_file()

    write("wrong", f"mse = {{ value = {1.1 * mse!r}, tolerance = '5%' }}")
    write("unheard-of", "msee = { value = 1, tolerance = 1 }")
    write("no-such-score", "'mse.detail' = { value = 1, tolerance = 1 }")
    write("gone", "mse = { value = 1, tolerance = 1 }", command="zoo train small --data npz:gone.npz")
    write("mistyped", "mse = { value = 1, tolerance = 1 }", command="zoo train small --epoch 3")
    write("other-seed", "mse = { value = 1, tolerance = 1 }", command=f"{TRAIN} --seed 4")
    write("large", "mse = { value = 1, tolerance = 1 }", more="gpu = true")
    done = zoo_here("verify", "small", "--json", code=1)
    found = {one["name"]: one for one in json.loads(done.out)}
    assert {name: one["verdict"] for name, one in found.items()} == {
        **dict.fromkeys(("wrong", "unheard-of", "no-such-score", "mistyped", "other-seed"), "fail"),
        **{"good": "pass", "gone": "skipped", "large": found["large"]["verdict"]},
    }
    assert found["wrong"]["scores"]["mse"]["measured"] == mse
    assert "unknown metric 'msee'; did you mean 'mse'?" in found["unheard-of"]["error"]
    assert found["no-such-score"]["scores"]["mse.detail"]["measured"] is None
    assert found["gone"]["skipped"].startswith("its data cannot be had: ")
    assert "'--epochs'" in found["mistyped"]["error"]
    assert found["other-seed"]["error"] == "its command has seed 4, and its seed is 3"
    assert found["large"]["skipped"] == "it wants a GPU, and torch finds none here" or found["large"]["scores"]
    assert found["good"]["run"] == "verify/2/small-good", "trained anew"


def test_what_was_begun_in_a_folder_goes_on(
    zoo_here: Here, measured: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("good", f"mse = {{ value = {measured['mse']!r}, tolerance = '1%' }}")
    zoo_here("verify", "small", "--out", "again")

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    def never(*_: Any) -> None:
        raise AssertionError("nothing is left to train")

    with monkeypatch.context() as patch:
        patch.setattr(zoo.verification, "run_training", stopped)
        done = zoo_here("verify", "small", code=130)
    assert "interrupted and saved in verify/1; go on with 'zoo verify --out verify/1'" in done.err

    monkeypatch.setattr(zoo.verification, "run_training", never)
    zoo_here("verify", "small", "--out", "again")
    Path("zoo.toml").write_text(Path("zoo.toml").read_text().replace("epochs = 1", "epochs = 2"))
    done = zoo_here("verify", "small", "--out", "again", code=1)
    assert "FAIL, again/small-good holds a run of other settings; name another --out" in done.err


def test_the_list_and_the_limits_train_nothing(zoo_here: Here, small: str) -> None:
    write("cheap", "mse = { value = 0.5, tolerance = '2%' }", more="seconds = 20\nnote = 'mine'")
    write("dear", "mse = { value = 0.5, tolerance = 0.1 }", more="seconds = 7200")
    write("unknown", "mse = { value = 0.5, tolerance = 0.1 }")
    rows = [line.split("\t") for line in zoo_here("verify", "small", "--list").out.splitlines()]
    assert rows[0] == ["model", "on", "scores", "cost", "GPU", "command"]
    assert rows[1:] == [
        ["small", "cheap", "mse 0.5 ± 2%", "20 s", "", TRAIN],
        ["small", "dear", "mse 0.5 ± 0.1", "120 min", "", TRAIN],
        ["small", "unknown", "mse 0.5 ± 0.1", "–", "", TRAIN],
    ]
    document = json.loads(zoo_here("verify", "--list", "--json").out)
    assert {(one["model"], one["name"]) for one in document} >= {("small", "cheap"), ("linear-ae", "mnist")}
    done = zoo_here("verify", "small", "--max-cost", "10s")
    assert "small on cheap: skipped, it takes about 20 s" in done.err
    assert "small on unknown: skipped, its cost is not known" in done.err
    assert "0 results passed, 0 failed, 3 skipped" in done.lines[-1]
    assert not Path("verify").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("vaee",), "unknown model 'vaee'; did you mean 'vae'?"),
        (("ae-mlp",), "nothing of 'ae-mlp' was verified; 'zoo verify --list' shows what was"),
        (("vae", "--max-cost", "soon"), "--max-cost must be a time such as 90s, 5m or 2h, got 'soon'"),
        (("vae", "--max-cost", "5m", "--quick"), "--quick is --max-cost 5m; leave one of them out"),
    ],
)
def test_mistakes_are_told_in_one_line(zoo_here: Here, words: tuple[str, ...], told: str) -> None:
    assert told in zoo_here("verify", *words, code=2).lines[-1]


def test_a_model_shows_what_was_verified(zoo_here: Here) -> None:
    assert "verified on mnist: zoo train linear-ae.exact --latent-dim 16 --data mnist (seed 0): mse=0.02686" in (
        zoo_here("show", "linear-ae").out
    )
    found = json.loads(zoo_here("show", "linear-ae", "--json").out)["verified"]["mnist"]
    assert found["scores"]["mse"]["tolerance"] == "0.5%"
