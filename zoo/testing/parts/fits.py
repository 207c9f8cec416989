"""Checks of fitted priors: what a fit finds, and whether it comes back."""

from __future__ import annotations

__all__ = [
    "file_brings_the_fit_back",
    "fit_draws_from_torch_alone",
    "fit_raises_the_likelihood",
    "takes_its_place_in_a_model",
    "too_few_codes_are_refused",
]

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from zoo.errors import ZooError
from zoo.interfaces import FittedPrior
from zoo.runs.weights import read_tensors, write_tensors
from zoo.testing.check import require
from zoo.testing.parts.fitted import FittedHome


def takes_its_place_in_a_model(home: FittedHome) -> None:
    """It is a `zoo.FittedPrior`, and gives a density in the place of a model's prior before it is fitted."""
    _ = home.settings
    prior = home.new()
    require(isinstance(prior, FittedPrior), f"{type(prior).__name__} is no zoo.FittedPrior; derive it from that")
    with torch.no_grad():
        z = prior().sample((3,))
    wanted = (3, *home.codes.shape[1:])
    require(tuple(z.shape) == wanted, f"draws codes of shape {tuple(z.shape)} before it is fitted, not {wanted}")


def fit_raises_the_likelihood(home: FittedHome) -> None:
    """Codes that were held out are likelier after the fit than before."""
    before, after = (_likelihood(prior, home.held_out) for prior in (home.new(), home.fitted))
    require(
        after == after and abs(after) < float("inf"), f"held-out codes have a log-likelihood of {after} after the fit"
    )
    require(
        after > before,
        f"held-out codes have a log-likelihood of {after:.4g} nats after the fit, and {before:.4g} before it",
    )


def file_brings_the_fit_back(home: FittedHome) -> None:
    """A file of its parameters and buffers brings the density back to the bit."""
    again = home.new()
    with TemporaryDirectory() as folder:
        path = Path(folder, "prior.safetensors")
        write_tensors(path, home.fitted.state_dict(), {})
        tensors, _ = read_tensors(path)
    try:
        again.load_state_dict(tensors)
    except RuntimeError as error:
        require(False, f"its tensors have other shapes after the fit ({error}); let options and site alone say them")
    with torch.no_grad():
        same = again.eval()().log_prob(home.held_out).equal(home.fitted().log_prob(home.held_out))
    require(
        same, "its density is another one after saving and loading; keep what a fit finds in parameters and buffers"
    )


def fit_draws_from_torch_alone(home: FittedHome) -> None:
    """The same seed of torch gives the same fit to the bit, whatever other generators are at."""
    random.seed(17)
    np.random.seed(17)
    again = home.fit(home.new())
    with torch.no_grad():
        same = again().log_prob(home.held_out).equal(home.fitted().log_prob(home.held_out))
    require(same, "the same seed fits another density; draw from torch's default generator alone")


def too_few_codes_are_refused(home: FittedHome) -> None:
    """A single code gives a finite density or a ZooError, and nothing else."""
    prior = home.new()
    one = home.codes[:1]
    try:
        prior.fit(one)
    except ZooError:
        return
    except Exception as error:
        require(False, f"a single code raises {type(error).__name__}; raise a ZooError that asks for more")
    with torch.no_grad():
        found = prior.eval()().log_prob(one)
    require(found.isfinite().all(), f"a single code gives a log-density of {float(found[0])}; raise a ZooError")


@torch.no_grad()
def _likelihood(prior: FittedPrior, codes: Tensor) -> float:
    """Return the mean log-density of codes, in nats per image."""
    return float(prior().log_prob(codes).double().mean())
