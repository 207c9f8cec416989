"""The interfaces: every part returns a distribution, a loss reads them, a model composes them.

Encoder   x (B, C, H, W)  ->  q(z|x)   batch (B,), event latent shape
Decoder   z (B, *latent)  ->  p(x|z)   batch (B,), event (C, H, W)
Prior     ()              ->  p(z)     batch (),   event latent shape
Loss      model, batch, step  ->  Terms, in nats per image
"""

from __future__ import annotations

__all__ = [
    "Batch",
    "Bijection",
    "Condition",
    "Conditional",
    "Decoder",
    "DecodesLatents",
    "Embeds",
    "Encoder",
    "ExactLikelihood",
    "FittedPrior",
    "LatentModel",
    "Likelihood",
    "Loss",
    "Measure",
    "Metric",
    "Model",
    "Network",
    "Part",
    "Player",
    "Posterior",
    "Prior",
    "Reconstructs",
    "SampleOptions",
    "Site",
    "Step",
    "TakesPrior",
    "Terms",
    "at_step",
    "given",
]

from zoo.interfaces.metrics import Measure, Metric
from zoo.interfaces.models import (
    Conditional,
    DecodesLatents,
    Embeds,
    ExactLikelihood,
    LatentModel,
    Model,
    Reconstructs,
    SampleOptions,
    TakesPrior,
    given,
)
from zoo.interfaces.parts import (
    Bijection,
    Condition,
    Decoder,
    Encoder,
    FittedPrior,
    Likelihood,
    Loss,
    Network,
    Part,
    Posterior,
    Prior,
    Site,
)
from zoo.interfaces.steps import Batch, Player, Step, Terms, at_step
