"""Scoring a run that is already on disk."""

from __future__ import annotations

__all__ = ["evaluate_run", "how", "images_for"]

from collections.abc import Collection, Mapping
from typing import Any

from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.data.split import hold_out
from zoo.datasets import open_images
from zoo.device import choose_device
from zoo.errors import ZooError
from zoo.evaluation.blocks import SAMPLES, subject_of
from zoo.evaluation.measure import Asked, ask, score, usual
from zoo.following import Following
from zoo.options import describe
from zoo.registry import Registry
from zoo.runs.card import write_card
from zoo.runs.folder import Run
from zoo.runs.loading import find_data, load_model, place, step_of
from zoo.runs.origin import Origin
from zoo.training.allocator import keep_freed_memory
from zoo.training.progress import Progress, Silent


def images_for(
    registry: Registry, run: Run, data: str | None = None, options: dict[str, Any] | None = None
) -> tuple[ImageSet, DataOptions]:
    """Return the images that a run was trained on, or another set read in the same way.

    Arguments:
        registry: Where data sets are found.
        run: The run.
        data: Another data set.
        options: Image options that differ from the run's.

    Raises:
        ZooError: If the images have another shape than the model takes.
    """
    facts = run.metadata["data"]
    names = {field.name for field in describe(DataOptions)}
    chosen = {key: value for key, value in facts.items() if key in names}
    # A run's own pictures were counted when it was trained; others are taken whole.
    if data is not None:
        chosen["limit"] = None
    reading = DataOptions.from_dict({**chosen, **(options or {})})
    if data is None:
        data = find_data(registry, Origin(run, str(run.path), run.metadata["providers"]), facts["name"])
    images = open_images(registry, data, reading)
    wanted = tuple(facts["shape"])
    if images.shape != wanted:
        c, h, w = wanted
        hint = f"; add --image-size {h}" if h == w and images.shape[1:] != (h, w) else ""
        colour = f"; add --colour {'grey' if c == 1 else 'rgb'}" if images.shape[0] != c else ""
        raise ZooError(
            f"{run.path} takes images of {_words(wanted)}, {images.name} has {_words(images.shape)}{hint}{colour}"
        )
    return images, reading


def _words(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def evaluate_run(
    registry: Registry,
    run: Run,
    data: str | None = None,
    device: str = "auto",
    seed: int = 0,
    reading: dict[str, Any] | None = None,
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    split: str = "test",
    samples: int = SAMPLES,
    progress: Progress | None = None,
    unnamed: Collection[str] = (),
) -> dict[str, Any]:
    """Score a run on images and, if they are its own test images, write the scores into it, beside earlier ones.

    Arguments:
        registry: Where parts and data sets are found.
        run: The run; one with a fitted prior is scored with that, and its scores are not written.
        data: Another data set of the same shape.
        device: Where to compute.
        seed: Seed of whatever is drawn.
        reading: Image options for that other data set.
        metrics: Options of further metrics, by name.
        split: Which images: `test`, `train` or `val`.
        samples: How many images metrics of samples draw.
        progress: Who is told which metric is computed.
        unnamed: Which of `metrics` nobody named: one that needs more samples finds nothing, and is no error.

    Raises:
        ZooError: If the data does not fit the model, there is no such metric, or samples are too few for one.
    """
    wanted = {one.name: one for one in [*usual(registry), *ask(registry, metrics or {}, unnamed)]}
    images, options = images_for(registry, run, data, reading)
    where = choose_device(device)
    if where.type == "cpu":
        keep_freed_memory()
    model = place(load_model(run, registry), where)
    trained_with = run.metadata["training"]["seed"]
    subject = subject_of(
        model,
        images,
        options,
        step_of(run),
        where,
        seed,
        test=_split(images, options, split, trained_with),
        train=_split(images, options, "train", trained_with),
        samples=samples,
        progress=progress,
    )
    scores, per_image = score(subject, list(wanted.values()), progress)
    outcome = run.metadata["outcome"]
    scores["parameters"] = outcome["parameters"]
    scores["images_per_second"] = round(outcome["images_per_second"], 1)
    scores["seconds"] = round(outcome["seconds"], 1)
    own = run.prior is None and not reading and data in (None, run.metadata["data"]["name"]) and split == "test"
    if own and run.whole and seed == run.metadata["training"]["seed"]:
        if made := {one.name.replace("-", "_"): how(one, samples) for one in wanted.values() if not one.spec.usual}:
            scores["computed_with"] = {**run.scores.get("computed_with", {}), **made}
        run.add_scores(scores, per_image)
        write_card(run, run.scores, registry.metrics.entries())
        Following(registry.plugins, run, progress or Silent()).evaluated(scores)
    return scores


def how(asked: Asked, samples: int) -> dict[str, Any]:
    """Return what a score that was asked for depends on beside the model, the images and the seed."""
    return {"samples": samples, **asked.options.to_dict()}


def _split(images: ImageSet, options: DataOptions, split: str, seed: int) -> Split:
    """Return the images of a split, parted as they were in training.

    Raises:
        ZooError: If there is no such split.
    """
    if split == "test":
        return images.test
    if split not in ("train", "val"):
        raise ZooError(f"--split must be test, train or val, got '{split}'")
    if not options.val_fraction:
        if split == "val":
            raise ZooError("--split val: the run held no images back; train it with --val-fraction")
        return images.train
    train, held = hold_out(images.train, options.val_fraction, seed)
    return train if split == "train" else held
