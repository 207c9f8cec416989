"""Options of the fully connected and the linear backbones; imports no torch."""

from __future__ import annotations

__all__ = ["LinearDecoderOptions", "LinearOptions", "MlpOptions"]

from dataclasses import dataclass

from zoo import Options, option
from zoo_networks.options import Activation


@dataclass(frozen=True, kw_only=True)
class MlpOptions(Options):
    """Options of a fully connected backbone."""

    hidden: tuple[int, ...] = option((400,), "Sizes of the hidden layers, in the order of data flow.", min=1)
    activation: Activation = option("relu", "Activation after each hidden layer.")


@dataclass(frozen=True, kw_only=True)
class LinearOptions(Options):
    """Options of the linear backbone, on either side."""

    centre: bool = option(False, "Count pixels from the mean of the first batch instead of from black.")


@dataclass(frozen=True, kw_only=True)
class LinearDecoderOptions(LinearOptions):
    """Options of the linear decoder, whose layer is its own."""

    start_std: float | None = option(None, "Spread of the first weights; torch's own rule without.", min=0)
