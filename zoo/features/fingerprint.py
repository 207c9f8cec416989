"""Which images these are: hashes by which a classifier knows its data."""

from __future__ import annotations

__all__ = ["of_test", "of_training"]

import hashlib

from torch import Tensor

from zoo.data.images import Images, ImageSet

_ROWS = 4096


def of_training(images: ImageSet, label: str) -> str:
    """Return the SHA-256 of the training images and their labels, in hexadecimal digits."""
    return _digest(images.scale, images.train.x, images.train.y[label])


def of_test(images: ImageSet) -> str:
    """Return the SHA-256 of the test images, in hexadecimal digits."""
    return _digest(images.scale, images.test.x)


def _digest(scale: float, x: Images, *labels: Tensor) -> str:
    found = hashlib.sha256(f"{scale}".encode())
    for tensor in (x, *labels):
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        # By rows: images that are mapped from disk need never be in memory at once.
        for start in range(0, len(tensor), _ROWS):
            found.update(tensor[start : start + _ROWS].contiguous().numpy().tobytes())
    return found.hexdigest()
