"""The flags of `zoo evaluate` that name metrics and set their options."""

from __future__ import annotations

__all__ = ["METRICS", "SAMPLES", "SPLIT", "MetricCommand", "metric_flags", "metric_names", "metric_options"]

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import after_comma, names
from zoo.cli.flags import OptionFlag, field_flag, flag_values, flags_of_registry
from zoo.cli.model_command import TrainerCommand
from zoo.errors import ZooError
from zoo.options import Field, describe
from zoo.specs import import_reference

if TYPE_CHECKING:
    from zoo.catalogue import Entry
    from zoo.registry import Registry
    from zoo.specs import MetricSpec

_complete_metric = names(lambda registry: [(one.name, one.item.summary) for one in registry.metrics.entries()])

METRICS = click.option(
    "--metrics",
    metavar="NAME,NAME|all",
    shell_complete=after_comma(_complete_metric),
    help="Compute these too; 'zoo list --metrics' shows what there is.",
)
SPLIT = click.option(
    "--split", type=click.Choice(["test", "train", "val"]), default="test", show_default=True, help="Which images."
)
SAMPLES = click.option(
    "--samples",
    type=click.IntRange(2),
    default=10_000,
    show_default=True,
    help="Images that metrics of samples draw.",
)


class MetricCommand(TrainerCommand):
    """A command that takes the options of every metric, each by its dotted name: `--iwae-bound.k`."""

    def flags(self, ctx: click.Context) -> list[OptionFlag]:
        """Return the flags that set the options of metrics; the pages of the docs are written without a session."""
        return metric_flags(ctx)


def metric_flags(ctx: click.Context) -> list[OptionFlag]:
    """Return the flags that set the options of metrics."""
    return flags_of_registry(ctx, "zoo.metrics", _flags)


def _flags(registry: Registry) -> Iterator[OptionFlag]:
    for entry in registry.metrics.entries():
        for field in _fields(entry):
            key = f"{entry.name}.{field.name}"
            spelling = f"--{entry.name}.{field.flag}"
            yield field_flag(field, key, f"Metric {entry.name}", [spelling], field.default)


def _fields(entry: Entry[MetricSpec]) -> tuple[Field, ...]:
    """Return the options of a metric; none of one whose code is broken, which is told when it is asked for."""
    try:
        return describe(import_reference(entry.item.options))
    except Exception:
        return ()


def metric_names(registry: Registry, text: str | None) -> list[str]:
    """Return the metrics that `--metrics` names; `all` is every one.

    Raises:
        ZooError: If it names none.
    """
    if text is None:
        return []
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise ZooError(f"--metrics '{text}' names none; see 'zoo list --metrics', or write --metrics all")
    return registry.metrics.names() if "all" in found else found


def metric_options(ctx: click.Context, wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the options that were typed for each metric that was named.

    Raises:
        ZooError: If an option is of a metric that was not named.
    """
    options: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for key, value in flag_values(ctx).items():
        metric, dot, option = key.rpartition(".")
        if not dot:
            # A flag of training, where a command has such too.
            continue
        if metric not in options:
            flag = f"--{metric}.{option.replace('_', '-')}"
            raise ZooError(f"{flag} sets an option of a metric that is not computed; add --metrics {metric}")
        options[metric][option] = value
    return options
