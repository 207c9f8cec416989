"""The check of gradients through samples, against finite differences."""

from __future__ import annotations

__all__ = ["gradients_of_samples_are_those_of_the_mean"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from zoo.distributions import Distribution
from zoo.errors import ZooError
from zoo.testing.check import NotApplicable, require
from zoo.testing.parts.draws import SIGMAS, gap_in_errors, look_at
from zoo.testing.parts.places import Home, Placed, handed

_BLOCKS, _DRAWS = 20, 500
_STEP = 1e-4
_DIRECTIONS = 2

Family = Callable[[Tensor], Distribution]
"""The distribution at a place `()` along a line through a part's input or weights; 0 is where it stands."""


def gradients_of_samples_are_those_of_the_mean(case: Home) -> None:
    """Gradients through samples are, in the mean, finite differences of the expectation."""
    placed = case.placed(rough=True)
    law = look_at(placed, case.kind).law
    if not law.reparameterised:
        raise NotApplicable(f"a {type(law).__name__} says of its samples that they are not reparameterised")
    for number in range(_DIRECTIONS):
        family = _family(placed, case.kind)
        start = family(torch.zeros((), dtype=torch.float64))
        score = _score(start.sample((200,)), 1 + len(start.batch_shape))
        torch.manual_seed(number)
        gaps = [_block(family, score) for _ in range(_BLOCKS if law.has_density else 0)]
        if not gaps or gaps[0] is None:
            _smooth(family, score, number)
            continue
        differences = torch.stack([gap.difference for gap in gaps if gap is not None])
        gap = float(gap_in_errors(differences, 0.0))
        wanted, found = (
            float(torch.stack([getattr(one, name) for one in gaps]).mean()) for name in ("finite", "slope")
        )
        require(
            gap < SIGMAS,
            f"the gradient of a mean over samples is {found:.4g} where finite differences give {wanted:.4g}, "
            f"{gap:.0f} standard errors away; mend rsample, or declare reparameterised = False",
        )


@dataclass(frozen=True)
class _Gap:
    """What autograd and finite differences of the expectation say over one block of samples."""

    slope: Tensor
    finite: Tensor

    @property
    def difference(self) -> Tensor:
        return self.slope - self.finite


def _block(family: Family, score: Callable[[Tensor], Tensor]) -> _Gap | None:
    """Compare over one block; nothing where the density is known at the distribution's own samples alone.

    The expectation a little to either side is taken over the same samples, weighed by the ratio of densities.
    """
    at = torch.zeros((), dtype=torch.float64, requires_grad=True)
    z = family(at).rsample((_DRAWS,))
    values = score(z)
    (slope,) = torch.autograd.grad(values.mean(), at, allow_unused=True)
    with torch.no_grad():
        still = z.detach()
        try:
            here = family(torch.zeros_like(at)).log_prob(still)
            ahead, behind = (family(torch.full_like(at, side * _STEP)).log_prob(still) for side in (1, -1))
        except ZooError:
            return None
        weights = torch.exp(ahead - here) - torch.exp(behind - here)
        finite = (weights.reshape(values.shape) * (values - values.mean())).mean() / (2 * _STEP)
    return _Gap(torch.zeros_like(finite) if slope is None else slope.detach(), finite)


def _smooth(family: Family, score: Callable[[Tensor], Tensor], seed: int) -> None:
    """Compare along the same noise, of which the samples are a smooth function where nothing is rejected."""

    def mean(at: Tensor) -> Tensor:
        torch.manual_seed(seed)
        return score(family(at).rsample((_DRAWS,))).mean()

    at = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(mean(at), at)
    with torch.no_grad():
        finite = (mean(torch.full_like(at, _STEP)) - mean(torch.full_like(at, -_STEP))) / (2 * _STEP)
    require(
        torch.allclose(slope, finite, rtol=1e-3, atol=1e-6),
        f"the gradient of a mean over samples is {float(slope):.4g} where finite differences at the same noise give "
        f"{float(finite):.4g}; mend rsample, or declare reparameterised = False",
    )


def _family(placed: Placed, kind: str) -> Family:
    """Return the distribution along a random line: through the features of a posterior, the weights of a prior.

    Raises:
        NotApplicable: If it depends on nothing.
    """
    if kind == "posterior":
        batch = placed.batch(2)
        (features,) = handed(placed.part, lambda: placed.told(batch).encode(batch.x))
        features = features.detach()
        along = torch.randn_like(features) * features.std()
        return lambda at: placed.part(features + at * along)
    weights = {name: value.detach() for name, value in placed.part.named_parameters()}
    if not weights:
        raise NotApplicable("it has no parameters")
    lines = {name: 0.3 * torch.randn_like(value) for name, value in weights.items()}
    return lambda at: functional_call(placed.part, {name: w + at * lines[name] for name, w in weights.items()}, ())


def _score(z: Tensor, leading: int) -> Callable[[Tensor], Tensor]:
    """Return a bounded function of samples, that feels where they are and how wide they lie: `(S, *batch)`."""
    middle, spread = z.mean(0), z.std(0)
    spread = torch.where(spread > 1e-9, spread, torch.ones_like(spread))
    weights = torch.randn(2, *z.shape[1:], dtype=z.dtype)

    def score(value: Tensor) -> Tensor:
        y = (value - middle) / spread
        return (weights[0] * torch.sin(y) + weights[1] * torch.cos(y)).flatten(leading).sum(-1)

    return score
