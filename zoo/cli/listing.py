"""`zoo list` and `zoo show`: what there is, without importing torch."""

from __future__ import annotations

__all__ = ["list_models", "show"]

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import METRIC, complete_what, names
from zoo.cli.metrics import metric_document, metric_rows, print_metric, print_metrics, print_scores
from zoo.cli.session import session
from zoo.cli.terminal import JSON, counted, number, print_json, print_table
from zoo.cli.trackers import print_trackers, tracker_rows
from zoo.errors import ZooError, did_you_mean

if TYPE_CHECKING:
    from zoo.registry import Registry


def _families(registry: Registry) -> list[tuple[str, str]]:
    return [(family, "") for family in sorted({entry.item.family for entry in registry.models.entries()})]


@click.command("list")
@click.option("--family", metavar="NAME", shell_complete=names(_families), help="Only models of this family.")
@click.option("--metrics", is_flag=True, help="List the metrics instead; 'zoo show metric:NAME' shows one.")
@click.option("--trackers", is_flag=True, help="List the trackers instead, for --track.")
@JSON
@click.pass_context
def list_models(ctx: click.Context, /, family: str | None, metrics: bool, trackers: bool, as_json: bool) -> None:
    """List the models of the registry, the metrics of 'zoo evaluate', or the trackers of 'zoo train'."""
    registry = session(ctx).registry
    if metrics or trackers:
        _list_others(registry, family, metrics, trackers, as_json)
        return
    families = [name for name, _ in _families(registry)]
    if family is not None and family not in families:
        raise ZooError(f"unknown family '{family}'{did_you_mean(family, families)} (there are {', '.join(families)})")
    rows: list[dict[str, str]] = [
        {
            "name": entry.name,
            "family": entry.item.family,
            "plugin": entry.item.plugin,
            "distribution": entry.source.distribution,
            "status": entry.item.status,
            "summary": entry.item.summary,
        }
        for entry in registry.models.entries()
        if family in (None, entry.item.family)
    ]
    if as_json:
        print_json(rows)
    else:
        headings = ("name", "family", "plugin", "status", "summary")
        print_table(headings, [[row[heading] for heading in headings] for row in rows])


def _list_others(registry: Registry, family: str | None, metrics: bool, trackers: bool, as_json: bool) -> None:
    if family is not None:
        raise ZooError(f"--family is about models; leave it out beside {'--metrics' if metrics else '--trackers'}")
    if metrics and trackers:
        raise ZooError("--metrics and --trackers are two lists; ask for one of them")
    rows, show_them = (metric_rows(registry), print_metrics) if metrics else (tracker_rows(registry), print_trackers)
    print_json(rows) if as_json else show_them(rows)


@click.command()
@click.argument("what", metavar="MODEL[.RECIPE]|metric:NAME|RUN|FILE", shell_complete=complete_what)
@JSON
@click.pass_context
def show(ctx: click.Context, /, what: str, as_json: bool) -> None:
    """Show a model of the registry, a metric, or a run or weights file (a path: ./ae)."""
    registry = session(ctx).registry
    shown: Callable[[dict[str, Any]], None] = _print_model
    if what.startswith(METRIC):
        document, shown = metric_document(registry, what.removeprefix(METRIC)), print_metric
    elif _is_path(registry, what):
        document, shown = _run(what), partial(_print_run, registry)
    else:
        document = _model(registry, what)
    print_json(document) if as_json else shown(document)


def _is_path(registry: Registry, what: str) -> bool:
    """Whether a word means a file: it has a separator or a weights file's suffix, or is there and is no model."""
    from zoo.settings import split_recipe

    if os.sep in what or what.endswith(".safetensors"):
        return True
    return split_recipe(registry, what)[0] not in registry.models and Path(what).exists()


def _model(registry: Registry, name: str) -> dict[str, Any]:
    from zoo.settings import Vocabulary, resolve

    settings = resolve(registry, name)
    model = settings.model
    vocabulary = Vocabulary(registry, model.composition, model.parts)
    tables = settings.to_dict()
    return {
        "name": model.name,
        "summary": model.summary,
        "family": model.family,
        "plugin": model.plugin,
        "status": model.status,
        "paper": model.paper,
        "composition": model.composition,
        "parts": tables["parts"],
        "options": {
            dotted: {"default": tables["options"][dotted], "range": field.range, "help": field.help}
            for dotted, field in vocabulary.fields.items()
        },
        "recipe": settings.recipe,
        "recipes": {recipe: dict(values) for recipe, values in model.recipes.items()},
        "training": tables["training"],
        "verified": {name: result.to_dict() for name, result in model.results.items()},
    }


def _print_model(document: dict[str, Any]) -> None:
    click.echo(f"{document['name']}: {document['summary']}")
    facts = {key: document[key] for key in ("family", "plugin", "status", "paper") if document[key]}
    _print_pairs(facts)
    click.echo()
    _print_pairs(document["parts"])
    click.echo()
    options = [
        [f"--{name.replace('_', '-')}", _text(option["default"]), option["range"], option["help"]]
        for name, option in document["options"].items()
    ]
    print_table(("option", "default", "range", "what it does"), options)
    click.echo()
    for name, recipe in document["recipes"].items():
        click.echo(f"recipe {document['name']}.{name}: {_settings(recipe)}")
    for name, result in document["verified"].items():
        scores = "  ".join(f"{key}={_stated(score)}" for key, score in result["scores"].items())
        click.echo(f"verified on {name}: {result['command']} (seed {result['seed']}): {scores}")


def _stated(score: Mapping[str, Any]) -> str:
    """Return what was measured, or what others measured where that is still to be done."""
    return (
        str(score["value"])
        if score["value"] is not None
        else f"to be measured, published {score['published']['value']}"
    )


def _print_pairs(pairs: Mapping[str, str]) -> None:
    width = max(map(len, pairs), default=0) + 2
    for key, value in pairs.items():
        click.echo(f"{key:{width}}{value}")


def _settings(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{key}={_text(value)}" for key, value in values.items())


def _text(value: Any) -> str:
    return ",".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _run(where: str) -> dict[str, Any]:
    from zoo.runs.folder import find_run

    run = find_run(where)
    scores = run.scores if run.weights.parent == run.path else {}
    documents: dict[str, Any] = {"plugin_files": run.plugin_files, "scores": scores, "priors": run.priors}
    if run.whole:
        documents |= {"track": run.settings.get("track", {}), "faults": run.faults}
    return {"run": str(run.path), "weights": str(run.weights), **run.metadata, **documents}


def _print_run(registry: Registry, document: dict[str, Any]) -> None:
    outcome = document["outcome"]
    ended = f"{counted(outcome['epochs'], 'epoch')} ({outcome['reason']})"
    click.echo(f"{document['run']}: {document['model']} on {document['data']['name']}, {ended}")
    sources = document["providers"]
    parts = [[role, part, sources.get(role, {}).get("distribution", "")] for role, part in document["parts"].items()]
    click.echo()
    print_table(("role", "part", "from"), parts)
    click.echo()
    options = [[f"--{name.replace('_', '-')}", _text(value)] for name, value in document["options"].items()]
    print_table(("option", "value"), options)
    if document["plugin_files"]:
        click.echo()
        print_table(("one-file plugin", "sha256"), [list(kept) for kept in document["plugin_files"].items()])
    if document["scores"]:
        click.echo()
        print_scores(registry, document["scores"])
    if document["priors"]:
        click.echo()
        _print_priors(document["priors"])
    if document.get("track"):
        click.echo(f"\nfollowed by: {', '.join(document['track'])}")
    for fault in document.get("faults", []):
        click.echo(f"\n{fault['who']}: {fault['hook']} raised {fault['error']}; --json shows where")


def _print_priors(priors: Mapping[str, Any]) -> None:
    rows = [
        [
            name,
            number(facts["codes"]),
            number(facts["log_likelihood"]["fitted"]),
            number(facts["log_likelihood"]["declared"]),
            _settings(facts["options"]),
        ]
        for name, facts in priors.items()
    ]
    headings = ("fitted prior", "codes", "held-out log-likelihood", "of the declared prior", "options")
    print_table(headings, rows, right=(1, 2, 3))
