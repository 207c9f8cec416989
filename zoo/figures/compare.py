"""Several models in one figure: a column each, what they can do in rows."""

from __future__ import annotations

__all__ = ["ComparisonColumn", "save_comparison"]

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.figures.canvas import MUTED, RULE, SHADE, SMALL, TEXT, Page, compact, measure, shorten
from zoo.figures.images import cells, sheet
from zoo.figures.points import SCALE, Key, Palette, frame, scatter

PAGE_WIDTH, NARROW, WIDE = 1400, 200, 360
SHEET_COLUMNS, SHEET_IMAGES, PAD = 4, 16, 3
GUTTER, GAP, HEAD, EMPTY = 132, 22, 30, 96
LEGEND_WIDTH, LEGEND_LINE, LABEL_WIDTH, BAR_WIDTH, BAR_HEIGHT = 620, 24, 180, 160, 12
LATENT = "latent space"
MISSING = {
    "originals": "none given",
    "reconstructions": "does not reconstruct",
    "samples": "does not sample",
    LATENT: "no latent space",
}

Floats = NDArray[np.float64]
Panel = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class ComparisonColumn:
    """What one model of a comparison has to show; what it cannot do is None.

    Arguments:
        name: Of the model or run.
        reconstructions: Of the originals, `(N, C, H, W)`.
        samples: `(M, C, H, W)`.
        latent: Codes on a map, `(K, 2)`; each map has its own scale.
        labels: Of these codes, `(K,)`.
    """

    name: str
    reconstructions: Tensor | None = None
    samples: Tensor | None = None
    latent: Floats | None = None
    labels: Tensor | None = None


def save_comparison(
    path: Path,
    originals: Tensor,
    columns: Sequence[ComparisonColumn],
    title: str = "Comparison",
    note: str = "",
    label_name: str = "label",
) -> None:
    """Write models side by side; of each set of images `(N, C, H, W)` the first 16 are shown."""
    if not columns:
        raise ValueError("no models to compare")
    rows = _image_rows(originals, columns)
    side = max([NARROW, *(panel.shape[1] for panels in rows.values() for panel in panels if panel is not None)])
    heights = _heights(rows, side if any(column.latent is not None for column in columns) else EMPTY)
    *tops, end = itertools.accumulate((height + GAP for height in heights.values()), initial=HEAD)
    palette = Palette.of([column.labels for column in columns if column.latent is not None])
    width = max(LEGEND_WIDTH, GUTTER + len(columns) * (side + GAP) - GAP)
    label_name = shorten(label_name, LABEL_WIDTH, TEXT, bold=True)
    legend = _legend_height(palette, label_name, width - GUTTER)
    page = Page(width, round(end - GAP + legend), title, note)
    for i, column in enumerate(columns):
        x = GUTTER + i * (side + GAP)
        page.text(x + side / 2, 8, shorten(column.name, side, TEXT, bold=True), bold=True, align="center")
    for (row, height), y in zip(heights.items(), tops, strict=True):
        page.text(GUTTER - 14, y + height / 2, row, colour=MUTED, align="right")
        for i, column in enumerate(columns):
            box = (GUTTER + i * (side + GAP), y, side, height)
            if row == LATENT:
                _latent(page, box, column, palette)
            else:
                _images(page, box, rows[row][i], MISSING[row])
    if legend:
        _legend(page, end, palette, label_name)
    page.save(path)


def _heights(rows: Mapping[str, Sequence[Panel | None]], latent: int) -> dict[str, int]:
    heights = {row: max([EMPTY, *(p.shape[0] for p in panels if p is not None)]) for row, panels in rows.items()}
    return heights | {LATENT: latent}


def _image_rows(originals: Tensor, columns: Sequence[ComparisonColumn]) -> dict[str, list[Panel | None]]:
    width = min(WIDE, max(NARROW, PAGE_WIDTH / len(columns)))
    return {
        "originals": [_panel(originals, width)] * len(columns),
        "reconstructions": [_panel(column.reconstructions, width) for column in columns],
        "samples": [_panel(column.samples, width) for column in columns],
    }


def _panel(images: Tensor | None, width: float) -> Panel | None:
    """Return up to 16 images as a contact sheet about `width` pixels wide."""
    if images is None or images.shape[0] == 0:
        return None
    cell = (width - PAD * (SHEET_COLUMNS - 1)) / SHEET_COLUMNS
    pixels = cells(images[:SHEET_IMAGES], cell, limit=round(1.4 * cell))
    return sheet(pixels, SHEET_COLUMNS, PAD)[PAD:-PAD, PAD:-PAD]


def _missing(page: Page, box: Box, why: str) -> None:
    x, y, width, height = box
    page.box(*box, SHADE)
    page.text(x + width / 2, y + height / 2 - 10, "–", size=22, colour=MUTED, align="center")
    page.text(x + width / 2, y + height / 2 + 14, why, size=SMALL, colour=MUTED, align="center")


def _images(page: Page, box: Box, panel: Panel | None, why: str) -> None:
    if panel is None:
        _missing(page, box, why)
    else:
        page.image(box[0], box[1], panel)


def _latent(page: Page, box: Box, column: ComparisonColumn, palette: Palette) -> None:
    if column.latent is None or len(column.latent) == 0:
        _missing(page, box, MISSING[LATENT])
        return
    finite = np.isfinite(column.latent).all(axis=1)
    if not finite.any():
        _missing(page, box, "no finite codes")
        return
    labels = None if column.labels is None else column.labels.detach().cpu().reshape(-1)[torch.from_numpy(finite)]
    axes = page.axes(*box)
    axes.spines[["top", "right"]].set_visible(True)
    axes.spines[:].set_color(RULE)
    axes.set_xticks([])
    axes.set_yticks([])
    xy = np.asarray(column.latent[finite], dtype=np.float64)
    frame(axes, xy)
    scatter(axes, xy, labels, palette, box[2])


def _legend_places(palette: Palette, start: float, width: float) -> list[tuple[Key, float, float]]:
    """Return each class with its place, in lines that break before `width`."""
    places, x, y = [], start, 0.0
    for key in palette.keys:
        wide = 20 + measure(key.name) + 18
        if x > start and x + wide - 18 > width:
            x, y = start, y + LEGEND_LINE
        places.append((key, x, y))
        x += wide
    return places


def _legend_height(palette: Palette, label_name: str, width: float) -> float:
    places = _legend_places(palette, measure(label_name, bold=True) + 18, width)
    last = places[-1][2] if places else 0
    return GAP + last + LEGEND_LINE if places or palette.bounds else 0


def _legend(page: Page, y: float, palette: Palette, label_name: str) -> None:
    page.text(GUTTER, y + 8, label_name, bold=True)
    start = measure(label_name, bold=True) + 18
    for key, x, line in _legend_places(palette, start, page.width - GUTTER):
        page.mark(GUTTER + x + 5, y + 8 + line, key.marker, key.colour)
        page.text(GUTTER + x + 16, y + 8 + line, key.name)
    if palette.bounds:
        _scale(page, GUTTER + start, y + 8, *palette.bounds)


def _scale(page: Page, x: float, y: float, low: float, high: float) -> None:
    """Draw a scale from its low end to its high."""
    page.text(x, y, compact(low, 3))
    x += measure(compact(low, 3)) + 8
    colours = (SCALE(np.linspace(0, 1, BAR_WIDTH))[:, :3] * 255).astype(np.uint8)
    page.image(round(x), round(y - BAR_HEIGHT / 2), np.tile(colours, (BAR_HEIGHT, 1, 1)))
    page.text(x + BAR_WIDTH + 8, y, compact(high, 3))
