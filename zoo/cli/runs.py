"""`zoo runs`: what training left on disk."""

from __future__ import annotations

__all__ = ["runs"]

import contextlib
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from zoo.cli.completion import complete_run
from zoo.cli.terminal import JSON, counted, print_json, print_table, say
from zoo.errors import ZooError
from zoo.runs.folder import Run, find_run


@click.group(invoke_without_command=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where to look."
)
@JSON
@click.pass_context
def runs(ctx: click.Context, /, folder: Path, as_json: bool) -> None:
    """List runs with their sizes; 'zoo runs rm RUN' removes one."""
    if ctx.invoked_subcommand is not None:
        return
    found = [_row(Run(path)) for path in sorted(folder.glob("*")) if (path / "config.toml").is_file()]
    if as_json:
        print_json(found)
        return
    if not found:
        say(f"no runs in {folder}; 'zoo train conv-vae' makes one")
        return
    rows = [[row["run"], row["model"], row["data"], row["state"], _size(row["bytes"])] for row in found]
    print_table(("run", "model", "data", "state", "size"), rows, right=(4,))


def _row(run: Run) -> dict[str, Any]:
    model, data = "", ""
    try:
        settings = run.settings
        model, data = str(settings.get("model", "")), str(settings.get("data", ""))
        done = f"unfinished, {counted(len(run.records()), 'epoch')} done"
        state = run.metadata["outcome"]["reason"] if run.finished else done
    except (ZooError, KeyError, TypeError) as error:
        state = f"damaged: {error}"
    return {"run": str(run.path), "model": model, "data": data, "state": state, "bytes": _bytes(run.path)}


def _bytes(path: Path) -> int:
    total = 0
    for item in path.rglob("*"):
        # A run in work replaces its files.
        with contextlib.suppress(FileNotFoundError):
            total += item.stat().st_size if item.is_file() else 0
    return total


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


@runs.command()
@click.argument("where", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(where: tuple[str, ...], yes: bool) -> None:
    """Remove runs for good."""
    found = [find_run(path) for path in dict.fromkeys(where)]
    for run in found:
        # Other programs have a config.toml too.
        if run.weights.parent != run.path or not {"composition", "parts", "training"} <= run.settings.keys():
            raise ZooError(f"{run.path} is no run folder; nothing was removed")
    for run in found:
        size = _size(_bytes(run.path))
        if yes or _is_agreed(f"remove {run.path} ({size})?"):
            shutil.rmtree(run.path)
            click.echo(f"removed {run.path} ({size})")


def _is_agreed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise ZooError("nobody is there to ask; add --yes to remove without a question") from None
