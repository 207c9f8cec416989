"""Optimisers: one for each player, each moving its own parameters only."""

from __future__ import annotations

__all__ = ["Optimisers"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.distributed.shards import Shards
from zoo.errors import ZooError
from zoo.interfaces import Player, Terms
from zoo.training.options import TrainOptions
from zoo.training.plain import compiler_spared, step_plainly

# Those that have a fused kernel, which does a step in one pass over memory.
_FUSED: dict[str, Callable[..., Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
_PLAIN: dict[str, Callable[..., Optimizer]] = {
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
}


class Optimisers:
    """The optimisers of a model's players.

    Arguments:
        players: Who optimises which parameters.
        options: Which optimiser, its decays, weight decay and clipping; a player may bring its own decays.
        shards: Which weights this process moves for all; by default all of them.
    """

    def __init__(self, players: Mapping[str, Player], options: TrainOptions, shards: Shards | None = None) -> None:
        self.players = {name: player for name, player in players.items() if player.parameters}
        self.clip = options.clip
        self._shards = shards or Shards.none()
        own = {name: self._shards.own(list(player.parameters.values())) for name, player in self.players.items()}
        with compiler_spared():
            self._made = {name: _make(self.players[name], each, options) for name, each in own.items() if each}

    def turns(self, count: int) -> tuple[str, ...]:
        """Return the players that move at step `count`."""
        return tuple(name for name, player in self.players.items() if count % player.every == 0)

    def step(self, terms: Terms, count: int, lr: Tensor | float) -> None:
        """Move the players whose turn it is at step `count`; see `move`."""
        self.move(terms, self.turns(count), lr)

    def move(self, terms: Terms, turns: Sequence[str], lr: Tensor | float) -> None:
        """Move players down their own losses; all of them from where they stood before the step.

        Arguments:
            terms: The losses.
            turns: Who moves.
            lr: The learning rate of those that have none of their own; a tensor stays on its device.
        """
        self.find_gradients(terms, turns)
        self.descend(turns, lr)

    def find_gradients(self, terms: Terms, turns: Sequence[str]) -> None:
        """Give the parameters of players the gradients of their own losses."""
        losses = {"model": terms.loss, **terms.adversaries}
        if len(self.players) > 1:
            self._assign_each(turns, losses)
        else:
            for name in turns:
                for parameter in self.players[name].parameters.values():
                    parameter.grad = None
                losses[name].backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def take_gradients(self, name: str, gradients: Sequence[Tensor | None]) -> None:
        """Give the parameters of a player gradients that were computed elsewhere."""
        for parameter, gradient in zip(self.players[name].parameters.values(), gradients, strict=True):
            parameter.grad = _same_layout(gradient, parameter)

    def parameters(self, turns: Sequence[str]) -> list[nn.Parameter]:
        """Return what players move."""
        return [parameter for name in turns for parameter in self.players[name].parameters.values()]

    def descend(self, turns: Sequence[str], lr: Tensor | float) -> None:
        """Move players down the gradients that their parameters have; `lr` as for `move`."""
        for name in turns:
            own = self.players[name].lr
            if self.clip is not None:
                self._shards.clip(list(self.players[name].parameters.values()), self.clip)
            if name in self._made:
                self._move(self._made[name], lr if own is None else own)

    def _assign_each(self, turns: Sequence[str], losses: Mapping[str, Tensor]) -> None:
        # Never backward(): a model's loss that goes through an adversary would leave gradients there as well.
        # The model, which comes first, is done last, so that its graph, the largest, is freed on the way.
        for name in reversed(turns):
            parameters = list(self.players[name].parameters.values())
            retain = name != turns[0]
            self.take_gradients(
                name, torch.autograd.grad(losses[name], parameters, retain_graph=retain, allow_unused=True)
            )

    def _move(self, optimiser: Optimizer, lr: Tensor | float) -> None:
        for group in optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(lr) if isinstance(lr, Tensor) else group["lr"].fill_(lr)
            else:
                group["lr"] = float(lr)
        step_plainly(optimiser)

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the optimisers' state by name: tensors, and plain numbers."""
        tensors: dict[str, Tensor] = {}
        numbers: dict[str, float] = {}
        for player, optimiser in self._made.items():
            for name, parameter in self.players[player].parameters.items():
                for key, value in optimiser.state.get(parameter, {}).items():
                    if isinstance(value, Tensor):
                        tensors[f"{player}/{name}/{key}"] = value
                    elif isinstance(value, int | float):
                        numbers[f"{player}/{name}/{key}"] = value
        return tensors, numbers

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        """Take back a state from `state`.

        Raises:
            ZooError: If it belongs to other parameters.
        """
        for full, value in [*tensors.items(), *numbers.items()]:
            player, _, rest = full.partition("/")
            name, _, key = rest.rpartition("/")
            if player not in self.players or name not in self.players[player].parameters:
                raise ZooError(f"the checkpoint's optimiser state '{full}' belongs to another model")
            parameter = self.players[player].parameters[name]
            if not self._shards.own([parameter]):
                continue
            state: dict[str, Any] = self._made[player].state[parameter]
            state[key] = _like(value, parameter) if isinstance(value, Tensor) else value


def _make(player: Player, parameters: list[nn.Parameter], options: TrainOptions) -> Optimizer:
    momentum = options.momentum if player.momentum is None else player.momentum
    square_decay = options.square_decay if player.square_decay is None else player.square_decay
    cuda = parameters[0].device.type == "cuda"
    settings: dict[str, Any] = {"lr": 0.0, "weight_decay": options.weight_decay}
    if options.optimizer == "sgd":
        settings["momentum"] = momentum
    else:
        settings["betas"] = (momentum, square_decay)
        settings["capturable"] = cuda
    if options.optimizer in _PLAIN:
        made = _PLAIN[options.optimizer](parameters, **settings)
    else:
        fused = parameters[0].device.type in ("cpu", "cuda") and all(p.dtype.is_floating_point for p in parameters)
        made = _FUSED[options.optimizer](parameters, fused=fused, **settings)
    if cuda:
        # A rate on the GPU, as steps are counted there, so that the optimiser can be part of a captured step.
        for group in made.param_groups:
            group["lr"] = torch.zeros((), device=parameters[0].device)
    return made


def _same_layout(gradient: Tensor | None, parameter: Tensor) -> Tensor | None:
    # Fused optimisers read memory in order, and update wrongly without a word where the strides differ.
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    if value.shape == parameter.shape and value.is_floating_point():
        return torch.empty_like(parameter).copy_(value)
    # Adam counts its steps in a 0-d tensor, which its fused kernel wants beside the parameters.
    return value.to(parameter.device)
