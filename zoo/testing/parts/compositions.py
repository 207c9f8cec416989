"""The checks of a composition."""

from __future__ import annotations

__all__ = ["COMPOSITION_CHECKS", "composition_trials"]

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from zoo.catalogue import Entry, Source
from zoo.registry import Registry
from zoo.specs import ABILITIES, CompositionSpec
from zoo.testing.check import Check, NotApplicable, Trial, require, trials
from zoo.testing.models.case import ModelCase


@dataclass(frozen=True)
class CompositionCase:
    """A composition of the registry.

    Arguments:
        registry: Where it is found.
        entry: The composition.
    """

    registry: Registry
    entry: Entry[CompositionSpec]

    @property
    def models(self) -> list[str]:
        """The models that are of it."""
        return [entry.name for entry in self.registry.models.entries() if entry.item.composition == self.entry.name]


def roles_can_be_filled(case: CompositionCase) -> None:
    """Each role has parts of its kind, and its default is one of them."""
    spec = case.entry.item
    names = [role.name for role in spec.build_order()]
    require(len(set(names)) == len(names), f"two of its roles are called alike: {', '.join(sorted(names))}")
    for role in spec.roles:
        parts = case.registry.parts.get(role.kind)
        require(parts is not None, f"there are no parts of the kind '{role.kind}' that its role '{role.name}' asks for")
        if parts is not None and role.default is not None:
            known = ", ".join(parts.names())
            require(
                role.default in parts, f"its role '{role.name}' defaults to '{role.default}', and there are {known}"
            )


def has_a_model(case: CompositionCase) -> None:
    """A model of the registry is of this kind, so that somebody can train one."""
    require(case.models, "no model of the registry is of this kind; add one to registry.toml, with a recipe 'tiny'")


def abilities_are_declared(case: CompositionCase) -> None:
    """A model that has the methods of an ability is of its base class, by which commands and scores find it."""
    import zoo

    if not case.models:
        raise NotApplicable("it has no model; see has-a-model")
    one = ModelCase(case.registry, case.models[0])
    model = one.model()
    require(isinstance(model, zoo.Model), f"{type(model).__name__} is no zoo.Model; derive it from that")
    for ability in ABILITIES:
        base: type = getattr(zoo, ability)
        methods = sorted(base.__abstractmethods__)  # type: ignore[attr-defined]  # all of them are abstract
        has = all(callable(getattr(model, method, None)) for method in methods)
        require(
            isinstance(model, base) or not has,
            f"{type(model).__name__} has {', '.join(methods)} and is no zoo.{ability}; derive it from that",
        )


COMPOSITION_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "light": (roles_can_be_filled, has_a_model),
    "part": (abilities_are_declared,),
}


def composition_trials(registry: Registry, source: Source) -> Iterator[Trial]:
    """Yield the trials of the compositions that a plugin brings."""
    for entry in registry.compositions.entries():
        if entry.source == source:
            yield from trials(f"composition {entry.name}", COMPOSITION_CHECKS, CompositionCase(registry, entry))
