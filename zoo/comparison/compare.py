"""Models side by side: trained here under the same data, seeds and budget, or taken from finished runs."""

from __future__ import annotations

__all__ = ["Comparison", "Row", "compare_models"]

import json
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import Interrupted, ZooError, one_line
from zoo.evaluation.runs import evaluate_run, images_for
from zoo.experiment import open_or_fall_back, run_training
from zoo.registry import Registry
from zoo.runs.files import write_text
from zoo.runs.folder import Run, find_run
from zoo.runs.loading import load_model
from zoo.settings import Layer, Settings, resolve
from zoo.training.progress import Progress

COLUMNS = (
    "mse",
    "sse",
    "distortion",
    "rate",
    "objective",
    "elbo",
    "log_likelihood",
    "bits_per_dim",
    "active_units",
    "parameters",
    "seconds",
)


@dataclass(frozen=True)
class Row:
    """One model of a comparison.

    Arguments:
        name: As it was asked for.
        runs: Its runs, one a seed.
        scores: Means over them.
        spread: Standard deviations over them, where there are at least two.
        error: Why it has no scores, in one line.
        likelihood: What its number for log p(x) is: exact, a bound, or none.
    """

    name: str
    runs: tuple[Run, ...] = ()
    scores: dict[str, float | None] | None = None
    spread: dict[str, float] | None = None
    error: str | None = None
    likelihood: str | None = None


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Arguments:
        path: The folder of the comparison.
        data: The data set that all models saw.
        rows: One a model.
        figure: The side-by-side picture, if at least one model has something to show.
    """

    path: Path
    data: str
    rows: tuple[Row, ...]
    figure: Path | None

    @property
    def caution(self) -> str:
        """What to keep in mind when likelihoods are read side by side; empty where all have the same."""
        if len({row.likelihood for row in self.rows if row.error is None}) < 2:
            return ""
        return (
            "log_likelihood is log p(x) itself, elbo a lower bound on it, and some models have neither; "
            "compare them only where 'likelihood' says the same"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `--json` prints and `results.json` holds."""
        return {
            "path": str(self.path),
            "data": self.data,
            "figure": str(self.figure) if self.figure else None,
            "caution": self.caution,
            "rows": [
                {
                    "name": row.name,
                    "runs": [str(run.path) for run in row.runs],
                    "scores": row.scores,
                    "spread": row.spread,
                    "error": row.error,
                    "likelihood": row.likelihood,
                }
                for row in self.rows
            ],
        }


def is_path(name: str) -> bool:
    """Whether a name means a run: it has a separator, or is a weights file."""
    return os.sep in name or "/" in name or name.endswith(".safetensors")


def compare_models(
    registry: Registry, names: Sequence[str], layer: Layer, *, seeds: int, out: Path | None, progress: Progress
) -> Comparison:
    """Compare models and runs.

    Arguments:
        registry: Where models are found.
        names: Models, `model.recipe`, or paths of runs.
        layer: Settings for every model that is trained.
        seeds: Runs of each model, with successive seeds.
        out: The folder; by default the next `compare/<models>-<data>-<N>`.
        progress: Who is told.

    Raises:
        ZooError: If nothing is named, a name is unknown, or runs are of different data.
    """
    if not names:
        raise ZooError("nothing to compare; name models such as 'ae conv-vae', or runs such as runs/ae-mnist-1")
    if seeds < 1:
        raise ZooError(f"--seeds must be at least 1, got {seeds}")
    runs = {name: find_run(name) for name in names if is_path(name)}
    for run in runs.values():
        # Here, before anything is written: the plugin of a run may be gone.
        load_model(run, registry)
    models = {name: resolve(registry, name, [layer]) for name in names if name not in runs}
    data, models = _agree_on_data(registry, runs, models, progress)
    path = _new_folder(out, names, data)
    rows = []
    for name in dict.fromkeys(names):
        progress.say(f"{name}:")
        rows.append(
            _row_of_run(registry, name, runs[name])
            if name in runs
            else _row_of_model(registry, name, models[name], seeds, path, progress)
        )
    figure = _draw(registry, rows, path, data)
    comparison = Comparison(path, data, tuple(rows), figure)
    write_text(path / "results.json", json.dumps(comparison.to_dict(), indent=2) + "\n")
    return comparison


def _agree_on_data(
    registry: Registry, runs: dict[str, Run], models: dict[str, Settings], progress: Progress
) -> tuple[str, dict[str, Settings]]:
    """Return the one data set of all runs and models.

    Raises:
        ZooError: If there is more than one.
    """
    used = {name: run.metadata["data"]["name"] for name, run in runs.items()}
    shapes = {name: tuple(run.metadata["data"]["shape"]) for name, run in runs.items()}
    for data in used.values():
        models = {name: _on_data(settings, data) for name, settings in models.items()}
    # Read here, so that a set that cannot be had is said once, and before anything is written.
    if not models:
        images_for(registry, next(iter(runs.values())))
    read: dict[object, tuple[int, ...]] = {}
    for name in list(models):
        # What decides the shape of images; most often all models read alike.
        options = models[name].data_options
        how = (models[name].data, options.image_size, options.colour, options.crop)
        if how not in read:
            settings, images = open_or_fall_back(registry, models[name], progress)
            models = {other: _on_data(s, settings.data) for other, s in models.items()}
            read[(settings.data, *how[1:])] = images.shape
        used[name], shapes[name] = models[name].data, read[(models[name].data, *how[1:])]
    if len(set(used.values())) > 1:
        pairs = ", ".join(f"{name} {data}" for name, data in used.items())
        raise ZooError(f"these are of different data, so that their scores say nothing of each other: {pairs}")
    if len(set(shapes.values())) > 1:
        pairs = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in shapes.items())
        raise ZooError(f"these take images of different shapes; add --image-size or leave some out: {pairs}")
    return next(iter(used.values())), models


def _on_data(settings: Settings, data: str) -> Settings:
    """Return settings with a data set, if they name none of their own."""
    return settings if settings.data_asked else replace(settings, data=data, data_asked=True)


def _new_folder(out: Path | None, names: Sequence[str], data: str) -> Path:
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ZooError(f"--out {out} is there already and is not empty; name another folder")
        out.mkdir(parents=True, exist_ok=True)
        return out
    words = [Path(name).name if is_path(name) else name for name in names]
    stem = re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join([*words[:4], data]))
    number = 1
    while (path := Path("compare") / f"{stem}-{number}").exists():
        number += 1
    path.mkdir(parents=True)
    return path


def _row_of_run(registry: Registry, name: str, run: Run) -> Row:
    scores = run.scores or evaluate_run(registry, run)
    return Row(name, (run,), {key: scores.get(key) for key in COLUMNS}, likelihood=scores.get("likelihood"))


def _row_of_model(registry: Registry, name: str, settings: Settings, seeds: int, path: Path, progress: Progress) -> Row:
    runs: list[Run] = []
    first = settings.training.seed
    for seed in range(first, first + seeds):
        seeded = replace(settings, training=replace(settings.training, seed=seed))
        try:
            runs.append(run_training(registry, seeded, progress, path / "runs" / f"{name}-seed{seed}"))
        except Interrupted:
            raise
        # One model that fails, in whatever way its code does, must not cost the others.
        except ZooError as error:
            return Row(name, tuple(runs), error=str(error))
        except Exception as error:
            return Row(name, tuple(runs), error=one_line(error))
    scores = [run.scores for run in runs]
    spread = _spread(scores) if seeds > 1 else None
    return Row(name, tuple(runs), _mean(scores), spread, likelihood=scores[0].get("likelihood"))


def _mean(scores: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    found = _columns(scores)
    return {key: statistics.fmean(found[key]) if key in found else None for key in COLUMNS}


def _spread(scores: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {key: statistics.stdev(values) for key, values in _columns(scores).items()}


def _columns(scores: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the values of each score that every run has."""
    found = {key: [score[key] for score in scores if score.get(key) is not None] for key in COLUMNS}
    return {key: values for key, values in found.items() if len(values) == len(scores)}


def _draw(registry: Registry, rows: Sequence[Row], path: Path, data: str) -> Path | None:
    shown = [row for row in rows if row.runs and row.error is None]
    if not shown:
        return None
    from zoo.comparison.picture import draw_comparison

    images, options = images_for(registry, shown[0].runs[0])
    figure = path / "figures" / "comparison.png"
    figure.parent.mkdir(exist_ok=True)
    note = "log p(x): " + "; ".join(f"{row.name} {row.likelihood or 'none'}" for row in shown)
    draw_comparison(figure, registry, [(row.name, row.runs[0]) for row in shown], images, options, data, note)
    return figure
