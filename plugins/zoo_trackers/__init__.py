"""Trackers: what follows a run and writes it where people look."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import TrackerSpec, hookimpl


@hookimpl
def zoo_trackers() -> Iterator[TrackerSpec]:
    """A table, and the three places that most people keep their runs in."""
    yield TrackerSpec(
        name="csv",
        summary="A table in the run's folder, metrics.csv, one row an epoch.",
        tracker="zoo_trackers.csv_table:CsvTracker",
    )
    yield TrackerSpec(
        name="tensorboard",
        summary="Event files for TensorBoard: terms, settings, scores, pictures.",
        tracker="zoo_trackers.tensorboard_events:TensorBoardTracker",
        options="zoo_trackers.options:TensorBoardOptions",
        requires="tensorboard",
        extra="tensorboard",
    )
    yield TrackerSpec(
        name="wandb",
        summary="A run of Weights & Biases, online or offline.",
        tracker="zoo_trackers.wandb_run:WandbTracker",
        options="zoo_trackers.options:WandbOptions",
        requires="wandb",
        extra="wandb",
    )
    yield TrackerSpec(
        name="mlflow",
        summary="A run of MLflow, in a local folder or on a server.",
        tracker="zoo_trackers.mlflow_run:MlflowTracker",
        options="zoo_trackers.options:MlflowOptions",
        requires="mlflow",
        extra="mlflow",
    )
