"""Checks of densities: that they integrate to one, that samples follow them, and that pixels count alike."""

from __future__ import annotations

__all__ = [
    "density_integrates_to_one",
    "distortion_counts_every_pixel",
    "images_are_judged_alone",
    "samples_follow_the_density",
]

from collections.abc import Mapping

import torch
from torch import Tensor

from zoo.distributions import Distribution, Factorised
from zoo.testing.check import NotApplicable, require
from zoo.testing.parts.draws import SIGMAS, gap_in_errors, look, needs_density
from zoo.testing.parts.grids import grid_of, importance_of_one
from zoo.testing.parts.places import Home, handed

_DRAWS = 4000
_FEWER = 400
_LEVELS = 256
_VARIANCE = 0.3


@torch.no_grad()
def density_integrates_to_one(case: Home) -> None:
    """The exponential of the log-density integrates to one, or sums to one over what pixels can be."""
    law = look(case).law
    if not law.normalised:
        law = _normalised(law)
    needs_density(law)
    if not isinstance(law, Factorised):
        ratios = importance_of_one(law, 5 * _DRAWS)
        gap = float(gap_in_errors(ratios, 1.0, slack=0.02).max())
        total = 1 / float(ratios.mean())
        require(gap < SIGMAS, f"its density integrates to about {total:.3g}; mend log_prob, or what draw says of it")
        return
    totals = {"integrates": _binary(law) if law.support == "binary" else grid_of(law).total}
    if case.kind == "likelihood" and law.support != "binary":
        totals["sums over 256 grey levels"] = _levels(law).sum(0)
    if not any(bool(((total - 1).abs() < 2e-3).all()) for total in totals.values()):
        found = " and ".join(f"{how} to {float(total.flatten()[0]):.4g}" for how, total in totals.items())
        require(
            False, f"its density of one unit {found}, and should to 1; mend log_prob, or declare normalised = False"
        )


@torch.no_grad()
def samples_follow_the_density(case: Home) -> None:
    """Samples fall where the density has its mass."""
    law = look(case).law
    needs_density(law)
    if not isinstance(law, Factorised):
        raise NotApplicable("its units depend on each other; density-integrates-to-one asks its own samples")
    if law.support == "binary":
        draws = law.sample((_FEWER,))
        require(bool(((draws == 0) | (draws == 1)).all()), "its samples are not 0 or 1, as its support says")
        return
    draws = law.sample((_FEWER,))
    grey = case.kind == "likelihood" and bool(((draws * (_LEVELS - 1)).frac().abs() < 1e-9).all())
    share = _share_below(law, draws) if grey else grid_of(law).below(draws)
    # The mean and the mean square of a uniform number.
    for power, wanted in ((1, 0.5), (2, 1 / 3)):
        gap = float(gap_in_errors(share**power, wanted, slack=2e-3).max())
        require(gap < SIGMAS, "its samples are spread otherwise than its density; mend rsample or log_prob")


@torch.no_grad()
def distortion_counts_every_pixel(case: Home) -> None:
    """An image that is tiled to twice the pixels, at equal error, has twice the distortion."""
    placed = case.placed(rough=True)
    channels, height, width = placed.shape
    large = case.placed(shape=(channels, 2 * height, width), rough=True)
    large.part.load_state_dict(_tiled(placed.part.state_dict(), large.part.state_dict()))
    batch = placed.batch(3)
    told = placed.told(batch)
    (values,) = handed(placed.part, lambda: told.decode(told.encode(batch.x).sample()))
    once = -placed.part(values).log_prob(batch.x)
    twice = -large.part(torch.cat([values, values], -2)).log_prob(torch.cat([batch.x, batch.x], -2))
    require(tuple(once.shape) == (3,), f"the log-density of 3 images has shape {tuple(once.shape)}, not (3,)")
    require(
        torch.allclose(twice, 2 * once, rtol=1e-4, atol=1e-6),
        f"twice the pixels at equal error have {float((twice / once).mean()):.3g} times the distortion; "
        f"sum over pixels, without a mean",
    )


@torch.no_grad()
def images_are_judged_alone(case: Home) -> None:
    """The log-density of an image does not depend on the other images of the batch."""
    seen = look(case)
    z = seen.told.encode(seen.x).sample()
    together = seen.told.decode(z).log_prob(seen.x)
    alone = torch.cat([seen.told.decode(z[i : i + 1]).log_prob(seen.x[i : i + 1]) for i in range(len(seen.x))])
    require(
        torch.allclose(alone, together, rtol=1e-6),
        "in eval mode an image's log-density depends on the others of its batch",
    )


def _normalised(law: Distribution) -> Distribution:
    """Return the density that a squared error stands for.

    Raises:
        NotApplicable: If it stands for none.
    """
    density = law.with_variance(_VARIANCE)
    if density is None:
        raise NotApplicable(
            f"a {type(law).__name__} says of itself that it is not normalised, and stands for no density"
        )
    return density


def _binary(law: Factorised) -> Tensor:
    like = torch.zeros_like(law.mean)
    return sum((law.log_prob_per_unit(like + value).exp() for value in (0.0, 1.0)), torch.zeros_like(like))


def _levels(law: Factorised) -> Tensor:
    """Return what `log_prob` says of each grey level, `(256, *batch, *event)`."""
    like = torch.zeros_like(law.mean)
    return torch.stack([law.log_prob_per_unit(like + level / (_LEVELS - 1)).exp() for level in range(_LEVELS)])


def _share_below(law: Factorised, draws: Tensor) -> Tensor:
    """Return the share of the mass below grey levels, of which each stands for as much as it weighs, at random."""
    mass = _levels(law)
    mass = mass / mass.sum(0)
    level = (draws * (_LEVELS - 1)).round().long()
    return mass.cumsum(0).gather(0, level) - torch.rand_like(draws) * mass.gather(0, level)


def _tiled(small: Mapping[str, Tensor], large: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a head for the larger image: what holds a value for each pixel is tiled.

    Raises:
        NotApplicable: If it can be neither taken over nor tiled.
    """
    found = {}
    for name, wanted in large.items():
        value = small.get(name)
        if value is not None and value.ndim >= 2 and value.shape != wanted.shape:
            value = torch.cat([value, value], -2)
        if value is None or value.shape != wanted.shape:
            raise NotApplicable(f"its '{name}' cannot be tiled to a larger image")
        found[name] = value
    return found
