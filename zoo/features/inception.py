"""Inception v3, in whose features papers count: its weights are looked for on this machine, and never downloaded."""

from __future__ import annotations

__all__ = ["FILES", "Inception", "load_inception", "weights_path"]

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from zoo.data.cache import data_roots
from zoo.errors import ZooError, one_line
from zoo.features.classifier import Unjudged
from zoo.features.extractor import FeatureExtractor

FILES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")
"""What pytorch-fid and torch-fidelity call the same file; its SHA-256 begins as its name ends."""

URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILES[1]}"
FOLDER = "features"
"""Where the file is looked for, below ZOO_DATA and the cache."""

AT_ONCE = 50
"""Images that are looked at at once."""


@final
class Inception(FeatureExtractor):
    """Inception v3 of 2015, the features of which the Fréchet distances of papers are of.

    What its last pooling layer gives is a feature, 2,048 values. Images are rounded to bytes, grey ones get three equal
    channels, and all are resized to 299 × 299 as TensorFlow 1 did it.

    Arguments:
        net: The net of torch-fidelity, with its weights.

    References:
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017),
        arXiv:1706.08500.
    """

    name = "inception"
    size = 2048

    def __init__(self, net: nn.Module) -> None:
        self.net = net.eval().requires_grad_(False)

    def to(self, device: torch.device) -> Inception:
        """Return the net on a device."""
        return Inception(self.net.to(device))

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        if x.shape[1] not in (1, 3):
            raise Unjudged(f"Inception v3 looks at grey and RGB images, and these have {x.shape[1]} channels")
        return torch.cat([self.net(_bytes(part))[0] for part in torch.split(x, AT_ONCE)])


def _bytes(x: Tensor) -> Tensor:
    """Return images `(N, C, H, W)` as three channels of bytes."""
    return x.clamp(0, 1).mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1)


def load_inception() -> Inception:
    """Return Inception v3 with the weights that are on this machine, on the CPU.

    Raises:
        ZooError: If torch-fidelity is not installed, or the weights are missing or damaged.
    """
    if importlib.util.find_spec("torch_fidelity") is None:
        hint = 'pip install "generative-zoo[inception]"'
        raise ZooError(f"Inception v3 needs torch-fidelity, which is not installed; run: {hint}")
    path = weights_path()
    if path is None:
        folder = data_roots()[0] / FOLDER
        raise ZooError(f"Inception v3 needs its weights, which are not on this machine: download {URL} into {folder}")
    _check(path)
    # Imported here: it takes seconds, and only who asks for it should pay.
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        # Its own reader would run what a file tells it to; so it reads what was written here, tensors alone.
        torch.save(tensors, copy := io.BytesIO())
        copy.seek(0)
        net = FeatureExtractorInceptionV3("inception-v3-compat", [str(Inception.size)], copy)
    # A file that passed for the right one may hold anything.
    except Exception as error:
        raise ZooError(f"{path} holds no weights of Inception v3: {one_line(error)}") from None
    return Inception(net)


def weights_path() -> Path | None:
    """Return the file of weights: below ZOO_DATA, in the cache, or where torch-fidelity keeps it."""
    folders = [*(root / FOLDER for root in data_roots()), Path(torch.hub.get_dir()) / "checkpoints"]
    return next((path for folder in folders for name in FILES if (path := folder / name).is_file()), None)


def _check(path: Path) -> None:
    """See whether a file is what its name says, before anything of it is read."""
    wanted = path.stem.rpartition("-")[2]
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}") from None
    if not found.startswith(wanted):
        raise ZooError(f"{path} is damaged: its SHA-256 does not begin with {wanted}; download it again from {URL}")
