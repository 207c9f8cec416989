"""What a decoder makes of regular points: a grid in the plane of the codes, and lines along single dimensions."""

from __future__ import annotations

__all__ = ["chart_points", "grid_points", "save_latent_grid", "traversal_points"]

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from zoo.figures.canvas import MUTED, SMALL, Page
from zoo.figures.images import cells, sheet
from zoo.figures.projection import Plane, principal_plane
from zoo.geometry import Chart

SHEET_WIDTH = 700


def grid_points(z_mean: Tensor, side: int = 15, coverage: float = 0.95) -> Tensor:
    """Return a regular grid of codes `(side * side, d)`, in reading order: to the right and up as on a map.

    The grid lies in the plane of the first two principal components of the codes, or in `z1` and `z2` where there
    are only these; where there is only one dimension, the points are a line from its low end to its high.

    Arguments:
        z_mean: Codes `(N, d)`; those that are not finite do not count.
        side: How many points a row and a column has.
        coverage: The central part of the codes that the grid spans along each axis.
    """
    z = z_mean.detach()[z_mean.detach().isfinite().all(dim=1)].to("cpu", torch.float64)
    if len(z) == 0:
        raise ValueError("no finite codes to span a grid")
    plane = principal_plane(z) if z.shape[1] > 2 else _as_it_is(z.shape[1])
    tails = torch.tensor([(1 - coverage) / 2, (1 + coverage) / 2], dtype=torch.float64)
    low, high = torch.quantile(plane.coordinates(z), tails, dim=0)
    if z.shape[1] == 1:
        points = _line(low[0], high[0], side * side)[:, None]
    else:
        points = torch.cartesian_prod(_line(high[1], low[1], side), _line(low[0], high[0], side)).flip(1)
    return plane.points(points).to(z_mean)


def chart_points(chart: Chart, side: int = 15) -> Tensor:
    """Return the codes `(side * side, d)` at the middles of the cells of a map, in reading order."""
    middles = (torch.arange(side) + 0.5) / side
    (left, bottom), (right, top) = chart.low, chart.high
    places = torch.cartesian_prod(top + (bottom - top) * middles, left + (right - left) * middles).flip(1)
    return chart.codes(places)


def _line(start: Tensor, end: Tensor, count: int) -> Tensor:
    return torch.lerp(start, end, torch.linspace(0, 1, count, dtype=torch.float64))


def _as_it_is(d: int) -> Plane:
    identity = torch.eye(d, dtype=torch.float64)
    return Plane(torch.zeros(d, dtype=torch.float64), identity, torch.full((d,), math.nan))


def save_latent_grid(
    images: Tensor, path: Path, side: int, caption: str, axes: tuple[str, str] | None = None, note: str = ""
) -> None:
    """Write the decoded points of `grid_points`, `(side * side, C, H, W)`, as one unbroken sheet.

    Arguments:
        images: In [0, 1], in the order of `grid_points`.
        path: Where the figure goes.
        side: How many images a row and a column has.
        caption: The title.
        axes: What changes to the right and upwards, such as `("PC 1", "PC 2")`; None writes nothing.
        note: A quieter line below the title.
    """
    if images.shape[0] != side * side:
        raise ValueError(f"expected {side * side} images for a grid of side {side}, got {images.shape[0]}")
    pixels = cells(images, SHEET_WIDTH / side, limit=max(1, 4 * SHEET_WIDTH // side))
    manifold = sheet(pixels, side, pad=0)
    height, width = manifold.shape[:2]
    edge = 24 if axes else 0
    page = Page(width + edge, height + edge, caption, note)
    page.image(edge, 0, manifold)
    if axes:
        page.text(edge + width / 2, height + 16, f"{axes[0]} →", size=SMALL, colour=MUTED, align="center")
        page.text(8, height / 2, f"{axes[1]} →", size=SMALL, colour=MUTED, align="center", turned=True)
    page.save(path)


def traversal_points(z: Tensor, std: Tensor, dims: Sequence[int], steps: int = 9, span: float = 2.0) -> Tensor:
    """Return codes `(len(dims) * steps, d)`: one row of `steps` per dimension, with only that dimension changed.

    Arguments:
        z: The code `(d,)` in the middle of each row.
        std: How far each dimension spreads over the data, `(d,)`.
        dims: The dimensions to change, counted from 0.
        steps: How many codes a row has.
        span: How many of these spreads a row goes to each side.

    Example:
        >>> traversal_points(torch.zeros(2), torch.tensor([1.0, 2.0]), dims=[1], steps=3)
        tensor([[ 0., -4.],
                [ 0.,  0.],
                [ 0.,  4.]])
    """
    z, std = z.detach(), std.detach().to(z)
    offsets = torch.linspace(-span, span, steps, dtype=z.dtype, device=z.device)
    points = z.repeat(len(dims), steps, 1)
    for row, dim in zip(points, dims, strict=True):
        row[:, dim] += offsets * std[dim]
    return points.flatten(0, 1)
