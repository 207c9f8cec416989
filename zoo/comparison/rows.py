"""What became of each model of a comparison, and the parts of the document that tell it."""

from __future__ import annotations

__all__ = ["Row", "scored", "standard_error", "summary_of", "values_of"]

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.comparison.paired import spread
from zoo.comparison.scores import Column
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
        runs: Its runs, one a seed.
        reused: Which of them were there already.
        failed: Why metrics failed, by key.
        error: Why it has no scores, in one line.
    """

    name: str
    model: str = ""
    recipe: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    reused: tuple[bool, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def seeds(self) -> list[int]:
        """The seed of each run."""
        return [run.metadata["training"]["seed"] for run in self.runs]

    @cached_property
    def scores(self) -> list[dict[str, Any]]:
        """The scores of each run."""
        return [run.scores for run in self.runs]

    @property
    def likelihood(self) -> str | None:
        """What its number for log p(x) is: exact, a bound, or none."""
        found: str | None = self.scores[0].get("likelihood") if self.scores else None
        return found

    @property
    def part(self) -> str | None:
        """The part that its distortion is counted by."""
        found: str | None = self.runs[0].metadata["parts"].get("likelihood") if self.runs else None
        return found

    @cached_property
    def per_image(self) -> list[dict[str, NDArray[np.float64]]]:
        """The values of each test image of the scores of each run, by key."""
        return [{key: value.double().numpy() for key, value in run.per_image.items()} for run in self.runs]

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return what the document says of the model; paths as seen from its folder."""
        paths = [os.path.relpath(run.path, folder) for run in self.runs]
        runs = zip(self.seeds, paths, self.reused, strict=True)
        return {
            "name": self.name,
            "model": self.model,
            "recipe": self.recipe,
            "settings": dict(self.settings),
            "likelihood": self.likelihood,
            "parameters": self.runs[0].metadata["outcome"]["parameters"] if self.runs else None,
            "error": self.error,
            "runs": [{"seed": seed, "path": path, "reused": reused} for seed, path, reused in runs],
        }

    def lines(self, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
        """Yield what the document says of each seed and metric."""
        for seed, scores, per_image in zip(self.seeds, self.scores, self.per_image, strict=True):
            for key in (column.key for column in columns):
                value = scores.get(key)
                if isinstance(value, list):
                    continue
                details = {name.partition(".")[2]: scores[name] for name in scores if name.startswith(f"{key}.")}
                yield {
                    "model": self.name,
                    "seed": seed,
                    "metric": key,
                    "value": None if key in self.failed else value,
                    "standard_error": standard_error(per_image.get(key)),
                    "details": details,
                    "reason": self._reason(key, scores),
                    "warning": scores.get("warnings", {}).get(key, ""),
                }

    def _reason(self, key: str, scores: Mapping[str, Any]) -> str:
        if key in self.failed:
            return f"it failed: {self.failed[key]}"
        if scores.get(key) is not None:
            return ""
        if self.error is not None:
            return f"it failed: {self.error}"
        reason: str = scores.get("reasons", {}).get(key, "")
        return reason or "the model has no such number"


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
    keys = {key for images in row.per_image for key in images if key not in row.failed}
    per_image = {
        key: {seed: images[key] for seed, images in zip(row.seeds, row.per_image, strict=True) if key in images}
        for key in sorted(keys)
    }
    return Scored(row.name, row.likelihood, row.part, values, per_image)
