"""What processes that train one model tell each other; a lone one has nobody to tell."""

from __future__ import annotations

__all__ = ["Alone", "World"]

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

from torch import Tensor


class World(ABC):
    """The processes of a run, as one of them sees them.

    Every process must call the same methods in the same order; each waits for the others. `ProcessLost` is raised where
    one of them is gone.

    Attributes:
        rank: Which one this is, from 0.
        size: How many there are.
    """

    rank: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and talks to people."""
        return self.rank == 0

    @abstractmethod
    def sum(self, tensors: Sequence[Tensor], owners: Sequence[int | None] | None = None) -> None:
        """Replace each tensor by its sum over all processes; to the bit the same on all of them.

        Arguments:
            tensors: The tensors.
            owners: For each tensor the only process that wants it, or none; what the others then have is anything.
        """

    @abstractmethod
    def add(self, numbers: Sequence[float]) -> list[float]:
        """Return the sums of a few numbers over all processes; a GPU is not waited for."""

    @abstractmethod
    def gather(self, rows: Tensor, most: int) -> Tensor:
        """Return the rows `(n, ...)` of all processes, in their order, `(size * most, ...)`.

        Each has room for `most` rows; what lies between is anything.
        """

    @abstractmethod
    def follow(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of the first process."""

    @abstractmethod
    def spread(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        """Replace each tensor by that of its owner; it lies in memory in the same order on all."""

    @abstractmethod
    def hear(self, text: str) -> str:
        """Return the text that the first process has."""

    @abstractmethod
    def hear_all(self, text: str) -> list[str]:
        """Return the texts of all processes, in their order."""

    @abstractmethod
    def wait_for_first(self) -> None:
        """Return when the first process is here too, however long it takes."""

    @abstractmethod
    def close(self) -> None:
        """Part from the others."""


@final
class Alone(World):
    """One process by itself."""

    rank = 0
    size = 1

    def sum(self, tensors: Sequence[Tensor], owners: Sequence[int | None] | None = None) -> None:
        """Leave them."""

    def add(self, numbers: Sequence[float]) -> list[float]:
        return list(numbers)

    def gather(self, rows: Tensor, most: int) -> Tensor:
        return rows

    def follow(self, tensors: Sequence[Tensor]) -> None:
        """Leave them."""

    def spread(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        """Leave them."""

    def hear(self, text: str) -> str:
        return text

    def hear_all(self, text: str) -> list[str]:
        return [text]

    def wait_for_first(self) -> None:
        """It is here."""

    def close(self) -> None:
        """There is nobody."""
