import torch

from zoo import Loss, PartSpec, Terms, hookimpl
from zoo.distributions import kl


class Denoising(Loss):
    def __init__(self, options, site):
        super().__init__()

    def forward(self, model, batch, step):
        q = model.encode(batch.x + 0.3 * torch.randn(batch.x.shape, device=batch.x.device))
        z, log_q = q.draw()
        distortion = -model.decode(z).log_prob(batch.x).mean()
        rate = kl(q, model.prior_distribution(), z, log_q).mean()
        return Terms.collect(distortion + rate, {"distortion": distortion, "rate": rate}, q)


@hookimpl
def zoo_parts():
    yield PartSpec(kind="loss", name="denoising", summary="The ELBO through noise.", part="denoising:Denoising")


@hookimpl
def zoo_registry():
    return {"models": {"denoising-vae": {"extends": "vae", "loss": "denoising", "summary": "VAE that denoises."}}}
