"""What is compared: models with settings of their own, or finished runs, as people type them."""

from __future__ import annotations

__all__ = ["Entry", "parse_entries", "slug"]

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import ZooError

_SETTING = re.compile(r"[A-Za-z][\w.-]*=")


@dataclass(frozen=True)
class Entry:
    """One thing to compare.

    Arguments:
        label: As it was typed; what tables and files call it.
        model: A model of the registry, or `model.recipe`; empty for a run.
        settings: The model's own settings, as text.
        path: Where a finished run lies.
    """

    label: str
    model: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None


def parse_entries(words: Sequence[str]) -> list[Entry]:
    """Read models, models with settings, and paths of runs; a word that is there twice counts once.

    Raises:
        ZooError: If there is none, or settings are not written as `NAME=VALUE`.

    Example:
        >>> parse_entries(["conv-vae:beta=0.5,encoder.hidden=200,200"])[0].settings
        {'beta': '0.5', 'encoder.hidden': '200,200'}
    """
    if not words:
        raise ZooError("nothing to compare; name models such as 'ae conv-vae', or runs such as runs/ae-mnist-1")
    return [_parse(word) for word in dict.fromkeys(words)]


def _parse(word: str) -> Entry:
    model, colon, settings = word.partition(":")
    # A value may be a path, and a path may have a colon.
    if _is_path(model) or (_is_path(word) and not _SETTING.match(settings)):
        return Entry(word, path=Path(word))
    if not colon:
        return Entry(word, model)
    return Entry(word, model, _parse_settings(word, settings))


def _is_path(text: str) -> bool:
    return os.sep in text or "/" in text or text.endswith(".safetensors")


def _parse_settings(word: str, text: str) -> dict[str, str]:
    """Read `beta=0.5,encoder.hidden=200,200`: a piece that names no setting belongs to the value before it."""
    found: dict[str, str] = {}
    for name, value in _pieces(word, text):
        if name in found:
            raise ZooError(f"'{word}' sets {name} twice; leave one out")
        found[name] = value
    return found


def _pieces(word: str, text: str) -> Iterator[tuple[str, str]]:
    if not _SETTING.match(text):
        raise ZooError(f"'{word}': settings are NAME=VALUE after the colon, as in conv-vae:beta=0.5,prior.std=2")
    for piece in re.split(rf",(?={_SETTING.pattern})", text):
        name, _, value = piece.partition("=")
        yield name, value


def slug(text: str) -> str:
    """Return a text as part of a file name.

    Example:
        >>> slug("conv-vae:beta=0.5,prior.std=2")
        'conv-vae-beta-0.5-prior.std-2'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:80] or "model"
