"""Whether models can be computed together: tried with a step of each by itself, and undone."""

from __future__ import annotations

__all__ = ["agree", "hear"]

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from zoo.interfaces import Batch, Step, Terms
from zoo.many.vectorised.joint import JointStep, Member
from zoo.many.vectorised.noise import Draw, Hearing, Unfit
from zoo.training.feed import Stored

TOLERANCE = 1e-4
"""By how much, relatively, what is computed together may differ from what is computed alone."""

OF_GRADIENTS = 2e-2
"""The same for gradients: torch's batch normalisation of channels-last images is itself some thousandths away."""


@contextmanager
def drawing_as(generator: torch.Generator) -> Iterator[None]:
    """Let torch's default generator stand where another does inside the `with`, and that one go on from its end."""
    device = generator.device
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        if device.type == "cuda":
            torch.cuda.set_rng_state(generator.get_state(), device)
        else:
            torch.set_rng_state(generator.get_state())
        yield
        generator.set_state(torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state())


@contextmanager
def _undone(members: Sequence[Member]) -> Iterator[None]:
    """Put back, after the `with`, what a loss changes: generators and buffers."""
    states = [member.noise.get_state() for member in members]
    buffers = [(buffer, buffer.clone()) for member in members for buffer in member.model.buffers()]
    try:
        yield
    finally:
        for member, state in zip(members, states, strict=True):
            member.noise.set_state(state)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


def hear(member: Member, stored: Stored, step: Step) -> list[Draw]:
    """Return what a model draws in a step, after it was read.

    Raises:
        Unfit: If it cannot be drawn before.
    """
    with _undone([member]):
        with drawing_as(member.noise):
            batch = member.feed.read(stored, varied=True)
        before = member.noise.get_state()
        with drawing_as(member.noise), Hearing() as heard:
            member.model.loss(batch, step)
        end = member.noise.get_state()
        member.noise.set_state(before)
        for draw, value in zip(heard.draws, heard.values, strict=True):
            if draw.device.type != member.noise.device.type or not draw.again(member.noise).equal(value):
                raise Unfit("its noise depends on what it computes")
        if not member.noise.get_state().equal(end):
            raise Unfit("its noise depends on what it computes")
        draws: list[Draw] = heard.draws
        return draws


def agree(joint: JointStep, stored: Sequence[Stored], step: Step) -> None:
    """Check that a step together is what each would do alone: the same batches, losses, gradients and buffers.

    Raises:
        Unfit: If it is not.
    """
    members = joint.members
    turns = tuple(members[0].model.players())
    with _undone(members):
        alone = [_alone(member, one, step, turns) for member, one in zip(members, stored, strict=True)]
    with _undone(members):
        batches = joint.read(stored)
        terms = joint.losses(batches, step)
        gradients = joint.find_gradients(terms, turns)
        for i, (member, one) in enumerate(zip(members, alone, strict=True)):
            _compare(one, batches[i], _numbers(terms, i), {name: gradients[name][i] for name in turns}, member)


class _Alone:
    """What a model computes by itself."""

    def __init__(
        self, batch: Batch, terms: Terms, gradients: Mapping[str, Sequence[Tensor | None]], buffers: Sequence[Tensor]
    ) -> None:
        self.x = batch.x
        self.terms = _numbers(terms)
        self.gradients = gradients
        self.buffers = buffers


def _alone(member: Member, stored: Stored, step: Step, turns: Sequence[str]) -> _Alone:
    with drawing_as(member.noise):
        batch = member.feed.read(stored, varied=True)
        terms = member.model.loss(batch, step)
    losses = {"model": terms.loss, **terms.adversaries}
    players = member.model.players()
    gradients = {
        name: torch.autograd.grad(
            losses[name], list(players[name].parameters.values()), retain_graph=True, allow_unused=True
        )
        for name in turns
    }
    return _Alone(batch, terms, gradients, [buffer.clone() for buffer in member.model.buffers()])


def _compare(
    alone: _Alone,
    batch: Batch,
    terms: Mapping[str, Tensor],
    gradients: Mapping[str, Sequence[Tensor | None]],
    member: Member,
) -> None:
    if not batch.x.equal(alone.x):
        raise Unfit("its batches are not those of a run alone")
    for name, value in alone.terms.items():
        _close(terms[name], value, f"its {name} differs")
    for player, each in alone.gradients.items():
        pairs = [(ours, own) for ours, own in zip(gradients[player], each, strict=True) if own is not None]
        ours, own = (torch.cat([_flat(pair[side]) for pair in pairs]) for side in (0, 1))
        _close(ours, own, "its gradient differs", OF_GRADIENTS)
    for now, after in zip(member.model.buffers(), alone.buffers, strict=True):
        _close(now, after, "its running means differ")


def _numbers(terms: Terms, member: int | None = None) -> dict[str, Tensor]:
    found = {"loss": terms.loss, **terms.logs, **terms.adversaries}
    return {name: (value if member is None else value[member]).detach() for name, value in found.items()}


def _flat(value: Tensor | None) -> Tensor:
    assert value is not None, "what has a gradient alone has one together"
    return value.flatten()


def _close(found: Tensor, wanted: Tensor, what: str, tolerance: float = TOLERANCE) -> None:
    found, wanted = found.double(), wanted.double()
    distance, size = torch.linalg.vector_norm(found - wanted), torch.linalg.vector_norm(wanted)
    # What is not a number is nobody's fault here: the run that has it ends by it.
    if bool(wanted.isfinite().all()) and not bool(distance <= tolerance * size + 1e-6):
        raise Unfit(f"{what} by {float(distance / size):.1e} from that of a run alone")
