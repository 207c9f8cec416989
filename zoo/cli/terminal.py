"""What people see: data to stdout, messages to stderr, plain text where there is no terminal."""

from __future__ import annotations

__all__ = ["JSON", "counted", "number", "print_json", "print_table", "say", "warnings_told"]

import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click

from zoo.errors import ZooWarning

DASH = "–"
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def say(message: str) -> None:
    """Show one line to the person, on stderr."""
    click.echo(message, err=True)


@contextmanager
def warnings_told() -> Iterator[None]:
    """Show each of our warnings once, as one line; those of others as Python shows them."""
    told: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, ZooWarning):
            others(message, category, filename, lineno, file, line)
        elif str(message) not in told:
            told.add(str(message))
            say(f"zoo: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", ZooWarning)
        others, warnings.showwarning = warnings.showwarning, show
        yield


def print_json(document: Any) -> None:
    """Print the one document of a `--json` command, on stdout; what is not finite becomes null."""
    import json

    click.echo(json.dumps(_finite(document), indent=2))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def counted(count: float, noun: str) -> str:
    """Return `1 epoch`, `2 epochs`, `2.5 epochs`."""
    return f"{count:g} {noun}{'' if count == 1 else 's'}"


def number(value: Any) -> str:
    """Return a score as people read it; `–` where there is none."""
    if value is None:
        return DASH
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, float) and value != int(value):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{int(value):,}" if isinstance(value, int | float) else str(value)


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), red: Sequence[int] = ()
) -> None:
    """Print a table on stdout: drawn on a terminal, tab-separated into a pipe.

    Arguments:
        headings: One a column.
        rows: Cells as text.
        right: Columns that are aligned to the right, from 0.
        red: Rows that a terminal shows in red, from 0.
    """
    if not sys.stdout.isatty():
        for row in (headings, *rows):
            click.echo("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i in right else "left")
    for i, row in enumerate(rows):
        # As text, so that no name from a plugin or a file is read as markup.
        table.add_row(*[Text(cell) for cell in row], style="red" if i in red else None)
    Console().print(table)
