"""Backbones that models of every family name: convolutional, residual, fully connected, linear."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl

_SUMMARIES = {
    "conv": "Strided convolutions with normalisation, then fully connected layers.",
    "mlp": "Fully connected layers.",
    "linear": "No layer of its own, so that the head alone is linear.",
}


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """Each backbone as an encoder and, mirrored, as a decoder."""
    yield PartSpec(
        kind="encoder",
        name="conv",
        summary=_SUMMARIES["conv"],
        part="zoo_networks.conv:ConvEncoder",
        options="zoo_networks.options:ConvOptions",
    )
    yield PartSpec(
        kind="decoder",
        name="conv",
        summary="Fully connected layers, then transposed convolutions with normalisation.",
        part="zoo_networks.conv:ConvDecoder",
        options="zoo_networks.options:ConvOptions",
    )
    yield PartSpec(
        kind="encoder",
        name="mlp",
        summary=_SUMMARIES["mlp"],
        part="zoo_networks.dense:MlpEncoder",
        options="zoo_networks.dense_options:MlpOptions",
    )
    yield PartSpec(
        kind="decoder",
        name="mlp",
        summary=_SUMMARIES["mlp"],
        part="zoo_networks.dense:MlpDecoder",
        options="zoo_networks.dense_options:MlpOptions",
    )
    yield PartSpec(
        kind="encoder",
        name="linear",
        summary=_SUMMARIES["linear"],
        part="zoo_networks.dense:LinearEncoder",
        options="zoo_networks.dense_options:LinearOptions",
    )
    yield PartSpec(
        kind="decoder",
        name="linear",
        summary="One linear layer from the code to the pixels.",
        part="zoo_networks.dense:LinearDecoder",
        options="zoo_networks.dense_options:LinearDecoderOptions",
    )
    yield PartSpec(
        kind="encoder",
        name="resnet",
        summary="Strided convolutions, then residual blocks; its features are a map.",
        part="zoo_networks.resnet:ResnetEncoder",
        options="zoo_networks.options:ResnetOptions",
        paper="van den Oord, Vinyals & Kavukcuoglu (2017), arXiv:1711.00937",
    )
    yield PartSpec(
        kind="decoder",
        name="resnet",
        summary="Residual blocks, then transposed convolutions; reads a map of codes, or a vector.",
        part="zoo_networks.resnet:ResnetDecoder",
        options="zoo_networks.options:ResnetOptions",
        paper="van den Oord, Vinyals & Kavukcuoglu (2017), arXiv:1711.00937",
    )
