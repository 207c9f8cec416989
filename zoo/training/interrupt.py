"""Ctrl-C between steps instead of within one, so that what is saved is whole."""

from __future__ import annotations

__all__ = ["Interruption"]

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interruption:
    """Inside its `with`, a first Ctrl-C only sets `asked`; a second one interrupts at once.

    Arguments:
        several: Whether this is one of several processes. What started them then passes a Ctrl-C on that each has had
            already, and ends them by SIGTERM, so that neither is a second one.
    """

    def __init__(self, several: bool = False) -> None:
        self.asked = False
        self._several = several
        self._signals = (signal.SIGINT, signal.SIGTERM) if several else (signal.SIGINT,)
        self._before: dict[signal.Signals, Any] = {}
        # Signals reach the main thread alone, and only it may set their handlers.
        self._active = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._active:
            self._before = {number: signal.signal(number, self._ask) for number in self._signals}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # What passes a Ctrl-C on may be slow, and would cut short what is written at the end.
        late = self._several and self.asked
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if late else handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and not self._several:
            raise KeyboardInterrupt
        self.asked = True
