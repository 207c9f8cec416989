"""`zoo reconstruct`, `interpolate`, `embed`: what a run makes of images."""

from __future__ import annotations

__all__ = ["embed", "interpolate", "reconstruct"]

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from zoo.cli.opening import OUT, RUN, image_flags, is_own, open_images, open_model, open_run, save_arrays, target
from zoo.cli.terminal import number
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.data.images import ImageSet


@click.command()
@RUN
@image_flags
@click.option("-n", "count", type=click.IntRange(1), default=32, show_default=True, help="How many images.")
@OUT
@click.pass_context
def reconstruct(ctx: click.Context, /, run: str, count: int, out: Path | None, **reading: Any) -> None:
    """Encode and decode test images, or your own with --data folder:PATH."""
    opened = open_run(ctx, run)
    path = target(opened, out, "reconstructions")
    import torch

    from zoo.evaluation.blocks import figure_batches
    from zoo.figures.images import save_pairs
    from zoo.interfaces import Reconstructs, given

    model = open_model(ctx, opened)
    if not isinstance(model, Reconstructs):
        raise ZooError(f"{run} cannot reconstruct: a {opened.metadata['model']} encodes nothing")
    images, options = open_images(ctx, opened, reading)
    images = _chosen(images, "all" if is_own(reading["data"]) else "test")
    batches = figure_batches(images, options, torch.device("cpu"), min(count, len(images.test)))
    x = torch.cat([batch.x for batch in batches])
    with torch.no_grad():
        decoded = torch.cat([cast(Reconstructs, given(model, batch.y)).reconstruct(batch.x) for batch in batches])
    if path.suffix == ".npz":
        save_arrays(path, {"images": x.numpy(), "reconstructions": decoded.numpy()})
    else:
        save_pairs(x, decoded, path, title=f"{opened.name}: {images.name}")
    error = float(((x - decoded) ** 2).mean())
    click.echo(f"{path}  mse {number(error)} over {len(x)} images")


def _chosen(images: ImageSet, split: str) -> ImageSet:
    """Return images with those of a split, or with all, in the place of the test images."""
    from dataclasses import replace

    from zoo.data.split import joined

    if split == "all":
        return replace(images, test=joined(images.train, images.test))
    return images if split == "test" else replace(images, test=images.train)


@click.command()
@RUN
@click.option("--from", "start", type=click.IntRange(0), default=0, show_default=True, help="A test image, from 0.")
@click.option("--to", "end", type=click.IntRange(0), default=1, show_default=True, help="Another.")
@click.option("--steps", type=click.IntRange(2, 64), default=10, show_default=True, help="Images on the way.")
@image_flags
@OUT
@click.pass_context
def interpolate(
    ctx: click.Context, /, run: str, start: int, end: int, steps: int, out: Path | None, **reading: Any
) -> None:
    """Go from one test image to another on the shortest way through the latent space."""
    opened = open_run(ctx, run)
    path = target(opened, out, "interpolation")
    import torch

    from zoo.figures.images import save_rows
    from zoo.interfaces import DecodesLatents, Embeds, given

    model = open_model(ctx, opened)
    if not (isinstance(model, Embeds) and isinstance(model, DecodesLatents)):
        raise ZooError(f"{run} has no codes to go between: a {opened.metadata['model']} has no encoder")
    if not model.continuous:
        raise ZooError(f"{run} has no codes between codes: those of a {opened.metadata['model']} are of a codebook")
    images, _ = open_images(ctx, opened, reading)
    images = _chosen(images, "all" if is_own(reading["data"]) else "test")
    last = len(images.test) - 1
    for flag, index in (("--from", start), ("--to", end)):
        if index > last:
            raise ZooError(f"{flag} {index}: the images of {images.name} are 0 to {last}")
    with torch.no_grad():
        ends = images.test[torch.tensor([start, end])]
        x = images.read(ends.x)
        codes = cast(Embeds, given(model, ends.y)).embed(x)
        # Under the label of the first image, so that all that changes is the code.
        decoder = cast(DecodesLatents, given(model, ends[:1].y))
        way = model.latent_geometry.between(codes[0], codes[1], torch.linspace(0, 1, steps))
        between = decoder.decode_mean(way)
    if path.suffix == ".npz":
        save_arrays(path, {"images": between.numpy()})
    else:
        rows = [(f"image {start}", x[:1]), (f"to {end}", between), (f"image {end}", x[1:])]
        save_rows(rows, path, f"{opened.name}: from {start} to {end}")
    click.echo(str(path))


@click.command()
@RUN
@image_flags
@click.option(
    "--split",
    type=click.Choice(["train", "test", "all"]),
    help="Which images, the training images first.  [default: test; all of your own]",
)
@click.option("--projection", type=click.Choice(["pca", "tsne", "umap"]), help="Also draw a map, beside the file.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write, .npz.")
@click.pass_context
def embed(
    ctx: click.Context, /, run: str, split: str | None, projection: str | None, out: Path | None, **reading: Any
) -> None:
    """Write the codes of images: z (N, d), and the labels of the data set."""
    opened = open_run(ctx, run)
    path = target(opened, out, "codes", (".npz",))
    import torch

    from zoo.evaluation.blocks import figure_batches
    from zoo.figures.gallery import codes, draw_latent
    from zoo.interfaces import Embeds

    model = open_model(ctx, opened)
    if not isinstance(model, Embeds):
        raise ZooError(f"{run} has no codes: a {opened.metadata['model']} has no encoder")
    images, options = open_images(ctx, opened, reading)
    images = _chosen(images, split or ("all" if is_own(reading["data"]) else "test"))
    batches = figure_batches(images, options, torch.device("cpu"), len(images.test))
    with torch.no_grad():
        z = codes(model, batches)
    labels = {name: torch.cat([batch.y[name] for batch in batches]).numpy() for name in batches[0].y}
    save_arrays(path, {**labels, "z": z.numpy()})
    click.echo(f"{path}  z {tuple(z.shape)}")
    if projection is not None:
        picture = path.with_suffix(".png")
        draw_latent(picture, model, batches, z, opened.name, projection)
        click.echo(str(picture))
