"""The checks of a part, by its kind and by what they are about."""

from __future__ import annotations

__all__ = ["PART_CHECKS", "part_trials"]

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.catalogue import Source
from zoo.registry import Registry
from zoo.specs import FITTED_PRIOR
from zoo.testing.check import Check, Trial, trials
from zoo.testing.deferred import DeferredCheck
from zoo.testing.parts.case import PartCase


def _from(module: str, *names: str) -> tuple[Check, ...]:
    return tuple(DeferredCheck(f"zoo.testing.parts.{module}:{name}") for name in names)


_PLACE = _from("networks", "fits_a_model", "gradients_reach_parameters", "eval_mode_is_deterministic")
_NETWORK = _from("networks", "out_shape_is_what_comes_out", "images_are_mapped_alone", "gradients_reach_the_input")
_DISTRIBUTION = _from(
    "distributions",
    "shapes_of_samples",
    "density_is_finite_at_samples",
    "density_comes_with_the_draw",
    "mean_is_that_of_samples",
    "gradients_reach_samples",
    "copies_keep_the_density",
    "tempering_multiplies_the_spread",
)
_DENSITY = _from("densities", "density_integrates_to_one", "samples_follow_the_density")
_PIXELS = _from("densities", "images_are_judged_alone", "distortion_counts_every_pixel")
_DIVERGENCE = (
    *_from("divergences", "closed_form_kl_is_that_of_samples", "kl_to_itself_is_zero"),
    *_from("reparameterisation", "gradients_of_samples_are_those_of_the_mean"),
)
_LOSS = _from("losses", "terms_are_finite_numbers", "players_have_their_losses", "loss_is_per_image")
_BOUND = _from("losses", "rate_weight_is_the_factor", "bound_is_below_log_likelihood")
_LABELS = _from("conditions", "condition_has_its_size", "labels_are_honoured", "strange_labels_are_refused")
_BIJECTION = _from("bijections", "log_determinants_are_those_of_autograd", "inverse_undoes_forward")
_FIT = _from(
    "fits",
    "takes_its_place_in_a_model",
    "fit_raises_the_likelihood",
    "file_brings_the_fit_back",
    "fit_draws_from_torch_alone",
    "too_few_codes_are_refused",
)

PART_CHECKS: Mapping[str, Mapping[str, tuple[Check, ...]]] = {
    "encoder": {"part": (*_PLACE, *_NETWORK)},
    "decoder": {"part": (*_PLACE, *_NETWORK)},
    "posterior": {"part": _PLACE, "maths": (*_DISTRIBUTION, *_DENSITY, *_DIVERGENCE)},
    "prior": {"part": _PLACE, "maths": (*_DISTRIBUTION, *_DENSITY, *_DIVERGENCE)},
    "likelihood": {"part": _PLACE, "maths": (*_DISTRIBUTION, *_DENSITY, *_PIXELS)},
    "condition": {"part": (*_PLACE, *_LABELS)},
    "loss": {"part": (*_PLACE[:2], *_LOSS), "maths": _BOUND},
    FITTED_PRIOR: {"part": _FIT, "maths": (*_DISTRIBUTION, *_DENSITY)},
}
"""What is checked of each kind; a kind that another composition declares has the checks of `OTHERS`."""

OTHERS: Mapping[str, tuple[Check, ...]] = {"part": _PLACE, "maths": _BIJECTION}


def part_trials(
    registry: Registry, source: Source, options: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Trial]:
    """Yield the trials of the parts that a plugin brings.

    Arguments:
        registry: Where they are found.
        source: The plugin.
        options: Options of parts, by what they are called, such as `loss elbo`; the defaults otherwise.
    """
    chosen = options or {}
    for kind, catalogue in sorted(registry.parts.items()):
        for entry in catalogue.entries():
            if entry.source == source:
                thing = f"{kind} {entry.name}"
                case = PartCase(registry, kind, entry, chosen.get(thing, {}))
                yield from trials(thing, PART_CHECKS.get(kind, OTHERS), case)
