"""Checks by name: what they are called is known at once, and their code is imported when they are made."""

from __future__ import annotations

__all__ = ["Deferred"]

from dataclasses import dataclass
from typing import Any

from zoo.specs import import_reference


@dataclass(frozen=True)
class Deferred:
    """A check whose code imports torch, so that collecting tests does not.

    Arguments:
        reference: The function, as `"package.module:name"`.
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
        import_reference(self.reference)(case)
