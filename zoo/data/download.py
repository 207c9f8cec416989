"""Published files fetched from the first mirror that answers; a silent network is given up within ten seconds."""

from __future__ import annotations

__all__ = ["Download", "fetch"]

import importlib
import queue
import shutil
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.data.cache import DataUnavailable
from zoo.errors import one_line

PROBE_SECONDS = 4.0
"""How long the mirrors have to answer at all."""

START_SECONDS = 4.5
"""How long the chosen mirror has to send the first byte; with the probe, less than ten seconds."""

STALL_SECONDS = 9.0
"""How long a download that has begun may stand still."""


@dataclass(frozen=True)
class Download:
    """Files that are published together.

    Arguments:
        mirrors: Addresses that end in `/`, any of which serves every file.
        files: Name and MD5 of each file.
    """

    mirrors: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def fetch(name: str, download: Download, folder: Path, otherwise: str) -> None:
    """Download files into a folder, whole and checked or not at all, with a progress bar on stderr.

    Arguments:
        name: The data set, for messages.
        download: What to fetch.
        folder: Where the files go; made if need be.
        otherwise: What a person can do if this fails, as the end of a sentence.

    Raises:
        DataUnavailable: If they cannot be had, or not be stored.
    """
    try:
        mirror = _first_to_answer(download.mirrors, download.files[0][0])
        _fetch_from(mirror, download.files, folder)
    except _Failed as failure:
        raise DataUnavailable(
            f"{name} is not on this machine and could not be downloaded ({failure}): {otherwise}"
        ) from None
    except OSError as error:
        raise DataUnavailable(f"{name} could not be stored in {folder} ({one_line(error)}): {otherwise}") from error


class _Failed(Exception):
    """Why a download came to nothing."""


def _first_to_answer(mirrors: tuple[str, ...], filename: str) -> str:
    """Ask all mirrors at once, in threads that are left behind if they hang: looking up a name has no timeout."""
    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for mirror in mirrors:
        threading.Thread(target=_ask, args=(mirror, filename, answers), daemon=True).start()
    deadline = time.monotonic() + PROBE_SECONDS
    fault = f"no answer within {PROBE_SECONDS:g} s"
    for _ in mirrors:
        try:
            mirror, fault = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if not fault:
            return mirror
    raise _Failed(fault)


def _ask(mirror: str, filename: str, answers: queue.SimpleQueue[tuple[str, str]]) -> None:
    fault = ""
    try:
        with urllib.request.urlopen(mirror + filename, timeout=PROBE_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        fault = one_line(error)
    except Exception as error:  # whatever a broken network or proxy throws, this mirror is no use
        fault = one_line(error)
    answers.put((mirror, fault))


def _fetch_from(mirror: str, files: tuple[tuple[str, str], ...], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".download-", dir=folder))
    try:
        _watch(_Worker(mirror, files, staging), staging)
        for filename, _ in files:
            (staging / filename).replace(folder / filename)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


class _Worker(threading.Thread):
    """Fetches the files one by one; may be left behind, and then stops at the next file."""

    def __init__(self, mirror: str, files: tuple[tuple[str, str], ...], staging: Path) -> None:
        super().__init__(daemon=True)
        self.mirror, self.files, self.staging = mirror, files, staging
        self.abandoned = False
        self.fault = ""
        # Imported here: it takes 190 MB and a while, and only who downloads should pay, before the clock starts.
        self.download_url: Callable[..., None] = importlib.import_module("torchvision.datasets.utils").download_url

    def run(self) -> None:
        try:
            for filename, md5 in self.files:
                if not self.abandoned:
                    self.download_url(self.mirror + filename, str(self.staging), filename=filename, md5=md5)
        except urllib.error.HTTPError as error:
            error.close()
            self.fault = one_line(error)
        except Exception as error:  # carried over to the thread that waits
            self.fault = one_line(error)


def _watch(worker: _Worker, staging: Path) -> None:
    """Wait as long as bytes keep arriving."""
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    worker.start()
    size, since = 0, time.monotonic()
    try:
        while worker.is_alive():
            worker.join(0.05)
            now = sum(file.stat().st_size for file in staging.iterdir())
            if now != size:
                size, since = now, time.monotonic()
            if time.monotonic() - since > (STALL_SECONDS if size else START_SECONDS):
                raise _Failed(f"{worker.mirror} stopped answering")
    finally:
        worker.abandoned = True
        socket.setdefaulttimeout(previous)
    if worker.fault:
        raise _Failed(worker.fault)
