"""Trainers that go in step: each goes its own course between steps, and the steps are taken together."""

from __future__ import annotations

__all__ = ["Build", "Runner", "go_in_step"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from zoo.device import wait_for
from zoo.errors import Diverged
from zoo.interfaces import Step, Terms
from zoo.many.vectorised.joint import NotAllFinite
from zoo.many.vectorised.noise import Unfit
from zoo.training.capture import stream_of_its_own
from zoo.training.feed import Several, Stored
from zoo.training.interrupt import Interruption
from zoo.training.step import NotFinite
from zoo.training.trainer import Outcome, Trainer

T = TypeVar("T")


class Runner(ABC):
    """A run whose trainer is there, and whose code waits for its outcome."""

    @property
    @abstractmethod
    def trainer(self) -> Trainer:
        """Its trainer."""

    @abstractmethod
    def call(self, what: Callable[[], T]) -> T:
        """Do something as the run would, where the run would, with its generators."""


Take: TypeAlias = Callable[[Several, Step, Sequence[str]], Terms]
"""Takes a joint step, or raises `NotAllFinite` or `Unfit`."""

Build: TypeAlias = Callable[[Sequence[int], Several, Step], Take]
"""Makes a joint step of some of the runs, by their places, which have a batch each; or raises `Unfit`."""


@dataclass
class _Going:
    """A run on its course, and the batch that is next."""

    number: int
    runner: Runner
    course: Generator[Stored]
    stored: Stored | None = None


def go_in_step(runners: Sequence[Runner], build: Build, unfit: Callable[[str], None]) -> list[Outcome | BaseException]:
    """Train many runs in step, and return how each ended; one after another from where they cannot go on together.

    Arguments:
        runners: The runs, all of them at the same step.
        build: Makes their joint step.
        unfit: Told why they go on alone.
    """
    lockstep = _Lockstep(runners, build)
    try:
        lockstep.go()
    except Unfit as error:
        unfit(str(error))
        lockstep.go_alone()
    return [lockstep.ends[number] for number in range(len(runners))]


class _Lockstep:
    def __init__(self, runners: Sequence[Runner], build: Build) -> None:
        self.ends: dict[int, Outcome | BaseException] = {}
        self._build = build
        self._device = next(iter(runners[0].trainer.model.parameters())).device
        self._interruption = Interruption()
        # What the runs see of it: that they all end at one step, and not in the middle of one.
        self._seen = Interruption()
        self._going = [
            _Going(number, runner, runner.trainer.course(self._seen)) for number, runner in enumerate(runners)
        ]

    def go(self) -> None:
        """Go on until every run has ended.

        Raises:
            Unfit: If they cannot go on together.
        """
        with self._interruption, stream_of_its_own(self._device):
            for going in self._going:
                self._advance(going)
            while self._live():
                self._go_together(self._live())

    def _live(self) -> list[_Going]:
        return [going for going in self._going if going.number not in self.ends]

    def _go_together(self, live: list[_Going]) -> None:
        """Take steps until one of the runs ends, and leaves the others."""
        step = live[0].runner.trainer.here()
        take = self._build([going.number for going in live], _batches(live), step)
        while len(self._live()) == len(live):
            self._step(take, live)
            self._seen.asked = self._interruption.asked
            for going in live:
                if going.number not in self.ends:
                    self._advance(going)

    def _step(self, take: Take, live: Sequence[_Going]) -> None:
        trainer = live[0].runner.trainer
        step, turns = trainer.here(), trainer.step.turns(trainer.count)
        bad: Mapping[int, NotFinite] = {}
        try:
            take(_batches(live), step, turns)
        except NotAllFinite as found:
            bad = found.each
        for i, going in enumerate(live):
            try:
                self._look(going.runner.trainer, bad.get(i), step)
            except Diverged as error:
                self._end(going, error)

    def _look(self, trainer: Trainer, bad: NotFinite | None, step: Step) -> None:
        """Find out whether a run has diverged, here or, of a GPU, some steps ago."""
        if bad is not None:
            trainer.give_up(bad.terms, bad.batch, step)
        trainer.look()

    def _advance(self, going: _Going) -> None:
        """Let a run do what it does between two steps, and ask for its next batch."""
        trainer = going.runner.trainer
        length = len(trainer.data.train)
        # Within an epoch nothing is drawn, saved or shown to others.
        within = going.stored is not None and (trainer.count + 1) % length and not self._seen.asked
        try:
            going.stored = next(going.course) if within else self._call(going, lambda: next(going.course))
        except StopIteration:
            self._end(going, trainer.outcome())
        except (Exception, KeyboardInterrupt) as error:
            self._end(going, error)

    def _call(self, going: _Going, what: Callable[[], T]) -> T:
        # A run's own thread has a stream of its own, so that each must wait for the other.
        wait_for(self._device)
        try:
            return going.runner.call(what)
        finally:
            wait_for(self._device)

    def _end(self, going: _Going, end: Outcome | BaseException) -> None:
        self.ends[going.number] = end
        going.course.close()

    def go_alone(self) -> None:
        """Go on with each run by itself, one after another."""
        with self._interruption:
            for going in self._live():
                try:
                    going.runner.call(lambda going=going: self._alone(going))  # type: ignore[misc]  # mypy reads no defaults
                    self._end(going, going.runner.trainer.outcome())
                except (Exception, KeyboardInterrupt) as error:
                    self._end(going, error)

    def _alone(self, going: _Going) -> None:
        trainer = going.runner.trainer
        with trainer.setting():
            while going.stored is not None:
                trainer.take(going.stored)
                self._seen.asked = self._interruption.asked
                going.stored = next(going.course, None)


def _batches(live: Sequence[_Going]) -> Several:
    """Return what runs have next."""
    return Several(tuple(going.stored for going in live if going.stored is not None))
