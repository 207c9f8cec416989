"""Batches of images that do not lie on the device: gathered ahead by a thread, and copied while the device computes."""

from __future__ import annotations

__all__ = ["AHEAD", "Stream", "gather"]

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.data.images import Images, InMemory, Split
from zoo.data.mapped import Mapped

AHEAD = 3
"""Batches that are ready before they are asked for: one to compute on, one on its way, one that is read."""

_PATIENCE = 0.1
"""Seconds after which a thread that nobody takes from looks whether it is still wanted."""


def gather(x: Images, index: Tensor, *, pin: bool = False) -> Tensor:
    """Return the images at an index `(B,)` in their stored type, on the CPU.

    Arguments:
        x: The images, in memory or in a file.
        index: Their places.
        pin: Put them where a GPU can copy them from by itself.
    """
    room = torch.empty((len(index), *x.shape[1:]), dtype=x.dtype, pin_memory=pin)
    return x.read(index, out=room) if isinstance(x, Mapped) else torch.index_select(x, 0, index, out=room)


@dataclass(frozen=True)
class _Parcel:
    """A batch on its way: its images, their places, and what the device must wait for before it looks at them."""

    images: InMemory
    index: Tensor
    copied: torch.cuda.Event | None = None


class Stream:
    """Yields stored batches in a given order, on a device, ahead of whoever asks.

    On a CUDA device they are gathered into pinned memory and copied on a stream of their own, of which the device's
    present stream awaits an event: the host waits for nothing. Pinned memory is handed out by torch, and not again
    before the copy from it is done. Elsewhere buffers are plain and the code is the same.

    Arguments:
        split: The images, on the CPU or in a file.
        device: Where they are wanted.
        window: Read this many images from the disk ahead of those that are gathered; for an order `in_windows`.

    Example:
        >>> split = Split(torch.arange(8).view(8, 1, 1, 1), {})
        >>> batches = Stream(split, torch.device("cpu")).batches(torch.randperm(8), [3, 6, 8])
        >>> [len(images) for images, index in batches]
        [3, 3, 2]
    """

    def __init__(self, split: Split, device: torch.device, window: int | None = None) -> None:
        self.split = split
        self.device = device
        self.window = window
        self._side = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def batches(self, order: Tensor, ends: list[int], start: int = 0) -> Iterator[tuple[InMemory, Tensor]]:
        """Yield the images `order[start:ends[0]]`, `order[ends[0]:ends[1]]` and so on, and their places, `(B,)`.

        Arguments:
            order: Places of images, on the CPU.
            ends: Where each batch ends in it, ascending.
            start: Where the first one begins.

        Raises:
            ZooError: If the images cannot be read.
        """
        ready: queue.Queue[_Parcel | BaseException | None] = queue.Queue(max(1, AHEAD - 1))
        unwanted = threading.Event()
        work = threading.Thread(
            target=self._work, args=(order, ends, start, ready, unwanted), name="zoo-stream", daemon=True
        )
        work.start()
        try:
            while (parcel := ready.get()) is not None:
                if isinstance(parcel, BaseException):
                    raise parcel
                yield self._taken(parcel)
        finally:
            unwanted.set()
            work.join()

    def _work(
        self,
        order: Tensor,
        ends: list[int],
        start: int,
        ready: queue.Queue[_Parcel | BaseException | None],
        unwanted: threading.Event,
    ) -> None:
        last: BaseException | None = None
        try:
            announced = start
            for end in ends:
                announced = self._announce(order, announced, end)
                if not _put(ready, self._parcel(order[start:end]), unwanted):
                    return
                start = end
        except BaseException as error:  # carried over to the thread that waits
            last = error
        _put(ready, last, unwanted)

    def _announce(self, order: Tensor, announced: int, end: int) -> int:
        """Have the next window read from the disk as soon as the present one is begun."""
        if self.window is None or not isinstance(self.split.x, Mapped):
            return announced
        while announced < min(len(order), end + self.window):
            stop = announced + self.window - announced % self.window
            self.split.x.expect(order[announced:stop])
            announced = min(stop, len(order))
        return announced

    def _parcel(self, index: Tensor) -> _Parcel:
        pinned = self._side is not None
        y = {name: value[index] for name, value in self.split.y.items()}
        if pinned:
            y = {name: value.pin_memory() for name, value in y.items()}
        images = InMemory(gather(self.split.x, index, pin=pinned), y)
        if self._side is None:
            return _Parcel(images.to(self.device), index.to(self.device))
        with torch.cuda.stream(self._side):
            places = index.pin_memory().to(self.device, non_blocking=True)
            return _Parcel(images.to(self.device, ahead=True), places, self._side.record_event())

    def _taken(self, parcel: _Parcel) -> tuple[InMemory, Tensor]:
        if parcel.copied is not None:
            present = torch.cuda.current_stream(self.device)
            present.wait_event(parcel.copied)
            # Else their memory would be used again by the copying stream while this one still reads it.
            for tensor in (parcel.images.x, *parcel.images.y.values(), parcel.index):
                tensor.record_stream(present)
        return parcel.images, parcel.index


def _put(
    ready: queue.Queue[_Parcel | BaseException | None], item: _Parcel | BaseException | None, unwanted: threading.Event
) -> bool:
    """Hand something over as soon as there is room; say whether it is still wanted."""
    while not unwanted.is_set():
        try:
            ready.put(item, timeout=_PATIENCE)
            return True
        except queue.Full:
            continue
    return False
