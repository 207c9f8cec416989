"""What the commands share that use a run: opening it, its model and images, and writing files."""

from __future__ import annotations

__all__ = [
    "DEVICE",
    "OUT",
    "PRIOR",
    "RUN",
    "complete_prior",
    "image_flags",
    "is_own",
    "open_images",
    "open_model",
    "open_run",
    "read_options",
    "reading_flags",
    "save_arrays",
    "target",
]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.cli.completion import complete_data, complete_run, names
from zoo.cli.session import session
from zoo.cli.terminal import say
from zoo.errors import ZooError, did_you_mean
from zoo.specs import FITTED_PRIOR

if TYPE_CHECKING:
    from zoo.data.images import ImageSet
    from zoo.data.options import DataOptions
    from zoo.interfaces import Model
    from zoo.runs.folder import Run

F = TypeVar("F", bound=Callable[..., Any])

RUN = click.argument("run", metavar="RUN", shell_complete=complete_run)
OUT = click.option("--out", type=click.Path(path_type=Path), help="File to write, .png or .npz.")
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")

complete_prior = names(lambda r: [(e.name, e.item.summary) for e in r.parts[FITTED_PRIOR].entries()])
PRIOR = click.option(
    "--prior",
    metavar="NAME",
    shell_complete=complete_prior,
    help="Take a prior that 'zoo fit' fitted to the run, in the place of its own.",
)

_DATA = click.option(
    "--data",
    metavar="NAME",
    shell_complete=complete_data,
    help="Other images of the same shape: folder:PATH, npz:FILE, a set.  [default: the run's own]",
)
_READING_FLAGS = (
    click.option("--image-size", type=click.IntRange(4, 1024), help="Resize those images."),
    click.option("--colour", type=click.Choice(["auto", "grey", "rgb"]), help="Read those images as grey or RGB."),
    click.option("--crop", type=click.Choice(["none", "centre"]), help="Cut those images to their central square."),
    click.option("--skip-bad", is_flag=True, help="Leave out unreadable images."),
)


def image_flags(command: F) -> F:
    """Add the flags that name other images, which reach the command as `reading`."""
    return _DATA(reading_flags(command))


def reading_flags(command: F) -> F:
    """Add the flags that say how those images are read."""
    for flag in reversed(_READING_FLAGS):
        command = flag(command)
    return command


def open_run(ctx: click.Context, where: str, prior: str | None = None) -> Run:
    """Return the run that a word names, with a fitted prior if one is named, or say what the word is instead."""
    run = _find_run(ctx, where)
    if prior is None:
        return run
    if not run.prior_file(prior).is_file():
        # A name that nothing here has is told as such, before it is told how to fit it.
        session(ctx).registry.part(FITTED_PRIOR, prior)
    return run.with_prior(prior)


def _find_run(ctx: click.Context, where: str) -> Run:
    from zoo.runs.folder import find_run

    try:
        return find_run(where)
    except ZooError as error:
        if where in session(ctx).registry.models:
            what = f"'{where}' is a model, not a run"
            raise ZooError(f"{what}; train it with 'zoo train {where}', and name the run that this makes") from None
        runs = [str(path.parent) for path in Path("runs").glob("*/config.toml")]
        raise ZooError(f"{error}{did_you_mean(where, runs)}") from None


def open_model(ctx: click.Context, run: Run, device: str = "cpu") -> Model:
    """Return a run's model on a device."""
    from zoo.device import choose_device
    from zoo.runs.loading import load_model, place

    return place(load_model(run, session(ctx).registry), choose_device(device))


def open_images(ctx: click.Context, run: Run, reading: Mapping[str, Any]) -> tuple[ImageSet, DataOptions]:
    """Return the images that a run is used on: its own, or those that the image flags name."""
    from zoo.evaluation.runs import images_for

    images, options = images_for(session(ctx).registry, run, reading["data"], read_options(reading))
    for note in images.notes if reading["data"] is not None else ():
        say(note)
    return images, options


def read_options(reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return the image options among the values of the image flags."""
    options = {key: value for key, value in reading.items() if key != "data" and value not in (None, False)}
    if options and reading["data"] is None:
        raise ZooError(f"--{next(iter(options)).replace('_', '-')} is about other images; name them with --data")
    return options


def is_own(data: str | None) -> bool:
    """Whether images are a person's own, rather than a data set that is divided in two."""
    return data is not None and data.partition(":")[0] in ("folder", "npz")


def target(run: Run, out: Path | None, name: str, kinds: tuple[str, ...] = (".png", ".npz")) -> Path:
    """Return the file to write, before any work is done for it."""
    path = out or run.path / f"{name}{kinds[0]}"
    if path.suffix not in kinds:
        raise ZooError(f"--out {path}: its name must end in {' or '.join(kinds)}")
    if not path.parent.is_dir():
        raise ZooError(f"--out {path}: there is no folder {path.parent}; make it first")
    return path


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name in one step."""
    import io

    import numpy as np

    from zoo.runs.files import write_bytes

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())
