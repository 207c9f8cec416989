"""A loss for codes whose KL has no closed form."""

__all__ = ["StudentElbo"]

from typing import final

from torch import Tensor
from zoo import Batch, LatentModel, Loss, Posterior, Prior, Site, Step, Terms, ZooError, at_step
from zoo.distributions import kl

from zoo_student.distribution import StudentT
from zoo_student.options import LossOptions
from zoo_student.parts import StudentTPosterior, StudentTPrior
from zoo_student.power import power_divergence


@final
class StudentElbo(Loss):
    """distortion + beta * D, averaged over images; D is the KL at samples or the power divergence of all units.

    The KL between two Student-t's has no closed form, so that log q(z|x) - log p(z) is taken at the codes that the
    distortion is taken at; the more there are, the less noise. The power divergence has one, and no noise, but it is
    not the rate in nats: minus the loss is then no bound on log p(x), and there is no factor before the rate to tell.

    Raises:
        ZooError: If the power divergence is asked for where posterior or prior is no Student-t.

    References:
        t3-Variational Autoencoder: Learning Heavy-tailed Data with Student's t and Power Divergence
        (Kim et al., 2024), arXiv:2312.01133.
    """

    def __init__(self, options: LossOptions, site: Site) -> None:
        super().__init__()
        self.beta = options.beta
        self.power = options.divergence == "power"
        self.samples = options.samples
        posterior, prior = site.part("posterior", Posterior), site.part("prior", Prior)
        if self.power and not (isinstance(posterior, StudentTPosterior) and isinstance(prior, StudentTPrior)):
            raise ZooError(
                "--loss.divergence power compares a Student-t posterior with a Student-t prior;"
                " add --posterior student-t --prior student-t, or take --loss.divergence kl"
            )

    def rate_weight(self, step: Step) -> Tensor | float | None:
        return None if self.power else at_step(self.beta, step)

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q, p = model.encode(batch.x), model.prior_distribution()
        z, log_q = q.draw((self.samples,))
        distortion = -model.decode(z).log_prob(batch.x).mean()
        # A prior that was fitted since may be of another family.
        if self.power and isinstance(q, StudentT) and isinstance(p, StudentT):
            name, divergence = "divergence", power_divergence(q, p).sum(-1).mean()
        else:
            # Without a density, as the point of a plain autoencoder, the second term is no rate.
            name, divergence = "rate" if q.has_density else "energy", kl(q, p, z, log_q).mean()
        loss = distortion + at_step(self.beta, step) * divergence
        return Terms.collect(loss, {"distortion": distortion, name: divergence}, q, p)
