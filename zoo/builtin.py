"""What the engine itself brings, declared by the hooks that plugins use: compositions, metrics and data sets."""

from __future__ import annotations

__all__: list[str] = []

from zoo.hookspecs import hookimpl
from zoo.specs import CompositionSpec, DatasetSpec, MetricSpec, Role

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
def zoo_metrics() -> list[MetricSpec]:
    """The scores that every run has as far as its model can."""
    return [
        MetricSpec(
            name="mse",
            summary="Squared error per pixel of the reconstruction at the posterior mean.",
            metric="zoo.evaluation.core:Mse",
            group="reconstruction",
            needs="Reconstructs",
            unit="per pixel",
            better="lower",
            estimator="exact, over the test images",
            equation="1/D |x - E[x|z]|^2 at the mean of q(z|x)",
            usual=True,
        ),
        MetricSpec(
            name="sse",
            summary="Expected squared error per image over posterior samples.",
            metric="zoo.evaluation.core:Sse",
            group="reconstruction",
            needs="LatentModel",
            unit="per image",
            better="lower",
            estimator="one posterior sample of each image",
            equation="E_q |x - E[x|z]|^2",
            usual=True,
        ),
        MetricSpec(
            name="distortion",
            summary="Expected -log p(x|z), as the loss counts it.",
            metric="zoo.evaluation.core:Distortion",
            group="likelihood",
            needs="LatentModel",
            unit="nats per image",
            better="lower",
            estimator="one posterior sample of each image",
            equation="E_q[-log p(x|z)]",
            usual=True,
        ),
        MetricSpec(
            name="rate",
            summary="KL(q(z|x) || p(z)): how much a code says.",
            metric="zoo.evaluation.core:Rate",
            group="likelihood",
            needs="LatentModel",
            unit="nats per image",
            estimator="closed form where there is one, else one posterior sample of each image",
            equation="KL(q(z|x) || p(z))",
            usual=True,
        ),
        MetricSpec(
            name="objective",
            summary="What was minimised, every schedule at the value that it had when the run ended.",
            metric="zoo.evaluation.core:Objective",
            group="likelihood",
            unit="nats per image",
            estimator="as in training, over the test images",
            usual=True,
        ),
        MetricSpec(
            name="elbo",
            summary="-(distortion + rate) of the normalised model: a lower bound on log p(x).",
            metric="zoo.evaluation.core:Elbo",
            group="likelihood",
            needs="LatentModel",
            unit="nats per image",
            better="higher",
            estimator="one posterior sample of each image",
            equation="E_q[log p(x|z)] - KL(q(z|x) || p(z)) <= log p(x)",
            paper="Kingma & Welling (2014), arXiv:1312.6114",
            usual=True,
        ),
        MetricSpec(
            name="log-likelihood",
            summary="Exact log p(x) of dequantised images, in grey levels.",
            metric="zoo.evaluation.core:LogLikelihood",
            group="likelihood",
            needs="ExactLikelihood",
            unit="nats per image",
            better="higher",
            estimator="one draw of the noise below the last digit of pixels",
            equation="log p(x)",
            usual=True,
        ),
        MetricSpec(
            name="bits-per-dim",
            summary="Minus the exact log-likelihood, in bits per pixel value.",
            metric="zoo.evaluation.core:BitsPerDim",
            group="likelihood",
            needs="ExactLikelihood",
            unit="bits per pixel value",
            better="lower",
            estimator="one draw of the noise below the last digit of pixels",
            equation="-log p(x) / (D log 2)",
            usual=True,
        ),
        MetricSpec(
            name="active-units",
            summary="Latents whose posterior mean varies over the data by more than 0.01.",
            metric="zoo.evaluation.core:ActiveUnits",
            group="latent use",
            needs="Embeds",
            unit="latents",
            estimator="variance of posterior means over the test images",
            equation="sum_j [Var_x E_q[z_j] > 0.01]",
            paper="Burda, Grosse & Salakhutdinov (2016), arXiv:1509.00519",
            usual=True,
        ),
        MetricSpec(
            name="kl-per-unit",
            summary="The rate of each latent.",
            metric="zoo.evaluation.core:KlPerUnit",
            group="latent use",
            needs="LatentModel",
            unit="nats per image",
            estimator="closed form where there is one, else one posterior sample of each image",
            equation="KL(q(z_j|x) || p(z_j))",
            usual=True,
        ),
        MetricSpec(
            name="rate-per-group",
            summary="The rate of each group of latents, from the image upwards.",
            metric="zoo.evaluation.core:RatePerGroup",
            group="latent use",
            needs="LatentModel",
            unit="nats per image",
            estimator="given a posterior sample of the groups before it",
            usual=True,
        ),
    ]


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
            name="sprites",
            summary="Squares, ellipses and hearts on the grid of dSprites, with their factors; needs no download.",
            load="zoo.data.sprites:load",
            size="50,000 + 5,000 of 1×64×64",
            location="sprites-1.bin",
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
        DatasetSpec(
            name="packed",
            summary="What 'zoo data pack' made of another set, read from disk as it is needed.",
            load="zoo.data.packed:packed",
            argument="FOLDER",
        ),
    ]
