"""Inside a step, what a process computes of its rows is what one process would compute of them among all."""

from __future__ import annotations

__all__ = ["SharedRows"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from zoo.distributed.noise import DRAWS
from zoo.distributed.normalisation import shared_batch_norm
from zoo.distributed.share import Share
from zoo.distributed.world import World

_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
_NORM_LOW = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps", "cudnn_enabled")


@final
class SharedRows(TorchFunctionMode):
    """Draws noise for the whole batch and takes the share's, and normalises by all rows, in whatever code it runs over.

    Arguments:
        world: The processes.
        share: This one's rows.
    """

    def __init__(self, world: World, share: Share) -> None:
        super().__init__()
        self.world = world
        self.share = share

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace draws and batch normalisation; leave the rest."""
        named = kwargs or {}
        draw = DRAWS.get(func)
        if draw is not None and named.get("generator") is None and named.get("out") is None:
            return draw(func, self.share, self.world.rank, args, named)
        if func is F.batch_norm:
            return self._normalise(func, _NORM, args, named)
        if func is torch.batch_norm:
            return self._normalise(func, _NORM_LOW, args, named)
        return func(*args, **named)

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
