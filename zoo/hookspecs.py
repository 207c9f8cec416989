"""The hooks that a plugin may implement: the whole contract on one screen."""

from __future__ import annotations

__all__ = [
    "PROJECT",
    "hookimpl",
    "zoo_compositions",
    "zoo_datasets",
    "zoo_metrics",
    "zoo_parts",
    "zoo_registry",
    "zoo_train_end",
    "zoo_train_epoch",
    "zoo_train_start",
]

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from zoo.specs import CompositionSpec, DatasetSpec, MetricSpec, PartSpec

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
def zoo_train_start(run: Run) -> None:
    """Called once when a run starts or is resumed, after its folder exists."""


@hookspec
def zoo_train_epoch(run: Run, record: Mapping[str, Any]) -> None:
    """Called after each epoch with its line of `metrics.jsonl`."""


@hookspec
def zoo_train_end(run: Run) -> None:
    """Called once when a run has ended, after its weights and figures are written."""
