"""What a model minimises, as an equation with its numbers, and what they would be on other libraries' scales."""

from __future__ import annotations

__all__ = ["Explanation", "explain"]

import math
from dataclasses import dataclass
from typing import Any

from zoo.registry import Registry
from zoo.schedules import Schedule
from zoo.settings import Settings

_WORDS = (
    ("x, z", "", "an image, and its code"),
    ("q(z|x)", "posterior", "the posterior: what the encoder says of the code of x"),
    ("p(x|z)", "likelihood", "the likelihood: what the decoder says of the image of z"),
    ("p(z)", "prior", "the prior: what codes look like before any image is seen"),
    ("distortion", "likelihood", "E_q[-log p(x|z)], summed over pixels, mean over images, in nats per image"),
    ("rate", "posterior", "KL(q(z|x) || p(z)), summed over latents, mean over images, in nats per image"),
    ("elbo", "posterior", "-(distortion + rate) of the normalised model: a lower bound on log p(x), in nats per image"),
)
"""Words and what they mean, each with the role without which it means nothing."""


@dataclass(frozen=True)
class Explanation:
    """What `zoo explain` says.

    Arguments:
        equations: The equation of each role that has one, by role.
        values: The loss's options as they are set.
        meaning: What the numbers mean, one sentence each.
        scales: The same setting on other libraries' scales, by library.
        glossary: The words of this kind of model.
    """

    equations: dict[str, str]
    values: dict[str, Any]
    meaning: tuple[str, ...]
    scales: dict[str, str]
    glossary: dict[str, str]


def explain(registry: Registry, settings: Settings, pixels: int) -> Explanation:
    """Explain a model's objective at its settings, for images of a number of pixels.

    Arguments:
        registry: Where parts are found.
        settings: The model and its options.
        pixels: Values in one image, C × H × W.
    """
    spec = settings.model
    composition = registry.composition(spec.composition)
    roles = composition.filled(spec.parts)
    equations = {role.name: registry.part(role.kind, spec.parts[role.name]).item.equation for role in roles}
    values = settings.options["loss"].to_dict() if "loss" in settings.options else {}
    beta = values.get("beta")
    has_beta = spec.parts.get("loss") == "elbo" and isinstance(beta, int | float) and beta > 0
    likelihood = spec.parts.get("likelihood")
    return Explanation(
        equations={role: text for role, text in equations.items() if text},
        values=values,
        meaning=(
            *_meaning(settings, likelihood, beta if has_beta else None, pixels),
            *([] if "loss" in spec.parts else [f"No part is a loss. The kind of model sets it: {composition.summary}"]),
        ),
        scales=_scales(likelihood, beta, pixels) if has_beta and isinstance(beta, int | float) else {},
        glossary={word: text for word, role, text in _WORDS if not role or role in spec.parts},
    )


def _meaning(settings: Settings, likelihood: str | None, beta: float | None, pixels: int) -> list[str]:
    lines = [
        f"Every term is summed over {pixels} pixels (or over latents) and averaged over images: nats per image.",
    ]
    if likelihood == "mse" and beta is not None:
        variance = beta / 2
        lines += [
            f"The squared error with beta {beta:g} is a Gaussian likelihood of variance beta / 2 = {variance:g} "
            f"(standard deviation {math.sqrt(variance):.4g}) with a beta of 1.",
            f"A latent is worth keeping while it saves more than beta / 2 = {variance:g} of squared error per image.",
        ]
    elif beta is not None and beta != 1:
        lines.append(
            f"With beta {beta:g} the objective is no likelihood bound: a nat of rate costs as much as "
            f"{beta:g} nats of distortion. The elbo is reported beside it."
        )
    elif beta is not None:
        lines.append("With beta 1 the objective is minus the evidence lower bound.")
    if likelihood == "bernoulli" and settings.data_options.binarize == "none":
        lines.append("On grey pixels a Bernoulli distortion has a floor: the pixels' own entropy, 45.5 nats on MNIST.")
    lines += [f"{name} is scheduled: {value}." for name, value in _schedules(settings)]
    return lines


def _schedules(settings: Settings) -> list[tuple[str, str]]:
    options = settings.options.get("loss")
    values = vars(options) if options is not None else {}
    return [(name, value.text) for name, value in values.items() if isinstance(value, Schedule)]


def _scales(likelihood: str | None, beta: float, pixels: int) -> dict[str, str]:
    if likelihood == "mse":
        return {
            "zoo": f"sum of squares + {beta:g} * KL",
            "mean squared error": f"mean MSE + {beta / pixels:.4g} * KL   (both terms divided by {pixels} pixels)",
            "pythae": f"beta {beta / 2:g}   (half the sum of squares + beta * KL)",
            "PyTorch-VAE": f"kld_weight {beta / pixels:.4g}   (mean MSE + kld_weight * KL)",
            "Gaussian likelihood": f"variance {beta / 2:g}, beta 1   (sum of squares / (2 * variance) + KL)",
            "mean KL": f"mean MSE + w * mean KL over d latents has w = {beta / pixels:.4g} * d",
        }
    return {
        "zoo": f"sum of -log p + {beta:g} * KL",
        "pythae": f"beta {beta:g}   (the same sum for bce)",
        "keras example": f"kl_weight {beta:g}   (binary cross-entropy summed over pixels)",
        "mean cross-entropy": f"mean BCE + {beta / pixels:.4g} * KL   (both terms divided by {pixels} pixels)",
    }
