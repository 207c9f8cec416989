"""A run in a thread of its own, which stops where it would train, and goes on when it is told how that ended.

One thread works at a time: whoever waits for another has handed over. So the code of a run, and of its plugins and
trackers, is called as it is for a run alone, and always from the same thread.
"""

from __future__ import annotations

__all__ = ["RunThread"]

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar, final

import torch

from zoo.experiment import Fit
from zoo.many.task import Ended
from zoo.many.vectorised.lockstep import Runner
from zoo.training.randomness import random_state, set_random_state
from zoo.training.trainer import Outcome, Trainer

T = TypeVar("T")


@final
class RunThread(Runner):
    """A run.

    Arguments:
        work: Does it from beginning to end, given what its trainer is to be handed to.
    """

    def __init__(self, work: Callable[[Fit], Ended]) -> None:
        self._work = work
        self._inbox: queue.SimpleQueue[Callable[[], Any] | Outcome | BaseException] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        self._trainer: Trainer | None = None
        self._random: dict[str, torch.Tensor] = {}
        self._generator: torch.Generator | None = None
        self._waiting = False
        self.ended: Ended | None = None
        self.interrupted = False
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._live,), daemon=True)

    @property
    def trainer(self) -> Trainer:
        assert self._trainer is not None, "it has come to where it trains"
        return self._trainer

    @property
    def generator(self) -> torch.Generator:
        """What its noise is drawn from, where its model is; it stands where the run's own generator stood."""
        assert self._generator is not None, "it has come to where it trains"
        return self._generator

    def start(self) -> None:
        """Let it work until it would train, or has ended."""
        self._thread.start()
        self._hear()

    def call(self, what: Callable[[], T]) -> T:
        device = self.generator.device
        set_random_state({**self._random, device.type: self.generator.get_state()}, device)
        self._inbox.put(what)
        self._waiting = False
        done, value = self._hear()
        if done:
            found: T = value
            return found
        raise value

    def end(self, how: Outcome | BaseException) -> None:
        """Tell it how its training ended, and let it work to its own end."""
        device = self.generator.device
        set_random_state({**self._random, device.type: self.generator.get_state()}, device)
        self._inbox.put(how)
        self._waiting = False
        self._hear()

    def abandon(self) -> None:
        """Interrupt it, wherever it is."""
        if self._thread.is_alive() and not self._waiting:
            self._hear()
        if self._waiting:
            self.end(KeyboardInterrupt())
        self._thread.join()

    def _hear(self) -> tuple[bool, Any]:
        found = self._outbox.get()
        self._waiting = self.ended is None and not self.interrupted
        return found

    def _live(self) -> None:
        try:
            self.ended = self._work(self._fit)
        except KeyboardInterrupt:
            self.interrupted = True
        self._outbox.put((True, None))

    def _fit(self, trainer: Trainer) -> Outcome:
        self._trainer = trainer
        device = next(iter(trainer.model.parameters())).device
        self._random = random_state(device)
        self._generator = torch.Generator(device)
        self._generator.set_state(self._random[device.type])
        self._outbox.put((True, None))
        while True:
            told = self._inbox.get()
            if isinstance(told, BaseException):
                raise told
            if isinstance(told, Outcome):
                return told
            try:
                self._outbox.put((True, told()))
            # To be raised where it was asked for.
            except BaseException as error:
                self._outbox.put((False, error))
