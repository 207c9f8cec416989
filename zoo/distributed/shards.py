"""Which process keeps what the optimisers remember of which weights, and moves them."""

from __future__ import annotations

__all__ = ["Shards"]

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from zoo.distributed.world import Alone, World


@final
class Shards:
    """Weights, each of which one process moves for all: gradients are summed there, and the optimiser's state is there.

    Weights go to processes whole, the largest first, each to the one that has least; so the parts are as even as the
    largest weight allows.

    Arguments:
        world: The processes.
        parameters: All that is trained, in the same order on each process.
    """

    def __init__(self, world: World, parameters: Iterable[nn.Parameter]) -> None:
        self._world = world
        self._owners: dict[nn.Parameter, int] = {}
        loads = [0] * world.size
        for parameter in sorted(parameters, key=nn.Parameter.numel, reverse=True):
            if parameter not in self._owners:
                rank = loads.index(min(loads))
                self._owners[parameter] = rank
                loads[rank] += parameter.numel()

    @classmethod
    def none(cls) -> Shards:
        """Return those of a lone process, which moves everything."""
        return cls(Alone(), ())

    def owners(self, parameters: Iterable[nn.Parameter]) -> list[int]:
        """Return which process moves each of the parameters."""
        if self._world.size == 1:
            return [0 for _ in parameters]
        return [self._owners[parameter] for parameter in parameters]

    def own(self, parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
        """Return those of the parameters that this process moves."""
        owners = self.owners(parameters)
        return [one for one, owner in zip(parameters, owners, strict=True) if owner == self._world.rank]

    def spread(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the weights that others have moved."""
        if self._world.size > 1:
            self._world.spread([parameter.detach() for parameter in parameters], self.owners(parameters))

    def clip(self, parameters: Sequence[nn.Parameter], norm: float) -> None:
        """Shorten the gradients of parameters to a norm of all of them, of which this process has those of its own."""
        if self._world.size == 1:
            nn.utils.clip_grad_norm_(parameters, norm)
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        device = parameters[0].device
        mine = nn.utils.get_total_norm(gradients).to(device, torch.float32)
        whole = torch.linalg.vector_norm(self._world.gather(mine.reshape(1), 1))
        nn.utils.clip_grads_with_norm_([one for one in parameters if one.grad is not None], norm, whole)

    def whole(
        self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the state of all processes, of which this one has its own; on others than the first, that alone."""
        if self._world.size == 1:
            return dict(tensors), dict(numbers)
        kinds = {name: (value.shape, str(value.dtype).removeprefix("torch.")) for name, value in tensors.items()}
        all_tensors, all_numbers = dict(tensors), dict(numbers)
        for rank, told in enumerate(map(json.loads, self._world.hear_all(json.dumps([kinds, dict(numbers)])))):
            all_numbers.update(told[1] if self._world.first else {})
            for name, (shape, kind) in told[0].items():
                mine = rank == self._world.rank
                value = tensors[name].contiguous() if mine else torch.empty(shape, dtype=getattr(torch, kind))
                self._world.spread([value], [rank])
                if self._world.first:
                    all_tensors[name] = value
        return all_tensors, all_numbers
