"""The document of a comparison, `results.json`: made, written, and read back with its form checked."""

from __future__ import annotations

__all__ = ["FORMAT", "as_json", "make_document", "read_document"]

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zoo
from zoo.comparison.agreement import Agreed
from zoo.comparison.cautions import cautions
from zoo.comparison.rows import Row, scored, summary_of, values_of
from zoo.comparison.scores import Column
from zoo.comparison.verdicts import Pair, judge
from zoo.errors import ZooError
from zoo.runs.forms import misfit

FORMAT = 1

_NOTHING = type(None)
_VALUE = (int, float, _NOTHING)
_TEXT = (str, _NOTHING)

_FORM: dict[Any, Any] = {
    "command": str,
    "zoo": str,
    "data": {"name": str, "shape": [int], "train": int, "test": int},
    "split": str,
    "seeds": [int],
    "samples": int,
    "metrics": {str: {"name": str, "summary": str, "unit": str, "better": str, "group": str}},
    "models": [{"name": str, "settings": {str: object}, "likelihood": _TEXT, "error": _TEXT}],
    "rows": [{"model": str, "seed": int, "metric": str, "value": _VALUE, "standard_error": _VALUE}],
    "summary": [{"model": str, "metric": str, "mean": _VALUE, "sd": _VALUE, "n": int}],
    "pairs": [{"metric": str, "one": str, "other": str, "verdict": str}],
    "cautions": [str],
}
"""What a document holds, at the least."""

_NUMBERS = ("value", "mean", "sd", "difference", "low", "high", "standard_error")


def make_document(
    rows: Sequence[Row], agreed: Agreed, shown: Sequence[Column], samples: int, command: str, folder: Path
) -> dict[str, Any]:
    """Return the document of a comparison, all but its figure.

    Arguments:
        rows: The models.
        agreed: What they were trained and scored on.
        shown: The metrics.
        samples: How many images metrics of samples drew.
        command: The command that does the same again.
        folder: Where the document will lie; paths are as seen from there.
    """
    # Several values, one for each unit, are no cell of a table; the run has them.
    several = {
        key for row in rows for one in row.scored for key, value in one.scores.items() if isinstance(value, list)
    }
    shown = [column for column in shown if column.key not in several]
    lines = [line for row in rows for line in row.lines(shown)]
    whole = [row for row in rows if row.error is None]
    values = values_of([line for line in lines if line["model"] in {row.name for row in whole}])
    pairs = judge([scored(row, values.get(row.name, {})) for row in whole], shown)
    return {
        "format": FORMAT,
        "command": command,
        "zoo": zoo.__version__,
        "data": {"name": agreed.data, "shape": list(agreed.shape), "train": agreed.train, "test": agreed.test},
        "split": "test",
        "seeds": sorted({seed for row in rows for seed in row.seeds}),
        "samples": samples,
        "metrics": {column.key: _meaning(column) for column in shown},
        "models": [row.facts(folder) for row in rows],
        "rows": lines,
        "summary": list(summary_of(values)),
        "pairs": [_pair(pair) for pair in pairs],
        "cautions": cautions(rows, lines),
    }


def _meaning(column: Column) -> dict[str, str]:
    return {name: getattr(column.spec, name) for name in ("name", "summary", "unit", "better", "group")}


def _pair(pair: Pair) -> dict[str, Any]:
    interval = pair.interval
    return {
        "metric": pair.metric,
        "one": pair.one,
        "other": pair.other,
        "difference": pair.difference,
        "low": interval.low if interval is not None else None,
        "high": interval.high if interval is not None else None,
        "over": interval.over if interval is not None else "",
        "winner": pair.winner,
        "verdict": pair.verdict,
    }


def as_json(document: dict[str, Any]) -> str:
    """Return a document as text: what is no finite number is "nan", "inf" or "-inf", as JSON has none of them."""
    return json.dumps(_told(document), indent=2, allow_nan=False) + "\n"


def _told(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _told(item) for key, item in value.items()}
    return [_told(item) for item in value] if isinstance(value, list | tuple) else value


def read_document(path: Path) -> dict[str, Any]:
    """Read a `results.json`.

    Raises:
        ZooError: If it is missing, damaged, of another format, or no document of a comparison.
    """
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}; name the results.json of a comparison") from None
    except ValueError:
        raise ZooError(f"{path} is damaged: it is no JSON; make it again with 'zoo compare'") from None
    if not isinstance(found, dict) or "format" not in found:
        raise ZooError(f"{path} is no results.json of a comparison; make one with 'zoo compare'")
    if found["format"] != FORMAT:
        raise ZooError(f"{path} has format {found['format']}; this zoo reads {FORMAT}: make it again")
    _revive(found)
    wrong = misfit(found, _FORM)
    if wrong is not None:
        raise ZooError(f"{path} is damaged: '{wrong}' is missing or makes no sense; make it again with 'zoo compare'")
    return found


def _revive(document: dict[str, Any]) -> None:
    """Make numbers again of those that JSON has no word for."""
    for part in ("rows", "summary", "pairs"):
        for item in document.get(part) or []:
            for name in _NUMBERS:
                if isinstance(item, dict) and item.get(name) in ("nan", "inf", "-inf"):
                    item[name] = float(item[name])
