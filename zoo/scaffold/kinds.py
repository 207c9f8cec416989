"""What a new plugin may bring: for each kind of part, what stands in its place to begin with."""

from __future__ import annotations

__all__ = ["DEFAULT", "KINDS", "Kind"]

from dataclasses import dataclass

from zoo.scaffold.names import Names

DEFAULT = "loss"


@dataclass(frozen=True)
class Kind:
    """A kind of part, and what is written for it; its templates are in the folder of its name.

    Arguments:
        name: What `--part` calls it.
        idea: What it begins with, as the end of the sentence "It brings …".
        classes: The last words of its classes' names.
        modules: The modules of the package beside `__init__`, in the order in which one file holds them.
        model: Whether it brings a model, declared in `registry.toml`.
        use: The command that uses it once it is there, where `NAME` stands for its name.
    """

    name: str
    idea: str
    classes: tuple[str, ...]
    modules: tuple[str, ...] = ("options", "parts")
    model: bool = True
    use: str = "train NAME"

    def command(self, names: Names, zoo: str = "zoo") -> str:
        """Return the command that uses it; each `zoo` in it as it is to be called."""
        return " && ".join(f"{zoo} {part}" for part in self.use.replace("NAME", names.name).split(" && "))


KINDS = {
    kind.name: kind
    for kind in (
        Kind("loss", "the tilted ELBO, a loss to which the worst coded images count most", ("Loss", "Options")),
        Kind("prior", "a prior of hyperbolic secants, with tails heavier than a normal's", ("Prior", "Options")),
        Kind("posterior", "a posterior of Gumbel units, which are skewed", ("Posterior", "Options")),
        Kind(
            "likelihood", "a logistic likelihood, which is the log-cosh error as a density", ("Likelihood", "Options")
        ),
        Kind("network", "a residual network, as an encoder and as a decoder", ("Encoder", "Decoder", "Options")),
        Kind("encoder", "an encoder that reads an image's low frequencies", ("Encoder", "Options")),
        Kind("decoder", "a decoder that sees the code at every pixel, and where the pixel is", ("Decoder", "Options")),
        Kind(
            "composition", "a mixture of clusters of images, with an exact likelihood", ("Model", "Clusters", "Options")
        ),
        Kind("condition", "a condition that learns a vector for each label", ("Condition", "Options")),
        Kind(
            "fitted-prior",
            "a prior of Laplace units, fitted to codes in closed form",
            ("Prior", "Options"),
            model=False,
            use="train ae.tiny --out runs/ae && fit runs/ae --prior NAME",
        ),
        Kind(
            "dataset",
            "images of rings and discs, with their factors",
            (),
            modules=("data",),
            model=False,
            use="train vae.tiny --data NAME",
        ),
        Kind(
            "metric",
            "the gradient difference, a score of how sharp reconstructions are",
            ("Metric", "Options"),
            modules=("options", "metrics"),
            model=False,
            use="train vae.tiny --out runs/vae && evaluate runs/vae --metrics NAME",
        ),
    )
}
"""The kinds by name, in the order of help."""
