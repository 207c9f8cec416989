"""Sweeps: what a range is, that each run is trained once, what is best and how surely, and searching."""

from __future__ import annotations

import functools
import itertools
import json
import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Done
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import zoo
import zoo.many.reuse
import zoo.many.trained
import zoo.sweeping.run
from zoo import Diverged, MetricSpec, ZooError
from zoo.figures.sweep import Axis, CurvePanel, CurvePoint, Series, save_sweep
from zoo.options import Field
from zoo.registry import load_registry
from zoo.runs.folder import find_run
from zoo.settings import Vocabulary, resolve
from zoo.sweeping.plan import make_plan
from zoo.sweeping.ranges import read_range
from zoo.sweeping.results import Point, Sweep
from zoo.sweeping.search import run_search

Here = Callable[..., Done]

REGISTRY = load_registry(third_party=False)
ELBO = MetricSpec(name="elbo", summary="A bound.", metric="m:M", unit="nats per image", better="higher")
MSE = MetricSpec(name="mse", summary="An error.", metric="m:M", unit="per pixel", better="lower")
QUICK = ("vae.tiny", "--data", "npz:small.npz", "--batch-size", "32", "--encoder.hidden", "8", "--decoder.hidden", "8")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, small: str) -> None:
    """Small data in the working folder, and runs without their pictures, which are not what is tested."""
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)


@functools.cache
def field(name: str) -> Field:
    model = resolve(REGISTRY, "vae").model
    vocabulary = Vocabulary(REGISTRY, model.composition, model.parts)
    found = vocabulary.field(vocabulary.find(name, "test"))
    assert found is not None
    return found


def values(name: str, text: Any) -> tuple[Any, ...]:
    found = read_range(name, field(name), text)
    assert found is not None
    return found.values


# --- ranges ----------------------------------------------------------------------------------------------------------


@given(st.floats(1e-6, 1e3), st.floats(1.01, 1e4), st.integers(2, 40))
def test_a_log_range_has_one_ratio(low: float, factor: float, count: int) -> None:
    low, high = float(f"{low:.6g}"), float(f"{low * factor:.6g}")
    found = values("beta", f"log:{low!r}..{high!r}:{count}")
    assert (found[0], found[-1], len(found)) == (low, high, count)
    ratios = [after / before for before, after in itertools.pairwise(found)]
    assert ratios == pytest.approx([(high / low) ** (1 / (count - 1))] * (count - 1), rel=1e-9)


@given(st.floats(0, 1e3), st.floats(0.1, 1e4), st.integers(2, 40))
def test_a_lin_range_has_one_step(low: float, width: float, count: int) -> None:
    low, high = float(f"{low:.6g}"), float(f"{low + width:.8g}")
    found = values("beta", f"lin:{low!r}..{high!r}:{count}")
    assert (found[0], found[-1], len(found)) == (low, high, count)
    steps = np.diff(found)
    assert steps == pytest.approx([(high - low) / (count - 1)] * (count - 1), rel=1e-6)


@given(st.integers(1, 50), st.integers(1, 500), st.integers(2, 30), st.sampled_from(["log", "lin"]))
def test_whole_numbers_stay_whole_and_come_once(low: int, width: int, count: int, shape: str) -> None:
    found = values("latent_dim", f"{shape}:{low}..{low + width}:{count}")
    assert all(isinstance(value, int) for value in found)
    assert (found[0], found[-1]) == (low, low + width)
    assert list(found) == sorted(set(found))
    assert len(found) <= count


def test_lists_are_of_what_the_option_takes() -> None:
    assert values("beta", "1,0.5, 2") == (1.0, 0.5, 2.0)
    assert values("beta", [1, 0.5]) == (1.0, 0.5)
    assert values("optimizer", "adam,sgd") == ("adam", "sgd")
    assert values("beta", "0.5,linear:0..1@50%") == (0.5, "linear:0..1@50%")
    assert values("clip", "1,none") == (1.0, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("beta", "0.5"),
        ("beta", 0.5),
        ("beta", "linear:0..1@50%"),
        ("beta", "steps:0@0,1@50%"),
        ("encoder.hidden", "20,10"),
        ("encoder.hidden", [20, 10]),
        ("budget", "5m"),
        ("init_from", "log/run"),
    ],
)
def test_anything_else_is_a_setting(name: str, text: Any) -> None:
    assert read_range(name, field(name), text) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing is swept; give an option a range"),
        (("--encoder.hidden", "4,5"), "the commas of --encoder.hidden are its own"),
        (("--bta", "1,2"), "no such option: --bta; did you mean '--beta'?"),
        (("--beta", "log:0..1:3"), "a log range starts above 0, got log:0..1:3"),
        (("--beta", "lin:1..0:3"), "the range lin:1..0:3 is empty"),
        (("--beta", "lin:1..1:3"), "the range lin:1..1:3 is empty"),
        (("--beta", "lin:0..1:1"), "must ask for a whole number of values from 2, got '1'"),
        (("--beta", "lin:0..1:2.5"), "must ask for a whole number of values from 2, got '2.5'"),
        (("--beta", "lin:0..1"), "lin:0..1 does not say how many values; write lin:0..1:8, or add --trials"),
        (("--beta", "lin:-1..1:3"), "--loss.beta must be at least 0, got -1"),
        (("--beta", "log:a..1:3"), "'a' in log:a..1:3 is no number"),
        (("--beta", "log:1:3"), "'log:1:3' is no range"),
        (("--beta", "1,"), "a sweep needs at least 2 values and none left out, got '1,'"),
        (("--beta", "1,1.0"), "'1,1.0' has a value twice"),
        (("--beta", "1,x"), "--loss.beta: 'x' is neither a number nor a schedule"),
        (("--latent-dim", "lin:1.5..3:2"), "--posterior.latent-dim must be a whole number, got 1.5"),
        (("--optimizer", "lin:1..2:2"), "--optimizer takes text, no single number"),
        (("--encoder.hidden", "lin:1..2:2"), "--encoder.hidden takes several values, no single number"),
        (("--optimizer", "adam,sgdd"), "did you mean 'sgd'?"),
        (("--seed", "1,2"), "--seeds 3 trains each with three seeds"),
        (("--binarize", "none,dynamic"), "--binarize changes the images that are scored"),
        (("--prior", "normal,gamma"), "unknown prior 'normal,gamma'"),
        (("--beta", "1,2", "--metrics", "elb"), "unknown metric 'elb'; did you mean 'elbo'?"),
        (("--beta", "1,2", "--trials", "2"), "--trials searches for the best value of a metric; name it"),
        (("--beta", "1,2", "--trials", "2", "--metrics", "rate"), "rate is neither better high nor low"),
        (("--beta", "1,2", "--from", "nothing"), "there is no run at nothing"),
        (("--beta", "1,2", "--from", "a", "--init-from", "b"), "--from and --init-from are the same"),
        (("--beta", "1,2", "--out", "."), "--out . is there already and is no sweep"),
    ],
)
@pytest.mark.usefixtures("plain")
def test_mistakes_are_told_in_one_line_before_anything_is_written(
    zoo_here: Here, words: tuple[str, ...], told: str
) -> None:
    done = zoo_here("sweep", *QUICK[:3], *words, code=2)
    assert told in done.lines[-1]
    assert done.out == ""
    assert not Path("sweep").exists()


def test_a_model_that_is_unknown(zoo_here: Here) -> None:
    assert "did you mean 'vae'" in zoo_here("sweep", "vaee", "--beta", "1,2", code=2).err
    with pytest.raises(ZooError, match="unknown option 'bta'; did you mean 'beta'"):
        make_plan(REGISTRY, "vae", {"bta": "1,2"})


def test_two_ranges_make_a_grid() -> None:
    plan = make_plan(REGISTRY, "vae", {"latent_dim": [2, 3], "beta": "log:0.1..10:2", "epochs": 3})
    assert list(plan.grid()) == [
        {"posterior.latent_dim": size, "loss.beta": beta} for size in (2, 3) for beta in (0.1, 10.0)
    ]
    assert plan.settings.training.epochs == 3
    assert plan.words({"posterior.latent_dim": 2, "loss.beta": 0.1}) == "latent_dim 2, beta 0.1"
    alike = make_plan(REGISTRY, "conv-vae", {"encoder.kernel": [3, 4], "decoder.kernel": [3, 4]})
    assert alike.words(next(alike.grid())) == "encoder.kernel 3, decoder.kernel 3"


# --- a grid ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plain")
def test_a_grid_is_trained_once_scored_and_drawn(zoo_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("sweep", *QUICK, "--beta", "log:0.1..10:2", "--seeds", "2", "--json")
    found = json.loads(zoo_here(*words).out)
    folder = Path("sweep/vae.tiny-npz-small.npz-1")
    assert found["path"] == str(folder)
    assert json.loads((folder / "results.json").read_text()) == found
    assert found["swept"] == {"loss.beta": "log:0.1..10:2"}
    assert [point["options"] for point in found["points"]] == [{"loss.beta": 0.1}, {"loss.beta": 10.0}]
    assert [one["name"] for one in found["metrics"]] == ["elbo", "mse"]
    for point in found["points"]:
        runs = [find_run(run["path"]) for run in point["runs"]]
        assert [run.metadata["training"]["seed"] for run in runs] == [0, 1]
        assert all(run.metadata["options"].items() >= point["options"].items() for run in runs)
        for score in ("elbo", "mse", "rate", "distortion"):
            own = [run.scores[score] for run in runs]
            assert [run["scores"][score] for run in point["runs"]] == own
            assert point["scores"][score]["mean"] == pytest.approx(statistics.fmean(own))
            assert point["scores"][score]["sd"] == pytest.approx(statistics.stdev(own))
    best = max(found["points"], key=lambda point: point["scores"]["elbo"]["mean"])
    assert found["best"] == best["options"]
    with Image.open(found["figure"]) as image:
        assert image.width > 900, "two panels in a row"
        assert np.asarray(image).std() > 5

    monkeypatch.setattr(zoo.many.reuse, "run_training", never)
    again = zoo_here(*words[:-1])
    assert json.loads((folder / "results.json").read_text())["points"] == found["points"]
    assert f"going on with {folder}" in again.err
    assert "\nbest     elbo " in again.out
    assert "NOTE: 2 seeds a point cannot tell neighbours apart" in again.err
    other = (*words[:-1], "--metrics", "mse,iwae-bound", "--iwae-bound.k")
    assert "mse\tiwae_bound\trate\tdistortion" in zoo_here(*other, "3").out
    bounds = [iwae_bounds(folder)]
    zoo_here(*other, "30")
    bounds.append(iwae_bounds(folder))
    assert all(loose < tight for loose, tight in zip(*bounds, strict=True)), "computed again with other options"
    unasked = zoo_here(*words[:-1], "--iwae-bound.k", "3", code=2)
    assert "--iwae-bound.k sets an option of a metric that is not computed" in unasked.err
    assert not Path("sweep/vae.tiny-npz-small.npz-2").exists()
    assert "holds a sweep of other settings" in zoo_here(*other, "3", "--epochs", "2", "--out", folder, code=2).err


def iwae_bounds(folder: Path) -> list[float]:
    points = json.loads((folder / "results.json").read_text())["points"]
    return [point["scores"]["iwae_bound"]["mean"] for point in points]


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("nothing is left to train")


@pytest.mark.usefixtures("plain")
def test_an_interrupted_sweep_goes_on(zoo_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Path] = []
    true = zoo.many.reuse.run_training

    def interrupted(*words: Any, **more: Any) -> Any:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(words[3])
        return true(*words, **more)

    words = ("sweep", *QUICK, "--beta", "0.5,1,2")
    with monkeypatch.context() as patch:
        patch.setattr(zoo.many.reuse, "run_training", interrupted)
        done = zoo_here(*words, code=130)
        assert "the same command goes on with it" in done.err
        trained.insert(0, Path())
        zoo_here(*words)
    assert len(set(trained)) == len(trained) == 4, "each once, beside the mark"
    found = json.loads(Path("sweep/vae.tiny-npz-small.npz-1/results.json").read_text())
    assert [point["options"]["loss.beta"] for point in found["points"]] == [0.5, 1.0, 2.0]


@pytest.mark.usefixtures("plain")
def test_a_point_that_fails_costs_its_row_alone(zoo_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    true = zoo.many.trained.train_or_reuse

    def sometimes(registry: Any, settings: Any, *words: Any, **more: Any) -> Any:
        if settings.to_dict()["options"]["loss.beta"] == 2.0:
            raise Diverged("the loss is not finite")
        return true(registry, settings, *words, **more)

    monkeypatch.setattr(zoo.many.trained, "train_or_reuse", sometimes)
    done = zoo_here("sweep", *QUICK, "--beta", "2,1,4", code=1)
    assert "beta 2 failed: the loss is not finite" in done.err
    assert "2\tfailed\t" in done.out
    found = json.loads(Path("sweep/vae.tiny-npz-small.npz-1/results.json").read_text())
    assert [point["error"] for point in found["points"]] == ["the loss is not finite", None, None]
    assert found["points"][0]["scores"]["elbo"] == {"mean": None, "sd": None}
    assert found["best"]["loss.beta"] in (1.0, 4.0)


@pytest.mark.usefixtures("plain")
def test_runs_start_from_trained_weights(zoo_here: Here) -> None:
    start = ("train", *QUICK, "--out", "start")
    zoo_here(*start)
    zoo_here("sweep", *QUICK, "--from", "start", "--lr", "1e-12,1e-11", "--out", "swept")
    document = json.loads(Path("swept/results.json").read_text())
    assert document["from"] == "start"
    before = find_run("start").model.state_dict()
    after = find_run(document["points"][0]["runs"][0]["path"]).model.state_dict()
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    done = zoo_here("sweep", *QUICK, "--from", "start", "--latent-dim", "2,3", code=2)
    assert "its weights do not fit this model" in done.err


@pytest.mark.usefixtures("plain")
def test_a_metric_of_several_numbers_cannot_be_swept(zoo_here: Here) -> None:
    done = zoo_here("sweep", *QUICK, "--beta", "1,2", "--metrics", "kl-per-unit", code=2)
    assert "kl-per-unit is not one number, which a sweep needs" in done.err


@pytest.mark.usefixtures("plain")
def test_a_metric_that_has_no_direction_has_no_best_value(zoo_here: Here) -> None:
    done = zoo_here("sweep", *QUICK, "--beta", "1,2", "--metrics", "rate")
    assert "no best value of rate: it is neither better high nor low" in done.err
    assert "best " not in done.out


# --- which is best ---------------------------------------------------------------------------------------------------


PLAN = make_plan(REGISTRY, "vae", {"beta": [1, 2, 3]})


def sweep_of(metric: MetricSpec, scores: Mapping[float, list[float]]) -> Sweep:
    name = metric.name
    points = [
        Point({"loss.beta": beta}, {}, {seed: {name: value} for seed, value in enumerate(found)})
        for beta, found in scores.items()
    ]
    return Sweep(Path("sweep"), PLAN, len(next(iter(scores.values()))), (metric,), tuple(points))


def best_of(sweep: Sweep) -> Any:
    return sweep.best.options["loss.beta"] if sweep.best is not None else None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), min_size=2, max_size=6))
def test_the_best_has_the_best_mean_and_a_caution_unless_every_seed_is_ahead(found: list[list[float]]) -> None:
    scores = {float(i): one for i, one in enumerate(found)}
    for metric, sign in ((ELBO, 1), (MSE, -1)):
        sweep = sweep_of(metric, scores)
        best = best_of(sweep)
        means = {beta: sign * statistics.fmean(one) for beta, one in scores.items()}
        assert means[best] == max(means.values())
        worst = min(sign * value for value in scores[best])
        ahead = all(max(sign * value for value in one) < worst for beta, one in scores.items() if beta != best)
        assert (sweep.caution == "") == ahead


def test_few_seeds_tell_nothing_apart() -> None:
    assert "one seed a point cannot tell" in sweep_of(ELBO, {1.0: [5.0], 2.0: [-5.0]}).caution
    assert "2 seeds a point cannot tell" in sweep_of(ELBO, {1.0: [5.0, 5.1], 2.0: [-5.0, -5.1]}).caution
    apart = {1.0: [5.0, 5.1, 5.2], 2.0: [-5.0, -5.1, -5.2]}
    assert sweep_of(ELBO, apart).caution == ""
    near = {**apart, 3.0: [5.05, 0.0, 1.0]}
    assert sweep_of(ELBO, near).caution == "3 seeds do not tell it from beta 3"


def test_what_is_not_finite_is_neither_best_nor_averaged_away() -> None:
    sweep = sweep_of(MSE, {1.0: [math.nan, 0.0, 0.0], 2.0: [3.0, 3.0, 3.0]})
    assert best_of(sweep) == 2.0
    assert math.isnan(sweep.points[0].mean("mse") or 0)
    assert best_of(sweep_of(MSE, {1.0: [math.nan] * 3})) is None


def test_a_mean_is_of_all_seeds_or_none() -> None:
    point = Point({}, {}, {0: {"elbo": 1.0}, 1: {"elbo": None}})
    assert point.mean("elbo") is None
    assert Point({}, {}, {0: {"elbo": 1.0}}, error="it diverged").mean("elbo") is None


# --- searching -------------------------------------------------------------------------------------------------------


class Bowl:
    """Scores points by their distance from a place, without training; stops before one of them if it is told to."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop
        self.seen: list[dict[str, Any]] = []

    def __call__(self, options: Mapping[str, Any], place: str, name: str) -> Point:
        if self.stop == len(self.seen):
            raise KeyboardInterrupt
        self.seen.append(dict(options))
        away = math.log10(options["loss.beta"] / 0.3) ** 2 + 0.05 * (options["posterior.latent_dim"] - 6) ** 2
        return Point(dict(options), {}, {0: {"mse": away, "elbo": -away}})


def search_for(metric: MetricSpec, folder: Path, trials: int, stop: int | None = None) -> list[dict[str, Any]]:
    plan = make_plan(REGISTRY, "vae.tiny", {"beta": "log:0.001..100", "latent_dim": "lin:2..40"})
    folder.mkdir(exist_ok=True)
    bowl = Bowl(stop)
    run_search(plan, metric, trials, folder, bowl, 0)
    return bowl.seen


def test_a_search_is_the_same_after_a_stop(tmp_path: Path) -> None:
    straight = search_for(ELBO, tmp_path / "straight", 12)
    assert len(straight) == 12
    assert all(0.001 <= one["loss.beta"] <= 100 and one["posterior.latent_dim"] in range(2, 41) for one in straight)
    with pytest.raises(KeyboardInterrupt):
        search_for(ELBO, tmp_path / "stopped", 12, stop=4)
    assert search_for(ELBO, tmp_path / "stopped", 6) == straight[:6], "the stopped trial is taken up, the others kept"
    assert search_for(ELBO, tmp_path / "stopped", 12) == straight


@pytest.mark.slow
@pytest.mark.parametrize("metric", [MSE, ELBO])
def test_a_search_goes_to_the_best_place(tmp_path: Path, metric: MetricSpec) -> None:
    seen = search_for(metric, tmp_path / "search", 30)
    away = [Bowl()(one, "", "").values("mse")[0] for one in seen]
    assert statistics.fmean(away[20:]) < 0.5 * statistics.fmean(away[:10])


@pytest.mark.usefixtures("plain")
def test_a_search_from_the_command_line(zoo_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("sweep", *QUICK, "--beta", "log:0.1..10", "--optimizer", "adam,nadam", "--metrics", "mse", "--trials")
    first = zoo_here(*words, "1")
    assert "trial 1/1: " in first.err
    found = json.loads(zoo_here(*words, "2", "--json").out)
    assert found["trials"] == len(found["points"]) == 2
    assert found["path"] == "sweep/vae.tiny-npz-small.npz-1"
    assert (Path(found["path"]) / "search.db").is_file()
    assert found["best"] == min(found["points"], key=lambda point: point["scores"]["mse"]["mean"])["options"]
    assert (
        "there is no log-likelihood to search by: "
        in zoo_here(*(word if word != "mse" else "log-likelihood" for word in words), "1", code=2).err
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "--trials needs Optuna; install it with 'pip install generative-zoo[search]'" in (
        zoo_here(*words, "1", code=2).err
    )


# --- the figure ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 12])
def test_curves_are_drawn_whatever_their_scale(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    points = tuple(
        CurvePoint(10.0 ** (i / 5), float(rng.normal()), 0.1, 0.2, label=f"{i} of a longer $name") for i in range(count)
    )
    ticks, words = tuple(one.x for one in points), tuple(one.label for one in points)
    panels = [
        CurvePanel("elbo", Axis("beta", log=True), (Series("", points),)),
        CurvePanel("mse", Axis("beta", log=True, ticks=ticks, words=words), (Series("lr 1", points),)),
        CurvePanel("rate", Axis("beta"), (Series("lr 1", points), Series("lr 2", points, joined=False))),
    ]
    save_sweep(tmp_path / "curve.png", panels, "vae on mnist", "one seed")
    with Image.open(tmp_path / "curve.png") as image:
        assert image.mode == "RGB"
        assert np.asarray(image).std() > 5
