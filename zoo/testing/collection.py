"""Every trial of a selection of plugins, kind by kind."""

from __future__ import annotations

__all__ = ["KINDS", "collect"]

from collections.abc import Callable, Iterable, Iterator, Mapping

from zoo.catalogue import Source
from zoo.errors import ZooError, did_you_mean
from zoo.registry import Registry
from zoo.testing.check import Trial, expecting
from zoo.testing.datasets.checks import dataset_trials
from zoo.testing.metrics.checks import metric_trials
from zoo.testing.models.checks import model_trials
from zoo.testing.parts.checks import part_trials
from zoo.testing.parts.compositions import composition_trials
from zoo.testing.plugins.checks import plugin_trials
from zoo.testing.plugins.options import option_trials
from zoo.testing.selection import Selection

Maker = Callable[[Registry, Source], Iterator[Trial]]

KINDS: Mapping[str, tuple[Maker, ...]] = {
    "plugin": (plugin_trials, option_trials),
    "models": (model_trials,),
    "parts": (part_trials, composition_trials),
    "datasets": (dataset_trials,),
    "metrics": (metric_trials,),
}
"""What makes the trials of each kind of thing that a plugin brings."""


def collect(
    selection: Selection,
    expected_failures: Mapping[str, str],
    kinds: Iterable[str] = tuple(KINDS),
    makers: Mapping[str, tuple[Maker, ...]] = KINDS,
) -> list[Trial]:
    """Return the trials of plugins, in the order of the kinds.

    Arguments:
        selection: The plugins.
        expected_failures: Why checks are expected to fail, by the check's name, or by `thing/check`.
        kinds: Which kinds of things, of `KINDS`.
        makers: What makes their trials.

    Raises:
        ZooError: If a failure is expected of a check that is not made.
    """
    found = [
        trial
        for kind in kinds
        for maker in makers[kind]
        for source in selection.sources
        for trial in maker(selection.registry, source)
    ]
    known = {name for trial in found for name in (trial.name, str(trial))}
    for name, reason in expected_failures.items():
        if name not in known:
            raise ZooError(f"expected_failures: no check is called '{name}'{did_you_mean(name, known)}")
        if not reason.strip():
            raise ZooError(f"expected_failures: '{name}' has no reason; say why it fails")
    return [expecting(trial, expected_failures) for trial in found]
