"""Checks as tests: what decorates a test of one argument."""

from __future__ import annotations

__all__ = [
    "parametrize",
    "parametrize_datasets",
    "parametrize_metrics",
    "parametrize_models",
    "parametrize_parts",
    "parametrize_plugin",
]

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from zoo.errors import ZooError
from zoo.testing.check import Failed, NotApplicable, Trial
from zoo.testing.collection import KINDS, Maker, collect
from zoo.testing.datasets.checks import dataset_trials
from zoo.testing.metrics.checks import metric_trials
from zoo.testing.parts.checks import part_trials
from zoo.testing.parts.compositions import composition_trials
from zoo.testing.selection import select

F = TypeVar("F", bound=Callable[..., Any])

_NONE: Mapping[str, str] = MappingProxyType({})


def parametrize(package: str | Path, *, expected_failures: Mapping[str, str] = _NONE) -> Callable[[F], F]:
    """Run a test once for each check of everything that a plugin brings.

    Arguments:
        package: The package that holds the plugin, its distribution, or the path of a one-file plugin.
        expected_failures: Why checks are expected to fail, by the check's name, or by `thing/check` for one thing
            alone. One that passes all the same fails the test.

    Raises:
        ZooError: If there is no such plugin or check, or pytest is not installed.

    Example:
        >>> @parametrize("zoo_sphere")
        ... def test_conforms(check):
        ...     check()
    """
    return _decorator(package, expected_failures, tuple(KINDS))


def parametrize_plugin(package: str | Path, *, expected_failures: Mapping[str, str] = _NONE) -> Callable[[F], F]:
    """Run a test once for each check of a plugin as a whole and of its options; see `parametrize`."""
    return _decorator(package, expected_failures, ("plugin",))


def parametrize_models(package: str | Path, *, expected_failures: Mapping[str, str] = _NONE) -> Callable[[F], F]:
    """Run a test once for each check of each model of a plugin; see `parametrize`."""
    return _decorator(package, expected_failures, ("models",))


def parametrize_parts(
    package: str | Path,
    *,
    expected_failures: Mapping[str, str] = _NONE,
    options: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Callable[[F], F]:
    """Run a test once for each check of each part and composition of a plugin; see `parametrize`.

    Arguments:
        package: The plugin.
        expected_failures: Why checks are expected to fail.
        options: Options of parts that are smaller than their defaults, by what is checked, such as `loss mine`.
    """
    makers = {"parts": (partial(part_trials, options=options), composition_trials)}
    return _decorator(package, expected_failures, ("parts",), makers)


def parametrize_datasets(
    package: str | Path,
    *,
    expected_failures: Mapping[str, str] = _NONE,
    arguments: Mapping[str, str] = _NONE,
) -> Callable[[F], F]:
    """Run a test once for each check of each data set of a plugin; see `parametrize`.

    Arguments:
        package: The plugin.
        expected_failures: Why checks are expected to fail.
        arguments: What follows the colon of a data set that reads a path, by its name.
    """
    makers = {"datasets": (partial(dataset_trials, arguments=arguments),)}
    return _decorator(package, expected_failures, ("datasets",), makers)


def parametrize_metrics(
    package: str | Path,
    *,
    expected_failures: Mapping[str, str] = _NONE,
    options: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Callable[[F], F]:
    """Run a test once for each check of each metric of a plugin; see `parametrize`.

    Arguments:
        package: The plugin.
        expected_failures: Why checks are expected to fail.
        options: Options of metrics that are smaller than their defaults, by what is checked, such as `metric mine`.
    """
    makers = {"metrics": (partial(metric_trials, options=options),)}
    return _decorator(package, expected_failures, ("metrics",), makers)


def _decorator(
    package: str | Path,
    expected_failures: Mapping[str, str],
    kinds: tuple[str, ...],
    makers: Mapping[str, tuple[Maker, ...]] = KINDS,
) -> Callable[[F], F]:
    try:
        import pytest
    except ImportError:
        raise ZooError("zoo.testing needs pytest; install it with \"pip install 'generative-zoo[testing]'\"") from None
    trials = collect(select(package), expected_failures, kinds, makers)
    if not trials:
        raise ZooError(f"'{package}' brings nothing to check here; take zoo.testing.parametrize for all that it brings")
    found = [
        pytest.param(
            PytestTrial(trial),
            id=str(trial).replace(" ", "-"),
            marks=[pytest.mark.xfail(reason=trial.reason, strict=True, raises=Failed)] if trial.reason else [],
        )
        for trial in trials
    ]
    mark: Callable[[F], F] = pytest.mark.parametrize("check", found)
    return mark


@dataclass(frozen=True)
class PytestTrial:
    """A trial that skips the test where it says nothing."""

    trial: Trial

    def __call__(self) -> None:
        """Make the check."""
        import pytest

        __tracebackhide__ = True
        try:
            self.trial()
        except NotApplicable as why:
            pytest.skip(str(why))
