"""What the shell offers for a word: models, runs, parts, data sets."""

from __future__ import annotations

__all__ = [
    "METRIC",
    "Complete",
    "after_comma",
    "complete_data",
    "complete_model",
    "complete_run",
    "complete_what",
    "names",
]

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from zoo.cli.session import session
from zoo.errors import ZooError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from zoo.registry import Registry

Complete: TypeAlias = "Callable[[click.Context, click.Parameter, str], list[CompletionItem]]"


METRIC = "metric:"
"""What stands before the name of a metric where a word may be something else."""


def names(find: Callable[[Registry], Iterable[tuple[str, str]]]) -> Complete:
    """Return what offers names with their help, from the registry; nothing if it cannot be read."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        try:
            found = list(find(session(ctx).registry))
        except ZooError:
            return []
        return [CompletionItem(name, help=text) for name, text in found if name.startswith(incomplete)]

    return complete


def after_comma(complete: Complete) -> Complete:
    """Return what offers the same for the last of several words with commas between them."""

    def complete_last(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{item.value}", help=item.help) for item in complete(ctx, param, last)]

    return complete_last


def _models(registry: Registry) -> Iterable[tuple[str, str]]:
    for entry in registry.models.entries():
        yield entry.name, entry.item.summary
        yield from ((f"{entry.name}.{recipe}", f"{entry.name}, recipe {recipe}") for recipe in entry.item.recipes)


def _data(registry: Registry) -> Iterable[tuple[str, str]]:
    for entry in registry.datasets.entries():
        yield entry.name + (":" if entry.item.argument else ""), entry.item.summary


def _metrics(registry: Registry) -> Iterable[tuple[str, str]]:
    for entry in registry.metrics.entries():
        yield METRIC + entry.name, entry.item.summary


complete_model = names(_models)
complete_metric = names(_metrics)
complete_data = names(_data)


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the runs in `runs`, or else folders."""
    from click.shell_completion import CompletionItem

    paths = sorted(str(path.parent) for path in Path("runs").glob("*/config.toml"))
    found = [CompletionItem(path) for path in paths if path.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def complete_what(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer models, metrics once their prefix has begun, or else runs."""
    found = complete_model(ctx, param, incomplete)
    if incomplete and METRIC.startswith(incomplete[: len(METRIC)]):
        found += complete_metric(ctx, param, incomplete)
    return found or complete_run(ctx, param, incomplete)
