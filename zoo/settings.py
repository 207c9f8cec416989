"""What determines a run: a model's parts and options, its data and its training, resolved from all sources."""

from __future__ import annotations

__all__ = ["Layer", "Settings", "Vocabulary", "config_layer", "flatten", "options_class", "resolve", "split_recipe"]

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from zoo.catalogue import Entry
from zoo.data.options import DataOptions
from zoo.errors import ZooError, did_you_mean, one_line
from zoo.options import Field, Options, describe
from zoo.registry import ModelSpec, Registry
from zoo.specs import PartSpec, Role, import_reference
from zoo.training.options import TrainOptions

DEFAULT_DATA = "mnist"
_COMMANDS = ("data", "out", "config", "resume", "track", "json", "help", "model")
"""Flags of commands, which no option's flat name may take."""
_ELSEWHERE = ("model", "composition", "command", "providers", "plugin_files", "track", "extended_from")
"""What a run's `config.toml` holds beside its settings."""


class Layer(NamedTuple):
    """Settings from one source, by any accepted name; later layers win.

    Arguments:
        origin: What messages call the source, such as `recipe blog`.
        values: Names and values.
    """

    origin: str
    values: Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Settings:
    """Everything that determines a run.

    Arguments:
        model: The registry's model, with the chosen parts.
        recipe: The recipe's name, or nothing.
        options: The options of each role's part.
        data: What `--data` names.
        data_asked: Whether somebody named the data, or it is the default.
        data_options: How the data is read.
        training: How the run is trained.
    """

    model: ModelSpec
    recipe: str | None
    options: Mapping[str, Options]
    data: str
    data_asked: bool
    data_options: DataOptions
    training: TrainOptions

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as tables that JSON can hold; options by dotted name."""
        dotted = {
            f"{role}.{name}": value
            for role, options in self.options.items()
            for name, value in options.to_dict().items()
        }
        return {
            "model": self.model.name,
            "composition": self.model.composition,
            "data": self.data,
            "parts": dict(self.model.parts),
            "options": dotted,
            "images": self.data_options.to_dict(),
            "training": self.training.to_dict(),
        }


class Vocabulary:
    """The names that settings may use for one choice of parts: roles, dotted and flat options.

    Arguments:
        registry: Where parts are found.
        composition: The composition whose roles name the parts.
        parts: The chosen part by role.
    """

    def __init__(self, registry: Registry, composition: str, parts: Mapping[str, str]) -> None:
        spec = registry.composition(composition)
        self.roles = {role.name: role for role in spec.roles}
        self.options: dict[str, type[Options]] = {}
        self.fields: dict[str, Field] = {}
        for role in spec.filled(parts):
            entry = registry.part(role.kind, parts[role.name])
            self.options[role.name] = options_class(entry, role.name)
            for field in describe(self.options[role.name]):
                self.fields[f"{role.name}.{field.name}"] = field
        self.training = {field.name: field for field in describe(TrainOptions)}
        self.images = {field.name: field for field in describe(DataOptions)}

    def field(self, key: str) -> Field | None:
        """Return what is known of an option by its full name; nothing for a role or `data`."""
        return self.fields.get(key) or self.training.get(key) or self.images.get(key)

    def reserved(self) -> set[str]:
        """Return the flat names that are never a part's option."""
        return {*self.training, *self.images, *self.roles, *_COMMANDS}

    def dotted(self, flat: str) -> list[str]:
        """Return the dotted names that a flat one may stand for."""
        return [name for name in self.fields if name.partition(".")[2] == flat]

    def flat(self, dotted: str) -> str | None:
        """Return the flat alias of a dotted name, if it has one."""
        name = dotted.partition(".")[2]
        return name if len(self.dotted(name)) == 1 and name not in self.reserved() else None

    def find(self, name: str, origin: str) -> str:
        """Return the one meaning of a name: a role, `data`, a trainer or image option, or a dotted option.

        Raises:
            ZooError: If the name is unknown or ambiguous.
        """
        key = name.replace("-", "_")
        if key in self.reserved() or key in self.fields:
            return key
        found = self.dotted(key)
        if len(found) == 1:
            return found[0]
        if found:
            spellings = " or ".join(f"--{dotted.replace('_', '-')}" for dotted in found)
            raise ZooError(f"{origin}: '{name}' is ambiguous; write {spellings}")
        flats = {dotted.partition(".")[2].replace("_", "-") for dotted in self.fields}
        known = [*flats, *(k.replace("_", "-") for k in (*self.fields, *self.reserved()))]
        raise ZooError(f"{origin}: unknown option '{name}'{did_you_mean(name, known)}")


def options_class(entry: Entry[PartSpec], role: str) -> type[Options]:
    """Return the options dataclass of a part.

    Arguments:
        entry: The part, as the registry finds it.
        role: What messages call it.

    Raises:
        ZooError: If it does not import, or is none.
    """
    reference = entry.item.options
    try:
        found = import_reference(reference)
        if not (isinstance(found, type) and issubclass(found, Options)):
            raise TypeError(f"{reference} is no Options dataclass")
        describe(found)
    except Exception as error:
        raise ZooError(f"{role} '{entry.name}' of {entry.source} cannot be used: {one_line(error)}") from error
    return found


def resolve(registry: Registry, name: str, layers: Sequence[Layer] = ()) -> Settings:
    """Resolve a model's settings: part defaults, registry options, recipe, then the given layers.

    Arguments:
        registry: Where models and parts are found.
        name: A model, or `model.recipe`.
        layers: Further sources, later ones winning: a `--config` file, flags.

    Raises:
        ZooError: If a model, part, option or value is unknown, ambiguous or out of range.
    """
    base, recipe = split_recipe(registry, name)
    model = registry.model(base)
    own = [Layer(f"registry, model {model.name}", layer) for layer in model.layers]
    named = [Layer(f"recipe {name}", model.recipe(recipe))] if recipe is not None else []
    vocabulary, parts, values = _collect(registry, model, [*own, *named, *layers])
    data = str(values.get("data", DEFAULT_DATA))
    registry.datasets.find(data.partition(":")[0])
    return Settings(
        model=replace(model, parts=parts),
        recipe=recipe,
        options={role: _build(cls, f"{role}.", values) for role, cls in vocabulary.options.items()},
        data=data,
        data_asked="data" in values,
        data_options=DataOptions.from_dict({k: v for k, v in values.items() if k in vocabulary.images}),
        training=TrainOptions.from_dict({k: v for k, v in values.items() if k in vocabulary.training}),
    )


def split_recipe(registry: Registry, name: str) -> tuple[str, str | None]:
    """Return the model and the recipe of `model.recipe`; a qualifier such as `@their.package` may hold dots too."""
    for end in (len(name), name.rfind(".")):
        if end >= 0 and name[:end] in registry.models:
            return name[:end], name[end + 1 :] or None
    base, _, recipe = name.partition(".")
    return base, recipe or None


def _collect(
    registry: Registry, model: ModelSpec, sources: Sequence[Layer]
) -> tuple[Vocabulary, dict[str, str], dict[str, Any]]:
    """Gather the part of each role, and the other values, checked, by their one meaning."""
    roles = {role.name: role for role in registry.composition(model.composition).roles}
    parts = {name: role.default for name, role in roles.items() if role.default is not None} | dict(model.parts)
    vocabulary = Vocabulary(registry, model.composition, parts)
    found: dict[str, tuple[str, Any]] = {}
    for source in sources:
        named = _named(source.values, roles)
        chosen = {role: str(part) for role, part in named.items() if role in roles}
        if not chosen.items() <= parts.items():
            parts |= chosen
            vocabulary = Vocabulary(registry, model.composition, parts)
        # An option meant for a part that has since been swapped goes, unless the new part has it too.
        found = {key: value for key, value in found.items() if "." not in key or key in vocabulary.fields}
        found |= {vocabulary.find(k, source.origin): (source.origin, v) for k, v in named.items() if k not in roles}
    for key, (origin, value) in found.items():
        if field := vocabulary.field(key):
            _check(field, value, origin)
    filled = {role: parts[role] for role in roles if role in parts}
    return vocabulary, filled, {key: value for key, (_, value) in found.items()}


def _named(values: Mapping[str, Any], roles: Mapping[str, Role]) -> dict[str, Any]:
    """Return values by name with underscores; in TOML an unquoted `encoder.kernel` is a table of the role."""
    named: dict[str, Any] = {}
    for key, value in values.items():
        key = key.replace("-", "_")
        nested = isinstance(value, Mapping) and key in roles
        named |= {f"{key}.{k}".replace("-", "_"): v for k, v in value.items()} if nested else {key: value}
    return named


def _check(field: Field, value: Any, origin: str) -> None:
    try:
        field.check(value)
    except ZooError as error:
        raise ZooError(f"{origin}: {error}") from None


def _build(cls: type[Options], prefix: str, values: Mapping[str, Any]) -> Options:
    return cls.from_dict({key.removeprefix(prefix): v for key, v in values.items() if key.startswith(prefix)})


def config_layer(path: Path) -> tuple[str | None, Layer]:
    """Read a `config.toml` of a run, or one written by hand, as the model's name and a layer of settings.

    Raises:
        ZooError: If the file is missing or is no TOML.
    """
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise ZooError(f"--config {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ZooError(f"--config {path} is no TOML: {one_line(error)}") from None
    named = tables.get("model")
    if not isinstance(named, str | None):
        raise ZooError(f"--config {path}: model must be the name of a model, got {named!r}")
    return named, Layer(f"config {path}", flatten(tables))


def flatten(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of `Settings.to_dict` as one layer's values."""
    values: dict[str, Any] = {}
    for key, value in tables.items():
        if key in ("parts", "options", "images", "training") and isinstance(value, Mapping):
            values.update(value)
        elif key not in _ELSEWHERE:
            values[key] = value
    return values
