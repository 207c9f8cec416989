"""Trackers that somebody asks for: found by name, set by options, and there to be used."""

from __future__ import annotations

__all__ = ["Track", "Tracker", "find_trackers", "is_there", "read_tracking", "still_there"]

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from zoo.catalogue import Source
from zoo.errors import ZooError, one_line
from zoo.options import Options
from zoo.registry import Registry
from zoo.specs import TrackerSpec, import_or_tell, import_reference

Track: TypeAlias = str | Sequence[str] | Mapping[str, Mapping[str, Any]]
"""What programs ask for: names, or options by name."""


@dataclass(frozen=True)
class Tracker:
    """A tracker that was asked for: the name that finds it, what it is, whose it is, and its options."""

    name: str
    spec: TrackerSpec
    source: Source
    options: Options

    def load(self) -> Callable[[Options, Any], object]:
        """Import its class, built as `Name(options, run)`.

        Raises:
            ZooError: If its code does not import.
        """
        found: Callable[[Options, Any], object] = import_or_tell(
            self.spec.tracker, f"tracker '{self.name}' of {self.source}"
        )
        return found


def read_tracking(track: Track) -> dict[str, Mapping[str, Any]]:
    """Return options by tracker from whatever way they were asked for.

    Example:
        >>> read_tracking("csv,tensorboard"), read_tracking({"tensorboard": {"dir": "logs"}})
        ({'csv': {}, 'tensorboard': {}}, {'tensorboard': {'dir': 'logs'}})
    """
    if isinstance(track, Mapping):
        return dict(track)
    words = [track] if isinstance(track, str) else track
    return {name.strip(): {} for word in words for name in word.split(",") if name.strip()}


def find_trackers(registry: Registry, wanted: Mapping[str, Mapping[str, Any]]) -> tuple[Tracker, ...]:
    """Find trackers by name and check their options, and that what they need is installed; imports nothing heavy.

    Arguments:
        registry: Where they are found.
        wanted: Options by tracker; those that are left out keep their defaults.

    Raises:
        ZooError: If there is no such tracker or option, a value is out of range, or a package is missing.
    """
    return tuple(_find(registry, name, options) for name, options in wanted.items())


def _find(registry: Registry, name: str, values: Mapping[str, Any]) -> Tracker:
    entry = registry.tracker(name)
    spec, source = entry.item, entry.source
    if not is_there(spec):
        where = f"{source.distribution}[{spec.extra}]" if spec.extra else spec.requires
        raise ZooError(f"--track {name} needs the package {spec.requires}; install it with pip install '{where}'")
    try:
        options = import_reference(spec.options)
        if not (isinstance(options, type) and issubclass(options, Options)):
            raise TypeError(f"{spec.options} is no Options dataclass")
        return Tracker(entry.name, spec, source, options.from_dict(values))
    except ZooError as error:
        raise ZooError(f"tracker {name}: {error}") from None
    except Exception as error:
        raise ZooError(f"tracker '{name}' of {source} cannot be used: {one_line(error)}") from error


def is_there(spec: TrackerSpec) -> bool:
    """Whether the package that a tracker needs is installed."""
    try:
        return not spec.requires or importlib.util.find_spec(spec.requires) is not None
    except (ImportError, ValueError):
        return False


def still_there(registry: Registry, recorded: Any) -> tuple[tuple[Tracker, ...], list[str]]:
    """Return the trackers that a run was followed by before, and a line for each that cannot go on with it here.

    Raises:
        ZooError: If the run's `config.toml` was damaged by hand.
    """
    if not isinstance(recorded, Mapping) or not all(isinstance(options, Mapping) for options in recorded.values()):
        raise ZooError("the run's config.toml: 'track' makes no sense; restore it, or take it out")
    found: list[Tracker] = []
    told: list[str] = []
    for name, options in recorded.items():
        try:
            found.append(_find(registry, name, options))
        except ZooError as error:
            told.append(f"NOTE: the run was followed by {name}, and goes on without it: {error}")
    return tuple(found), told
