"""The losses: IWAE and its relatives, each minus a lower bound on log p(x)."""

from __future__ import annotations

__all__ = ["Ciwae", "Iwae", "Miwae", "Piwae"]

from abc import abstractmethod
from typing import final

from torch import Tensor

from zoo import Batch, LatentModel, Loss, Site, Step, Terms, at_step
from zoo_importance.options import CiwaeOptions, Estimator, IwaeOptions, MiwaeOptions
from zoo_importance.surrogate import importance_weighted
from zoo_importance.weights import Estimate, ciwae, miwae, piwae


class _Bound(Loss):
    """A loss that is minus a bound: its kinds differ in the weights of samples alone.

    Arguments:
        samples: Codes drawn for each image.
        estimator: How the encoder's gradient is estimated.
        apart: Whether encoder and decoder follow different bounds.
    """

    def __init__(self, samples: int, estimator: Estimator, *, apart: bool = False) -> None:
        super().__init__()
        self.samples = samples
        self.estimator = estimator
        self.doubly = estimator == "dreg"
        self.apart = apart or self.doubly

    @abstractmethod
    def estimate(self, log_w: Tensor, step: Step) -> Estimate:
        """Return the bound and its weights from log w of each sample, `(S, B)`."""

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        return importance_weighted(
            model, batch, self.samples, self.estimator, lambda log_w: self.estimate(log_w, step), apart=self.apart
        )

    def rate_weight(self, step: Step) -> float:
        # Distortion and rate count alike, so that an `mse` stands for its Gaussian of variance 1/2.
        return 1.0


@final
class Iwae(_Bound):
    """Minus L_k = E log 1/k sum_i p(x, z_i) / q(z_i|x) over k codes of each image, in nats per image.

    L_1 is the ELBO, L_k rises with k and tends to log p(x). Tighter bounds train the decoder better and leave the
    encoder less to learn from; `--loss.estimator dreg` keeps its gradient strong.

    Raises:
        ZooError: If the posterior has no density, or not the one that the estimator needs.

    References:
        Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2016), arXiv:1509.00519.
        Sticking the Landing (Roeder, Wu & Duvenaud, 2017), arXiv:1703.09194, for `stl`.
        Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives (Tucker et al., 2019), arXiv:1810.04152.
    """

    def __init__(self, options: IwaeOptions, site: Site) -> None:
        super().__init__(options.k, options.estimator)

    def estimate(self, log_w: Tensor, step: Step) -> Estimate:
        return miwae(log_w, 1, self.doubly)


@final
class Miwae(_Bound):
    """Minus the mean of several importance-weighted bounds, each of k codes, in nats per image.

    One group is IWAE, groups of one code are the ELBO averaged over that many codes.

    Raises:
        ZooError: If the posterior has no density, or not the one that the estimator needs.

    References:
        Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018), arXiv:1802.04537.
    """

    def __init__(self, options: MiwaeOptions, site: Site) -> None:
        super().__init__(options.groups * options.k, options.estimator)
        self.groups = options.groups

    def estimate(self, log_w: Tensor, step: Step) -> Estimate:
        return miwae(log_w, self.groups, self.doubly)


@final
class Ciwae(_Bound):
    """Minus a convex combination of the ELBO and the importance-weighted bound, in nats per image.

    Both are of the same k codes. The ELBO's share keeps a strong gradient in the encoder.

    Raises:
        ZooError: If the posterior has no density, or not the one that the estimator needs.

    References:
        Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018), arXiv:1802.04537.
    """

    def __init__(self, options: CiwaeOptions, site: Site) -> None:
        super().__init__(options.k, options.estimator)
        self.elbo_share = options.elbo_share

    def estimate(self, log_w: Tensor, step: Step) -> Estimate:
        return ciwae(log_w, at_step(self.elbo_share, step), self.doubly)


@final
class Piwae(_Bound):
    """Decoder and prior follow the importance-weighted bound of all codes, the encoder that of groups of them.

    The value is minus the bound of all codes, in nats per image; the gradient is of no one function. One group is
    IWAE; groups of one code train the encoder by the ELBO.

    Raises:
        ZooError: If the posterior has no density, or not the one that the estimator needs.

    References:
        Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018), arXiv:1802.04537.
    """

    def __init__(self, options: MiwaeOptions, site: Site) -> None:
        super().__init__(options.groups * options.k, options.estimator, apart=True)
        self.groups = options.groups

    def estimate(self, log_w: Tensor, step: Step) -> Estimate:
        return piwae(log_w, self.groups, self.doubly)
