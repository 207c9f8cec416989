"""Checks that are imported when they are made."""

from __future__ import annotations

__all__ = ["DeferredCheck"]

from dataclasses import dataclass
from typing import Any

from zoo.specs import import_reference


@dataclass(frozen=True)
class DeferredCheck:
    """A check of a thing in its place, by the name of its function, whose file imports torch.

    Arguments:
        reference: The function of the case's `home`, as `"package.module:name"`.
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
