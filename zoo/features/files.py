"""Where classifiers lie: those that come with the zoo, whose hashes are pinned, and those in the user's cache."""

from __future__ import annotations

__all__ = ["SHIPPED", "facts_of", "kept", "kept_path", "read", "shipped_path", "write"]

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.data.cache import user_cache
from zoo.errors import ZooError
from zoo.features.classifier import Classifier, Facts
from zoo.features.net import Net
from zoo.runs.header import read_facts
from zoo.runs.weights import read_tensors, write_tensors

FORMAT = 1

SHIPPED: Mapping[str, str] = {
    "mnist": "478e784dc45113d02c0064799eb627d9746b7544e2df49b37a336f1e74d9eef7",
    "fashion-mnist": "e8b8e066a1acecc6b9d43d79301d99bb239cf38fbad7b255fbc9d4b2a68fd91e",
    "glyphs": "52d3a56c8cf5db0c8052ecac4b33a19456deab701dadef35fdc4c3eaf208d820",
}
"""The SHA-256 of each file that comes with the zoo, by data set."""

_FOLDER = Path(__file__).parent
_FORM: dict[Any, Any] = {
    **dict.fromkeys(("data", "label", "train", "test", "command"), str),
    "shape": [int],
    "images": int,
    "accuracy": (int, float),
    "versions": {str: str},
}


def shipped_path(data: str) -> Path:
    """Return where the classifier of a data set lies that comes with the zoo."""
    return _FOLDER / f"{data}.safetensors"


def kept_path(data: str, shape: tuple[int, int, int], label: str, train: str) -> Path:
    """Return where a classifier is kept that was trained here.

    Arguments:
        data: The name of the data set.
        shape: The shape of its images.
        label: The name of the label.
        train: The hash of training images and labels, which alone tells data apart; the rest is for people.
    """
    name = re.sub(r"[^A-Za-z0-9.]+", "-", data).strip("-.")[-40:]
    return _cache() / f"{name}-{'x'.join(map(str, shape))}-{label}-{train[:16]}.safetensors"


def kept() -> list[Path]:
    """Return the files of the classifiers that were trained here."""
    return sorted(_cache().glob("*.safetensors"))


def write(path: Path, classifier: Classifier) -> None:
    """Write a classifier to a file in one step, what it was trained on in the header.

    Raises:
        OSError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {**classifier.net.state_dict(), "labels": classifier.labels}
    write_tensors(path, tensors, {"format": FORMAT, **classifier.facts.as_dict()})


def facts_of(path: Path) -> Facts:
    """Return what a file of a classifier says of itself.

    Raises:
        ZooError: If it is missing, damaged or foreign.
    """
    found = read_facts(path, FORMAT, _FORM)
    c, h, w = found["shape"]
    return Facts(**{**{name: found[name] for name in _FORM}, "shape": (c, h, w)})


def read(path: Path) -> Classifier:
    """Return the classifier that a file holds, on the CPU.

    Raises:
        ZooError: If the file is damaged, or is one of the zoo's and not as it came.
    """
    if path.parent == _FOLDER:
        _check(path)
    facts, (tensors, _) = facts_of(path), read_tensors(path)
    try:
        labels = tensors.pop("labels")
        net = Net(facts.shape, len(labels))
        net.load_state_dict(tensors)
    except (KeyError, RuntimeError):
        raise ZooError(f"{path} is damaged: it holds no classifier of images {facts.shape}") from None
    return Classifier(net.to(memory_format=torch.channels_last), labels, facts)


def _check(path: Path) -> None:
    """See whether a file is the one that came with the zoo."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}; install the zoo again") from None
    if found != SHIPPED.get(path.stem):
        raise ZooError(f"{path} is damaged: its SHA-256 is not what it was when the zoo was made; install it again")


def _cache() -> Path:
    return user_cache() / "features"
