"""What the registry says was measured: a command, a seed, scores with tolerances; imports no torch."""

from __future__ import annotations

__all__ = ["Published", "Stated", "Verified", "read_verified"]

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import ZooError, did_you_mean

COMMAND = "zoo train "
TRAINING = "training."
"""What the names of scores begin with that are terms of the last epoch, as `metrics.jsonl` has them."""

_KEYS = ("command", "seed", "scores", "machine", "note", "seconds", "gpu")
_SCORE_KEYS = ("value", "tolerance", "options", "published")
_PUBLISHED_KEYS = ("value", "source")


@dataclass(frozen=True)
class Published:
    """What somebody else measured with the same settings, and where they say so."""

    value: float
    source: str


@dataclass(frozen=True)
class Stated:
    """One score of a verified result.

    Arguments:
        value: What was measured, or nothing where it is still to be: then what others measured is the aim.
        tolerance: How far another run of the same command may end from it: a number, or a share such as `2%`.
        options: Options of the metric that are not its defaults.
        published: What others measured, if it is known.
    """

    value: float | None
    tolerance: str
    options: Mapping[str, Any]
    published: Published | None = None

    @property
    def aim(self) -> float:
        """What another run is held to."""
        if self.value is not None:
            return self.value
        assert self.published is not None, "read_verified takes no score without either"
        return self.published.value

    @property
    def allowed(self) -> float:
        """The largest difference from the aim that passes."""
        if self.tolerance.endswith("%"):
            return float(self.tolerance[:-1]) / 100 * abs(self.aim)
        return float(self.tolerance)

    def holds(self, measured: float) -> bool:
        """Whether a measured value is as near as the tolerance says; what is not finite never is."""
        # A hair for numbers that were typed in decimals.
        return abs(measured - self.aim) <= self.allowed * (1 + 1e-9)

    def __str__(self) -> str:
        return f"{self.aim:g} ± {self.tolerance}" if self.value is not None else "to be measured"

    def to_dict(self) -> dict[str, Any]:
        """Return the score as JSON can hold it."""
        published = vars(self.published) if self.published is not None else None
        return {"value": self.value, "tolerance": self.tolerance, "options": dict(self.options), "published": published}


@dataclass(frozen=True)
class Verified:
    """A result that was measured, or is to be: on a GPU, where others measured it.

    Arguments:
        name: What the registry calls it, most often the data set.
        command: The `zoo train` that it is of.
        seed: The seed of training and of scoring.
        scores: What was measured, by the name that `zoo evaluate` gives it, or `training.NAME` for a term of the last
            epoch.
        machine: Where.
        note: What to keep in mind.
        seconds: How long training and scoring took there, if it is known.
        gpu: Whether it wants one.
    """

    name: str
    command: str
    seed: int
    scores: Mapping[str, Stated]
    machine: str = ""
    note: str = ""
    seconds: float | None = None
    gpu: bool = False

    @property
    def measured(self) -> bool:
        """Whether all of its scores were measured here."""
        return all(stated.value is not None for stated in self.scores.values())

    @property
    def metrics(self) -> dict[str, Mapping[str, Any]]:
        """The metrics to ask for, with their options; a detail `metric.detail` comes with its metric."""
        found: dict[str, Mapping[str, Any]] = {}
        for name, stated in self.scores.items():
            if not name.startswith(TRAINING):
                metric = name.partition(".")[0].replace("_", "-")
                found[metric] = {**found.get(metric, {}), **stated.options}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {**vars(self), "scores": {name: stated.to_dict() for name, stated in self.scores.items()}}


def read_verified(name: str, table: Mapping[str, Any]) -> Verified:
    """Read a table `[models.MODEL.verified.NAME]`.

    Raises:
        ZooError: If something in it is missing, unknown or of the wrong kind.
    """
    where = f"verified.{name}"
    _check_keys(where, table, _KEYS, ("command", "seed", "scores"))
    command = _text(where, table, "command")
    if not command.startswith(COMMAND):
        raise ZooError(f"'{where}': command must begin with '{COMMAND}', got '{command}'")
    seed = table["seed"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ZooError(f"'{where}': seed must be a whole number from 0, got {seed!r}")
    seconds, gpu = table.get("seconds"), table.get("gpu", False)
    if seconds is not None and not _number(where, "seconds", seconds) > 0:
        raise ZooError(f"'{where}': seconds must be above 0, got {seconds}")
    if not isinstance(gpu, bool):
        raise ZooError(f"'{where}': gpu must be true or false, got {gpu!r}")
    scores = table["scores"]
    if not isinstance(scores, Mapping) or not scores:
        raise ZooError(f"'{where}': scores must be a table with at least one score")
    stated = {score: _stated(f"{where}.scores.{score}", entry) for score, entry in scores.items()}
    note, machine = _text(where, table, "note"), _text(where, table, "machine")
    found = Verified(name, command, seed, stated, machine, note, seconds, gpu)
    if not (found.measured or gpu):
        raise ZooError(f"'{where}': a score without a value is one that wants a GPU; add the value, or gpu = true")
    return found


def _stated(where: str, entry: Any) -> Stated:
    if not isinstance(entry, Mapping):
        raise ZooError(f"'{where}' must be a table such as {{ value = 0.5, tolerance = \"2%\" }}, got {entry!r}")
    # What was not measured has what others measured in its place.
    _check_keys(where, entry, _SCORE_KEYS, ("tolerance", "published" if "published" in entry else "value"))
    options, published = entry.get("options", {}), entry.get("published")
    if not isinstance(options, Mapping):
        raise ZooError(f"'{where}': options must be a table, got {options!r}")
    tolerance = str(entry["tolerance"])
    if re.fullmatch(r"(\d+\.?\d*|\.\d+)(e-?\d+)?%?", tolerance) is None:
        raise ZooError(f"'{where}': tolerance must be a number from 0, or a share such as '2%', got '{tolerance}'")
    return Stated(
        _number(where, "value", entry["value"]) if "value" in entry else None,
        tolerance,
        {key.replace("-", "_"): value for key, value in options.items()},
        None if published is None else _published(f"{where}.published", published),
    )


def _published(where: str, entry: Any) -> Published:
    if not isinstance(entry, Mapping):
        raise ZooError(f"'{where}' must be a table with value and source, got {entry!r}")
    _check_keys(where, entry, _PUBLISHED_KEYS, _PUBLISHED_KEYS)
    return Published(_number(where, "value", entry["value"]), _text(where, entry, "source"))


def _check_keys(where: str, table: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise ZooError(f"'{where}': unknown key '{key}'{did_you_mean(key, known)}; it takes {', '.join(known)}")
    for key in needed:
        if key not in table:
            raise ZooError(f"'{where}' has no {key}")


def _text(where: str, table: Mapping[str, Any], key: str) -> str:
    found = table.get(key, "")
    if not isinstance(found, str):
        raise ZooError(f"'{where}': {key} must be text, got {found!r}")
    return found


def _number(where: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ZooError(f"'{where}': {key} must be a number, got {value!r}")
    return float(value)
