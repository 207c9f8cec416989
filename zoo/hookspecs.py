"""The hooks that a plugin may implement: the whole contract on one screen."""

from __future__ import annotations

__all__ = [
    "PROJECT",
    "hookimpl",
    "zoo_compositions",
    "zoo_datasets",
    "zoo_evaluated",
    "zoo_metrics",
    "zoo_parts",
    "zoo_registry",
    "zoo_trackers",
    "zoo_train_end",
    "zoo_train_epoch",
    "zoo_train_start",
]

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from zoo.specs import CompositionSpec, DatasetSpec, MetricSpec, PartSpec, TrackerSpec

if TYPE_CHECKING:
    from zoo.runs.folder import Run

PROJECT = "zoo"
"""The name of the pluggy project, and of the entry-point group `zoo.plugins`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as an implementation of the hook of the same name."""


@hookspec
def zoo_parts() -> Iterable[PartSpec]:
    """Return the parts that this plugin brings: encoders, posteriors, decoders, likelihoods, priors, losses."""
    return ()


@hookspec
def zoo_compositions() -> Iterable[CompositionSpec]:
    """Return the kinds of model that this plugin brings."""
    return ()


@hookspec
def zoo_datasets() -> Iterable[DatasetSpec]:
    """Return the data sets that this plugin brings."""
    return ()


@hookspec
def zoo_metrics() -> Iterable[MetricSpec]:
    """Return the scores that this plugin brings, for `zoo evaluate --metrics`."""
    return ()


@hookspec
def zoo_registry() -> Path | Mapping[str, Any]:
    """Return the plugin's `registry.toml`, as a path or as the same tables in a mapping."""
    return {}


@hookspec
def zoo_trackers() -> Iterable[TrackerSpec]:
    """Return the trackers that this plugin brings, for `zoo train --track`."""
    return ()


# The hooks below follow a run. What all of them may rely on, and what they must not do, is in docs/plugins.md.


@hookspec
def zoo_train_start(run: Run) -> None:
    """Called before the first step of a run, and again each time that the run is resumed.

    Its folder, `config.toml` and first checkpoint exist. Where it is resumed, `run.records()` holds the epochs before;
    if it was killed, the last of them may be trained again.
    """


@hookspec
def zoo_train_epoch(run: Run, record: Mapping[str, Any]) -> None:
    """Called after each epoch with its line of `metrics.jsonl`, which is written, and before its checkpoint.

    `record` holds `epoch` (from 1), `steps` (so far), `lr`, `seconds`, `images_per_second`, `train` (the mean of each
    term over the epoch) and, with `--val-fraction`, `validation`. A run that was killed before the checkpoint calls it
    again for the same epoch.
    """


@hookspec
def zoo_evaluated(run: Run, scores: Mapping[str, Any]) -> None:
    """Called when scores on the test images were written into a run: at the end of training, and whenever it is scored.

    `scores` are the ones that were computed now, by name; `run.scores` holds all.
    """


@hookspec
def zoo_train_end(run: Run, ended: str) -> None:
    """Called once after each `zoo_train_start`, however training ended: only a process that is killed leaves it out.

    `ended` is `"finished"` (weights, scores, figures and card are written; `run.metadata["outcome"]["reason"]` tells
    whether by epochs, budget or patience), `"interrupted"` (by Ctrl-C; the checkpoint is written) or `"failed"` (it
    diverged, or anything else went wrong).
    """
