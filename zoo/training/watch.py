"""Whether a run is still finite, asked without waiting for the device."""

from __future__ import annotations

__all__ = ["Watch"]

import torch
from torch import Tensor

from zoo.interfaces import Step, Terms

_EVERY, _SLOTS = 16, 4


class Watch:
    """Notes on the device the first step with a loss that is not finite, and reads that note when it has come over.

    A GPU is far ahead of what the host has seen. So the note is copied to memory that the GPU may write by itself, into
    one slot after another, and a slot is read only once its copy is known to be done: an epoch never waits.

    Arguments:
        device: Where the steps are computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._first_bad = torch.full((), -1.0, device=device)
        self._cuda = device.type == "cuda"
        self._slots = [torch.full((), -1.0, pin_memory=self._cuda) for _ in range(_SLOTS)]
        self._done: list[torch.cuda.Event | None] = [None] * _SLOTS
        self._asked = 0

    def note(self, terms: Terms, step: Step) -> None:
        """Note a step; on the device, in place, so that it can be part of a captured step."""
        finite = torch.stack([torch.isfinite(loss.detach()) for loss in (terms.loss, *terms.adversaries.values())])
        bad = ~finite.all() & (self._first_bad < 0)
        self._first_bad.copy_(torch.where(bad, step.count, self._first_bad))

    def look(self, count: int) -> int | None:
        """Return the first bad step if one is known by now; asks anew at some steps only, and never waits."""
        if count % _EVERY == 0:
            self._ask()
        slots = zip(self._slots, self._done, strict=True)
        known = [float(slot) for slot, done in slots if _is_done(done)]
        return next((int(value) for value in known if value >= 0), None)

    def wait(self) -> int | None:
        """Return the first bad step, waiting for the device."""
        first = float(self._first_bad)
        return int(first) if first >= 0 else None

    def _ask(self) -> None:
        turn = self._asked % _SLOTS
        before = self._done[turn]
        if not _is_done(before):
            return
        self._slots[turn].copy_(self._first_bad, non_blocking=self._cuda)
        if self._cuda:
            self._done[turn] = event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            event.record()
        self._asked += 1

    def tensors(self) -> list[Tensor]:
        """Return what a step writes."""
        return [self._first_bad]


def _is_done(event: torch.cuda.Event | None) -> bool:
    return event is None or bool(event.query())  # type: ignore[no-untyped-call]  # torch leaves it untyped
