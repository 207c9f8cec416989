"""What plugins are held to: the hooks, the levels of the interface that are read, and what will go."""

from __future__ import annotations

__all__ = ["CONTRACT", "Contract", "LevelError"]

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from zoo import hookspecs
from zoo.plugins.deprecation import Deprecated
from zoo.specs import API, CompositionSpec, DatasetSpec, MetricSpec, PartSpec, TrackerSpec

S = TypeVar("S", PartSpec, CompositionSpec, DatasetSpec, MetricSpec, TrackerSpec)


class LevelError(ValueError):
    """A spec of a level that is not read here."""


@dataclass(frozen=True, eq=False, repr=False)
class Contract:
    """The plugin interface of one release.

    Arguments:
        hooks: The module, or any object, whose attributes are the hooks.
        level: The level of the interface that the engine speaks.
        oldest: The oldest level that it reads.
        adaptors: By level, what makes a spec of it one of the next; a level that changed nothing in specs has none.
        fields: What is told of a field of a spec that is not left at its default, by `Spec.field`.

    Example:
        >>> from zoo.specs import PartSpec
        >>> louder = lambda spec: dataclasses.replace(spec, summary=spec.summary.upper())
        >>> spec = PartSpec(kind="prior", name="cauchy", summary="Heavy tails.", part="m:Cauchy", api=1)
        >>> adapted = Contract(level=3, adaptors={2: louder}).adapt(spec, "zoo-heavy")
        >>> adapted.api, adapted.summary
        (3, 'HEAVY TAILS.')
    """

    hooks: Any = hookspecs
    level: int = API
    oldest: int = 1
    adaptors: Mapping[int, Callable[[Any], Any]] = field(default_factory=dict)
    fields: Mapping[str, Deprecated] = field(default_factory=dict)

    def adapt(self, spec: S, distribution: str) -> S:
        """Return a spec as one of the present level, level by level from its own.

        Arguments:
            spec: What a plugin declares.
            distribution: Whose it is, for messages.

        Raises:
            LevelError: If its level is newer than the engine, or older than what it reads.
        """
        if isinstance(spec.api, bool) or not isinstance(spec.api, int):
            raise LevelError(f"'{spec.name}' cannot be used: its api must be a whole number, got {spec.api!r}")
        if spec.api > self.level:
            level = f"plugin API {spec.api}, this one has {self.level}"
            raise LevelError(f"'{spec.name}' needs a newer zoo ({level}); upgrade generative-zoo")
        if spec.api < self.oldest:
            level = f"plugin API {spec.api}, this zoo reads {self.oldest} to {self.level}"
            raise LevelError(f"'{spec.name}' was written for an older zoo ({level}); upgrade {distribution}")
        for past in range(spec.api, self.level):
            adaptor = self.adaptors.get(past)
            spec = dataclasses.replace(spec if adaptor is None else adaptor(spec), api=past + 1)
        return spec

    def deprecations(self, spec: S) -> Iterator[Deprecated]:
        """Yield what is told of the fields that a spec sets."""
        for known in dataclasses.fields(spec) if self.fields else ():
            notice = self.fields.get(f"{type(spec).__name__}.{known.name}")
            if notice is not None and getattr(spec, known.name) != known.default:
                yield notice


CONTRACT = Contract()
"""The plugin interface of this release. Level 1 is the first, so that nothing is adapted and nothing is deprecated."""
