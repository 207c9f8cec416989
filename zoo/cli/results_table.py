"""How the document of a comparison is shown: a table of means, then what may be said of them."""

from __future__ import annotations

__all__ = ["show_results"]

import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import click

from zoo.cli.terminal import DASH, number, print_table, say
from zoo.runs.scores import ARROWS

_LEFT_OUT = ("sse", "images_per_second")
"""Scores that are left to the document: another one beside them says nearly the same."""
_PADDING = 3
"""What a terminal's table adds to the width of a column."""
_VERDICTS = 24
"""Lines of verdicts that are shown; the document has all."""


def show_results(document: Mapping[str, Any], asked: Collection[str]) -> None:
    """Print the table, its verdicts, what failed, and what to keep in mind.

    Arguments:
        document: What `results.json` holds.
        asked: The scores, by their keys, that are missed where there is none.
    """
    summary = {(line["model"], line["metric"]): line for line in document["summary"]}
    models = document["models"]
    keys = [
        key for key in document["metrics"] if key not in _LEFT_OUT and any((m["name"], key) in summary for m in models)
    ]
    best = set(_best(document))
    columns = {
        f"{key} {ARROWS[document['metrics'][key]['better']]}".rstrip(): [
            _cell(summary, model, key, best) for model in models
        ]
        for key in keys
    }
    if any(model["likelihood"] for model in models):
        columns["likelihood"] = [model["likelihood"] or DASH for model in models]
    labels = [model["name"] for model in models]
    red = [i for i, model in enumerate(models) if model["error"]]
    corner = f"on {document['data']['name']}"
    # Where all have failed there is still a row for each.
    for part in _parts(columns or {"scores": [""] * len(labels)}, max(map(len, (corner, *labels)))):
        rows = [[label, *cells] for label, *cells in zip(labels, *part.values(), strict=True)]
        for i in red:
            rows[i] = [labels[i], "failed", *[""] * (len(rows[i]) - 2)]
        right = [i + 1 for i, heading in enumerate(part) if heading != "likelihood"]
        print_table((corner, *part), rows, right=right, red=red)
    if best:
        click.echo("* better than each of the others, as far as this test tells")
    _show_verdicts(document)
    _show_notes(document, asked)


def _parts(columns: Mapping[str, list[str]], first: int) -> Iterator[dict[str, list[str]]]:
    """Yield the columns in tables that fit the terminal, beside a first one of that width; all at once into a pipe."""
    part: dict[str, list[str]] = {}
    left = room = shutil.get_terminal_size().columns - first - _PADDING
    for heading, cells in columns.items():
        width = max(map(len, (heading, *cells))) + _PADDING
        if part and width > left and sys.stdout.isatty():
            yield part
            part, left = {}, room
        part[heading], left = cells, left - width
    yield part


def _cell(
    summary: Mapping[tuple[str, str], Mapping[str, Any]], model: Mapping[str, Any], key: str, best: set[tuple[str, str]]
) -> str:
    line = summary.get((model["name"], key))
    if line is None:
        return DASH
    mark = " *" if (model["name"], key) in best else ""
    deviation = f" ± {number(line['sd'])}" if line["sd"] else ""
    return f"{number(line['mean'])}{deviation}{mark}"


def _best(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield model and metric where the verdicts put a model before each other one that has the score."""
    for key in document["metrics"]:
        having = [line["model"] for line in document["summary"] if line["metric"] == key]
        won = [pair["winner"] for pair in document["pairs"] if pair["metric"] == key]
        yield from ((name, key) for name in having if len(having) > 1 and won.count(name) == len(having) - 1)


def _show_verdicts(document: Mapping[str, Any]) -> None:
    verdicts = [pair["verdict"] for pair in document["pairs"] if pair["metric"] not in _LEFT_OUT]
    for verdict in verdicts[:_VERDICTS]:
        click.echo(verdict)
    if len(verdicts) > _VERDICTS:
        click.echo(f"and {len(verdicts) - _VERDICTS} more in the results")


def _show_notes(document: Mapping[str, Any], asked: Collection[str]) -> None:
    for model in document["models"]:
        if model["error"]:
            say(f"{model['name']} failed: {model['error']}")
    told = dict.fromkeys(
        f"{line['metric']} of {line['model']}: {line['warning'] or 'none, because ' + line['reason']}"
        for line in document["rows"]
        if line["warning"] or (line["reason"] and line["metric"] in asked)
    )
    for text in [*document["cautions"], *told]:
        say(f"NOTE: {text}")
    if any(line["sd"] is not None for line in document["summary"]):
        say("mean ± standard deviation over seeds")
