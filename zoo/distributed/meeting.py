"""Where the processes of a run meet before it, and part after it."""

from __future__ import annotations

__all__ = ["Meeting", "met"]

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from zoo.device import choose_device
from zoo.distributed.launch import Launch, ProcessLost, launched
from zoo.distributed.world import Alone, World
from zoo.errors import Diverged, ZooError
from zoo.training.options import TrainOptions


@dataclass(frozen=True)
class Meeting:
    """Who trains a run.

    Arguments:
        world: The processes.
        device: Where this one computes.
        neighbours: How many of them are on this machine.
    """

    world: World
    device: torch.device
    neighbours: int = 1

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process do what is in the `with` before the others, which find what it left in the caches."""
        if not self.world.first:
            self.world.wait_for_first()
        try:
            yield
        finally:
            if self.world.first:
                self.world.wait_for_first()

    def attend(self, train: Callable[[], object], again: str) -> None:
        """Train with the first process, and wait until it has written what there is to write.

        Arguments:
            train: Trains.
            again: How to go on, if another process is lost.
        """
        try:
            train()
        except ProcessLost as error:
            raise error.going_on(again) from None
        except (Diverged, KeyboardInterrupt):
            self.world.wait_for_first()
            raise
        self.world.wait_for_first()


@contextmanager
def met(training: TrainOptions) -> Iterator[Meeting]:
    """Meet the other processes that torchrun started, if it did, and part from them afterwards.

    Raises:
        ZooError: If the device is not there for each process, or there are more processes than images in a batch.
    """
    launch = launched()
    if launch is None:
        yield Meeting(Alone(), choose_device(training.device))
        return
    device = _device_of(training.device, launch)
    if training.batch_size < launch.size:
        raise ZooError(
            f"--batch-size {training.batch_size} is that of all {launch.size} processes together, and leaves some "
            f"without an image; name at least {launch.size}"
        )
    # Only now, because it takes a while to import.
    from zoo.distributed.group import join
    from zoo.distributed.host import settle

    group = join(launch, device)
    near = device.type == "cpu" and launch.local_size == launch.size
    world = settle(group) if near else group
    yield Meeting(world, device, launch.local_size)
    # Not after an error, of which the others may know nothing and still be waiting.
    world.close()


def _device_of(name: str, launch: Launch) -> torch.device:
    """Return the device of this process: the CPU, or the GPU of its own.

    Raises:
        ZooError: If it is named, there are too few, or they cannot be shared.
    """
    if name.startswith("cuda:"):
        raise ZooError(f"--device {name}: each of the {launch.size} processes takes a GPU of its own; write cuda")
    if name == "mps":
        raise ZooError("--device mps: several processes cannot share it; start one without torchrun, or take cpu")
    device = choose_device(name)
    if device.type == "mps":
        return torch.device("cpu")
    if device.type != "cuda":
        return device
    count = torch.cuda.device_count()
    if launch.local_size > count:
        raise ZooError(
            f"torchrun started {launch.local_size} processes on a machine of {count} GPUs; take --nproc-per-node "
            f"{count}, or --device cpu"
        )
    own = torch.device("cuda", launch.local_rank)
    torch.cuda.set_device(own)
    return own
