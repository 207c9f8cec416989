"""Checks of what a loss returns, and of who minimises it."""

from __future__ import annotations

__all__ = ["finite_loss", "players_own_each_parameter_once"]

from collections import Counter
from typing import TYPE_CHECKING

from zoo.testing.check import require
from zoo.testing.models.case import ModelCase
from zoo.testing.wording import some

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.interfaces import Terms


def finite_loss(case: ModelCase) -> None:
    """The loss and each of its terms are one finite number, at the first step of a run and at its last."""
    model = case.model()
    for step in (case.start, case.end):
        terms = model.loss(case.batch(), step)
        require(terms.loss.requires_grad, "the loss carries no gradient; compute it from the parameters by torch")
        for name, value in _named(terms):
            require(tuple(value.shape) == (), f"{name} has shape {tuple(value.shape)}; average it over the images")
            require(bool(value.isfinite()), f"{name} is {float(value)} on images in [0, 1], before any step")
        clash = sorted({"loss", *terms.logs} & {*terms.adversaries} | {"loss"} & {*terms.logs})
        require(not clash, f"two terms are called '{some(clash)}'; records have one column for each name")


def _named(terms: Terms) -> list[tuple[str, Tensor]]:
    logs = [(f"term '{name}'", value) for name, value in terms.logs.items()]
    others = [(f"the loss of player '{name}'", value) for name, value in terms.adversaries.items()]
    return [(what, value.detach()) for what, value in (("the loss", terms.loss), *logs, *others)]


def players_own_each_parameter_once(case: ModelCase) -> None:
    """Each parameter has one player that moves it, `model` first, and each other player has a loss."""
    model = case.model()
    players = model.players()
    require(next(iter(players), "") == "model", f"the first player is not 'model': {some(players)}")
    owned = Counter(id(value) for player in players.values() for value in player.parameters.values())
    learned = {name: value for name, value in model.named_parameters() if value.requires_grad}
    none = [name for name, value in learned.items() if owned[id(value)] == 0]
    twice = [name for name, value in learned.items() if owned[id(value)] > 1]
    require(not none, f"parameters that no player moves: {some(none)}; add them to one of players()")
    require(not twice, f"parameters that two players move: {some(twice)}; take them out of one of players()")
    foreign = owned.keys() - {id(value) for value in model.parameters()}
    require(not foreign, f"players() names {len(foreign)} parameters that are no part of the model; register them")
    losses = model.loss(case.batch(), case.start).adversaries.keys()
    silent = players.keys() - {"model"} - losses
    require(not silent, f"players without a loss: {some(sorted(silent))}; put it into Terms.adversaries")
    unknown = losses - players.keys()
    require(not unknown, f"losses without a player: {some(sorted(unknown))}; say in players() what they move")
