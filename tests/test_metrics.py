"""Metrics that plugins bring: against closed forms, repeatable to the bit, and honest where there is no number."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import Done, ZooProcess
from torch import Tensor

import zoo
from zoo import Batch, DataOptions, ImageSet, LatentModel, Measure, Metric, MetricSpec, Options, Split, Step, Terms
from zoo.distributions import Delta, Distribution, Normal
from zoo.evaluation import blocks
from zoo.evaluation.measure import Asked, measure
from zoo.registry import load_registry
from zoo_likelihood.iwae_bound import IwaeBound
from zoo_likelihood.options import IwaeBoundOptions
from zoo_metrics import total_correlation
from zoo_metrics.options import TotalCorrelationOptions
from zoo_metrics.total_correlation import TotalCorrelation

START = Step.of(0, 0, 0)
NOISE = 0.7
Here = Callable[..., Done]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class Gaussian(LatentModel):
    """A linear Gaussian model of six pixels, whose marginal likelihood and posterior are known."""

    def __init__(self, widen: float = 1.0) -> None:
        draw = torch.Generator().manual_seed(3)
        spread = torch.tensor([1.5, 0.8], dtype=torch.float64)
        self.weight = torch.linalg.qr(torch.randn(6, 2, generator=draw, dtype=torch.float64)).Q * spread
        self.precision = 1 + self.weight.square().sum(0) / NOISE**2
        self.widen = widen

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        loc = x.flatten(1) @ self.weight / NOISE**2 / self.precision
        return Normal(loc, (self.widen * self.precision**-0.5).expand_as(loc))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        loc = (z @ self.weight.T).unflatten(-1, (1, 2, 3))
        return Normal(loc, torch.tensor(NOISE, dtype=torch.float64), event_ndim=3)

    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        return Normal(torch.zeros(2).double(), torch.ones(2).double())

    def rate_weight(self, step: Step) -> float:
        return 1.0


class Posteriors(LatentModel):
    """A model whose posterior means are the images' first two pixels, with one spread."""

    def __init__(self, spread: float) -> None:
        self.spread = spread

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        loc = x.flatten(1)[:, :2]
        return Normal(loc, torch.full_like(loc, self.spread))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        raise NotImplementedError

    prior_distribution = rate_weight = decode  # type: ignore[assignment]


def batch_of(x: Tensor) -> Batch:
    return Batch(x, {}, torch.arange(len(x)))


def images(count: int) -> Tensor:
    return torch.randn(count, 1, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def measured(model: zoo.Model, name: str, x: Tensor, **options: object) -> Measure:
    entry = load_registry(third_party=False).metric(name)
    kinds = {"iwae-bound": IwaeBoundOptions, "total-correlation": TotalCorrelationOptions}
    return measure(model, [Asked(name, entry.item, kinds[name](**options))], [batch_of(x)], START)[name]  # type: ignore[arg-type]


def correlation_of(x: Tensor, spread: float, block: int = 500) -> float:
    metric = TotalCorrelation(TotalCorrelationOptions(images=len(x)), Posteriors(spread))
    for part in x.split(block):
        metric.add(batch_of(part), START)
    found = metric.result()
    assert found.value is not None
    return found.value


class TestTotalCorrelation:
    def test_of_independent_units_is_nothing(self) -> None:
        assert abs(correlation_of(torch.randn(3000, 1, 1, 2), 0.5)) < 0.03

    @pytest.mark.parametrize("spread", [0.5, 1.0])
    def test_of_units_that_repeat_each_other_is_that_of_normals(self, spread: float) -> None:
        """Means that are equal, with a variance of 1, give normals with a correlation of 1 / (1 + spread^2)."""
        x = torch.randn(3000, 1, 1, 1).expand(-1, -1, -1, 2)
        wanted = -0.5 * math.log(1 - (1 / (1 + spread**2)) ** 2)
        assert correlation_of(x, spread) == pytest.approx(wanted, abs=0.05)

    def test_of_narrow_posteriors_is_large(self) -> None:
        x = torch.randn(3000, 1, 1, 1).expand(-1, -1, -1, 2)
        assert correlation_of(x, 0.05) > 2

    def test_equals_the_direct_sum(self, monkeypatch: pytest.MonkeyPatch) -> None:
        q = Normal(torch.randn(9, 3).double(), torch.rand(9, 3).double() + 0.1)
        z = q.rsample()
        log_q = torch.stack([Normal(q.loc[n], q.scale[n]).log_prob_per_unit(z) for n in range(9)], 1)
        joint = log_q.sum(-1).exp().mean(1).log()
        wanted = joint - log_q.exp().mean(1).log().sum(-1)
        blocks_of = [Normal(q.loc[i : i + 4], q.scale[i : i + 4]) for i in (0, 4, 8)]
        for pairs in (1, 2**19):
            monkeypatch.setattr(total_correlation, "PAIRS", pairs)
            found = total_correlation.total_correlation(blocks_of, z)
            torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)

    def test_takes_the_first_images_alone(self) -> None:
        metric = TotalCorrelation(TotalCorrelationOptions(images=7), Posteriors(0.5))
        for _ in range(3):
            metric.add(batch_of(torch.randn(5, 1, 1, 2)), START)
        assert metric.result().details == {"images": 7}

    def test_a_point_has_none(self) -> None:
        found = measured(zoo.build("ae.tiny", (1, 8, 8)), "total-correlation", torch.rand(5, 1, 8, 8))
        assert (found.value, found.reason) == (None, "a Delta posterior has no density of each unit")

    def test_latents_of_any_shape(self) -> None:
        class Maps(Posteriors):
            def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
                return Normal(x[..., :2], torch.tensor(0.5), event_ndim=3)

        metric = TotalCorrelation(TotalCorrelationOptions(), Maps(1))
        metric.add(batch_of(torch.randn(6, 1, 2, 3)), START)
        assert metric.result().value is not None


class Stub(zoo.Model):
    """A model with no ability, that keeps the images it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def loss(self, batch: Batch, step: Step) -> Terms:
        self.seen.append(batch.x)
        return Terms(torch.zeros(()), {})

    def sample(self, n: int, options: zoo.SampleOptions | None = None) -> Tensor:
        return torch.rand(n, 1, 2, 2)

    def players(self) -> dict[str, zoo.Player]:
        return {}

    def prepare(self, batch: Batch) -> None:
        return None


class Noisy(Metric):
    """A metric that draws, and keeps what it is shown."""

    last: Noisy

    def __init__(self, options: Options, model: zoo.Model) -> None:
        self.draws, self.seen = [float(torch.rand(()))], list[Tensor]()
        Noisy.last = self

    def add(self, batch: Batch, step: Step) -> None:
        self.draws.append(float(torch.rand(int(batch.x.sum()) % 5 + 1).sum()))
        self.seen.append(batch.x)

    def result(self) -> Measure:
        return Measure(sum(self.draws) + float(torch.rand(())))


NOISY = Asked("noisy", MetricSpec(name="noisy", summary="Noise.", metric="test_metrics:Noisy"), Options())


class TestEngine:
    def test_metrics_see_the_bits_that_are_scored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blocks, "BLOCK", 6)
        x = (torch.rand(20, 1, 4, 4) * 255).to(torch.uint8)
        data, options = ImageSet("grey", Split(x, {}), Split(x, {}), 1 / 255, ""), DataOptions(binarize="dynamic")
        model, cpu = Stub(), torch.device("cpu")
        before = torch.get_rng_state()
        blocks.evaluate_model(model, data, options, START, cpu, seed=3)
        found = blocks.measure_model(model, [NOISY], data, options, START, cpu, seed=3)["noisy"]
        assert all(torch.equal(one, other) for one, other in zip(model.seen, Noisy.last.seen, strict=True))
        assert found == blocks.measure_model(model, [NOISY], data, options, START, cpu, seed=3)["noisy"]
        assert found != blocks.measure_model(model, [NOISY], data, options, START, cpu, seed=4)["noisy"]
        assert torch.equal(before, torch.get_rng_state())

    def test_a_metric_does_not_disturb_another(self) -> None:
        model = zoo.build("vae.tiny", (1, 8, 8)).train()
        bound = load_registry(third_party=False).metric("iwae-bound").item
        asked = Asked("iwae-bound", bound, IwaeBoundOptions(k=3))
        parts = [batch_of(torch.rand(4, 1, 8, 8)) for _ in range(3)]
        alone = measure(model, [asked], parts, START)
        both = measure(model, [NOISY, asked], parts, START)
        assert alone["iwae-bound"] == both["iwae-bound"]
        assert model.training

    def test_a_lacking_ability_is_the_reason(self) -> None:
        asked = Asked("iwae-bound", load_registry(third_party=False).metric("iwae-bound").item, IwaeBoundOptions())
        found = measure(Stub(), [asked], [batch_of(torch.rand(4, 1, 2, 2))], START)["iwae-bound"]
        assert found == Measure(None, "the model is no LatentModel, which iwae-bound needs")

    def test_bounds_of_a_point_stop_at_once(self) -> None:
        class Point(Gaussian):
            def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
                return Delta(x.flatten(1))

        metric = IwaeBound(IwaeBoundOptions(k=10**9), Point())
        metric.add(batch_of(images(2)), START)
        metric.add(batch_of(images(2)), START)
        assert metric.result().value is None


PLUGIN = """
from dataclasses import dataclass
from zoo import Measure, Metric, MetricSpec, Options, hookimpl, option

@dataclass(frozen=True, kw_only=True)
class InkOptions(Options):
    power: float = option(1.0, "Raise pixels to it.", above=0)

class Ink(Metric):
    def __init__(self, options, model):
        self.power, self.sum, self.count = options.power, 0.0, 0

    def add(self, batch, step):
        self.sum += float((batch.x ** self.power).sum())
        self.count += len(batch.x)

    def result(self):
        return Measure(self.sum / self.count, details={"images": self.count})

@hookimpl
def zoo_metrics():
    yield MetricSpec(name="ink", summary="Ink in an image.", metric="ink:Ink", options="ink:InkOptions")
    yield MetricSpec(name="iwae-bound", summary="Another one.", metric="ink:Nowhere", options="ink:Nowhere")
    yield MetricSpec(name="odd", summary="Needs what there is not.", metric="ink:Ink", needs="Magic")
"""


class TestCommand:
    def test_scores_are_printed_written_and_repeatable(
        self, zoo_process: ZooProcess, zoo_here: Here, small: str
    ) -> None:
        path = os.environ.get("PYTHONPATH", "")
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
        words = ("evaluate", "runs/a", "--metric", "iwae-bound", "--iwae-bound.k", "40", "--json")
        rows = [json.loads(zoo_process(*words, PYTHONPATH=path).out)["scores"] for _ in range(2)]
        assert rows[0] == rows[1]
        assert rows[0]["iwae-bound"] > rows[0]["elbo"]
        assert rows[0]["iwae-bound.k"] == 40
        assert "reasons" not in rows[0]
        assert json.loads((zoo_process.cwd / "runs/a/scores.json").read_text()) == rows[0]

    def test_what_there_is_not_is_told(self, zoo_here: Here, small: str) -> None:
        zoo_here("train", "ae.tiny", "--data", small, "--out", "runs/a")
        done = zoo_here("evaluate", "runs/a", "--metric", "iwae-bound", "--metric", "total-correlation")
        assert "iwae-bound\t–\tL_k, a lower bound" in done.out
        assert "iwae-bound: none, because a posterior that is a point has no density" in done.lines
        assert "iwae-bound\t–" in zoo_here("show", "runs/a").out
        scores = zoo.evaluate("runs/a", metrics=["iwae-bound"])
        assert (scores["iwae-bound"], set(scores["reasons"])) == (None, {"iwae-bound"})

    def test_from_python(self, zoo_here: Here, small: str) -> None:
        run = zoo.train("vae.tiny", data=small, out="runs/a")
        scores = zoo.evaluate("runs/a", metrics={"iwae-bound": {"k": 3}, "total-correlation": {}})
        assert scores["iwae-bound.k"] == 3
        assert run.scores == scores
        with pytest.raises(zoo.ZooError, match="unknown metric 'iwae'; did you mean 'iwae-bound'"):
            zoo.evaluate("runs/a", metrics=["iwae"])
        with pytest.raises(zoo.ZooError, match=r"metric iwae-bound: .* has no option 'kk'; did you mean 'k'"):
            zoo.evaluate("runs/a", metrics={"iwae-bound": {"kk": 3}})

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--metric", "iwae-bond"), "unknown metric 'iwae-bond'; did you mean 'iwae-bound'?"),
            (("--iwae-bound.k", "5"), "--iwae-bound.k sets an option of a metric that is not computed; add --metric"),
            (("--metric", "iwae-bound", "--iwae-bound.k", "0"), "--iwae-bound.k must be at least 1, got 0"),
            (("--metric", "iwae-bound", "--iwae-bound.kk", "0"), "no such option: --iwae-bound.kk; did you mean"),
        ],
    )
    def test_mistakes_cost_one_line(self, zoo_here: Here, small: str, words: tuple[str, ...], told: str) -> None:
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
        done = zoo_here("evaluate", "runs/a", *words, code=2)
        assert told in done.err
        assert len(done.lines) == 1

    def test_anybody_can_bring_one(self, zoo_here: Here, small: str) -> None:
        Path("ink.py").write_text(PLUGIN)
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
        zoo_ink = ("--plugin", "ink.py", "evaluate", "runs/a", "--metric", "ink")
        done = zoo_here(*zoo_ink, "--ink.power", "2", "--json")
        # One bar of 12 pixels at 1.
        assert json.loads(done.out)["scores"]["ink"] == 12
        assert "metric 'iwae-bound' is in generative-zoo" in done.err
        assert "this one is 'iwae-bound@ink.py'" in done.err
        assert "'odd' cannot be used: it needs 'Magic', which is none of Model, LatentModel" in done.err
        found = json.loads(zoo_here("--plugin", "ink.py", "plugins", "--json").out)["plugins"]
        assert found[-1]["metrics"] == ["ink", "iwae-bound"]
        broken = zoo_here("--plugin", "ink.py", "evaluate", "runs/a", "--metric", "iwae-bound@ink.py", code=2)
        assert "metric 'iwae-bound@ink.py' of ink.py does not import" in broken.lines[-1]
        assert "--ink.power FLOAT" in zoo_here("--plugin", "ink.py", "evaluate", "--help").out
