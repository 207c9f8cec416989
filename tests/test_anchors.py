"""Exact anchors on real MNIST: closed forms and published numbers, reached by the ordinary command.

Marked slow (`make test-slow`); the quick ones are also marked anchor, and run in CI. Skipped without MNIST.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.data.cache import find_folder

PACKED = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_folder("MNIST/raw", [(name, f"{name}.gz") for name in PACKED]) is None,
        reason="MNIST is not under ZOO_DATA",
    ),
]


def train(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run `zoo train` as people do, and return its scores."""
    command = [sys.executable, "-m", "zoo", "train", *arguments, "--data", "mnist", "--out", str(folder), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ.copy())
    scores: dict[str, Any] = json.loads(done.stdout)["scores"]
    return scores


@dataclass(frozen=True)
class Pca:
    """The principal components of the training images, in double precision."""

    mean: torch.Tensor
    values: torch.Tensor
    vectors: torch.Tensor
    test: torch.Tensor

    def test_error(self, d: int) -> float:
        """Mean squared error per pixel of the test images in the space of the first `d` components."""
        centred = self.test - self.mean
        kept = self.vectors[:, :d]
        return float(((centred - centred @ kept @ kept.T) ** 2).mean())

    def linear_vae(self, d: int, beta: float) -> dict[str, float]:
        """The optimum of sse + beta * rate on the training set, scored on the test images.

        Lucas et al. (2019), arXiv:1911.02469: with 2 sigma² = beta, a unit is used where its eigenvalue exceeds
        beta / 2; its posterior mean has the variance 1 - beta / (2 l) over the training images.
        """
        values = self.values[:d]
        values = values[values > beta / 2]
        vectors = self.vectors[:, : len(values)]
        shrink = 1 - beta / (2 * values)
        scores = (self.test - self.mean) @ vectors
        residual = ((self.test - self.mean) ** 2).sum() - (scores**2).sum()
        # Decoded mean: shrink * score; its noise adds (beta / 2) * shrink per unit.
        sse = (residual + (scores**2 * (1 - shrink) ** 2).sum()) / len(self.test) + (beta / 2 * shrink).sum()
        mean_square = (scores**2).mean(0) * shrink / values
        variance = beta / (2 * values)
        rate = 0.5 * (mean_square + variance - 1 - variance.log()).sum()
        return {"sse": float(sse), "rate": float(rate), "objective": float(sse + beta * rate)}

    def active(self, d: int, beta: float) -> int:
        """How many units the optimum uses: those with 1 - beta / (2 l) > 0.01."""
        return int((1 - beta / (2 * self.values[:d]) > 0.01).sum())


@pytest.fixture(scope="module")
def pca() -> Pca:
    """The principal components of MNIST."""
    from zoo.data.idx import mnist
    from zoo.data.options import DataOptions

    images = mnist(None, DataOptions())
    moments = [_moments(block) for block in images.train.x.split(10_000)]
    n = len(images.train)
    mean = sum(total for total, _ in moments) / n
    covariance = sum(square for _, square in moments) / n - torch.outer(mean, mean)
    values, vectors = torch.linalg.eigh(covariance)
    test = images.test.x.flatten(1).double() / 255
    return Pca(mean, values.flip(0), vectors.flip(1), test)


def _moments(block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = block.flatten(1).double() / 255
    return x.sum(0), x.T @ x


def test_closed_forms_are_those_published(pca: Pca) -> None:
    assert pca.test_error(2) == pytest.approx(0.055669, abs=1e-6)
    assert pca.test_error(16) == pytest.approx(0.026860, abs=1e-6)
    assert float(pca.values[0]) == pytest.approx(5.1168, abs=1e-4)
    assert pca.linear_vae(20, 0.11)["objective"] == pytest.approx(23.1006, abs=1e-3)
    assert pca.linear_vae(2, 1.0)["objective"] == pytest.approx(46.8607, abs=1e-3)


@pytest.mark.parametrize("d", [pytest.param(2, marks=pytest.mark.anchor), 16, 64])
def test_linear_ae_is_pca(pca: Pca, tmp_path: Path, d: int) -> None:
    scores = train(tmp_path / "run", "linear-ae.exact", "--latent-dim", str(d))
    assert scores["mse"] == pytest.approx(pca.test_error(d), rel=0.01)


@pytest.mark.parametrize(
    ("d", "beta"),
    [
        pytest.param(2, 1.0, marks=pytest.mark.anchor),
        (20, 0.05),
        (20, 0.11),
        (20, 2.75),
        (20, 9.5),
        (10, 4.0),
        (50, 2.0),
        (100, 4.0),
        (200, 0.02),
        (200, 8.0),
    ],
)
def test_linear_vae_is_probabilistic_pca(pca: Pca, tmp_path: Path, d: int, beta: float) -> None:
    scores = train(tmp_path / "run", "linear-vae.exact", "--latent-dim", str(d), "--beta", str(beta))
    expected = pca.linear_vae(d, beta)
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, rel=0.01), name
    assert scores["active_units"] == pca.active(d, beta)


def test_conv_vae_reaches_its_mark(tmp_path: Path) -> None:
    scores = train(tmp_path / "run", "conv-vae", "--beta", "0.11", "--latent-dim", "16")
    assert scores["mse"] <= 0.0080
    assert 30 <= scores["rate"] <= 40
    assert scores["parameters"] <= 300_000
    # The bound of the Gaussian of variance beta / 2 that the squared error stands for, on this very run.
    normaliser = 784 / 2 * math.log(math.pi * 0.11)
    assert scores["elbo"] == pytest.approx(-(scores["sse"] / 0.11 + normaliser + scores["rate"]), rel=1e-5)


def test_ae_reaches_its_mark(tmp_path: Path) -> None:
    scores = train(tmp_path / "run", "ae", "--latent-dim", "16")
    assert scores["mse"] <= 0.0078
    assert scores["parameters"] <= 300_000


def test_vae_is_the_pytorch_example(tmp_path: Path) -> None:
    scores = train(tmp_path / "run", "vae.pytorch-example")
    assert scores["objective"] == pytest.approx(105.59, abs=1.0)


def test_sigma_vae_finds_its_noise(tmp_path: Path) -> None:
    """The noise that it ends with is the root of its own squared error: nobody tuned anything."""
    folder = tmp_path / "run"
    scores = train(folder, "sigma-vae", "--epochs", "3")
    import zoo

    variance = float(zoo.load(folder).model.state_dict()["decoder.head.variance"])
    assert variance == pytest.approx(scores["sse"] / 784, rel=0.1)
