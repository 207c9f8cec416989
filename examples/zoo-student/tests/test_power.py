"""The power divergence against integrals, and in its limit."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from zoo.distributions import Normal

from zoo_student.distribution import StudentT
from zoo_student.power import log_power_norm, power_divergence

UNITS = [(0.0, 1.0, 5.0), (0.7, 0.4, 3.0), (-2.0, 1.5, 2.2), (0.1, 3.0, 40.0)]


def student(loc: float, scale: float, df: float) -> StudentT:
    return StudentT(*(torch.tensor([value], dtype=torch.float64) for value in (loc, scale, df)))


ANGLE = np.linspace(-170, 170, 100_001)
LINE = np.sinh(ANGLE)
"""The line, in steps that grow with the distance: tails fall off as slowly as |z|^-1.2."""


def integral(log_value) -> float:
    """The integral of what has this logarithm, by the trapezoid rule in the angle."""
    return float(np.exp(log_value + np.log(np.cosh(ANGLE))).sum() * (ANGLE[1] - ANGLE[0]))


@pytest.mark.parametrize("p", [(0.0, 1.0, 5.0), (0.5, 2.0, 9.0)])
@pytest.mark.parametrize("q", UNITS)
def test_divergence_is_its_integrals(q, p):
    gamma = -2 / (p[2] + 1)
    log_q, log_p = (stats.t(df, loc=loc, scale=scale).logpdf(LINE) for loc, scale, df in (q, p))
    size, base = (integral((1 + gamma) * density) ** (1 / (1 + gamma)) for density in (log_q, log_p))
    cross = integral(log_q + gamma * (log_p - math.log(base)))
    assert integral(log_q) == pytest.approx(1, rel=1e-9)
    assert log_power_norm(student(*q), torch.tensor(gamma)).item() == pytest.approx(math.log(size), rel=1e-6)
    wanted = (size - cross) / gamma
    assert power_divergence(student(*q), student(*p)).item() == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_divergence_is_nothing_from_itself_and_something_from_others():
    for q, p in itertools.product(UNITS, UNITS):
        found = power_divergence(student(*q), student(*p)).item()
        assert found == pytest.approx(0, abs=1e-12) if q == p else found > 1e-3


def test_nearer_is_less_in_location_scale_and_tails():
    p = student(0.0, 1.0, 5.0)
    for far in ((2.0, 1.0, 5.0), (0.0, 4.0, 5.0), (0.0, 0.25, 5.0), (0.0, 1.0, 2.1)):
        near = tuple((value + wanted) / 2 for value, wanted in zip(far, (0.0, 1.0, 5.0), strict=True))
        assert power_divergence(student(*near), p).item() < power_divergence(student(*far), p).item()


def test_its_gradient_vanishes_where_the_two_are_one():
    leaves = [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (0.0, 1.0, 5.0)]
    slopes = torch.autograd.grad(power_divergence(StudentT(*leaves), student(0.0, 1.0, 5.0)).sum(), leaves)
    assert all(abs(slope.item()) < 1e-12 for slope in slopes)


def test_gradient_is_finite_differences():
    p = student(0.0, 1.0, 5.0)
    leaves = [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (0.7, 0.4, 3.0)]
    assert torch.autograd.gradcheck(lambda *values: power_divergence(StudentT(*values), p), leaves)


def test_many_degrees_of_freedom_give_the_kl_of_normals():
    pairs = torch.tensor([[0.7, 0.4], [0.0, 1.0]], dtype=torch.float64)
    q, p = (Normal(pair[:1], pair[1:]) for pair in pairs)
    found = power_divergence(student(0.7, 0.4, 1e6), student(0.0, 1.0, 1e6))
    assert found.item() == pytest.approx(q.kl_to(p).item(), rel=1e-4)
