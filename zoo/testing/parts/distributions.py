"""Checks of what posteriors, priors and likelihoods return: shapes, samples, means and gradients."""

from __future__ import annotations

__all__ = [
    "copies_keep_the_density",
    "density_comes_with_the_draw",
    "density_is_finite_at_samples",
    "gradients_reach_samples",
    "mean_is_that_of_samples",
    "shapes_of_samples",
    "tempering_multiplies_the_spread",
]

from typing import get_args

import torch

from zoo.distributions import Distribution, Factorised, Support
from zoo.errors import ZooError
from zoo.testing.check import NotApplicable, require
from zoo.testing.parts.draws import SIGMAS, gap_in_errors, look, sampled
from zoo.testing.parts.places import Home

_DRAWS = 4000
_FEWER = 200


@torch.no_grad()
def shapes_of_samples(case: Home) -> None:
    """Batch, event, samples, means and densities have the shapes that the interface states."""
    seen = look(case)
    law = seen.law
    known = get_args(Support)
    require(law.support in known, f"its support is '{law.support}', which is none of {', '.join(known)}")
    for name, found, wanted in (("batch", law.batch_shape, seen.batch), ("event", law.event_shape, seen.event)):
        require(tuple(found) == wanted, f"its {name} shape is {tuple(found)}, and should be {wanted}")
    one = (*seen.batch, *seen.event)
    for name, value in (("mean", law.mean), ("point", law.point)):
        require(tuple(value.shape) == one, f"its {name} has shape {tuple(value.shape)}, and should have {one}")
    for leading in ((), (3,), (2, 3)):
        z, log_prob = sampled(law, leading)
        for name, found, wanted in (
            ("draw", tuple(z.shape), (*leading, *one)),
            ("rsample", tuple(law.rsample(leading).shape), (*leading, *one)),
            ("sample", tuple(law.sample(leading).shape), (*leading, *one)),
            ("density", tuple(log_prob.shape), (*leading, *seen.batch)),
        ):
            require(found == wanted, f"its {name} for {leading} samples has shape {found}, and should have {wanted}")


@torch.no_grad()
def density_is_finite_at_samples(case: Home) -> None:
    """The log-density of the distribution's own samples is finite."""
    law = look(case).law
    z, log_prob = sampled(law, (_FEWER,))
    require(z.isfinite().all(), f"{_share(~z.isfinite())} of its samples are not finite numbers")
    require(
        log_prob.isfinite().all(), f"the log-density of {_share(~log_prob.isfinite())} of its samples is not finite"
    )


@torch.no_grad()
def density_comes_with_the_draw(case: Home) -> None:
    """A density that comes with a draw is the one that `log_prob` gives."""
    law = look(case).law
    z, log_prob = law.draw((_FEWER,))
    if log_prob is None:
        raise NotApplicable("its draws bring no density; log_prob has it")
    try:
        again = law.log_prob(z)
    except ZooError:
        raise NotApplicable("it knows the density of its own draws alone") from None
    gap = float((again - log_prob).abs().max().detach())
    require(gap < 1e-5, f"draw and log_prob differ by {gap:.3g} nats at the same sample")


@torch.no_grad()
def mean_is_that_of_samples(case: Home) -> None:
    """The mean of many samples is `mean`, within their standard errors."""
    law = look(case).law
    if not law.exact_mean:
        raise NotApplicable(f"a {type(law).__name__} says of its mean that it is not exact")
    draws = law.sample((_DRAWS,))
    gap = gap_in_errors(draws, law.mean.detach())
    worst = int(gap.argmax())
    found, wanted = float(draws.mean(0).flatten()[worst]), float(law.mean.flatten()[worst])
    require(
        float(gap.max()) < SIGMAS,
        f"its mean says {wanted:.4g} where {_DRAWS:,} samples have {found:.4g}, {float(gap.max()):.0f} standard errors "
        f"away; mend mean or rsample, or declare exact_mean = False",
    )


def gradients_reach_samples(case: Home) -> None:
    """`rsample` carries gradients to what the distribution was made of, and `sample` carries none."""
    seen = look(case)
    law = seen.law
    require(not law.sample((2,)).requires_grad, "sample carries gradients; detach it")
    if case.kind != "posterior":
        return
    z = law.draw()[0]
    require(
        z.requires_grad, "its samples carry no gradient to the encoder; draw them with rsample, by reparameterising"
    )
    along = torch.randn_like(z)
    (slope,) = torch.autograd.grad((along * z).sum(), seen.x, allow_unused=True)
    require(slope is not None and bool(slope.any()), "no gradient of its samples reaches the images")


def copies_keep_the_density(case: Home) -> None:
    """`unsqueeze`, `select`, `detached` and `log_prob_of_each` say of a code what the distribution says."""
    law = look(case).law
    z = law.sample((5,))
    cut = law.detached()
    if cut is not None:
        _same(law, cut, z, "detached")
        require(not cut.log_prob(z).requires_grad, "detached() leaves gradients to the distribution's parameters")
    if not isinstance(law, Factorised):
        if cut is None:
            raise NotApplicable("it has no copies")
        return
    _same(law, law.unsqueeze(), z.unsqueeze(1), "unsqueeze")
    units = law.log_prob_per_unit(z)
    require(
        tuple(units.shape) == tuple(z.shape), f"log_prob_per_unit has shape {tuple(units.shape)}, not {tuple(z.shape)}"
    )
    gap = float((units.flatten(z.ndim - law.event_ndim).sum(-1) - law.log_prob(z)).abs().max().detach())
    require(gap < 1e-6, f"log_prob_per_unit sums to {gap:.3g} nats more or less than log_prob")
    if len(law.batch_shape) == 1:
        index = torch.arange(law.batch_shape[0]).flip(0)
        _same(law, law.select(index), z, "select", flipped=True)
        each = law.log_prob_of_each(z[:, 0])
        wanted = law.log_prob(z[:, :1].expand_as(z))
        require(torch.allclose(each, wanted, atol=1e-6), "log_prob_of_each is not log_prob under each event")


@torch.no_grad()
def tempering_multiplies_the_spread(case: Home) -> None:
    """At a temperature of 1 the distribution stays as it is, and at one half its samples lie closer together."""
    law = look(case).law
    same, colder = law.tempered(1.0), law.tempered(0.5)
    if same is None or colder is None:
        raise NotApplicable("a temperature has no meaning for it")
    _same(law, same, law.sample((5,)), "tempered(1)")
    wide, narrow = (float(one.sample((_FEWER,)).var(0).sum()) for one in (law, colder))
    require(narrow < wide, f"tempered(0.5) has a variance of {narrow:.3g}, and without it is {wide:.3g}")


def _same(law: Distribution, copy: Distribution, z: torch.Tensor, name: str, *, flipped: bool = False) -> None:
    try:
        wanted = law.log_prob(z.squeeze(1) if name == "unsqueeze" else z)
    except ZooError:
        raise NotApplicable("it knows the density of its own draws alone") from None
    found = copy.log_prob(z.flip(1) if flipped else z)
    found = found.flip(1) if flipped else found.reshape(wanted.shape)
    require(torch.allclose(found, wanted, atol=1e-6), f"{name} changes the log-density of a value")


def _share(which: torch.Tensor) -> str:
    return f"{int(which.sum()):,} of {which.numel():,}"
