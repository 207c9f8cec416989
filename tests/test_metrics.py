"""Metrics of every kind of run: against closed forms, repeatable to the bit, and honest where there is no number."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import Done, ZooProcess
from subjects import START, Posteriors, Stub, measured, subject_of
from torch import Tensor

import zoo
from zoo import (
    DataOptions,
    ImageSet,
    Measure,
    Metric,
    MetricSpec,
    Options,
    Split,
    Subject,
)
from zoo.distributions import Distribution, Normal
from zoo.evaluation import blocks
from zoo.evaluation.measure import Asked, ask, measure
from zoo.registry import load_registry
from zoo_metrics.aggregate import Aggregates
from zoo_metrics.options import TotalCorrelationOptions
from zoo_metrics.total_correlation import TotalCorrelation

Here = Callable[..., Done]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def correlation_of(x: Tensor, spread: float) -> float:
    found = TotalCorrelation(TotalCorrelationOptions(images=len(x)), subject_of(Posteriors(spread), x)).compute()
    assert isinstance(found.value, float)
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

    def test_equals_the_direct_sum(self) -> None:
        x, spread = torch.randn(9, 1, 1, 2), 0.3
        codes = subject_of(Posteriors(spread), x, 4).once(Aggregates).of(9).z
        log_q = torch.stack([Normal(mean, torch.tensor(spread)).log_prob_per_unit(codes) for mean in x.flatten(1)], 1)
        wanted = log_q.sum(-1).exp().mean(1).log() - log_q.exp().mean(1).log().sum(-1)
        metric = TotalCorrelation(TotalCorrelationOptions(images=9), subject_of(Posteriors(spread), x, 4))
        assert metric.compute().value == pytest.approx(float(wanted.mean()), rel=1e-5)

    def test_takes_the_first_images_alone(self) -> None:
        metric = TotalCorrelation(
            TotalCorrelationOptions(images=7), subject_of(Posteriors(0.5), torch.randn(15, 1, 1, 2), 5)
        )
        assert metric.compute().details == {"images": 7}

    def test_a_point_has_none(self) -> None:
        found = measured(zoo.build("ae.tiny", (1, 8, 8)), "total-correlation", torch.rand(5, 1, 8, 8))
        assert (found.value, found.reason) == (None, "a posterior that is a point has no density")

    def test_latents_of_any_shape(self) -> None:
        class Maps(Posteriors):
            def encode(self, x: Tensor) -> Distribution:
                return Normal(x[..., :2], torch.tensor(0.5), event_ndim=3)

        metric = TotalCorrelation(TotalCorrelationOptions(), subject_of(Maps(1), torch.randn(6, 1, 2, 3)))
        assert metric.compute().value is not None


class Noisy(Metric):
    """A metric that draws, as much as it likes, and keeps what it is shown."""

    last: Noisy

    def __init__(self, options: Options, subject: Subject) -> None:
        self.subject, self.draws, self.seen = subject, [float(torch.rand(()))], list[Tensor]()
        Noisy.last = self

    def compute(self) -> Measure:
        for batch in self.subject.test():
            self.draws.append(float(torch.rand(int(batch.x.sum()) % 5 + 1).sum()))
            self.seen.append(batch.x)
        return Measure(sum(self.draws) + float(torch.rand(())))


NOISY = Asked("noisy", MetricSpec(name="noisy", summary="Noise.", metric="test_metrics:Noisy"), Options())


def asked_for(name: str, **options: object) -> list[Asked]:
    return ask(load_registry(third_party=False), {name: options})


class TestEngine:
    def test_metrics_see_the_bits_that_are_scored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blocks, "BLOCK", 6)
        x = (torch.rand(20, 1, 4, 4) * 255).to(torch.uint8)
        data, options = ImageSet("grey", Split(x, {}), Split(x, {}), 1 / 255, ""), DataOptions(binarize="dynamic")
        model, cpu = Stub(), torch.device("cpu")
        before = torch.get_rng_state()

        def found(seed: int) -> Measure:
            subject = blocks.subject_of(model, data, options, START, cpu, seed)
            return measure(subject, [*asked_for("objective"), NOISY])["noisy"]

        one = found(3)
        assert all(torch.equal(one, other) for one, other in zip(model.seen, Noisy.last.seen, strict=True))
        assert one == found(3)
        assert one != found(4)
        assert torch.equal(before, torch.get_rng_state())

    def test_a_metric_does_not_disturb_another(self) -> None:
        model = zoo.build("vae.tiny", (1, 8, 8)).train()
        bound, x = asked_for("iwae-bound", k=3), torch.rand(12, 1, 8, 8)
        alone = measure(subject_of(model, x, 4), bound)
        both = measure(subject_of(model, x, 4), [NOISY, *bound])
        assert alone["iwae-bound"] == both["iwae-bound"]
        assert model.training

    def test_a_lacking_ability_is_the_reason(self) -> None:
        found = measured(Stub(), "iwae-bound", torch.rand(4, 1, 2, 2))
        assert found == Measure(None, "the model is no LatentModel, which iwae-bound needs")


PLUGIN = """
from dataclasses import dataclass
import torch
from zoo import Measure, Metric, MetricSpec, Options, hookimpl, option

@dataclass(frozen=True, kw_only=True)
class InkOptions(Options):
    power: float = option(1.0, "Raise pixels to it.", above=0)

class Ink(Metric):
    def __init__(self, options, subject):
        self.power, self.subject = options.power, subject

    def compute(self):
        ink = torch.cat([(batch.x ** self.power).flatten(1).sum(1) for batch in self.subject.test()])
        return Measure(float(ink.mean()), details={"images": len(ink)}, per_image=ink)

@hookimpl
def zoo_metrics():
    yield MetricSpec(name="ink", summary="Ink in an image.", metric="ink:Ink", options="ink:InkOptions")
    yield MetricSpec(name="iwae-bound", summary="Another one.", metric="ink:Nowhere", options="ink:Nowhere")
    yield MetricSpec(name="odd", summary="Needs what there is not.", metric="ink:Ink", needs="Magic")
    yield MetricSpec(name="lone", summary="Of no group.", metric="ink:Ink", group="taste")
"""


class TestCommand:
    def test_scores_are_printed_written_and_repeatable(
        self, zoo_process: ZooProcess, zoo_here: Here, small: str
    ) -> None:
        path = os.environ.get("PYTHONPATH", "")
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
        words = ("evaluate", "runs/a", "--metrics", "iwae-bound", "--iwae-bound.k", "40", "--json")
        rows = [json.loads(zoo_process(*words, PYTHONPATH=path).out)["scores"] for _ in range(2)]
        assert rows[0] == rows[1]
        assert rows[0]["iwae_bound"] > rows[0]["elbo"]
        assert rows[0]["iwae_bound.k"] == 40
        assert "iwae_bound" not in rows[0]["reasons"]
        assert json.loads((zoo_process.cwd / "runs/a/scores.json").read_text()) == rows[0]

    def test_what_there_is_not_is_told(self, zoo_here: Here, small: str) -> None:
        zoo_here("train", "ae.tiny", "--data", small, "--out", "runs/a")
        done = zoo_here("evaluate", "runs/a", "--metrics", "iwae-bound,total-correlation")
        assert "iwae_bound\t–\tnats per image\t↑\tL_k, a lower bound" in done.out
        assert "iwae-bound: none, because a posterior that is a point has no density" in done.lines
        assert "iwae_bound\t–" in zoo_here("show", "runs/a").out
        scores = zoo.evaluate("runs/a", metrics=["iwae-bound"])
        assert scores["iwae_bound"] is None
        assert scores["reasons"]["iwae_bound"] == "a posterior that is a point has no density"

    def test_from_python(self, zoo_here: Here, small: str) -> None:
        run = zoo.train("vae.tiny", data=small, out="runs/a")
        scores = zoo.evaluate("runs/a", metrics={"iwae-bound": {"k": 3}, "total-correlation": {}})
        assert scores["iwae_bound.k"] == 3
        assert run.scores == scores
        with pytest.raises(zoo.ZooError, match="unknown metric 'iwae'; did you mean 'iwae-bound'"):
            zoo.evaluate("runs/a", metrics=["iwae"])
        with pytest.raises(zoo.ZooError, match=r"metric iwae-bound: .* has no option 'kk'; did you mean 'k'"):
            zoo.evaluate("runs/a", metrics={"iwae-bound": {"kk": 3}})

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--metrics", "iwae-bond"), "unknown metric 'iwae-bond'; did you mean 'iwae-bound'?"),
            (("--iwae-bound.k", "5"), "--iwae-bound.k sets an option of a metric that is not computed; add --metrics"),
            (("--metrics", "iwae-bound", "--iwae-bound.k", "0"), "--iwae-bound.k must be at least 1, got 0"),
            (("--metrics", "iwae-bound", "--iwae-bound.kk", "0"), "no such option: --iwae-bound.kk; did you mean"),
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
        zoo_ink = ("--plugin", "ink.py", "evaluate", "runs/a", "--metrics", "ink")
        done = zoo_here(*zoo_ink, "--ink.power", "2", "--json")
        # One bar of 12 pixels at 1.
        assert json.loads(done.out)["scores"]["ink"] == 12
        assert "metric 'iwae-bound' is in generative-zoo" in done.err
        assert "this one is 'iwae-bound@ink.py'" in done.err
        assert "'odd' cannot be used: it needs 'Magic', which is none of Model, LatentModel" in done.err
        assert "'lone' cannot be used: its group 'taste' is none of reconstruction, likelihood" in done.err
        found = json.loads(zoo_here("--plugin", "ink.py", "plugins", "--json").out)["plugins"]
        assert found[-1]["metrics"] == ["ink", "iwae-bound"]
        broken = zoo_here("--plugin", "ink.py", "evaluate", "runs/a", "--metrics", "iwae-bound@ink.py", code=2)
        assert "metric 'iwae-bound@ink.py' of ink.py does not import" in broken.lines[-1]
        assert "--ink.power FLOAT" in zoo_here("--plugin", "ink.py", "evaluate", "--help").out
