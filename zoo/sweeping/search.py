"""A search for the best values instead of a grid: Optuna suggests, and keeps what it has seen in the sweep's folder."""

from __future__ import annotations

__all__ = ["check_search", "run_search"]

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from zoo.errors import ZooError
from zoo.specs import MetricSpec
from zoo.sweeping.plan import Plan
from zoo.sweeping.ranges import Range
from zoo.sweeping.results import Point, key_of

STORAGE = "search.db"
NAME = "sweep"
Try: TypeAlias = Callable[[Mapping[str, Any], str, str], Point]


def check_search(metrics: Sequence[MetricSpec], trials: int) -> None:
    """Check that there is something to search by, before any work is done.

    Raises:
        ZooError: If Optuna is not installed, or no metric is named that is better high or low.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ZooError("--trials needs Optuna; install it with 'pip install generative-zoo[search]'")
    if trials < 1:
        raise ZooError(f"--trials must be at least 1, got {trials}")
    if not metrics:
        raise ZooError("--trials searches for the best value of a metric; name it, such as --metrics elbo")
    if not metrics[0].better:
        raise ZooError(f"--trials: {metrics[0].name} is neither better high nor low; search by another metric")


def run_search(plan: Plan, metric: MetricSpec, trials: int, path: Path, attempt: Try, seed: int) -> None:
    """Try points until there are as many as asked for, each where Optuna's tree-structured Parzen estimator says.

    Every trial has a sampler of its own seed, and one that was stopped is taken up with the values that it had. So a
    search that is stopped and started again tries the same points as one that is not.

    Arguments:
        plan: What is swept; of its ranges the bounds are searched.
        metric: What is made high or low.
        trials: How many points, with those of earlier calls.
        path: The sweep's folder, where the storage is.
        attempt: Trains and scores a point.
        seed: Seed of what is suggested.

    References:
        Algorithms for Hyper-Parameter Optimization (Bergstra et al., 2011), NeurIPS 24.
        Optuna: A Next-generation Hyperparameter Optimization Framework (Akiba et al., 2019), arXiv:1907.10902.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {one.key: _distribution(one) for one in plan.ranges}
    direction = "maximize" if metric.better == "higher" else "minimize"
    storage = f"sqlite:///{path / STORAGE}"
    study = optuna.create_study(storage=storage, study_name=NAME, direction=direction, load_if_exists=True)
    for number in range(trials):
        if number >= len(study.get_trials(deepcopy=False)):
            study.sampler = optuna.samplers.TPESampler(seed=seed + number)
            study.ask(space)
        trial = study.get_trials(deepcopy=False)[number]
        point = attempt(trial.params, f"trial {number + 1}/{trials}", f"trial-{number + 1}")
        if not trial.state.is_finished():
            found = point.mean(key_of(metric))
            if found is not None and math.isfinite(found):
                study.tell(number, found)
            else:
                _check_there_is_one(point, metric)
                study.tell(number, state=optuna.trial.TrialState.FAIL)


def _check_there_is_one(point: Point, metric: MetricSpec) -> None:
    """Tell a metric that the model does not have from a run that failed."""
    for scores in point.scores.values():
        if point.error is None and scores.get(key_of(metric)) is None:
            reason = scores.get("reasons", {}).get(key_of(metric), "the model has none")
            raise ZooError(f"there is no {metric.name} to search by: {reason}")


def _distribution(one: Range) -> Any:
    from optuna import distributions

    if one.bounds is None:
        return distributions.CategoricalDistribution(one.values)
    low, high = one.bounds
    if one.whole:
        return distributions.IntDistribution(int(low), int(high), log=one.log)
    return distributions.FloatDistribution(low, high, log=one.log)
