"""A page measured in pixels from its top left corner: what every figure is drawn on."""

from __future__ import annotations

__all__ = ["Page", "compact", "encode", "measure", "shorten", "wrap"]

import functools
import io
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray
from PIL import Image

from zoo.runs.files import write_bytes

# At 72 dots an inch a point is a pixel: sizes of type, lines and markers are all in pixels.
DPI = 72
FAMILY = "DejaVu Sans"
TITLE, TEXT, SMALL = 18.0, 14.0, 12.0
LINE = 1.35
INK, MUTED, RULE, SHADE = "#1f2328", "#59636e", "#d1d9e0", "#f3f5f7"
MARGIN = 24
MIN_WIDTH = 440

Align = Literal["left", "center", "right"]


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Return an image `(H, W, 3)` as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@functools.cache
def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(family=FAMILY, size=size, weight="bold" if bold else "normal")


@functools.cache
def _renderer() -> RendererAgg:
    return RendererAgg(8, 8, DPI)  # type: ignore[no-untyped-call]  # matplotlib's


@functools.cache
def _glyphs() -> frozenset[int]:
    return frozenset(font_manager.get_font(font_manager.findfont(_font(TEXT, False))).get_charmap())


def drawable(words: str) -> str:
    """Return the words on one line, with "?" for what the font cannot draw (matplotlib would warn)."""
    return "".join(c if ord(c) in _glyphs() else "?" for c in " ".join(words.split()))


def measure(words: str, size: float = TEXT, bold: bool = False) -> float:
    """Return how many pixels wide the words are."""
    font = _font(size, bold)
    return float(_renderer().get_text_width_height_descent(drawable(words), font, False)[0])  # type: ignore[no-untyped-call]  # matplotlib's


def shorten(words: str, width: float, size: float = TEXT, bold: bool = False) -> str:
    """Cut words to a width in their middle: names of runs differ at their ends."""
    short, keep = words, len(words)
    while measure(short, size, bold) > width and keep > 2:
        keep -= 1
        short = words[: (keep + 1) // 2].rstrip() + "…" + words[len(words) - keep // 2 :].lstrip()
    return short


def wrap(words: str, width: float, size: float = TEXT, bold: bool = False) -> list[str]:
    """Break words into lines no wider than a width; no words, no lines."""
    lines: list[str] = []
    for word in words.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and measure(joined, size, bold) <= width:
            lines[-1] = joined
        else:
            lines.append(shorten(word, width, size, bold))
    return lines


def compact(value: float, digits: int = 4) -> str:
    """Return a number for the eye: `12k`, `1.5M`, `0.0312`."""
    for start, unit, name in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if start <= abs(value) < 1e12:
            return f"{value / unit:.{digits}g}{name}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


class Page:
    """A white page with a title; places are in pixels from the top left of what lies below the title.

    Arguments:
        width: Of the content.
        height: Of the content.
        title: What is shown, in bold; may be empty.
        note: A second, quieter line, such as counts and units; may be empty.
    """

    def __init__(self, width: int, height: int, title: str = "", note: str = "") -> None:
        inner = max(width, MIN_WIDTH)
        titles, notes = wrap(title, inner, TITLE, bold=True), wrap(note, inner, TEXT)
        self._left, self._top = MARGIN, MARGIN
        head = len(titles) * TITLE * LINE + len(notes) * TEXT * LINE + (12 if titles or notes else 0)
        self._height = round(height + head) + 2 * MARGIN
        self.width = inner
        # A hair over whole pixels: the backend cuts, and 671.9999 would lose one.
        size = ((inner + 2 * MARGIN + 0.01) / DPI, (self._height + 0.01) / DPI)
        self.figure = Figure(figsize=size, dpi=DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self.figure)
        self._images: list[tuple[int, int, NDArray[np.uint8]]] = []
        self._head(titles, notes)
        self._top += round(head)

    def _head(self, titles: list[str], notes: list[str]) -> None:
        y = 0.0
        for line in titles:
            self.text(0, y + TITLE * LINE / 2, line, size=TITLE, bold=True)
            y += TITLE * LINE
        for line in notes:
            self.text(0, y + TEXT * LINE / 2 + 2, line, colour=MUTED)
            y += TEXT * LINE

    def _place(self, x: float, y: float) -> tuple[float, float]:
        return self._left + x, self._height - self._top - y

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = TEXT,
        colour: str = INK,
        align: Align = "left",
        bold: bool = False,
        turned: bool = False,
    ) -> None:
        """Write words on one line, centred on the height `y`; `turned` words run upwards."""
        # The middle of a line does not move with its letters' tails, so that neighbours stand on one line.
        place = self._place(x, y) if turned else self._place(x, y + 0.36 * size)
        self.figure.text(
            *place,
            drawable(words),
            transform=IdentityTransform(),
            font=_font(size, bold),
            color=colour,
            ha=align,
            va="center" if turned else "baseline",
            rotation=90 if turned else 0,
            parse_math=False,
        )

    def image(self, x: int, y: int, pixels: NDArray[np.uint8]) -> None:
        """Put an image `(H, W, 3)` on top of the page, one of its pixels on one of the page's."""
        # Pasted at the end: matplotlib would resample them, slowly, in ten times their memory.
        self._images.append((self._left + x, self._top + y, pixels))

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a box with a colour."""
        place = self._place(x, y + height)
        self.figure.add_artist(
            Rectangle(place, width, height, color=colour, linewidth=0, transform=IdentityTransform())
        )

    def mark(self, x: float, y: float, marker: str, colour: str, size: float = 9) -> None:
        """Draw one marker of a legend."""
        left, top = self._place(x, y)
        line = Line2D([left], [top], marker=marker, color=colour, markersize=size, markeredgewidth=0, linestyle="none")
        line.set_transform(IdentityTransform())
        self.figure.add_artist(line)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Return axes that fill a box, in the house style: a light frame on two sides, quiet ticks."""
        left, bottom = self._place(x, y + height)
        full_width, full_height = self.figure.bbox.size
        box = (left / full_width, bottom / full_height, width / full_width, height / full_height)
        axes = self.figure.add_axes(box)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(RULE)
        axes.tick_params(
            which="both", length=0, pad=6, labelsize=SMALL, labelcolor=MUTED, labelfontfamily=FAMILY, color=RULE
        )
        axes.set_axisbelow(True)
        return axes

    def save(self, path: Path) -> None:
        """Write the page as a PNG file, all of it or nothing."""
        self._canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib's
        page = np.asarray(self._canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]  # matplotlib's
        for left, top, pixels in self._images:
            place = page[top : top + pixels.shape[0], left : left + pixels.shape[1]]
            place[:] = pixels[: place.shape[0], : place.shape[1]]
        write_bytes(path, encode(page))
