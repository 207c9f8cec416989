"""A table of names with their providers: ours keep the bare name, others' duplicates are `name@distribution`."""

from __future__ import annotations

__all__ = ["Catalogue", "Entry", "Source"]

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from zoo.errors import ZooError, did_you_mean

OURS = "generative-zoo"

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """Where something was declared: a distribution, its version, and the entry point or file within it."""

    distribution: str
    version: str
    plugin: str

    @property
    def ours(self) -> bool:
        """Whether it comes from the zoo's own distribution."""
        return self.distribution == OURS

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One named thing: the name that users type, what it is, and who provides it."""

    name: str
    item: T
    source: Source


@dataclass
class Catalogue(Generic[T]):
    """Named things of one kind; `noun` is what messages call them."""

    noun: str
    _found: dict[str, list[Entry[T]]] = field(default_factory=dict)

    def add(self, name: str, item: T, source: Source) -> str | None:
        """Add a thing; return one line to show if the name is taken, else nothing."""
        taken = self._found.setdefault(name, [])
        same = [entry for entry in taken if entry.source.distribution == source.distribution]
        if same:
            return f"{source} declares {self.noun} '{name}' twice; the first one stays"
        taken.append(Entry(name, item, source))
        if len(taken) == 1:
            return None
        qualified = f"{name}@{source.distribution}"
        return f"{self.noun} '{name}' of {source} is also in {taken[0].source}; use it as '{qualified}'"

    def entries(self) -> Iterator[Entry[T]]:
        """Yield every thing under a name that finds it, in the order of the names."""
        for name in sorted(self._found):
            found = self._found[name]
            for entry in found:
                bare = len(found) == 1 or entry.source.ours
                yield entry if bare else Entry(f"{name}@{entry.source.distribution}", entry.item, entry.source)

    def names(self) -> list[str]:
        """Return the names that find a thing."""
        return [entry.name for entry in self.entries()]

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def find(self, name: str) -> Entry[T]:
        """Return the thing of that name.

        Raises:
            ZooError: If there is none (the nearest name is offered), or more than one.
        """
        for entry in self.entries():
            if entry.name == name:
                return entry
        if name in self._found:
            spellings = " or ".join(f"'{name}@{e.source.distribution}'" for e in self._found[name])
            raise ZooError(f"{self.noun} '{name}' is provided more than once; write {spellings}")
        raise ZooError(f"unknown {self.noun} '{name}'{did_you_mean(name, self.names())}")
