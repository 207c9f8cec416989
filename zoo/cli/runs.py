"""`zoo runs` and `zoo data`: what lies on disk."""

from __future__ import annotations

__all__ = ["data", "runs"]

import shutil
from pathlib import Path
from typing import Any

import click

from zoo.cli.terminal import print_json, print_table
from zoo.errors import ZooError
from zoo.runs.folder import Run, find_run

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(invoke_without_command=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where to look."
)
@_JSON
@click.pass_context
def runs(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """List runs with their sizes; 'zoo runs rm RUN' removes one."""
    if ctx.invoked_subcommand is not None:
        return
    found = [_row(Run(path)) for path in sorted(folder.glob("*")) if (path / "config.toml").is_file()]
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"no runs in {folder}; 'zoo train conv-vae' makes one", err=True)
        return
    rows = [[row["run"], row["model"], row["data"], row["state"], _size(row["bytes"])] for row in found]
    print_table(("run", "model", "data", "state", "size"), rows, right=(4,))


def _row(run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {"run": str(run.path), "bytes": _bytes(run.path)}
    try:
        settings = run.settings
        row |= {"model": settings.get("model"), "data": settings.get("data")}
        row["state"] = run.metadata["outcome"]["reason"] if run.finished else f"{len(run.records())} epochs, unfinished"
    except ZooError as error:
        row |= {"model": None, "data": None, "state": f"damaged: {error}"}
    return {
        key: row.get(key) or "" if key != "bytes" else row[key] for key in ("run", "model", "data", "state", "bytes")
    }


def _bytes(path: Path) -> int:
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


@runs.command()
@click.argument("where", metavar="RUN...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(where: tuple[str, ...], yes: bool) -> None:
    """Remove runs for good."""
    found = [find_run(path) for path in where]
    for run in found:
        if run.weights.parent != run.path or not (run.path / "config.toml").is_file():
            raise ZooError(f"{run.path} is no run folder; nothing was removed")
    for run in found:
        size = _size(_bytes(run.path))
        if not yes and not click.confirm(f"remove {run.path} ({size})?", err=True):
            continue
        shutil.rmtree(run.path)
        click.echo(f"removed {run.path} ({size})")


@click.command()
@_JSON
@click.pass_context
def data(ctx: click.Context, as_json: bool) -> None:
    """List the data sets, their sizes, and where they lie."""
    from zoo.data.cache import data_roots

    rows = []
    for entry in ctx.obj.registry.datasets.entries():
        spec = entry.item
        places = [root / spec.location for root in data_roots()] if spec.location else []
        found = next((str(place) for place in places if place.exists()), None)
        rows.append(
            {
                "name": f"{entry.name}:{spec.argument}" if spec.argument else entry.name,
                "summary": spec.summary,
                "size": spec.size,
                "path": found,
                "from": entry.source.distribution,
            }
        )
    if as_json:
        print_json(rows)
        return
    cells = [[row["name"], row["size"] or "", row["path"] or "", row["summary"]] for row in rows]
    print_table(("name", "images", "lies in", "what it is"), [[str(cell) for cell in row] for row in cells])
    click.echo(f"searched: {', '.join(map(str, data_roots()))}  (set ZOO_DATA to add a folder)", err=True)
