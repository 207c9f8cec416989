"""What tests/test_distributed.py has several processes do; each answers with one JSON document, told by the first."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import zoo
from zoo import DataOptions, Diverged, ImageSet, Model, Split
from zoo.distributed.company import Company, alone, company_of
from zoo.distributed.group import join
from zoo.distributed.host import settle
from zoo.distributed.launch import launched
from zoo.distributed.rows import SharedRows
from zoo.distributed.share import Share
from zoo.distributed.world import World
from zoo.registry import load_registry
from zoo.runs.checkpoint import Checkpoint
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


def recipes(world: World, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every model's smallest recipe over 20 steps, one of five with shares that are uneven."""
    options = TrainOptions(epochs=4, batch_size=12, lr=1e-3, clip=10.0, ema=0.9)
    data = DataOptions(augment="flip-shift", binarize="dynamic")
    chosen = [f"{name}.tiny" for name in names or load_registry().models.names()]
    return {name: compare(name, world, {}, options, pictures(57), data) for name in chosen}


def few(world: World) -> dict[str, Any]:
    """Recipes of different kinds."""
    return recipes(world, ("conv-vae", "iwae", "vq-vae", "wae-mmd", "vamp-vae"))


def uneven(world: World) -> dict[str, Any]:
    """Batches that do not divide, last ones of fewer images than processes, and players that wait for their turn."""
    kinds: dict[str, tuple[str, dict[str, Any], int, int]] = {
        "one row left over": ("vae.tiny", {}, 127, 127),
        "normalised": ("conv-vae.tiny", {}, 31, 10),
        "fewer than processes": ("conv-vae.tiny", {}, 2, 2),
        "a last batch of two": ("conv-vae.tiny", {}, 14, 4),
        "adversary": ("aae.tiny", {}, 29, 9),
        "whole batch, a last one of two": ("beta-tc-vae.tiny", {}, 14, 4),
        "free bits": ("vae.tiny", {"loss.free_bits": 0.5}, 31, 10),
        "balanced": ("linear-vae.tiny", {"loss.balanced": True}, 31, 10),
        "gamma codes": ("vae.tiny", {"posterior": "gamma", "prior": "gamma"}, 31, 10),
        "as many samples as images": ("iwae.tiny", {"k": 5}, 30, 10),
        "as many units as images": ("vae.tiny", {"latent_dim": 5}, 30, 10),
    }
    found = {}
    for kind, (name, build, count, batch) in kinds.items():
        options = TrainOptions(epochs=3, batch_size=batch, lr=1e-3, optimizer="sgd", clip=1.0, ema=0.5)
        found[kind] = compare(name, world, build, options, pictures(count), DataOptions())
    return found


def normalise(x: Tensor, weight: Tensor, bias: Tensor, grad: Tensor) -> list[Tensor]:
    """Return the values, the gradients and the running statistics of a batch normalisation."""
    leaves = [value.clone().requires_grad_() for value in (x, weight, bias)]
    mean, variance = torch.zeros(len(weight)), torch.ones(len(weight))
    y = F.batch_norm(leaves[0], mean, variance, leaves[1], leaves[2], True, 0.3)
    return [y.detach(), *torch.autograd.grad((y * grad).sum(), leaves), mean, variance]


def normalised(world: World) -> dict[str, float]:
    """Batch normalisation of shares against torch's of the whole batch: values, gradients, running statistics."""
    found = {}
    for shape in ((7, 3), (7, 4, 5, 5), (7, 3, 6), (2, 4, 5, 5), (1, 4, 5, 5)):
        share = Share.of(shape[0], world.rank, world.size)
        with isolated(0):
            whole, weight, bias, grad = (
                3 * torch.randn(shape) + 9,
                torch.randn(shape[1]),
                torch.randn(shape[1]),
                torch.randn(shape),
            )

        wanted = normalise(whole, weight, bias, grad)
        with SharedRows(world, share):
            mine = normalise(share.take(whole), weight, bias, share.take(grad) * (not share.idle))
        world.sum(mine[2:4])
        rows = [share.take(value) for value in wanted[:2]]
        pairs = zip(mine, [*rows, *wanted[2:]], strict=True)
        if share.idle:
            pairs = zip(mine[2:], wanted[2:], strict=True)
        far = torch.tensor([max(float((a - b).abs().max() / (b.abs().max() + 1e-3)) for a, b in pairs)])
        found[str(shape)] = float(world.gather(far, 1).max())
    return found


def drawn(world: World) -> dict[str, float]:
    """Each kind of draw for a share against the rows of the whole batch's, and the generator left where it was."""
    rows = 7
    chances = torch.linspace(0.1, 0.9, rows * 3).reshape(rows, 3)
    draws: dict[str, Callable[[Tensor], Tensor]] = {
        "randn": lambda x: torch.randn(len(x), 3),
        "randn of a shape": lambda x: torch.randn((11, len(x), 3)).transpose(0, 1),
        "randn size=": lambda x: torch.randn(size=(len(x), 3), dtype=torch.float64),
        "rand": lambda x: torch.rand(len(x), 3),
        "randint": lambda x: torch.randint(0, 9, (len(x), 2)),
        "randint size=": lambda x: torch.randint(9, size=(len(x), 2)),
        "randn_like": torch.randn_like,
        "rand_like": torch.rand_like,
        "bernoulli": torch.bernoulli,
        "Tensor.bernoulli": lambda x: x.bernoulli(),
        "normal": lambda x: torch.normal(x, 2 * x),
        "normal_": lambda x: torch.empty_like(x).normal_(1.0, 3.0),
        "uniform_": lambda x: torch.empty_like(x).uniform_(-1, 2),
        "exponential_": lambda x: torch.empty_like(x).exponential_(),
        "bernoulli_": lambda x: torch.empty_like(x).bernoulli_(0.3),
        "dropout": lambda x: F.dropout(x, 0.4, True),
        "gumbel_softmax": lambda x: F.gumbel_softmax(x.log()),
        "multinomial of rows": lambda x: torch.multinomial(x, 2, replacement=True),
        "multinomial": lambda x: torch.multinomial(torch.tensor([0.2, 0.3, 0.5]), len(x), replacement=True),
        "of no batch": lambda x: torch.randn(11).repeat(len(x), 1),
    }
    found = {}
    for name, draw in draws.items():
        share = Share.of(rows, world.rank, world.size)
        torch.manual_seed(4)
        wanted, after = share.take(draw(chances)), torch.rand(())
        torch.manual_seed(4)
        with SharedRows(world, share):
            mine = draw(share.take(chances))
        far = (mine.double() - wanted.double()).abs().max() + (torch.rand(()) - after).abs()
        found[name] = float(world.gather(far.float().reshape(1), 1).max())
    return found


def messages(world: World) -> dict[str, Any]:
    """What processes tell each other: of all sizes and types, and always in step."""
    long = 3_000_000
    mine = torch.arange(long, dtype=torch.float32) + world.rank
    plane = torch.full((4, 3, 5, 5), float(world.rank)).contiguous(memory_format=torch.channels_last)
    numbers = world.add([world.rank, 0.25, 2.0**40 + 1])
    double = torch.tensor(world.rank + 0.5, dtype=torch.float64)
    world.sum([mine, plane, torch.zeros(0)])
    world.sum([double])
    total = sum(range(world.size))
    rows = torch.arange(2 * 700_000, dtype=torch.int64).reshape(2, -1) * (world.rank + 1)
    gathered = world.gather(rows[: 1 + (world.rank == 0)], 2)
    copied = [torch.full((3, 2), world.rank), torch.tensor(world.rank, dtype=torch.uint8), torch.rand(5, 4).t()]
    world.follow(copied)
    world.wait_for_first()
    owners = [None, *(rank % world.size for rank in range(5))]
    owned = [torch.full((2,), 1.0), *(torch.full((3 + 900_000 * rank, 2), 1.0 + world.rank) for rank in range(5))]
    owned[2] = owned[2].t().contiguous().t()
    world.sum(owned, owners)
    mine_of = [owned[i + 1] for i in range(5) if i % world.size == world.rank]
    # The longest are longer than a page of memory, and go over in several turns.
    moved = [torch.full((4 + 600_000 * i,), float(10 * world.rank + i)) for i in range(5)]
    world.spread(moved, owners[1:])
    bits = [torch.full((3,), world.rank, dtype=kind) for kind in (torch.int64, torch.bfloat16, torch.float64)]
    world.spread(bits, [0, world.size - 1, 1])
    return {
        "sum for all": bool((owned[0] == world.size).all()),
        "sum for owners": all(bool((one == total + world.size).all()) for one in mine_of),
        "spread": all(bool((one == 10 * (i % world.size) + i).all()) for i, one in enumerate(moved)),
        "spread of all kinds": [int(one.sum()) for one in bits] == [0, 3 * (world.size - 1), 3],
        "texts": world.hear_all("ü" * world.rank) == ["ü" * rank for rank in range(world.size)],
        "sum": bool((mine == torch.arange(long, dtype=torch.float32) * world.size + total).all()),
        "plane": bool((plane == total).all()) and plane.is_contiguous(memory_format=torch.channels_last),
        "numbers": numbers == [total, world.size / 4, world.size * (2.0**40 + 1)],
        "double": float(double) == total + world.size / 2,
        "gather": all(
            bool((gathered[2 * i] == rows[0] // (world.rank + 1) * (i + 1)).all()) for i in range(world.size)
        ),
        "follow": int(copied[0].sum()) == 0 and int(copied[1]) == 0,
        "no text": world.hear("" if world.first else "x") == "",
        "text": world.hear("naïve/path ü" if world.first else "") == "naïve/path ü",
        "kind": type(world).__name__,
    }


def failures(world: World) -> dict[str, Any]:
    """A loss that is not finite in one process alone stops all of them at the same step."""
    images = pictures(40)
    options = TrainOptions(epochs=2, batch_size=8, lr=1e-3)
    with isolated(1):
        model = zoo.build("vae.tiny", (1, 8, 8))
    steps = 0
    loss = model.loss

    def spoilt(*args: Any) -> Any:
        nonlocal steps
        steps += model.training
        terms = loss(*args)
        return replace(terms, loss=terms.loss * math.nan) if steps == 7 and world.rank == world.size - 1 else terms

    model.loss = spoilt
    try:
        losses_of(model, company_of(model, world), options, images, DataOptions())
        message = "none"
    except Diverged as error:
        message = str(error)
    stopped = world.gather(torch.tensor([steps, int("step 6" in message)]), 2)
    return {"stopped": stopped.tolist(), "message": message}


def resumed(world: World) -> dict[str, Any]:
    """One process, then several, then one, against one all along."""
    images, data = pictures(50), DataOptions(augment="flip", val_fraction=0.0)

    def trained(model: Model, company: Company, epochs: int, kept: Checkpoint | None) -> Checkpoint:
        options = TrainOptions(epochs=epochs, batch_size=12, lr=1e-3, ema=0.9)
        saved: list[Checkpoint] = []
        feed = Feed(images, images.train, data, 12, 0)
        trainer = Trainer(model, TrainingData(feed, feed), options, Silent(), saved.append, lambda _: None, company)
        with isolated(3):
            trainer.start() if kept is None else trainer.restore(kept)
            trainer.fit()
            return trainer.checkpoint()

    def make() -> Model:
        with isolated(1):
            return zoo.build("conv-vae.tiny", (1, 8, 8))

    def copied(checkpoint: Checkpoint) -> Checkpoint:
        return Checkpoint({name: value.clone() for name, value in checkpoint.tensors.items()}, dict(checkpoint.facts))

    kept: Checkpoint | None = None
    for epochs, several in ((2, False), (4, True), (6, False)):
        changing = make()
        kept = copied(trained(changing, company_of(changing, world) if several else alone(CPU), epochs, kept))
    again: Checkpoint | None = None
    for epochs in (2, 4, 6):
        straight = make()
        again = copied(trained(straight, alone(CPU), epochs, again))
    assert kept is not None
    assert again is not None
    far = {
        name: float(
            (value.double() - again.tensors[name].double()).norm() / (again.tensors[name].double().norm() + 1e-6)
        )
        for name, value in kept.tensors.items()
    }
    return {
        "far": max(far.values()),
        "same names": kept.tensors.keys() == again.tensors.keys(),
        "epoch": kept.facts["epoch"],
    }


JOBS: dict[str, Callable[[World], Any]] = {
    job.__name__: job for job in (recipes, few, uneven, normalised, drawn, messages, failures, resumed)
}


def main() -> None:
    """Do one job, or several one after another, named with commas between."""
    launch = launched()
    assert launch is not None
    group = join(launch, CPU)
    world = group if "ZOO_TEST_NETWORK" in os.environ else settle(group)
    found = {name: JOBS[name](world) for name in sys.argv[1].split(",")}
    if world.first:
        print(json.dumps(found))
    world.close()


if __name__ == "__main__":
    main()
