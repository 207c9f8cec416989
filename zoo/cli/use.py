"""`zoo sample` and `zoo evaluate`: what a run draws, and what it scores."""

from __future__ import annotations

__all__ = ["evaluate", "sample"]

from pathlib import Path
from typing import Any

import click

from zoo.cli.metric_command import (
    METRICS,
    SAMPLES,
    SPLIT,
    MetricCommand,
    metric_names,
    metric_options,
    unnamed_metrics,
)
from zoo.cli.metrics import print_scores
from zoo.cli.opening import (
    DEVICE,
    OUT,
    PRIOR,
    RUN,
    image_flags,
    open_model,
    open_run,
    read_options,
    save_arrays,
    target,
)
from zoo.cli.session import session
from zoo.cli.terminal import JSON, print_json, say


@click.command()
@RUN
@click.option("-n", "count", type=click.IntRange(1), default=64, show_default=True, help="How many images.")
@PRIOR
@click.option("--mean", type=float, help="Draw codes from a normal of this mean instead of the prior.")
@click.option("--std", type=click.FloatRange(0, min_open=True), help="And of this standard deviation.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiplies the spread of what codes are drawn from.",
)
@click.option("--label", type=click.IntRange(0), help="Draw this label, from a model that was told labels.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of what is drawn.")
@DEVICE
@OUT
@click.pass_context
def sample(
    ctx: click.Context,
    /,
    run: str,
    count: int,
    prior: str | None,
    mean: float | None,
    std: float | None,
    temperature: float,
    label: int | None,
    seed: int,
    device: str,
    out: Path | None,
) -> None:
    """Draw images from a run: from its prior, from one that was fitted to it, or from another normal."""
    opened = open_run(ctx, run, prior)
    path = target(opened, out, "samples")
    import torch

    from zoo.figures.images import save_grid
    from zoo.interfaces import SampleOptions, TakesPrior
    from zoo.training.randomness import isolated

    model = open_model(ctx, opened, device)
    with isolated(seed), torch.no_grad():
        images = model.sample(count, SampleOptions(temperature, mean, std, label)).cpu()
    if path.suffix == ".npz":
        save_arrays(path, {"images": images.clamp(0, 1).numpy()})
    else:
        save_grid(images, path)
    click.echo(str(path))
    declared = prior is None and mean is None and std is None
    if declared and isinstance(model, TakesPrior) and model.fitted_prior is not None:
        priors = opened.priors
        best = max(priors, key=lambda name: priors[name]["log_likelihood"]["fitted"], default=None)
        how = f"zoo sample {run} --prior {best}" if best is not None else f"zoo fit {run} --prior {model.fitted_prior}"
        say(f"its codes are points; a prior fitted to them may draw better: '{how}'")


@click.command(cls=MetricCommand)
@RUN
@METRICS
@SPLIT
@SAMPLES
@PRIOR
@image_flags
@click.option("--seed", type=click.IntRange(0), help="Seed of the posterior samples.  [default: the run's own]")
@DEVICE
@JSON
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    run: str,
    metrics: str | None,
    split: str,
    samples: int,
    prior: str | None,
    seed: int | None,
    device: str,
    as_json: bool,
    **reading: Any,
) -> None:
    """Score a run on the test images, and write the scores into it; with a fitted prior, show them only.

    An option of a metric is set by its name, as in --metrics iwae-bound --iwae-bound.k 5000.
    """
    registry = session(ctx).registry
    wanted = metric_options(ctx, metric_names(registry, metrics))
    opened = open_run(ctx, run, prior)
    reading = {key: value for key, value in reading.items() if not key.startswith("option_")}
    facts, data, options = opened.metadata, reading["data"], read_options(reading)
    from zoo.cli.progress import watch
    from zoo.evaluation.runs import evaluate_run

    chosen = facts["training"]["seed"] if seed is None else seed
    unnamed = unnamed_metrics(metrics, wanted)
    scores = evaluate_run(
        registry, opened, data, device, chosen, options, wanted, split, samples, watch(), unnamed=unnamed
    )
    if as_json:
        with_prior = {"prior": prior} if prior is not None else {}
        print_json({"run": str(opened.path), **with_prior, "data": data or facts["data"]["name"], "scores": scores})
        return
    print_scores(registry, scores, wanted)
