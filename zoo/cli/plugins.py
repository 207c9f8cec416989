"""`zoo plugins`: where plugins are from, what they bring, what is wrong with them."""

from __future__ import annotations

__all__ = ["plugins"]

from typing import TYPE_CHECKING, Any

import click

from zoo.cli.session import session
from zoo.cli.terminal import JSON, counted, print_json, print_table, say

if TYPE_CHECKING:
    from zoo.plugins import Fault, Plugin
    from zoo.registry import Registry


@click.command()
@click.option("--errors", is_flag=True, help="Show the traceback of each fault.")
@JSON
@click.pass_context
def plugins(ctx: click.Context, /, errors: bool, as_json: bool) -> None:
    """List the plugins: where they are from, what they bring, what is wrong with them."""
    registry = session(ctx).registry
    found = registry.plugins
    rows = [_row(registry, plugin) for plugin in found.loaded]
    disabled = [f"{source.distribution}:{source.plugin}" for source in found.disabled]
    if as_json:
        print_json({"plugins": rows, "faults": [_fault(fault) for fault in found.faults], "disabled": disabled})
        return
    print_table(("plugin", "from", "brings", "load time", "note"), [_cells(row) for row in rows], right=(3,))
    for name in disabled:
        click.echo(f"disabled: {name}")
    if errors:
        _print_tracebacks(found.faults)
    elif found.faults:
        say(f"{counted(len(found.faults), 'fault')}; 'zoo plugins --errors' shows where from")


def _row(registry: Registry, plugin: Plugin) -> dict[str, Any]:
    source = plugin.source
    return {
        "plugin": source.plugin,
        "distribution": source.distribution,
        "version": source.version,
        "parts": [f"{part.kind} {part.name}" for part in plugin.parts],
        "compositions": [composition.name for composition in plugin.compositions],
        "datasets": [dataset.name for dataset in plugin.datasets],
        "metrics": [metric.name for metric in plugin.metrics],
        "trackers": [tracker.name for tracker in plugin.trackers],
        "models": [
            entry.name
            for entry in registry.models.entries()
            if (entry.source.distribution, entry.item.plugin) == (source.distribution, source.plugin)
        ],
        "milliseconds": round(1000 * plugin.seconds, 1),
        "imports_torch": plugin.imports_torch,
    }


def _fault(fault: Fault) -> dict[str, str]:
    source = fault.source
    return {
        "plugin": source.plugin,
        "distribution": source.distribution,
        "version": source.version,
        "reason": fault.reason,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    kinds = ("parts", "compositions", "datasets", "metrics", "trackers", "models")
    brings = [counted(len(row[kind]), kind[:-1]) for kind in kinds if row[kind]]
    note = "imports torch at load" if row["imports_torch"] else ""
    origin = f"{row['distribution']} {row['version']}".strip()
    return [row["plugin"], origin, ", ".join(brings), f"{row['milliseconds']} ms", note]


def _print_tracebacks(faults: list[Fault]) -> None:
    import traceback

    for fault in faults:
        click.echo(f"\n{fault}")
        if fault.error is not None:
            click.echo("".join(traceback.format_exception(fault.error)))
