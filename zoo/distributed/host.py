"""Processes of one machine that compute on its CPU: they talk through memory."""

from __future__ import annotations

__all__ = ["Host", "settle"]

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from zoo.distributed.board import Board, make_file
from zoo.distributed.group import Group, lost
from zoo.distributed.launch import ProcessLost
from zoo.distributed.world import World


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

    def sum(self, tensors: Sequence[Tensor]) -> None:
        if any(tensor.dtype != torch.float32 for tensor in tensors):
            self._group.sum(tensors)
            return
        flat = [_in_memory_order(tensor) for tensor in tensors]
        for part in _parts(flat, self._board.room // 4):
            self._sum_at_once(part)

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

    def _sum_at_once(self, flat: Sequence[Tensor]) -> None:
        sizes = [len(tensor) for tensor in flat]
        size = 4 * sum(sizes)
        torch.cat(list(flat), out=self._board.page(size).view(torch.float32))
        self._meet()
        pages = [page.split_with_sizes(sizes) for page in self._board.pages(size).view(torch.float32)]
        # In the order of ranks on every process, so that all of them find the same bits.
        for total, *parts in zip(flat, *pages, strict=True):
            torch.add(parts[0], parts[1], out=total)
            for part in parts[2:]:
                total.add_(part)

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


def _parts(flat: Sequence[Tensor], room: int) -> list[list[Tensor]]:
    """Divide tensors into lists that fit a page; one that is too long is cut."""
    parts: list[list[Tensor]] = [[]]
    left = room
    for tensor in flat:
        for piece in _pieces(tensor, room):
            if len(piece) > left:
                parts.append([])
                left = room
            parts[-1].append(piece)
            left -= len(piece)
    return [part for part in parts if part]
