"""Options of the convolutional backbones; imports no torch."""

from __future__ import annotations

__all__ = ["Activation", "ConvOptions", "ResnetOptions"]

from dataclasses import dataclass
from typing import Literal, TypeAlias

from zoo import Options, option

Activation: TypeAlias = Literal["relu", "silu", "gelu", "elu", "leaky-relu", "tanh"]


@dataclass(frozen=True, kw_only=True)
class ConvOptions(Options):
    """Options of a convolutional backbone; the decoder mirrors the encoder where they are equal."""

    channels: tuple[int, ...] = option((32, 64), "Channels of each convolution, from the image inwards.", min=1)
    kernel: int = option(3, "Side of the kernels.", min=1, max=15)
    stride: int = option(2, "Stride of each convolution.", min=1, max=8)
    hidden: tuple[int, ...] = option(
        (), "Sizes of fully connected layers between the convolutions and the code.", min=1
    )
    norm: Literal["batch", "group", "none"] = option("batch", "Normalisation after each layer.")
    activation: Activation = option("relu", "Activation after each layer.")


@dataclass(frozen=True, kw_only=True)
class ResnetOptions(Options):
    """Options of a residual backbone; a latent that is a map needs equal strides on either side."""

    channels: tuple[int, ...] = option(
        (32, 64), "Channels of each strided convolution, from the image inwards; blocks have the last.", min=1
    )
    kernel: int = option(4, "Side of their kernels.", min=1, max=15)
    stride: int = option(2, "Stride of each.", min=1, max=8)
    blocks: int = option(2, "Residual blocks of a 3×3 convolution to half the channels and a 1×1 back.", min=0)
    norm: Literal["batch", "group", "none"] = option("batch", "Normalisation after each convolution.")
    activation: Activation = option("relu", "Activation after each layer.")
