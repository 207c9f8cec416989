"""Processes of one machine that compute on its CPU: they talk through memory."""

from __future__ import annotations

__all__ = ["Host", "settle"]

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias, final

import torch
from torch import Tensor

from zoo.distributed.board import Board, make_file
from zoo.distributed.group import Group, lost
from zoo.distributed.launch import ProcessLost
from zoo.distributed.world import World

_Piece: TypeAlias = tuple[Tensor, int | None]
"""Values `(n,)`, and whose they are, if not everyone's."""


def settle(group: Group) -> World:
    """Return the processes of a group, talking through memory if all of them can, else the group itself."""
    name = ""
    if group.first:
        try:
            name = str(make_file(group.size))
        except (OSError, AttributeError):  # no room, or not a POSIX system
            name = ""
    name = group.hear(name)
    board = None
    if name:
        try:
            board = Board(Path(name), group.rank, group.size)
        except (OSError, ImportError):
            board = None
    able = torch.tensor([float(board is not None)])
    group.sum([able])
    if group.first and name:
        # A mapping outlives its name, and nothing is left behind by a process that is killed.
        Path(name).unlink(missing_ok=True)
    return Host(group, board) if board is not None and float(able) == group.size else group


@final
class Host(World):
    """The processes of one machine.

    Arguments:
        group: How they met, for what is said seldom.
        board: Where they write what is said at each step.
    """

    def __init__(self, group: Group, board: Board) -> None:
        self.rank = group.rank
        self.size = group.size
        self._group = group
        self._board = board

    def sum(self, tensors: Sequence[Tensor], owners: Sequence[int | None] | None = None) -> None:
        if any(tensor.dtype != torch.float32 for tensor in tensors):
            self._group.sum(tensors, owners)
            return
        flat = [_in_memory_order(tensor) for tensor in tensors]
        for part in _parts(zip(flat, owners or [None] * len(flat), strict=True), self._board.room // 4):
            self._sum_at_once(part)

    def spread(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        if any(tensor.dtype != torch.float32 for tensor in tensors):
            self._group.spread(tensors, owners)
            return
        flat = [(_in_memory_order(tensor), owner) for tensor, owner in zip(tensors, owners, strict=True)]
        each = [[pair for pair in flat if pair[1] == rank] for rank in range(self.size)]
        for turn in zip_longest(*(_parts(pairs, self._board.room // 4) for pairs in each), fillvalue=()):
            self._spread_at_once(turn)

    def _meet(self) -> None:
        try:
            self._board.meet()
        except ProcessLost as error:
            raise lost(str(error)) from None

    def _share(self, values: Tensor) -> Tensor:
        try:
            return self._board.share(values)
        except ProcessLost as error:
            raise lost(str(error)) from None

    def _sum_at_once(self, pieces: Sequence[_Piece]) -> None:
        sizes = [len(values) for values, _ in pieces]
        size = 4 * sum(sizes)
        for (values, owner), place in zip(pieces, _split(self._board.page(size), sizes), strict=True):
            # What nobody else wants to know need not be told.
            if owner != self.rank:
                place.copy_(values)
        self._meet()
        pages = [_split(page, sizes) for page in self._board.pages(size)]
        for (total, owner), *parts in zip(pieces, *pages, strict=True):
            if owner is None:
                # In the order of ranks on every process, so that all of them find the same bits.
                torch.add(parts[0], parts[1], out=total)
                for part in parts[2:]:
                    total.add_(part)
            elif owner == self.rank:
                for part in (*parts[:owner], *parts[owner + 1 :]):
                    total.add_(part)

    def _spread_at_once(self, turn: Sequence[Sequence[_Piece]]) -> None:
        sizes = [[len(values) for values, _ in pieces] for pieces in turn]
        if turn[self.rank]:
            mine = self._board.page(4 * sum(sizes[self.rank])).view(torch.float32)
            torch.cat([values for values, _ in turn[self.rank]], out=mine)
        self._meet()
        for rank, pieces in enumerate(turn):
            if rank != self.rank:
                page = self._board.pages(4 * sum(sizes[rank]))[rank]
                for (values, _), place in zip(pieces, _split(page, sizes[rank]), strict=True):
                    values.copy_(place)

    def add(self, numbers: Sequence[float]) -> list[float]:
        try:
            return self._board.add(numbers)
        except ProcessLost as error:
            raise lost(str(error)) from None

    def gather(self, rows: Tensor, most: int) -> Tensor:
        # In one turn and at the same place, so that one that has fewer rows, and goes on below, finds the same bytes.
        if len(rows) == most and rows.dtype == torch.float32 and 4 * rows.numel() <= self._board.room:
            return self._share(rows).view(self.size * most, *rows.shape[1:])
        mine = _bytes(rows)
        length = most * math.prod(rows.shape[1:]) * rows.element_size()
        everyone = torch.empty(self.size, length, dtype=torch.uint8)
        for start in range(0, length, self._board.room):
            piece = mine[start : start + self._board.room]
            size = min(self._board.room, length - start)
            self._board.page(size)[: len(piece)].copy_(piece)
            self._meet()
            everyone[:, start : start + size].copy_(self._board.pages(size))
        return everyone.view(-1).view(rows.dtype).view(self.size * most, *rows.shape[1:])

    def follow(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            # A copy where it does not lie in one piece.
            values = tensor.detach().contiguous()
            for piece in _pieces(_bytes(values), self._board.room):
                if self.first:
                    self._board.page(len(piece)).copy_(piece)
                self._meet()
                piece.copy_(self._board.pages(len(piece))[0])
            tensor.copy_(values)

    def hear(self, text: str) -> str:
        return self._group.hear(text)

    def hear_all(self, text: str) -> list[str]:
        return self._group.hear_all(text)

    def wait_for_first(self) -> None:
        self._group.wait_for_first()

    def close(self) -> None:
        self._group.close()


def _bytes(values: Tensor) -> Tensor:
    return values.contiguous().view(-1).view(torch.uint8)


def _in_memory_order(tensor: Tensor) -> Tensor:
    """Return a tensor's values `(n,)` as they lie in memory, so that writing to them writes to it."""
    strides = tensor.stride()
    order = sorted(range(tensor.ndim), key=lambda i: (-strides[i], i))
    return tensor.detach().permute(order).view(-1)


def _pieces(flat: Tensor, room: int) -> Iterator[Tensor]:
    return (flat[start : start + room] for start in range(0, len(flat), room))


def _split(page: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    return page.view(torch.float32).split_with_sizes(sizes)


def _parts(flat: Iterable[_Piece], room: int) -> list[list[_Piece]]:
    """Divide values into lists that fit a page; what is too long is cut."""
    parts: list[list[_Piece]] = [[]]
    left = room
    for values, owner in flat:
        for piece in _pieces(values, room):
            if len(piece) > left:
                parts.append([])
                left = room
            parts[-1].append((piece, owner))
            left -= len(piece)
    return [part for part in parts if part]
