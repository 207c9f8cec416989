"""`zoo list`, `zoo show`, `zoo plugins`: what there is, without importing torch."""

from __future__ import annotations

__all__ = ["list_models", "plugins", "show"]

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.terminal import number, print_json, print_table, say
from zoo.errors import ZooError, did_you_mean

if TYPE_CHECKING:
    from zoo.registry import ModelSpec, Registry

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command("list")
@click.option("--family", metavar="NAME", help="Only models of this family.")
@_JSON
@click.pass_context
def list_models(ctx: click.Context, family: str | None, as_json: bool) -> None:
    """List the models of the registry."""
    entries = list(ctx.obj.registry.models.entries())
    families = {entry.item.family for entry in entries}
    if family is not None and family not in families:
        raise ZooError(
            f"unknown family '{family}'{did_you_mean(family, families)} (there are {', '.join(sorted(families))})"
        )
    rows: list[dict[str, str]] = [
        {
            "name": entry.name,
            "family": entry.item.family,
            "plugin": entry.item.plugin,
            "status": entry.item.status,
            "summary": entry.item.summary,
        }
        for entry in entries
        if family in (None, entry.item.family)
    ]
    if as_json:
        print_json(rows)
    else:
        headings = ("name", "family", "plugin", "status", "summary")
        print_table(headings, [[row[heading] for heading in headings] for row in rows])


@click.command()
@click.argument("what", metavar="MODEL|RUN|FILE")
@_JSON
@click.pass_context
def show(ctx: click.Context, what: str, as_json: bool) -> None:
    """Show a model of the registry, or a run or weights file (a path: ./ae)."""
    registry: Registry = ctx.obj.registry
    if os.sep in what or Path(what).suffix or (what not in registry.models and Path(what).exists()):
        base, _, recipe = what.partition(".")
        if not (base in registry.models and os.sep not in what):
            return _show_run(what, as_json)
        what = base
        registry.model(base).recipe(recipe)
    document = _describe(registry, registry.model(what))
    if as_json:
        print_json(document)
    else:
        _print_model(document)
    return None


def _describe(registry: Registry, model: ModelSpec) -> dict[str, Any]:
    from zoo.settings import Vocabulary, resolve

    settings = resolve(registry, model.name)
    spec = settings.model
    vocabulary = Vocabulary(registry, spec.composition, spec.parts)
    values = settings.to_dict()["options"]
    return {
        "name": model.name,
        "summary": model.summary,
        "family": model.family,
        "plugin": model.plugin,
        "status": model.status,
        "paper": model.paper,
        "composition": model.composition,
        "parts": dict(spec.parts),
        "options": {
            dotted: {"default": values[dotted], "range": field.range, "help": field.help}
            for dotted, field in vocabulary.fields.items()
        },
        "recipes": {name: dict(recipe) for name, recipe in model.recipes.items()},
        "verified": {data: dict(result) for data, result in model.verified.items()},
    }


def _print_model(document: dict[str, Any]) -> None:
    click.echo(f"{document['name']}: {document['summary']}")
    for key in ("family", "plugin", "status", "paper"):
        click.echo(f"{key:10}{document[key]}")
    for role, part in document["parts"].items():
        click.echo(f"{role:10}{part}")
    click.echo()
    rows = [
        [f"--{name.replace('_', '-')}", _text(option["default"]), option["range"], option["help"]]
        for name, option in document["options"].items()
    ]
    print_table(("option", "default", "range", "what it does"), rows)
    for name, recipe in document["recipes"].items():
        settings = "  ".join(f"{key}={_text(value)}" for key, value in recipe.items())
        click.echo(f"recipe {document['name']}.{name}: {settings}")
    for data, result in document["verified"].items():
        settings = "  ".join(f"{key}={_text(value)}" for key, value in result.items())
        click.echo(f"verified on {data}: {settings}")


def _text(value: Any) -> str:
    return ",".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _show_run(where: str, as_json: bool) -> None:
    from zoo.runs.folder import find_run

    run = find_run(where)
    document = {"run": str(run.path), **run.metadata, "scores": run.scores if run.weights.parent == run.path else {}}
    if as_json:
        print_json(document)
        return
    facts = run.metadata
    click.echo(f"{run.path}: {facts['model']} on {facts['data']['name']}, {facts['outcome']['epochs']:g} epochs")
    rows = [[role, part, facts["providers"][role]["distribution"]] for role, part in facts["parts"].items()]
    print_table(("role", "part", "from"), rows)
    options = [[f"--{name.replace('_', '-')}", _text(value)] for name, value in facts["options"].items()]
    print_table(("option", "value"), options)
    scores = [[name, number(value)] for name, value in document["scores"].items() if not isinstance(value, list)]
    if scores:
        print_table(("score", "value"), scores, right=(1,))


@click.command()
@click.option("--errors", is_flag=True, help="Show the traceback of each fault.")
@_JSON
@click.pass_context
def plugins(ctx: click.Context, errors: bool, as_json: bool) -> None:
    """List the plugins: where they are from, what they bring, what is wrong with them."""
    registry: Registry = ctx.obj.registry
    found = registry.plugins
    rows = [
        {
            "plugin": plugin.source.plugin,
            "distribution": plugin.source.distribution,
            "version": plugin.source.version,
            "parts": [f"{part.kind} {part.name}" for part in plugin.parts],
            "models": [e.name for e in registry.models.entries() if e.item.plugin == plugin.source.plugin],
            "datasets": [dataset.name for dataset in plugin.datasets],
            "milliseconds": round(1000 * plugin.seconds, 1),
            "imports_torch": plugin.imports_torch,
        }
        for plugin in found.loaded
    ]
    faults = [{"plugin": f.source.plugin, "distribution": str(f.source), "reason": f.reason} for f in found.faults]
    disabled = [f"{source.distribution}:{source.plugin}" for source in found.disabled]
    if as_json:
        print_json({"plugins": rows, "faults": faults, "disabled": disabled})
        return
    print_table(("plugin", "from", "brings", "load time", "note"), [_plugin_row(row) for row in rows], right=(3,))
    for name in disabled:
        click.echo(f"disabled: {name}")
    if errors:
        _print_tracebacks(registry)
    elif faults:
        say(f"{len(faults)} faults; --errors shows where they come from")


def _plugin_row(row: dict[str, Any]) -> list[str]:
    counts = [f"{len(row[key])} {key}" for key in ("parts", "models", "datasets") if row[key]]
    note = "imports torch at load" if row["imports_torch"] else ""
    origin = f"{row['distribution']} {row['version']}"
    return [row["plugin"], origin, ", ".join(counts), f"{row['milliseconds']} ms", note]


def _print_tracebacks(registry: Registry) -> None:
    for fault in registry.plugins.faults:
        click.echo(str(fault))
        if fault.error is not None:
            click.echo("".join(traceback.format_exception(fault.error)))
