"""Which runs can be computed together: those that differ in their seed, in how their weights are moved, and in options
that are read at each step.
"""

from __future__ import annotations

__all__ = ["alike", "differing", "with_varied"]

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.many.task import Task
from zoo.options import Options, Scheduled, describe
from zoo.schedules import Varied
from zoo.settings import Settings

_OWN = ("seed", "lr", "momentum", "square_decay", "weight_decay", "clip", "ema", "patience", "init_from")
"""Options of training that each run keeps to itself."""


def alike(tasks: Sequence[Task]) -> list[list[int]]:
    """Return which runs are of one kind, by their places; a run that is like no other is alone."""
    kinds: dict[str, list[int]] = {}
    for number, task in enumerate(tasks):
        kinds.setdefault(_kind(task.settings) or f"alone {number}", []).append(number)
    return list(kinds.values())


def _kind(settings: Settings) -> str:
    """Return what runs of one kind have in common; nothing for one that goes by itself."""
    training = settings.training
    if training.budget is not None or training.compile or training.precision == "bf16":
        return ""
    tables = settings.to_dict()
    for name in _OWN:
        tables["training"].pop(name)
    for role, options in settings.options.items():
        for name in _scheduled(options):
            tables["options"].pop(f"{role}.{name}")
    return json.dumps({**tables, "recipe": None}, sort_keys=True)


def _scheduled(options: Options) -> list[str]:
    return [field.name for field in describe(type(options)) if field.scheduled]


def differing(each: Sequence[Settings]) -> dict[str, list[Scheduled]]:
    """Return the options of parts in which runs of one kind differ, by dotted name, with the value of each run."""
    found: dict[str, list[Scheduled]] = {}
    for role, options in each[0].options.items():
        for name in _scheduled(options):
            values = [getattr(settings.options[role], name) for settings in each]
            if any(value != values[0] for value in values):
                found[f"{role}.{name}"] = values
    return found


def with_varied(options: Mapping[str, Options], varied: Mapping[str, Varied]) -> dict[str, Options]:
    """Return options with what is computed at each step in the place of some."""
    changed: dict[str, Any] = {role: copy.copy(of) for role, of in options.items()}
    for key, value in varied.items():
        role, _, name = key.partition(".")
        # Past the checks of options, which ask for a number.
        object.__setattr__(changed[role], name, value)
    return changed
