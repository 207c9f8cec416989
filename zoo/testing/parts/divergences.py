"""Checks of closed forms for the KL, of a posterior from the priors that it fits."""

from __future__ import annotations

__all__ = ["closed_form_kl_is_that_of_samples", "kl_to_itself_is_zero"]

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.distributions import Distribution, Factorised
from zoo.testing.check import NotApplicable, require
from zoo.testing.parts.draws import SIGMAS, gap_in_errors, look, look_at, sampled
from zoo.testing.parts.home import PartHome

_DRAWS = 4000


@dataclass(frozen=True)
class _Pair:
    """A posterior and a prior between which a class knows the KL: the other part's name, and who knows it."""

    other: str
    q: Distribution
    p: Distribution


@torch.no_grad()
def closed_form_kl_is_that_of_samples(case: PartHome) -> None:
    """A KL in closed form is, within standard errors, the mean of log q(z) - log p(z) over samples of q."""
    found = 0
    for pair in _pairs(case):
        z, log_q = sampled(pair.q, (_DRAWS,))
        closed = _closed(pair, z)
        if closed is None:
            continue
        found += 1
        if isinstance(pair.q, Factorised) and isinstance(pair.p, Factorised) and closed.shape == z.shape[1:]:
            drawn = pair.q.log_prob_per_unit(z) - pair.p.log_prob_per_unit(z)
        else:
            drawn, closed = log_q - pair.p.log_prob(z), _whole(closed, z, pair.q)
        # Of a form that knows the KL given the other groups of a sample, the mean is the KL.
        gap = float(gap_in_errors(drawn - closed, 0.0).max())
        worst = int(gap_in_errors(drawn - closed, 0.0).argmax())
        wanted, mean = (float(value.flatten()[worst]) for value in (closed.expand_as(drawn).mean(0), drawn.mean(0)))
        require(
            gap < SIGMAS,
            f"its KL with '{pair.other}' is {wanted:.4g} nats in closed form and {mean:.4g} by {_DRAWS:,} samples, "
            f"{gap:.0f} standard errors away; mend kl_to, kl_from or kl_by_group",
        )
    if not found:
        raise NotApplicable("no closed form is known for it; log q(z) - log p(z) is taken at samples")


@torch.no_grad()
def kl_to_itself_is_zero(case: PartHome) -> None:
    """A KL in closed form is zero to the distribution itself, and to others not less."""
    law = look(case).law
    own = law.kl_to(law)
    if own is None:
        own = law.kl_from(law)
    if own is not None:
        require(float(own.abs().max()) < 1e-6, f"its KL to itself is {float(own.abs().max()):.3g} nats a unit, not 0")
    found = own is not None
    for pair in _pairs(case):
        z = pair.q.sample()
        closed = _closed(pair, z.unsqueeze(0))
        # One that is taken at a sample where the form is not known may be less than zero there.
        if closed is not None and pair.q.kl_by_group(pair.p, z) is None:
            found = True
            least = float(_whole(closed, z.unsqueeze(0), pair.q).min())
            require(least > -1e-6, f"its KL with '{pair.other}' is {least:.3g} nats, less than zero")
    if not found:
        raise NotApplicable("no closed form is known for it")


def _pairs(case: PartHome) -> Iterator[_Pair]:
    """Yield a posterior with each prior that it fits; a prior with each posterior whose KL it alone knows."""
    other = "prior" if case.kind == "posterior" else "posterior"
    if not look(case).law.has_density:
        raise NotApplicable("a point has no finite KL")
    for name, placed in case.partners(other):
        q, p = (look_at(placed, kind).law for kind in ("posterior", "prior"))
        if not q.has_density:
            continue
        if case.kind == "posterior" or (q.kl_to(p) is None and p.kl_from(q) is not None):
            yield _Pair(name, q, p)


def _closed(pair: _Pair, z: Tensor) -> Tensor | None:
    """Return the KL that a class knows, by unit `(*batch, *event)` or by group `(*S, *batch, groups)`."""
    groups = pair.q.kl_by_group(pair.p, z)
    if groups is not None:
        return groups
    units = pair.q.kl_to(pair.p)
    return units if units is not None else pair.p.kl_from(pair.q)


def _whole(closed: Tensor, z: Tensor, q: Distribution) -> Tensor:
    """Return the KL of each event: the sum over its units or its groups."""
    units = closed.shape == z.shape[1:]
    return closed.flatten(len(q.batch_shape)).sum(-1) if units else closed.sum(-1)
