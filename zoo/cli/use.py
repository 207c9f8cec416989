"""`zoo sample`, `reconstruct`, `interpolate`, `embed`, `evaluate`: what a trained run is good for."""

from __future__ import annotations

__all__ = ["embed", "evaluate", "interpolate", "reconstruct", "sample"]

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.terminal import number, print_json, print_table
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.data.images import ImageSet
    from zoo.data.options import DataOptions
    from zoo.interfaces import Model
    from zoo.runs.folder import Run

_OUT = click.option("--out", type=click.Path(path_type=Path), help="File to write, .png or .npz.")
_DATA = click.option("--data", metavar="NAME", help="Other images of the same shape: folder:PATH, npz:FILE, a set.")
_SIZE = click.option("--image-size", type=click.IntRange(4, 1024), help="Resize those images.")
_COLOUR = click.option("--colour", type=click.Choice(["auto", "grey", "rgb"]), help="Read those images as grey or RGB.")
_CROP = click.option("--crop", type=click.Choice(["none", "centre"]), help="Cut those images to their central square.")
_SKIP = click.option("--skip-bad", is_flag=True, help="Leave out unreadable images.")
_SEED = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of what is drawn.")
_DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def _open(where: str) -> Run:
    from zoo.runs.folder import find_run

    return find_run(where)


def _model(ctx: click.Context, run: Run, device: str = "cpu") -> Model:
    from zoo.device import choose_device
    from zoo.runs.loading import load_model, place

    return place(load_model(run, ctx.obj.registry), choose_device(device))


def _target(run: Run, out: Path | None, name: str, kinds: tuple[str, ...] = (".png", ".npz")) -> Path:
    path = out or run.path / f"{name}{kinds[0]}"
    if path.suffix not in kinds:
        raise ZooError(f"--out {path}: write {' or '.join(kinds)}")
    if not path.parent.is_dir():
        raise ZooError(f"--out {path}: there is no folder {path.parent}")
    return path


def _save_arrays(path: Path, **arrays: Any) -> None:
    import io

    import numpy as np

    from zoo.runs.files import write_bytes

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


@click.command()
@click.argument("run", metavar="RUN")
@click.option("-n", "count", type=click.IntRange(1), default=64, show_default=True, help="How many images.")
@click.option("--mean", type=float, help="Draw codes from a normal of this mean instead of the prior.")
@click.option("--std", type=click.FloatRange(0, min_open=True), help="And of this standard deviation.")
@click.option(
    "--temperature", type=click.FloatRange(0, min_open=True), default=1.0, help="Multiplies the prior's spread."
)
@_SEED
@_DEVICE
@_OUT
@click.pass_context
def sample(
    ctx: click.Context,
    run: str,
    count: int,
    mean: float | None,
    std: float | None,
    temperature: float,
    seed: int,
    device: str,
    out: Path | None,
) -> None:
    """Draw images from a run: from its prior, or from another normal."""
    opened = _open(run)
    path = _target(opened, out, "samples")
    from zoo.figures.images import save_grid
    from zoo.interfaces import SampleOptions
    from zoo.training.randomness import isolated

    model = _model(ctx, opened, device)
    with isolated(seed):
        images = model.sample(count, SampleOptions(temperature, mean, std)).cpu()
    if path.suffix == ".npz":
        _save_arrays(path, images=images.clamp(0, 1).numpy())
    else:
        save_grid(images, path)
    click.echo(str(path))


def _images(ctx: click.Context, run: Run, data: str | None, **given: Any) -> tuple[ImageSet, DataOptions]:
    from zoo.evaluation.runs import images_for

    options = {key: value for key, value in given.items() if value not in (None, False)}
    if options and data is None:
        raise ZooError(f"--{next(iter(options)).replace('_', '-')} is about other images; name them with --data")
    return images_for(ctx.obj.registry, run, data, options)


def _first(images: ImageSet, options: DataOptions, count: int, *, own: bool) -> Any:
    """Return the first test images; of a person's own pictures, all that there are."""
    from dataclasses import replace

    import torch

    from zoo.evaluation.blocks import figure_batches

    if own:
        joined = type(images.test)(torch.cat([images.train.x, images.test.x]), {})
        images = replace(images, test=joined)
    batches = figure_batches(images, options, torch.device("cpu"), min(count, len(images.test)))
    return torch.cat([batch.x for batch in batches])


def _is_own(data: str | None) -> bool:
    return data is not None and data.partition(":")[0] in ("folder", "npz")


@click.command()
@click.argument("run", metavar="RUN")
@_DATA
@_SIZE
@_COLOUR
@_CROP
@_SKIP
@click.option("-n", "count", type=click.IntRange(1), default=32, show_default=True, help="How many images.")
@_OUT
@click.pass_context
def reconstruct(
    ctx: click.Context,
    run: str,
    data: str | None,
    image_size: int | None,
    colour: str | None,
    crop: str | None,
    skip_bad: bool,
    count: int,
    out: Path | None,
) -> None:
    """Encode and decode test images, or your own with --data folder:PATH."""
    opened = _open(run)
    path = _target(opened, out, "reconstructions")
    from zoo.figures.images import save_pairs
    from zoo.interfaces import Reconstructs

    model = _model(ctx, opened)
    if not isinstance(model, Reconstructs):
        raise ZooError(f"{run} cannot reconstruct: a {opened.metadata['model']} encodes nothing")
    images, options = _images(ctx, opened, data, image_size=image_size, colour=colour, crop=crop, skip_bad=skip_bad)
    x = _first(images, options, count, own=_is_own(data))
    decoded = model.reconstruct(x)
    if path.suffix == ".npz":
        _save_arrays(path, images=x.numpy(), reconstructions=decoded.numpy())
    else:
        save_pairs(x, decoded, path, title=f"{opened.name}: {images.name}")
    error = float(((x - decoded) ** 2).mean())
    click.echo(f"{path}  mse {number(error)} over {len(x)} images")


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--from", "start", type=click.IntRange(0), default=0, show_default=True, help="A test image, from 0.")
@click.option("--to", "end", type=click.IntRange(0), default=1, show_default=True, help="Another.")
@click.option("--steps", type=click.IntRange(2, 64), default=10, show_default=True, help="Images on the way.")
@_DATA
@_OUT
@click.pass_context
def interpolate(
    ctx: click.Context, run: str, start: int, end: int, steps: int, data: str | None, out: Path | None
) -> None:
    """Go from one test image to another on a straight line through the latent space."""
    opened = _open(run)
    path = _target(opened, out, "interpolation")
    import torch

    from zoo.figures.images import save_rows
    from zoo.interfaces import DecodesLatents, Embeds

    model = _model(ctx, opened)
    if not (isinstance(model, Embeds) and isinstance(model, DecodesLatents)):
        raise ZooError(f"{run} has no codes to go between: a {opened.metadata['model']} has no encoder")
    images, options = _images(ctx, opened, data)
    last = len(images.test) - 1
    for flag, index in (("--from", start), ("--to", end)):
        if index > last:
            raise ZooError(f"{flag} {index}: the test images of {images.name} are 0 to {last}")
    x = images.read(images.test.x[torch.tensor([start, end])])
    codes = model.embed(x)
    share = torch.linspace(0, 1, steps).reshape(-1, *[1] * (codes.ndim - 1))
    between = model.decode_mean(codes[0] + share * (codes[1] - codes[0]))
    if path.suffix == ".npz":
        _save_arrays(path, images=between.numpy())
    else:
        ends = [(f"image {start}", x[:1]), (f"to {end}", between), (f"image {end}", x[1:])]
        save_rows(ends, path, f"{opened.name}: from {start} to {end}")
    click.echo(str(path))


@click.command()
@click.argument("run", metavar="RUN")
@_DATA
@_SIZE
@_COLOUR
@_CROP
@_SKIP
@click.option("--split", type=click.Choice(["train", "test"]), default="test", show_default=True, help="Which images.")
@click.option("--projection", type=click.Choice(["pca", "tsne", "umap"]), help="Also draw a map, beside the file.")
@_OUT
@click.pass_context
def embed(
    ctx: click.Context,
    run: str,
    data: str | None,
    image_size: int | None,
    colour: str | None,
    crop: str | None,
    skip_bad: bool,
    split: str,
    projection: str | None,
    out: Path | None,
) -> None:
    """Write the codes of images: z (N, d), and the labels of the data set."""
    opened = _open(run)
    path = _target(opened, out, "codes", (".npz",))
    from dataclasses import replace

    import torch

    from zoo.evaluation.blocks import figure_batches
    from zoo.figures.gallery import codes, draw_latent
    from zoo.interfaces import Embeds

    model = _model(ctx, opened)
    if not isinstance(model, Embeds):
        raise ZooError(f"{run} has no codes: a {opened.metadata['model']} has no encoder")
    images, options = _images(ctx, opened, data, image_size=image_size, colour=colour, crop=crop, skip_bad=skip_bad)
    if split == "train":
        images = replace(images, test=images.train)
    batches = figure_batches(images, options, torch.device("cpu"), len(images.test))
    z = codes(model, batches)
    labels = {name: torch.cat([batch.y[name] for batch in batches]).numpy() for name in batches[0].y}
    _save_arrays(path, z=z.numpy(), **labels)
    click.echo(f"{path}  z {tuple(z.shape)}")
    if projection is not None:
        picture = path.with_suffix(".png")
        draw_latent(picture, model, batches, opened.name, projection)
        click.echo(str(picture))


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--data", metavar="NAME", help="Other images of the same shape.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the posterior samples.  [default: the run's own]")
@_DEVICE
@_JSON
@click.pass_context
def evaluate(ctx: click.Context, run: str, data: str | None, seed: int | None, device: str, as_json: bool) -> None:
    """Score a run on the test images, and write the scores into it."""
    opened = _open(run)
    from zoo.evaluation.runs import evaluate_run
    from zoo.runs.card import LABELS

    chosen = opened.metadata["training"]["seed"] if seed is None else seed
    scores = evaluate_run(ctx.obj.registry, opened, data, device, chosen)
    if as_json:
        print_json({"run": str(opened.path), "data": data or opened.metadata["data"]["name"], "scores": scores})
        return
    rows = [[name, number(scores[name]), LABELS[name]] for name in LABELS]
    print_table(("score", "value", "meaning"), rows, right=(1,))
    if scores["kl_per_unit"]:
        click.echo("kl_per_unit " + " ".join(number(value) for value in scores["kl_per_unit"]))
