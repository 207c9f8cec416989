"""Comparisons: what is compared, what may be said of it, what is trained once, and what an earlier one is for."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Done, ZooProcess
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

import zoo
from zoo.cli.main import run
from zoo.comparison.baseline import against_baseline, parse_share, same_models
from zoo.comparison.document import as_json, read_document
from zoo.comparison.entries import parse_entries, slug
from zoo.comparison.folder import open_folder
from zoo.comparison.paired import RESAMPLES, over_images, over_seeds, spread
from zoo.comparison.rows import standard_error, summary_of, values_of
from zoo.comparison.scores import Column
from zoo.comparison.verdicts import Scored, judge
from zoo.many.reuse import train_or_reuse
from zoo.registry import load_registry
from zoo.settings import Layer, resolve
from zoo.specs import MetricSpec
from zoo.training.progress import Silent

Here = Callable[..., Done]

MSE = Column("mse", MetricSpec(name="mse", summary="", metric="", group="reconstruction", better="lower"))
ELBO = Column("elbo", MetricSpec(name="elbo", summary="", metric="", group="likelihood", better="higher"))
DISTORTION = Column(
    "distortion", MetricSpec(name="distortion", summary="", metric="", group="likelihood", better="lower")
)
OBJECTIVE = Column("objective", MetricSpec(name="objective", summary="", metric="", group="likelihood"))
FRECHET = Column("frechet", MetricSpec(name="frechet", summary="", metric="", group="samples", better="lower"))

values_of_images = arrays(np.float64, st.integers(30, 60), elements=st.floats(-100, 100))


class TestEntries:
    """What people type."""

    def test_models_and_runs_are_told_apart(self) -> None:
        words = [
            "ae",
            "conv-vae.tiny",
            "runs/x",
            "best.safetensors",
            "vae:init_from=runs/x",
            "vae@other.package:beta=2",
        ]
        found = parse_entries(words)
        assert [entry.path is not None for entry in found] == [False, False, True, True, False, False]
        assert [entry.label for entry in found] == words
        assert (found[4].model, found[4].settings) == ("vae", {"init_from": "runs/x"})
        assert found[5].model == "vae@other.package"

    @pytest.mark.parametrize(
        ("text", "settings"),
        [
            ("beta=0.5,prior.std=2", {"beta": "0.5", "prior.std": "2"}),
            ("encoder.hidden=200,200", {"encoder.hidden": "200,200"}),
            ("beta=steps:1e-4@0,5e-5@200ep,lr=1e-3", {"beta": "steps:1e-4@0,5e-5@200ep", "lr": "1e-3"}),
            ("beta=linear:0..1@50%", {"beta": "linear:0..1@50%"}),
            ("latent-dim=3", {"latent-dim": "3"}),
        ],
    )
    def test_settings(self, text: str, settings: dict[str, str]) -> None:
        assert parse_entries([f"conv-vae:{text}"])[0].settings == settings

    @given(
        st.dictionaries(
            st.from_regex(r"[a-z][a-z_.]{0,8}", fullmatch=True),
            st.from_regex(r"[0-9a-z.:@%]{1,6}(,[0-9.@]{1,4}){0,3}", fullmatch=True),
            min_size=1,
            max_size=4,
        )
    )
    @settings(max_examples=30, deadline=None)
    def test_settings_are_read_back(self, found: dict[str, str]) -> None:
        text = ",".join(f"{name}={value}" for name, value in found.items())
        assert parse_entries([f"vae:{text}"])[0].settings == found

    @pytest.mark.parametrize("word", ["vae:", "vae:beta", "vae:0.5,beta=2", "vae:=2"])
    def test_what_is_no_setting(self, word: str) -> None:
        with pytest.raises(zoo.ZooError, match="settings are NAME=VALUE after the colon"):
            parse_entries([word])

    def test_twice(self) -> None:
        assert len(parse_entries(["ae", "vae", "ae"])) == 2
        with pytest.raises(zoo.ZooError, match="sets beta twice"):
            parse_entries(["vae:beta=1,beta=2"])
        with pytest.raises(zoo.ZooError, match="nothing to compare"):
            parse_entries([])

    @given(st.text())
    def test_any_label_is_a_file_name(self, text: str) -> None:
        assert len(slug(text)) <= 80
        assert slug(text) == Path(slug(text)).name


class TestPaired:
    """Intervals, against other libraries, known answers and simulated noise."""

    def test_mean_and_deviation(self) -> None:
        assert spread([2.0]) == (2.0, None)
        assert spread([1.0, 2.0, 6.0]) == (3.0, pytest.approx(np.std([1, 2, 6], ddof=1)))
        assert all(math.isnan(value or 0) for value in spread([1.0, math.nan, 3.0])), "NaN is never averaged away"
        assert math.isnan(spread([math.inf, -math.inf])[0])

    def test_one_seed_is_the_paired_bootstrap(self) -> None:
        rng = np.random.default_rng(1)
        one, other = rng.gamma(2, size=(2, 400))
        found = over_images({0: one}, {0: other})
        assert found is not None
        wanted = stats.bootstrap(
            (one - other,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(2)
        ).confidence_interval
        width = wanted.high - wanted.low
        assert found.difference == pytest.approx((one - other).mean())
        assert found.low == pytest.approx(wanted.low, abs=0.05 * width)
        assert found.high == pytest.approx(wanted.high, abs=0.05 * width)
        assert found.over == "400 images, 1 seed"

    def test_images_are_drawn_for_both(self) -> None:
        x = np.random.default_rng(0).normal(size=100) * 1000
        found = over_images({0: x + 0.5}, {0: x})
        assert found is not None
        assert (found.low, found.high) == pytest.approx((0.5, 0.5)), "what both share says nothing of their difference"
        same = over_images({0: x}, {0: x})
        assert same is not None
        assert not same.excludes_zero

    @given(values_of_images, st.floats(-10, 10), st.floats(0.1, 10))
    @settings(max_examples=25, deadline=None)
    def test_moves_and_stretches_with_the_values(self, x: np.ndarray, shift: float, scale: float) -> None:
        zero = np.zeros_like(x)
        plain, moved = over_images({0: x}, {0: zero}), over_images({0: scale * x + shift}, {0: zero})
        turned = over_images({0: zero}, {0: x})
        assert plain is not None
        assert moved is not None
        assert turned is not None
        assert plain.low <= plain.high
        close = {"rel": 1e-6, "abs": 1e-6}
        assert (moved.low, moved.high) == pytest.approx(
            (scale * plain.low + shift, scale * plain.high + shift), **close
        )
        assert (turned.low, turned.high) == pytest.approx((-plain.high, -plain.low), **close)

    @pytest.mark.parametrize("seeds", [2, 3, 5])
    def test_chance_alone_is_called_real_one_time_in_twenty(self, seeds: int) -> None:
        """Where seeds differ by far more than images: resampling three seeds would be wrong one time in four."""
        rng = np.random.default_rng(seeds)
        found = []
        for _ in range(300):
            one, other = rng.normal(size=(2, seeds, 1)) + 0.5 * rng.normal(size=(2, 1, 40))
            found.append(over_images(dict(enumerate(one)), dict(enumerate(other))))
        wrong = sum(interval is not None and interval.excludes_zero for interval in found)
        assert 2 <= wrong <= 30, "5 % of 300 is 15"

    def test_with_many_images_only_seeds_are_left(self) -> None:
        means = np.array([1.0, 1.3, 0.8])
        one = {seed: np.full(50, mean) for seed, mean in enumerate(means)}
        found, seeds = (
            over_images(one, {seed: np.zeros(50) for seed in range(3)}),
            over_seeds(dict(enumerate(means)), dict.fromkeys(range(3), 0.0)),
        )
        assert found is not None
        assert seeds is not None
        assert (found.low, found.high) == pytest.approx((seeds.low, seeds.high), rel=0.02)

    def test_seeds_that_are_not_the_same_are_not_paired(self) -> None:
        noise = np.random.default_rng(0).normal(size=(3, 50))
        together = over_images(dict(enumerate(noise)), dict(enumerate(noise + 1)))
        apart = over_images(dict(enumerate(noise)), {seed + 7: row + 1 for seed, row in enumerate(noise)})
        assert together is not None
        assert apart is not None
        assert apart.high - apart.low > together.high - together.low
        alone = over_images({0: noise[0]}, dict(enumerate(noise)))
        assert alone is not None
        assert alone.over == "50 images, 3 and 1 seeds"

    def test_no_interval(self) -> None:
        x = np.arange(40.0)
        assert over_images({}, {0: x}) is None
        assert over_images({0: x[:20]}, {0: x[:20]}) is None, "too few images"
        assert over_images({0: x}, {0: x[:39]}) is None, "other images"
        assert over_images({0: x}, {0: np.where(x == 3, math.nan, x)}) is None
        assert over_seeds({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}) is None, "two seeds"
        assert over_seeds({0: 1.0, 1: 2.0, 2: 3.0}, {0: 1.0, 1: 2.0, 3: 3.0}) is None, "other seeds"
        assert over_seeds({0: 1.0, 1: math.nan, 2: 3.0}, dict.fromkeys(range(3), 0.0)) is None

    @given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=3, max_size=8))
    @settings(max_examples=50, deadline=None)
    def test_seeds_against_scipy(self, pairs: list[tuple[float, float]]) -> None:
        one, other = (dict(enumerate(side)) for side in zip(*pairs, strict=True))
        found = over_seeds(one, other)
        assert found is not None
        differences = np.subtract(*np.array(pairs).T)
        if differences.std() > 1e-6:
            wanted = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
            assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-6, abs=1e-6)


def scored(name: str, mean: float, *, key: str = "mse", **more: Any) -> Scored:
    """A model whose images differ, with one seed."""
    images = mean + np.random.default_rng(len(name)).normal(size=200) * 0.1
    return Scored(name, values={key: {0: float(images.mean())}}, per_image={key: {0: images}}, **more)


class TestVerdicts:
    def test_a_clear_difference(self) -> None:
        (pair,) = judge([scored("a", 1.0), scored("bb", 2.0)], [MSE])
        assert pair.winner == "a"
        assert pair.verdict.startswith("a has a lower mse than bb: ")
        assert pair.verdict.endswith(" less (95 %, paired over 200 images, 1 seed)")
        assert pair.interval is not None
        assert pair.interval.low <= pair.difference <= pair.interval.high < 0
        (pair,) = judge([scored("a", 1.0, key="elbo"), scored("bb", 2.0, key="elbo")], [ELBO])
        assert pair.verdict.startswith("bb has a higher elbo than a: ")
        assert " more (95 %" in pair.verdict

    def test_no_difference(self) -> None:
        (pair,) = judge([scored("a", 1.0), scored("bb", 1.001)], [MSE])
        assert pair.winner is None
        assert "mse: a and bb cannot be told apart: the difference is between -" in pair.verdict

    def test_what_does_not_mean_the_same_is_not_compared(self) -> None:
        bound, exact = {"likelihood": "bound, binary pixels"}, {"likelihood": "exact, grey levels"}
        assert judge([scored("a", 1, key="elbo", **bound), scored("bb", 2, key="elbo", **exact)], [ELBO]) == []
        squares, nats = {"part": "mse"}, {"part": "bernoulli"}
        two = [scored("a", 1, key="distortion", **squares), scored("bb", 2, key="distortion", **nats)]
        assert judge(two, [DISTORTION]) == []
        two = [scored("a", 1, key="distortion", **nats), scored("bb", 2, key="distortion", **nats, **bound)]
        assert len(judge(two, [DISTORTION])) == 1
        assert judge([scored("a", 1, key="objective"), scored("bb", 2, key="objective")], [OBJECTIVE]) == []
        assert judge([scored("a", 1, **bound), scored("bb", 2, **exact)], [MSE, ELBO])[0].metric == "mse"

    def test_no_values_of_single_images(self) -> None:
        def model(name: str, *values: float) -> Scored:
            return Scored(name, values={"frechet": dict(enumerate(values))})

        (pair,) = judge([model("a", 1.0), model("b", 9.0)], [FRECHET])
        assert pair.interval is None
        assert pair.winner is None
        assert "cannot be told apart: without values of single images that takes 3 seeds or more" in pair.verdict
        (pair,) = judge([model("a", 1.0, 1.1, 0.9), model("b", 9.0, 9.2, 9.1)], [FRECHET])
        assert pair.verdict.startswith("a has a lower frechet than b: 7.85 to 8.35 less")
        assert pair.verdict.endswith("paired over 3 seeds)")
        (pair,) = judge([model("a", 1.0, math.nan, 0.9), model("b", 9.0, 9.2, 9.1)], [FRECHET])
        assert math.isnan(pair.difference)
        assert "a score is not finite" in pair.verdict

    @given(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([MSE, FRECHET, ELBO]))
    @settings(max_examples=30, deadline=None)
    def test_the_order_of_the_models_changes_nothing(self, one: float, other: float, column: Column) -> None:
        models = [scored("a", one, key=column.key), scored("bb", other, key=column.key)]
        (pair,), (turned,) = judge(models, [column]), judge(models[::-1], [column])
        assert pair.winner == turned.winner
        assert pair.difference == pytest.approx(-turned.difference)
        if pair.winner is not None:
            better = (pair.difference < 0) == (column.spec.better == "lower")
            assert pair.winner == ("a" if better else "bb")
            assert pair.verdict == turned.verdict


def document_of(scores: Mapping[str, list[float | None]], error: float | None = None, **more: Any) -> dict[str, Any]:
    """A document of one model, `m`, with the scores of each seed."""
    better = {"mse": "lower", "elbo": "higher", "frechet": "lower", "rate": ""}
    groups = {"frechet": "samples"}
    text = {"summary": "", "unit": ""}
    rows = [
        {"model": "m", "seed": seed, "metric": key, "value": value, "standard_error": error}
        for key, values in scores.items()
        for seed, value in enumerate(values)
    ]
    model = {"name": "m", "settings": {}, "likelihood": None, "error": None}
    return {
        **{"format": 1, "command": "zoo compare m", "zoo": "0", "split": "test", "seeds": [0], "samples": 10},
        "data": {"name": "mnist", "shape": [1, 28, 28], "train": 10, "test": 10},
        "metrics": {k: {"name": k, "better": better[k], "group": groups.get(k, "other"), **text} for k in scores},
        **{"models": [model], "rows": rows, "summary": list(summary_of(values_of(rows))), "pairs": [], "cautions": []},
        "figure": None,
        **more,
    }


class TestBaseline:
    def test_a_percentage(self) -> None:
        assert parse_share("2%") == 0.02
        assert parse_share("0.5 %") == 0.005
        for wrong in ("2", "-1%", "two%", "", "nan%"):
            with pytest.raises(zoo.ZooError, match="percentage such as 2%"):
                parse_share(wrong)

    @pytest.mark.parametrize(
        ("key", "before", "now", "share", "worse"),
        [
            ("mse", [1.0], [1.1], 0.02, True),
            ("mse", [1.0], [1.1], 0.2, False),
            ("mse", [1.0], [0.5], 0.0, False),
            ("elbo", [-100.0], [-110.0], 0.02, True),
            ("elbo", [-100.0], [-90.0], 0.02, False),
            ("rate", [1.0], [9.0], 0.0, False),
            ("mse", [1.0], [math.nan], 0.5, True),
        ],
    )
    def test_worse(self, key: str, before: list[float], now: list[float], share: float, worse: bool) -> None:
        found = against_baseline(document_of({key: now}, 0.001), document_of({key: before}, 0.001), share)
        assert [one.regression for one in found] == ([True] if worse else [])

    def test_what_noise_over_images_explains_is_no_regression(self) -> None:
        before, now = document_of({"mse": [1.0]}, 0.05), document_of({"mse": [1.1]}, 0.05)
        assert against_baseline(now, before, 0.02) == [], "1.96 × 0.05 × √2 is 0.139"
        now = document_of({"mse": [1.15]}, 0.05)
        (found,) = against_baseline(now, before, 0.02)
        assert found.line == "m: mse was 1 and is 1.15, 15.0 % worse; noise explains 0.139 (95 %)"

    @given(st.lists(st.floats(0, 10), min_size=2, max_size=6), st.lists(st.floats(0, 10), min_size=2, max_size=6))
    @settings(max_examples=50, deadline=None)
    def test_several_seeds_are_welchs_test(self, before: list[float], now: list[float]) -> None:
        if min(np.std(before), np.std(now)) < 1e-3:
            return
        found = against_baseline(document_of({"mse": list(now)}), document_of({"mse": list(before)}), 0.0)
        wanted = stats.ttest_ind(now, before, equal_var=False)
        if abs(wanted.pvalue - 0.05) > 1e-6:
            assert bool(found) == (wanted.pvalue < 0.05 and np.mean(now) > np.mean(before))

    def test_what_cannot_be_judged_is_told(self) -> None:
        (found,) = against_baseline(document_of({"frechet": [2.0]}), document_of({"frechet": [1.0]}), 0.02)
        assert not found.regression
        assert "no telling whether that is noise" in found.line
        (found,) = against_baseline(document_of({"frechet": [2.0]}, samples=5), document_of({"frechet": [1.0]}), 0.02)
        assert "give the same --samples" in found.line
        (found,) = against_baseline(document_of({"mse": [None]}), document_of({"mse": [1.0]}), 0.02)
        assert "this comparison has none" in found.line
        assert not found.regression

    def test_nothing_to_match(self) -> None:
        with pytest.raises(zoo.ZooError, match="is of mnist, not of glyphs"):
            same_models(document_of({}), "r.json", "glyphs", ["m"])
        with pytest.raises(zoo.ZooError, match=r"none of these models.*: it has m"):
            same_models(document_of({}), "r.json", "mnist", ["other"])
        same_models(document_of({}), "r.json", "mnist", ["other", "m"])


class TestDocument:
    def test_it_is_read_back(self, tmp_path: Path) -> None:
        wanted = document_of({"mse": [1.5, math.nan], "elbo": [-math.inf, 2.0]})
        (tmp_path / "r.json").write_text(as_json(wanted))
        assert '"value": "nan"' in as_json(wanted), "JSON has no word for it"
        found = read_document(tmp_path / "r.json")
        assert str(found) == str(wanted), "as text, because NaN is not equal to itself"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("{", "is damaged: it is no JSON"),
            ("", "is damaged"),
            ("[1]", "is no results.json of a comparison"),
            ('{"rows": []}', "is no results.json"),
            ('{"format": 99}', "has format 99; this zoo reads 1"),
            ('{"format": 1}', "'command' is missing"),
        ],
    )
    def test_what_is_none(self, tmp_path: Path, text: str, told: str) -> None:
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(zoo.ZooError, match=told) as error:
            read_document(tmp_path / "r.json")
        assert str(tmp_path / "r.json") in str(error.value)
        with pytest.raises(zoo.ZooError, match="No such file"):
            read_document(tmp_path / "none.json")

    def test_a_damaged_part_is_named(self, tmp_path: Path) -> None:
        for part, value in {"rows": [{"model": 3}], "seeds": ["x"], "metrics": 1, "summary": {}}.items():
            (tmp_path / "r.json").write_text(as_json(document_of({"mse": [1.0]}, **{part: value})))
            with pytest.raises(zoo.ZooError, match=f"'{part}.*' is missing or makes no sense"):
                read_document(tmp_path / "r.json")

    def test_a_standard_error(self) -> None:
        assert standard_error(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 / math.sqrt(3))
        assert standard_error(np.array([1.0])) is None
        assert standard_error(None) is None


def test_a_stopped_comparison_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = open_folder(None, "a-b", {"entries": ["a", "b"]})
    assert first == Path("compare/a-b-1")
    assert open_folder(None, "a-b", {"entries": ["a", "b"]}) == first
    assert open_folder(None, "a-b", {"entries": ["a", "c"]}) == Path("compare/a-b-2")
    (first / "results.json").write_text("{}")
    assert open_folder(None, "a-b", {"entries": ["a", "b"]}) == Path("compare/a-b-3"), "the first one is finished"
    assert open_folder(first, "", {"entries": ["a", "b"]}) == first
    with pytest.raises(zoo.ZooError, match="is there already and is not empty"):
        open_folder(first, "", {"entries": ["a"]})


# --- the command -----------------------------------------------------------------------------------------------------

PAIR = ("compare", "ae-mlp.tiny", "vae.tiny:beta=2,encoder.hidden=8", "--data", "npz:bars.npz", "--epochs", "1")


def write_bars(path: Path, test: int = 40) -> None:
    """Write grey pictures of bars, enough of them for the test that images can be resampled."""
    rng = np.random.default_rng(0)
    x = np.zeros((64 + test, 12, 12), np.uint8)
    for image, column in zip(x, rng.integers(0, 12, len(x)), strict=True):
        image[:, column] = 255
    np.savez(path, x_train=x[:64], x_test=x[64:])


@pytest.fixture(scope="module", autouse=True)
def no_pictures() -> Iterator[None]:
    """Pictures of single runs take longer than what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with data and a comparison of two models with two seeds."""
    folder = tmp_path_factory.mktemp("workshop")
    write_bars(folder / "bars.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run([*PAIR, "--seeds", "2"]) == 0
    return folder


@pytest.fixture
def compared(workshop: Path, zoo_here: Here) -> Here:
    """The command, in a copy of the working folder that keeps the times of its files."""
    shutil.copytree(workshop, ".", dirs_exist_ok=True)
    return zoo_here


def trained_at(*folders: str) -> dict[str, int]:
    """When the weights of runs were written, by path."""
    found = [path for folder in folders for path in Path(folder).rglob("model.safetensors")]
    return {str(path): path.stat().st_mtime_ns for path in found}


def test_the_document(compared: Here) -> None:
    (folder,) = Path("compare").iterdir()
    assert folder.name == "ae-mlp.tiny-vae.tiny-beta-2-encoder.hidden-8-npz-bars.npz-1"
    found = read_document(folder / "results.json")
    assert found["command"].startswith("zoo compare ae-mlp.tiny vae.tiny:beta=2,encoder.hidden=8 --data")
    assert found["data"] == {"name": "npz:bars.npz", "shape": [1, 12, 12], "train": 64, "test": 40}
    assert (found["seeds"], found["split"], found["samples"]) == ([0, 1], "test", 10_000)
    names = [model["name"] for model in found["models"]]
    assert names == ["ae-mlp.tiny", "vae.tiny:beta=2,encoder.hidden=8"]
    settings = found["models"][1]["settings"]["options"]
    assert (settings["loss.beta"], settings["encoder.hidden"]) == (2.0, [8])
    assert (found["models"][1]["model"], found["models"][1]["recipe"]) == ("vae", "tiny")
    keys = [(row["model"], row["seed"], row["metric"]) for row in found["rows"]]
    assert len(set(keys)) == len(keys) == len(names) * 2 * len(found["metrics"])
    for model in found["models"]:
        for one in model["runs"]:
            scores = json.loads((folder / one["path"] / "scores.json").read_text())
            rows = [row for row in found["rows"] if (row["model"], row["seed"]) == (model["name"], one["seed"])]
            assert all(row["value"] == scores.get(row["metric"]) for row in rows)
            assert all(bool(row["reason"]) == (row["value"] is None) for row in rows)
    mse = {row["model"]: row for row in found["summary"] if row["metric"] == "mse"}
    both = [row["value"] for row in found["rows"] if (row["model"], row["metric"]) == (names[0], "mse")]
    assert mse[names[0]]["mean"] == pytest.approx(np.mean(both))
    assert mse[names[0]]["sd"] == pytest.approx(np.std(both, ddof=1))
    pairs = {pair["metric"]: pair for pair in found["pairs"]}
    assert {"mse", "sse"} <= pairs.keys()
    assert not pairs.keys() & {"elbo", "distortion"}, "one has no likelihood, and distortions are not of one kind"
    assert pairs["mse"]["difference"] == pytest.approx(mse[names[0]]["mean"] - mse[names[1]]["mean"], rel=1e-4)
    assert pairs["mse"]["over"] == "40 images, 2 seeds"
    assert (folder / found["figure"]).is_file()
    assert any("are counted by each model's own likelihood" in caution for caution in found["cautions"])


def test_again_nothing_is_trained_and_json_is_the_file(compared: Here) -> None:
    before = trained_at("compare")
    done = compared(*PAIR, "--seeds", "2", "--json")
    assert trained_at("compare") == before
    (folder,) = (path for path in Path("compare").iterdir() if path.name.endswith("-2"))
    assert done.out == (folder / "results.json").read_text()
    assert done.lines[-1] == f"results  {folder / 'results.json'}"
    found = json.loads(done.out)
    assert all(one["reused"] for model in found["models"] for one in model["runs"])
    assert all((folder / one["path"] / "config.toml").is_file() for model in found["models"] for one in model["runs"])
    first = read_document(next(path for path in Path("compare").iterdir() if path != folder) / "results.json")
    assert found["rows"] == first["rows"]
    assert found["pairs"] == first["pairs"]
    third = compared(*PAIR, "--seeds", "2", "--out", folder)
    assert "* better than each" not in third.err
    assert trained_at("compare") == before, "the same comparison may be made again in its folder"
    assert "is there already and is not empty" in compared("compare", "vae.tiny", "--out", folder, code=2).err


def test_in_python(compared: Here) -> None:
    before = trained_at("compare")
    metrics = {"total-correlation": {"images": 30}}
    names = ["ae-mlp.tiny", "vae.tiny:beta=2,encoder.hidden=8"]
    found = zoo.compare(names, data="npz:bars.npz", epochs=1, seeds=2, metrics=metrics, out="python")
    assert trained_at("compare") == before
    assert [row.name for row in found.rows] == names
    assert [len(row.runs) for row in found.rows] == [2, 2]
    assert found.figure is not None
    assert not found.failed
    assert found.document["command"] == (
        "zoo compare ae-mlp.tiny vae.tiny:beta=2,encoder.hidden=8 --data=npz:bars.npz --epochs=1 --seeds=2 "
        "--metrics=total-correlation --total-correlation.images=30 --samples=10000"
    )
    assert as_json(found.document) == Path("python/results.json").read_text()
    again = compared(*shlex.split(found.document["command"])[1:], "--out", "python", "--json")
    assert json.loads(again.out)["rows"] == json.loads(as_json(found.document))["rows"], "the command does the same"


def test_one_more_seed_and_one_more_metric(compared: Here) -> None:
    before = trained_at("compare")
    words = (*PAIR, "--seeds", "3", "--metrics", "total-correlation", "--total-correlation.images", "30")
    done = compared(*words)
    assert len(trained_at("compare")) == len(before) + 2
    assert all(trained_at("compare")[path] == at for path, at in before.items())
    assert done.err.count("computing total-correlation") == 6
    heading, *rows = (line.split("\t") for line in done.out.splitlines() if "\t" in line)
    assert "total_correlation ↓" in heading
    assert [row[0] for row in rows] == ["ae-mlp.tiny", "vae.tiny:beta=2,encoder.hidden=8"]
    assert "NOTE: total_correlation of ae-mlp.tiny: none, because" in done.err
    assert "computing" not in compared(*words).err, "what a run has is not computed again"
    words = (*words[:-1], "20")
    assert compared(*words).err.count("computing total-correlation") == 6, "with other options it is another number"


def test_a_verdict_and_its_mark(compared: Here) -> None:
    data = ("--data", "npz:bars.npz", "--batch-size", "8")
    done = compared("compare", "ae-mlp.tiny:epochs=40", "ae-mlp.tiny:epochs=1", *data, "--out", "c")
    assert "ae-mlp.tiny:epochs=40 has a lower mse than ae-mlp.tiny:epochs=1: " in done.out
    cells = {line.split("\t")[0]: line.split("\t")[1] for line in done.out.splitlines() if "\t" in line}
    assert cells["ae-mlp.tiny:epochs=40"].endswith(" *")
    assert not cells["ae-mlp.tiny:epochs=1"].endswith(" *")
    assert "NOTE: not all were trained for as long: ae-mlp.tiny:epochs=40 40 epochs" in done.err
    assert "NOTE: with one seed a verdict is about these trained weights" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["vae.tiny:bta=2"], "'vae.tiny:bta=2': unknown option 'bta'; did you mean 'beta'?"),
        (["vae.tiny:beta=-2"], "'vae.tiny:beta=-2': beta must be at least 0, got -2"),
        (["vae.tiny:beta"], "settings are NAME=VALUE after the colon"),
        (["vae.tiny", "--metrics", "frecht"], "unknown metric 'frecht'"),
        (["vae.tiny", "vae.tiny:binarize=dynamic"], "scored on other images"),
        (["vae.tiny", "--max-regression", "2%"], "--max-regression needs a --baseline"),
        (["vae.tiny", "--baseline", "none.json"], "none.json: No such file or directory"),
        (["vae.tiny", "--baseline", "bars.npz"], "bars.npz is damaged: it is no JSON"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(zoo_here: Here, words: list[str], told: str) -> None:
    write_bars(Path("bars.npz"))
    done = zoo_here("compare", *words, "--data", "npz:bars.npz", code=2)
    assert told in done.lines[-1]
    assert not Path("compare").exists()


def test_a_baseline(compared: Here) -> None:
    (folder,) = Path("compare").iterdir()
    same = compared(*PAIR, "--seeds", "2", "--baseline", folder / "results.json", "--max-regression", "2%")
    assert same.lines[-1].startswith(f"nothing got worse than in {folder / 'results.json'} by more than 2 %")
    earlier = json.loads((folder / "results.json").read_text())
    for row in earlier["rows"]:
        if row["metric"] == "mse" and row["model"] == "ae-mlp.tiny":
            row["value"] = 1e-6 * (1 + row["seed"])
    Path("better.json").write_text(json.dumps(earlier))
    words = (*PAIR, "--seeds", "2", "--baseline", "better.json")
    few = compared(*words, "--max-regression", "2%", code=None)
    assert [line for line in few.lines if line.startswith("REGRESSION: ")] == (
        [line for line in few.lines if line.startswith("REGRESSION: ae-mlp.tiny: mse was 1.5e-06 and is ")]
    )
    for row in earlier["rows"]:
        row["model"] = f"{row['model']}-before"
    for model in earlier["models"]:
        model["name"] += "-before"
    Path("other.json").write_text(json.dumps(earlier))
    none = compared(*PAIR, "--baseline", "other.json", code=2)
    assert none.lines[-1].startswith("zoo: other.json has none of these models")
    one = (*PAIR[:2], *PAIR[3:], "--baseline", "better.json", "--max-regression", "2%", "--out", "one")
    done = compared(*one, code=1)
    assert done.lines[-1].startswith("REGRESSION: ae-mlp.tiny: mse was 1.5e-06 and is 0.")


BROKEN = """
from zoo import Measure, Metric, MetricSpec, hookimpl


class Broken(Metric):
    def __init__(self, options, subject):
        self.subject = subject

    def compute(self):
        if type(self.subject.model.parts["prior"]).__name__ == "Nobody":
            return Measure(1.0)
        raise ValueError("no such thing")


class Nothing(Metric):
    def __init__(self, options, subject):
        self.samples = subject.samples

    def compute(self):
        return Measure(float("nan"), warning=f"of {self.samples} samples")


class Few(Metric):
    def __init__(self, options, subject):
        self.samples = subject.samples

    def compute(self):
        return Measure(None, f"it needs 100 samples, and there are {self.samples}; give --samples 100")


@hookimpl
def zoo_metrics():
    for kind in (Broken, Nothing, Few):
        name = kind.__name__.lower()
        yield MetricSpec(name=name, summary="Odd.", metric=f"{__name__}:{kind.__name__}", better="lower")
"""


def test_metrics_that_fail_or_find_nothing(compared: Here) -> None:
    Path("odd.py").write_text(BROKEN)
    words = ("--plugin", "odd.py", *PAIR, "--metrics", "broken,nothing,few", "--samples", "50", "--out", "c")
    done = compared(*words, code=1)
    assert "NOTE: broken of ae-mlp.tiny failed: " in done.err
    assert "NOTE: nothing of ae-mlp.tiny: of 50 samples" in done.err
    assert "NOTE: nothing of ae-mlp.tiny is nan with seed 0, and so is its mean" in done.err
    assert (
        "NOTE: few of ae-mlp.tiny: none, because it needs 100 samples, and there are 50; give --samples 100" in done.err
    )
    heading, *rows = (line.split("\t") for line in done.out.splitlines() if "\t" in line)
    assert [dict(zip(heading, row, strict=True))["nothing ↓"] for row in rows] == ["nan", "nan"]
    assert "broken ↓" not in heading
    assert all(float(row[1].split()[0]) > 0 for row in rows), "the others are there"
    found = read_document(Path("c/results.json"))
    values = {row["metric"]: row for row in found["rows"]}
    assert math.isnan(values["nothing"]["value"])
    assert "it failed: " in values["broken"]["reason"]
    assert {pair["verdict"] for pair in found["pairs"] if pair["metric"] == "nothing"} == {
        f"nothing: {PAIR[1]} and {PAIR[2]} cannot be told apart: a score is not finite"
    }


def test_samples_that_are_too_few_are_no_failure_of_who_named_no_metric(zoo_here: Here, small: str) -> None:
    words = ("compare", "vae.tiny", "--data", small, "--epochs", "1", "--samples", "5")
    told = "5 samples are too few: --samples must be at least 6 for this metric"
    zoo_here(*words, "--out", "c")
    rows = {row["metric"]: row for row in read_document(Path("c/results.json"))["rows"]}
    assert (rows["coverage"]["value"], rows["coverage"]["reason"]) == (None, told)
    assert rows["frechet"]["reason"].startswith("5 samples are too few: --samples must be at least 65")
    assert rows["mse"]["value"] > 0
    for named in (("--metrics", "coverage"), ("--coverage.features", "classifier")):
        done = zoo_here(*words, *named, "--samples", "4", "--out", f"c{named[0]}", code=1)
        assert f"NOTE: coverage of vae.tiny failed: {told.replace('5', '4', 1)}" in done.lines


class TestReuse:
    """A run is trained once, and only what is the same is taken for the same."""

    @pytest.fixture
    def first(self, compared: Here) -> str:
        return "compare/ae-mlp.tiny-vae.tiny-beta-2-encoder.hidden-8-npz-bars.npz-1/runs/ae-mlp.tiny-seed0"

    def taken(self, folder: str, **values: Any) -> str | None:
        """The run that is taken, and none if one is trained."""
        registry = load_registry(third_party=False)
        layer = Layer("test", {"data": "npz:bars.npz", "epochs": 1, **values})
        found, reused = train_or_reuse(registry, resolve(registry, "ae-mlp.tiny", [layer]), Path(folder), Silent())
        assert found.scores
        return str(found.path) if reused else None

    def test_it_is_found_wherever_it_lies(self, first: str) -> None:
        assert self.taken("compare/x/runs/a") == first
        assert self.taken("far/away/a") == first
        Path("runs").mkdir()
        Path(first).rename("runs/moved")
        assert self.taken("compare/x/runs/a") == "runs/moved"
        Path("runs/moved").rename("elsewhere")
        assert self.taken("beside") == "elsewhere"
        assert not Path("beside").exists()

    def test_other_settings_are_another_run(self, first: str) -> None:
        assert self.taken("runs/a", seed=5) is None
        assert self.taken("runs/b", seed=5) == "runs/a"
        assert self.taken("runs/c", seed=5, lr=1e-4) is None

    def test_other_pictures_are_another_run(self, first: str) -> None:
        os.utime("bars.npz")
        assert self.taken("runs/a") is None
        assert self.taken("runs/b") == "runs/a"

    def test_another_version_is_another_run(self, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("zoo.__version__", "99")
        assert self.taken("runs/a") is None

    def test_a_run_that_was_made_longer_is_another_run(self, first: str, zoo_here: Here) -> None:
        zoo_here("train", "--resume", first, "--epochs", "2")
        assert self.taken("runs/a", epochs=2) is None
        assert "extended_from" not in zoo_here("train", "ae-mlp.tiny", "--config", f"{first}/config.toml").err

    def test_what_is_there_is_not_overwritten(self, first: str) -> None:
        with pytest.raises(zoo.ZooError, match="holds a run"):
            self.taken(first, lr=1e-4)

    def test_one_that_was_stopped_before_its_first_checkpoint(self, first: str) -> None:
        shutil.rmtree(f"{first}/checkpoint")
        for name in ("model.safetensors", "scores.json"):
            (Path(first) / name).unlink()
        assert self.taken(first) is None
        assert self.taken(first) == first


STOP = """
import os, signal

from zoo import hookimpl


@hookimpl
def zoo_train_epoch(run, record):
    if run.name.startswith("vae") and record["epoch"] == 3 and not os.path.exists("stopped"):
        open("stopped", "w").close()
        os.kill(os.getpid(), signal.SIGINT)
"""


def check_goes_on(call: Callable[..., Done], folder: Path, cwd: Path) -> None:
    """Check that a comparison that was stopped in its second run, and is started again, trains nothing twice."""
    first, second = (cwd / folder / "runs" / name for name in ("ae-mlp.tiny-epochs-2-seed0", "vae.tiny-seed0"))
    assert not (cwd / folder / "results.json").exists()
    weights = (first / "model.safetensors").stat().st_mtime_ns
    epochs = (second / "metrics.jsonl").read_text().splitlines()
    assert 3 <= len(epochs) < 40
    done = call()
    assert (first / "model.safetensors").stat().st_mtime_ns == weights
    assert (second / "metrics.jsonl").read_text().splitlines()[: len(epochs)] == epochs
    assert len((second / "metrics.jsonl").read_text().splitlines()) == 40
    assert any(line.startswith(f"resuming {folder}/runs/vae.tiny-seed0 from epoch ") for line in done.lines)
    assert [path.name for path in (cwd / folder).parent.iterdir()] == [folder.name]
    assert not any(model["error"] for model in read_document(cwd / folder / "results.json")["models"])


LONG = ("compare", "ae-mlp.tiny:epochs=2", "vae.tiny", "--data", "npz:bars.npz", "--batch-size", "16", "--epochs", "40")
TOLD = "zoo: interrupted; what was trained is in {folder}, and the same command goes on there"


def test_stopped_in_the_middle_and_started_again(zoo_here: Here) -> None:
    write_bars(Path("bars.npz"))
    Path("stop.py").write_text(STOP)
    done = zoo_here("--plugin", "stop.py", *LONG, code=130)
    folder = Path("compare/ae-mlp.tiny-epochs-2-vae.tiny-npz-bars.npz-1")
    assert done.lines[-1] == TOLD.format(folder=folder)
    check_goes_on(lambda: zoo_here(*LONG), folder, Path())


@pytest.mark.slow
def test_stopped_from_outside_and_started_again(zoo_process: ZooProcess) -> None:
    write_bars(zoo_process.cwd / "bars.npz")
    path = os.environ.get("PYTHONPATH", "")
    with zoo_process.start(*LONG, "--out", "c/1", PYTHONPATH=path) as process:
        records = zoo_process.cwd / "c" / "1" / "runs" / "vae.tiny-seed0" / "metrics.jsonl"
        while not (records.is_file() and len(records.read_text().splitlines()) > 3):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.splitlines()[-1] == TOLD.format(folder="c/1")
    check_goes_on(lambda: zoo_process(*LONG, "--out", "c/1", PYTHONPATH=path), Path("c/1"), zoo_process.cwd)
