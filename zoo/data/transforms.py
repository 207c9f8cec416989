"""What the training step does to images in [0, 1]: binary pixels, flips and shifts, drawn anew at each use."""

from __future__ import annotations

__all__ = ["Augment", "Binarize", "augment", "binarize"]

from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Binarize: TypeAlias = Literal["none", "dynamic", "threshold"]
Augment: TypeAlias = Literal["none", "flip", "shift", "flip-shift"]

MAX_SHIFT = 2
"""By how many pixels an image moves at most, in each direction."""


def binarize(x: Tensor, mode: Binarize) -> Tensor:
    """Return images with pixels 0 or 1.

    Arguments:
        x: Images `(B, C, H, W)` in [0, 1].
        mode: `dynamic` draws each pixel with its value as the probability of 1, from torch's default generator;
            `threshold` cuts at one half; `none` returns `x`.

    Example:
        >>> binarize(torch.tensor([0.2, 0.5, 0.9]), "threshold").tolist()
        [0.0, 1.0, 1.0]
    """
    if mode == "dynamic":
        return torch.bernoulli(x)
    return (x >= 0.5).to(x.dtype) if mode == "threshold" else x


def augment(x: Tensor, mode: Augment) -> Tensor:
    """Return images each mirrored by chance and moved by up to two pixels, drawn from torch's default generator.

    Arguments:
        x: Images `(B, C, H, W)`, floating-point, on any device.
        mode: `flip` mirrors left and right, `shift` moves and fills with 0, `flip-shift` does both.
    """
    if mode in ("flip", "flip-shift"):
        x = _flip(x)
    return _shift(x) if mode in ("shift", "flip-shift") else x


def _flip(x: Tensor) -> Tensor:
    chosen = torch.rand(x.shape[0], 1, 1, 1, device=x.device) < 0.5
    return torch.where(chosen, x.flip(-1), x)


def _shift(x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    padded = functional.pad(x, (MAX_SHIFT,) * 4)
    rows, columns = _window(b, h, x.device), _window(b, w, x.device)
    moved = padded.gather(2, rows[:, None, :, None].expand(b, c, h, w + 2 * MAX_SHIFT))
    return moved.gather(3, columns[:, None, None, :].expand(b, c, h, w))


def _window(count: int, length: int, device: torch.device) -> Tensor:
    """Draw for each image which `length` of the padded rows remain: `(count, length)`."""
    start = torch.randint(0, 2 * MAX_SHIFT + 1, (count, 1), device=device)
    return start + torch.arange(length, device=device)
