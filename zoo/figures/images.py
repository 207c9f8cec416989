"""Images side by side: contact sheets, originals over reconstructions, labelled rows."""

from __future__ import annotations

__all__ = ["cells", "save_grid", "save_pairs", "save_rows", "sheet", "tile"]

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from zoo.figures.canvas import MUTED, SMALL, Page, encode, measure, shorten
from zoo.runs.files import write_bytes

PAPER = 255
BROKEN = (255, 0, 255)
GRID_WIDTH, ROW_WIDTH, CELL_LIMIT = 480, 600, 256
GAP, BAND, LABEL_WIDTH = 3, 14, 240

Pixels = NDArray[np.uint8]


def _pixels(images: Tensor) -> Pixels:
    """Convert images `(N, C, H, W)` to `(N, H, W, 3)`; what is not finite becomes magenta, not black."""
    x = images.detach().to("cpu", torch.float32)
    x = x if x.shape[1] == 3 else x.mean(dim=1, keepdim=True)
    broken = ~x.isfinite().all(dim=1)
    x = x.nan_to_num(0.0).clamp(0, 1).mul(255).round().to(torch.uint8)
    rgb: Pixels = x.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()
    rgb[broken.numpy()] = BROKEN
    return rgb


def _enlarge(pixels: Pixels, factor: int) -> Pixels:
    return pixels.repeat(factor, axis=1).repeat(factor, axis=2)


def cells(images: Tensor, width: float, limit: int = CELL_LIMIT) -> Pixels:
    """Return images `(N, C, H, W)` as pixels `(N, H', W', 3)`, crisp and of a size to look at.

    Small images are enlarged by the whole factor that brings them nearest to a width; large ones are shrunk by a
    whole factor until neither side is longer than `limit`.
    """
    height, own = images.shape[-2:]
    shrink = math.ceil(max(height, own) / limit)
    if shrink > 1:
        images = avg_pool2d(images.detach().to("cpu", torch.float32), shrink, ceil_mode=True)
    factor = min(math.floor(width / own + 0.5), 2 * limit // height)
    return _enlarge(_pixels(images), max(1, factor))


def sheet(pixels: Pixels, columns: int, pad: int) -> Pixels:
    """Lay pixels `(N, H, W, 3)` out in reading order, with `pad` pixels of paper between and around."""
    n, h, w, _ = pixels.shape
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    page = np.full((rows * (h + pad) + pad, columns * (w + pad) + pad, 3), PAPER, dtype=np.uint8)
    for i, image in enumerate(pixels):
        top, left = pad + i // columns * (h + pad), pad + i % columns * (w + pad)
        page[top : top + h, left : left + w] = image
    return page


def _check(images: Tensor) -> None:
    if images.ndim != 4 or images.numel() == 0:
        raise ValueError(f"expected images (N, C, H, W) with at least one pixel, got shape {tuple(images.shape)}")


def tile(images: Tensor, columns: int, pad: int = 2) -> Pixels:
    """Return a contact sheet `(H', W', 3)` of images `(N, C, H, W)` in [0, 1], row by row.

    Image `i` starts at row `pad + i // columns * (H + pad)` and column `pad + i % columns * (W + pad)`. A sheet has
    no more columns than images. One channel is grey, three are RGB, any other number shows its mean.
    """
    _check(images)
    return sheet(_pixels(images), columns, pad)


def save_grid(
    images: Tensor, path: Path, columns: int = 8, scale: int | None = None, title: str = "", note: str = ""
) -> None:
    """Write a contact sheet of images `(N, C, H, W)`; without a title, nothing but the images.

    Arguments:
        images: In [0, 1].
        path: Where the figure goes.
        columns: How many images a row has.
        scale: How many pixels of the file one pixel of an image takes along each side; by default as many as make
            the sheet at least 480 pixels wide.
        title: What is shown.
        note: A quieter line below the title.
    """
    _check(images)
    columns = min(columns, images.shape[0])
    own = images.shape[-1]
    wide = own * math.ceil(GRID_WIDTH / (columns * own))
    pixels = cells(images, wide) if scale is None else _enlarge(_pixels(images), scale)
    contact = sheet(pixels, columns, GAP)
    if not (title or note):
        write_bytes(path, encode(contact))
        return
    page = Page(contact.shape[1] - 2 * GAP, contact.shape[0] - 2 * GAP, title, note)
    page.image(-GAP, -GAP, contact)
    page.save(path)


def save_pairs(
    originals: Tensor,
    reconstructions: Tensor,
    path: Path,
    columns: int = 8,
    title: str = "Originals and their reconstructions",
    note: str = "",
) -> None:
    """Write originals `(N, C, H, W)`, each above its reconstruction."""
    if originals.shape != reconstructions.shape:
        shapes = f"{tuple(originals.shape)} and {tuple(reconstructions.shape)}"
        raise ValueError(f"originals and reconstructions differ in shape: {shapes}")
    rows = [
        (name, images[start : start + columns])
        for start in range(0, originals.shape[0], columns)
        for name, images in (("original", originals), ("reconstruction", reconstructions))
    ]
    _draw_rows(rows, path, title, note, None, band=2)


def save_rows(
    rows: Sequence[tuple[str, Tensor]],
    path: Path,
    title: str,
    headings: Sequence[str] | None = None,
    note: str = "",
) -> None:
    """Write rows of images `(n, C, H, W)`, each with its label at its left and, if given, a heading per column."""
    _draw_rows(rows, path, title, note, headings, band=len(rows))


def _draw_rows(
    rows: Sequence[tuple[str, Tensor]],
    path: Path,
    title: str,
    note: str,
    headings: Sequence[str] | None,
    band: int,
) -> None:
    if not rows:
        raise ValueError("no rows to draw")
    for _, images in rows:
        _check(images)
    count = max(images.shape[0] for _, images in rows)
    strips = [cells(images, min(ROW_WIDTH / count, 112)) for _, images in rows]
    step = max(strip.shape[2] for strip in strips) + GAP
    left = round(min(LABEL_WIDTH, max(measure(label) for label, _ in rows))) + 12
    gaps = [BAND if (i + 1) % band == 0 else GAP for i in range(len(rows))]
    heights = [strip.shape[1] + gap for strip, gap in zip(strips, gaps, strict=True)]
    tops = list(itertools.accumulate(heights, initial=round(2 * SMALL) if headings else 0))
    page = Page(left + count * step - GAP, tops[-1] - gaps[-1], title, note)
    for (label, _), strip, y in zip(rows, strips, tops, strict=False):
        page.text(left - 12, y + strip.shape[1] / 2, shorten(label, LABEL_WIDTH), align="right")
        page.image(left, y, sheet(strip, len(strip), GAP)[GAP:-GAP, GAP:-GAP])
    for i, words in enumerate(headings or ()):
        middle = left + i * step + (step - GAP) / 2
        page.text(middle, SMALL / 2 + 2, shorten(words, step, SMALL), size=SMALL, colour=MUTED, align="center")
    page.save(path)
