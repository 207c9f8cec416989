"""What a sweep is to do: settings that stay, options that change, and the folder where it is done."""

from __future__ import annotations

__all__ = ["Plan", "make_plan", "sweep_folder"]

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.registry import Registry
from zoo.runs.files import write_text
from zoo.runs.folder import find_run
from zoo.settings import Layer, Settings, Vocabulary, resolve, split_recipe
from zoo.sweeping.ranges import FORMS, Range, read_range

PLAN = "plan.json"
ORIGIN = "sweep"
_OTHER_IMAGES = ("image_size", "colour", "crop", "skip_bad", "binarize")


@dataclass(frozen=True)
class Plan:
    """A model, what is the same in all its runs, and what is swept.

    Arguments:
        model: The model, or `model.recipe`.
        plain: The settings that stay, by full name.
        ranges: What is swept.
        settings: Everything of a run but what is swept.
        search: What makes a search another one: its metric, and how many seeds the mean of it is over.
    """

    model: str
    plain: Mapping[str, Any]
    ranges: tuple[Range, ...]
    settings: Settings
    search: Mapping[str, Any] | None = None

    @property
    def names(self) -> dict[str, str]:
        """What people read for each swept option, by its full name: the short one where no other has it."""
        short = [one.name for one in self.ranges]
        return {one.key: one.name if short.count(one.name) == 1 else one.key for one in self.ranges}

    def grid(self) -> Iterator[dict[str, Any]]:
        """Yield each choice of values, by full name; the last option changes fastest.

        Raises:
            ZooError: If a range has bounds alone.
        """
        for one in self.ranges:
            if not one.values:
                raise ZooError(f"{one.text} does not say how many values; write {one.text}:8, or add --trials")
        for values in itertools.product(*(one.values for one in self.ranges)):
            yield dict(zip([one.key for one in self.ranges], values, strict=True))

    def settings_of(self, registry: Registry, options: Mapping[str, Any], seed: int) -> Settings:
        """Return the settings of one run.

        Raises:
            ZooError: If a value is out of range, or does not go with the others.
        """
        found = resolve(registry, self.model, [Layer(ORIGIN, {**self.plain, **options})])
        training = replace(found.training, seed=seed)
        return replace(found, training=training, data=self.settings.data, data_asked=self.settings.data_asked)

    def words(self, options: Mapping[str, Any]) -> str:
        """Return a choice of values as people read it: `beta 0.1, latent_dim 8`."""
        return ", ".join(f"{self.names[key]} {as_text(value)}" for key, value in options.items())

    def to_dict(self) -> dict[str, Any]:
        """Return what makes it the same sweep when it is asked for again."""
        return {**self.settings.to_dict(), "swept": {one.key: one.text for one in self.ranges}, "search": self.search}


def as_text(value: Any) -> str:
    """Return a value of an option as people read it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def make_plan(registry: Registry, model: str, values: Mapping[str, Any]) -> Plan:
    """Part settings into what stays and what is swept.

    Arguments:
        registry: Where the model is found.
        model: The model, or `model.recipe`.
        values: Settings by any accepted name; those that are ranges are swept.

    Raises:
        ZooError: If an option is unknown, nothing is swept, or what is swept cannot be.
    """
    roles = {role.name for role in registry.composition(_composition(registry, model)).roles}
    chosen = resolve(registry, model, [Layer(ORIGIN, {name: part for name, part in values.items() if name in roles})])
    vocabulary = Vocabulary(registry, chosen.model.composition, chosen.model.parts)
    plain: dict[str, Any] = {}
    ranges: list[Range] = []
    for name, value in values.items():
        key = vocabulary.find(name, ORIGIN)
        field = vocabulary.field(key)
        found = read_range(key, field, value) if field is not None else None
        if found is None:
            plain[key] = value
        else:
            ranges.append(found)
    _refuse(ranges, [key for key in plain if (field := vocabulary.field(key)) is not None and field.many])
    settings = resolve(registry, model, [Layer(ORIGIN, plain)])
    if settings.training.init_from is not None:
        find_run(settings.training.init_from)
    return Plan(model, plain, tuple(ranges), settings)


def _composition(registry: Registry, model: str) -> str:
    return registry.model(split_recipe(registry, model)[0]).composition


def _refuse(ranges: list[Range], lists: list[str]) -> None:
    if not ranges:
        flags = " and ".join(f"--{key.replace('_', '-')}" for key in lists)
        own = f"; the commas of {flags} are its own" if lists else ""
        raise ZooError(f"nothing is swept; give an option a range, such as {FORMS}{own}")
    for one in ranges:
        if one.key == "seed":
            raise ZooError("--seed is not swept; --seeds 3 trains each with three seeds")
        if one.key in _OTHER_IMAGES:
            flag = f"--{one.key.replace('_', '-')}"
            raise ZooError(f"{flag} changes the images that are scored, so that the scores say nothing of each other")


def sweep_folder(plan: Plan, out: Path | None) -> tuple[Path, bool]:
    """Return the folder of a sweep, made if need be, and whether the same sweep was begun there before.

    Arguments:
        plan: The sweep, with the data that it is of.
        out: The folder; by default that where the same sweep was begun, else the next `sweep/<model>-<data>-<N>`.

    Raises:
        ZooError: If the folder holds something else.
    """
    wanted = json.loads(json.dumps(plan.to_dict()))
    if out is not None:
        begun = _plan_in(out)
        if begun is None and out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ZooError(f"--out {out} is there already and is no sweep; name another folder")
        if begun is not None and begun != wanted:
            raise ZooError(f"--out {out} holds a sweep of other settings; name another folder")
        return _made(out, wanted), begun is not None
    stem = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{plan.model}-{plan.settings.data}").strip("-.")
    taken = {path: _plan_in(path) for path in sorted(Path("sweep").glob(f"{stem}-*"))}
    for path, begun in taken.items():
        if begun == wanted:
            return path, True
    number = 1
    while (path := Path("sweep") / f"{stem}-{number}").exists():
        number += 1
    return _made(path, wanted), False


def _plan_in(path: Path) -> dict[str, Any] | None:
    """Return the plan of a sweep's folder; nothing if it has none that can be read."""
    try:
        found = json.loads((path / PLAN).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _made(path: Path, plan: Mapping[str, Any]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    write_text(path / PLAN, json.dumps(plan, indent=2) + "\n")
    return path
