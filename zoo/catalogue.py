"""A table of names with their providers: ours keep the bare name, others' duplicates are `name@distribution`."""

from __future__ import annotations

__all__ = ["OURS", "Catalogue", "Entry", "Source", "folded", "is_name", "qualified", "same_distribution"]

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from zoo.errors import ZooError, did_you_mean

OURS = "generative-zoo"

T = TypeVar("T")


class Source(NamedTuple):
    """Where something was declared: a distribution, its version, and the entry point or file within it.

    A one-file plugin is a distribution of its own, which has the SHA-256 of the file for a version.
    """

    distribution: str
    version: str
    plugin: str
    digest: str = ""

    @property
    def ours(self) -> bool:
        """Whether it comes from the zoo's own distribution."""
        return self.distribution == OURS

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()

    def to_dict(self) -> dict[str, str]:
        """Return it as the files of a run record it."""
        known = {"distribution": self.distribution, "version": self.version, "plugin": self.plugin}
        return known | ({"sha256": self.digest} if self.digest else {})


class Entry(NamedTuple, Generic[T]):
    """One named thing: the name that users type, what it is, and who provides it."""

    name: str
    item: T
    source: Source


@dataclass(eq=False, repr=False)
class Catalogue(Generic[T]):
    """Named things of one kind; `noun` is what messages call them."""

    noun: str
    _found: dict[str, list[Entry[T]]] = field(default_factory=dict)

    def add(self, name: str, item: T, source: Source) -> str | None:
        """Add a thing; return one line to show if the name is taken, else nothing."""
        taken = self._found.setdefault(name, [])
        same = [entry for entry in taken if entry.source.distribution == source.distribution]
        if same:
            return f"{self.noun} '{name}' is declared twice by {source}; the first one stays"
        taken.append(Entry(name, item, source))
        if len(taken) == 1:
            return None
        return f"{self.noun} '{name}' is in {taken[0].source} too; this one is '{qualified(name, source)}'"

    def entries(self) -> Iterator[Entry[T]]:
        """Yield every thing under a name that finds it, in the order of the names."""
        for name in sorted(self._found):
            found = self._found[name]
            for entry in found:
                bare = len(found) == 1 or entry.source.ours
                yield entry if bare else Entry(qualified(name, entry.source), entry.item, entry.source)

    def names(self) -> list[str]:
        """Return the names that find a thing."""
        return [entry.name for entry in self.entries()]

    def __contains__(self, name: str) -> bool:
        return len(self._matches(name)) == 1

    def find(self, name: str) -> Entry[T]:
        """Return the thing of that name; `name@distribution` finds it whether or not the name is unique.

        Raises:
            ZooError: If there is none (the nearest name is offered), or more than one.
        """
        found = self._matches(name)
        if len(found) == 1:
            return found[0]
        if found:
            spellings = " or ".join(f"'{qualified(name, entry.source)}'" for entry in found)
            raise ZooError(f"{self.noun} '{name}' is provided more than once; write {spellings}")
        names = self.names()
        known = f" (there are {', '.join(names)})" if names else ""
        raise ZooError(f"unknown {self.noun} '{name}'{did_you_mean(name, names) or known}")

    def spelling(self, name: str, distribution: str) -> str | None:
        """Return the name that finds what a distribution declares under a bare name, or nothing if it does not."""
        bare = name.partition("@")[0]
        of = [e for e in self._found.get(bare, ()) if same_distribution(e.source.distribution, distribution)]
        if not of:
            return None
        return bare if self._matches(bare) == of else qualified(bare, of[0].source)

    def _matches(self, name: str) -> list[Entry[T]]:
        bare, at, distribution = name.partition("@")
        found = self._found.get(bare, [])
        if at:
            return [
                Entry(name, e.item, e.source) for e in found if same_distribution(e.source.distribution, distribution)
            ]
        return [entry for entry in found if entry.source.ours] or found


def is_name(text: Any) -> bool:
    """Whether something can be a name: lower-case letters, digits and dashes, which no suffix or qualifier confuses."""
    return isinstance(text, str) and re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", text) is not None


def qualified(name: str, source: Source) -> str:
    """Return the name that finds a thing whoever else provides the same."""
    return f"{name}@{source.distribution}"


def same_distribution(distribution: str, other: str) -> bool:
    """Whether two names are of one distribution."""
    return folded(distribution) == folded(other)


def folded(distribution: str) -> str:
    """Return a name as package indexes compare them: case, and which of -_. is written, say nothing."""
    return distribution.lower().replace("_", "-").replace(".", "-")
