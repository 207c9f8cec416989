"""Which rows of a batch a process has."""

from __future__ import annotations

__all__ = ["Share"]

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Share:
    """A process's rows of a batch.

    A process that gets none computes on the first row, and weighs nothing: so it takes part in whatever the others
    agree on, and no layer sees an empty batch.

    Arguments:
        start: Its first row.
        stop: The row after its last.
        count: Rows of the whole batch.
        weight: What its loss weighs in the sum over all processes.
    """

    start: int
    stop: int
    count: int
    weight: float

    @classmethod
    def of(cls, count: int, rank: int, size: int) -> Share:
        """Return the share of process `rank` among `size`: as even as can be, earlier ones with one row more.

        Example:
            >>> [Share.of(5, rank, 2).rows for rank in range(2)]
            [slice(0, 3, None), slice(3, 5, None)]
        """
        least, more = divmod(count, size)
        start = rank * least + min(rank, more)
        stop = start + least + (rank < more)
        return cls(start, stop, count, (stop - start) / count)

    @classmethod
    def whole(cls, count: int, size: int) -> Share:
        """Return all rows, which each of `size` processes has."""
        return cls(0, count, count, 1 / size)

    @property
    def idle(self) -> bool:
        """Whether no row is this process's own."""
        return self.start == self.stop

    @property
    def rows(self) -> slice:
        """The rows to compute on."""
        return slice(0, 1) if self.idle else slice(self.start, self.stop)

    @property
    def size(self) -> int:
        """The number of rows to compute on."""
        return max(1, self.stop - self.start)

    def take(self, values: Tensor) -> Tensor:
        """Return this process's rows of values `(count, ...)`."""
        return values[self.rows]
