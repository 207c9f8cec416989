"""What codes are worth: to probes, and against the factors that images were made from."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """Two probes of a label, and eight scores of disentanglement."""
    yield from _probes()
    yield from _information()
    yield from _prediction()
    yield from _fixed()


def _probes() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="linear-probe",
        summary="Share of test images whose label a linear classifier tells from their codes.",
        metric="zoo_representation.probes:LinearProbe",
        options="zoo_representation.options:ProbeOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator="logistic regression on standardised posterior means of training images, tested on test images",
        equation="1/N sum_n [argmax_c (W z_n + b)_c = y_n], z_n = E_q[z|x_n]",
        paper="Alain & Bengio (2016), arXiv:1610.01644",
    )
    yield MetricSpec(
        name="neighbours",
        summary="Share of test images whose label most of the nearest codes of training images have.",
        metric="zoo_representation.probes:Neighbours",
        options="zoo_representation.options:NeighboursOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator="Euclidean neighbours among posterior means of training images, tested on test images",
        equation="1/N sum_n [majority of y over the k codes nearest to z_n = y_n], z_n = E_q[z|x_n]",
        paper="Cover & Hart (1967)",
    )


def _information() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="mig",
        summary="How much more the best latent tells of a factor than the second best, as a share of its entropy.",
        metric="zoo_representation.information:Mig",
        options="zoo_representation.options:BinnedOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator="posterior means of test images, counted in bins of equal width",
        equation="1/K sum_k (I(z_j; v_k) - I(z_i; v_k)) / H(v_k), j the best latent for factor k, i the second",
        paper="Chen et al. (2018), arXiv:1802.04942",
    )
    yield MetricSpec(
        name="modularity",
        summary="How far each latent tells of one factor alone.",
        metric="zoo_representation.information:Modularity",
        options="zoo_representation.options:BinnedOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator="posterior means of test images, counted in bins of equal width",
        equation="1/d sum_j 1 - sum_{k != k_j} I(z_j; v_k)^2 / ((K - 1) I(z_j; v_{k_j})^2), k_j the best factor for j",
        paper="Ridgeway & Mozer (2018), arXiv:1802.05312",
    )


def _prediction() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="sap",
        summary="How much better the best latent predicts a factor than the second best.",
        metric="zoo_representation.sap:Sap",
        options="zoo_representation.options:FactorOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator="R^2 of a line for numbers, balanced accuracy of thresholds for classes, on test images",
        equation="1/K sum_k S_jk - S_ik, S the score of one latent, j the best for factor k, i the second",
        paper="Kumar, Sattigeri & Balakrishnan (2018), arXiv:1711.00848",
    )
    forests = "random forests on posterior means of 10,000 training images"
    paper = "Eastwood & Williams (2018), openreview.net/forum?id=By-7dz-AZ"
    yield MetricSpec(
        name="dci-disentanglement",
        summary="How far each latent matters for one factor alone.",
        metric="zoo_representation.dci:Disentanglement",
        options="zoo_representation.options:DciOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator=forests,
        equation="sum_j rho_j (1 - H_K(P_j)), P_jk = R_jk / sum_k R_jk, rho_j = sum_k R_jk / sum_jk R_jk",
        paper=paper,
    )
    yield MetricSpec(
        name="dci-completeness",
        summary="How far each factor is told by one latent alone.",
        metric="zoo_representation.dci:Completeness",
        options="zoo_representation.options:DciOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator=forests,
        equation="1/K sum_k 1 - H_d(P_k), P_jk = R_jk / sum_j R_jk, R_jk how much latent j matters for factor k",
        paper=paper,
    )
    yield MetricSpec(
        name="dci-informativeness",
        summary="Share of test images for which a factor's value is told from the code.",
        metric="zoo_representation.dci:Informativeness",
        options="zoo_representation.options:DciOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator=f"{forests}, tested on 5,000 test images",
        equation="1/K sum_k P(forest_k(z) = v_k)",
        paper=paper,
    )


def _fixed() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="factor-vae-score",
        summary="How often the latent that varies least tells which factor was held fixed.",
        metric="zoo_representation.fixed:FactorVaeScore",
        options="zoo_representation.options:FactorOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator="majority vote of 10,000 draws of 64 test images, tested on 5,000 others",
        equation="P(vote(argmin_j Var(z_j) / s_j^2) = k), variance over images with the same v_k",
        paper="Kim & Mnih (2018), arXiv:1802.05983",
    )
    yield MetricSpec(
        name="beta-vae-score",
        summary="How often a linear classifier tells which factor pairs of images share.",
        metric="zoo_representation.fixed:BetaVaeScore",
        options="zoo_representation.options:FactorOptions",
        group="representation",
        needs="Embeds",
        better="higher",
        estimator="logistic regression on 10,000 draws of 64 pairs of test images, tested on 5,000 others",
        equation="P(argmax_k (W u + b)_k = k), u = 1/64 sum |z - z'| over pairs with the same v_k",
        paper="Higgins et al. (2017), openreview.net/forum?id=Sy2fzU9gl",
    )
