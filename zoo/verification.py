"""What the registry says was verified, trained and scored again."""

from __future__ import annotations

__all__ = ["Check", "Outcome", "verify_one"]

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo.errors import ZooError, one_line
from zoo.evaluation.measure import ask
from zoo.evaluation.runs import evaluate_run
from zoo.experiment import open_or_fall_back, resume, run_training, settings_from
from zoo.registry import Registry
from zoo.runs.folder import Run
from zoo.settings import Settings
from zoo.training.progress import Progress
from zoo.verified import TRAINING, Stated, Verified


@dataclass(frozen=True)
class Check:
    """One score: what was stated, and what came out; None where there is none."""

    score: str
    stated: Stated
    measured: float | None

    @property
    def passed(self) -> bool:
        """Whether it is within its tolerance."""
        return self.measured is not None and self.stated.holds(self.measured)


@dataclass(frozen=True)
class Outcome:
    """How a verified result fared.

    Arguments:
        checks: One a score.
        run: The run that was trained.
        seconds: How long training and scoring took.
        skipped: Why it could not be run here, as a sentence; empty if it was.
        error: Why it failed before there were scores; empty if it did not.
    """

    checks: tuple[Check, ...] = ()
    run: Run | None = None
    seconds: float = 0.0
    skipped: str = ""
    error: str = ""

    @property
    def verdict(self) -> str:
        """`pass`, `fail` or `skipped`."""
        if self.skipped:
            return "skipped"
        return "pass" if self.checks and all(check.passed for check in self.checks) else "fail"


def verify_one(
    registry: Registry, verified: Verified, settings: Settings, folder: Path, progress: Progress, command: str = ""
) -> Outcome:
    """Train and score a verified result again, and compare.

    Nothing is taken from other folders: a run that is verified is one that was trained for it. One in `folder` itself,
    which was stopped or is done, is gone on with.

    Arguments:
        registry: Where models, data sets and metrics are found.
        verified: What was stated.
        settings: What its command means.
        folder: The run folder.
        progress: Who is told.
        command: The command that trains the same again, for the card.
    """
    if verified.gpu and not torch.cuda.is_available():
        return Outcome(skipped="it wants a GPU, and torch finds none here")
    training = replace(settings.training, seed=verified.seed)
    # As if the data had been named: another set in its place would verify nothing.
    settings = replace(settings, training=training, data_asked=True)
    try:
        open_or_fall_back(registry, settings, progress)
    except ZooError as error:
        return Outcome(skipped=f"its data cannot be had: {error}")
    started = time.monotonic()
    try:
        ask(registry, verified.metrics)
        run = _trained(registry, settings, folder, progress, command)
        scores = _scores(registry, verified, run, training.device, progress)
    except ZooError as error:
        return Outcome(error=str(error))
    except Exception as error:
        # One whose code fails, in whatever way, must not cost the others.
        return Outcome(error=one_line(error))
    checks = tuple(Check(name, stated, scores.get(name)) for name, stated in verified.scores.items())
    return Outcome(checks, run, time.monotonic() - started)


def _trained(registry: Registry, settings: Settings, folder: Path, progress: Progress, command: str) -> Run:
    if not (folder / "config.toml").is_file():
        return run_training(registry, settings, progress, folder, command)
    if settings_from(registry, Run(folder)).to_dict() != settings.to_dict():
        raise ZooError(f"{folder} holds a run of other settings; name another --out")
    return resume(registry, folder, progress)[0]


def _scores(
    registry: Registry, verified: Verified, run: Run, device: str, progress: Progress
) -> Mapping[str, float | None]:
    """Return the scores by the names that the registry has, those of the last epoch with their prefix."""
    found: dict[str, Any] = dict(run.scores)
    extra = {name: dict(options) for name, options in verified.metrics.items()}
    if any(not registry.metric(name).item.usual or options for name, options in extra.items()):
        found = evaluate_run(registry, run, seed=verified.seed, device=device, metrics=extra, progress=progress)
    last = run.records()[-1]["train"] if run.records() else {}
    found |= {f"{TRAINING}{name}": value for name, value in last.items()}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
