"""Samples beside the training images nearest to them, so that a model that has learnt images by heart shows."""

from __future__ import annotations

__all__ = ["Neighbours", "nearest_training"]

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo.data.split import hold_out, spread
from zoo.evaluation.blocks import subject_of
from zoo.evaluation.runs import images_for
from zoo.interfaces import Batch
from zoo.registry import Registry
from zoo.runs.folder import Run
from zoo.runs.loading import load_model, step_of
from zoo.training.randomness import isolated


@dataclass(frozen=True)
class Neighbours:
    """Samples of a model, and for each the training image nearest to it.

    Arguments:
        samples: `(N, C, H, W)` in [0, 1].
        nearest: The training images, `(N, C, H, W)`.
        distance: The Euclidean distance over all pixels, `(N,)`.
        index: Which training images they are, `(N,)`.
        searched: Among how many training images they were looked for; of a large set, some at even distances.
        of_test: The distance of as many test images to the training images nearest to them, `(N,)`: what an image
            that was not learnt by heart has.
    """

    samples: Tensor
    nearest: Tensor
    distance: Tensor
    index: Tensor
    searched: int
    of_test: Tensor


def nearest_training(registry: Registry, run: Run, count: int = 16, seed: int = 0) -> Neighbours:
    """Return samples of a run's model with the training images nearest to them.

    Arguments:
        registry: Where the run's parts and data are found.
        run: The run.
        count: How many samples, and test images.
        seed: Seed of the samples.

    Raises:
        ZooError: If the model or its data cannot be had here.
    """
    model = load_model(run, registry)
    images, options = images_for(registry, run)
    if options.val_fraction:
        # What was held back was not trained on.
        train, _ = hold_out(images.train, options.val_fraction, run.metadata["training"]["seed"])
        images = replace(images, train=train)
    train, places = spread(images.train)
    images = replace(images, train=train)
    subject = subject_of(model, images, options, step_of(run), torch.device("cpu"), seed)
    with torch.no_grad(), isolated(seed):
        samples = model.sample(count)
        test = torch.cat([batch.x for batch in subject.test(count)])
        distance, index, nearest = _nearest(torch.cat([samples, test]), subject.train())
    return Neighbours(samples, nearest[:count], distance[:count], places[index[:count]], len(train), distance[count:])


def _nearest(x: Tensor, batches: Iterable[Batch]) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each of `x`, `(N, C, H, W)`, the distance to the nearest image, its index, and the image itself."""
    distance = torch.full((len(x),), torch.inf)
    index, nearest = torch.zeros(len(x), dtype=torch.long), torch.zeros_like(x)
    for batch in batches:
        # By products of matrices it would be quicker, and two equal images would not be at distance zero.
        found = torch.cdist(x.flatten(1), batch.x.flatten(1), compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
        closer = found.values < distance
        distance[closer] = found.values[closer]
        index[closer] = batch.index.to(index)[found.indices[closer]]
        nearest[closer] = batch.x[found.indices[closer]]
    return distance, index, nearest
