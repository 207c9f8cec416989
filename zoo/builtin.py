"""What the engine itself brings, declared by the hooks that plugins use: compositions and data sets."""

from __future__ import annotations

__all__: list[str] = []

from zoo.hookspecs import hookimpl
from zoo.specs import CompositionSpec, DatasetSpec, Role

AUTOENCODER = CompositionSpec(
    name="autoencoder",
    summary="Encoder, decoder, prior and loss.",
    model="zoo.compositions.autoencoder:Autoencoder",
    roles=(
        Role(name="encoder", kind="encoder"),
        Role(name="posterior", kind="posterior", needs=("encoder",)),
        Role(name="prior", kind="prior", needs=("encoder", "posterior"), default="normal"),
        Role(name="likelihood", kind="likelihood"),
        Role(name="decoder", kind="decoder", needs=("condition", "posterior", "likelihood")),
        Role(name="condition", kind="condition", optional=True),
        Role(name="loss", kind="loss", needs=("condition", "encoder", "posterior", "prior", "likelihood", "decoder")),
    ),
)


@hookimpl
def zoo_compositions() -> list[CompositionSpec]:
    """The autoencoder."""
    return [AUTOENCODER]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    """The data sets that need no plugin."""
    return [
        DatasetSpec(
            name="mnist",
            summary="Handwritten digits.",
            load="zoo.data.idx:mnist",
            size="60,000 + 10,000 of 1×28×28",
            location="MNIST/raw",
        ),
        DatasetSpec(
            name="fashion-mnist",
            summary="Pictures of clothes.",
            load="zoo.data.idx:fashion_mnist",
            size="60,000 + 10,000 of 1×28×28",
            location="FashionMNIST/raw",
        ),
        DatasetSpec(
            name="omniglot",
            summary="Handwritten characters of fifty alphabets.",
            load="zoo.data.omniglot:omniglot",
            size="19,280 + 13,180 of 1×28×28",
            location="Omniglot",
        ),
        DatasetSpec(
            name="cifar10",
            summary="Small photographs of ten things.",
            load="zoo.data.cifar10:cifar10",
            size="50,000 + 10,000 of 3×32×32",
            location="cifar-10-binary.tar.gz",
        ),
        DatasetSpec(
            name="glyphs",
            summary="Digits drawn by the zoo, with their factors; needs no download.",
            load="zoo.data.glyphs:load",
            size="20,000 + 4,000 of 1×28×28",
            location="glyphs-1.bin",
        ),
        DatasetSpec(
            name="folder",
            summary="Your own pictures.",
            load="zoo.data.folder:folder",
            argument="PATH",
        ),
        DatasetSpec(
            name="npz",
            summary="Arrays of a NumPy file.",
            load="zoo.data.npz:npz",
            argument="FILE",
        ),
    ]
