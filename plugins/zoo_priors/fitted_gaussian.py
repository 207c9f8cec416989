"""Fitted normals: one of full covariance, and mixtures of them."""

from __future__ import annotations

__all__ = ["FittedGaussian", "FittedMixture"]

import warnings
from typing import final

import torch
from torch import Tensor

from zoo import FittedPrior, Posterior, Site, ZooError
from zoo.distributions import Distribution
from zoo_priors.codes import covariance_factor, flat_codes, spread
from zoo_priors.gaussians import Gaussians
from zoo_priors.options import GaussianFitOptions, GmmFitOptions


@final
class FittedGaussian(FittedPrior):
    """N(mean, covariance) of the codes, with all covariances, event the latent shape."""

    means: Tensor
    factors: Tensor

    def __init__(self, options: GaussianFitOptions, site: Site) -> None:
        super().__init__()
        head = site.part("posterior", Posterior)
        self.latent_shape = head.latent_shape
        self.reg = options.reg
        self.register_buffer("means", torch.zeros(1, head.latent_size))
        self.register_buffer("factors", torch.eye(head.latent_size).unsqueeze(0))

    def fit(self, codes: Tensor) -> None:
        z = flat_codes(codes)
        self.means.copy_(z.mean(0, keepdim=True))
        self.factors.copy_(covariance_factor(z, self.reg))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Gaussians(self.means.new_zeros(1), self.means, self.factors, self.latent_shape)


@final
class FittedMixture(FittedPrior):
    """sum_k w_k N(mean_k, covariance_k) by expectation maximisation from k-means, event the latent shape.

    scikit-learn fits it, to codes that are standardised unit by unit; its seed is drawn from torch's generator. Of the
    estimator only weights, means and Cholesky factors are kept.

    References:
        Scikit-learn: Machine Learning in Python (Pedregosa et al., 2011), arXiv:1201.0490.
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020), arXiv:1903.12436, for a mixture fitted
        after training.
    """

    logits: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, options: GmmFitOptions, site: Site) -> None:
        super().__init__()
        head = site.part("posterior", Posterior)
        self.latent_shape = head.latent_shape
        self.options = options
        k, size = options.components, head.latent_size
        self.register_buffer("logits", torch.zeros(k))
        self.register_buffer("means", torch.zeros(k, size))
        self.register_buffer("factors", torch.eye(size).repeat(k, 1, 1))

    def fit(self, codes: Tensor) -> None:
        z = flat_codes(codes)
        if len(z) < self.options.components:
            raise ZooError(f"--components {self.options.components}: there are {len(z)} codes to fit to; name fewer")
        centre, width = z.mean(0), spread(z)
        weights, means, covariances = self._maximise((z - centre) / width)
        self.logits.copy_(weights.log())
        self.means.copy_(centre + width * means)
        self.factors.copy_(width.unsqueeze(-1) * torch.linalg.cholesky(covariances))

    def _maximise(self, white: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return weights `(K,)`, means `(K, d)` and covariances `(K, d, d)`."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        options = self.options
        estimator = GaussianMixture(
            options.components,
            covariance_type=options.covariance,
            reg_covar=options.reg,
            max_iter=options.iterations,
            n_init=options.starts,
            random_state=int(torch.randint(2**31 - 1, ())),
        )
        with warnings.catch_warnings():
            # The held-out likelihood says whether the steps were enough.
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                estimator.fit(white.numpy())
            except ValueError:
                raise ZooError(
                    f"a mixture of {options.components} normals collapsed onto single codes; take a larger --reg, "
                    f"fewer --components, or --covariance diag"
                ) from None
        covariances = torch.from_numpy(estimator.covariances_)
        full = torch.diag_embed(covariances) if options.covariance == "diag" else covariances
        return torch.from_numpy(estimator.weights_), torch.from_numpy(estimator.means_), full

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Gaussians(self.logits, self.means, self.factors, self.latent_shape)
