"""Scores on the command line: what metrics there are, what one is, and where a run's scores are written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Done, ZooProcess, write_small

import zoo
from zoo.catalogue import Entry, Source
from zoo.cli.main import run
from zoo.evaluation import blocks
from zoo.runs.scores import ScoreRow, score_rows
from zoo.specs import MetricSpec

Here = Callable[..., Done]
TRAIN = ("train", "conv-vae.tiny", "--data", "npz:small.npz", "--val-fraction", "0.2", "--out", "runs/a")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small data and a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    write_small(folder / "small.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(list(TRAIN)) == 0
    return folder


@pytest.fixture
def trained(finished: Path, zoo_here: Here) -> Here:
    """The command in a working folder with copies of both."""
    shutil.copytree(finished, ".", dirs_exist_ok=True)
    return zoo_here


class TestList:
    def test_every_metric_by_group(self, zoo_here: Here) -> None:
        lines = zoo_here("list", "--metrics").out.splitlines()
        assert lines[0] == "name\tgroup\tunit\tbetter\tsummary"
        assert "mse\treconstruction\tper pixel\t↓\tSquared error per pixel of the reconstruction" in "\n".join(lines)
        rows = json.loads(zoo_here("list", "--metrics", "--json").out)
        assert [row["name"] for row in rows] == [line.split("\t")[0] for line in lines[1:]]
        groups = [row["group"] for row in rows]
        assert groups == sorted(groups, key=zoo.specs.GROUPS.index)
        assert {row["name"]: row["better"] for row in rows}["iwae-bound"] == "higher"

    def test_models_have_families_and_metrics_have_not(self, zoo_here: Here) -> None:
        done = zoo_here("list", "--metrics", "--family", "vae", code=2)
        assert done.lines == ["zoo: --family is about models; leave it out beside --metrics"]


class TestShow:
    def test_says_what_a_metric_declares(self, zoo_here: Here) -> None:
        shown = zoo_here("show", "metric:iwae-bound").out
        assert shown.startswith("iwae-bound: L_k, a lower bound on log p(x)")
        for line in (
            "group      likelihood",
            "unit       nats per image",
            "better     higher",
            "equation   L_k = E_q log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x)",
            "estimator  k posterior samples of each image, log-sum-exp in double precision",
            "paper      Burda, Grosse & Salakhutdinov (2016), arXiv:1509.00519",
            "needs      a model that is a zoo.LatentModel",
            "computed   with --metrics iwae-bound",
            "score      iwae_bound",
            "--iwae-bound.k\t1000\tx>=1\tCodes drawn for each image; more are tighter and take longer.",
        ):
            assert line in shown.splitlines()
        assert "computed   whenever a run is scored" in zoo_here("show", "metric:mse").out

    def test_as_a_document(self, zoo_here: Here) -> None:
        found = json.loads(zoo_here("show", "metric:total-correlation", "--json").out)
        assert (found["metric"], found["plugin"], found["group"]) == ("total-correlation", "metrics", "latent use")
        assert found["options"]["total-correlation.images"]["default"] == 10_000

    def test_imports_no_torch(self, zoo_process: ZooProcess) -> None:
        path = os.environ.get("PYTHONPATH", "")
        (zoo_process.cwd / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None\n")
        done = zoo_process("show", "metric:frechet", PYTHONPATH=f"{zoo_process.cwd}:{path}")
        assert done.out.startswith("frechet: ")
        assert done.err == ""

    def test_offers_the_nearest_name(self, zoo_here: Here) -> None:
        done = zoo_here("show", "metric:iwae_bond", code=2)
        assert done.lines == ["zoo: unknown metric 'iwae_bond'; did you mean 'iwae-bound'?"]


class TestEvaluate:
    def test_card_and_table_have_every_score_of_the_run(self, trained: Here) -> None:
        before = Path("runs/a/README.md").read_text()
        assert "| mse | " in before
        assert "iwae_bound" not in before
        trained("evaluate", "runs/a", "--metrics", "iwae-bound,total-correlation", "--iwae-bound.k", "7")
        trained("evaluate", "runs/a", "--metrics", "total-correlation")
        scores, card = json.loads(Path("runs/a/scores.json").read_text()), Path("runs/a/README.md").read_text()
        shown = trained("show", "runs/a").out
        for name in scores.keys() - {"reasons", "warnings", "computed_with"}:
            assert f"| {name} | " in card, name
            assert f"\n{name}\t" in shown or f"\n{name} " in shown, name
        assert "| iwae_bound.k | 7 |" in card
        assert "| rate | " in card
        assert "KL(q(z\\|x) \\|\\| p(z))" in card, "a bar would end the cell"
        assert card.partition("## Use")[2] == before.partition("## Use")[2]

    def test_other_images_than_its_own_change_nothing_of_the_run(self, trained: Here) -> None:
        files = [Path("runs/a/scores.json"), Path("runs/a/README.md")]
        before = [path.read_text() for path in files]
        test, train, val = (
            json.loads(trained("evaluate", "runs/a", "--split", split, "--json").out)["scores"]
            for split in ("test", "train", "val")
        )
        assert [path.read_text() for path in files] == before
        assert len({scores["mse"] for scores in (test, train, val)}) == 3
        shutil.copy("runs/a/model.safetensors", "away.safetensors")
        assert json.loads(trained("evaluate", "away.safetensors", "--json").out)["scores"] == test
        assert not Path("scores.json").exists(), "weights without their folder have no place for scores"

    def test_a_score_of_a_qualified_metric_is_replaced(self, trained: Here) -> None:
        Path("ink.py").write_text(INK)
        for power in ("1", "2"):
            words = ("--plugin", "ink.py", "evaluate", "runs/a", "--metrics", "mse@ink.py", "--mse@ink.py.power", power)
            trained(*words)
            found = json.loads(Path("runs/a/scores.json").read_text())
            assert (found["mse@ink.py"], found["mse@ink.py.twice"]) == (float(power), 2 * float(power))
        assert f"| mse@ink.py | {float(power):.5g} |" in Path("runs/a/README.md").read_text()
        trained("evaluate", "runs/a")
        assert "| mse@ink.py | " in Path("runs/a/README.md").read_text(), "though its plugin is not here"

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--metrics", ","), "--metrics ',' names none; see 'zoo list --metrics', or write --metrics all"),
            (("--metrics", "mse,-mse"), "--metrics 'mse,-mse' names none"),
            (("--metrics", "mse,fretchet"), "unknown metric 'fretchet'; did you mean 'frechet'?"),
            (("--metrics", "all,-fretchet"), "unknown metric 'fretchet'; did you mean 'frechet'?"),
            (("--split", "valid"), "'valid' is not one of 'test', 'train', 'val'"),
            (("--samples", "1"), "1 is not in the range x>=2"),
        ],
    )
    def test_mistakes_cost_one_line(self, trained: Here, words: tuple[str, ...], told: str) -> None:
        done = trained("evaluate", "runs/a", *words, code=2)
        assert told in done.err
        assert len(done.lines) == 1

    def test_no_image_was_held_back(self, zoo_here: Here, small: str) -> None:
        zoo_here("train", "ae.tiny", "--data", small, "--out", "runs/b")
        done = zoo_here("evaluate", "runs/b", "--split", "val", code=2)
        assert done.lines == ["zoo: --split val: the run held no images back; train it with --val-fraction"]

    def test_how_many_images_are_scored_at_once_changes_nothing(
        self, trained: Here, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of what is not drawn: batch normalisation and dropout are not in training."""
        exact = ("mse", "rate", "active_units")
        whole = zoo.evaluate("runs/a")
        monkeypatch.setattr(blocks, "BLOCK", 3)
        parts = zoo.evaluate("runs/a")
        for name in exact:
            assert parts[name] == pytest.approx(whole[name], rel=1e-5)
        assert parts["kl_per_unit"] == pytest.approx(whole["kl_per_unit"], rel=1e-4, abs=1e-6)

    def test_every_metric_of_one_model_is_the_same_each_time(self, trained: Here) -> None:
        names = ["psnr", "ssim", "bernoulli-nll", "mutual-information", "aggregate-gap", "total-correlation"]
        names += ["collapse", "flops", "peak-memory"]
        one = zoo.evaluate("runs/a", metrics=names)
        assert one == zoo.evaluate("runs/a", metrics=[*reversed(names)])
        assert all(one[name.replace("-", "_")] is not None for name in names)
        assert one["collapse.verdict"] in ("none", "partial", "full")
        card = Path("runs/a/README.md").read_text()
        assert f"| collapse.verdict | {one['collapse.verdict']} |" in card
        assert all(f"Note on {name}: " in card for name in one.get("warnings", {}))

    def test_a_run_just_trained_and_one_loaded_score_the_same(self, trained: Here) -> None:
        trained_scores = json.loads(Path("runs/a/scores.json").read_text())
        per_image = zoo.load("runs/a").per_image
        assert zoo.evaluate("runs/a") == trained_scores
        again = zoo.load("runs/a").per_image
        assert per_image.keys() == again.keys() >= {"mse", "rate", "elbo"}
        assert all(torch.equal(per_image[name], again[name]) for name in again)


INK = """
from dataclasses import dataclass
from zoo import Measure, Metric, MetricSpec, Options, hookimpl, option

@dataclass(frozen=True, kw_only=True)
class InkOptions(Options):
    power: float = option(1.0, "A number.", above=0)

class Ink(Metric):
    def __init__(self, options, subject):
        self.power = options.power

    def compute(self):
        return Measure(self.power, details={"twice": 2 * self.power})

@hookimpl
def zoo_metrics():
    yield MetricSpec(name="mse", summary="Another one.", metric="ink:Ink", options="ink:InkOptions")
"""


class TestRows:
    def test_groups_come_in_their_order_and_nothing_is_left_out(self) -> None:
        source = Source("generative-zoo", "1", "x")
        specs = [
            MetricSpec(name="b-ound", summary="B.", metric="", group="likelihood", better="higher", unit="nats"),
            MetricSpec(name="error", summary="E.", metric="", group="reconstruction"),
            MetricSpec(name="unasked", summary="U.", metric=""),
        ]
        scores = {
            "b_ound": 1.0,
            "b_ound.k": 3,
            "error": None,
            "gone": [1, 2],
            "parameters": 5,
            "reasons": {"error": "x"},
        }
        assert score_rows(scores, [Entry(spec.name, spec, source) for spec in specs]) == [
            ScoreRow("error", None, "", "", "E."),
            ScoreRow("b_ound", 1.0, "nats", "↑", "B."),
            ScoreRow("b_ound.k", 3),
            ScoreRow("parameters", 5, "", "", "Trained values."),
            ScoreRow("gone", [1, 2]),
        ]
