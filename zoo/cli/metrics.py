"""Metrics and scores as people read them: what there is, what one is, and what a run has."""

from __future__ import annotations

__all__ = ["metric_document", "metric_rows", "print_metric", "print_metrics", "print_scores"]

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.terminal import number, print_table, say
from zoo.options import describe
from zoo.runs.scores import ARROWS, score_key, score_rows
from zoo.specs import GROUPS, import_or_tell

if TYPE_CHECKING:
    from zoo.registry import Registry


def metric_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return what every metric is, in the order of groups."""
    rows = [
        {
            "name": entry.name,
            "group": entry.item.group,
            "unit": entry.item.unit,
            "better": entry.item.better,
            "summary": entry.item.summary,
            "plugin": entry.source.plugin,
            "usual": entry.item.usual,
        }
        for entry in registry.metrics.entries()
    ]
    return sorted(rows, key=lambda row: GROUPS.index(row["group"]))


def print_metrics(rows: list[dict[str, Any]]) -> None:
    """Print a table of metrics."""
    cells = [[row["name"], row["group"], row["unit"], ARROWS[row["better"]], row["summary"]] for row in rows]
    print_table(("name", "group", "unit", "better", "summary"), cells)


def metric_document(registry: Registry, name: str) -> dict[str, Any]:
    """Return what a metric declares, with its options; its own code is not imported.

    Raises:
        ZooError: If there is no such metric, or its options do not import.
    """
    entry = registry.metric(name)
    spec = entry.item
    options = describe(import_or_tell(spec.options, f"metric '{entry.name}' of {entry.source}"))
    return {
        "metric": entry.name,
        "score": score_key(entry.name),
        "summary": spec.summary,
        "plugin": entry.source.plugin,
        "distribution": str(entry.source),
        "group": spec.group,
        "unit": spec.unit,
        "better": spec.better,
        "estimator": spec.estimator,
        "equation": spec.equation,
        "paper": spec.paper,
        "needs": spec.needs,
        "usual": spec.usual,
        "options": {
            f"{entry.name}.{field.name}": {"default": field.default, "range": field.range, "help": field.help}
            for field in options
        },
    }


def print_metric(document: Mapping[str, Any]) -> None:
    """Print what a metric declares, for people."""
    name = document["metric"]
    usual = "whenever a run is scored" if document["usual"] else f"with --metrics {name}"
    facts = {
        "group": document["group"],
        "unit": document["unit"],
        "better": document["better"],
        "equation": document["equation"],
        "estimator": document["estimator"],
        "paper": document["paper"],
        "needs": "" if document["needs"] == "Model" else f"a model that is a zoo.{document['needs']}",
        "computed": usual,
        "score": document["score"],
        "plugin": f"{document['plugin']} of {document['distribution']}",
    }
    click.echo(f"{name}: {document['summary']}")
    for key, value in facts.items():
        if value:
            click.echo(f"{key:11}{value}")
    if document["options"]:
        click.echo()
        options = [
            [f"--{option.replace('_', '-')}", str(facts["default"]), facts["range"], facts["help"]]
            for option, facts in document["options"].items()
        ]
        print_table(("option", "default", "range", "what it does"), options)


def print_scores(registry: Registry, scores: Mapping[str, Any], wanted: Mapping[str, Any] | None = None) -> None:
    """Print a table of scores, then why some that were asked for are missing, and what to keep in mind.

    Arguments:
        registry: Where metrics say what their scores are.
        scores: The scores.
        wanted: The metrics whose absence wants a reason.
    """
    rows = score_rows(scores, registry.metrics.entries())
    cells = [
        [row.name, number(row.value), row.unit, row.better, row.meaning]
        for row in rows
        if not isinstance(row.value, list)
    ]
    print_table(("score", "value", "unit", "better", "meaning"), cells, right=(1,))
    for row in rows:
        if isinstance(row.value, list):
            click.echo(f"{row.name} " + " ".join(number(value) for value in row.value))
    for name in wanted or {}:
        if reason := scores.get("reasons", {}).get(score_key(name)):
            say(f"{name}: none, because {reason}")
    for name, warning in scores.get("warnings", {}).items():
        say(f"NOTE: {name}: {warning}")
