"""A run from settings to folder: data, model, training, scores, figures, card."""

from __future__ import annotations

__all__ = ["Fit", "open_or_fall_back", "resume", "run_training"]

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from zoo.assembly import build_model, providers
from zoo.data.cache import DataUnavailable
from zoo.data.images import ImageSet, class_counts
from zoo.data.options import DataOptions
from zoo.data.split import hold_out
from zoo.datasets import open_images
from zoo.device import choose_device
from zoo.distributed.company import company_of
from zoo.distributed.launch import ProcessLost
from zoo.distributed.meeting import Meeting, met
from zoo.errors import Diverged, Interrupted, ZooError, one_line
from zoo.evaluation.blocks import BLOCK, figure_batches, subject_of
from zoo.evaluation.measure import score, usual
from zoo.following import Following
from zoo.interfaces import Model, Site, Step
from zoo.registry import ModelSpec, Registry
from zoo.runs.card import write_card
from zoo.runs.checkpoint import Checkpoint, Checkpoints, read_checkpoint
from zoo.runs.folder import WEIGHTS, Run, find_run, new_folder, new_run_folder
from zoo.runs.forms import TABLES, misfit
from zoo.runs.loading import count_parameters, find_data, find_parts, metadata_of, options_from, place, save_model
from zoo.runs.origin import Origin, keep_files
from zoo.runs.weights import read_tensors
from zoo.settings import DEFAULT_DATA, Settings
from zoo.tracking import Tracker, still_there
from zoo.training.allocator import keep_freed_memory
from zoo.training.options import TrainOptions
from zoo.training.progress import Progress, Silent
from zoo.training.randomness import isolated
from zoo.training.residence import feed_of, where_from
from zoo.training.threads import with_threads
from zoo.training.trainer import Outcome, Trainer, TrainingData

FALLBACK_DATA = "glyphs"
Fit: TypeAlias = Callable[[Trainer], Outcome]

Scored: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Told what a run scored."""


def _nobody(scores: Mapping[str, Any]) -> None:
    """Tell nobody."""


def open_or_fall_back(registry: Registry, settings: Settings, progress: Progress) -> tuple[Settings, ImageSet]:
    """Read a run's data; where the default set cannot be had and nobody asked for it, use `glyphs` and say so."""
    try:
        images = open_images(registry, settings.data, settings.data_options)
    except DataUnavailable as error:
        if settings.data_asked or settings.data != DEFAULT_DATA:
            raise
        progress.say(f"NOTE: {error}")
        progress.say(f"NOTE: using '{FALLBACK_DATA}' instead of MNIST, and naming it in everything that is written")
        settings = replace(settings, data=FALLBACK_DATA)
        images = open_images(registry, settings.data, settings.data_options)
    for note in images.notes:
        progress.say(note)
    return settings, images


@dataclass(frozen=True)
class _Job:
    """Everything that a run works on, made from its settings before anything is written."""

    registry: Registry
    settings: Settings
    images: ImageSet
    site: Site
    model: Model
    data: TrainingData
    meeting: Meeting

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return self.meeting.device


def _make_job(registry: Registry, settings: Settings, images: ImageSet, meeting: Meeting) -> _Job:
    device = meeting.device
    if device.type == "cpu":
        keep_freed_memory()
    training, options = settings.training, settings.data_options
    if training.patience is not None and not options.val_fraction:
        raise ZooError("--patience needs validation images; add --val-fraction 0.1")
    train, held = images.train, None
    if options.val_fraction:
        train, held = hold_out(images.train, options.val_fraction, training.seed)
    site = Site(images.shape, len(train), {}, class_counts(train))
    # Made on the CPU, so that a seed gives the same weights whatever the device.
    model = build_model(
        registry,
        settings.model.composition,
        settings.model.parts,
        settings.options,
        site,
    )
    feed = feed_of(images, train, options, training.batch_size, training.seed, device)
    # The order depends on how much memory there is, and must be the same on all machines.
    feed = replace(feed, windowed=bool(meeting.world.hear("windowed" if feed.windowed else "")))
    validation = None
    if held is not None:
        validation = feed_of(images, held, options, BLOCK, training.seed, device)
    return _Job(registry, settings, images, site, place(model, device), TrainingData(feed, validation), meeting)


def run_training(
    registry: Registry,
    settings: Settings,
    progress: Progress,
    out: Path | None = None,
    command: str = "",
    trackers: Sequence[Tracker] = (),
    scored: Scored = _nobody,
    fit: Fit = Trainer.fit,
) -> Run:
    """Train a model and write its run folder; nothing is written before data and model stand.

    Arguments:
        registry: Where models, parts and data sets are found.
        settings: What determines the run.
        progress: Who is told.
        out: The run folder; by default the next `runs/<model>-<data>-<N>`.
        command: The command that trains the same again, for the card.
        trackers: What follows the run, beside the plugins.
        scored: Told the scores as soon as they are known, before figures are drawn.
        fit: Has the trainer train, by itself or among others.

    Raises:
        ZooError: If a setting does not fit, data cannot be had, or a tracker does not import.
        Diverged: If training stopped making sense; the folder then holds the last good weights.
        ProcessLost: If several processes train it, and one of them is gone.
    """
    # A mistake that can be told at once, before data is read or downloaded.
    choose_device(settings.training.device)
    for tracker in trackers:
        tracker.load()
    with met(settings.training) as meeting, isolated(settings.training.seed):
        progress = progress if meeting.world.first else Silent()
        with meeting.first_alone():
            settings, images = open_or_fall_back(registry, settings, progress)
        job = _make_job(registry, settings, images, meeting)
        if settings.training.init_from is not None:
            _start_from(job.model, Path(settings.training.init_from))
        title = settings.model.name + (f".{settings.recipe}" if settings.recipe else "")
        path = new_run_folder(out, title, settings.data) if meeting.world.first else Path()
        run = Run(Path(meeting.world.hear(str(path))), plugins=registry.plugins.paths)
        if not meeting.world.first:
            trainer = _trainer(job, run, None, progress)
            trainer.start()
            meeting.attend(trainer.fit, _again(run))
            return run
        with new_folder(run.path):
            run.write_config({**_tables(registry, run, settings, command), **_tracking(trackers)})
            following = Following(registry.plugins, run, progress, trackers)
            trainer = _trainer(job, run, following, progress)
            trainer.start()
        return _train_and_finish(job, run, trainer, following, progress, scored, fit)


def resume(
    registry: Registry,
    where: str | Path,
    progress: Progress,
    epochs: int | None = None,
    trackers: Sequence[Tracker] = (),
    scored: Scored = _nobody,
    fit: Fit = Trainer.fit,
) -> tuple[Run, bool]:
    """Go on with a run from its last checkpoint; return it, and whether there was anything to do.

    Arguments:
        registry: Where parts and data sets are found.
        where: The run folder.
        progress: Who is told.
        epochs: Train to this many epochs instead of those that the run was started with.
        trackers: What follows it from here on, instead of what did before.
        scored: Told the scores as soon as they are known, before figures are drawn.
        fit: Has the trainer train, by itself or among others.

    Raises:
        ZooError: If there is no run, no checkpoint, or fewer epochs are asked for than are done.
    """
    run = find_run(where, registry.plugins.paths)
    tables = run.settings
    settings = settings_from(registry, run)
    checkpoint = read_checkpoint(run.path)
    if checkpoint is None:
        raise ZooError(f"{run.path} has no checkpoint to go on from; train it again")
    done, reason = checkpoint.facts["epoch"], checkpoint.facts["reason"]
    if epochs is not None and epochs < done:
        raise ZooError(f"--epochs {epochs}: {run.path} has trained {done} already; name more, or leave it out")
    goal = epochs or settings.training.epochs
    if reason and goal <= done and run.scores:
        progress.say(f"{run.path} finished after {done} epochs; '--epochs {done + 10}' goes on")
        return run, False
    # A run that was made longer is no run of its settings from the start, where schedules are shares of it.
    extended = tables.get("extended_from", []) + [settings.training.epochs] * (goal != settings.training.epochs)
    training = TrainOptions.from_dict({**settings.training.to_dict(), "epochs": goal})
    settings = replace(settings, training=training)
    command, kept = tables.get("command", ""), {key: tables[key] for key in ("track",) if key in tables}
    if trackers:
        kept = _tracking(trackers)
    else:
        trackers, notes = still_there(registry, tables.get("track", {}))
        for note in notes:
            progress.say(note)
    with met(training) as meeting, isolated(training.seed):
        with meeting.first_alone():
            images = open_images(registry, settings.data, settings.data_options)
        job = _make_job(registry, settings, images, meeting)
        # Nothing is written before all of them have read it.
        meeting.world.sum([torch.zeros(1, device=meeting.device)])
        if not meeting.world.first:
            trainer = _trainer(job, run, None, Silent())
            trainer.restore(checkpoint)
            meeting.attend(trainer.fit, _again(run))
            return run, True
        following = Following(registry.plugins, run, progress, trackers)
        trainer = _trainer(job, run, following, progress)
        trainer.restore(checkpoint)
        kept |= {"extended_from": extended} if extended else {}
        run.write_config({**_tables(registry, run, settings, command), **kept})
        where_from = f"epoch {done}" + (f", step {checkpoint.facts['count']}" if checkpoint.facts["position"] else "")
        progress.say(f"resuming {run.path} from {where_from}")
        return _train_and_finish(job, run, trainer, following, progress, scored, fit), True


def _tables(registry: Registry, run: Run, settings: Settings, command: str) -> dict[str, Any]:
    """Return what `config.toml` holds, with the one-file plugins that the run now keeps."""
    made_by = providers(registry, settings.model.composition, settings.model.parts, settings.data)
    files = keep_files(run, registry.plugins.files)
    return {
        **settings.to_dict(),
        "command": command,
        "providers": made_by,
        **({"plugin_files": files} if files else {}),
    }


def _tracking(trackers: Sequence[Tracker]) -> dict[str, Any]:
    """Return what `config.toml` says of trackers: no setting of the run, but what follows it when it is resumed."""
    return {"track": {tracker.name: tracker.options.to_dict() for tracker in trackers}} if trackers else {}


def settings_from(registry: Registry, run: Run) -> Settings:
    """Return the settings that a run's `config.toml` holds, whether or not its model is still in a registry.

    Raises:
        ZooError: If the file was damaged by hand.
    """
    tables = run.settings
    wrong = misfit(tables, TABLES)
    if wrong is not None:
        raise ZooError(f"the run's config.toml: '{wrong}' is missing or makes no sense; restore it, or train again")
    name, origin = tables["model"], Origin(run, "the run", tables["providers"])
    composition, parts = find_parts(registry, origin, tables["composition"], tables["parts"])
    known = registry.model(name) if name in registry.models else None
    blank = ModelSpec(name, registry.compositions.find(composition).source)
    return Settings(
        model=replace(known or blank, composition=composition, parts=parts),
        recipe=None,
        options=options_from(registry, composition, parts, tables["options"]),
        data=find_data(registry, origin, tables["data"]),
        data_asked=True,
        data_options=DataOptions.from_dict(tables["images"]),
        training=TrainOptions.from_dict(tables["training"]),
    )


def _trainer(job: _Job, run: Run, following: Following | None, progress: Progress) -> Trainer:
    """Return what trains the job; without followers nothing is written either."""

    def record(line: Mapping[str, Any]) -> None:
        if following is None:
            return
        run.append_record(line)
        following.epoch(line)

    checkpoints = Checkpoints(run.path)

    def save(checkpoint: Checkpoint) -> None:
        if following is not None:
            checkpoints(checkpoint)

    company = company_of(job.model, job.meeting.world)
    return Trainer(job.model, job.data, job.settings.training, progress, save, record, company)


def _start_from(model: Model, where: Path) -> None:
    tensors, _ = read_tensors(find_run(where).weights)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise ZooError(f"--init-from {where}: its weights do not fit this model; train the same parts") from None


def _train_and_finish(
    job: _Job, run: Run, trainer: Trainer, following: Following, progress: Progress, scored: Scored, fit: Fit
) -> Run:
    try:
        with following.training():
            return _train(job, run, trainer, following, progress, scored, fit)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted and saved; {_again(run)}") from None
    except ProcessLost as error:
        raise error.going_on(_again(run)) from None
    finally:
        job.meeting.world.wait_for_first()


def _again(run: Run) -> str:
    return f"go on with 'zoo train --resume {run.path}'"


def _train(
    job: _Job, run: Run, trainer: Trainer, following: Following, progress: Progress, scored: Scored, fit: Fit
) -> Run:
    for line in where_from(trainer.data.train):
        progress.say(line)
    try:
        outcome = fit(trainer)
    except Diverged as error:
        kept = read_checkpoint(run.path)
        if kept is not None:
            trainer.restore(kept)
        save_model(run.path / WEIGHTS, job.model, _metadata(job, trainer, trainer.outcome(), "diverged"))
        epoch = kept.facts["epoch"] if kept is not None else 0
        raise Diverged(f"{error}; the weights of epoch {epoch} are in {run.path}") from None
    save_model(run.path / WEIGHTS, job.model, _metadata(job, trainer, outcome, outcome.reason))
    # The other processes wait, and leave it their cores.
    with with_threads(torch.get_num_threads() * job.meeting.neighbours):
        progress.say("scoring the test images")
        scores, per_image = _score(job, trainer.present_step(), outcome)
        scored(scores)
        _draw(job, run, scores, progress)
        write_card(run, scores, job.registry.metrics.entries())
        # Last, because a run with scores is a finished one.
        run.write_scores(scores, per_image)
    following.evaluated(scores)
    return run


def _metadata(job: _Job, trainer: Trainer, outcome: Outcome, reason: str) -> dict[str, Any]:
    facts = {**vars(outcome), "reason": reason, "parameters": count_parameters(job.model)}
    return metadata_of(job.registry, job.settings, job.site, trainer.present_step(), facts)


def _score(job: _Job, step: Step, outcome: Outcome) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the scores by name, and the values of each image of those that are means of such."""
    seed, seen = job.settings.training.seed, job.data.train.split
    subject = subject_of(job.model, job.images, job.settings.data_options, step, job.device, seed, train=seen)
    scores, per_image = score(subject, usual(job.registry))
    scores["parameters"] = count_parameters(job.model)
    scores["images_per_second"] = round(outcome.images_per_second, 1)
    scores["seconds"] = round(outcome.seconds, 1)
    return scores, per_image


def _draw(job: _Job, run: Run, scores: Mapping[str, Any], progress: Progress) -> None:
    """Draw the figures; what cannot be drawn is told and recorded, and costs the run nothing else."""

    def failed(what: str, error: Exception) -> None:
        if job.registry.plugins.strict:
            raise error
        progress.say(f"NOTE: {what} could not be drawn: {one_line(error)}; the run and its scores are whole")
        told = "".join(traceback.format_exception(error))
        with suppress(OSError, ZooError):
            run.add_fault({"who": "figures", "hook": what, "error": one_line(error), "traceback": told})

    try:
        # Only now, because it imports matplotlib, which takes a while: scores are told before.
        from zoo.figures.gallery import draw_gallery, enough

        options, seed = job.settings.data_options, job.settings.training.seed
        batches = figure_batches(job.images, options, job.device, enough(job.images.test))
        title = f"{job.settings.model.name} on {job.settings.data}"
        draw_gallery(run.figures, job.model, batches, run.records(), scores, title, seed, failed)
    except Exception as error:
        failed("the figures", error)
