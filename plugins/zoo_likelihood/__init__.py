"""What images are worth to a model: bounds on log p(x), and estimates of it."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """The importance-weighted bound, and annealed importance sampling."""
    yield MetricSpec(
        name="iwae-bound",
        summary="L_k, a lower bound on log p(x) that k codes of each image make tight, nats per image.",
        metric="zoo_likelihood.iwae_bound:IwaeBound",
        options="zoo_likelihood.options:IwaeBoundOptions",
        group="likelihood",
        needs="LatentModel",
        unit="nats per image",
        better="higher",
        estimator="k posterior samples of each image, log-sum-exp in double precision",
        equation="L_k = E_q log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x)",
        paper="Burda, Grosse & Salakhutdinov (2016), arXiv:1509.00519",
    )
    yield MetricSpec(
        name="annealed-bound",
        summary="Bound on log p(x) by annealed importance sampling, which no encoder loosens, in nats per image.",
        metric="zoo_likelihood.annealed_bound:AnnealedBound",
        options="zoo_likelihood.options:AnnealedBoundOptions",
        group="likelihood",
        needs="LatentModel",
        unit="nats per image",
        better="higher",
        estimator="chains of Hamiltonian Monte Carlo from the prior to the posterior of each image",
        equation="log 1/M sum_m w_m, log w = sum_t (b_t - b_(t-1)) log p(x|z_(t-1)), z_t from p(z) p(x|z)^(b_t)",
        paper="Wu et al. (2016), arXiv:1611.04273",
    )
