"""Checks of what a metric finds."""

from __future__ import annotations

__all__ = [
    "answers_for_every_model",
    "blocks_change_nothing",
    "gives_a_number",
    "images_have_their_mean",
    "leaves_the_model_alone",
    "same_seed_same_score",
]

import math
from collections.abc import Iterator, Sequence

import torch

from zoo.errors import ZooError
from zoo.interfaces import Measure
from zoo.testing.check import Failed, NotApplicable, require
from zoo.testing.metrics.subjects import SEEDS, Scored, value_of

_PARTED = (7, 7, 2)
"""Blocks of test images in sixteenths, the last one small and unlike the others."""


def answers_for_every_model(scored: Scored) -> None:
    """For every kind of model and of code it has a finite number, or none with a reason."""
    for name in scored.models:
        try:
            found = scored.measure(scored.build(name))
        except ZooError as error:
            cure = "return Measure(None, reason), or tell the model its labels: zoo.given(model, batch.y)"
            raise Failed(f"cannot be asked of {name} ({error}); {cure}") from error
        require(isinstance(found, Measure), f"gives a {type(found).__name__}, not a zoo.Measure")
        if found.value is None:
            require(found.reason.strip(), f"has no number for {name} and no reason; return Measure(None, reason)")
        else:
            values = list(_numbers(found.value))
            require(all(map(math.isfinite, values)), f"gives {found.value} for {name}; return Measure(None, reason)")


def gives_a_number(scored: Scored) -> None:
    """What it finds is plain numbers: the score, and finite details or words."""
    _, found = scored.example
    values = found.value if isinstance(found.value, Sequence) else [found.value]
    require(
        all(isinstance(value, int | float) for value in values),
        f"its value is a {type(found.value).__name__}; return a float, or a list of them",
    )
    for name, detail in found.details.items():
        plain = isinstance(detail, str) or (isinstance(detail, int | float) and math.isfinite(detail))
        require(plain, f"its detail '{name}' is {detail!r}; return a finite number or a text")


def same_seed_same_score(scored: Scored) -> None:
    """The same model, images and seed have the same score to the bit, whatever was drawn before."""
    name, first = scored.example
    torch.manual_seed(99)
    again = scored.measure(scored.build(name))
    require(again == first, f"gives {_text(first)} the first time and {_text(again)} the second, with the same seed")
    require(_same_images(first, again), "gives other values of images the second time, with the same seed")


def blocks_change_nothing(scored: Scored) -> None:
    """The score does not depend on how the test images are parted into blocks, but for the noise of another seed."""
    if scored.entry.item.group == "cost":
        raise NotApplicable("what a model costs is of the images that it is handed at once")
    name, whole = scored.example
    model = scored.build(name)
    noise = torch.stack([value_of(scored.measure(model, seed=seed)) for seed in SEEDS])
    blocks = [share * scored.images // 16 for share in _PARTED]
    parted = value_of(scored.measure(model, blocks=blocks))
    spread = (noise.max(0).values - noise.min(0).values).max()
    gap = (parted - value_of(whole)).abs().max()
    # Of three seeds the range is a guess of the noise.
    require(
        bool(gap <= 4 * spread + 1e-4 * noise.abs().max()),
        f"gives {_text(whole)} for {scored.images} images at once, and {parted.tolist()} for the same in blocks of "
        f"{', '.join(map(str, blocks))}; weigh each block by its images",
    )


def images_have_their_mean(scored: Scored) -> None:
    """Where it tells the value of each image, the score is their mean."""
    _, found = scored.example
    values = found.per_image
    if values is None:
        raise NotApplicable("it tells no values of images")
    require(
        tuple(values.shape) == (scored.images,),
        f"its per_image has shape {tuple(values.shape)} for {scored.images} images",
    )
    require(bool(values.isfinite().all()), "some of its per_image are not finite")
    mean = float(values.double().mean())
    wanted = float(value_of(found).mean())
    require(
        abs(mean - wanted) <= 1e-5 * max(1e-6, abs(wanted)),
        f"its score is {wanted:.6g} and the mean of per_image {mean:.6g}; leave per_image out where it is no such mean",
    )


def leaves_the_model_alone(scored: Scored) -> None:
    """The model is afterwards what it was: weights, buffers, mode and gradients."""
    name, _ = scored.example
    model = scored.build(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    scored.measure(model)
    after = model.state_dict()
    moved = [key for key, value in before.items() if not value.equal(after[key])]
    require(not moved, f"changes {', '.join(moved)} of the model")
    require(not model.training, "leaves the model in training mode")
    learned = [key for key, value in model.named_parameters() if value.grad is not None]
    require(not learned, f"leaves gradients in {', '.join(learned)}")
    frozen = [key for key, value in model.named_parameters() if not value.requires_grad]
    require(not frozen, f"leaves {', '.join(frozen)} without requires_grad")


def _same_images(one: Measure, other: Measure) -> bool:
    if one.per_image is None or other.per_image is None:
        return one.per_image is other.per_image
    return one.per_image.equal(other.per_image)


def _numbers(value: float | Sequence[float]) -> Iterator[float]:
    yield from (float(each) for each in (value if isinstance(value, Sequence) else [value]))


def _text(found: Measure) -> str:
    return f"{found.value}"
