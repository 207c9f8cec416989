"""The header of a safetensors file, read with the standard library alone."""

from __future__ import annotations

__all__ = ["KEY", "read_facts", "read_header"]

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.runs.forms import misfit

KEY = "zoo"
"""The metadata key that holds what the zoo knows of a file, as JSON."""

_LARGEST = 100_000_000


def read_facts(path: Path, form: int, wanted: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a file of a run says of itself, checked, so that it can be relied on.

    Arguments:
        path: The file.
        form: The format that is wanted.
        wanted: What it must hold, at the least; see `misfit`.

    Raises:
        ZooError: If the file is missing, truncated, foreign, damaged, or of another format.
    """
    found = read_header(path)
    if found.get("format") != form:
        raise ZooError(f"{path} has format {found.get('format')}; this zoo reads {form}: upgrade it")
    wrong = misfit(found, wanted)
    if wrong is not None:
        raise _damaged(path, f": '{wrong}' is missing or makes no sense")
    return found


def _damaged(path: Path, how: str = "") -> ZooError:
    return ZooError(f"{path} has a damaged header{how}; train again, or restore it from a copy")


def read_header(path: Path) -> dict[str, Any]:
    """Return what a file says of itself, without reading its tensors.

    Raises:
        ZooError: If the file is missing, is no safetensors file, is truncated, or was not made by the zoo.
    """
    header = _read_json(path)
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or KEY not in metadata:
        raise ZooError(f"{path} was not made by the zoo: its header names no model; use a run's model.safetensors")
    try:
        found = json.loads(metadata[KEY])
    except (TypeError, ValueError):
        raise _damaged(path) from None
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else _LARGEST + 1
            text = file.read(length) if length <= _LARGEST else b""
        header = json.loads(text)
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise ZooError(f"{path} is no safetensors file, or is truncated") from None
    if not isinstance(header, dict):
        raise ZooError(f"{path} is no safetensors file")
    _check_length(path, header, 8 + length)
    return header


def _check_length(path: Path, header: dict[str, Any], start: int) -> None:
    try:
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (KeyError, IndexError, TypeError, ValueError):
        raise _damaged(path) from None
    expected, found = start + max(ends, default=0), path.stat().st_size
    if found != expected:
        raise ZooError(f"{path} is truncated: {found} bytes of {expected}; train again, or restore it from a copy")
