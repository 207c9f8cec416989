"""What `import zoo` gives: train, load, evaluate, fit, compare, sweep, build."""

from __future__ import annotations

__all__ = ["build", "compare", "evaluate", "fit", "load", "sweep", "train"]

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.assembly import build_model
from zoo.comparison.compare import Comparison, compare_models
from zoo.evaluation.runs import evaluate_run
from zoo.experiment import run_training
from zoo.fitting import fit_prior
from zoo.interfaces import Model, Site
from zoo.many.choice import Way
from zoo.plugins.one_file import read_files
from zoo.registry import load_registry
from zoo.runs.folder import Run, find_run
from zoo.runs.loading import place
from zoo.settings import Layer, resolve
from zoo.sweeping.plan import make_plan
from zoo.sweeping.results import Sweep
from zoo.sweeping.run import run_sweep
from zoo.tracking import Track, find_trackers, read_tracking
from zoo.training.progress import Progress, Silent


def train(
    model: str,
    *,
    out: str | Path | None = None,
    config: dict[str, Any] | None = None,
    plugins: Sequence[str | Path] = (),
    track: Track = (),
    progress: Progress | None = None,
    **options: Any,
) -> Run:
    """Train a model as `zoo train` does, and return its run.

    Arguments:
        model: A model of the registry, or `model.recipe`.
        out: The run folder; by default the next `runs/<model>-<data>-<N>`.
        config: Settings whose names are no Python names, such as `{"loss.beta": 0.11}`.
        plugins: One-file plugins to load, as `zoo --plugin` does; the run keeps a copy of each.
        track: Trackers that follow the run by name, or their options by name: `{"tensorboard": {"dir": "logs"}}`.
        progress: Who is told; nobody by default.
        options: Settings by the names of the flags, with underscores: `beta=0.11, epochs=5, prior="gamma"`.

    Returns:
        The run; `run.model` is the trained model, `run.scores` what it scored on the test images.

    Raises:
        ZooError: If a setting is unknown or out of range, or the data cannot be had.
        Diverged: If training stopped making sense.

    Example:
        >>> import zoo
        >>> run = zoo.train("conv-vae.tiny", data="glyphs", beta=0.11, limit=256, epochs=1, out="runs/doc-train")
        >>> run.model.sample(16).shape
        torch.Size([16, 1, 28, 28])
    """
    values = {**(config or {}), **options}
    registry = load_registry(plugin_files=plugins)
    settings = resolve(registry, model, [Layer("train", values)])
    trackers = find_trackers(registry, read_tracking(track))
    folder = Path(out) if out is not None else None
    command = as_command(model, values, registry.plugins.flags)
    return run_training(registry, settings, progress or Silent(), folder, command, trackers)


def as_command(model: str, values: Mapping[str, Any], before: Sequence[str] = ()) -> str:
    """Return the command line that trains a model with settings; `before` stands before the command."""
    return shlex.join(["zoo", *before, "train", model, *_flags(values)])


def _flags(values: Mapping[str, Any]) -> list[str]:
    flags = []
    for name, value in values.items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        flag = f"--{name.replace('_', '-')}"
        flags += [f"{flag}={text}"] if not isinstance(value, bool) else [flag if value else f"--no-{flag[2:]}"]
    return flags


def load(path: str | Path, *, plugins: Sequence[str | Path] = ()) -> Run:
    """Open a run by its folder, or by a weights file; the model is rebuilt when it is asked for.

    Arguments:
        path: The run's folder, or its weights.
        plugins: One-file plugins that it needs. The path of a run stands for the copies that it keeps, which are code:
            name one that you trust.

    Raises:
        ZooError: If there is no run, or a plugin that it needs is not installed.

    Example:
        >>> import zoo
        >>> run = zoo.train("vae.tiny", data="glyphs", limit=256, epochs=1, out="runs/doc-load")
        >>> zoo.load("runs/doc-load").metadata["model"]
        'vae'
    """
    return find_run(path, tuple(file.path.absolute() for file in read_files(plugins)))


def evaluate(
    path: str | Path,
    *,
    data: str | None = None,
    device: str = "auto",
    seed: int = 0,
    prior: str | None = None,
    metrics: Sequence[str] | Mapping[str, Mapping[str, Any]] = (),
    split: str = "test",
    samples: int = 10_000,
    plugins: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """Score a run on the test images, as `zoo evaluate` does, and return the scores by name.

    Arguments:
        path: The run.
        data: Another data set of the same shape; the run's own by default.
        device: Where to compute.
        seed: Seed of the posterior samples; the same one gives the same numbers to the bit.
        prior: A prior that `fit` fitted, in the place of the declared one.
        metrics: Further metrics by name, or their options by name: `{"iwae-bound": {"k": 5000}}`.
        split: Which images: `test`, `train` or `val`.
        samples: How many images metrics of samples draw.
        plugins: One-file plugins to load, as in `load`.

    Raises:
        ZooError: If the data does not fit the model, no such prior was fitted, or there is no such metric.

    Example:
        >>> import zoo
        >>> run = zoo.train("vae.tiny", data="glyphs", limit=256, epochs=1, out="runs/doc-evaluate")
        >>> zoo.evaluate("runs/doc-evaluate")["likelihood"]
        'bound, binary pixels'
    """
    run = find_run(path) if prior is None else find_run(path).with_prior(prior)
    wanted = metrics if isinstance(metrics, Mapping) else {name: {} for name in metrics}
    registry = load_registry(plugin_files=plugins)
    return evaluate_run(
        registry, run, data=data, device=device, seed=seed, metrics=wanted, split=split, samples=samples
    )


def fit(
    path: str | Path,
    prior: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
    plugins: Sequence[str | Path] = (),
    **options: Any,
) -> Run:
    """Fit a prior to the codes of a run's training images, as `zoo fit` does, and return the run with it.

    Arguments:
        path: The run; the prior is written into its folder, in the place of an earlier one of that name.
        prior: `gaussian`, `gmm`, `kde`, `maf`, `nsf`, or what a plugin brings.
        limit: Take this many of the training images.
        seed: Seed of the codes and of the fit; the same one gives the same file to the bit.
        device: Where to compute.
        plugins: One-file plugins to load, as in `load`.
        options: Options of the prior by the names of the flags, with underscores.

    Returns:
        The run with that prior in the place of the declared one; `run.priors` tells what each fit found.

    Raises:
        ZooError: If there is no such prior or option, or no density can be fitted to the codes.

    Example:
        >>> import zoo
        >>> run = zoo.train("ae.tiny", data="glyphs", limit=256, epochs=1, out="runs/doc-fit")
        >>> zoo.fit("runs/doc-fit", "gaussian").model.sample(4).shape
        torch.Size([4, 1, 28, 28])
        >>> zoo.load("runs/doc-fit").with_prior("gaussian").priors["gaussian"]["codes"]
        230
    """
    registry = load_registry(plugin_files=plugins)
    run = find_run(path, registry.plugins.paths)
    return fit_prior(registry, run, prior, options, limit=limit, seed=seed, device=device)


def compare(
    names: Sequence[str],
    *,
    seeds: int = 1,
    out: str | Path | None = None,
    metrics: Sequence[str] | Mapping[str, Mapping[str, Any]] = (),
    samples: int = 10_000,
    plugins: Sequence[str | Path] = (),
    track: Track = (),
    progress: Progress | None = None,
    side_by_side: Way = "auto",
    **options: Any,
) -> Comparison:
    """Train models under the same data, seeds and budget, or take finished runs, and compare their scores.

    Arguments:
        names: Models of the registry, with settings of their own as in `conv-vae:beta=0.5`, or paths of runs (with a
            `/`).
        seeds: Train each model this many times; what was trained before is taken from where it lies.
        out: Where the comparison goes; by default the next `compare/<models>-<data>-<N>`.
        metrics: Further metrics by name, or their options by name.
        samples: How many images metrics of samples draw.
        plugins: One-file plugins to load, as in `load`.
        track: Trackers that follow the runs that are trained, as in `train`.
        progress: Who is told.
        side_by_side: How the runs are trained: what is faster (`auto`), one after another (`off`), in `processes` of
            their own, or all in one `vectorised` step.
        options: Settings for every model that is trained, as in `train`.

    Returns:
        What was found; `.document` is what `results.json` holds, `.rows` are the models with their runs.

    Raises:
        ZooError: If a name is unknown or the runs are of different data.

    Example:
        >>> import zoo
        >>> both = zoo.compare(
        ...     ["ae.tiny", "vae.tiny"], data="glyphs", limit=256, epochs=1, batch_size=64, out="compare/doc"
        ... )
        >>> [row.name for row in both.rows]
        ['ae.tiny', 'vae.tiny']
        >>> both.document["seeds"], both.document["data"]["test"]
        ([0], 4000)
    """
    wanted = metrics if isinstance(metrics, Mapping) else {name: {} for name in metrics}
    own = {f"{name}.{option}": value for name, chosen in wanted.items() for option, value in chosen.items()}
    named = {"metrics": list(wanted)} if wanted else {}
    flags = _flags({**options, "seeds": seeds, **named, **own, "samples": samples})
    registry = load_registry(plugin_files=plugins)
    return compare_models(
        registry,
        names,
        Layer("compare", options),
        seeds=seeds,
        out=Path(out) if out is not None else None,
        progress=progress or Silent(),
        metrics=wanted,
        samples=samples,
        command=shlex.join(["zoo", *registry.plugins.flags, "compare", *names, *flags]),
        trackers=find_trackers(registry, read_tracking(track)),
        way=side_by_side,
    )


def sweep(
    model: str,
    *,
    seeds: int = 1,
    metrics: Sequence[str] | Mapping[str, Mapping[str, Any]] = (),
    trials: int | None = None,
    out: str | Path | None = None,
    config: dict[str, Any] | None = None,
    plugins: Sequence[str | Path] = (),
    track: Track = (),
    progress: Progress | None = None,
    side_by_side: Way = "auto",
    **options: Any,
) -> Sweep:
    """Train a model along one or more options, as `zoo sweep` does, and return what was found.

    Arguments:
        model: A model of the registry, or `model.recipe`.
        seeds: Runs of each point, with successive seeds.
        metrics: What runs are scored by, the one that matters most first, by name, or their options by name; by
            default what all of them have.
        trials: Search this many points by Optuna instead of the grid, for the best value of the first metric.
        out: The folder; by default that where the same sweep was begun, else the next `sweep/<model>-<data>-<N>`.
        config: Settings whose names are no Python names, such as `{"loss.beta": "log:0.01..1:8"}`.
        plugins: One-file plugins to load, as in `load`.
        track: Trackers that follow the runs that are trained, as in `train`.
        progress: Who is told; nobody by default.
        side_by_side: How the runs are trained, as in `compare`.
        options: Settings as in `train`; those that are a range (`"log:0.01..1:8"`, `"lin:0..1:5"`, `"a,b,c"` or a
            sequence) are swept.

    Raises:
        ZooError: If nothing is swept, a value is out of range, or a metric is unknown.

    Example:
        >>> import zoo
        >>> found = zoo.sweep("vae.tiny", data="glyphs", limit=256, beta=[0.5, 2.0], out="sweep/doc")
        >>> [point.options["loss.beta"] for point in found.points]
        [0.5, 2.0]
    """
    registry = load_registry(plugin_files=plugins)
    plan = make_plan(registry, model, {**(config or {}), **options})
    folder = Path(out) if out is not None else None
    told = progress or Silent()
    wanted = metrics if isinstance(metrics, Mapping) else {name: {} for name in metrics}
    trackers = find_trackers(registry, read_tracking(track))
    return run_sweep(
        registry,
        plan,
        seeds=seeds,
        metrics=wanted,
        trials=trials,
        out=folder,
        progress=told,
        trackers=trackers,
        way=side_by_side,
    )


def build(
    model: str,
    shape: tuple[int, int, int],
    *,
    config: dict[str, Any] | None = None,
    train_size: int = 1,
    classes: Mapping[str, Sequence[int]] | None = None,
    plugins: Sequence[str | Path] = (),
    **options: Any,
) -> Model:
    """Build an untrained model for images of a shape `(C, H, W)`.

    Arguments:
        model: A model of the registry, or `model.recipe`.
        shape: The shape of one image.
        config: Settings whose names are no Python names, such as `{"loss.beta": 0.11}`.
        train_size: The number of training images, which a few losses need.
        classes: How many training images each class of each label has, which a condition needs.
        plugins: One-file plugins to load, as in `load`.
        options: Settings by the names of the flags, with underscores.

    Raises:
        ZooError: If a setting is unknown, or the model does not fit the shape.

    Example:
        >>> import zoo
        >>> zoo.build("conv-vae", (3, 30, 17), latent_dim=4).sample(2).shape
        torch.Size([2, 3, 30, 17])
    """
    registry = load_registry(plugin_files=plugins)
    settings = resolve(registry, model, [Layer("build", {**(config or {}), **options})])
    spec = settings.model
    site = Site(shape, train_size, {}, classes or {})
    built = build_model(registry, spec.composition, spec.parts, settings.options, site)
    return place(built, "cpu")
