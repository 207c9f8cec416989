"""One figure of all models of a comparison: originals, reconstructions, samples, latent space."""

from __future__ import annotations

__all__ = ["draw_comparison"]

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.data.images import ImageSet
from zoo.data.options import DataOptions
from zoo.evaluation.blocks import figure_batches
from zoo.figures.compare import ComparisonColumn, save_comparison
from zoo.figures.gallery import codes
from zoo.figures.projection import project
from zoo.interfaces import Batch, Embeds, Model, Reconstructs, given
from zoo.registry import Registry
from zoo.runs.folder import Run
from zoo.runs.loading import load_model
from zoo.training.randomness import isolated

SHOWN, CODES = 16, 2000


def draw_comparison(
    path: Path,
    registry: Registry,
    runs: Sequence[tuple[str, Run]],
    images: ImageSet,
    options: DataOptions,
    data: str,
    note: str = "",
) -> None:
    """Write the side-by-side figure of named runs on one data set, with a note below its title."""
    batches = figure_batches(images, options, torch.device("cpu"), min(CODES, len(images.test)))
    columns = [_column(name, load_model(run, registry), batches) for name, run in runs]
    originals = batches[0].x[:SHOWN]
    label = next(iter(batches[0].y), "label")
    save_comparison(path, originals, columns, f"Models on {data}", note, label_name=label)


def _column(name: str, model: Model, batches: Sequence[Batch]) -> ComparisonColumn:
    first = batches[0].x[:SHOWN]
    label = next(iter(batches[0].y), None)
    with isolated(0):
        samples = model.sample(SHOWN)
    told = given(model, {name: value[:SHOWN] for name, value in batches[0].y.items()})
    return ComparisonColumn(
        name,
        reconstructions=told.reconstruct(first) if isinstance(told, Reconstructs) else None,
        samples=samples,
        latent=_places(model, batches) if isinstance(model, Embeds) else None,
        labels=torch.cat([batch.y[label] for batch in batches]) if label is not None else None,
    )


def _places(model: Model, batches: Sequence[Batch]) -> NDArray[np.float64]:
    z = codes(model, batches)
    chart = cast(Embeds, model).latent_geometry.chart(z.shape[1])
    return project(z).xy if chart is None else chart.places(z).double().numpy()
