"""Scores as rows of a table: what each one is, as its metric declares."""

from __future__ import annotations

__all__ = ["ARROWS", "ScoreRow", "score_key", "score_rows"]

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.catalogue import Entry
from zoo.specs import GROUPS, MetricSpec

ARROWS = {"higher": "↑", "lower": "↓", "": ""}
"""Which way is better, as tables show it."""

_NO_METRICS = {
    "likelihood": ("likelihood", "", "What is known of log p(x), and of which pixels."),
    "parameters": ("cost", "", "Trained values."),
    "seconds": ("cost", "s", "Time in training steps."),
    "images_per_second": ("cost", "images/s", "Median speed of an epoch, training alone."),
}
"""Group, unit and meaning of the scores that are known without looking at images."""


@dataclass(frozen=True)
class ScoreRow:
    """One score: its name in files, its value, and what a reader needs to know of it.

    Arguments:
        name: The name in files: that of its metric with underscores, or `name.detail`.
        value: A number, several where it is one for each unit, a word, or nothing.
        unit: What one of it is.
        better: An arrow, or nothing.
        meaning: One sentence; empty for a detail, and for a score whose metric is not installed.
    """

    name: str
    value: Any
    unit: str = ""
    better: str = ""
    meaning: str = ""


def score_key(name: str) -> str:
    """Return the name of a metric's score in files: with underscores, as options have them."""
    return name.replace("-", "_")


def score_rows(scores: Mapping[str, Any], metrics: Iterable[Entry[MetricSpec]]) -> list[ScoreRow]:
    """Return every score as a row, in the order of groups, each followed by what belongs to it.

    Arguments:
        scores: The scores, as `evaluate` returns them and `scores.json` holds them.
        metrics: What there is to know of them.
    """
    known = [(GROUPS.index(entry.item.group), _row(score_key(entry.name), scores, entry.item)) for entry in metrics]
    for name, (group, unit, meaning) in _NO_METRICS.items():
        known.append((GROUPS.index(group), ScoreRow(name, scores.get(name), unit, "", meaning)))
    rows: list[ScoreRow] = []
    for _, row in sorted(known, key=lambda one: one[0]):
        if row.name in scores:
            rows += [row, *(ScoreRow(key, value) for key, value in scores.items() if key.startswith(f"{row.name}."))]
    shown = {row.name for row in rows}
    # What is left is of metrics that are not installed here; `reasons` and `warnings` are no scores.
    return rows + [ScoreRow(k, v) for k, v in scores.items() if k not in shown and not isinstance(v, Mapping)]


def _row(key: str, scores: Mapping[str, Any], spec: MetricSpec) -> ScoreRow:
    return ScoreRow(key, scores.get(key), spec.unit, ARROWS[spec.better], spec.summary)
