"""Inside a step, what a process computes of its rows is what one process would compute of them among all."""

from __future__ import annotations

__all__ = ["Place", "Places", "SharedRows"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, final

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from zoo.distributed.noise import DRAWS, Asked
from zoo.distributed.normalisation import shared_batch_norm
from zoo.distributed.share import Share
from zoo.distributed.world import World

_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
_NORM_LOW = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps", "cudnn_enabled")


_MEANT = {*DRAWS, F.batch_norm, torch.batch_norm}

Place: TypeAlias = tuple[tuple[int, ...], int | None]
"""The shape of a draw, and which of its dimensions is the batch, if any is."""


@final
class Places(TorchFunctionMode):
    """Notes the shapes of draws; two runs with batches of two sizes tell which dimension of each is the batch.

    By its length alone it could be taken for another: 64 codes of 64 images, or 50 samples of 50.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Note a draw's shape."""
        found = func(*args, **(kwargs or {}))
        if _draws(func, kwargs or {}):
            self.shapes.append(tuple(found.shape) if isinstance(found, Tensor) else ())
        return found

    def against(self, smaller: Places) -> list[Place]:
        """Return the places of the batch, by a run that drew for fewer images."""
        if len(self.shapes) != len(smaller.shapes):
            return []
        return [_difference(*pair) for pair in zip(self.shapes, smaller.shapes, strict=True)]


def _draws(func: Callable[..., Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether it draws from the run's generator, and not from one of its own."""
    return func in DRAWS and kwargs.get("generator") is None and kwargs.get("out") is None


def _difference(shape: tuple[int, ...], smaller: tuple[int, ...]) -> Place:
    differing = [i for i, pair in enumerate(zip(shape, smaller, strict=False)) if pair[0] != pair[1]]
    return shape, differing[0] if len(differing) == 1 else None


@final
class SharedRows(TorchFunctionMode):
    """Draws noise for the whole batch and takes the share's, and normalises by all rows, in whatever code it runs over.

    Arguments:
        world: The processes.
        share: This one's rows.
        places: Where the batch is in each draw of a step, in order, as far as it is known.
    """

    def __init__(self, world: World, share: Share, places: Sequence[Place] = ()) -> None:
        super().__init__()
        self.world = world
        self.share = share
        self._places = places
        self._drawn = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace draws and batch normalisation; leave the rest."""
        named = kwargs or {}
        # Every operation of a step comes here, and few are meant.
        if func not in _MEANT:
            return func(*args, **named)
        if _draws(func, named):
            return DRAWS[func](func, Asked(self.share, self.world.rank, self._next()), args, named)
        if func is F.batch_norm:
            return self._normalise(func, _NORM, args, named)
        if func is torch.batch_norm:
            return self._normalise(func, _NORM_LOW, args, named)
        return func(*args, **named)

    def _next(self) -> Place | None:
        """Return what is known of the next draw, as its shape should be for these rows."""
        self._drawn += 1
        if self._drawn > len(self._places):
            return None
        shape, place = self._places[self._drawn - 1]
        return (shape if place is None else (*shape[:place], self.share.size, *shape[place + 1 :])), place

    def _normalise(
        self, func: Callable[..., Any], names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if not given.get("training", False):
            return func(*args, **kwargs)
        return shared_batch_norm(
            given["input"],
            given.get("running_mean"),
            given.get("running_var"),
            given.get("weight"),
            given.get("bias"),
            given.get("momentum", 0.1),
            given.get("eps", 1e-5),
            self.world,
            idle=self.share.idle,
        )
