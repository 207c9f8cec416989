"""From codes of any dimension to two: the plane of the principal components, t-SNE, UMAP."""

from __future__ import annotations

__all__ = ["Plane", "Projection", "principal_plane", "project"]

import importlib
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import ZooError

Method = Literal["pca", "tsne", "umap"]
METHODS = ("pca", "tsne", "umap")

# Beyond this the full eigendecomposition takes seconds, and two directions of it are wanted.
DENSE_LIMIT = 512
FEWEST_NEIGHBOURS = 5


class Projection(NamedTuple):
    """Codes in two dimensions.

    Arguments:
        xy: Their places `(N, 2)`.
        axes: What the two axes are.
    """

    xy: NDArray[np.float64]
    axes: tuple[str, str]


@dataclass(frozen=True)
class Plane:
    """The plane through the mean of codes that keeps most of their variance.

    Arguments:
        mean: `(d,)`, like all here in `float64` on the CPU.
        axes: Orthonormal directions `(d, k)`, the widest first; `k` is 2, or 1 where `d` is.
        shares: The part of the variance along each, `(k,)`.
    """

    mean: Tensor
    axes: Tensor
    shares: Tensor

    def coordinates(self, z: Tensor) -> Tensor:
        """Return where codes `(N, d)` lie in the plane, `(N, k)`."""
        return (_codes(z) - self.mean) @ self.axes

    def points(self, coordinates: Tensor) -> Tensor:
        """Return the codes `(N, d)` at coordinates `(N, k)`."""
        return self.mean + coordinates.to(torch.float64) @ self.axes.T


def _codes(z: Tensor) -> Tensor:
    return z.detach().to("cpu", torch.float64)


def principal_plane(z: Tensor) -> Plane:
    """Return the plane of the first two principal components of codes `(N, d)`; the same codes give the same plane."""
    z = _codes(z)
    mean = z.mean(dim=0)
    axes = _directions(z - mean)
    # An eigenvector has no sign of its own: its largest entry shall be positive.
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    axes = torch.where(largest < 0, -axes, axes)
    variances = ((z - mean) @ axes).square().mean(dim=0)
    total = (z - mean).square().sum(dim=1).mean()
    return Plane(mean, axes, variances / total.clamp_min(torch.finfo(torch.float64).tiny))


def _directions(centred: Tensor) -> Tensor:
    """Return the two widest directions `(d, 2)` of centred codes `(N, d)`."""
    n, d = centred.shape
    if d <= DENSE_LIMIT:
        vectors: Tensor = torch.linalg.eigh(centred.T @ centred / n).eigenvectors
        return vectors[:, -2:].flip(1)
    # The low-rank decomposition draws its start from the global generator, which is not ours to move.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        wide: Tensor = torch.pca_lowrank(centred, q=min(16, n, d), center=False, niter=6)[2]
    axes: Tensor = torch.linalg.qr(torch.cat([wide, torch.eye(d, 2, dtype=wide.dtype)], dim=1)).Q[:, :2]
    return axes


def project(z: Tensor, method: Method = "pca", seed: int = 0) -> Projection:
    """Return finite codes `(N, d)` in two dimensions; with one dimension, PCA leaves the second coordinate zero.

    References:
        Visualizing data using t-SNE (van der Maaten & Hinton, 2008).
        UMAP: Uniform manifold approximation and projection (McInnes, Healy & Melville, 2018), arXiv:1802.03426.
    """
    if method == "pca":
        return _pca(z)
    if method not in METHODS:
        raise ZooError(f"unknown projection '{method}'; choose from {', '.join(METHODS)}")
    if z.shape[0] < FEWEST_NEIGHBOURS:
        raise ZooError(f"{method} needs at least {FEWEST_NEIGHBOURS} codes and there are {z.shape[0]}; use pca")
    # Both warn about their own versions and settings, which the reader of a figure can do nothing about.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name, xy = ("t-SNE", _tsne(z, seed)) if method == "tsne" else ("UMAP", _umap(z, seed))
    return Projection(xy.astype(np.float64), (f"{name} 1", f"{name} 2"))


def _pca(z: Tensor) -> Projection:
    plane = principal_plane(z)
    labels = [f"PC {i + 1} ({share:.0%} of variance)" for i, share in enumerate(plane.shares.tolist())]
    xy = plane.coordinates(z).numpy()
    if xy.shape[1] == 1:
        return Projection(np.hstack([xy, np.zeros_like(xy)]), (labels[0], ""))
    return Projection(xy, (labels[0], labels[1]))


def _library(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        hint = 'pip install "generative-zoo[projections]"'
        raise ZooError(f"this projection needs {package}, which is not installed; run: {hint}") from error


def _tsne(z: Tensor, seed: int) -> NDArray[Any]:
    manifold = _library("sklearn.manifold", "scikit-learn")
    perplexity = min(30.0, (z.shape[0] - 1) / 3)
    start = "pca" if z.shape[1] > 1 else "random"
    return _fit(manifold.TSNE(n_components=2, perplexity=perplexity, init=start, random_state=seed), z)


def _umap(z: Tensor, seed: int) -> NDArray[Any]:
    umap = _library("umap", "umap-learn")
    neighbours = min(15, z.shape[0] - 1)
    start = "spectral" if z.shape[0] > 2 * FEWEST_NEIGHBOURS else "random"
    return _fit(umap.UMAP(n_neighbors=neighbours, init=start, random_state=seed, n_jobs=1), z)


class _Estimator(Protocol):
    def fit_transform(self, x: NDArray[np.float32], /) -> NDArray[Any]: ...


def _fit(estimator: _Estimator, z: Tensor) -> NDArray[Any]:
    return np.asarray(estimator.fit_transform(_codes(z).to(torch.float32).numpy()))
