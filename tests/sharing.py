"""What tests/test_distributed.py has several processes do; each answers with one JSON document, told by the first."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import torch

import zoo
from zoo import DataOptions, ImageSet, Model, Split
from zoo.distributed.company import Company, alone, company_of
from zoo.distributed.group import join
from zoo.distributed.host import settle
from zoo.distributed.launch import launched
from zoo.distributed.world import World
from zoo.registry import load_registry
from zoo.training.feed import Feed
from zoo.training.options import TrainOptions
from zoo.training.progress import Silent
from zoo.training.randomness import isolated
from zoo.training.trainer import Trainer, TrainingData

CPU = torch.device("cpu")


def pictures(count: int, side: int = 8) -> ImageSet:
    """Return pictures of noise with labels."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randint(256, (count, 1, side, side), dtype=torch.uint8, generator=generator)
    split = Split(x, {"label": torch.arange(count) % 10})
    return ImageSet("pictures", split, split, 1 / 255, "the test")


def losses_of(
    model: Model, company: Company, options: TrainOptions, images: ImageSet, data: DataOptions
) -> tuple[list[list[float]], dict[str, float]]:
    """Train, and return each step's losses and the validation terms at the end."""
    feed = Feed(images, images.train, data, options.batch_size, options.seed)
    trainer = Trainer(model, TrainingData(feed), options, Silent(), lambda _: None, lambda _: None, company)
    steps: list[list[float]] = []
    take = trainer._take

    def noted(*args: Any) -> Any:
        terms = take(*args)
        steps.append([float(loss.detach()) for loss in (terms.loss, *terms.adversaries.values())])
        return terms

    trainer._take = noted
    with isolated(3):
        trainer.start()
        trainer.fit()
    return steps, trainer.validate(feed, trainer.present_step())


def furthest(first: Any, second: Any) -> float:
    """Return the largest relative difference of numbers."""
    pairs = zip(torch.tensor(first).flatten().tolist(), torch.tensor(second).flatten().tolist(), strict=True)
    return max(abs(a - b) / max(abs(a), abs(b), 1e-3) if math.isfinite(a + b) else math.inf for a, b in pairs)


def compare(
    name: str, world: World, build: dict[str, Any], options: TrainOptions, images: ImageSet, data: DataOptions
) -> dict[str, Any]:
    """Return how far several processes are from one, over the steps, in validation and in the weights."""

    def make() -> Model:
        with isolated(1):
            return zoo.build(name, (1, 8, 8), config=build, train_size=len(images.train), classes={"label": [1] * 10})

    lone, shared = make(), make()
    steps, validation = losses_of(lone, alone(CPU), options, images, data)
    together, found = losses_of(shared, company_of(shared, world), options, images, data)
    weights = torch.cat([value.detach().flatten().float() for value in shared.state_dict().values()])
    of_first = weights.clone()
    world.follow([of_first])
    differing = (weights != of_first).float().sum().reshape(1)
    world.sum([differing])
    moved = {name: value.float() for name, value in lone.state_dict().items()}
    far = max(
        (
            float((value.float() - moved[name]).norm() / (moved[name].norm() + 1e-6))
            for name, value in shared.state_dict().items()
        ),
    )
    return {
        "steps": len(steps),
        "losses": furthest(steps, together),
        "validation": furthest(list(validation.values()), list(found.values())),
        "weights": far,
        "differing": float(differing),
    }


def recipes(world: World) -> dict[str, Any]:
    """Every model's smallest recipe over 20 steps, two of five with shares that are uneven."""
    names = sys.argv[2:] or [f"{name}.tiny" for name in load_registry(third_party=False).models.names()]
    options = TrainOptions(epochs=4, batch_size=12, lr=1e-3, clip=10.0, ema=0.9)
    data = DataOptions(augment="flip-shift", binarize="dynamic")
    return {name: compare(name, world, {}, options, pictures(57), data) for name in names}


JOBS: dict[str, Callable[[World], Any]] = {"recipes": recipes}


def main() -> None:
    launch = launched()
    assert launch is not None
    world = settle(join(launch, CPU))
    found = JOBS[sys.argv[1]](world)
    if world.first:
        print(json.dumps(found))
    world.close()


if __name__ == "__main__":
    main()
