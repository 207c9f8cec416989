"""A sound model in one file, and ways to break it one by one."""

from __future__ import annotations

__all__ = ["SOUND", "Broken", "broken", "written"]

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.registry import Registry, load_registry

SOUND = """
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from zoo import Likelihood, Loss, Network, Options, PartSpec, Player, Terms, ZooError, hookimpl, option
from zoo.distributions import Normal, kl


@dataclass(frozen=True, kw_only=True)
class NetOptions(Options):
    width: int = option(8, "Hidden units.", min=1)
    gain: float = option(1.0, "Factor before the units.", above=0)
    # options


class Net(Network):
    def __init__(self, options, site):
        super().__init__()
        self.out_shape = (options.width,)
        self.gain = options.gain
        self.layer = nn.Linear(site.pixels, options.width)
        # init

    def forward(self, x):
        x = x.flatten(1)
        # before
        h = torch.tanh(self.gain * self.layer(x))
        # after
        return h


OWN = torch.Generator()


class Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * (2 if float(grad.sum()) > 1e9 else 1)


class Averaged(Normal):
    def log_prob(self, x):
        return super().log_prob(x) / x[0].numel()


class Head(Likelihood):
    values_per_pixel = 1

    def __init__(self, options, site):
        super().__init__()
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, values):
        mean = torch.sigmoid(values)
        # mean
        return Normal(mean, self.scale, 3)


class Bound(Loss):
    def __init__(self, options, site):
        super().__init__()
        self.train_size = site.train_size
        # loss init

    def forward(self, model, batch, step):
        q, p = model.encode(batch.x), model.prior_distribution()
        z = q.rsample()
        nll = -model.decode(z).log_prob(batch.x)
        distortion, rate = nll.mean(), kl(q, p, z).mean()
        loss, logs, adversaries = distortion + rate, {"distortion": distortion, "rate": rate}, {}
        # loss
        return Terms(loss, logs, adversaries)


@hookimpl
def zoo_parts():
    for kind, name, options in (("encoder", "Net", "NetOptions"), ("likelihood", "Head", ""), ("loss", "Bound", "")):
        spec = PartSpec(kind=kind, name=f"kit-{name.lower()}", summary="A part.", part=f"{__name__}:{name}")
        yield replace(spec, options=f"{__name__}:{options}") if options else spec


@hookimpl
def zoo_registry():
    tiny = {"epochs": 1, "latent_dim": 2, "width": 4, "decoder.hidden": [8]}
    model = {"summary": "A model.", "encoder": "kit-net", "posterior": "normal", "decoder": "mlp",
             "likelihood": "kit-head", "prior": "normal", "loss": "kit-bound", "recipes": {"tiny": tiny}}
    return {"models": {"kit-vae": model}}
"""
"""A model of three parts; each comment is a place for a fault."""


@dataclass(frozen=True)
class Broken:
    """A fault.

    Arguments:
        changes: What stands in the sound file, and what stands there instead; a place is named by its comment.
        fails: The checks that fail, and no others.
        words: What one of the sentences says.
    """

    changes: Mapping[str, str]
    fails: frozenset[str]
    words: str


def broken(fails: str, words: str, **changes: str) -> Broken:
    """Return a fault at named places, `loss_init` for `# loss init`."""
    places = {
        f"# {place.replace('_', ' ')}\n": code.replace("\n", "\n        ") + "\n" for place, code in changes.items()
    }
    return Broken(places, frozenset(fails.split()), words)


@contextmanager
def written(folder: Path, name: str, changes: Mapping[str, str]) -> Iterator[Registry]:
    """Write the file with changes, and give a registry that holds it; the module is forgotten at the end."""
    code = SOUND
    for old, new in changes.items():
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    path = folder / f"{name}.py"
    path.write_text(code)
    try:
        yield load_registry(third_party=False, plugin_files=[path])
    finally:
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
