"""What a model costs: work and memory of looking at images once."""

from __future__ import annotations

__all__ = ["Flops", "LiveBytes", "PeakMemory"]

import weakref
from collections.abc import Iterator
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from zoo import Batch, Measure, Metric, Subject
from zoo_metrics.options import CostOptions

MIB = 2**20


@final
class Flops(Metric):
    """Floating-point operations of the loss of one image, forwards, a multiplication and an addition counting as two.

    Products of matrices, convolutions and attention are counted, as `torch.utils.flop_counter` does; what is done to
    each number alone is not. A step of training is about three times as much.
    """

    def __init__(self, options: CostOptions, subject: Subject) -> None:
        self.images = options.images
        self.subject = subject

    def compute(self) -> Measure:
        batch = _first(self.subject, self.images)
        with FlopCounterMode(display=False) as counter:
            self.subject.model.loss(batch, self.subject.step)
        return Measure(counter.get_total_flops() / len(batch.x), details={"images": len(batch.x)})


@final
class PeakMemory(Metric):
    """The most memory that the loss of a batch takes in evaluation, in MiB, beside images and with the weights.

    On a CUDA GPU by the allocator's own counter. Elsewhere it is the bytes of the tensors that are alive at once, which
    leaves out what an operation takes and gives back within itself; the same to the bit each time.
    """

    def __init__(self, options: CostOptions, subject: Subject) -> None:
        self.images = options.images
        self.subject = subject

    def compute(self) -> Measure:
        batch = _first(self.subject, self.images)
        state = self.subject.model.state_dict().values()
        weights = sum({_address(tensor): tensor.untyped_storage().nbytes() for tensor in state}.values())
        taken = self._on_gpu(batch) if batch.x.is_cuda else self._tracked(batch)
        return Measure((weights + taken) / MIB, details={"images": len(batch.x), "weights": weights / MIB})

    def _on_gpu(self, batch: Batch) -> int:
        device = batch.x.device
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        self.subject.model.loss(batch, self.subject.step)
        torch.cuda.synchronize(device)
        peak: int = torch.cuda.max_memory_allocated(device)
        return peak - before

    def _tracked(self, batch: Batch) -> int:
        live = LiveBytes()
        with live:
            self.subject.model.loss(batch, self.subject.step)
        return live.peak


def _first(subject: Subject, images: int) -> Batch:
    return next(iter(subject.test(images)))


@final
class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Counts the bytes of tensors that operations made and that still live; `peak` is the most there were.

    Example:
        >>> with LiveBytes() as live:
        ...     for _ in range(3):
        ...         x = torch.zeros(1000) + 1
        >>> live.peak
        12000
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.peak = 0
        self._live = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_address(tensor) for tensor in _tensors((args, kwargs))}
        found = func(*args, **(kwargs or {}))
        for tensor in _tensors(found):
            self._count(tensor, given)
        self.peak = max(self.peak, self._live)
        return found

    def _count(self, tensor: Tensor, given: set[int]) -> None:
        storage, address = tensor.untyped_storage(), _address(tensor)
        if address in self._seen or address in given:
            return
        size = storage.nbytes()
        self._seen.add(address)
        self._live += size
        weakref.finalize(storage, self._forget, address, size).atexit = False

    def _forget(self, address: int, size: int) -> None:
        self._seen.discard(address)
        self._live -= size


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def _address(tensor: Tensor) -> int:
    # Of the storage, which views share.
    address: int = tensor.untyped_storage()._cdata
    return address
