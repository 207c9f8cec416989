"""A step as one graph of a GPU's work: launched whole, where a step by itself is hundreds of launches."""

from __future__ import annotations

__all__ = ["Captured", "CudaRecorder", "Recorder", "recorded_on", "stream_of_its_own"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import torch

from zoo.errors import one_line
from zoo.interfaces import Step, Terms
from zoo.training.feed import Kept
from zoo.training.randomness import random_state, set_random_state
from zoo.training.step import Repeatable

K = TypeVar("K", bound=Kept)

_WARM_UP = 3
"""Steps of a kind that are taken one by one first, in which libraries choose their algorithms and states are made."""

_SAME = 1e-3
"""By how much, relatively, the losses of one step may differ, captured and not."""


class Recorder(ABC):
    """Turns work into something that does the same again."""

    @abstractmethod
    def record(
        self, work: Callable[[], Terms], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Terms]:
        """Return what repeats the work, and the terms that it writes each time; the work is not done yet.

        Arguments:
            work: The work.
            generators: What it draws from beside the device's own generator.
        """


@final
class CudaRecorder(Recorder):
    """CUDA graphs, which share their memory, since only one runs at a time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def record(
        self, work: Callable[[], Terms], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Terms]:
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        # Of this thread alone: another one may be copying the next batches.
        mode = "thread_local"
        with torch.cuda.graph(graph, self._pool, torch.cuda.current_stream(), capture_error_mode=mode):
            terms = work()
        return graph.replay, _detached(terms)


@contextmanager
def stream_of_its_own(device: torch.device) -> Iterator[None]:
    """Work inside the `with` on a stream that is not the default one, with which no other may be recorded."""
    if device.type != "cuda":
        yield
        return
    outside, stream = torch.cuda.current_stream(device), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    stream.wait_stream(outside)
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        outside.wait_stream(stream)


@dataclass
class _Kind(Generic[K]):
    """Steps that are alike: the same players, and as many images."""

    taken: int = 0
    batch: K | None = None
    replay: Callable[[], None] | None = None
    terms: Terms | None = None


class Captured(Generic[K]):
    """Steps recorded once for each kind and repeated from then on; one by one where they cannot be.

    A recording is of the launches alone. What the host decides in a step is decided once, so a model that decides by
    what it computes cannot be recorded, and one that counts in Python would go wrong without a word. The first is
    told by the recording; for the second, a recorded step is held against one taken by itself, from the same weights
    and with the same noise, before it is trusted.

    Arguments:
        step: The step.
        recorder: How it is recorded.
        say: Told what was done, once.
    """

    def __init__(self, step: Repeatable[K], recorder: Recorder, say: Callable[[str], None]) -> None:
        self._step = step
        self._recorder: Recorder | None = recorder
        self._say = say
        self._kinds: dict[tuple[object, ...], _Kind[K]] = {}
        self._told = False

    def __call__(self, stored: K, step: Step, turns: Sequence[str]) -> Terms:
        """Take a step; arguments as those of the step, and `step` the same tensors each time."""
        if self._recorder is None:
            return self._step(stored, step, turns)
        kind = self._kinds.setdefault((*turns, *stored.sizes), _Kind())
        if kind.replay is not None and kind.batch is not None and kind.terms is not None:
            stored.write(kind.batch)
            kind.replay()
            return kind.terms
        kind.taken += 1
        if kind.taken > _WARM_UP:
            self._record(kind, stored, step, turns)
        return self._step(stored, step, turns)

    def _record(self, kind: _Kind[K], stored: K, step: Step, turns: Sequence[str]) -> None:
        assert self._recorder is not None
        batch = stored.clone()
        tried = _Tried(self._step)
        try:
            replay, terms = self._recorder.record(
                lambda: self._step.plainly(batch, step, turns), self._step.generators()
            )
            tried.put_back()
            alone = _losses_of(self._step(batch, step, turns))
            tried.put_back()
            replay()
            repeated = _losses_of(terms)
        except Exception as error:
            self._give_up(f"it cannot be recorded ({one_line(error)})")
        else:
            differs = [
                (a, b) for a, b in zip(repeated, alone, strict=True) if not abs(a - b) <= _SAME * max(abs(b), 1e-6)
            ]
            if not differs:
                kind.batch, kind.replay, kind.terms = batch, replay, terms
                self._tell("steps run as one recorded graph each")
            else:
                told = f"recorded, its loss is {differs[0][0]:.6g} and not {differs[0][1]:.6g}"
                self._give_up(f"{told}: something in it is decided on the host")
        tried.put_back()

    def _give_up(self, why: str) -> None:
        self._recorder = None
        self._kinds.clear()
        self._say(f"NOTE: steps run one by one: {why}")

    def _tell(self, what: str) -> None:
        if not self._told:
            self._told = True
            self._say(what)


def recorded_on(
    device: torch.device, step: Repeatable[K], say: Callable[[str], None]
) -> Callable[[K, Step, Sequence[str]], Terms]:
    """Return a step as it is taken on a device: recorded on a GPU, by itself elsewhere; `say` as for `Captured`."""
    return Captured(step, CudaRecorder(), say) if device.type == "cuda" else step


class _Tried:
    """What a step writes, kept so that one can be tried and undone."""

    def __init__(self, step: Repeatable[K]) -> None:
        self._tensors = step.tensors()
        self._values = [value.clone() for value in self._tensors]
        self._device = self._tensors[0].device
        self._random = random_state(self._device)
        self._generators = [(generator, generator.get_state()) for generator in step.generators()]

    def put_back(self) -> None:
        with torch.no_grad():
            for value, before in zip(self._tensors, self._values, strict=True):
                value.copy_(before)
        set_random_state(self._random, self._device)
        for generator, before in self._generators:
            generator.set_state(before)


def _losses_of(terms: Terms) -> list[float]:
    """Return the losses of every player, of every model."""
    losses = [loss.detach().reshape(-1).tolist() for loss in (terms.loss, *terms.adversaries.values())]
    return [value for each in losses for value in each]


def _detached(terms: Terms) -> Terms:
    """Return terms without the graph of their gradients, whose memory the next recording needs."""
    logs = {name: value.detach() for name, value in terms.logs.items()}
    return Terms(terms.loss.detach(), logs, {name: value.detach() for name, value in terms.adversaries.items()})
