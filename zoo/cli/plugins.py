"""`zoo plugins`: where plugins are from, what they bring, what is wrong with them."""

from __future__ import annotations

__all__ = ["plugins"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.session import session
from zoo.cli.terminal import DASH, JSON, counted, print_json, print_table, say

if TYPE_CHECKING:
    from zoo.catalogue import Source
    from zoo.plugins.discovery import Fault, Plugin, Plugins
    from zoo.registry import Registry

KINDS = ("parts", "compositions", "datasets", "metrics", "trackers", "models")


@click.command()
@click.option("--errors", is_flag=True, help="Show the traceback of each fault.")
@JSON
@click.pass_context
def plugins(ctx: click.Context, /, errors: bool, as_json: bool) -> None:
    """List the plugins: where they are from, what they bring, what is wrong with them.

    A row is red where a plugin imports torch when it is loaded, which makes every command slow, or has a fault.
    """
    registry = session(ctx).registry
    found = registry.plugins
    heavy = _importers(found.loaded)
    rows = [_row(registry, plugin, plugin.source in heavy) for plugin in found.loaded]
    disabled = [f"{source.distribution}:{source.plugin}" for source in found.disabled]
    if as_json:
        print_json({"plugins": rows, "faults": [_fault(fault) for fault in found.faults], "disabled": disabled})
        return
    _print_rows(rows, found)
    for name in disabled:
        click.echo(f"disabled: {name}")
    if errors:
        _print_tracebacks(found.faults)
    elif found.faults:
        say(f"{counted(len(found.faults), 'fault')}; 'zoo plugins --errors' shows where from")


def _importers(loaded: Sequence[Plugin]) -> set[Source]:
    """Return those that import torch when they are loaded, also those for which torch was there already."""
    heavy = {plugin.source for plugin in loaded if plugin.imports_torch}
    unseen = [plugin for plugin in loaded if plugin.imports_torch is None]
    if unseen:
        from zoo.cli.torch_watch import torch_importers

        heavy |= {plugin.source for plugin, imports in zip(unseen, torch_importers(unseen), strict=True) if imports}
    return heavy


def _row(registry: Registry, plugin: Plugin, imports_torch: bool) -> dict[str, Any]:
    source, found = plugin.source, registry.plugins
    return {
        **_origin(source),
        "file": str(plugin.file.path) if plugin.file is not None else None,
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
        "imports_torch": imports_torch,
        "faults": [fault.reason for fault in found.faults if fault.source == source],
        "deprecated": [notice.text for notice in found.notices if notice.source == source],
    }


def _origin(source: Source) -> dict[str, str]:
    return {"plugin": source.plugin, "distribution": source.distribution, "version": source.version}


def _fault(fault: Fault) -> dict[str, str]:
    return {**_origin(fault.source), "reason": fault.reason}


def _print_rows(rows: Sequence[dict[str, Any]], found: Plugins) -> None:
    """Print the plugins that loaded, and below them those that did not."""
    cells = [_cells(row) for row in rows]
    red = [i for i, row in enumerate(rows) if row["imports_torch"] or row["faults"]]
    loaded = {plugin.source for plugin in found.loaded}
    for fault in (fault for fault in found.faults if fault.source not in loaded):
        red.append(len(cells))
        cells.append([fault.source.plugin, str(fault.source), DASH, DASH, fault.reason])
    print_table(("plugin", "from", "brings", "load time", "note"), cells, right=(3,), red=red)


def _cells(row: dict[str, Any]) -> list[str]:
    brings = [counted(len(row[kind]), kind[:-1]) for kind in KINDS if row[kind]]
    notes = ["imports torch at load"] * row["imports_torch"] + row["faults"] + row["deprecated"]
    origin = f"{row['distribution']} {row['version']}".strip()
    return [row["plugin"], origin, ", ".join(brings), f"{row['milliseconds']} ms", "; ".join(notes)]


def _print_tracebacks(faults: Sequence[Fault]) -> None:
    import traceback

    for fault in faults:
        click.echo(f"\n{fault}")
        if fault.error is not None:
            click.echo("".join(traceback.format_exception(fault.error)))
