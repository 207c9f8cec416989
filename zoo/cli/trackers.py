"""The flags that name trackers and set their options, and the table of what there is."""

from __future__ import annotations

__all__ = ["TRACK", "print_trackers", "tracker_flags", "tracker_options", "tracker_rows"]

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import after_comma, names
from zoo.cli.flags import OptionFlag, TrackerFlag, field_flag, flag_values, flags_of_registry
from zoo.cli.terminal import print_table
from zoo.errors import ZooError
from zoo.options import Field, describe
from zoo.specs import import_reference

if TYPE_CHECKING:
    from zoo.catalogue import Entry
    from zoo.registry import Registry
    from zoo.specs import TrackerSpec

TRACK = click.option(
    "--track",
    metavar="NAME,NAME",
    multiple=True,
    shell_complete=after_comma(
        names(lambda registry: [(one.name, one.item.summary) for one in registry.trackers.entries()])
    ),
    help="Follow what is trained with these; 'zoo list --trackers' shows what there is.",
)


def tracker_flags(ctx: click.Context) -> list[OptionFlag]:
    """Return the flags that set the options of trackers."""
    return flags_of_registry(ctx, "zoo.trackers", _flags)


def _flags(registry: Registry) -> Iterator[OptionFlag]:
    for entry in registry.trackers.entries():
        for field in _fields(entry):
            key, spelling = f"{entry.name}.{field.name}", f"--{entry.name}.{field.flag}"
            yield field_flag(field, key, f"Tracker {entry.name}", [spelling], field.default, TrackerFlag)


def _fields(entry: Entry[TrackerSpec]) -> tuple[Field, ...]:
    """Return the options of a tracker; none of one whose code is broken, which is told when it is asked for."""
    try:
        return describe(import_reference(entry.item.options))
    except Exception:
        return ()


def tracker_options(ctx: click.Context, track: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the options that were typed for each tracker that `--track` names.

    Raises:
        ZooError: If it names none, or an option is of a tracker that was not named.
    """
    from zoo.tracking import read_tracking

    wanted: dict[str, dict[str, Any]] = {name: {} for name in read_tracking(track)}
    if track and not wanted:
        raise ZooError(f"--track '{','.join(track)}' names none; see 'zoo list --trackers'")
    for key, value in flag_values(ctx, TrackerFlag).items():
        tracker, _, option = key.rpartition(".")
        if tracker not in wanted:
            flag = f"--{tracker}.{option.replace('_', '-')}"
            raise ZooError(f"{flag} sets an option of a tracker that is not asked for; add --track {tracker}")
        wanted[tracker][option] = value
    return wanted


def tracker_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return what every tracker is."""
    from zoo.tracking import is_there

    return [
        {
            "name": entry.name,
            "needs": entry.item.requires,
            "installed": is_there(entry.item),
            "options": {field.flag: field.help for field in _fields(entry)},
            "plugin": entry.source.plugin,
            "distribution": entry.source.distribution,
            "summary": entry.item.summary,
        }
        for entry in registry.trackers.entries()
    ]


def print_trackers(rows: list[dict[str, Any]]) -> None:
    """Print a table of trackers."""
    cells = [
        [
            row["name"],
            f"{row['needs']}{'' if row['installed'] else ' (not installed)'}",
            ", ".join(f"--{row['name']}.{option}" for option in row["options"]),
            row["distribution"],
            row["summary"],
        ]
        for row in rows
    ]
    print_table(("name", "needs", "options", "from", "summary"), cells)
