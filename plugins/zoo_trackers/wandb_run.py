"""A run as a run of Weights & Biases."""

from __future__ import annotations

__all__ = ["WandbTracker"]

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import wandb

from zoo import hookimpl
from zoo_trackers.options import WandbOptions
from zoo_trackers.reading import numbers_of, pictures_of, remembered_id, scores_of, settings_of

if TYPE_CHECKING:
    from zoo import Run

_EXIT = {"finished": 0, "interrupted": 130}


@final
class WandbTracker:
    """Writes the terms of each epoch, the settings, and at the end scores and pictures, under the run's own name.

    A run that is resumed goes on under the id that it had. Whether it is online, and whose key is used, is said by the
    variables of Weights & Biases.
    """

    def __init__(self, options: WandbOptions, run: Run) -> None:
        self._options = options
        self._run: wandb.Run | None = None

    @hookimpl
    def zoo_train_start(self, run: Run) -> None:
        """Begin it, or go on with it."""
        self._run = wandb.init(
            project=self._options.project,
            entity=self._options.entity,
            name=run.name,
            id=remembered_id(run, "wandb"),
            resume="allow",
            config=settings_of(run),
            dir=str(run.path),
            reinit="create_new",
            # Its own capture of the console would take what the command prints for scripts.
            settings=wandb.Settings(console="off"),
        )
        # Each epoch at its own place, also where one is trained again.
        self._run.define_metric("*", step_metric="epoch")

    @hookimpl
    def zoo_train_epoch(self, record: Mapping[str, Any]) -> None:
        """Write the numbers of an epoch."""
        if self._run is not None:
            self._run.log(numbers_of(record))

    @hookimpl
    def zoo_evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        """Write the scores and the pictures."""
        if self._run is not None:
            self._run.summary.update(scores_of(scores))
            self._run.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in pictures_of(run)})

    @hookimpl
    def zoo_train_end(self, ended: str) -> None:
        """End it: finished, or failed."""
        if self._run is not None:
            self._run.finish(exit_code=_EXIT.get(ended, 1))
