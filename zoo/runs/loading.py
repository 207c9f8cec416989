"""From a weights file back to the model: parts by registered name, then tensors; nothing in a file is run."""

from __future__ import annotations

__all__ = [
    "count_parameters",
    "find_data",
    "find_parts",
    "load_model",
    "metadata_of",
    "place",
    "save_model",
    "save_prior",
]

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import zoo
from zoo.assembly import build_fitted_prior, build_model, providers
from zoo.errors import ZooError
from zoo.interfaces import FittedPrior, Model, Site, Step, TakesPrior
from zoo.options import Options
from zoo.registry import Registry, load_registry
from zoo.runs.folder import FORMAT, Run
from zoo.runs.forms import PRIOR
from zoo.runs.header import read_facts
from zoo.runs.origin import Origin
from zoo.runs.weights import read_tensors, write_tensors
from zoo.settings import Settings, Vocabulary, options_class
from zoo.specs import FITTED_PRIOR
from zoo.training.randomness import isolated


def place(model: Model, device: torch.device | str) -> Model:
    """Move a model to a device, in the memory layout that it is trained and used in."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def count_parameters(model: Model) -> int:
    """Return the number of trained values."""
    return sum(parameter.numel() for parameter in model.parameters())


def save_model(path: Path, model: Model, metadata: Mapping[str, Any]) -> None:
    """Write weights and metadata in one file, in one step."""
    write_tensors(path, model.state_dict(), metadata)


def load_model(run: Run, registry: Registry | None = None) -> Model:
    """Rebuild a run's model from its file, with its fitted prior if the run names one.

    Raises:
        ZooError: If a plugin that it needs is not installed, its tensors do not fit, or the prior was fitted to others.
    """
    registry = registry or load_registry()
    facts = run.metadata
    data = facts["data"]
    site = Site(tuple(data["shape"]), data["train_size"], {}, data.get("classes", {}))
    origin = Origin(run, str(run.weights), facts["providers"])
    composition, parts = find_parts(registry, origin, facts["composition"], facts["parts"])
    # Initial weights are drawn and then replaced; the caller's generator must not notice.
    with isolated(0):
        chosen = options_from(registry, composition, parts, facts["options"])
        model = build_model(registry, composition, parts, chosen, site)
    tensors, _ = read_tensors(run.weights)
    try:
        place(model, "cpu").load_state_dict(tensors)
    except RuntimeError:
        raise ZooError(f"{run.weights} does not fit the model it names; was a plugin changed since?") from None
    if run.prior is not None:
        _put_prior(run, run.prior, model, registry)
    return model.eval()


def _put_prior(run: Run, name: str, model: Model, registry: Registry) -> None:
    path = run.prior_file(name)
    facts = read_facts(path, FORMAT, PRIOR)
    if facts["weights"] != digest(run):
        again = f"zoo fit {run.path} --prior {name}"
        raise ZooError(f"{path} was fitted before the run was trained to what it is; fit it again with '{again}'")
    origin = Origin(run, str(path), {FITTED_PRIOR: facts["provider"]})
    part = origin.find(registry, registry.parts.get(FITTED_PRIOR), FITTED_PRIOR, facts["prior"])
    options = options_class(registry.part(FITTED_PRIOR, part), FITTED_PRIOR).from_dict(facts["options"])
    if not isinstance(model, TakesPrior):
        raise ZooError(f"{run.path} takes no other prior: a {run.metadata['model']} has no codes")
    with isolated(0):
        prior = build_fitted_prior(registry, part, options, replace(model.prior_site, train_size=facts["codes"]))
    tensors, _ = read_tensors(path)
    try:
        prior.load_state_dict(tensors)
    except RuntimeError:
        raise ZooError(f"{path} does not fit the prior it names; was a plugin changed since?") from None
    model.take_prior(prior)


def save_prior(run: Run, name: str, prior: FittedPrior, facts: Mapping[str, Any]) -> None:
    """Write a fitted prior and what is known of it into a run, in one step; an earlier one of the name is replaced."""
    path = run.prior_file(name)
    path.parent.mkdir(exist_ok=True)
    write_tensors(path, prior.state_dict(), {"format": FORMAT, **facts, "weights": digest(run), "versions": versions()})


def digest(run: Run) -> str:
    """Return the SHA-256 of a run's weights file: a prior is of use with the weights alone that gave its codes."""
    return hashlib.sha256(run.weights.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions that a file names, for those who find it."""
    return {"zoo": zoo.__version__, "torch": torch.__version__, "python": platform.python_version()}


def find_parts(
    registry: Registry, origin: Origin, composition: str, parts: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """Return a run's composition and parts by the names that find them here, whoever else now has the same names.

    Arguments:
        registry: Where they are found.
        origin: What made the run.
        composition, parts: As the run names them.

    Raises:
        ZooError: If a plugin that the run needs is not installed.
    """
    composition = origin.find(registry, registry.compositions, "composition", composition)
    roles = registry.composition(composition).roles
    kinds = {role.name: role.kind for role in roles}
    if missing := [role.name for role in roles if role.name not in parts and not role.optional]:
        raise ZooError(f"{origin.where} names no {missing[0]}; train again, or restore it from a copy")
    found = {
        role: origin.find(registry, registry.parts.get(kinds.get(role, role)), role, name)
        for role, name in parts.items()
    }
    return composition, found


def find_data(registry: Registry, origin: Origin, data: str) -> str:
    """Return a run's data, as `--data` would name it here; see `find_parts`."""
    name, colon, argument = data.partition(":")
    return origin.find(registry, registry.datasets, "data", name) + colon + argument


def options_from(
    registry: Registry, composition: str, parts: Mapping[str, str], dotted: Mapping[str, Any]
) -> dict[str, Options]:
    """Return each role's options from values by dotted name."""
    vocabulary = Vocabulary(registry, composition, parts)
    values: dict[str, dict[str, Any]] = {role: {} for role in vocabulary.options}
    for name, value in dotted.items():
        role, _, option = name.partition(".")
        if role not in values:
            raise ZooError(f"option '{name}' belongs to no role of composition '{composition}'")
        values[role][option] = value
    return {role: cls.from_dict(values[role]) for role, cls in vocabulary.options.items()}


def metadata_of(
    registry: Registry,
    settings: Settings,
    site: Site,
    step: Step,
    outcome: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what a weights file says of itself."""
    tables = settings.to_dict()
    return {
        "format": FORMAT,
        "model": settings.model.name,
        "family": settings.model.family,
        "composition": settings.model.composition,
        "parts": tables["parts"],
        "options": tables["options"],
        "providers": providers(registry, settings.model.composition, settings.model.parts, settings.data),
        "data": {
            "name": settings.data,
            "shape": list(site.shape),
            "train_size": site.train_size,
            "classes": {name: list(counts) for name, counts in site.classes.items()},
            **tables["images"],
        },
        "training": tables["training"],
        "outcome": dict(outcome),
        "step": {"count": float(step.count), "epoch": float(step.epoch), "fraction": float(step.fraction)},
        "versions": versions(),
    }


def step_of(run: Run) -> Step:
    """Return where in its schedules a run ended."""
    at = run.metadata["step"]
    return Step.of(at["count"], at["epoch"], at["fraction"])
