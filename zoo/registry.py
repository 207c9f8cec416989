"""The registry: models declared in registry files, parts and metrics by plugins, each found by its name."""

from __future__ import annotations

__all__ = ["Loading", "ModelSpec", "Registry", "load_registry"]

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import zoo
from zoo.catalogue import OURS, Catalogue, Entry, Source, is_name
from zoo.errors import ZooError, did_you_mean, one_line
from zoo.options import describe
from zoo.plugins.discovery import Plugin, Plugins, discover
from zoo.specs import CompositionSpec, DatasetSpec, MetricSpec, PartSpec, TrackerSpec

if TYPE_CHECKING:
    from zoo.verified import Verified

USER_FILE = "zoo.toml"
_TEXTS = ("summary", "family", "paper", "plugin", "extends", "equation", "page")
_TABLES = ("options", "recipes", "verified")


@dataclass(frozen=True, eq=False, repr=False)
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
        verified: Tables of results that were measured, by name, most often that of the data set; see `results`.
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
        if any("value" in score for table in self.verified.values() for score in table["scores"].values()):
            return "verified"
        return "ready" if self.source.version else "user"

    @property
    def results(self) -> dict[str, Verified]:
        """The results that were measured, or are to be, by name.

        Raises:
            ZooError: If a table is wrong.
        """
        # Here, because most commands ask for none of them.
        from zoo.verified import read_verified

        return {name: read_verified(name, table) for name, table in self.verified.items()}

    def recipe(self, name: str) -> Mapping[str, Any]:
        """Return the settings of a recipe.

        Raises:
            ZooError: If the model has no such recipe.
        """
        if name not in self.recipes:
            known = f" (it has {', '.join(self.recipes)})" if self.recipes else ""
            raise ZooError(f"model '{self.name}' has no recipe '{name}'{known}{did_you_mean(name, self.recipes)}")
        return self.recipes[name]


class Loading(NamedTuple):
    """How a registry was loaded, so that another process can load the same; see `load_registry`."""

    third_party: bool
    plugin_files: tuple[Path, ...]
    registry_files: tuple[Path, ...]

    def load(self) -> Registry:
        """Load it again."""
        return load_registry(
            third_party=self.third_party, plugin_files=self.plugin_files, registry_files=self.registry_files
        )


@dataclass(eq=False, repr=False)
class Registry:
    """Everything that can be named in one process: models, parts, compositions, data sets, metrics, trackers.

    An ordinary object: tests and programs may hold several.
    """

    plugins: Plugins
    loading: Loading
    models: Catalogue[ModelSpec] = field(default_factory=lambda: Catalogue("model"))
    compositions: Catalogue[CompositionSpec] = field(default_factory=lambda: Catalogue("composition"))
    datasets: Catalogue[DatasetSpec] = field(default_factory=lambda: Catalogue("data set"))
    metrics: Catalogue[MetricSpec] = field(default_factory=lambda: Catalogue("metric"))
    trackers: Catalogue[TrackerSpec] = field(default_factory=lambda: Catalogue("tracker"))
    parts: dict[str, Catalogue[PartSpec]] = field(default_factory=dict)

    def model(self, name: str) -> ModelSpec:
        """Return a model by name.

        Raises:
            ZooError: If there is none; plugins that did not load are mentioned, as they are often why.
        """
        try:
            entry = self.models.find(name)
        except ZooError as error:
            raise ZooError(f"{error}{self._why_missing()}") from None
        # Under the name that finds it, which is what a run must keep.
        return replace(entry.item, name=entry.name)

    def part(self, kind: str, name: str) -> Entry[PartSpec]:
        """Return a part by kind and name.

        Raises:
            ZooError: If there is none.
        """
        try:
            return self.parts.get(kind, Catalogue(kind)).find(name)
        except ZooError as error:
            raise ZooError(f"{error}{self._why_missing()}") from None

    def metric(self, name: str) -> Entry[MetricSpec]:
        """Return a metric by name.

        Raises:
            ZooError: If there is none.
        """
        try:
            return self.metrics.find(name)
        except ZooError as error:
            raise ZooError(f"{error}{self._why_missing()}") from None

    def tracker(self, name: str) -> Entry[TrackerSpec]:
        """Return a tracker by name.

        Raises:
            ZooError: If there is none.
        """
        try:
            return self.trackers.find(name)
        except ZooError as error:
            raise ZooError(f"{error}{self._why_missing()}") from None

    def composition(self, name: str) -> CompositionSpec:
        """Return a composition by name."""
        return self.compositions.find(name).item

    def why_absent(self, distribution: str, kept: Path | None = None) -> str:
        """Return why something that a distribution provides is not here, and what to do, as the end of a sentence.

        Arguments:
            distribution: What is not here.
            kept: The run that keeps a copy of it, if it is a one-file plugin.
        """
        if any(source.distribution == distribution for source in self.plugins.disabled):
            return "which is disabled; see ZOO_DISABLE and --no-plugins"
        if any(fault.source.distribution == distribution for fault in self.plugins.faults):
            return "which did not load; see 'zoo plugins --errors'"
        if distribution.endswith(".py"):
            whose = ", which runs the copy that the run keeps" if kept is not None else ""
            return f"which is not loaded; load it with 'zoo --plugin {kept or distribution} …'{whose}"
        return f"which is not installed; install it with 'pip install {distribution}'"

    def _why_missing(self) -> str:
        faulty = ", ".join(sorted({fault.source.plugin for fault in self.plugins.faults}))
        disabled = ", ".join(sorted({source.plugin for source in self.plugins.disabled}))
        faults = f" (plugins with faults: {faulty}; see 'zoo plugins --errors')" if faulty else ""
        return f"{faults} (plugins disabled: {disabled})" if disabled else faults

    def add_plugin(self, plugin: Plugin) -> None:
        """Add what a plugin declares."""
        for part in plugin.parts:
            catalogue = self.parts.setdefault(part.kind, Catalogue(part.kind))
            self._note(plugin.source, catalogue.add(part.name, part, plugin.source))
        for composition in plugin.compositions:
            if taken := _reserved_roles(composition, plugin.source):
                problem = f"'{composition.name}' cannot be used: a role may not be called '{taken[0]}'"
                self.plugins.report(plugin.source, problem)
            else:
                self._note(plugin.source, self.compositions.add(composition.name, composition, plugin.source))
        for dataset in plugin.datasets:
            self._note(plugin.source, self.datasets.add(dataset.name, dataset, plugin.source))
        for metric in plugin.metrics:
            self._note(plugin.source, self.metrics.add(metric.name, metric, plugin.source))
        for tracker in plugin.trackers:
            self._note(plugin.source, self.trackers.add(tracker.name, tracker, plugin.source))
        self.add_models(plugin.tables, plugin.source)

    def add_models(self, tables: Mapping[str, Any], source: Source) -> None:
        """Add the models of one registry file; one that is wrong costs one line."""
        for key in tables:
            if key != "models":
                hint = did_you_mean(key, ["models"])
                self.plugins.report(source, f"unknown table '{key}'{hint}; models are in [models.NAME]")
        models = tables.get("models", {})
        if not isinstance(models, Mapping):
            self.plugins.report(source, "'models' must be a table; write [models.NAME]")
            return
        for name, table in models.items():
            try:
                model = self._model(name, table, models, source)
            except ZooError as error:
                if not self._lacks_bundled(source):
                    self.plugins.report(source, f"model '{name}': {error}", error)
                continue
            if model is not None:
                self._note(source, self.models.add(name, model, source))

    def _lacks_bundled(self, source: Source) -> bool:
        """Whether a model of ours may be wrong only because a bundled plugin is out of order, which was told."""
        others = [*self.plugins.disabled, *(fault.source for fault in self.plugins.faults)]
        return source.ours and any(other.ours for other in others)

    def _note(self, source: Source, problem: str | None) -> None:
        if problem is not None:
            self.plugins.report(source, problem)

    def _model(
        self, name: str, table: Any, siblings: Mapping[str, Any], source: Source, seen: tuple[str, ...] = ()
    ) -> ModelSpec | None:
        if not is_name(name):
            raise ZooError("names are lower-case words with dashes")
        if not isinstance(table, Mapping):
            raise ZooError(f"[models.{name}] must be a table")
        _check_types(table)
        plugin = table.get("plugin", "") if source.ours else source.plugin
        if source.ours and plugin not in {other.source.plugin for other in self.plugins.loaded if other.source.ours}:
            return None
        base = ModelSpec(name, source, plugin=plugin)
        if parent := table.get("extends"):
            if parent in seen:
                raise ZooError(f"extends itself through '{parent}'")
            own = parent in siblings and parent != name
            found = self._model(parent, siblings[parent], siblings, source, (*seen, name)) if own else None
            inherited = found or self.model(parent)
            base = replace(inherited, name=name, source=source, plugin=plugin, verified={})
        return self._merge(base, table)

    def _merge(self, base: ModelSpec, table: Mapping[str, Any]) -> ModelSpec:
        composition = self.composition(table.get("model", base.composition))
        roles = {role.name: role for role in composition.roles}
        known = {*_TEXTS, *_TABLES, "model", *roles}
        if unknown := [key for key in table if key not in known]:
            raise ZooError(f"unknown key '{unknown[0]}'{did_you_mean(unknown[0], known)}")
        parts = {role: table[role] for role in roles if role in table}
        for role, part in parts.items():
            self.part(roles[role].kind, part)
        chosen = {**base.parts, **parts}
        needed = [role.name for role in roles.values() if role.default is None and not role.optional]
        if missing := [role for role in needed if role not in chosen]:
            raise ZooError(f'it names no {missing[0]}; add {missing[0]} = "..." to its table')
        model = replace(
            base,
            composition=composition.name,
            parts=chosen,
            layers=(*base.layers, {**parts, **table.get("options", {})}),
            recipes={**base.recipes, **table.get("recipes", {})},
            verified=table.get("verified", {}),
            **{key: table[key] for key in ("summary", "family", "paper") if key in table},
        )
        if not base.source.ours:
            # Told when the registry is read; ours are held right by the tests.
            _ = model.results
        return model


def _check_types(table: Mapping[str, Any]) -> None:
    """Everything in a model's table is text, the names of parts too, but for a few tables."""
    for key, value in table.items():
        if not isinstance(value, Mapping if key in _TABLES else str):
            raise ZooError(f"'{key}' must be {'a table' if key in _TABLES else 'text'}, got {value!r}")
    for key in ("recipes", "verified"):
        for name, entry in table.get(key, {}).items():
            if not isinstance(entry, Mapping):
                raise ZooError(f"'{key}.{name}' must be a table, got {entry!r}")


def _reserved_roles(composition: CompositionSpec, source: Source) -> list[str]:
    """Return the roles of someone's composition whose names already mean something in settings or registry files."""
    if source.ours:
        return []
    from zoo.data.options import DataOptions
    from zoo.training.options import TrainOptions

    names = {field.name for owner in (TrainOptions, DataOptions) for field in describe(owner)}
    names |= {*_TEXTS, *_TABLES, "model", "composition", "data", "out", "config", "resume", "track", "json", "help"}
    return [role.name for role in composition.roles if role.name in names]


def load_registry(
    *, third_party: bool = True, plugin_files: Sequence[str | Path] = (), registry_files: Iterable[Path] = ()
) -> Registry:
    """Discover plugins and read registry files: ours, the plugins', then the user's.

    Arguments:
        third_party: Whether plugins of other distributions are loaded.
        plugin_files: One-file plugins to load as well; the path of a run stands for the copies that it keeps.
        registry_files: The user's registry files; without any, `zoo.toml` in the working folder if it exists.

    Raises:
        ZooError: If a user's file is missing or is no TOML.
    """
    plugins = discover(third_party=third_party, files=plugin_files)
    files = list(registry_files) or [path for path in [Path(USER_FILE)] if path.is_file()]
    registry = Registry(plugins, Loading(third_party, plugins.paths, tuple(path.absolute() for path in files)))
    loaded = registry.plugins.loaded
    for plugin in (plugin for plugin in loaded if plugin.source.ours):
        registry.add_plugin(plugin)
    registry.add_models(_read(bundled_file()), Source(OURS, zoo.__version__, "registry.toml"))
    for plugin in (plugin for plugin in loaded if not plugin.source.ours):
        registry.add_plugin(plugin)
    for path in files:
        registry.add_models(_read(path), Source(path.name, "", path.stem))
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
