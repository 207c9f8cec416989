"""Tensors and facts in one safetensors file; nothing that can run code."""

from __future__ import annotations

__all__ = ["read_tensors", "write_tensors"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from zoo.errors import ZooError
from zoo.runs.files import write_bytes
from zoo.runs.header import KEY, read_header


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Replace a file in one step with tensors, and facts in its header."""
    # A copy each: the format refuses tensors that share memory, and strides that are not plain.
    plain = {name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}
    write_bytes(path, save(plain, {KEY: json.dumps(facts)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and facts of a file.

    Raises:
        ZooError: If the file is damaged or foreign.
    """
    facts = read_header(path)
    try:
        return load(path.read_bytes()), facts
    except SafetensorError as error:
        raise ZooError(f"{path} is damaged: {error}") from None
