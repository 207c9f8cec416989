"""Models side by side: trained here under the same data, seeds and budget, or taken from finished runs."""

from __future__ import annotations

__all__ = ["Comparison", "compare_models"]

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.comparison.agreement import Agreed, agree
from zoo.comparison.baseline import same_models
from zoo.comparison.document import as_json, make_document, read_document
from zoo.comparison.entries import Entry, parse_entries, slug
from zoo.comparison.folder import RESULTS, open_folder
from zoo.comparison.report import write_report
from zoo.comparison.rows import Row
from zoo.comparison.scores import ScoredRun, columns, score_run, wanted_metrics
from zoo.distributed.launch import refuse_launch
from zoo.errors import Interrupted, ZooError, one_line
from zoo.evaluation.blocks import SAMPLES
from zoo.evaluation.measure import Asked
from zoo.evaluation.runs import images_for
from zoo.many.choice import Way
from zoo.many.task import Task
from zoo.many.trained import Trained, train_many
from zoo.registry import Registry
from zoo.runs.files import write_text
from zoo.runs.folder import Run, find_run
from zoo.runs.loading import load_model
from zoo.settings import Layer, Settings, resolve
from zoo.tracking import Tracker
from zoo.training.progress import Progress


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Arguments:
        path: The folder of the comparison.
        rows: What became of each model.
        document: What `results.json` holds.
        report: The page that shows all of it.
        figure: The side-by-side picture, if at least one model has something to show.
    """

    path: Path
    rows: tuple[Row, ...]
    document: dict[str, Any]
    report: Path
    figure: Path | None = None

    @property
    def failed(self) -> bool:
        """Whether a model, or a metric of one, has failed."""
        return any(row.error or row.failed for row in self.rows)


@dataclass(frozen=True)
class _Work:
    """What all models of a comparison share."""

    registry: Registry
    path: Path
    wanted: Sequence[Asked]
    samples: int
    progress: Progress
    trackers: Sequence[Tracker]
    way: Way

    def score(self, run: Run, device: str) -> ScoredRun:
        return score_run(self.registry, run, self.wanted, self.samples, device, self.progress)


def compare_models(
    registry: Registry,
    names: Sequence[str],
    layer: Layer,
    *,
    seeds: int,
    out: Path | None,
    progress: Progress,
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    unnamed: Collection[str] = (),
    samples: int = SAMPLES,
    command: str,
    baseline: Path | None = None,
    trackers: Sequence[Tracker] = (),
    way: Way = "auto",
) -> Comparison:
    """Compare models and runs; what was trained with the same settings before is not trained again.

    Arguments:
        registry: Where models are found.
        names: Models, `model.recipe`, models with settings of their own, or paths of runs.
        layer: Settings for every model that is trained.
        seeds: Runs of each model, with successive seeds.
        out: The folder; by default the next `compare/<models>-<data>-<N>`, or the one where this was stopped.
        progress: Who is told.
        metrics: Options of further metrics, by name.
        unnamed: Which of them nobody named: one that needs more samples finds nothing, and has not failed.
        samples: How many images metrics of samples draw.
        command: The command that does the same again.
        baseline: An earlier `results.json` that it will be held against; checked before anything is trained.
        trackers: What follows the runs that are trained here.
        way: Whether they are trained side by side.

    Raises:
        ZooError: If nothing is named, a name is unknown, or runs are of different data.
        Interrupted: If it was stopped; the same call goes on from there.
    """
    refuse_launch("a comparison")
    if seeds < 1:
        raise ZooError(f"--seeds must be at least 1, got {seeds}")
    entries = parse_entries(names)
    wanted = wanted_metrics(registry, metrics or {}, unnamed)
    runs = {entry.label: find_run(entry.path, registry.plugins.paths) for entry in entries if entry.path is not None}
    for run in runs.values():
        # Here, before anything is written: the plugin of a run may be gone.
        load_model(run, registry)
    models = {entry.label: _settings(registry, entry, layer) for entry in entries if entry.path is None}
    earlier = read_document(baseline) if baseline is not None else None
    agreed = agree(registry, runs, models, progress)
    if earlier is not None:
        same_models(earlier, str(baseline), agreed.data, [entry.label for entry in entries])
    path = open_folder(out, _stem(entries, agreed.data), _request(entries, agreed, runs))
    work = _Work(registry, path, wanted, samples, progress, trackers, way)
    device = str(layer.values.get("device", "auto"))
    try:
        rows = _rows(work, entries, runs, agreed, seeds, device)
        return _write(work, rows, agreed, command)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; what was trained is in {path}, and the same command goes on there") from None


def _settings(registry: Registry, entry: Entry, layer: Layer) -> Settings:
    own = [Layer(f"'{entry.label}'", entry.settings)] if entry.settings else []
    return resolve(registry, entry.model, [layer, *own])


def _stem(entries: Sequence[Entry], data: str) -> str:
    words = [entry.path.name if entry.path is not None else slug(entry.label) for entry in entries[:4]]
    return slug("-".join([*words, data]))


def _request(entries: Sequence[Entry], agreed: Agreed, runs: Mapping[str, Run]) -> dict[str, Any]:
    """Return what makes a comparison the same one: what is compared, but not how often or by which metrics."""
    return {
        "data": agreed.data,
        "entries": [
            {"name": entry.label, "run": str(runs[entry.label].path)}
            if entry.label in runs
            else {"name": entry.label, "settings": agreed.models[entry.label].to_dict()}
            for entry in entries
        ],
    }


def _rows(
    work: _Work, entries: Sequence[Entry], runs: Mapping[str, Run], agreed: Agreed, seeds: int, device: str
) -> list[Row]:
    tasks = _tasks(work, entries, agreed, seeds)
    trained = train_many(
        work.registry, [one for of in tasks.values() for one in of], work.progress, work.trackers, work.way
    )
    rows: list[Row] = []
    for entry in entries:
        work.progress.say(f"{entry.label}:")
        if entry.label in runs:
            rows.append(_row_of_run(work, entry, runs[entry.label], device))
        else:
            rows.append(_row_of_model(work, entry, agreed.models[entry.label], tasks[entry.label], trained))
    return rows


def _tasks(work: _Work, entries: Sequence[Entry], agreed: Agreed, seeds: int) -> dict[str, list[Task]]:
    """Return the runs of each model, by its label."""
    tasks: dict[str, list[Task]] = {}
    taken: set[str] = set()
    for entry in entries:
        if entry.label not in agreed.models:
            continue
        name = slug(entry.label)
        name = name if name not in taken else f"{name}-{len(taken)}"
        taken.add(name)
        settings = agreed.models[entry.label]
        first = settings.training.seed
        tasks[entry.label] = [_task(work, entry, settings, seed, name) for seed in range(first, first + seeds)]
    return tasks


def _task(work: _Work, entry: Entry, settings: Settings, seed: int, name: str) -> Task:
    seeded = replace(settings, training=replace(settings.training, seed=seed))
    where = work.path / "runs" / f"{name}-seed{seed}"
    command = shlex.join(["zoo", *work.registry.plugins.flags, "train", "--config", str(where / "config.toml")])
    return Task(f"{entry.label}, seed {seed}", seeded, where, command)


def _row_of_run(work: _Work, entry: Entry, run: Run, device: str) -> Row:
    facts = run.metadata
    settings = {name: facts[name] for name in ("model", "composition", "parts", "options", "training")}
    row = Row(entry.label, facts["model"], None, {**settings, "images": facts["data"]})
    try:
        return replace(row, scored=(work.score(run, device),))
    except Exception as error:
        return replace(row, error=_told(error))


def _row_of_model(work: _Work, entry: Entry, settings: Settings, tasks: Sequence[Task], trained: Trained) -> Row:
    row = Row(entry.label, settings.model.name, settings.recipe, settings.to_dict())
    for task in tasks:
        try:
            run, reused = trained.take(task)
            one = replace(work.score(run, settings.training.device), reused=reused)
        # One model that fails, in whatever way its code does, must not cost the others.
        except Exception as error:
            return replace(row, error=_told(error))
        row = replace(row, scored=(*row.scored, one))
    return row


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, ZooError) else one_line(error)


def _write(work: _Work, rows: Sequence[Row], agreed: Agreed, command: str) -> Comparison:
    document = make_document(rows, agreed, columns(work.wanted), work.samples, command, work.path)
    figure = _draw(work, rows, agreed.data)
    document["figure"] = figure.relative_to(work.path).as_posix() if figure is not None else None
    report = write_report(work.path, document, work.registry)
    # Last, because a comparison with results is a finished one.
    write_text(work.path / RESULTS, as_json(document))
    return Comparison(work.path, tuple(rows), document, report, figure)


def _draw(work: _Work, rows: Sequence[Row], data: str) -> Path | None:
    shown = [row for row in rows if row.runs and row.error is None]
    if not shown:
        return None
    from zoo.comparison.picture import draw_comparison

    images, options = images_for(work.registry, shown[0].pictured)
    figure = work.path / "figures" / "comparison.png"
    figure.parent.mkdir(exist_ok=True)
    note = "log p(x): " + "; ".join(f"{row.name} {row.likelihood or 'none'}" for row in shown)
    draw_comparison(figure, work.registry, [(row.name, row.pictured) for row in shown], images, options, data, note)
    return figure
