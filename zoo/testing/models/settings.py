"""Checks of a model's settings: its recipe, its file, the names of its options."""

from __future__ import annotations

__all__ = ["has_a_tiny_recipe", "options_have_dotted_names", "settings_survive_their_file"]

import json
import tempfile
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.options import describe
from zoo.runs.folder import Run
from zoo.settings import Layer, Settings, config_layer, resolve
from zoo.testing.check import Failed, require
from zoo.testing.models.case import ModelCase
from zoo.testing.plugins.bounds import inside
from zoo.testing.wording import some


def has_a_tiny_recipe(case: ModelCase) -> None:
    """It has a recipe `tiny`, whose settings resolve."""
    try:
        case.resolve()
    except ZooError as error:
        raise Failed(f"its settings do not resolve: {error}") from error


def settings_survive_their_file(case: ModelCase) -> None:
    """Its settings are the same after they were written as JSON, and as a run's `config.toml`."""
    settings = case.settings
    tables = settings.to_dict()
    with tempfile.TemporaryDirectory() as folder:
        Run(Path(folder)).write_config(json.loads(json.dumps(tables)))
        name, layer = config_layer(Path(folder) / "config.toml")
    require(name == settings.model.name, f"config.toml names the model '{name}'")
    again = resolve(case.registry, settings.model.name, [layer])
    other = [role for role, options in settings.options.items() if again.options.get(role) != options]
    other += [] if again.training == settings.training else ["training"]
    require(not other, f"config.toml does not bring back the options of {some(other)}; let to_dict and from_dict agree")


def options_have_dotted_names(case: ModelCase) -> None:
    """Each option of its parts is set by its dotted name, `role.option`."""
    for role, options in case.settings.options.items():
        for field in describe(type(options)):
            value = getattr(options, field.name)
            _set(case, f"{role}.{field.name}", value, required=True)
            # Another value may not go with those of other options.
            for other in [one for one in inside(field) if one != value][:1]:
                _set(case, f"{role}.{field.name}", other, required=False)


def _set(case: ModelCase, name: str, value: Any, *, required: bool) -> None:
    layer = Layer("the conformance kit", {name: "none" if value is None else value})
    try:
        found = resolve(case.registry, f"{case.name}.tiny", [layer])
    except ZooError as error:
        if required:
            raise Failed(f"its own value of --{name} is refused: {error}") from error
        return
    kept = _value(found, name)
    same = list(kept) == list(value) if isinstance(value, list | tuple) else kept == value
    require(same, f"--{name} {value} is taken, and {kept} is kept")


def _value(settings: Settings, name: str) -> Any:
    role, _, option = name.partition(".")
    return getattr(settings.options[role], option)
