"""Checks of what a model can do besides: reconstruct, embed, decode, tell a density."""

from __future__ import annotations

__all__ = ["abilities_fit_the_images"]

from typing import TYPE_CHECKING

from zoo.testing.check import require
from zoo.testing.models.case import ModelCase
from zoo.testing.models.samples import require_image

if TYPE_CHECKING:
    from zoo.interfaces import Batch, LatentModel


def abilities_fit_the_images(case: ModelCase) -> None:
    """Reconstructions are images, codes have the latent shape and decode to images, densities are one an image."""
    from zoo.interfaces import DecodesLatents, Embeds, ExactLikelihood, LatentModel, Reconstructs, given

    model, batch = case.model().eval(), case.batch(3)
    able = given(model, batch.y)
    ranged = case.in_range(model)
    if isinstance(able, Reconstructs):
        x = able.reconstruct(batch.x)
        require(x.shape == batch.x.shape, f"reconstructions have shape {tuple(x.shape)}, not {tuple(batch.x.shape)}")
        require_image(x, "reconstructions", ranged=ranged)
    if isinstance(able, Embeds):
        require(len(able.embed(batch.x)) == 3, "embed gives not one code an image")
    if isinstance(able, Embeds) and isinstance(able, DecodesLatents):
        z = able.embed(batch.x)
        latent = tuple(able.latent_shape)
        require(tuple(z.shape[1:]) == latent, f"codes have shape {tuple(z.shape[1:])}, and latent_shape is {latent}")
        x = able.decode_mean(z)
        require(x.shape == batch.x.shape, f"decoded codes have shape {tuple(x.shape)}, not {tuple(batch.x.shape)}")
        require_image(x, "decoded codes", ranged=ranged)
    if isinstance(able, ExactLikelihood):
        found = able.log_prob(batch.x)
        require(tuple(found.shape) == (3,), f"log_prob has shape {tuple(found.shape)}, not one an image, (3,)")
        require(bool(found.isfinite().all()), "log_prob is not finite on images in [0, 1]")
    if isinstance(able, LatentModel):
        _require_distributions(able, batch, case.shape)


def _require_distributions(model: LatentModel, batch: Batch, shape: tuple[int, int, int]) -> None:
    q, p = model.encode(batch.x), model.prior_distribution()
    require(q.batch_shape == (3,), f"q(z|x) has batch shape {tuple(q.batch_shape)}, not one an image, (3,)")
    require(p.batch_shape == (), f"p(z) has batch shape {tuple(p.batch_shape)}, not ()")
    same = q.event_shape == p.event_shape
    require(same, f"q(z|x) is of codes {tuple(q.event_shape)}, and p(z) of codes {tuple(p.event_shape)}")
    for leading in ((), (2,)):
        decoded = model.decode(q.rsample(leading))
        wanted = (*leading, 3)
        require(decoded.batch_shape == wanted, f"p(x|z) has batch shape {tuple(decoded.batch_shape)}, not {wanted}")
        require(decoded.event_shape == shape, f"p(x|z) is of images {tuple(decoded.event_shape)}, not {shape}")
        found = decoded.log_prob(batch.x)
        require(
            tuple(found.shape) == wanted, f"log p(x|z) has shape {tuple(found.shape)}, not {wanted}; sum over pixels"
        )
