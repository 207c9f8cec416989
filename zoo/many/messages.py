"""Messages between processes: objects, each behind its length, through a pipe."""

from __future__ import annotations

__all__ = ["Start", "receive", "send", "unpack"]

import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from zoo.registry import Loading
from zoo.tracking import Tracker

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Start:
    """What a worker is told first.

    Arguments:
        loading: How its registry is loaded.
        trackers: What follows the runs that it trains.
        threads: How many threads it computes with.
    """

    loading: Loading
    trackers: Sequence[Tracker]
    threads: int


def send(stream: IO[bytes], message: object) -> None:
    """Write a message whole.

    Raises:
        OSError: If nobody reads any more.
    """
    data = pickle.dumps(message)
    # In one piece, so that an interruption leaves no half of one.
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Wait for the next message, and return it packed; nothing once the other side has closed, or has gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def unpack(data: bytes) -> Any:
    """Return a message of one of our own processes."""
    return pickle.loads(data)
