"""`zoo data`: which sets there are, and sets of any size packed once to be read from disk."""

from __future__ import annotations

__all__ = ["data"]

import shlex
from pathlib import Path
from typing import Any

import click

from zoo.cli.bar import bar
from zoo.cli.completion import complete_data
from zoo.cli.opening import reading_flags
from zoo.cli.session import session
from zoo.cli.terminal import JSON, counted, print_json, print_table, say
from zoo.errors import Interrupted


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def data(ctx: click.Context, /, as_json: bool) -> None:
    """List the data sets, their sizes, and where they lie; 'zoo data pack' makes one for sets larger than memory."""
    if ctx.invoked_subcommand is not None:
        return
    from zoo.data.cache import data_roots

    rows = []
    for entry in session(ctx).registry.datasets.entries():
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
    say(f"searched: {', '.join(map(str, data_roots()))}  (set ZOO_DATA to add a folder)")


@data.command()
@click.argument("source", metavar="DATA", shell_complete=complete_data)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Pack the first N training images only.")
@reading_flags
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="Processes that decode pictures.  [default: one a core, where that pays]",
)
@click.pass_context
def pack(ctx: click.Context, /, source: str, out: Path, workers: int | None, **reading: Any) -> None:
    """Write a data set into a folder from which it is read without being held in memory, as --data packed:OUT.

    \b
      zoo data pack folder:pictures packed --image-size 64
      zoo data pack npz:large.npz packed
      zoo train conv-vae --data packed:packed

    What was interrupted goes on with the same command.
    """
    registry = session(ctx).registry
    # Only now, because it imports torch.
    from zoo.data.options import DataOptions
    from zoo.data.packing import pack
    from zoo.datasets import open_source

    given = {key: value for key, value in reading.items() if value not in (None, False)}
    # Whether bad pictures stop it changes none that are good.
    request = {"data": source, "options": {key: value for key, value in given.items() if key != "skip_bad"}}
    command = shlex.join(["zoo", *ctx.find_root().obj.arguments])
    options = DataOptions.from_dict(given)
    try:
        with bar("looking at pictures") as look, open_source(registry, source, options, workers, look) as opened:
            for note in opened.notes:
                say(note)
            with bar(f"packing {opened.name}") as tell:
                found = pack(opened, out, request, command, tell)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on from there") from None
    for note in found.notes[len(opened.notes) :]:
        say(note)
    size = sum(array.nbytes for array in found.arrays)
    c, h, w = found.train.x.shape[1:]
    images = f"{found.train.x.shape[0]:,} + {found.test.x.shape[0]:,} images of {c}×{h}×{w}"
    click.echo(f"{out}  {images}, {size / 1e6:,.1f} MB; train on them with --data packed:{out}")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
def check(folder: Path) -> None:
    """Read a packed set from end to end, and compare it with the sizes and hashes that it was written with."""
    from zoo.data.packed import check

    with bar(f"checking {folder}", unit="MB", scale=1e-6) as tell:
        header = check(folder, tell)
    click.echo(f"{folder}  {counted(len(header.arrays), 'file')} as written")
