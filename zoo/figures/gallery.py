"""The pictures of a run, by what its model can do."""

from __future__ import annotations

__all__ = ["draw_gallery", "draw_latent"]

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from zoo.data.images import Split
from zoo.figures.curves import save_curves
from zoo.figures.images import save_grid, save_pairs, save_rows
from zoo.figures.latent import save_latent
from zoo.figures.latent_grid import chart_points, grid_points, save_latent_grid, traversal_points
from zoo.figures.projection import Method
from zoo.geometry import Geometry
from zoo.interfaces import Batch, DecodesLatents, Embeds, Model, Reconstructs, given
from zoo.training.randomness import isolated

Failed: TypeAlias = Callable[[str, Exception], None]
"""Told the name of a picture, and why it could not be drawn."""

SAMPLES, PAIRS, CODES, SIDE, DIMS, BLOCK = 64, 32, 5000, 15, 20, 500


def _raise(picture: str, error: Exception) -> None:
    raise error


def draw_gallery(
    folder: Path,
    model: Model,
    batches: Sequence[Batch],
    records: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Any],
    title: str,
    seed: int = 0,
    failed: Failed = _raise,
) -> None:
    """Write the pictures that a model's abilities allow.

    Arguments:
        folder: Where they go; made if it is not there.
        model: The model, in eval mode.
        batches: Test images, enough of them for a map.
        records: The lines of `metrics.jsonl`.
        scores: What `evaluate` found; the rates of units order the traversals.
        title: The run's name, for each picture.
        seed: Seed of the samples.
        failed: Told of a picture that cannot be drawn, after which the others are; by default the error is raised.
    """
    folder.mkdir(exist_ok=True)
    if records:
        with _drawing("loss.png", failed):
            save_curves(records, folder / "loss.png", f"{title}: training curves")
    with _drawing("samples.png", failed):
        with isolated(seed), torch.no_grad():
            samples = model.sample(SAMPLES)
        save_grid(samples.cpu(), folder / "samples.png", title=f"{title}: samples from the prior")
    first = batches[0].x[:PAIRS]
    told = given(model, {name: value[:PAIRS] for name, value in batches[0].y.items()})
    if isinstance(told, Reconstructs):
        with _drawing("reconstructions.png", failed):
            pairs = told.reconstruct(first).cpu()
            save_pairs(first.cpu(), pairs, folder / "reconstructions.png", title=f"{title}: test images")
    if isinstance(model, Embeds):
        with _drawing("the maps of codes", failed):
            z = codes(model, batches)
            with _drawing("latent.png", failed):
                draw_latent(folder / "latent.png", model, batches, z, title)
            with _drawing("latent-grid.png or traversals.png", failed):
                _draw_between(folder, model, batches, z, scores, title)


def _draw_between(
    folder: Path, model: Model, batches: Sequence[Batch], z: Tensor, scores: Mapping[str, Any], title: str
) -> None:
    """Write what codes decode to, of a model that has codes between codes."""
    # A condition has to be something where codes are varied: that of the first image.
    one = given(model, {name: value[:1] for name, value in batches[0].y.items()})
    if isinstance(one, Embeds) and isinstance(one, DecodesLatents) and one.continuous:
        _draw_decoded(folder, one, one.latent_geometry, z, scores, title, batches[0].x.device)


@contextmanager
def _drawing(picture: str, failed: Failed) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        failed(picture, error)


def codes(model: Model, batches: Sequence[Batch]) -> Tensor:
    """Return the codes of the images of a model that embeds, flat, `(N, d)`."""
    told = ((cast(Embeds, given(model, batch.y)), batch.x) for batch in batches)
    return torch.cat([one.embed(x).flatten(1).cpu() for one, x in told])


def draw_latent(path: Path, model: Model, batches: Sequence[Batch], z: Tensor, title: str, method: str = "pca") -> None:
    """Write the map of codes `(N, d)`, coloured by the data's label if it has one.

    Raises:
        ZooError: If the projection's library is not installed.
    """
    name = next(iter(batches[0].y), None)
    labels = None if name is None else torch.cat([batch.y[name].cpu() for batch in batches])
    if labels is not None and labels.ndim > 1:
        labels = None
    chart = cast(Embeds, model).latent_geometry.chart(z.shape[1]) if method == "pca" else None
    z, axes = (z, None) if chart is None else (chart.places(z), chart.axes)
    heading = f"{title}: latent space"
    save_latent(z, labels, path, method=cast(Method, method), label_name=name or "label", title=heading, axes=axes)


def _draw_decoded(
    folder: Path,
    model: DecodesLatents,
    geometry: Geometry,
    z: Tensor,
    scores: Mapping[str, Any],
    title: str,
    device: torch.device,
) -> None:
    shape = model.latent_shape

    def decode(points: Tensor) -> Tensor:
        return model.decode_mean(geometry.nearest(points).to(device).reshape(-1, *shape)).cpu()

    side = SIDE if z.shape[1] > 1 else 8
    chart = geometry.chart(z.shape[1])
    axes = chart.axes if chart else ("PC 1", "PC 2") if z.shape[1] > 2 else ("z1", "z2") if z.shape[1] == 2 else None
    grid = decode(chart_points(chart, side) if chart else grid_points(z, side))
    save_latent_grid(grid, folder / "latent-grid.png", side, f"{title}: decoded grid of codes", axes)
    rows = _traversals(z, scores.get("kl_per_unit"))
    images = [(label, decode(points)) for label, points in rows]
    # A unit that the decoder does not read has nothing to show.
    seen = [(label, row) for label, row in images if not torch.equal(row[0], row[-1])]
    save_rows(seen or images, folder / "traversals.png", f"{title}: one latent at a time, two spreads to each side")


def _traversals(z: Tensor, rates: Sequence[float] | None) -> list[tuple[str, Tensor]]:
    """Return a label and the codes `(steps, d)` of each row, the units that say most first."""
    spread = z.std(0, correction=0)
    weight = torch.tensor(rates) if rates and len(rates) == z.shape[1] else spread
    order = weight.argsort(descending=True)[:DIMS].tolist()
    rows = []
    for dim in order:
        said = f" ({weight[dim]:.1f} nats)" if weight is not spread else ""
        rows.append((f"z{dim + 1}{said}", traversal_points(z.mean(0), spread, [dim])))
    return rows


def enough(split: Split) -> int:
    """Return how many test images the maps are made of."""
    return min(CODES, len(split))
