"""The generative model zoo: encoders, decoders, priors and losses, composed, trained and compared."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.errors import Diverged, ZooError, ZooWarning
from zoo.hookspecs import hookimpl
from zoo.options import Options, Scheduled, option
from zoo.schedules import Schedule
from zoo.specs import CompositionSpec, DatasetSpec, MetricSpec, PartSpec, Role, TrackerSpec

if TYPE_CHECKING:
    from zoo.api import build, compare, evaluate, fit, load, sweep, train
    from zoo.data.images import ImageSet, Split
    from zoo.data.options import DataOptions
    from zoo.evaluation.subject import Subject
    from zoo.features.classifier import Classifier, Unjudged
    from zoo.geometry import Chart, Geometry
    from zoo.interfaces import (
        Batch,
        Bijection,
        Condition,
        Conditional,
        Decoder,
        DecodesLatents,
        Embeds,
        Encoder,
        ExactLikelihood,
        FittedPrior,
        LatentModel,
        Likelihood,
        Loss,
        Measure,
        Metric,
        Model,
        Network,
        Part,
        Player,
        Posterior,
        Prior,
        Reconstructs,
        SampleOptions,
        Site,
        Step,
        TakesPrior,
        Terms,
        at_step,
        given,
    )
    from zoo.runs.folder import Run
    from zoo.training.likelihood import maximise_likelihood

__version__ = "0.1.0"

# Everything that imports torch is found here on first use, so that `import zoo` and the command line stay light.
_LAZY = {
    **dict.fromkeys(("build", "compare", "evaluate", "fit", "load", "sweep", "train"), "zoo.api"),
    **dict.fromkeys(("ImageSet", "Split"), "zoo.data.images"),
    "DataOptions": "zoo.data.options",
    "Subject": "zoo.evaluation.subject",
    "maximise_likelihood": "zoo.training.likelihood",
    **dict.fromkeys(("Classifier", "Unjudged"), "zoo.features.classifier"),
    **dict.fromkeys(("Chart", "Geometry"), "zoo.geometry"),
    "Run": "zoo.runs.folder",
    **dict.fromkeys(
        (
            "Batch",
            "Bijection",
            "Condition",
            "Conditional",
            "Decoder",
            "DecodesLatents",
            "Embeds",
            "Encoder",
            "ExactLikelihood",
            "FittedPrior",
            "LatentModel",
            "Likelihood",
            "Loss",
            "Measure",
            "Metric",
            "Model",
            "Network",
            "Part",
            "Player",
            "Posterior",
            "Prior",
            "Reconstructs",
            "SampleOptions",
            "Site",
            "Step",
            "TakesPrior",
            "Terms",
            "at_step",
            "given",
        ),
        "zoo.interfaces",
    ),
}

__all__ = [
    "Batch",
    "Bijection",
    "Chart",
    "Classifier",
    "CompositionSpec",
    "Condition",
    "Conditional",
    "DataOptions",
    "DatasetSpec",
    "Decoder",
    "DecodesLatents",
    "Diverged",
    "Embeds",
    "Encoder",
    "ExactLikelihood",
    "FittedPrior",
    "Geometry",
    "ImageSet",
    "LatentModel",
    "Likelihood",
    "Loss",
    "Measure",
    "Metric",
    "MetricSpec",
    "Model",
    "Network",
    "Options",
    "Part",
    "PartSpec",
    "Player",
    "Posterior",
    "Prior",
    "Reconstructs",
    "Role",
    "Run",
    "SampleOptions",
    "Schedule",
    "Scheduled",
    "Site",
    "Split",
    "Step",
    "Subject",
    "TakesPrior",
    "Terms",
    "TrackerSpec",
    "Unjudged",
    "ZooError",
    "ZooWarning",
    "__version__",
    "at_step",
    "build",
    "compare",
    "evaluate",
    "fit",
    "given",
    "hookimpl",
    "load",
    "maximise_likelihood",
    "option",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
