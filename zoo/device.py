"""Where a model runs, and waiting for it."""

from __future__ import annotations

__all__ = ["choose_device", "wait_for"]

import re

import torch

from zoo.errors import ZooError


def choose_device(name: str) -> torch.device:
    """Return the device that a name asks for; `auto` takes a GPU where there is one.

    Raises:
        ZooError: If this machine, or this build of torch, does not have it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    if re.fullmatch(r"cpu|mps|cuda(:\d+)?", name) is None:
        raise ZooError(f"--device {name}: write auto, cpu, cuda, cuda:N or mps")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise ZooError(f"--device {name}: torch finds no CUDA GPU here; use --device cpu, or auto")
        if device.index is not None and device.index >= count:
            raise ZooError(f"--device {name}: the GPUs here are cuda:0 to cuda:{count - 1}")
    if device.type == "mps" and not _has_mps():
        raise ZooError("--device mps: torch finds no Apple GPU here; use --device cpu, or auto")
    return device


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was told; others have done it by now."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _has_mps() -> bool:
    return torch.backends.mps.is_available()
