"""No network: what would be downloaded is told, and not fetched."""

from __future__ import annotations

__all__ = ["Offline", "offline"]

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from unittest.mock import patch


@dataclass
class Offline:
    """Whether anything asked for the network."""

    asked: bool = False

    def refuse(self, *arguments: Any, **named: Any) -> NoReturn:
        """Refuse a connection, or to look up a name."""
        self.asked = True
        raise OSError("the conformance kit downloads nothing")


@contextmanager
def offline() -> Iterator[Offline]:
    """Let every connection of this process fail inside the `with`."""
    state = Offline()
    with (
        patch.object(socket.socket, "connect", state.refuse),
        patch.object(socket.socket, "connect_ex", state.refuse),
        patch.object(socket, "getaddrinfo", state.refuse),
    ):
        yield state
