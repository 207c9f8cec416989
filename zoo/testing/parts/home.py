"""Parts in their places: the models that a part fits, tried on the plugin's own first."""

from __future__ import annotations

__all__ = ["PartHome"]

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import final

import torch

from zoo.assembly import build_parts, compose
from zoo.catalogue import Entry
from zoo.errors import ZooError, one_line
from zoo.interfaces import Condition, FittedPrior, Likelihood, Loss, Network, Part, Posterior, Prior, Site
from zoo.registry import Registry
from zoo.settings import Layer, Settings, resolve
from zoo.specs import PartSpec, import_or_tell
from zoo.testing.check import Failed, NotApplicable
from zoo.testing.parts.places import CLASSES, SHAPE, Home, Placed, roughen

_PLAINEST = "vae"
"""The bundled model that a part is put into first."""


BASES: dict[str, type[Part]] = {
    "encoder": Network,
    "decoder": Network,
    "posterior": Posterior,
    "likelihood": Likelihood,
    "prior": Prior,
    "condition": Condition,
    "loss": Loss,
    "fitted-prior": FittedPrior,
}
"""What a part of each kind derives from."""


@final
class PartHome(Home):
    """A part in a model of its plugin that uses it, in a bundled one, or put in another's place."""

    _reason = "there is no kind of model with a role for it"
    _found: Settings | None = None
    _unfit = False

    @cached_property
    def settings(self) -> Settings:
        """The settings of the first model that the part fits.

        Raises:
            Failed: If it fits none.
        """
        self._require_base()
        for settings in self._candidates():
            try:
                self.build(settings)
            except ZooError as error:
                self._reason = f"{settings.model.name} says: {error}"
                continue
            except Exception as error:
                raise Failed(f"cannot be built in {settings.model.name}: {one_line(error)}") from error
            self._found = settings
            return settings
        raise Failed(f"fits no model here ({self._reason}); bring one that uses it, in the plugin's registry.toml")

    def _require_base(self) -> None:
        spec, wanted = self.entry.item, BASES.get(self.kind, Part)
        try:
            found = import_or_tell(spec.part, "its code")
        except ZooError as error:
            raise Failed(str(error)) from error
        if isinstance(found, type) and not issubclass(found, wanted):
            raise Failed(f"{found.__name__} is no zoo.{wanted.__name__}; derive it from that")

    def placed(self, *, shape: tuple[int, int, int] = SHAPE, rough: bool = False) -> Placed:
        try:
            settings = None if self._unfit else self.settings
        except Failed:
            # It would be looked for again, in vain, by each check.
            settings, self._unfit = None, True
        if settings is None:
            raise NotApplicable("it fits no model; see fits-a-model")
        return self._finished(self.build(settings, shape), rough)

    def with_part(self, kind: str, name: str) -> Placed | None:
        """Build the part's model, rough, with another part in it, or return nothing if that does not fit."""
        role = _role(self.registry, self.settings, kind)
        if role is None:
            return None
        try:
            return self._finished(self.build(self._swapped(self.settings.model.name, {role: name})), rough=True)
        except ZooError:
            return None

    def partners(self, kind: str) -> Iterator[tuple[str, Placed]]:
        """Yield each part of a kind, of the zoo and of this part's plugin, that fits, and the model with both."""
        for entry in self._of_ours(kind):
            if (placed := self.with_part(kind, entry.name)) is not None:
                yield entry.name, placed

    def build(self, settings: Settings, shape: tuple[int, int, int] = SHAPE) -> Placed:
        """Build a model.

        Raises:
            ZooError: If a part does not fit.
        """
        site = Site(shape, 100, {}, {"label": (10,) * CLASSES})
        spec = settings.model
        parts = build_parts(self.registry, spec.composition, spec.parts, settings.options, site)
        kinds = {role.name: role.kind for role in self.registry.composition(spec.composition).roles}
        model = compose(self.registry, spec.composition, parts, site)
        role = _role(self.registry, settings, self.kind)
        assert role is not None, "only models with such a role are tried"
        return Placed(parts[role], parts, kinds, model, shape)

    def _finished(self, placed: Placed, rough: bool) -> Placed:
        if rough:
            with torch.no_grad():
                placed.model.prepare(placed.batch(32))
            roughen(placed.model)
            placed.model.double()
        placed.model.eval()
        return placed

    def _candidates(self) -> Iterator[Settings]:
        """Yield models with the part: those that use it, those where it takes another's place, then two places."""
        names = self._models()
        mine = {name: self._settings(name, {}) for name in names}
        for settings in mine.values():
            if settings is not None and self._uses(settings):
                yield settings
        for name, settings in mine.items():
            if settings is not None and (role := _role(self.registry, settings, self.kind)):
                yield from self._tried(name, {role: self.entry.name})
        for name in [name for name in names if name == _PLAINEST or self._own(name)]:
            yield from self._with_another(name)

    def _with_another(self, name: str) -> Iterator[Settings]:
        settings = self._settings(name, {})
        role = _role(self.registry, settings, self.kind) if settings is not None else None
        if settings is None or role is None:
            return
        for other in self.registry.composition(settings.model.composition).roles:
            for entry in self._of_ours(other.kind) if other.name != role else ():
                yield from self._tried(name, {role: self.entry.name, other.name: entry.name})

    def _tried(self, name: str, parts: Mapping[str, str]) -> Iterator[Settings]:
        settings = self._settings(name, parts)
        if settings is not None:
            yield settings

    def _settings(self, name: str, parts: Mapping[str, str]) -> Settings | None:
        try:
            return self._swapped(name, parts)
        except ZooError as error:
            self._reason = str(error)
            return None

    def _swapped(self, name: str, parts: Mapping[str, str]) -> Settings:
        tiny = f"{name}.tiny" if "tiny" in self.registry.model(name).recipes else name
        # The options of a part that was chosen before go with it; those that were found stay.
        base = {role: part for role, part in self._chosen(name).items() if role not in parts}
        places = self._places(name, {**base, **parts})
        own = {f"{role}.{key}": value for role in places for key, value in self.options.items()}
        return resolve(self.registry, tiny, [Layer("the conformance kit", {**base, **parts, **own})])

    def _places(self, model: str, parts: Mapping[str, str]) -> list[str]:
        """Return the roles of a model that hold this part."""
        spec = self.registry.model(model)
        chosen = {**spec.parts, **parts}
        roles = self.registry.composition(spec.composition).roles
        return [role.name for role in roles if role.kind == self.kind and chosen.get(role.name) == self.entry.name]

    def _chosen(self, name: str) -> Mapping[str, str]:
        """Return the parts of the model that was found, if it is this one."""
        found = self._found
        return found.model.parts if found is not None and found.model.name == name else {}

    def _models(self) -> list[str]:
        """Return the models to try: the plugin's own, then the plainest of ours, then our others."""
        entries = [entry for entry in self.registry.models.entries() if self._own(entry.name) or entry.source.ours]
        order = sorted(entries, key=lambda entry: (not self._own(entry.name), entry.name != _PLAINEST, entry.name))
        return [entry.name for entry in order]

    def _own(self, model: str) -> bool:
        source = self.registry.models.find(model).source
        return not source.ours and source.distribution == self.entry.source.distribution

    def _of_ours(self, kind: str) -> list[Entry[PartSpec]]:
        """Return the parts of a kind that the zoo or the same plugin brings, the plugin's own first."""
        entries = self.registry.parts[kind].entries() if kind in self.registry.parts else ()
        own = self.entry.source.distribution
        found = [entry for entry in entries if entry.source.ours or entry.source.distribution == own]
        return sorted(found, key=lambda entry: entry.source.ours)

    def _uses(self, settings: Settings) -> bool:
        role = _role(self.registry, settings, self.kind)
        return role is not None and settings.model.parts.get(role) == self.entry.name


def _role(registry: Registry, settings: Settings, kind: str) -> str | None:
    """Return the first role of a kind in a model, or nothing."""
    roles = registry.composition(settings.model.composition).roles
    return next((role.name for role in roles if role.kind == kind), None)
