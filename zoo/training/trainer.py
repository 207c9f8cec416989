"""The training loop: the same for every model, resumable to the bit."""

from __future__ import annotations

__all__ = ["Outcome", "Trainer", "TrainingData"]

import math
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import torch

from zoo.device import wait_for
from zoo.distributed.company import Company, alone
from zoo.errors import Diverged, ZooError
from zoo.interfaces import Batch, Model, Step, Terms, at_step
from zoo.runs.checkpoint import Checkpoint
from zoo.training.averaging import Average
from zoo.training.capture import recorded_on, stream_of_its_own
from zoo.training.compiled import Compiled
from zoo.training.diagnosis import bad_tensor, bad_term, is_finite, remedy
from zoo.training.evaluating import evaluating
from zoo.training.feed import Feed, Stored
from zoo.training.interrupt import Interruption
from zoo.training.options import TrainOptions, parse_duration
from zoo.training.patience import Patience
from zoo.training.players import Optimisers
from zoo.training.precision import choose_precision, precise, shortened
from zoo.training.progress import Progress
from zoo.training.randomness import isolated, random_state, set_random_state
from zoo.training.standing import Counters, Outcome, TrainingData
from zoo.training.step import NotFinite, TrainStep, position
from zoo.training.sums import Sums
from zoo.training.threads import threads_for, with_threads


class Trainer:
    """Trains a model; knows `Model`, not its parts.

    Arguments:
        model: The model, on its device.
        data: What it learns from.
        options: How.
        progress: Who is told.
        save: Called with a checkpoint at the start, after each epoch, at the end, and, maybe again, when interrupted.
        record: Called with each epoch's line of `metrics.jsonl`.
        company: The processes that train it together; by default this one alone.
    """

    def __init__(
        self,
        model: Model,
        data: TrainingData,
        options: TrainOptions,
        progress: Progress,
        save: Callable[[Checkpoint], None],
        record: Callable[[Mapping[str, Any]], None],
        company: Company | None = None,
    ) -> None:
        self.model = model
        self.data = data
        self.options = options
        self.progress = progress
        self._save = save
        self._record = record
        self._device = next(iter(model.parameters())).device
        self._company = company or alone(self._device)
        several = self._company.world.size > 1
        self._optimisers = Optimisers(model.players(), options, self._company.shards)
        self._average = Average(model, options.ema) if options.ema is not None else None
        self._patience = Patience(options.patience)
        self._precision = choose_precision(options.precision, self._device)
        self._position = position(self._device)
        self._compiled = None
        if options.compile and not several:
            self._compiled = Compiled(model, data.train.batch_size, progress.say)
        self._step = self._make_step()
        self._take = self._step if several else recorded_on(self._device, self._step, progress.say)
        if several and (options.compile or self._device.type == "cuda"):
            progress.say("NOTE: steps run one by one and not compiled, because several processes share them")
        self._threads: int | None = None
        self._at = Counters()
        self._last: Stored | None = None
        self._budget = parse_duration(options.budget) if options.budget else math.inf

    def _make_step(self) -> TrainStep:
        loss = self._loss if self._compiled is None else self._compiled
        shorten = partial(shortened, self._precision, self._device)
        lr, company = self.options.lr, self._company
        return TrainStep(self.model, loss, self.data.train, self._optimisers, self._average, lr, shorten, company)

    def _loss(self, batch: Batch, step: Step) -> Terms:
        return self.model.loss(batch, step)

    @property
    def step(self) -> TrainStep:
        """How it takes a step."""
        return self._step

    @property
    def count(self) -> int:
        """Steps taken."""
        return self._at.count

    @property
    def total_steps(self) -> int:
        """Steps in all epochs."""
        return self.options.epochs * len(self.data.train)

    def present_step(self) -> Step:
        """Return where the run is, for schedules; with a budget, time counts as well as steps."""
        return Step.of(*self._numbers(), self._device)

    def here(self) -> Step:
        """Return the same, in tensors that are the same ones each time."""
        return self._position(*self._numbers())

    def _numbers(self) -> tuple[float, float, float]:
        share = max(self._at.count / self.total_steps, min(1.0, self._at.seconds / self._budget))
        return self._at.count, self._at.count / len(self.data.train), share

    def fit(self) -> Outcome:
        """Train to the end, or until time or patience runs out.

        Raises:
            Diverged: If a term is no longer finite; the last checkpoint holds the last good weights.
            KeyboardInterrupt: If interrupted, once the step is done and a checkpoint saved.
        """
        self._company.settle(self.model)
        several = self._company.world.size > 1
        with Interruption(several) as interruption, self.setting(), closing(self.course(interruption)) as course:
            for stored in course:
                self.take(stored)
        return self.outcome()

    def course(self, interruption: Interruption) -> Generator[Stored]:
        """Yield each batch for whoever takes the step; what belongs between steps is done when the next is asked for.

        Raises:
            Diverged: As `fit`, and so is `KeyboardInterrupt`.
        """
        self.progress.start(self.options.epochs, len(self.data.train), self._at.count)
        try:
            yield from self._epochs(interruption)
        finally:
            self.progress.stop()
        self._finish()

    @contextmanager
    def setting(self) -> Iterator[None]:
        """Take steps with as many threads as they are worth, as exactly as asked for, and on a stream of their own."""
        with isolated(self.options.seed):
            batch = next(self.data.train.shuffled(0))
        if self._threads is None:
            self._threads = threads_for(self.model, batch, self.present_step())
        self._company.learn(self._draw, len(batch.index))
        with with_threads(self._threads), precise(self._precision), stream_of_its_own(self._device):
            if self._compiled is not None:
                with shortened(self._precision, self._device):
                    self._compiled.warm_up(batch, self._position(*self._numbers()))
            yield

    def _draw(self, count: int, varied: bool) -> None:
        """Draw random numbers as a step does for the first images, and leave no trace."""
        self.model.eval()
        with isolated(self.options.seed), torch.no_grad():
            stored = next(self.data.train.stored(0))[:count]
            self.model.loss(self.data.train.read(stored, varied=varied), self.present_step())
        self.model.train()

    def outcome(self) -> Outcome:
        """Return how the run stands."""
        at = self._at
        speed = statistics.median(at.speeds) if at.speeds else self._speed()
        return Outcome(at.reason or "finished", at.count / len(self.data.train), at.count, at.seconds, speed)

    def start(self) -> None:
        """Let the model's parts start from data, and save the first checkpoint."""
        with torch.no_grad():
            self.model.prepare(next(self.data.train.shuffled(0)))
        self._save(self.checkpoint())

    def _epochs(self, interruption: Interruption) -> Iterator[Stored]:
        self._at.reason = ""
        while self._at.epoch < self.options.epochs and not self._at.reason:
            yield from self._epoch(interruption)
            if self._at.position >= len(self.data.train):
                self._end_epoch()
                if self._company.agree(0.0, interruption.asked)[1]:
                    self._save(self.checkpoint())
                    raise KeyboardInterrupt
        self._check_weights()
        self._at.reason = self._at.reason or "finished"
        self._save(self.checkpoint())

    def _epoch(self, interruption: Interruption) -> Iterator[Stored]:
        self.model.train()
        mark = time.perf_counter()
        for stored in self.data.train.stored(self._at.epoch, self._at.position):
            self._last = stored
            yield stored
            self._at.position += 1
            self._at.count += 1
            last = self._at.position == len(self.data.train)
            if last:
                wait_for(self._device)
            now = time.perf_counter()
            taken, asked = self._company.agree(now - mark, interruption.asked, None if last else self._at.count)
            mark = now
            self._at.seconds += taken
            self._at.epoch_seconds += taken
            self.progress.step(self._at.count, self._at.epoch + 1, self._speed())
            if asked:
                self._save(self.checkpoint())
                raise KeyboardInterrupt
            if self._at.seconds >= self._budget:
                self._at.reason = "budget"
                return

    def take(self, stored: Stored) -> None:
        """Take a step.

        Raises:
            Diverged: If a loss is not finite.
        """
        step = self.here()
        try:
            self._take(stored, step, self._step.turns(self._at.count))
        except NotFinite as found:
            self.give_up(found.terms, found.batch, step)
        self.look()

    def look(self) -> None:
        """Hear of a loss that was not finite, from a device that is not waited for.

        Raises:
            Diverged: If one was, by what is known by now.
        """
        bad = self._step.watch.look(self._at.count)
        if bad is not None:
            # A GPU found it some steps ago: its weights are no longer good, but the checkpoint's are.
            self._check_weights()
            raise Diverged(f"diverged at step {bad}: a loss was not finite; try a lower --lr, or --clip 1")

    def _speed(self) -> float:
        images = min(self._at.position * self.data.train.batch_size, len(self.data.train.split))
        return images / self._at.epoch_seconds if self._at.epoch_seconds else 0.0

    def _check_weights(self) -> None:
        """Look at what the last step left, before it is saved as good.

        Raises:
            Diverged: If the last batch has no finite loss any more.
        """
        if self._last is None:
            return
        step = self.present_step()
        with isolated(self.options.seed), torch.no_grad(), evaluating(self.model, self._average):
            batch, terms = self._step.share(self._loss, self.data.train, self._last, step, varied=True)
            terms = self._company.pool(terms)
            if not is_finite(terms):
                self.give_up(terms, batch, step)

    def _end_epoch(self) -> None:
        self._company.settle(self.model)
        self._check_weights()
        at = self._at
        images = len(self.data.train.split)
        speed = self._speed()
        at.speeds.append(speed)
        train = self._step.sums.means(images)
        if not all(math.isfinite(value) for value in train.values()):
            raise Diverged(f"epoch {at.epoch + 1}: {_first_bad(train)} is not finite")
        step = self.present_step()
        record = {
            "epoch": at.epoch + 1,
            "steps": at.count,
            "lr": float(at_step(self.options.lr, step)),
            "seconds": round(at.epoch_seconds, 3),
            "images_per_second": round(speed, 1),
            "train": train,
        }
        at.epoch, at.position, at.epoch_seconds = at.epoch + 1, 0, 0.0
        self._step.sums.clear()
        if self.data.validation is not None:
            record["validation"] = validation = self.validate(self.data.validation, step)
            if not all(math.isfinite(value) for value in validation.values()):
                raise Diverged(f"epoch {at.epoch}: {_first_bad(validation)} is not finite in validation")
            self._watch(self.data.validation)
        self._record(record)
        self._save(self.checkpoint())
        self.progress.epoch(record)

    def validate(self, feed: Feed, step: Step) -> dict[str, float]:
        """Return the mean of each term over a feed, in eval mode; draws nothing from the run's generator."""
        sums = Sums(self._device)
        with isolated(self.options.seed + 1), torch.no_grad(), evaluating(self.model, self._average):
            for stored in feed.stored_in_order():
                sums.add(self._step.share(self._loss, feed, stored, step, varied=False)[1], len(stored))
        self._company.world.sum(list(sums.state().values()))
        return sums.means(len(feed.split))

    def _watch(self, feed: Feed) -> None:
        """Keep the best weights by the objective at the end of all schedules, so that warm-ups cannot mislead."""
        if self.options.patience is None:
            return
        end = Step.of(self.total_steps, self.options.epochs, 1.0, self._device)
        objective = self.validate(feed, end)["loss"]
        with evaluating(self.model, self._average):
            self._patience.see(objective, self.model.state_dict())
        if self._patience.over:
            self._at.reason = "patience"

    def _finish(self) -> None:
        if self._patience.weights:
            self.model.load_state_dict(self._patience.weights)
        elif self._average is not None:
            self._average.swap()
        self.model.eval()

    def give_up(self, terms: Terms, batch: Batch, step: Step) -> NoReturn:
        """Say where a step went wrong.

        Raises:
            Diverged: Always.
        """
        name, value = bad_term(terms)
        where = bad_tensor(self.model, batch, step)
        raise Diverged(
            f"diverged at step {self._at.count} (epoch {self._at.epoch + 1}): {name} became {value}; first bad "
            f"tensor: {where}; {remedy(self.model, name, where)}"
        )

    def checkpoint(self) -> Checkpoint:
        """Return everything that is needed to go on from here; of several processes, the first one has it all."""
        optimiser, numbers = self._company.shards.whole(*self._optimisers.state())
        groups = {
            "model": self.model.state_dict(),
            "optimiser": optimiser,
            "average": self._average.state() if self._average is not None else {},
            "best": self._patience.weights,
            "sums": self._step.sums.state(),
            "random": random_state(self._device),
        }
        tensors = {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}
        facts = {
            **vars(self._at),
            "best": None if math.isinf(self._patience.best) else self._patience.best,
            "waited": self._patience.waited,
            "numbers": numbers,
            "threads": self._threads,
            "processes": self._company.world.size,
            "windowed": self.data.train.windowed,
        }
        return Checkpoint(tensors, facts)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint.

        Raises:
            ZooError: If it belongs to another model.
        """
        try:
            self.model.load_state_dict(checkpoint.under("model"))
        except RuntimeError:
            raise ZooError("the checkpoint belongs to another model; its weights do not fit this run's") from None
        facts = dict(checkpoint.facts)
        self._optimisers.restore(checkpoint.under("optimiser"), facts.pop("numbers"))
        if self._average is not None:
            self._average.restore(checkpoint.under("average"))
        self._step.sums.restore(checkpoint.under("sums"))
        set_random_state(checkpoint.under("random"), self._device)
        # Sums depend on how they are shared out among threads, of as many processes.
        threads = facts.pop("threads")
        self._threads = threads if facts.pop("processes", 1) == self._company.world.size else None
        # So does the order on how much memory there was when the run began.
        self.data = replace(self.data, train=replace(self.data.train, windowed=facts.pop("windowed", False)))
        best = facts.pop("best")
        self._patience.best, self._patience.waited = math.inf if best is None else best, facts.pop("waited")
        self._patience.weights = checkpoint.under("best")
        self._at = Counters(**facts)


def _first_bad(values: Mapping[str, float]) -> str:
    return next(name for name, value in values.items() if not math.isfinite(value))
