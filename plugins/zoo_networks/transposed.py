"""The last layer of a decoder of grey images: a transposed convolution to one channel, as a product of matrices."""

from __future__ import annotations

__all__ = ["ToOneChannel"]

from collections.abc import Sequence
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@final
class ToOneChannel(nn.ConvTranspose2d):
    """Maps `(B, C, h, w)` to one channel, `(B, 1, H, W)`, as `torch.nn.ConvTranspose2d` does.

    On a CPU torch's own kernel, which is made for many channels, runs at a few per cent of the machine's speed for one.
    Here each tap of the kernel is a row of one product of matrices, and taps that fall on the same pixel are added.
    Gradients are torch's.

    Arguments:
        c_in: Channels of the maps, `C`.
        kernel: Side of the kernel.
        stride: Rows and columns from one tap to the next.
        padding: Rows and columns that are cut off on each side.
        output_padding: Rows and columns that are added at the end.
        bias: Whether a number is added to every pixel.
    """

    def __init__(
        self, c_in: int, kernel: int, stride: int, padding: int, *, output_padding: tuple[int, int], bias: bool
    ) -> None:
        super().__init__(c_in, 1, kernel, stride, padding, output_padding=output_padding, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the images `(B, 1, H, W)`."""
        plain = output_size is None and x.ndim == 4 and x.dtype == self.weight.dtype
        if not plain or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x, output_size)
        y: Tensor = _Product.apply(x, self.weight, self.stride, self.padding, self.output_padding)
        return y if self.bias is None else y + self.bias


_Pair: TypeAlias = tuple[int, int]
"""A number for rows, and one for columns."""


class _Product(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: _Pair, padding: _Pair, more: _Pair) -> Tensor:
        b, c, h, w = x.shape
        kernel = weight.shape[2:]
        each = zip((h, w), stride, padding, kernel, more, strict=True)
        height, width = ((n - 1) * s - 2 * p + k + m for n, s, p, k, m in each)
        pixels = x.permute(0, 2, 3, 1).reshape(-1, c)
        taps = torch.mm(weight.reshape(c, -1).t(), pixels.t()).reshape(*kernel, b, h, w)
        rows = _overlay(taps.unbind(1), -1, stride[1], padding[1], width)
        return _overlay(rows.unbind(0), -2, stride[0], padding[0], height).unsqueeze(1).contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, *ctx.geometry = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, more = ctx.geometry
        needed = [*ctx.needs_input_grad[:2], False]
        by_x, by_weight, _ = torch.ops.aten.convolution_backward(
            grad, x, weight, None, stride, padding, (1, 1), True, more, 1, needed
        )
        return by_x, by_weight, None, None, None


def _overlay(taps: Sequence[Tensor], dim: int, stride: int, padding: int, size: int) -> Tensor:
    """Lay one line of taps over another, each a pixel further, and return `size` pixels along a dimension.

    Pixels are made in as many sets as the stride is long: those of a set are all reached by the same taps.

    Arguments:
        taps: For each place in the kernel, what each input adds there, `n` along the dimension.
        dim: The dimension, counted from the last.
        stride: Pixels from one input to the next.
        padding: Pixels that are cut off at the start.
        size: Pixels to return.
    """
    length = -(-size // stride)
    sets = []
    for first in range(min(stride, size)):
        reach = range((first + padding) % stride, len(taps), stride)
        parts = [_shifted(taps[k], dim, (first + padding - k) // stride, length) for k in reach]
        # A stride longer than the kernel leaves pixels that no tap reaches.
        sets.append(sum(parts[1:], start=parts[0]) if parts else torch.zeros_like(_shifted(taps[0], dim, 0, length)))
    if len(sets) == 1:
        return sets[0]
    return torch.stack(sets, dim).flatten(dim - 1, dim).narrow(dim, 0, size)


def _shifted(values: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return `length` values along a dimension from `start` on, with zeros where there are none."""
    n = values.shape[dim]
    low, high = min(max(start, 0), n), max(min(start + length, n), 0)
    inside = values.narrow(dim, low, max(0, high - low))
    before = min(max(0, -start), length)
    after = length - before - inside.shape[dim]
    return F.pad(inside, [0, 0] * (-dim - 1) + [before, after]) if before or after else inside
