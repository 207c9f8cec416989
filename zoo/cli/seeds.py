"""`zoo train --seeds`: several runs of one model, and what their scores have in common."""

from __future__ import annotations

__all__ = ["SHOWN", "train_and_show"]

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.terminal import counted, number, print_json, print_table, say
from zoo.errors import ZooError
from zoo.many.choice import Way
from zoo.settings import Settings
from zoo.tracking import Tracker

if TYPE_CHECKING:
    from zoo.many.seeds import Seeded
    from zoo.registry import Registry

SHOWN = ("mse", "distortion", "rate", "objective", "elbo", "bits_per_dim", "active_units", "images_per_second")
"""The scores that are shown of a run, of those that it has."""

LARGEST = 2**32 - 1


def train_and_show(
    registry: Registry,
    name: str,
    settings: Settings,
    seeds: int,
    out: Path | None,
    trackers: tuple[Tracker, ...],
    side_by_side: Way,
    as_json: bool,
) -> int:
    """Train a model with several seeds, show what became of it, and return the exit code.

    Raises:
        ZooError: If a seed is too large, `out` is no folder of runs, or the runs cannot be trained.
    """
    _check(settings, seeds, out)
    training = settings.training
    how = f"{counted(training.epochs, 'epoch')}, batch size {training.batch_size}"
    last = training.seed + seeds - 1
    say(f"training {name} on {settings.data}: {how}, seeds {training.seed} to {last}")
    # Only now, because it imports torch: mistakes above are told at once.
    from zoo.cli.progress import watch
    from zoo.many.seeds import train_seeds

    found = train_seeds(registry, settings, seeds, watch(), out, trackers, side_by_side)
    _show(found, as_json)
    return 1 if any(one.error for one in found) else 0


def _check(settings: Settings, seeds: int, out: Path | None) -> None:
    """Check what can be told at once."""
    first = settings.training.seed
    if first + seeds - 1 > LARGEST:
        raise ZooError(f"--seeds {seeds} from --seed {first} on goes beyond {LARGEST}; start lower")
    if out is not None and out.exists() and (not out.is_dir() or (out / "config.toml").exists()):
        what = "is one run" if out.is_dir() else "is a file"
        raise ZooError(f"--out {out} {what}; with --seeds it is the folder that the runs lie in, name another")


def _show(found: list[Seeded], as_json: bool) -> None:
    from zoo.many.seeds import summary

    runs = {one.seed: one.run for one in found if one.run is not None}
    common = summary(list(runs.values()))
    if as_json:
        each = [
            {"seed": one.seed, "run": str(one.run.path) if one.run else None, "error": one.error or None}
            for one in found
        ]
        print_json({"runs": each, "scores": common})
    else:
        names = [name for name in SHOWN if name in common]
        rows = [[f"seed {seed}", *(number(run.scores[name]) for name in names)] for seed, run in runs.items()]
        rows.append(["mean", *(_cell(common[name]) for name in names)])
        print_table(("", *names), rows, right=range(1, len(names) + 1))
        for run in runs.values():
            click.echo(f"run      {run.path}")
    for one in found:
        if one.error:
            say(f"seed {one.seed} failed: {one.error}")


def _cell(score: dict[str, float | None]) -> str:
    mean, spread = number(score["mean"]), score["sd"]
    return mean if spread is None else f"{mean} ± {number(spread)}"
