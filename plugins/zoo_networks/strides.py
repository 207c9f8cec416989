"""The geometry of a stack of equal strided convolutions, and of the transposed convolutions that undo it."""

from __future__ import annotations

__all__ = ["Strides"]

from dataclasses import dataclass

from torch import nn

from zoo import ZooError
from zoo_networks.transposed import ToOneChannel


@dataclass(frozen=True)
class Strides:
    """Convolutions of one kernel and one stride, padded so that a stride of 1 keeps the size as nearly as it can.

    Arguments:
        kernel: Side of the kernels.
        stride: Stride of each.
        count: How many follow each other.
    """

    kernel: int
    stride: int
    count: int

    @property
    def padding(self) -> int:
        """Rows and columns added on each side."""
        return (self.kernel - 1) // 2

    def sizes(self, size: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the height and width before each convolution and after the last.

        Raises:
            ZooError: If there is no convolution, or no room for one.
        """
        if not self.count:
            raise ZooError("name the channels of at least one convolution, such as 32,64; without any, use mlp")
        sizes = [size]
        for _ in range(self.count):
            room = [side + 2 * self.padding - self.kernel for side in sizes[-1]]
            if min(room) < 0:
                raise ZooError(
                    f"images of {size[0]}×{size[1]} are too small for {self.count} convolutions of kernel "
                    f"{self.kernel} and stride {self.stride}; name fewer channels or a smaller kernel or stride"
                )
            sizes.append(tuple(r // self.stride + 1 for r in room))
        return sizes

    def conv(self, c_in: int, c_out: int, *, bias: bool) -> nn.Module:
        """Return one of the convolutions."""
        return nn.Conv2d(c_in, c_out, self.kernel, self.stride, self.padding, bias=bias)

    def transposed(
        self, c_in: int, c_out: int, small: tuple[int, ...], large: tuple[int, ...], *, bias: bool
    ) -> nn.Module:
        """Return a transposed convolution from one size to exactly another, of which `small` is the convolution's."""
        pad, kernel, stride = self.padding, self.kernel, self.stride
        rows, columns = (b - ((a - 1) * stride - 2 * pad + kernel) for a, b in zip(small, large, strict=True))
        if c_out == 1:
            return ToOneChannel(c_in, kernel, stride, pad, output_padding=(rows, columns), bias=bias)
        return nn.ConvTranspose2d(c_in, c_out, kernel, stride, pad, output_padding=(rows, columns), bias=bias)
