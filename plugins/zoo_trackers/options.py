"""Options of the trackers; imports neither torch nor what they write to."""

from __future__ import annotations

__all__ = ["MlflowOptions", "TensorBoardOptions", "WandbOptions"]

from dataclasses import dataclass
from typing import Literal

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class TensorBoardOptions(Options):
    """Options of the tracker for TensorBoard."""

    dir: str | None = option(None, "Write below this folder, by the run's name; else into the run's own folder.")
    by: Literal["epoch", "steps"] = option("epoch", "What the horizontal axis counts.")


@dataclass(frozen=True, kw_only=True)
class WandbOptions(Options):
    """Options of the tracker for Weights & Biases; the rest is said by its own variables, such as `WANDB_MODE`."""

    project: str = option("generative-zoo", "The project of the run.")
    entity: str | None = option(None, "The user or team whose project it is; else your own.")


@dataclass(frozen=True, kw_only=True)
class MlflowOptions(Options):
    """Options of the tracker for MLflow."""

    uri: str | None = option(None, "A server, a database or a folder; else MLFLOW_TRACKING_URI, or the folder mlruns.")
    experiment: str = option("generative-zoo", "The experiment of the run.")
    weights: bool = option(False, "Keep the weights among its artifacts, too.")
