"""The folder of a comparison: a new one, or the one that the same comparison was stopped in."""

from __future__ import annotations

__all__ = ["RESULTS", "open_folder"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.runs.files import write_text

RESULTS = "results.json"
_REQUEST = "request.json"


def open_folder(out: Path | None, stem: str, request: Mapping[str, Any]) -> Path:
    """Return where a comparison is written, made and marked with what it compares.

    Arguments:
        out: The folder that was asked for; one that holds the same comparison is gone on with. By default the
            `compare/<stem>-<N>` that the same comparison was stopped in, or the next new one.
        stem: What the default is called.
        request: What is compared, as JSON can hold it.

    Raises:
        ZooError: If `out` holds something else.
    """
    path = out if out is not None else _default(stem, request)
    if path.exists() and (not path.is_dir() or any(path.iterdir())) and _read(path) != request:
        raise ZooError(f"--out {path} is there already and is not empty; name another folder")
    path.mkdir(parents=True, exist_ok=True)
    write_text(path / _REQUEST, json.dumps(request, indent=2) + "\n")
    return path


def _default(stem: str, request: Mapping[str, Any]) -> Path:
    number = 1
    while (path := Path("compare") / f"{stem}-{number}").exists():
        if not (path / RESULTS).exists() and _read(path) == request:
            return path
        number += 1
    return path


def _read(path: Path) -> Any:
    try:
        return json.loads((path / _REQUEST).read_text())
    except (OSError, ValueError):
        return None
