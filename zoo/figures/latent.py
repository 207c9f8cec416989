"""The latent space as a map: one point per image, coloured by what is known of it."""

from __future__ import annotations

__all__ = ["project", "save_latent"]

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from torch import Tensor

from zoo.figures.canvas import FAMILY, INK, MUTED, SMALL, TEXT, Page, compact, measure, shorten
from zoo.figures.points import PLAIN, SCALE, Key, Palette, frame, scatter
from zoo.figures.projection import Method, Projection, principal_plane, project

SIDE, LEFT, FOOT, LEGEND_GAP, LEGEND_LINE = 560, 56, 56, 24, 24
LEGEND_WIDTH, BAR_WIDTH = 170, 70
PRIOR = "#a9b1ba"
PRIOR_KEY = Key("prior samples", PRIOR, "o")
NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
# Names of classes of so many points are written on the map itself where these stand apart, in parts of its side.
NAMED, APART = 20, 0.05

Floats = NDArray[np.float64]


def save_latent(
    z: Tensor,
    labels: Tensor | None,
    path: Path,
    method: Method = "pca",
    label_name: str = "label",
    seed: int = 0,
    prior_samples: Tensor | None = None,
    title: str = "Latent space",
    axes: tuple[str, str] | None = None,
) -> None:
    """Write a map of codes `(N, d)`, coloured by labels `(N,)`.

    Whole-number labels of up to 20 kinds are classes with a legend, others a scale with a bar. Codes of two
    dimensions are drawn as they are; codes of one, as histograms. Samples of the prior `(M, d)` lie below in grey.
    Where codes have a map of their own, `z` is their places on it, `(N, 2)`, and `axes` says what these are.
    """
    if z.ndim != 2 or (labels is not None and labels.numel() != z.shape[0]):
        raise ValueError("expected codes (N, d) and one label each")
    finite = z.detach().isfinite().all(dim=1)
    lost = int((~finite).sum())
    z, labels = z[finite], None if labels is None else labels.reshape(-1)[finite.to(labels.device)]
    prior = z[:0] if prior_samples is None else prior_samples.detach().to(z)
    prior = prior[prior.isfinite().all(dim=1)]
    palette = Palette.of([labels])
    n, d = z.shape
    if d == 1 and not palette.classes:
        # A histogram has no colours for a scale.
        palette, labels = Palette(), None
    title = _title(title, d, method, None if labels is None else label_name, axes)
    note = f"{n:,} code{'s' * (n != 1)}" + (f"; {lost:,} more are not finite and left out" if lost else "")
    if n == 0:
        page = Page(0, 0, title, note)
    elif d == 1:
        page = Page(LEFT + SIDE, SIDE + FOOT, title, note)
        _ridges(page.axes(LEFT, 0, SIDE, SIDE), z, labels, palette, prior)
    else:
        keys = [*palette.keys, *([PRIOR_KEY] if len(prior) else [])]
        page = Page(LEFT + SIDE + _legend_width(keys, label_name, palette), SIDE + FOOT, title, note)
        _legend(page, keys, label_name, palette)
        _map(page.axes(LEFT, 0, SIDE, SIDE), z, labels, palette, method, seed, prior, axes)
    page.save(path)


def _title(title: str, d: int, method: Method, label_name: str | None, axes: tuple[str, str] | None) -> str:
    shown = f"{NAMES.get(method, method)} of {d} dimensions" if d > 2 else f"{d} dimension{'s' * (d > 1)}"
    shown = " and ".join(axes) if axes else shown
    return f"{title}, {shown}" + (f", {'coloured ' * (d > 1)}by {label_name}" if label_name else "")


def _legend_width(keys: list[Key], label_name: str, palette: Palette) -> int:
    names = [measure(key.name) + 20 for key in keys]
    heading = [measure(label_name, bold=True)] if palette.classes or palette.bounds else []
    bar = [float(BAR_WIDTH)] if palette.bounds else []
    return LEGEND_GAP + min(LEGEND_WIDTH, round(max(names + heading + bar))) if names or heading else 0


def _legend(page: Page, keys: list[Key], label_name: str, palette: Palette) -> None:
    x, y = LEFT + SIDE + LEGEND_GAP, 8.0
    if palette.classes or palette.bounds:
        page.text(x, y, shorten(label_name, LEGEND_WIDTH, TEXT, bold=True), bold=True)
        y += LEGEND_LINE
    if palette.bounds:
        _bar(page, x, y, palette)
        y += SIDE / 2 + LEGEND_LINE
    for key in keys:
        page.mark(x + 6, y, key.marker, key.colour)
        page.text(x + 20, y, shorten(key.name, LEGEND_WIDTH - 24))
        y += LEGEND_LINE


def _bar(page: Page, x: float, y: float, palette: Palette) -> None:
    axes = page.axes(x, y, 16, SIDE / 2)
    ticks = FuncFormatter(lambda value, _: compact(value))
    bar = page.figure.colorbar(ScalarMappable(palette.norm, SCALE), cax=axes, format=ticks)
    bar.outline.set_visible(False)
    axes.tick_params(length=0, pad=6, labelsize=SMALL, labelcolor=MUTED, labelfontfamily=FAMILY)


def _map(
    axes: Axes,
    z: Tensor,
    labels: Tensor | None,
    palette: Palette,
    method: Method,
    seed: int,
    prior: Tensor,
    own_names: tuple[str, str] | None,
) -> None:
    (xy, names), prior_xy = _places(z, method, seed, prior)
    frame(axes, np.concatenate([xy, prior_xy]))
    if len(prior_xy):
        axes.scatter(prior_xy[:, 0], prior_xy[:, 1], s=16, c=PRIOR, alpha=0.45, linewidths=0)
    scatter(axes, xy, labels, palette, SIDE)
    _names(axes, xy, labels, palette)
    _axis_labels(axes, own_names or names)
    if z.shape[1] > 2 and method != "pca":
        # Distances in these maps have no unit.
        axes.set_xticks([])
        axes.set_yticks([])


def _places(z: Tensor, method: Method, seed: int, prior: Tensor) -> tuple[Projection, Floats]:
    """Return codes and samples of the prior on one map."""
    if z.shape[1] == 2:
        xy, more = (each.detach().to("cpu").double().numpy() for each in (z, prior))
        return Projection(xy, ("z1", "z2")), more
    if method == "pca":
        return project(z, method, seed), principal_plane(z).coordinates(prior).numpy()
    together = project(torch.cat([z, prior]), method, seed)
    return Projection(together.xy[: len(z)], together.axes), together.xy[len(z) :]


def _names(axes: Axes, xy: Floats, labels: Tensor | None, palette: Palette) -> None:
    """Write the names of classes that stand apart where they are, so that the map can be read without its colours."""
    if labels is None or not palette.classes:
        return
    values = labels.detach().cpu().numpy()
    centres = np.array([np.median(xy[values == value], axis=0) for value in palette.classes])
    gaps = np.abs(centres[:, None] - centres).max(axis=2)
    np.fill_diagonal(gaps, np.inf)
    # A name must hide only a few of the points that it stands for.
    many = np.array([(values == value).sum() >= NAMED for value in palette.classes])
    alone = many & (gaps.min(axis=1) > APART * (axes.get_xlim()[1] - axes.get_xlim()[0]))
    for (x, y), value in zip(centres[alone], np.array(palette.classes)[alone], strict=True):
        text = axes.text(x, y, str(value), size=17, weight="bold", family=FAMILY, color=INK, ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=4, foreground="white")])


def _axis_labels(axes: Axes, names: tuple[str, str]) -> None:
    axes.set_xlabel(names[0], labelpad=8, size=TEXT, color=MUTED, family=FAMILY)
    axes.set_ylabel(names[1], labelpad=8, size=TEXT, color=MUTED, family=FAMILY)


def _ridges(axes: Axes, z: Tensor, labels: Tensor | None, palette: Palette, prior: Tensor) -> None:
    """Draw how codes of one dimension `(N, 1)` are spread: one histogram a class, each as high as its row."""
    values = _line(z)
    kinds = None if labels is None else labels.detach().cpu().numpy()
    groups = [(key.name, key.colour, values[kinds == int(key.name)]) for key in palette.keys] or [("", PLAIN, values)]
    if len(prior):
        groups.append(("prior", PRIOR, _line(prior)))
    every = np.concatenate([group for _, _, group in groups])
    edges = np.histogram_bin_edges(every, bins=min(60, len(values) // 20 + 5))
    for base, (_, colour, group) in enumerate(reversed(groups)):
        counts = np.histogram(group, edges)[0]
        axes.stairs(base + 0.85 * counts / max(1, counts.max()), edges, baseline=base, color=colour, fill=True)
    axes.set_ylim(0, len(groups))
    axes.set_yticks([len(groups) - 1 - i + 0.3 for i in range(len(groups))], [name for name, _, _ in groups])
    _axis_labels(axes, ("z1", "share of codes, each row on its own scale"))


def _line(z: Tensor) -> Floats:
    return z.detach().to("cpu").double().numpy()[:, 0]
