"""One step of training, as plainly as it can be said: read, loss, gradients, optimisers, running mean, sums."""

from __future__ import annotations

__all__ = ["LossOf", "NotFinite", "Repeatable", "TrainStep", "position"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeAlias, TypeVar, final

import torch
from torch import Tensor

from zoo.distributed.company import Company, alone
from zoo.interfaces import Batch, Model, Step, Terms, at_step
from zoo.interfaces.steps import number_at_step
from zoo.options import Scheduled
from zoo.training.averaging import Average
from zoo.training.diagnosis import is_finite
from zoo.training.feed import Feed, Kept, Stored
from zoo.training.players import Optimisers
from zoo.training.sums import Sums
from zoo.training.watch import Watch

K = TypeVar("K", bound=Kept)

LossOf: TypeAlias = Callable[[Batch, Step], Terms]
"""A model's loss, or what computes the same faster."""


class NotFinite(Exception):
    """A loss is not finite; the step was not taken.

    Arguments:
        batch: The batch of it.
        terms: What the loss returned.
    """

    def __init__(self, batch: Batch, terms: Terms) -> None:
        super().__init__("a loss is not finite")
        self.batch = batch
        self.terms = terms


class Repeatable(ABC, Generic[K]):
    """A step in which nothing is read back from a GPU, so that it can be recorded as it is.

    What changes from step to step reaches it as tensors: the batch, and how far the run is. All else that it reads it
    also writes, in place.
    """

    @abstractmethod
    def __call__(self, stored: K, step: Step, turns: Sequence[str]) -> Terms:
        """Take a step, and return its terms.

        Arguments:
            stored: The batch, on the device.
            step: How far the run is, on the device.
            turns: The players whose turn it is.
        """

    def plainly(self, stored: K, step: Step, turns: Sequence[str]) -> Terms:
        """Take a step as it is recorded: without what the host keeps to undo one."""
        return self(stored, step, turns)

    @abstractmethod
    def tensors(self) -> list[Tensor]:
        """Return everything that a step writes, to be put back after one that was only tried."""

    @abstractmethod
    def generators(self) -> list[torch.Generator]:
        """Return what a step draws from beside the device's own generator."""


@final
class TrainStep(Repeatable[Stored]):
    """A step of training: of one model, by one process or several.

    Arguments:
        model: The model, on its device.
        loss: Its loss.
        feed: Reads a batch.
        optimisers: Move the weights.
        average: The running mean of the weights, if there is one.
        lr: The learning rate, or its schedule.
        shortened: Makes what the loss is computed inside.
        company: The processes that take the step together; by default this one alone.
    """

    def __init__(
        self,
        model: Model,
        loss: LossOf,
        feed: Feed,
        optimisers: Optimisers,
        average: Average | None,
        lr: Scheduled,
        shortened: Callable[[], AbstractContextManager[object]],
        company: Company | None = None,
    ) -> None:
        device = next(iter(model.parameters())).device
        self.model = model
        self.sums = Sums(device)
        self.watch = Watch(device)
        self._loss = loss
        self._feed = feed
        self._optimisers = optimisers
        self._average = average
        self._lr = lr
        self._shortened = shortened
        self._company = company or alone(device)
        # A CPU has computed the loss when it returns; a GPU would have to be waited for.
        self._immediate = device.type == "cpu"

    def __call__(self, stored: Stored, step: Step, turns: Sequence[str]) -> Terms:
        """Take a step; of several processes, `stored` is the batch of all of them.

        Raises:
            NotFinite: If a loss is not finite and the device need not be waited for to know.
        """
        batch, terms = self.share(self._loss, self._feed, stored, step, varied=True)
        self._optimisers.find_gradients(terms, turns)
        terms = self._company.pool(terms, self._optimisers.parameters(turns))
        self._move(batch, terms, len(stored), step, turns)
        return terms

    def follow(
        self,
        gradients: Mapping[str, Sequence[Tensor | None]],
        batch: Batch,
        terms: Terms,
        step: Step,
        turns: Sequence[str],
    ) -> None:
        """Take a step whose terms and gradients, of each player's parameters in their order, were computed elsewhere.

        Raises:
            NotFinite: As for a step.
        """
        for name in turns:
            self._optimisers.take_gradients(name, gradients[name])
        self._move(batch, terms, len(batch.index), step, turns)

    def _move(self, batch: Batch, terms: Terms, images: int, step: Step, turns: Sequence[str]) -> None:
        """Move the weights down their gradients, and their running mean after them, and add the terms up."""
        if self._immediate:
            if not is_finite(terms):
                raise NotFinite(batch, terms)
        else:
            self.watch.note(terms, step)
        lr = number_at_step(self._lr, step) if self._immediate else at_step(self._lr, step)
        self._optimisers.descend(turns, lr)
        self._company.shards.spread(self._optimisers.parameters(turns))
        if self._average is not None:
            self._average.update(step.count)
        self.sums.add(terms, images)

    def share(self, loss: LossOf, feed: Feed, stored: Stored, step: Step, *, varied: bool) -> tuple[Batch, Terms]:
        """Return this process's part of a batch, and its part of the terms, which sum up to those of the batch."""
        share = self._company.share(len(stored))
        with self._company.computing(share, varied=varied):
            batch = feed.read(stored[share.rows], varied=varied)
            with self._shortened():
                terms = loss(batch, step)
        return batch, self._company.weigh(terms, share)

    def turns(self, count: int) -> tuple[str, ...]:
        """Return the players that move at step `count`."""
        return self._optimisers.turns(count)

    def tensors(self) -> list[Tensor]:
        written = [*self.model.parameters(), *self.model.buffers(), *self._optimisers.state()[0].values()]
        written += [*self.sums.state().values(), *self.watch.tensors()]
        if self._average is not None:
            written += self._average.state().values()
        return [value.detach() for value in written]

    def generators(self) -> list[torch.Generator]:
        return []


def position(device: torch.device) -> Callable[[float, float, float], Step]:
    """Return what tells how far a run is, in the same three numbers on the device each time, without waiting for it."""
    numbers = torch.zeros(3, device=device)
    step = Step(*numbers.unbind())

    def at(count: float, epoch: float, fraction: float) -> Step:
        for number, value in zip((step.count, step.epoch, step.fraction), (count, epoch, fraction), strict=True):
            number.fill_(value)
        return step

    return at
