"""What a packed set says of itself: a small JSON file beside raw arrays; imports no torch."""

from __future__ import annotations

__all__ = ["HEADER", "TYPES", "Array", "Header", "PackedSplit", "read_header"]

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ZooError

HEADER = "packed.json"

FORMAT, VERSION = "generative-zoo packed set", 1

TYPES: dict[str, tuple[str, np.dtype[Any]]] = {
    "uint8": ("u8", np.dtype("u1")),
    "float16": ("f16", np.dtype("<f2")),
    "float32": ("f32", np.dtype("<f4")),
    "float64": ("f64", np.dtype("<f8")),
    "int64": ("i64", np.dtype("<i8")),
}
"""What arrays hold: the suffix of their files, and the type of a value, lowest byte first."""


@dataclass(frozen=True)
class Array:
    """A file that is one array and nothing else.

    Arguments:
        file: Its name in the folder.
        dtype: The type of its values, one of `TYPES`.
        shape: Its shape; the first number counts images.
        sha256: The hash of its bytes, in hexadecimal digits.
    """

    file: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def nbytes(self) -> int:
        """The size of the file."""
        return math.prod(self.shape) * TYPES[self.dtype][1].itemsize


@dataclass(frozen=True)
class PackedSplit:
    """The images of a split, and its labels and factors by name."""

    x: Array
    y: Mapping[str, Array]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All files of the split."""
        return (self.x, *self.y.values())


@dataclass(frozen=True)
class Header:
    """What a packed set says of itself.

    Arguments:
        name: The name of the set that was packed.
        source: Where its images came from, for the model card.
        notes: One line each for what a person should know.
        scale: What a stored value is multiplied by to lie in [0, 1].
        train, test: Its splits.
        request: What was asked to be packed: the data, and the options that shaped it.
        made_by: The version of the zoo that packed it.
    """

    name: str
    source: str
    notes: tuple[str, ...]
    scale: float
    train: PackedSplit
    test: PackedSplit
    request: Mapping[str, Any] = field(default_factory=dict)
    made_by: str = ""

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All files of the set."""
        return (*self.train.arrays, *self.test.arrays)

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=2) + "\n"


def read_header(folder: Path) -> Header:
    """Read what a packed set says of itself, and see that nothing in it is strange.

    Raises:
        ZooError: If the folder holds no finished packed set, or the file is damaged.
    """
    path = folder / HEADER
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ZooError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise _damaged(path, f"no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _damaged(path, "no header of a packed set")
    if document.get("version") != VERSION:
        raise ZooError(
            f"{path} has version {document.get('version')!r}, and this zoo reads {VERSION}: pack it again, or update"
        )
    try:
        found = _header(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"{type(error).__name__} {error}") from None
    return found


def _damaged(path: Path, reason: str) -> ZooError:
    return ZooError(f"{path} is damaged ({' '.join(reason.split())}): pack it again")


def _header(document: Mapping[str, Any]) -> Header:
    train, test = _split(document["train"]), _split(document["test"])
    alike = train.x.dtype == test.x.dtype and train.x.shape[1:] == test.x.shape[1:]
    if not alike or len(train.x.shape) != 4 or train.x.dtype == "int64":
        raise ValueError(f"images {train.x.shape} of {train.x.dtype} and {test.x.shape} of {test.x.dtype}")
    scale = float(document["scale"])
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale {scale}")
    notes = tuple(str(note) for note in document["notes"])
    name, source = str(document["name"]), str(document["source"])
    return Header(name, source, notes, scale, train, test, dict(document["request"]), str(document["made_by"]))


def _split(document: Mapping[str, Any]) -> PackedSplit:
    found = PackedSplit(_array(document["x"]), {str(name): _array(one) for name, one in document["y"].items()})
    for array in found.y.values():
        if array.shape[0] != found.x.shape[0]:
            raise ValueError(f"{array.shape[0]} labels of {found.x.shape[0]} images")
    return found


def _array(document: Mapping[str, Any]) -> Array:
    file, dtype = document["file"], document["dtype"]
    shape = tuple(document["shape"])
    # A name with a separator could lead out of the folder.
    if not isinstance(file, str) or re.fullmatch(r"[\w-]+\.\w+", file) is None:
        raise ValueError(f"file {file!r}")
    if dtype not in TYPES:
        raise ValueError(f"type {dtype!r}")
    if not shape or any(type(length) is not int or length < 1 for length in shape):
        raise ValueError(f"shape {shape}")
    return Array(file, dtype, shape, str(document["sha256"]))
