"""The checks of a data set."""

from __future__ import annotations

__all__ = ["DATASET_CHECKS", "dataset_trials"]

from collections.abc import Iterator, Mapping

from zoo.catalogue import Source
from zoo.registry import Registry
from zoo.testing.check import Check, Trial, trials
from zoo.testing.datasets.case import DatasetCase
from zoo.testing.deferred import DeferredCheck

DATASET_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "data": tuple(
        DeferredCheck(f"zoo.testing.datasets.images:{name}")
        for name in (
            "loads_images",
            "pixels_lie_in_the_unit_interval",
            "labels_are_one_an_image",
            "loads_the_same_again",
            "limit_takes_the_first",
            "image_size_is_taken",
            "held_out_images_are_others",
            "size_is_what_it_says",
            "strange_arguments_are_refused",
        )
    )
}


def dataset_trials(registry: Registry, source: Source, arguments: Mapping[str, str] | None = None) -> Iterator[Trial]:
    """Yield the trials of the data sets that a plugin brings.

    Arguments:
        registry: Where they are found.
        source: The plugin.
        arguments: What follows the colon, by the name of the set, for those that want something there.
    """
    for entry in registry.datasets.entries():
        if entry.source == source:
            case = DatasetCase(registry, entry, (arguments or {}).get(entry.name))
            yield from trials(f"data set {entry.name}", DATASET_CHECKS, case)
