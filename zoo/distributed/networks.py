"""Losses that look at several images at once: only the networks are shared out, and all else sees the whole batch."""

from __future__ import annotations

__all__ = ["SharedNetworks", "looks_at_whole_batches"]

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zoo.distributed.rows import SharedRows
from zoo.distributed.share import Share
from zoo.distributed.world import World
from zoo.interfaces import Loss, Network, Part


def looks_at_whole_batches(model: nn.Module) -> bool:
    """Return whether some part of a model computes with several images of a batch together."""
    parts = [module for module in model.modules() if isinstance(module, Part)]
    return any(part.whole_batch or (isinstance(part, Loss) and part.compares_images) for part in parts)


@final
class SharedNetworks:
    """Makes each network of a model compute on its process's rows, and return those of all.

    What lies between networks is computed by every process on the whole batch, with the same noise. So losses,
    codebooks and variances of a batch are those of one process; what is divided is where time is spent.

    Arguments:
        model: The model.
        world: The processes.
    """

    def __init__(self, model: nn.Module, world: World) -> None:
        self.world = world
        self._open: list[tuple[ExitStack, Share] | None] = []
        self._active = False
        for module in model.modules():
            if isinstance(module, Network):
                module.register_forward_pre_hook(self._divide)
                module.register_forward_hook(self._join, always_call=True)

    @contextmanager
    def within(self) -> Iterator[None]:
        """Share networks inside the `with`, and leave them alone outside."""
        self._active = True
        try:
            yield
        finally:
            self._active = False

    def _divide(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        # A network within a network is shared with it.
        if not self._active or any(self._open):
            self._open.append(None)
            return None
        x, *others = args
        share = Share.of(len(x), self.world.rank, self.world.size)
        mode = ExitStack()
        mine: Tensor = _Divide.apply(x, share, self.world)
        self._open.append((mode, share))
        mode.enter_context(SharedRows(self.world, share))
        return (mine, *others)

    def _join(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        opened = self._open.pop()
        if opened is None:
            return output
        mode, share = opened
        mode.close()
        return _Join.apply(output, share, self.world) if isinstance(output, Tensor) else output


class _Divide(torch.autograd.Function):
    """Rows of what every process has; their gradients are told to all, because all go on with them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: Share, world: World) -> Tensor:
        ctx.share, ctx.world = share, world
        return x[share.rows].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _everyone(grad / ctx.world.size, ctx.share, ctx.world), None, None


class _Join(torch.autograd.Function):
    """The rows of all, whose loss each process counts as one part of `size`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, share: Share, world: World) -> Tensor:
        ctx.share, ctx.world = share, world
        return _everyone(rows, share, world)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        mine = grad[ctx.share.rows] * (0 if ctx.share.idle else ctx.world.size)
        return mine, None, None


def _everyone(rows: Tensor, share: Share, world: World) -> Tensor:
    """Return the whole batch from the rows of each process, in their memory layout."""
    most = -(-share.count // world.size)
    found = world.gather(rows[: share.stop - share.start].contiguous(), most)
    if share.count != most * world.size:
        sizes = [Share.of(share.count, rank, world.size) for rank in range(world.size)]
        found = torch.cat([found[i * most :][: each.stop - each.start] for i, each in enumerate(sizes)])
    if rows.ndim == 4 and rows.is_contiguous(memory_format=torch.channels_last):
        found = found.contiguous(memory_format=torch.channels_last)
    return found
