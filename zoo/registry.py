"""The registry: models declared in registry files, parts declared by plugins, each found by its name."""

from __future__ import annotations

__all__ = ["ModelSpec", "Registry", "load_registry"]

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import zoo
from zoo.catalogue import OURS, Catalogue, Entry, Source
from zoo.errors import ZooError, did_you_mean, one_line
from zoo.plugins import Fault, Plugin, Plugins, discover
from zoo.specs import CompositionSpec, DatasetSpec, PartSpec

USER_FILE = "zoo.toml"
_TEXTS = ("summary", "family", "paper", "plugin", "extends", "equation", "page")
_TABLES = ("options", "recipes", "verified")


@dataclass(frozen=True)
class ModelSpec:
    """A model of the registry: which parts it is composed of, and what is known of it.

    Arguments:
        name: What users type.
        source: The distribution or file that declares it.
        composition: The kind of model, `autoencoder` unless it says otherwise.
        parts: The parts by role, as registered names.
        layers: Parts and options as its table and those that it extends have them, the first ancestor's first;
            options by dotted or flat name.
        recipes: Named training settings.
        verified: Results that were measured, by data set.
    """

    name: str
    source: Source
    summary: str = ""
    family: str = "other"
    plugin: str = ""
    paper: str = ""
    composition: str = "autoencoder"
    parts: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[Mapping[str, Any], ...] = ()
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    verified: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """`verified` where a result was measured and is in the registry, else `ready`; `user` for own models."""
        if self.verified:
            return "verified"
        return "ready" if self.source.version else "user"

    def recipe(self, name: str) -> Mapping[str, Any]:
        """Return the settings of a recipe.

        Raises:
            ZooError: If the model has no such recipe.
        """
        if name not in self.recipes:
            known = f" (it has {', '.join(self.recipes)})" if self.recipes else ""
            raise ZooError(f"model '{self.name}' has no recipe '{name}'{known}{did_you_mean(name, self.recipes)}")
        return self.recipes[name]


@dataclass
class Registry:
    """Everything that can be named in one process: models, parts, compositions and data sets.

    An ordinary object: tests and programs may hold several.
    """

    plugins: Plugins
    models: Catalogue[ModelSpec] = field(default_factory=lambda: Catalogue("model"))
    compositions: Catalogue[CompositionSpec] = field(default_factory=lambda: Catalogue("composition"))
    datasets: Catalogue[DatasetSpec] = field(default_factory=lambda: Catalogue("data set"))
    parts: dict[str, Catalogue[PartSpec]] = field(default_factory=dict)

    def model(self, name: str) -> ModelSpec:
        """Return a model by name.

        Raises:
            ZooError: If there is none; plugins that did not load are mentioned, as they are often why.
        """
        try:
            return self.models.find(name).item
        except ZooError as error:
            raise ZooError(f"{error}{self._why_missing()}") from None

    def part(self, kind: str, name: str) -> Entry[PartSpec]:
        """Return a part by kind and name.

        Raises:
            ZooError: If there is none.
        """
        try:
            return self.parts.get(kind, Catalogue(kind)).find(name)
        except ZooError as error:
            raise ZooError(f"{error}{self._why_missing()}") from None

    def composition(self, name: str) -> CompositionSpec:
        """Return a composition by name."""
        return self.compositions.find(name).item

    def report(self, source: Source, reason: str, error: BaseException | None = None) -> None:
        """Keep a fault: shown once on stderr, and by `zoo plugins`."""
        self.plugins.faults.append(Fault(source, reason, error))

    def _why_missing(self) -> str:
        if not self.plugins.faults:
            return ""
        names = ", ".join(sorted({fault.source.plugin for fault in self.plugins.faults}))
        return f" (plugins with faults: {names}; see 'zoo plugins --errors')"

    def add_plugin(self, plugin: Plugin) -> None:
        """Add what a plugin declares."""
        for part in plugin.parts:
            catalogue = self.parts.setdefault(part.kind, Catalogue(part.kind))
            self._note(plugin.source, catalogue.add(part.name, part, plugin.source))
        for composition in plugin.compositions:
            self._note(plugin.source, self.compositions.add(composition.name, composition, plugin.source))
        for dataset in plugin.datasets:
            self._note(plugin.source, self.datasets.add(dataset.name, dataset, plugin.source))
        self.add_models(plugin.tables, plugin.source)

    def add_models(self, tables: Mapping[str, Any], source: Source) -> None:
        """Add the models of one registry file; one that is wrong costs one line."""
        for name, table in tables.get("models", {}).items():
            try:
                model = self._model(name, table, tables.get("models", {}), source)
            except ZooError as error:
                self.report(source, f"model '{name}': {error}", error)
                continue
            if model is not None:
                self._note(source, self.models.add(name, model, source))

    def _note(self, source: Source, problem: str | None) -> None:
        if problem is not None:
            self.report(source, problem)

    def _model(
        self, name: str, table: Any, siblings: Mapping[str, Any], source: Source, seen: tuple[str, ...] = ()
    ) -> ModelSpec | None:
        if not isinstance(table, Mapping):
            raise ZooError(f"[models.{name}] must be a table")
        if source.ours and table.get("plugin") not in {plugin.source.plugin for plugin in self.plugins.loaded}:
            return None
        base = ModelSpec(name, source, plugin=source.plugin)
        if parent := table.get("extends"):
            if parent in seen:
                raise ZooError(f"extends itself through '{parent}'")
            own = parent in siblings and parent != name
            found = self._model(parent, siblings[parent], siblings, source, (*seen, name)) if own else None
            inherited = found or self.model(parent)
            base = replace(inherited, name=name, source=source, plugin=source.plugin, verified={})
        return self._merge(base, table)

    def _merge(self, base: ModelSpec, table: Mapping[str, Any]) -> ModelSpec:
        composition = self.composition(table.get("model", base.composition))
        roles = {role.name: role for role in composition.roles}
        known = {*_TEXTS, *_TABLES, "model", *roles}
        for key, value in table.items():
            if key not in known:
                raise ZooError(f"unknown key '{key}'{did_you_mean(key, known)}")
            wanted = Mapping if key in _TABLES else str
            if not isinstance(value, wanted):
                raise ZooError(f"'{key}' must be {'a table' if key in _TABLES else 'text'}, got {value!r}")
        parts = {role: table[role] for role in roles if role in table}
        for role, part in parts.items():
            self.part(roles[role].kind, part)
        return replace(
            base,
            composition=composition.name,
            parts={**base.parts, **parts},
            layers=(*base.layers, {**parts, **table.get("options", {})}),
            recipes={**base.recipes, **table.get("recipes", {})},
            verified=table.get("verified", {}),
            **{key: table[key] for key in ("summary", "family", "paper", "plugin") if key in table},
        )


def load_registry(
    *, third_party: bool = True, plugin_files: Iterable[Path] = (), registry_files: Iterable[Path] = ()
) -> Registry:
    """Discover plugins and read registry files: ours, the plugins', then the user's.

    Arguments:
        third_party: Whether plugins of other distributions are loaded.
        plugin_files: One-file plugins to load as well.
        registry_files: The user's registry files; without any, `zoo.toml` in the working folder if it exists.

    Raises:
        ZooError: If a user's file is missing or is no TOML.
    """
    registry = Registry(discover(third_party=third_party, files=plugin_files))
    loaded = registry.plugins.loaded
    for plugin in (plugin for plugin in loaded if plugin.source.ours):
        registry.add_plugin(plugin)
    registry.add_models(_read(bundled_file()), Source(OURS, zoo.__version__, "registry.toml"))
    for plugin in (plugin for plugin in loaded if not plugin.source.ours):
        registry.add_plugin(plugin)
    files = list(registry_files) or [path for path in [Path(USER_FILE)] if path.is_file()]
    for path in files:
        registry.add_models(_read(path), Source(str(path), "", path.name))
    return registry


def bundled_file() -> Path:
    """Return the zoo's own `registry.toml`: inside an installed package, or beside it in a checkout."""
    package = Path(zoo.__file__).parent
    inside = package / "registry.toml"
    return inside if inside.is_file() else package.parent / "registry.toml"


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ZooError(f"registry file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ZooError(f"registry file {path} is no TOML: {one_line(error)}") from None
