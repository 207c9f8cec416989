"""How the processes of a run share a step: each a part of the batch, and all of them one set of weights."""

from __future__ import annotations

__all__ = ["Company", "alone", "company_of"]

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from zoo.distributed.networks import SharedNetworks, looks_at_whole_batches
from zoo.distributed.rows import Place, Places, SharedRows
from zoo.distributed.shards import Shards
from zoo.distributed.share import Share
from zoo.distributed.world import Alone, World
from zoo.interfaces import Model, Terms
from zoo.training.randomness import random_state, set_random_state

_SELDOM = 16
"""Where reading a message makes a GPU wait, processes agree at each so many steps only."""


def company_of(model: Model, world: World) -> Company:
    """Return how processes share the steps of a model, which is on its device."""
    whole = world.size > 1 and looks_at_whole_batches(model)
    trained = [parameter for player in model.players().values() for parameter in player.parameters.values()]
    device = next(iter(model.parameters())).device
    return Company(world, device, SharedNetworks(model, world) if whole else None, Shards(world, trained))


def alone(device: torch.device) -> Company:
    """Return the company of a lone process."""
    return Company(Alone(), device, None, Shards.none())


@final
class Company:
    """The processes of a run at their steps.

    The loss of a process counts as much as its rows among all, so that the sum of their gradients is the gradient of
    the whole batch's mean, however uneven the rows are.

    Arguments:
        world: The processes.
        device: Where this one computes.
        networks: What shares networks alone, for a model that looks at whole batches.
        shards: Which process moves which weights.
    """

    def __init__(self, world: World, device: torch.device, networks: SharedNetworks | None, shards: Shards) -> None:
        self.world = world
        self.shards = shards
        self._device = device
        self._networks = networks
        self._seldom = 1 if device.type == "cpu" else _SELDOM
        self._pending = 0.0
        self._places: dict[bool, list[Place]] = {}

    def learn(self, draw: Callable[[int, bool], object], count: int) -> None:
        """Find out which dimension of each draw of a step is the batch.

        Arguments:
            draw: Draws as a step does for so many images, varied or not.
            count: Images in a batch.
        """
        if self.world.size == 1 or self._networks is not None or count == 1:
            return
        for varied in (True, False):
            with Places() as whole:
                draw(count, varied)
            with Places() as smaller:
                draw(count - 1, varied)
            self._places[varied] = whole.against(smaller)

    def share(self, count: int) -> Share:
        """Return this process's share of a batch of so many rows."""
        if self.world.size == 1 or self._networks is not None:
            return Share.whole(count, self.world.size)
        return Share.of(count, self.world.rank, self.world.size)

    def computing(self, share: Share, *, varied: bool) -> AbstractContextManager[object]:
        """Read a batch and compute its loss inside the `with`: noise and statistics are those of the whole batch."""
        if self.world.size == 1:
            return nullcontext()
        if self._networks is not None:
            return self._networks.within()
        return SharedRows(self.world, share, self._places.get(varied, []))

    def weigh(self, terms: Terms, share: Share) -> Terms:
        """Return terms whose sum over processes is that of the whole batch."""
        if self.world.size == 1:
            return terms
        weighed: tuple[Mapping[str, Tensor], ...] = tuple(
            {name: share.weight * value for name, value in values.items()} for values in (terms.logs, terms.adversaries)
        )
        return Terms(share.weight * terms.loss, *weighed)

    @torch.no_grad()
    def pool(self, weighed: Terms, parameters: Sequence[nn.Parameter] = ()) -> Terms:
        """Return the terms of the whole batch, and leave each parameter's gradient to the process that moves it."""
        if self.world.size == 1:
            return weighed
        values = {"loss": weighed.loss, **weighed.logs, **weighed.adversaries}
        numbers = [value.detach().to(torch.float32).reshape(()) for value in values.values()]
        # What one process had no use for, another may have used; what none used is left out, as by one alone.
        used = [parameter.grad is not None for parameter in parameters] if self._device.type == "cpu" else []
        told = torch.cat([torch.stack(numbers), torch.tensor(used, dtype=torch.float32, device=self._device)])
        # In one message, because each waits for the others.
        owners = self.shards.owners(parameters)
        self.world.sum([told, *map(_gradient, parameters)], [None, *owners])
        users = told[len(numbers) :].tolist() if used else [1.0] * len(parameters)
        for parameter, owner, wanted in zip(parameters, owners, users, strict=True):
            parameter.grad = parameter.grad if wanted and owner == self.world.rank else None
        pooled = dict(zip(values, told.unbind(), strict=False))
        return replace(
            weighed,
            loss=pooled["loss"],
            logs={name: pooled[name] for name in weighed.logs},
            adversaries={name: pooled[name] for name in weighed.adversaries},
        )

    def agree(self, seconds: float, asked: bool, count: int | None = None) -> tuple[float, bool]:
        """Return the time that the first process took since it was last asked, and whether any was asked to stop.

        Arguments:
            seconds: What this process took.
            asked: Whether it was asked to stop.
            count: The steps taken, where the answer may wait for a later one; it is then no time, and no.
        """
        if self.world.size == 1:
            return seconds, asked
        self._pending += seconds
        if count is not None and count % self._seldom:
            return 0.0, False
        taken, stop = self.world.add([self._pending * self.world.first, float(asked)])
        self._pending = 0.0
        return taken, stop > 0

    def settle(self, model: nn.Module) -> None:
        """Give every process the weights, the buffers and the random numbers of the first one."""
        if self.world.size == 1:
            return
        state = random_state(self._device)
        with torch.no_grad():
            self.world.follow([*model.parameters(), *model.buffers(), *state.values()])
        set_random_state(state, self._device)


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
