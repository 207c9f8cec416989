"""A part under test, and checks of it that are imported when they are made."""

from __future__ import annotations

__all__ = ["PartCase", "PartCheck"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zoo.catalogue import Entry
from zoo.registry import Registry
from zoo.specs import FITTED_PRIOR, PartSpec, import_reference

if TYPE_CHECKING:
    from zoo.testing.homes import Home


@dataclass(frozen=True)
class PartCase:
    """A part of the registry.

    Arguments:
        registry: Where it is found.
        kind: What kind of part it is.
        entry: The part.
        options: Its options, as far as they are not to be the defaults.
    """

    registry: Registry
    kind: str
    entry: Entry[PartSpec]
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def home(self) -> Home:
        """Where it is checked; imports torch."""
        if self.kind == FITTED_PRIOR:
            from zoo.testing.fitted_home import FittedHome

            return FittedHome(self.registry, self.kind, self.entry, self.options)
        from zoo.testing.part_home import PartHome

        return PartHome(self.registry, self.kind, self.entry, self.options)


@dataclass(frozen=True)
class PartCheck:
    """A check of a part, by the name of its function, whose file imports torch.

    Arguments:
        reference: The function of a `Home`, as `"package.module:name"`.
    """

    reference: str

    @property
    def __name__(self) -> str:
        return self.reference.partition(":")[2]

    @property
    def __doc__(self) -> str:  # type: ignore[override]  # read from the function, and never written
        return import_reference(self.reference).__doc__ or ""

    def __call__(self, case: Any) -> None:
        """Make the check."""
        __tracebackhide__ = True
        import_reference(self.reference)(case.home)
