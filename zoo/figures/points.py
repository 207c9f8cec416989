"""Points on a map, in colours that say which class or value each has: the same in every panel of a figure."""

from __future__ import annotations

__all__ = ["SCALE", "Key", "Palette", "frame", "scatter"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize, to_rgba_array
from numpy.typing import NDArray
from torch import Tensor

# Ten colours searched for the largest least distance (Oklab) between any two, as seen with normal vision and as
# simulated without red or green cones (Machado et al., 2009): 0.12, where common sets of ten have 0.01 to 0.06.
CLASS_COLOURS = (
    "#428eff", "#de9800", "#932c03", "#8108e4", "#058e5c", "#86deeb", "#372a3c", "#c873ab", "#9ee92c", "#2b5c97",
)  # fmt: skip
# The second ten classes have the same colours and another marker.
MARKERS = ("o", "^")
MAX_CLASSES = len(CLASS_COLOURS) * len(MARKERS)
PLAIN, UNKNOWN = "#2a6fbb", "#c4cad0"
# The end of viridis is too bright for small marks on white.
SCALE = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.93, 256)), name="zoo-scale")

Floats = NDArray[np.float64]


class Key(NamedTuple):
    """One entry of a legend."""

    name: str
    colour: str
    marker: str


def _values(labels: Tensor) -> Floats:
    return labels.detach().to("cpu").double().reshape(-1).numpy()


@dataclass(frozen=True)
class Palette:
    """How labels are coloured: by class, along a scale, or not at all.

    Arguments:
        classes: The classes in order; empty where labels are not classes.
        bounds: The ends of the scale; None where labels are no scale.
    """

    classes: tuple[int, ...] = ()
    bounds: tuple[float, float] | None = None

    @classmethod
    def of(cls, labels: Sequence[Tensor | None]) -> Palette:
        """Return one palette for several sets of labels `(N,)`: whole numbers of up to 20 kinds are classes."""
        given = [each for each in labels if each is not None and each.numel()]
        values = np.concatenate([_values(each) for each in given]) if given else np.empty(0)
        values = np.unique(values[np.isfinite(values)])
        if len(values) == 0:
            return cls()
        if len(values) <= MAX_CLASSES and not any(each.is_floating_point() for each in given):
            return cls(classes=tuple(int(value) for value in values))
        return cls(bounds=(float(values[0]), float(values[-1])))

    @property
    def norm(self) -> Normalize:
        """The scale's norm, with some width even where all values are equal."""
        low, high = self.bounds or (0.0, 1.0)
        return Normalize(low, high) if high > low else Normalize(low - 0.5, low + 0.5)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The legend: one entry a class."""
        return tuple(self._key(i, str(name)) for i, name in enumerate(self.classes))

    def _key(self, i: int, name: str) -> Key:
        return Key(name, CLASS_COLOURS[i % len(CLASS_COLOURS)], MARKERS[i // len(CLASS_COLOURS)])

    def colours(self, labels: Tensor | None, n: int) -> Floats:
        """Return the colours `(n, 4)` of labels `(n,)`; a label that is not finite is grey."""
        if labels is None or not (self.classes or self.bounds):
            return np.repeat(to_rgba_array(PLAIN), n, axis=0)
        values = _values(labels)
        colours = np.repeat(to_rgba_array(UNKNOWN), n, axis=0)
        known = np.isfinite(values)
        if self.classes:
            chosen = to_rgba_array([key.colour for key in self.keys])[np.searchsorted(self.classes, values[known])]
        else:
            chosen = SCALE(np.asarray(self.norm(values[known])))
        colours[known] = chosen
        return colours

    def markers(self, labels: Tensor | None, n: int) -> NDArray[np.int64]:
        """Return which of `MARKERS` each label `(n,)` has."""
        if labels is None or not self.classes:
            return np.zeros(n, dtype=np.int64)
        return np.searchsorted(self.classes, _values(labels)) // len(CLASS_COLOURS)


def scatter(axes: Axes, xy: Floats, labels: Tensor | None, palette: Palette, side: float) -> None:
    """Draw points `(N, 2)` into a panel `side` pixels wide, larger and more opaque the fewer there are."""
    n = len(xy)
    size = min(10.0, 3 + 90 / math.sqrt(n)) * max(0.6, min(1.0, side / 560))
    alpha = min(0.9, max(0.5, 45 / math.sqrt(n)))
    colours, markers = palette.colours(labels, n), palette.markers(labels, n)
    # Data sets are often sorted by class: in their order the last class would hide the others.
    order = np.random.default_rng(0).permutation(n)
    for i, marker in enumerate(MARKERS):
        chosen = order[markers[order] == i]
        if len(chosen):
            x, y = xy[chosen].T
            axes.scatter(x, y, c=colours[chosen], s=size**2, marker=marker, alpha=alpha, linewidths=0)


def frame(axes: Axes, xy: Floats) -> None:
    """Set limits so that a unit is as long on both axes of a square panel and all points `(N, 2)` are inside."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * 1.05
    half = half if half > 1e-9 * (1 + float(np.abs(middle).max())) else 1.0
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)
