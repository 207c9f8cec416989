"""What the tests of the kit share: a registry with one thing more, and what is expected of its trials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zoo import PartSpec
from zoo.catalogue import Source
from zoo.registry import Registry, load_registry
from zoo.testing.check import Trial

MINE = Source("mine", "1", "mine")


def registry_with(**added: Any) -> Registry:
    """The registry with one thing more, called `odd`."""
    registry = load_registry(third_party=False)
    for kind, spec in added.items():
        if isinstance(spec, PartSpec):
            registry.parts[spec.kind].add(spec.name, spec, MINE)
        else:
            getattr(registry, kind).add(spec.name, spec, MINE)
    return registry


def fails(trials: Mapping[str, Trial], check: str, sentence: str, but: tuple[str, ...] = ()) -> None:
    """Check that one check fails with a sentence, and no other but those that are named."""
    outcomes = {name: trial.run() for name, trial in trials.items()}
    failed = {name: outcome.sentence for name, outcome in outcomes.items() if outcome.status == "failed"}
    assert check in failed, failed
    assert re.search(sentence, failed[check]), failed[check]
    assert failed.keys() - {check, *but} == set(), failed
    assert "could not be checked" not in failed[check]


def passes(trials: Mapping[str, Trial], applies: tuple[str, ...]) -> None:
    """Check that nothing fails, and that the checks that are named were made."""
    outcomes = {name: trial.run() for name, trial in trials.items()}
    failed = {name: outcome.sentence for name, outcome in outcomes.items() if outcome.status == "failed"}
    assert not failed, failed
    assert not [name for name in applies if outcomes[name].status != "passed"]
