"""Checks of the images of a data set."""

from __future__ import annotations

__all__ = [
    "image_size_is_taken",
    "labels_are_one_an_image",
    "limit_takes_the_first",
    "loads_images",
    "loads_the_same_again",
    "pixels_lie_in_the_unit_interval",
    "size_is_what_it_says",
    "strange_arguments_are_refused",
    "held_out_images_are_others",
]

import re
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from zoo.data.images import ImageSet, Split
from zoo.errors import ZooError
from zoo.testing.check import NotApplicable, require
from zoo.testing.datasets.loaded import Loaded

_BLOCK = 4096
_FEW = 16


def loads_images(loaded: Loaded) -> None:
    """It gives training and test images of one shape, as tensors that a run can take."""
    images = loaded.images
    require(isinstance(images, ImageSet), f"gives a {type(images).__name__}, not a zoo.ImageSet")
    shape = tuple(images.train.x.shape[1:])
    for name, split in _splits(images):
        x = _tensor(split)
        require(x.ndim == 4, f"its {name} images are no tensor (N, C, H, W)")
        require(len(x), f"it has no {name} images")
        require(
            tuple(x.shape[1:]) == shape,
            f"its {name} images are {_words(x)}, and others {_words(_tensor(images.train))}",
        )
        require(
            x.dtype == torch.uint8 or x.is_floating_point(),
            f"its {name} images are {x.dtype}; keep bytes or real numbers",
        )
        require(not x.requires_grad, f"its {name} images carry gradients")
    require(images.name.strip(), "its images have no name, which runs and figures are told")
    require(images.source.strip(), "its images have no source, which the model card is told")


def pixels_lie_in_the_unit_interval(loaded: Loaded) -> None:
    """Stored values times `scale` lie in [0, 1], and are not all alike."""
    images = loaded.images
    for name, split in _splits(images):
        low, high = float("inf"), -float("inf")
        for block in torch.split(_tensor(split), _BLOCK):
            values = images.read(block)
            require(bool(values.isfinite().all()), f"some {name} pixels are not finite numbers")
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        require(
            low >= 0 and high <= 1 + 1e-6,
            f"its {name} pixels lie in [{low:.4g}, {high:.4g}] once read; mend scale, which is 1 / 255 for bytes",
        )
        require(high > low, f"its {name} pixels are all {low:.4g}")
    high = float(images.read(images.train.x[:_BLOCK]).max())
    require(high > 0.02, f"its pixels are at most {high:.4g} once read; mend scale, which is 1 / 255 for bytes")


def labels_are_one_an_image(loaded: Loaded) -> None:
    """Each label has one value for each image, and is of training and test images alike."""
    images = loaded.images
    names = [sorted(split.y) for _, split in _splits(images)]
    require(names[0] == names[1], f"training images have the labels {names[0]}, and test images {names[1]}")
    for name, split in _splits(images):
        for label, value in split.y.items():
            require(isinstance(value, Tensor), f"label '{label}' is a {type(value).__name__}, not a tensor")
            require(
                value.ndim >= 1 and len(value) == len(split.x),
                f"label '{label}' has shape {tuple(value.shape)} for {len(split.x)} {name} images",
            )
            require(label.replace("-", "_").isidentifier(), f"label '{label}' is no word")


def loads_the_same_again(loaded: Loaded) -> None:
    """The same images come each time, in the same order, whatever the generators are at."""
    first = loaded.images
    torch.manual_seed(torch.initial_seed() + 1)
    again = loaded.read()
    for (name, one), (_, other) in zip(_splits(first), _splits(again), strict=True):
        same = _tensor(one).equal(_tensor(other)) and all(value.equal(other.y[label]) for label, value in one.y.items())
        require(same, f"other {name} images come the second time; draw them from a generator with a seed of its own")


def limit_takes_the_first(loaded: Loaded) -> None:
    """`--limit` takes the first training images, and leaves the test images alone."""
    whole = loaded.images
    count = min(_FEW, len(whole.train))
    few = loaded.read(limit=count)
    require(
        _tensor(few.train).equal(whole.train.x[:count]), f"--limit {count} gives others than the first {count} images"
    )
    require(_tensor(few.test).equal(_tensor(whole.test)), f"--limit {count} gives other test images")


def image_size_is_taken(loaded: Loaded) -> None:
    """`--image-size` makes its images that size."""
    channels = loaded.images.shape[0]
    images = loaded.read(image_size=8, limit=min(_FEW, len(loaded.images.train)))
    require(images.shape == (channels, 8, 8), f"--image-size 8 gives images of {images.shape}, not {(channels, 8, 8)}")


def held_out_images_are_others(loaded: Loaded) -> None:
    """Most test images are not among the training images."""
    images = loaded.images
    seen = set(_digests(_tensor(images.train)))
    test = list(_digests(_tensor(images.test)))
    share = sum(digest in seen for digest in test) / len(test)
    require(share < 0.5, f"{share:.0%} of its test images are training images; hold others back")


def size_is_what_it_says(loaded: Loaded) -> None:
    """Its declared size, if it has one, is that of the images."""
    found = re.fullmatch(r"([\d,]+) \+ ([\d,]+)(?: of (\d+)×(\d+)×(\d+))?", loaded.spec.size)
    if found is None:
        raise NotApplicable("it declares no size such as '60,000 + 10,000 of 1×28×28'")
    images = loaded.images
    numbers = [int(number.replace(",", "")) for number in found.groups() if number is not None]
    counted = [len(images.train), len(images.test), *images.shape][: len(numbers)]
    require(numbers == counted, f"declares a size of '{loaded.spec.size}', and has {_size(images)}")


def strange_arguments_are_refused(loaded: Loaded) -> None:
    """What it cannot read after its colon is refused with a ZooError."""
    strange = "no/such-thing"
    try:
        loaded.open(strange)
    except ZooError:
        return
    except NotApplicable:
        raise
    except Exception as error:
        require(False, f"--data {loaded.spec.name}:{strange} raises {type(error).__name__}; raise a ZooError")
    require(False, f"--data {loaded.spec.name}:{strange} is taken; raise a ZooError that says what may stand there")


def _splits(images: ImageSet) -> Iterator[tuple[str, Split]]:
    yield "training", images.train
    yield "test", images.test


def _tensor(split: Split) -> Tensor:
    require(isinstance(split.x, Tensor), f"its images are a {type(split.x).__name__}, and no tensor (N, C, H, W)")
    return cast(Tensor, split.x)


def _digests(x: Tensor) -> Iterator[int]:
    for block in torch.split(x, _BLOCK):
        yield from (hash(row.tobytes()) for row in block.contiguous().flatten(1).numpy())


def _words(x: Tensor) -> str:
    return "×".join(map(str, x.shape[1:]))


def _size(images: ImageSet) -> str:
    return f"{len(images.train):,} + {len(images.test):,} of {'×'.join(map(str, images.shape))}"
