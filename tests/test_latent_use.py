"""The aggregate posterior against closed forms and direct sums, the halves of the rate, the verdict on collapse."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from subjects import Posteriors, Stub, measured, subject_of
from torch import Tensor

import zoo
from zoo.distributions import Distribution, Laplace, Normal
from zoo_metrics import aggregate
from zoo_metrics.aggregate import Aggregates, log_aggregate, log_aggregate_per_unit
from zoo_metrics.collapse import verdict


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def value_of(model: zoo.Model, name: str, x: Tensor, **options: object) -> float:
    found = measured(model, name, x, **options).value
    assert isinstance(found, float)
    return found


class TestAggregate:
    @settings(deadline=None, max_examples=30)
    @given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 5), st.sampled_from([Normal, Laplace]), st.booleans())
    def test_equals_the_direct_sum(self, n: int, d: int, block: int, family: type, whole: bool) -> None:
        q = family(torch.randn(n, d).double(), torch.rand(n, d).double() + 0.1)
        z = q.rsample()
        each = torch.stack([family(q.loc[i], q.scale[i]).log_prob_per_unit(z) for i in range(n)], 1)
        parts = [family(q.loc[i : i + block], q.scale[i : i + block]) for i in range(0, n, block)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(aggregate, "PAIRS", 2**19 if whole else 1)
            torch.testing.assert_close(log_aggregate(parts, z), each.sum(-1).exp().mean(1).log())
            torch.testing.assert_close(log_aggregate_per_unit(parts, z), each.exp().mean(1).log())

    def test_of_points_among_codes_is_their_share(self) -> None:
        model = zoo.build("vq-vae.tiny", (1, 8, 8)).eval()
        x = torch.rand(6, 1, 8, 8)[[0, 1, 0, 2, 0, 1]]
        with torch.no_grad():
            q = model.encode(x)  # type: ignore[operator]
            z = q.rsample()
            each = q.log_prob(z.unsqueeze(1)).exp().mean(1).log()
        torch.testing.assert_close(log_aggregate([q], z), each)

    def test_is_looked_at_once_for_all_metrics(self) -> None:
        class Counted(Posteriors):
            looked = 0

            def encode(self, x: Tensor) -> Distribution:
                self.looked += len(x)
                return super().encode(x)

        model = Counted(0.5)
        subject = subject_of(model, torch.randn(9, 1, 1, 2), 4)
        one = subject.once(Aggregates).of(7)
        assert subject.once(Aggregates).of(7) is one
        assert (model.looked, len(one.z)) == (7, 7)


class TestMutualInformation:
    @pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
    def test_of_gaussian_channels(self, spread: float) -> None:
        """Means of variance 1 and a spread s: two channels of 1/2 log(1 + 1/s^2), and codes of variance 1 + s^2."""
        x, model = torch.randn(3000, 1, 1, 2), Posteriors(spread)
        assert value_of(model, "mutual-information", x) == pytest.approx(math.log(1 + 1 / spread**2), abs=0.08)
        gap = spread**2 - math.log(1 + spread**2)
        assert value_of(model, "aggregate-gap", x) == pytest.approx(gap, abs=0.1 + 0.05 * gap)

    @pytest.mark.parametrize("name", ["vae", "beta-vae", "cvae", "svae", "ladder-vae", "iwae2"])
    def test_and_the_gap_are_the_rate(self, name: str) -> None:
        model = zoo.build(f"{name}.tiny", (1, 6, 6), classes={"label": [5, 5]})
        x = 3 * torch.rand(400, 1, 6, 6)
        subject = subject_of(model.eval(), x, 100, labels=True)
        with torch.no_grad():
            found = subject.once(Aggregates).of(400)
        information, gap = found.log_q - found.log_aggregate, found.log_aggregate - found.log_p
        torch.testing.assert_close(information + gap, found.log_q - found.log_p)
        rate = float(torch.cat([self.rate(model, x, i) for i in range(0, 400, 100)]).mean())
        sampled = found.log_q - found.log_p
        assert float((information + gap).mean()) == pytest.approx(rate, abs=4 * float(sampled.std()) / 20 + 1e-3)

    @staticmethod
    def rate(model: zoo.Model, x: Tensor, start: int) -> Tensor:
        from zoo.distributions import kl

        part = x[start : start + 100]
        told = zoo.given(model, {"label": torch.arange(len(part)) % 2})
        with torch.no_grad():
            q, p = told.encode(part), told.prior_distribution()  # type: ignore[attr-defined]
            return torch.stack([kl(q, p, q.draw()[0]) for _ in range(20)]).mean(0)

    def test_of_narrow_posteriors_is_at_its_limit_and_says_so(self) -> None:
        found = measured(Posteriors(1e-4), "mutual-information", torch.randn(50, 1, 1, 2))
        assert found.value == pytest.approx(math.log(50), abs=1e-4)
        assert found.details == {"images": 50, "limit": math.log(50)}
        assert found.warning.startswith("50 images can show at most 3.91 nats of mutual information, and show 3.91")
        assert measured(Posteriors(1e-4), "aggregate-gap", torch.randn(50, 1, 1, 2)).warning == found.warning
        assert measured(Posteriors(1.0), "mutual-information", torch.randn(50, 1, 1, 2)).warning == ""

    def test_of_what_says_nothing_is_nothing(self) -> None:
        x = torch.zeros(500, 1, 1, 2)
        assert value_of(Posteriors(1.0), "mutual-information", x) == pytest.approx(0, abs=1e-5)
        assert value_of(Posteriors(1.0), "aggregate-gap", x) == pytest.approx(0, abs=1e-5)

    @pytest.mark.parametrize("metric", ["mutual-information", "aggregate-gap", "total-correlation"])
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("ae", "a posterior that is a point has no density"),
            ("iaf-vae", "a Pushforward posterior knows the density of its own draws alone"),
        ],
    )
    def test_none_comes_with_a_reason(self, metric: str, name: str, reason: str) -> None:
        found = measured(zoo.build(f"{name}.tiny", (1, 8, 8)), metric, torch.rand(5, 1, 8, 8))
        assert (found.value, found.reason) == (None, reason)


class TestCollapse:
    @pytest.mark.parametrize(
        ("scale", "share", "word", "warning"),
        [
            ((1.0, 1.0), 0.0, "none", ""),
            ((1.0, 0.05), 0.5, "partial", "1 of the 2 latents are not in use"),
            ((0.05, 0.0), 1.0, "full", "the posterior has collapsed: none of its 2 latents says anything of the image"),
        ],
    )
    def test_counts_units_whose_mean_does_not_move(
        self, scale: tuple[float, float], share: float, word: str, warning: str
    ) -> None:
        x = torch.randn(2000, 1, 1, 2) * torch.tensor(scale)
        found = measured(Posteriors(1.0), "collapse", x)
        assert found.value == share
        assert (found.details["verdict"], found.details["latents"]) == (word, 2)
        assert found.details["active"] == 2 * (1 - share)
        # KL(N(m, 1) || N(0, 1)) = m^2 / 2
        assert found.details["rate"] == pytest.approx(float(x.square().sum()) / 2 / 2000, rel=1e-4)
        assert found.warning.startswith(warning)
        assert bool(found.warning) == bool(warning)

    @pytest.mark.parametrize("name", ["ae", "vq-vae"])
    def test_points_do_not_collapse(self, name: str) -> None:
        found = measured(zoo.build(f"{name}.tiny", (1, 8, 8)), "collapse", torch.rand(5, 1, 8, 8))
        assert (found.value, found.reason) == (None, "its codes are points, which nothing draws to the prior")

    @pytest.mark.parametrize("name", ["collapse", "active-units"])
    def test_of_what_is_no_number_is_none(self, name: str) -> None:
        class Codes(Stub, zoo.Embeds):
            def embed(self, x: Tensor) -> Tensor:
                return x.flatten(1)

        model = Posteriors(1.0) if name == "collapse" else Codes()
        found = measured(model, name, torch.full((4, 1, 1, 2), math.inf))
        assert (found.value, found.reason) == (None, "a posterior mean is not finite")

    def test_a_word_for_every_share(self) -> None:
        assert [verdict(active, 3) for active in range(4)] == ["full", "partial", "partial", "none"]
