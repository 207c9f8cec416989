"""One step of many models: each reads its own batch and noise, the losses are computed at once, each moves by its own.

The step of one is taken apart as `TrainStep` has it. What is per model and cheap is done by each model's own code, in
order: reading, optimisers, running means. What costs is done for all: the loss and its gradients.
"""

from __future__ import annotations

__all__ = ["JointStep", "Member"]

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from zoo.interfaces import Batch, Model, Step, Terms, at_step
from zoo.many.vectorised.noise import Draw, Drawing, Playing, Unfit
from zoo.many.vectorised.stack import Stack
from zoo.options import Scheduled
from zoo.schedules import Varied
from zoo.training.feed import Feed, Stored
from zoo.training.step import NotFinite, TrainStep


@dataclass(frozen=True)
class Member:
    """One of many models that take a step together.

    Arguments:
        model: The model.
        feed: Reads its batches.
        step: Moves its weights.
        noise: Its generator, on its device.
        options: Those of its options that differ from the others', by name.
    """

    model: Model
    feed: Feed
    step: TrainStep
    noise: torch.Generator
    options: Mapping[str, Scheduled]


class _LossOf(nn.Module):
    """A model's loss as what a module computes, which is what torch.func calls."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, step: Step) -> Terms:
        return self.model.loss(batch, step)


class JointStep:
    """A step of many models.

    Arguments:
        members: The models.
        base: A model like them, whose weights are of no matter, with `varied` in the place of options that differ.
        varied: What stands there, by name.
        draws: The noise that a loss draws, in its order.
    """

    def __init__(
        self, members: Sequence[Member], base: Model, varied: Mapping[str, Varied], draws: Sequence[Draw]
    ) -> None:
        self.members = members
        self.draws = draws
        self.stack = Stack([member.model for member in members])
        self._loss = _LossOf(base).train()
        self._varied = varied
        players = members[0].model.players()
        self._names = {name: self.stack.names(0, player.parameters) for name, player in players.items()}

    def __call__(self, stored: Sequence[Stored], step: Step, turns: Sequence[str]) -> dict[int, NotFinite]:
        """Take a step, and return who did not, because a loss of theirs was not finite.

        Arguments:
            stored: The batch of each.
            step: How far all of them are.
            turns: The players whose turn it is.

        Raises:
            Unfit: As `compute`.
        """
        batches, terms = self.compute(stored, step)
        finite, gradients = _finite(terms), self.find_gradients(terms, turns)
        bad: dict[int, NotFinite] = {}
        for i, (member, own) in enumerate(zip(self.members, _apart(terms, len(self.members)), strict=True)):
            if finite[i]:
                member.step.follow({name: gradients[name][i] for name in turns}, step, turns)
                member.step.sums.add(own, len(stored[i]))
            else:
                bad[i] = NotFinite(batches[i], own)
        return bad

    def read(self, stored: Sequence[Stored]) -> list[Batch]:
        """Return each model's batch, as it would see it alone."""
        found = []
        for member, one in zip(self.members, stored, strict=True):
            with Drawing(member.noise):
                found.append(member.feed.read(one, varied=True))
        return found

    def draw(self) -> list[Tensor]:
        """Return the noise of a step, each draw stacked."""
        return [torch.stack([draw.again(member.noise) for member in self.members]) for draw in self.draws]

    def compute(self, stored: Sequence[Stored], step: Step) -> tuple[list[Batch], Terms]:
        """Return each model's batch, and the terms of all of them, each `(M,)`.

        Raises:
            Unfit: If the noise is not drawn as it was; generators and buffers are as before then.
        """
        states = [member.noise.get_state() for member in self.members]
        buffers = {name: value.clone() for name, value in self.stack.buffers.items()}
        batches = self.read(stored)
        try:
            return batches, self.losses(batches, self.draw(), step)
        except Unfit:
            for member, state in zip(self.members, states, strict=True):
                member.noise.set_state(state)
            for name, value in buffers.items():
                self.stack.buffers[name].copy_(value)
            raise

    def losses(self, batches: Sequence[Batch], noise: Sequence[Tensor], step: Step) -> Terms:
        """Return the terms of all models, each `(M,)`.

        Raises:
            Unfit: If the noise is not drawn as it was.
        """
        labels = {name: torch.stack([batch.y[name] for batch in batches]) for name in batches[0].y}
        x, index = torch.stack([batch.x for batch in batches]), torch.stack([batch.index for batch in batches])
        with warnings.catch_warnings():
            # That an operation is done for one model after another: so it is without this.
            warnings.filterwarnings("ignore", "There is a performance drop")
            return self._losses(x, labels, index, noise, step)

    def _losses(
        self, x: Tensor, labels: Mapping[str, Tensor], index: Tensor, noise: Sequence[Tensor], step: Step
    ) -> Terms:
        found: tuple[Tensor, dict[str, Tensor], dict[str, Tensor]] = vmap(
            self._member_loss, (0, 0, 0, 0, 0, 0, 0, None)
        )(
            self.stack.parameters,
            self.stack.buffers,
            x,
            labels,
            index,
            list(noise),
            self._options(step),
            _taken_apart(step),
        )
        return Terms(*found)

    def _member_loss(
        self,
        parameters: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        x: Tensor,
        y: Mapping[str, Tensor],
        index: Tensor,
        noise: Sequence[Tensor],
        options: Mapping[str, Tensor],
        step: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        for name, value in options.items():
            self._varied[name].now = value
        weights = {f"model.{name}": value for name, value in {**parameters, **buffers}.items()}
        with Playing(self.draws, noise) as playing:
            terms: Terms = functional_call(self._loss, weights, (Batch(x, y, index), Step(*step)))
        playing.close()
        return terms.loss, dict(terms.logs), dict(terms.adversaries)

    def _options(self, step: Step) -> dict[str, Tensor]:
        """Return the values of the options that differ, each `(M,)`."""
        device = step.count.device
        return {
            name: torch.stack(
                [torch.as_tensor(at_step(member.options[name], step), device=device) for member in self.members]
            )
            for name in self._varied
        }

    def find_gradients(self, terms: Terms, turns: Sequence[str]) -> dict[str, list[list[Tensor | None]]]:
        """Return the gradients of players, for each model and parameter."""
        losses = {"model": terms.loss, **terms.adversaries}
        found: dict[str, list[list[Tensor | None]]] = {}
        for name in reversed(turns):
            leaves = [self.stack.parameters[one] for one in self._names[name]]
            # The sum has the gradient of each for each: none depends on the weights of another.
            gradients = torch.autograd.grad(
                losses[name].sum(), leaves, retain_graph=name != turns[0], allow_unused=True
            )
            found[name] = [
                [None if gradient is None else gradient[i] for gradient in gradients] for i in range(len(self.members))
            ]
        return found


def _taken_apart(step: Step) -> tuple[Tensor, Tensor, Tensor]:
    """Return a step as torch.func takes it apart."""
    return step.count, step.epoch, step.fraction


def _finite(terms: Terms) -> list[bool]:
    """Return of each model whether its losses are finite."""
    losses: list[Tensor] = [terms.loss, *terms.adversaries.values()]
    finite: list[bool] = torch.stack([loss.detach().isfinite() for loss in losses]).all(0).tolist()
    return finite


def _apart(terms: Terms, count: int) -> list[Terms]:
    """Return the terms of each of many models."""

    def of(values: Mapping[str, Tensor], i: int) -> dict[str, Any]:
        return {name: value[i] for name, value in values.items()}

    return [Terms(terms.loss[i], of(terms.logs, i), of(terms.adversaries, i)) for i in range(count)]
