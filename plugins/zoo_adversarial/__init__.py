"""Losses with an adversary of their own, a discriminator of codes: FactorVAE and adversarial autoencoder."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """The losses."""
    yield PartSpec(
        kind="loss",
        name="factor",
        summary="The ELBO plus gamma times the total correlation, as a discriminator estimates it.",
        part="zoo_adversarial.factor:Factor",
        options="zoo_adversarial.options:FactorOptions",
        equation="loss = distortion + rate + gamma * TC(z), TC(z) = E_q[log D(z) - log(1 - D(z))]",
        paper="Kim & Mnih (2018), arXiv:1802.05983",
    )
    yield PartSpec(
        kind="loss",
        name="adversarial",
        summary="Distortion plus how well a discriminator tells codes from draws of the prior.",
        part="zoo_adversarial.adversarial:Adversarial",
        options="zoo_adversarial.options:AdversarialOptions",
        equation="loss = distortion + weight * E_q[-log D(z)]",
        paper="Makhzani et al. (2016), arXiv:1511.05644",
    )
