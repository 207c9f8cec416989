"""Options of the losses with an adversary; imports no torch."""

from __future__ import annotations

__all__ = ["AdversarialOptions", "DiscriminatorOptions", "FactorOptions"]

from dataclasses import dataclass

from zoo import Options, Scheduled, option


@dataclass(frozen=True, kw_only=True)
class DiscriminatorOptions(Options):
    """Options of a discriminator of codes and of its optimiser."""

    width: int = option(1000, "Units in each hidden layer of the discriminator.", min=1)
    depth: int = option(6, "Hidden layers of the discriminator.", min=0)
    discriminator_lr: float = option(1e-4, "Learning rate of the discriminator; --lr is the model's alone.", above=0)
    discriminator_momentum: float = option(0.5, "The discriminator's --momentum.", min=0, below=1)
    discriminator_square_decay: float = option(0.9, "The discriminator's --square-decay.", min=0, below=1)
    discriminator_every: int = option(1, "The discriminator moves at each N-th step of the model.", min=1)


@dataclass(frozen=True, kw_only=True)
class FactorOptions(DiscriminatorOptions):
    """Options of the FactorVAE's loss."""

    gamma: Scheduled = option(10.0, "Weight of the total correlation.", min=0)


@dataclass(frozen=True, kw_only=True)
class AdversarialOptions(DiscriminatorOptions):
    """Options of the adversarial autoencoder's loss."""

    weight: Scheduled = option(10.0, "Weight of how well codes are told from draws of the prior.", min=0)
    width: int = option(256, "Units in each hidden layer of the discriminator.", min=1)
    depth: int = option(2, "Hidden layers of the discriminator.", min=0)
    discriminator_lr: float = option(2e-4, "Learning rate of the discriminator; --lr is the model's alone.", above=0)
