"""A run as a table that any spreadsheet opens."""

from __future__ import annotations

__all__ = ["CsvTracker"]

import csv
import os
from typing import TYPE_CHECKING, final

from zoo import Options, hookimpl
from zoo_trackers.reading import numbers_of

if TYPE_CHECKING:
    from zoo import Run

NAME = "metrics.csv"


@final
class CsvTracker:
    """Writes `metrics.csv` into the run's folder: a row an epoch, a column for each number, an empty cell for none.

    It is written anew from the run's records each time, so that an epoch has one row however often a run was stopped.
    """

    def __init__(self, options: Options, run: Run) -> None:
        pass

    @hookimpl
    def zoo_train_start(self, run: Run) -> None:
        """Write the epochs of a run that is resumed."""
        if run.records():
            self.zoo_train_epoch(run)

    @hookimpl
    def zoo_train_epoch(self, run: Run) -> None:
        """Write the epochs so far."""
        rows = [numbers_of(record) for record in run.records()]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        unfinished = run.path / f".{NAME}"
        with unfinished.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(unfinished, run.path / NAME)
