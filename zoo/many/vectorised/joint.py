"""One step of many models: each reads its own batch and noise, the losses are computed at once, each moves by its own.

The step of one is taken apart as `TrainStep` has it. What is per model and cheap is done by each model's own code, in
order: reading, optimisers, running means. What costs is done for all: the loss and its gradients.
"""

from __future__ import annotations

__all__ = ["JointStep", "Member", "NotAllFinite"]

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from zoo.interfaces import Batch, Model, Step, Terms, at_step
from zoo.many.vectorised.noise import Draw, Drawing, Playing, Unfit
from zoo.many.vectorised.stack import Stack
from zoo.options import Scheduled
from zoo.schedules import Schedule, Varied
from zoo.training.feed import Feed, Several, Stored
from zoo.training.step import NotFinite, Repeatable, TrainStep


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


class NotAllFinite(Exception):
    """Losses of some models are not finite; these did not take the step, and all others did.

    Arguments:
        each: What is not finite, by the model's place.
    """

    def __init__(self, each: Mapping[int, NotFinite]) -> None:
        super().__init__("not all losses are finite")
        self.each = each


class _LossOf(nn.Module):
    """A model's loss as what a module computes, which is what torch.func calls."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, step: Step) -> Terms:
        return self.model.loss(batch, step)


@final
class JointStep(Repeatable[Several]):
    """A step of many models, whose terms are `(M,)` each.

    Arguments:
        members: The models.
        base: A model like them, whose weights are of no matter, with `varied` in the place of options that differ.
        varied: What stands there, by name.
        learn: Called with batches of sizes that are new, before the first step with them; finds out by `hear` what is
            drawn, and whether all is well.
    """

    def __init__(self, members: Sequence[Member], base: Model, varied: Mapping[str, Varied], learn: Learn) -> None:
        self.members = members
        self._learn = learn
        self._draws: dict[tuple[int, ...], Sequence[Draw]] = {}
        self.stack = Stack([member.model for member in members])
        self._loss = _LossOf(base).train()
        self._varied = varied
        device = next(iter(base.parameters())).device
        # On the device from the beginning: a number that is sent there cannot be part of a recorded step.
        self._constants = {name: [_constant(member.options[name], device) for member in members] for name in varied}
        players = members[0].model.players()
        self._names = {name: self.stack.names(0, player.parameters) for name, player in players.items()}

    def __call__(self, stored: Several, step: Step, turns: Sequence[str]) -> Terms:
        """Take a step.

        Raises:
            NotAllFinite: If losses are not finite and the device need not be waited for to know.
            Unfit: If the noise is not drawn as it was; generators and buffers are as before then.
        """
        self.know(stored, step)
        with self._unless_unfit():
            return self.plainly(stored, step, turns)

    def know(self, stored: Several, step: Step) -> None:
        """Make sure that steps with batches of such sizes are known.

        Raises:
            Unfit: If they cannot be taken together.
        """
        if stored.sizes not in self._draws:
            self._learn(self, stored, step)

    def hear(self, sizes: tuple[int, ...], draws: Sequence[Draw]) -> None:
        """Be told the noise that a loss draws, in its order, for batches of these sizes."""
        self._draws[sizes] = draws

    def plainly(self, stored: Several, step: Step, turns: Sequence[str]) -> Terms:
        batches = self.read(stored.each)
        terms = self.losses(batches, step)
        gradients = self.find_gradients(terms, turns)
        bad: dict[int, NotFinite] = {}
        for i, (member, own) in enumerate(zip(self.members, _apart(terms, len(self.members)), strict=True)):
            try:
                member.step.follow({name: gradients[name][i] for name in turns}, batches[i], own, step, turns)
            except NotFinite as found:
                bad[i] = found
        if bad:
            raise NotAllFinite(bad)
        return terms

    @contextmanager
    def _unless_unfit(self) -> Iterator[None]:
        states = [member.noise.get_state() for member in self.members]
        buffers = {name: value.clone() for name, value in self.stack.buffers.items()}
        try:
            yield
        except Unfit:
            for member, state in zip(self.members, states, strict=True):
                member.noise.set_state(state)
            for name, value in buffers.items():
                self.stack.buffers[name].copy_(value)
            raise

    def tensors(self) -> list[Tensor]:
        return [value for member in self.members for value in member.step.tensors()]

    def generators(self) -> list[torch.Generator]:
        return [member.noise for member in self.members]

    def read(self, stored: Sequence[Stored]) -> list[Batch]:
        """Return each model's batch, as it would see it alone."""
        found = []
        for member, one in zip(self.members, stored, strict=True):
            with Drawing(member.noise):
                found.append(member.feed.read(one, varied=True))
        return found

    def losses(self, batches: Sequence[Batch], step: Step) -> Terms:
        """Draw the noise of each model, and return the terms of all of them, each `(M,)`.

        Raises:
            Unfit: If the noise is not drawn as it was.
        """
        draws = self._draws[tuple(len(batch.index) for batch in batches)]
        noise = [torch.stack([draw.again(member.noise) for member in self.members]) for draw in draws]
        labels = {name: torch.stack([batch.y[name] for batch in batches]) for name in batches[0].y}
        x, index = torch.stack([batch.x for batch in batches]), torch.stack([batch.index for batch in batches])
        with warnings.catch_warnings():
            # That an operation is done for one model after another: so it is without this.
            warnings.filterwarnings("ignore", "There is a performance drop")
            of_each = vmap(partial(self._member_loss, draws), (0, 0, 0, 0, 0, 0, 0, None))
            found: tuple[Tensor, dict[str, Tensor], dict[str, Tensor]] = of_each(
                self.stack.parameters,
                self.stack.buffers,
                x,
                labels,
                index,
                noise,
                self._options(step),
                _taken_apart(step),
            )
        return Terms(*found)

    def _member_loss(
        self,
        draws: Sequence[Draw],
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
        with Playing(draws, noise) as playing:
            terms: Terms = functional_call(self._loss, weights, (Batch(x, y, index), Step(*step)))
        playing.close()
        return terms.loss, dict(terms.logs), dict(terms.adversaries)

    def _options(self, step: Step) -> dict[str, Tensor]:
        """Return the values of the options that differ, each `(M,)`."""
        return {
            name: torch.stack(
                [
                    torch.as_tensor(at_step(member.options[name], step)) if constant is None else constant
                    for member, constant in zip(self.members, constants, strict=True)
                ]
            )
            for name, constants in self._constants.items()
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


def _constant(value: Scheduled, device: torch.device) -> Tensor | None:
    """Return a number on the device; nothing for what changes from step to step."""
    return None if isinstance(value, Schedule) else torch.as_tensor(value, device=device)


def _apart(terms: Terms, count: int) -> list[Terms]:
    """Return the terms of each of many models."""

    def of(values: Mapping[str, Tensor], i: int) -> dict[str, Any]:
        return {name: value[i] for name, value in values.items()}

    return [Terms(terms.loss[i], of(terms.logs, i), of(terms.adversaries, i)) for i in range(count)]


Learn: TypeAlias = Callable[[JointStep, Several, Step], None]
"""Tells a step what it draws for batches of new sizes, or raises `Unfit`."""
