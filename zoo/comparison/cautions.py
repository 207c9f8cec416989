"""What to keep in mind when a comparison is read, each in one line."""

from __future__ import annotations

__all__ = ["cautions"]

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoo.comparison.rows import Row

Lines = Sequence[Mapping[str, Any]]


def cautions(rows: Sequence[Row], lines: Lines) -> list[str]:
    """Return what the numbers do not say by themselves.

    Arguments:
        rows: The models.
        lines: The rows of the document.
    """
    whole = [row for row in rows if row.error is None and row.scored]
    return [*_meanings(whole), *_training(whole), *_seeds(whole), *_values(rows, lines)]


def _meanings(rows: Sequence[Row]) -> Iterator[str]:
    if len({row.likelihood for row in rows}) > 1:
        yield (
            "log_likelihood is log p(x) itself, elbo a lower bound on it, and some models have neither; "
            "compare them only where 'likelihood' says the same"
        )
    if parts := _differing({row.name: row.part for row in rows if row.part is not None}):
        yield f"distortion and objective are counted by each model's own likelihood, and are not compared: {parts}"


def _training(rows: Sequence[Row]) -> Iterator[str]:
    first = {row.name: row.runs[0].metadata for row in rows}
    if budgets := _differing({name: _budget(facts["training"]) for name, facts in first.items()}):
        yield f"not all were trained for as long: {budgets}; --epochs or --budget gives all the same"
    if sizes := _differing({name: f"{facts['data']['train_size']:,} images" for name, facts in first.items()}):
        yield f"not all were trained on as many images: {sizes}"
    for row in rows:
        if any(run.metadata["outcome"]["reason"] == "diverged" for run in row.runs):
            yield f"{row.name} diverged in training; its scores are those of its last good weights"


def _budget(training: Mapping[str, Any]) -> str:
    if training.get("budget") is not None:
        return f"{training['budget']} at most"
    epochs = training.get("epochs", "?")
    return f"{epochs} epoch{'' if epochs == 1 else 's'}"


def _differing(words: Mapping[str, str | None]) -> str:
    if len(set(words.values())) < 2:
        return ""
    return ", ".join(f"{name} {word}" for name, word in words.items())


def _seeds(rows: Sequence[Row]) -> Iterator[str]:
    if len(rows) < 2:
        return
    if any(len(row.scored) == 1 for row in rows):
        yield (
            "with one seed a verdict is about these trained weights, not about the models: training again may turn it; "
            "--seeds 3 or more tells"
        )
    drawn = any(run.metadata["data"].get("binarize") == "dynamic" for row in rows for run in row.runs)
    if drawn and len({tuple(row.seeds) for row in rows}) > 1:
        yield "pixels are drawn by each run's seed, and seeds differ, so that not all are scored on the same pixels"


def _values(rows: Sequence[Row], lines: Lines) -> Iterator[str]:
    for line in lines:
        if isinstance(line["value"], float) and not math.isfinite(line["value"]):
            yield f"{line['metric']} of {line['model']} is {line['value']} with seed {line['seed']}, and so is its mean"
    for row in rows:
        for key, why in row.failed.items():
            yield f"{key} of {row.name} failed: {why}"
