"""Images brought to another size, in their stored type and in blocks."""

from __future__ import annotations

__all__ = ["resize", "resize_block"]

import torch
from torch import Tensor
from torch.nn import functional

from zoo.data.storage import allocate

_BLOCK = 512


def resize(x: Tensor, size: int) -> Tensor:
    """Return images of `size` × `size` pixels, bilinear with anti-aliasing.

    Arguments:
        x: Images `(N, C, H, W)`, `uint8` or floating-point in [0, 1]; returned as they are if they have the size.
        size: The new height and width; other proportions are stretched.

    Example:
        >>> resize(torch.full((2, 1, 4, 4), 9, dtype=torch.uint8), 2).tolist()[0]
        [[[9, 9], [9, 9]]]
    """
    if x.shape[-2:] == (size, size):
        return x
    out = allocate((*x.shape[:2], size, size), x.dtype)
    for start in range(0, x.shape[0], _BLOCK):
        out[start : start + _BLOCK] = resize_block(x[start : start + _BLOCK], size)
    return out


def resize_block(x: Tensor, size: int) -> Tensor:
    """Return a few images of `size` × `size` pixels, as `resize` does, in `float32` on the scale of `x`."""
    small = functional.interpolate(x.to(torch.float32), size=(size, size), mode="bilinear", antialias=True)
    # Rounding can carry a value just past the ends.
    return small.clamp_(0, 1) if x.is_floating_point() else small.round_().clamp_(0, 255)
