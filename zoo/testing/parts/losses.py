"""Checks of losses: their terms and units, who minimises what, and what they say of log p(x)."""

from __future__ import annotations

__all__ = [
    "bound_is_below_log_likelihood",
    "loss_is_per_image",
    "players_have_their_losses",
    "rate_weight_is_the_factor",
    "terms_are_finite_numbers",
]

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.errors import ZooError
from zoo.interfaces import Loss, Step, Terms
from zoo.options import Options
from zoo.settings import options_class
from zoo.specs import import_reference
from zoo.testing.check import NotApplicable, require
from zoo.testing.parts.arena import Arena, arena_with
from zoo.testing.parts.draws import SIGMAS
from zoo.testing.parts.places import Home

_BATCHES, _IMAGES = 12, 64
_END = (1000.0, 10.0, 1.0)
"""The end of a run, where schedules have come to their last values."""


def terms_are_finite_numbers(case: Home) -> None:
    """The loss and everything that it logs are finite numbers, each `()`, at the start and at the end of a run."""
    placed = case.placed()
    placed.model.train()
    for step in (Step.of(0, 0, 0), Step.of(*_END)):
        terms = placed.model.loss(placed.batch(8), step)
        for name, value in (("loss", terms.loss), *terms.logs.items(), *terms.adversaries.items()):
            require(isinstance(value, Tensor) and value.shape == (), f"'{name}' is no number: a tensor () is wanted")
            require(bool(value.isfinite()), f"'{name}' is {float(value.detach())}")
            require(str(name).isidentifier(), f"'{name}' is no name for a file; use lower-case words and underscores")
        require(terms.loss.requires_grad, "the loss carries no gradient")
        require("loss" not in terms.logs, "it logs a 'loss', which is what the trainer calls the loss itself")


def players_have_their_losses(case: Home) -> None:
    """Each adversary has a loss of its own, which reaches all of its parameters and is minimised by it alone."""
    placed = case.placed()
    placed.model.train()
    loss = placed.part
    assert isinstance(loss, Loss), "the check fits-a-model tells of others"
    players = loss.players()
    terms = placed.model.loss(placed.batch(8), Step.of(*_END))
    names = (sorted(players), sorted(terms.adversaries))
    require(names[0] == names[1], f"its players are {names[0]} and its terms have losses for {names[1]}")
    if not players:
        raise NotApplicable("it has no adversaries")
    own = {id(parameter): name for name, parameter in loss.named_parameters()}
    for name, player in players.items():
        require(player.parameters, f"player '{name}' has no parameters")
        foreign = [each for each, parameter in player.parameters.items() if id(parameter) not in own]
        require(not foreign, f"player '{name}' has parameters that are not the loss's: {', '.join(foreign)}")
        found = torch.autograd.grad(
            terms.adversaries[name], list(player.parameters.values()), allow_unused=True, retain_graph=True
        )
        idle = [each for each, slope in zip(player.parameters, found, strict=True) if slope is None]
        require(not idle, f"the loss of player '{name}' does not reach {', '.join(idle)}")


def loss_is_per_image(case: Home) -> None:
    """Twice as many images of the same kind have the same loss, distortion and rate, not twice as much."""
    arena, step = _arena(case), Step.of(*_END)
    with torch.no_grad():
        few, many = (_mean_terms(arena, step, count) for count in (_IMAGES, 2 * _IMAGES))
    # A loss that compares images with each other may depend on how many there are.
    names = ("distortion", "rate") if arena.loss.compares_images else ("loss", "distortion", "rate")
    for name in [name for name in names if name in few]:
        once, twice = few[name], many[name]
        error = float(((once.var() + twice.var()) / len(once)).sqrt())
        gap = float((twice.mean() - once.mean()).abs())
        # Estimates over a batch may depend on its size a little; a sum over it doubles.
        require(
            gap < SIGMAS * error + 0.25 * float(once.mean().abs()),
            f"its {name} is {float(once.mean()):.4g} for {_IMAGES} images and {float(twice.mean()):.4g} for "
            f"{2 * _IMAGES}; average over the batch, and sum over pixels and units",
        )


def rate_weight_is_the_factor(case: Home) -> None:
    """Where `rate_weight` is given, the loss is distortion + factor × rate, or a bound that is tighter."""
    arena, step = _arena(case), Step.of(*_END)
    factor = arena.loss.rate_weight(step)
    if factor is None:
        raise NotApplicable("its rate_weight says nothing")
    with torch.no_grad():
        terms = _terms(arena, step, _IMAGES)
    for name in ("distortion", "rate"):
        require(name in terms.logs, f"it has a rate_weight and logs no {name}")
    wanted = float(terms.logs["distortion"] + factor * terms.logs["rate"])
    found = float(terms.loss)
    if "bound" in terms.logs:
        require(
            abs(found + float(terms.logs["bound"])) < 1e-5 * abs(found), "its loss is not minus the bound that it logs"
        )
        require(found < wanted + 1e-6 * abs(wanted), f"its bound makes a loss of {found:.6g}, looser than {wanted:.6g}")
        return
    require(
        abs(found - wanted) < 1e-5 * max(1.0, abs(wanted)),
        f"its loss is {found:.6g} where distortion + {float(factor):.4g} × rate is {wanted:.6g}; "
        f"mend rate_weight, or let it return nothing",
    )


def bound_is_below_log_likelihood(case: Home) -> None:
    """On a linear Gaussian model -(distortion + rate) is at most log p(x), and equals it at the exact posterior."""
    step = Step.of(*_END)
    for widen in (1.0, 1.6):
        arena = _arena(case, widen)
        claims = _claims(arena, step)
        with torch.no_grad():
            gaps = {name: torch.stack(found) for name, found in _gaps(arena, step, claims).items()}
        for name, gap in gaps.items():
            error = float(gap.std()) / len(gap) ** 0.5 + 1e-6
            above = float(gap.mean())
            require(
                above > -SIGMAS * error,
                f"its {name} is {-above:.4g} nats less than -log p(x) where log p(x) is known, so that it is no bound",
            )
            if widen == 1.0 and name == "distortion + rate":
                require(
                    above < SIGMAS * error,
                    f"its {name} is {above:.4g} nats more than -log p(x) at the exact posterior, where both are equal",
                )


def _claims(arena: Arena, step: Step) -> Sequence[str]:
    """Return which of a loss's terms claim to be bounds.

    Raises:
        NotApplicable: If none does.
    """
    with torch.no_grad():
        terms = _terms(arena, step, 8)
    found = ["distortion + rate"] if {"distortion", "rate"} <= terms.logs.keys() else []
    factor = arena.loss.rate_weight(step)
    if factor is not None and float(factor) == 1:
        found.append("loss")
    if not found:
        raise NotApplicable("it logs no rate, so that it claims no bound")
    return found


def _gaps(arena: Arena, step: Step, claims: Sequence[str]) -> dict[str, list[Tensor]]:
    """Return by how much each claim is above -log p(x), batch by batch."""
    found: dict[str, list[Tensor]] = {name: [] for name in claims}
    for _ in range(_BATCHES):
        batch = arena.batch(_IMAGES)
        terms = arena.loss(arena.model, batch, step)
        exact = -arena.log_marginal(batch.x).mean()
        for name in claims:
            value = terms.loss if name == "loss" else terms.logs["distortion"] + terms.logs["rate"]
            found[name].append(value - exact)
    return found


def _mean_terms(arena: Arena, step: Step, count: int) -> dict[str, Tensor]:
    """Return loss and logs of several batches of so many images, `(N,)` each."""
    every = [_terms(arena, step, count) for _ in range(_BATCHES)]
    logs = {name: torch.stack([terms.logs[name] for terms in every]) for name in every[0].logs}
    return {**logs, "loss": torch.stack([terms.loss for terms in every])}


def _terms(arena: Arena, step: Step, count: int) -> Terms:
    found: Terms = arena.loss(arena.model, arena.batch(count), step)
    return found


def _arena(case: Home, widen: float = 1.0) -> Arena:
    """Return the linear Gaussian model with the loss.

    Raises:
        NotApplicable: If the loss is for other parts.
    """
    kind: type[Loss] = import_reference(case.entry.item.part)
    options: Options = options_class(case.entry, case.kind).from_dict(case.options)
    try:
        return arena_with(case.registry, kind, options, widen)
    except ZooError as error:
        raise NotApplicable(f"it does not take a linear Gaussian model: {error}") from None
