"""`zoo sample` and `zoo evaluate`: what a run draws, and what it scores."""

from __future__ import annotations

__all__ = ["evaluate", "sample"]

from pathlib import Path
from typing import Any

import click

from zoo.cli.opening import DEVICE, OUT, RUN, image_flags, open_model, open_run, read_options, save_arrays, target
from zoo.cli.session import session
from zoo.cli.terminal import JSON, number, print_json, print_table


@click.command()
@RUN
@click.option("-n", "count", type=click.IntRange(1), default=64, show_default=True, help="How many images.")
@click.option("--mean", type=float, help="Draw codes from a normal of this mean instead of the prior.")
@click.option("--std", type=click.FloatRange(0, min_open=True), help="And of this standard deviation.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiplies the spread of what codes are drawn from.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of what is drawn.")
@DEVICE
@OUT
@click.pass_context
def sample(
    ctx: click.Context,
    /,
    run: str,
    count: int,
    mean: float | None,
    std: float | None,
    temperature: float,
    seed: int,
    device: str,
    out: Path | None,
) -> None:
    """Draw images from a run: from its prior, or from another normal."""
    opened = open_run(ctx, run)
    path = target(opened, out, "samples")
    import torch

    from zoo.figures.images import save_grid
    from zoo.interfaces import SampleOptions
    from zoo.training.randomness import isolated

    model = open_model(ctx, opened, device)
    with isolated(seed), torch.no_grad():
        images = model.sample(count, SampleOptions(temperature, mean, std)).cpu()
    if path.suffix == ".npz":
        save_arrays(path, {"images": images.clamp(0, 1).numpy()})
    else:
        save_grid(images, path)
    click.echo(str(path))


@click.command()
@RUN
@image_flags
@click.option("--seed", type=click.IntRange(0), help="Seed of the posterior samples.  [default: the run's own]")
@DEVICE
@JSON
@click.pass_context
def evaluate(ctx: click.Context, /, run: str, seed: int | None, device: str, as_json: bool, **reading: Any) -> None:
    """Score a run on the test images, and write the scores into it."""
    opened = open_run(ctx, run)
    facts, data, options = opened.metadata, reading["data"], read_options(reading)
    from zoo.evaluation.runs import evaluate_run
    from zoo.runs.card import LABELS

    chosen = facts["training"]["seed"] if seed is None else seed
    scores = evaluate_run(session(ctx).registry, opened, data, device, chosen, options)
    if as_json:
        print_json({"run": str(opened.path), "data": data or facts["data"]["name"], "scores": scores})
        return
    rows = [[name, number(scores[name]), LABELS[name]] for name in LABELS]
    print_table(("score", "value", "meaning"), rows, right=(1,))
    for name in ("kl_per_unit", "rate_per_group"):
        if scores[name]:
            click.echo(f"{name} " + " ".join(number(value) for value in scores[name]))
