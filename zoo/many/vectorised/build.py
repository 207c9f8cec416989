"""The joint step of runs that are about to train."""

from __future__ import annotations

__all__ = ["joint_step"]

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from zoo.assembly import build_model
from zoo.data.images import class_counts
from zoo.errors import one_line
from zoo.interfaces import Model, Site, Step
from zoo.many.vectorised.alike import differing, with_varied
from zoo.many.vectorised.joint import JointStep, Member
from zoo.many.vectorised.noise import Unfit
from zoo.many.vectorised.trial import agree, hear
from zoo.options import Scheduled
from zoo.registry import Registry
from zoo.runs.loading import place
from zoo.schedules import Varied
from zoo.settings import Settings
from zoo.training.feed import Several
from zoo.training.randomness import isolated
from zoo.training.trainer import Trainer


def joint_step(
    registry: Registry,
    trainers: Sequence[Trainer],
    generators: Sequence[torch.Generator],
    settings: Sequence[Settings],
    stored: Several,
    step: Step,
) -> JointStep:
    """Return the joint step of runs of one kind, once it was seen that it is what each would compute alone.

    Arguments:
        registry: Where parts are found.
        trainers: Their trainers.
        generators: What their noise is drawn from.
        settings: Their settings.
        stored: The batch that is next, of each.
        step: How far they are.

    Raises:
        Unfit: If it is not.
    """
    differ = differing(settings)
    members = [
        Member(trainer.model, trainer.data.train, trainer.step, generator, _own(differ, i))
        for i, (trainer, generator) in enumerate(zip(trainers, generators, strict=True))
    ]
    varied = {name: Varied() for name in differ}
    with _telling_why():
        base = _base(registry, trainers[0], settings[0], varied)
        joint = JointStep(members, base, varied, _learn)
        joint.know(stored, step)
    return joint


def _learn(joint: JointStep, stored: Several, step: Step) -> None:
    with _telling_why():
        joint.hear(stored.sizes, hear(joint.members[0], stored.each[0], step))
        agree(joint, stored.each, step)


@contextmanager
def _telling_why() -> Iterator[None]:
    try:
        yield
    except Unfit:
        raise
    # Whatever torch.func, or the code of a part that meets what it does not expect, stumbles over.
    except Exception as error:
        raise Unfit(one_line(error).partition(". ")[0]) from error


def _own(differ: Mapping[str, Sequence[Scheduled]], i: int) -> dict[str, Scheduled]:
    return {name: values[i] for name, values in differ.items()}


def _base(registry: Registry, trainer: Trainer, settings: Settings, varied: Mapping[str, Varied]) -> Model:
    """Return a model like the others, with what is varied in its options."""
    feed = trainer.data.train
    site = Site(feed.images.shape, len(feed.split), {}, class_counts(feed.split))
    model, options = settings.model, with_varied(settings.options, varied)
    with isolated(settings.training.seed), torch.no_grad():
        base = place(build_model(registry, model.composition, model.parts, options, site), feed.where)
        base.prepare(next(feed.shuffled(0)))
    return base
