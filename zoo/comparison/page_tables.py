"""The tables of a comparison's page: which number stands where, how it is written, and what is said of it."""

from __future__ import annotations

__all__ = ["Cell", "Column", "Interval", "Line", "Note", "Table", "details_of", "intervals", "notes_of", "tables_of"]

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

from zoo.comparison.wording import DASH, mean_and_spread, number
from zoo.runs.scores import ARROWS
from zoo.specs import GROUPS

Document = Mapping[str, Any]

MOST_COLUMNS = 8
"""Up to here metrics share one table; beyond, each table takes whole groups."""


class Column(NamedTuple):
    """A metric: its name, what it says, its unit, which direction is better, and its group."""

    key: str
    name: str
    summary: str
    unit: str
    better: str
    group: str

    @property
    def arrow(self) -> str:
        """The direction that is better, or nothing."""
        return ARROWS[self.better]


class Cell(NamedTuple):
    """A number of one model.

    Arguments:
        text: As it is read.
        value: What it is sorted by; None sorts last.
        hint: More of it: the values of single seeds, or why there is none.
        best: Whether every other model is told apart from it, and is worse.
        warned: Whether a warning goes with it.
    """

    text: str
    value: float | None = None
    hint: str = ""
    best: bool = False
    warned: bool = False


class Line(NamedTuple):
    """A model's row: its name, its place among the models, its size, its likelihood, why it failed, its numbers."""

    model: str
    place: int
    size: str
    likelihood: str
    error: str | None
    cells: tuple[Cell, ...]


class Table(NamedTuple):
    """Models by metrics, with how many columns each group has; the first says which likelihood each model has."""

    first: bool
    groups: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


class Note(NamedTuple):
    """Something said of a metric: by which kind (`reason` or `warning`), of which models, in which words."""

    kind: str
    metric: str
    models: tuple[str, ...]
    words: str


class Interval(NamedTuple):
    """What is known of the difference of two models.

    Arguments:
        verdict: What follows from it, in words.
        difference: One minus other.
        told: Whether the interval leaves out zero.
        places: The low end, the difference and the high end, on a line from 0 to 100 with zero in its middle.
    """

    verdict: str
    difference: str
    told: bool
    places: tuple[float, float, float] | None


@dataclass(frozen=True)
class _Sheet:
    """The numbers of a document, by model and metric."""

    document: Document
    means: Mapping[tuple[str, str], Mapping[str, Any]]
    rows: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
    best: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, document: Document) -> _Sheet:
        rows: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in document["rows"]:
            rows.setdefault((row["model"], row["metric"]), []).append(row)
        means = {(each["model"], each["metric"]): each for each in document["summary"]}
        return cls(document, means, rows, frozenset(_best(document, means)))

    def cell(self, model: str, metric: str) -> Cell:
        rows = self.rows.get((model, metric), ())
        mean = self.means.get((model, metric), {})
        warned = any(row.get("warning") for row in rows)
        if not _is_number(mean.get("mean")):
            return Cell(DASH, hint=next((row["reason"] for row in rows if row.get("reason")), ""), warned=warned)
        value = float(mean["mean"])
        hint = "; ".join(f"seed {row['seed']}: {number(row.get('value'))}" for row in rows) if len(rows) > 1 else ""
        text = mean_and_spread(mean["mean"], mean.get("sd"))
        return Cell(text, value if math.isfinite(value) else None, hint, (model, metric) in self.best, warned)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(pair: Mapping[str, Any]) -> bool:
    """Whether an interval leaves nothing out but zero."""
    low, high = pair.get("low"), pair.get("high")
    return _is_number(low) and _is_number(high) and low * high > 0


def _best(document: Document, means: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the model of each metric that is better than every other that has it, as far as the intervals tell."""
    names = [model["name"] for model in document["models"] if not model.get("error")]
    told = {(p["metric"], frozenset((p["one"], p["other"]))) for p in document["pairs"] if _told(p)}
    for metric, facts in document["metrics"].items():
        if facts.get("better") not in ("higher", "lower"):
            continue
        found = {name: means.get((name, metric), {}).get("mean") for name in names}
        values = {name: float(value) for name, value in found.items() if _is_number(value)}
        if len(values) < 2 or not all(map(math.isfinite, values.values())):
            continue
        first = (min if facts["better"] == "lower" else max)(values, key=lambda name: values[name])
        if all((metric, frozenset((first, name))) in told for name in values if name != first):
            yield first, metric


def columns_of(document: Document) -> list[Column]:
    """Return the metrics in the order of their groups."""
    columns = [
        Column(key, *(str(facts.get(name) or "") for name in ("name", "summary", "unit", "better", "group")))
        for key, facts in document["metrics"].items()
    ]
    order = {group: place for place, group in enumerate(GROUPS)}
    return sorted(columns, key=lambda column: order.get(column.group, len(order)))


def tables_of(document: Document) -> list[Table]:
    """Return the results: models by the metrics of which at least one model has a number."""
    sheet = _Sheet.of(document)
    columns = [
        column
        for column in columns_of(document)
        if any(_is_number(sheet.means.get((model["name"], column.key), {}).get("mean")) for model in document["models"])
    ]
    return [_table(sheet, part, place == 0) for place, part in enumerate(_shared_out(columns))]


def _shared_out(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Yield the columns of each table: whole groups, as many as it has room for."""
    groups: dict[str, list[Column]] = {}
    for column in columns:
        groups.setdefault(column.group, []).append(column)
    table: list[Column] = []
    for group in groups.values():
        if table and len(table) + len(group) > MOST_COLUMNS:
            yield table
            table = []
        table = [*table, *group]
    # With no number at all there is still a row for each model.
    yield table


def _table(sheet: _Sheet, columns: Sequence[Column], first: bool) -> Table:
    groups: dict[str, int] = {}
    for column in columns:
        groups[column.group] = groups.get(column.group, 0) + 1
    lines = [
        Line(
            model["name"],
            place,
            _size(model) if first and "parameters" not in sheet.document["metrics"] else "",
            model.get("likelihood") or DASH,
            model.get("error"),
            tuple(sheet.cell(model["name"], column.key) for column in columns),
        )
        for place, model in enumerate(sheet.document["models"])
    ]
    return Table(first, tuple(groups.items()), tuple(columns), tuple(lines))


def _size(model: Mapping[str, Any]) -> str:
    count = model.get("parameters")
    return f"{count:,} parameters" if _is_number(count) else ""


def notes_of(document: Document) -> list[Note]:
    """Return every reason and warning once, with the models that it is said of."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    failed = {model["name"] for model in document["models"] if model.get("error")}
    for kind in ("warning", "reason"):
        for row in document["rows"]:
            if row.get(kind) and row["model"] not in failed:
                found.setdefault((kind, row["metric"], row[kind]), {})[row["model"]] = None
    name = {column.key: column.name for column in columns_of(document)}
    return [Note(kind, name.get(key, key), tuple(models), words) for (kind, key, words), models in found.items()]


def details_of(document: Document) -> list[tuple[Column, list[str], list[tuple[str, list[str]]]]]:
    """Return, for each metric that has details, their names and each model's means over its seeds."""
    sheet = _Sheet.of(document)
    tables = []
    for column in columns_of(document):
        rows = {m["name"]: sheet.rows.get((m["name"], column.key), ()) for m in document["models"]}
        names = list(dict.fromkeys(name for each in rows.values() for row in each for name in row.get("details") or ()))
        lines = [
            (model, [_over_seeds([(row.get("details") or {}).get(name) for row in each]) for name in names])
            for model, each in rows.items()
            if any(row.get("details") for row in each)
        ]
        if names:
            tables.append((column, names, lines))
    return tables


def _over_seeds(values: Sequence[Any]) -> str:
    if values and all(_is_number(value) for value in values):
        return number(statistics.fmean(values) if len(values) > 1 else values[0])
    return number(next((value for value in values if value is not None), None))


def intervals(document: Document) -> list[tuple[str, list[Interval]]]:
    """Return the differences of pairs of models by each metric that has any."""
    pairs: dict[str, list[Mapping[str, Any]]] = {}
    for pair in document["pairs"]:
        pairs.setdefault(pair["metric"], []).append(pair)
    return [
        (column.name, [_interval(pair, _widest(pairs[column.key])) for pair in pairs[column.key]])
        for column in columns_of(document)
        if column.key in pairs
    ]


def _widest(pairs: Sequence[Mapping[str, Any]]) -> float:
    """Return how far from zero the intervals of a metric go."""
    ends = (abs(pair[key]) for pair in pairs for key in ("low", "high") if _is_number(pair.get(key)))
    return max((end for end in ends if math.isfinite(end)), default=0.0)


def _interval(pair: Mapping[str, Any], widest: float) -> Interval:
    told = _told(pair)
    difference = f"{pair['one']} minus {pair['other']}: {number(pair.get('difference'))}"
    verdict = pair.get("verdict") or f"{pair['one']} and {pair['other']} cannot be told apart"
    return Interval(str(verdict), difference, told, _places(pair, widest))


def _places(pair: Mapping[str, Any], widest: float) -> tuple[float, float, float] | None:
    """Return where low, difference and high lie on a line from 0 to 100, with zero in its middle."""
    values = [pair.get(key) for key in ("low", "difference", "high")]
    finite = [float(value) for value in values if _is_number(value) and math.isfinite(value)]
    if widest == 0 or len(finite) < len(values):
        return None
    low, middle, high = (round(50 + 48 * value / widest, 1) for value in finite)
    return low, middle, high
