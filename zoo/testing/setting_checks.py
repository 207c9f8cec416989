"""Checks of a model's settings: its recipe, its file, the names of its options."""

from __future__ import annotations

__all__ = [
    "has_a_tiny_recipe",
    "options_have_dotted_names",
    "settings_survive_their_file",
    "unknown_settings_are_refused",
]

import json
import tempfile
from pathlib import Path

from zoo.errors import ZooError
from zoo.runs.folder import Run
from zoo.settings import Layer, config_layer, resolve
from zoo.testing.check import Failed, require
from zoo.testing.model_case import ModelCase


def has_a_tiny_recipe(case: ModelCase) -> None:
    """It has a recipe `tiny`, whose settings resolve."""
    try:
        case.resolve()
    except ZooError as error:
        raise Failed(f"its settings do not resolve: {error}") from error


def settings_survive_their_file(case: ModelCase) -> None:
    """Its settings are the same after they were written as JSON, and as a run's `config.toml`."""
    tables = case.settings.to_dict()
    require(json.loads(json.dumps(tables)) == tables, "its settings are not the same after they were written as JSON")
    with tempfile.TemporaryDirectory() as folder:
        Run(Path(folder)).write_config(tables)
        name, layer = config_layer(Path(folder) / "config.toml")
    require(name == case.settings.model.name, f"config.toml names the model '{name}'")
    again = resolve(case.registry, case.settings.model.name, [layer]).to_dict()
    other = [f"{table}.{key}" for table in ("options", "training", "images") for key in again[table]
             if again[table][key] != tables[table][key]]
    require(not other and again["parts"] == tables["parts"], f"config.toml does not bring back {', '.join(other)}")


def options_have_dotted_names(case: ModelCase) -> None:
    """Each option of its parts is taken by its dotted name."""
    dotted = case.settings.to_dict()["options"]
    for name, value in dotted.items():
        try:
            found = resolve(case.registry, f"{case.name}.tiny", [Layer("--", {name: value})])
        except ZooError as error:
            raise Failed(f"its own value of --{name} is refused: {error}") from error
        require(found.to_dict()["options"][name] == value, f"--{name} {value} is not kept")


def unknown_settings_are_refused(case: ModelCase) -> None:
    """An option that no part has is refused, with the nearest name where there is one."""
    wrong = "no_such_option"
    try:
        resolve(case.registry, f"{case.settings.model.name}.tiny", [Layer("--", {wrong: 1})])
    except ZooError as error:
        require(wrong in str(error), f"a refusal does not name the option: {error}")
    else:
        raise Failed(f"takes an option '{wrong}' that none of its parts has")
