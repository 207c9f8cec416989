"""Code that is not ours, called in the middle of a run, which must not feel it."""

from __future__ import annotations

__all__ = ["undisturbed"]

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from zoo.training.randomness import random_state, set_random_state


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put back, after the `with`, what the bits of a run depend on, and what it needs to find and to save itself.

    These are torch's generators, its number of threads, the type of new tensors and whether gradients are recorded; and
    the working folder and what Ctrl-C does.
    """
    states = [(device, random_state(device)) for device in _devices()]
    threads, kind, recorded = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    folder, on_interrupt = _folder(), signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        for device, state in states:
            set_random_state(state, device)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(recorded)
        if folder is not None:
            os.chdir(folder)
        if signal.getsignal(signal.SIGINT) != on_interrupt and _may_set_handlers():
            signal.signal(signal.SIGINT, on_interrupt)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _may_set_handlers() -> bool:
    return threading.current_thread() is threading.main_thread()


def _devices() -> Iterator[torch.device]:
    yield torch.device("cpu")
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch's
        yield from (torch.device("cuda", index) for index in range(torch.cuda.device_count()))
    if torch.backends.mps.is_available():
        yield torch.device("mps")
