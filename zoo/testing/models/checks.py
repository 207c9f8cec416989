"""The checks of a model, by what they are about."""

from __future__ import annotations

__all__ = ["MODEL_CHECKS", "model_trials", "trials_of_model"]

from collections.abc import Iterator, Mapping

from zoo.catalogue import Source
from zoo.registry import Registry
from zoo.testing.check import Check, Trial, trials
from zoo.testing.models.abilities import abilities_fit_the_images
from zoo.testing.models.case import ModelCase
from zoo.testing.models.evaluation import eval_is_deterministic, eval_is_free_of_the_batch, evaluation_changes_nothing
from zoo.testing.models.gradients import every_parameter_gets_a_gradient, loss_falls
from zoo.testing.models.moving import (
    double_precision,
    memory_layout_changes_nothing,
    moves_as_a_whole,
    step_waits_for_nothing,
    steps_on_another_device,
)
from zoo.testing.models.resuming import resumes_to_the_bit
from zoo.testing.models.samples import same_seed_same_samples, samples_are_images
from zoo.testing.models.saving import loads_to_the_bit
from zoo.testing.models.settings import (
    has_a_tiny_recipe,
    options_have_dotted_names,
    settings_survive_their_file,
)
from zoo.testing.models.sizes import batches_of_any_size, builds, odd_image_sizes, seed_gives_the_same_weights
from zoo.testing.models.terms import finite_loss, players_own_each_parameter_once
from zoo.testing.models.traces import leaves_no_trace
from zoo.testing.models.units import repeated_batch_has_the_same_loss, twice_the_pixels_have_twice_the_distortion

MODEL_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "options": (
        has_a_tiny_recipe,
        settings_survive_their_file,
        options_have_dotted_names,
    ),
    "model": (
        builds,
        seed_gives_the_same_weights,
        finite_loss,
        repeated_batch_has_the_same_loss,
        twice_the_pixels_have_twice_the_distortion,
        every_parameter_gets_a_gradient,
        players_own_each_parameter_once,
        loss_falls,
        resumes_to_the_bit,
        loads_to_the_bit,
        samples_are_images,
        same_seed_same_samples,
        abilities_fit_the_images,
        eval_is_deterministic,
        eval_is_free_of_the_batch,
        evaluation_changes_nothing,
        batches_of_any_size,
        odd_image_sizes,
        double_precision,
        memory_layout_changes_nothing,
        moves_as_a_whole,
        steps_on_another_device,
        step_waits_for_nothing,
        leaves_no_trace,
    ),
}


def trials_of_model(registry: Registry, name: str) -> Iterator[Trial]:
    """Yield the trials of one model."""
    yield from trials(f"model {name}", MODEL_CHECKS, ModelCase(registry, name))


def model_trials(registry: Registry, source: Source) -> Iterator[Trial]:
    """Yield the trials of the models that a plugin brings."""
    for entry in registry.models.entries():
        if (entry.source.distribution, entry.item.plugin) == (source.distribution, source.plugin):
            yield from trials_of_model(registry, entry.name)
