"""Whose a new package is."""

from __future__ import annotations

__all__ = ["PLACEHOLDER", "find_author"]

import subprocess

from zoo.errors import ZooError

PLACEHOLDER = "Your Name"
"""Stands where nobody knows."""


def find_author(given: str | None) -> str:
    """Return the author that was given, else git's `user.name`, else a placeholder.

    Raises:
        ZooError: If the given one is no line of text.
    """
    if given is None:
        found = _git_name()
        return found if _is_line(found) else PLACEHOLDER
    if not _is_line(given):
        raise ZooError("--author must be one line of text")
    return given.strip()


def _git_name() -> str:
    try:
        done = subprocess.run(["git", "config", "user.name"], capture_output=True, encoding="utf-8", timeout=5)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _is_line(text: str) -> bool:
    # Other characters break a TOML string; lone surrogates, as of an argument that is no text, have no bytes.
    return bool(text.strip()) and text.isprintable()
