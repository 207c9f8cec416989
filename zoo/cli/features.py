"""`zoo features`: the classifiers in whose features samples are compared with images."""

from __future__ import annotations

__all__ = ["features"]

from pathlib import Path
from typing import Any

import click

from zoo.cli.completion import complete_data
from zoo.cli.opening import reading_flags
from zoo.cli.session import session
from zoo.cli.terminal import JSON, print_json, print_table, say
from zoo.errors import ZooError


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def features(ctx: click.Context, /, as_json: bool) -> None:
    """List the classifiers in whose features samples are compared with images; 'zoo features train DATA' makes one."""
    if ctx.invoked_subcommand is not None:
        return
    from zoo.features.files import SHIPPED, kept, shipped_path

    rows = [_row(path) for path in [*(shipped_path(name) for name in SHIPPED), *kept()]]
    if as_json:
        print_json(rows)
        return
    print_table(("data", "shape", "label", "images", "accuracy", "file"), [_cells(row) for row in rows], right=(3, 4))


def _row(path: Path) -> dict[str, Any]:
    from zoo.features.files import facts_of

    try:
        facts = facts_of(path)
    except ZooError as error:
        return {"path": str(path), "damaged": str(error)}
    return {"path": str(path), **facts.as_dict()}


def _cells(row: dict[str, Any]) -> list[str]:
    if "damaged" in row:
        return ["", "", "", "", "", row["damaged"]]
    shape = "×".join(map(str, row["shape"]))
    return [row["data"], shape, row["label"], f"{row['images']:,}", f"{row['accuracy']:.2%}", row["path"]]


@features.command()
@click.argument("data", metavar="DATA", shell_complete=complete_data)
@click.option("--label", default="label", show_default=True, help="Name of the label that it learns to tell.")
@click.option(
    "--epochs", type=click.IntRange(1), default=8, show_default=True, help="Times that each image is looked at."
)
@click.option("--limit", type=click.IntRange(1), help="Use the first N training images only.")
@reading_flags
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write.  [default: in the cache, where metrics find it]",
)
@click.pass_context
def train(ctx: click.Context, /, data: str, label: str, epochs: int, out: Path | None, **reading: Any) -> None:
    """Train a small classifier on the training images of a data set, and keep it for metrics of samples.

    \b
      zoo features train cifar10
      zoo features train npz:mine.npz --label colour
      zoo features train mnist --out mnist.safetensors
    """
    if out is not None and not out.parent.is_dir():
        raise ZooError(f"--out {out}: there is no folder {out.parent}; make it first")
    registry = session(ctx).registry
    # Only now, because it imports torch: mistakes above are told at once.
    from zoo.cli.progress import watch
    from zoo.data.options import DataOptions
    from zoo.datasets import open_images
    from zoo.features.classifier import Unjudged
    from zoo.features.find import keep, shipped
    from zoo.features.learning import EPOCHS, learn

    options = {key: value for key, value in reading.items() if value not in (None, False)}
    images = open_images(registry, data, DataOptions.from_dict(options))
    known = shipped(images, label) if out is None else None
    if known is not None:
        raise ZooError(
            f"the classifier of {data} comes with the zoo (see 'zoo features'); add --out FILE to train it anew"
        )
    typed = {"label": label if label != "label" else None, "epochs": epochs if epochs != EPOCHS else None, **options}
    words = " ".join([data, *_typed(typed)])
    try:
        found = learn(images, label, watch(), epochs=epochs, command=f"zoo features train {words}")
    except Unjudged as reason:
        raise ZooError(f"{data}: {reason}") from None
    path = keep(found, out)
    say(f"accuracy on test images {found.accuracy:.2%}")
    click.echo(str(path))


def _typed(options: dict[str, Any]) -> list[str]:
    given = {f"--{name.replace('_', '-')}": value for name, value in options.items() if value is not None}
    return [flag if value is True else f"{flag} {value}" for flag, value in given.items()]
