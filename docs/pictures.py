"""Draws the pictures of the models' pages: trains each, and shows what it reconstructs and samples.

    python docs/pictures.py                                   # every model, as the registry has it: hours
    python docs/pictures.py vae conv-vae --epochs 2           # these, briefly
    python docs/pictures.py realnvp.mnist iwae.binary         # by a recipe

A picture is docs/images/models/MODEL.png. What it was made by, and what that run scored, is in pictures.toml beside it,
and `python docs/generate.py` then writes both into the page.
"""

from __future__ import annotations

__all__ = ["draw", "main"]

import argparse
import tempfile
import tomllib
from pathlib import Path

import tomli_w
import torch
from model_pages import PICTURES
from PIL import Image
from torch import Tensor

import zoo
from zoo.data.options import DataOptions
from zoo.datasets import open_images
from zoo.interfaces import Model, Reconstructs, given
from zoo.registry import load_registry

COLUMNS = 16
TOLD = PICTURES / "pictures.toml"
SCORES = ("mse", "rate", "elbo", "bits_per_dim")


def draw(model: Model, x: Tensor, y: dict[str, Tensor]) -> tuple[Tensor, str]:
    """Return rows of images `(H', W')` in [0, 1], and what they show.

    Arguments:
        model: A trained model, in eval mode.
        x: Images `(COLUMNS, 1, H, W)`.
        y: Their labels.
    """
    torch.manual_seed(0)
    with torch.no_grad():
        told = given(model, y)
        above = [x, told.reconstruct(x)] if isinstance(told, Reconstructs) else []
        rows = [*above, *model.sample(COLUMNS * (4 - len(above))).split(COLUMNS)]
    image = torch.cat([torch.cat(list(row[:, 0]), 1) for row in rows])
    return image.clamp(0, 1), "Test images, their reconstructions, and two rows of samples" if above else "Samples"


def picture(name: str, epochs: int | None, limit: int | None) -> dict[str, str]:
    """Train a model on MNIST, write its picture, and return what is told of it."""
    settings = {key: value for key, value in (("epochs", epochs), ("limit", limit)) if value is not None}
    with tempfile.TemporaryDirectory() as folder:
        run = zoo.train(name, data="mnist", out=Path(folder) / "run", **settings)
        images = open_images(load_registry(), "mnist", DataOptions())
        test = images.test[:COLUMNS]
        image, shows = draw(run.model.eval(), images.read(test.x), dict(test.y))
        scores = {key: run.scores.get(key) for key in SCORES}
    Image.fromarray((255 * image).round().to(torch.uint8).numpy()).save(_path(name), optimize=True)
    flags = "".join(f" --{key} {value}" for key, value in settings.items())
    told = ", ".join(f"{key} {value:.4g}" for key, value in scores.items() if value is not None)
    command = f"zoo train {name} --data mnist{flags}"
    return {"shows": shows, "command": command, "scores": f"{told} on the test images, seed 0"}


def _path(name: str) -> Path:
    return PICTURES / f"{name.partition('.')[0]}.png"


def main() -> None:
    """Draw the pictures that are asked for, one after the other; each is kept as soon as it is there."""
    parser = argparse.ArgumentParser(description="Draw the pictures of the models' pages.")
    parser.add_argument("models", nargs="*", help="Models or recipes; all models by default.")
    parser.add_argument("--epochs", type=int, help="Epochs of each, in the place of its own.")
    parser.add_argument("--limit", type=int, help="Training images of each; all by default.")
    asked = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    ours = [entry.name for entry in load_registry(third_party=False).models.entries() if entry.source.ours]
    for name in asked.models or ours:
        found = picture(name, asked.epochs, asked.limit)
        told = tomllib.loads(TOLD.read_text()) if TOLD.exists() else {}
        told[name.partition(".")[0]] = found
        TOLD.write_text(tomli_w.dumps(dict(sorted(told.items()))))


if __name__ == "__main__":
    main()
