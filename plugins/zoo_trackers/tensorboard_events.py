"""A run as event files, which TensorBoard shows."""

from __future__ import annotations

__all__ = ["TensorBoardTracker"]

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from zoo import hookimpl
from zoo_trackers.options import TensorBoardOptions
from zoo_trackers.reading import numbers_of, pictures_of, scores_of, settings_of

if TYPE_CHECKING:
    from zoo import Run


@final
class TensorBoardTracker:
    """Writes the terms of each epoch, the settings as text, and at the end scores and pictures.

    An epoch that is trained again after a crash takes the place of what was written for it and for later ones.
    """

    def __init__(self, options: TensorBoardOptions, run: Run) -> None:
        self._axis = options.by
        self._folder = Path(options.dir) / run.name if options.dir is not None else run.path / "tensorboard"
        self._writer: SummaryWriter | None = None

    @hookimpl
    def zoo_train_start(self, run: Run) -> None:
        """Begin the files of a new run; those of one that is resumed go on at its next epoch."""
        if not run.records():
            self._open(run, 0)

    @hookimpl
    def zoo_train_epoch(self, run: Run, record: Mapping[str, Any]) -> None:
        """Write the numbers of an epoch, and see that they are on disk."""
        place = record[self._axis]
        writer = self._writer or self._open(run, place)
        for name, value in numbers_of(record).items():
            writer.add_scalar(name, value, place)
        writer.flush()

    @hookimpl
    def zoo_evaluated(self, run: Run, scores: Mapping[str, Any]) -> None:
        """Write the scores and the pictures, at the last epoch."""
        place = self._last(run)
        writer = self._writer or self._open(run, place + 1)
        for name, value in scores_of(scores).items():
            writer.add_scalar(name, value, place)
        for path in pictures_of(run):
            with Image.open(path) as picture:
                writer.add_image(f"figures/{path.stem}", np.asarray(picture.convert("RGB")), place, dataformats="HWC")

    @hookimpl
    def zoo_train_end(self, run: Run, ended: str) -> None:
        """Write how it ended, and close the files."""
        if self._writer is not None:
            self._writer.add_text("ended", ended, self._last(run))
            self._writer.close()

    def _open(self, run: Run, place: int) -> SummaryWriter:
        """Begin a file; what earlier ones hold from `place` on is void."""
        self._writer = SummaryWriter(str(self._folder), purge_step=place)
        lines = [f"| {name} | {value} |" for name, value in settings_of(run).items()]
        self._writer.add_text("settings", "\n".join(["| setting | value |", "| --- | --- |", *lines]), place)
        return self._writer

    def _last(self, run: Run) -> int:
        records = run.records()
        return int(records[-1][self._axis]) if records else 0
