"""Priors fitted after training: codes of the training images, a density over them, a file beside the weights."""

from __future__ import annotations

__all__ = ["fit_prior"]

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from zoo.assembly import build_fitted_prior
from zoo.data.images import ImageSet
from zoo.data.options import DataOptions
from zoo.data.split import hold_out, select
from zoo.device import choose_device
from zoo.distributions import Distribution
from zoo.errors import ZooError
from zoo.evaluation.blocks import BLOCK
from zoo.evaluation.runs import images_for
from zoo.interfaces import LatentModel, Model, TakesPrior, given
from zoo.registry import Registry
from zoo.runs.folder import Run
from zoo.runs.loading import load_model, place, save_prior
from zoo.runs.origin import keep_files
from zoo.settings import options_class
from zoo.specs import FITTED_PRIOR
from zoo.training.feed import Feed
from zoo.training.randomness import isolated

_HELD_OUT = 0.1
"""The share of the codes that no prior is fitted to, and that its likelihood is told of."""


def fit_prior(
    registry: Registry,
    run: Run,
    name: str,
    options: Mapping[str, Any],
    *,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Run:
    """Fit a prior to a run's codes, write it into the run, and return the run with it.

    The codes are one draw of q(z|x) for each image that the run was trained on, in eval mode; the point itself where
    q(z|x) has no density.

    Arguments:
        registry: Where parts and data sets are found.
        run: The run.
        name: The prior, a part of kind `fitted-prior`.
        options: Its options by name.
        limit: Take this many of the training images, drawn by the seed.
        seed: Seed of the codes and of the fit.
        device: Where to compute.

    Raises:
        ZooError: If there is no such prior or option, the model has no codes, or no density can be fitted to them.
    """
    entry = registry.part(FITTED_PRIOR, name)
    chosen = options_class(entry, FITTED_PRIOR).from_dict(options)
    where = choose_device(device)
    images, reading = _training_images(registry, run)
    model = place(load_model(Run(run.path, run.weights), registry), where)
    if not isinstance(model, TakesPrior):
        raise ZooError(f"{run.path} takes no other prior: a {run.metadata['model']} has no codes to fit one to")
    with isolated(seed):
        codes, held = _codes(model, images, reading, limit, where)
        declared = _log_likelihood(model.prior_distribution(), held)
        prior = build_fitted_prior(registry, name, chosen, replace(model.prior_site, train_size=len(codes))).to(where)
        # Before the fit, so that a misfit of supports is told at once.
        model.take_prior(prior)
        prior.fit(codes)
        fitted = _log_likelihood(prior.eval()(), held)
    if not math.isfinite(fitted):
        raise ZooError(f"prior '{name}' does not fit: it gives held-out codes the log-likelihood {fitted}; try another")
    facts = {
        "prior": name,
        "options": chosen.to_dict(),
        "provider": entry.source.to_dict(),
        "seed": seed,
        "codes": len(codes),
        "held_out": len(held),
        # JSON has no infinity.
        "log_likelihood": {"fitted": fitted, "declared": declared if math.isfinite(declared) else None},
        "data": images.name,
    }
    files = [file for file in registry.plugins.files if file.digest == entry.source.digest]
    if files and run.whole:
        run.write_config({**run.settings, "plugin_files": keep_files(run, files)})
    save_prior(run, name, prior, facts)
    return run.with_prior(name)


def _training_images(registry: Registry, run: Run) -> tuple[ImageSet, DataOptions]:
    """Return the images that a run was trained on, without those that it held out."""
    images, reading = images_for(registry, run)
    if reading.val_fraction:
        train, _ = hold_out(images.train, reading.val_fraction, run.metadata["training"]["seed"])
        images = replace(images, train=train)
    return images, replace(reading, augment="none")


@torch.no_grad()
def _codes(
    model: Model, images: ImageSet, reading: DataOptions, limit: int | None, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the codes `(N, *latent)` to fit to, and those held out."""
    chosen = torch.randperm(len(images.train))[:limit]
    if len(chosen) < 2:
        raise ZooError("a prior is fitted to the codes of two images at the least; give --limit more of them")
    feed = Feed(images, select(images.train, chosen), reading, BLOCK, 0)
    codes = torch.cat([_drawn(model, batch.x.to(device), _on(batch.y, device)) for batch in feed.in_order()])
    if not codes.isfinite().all():
        raise ZooError("some codes of this run are not finite numbers; train it again with a lower --lr, or --clip 1")
    held = max(1, round(_HELD_OUT * len(codes)))
    return codes[held:], codes[:held]


def _drawn(model: Model, x: Tensor, y: Mapping[str, Tensor]) -> Tensor:
    told = given(model, y)
    assert isinstance(told, LatentModel)
    return told.encode(x).sample()


def _on(y: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in y.items()}


@torch.no_grad()
def _log_likelihood(p: Distribution, codes: Tensor) -> float:
    """Return the mean log-density of codes, in nats per image."""
    return float(torch.cat([p.log_prob(block) for block in torch.split(codes, BLOCK)]).double().mean())
