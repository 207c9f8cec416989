"""The conformance kit: what a plugin's tests say in three lines.

Example:
    >>> from zoo.testing import parametrize
    >>> @parametrize("zoo_sphere")
    ... def test_conforms(check):
    ...     check()
"""

from __future__ import annotations

__all__ = [
    "Failed",
    "NotApplicable",
    "Outcome",
    "Trial",
    "parametrize",
    "parametrize_datasets",
    "parametrize_metrics",
    "parametrize_models",
    "parametrize_parts",
    "parametrize_plugin",
    "require",
    "trials",
]

from zoo.testing.check import Failed, NotApplicable, Outcome, Trial, require, trials
from zoo.testing.parametrize import (
    parametrize,
    parametrize_datasets,
    parametrize_metrics,
    parametrize_models,
    parametrize_parts,
    parametrize_plugin,
)
