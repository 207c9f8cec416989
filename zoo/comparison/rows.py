"""What became of each model of a comparison, and the parts of the document that tell it."""

from __future__ import annotations

__all__ = ["Row", "middle", "scored", "standard_error", "summary_of", "values_of"]

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.comparison.paired import spread
from zoo.comparison.scores import Column, ScoredRun
from zoo.comparison.verdicts import Scored
from zoo.runs.folder import Run


@dataclass(frozen=True)
class Row:
    """One model of a comparison.

    Arguments:
        name: Its label, as it was asked for.
        model: The model of the registry.
        recipe: The recipe, if one was named.
        settings: The tables of its settings.
        scored: Its runs with their scores, one a seed.
        error: Why there are not as many as there should be, in one line.
    """

    name: str
    model: str = ""
    recipe: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    scored: tuple[ScoredRun, ...] = ()
    error: str | None = None

    @property
    def runs(self) -> list[Run]:
        """Its runs, one a seed."""
        return [one.run for one in self.scored]

    @property
    def seeds(self) -> list[int]:
        """The seed of each run."""
        return [one.seed for one in self.scored]

    @property
    def pictured(self) -> Run:
        """The run that pictures are of: that with the median objective, so that nobody has chosen the best one."""
        return self.runs[middle([one.scores.get("objective") for one in self.scored])]

    @property
    def failed(self) -> dict[str, str]:
        """Why metrics failed, by key."""
        return {key: why for one in self.scored for key, why in one.failed.items()}

    @property
    def likelihood(self) -> str | None:
        """What its number for log p(x) is: exact, a bound, or none."""
        found: str | None = self.scored[0].scores.get("likelihood") if self.scored else None
        return found

    @property
    def part(self) -> str | None:
        """The part that its distortion is counted by."""
        found: str | None = self.runs[0].metadata["parts"].get("likelihood") if self.runs else None
        return found

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return what the document says of the model; paths as seen from its folder."""
        return {
            "name": self.name,
            "model": self.model,
            "recipe": self.recipe,
            "settings": dict(self.settings),
            "likelihood": self.likelihood,
            "parameters": self.runs[0].metadata["outcome"]["parameters"] if self.runs else None,
            "error": self.error,
            "pictured": self.pictured.metadata["training"]["seed"] if self.runs else None,
            "runs": [
                {"seed": one.seed, "path": Path(os.path.relpath(one.run.path, folder)).as_posix(), "reused": one.reused}
                for one in self.scored
            ],
        }

    def lines(self, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
        """Yield what the document says of each seed and metric."""
        for one in self.scored:
            for column in columns:
                yield {"model": self.name, "seed": one.seed, "metric": column.key, **_cell(one, column.key)}


def middle(values: Sequence[Any]) -> int:
    """Return which of some values is the median, of an even number the larger one; the first if one is no number.

    Example:
        >>> middle([3.0, 1.0, 2.0]), middle([1.0, 2.0]), middle([1.0, None])
        (2, 1, 0)
    """
    numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    if not numbers or len(numbers) < len(values):
        return 0
    return sorted(range(len(numbers)), key=lambda i: numbers[i])[len(numbers) // 2]


def _cell(one: ScoredRun, key: str) -> dict[str, Any]:
    scores, broken = one.scores, key in one.failed
    value = None if broken else scores.get(key)
    reason = f"it failed: {one.failed[key]}" if broken else scores.get("reasons", {}).get(key, "")
    return {
        "value": value,
        "standard_error": standard_error(one.per_image.get(key)) if value is not None else None,
        "details": {name.partition(".")[2]: scores[name] for name in scores if name.startswith(f"{key}.")},
        "reason": "" if value is not None else reason or "the model has no such number",
        "warning": scores.get("warnings", {}).get(key, ""),
    }


def standard_error(values: NDArray[np.float64] | None) -> float | None:
    """Return the standard error of the mean over images `(N,)`, where there are at least two."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if values is not None and len(values) > 1 else None


def values_of(lines: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[int, float]]]:
    """Return the values by model, metric and seed, of what every seed of a model has."""
    missing = {(line["model"], line["metric"]) for line in lines if line["value"] is None}
    found: dict[str, dict[str, dict[int, float]]] = {}
    for line in lines:
        if (line["model"], line["metric"]) not in missing:
            metrics = found.setdefault(line["model"], {})
            metrics.setdefault(line["metric"], {})[line["seed"]] = line["value"]
    return found


def summary_of(values: Mapping[str, Mapping[str, Mapping[int, float]]]) -> Iterator[dict[str, Any]]:
    """Yield mean and standard deviation over seeds, of each model and metric."""
    for model, metrics in values.items():
        for key, by_seed in metrics.items():
            mean, deviation = spread(list(by_seed.values()))
            yield {"model": model, "metric": key, "mean": mean, "sd": deviation, "n": len(by_seed)}


def scored(row: Row, values: Mapping[str, Mapping[int, float]]) -> Scored:
    """Return what verdicts rest on."""
    per_image = {key: {one.seed: one.per_image[key] for one in row.scored if key in one.per_image} for key in values}
    return Scored(row.name, row.likelihood, row.part, values, per_image)
