"""The page of a comparison: what stands on it, and how a browser takes it."""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import statistics
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import write_small
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.comparison import nearest
from zoo.comparison.nearest import nearest_training
from zoo.comparison.page_pictures import picture_of
from zoo.comparison.page_tables import tables_of
from zoo.comparison.report import write_report
from zoo.comparison.rows import middle
from zoo.comparison.wording import enumerated, mean_and_spread, number
from zoo.data.split import hold_out
from zoo.evaluation.runs import images_for
from zoo.figures.bars import MOST_BARS, Units, bars_of
from zoo.figures.panels import HEIGHT, WIDTH, Curve, panels
from zoo.registry import load_registry
from zoo.runs.folder import Run
from zoo.runs.loading import load_model

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&{{ 7 * 7 }}"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def document_of(
    runs: Mapping[str, Sequence[Run]], folder: Path, error: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Return the document of a comparison as `results.json` holds it, with the scores that the runs have."""
    registry = load_registry()
    metrics = {entry.name.replace("-", "_"): entry.item for entry in registry.metrics.entries() if entry.item.usual}
    rows = [
        {
            "model": label,
            "seed": seed,
            "metric": key,
            "value": run.scores.get(key),
            "details": {},
            "reason": run.scores.get("reasons", {}).get(key),
            "warning": None,
        }
        for label, each in runs.items()
        for seed, run in enumerate(each)
        for key in metrics
    ]
    summary = []
    for label, key in itertools.product(runs, metrics):
        found = [row["value"] for row in rows if (row["model"], row["metric"]) == (label, key)]
        values = [value for value in found if isinstance(value, int | float)]
        if values:
            sd = statistics.stdev(values) if len(values) > 1 else None
            summary.append(
                {"model": label, "metric": key, "mean": statistics.fmean(values), "sd": sd, "n": len(values)}
            )
    data = next(iter(runs.values()))[0].metadata["data"]
    models = [
        {
            "name": label,
            "model": each[0].metadata["model"],
            "recipe": None,
            "settings": {
                "model": each[0].metadata["model"],
                "parts": each[0].metadata["parts"],
                "options": each[0].metadata["options"],
                "training": each[0].metadata["training"],
            },
            "likelihood": each[0].scores.get("likelihood"),
            "parameters": each[0].scores["parameters"],
            "error": None,
            "pictured": len(each) - 1,
            "runs": [
                {"seed": seed, "path": os.path.relpath(run.path, folder), "reused": seed > 0}
                for seed, run in enumerate(each)
            ],
        }
        for label, each in runs.items()
    ]
    if error:
        empty = {"recipe": None, "settings": {}, "likelihood": None, "parameters": None, "runs": []}
        models.append({"name": error[0], "model": error[0], "error": error[1], **empty})
    means = {(each["model"], each["metric"]): each["mean"] for each in summary}
    pairs = [
        {
            "metric": key,
            "one": one,
            "other": other,
            "difference": (difference := means[one, key] - means[other, key]),
            "low": difference - spread * abs(difference),
            "high": difference + spread * abs(difference),
            "over": "16 images",
            "verdict": f"{one} and {other} differ in {key}" if spread < 1 else "cannot be told apart",
        }
        for one, other in itertools.combinations(runs, 2)
        for key, spread in (("mse", 0.2), ("distortion", 2.0))
    ]
    return {
        "format": 1,
        "command": "zoo compare " + " ".join(runs),
        "zoo": zoo.__version__,
        "data": {"name": data["name"], "shape": data["shape"], "train": 64, "test": 16},
        "split": "test",
        "seeds": list(range(max(len(each) for each in runs.values()))),
        "samples": 10_000,
        "metrics": {
            key: {name: getattr(spec, name) for name in ("name", "summary", "unit", "better", "group")}
            for key, spec in metrics.items()
        },
        "models": models,
        "rows": rows,
        "summary": summary,
        "pairs": pairs,
        "cautions": ["some models have a bound and some have nothing"],
        "figure": None,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison's folder, with a run of one model and two of another below it."""
    path = tmp_path_factory.mktemp("comparison")
    write_small(path / "small.npz")
    for model, seed in (("ae.tiny", 0), ("vae.tiny", 0), ("vae.tiny", 1)):
        options = {"epochs": 2, "batch_size": 16, "val_fraction": 0.25, "seed": seed}
        zoo.train(model, data=f"npz:{path / 'small.npz'}", out=path / "runs" / f"{model}-seed{seed}", **options)
    return path


def runs_of(folder: Path, model: str) -> list[Run]:
    return [Run(path) for path in sorted((folder / "runs").glob(f"{model}-seed*"))]


@pytest.fixture(scope="module")
def compared(folder: Path) -> dict[str, Any]:
    runs = {name: runs_of(folder, name) for name in ("ae.tiny", "vae.tiny")}
    return document_of(runs, folder, error=("factor-vae", "it diverged in epoch 2; lower --lr"))


@pytest.fixture
def document(compared: dict[str, Any]) -> dict[str, Any]:
    return deepcopy(compared)


@pytest.fixture(scope="module")
def page(folder: Path, compared: dict[str, Any]) -> str:
    return write_report(folder, compared, load_registry()).read_text("utf-8")


class Elements(HTMLParser):
    """The elements of a page in their order, each with its attributes and the text directly in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(html)
        assert self.open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, dict(attrs), [])
        self.found.append(element)
        if tag not in ("meta", "link", "img", "wbr"):
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1][2].append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str | None], str]]:
        return [
            (attrs, "".join(text))
            for name, attrs, text in self.found
            if name == tag and all(attrs.get(key) == value for key, value in attributes.items())
        ]


class TestPage:
    def test_has_every_section_once(self, page: str) -> None:
        elements = Elements(page)
        ids = [attrs["id"] for _, attrs, _ in elements.found if "id" in attrs]
        assert ids[:5] == ["results", "verdicts", "curves", "units", "nearest"]
        assert set(ids[5:]) == {"reconstructions", "samples", "latent", "latent-grid", "traversals", "settings"}
        assert len(ids) == len(set(ids))
        assert [attrs["href"] for attrs, _ in elements.all("a")] == [f"#{name}" for name in ids]
        ((_, heading),) = elements.all("h1")
        assert heading.startswith("ae.tiny, vae.tiny and factor-vae on npz:")

    def test_shows_means_with_their_spread(self, page: str, document: dict[str, Any]) -> None:
        cells = {attrs["data-value"]: text.strip() for attrs, text in Elements(page).all("td") if "data-value" in attrs}
        spreads = [text for _, text in Elements(page).all("span", **{"class": "spread"})]
        assert len(document["summary"]) > 8
        for each in document["summary"]:
            mean, _, spread = mean_and_spread(each["mean"], each["sd"]).partition(" ± ")
            assert cells[str(float(each["mean"]))] == mean
            assert not spread or f"± {spread}" in spreads

    def test_a_failed_model_is_a_red_row_with_its_message(self, page: str) -> None:
        assert len(Elements(page).all("tr", **{"class": "failed"})) == 1
        assert "it diverged in epoch 2; lower --lr" in page

    def test_says_why_there_is_no_number(self, folder: Path, document: dict[str, Any]) -> None:
        row = next(row for row in document["rows"] if (row["model"], row["metric"]) == ("ae.tiny", "elbo"))
        row["reason"] = "the model has no density"
        html = write_report(folder, document, load_registry()).read_text("utf-8")
        assert ("the model has no density", "–") in [
            (attrs.get("title"), text) for attrs, text in Elements(html).all("td")
        ]
        assert "<strong>elbo</strong> of ae.tiny: the model has no density" in html

    def test_every_picture_is_inside_and_described(self, page: str) -> None:
        images = Elements(page).all("img")
        # Five kinds of pictures of two models; sixteen samples of each with their neighbours.
        assert len(images) == 2 * 5 + 2 * 32
        assert all(str(attrs["src"]).startswith("data:image/") and attrs["alt"] for attrs, _ in images)

    def test_pictures_are_of_the_seed_that_the_document_names(self, folder: Path, page: str) -> None:
        elements = Elements(page)
        for model, seed in (("ae.tiny", 0), ("vae.tiny", 1)):
            ((image, _),) = elements.all("img", alt=f"Samples of {model}, seed {seed}")
            shown = picture_of(runs_of(folder, model)[seed].figures / "samples.png")
            assert shown is not None
            assert image["src"] == shown.uri
        captions = [text for _, text in elements.all("span", **{"class": "muted"})]
        assert {"seed 0", "seed 1"} <= set(captions)
        assert page.count("Of each model, the seed whose objective is the median.") == 6

    def test_every_seed_has_its_curve_and_its_dots(self, folder: Path, page: str) -> None:
        elements = Elements(page)
        lines = [str(attrs["class"]) for attrs, _ in elements.all("g") if str(attrs["class"]).startswith("line")]
        assert lines.count("line s0 train only") > 0
        assert lines.count("line s1 train one") == 2 * lines.count("line s1 train mean") > 0
        assert "vae.tiny, mean of 2 seeds, train: " in page
        units = len(runs_of(folder, "vae.tiny")[0].scores["kl_per_unit"])
        bars = page[page.index('<section id="units"') : page.index('<section id="nearest"')]
        assert bars.count("<rect ") == units
        assert bars.count("<circle ") == 2 * units
        assert "The rate of each latent. Largest first in each seed" in bars

    def test_loads_nothing(self, page: str) -> None:
        for _, attrs, _ in Elements(page).found:
            assert all(str(attrs[name]).startswith(("data:", "#")) for name in ("src", "href") if name in attrs)
        assert not re.search(r"https?://|@import|url\(", re.sub(r'"data:[^"]*"', "", page))

    def test_the_same_comparison_gives_the_same_bytes(self, folder: Path, page: str, document: dict[str, Any]) -> None:
        torch.manual_seed(5)
        before = torch.get_rng_state()
        assert write_report(folder, document, load_registry()).read_text("utf-8") == page
        assert torch.equal(torch.get_rng_state(), before)

    def test_stays_small(self, page: str) -> None:
        assert len(page) < 1_000_000

    def test_lists_what_the_settings_differ_in(self, page: str) -> None:
        html = page[page.index('id="settings"') :]
        differing = html[: html.index("</table>")]
        assert "parts.posterior" in differing
        assert "training.epochs" not in differing
        assert "training.epochs" in html

    def test_survives_missing_and_damaged_pictures(
        self, folder: Path, document: dict[str, Any], tmp_path: Path
    ) -> None:
        shutil.copytree(folder / "runs" / "ae.tiny-seed0", tmp_path / "one")
        (tmp_path / "one" / "figures" / "latent.png").write_bytes(b"no picture")
        (tmp_path / "one" / "figures" / "samples.png").unlink()
        document["models"][0]["runs"] = [{"seed": 0, "path": "one", "reused": False}]
        document["models"][1]["runs"] = [{"seed": 0, "path": "nowhere", "reused": False}]
        html = write_report(tmp_path, document, load_registry()).read_text("utf-8")
        assert "nowhere has no model.safetensors yet" in html
        ids = {attrs["id"] for _, attrs, _ in Elements(html).found if "id" in attrs}
        assert ids >= {"curves", "reconstructions", "traversals"}
        assert ids.isdisjoint({"latent", "samples"})
        assert html.count("no such picture") == 3

    def test_survives_a_comparison_in_which_all_failed(self, tmp_path: Path, document: dict[str, Any]) -> None:
        models = [{**model, "error": "no such data", "runs": []} for model in document["models"]]
        bare = {**document, "models": models, "rows": [], "summary": [], "pairs": [], "cautions": []}
        html = write_report(tmp_path, bare, load_registry()).read_text("utf-8")
        assert len(Elements(html).all("tr", **{"class": "failed"})) == 3

    def test_shows_what_people_wrote_as_text(self, tmp_path: Path, document: dict[str, Any]) -> None:
        html = write_report(tmp_path, hostile(document), load_registry()).read_text("utf-8")
        elements = Elements(html)
        assert len(elements.all("script")) == 1
        assert elements.all("img") == []
        assert not [attrs for _, attrs, _ in elements.found if any(name.startswith("on") for name in attrs)]
        assert "49" not in " ".join(text for _, text in elements.all("h1"))
        for tag in ("title", "h1", "code", "summary", "strong", "caption", "dd"):
            assert any("onerror=alert(1)" in text for _, text in elements.all(tag)), tag


def hostile(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document whose every text is an attack; what code decides by stays as it is."""

    def attacked(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            names = HOSTILE if key == "settings" else ""
            return {f"{name}{names}": attacked(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [attacked(each, key) for each in value]
        if not isinstance(value, str) or key in ("better", "group", "metric", "path"):
            return value
        return f"{value}{HOSTILE}"

    rows = [{**row, "reason": "reason", "warning": "warning", "details": {HOSTILE: 1.0}} for row in document["rows"]]
    runs = {"runs": [{"seed": HOSTILE, "path": HOSTILE, "reused": False}]}
    models = [{**model, **runs, "settings": {"x": "y"}} for model in document["models"]]
    return attacked({**document, "rows": rows, "models": models})


class TestTables:
    def test_marks_the_best_only_where_the_intervals_tell(self, document: dict[str, Any]) -> None:
        (table,) = tables_of(document)
        marked = {
            (line.model, column.key)
            for line in table.lines
            for column, cell in zip(table.columns, line.cells, strict=True)
            if cell.best
        }
        means = {each["model"]: each["mean"] for each in document["summary"] if each["metric"] == "mse"}
        # Of distortion the interval holds zero; of the others there is none.
        assert marked == {(min(means, key=lambda name: means[name]), "mse")}

    def test_nothing_is_best_beside_a_number_that_is_none(self, document: dict[str, Any]) -> None:
        for each in document["summary"]:
            if (each["model"], each["metric"]) == ("ae.tiny", "mse"):
                each["mean"] = math.nan
        (table,) = tables_of(document)
        cells = {line.model: line.cells[0] for line in table.lines if not line.error}
        assert (cells["ae.tiny"].text, cells["ae.tiny"].value) == ("NaN", None)
        assert not any(cell.best for cell in cells.values())

    def test_many_metrics_share_tables_by_group(self, document: dict[str, Any]) -> None:
        for group, count in (("samples", 7), ("cost", 6)):
            for i in range(count):
                key = f"{group}_{i}"
                document["metrics"][key] = {"name": key, "summary": "", "unit": "", "better": None, "group": group}
                document["summary"].append({"model": "ae.tiny", "metric": key, "mean": 1.0, "sd": None, "n": 1})
        tables = tables_of(document)
        assert [len(table.columns) for table in tables] == [7, 7, 6]
        assert [dict(table.groups).get("samples") for table in tables] == [None, 7, None]
        assert [table.first for table in tables] == [True, False, False]


class TestWording:
    @given(st.floats(-1e12, 1e12), st.floats(1e-12, 1e12))
    def test_a_mean_keeps_the_digits_that_its_spread_leaves(self, mean: float, sd: float) -> None:
        words = mean_and_spread(mean, sd).replace(",", "").replace("−", "-")
        shown, _, spread = words.partition(" ± ")
        assert math.isclose(float(spread), sd, rel_tol=0.06)
        assert abs(float(shown) - mean) <= max(0.06 * sd, 6e-4 * abs(mean))

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_a_number_has_four_digits(self, value: float) -> None:
        shown = float(number(value).replace(",", "").replace("−", "-"))
        assert math.isclose(shown, value, rel_tol=6e-4, abs_tol=1e-300)

    def test_what_is_no_number(self) -> None:
        assert [number(value) for value in (None, math.nan, math.inf, -math.inf, [])] == [
            "–",
            "NaN",
            "∞",
            "−∞",
            "0 values",
        ]
        assert [mean_and_spread(7.0, sd) for sd in (None, 0.0, math.nan)] == ["7", "7", "7"]
        assert [enumerated(words) for words in ([], ["a"], ["a", "b"])] == ["", "a", "a and b"]


LOSSES = st.floats(width=32, allow_subnormal=False)


def records(values: Sequence[float], split: str = "train") -> list[dict[str, Any]]:
    return [{"epoch": i + 1, split: {"loss": value}} for i, value in enumerate(values)]


class TestPanels:
    @settings(max_examples=50, deadline=None)
    @given(st.lists(LOSSES, min_size=1, max_size=12))
    def test_every_finite_value_is_in_the_box(self, values: list[float]) -> None:
        found = panels([Curve("vae", 0, records(values))])
        finite = [value for value in values if math.isfinite(value)]
        assert len(found) == (1 if finite else 0)
        for panel in found:
            (line,) = panel.lines
            assert len(line.points) == len(finite)
            assert all(panel.left <= x <= panel.right and panel.top <= y <= panel.bottom for x, y in line.points)
            assert all(panel.top <= tick.at <= panel.bottom for tick in panel.values)
            assert all(panel.left <= tick.at <= panel.right for tick in panel.epochs)
            for (_, y1), (_, y2), v1, v2 in zip(line.points, line.points[1:], finite, finite[1:], strict=False):
                assert (y1 - y2) * (v2 - v1) >= 0

    def test_runs_and_splits_share_the_axes(self) -> None:
        one, other = Curve("ae", 0, records([3, 1])), Curve("vae", 1, records([3, 1], "validation"))
        (panel,) = panels([one, other])
        assert [(line.place, line.split) for line in panel.lines] == [(0, "train"), (1, "validation")]
        assert panel.lines[0].points == panel.lines[1].points

    def test_long_runs_are_thinned_but_for_their_end(self) -> None:
        (panel,) = panels([Curve("ae", 0, records(range(1, 5001)))])
        (line,) = panel.lines
        assert len(line.points) <= 200
        assert line.points[-1] == max(line.points)
        assert line.last == "5000"
        assert panel.logarithmic

    def test_several_runs_have_a_mean_over_the_epochs_that_all_have(self) -> None:
        runs = [Curve("vae, seed 0", 0, records([4, 2, math.nan, 1])), Curve("vae, seed 1", 0, records([2, 1, 5]))]
        (panel,) = panels([*runs, Curve("ae, seed 0", 1, records([3, 3, 3]))])
        assert [(line.weight, line.place) for line in panel.lines] == [("one", 0), ("one", 0), ("only", 1), ("mean", 0)]
        one, other, _, mean = panel.lines
        assert [x for x, _ in mean.points] == [x for x, _ in other.points[:2]]
        for (_, a), (_, b), (_, y) in zip(one.points, other.points, mean.points, strict=False):
            assert y == pytest.approx((a + b) / 2, abs=0.1)
        assert mean.last == "1.5"
        (panel,) = panels([Curve("a", 0, records([1])), Curve("b", 0, [{"epoch": 2, "train": {"loss": 2}}])])
        assert [line.weight for line in panel.lines] == ["only", "only"], "they share no epoch"


VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=MOST_BARS + 20)


class TestBars:
    @settings(max_examples=40, deadline=None)
    @given(st.dictionaries(st.sampled_from("012"), VALUES, min_size=1), st.booleans())
    def test_every_box_and_dot_is_inside_and_stands_on_zero(self, seeds: dict[str, list[float]], ranked: bool) -> None:
        (found,) = bars_of([Units("vae", 2, seeds)], ranked=ranked)
        most = max(map(len, seeds.values()))
        assert len(found.bars) + found.left_out == most
        assert len(found.bars) == min(most, MOST_BARS)
        for i, bar in enumerate(found.bars):
            assert bar.left >= 0
            assert bar.left + bar.width <= WIDTH
            assert 0 <= bar.top <= bar.top + bar.height <= HEIGHT
            assert found.zero == pytest.approx(bar.top, abs=0.11) or found.zero == pytest.approx(
                bar.top + bar.height, abs=0.11
            )
            having = sum(len(values) > i for values in seeds.values())
            assert len(bar.dots) == (having if having > 1 else 0)
            assert all(0 <= at <= HEIGHT for at in bar.dots)

    def test_each_seed_is_put_in_order_and_means_are_of_ranks(self) -> None:
        seeds = {"0": [1.0, 5.0, math.nan, 3.0], "1": [4.0, 0.0, 2.0]}
        (ranked,) = bars_of([Units("vae", 0, seeds)], ranked=True)
        assert [bar.words.partition(";")[0] for bar in ranked.bars] == ["rank 1: 4.5", "rank 2: 2.5", "rank 3: 0.5"]
        (plain,) = bars_of([Units("vae", 0, seeds)], ranked=False)
        assert [bar.words.partition(";")[0] for bar in plain.bars] == [
            "number 1: 2.5",
            "number 2: 2.5",
            "number 3: 2",
            "number 4: 3",
        ]

    def test_models_share_a_scale(self) -> None:
        small, large = bars_of([Units("a", 0, {"0": [1.0]}), Units("b", 1, {"0": [4.0]})], ranked=True)
        assert large.bars[0].height == pytest.approx(4 * small.bars[0].height, abs=0.3)
        assert small.values == large.values
        assert bars_of([Units("a", 0, {"0": [math.nan]}), Units("b", 1, {})], ranked=True) == []

    @pytest.mark.parametrize(
        ("values", "place"),
        [([5.0], 0), ([1.0, 2.0], 1), ([3.0, 1.0, 2.0], 2), ([1.0, None], 0), ([2.0, math.nan, 1.0], 0), ([], 0)],
    )
    def test_the_pictured_seed_is_the_one_in_the_middle(self, values: list[float | None], place: int) -> None:
        assert middle(values) == place


class TestNearest:
    def test_finds_the_nearest_by_direct_sums(self, folder: Path) -> None:
        run = runs_of(folder, "vae.tiny")[1]
        registry = load_registry()
        found = nearest_training(registry, run)
        images, options = images_for(registry, run)
        # Held-back images were not trained on, and do not count.
        train, held = hold_out(images.train, options.val_fraction, run.metadata["training"]["seed"])
        assert len(held) > 0
        x = images.read(train.x)
        distance = (found.samples[:, None] - x).square().sum(dim=(2, 3, 4)).sqrt()
        torch.testing.assert_close(found.distance, distance.min(1).values)
        torch.testing.assert_close(found.nearest, x[found.index])
        test = (images.read(images.test.x)[:, None] - x).square().sum(dim=(2, 3, 4)).sqrt()
        torch.testing.assert_close(found.of_test, test.min(1).values)

    def test_a_model_that_learnt_by_heart_shows(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run = runs_of(folder, "ae.tiny")[0]
        registry = load_registry()
        model = load_model(run, registry)
        images, options = images_for(registry, run)
        train, _ = hold_out(images.train, options.val_fraction, 0)
        copies = images.read(train.x[5:21])
        monkeypatch.setattr(model, "sample", lambda count: copies[:count])
        monkeypatch.setattr(nearest, "load_model", lambda run, registry: model)
        found = nearest_training(registry, run)
        assert found.distance.tolist() == [0.0] * 16
        assert torch.equal(found.nearest, copies)


CONTRAST = """() => {
  const rgba = (text) => {
    const [r, g, b, a = 1] = text.match(/[0-9.]+/g).map(Number);
    return { r, g, b, a };
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = rgba(getComputedStyle(at).backgroundColor);
      if (found.a === 1) return found;
    }
    throw new Error("no background");
  };
  for (const each of document.querySelectorAll("details")) each.open = true;
  const low = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, svg title")) continue;
    const style = getComputedStyle(element);
    const ink = rgba(element.closest("svg") ? style.fill : style.color);
    const [one, other] = [light(ink), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    seen += 1;
    if (ink.a < 1 || ratio < 4.5) low.push([walker.currentNode.data, ratio]);
  }
  return { low, seen };
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser without a window."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no Chromium on the PATH (looked for {', '.join(BROWSERS)})")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = started.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


class Tab:
    """A page that is open in a browser, and what it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, width: int = 1440, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()

    def column(self, heading: str) -> list[str]:
        """The models of the first table, as they stand."""
        return [text.strip() for text in self.page.locator(f"table.results >> nth=0 >> {heading}").all_inner_texts()]


@pytest.fixture(scope="module")
def path(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, alone in a folder: nothing else can be read from there."""
    path = tmp_path_factory.mktemp("alone") / "report.html"
    path.write_text(page, "utf-8")
    return path


class TestBrowser:
    def test_opens_from_disk_without_a_word(self, chromium: Any, path: Path) -> None:
        with Tab(chromium, path) as tab:
            assert tab.said == []
            assert [url for url in tab.asked if not url.startswith("data:")] == [path.as_uri()]
            broken = "[...document.images].filter((each) => !each.complete || !each.naturalWidth).length"
            assert tab.page.evaluate(broken) == 0

    def test_a_heading_sorts_by_click_and_by_key(self, chromium: Any, path: Path, compared: dict[str, Any]) -> None:
        means = {each["model"]: each["mean"] for each in compared["summary"] if each["metric"] == "mse"}
        better, worse = sorted(means, key=lambda name: means[name])
        with Tab(chromium, path) as tab:
            head = tab.page.get_by_role("columnheader", name=re.compile("^mse"))
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == "ascending"
            assert tab.column(".name") == [better, worse, "factor-vae"]
            head.get_by_role("button").focus()
            tab.page.keyboard.press("Enter")
            assert head.get_attribute("aria-sort") == "descending"
            # A model that failed has no number, and stays last.
            assert tab.column(".name") == [worse, better, "factor-vae"]
            names = tab.page.get_by_role("columnheader", name="model", exact=True).first
            names.get_by_role("button").click()
            assert tab.column(".name") == ["ae.tiny", "factor-vae", "vae.tiny"]
            assert [names.get_attribute("aria-sort"), head.get_attribute("aria-sort")] == ["ascending", "none"]
            assert tab.said == []

    def test_where_higher_is_better_the_highest_comes_first(self, chromium: Any, path: Path) -> None:
        with Tab(chromium, path) as tab:
            head = tab.page.get_by_role("columnheader", name=re.compile("^elbo"))
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == "descending"
            assert tab.column(".name")[0] == "vae.tiny"

    def test_a_picture_grows_and_shrinks(self, chromium: Any, path: Path) -> None:
        with Tab(chromium, path) as tab:
            button = tab.page.locator("button.picture").first
            width = button.bounding_box()["width"]
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            assert button.bounding_box()["width"] > width
            button.press("Enter")
            assert button.bounding_box()["width"] == width

    @pytest.mark.parametrize("width", [390, 1440])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_is_legible(self, chromium: Any, path: Path, width: int, scheme: str) -> None:
        with Tab(chromium, path, width, scheme) as tab:
            found = tab.page.evaluate(CONTRAST)
            assert found["seen"] > 200
            assert found["low"] == []
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
            paper = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (paper == "rgb(255, 255, 255)") == (scheme == "light")

    def test_prints_what_is_folded(self, chromium: Any, path: Path) -> None:
        with Tab(chromium, path) as tab:
            tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert tab.page.locator("details:not([open])").count() == 0
            tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
            assert tab.page.locator("details[open]").count() == 0

    def test_runs_nothing_that_people_wrote(self, chromium: Any, document: dict[str, Any], tmp_path: Path) -> None:
        with Tab(chromium, write_report(tmp_path, hostile(document), load_registry()), width=390) as tab:
            assert tab.said == []
            assert "<img src=x onerror=alert(1)>" in tab.page.locator("h1").inner_text()
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390

    def test_would_run_nothing_even_if_it_stood_in_the_page(self, chromium: Any, page: str, tmp_path: Path) -> None:
        attack = "<img src=x onerror=alert(1)><script>alert(2)</script></body>"
        (tmp_path / "attacked.html").write_text(page.replace("</body>", attack), "utf-8")
        with Tab(chromium, tmp_path / "attacked.html") as tab:
            assert not {"1", "2"} & set(tab.said)
            assert any("Content Security Policy" in said for said in tab.said)
