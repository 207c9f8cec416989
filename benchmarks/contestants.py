"""One contestant of benchmarks/train_step.py, in a process of its own: it trains an epoch whenever it is told to.

It reads lines from standard input, trains one epoch for each, and answers each with a line of JSON. It ends when there
are no more. Other libraries are imported only by those that use them, so that an interpreter may lack the rest.
"""

from __future__ import annotations

__all__ = ["CONTESTANTS", "NEEDS", "Finished", "Pace", "Task", "command_of"]

import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

LEARNING_RATE = 1e-3
"""Of Adam, the same for all and constant."""

ENDLESS = 1_000_000
"""Epochs of those that want to be told a number: more than anybody asks for."""


@dataclass(frozen=True)
class Task:
    """What is trained, and how.

    Arguments:
        contestant: Who trains.
        model: `conv-vae` or `vae`.
        batch_size: Images per step.
        images: Images of an epoch.
        device: Where.
        precision: The zoo's, as `--precision` takes it, if it is not its default.
        threads: Threads on the CPU.
        folder: Where MNIST lies unpacked, and the reference.
    """

    contestant: str
    model: str
    batch_size: int
    images: int
    device: str
    precision: str | None
    threads: int
    folder: str

    @property
    def reference(self) -> Path:
        """The file of what the zoo's net gives on a batch."""
        return Path(self.folder) / f"{self.model}.pt"


class Finished(BaseException):
    """Nobody wants another epoch."""


class Pace:
    """Holds a training loop until it is told to go on, and clocks each epoch.

    Arguments:
        task: What is trained.
        told: Where a line comes from for each epoch.
        answers: Where the answers go.
    """

    def __init__(self, task: Task, told: TextIO, answers: TextIO) -> None:
        self.task = task
        self._told, self._answers = told, answers
        self._started = self._trained = 0.0

    def say(self, **facts: Any) -> None:
        """Answer with one line."""
        self._answers.write(json.dumps(facts) + "\n")
        self._answers.flush()

    def begin(self) -> None:
        """Wait to be told, then start the clock.

        Raises:
            Finished: If nobody wants another epoch.
        """
        if not self._told.readline():
            raise Finished
        self._started = time.perf_counter()

    def trained(self) -> None:
        """Note that the last step is done."""
        if self.task.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()
        self._trained = time.perf_counter()

    def end(self, training: float | None = None) -> None:
        """Answer with the seconds of the steps and those of the whole epoch with what it ends in.

        Arguments:
            training: The seconds of the steps, where the loop has a clock of its own and ours cannot be put there.
        """
        whole = time.perf_counter() - self._started
        steps = self._trained - self._started if training is None else training
        self.say(training=steps, whole=whole)


def zoo(task: Task, pace: Pace, *, compiled: bool = False) -> None:
    """`zoo.train`, as anybody calls it: run folder, log, checkpoint after each epoch, and its own count of speed."""
    from epochs import train

    from zoo import ZooError

    def start(steps: int) -> None:
        _ready(pace)
        pace.begin()

    def epoch(record: Mapping[str, Any]) -> None:
        pace.end(task.images / record["images_per_second"])
        pace.begin()

    settings: dict[str, Any] = {"data": "mnist", "limit": task.images, "epochs": ENDLESS, "lr": LEARNING_RATE}
    settings |= {"batch_size": task.batch_size, "device": task.device}
    settings |= {"precision": task.precision} if task.precision else {}
    settings |= {"compile": True} if compiled else {}
    try:
        train(task.model, epoch, start, **settings)
    except ZooError as error:
        pace.say(absent=str(error))


def zoo_compiled(task: Task, pace: Pace) -> None:
    """The same with `--compile`."""
    zoo(task, pace, compiled=True)


def by_hand(task: Task, pace: Pace, workers: int = 0) -> None:
    """The loop that tutorials teach: torchvision, ToTensor, a DataLoader, Adam, the loss read at each step."""
    import torch
    from plain_mnist import loader_of

    net = _net(task)
    loader = loader_of(Path(task.folder), task.images, task.batch_size, workers, task.device)
    optimiser = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    _ready(pace)
    while True:
        pace.begin()
        total = 0.0
        for x, _ in loader:
            loss = net.loss(x.to(task.device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        pace.trained()
        pace.end()


def by_hand_with_workers(task: Task, pace: Pace) -> None:
    """The same with two workers that load."""
    by_hand(task, pace, 2)


def bare_step(task: Task, pace: Pace) -> None:
    """The step alone, on one batch that is always the same: what eager torch can do in plain layout, data for free."""
    import torch
    from plain_mnist import images_of

    net = _net(task)
    x = images_of(Path(task.folder), task.batch_size)[0].to(task.device)
    optimiser = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    _ready(pace)
    while True:
        pace.begin()
        for _ in range(steps_of(task)):
            loss = net.loss(x)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        pace.trained()
        pace.end()


def products_alone(task: Task, pace: Pace) -> None:
    """The products of matrices and the convolutions of the bare step, channels-last, and nothing else of it."""
    from plain_mnist import images_of
    from products import products_of

    multiply = products_of(_net(task), images_of(Path(task.folder), task.batch_size)[0].to(task.device))
    _ready(pace)
    while True:
        pace.begin()
        for _ in range(steps_of(task)):
            multiply()
        pace.trained()
        pace.end()


def matrix_product(task: Task, pace: Pace) -> None:
    """The fastest of several products of matrices: what this machine can do at best."""
    from measuring import peak_flops

    _ready(pace)
    while True:
        pace.begin()
        pace.say(flops=peak_flops(task.device))


def steps_of(task: Task) -> int:
    """Return the steps of an epoch of a loader that keeps the last batch."""
    return -(-task.images // task.batch_size)


def _net(task: Task) -> Any:
    from agreement import checked_net, read_reference

    return checked_net(task.model, read_reference(task.reference)).to(task.device).train()


def _ready(pace: Pace, **facts: Any) -> None:
    """Tell that everything stands, and which versions it stands on."""
    import torch

    found = {"python": platform.python_version(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    pace.say(**found, **facts)


def pythae(task: Task, pace: Pace) -> None:
    """The trainer of pythae with its data set class, around the same encoder and decoder."""
    from peers import train_pythae

    train_pythae(task, pace, lambda: _ready(pace, version=metadata.version("pythae")))


def lightning(task: Task, pace: Pace) -> None:
    """The trainer of Lightning on the loop's data loader and net, without logger, checkpoints or bars."""
    from peers import train_lightning

    train_lightning(task, pace, lambda: _ready(pace, version=metadata.version("lightning")))


CONTESTANTS: Mapping[str, Callable[[Task, Pace], None]] = {
    "zoo": zoo,
    "zoo --compile": zoo_compiled,
    "by hand, 0 workers": by_hand,
    "by hand, 2 workers": by_hand_with_workers,
    "bare step": bare_step,
    "products alone": products_alone,
    "pythae": pythae,
    "lightning": lightning,
    "matrix product": matrix_product,
}
"""By the name that results have."""

NEEDS = {"pythae": "pythae", "lightning": "lightning"}
"""The package that a contestant is."""


def _streams() -> Iterator[TextIO]:
    """Yield what is read from and written to; whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    yield from (sys.stdin, answers)


def main() -> None:
    """Be the contestant that the first argument names."""
    task = Task(**json.loads(sys.argv[1]))
    pace = Pace(task, *_streams())
    needed = NEEDS.get(task.contestant)
    if needed is not None and importlib.util.find_spec(needed) is None:
        pace.say(absent=f"{needed} is not installed")
        return
    if task.contestant not in ("zoo", "zoo --compile"):
        # The zoo chooses for itself, and is held to OMP_NUM_THREADS.
        import torch

        torch.set_num_threads(task.threads)
    try:
        CONTESTANTS[task.contestant](task, pace)
    except Finished:
        return


def command_of(task: Task) -> list[str]:
    """Return the arguments of an interpreter that make it the contestant of a task."""
    return [__file__, json.dumps(asdict(task))]


if __name__ == "__main__":
    main()
