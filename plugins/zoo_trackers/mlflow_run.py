"""A run as a run of MLflow."""

from __future__ import annotations

__all__ = ["MlflowTracker"]

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from zoo import hookimpl
from zoo_trackers.options import MlflowOptions
from zoo_trackers.reading import numbers_of, pictures_of, scores_of, settings_of

if TYPE_CHECKING:
    from zoo import Run

_STATUS = {"finished": "FINISHED", "interrupted": "KILLED"}
_PARAMS = 100
"""The most that MLflow takes at once."""


@final
class MlflowTracker:
    """Writes the terms of each epoch, the settings, and at the end scores, pictures and, if asked, the weights.

    A run that is resumed goes on as the same run of MLflow, where that is still there.
    """

    def __init__(self, options: MlflowOptions, run: Run) -> None:
        self._options = options
        self._client: MlflowClient | None = None
        self._id = ""
        self._done: set[int] = set()

    @hookimpl
    def zoo_train_start(self, run: Run) -> None:
        """Begin it, or go on with it."""
        client = MlflowClient(_address(self._options.uri))
        known = run.path / "trackers" / "mlflow.txt"
        self._id = _found(client, known) or self._begin(client, run, known)
        # Asked for once, and not after each epoch, which would take longer each time.
        self._done = {metric.step for metric in client.get_metric_history(self._id, "epoch")}
        self._client = client

    @hookimpl
    def zoo_train_epoch(self, record: Mapping[str, Any]) -> None:
        """Write the numbers of an epoch, but not a second time where it is trained again."""
        if self._client is None:
            return
        if record["epoch"] not in self._done:
            self._done.add(record["epoch"])
            self._log(self._client, numbers_of(record), record["epoch"])

    @hookimpl
    def zoo_evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        """Write the scores and the pictures."""
        if self._client is None:
            return
        self._log(self._client, scores_of(scores), len(run.records()))
        for path in pictures_of(run):
            self._client.log_artifact(self._id, str(path), "figures")
        if self._options.weights:
            self._client.log_artifact(self._id, str(run.weights))

    @hookimpl
    def zoo_train_end(self, ended: str) -> None:
        """End it: finished, killed or failed."""
        if self._client is not None:
            self._client.set_terminated(self._id, _STATUS.get(ended, "FAILED"))

    def _begin(self, client: MlflowClient, run: Run, known: Path) -> str:
        name = self._options.experiment
        experiment = client.get_experiment_by_name(name)
        where = experiment.experiment_id if experiment is not None else client.create_experiment(name)
        made: str = client.create_run(where, run_name=run.name, tags={"zoo.run": str(run.path)}).info.run_id
        params = [Param(key, str(value)) for key, value in settings_of(run).items()]
        for first in range(0, len(params), _PARAMS):
            client.log_batch(made, params=params[first : first + _PARAMS])
        known.parent.mkdir(exist_ok=True)
        known.write_text(f"{made}\n")
        return made

    def _log(self, client: MlflowClient, numbers: Mapping[str, float], epoch: int) -> None:
        now = round(1000 * time.time())
        client.log_batch(self._id, [Metric(key, float(value), now, epoch) for key, value in numbers.items()])


def _address(uri: str | None) -> str:
    """Return where MLflow keeps runs."""
    found = uri or os.environ.get("MLFLOW_TRACKING_URI") or "mlruns"
    if "://" not in found and found != "databricks":
        found = Path(found.removeprefix("file:")).absolute().as_uri()
    if found.startswith("file:"):
        # MLflow keeps runs in a folder for those only who say that they want it, and these did.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return found


def _found(client: MlflowClient, known: Path) -> str | None:
    """Return the run that a resumed run was, if it is still there, and let it run again."""
    if not known.is_file():
        return None
    name = known.read_text().strip()
    try:
        client.update_run(name, status="RUNNING")
    except MlflowException:
        return None
    return name
