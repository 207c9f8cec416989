"""Training: the same to the bit for a seed, interrupted or not; players, averages, ends and failures."""

from __future__ import annotations

import dataclasses
import math
import random
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
import zoo.data.glyphs
from zoo import Batch, DataOptions, Diverged, ImageSet, Model, Player, SampleOptions, Split, Step, Terms
from zoo.experiment import resume
from zoo.registry import load_registry
from zoo.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from zoo.training.averaging import Average
from zoo.training.diagnosis import bad_tensor, bad_term
from zoo.training.feed import Feed
from zoo.training.options import TrainOptions
from zoo.training.players import Optimisers
from zoo.training.progress import Progress, Silent
from zoo.training.randomness import isolated
from zoo.training.trainer import Outcome, Trainer, TrainingData

START = Step.of(0, 0, 0)
OPTIMISERS = ["adam", "adamw", "adamax", "nadam", "sgd"]
FUSED = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
GLYPHS: dict[str, Any] = {"data": "glyphs", "limit": 60, "epochs": 2, "batch_size": 25, "device": "cpu"}


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working folder, where runs draw no figures and are scored on 300 images."""
    load = zoo.data.glyphs.load

    def fewer(argument: str | None, options: DataOptions) -> ImageSet:
        images = load(argument, options)
        return dataclasses.replace(images, test=images.test[:300])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.data.glyphs.load", fewer)
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
    return tmp_path


class Stopper(Progress):
    """Presses Ctrl-C after a step."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None: ...

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        if count == self.at:
            signal.raise_signal(signal.SIGINT)

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


def pictures(count: int = 40, side: int = 8) -> ImageSet:
    generator = torch.Generator().manual_seed(5)
    x = torch.randint(256, (count, 1, side, side), dtype=torch.uint8, generator=generator)
    split = Split(x, {"label": torch.arange(count)})
    return ImageSet("pictures", split, split, 1 / 255, "the test")


def feed_of(images: ImageSet, options: DataOptions | None = None, batch_size: int = 8, seed: int = 0) -> Feed:
    return Feed(images, images.train, options or DataOptions(), batch_size, seed)


def batch_of(count: int = 6, shape: tuple[int, int, int] = (1, 8, 8)) -> Batch:
    x = torch.rand(count, *shape).contiguous(memory_format=torch.channels_last)
    return Batch(x, {}, torch.arange(count))


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    differing = [name for name, value in first.items() if not value.equal(second[name])]
    assert not differing, f"not equal to the bit: {differing}"


def weights(model: Model) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


class Duel(Model):
    """A player of convolutions and its adversary; the loss of each depends on both."""

    def __init__(self, every: int = 1, lr: float | None = None) -> None:
        super().__init__()
        self.own = nn.Conv2d(3, 4, 3)
        self.critic = nn.Sequential(nn.Conv2d(4, 2, 3), nn.Flatten(), nn.LazyLinear(1))
        self.critic(self.own(torch.zeros(1, 3, 8, 8)))
        self.every, self.lr = every, lr

    def loss(self, batch: Batch, step: Step) -> Terms:
        score = self.critic(torch.tanh(self.own(batch.x)))
        noise = torch.randn(())
        return Terms((score**2).mean() + 0.1 * noise, {"score": score.mean()}, {"critic": (score - 1).pow(2).mean()})

    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        return torch.zeros(n, 3, 8, 8)

    def players(self) -> Mapping[str, Player]:
        critic = Player(dict(self.critic.named_parameters()), self.every, self.lr)
        return {"model": Player(dict(self.own.named_parameters())), "critic": critic}

    def prepare(self, batch: Batch) -> None: ...


class Slider(Model):
    """One weight that training pushes up, and that is best at 3 when evaluated."""

    def __init__(self) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(0.0))

    def loss(self, batch: Batch, step: Step) -> Terms:
        loss = -self.at if self.training else (self.at - 3) ** 2
        return Terms(loss, {"distortion": loss})

    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        return torch.zeros(n, 1, 8, 8)

    def players(self) -> Mapping[str, Player]:
        return {"model": Player({"at": self.at})}

    def prepare(self, batch: Batch) -> None: ...


class TestOptimisers:
    @pytest.mark.parametrize("weight_decay", [0.0, 0.1])
    @pytest.mark.parametrize("name", FUSED)
    def test_fused_equals_plain_for_one_player(self, name: str, weight_decay: float) -> None:
        """Plain weights with channels-last inputs, where a fused kernel could read gradients in the wrong order."""
        model, twin = (zoo.build("conv-vae.tiny", (3, 8, 8)) for _ in range(2))
        model.to(memory_format=torch.contiguous_format)
        twin.load_state_dict(model.state_dict())
        options = TrainOptions(optimizer=name, weight_decay=weight_decay, momentum=0.8, square_decay=0.99)
        ours, reference = (
            Optimisers(model.players(), options),
            reference_of(name, twin.parameters(), weight_decay, betas=(0.8, 0.99)),
        )
        for count in range(4):
            batch = batch_of(6, (3, 8, 8))
            with isolated(count):
                ours.step(model.loss(batch, START), count, 1e-2)
            with isolated(count):
                reference.zero_grad()
                twin.loss(batch, START).loss.backward()
                reference.step()
        compare(model, twin)

    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    @pytest.mark.parametrize("name", FUSED)
    def test_fused_equals_plain_for_two_players(self, name: str, layout: torch.memory_format) -> None:
        model, twin = Duel(lr=5e-3).to(memory_format=layout), Duel()
        twin.load_state_dict(model.state_dict())
        ours = Optimisers(model.players(), TrainOptions(optimizer=name))
        first, second = reference_of(name, twin.own.parameters()), reference_of(name, twin.critic.parameters(), lr=5e-3)
        for count in range(4):
            batch = batch_of(6, (3, 8, 8))
            ours.step(model.loss(batch, START), count, 1e-2)
            terms = twin.loss(batch, START)
            for module, loss in ((twin.own, terms.loss), (twin.critic, terms.adversaries["critic"])):
                for parameter, gradient in zip(
                    module.parameters(), grads(loss, dict(module.named_parameters())), strict=True
                ):
                    parameter.grad = gradient
            first.step()
            second.step()
        compare(model, twin)

    def test_each_player_moves_down_its_own_loss_alone(self) -> None:
        model, batch = Duel(), batch_of(6, (3, 8, 8))
        terms = model.loss(batch, START)
        own, critic = dict(model.own.named_parameters()), dict(model.critic.named_parameters())
        wanted = {
            **{n: p - 0.1 * g for (n, p), g in zip(own.items(), grads(terms.loss, own), strict=True)},
            **{
                n: p - 0.1 * g
                for (n, p), g in zip(critic.items(), grads(terms.adversaries["critic"], critic), strict=True)
            },
        }
        Optimisers(model.players(), TrainOptions(optimizer="sgd")).step(terms, 0, 0.1)
        for name, value in {**own, **critic}.items():
            torch.testing.assert_close(value, wanted[name])

    def test_a_player_waits_for_its_turn(self) -> None:
        model = Duel(every=3)
        optimisers = Optimisers(model.players(), TrainOptions(optimizer="sgd"))
        moved = []
        for count in range(7):
            before = weights(model)
            optimisers.step(model.loss(batch_of(6, (3, 8, 8)), START), count, 0.1)
            changed = {
                name.split(".")[0] for name, value in model.state_dict().items() if not value.equal(before[name])
            }
            moved.append(sorted(changed))
        assert moved == [["critic", "own"] if count % 3 == 0 else ["own"] for count in range(7)]

    @pytest.mark.parametrize("name", OPTIMISERS)
    def test_gradients_do_not_pile_up(self, name: str) -> None:
        """A player that waited moves by its present gradient, not by the sum of those it sat out."""
        model, twin, batch = Duel(every=2), Duel(every=2), batch_of(6, (3, 8, 8))
        twin.load_state_dict(model.state_dict())
        waited = Optimisers(model.players(), TrainOptions(optimizer=name))
        waited.step(model.loss(batch, START), 1, 0.0)
        for optimisers, duel in ((waited, model), (Optimisers(twin.players(), TrainOptions(optimizer=name)), twin)):
            duel.own.load_state_dict(twin.own.state_dict())
            optimisers.step(duel.loss(batch, START), 2, 0.01)
        same(model.critic.state_dict(), twin.critic.state_dict())

    def test_clip_bounds_each_step(self) -> None:
        model = Duel()
        before = weights(model)
        Optimisers(model.players(), TrainOptions(optimizer="sgd", clip=1e-3)).step(
            model.loss(batch_of(6, (3, 8, 8)), START), 0, 1.0
        )
        for part in ("own", "critic"):
            moves = [(v - before[n]).flatten() for n, v in model.state_dict().items() if n.startswith(part)]
            assert float(torch.cat(moves).norm()) == pytest.approx(1e-3, rel=1e-3)

    @pytest.mark.parametrize("name", OPTIMISERS)
    def test_state_goes_on_where_it_was(self, name: str) -> None:
        model, twin = Duel(), Duel()
        ours = Optimisers(model.players(), TrainOptions(optimizer=name))
        for count in range(3):
            ours.step(model.loss(batch_of(6, (3, 8, 8)), START), count, 1e-2)
        twin.load_state_dict(model.state_dict())
        restored = Optimisers(twin.players(), TrainOptions(optimizer=name))
        tensors, numbers = ours.state()
        restored.restore({key: value.clone() for key, value in tensors.items()}, numbers)
        batch = batch_of(6, (3, 8, 8))
        for optimisers, duel in ((ours, model), (restored, twin)):
            optimisers.step(duel.loss(batch, START), 3, 1e-2)
        same(model.state_dict(), twin.state_dict())


def grads(loss: Tensor, parameters: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, list(parameters.values()), retain_graph=True)


def reference_of(
    name: str,
    parameters: Iterator[nn.Parameter],
    weight_decay: float = 0.0,
    lr: float = 1e-2,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Any:
    momentum = {"momentum": betas[0]} if name == "sgd" else {"betas": betas}
    return FUSED[name](parameters, lr=lr, weight_decay=weight_decay, foreach=False, fused=False, **momentum)


def compare(model: Model, twin: Model) -> None:
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-5, atol=1e-6, msg=name)


class TestAverage:
    @pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
    def test_equals_the_computation_by_hand(self, decay: float) -> None:
        model = nn.Linear(3, 2).double()
        average = Average(model, decay)
        mean = model.weight.detach().clone()
        for count in range(20):
            with torch.no_grad():
                model.weight += torch.randn(2, 3)
            average.update(torch.tensor(float(count)))
            keep = min(decay, (1 + count) / (10 + count))
            mean = keep * mean + (1 - keep) * model.weight.detach()
        torch.testing.assert_close(average.state()["weight"], mean)

    def test_swapping_twice_changes_nothing(self) -> None:
        model = nn.Linear(3, 2)
        average, before = Average(model, 0.9), model.weight.detach().clone()
        with torch.no_grad():
            model.weight += 1
        average.swap()
        assert model.weight.equal(before)
        average.swap()
        assert model.weight.equal(before + 1)
        assert average.state()["weight"].equal(before)

    def test_a_run_ends_with_the_mean(self, tmp_path: Path) -> None:
        model = Slider()
        options = TrainOptions(epochs=2, optimizer="sgd", lr=0.1, ema=0.5)
        weight = velocity = mean = 0.0
        for count in range(10):
            velocity = 0.9 * velocity - 1
            weight -= 0.1 * velocity
            keep = min(0.5, (1 + count) / (10 + count))
            mean = keep * mean + (1 - keep) * weight
        train(model, options, tmp_path)
        assert model.at.item() == pytest.approx(mean, rel=1e-5)


class TestFeed:
    @settings(deadline=None, max_examples=30)
    @given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(0, 1000))
    def test_order_is_a_permutation_of_seed_and_epoch(self, count: int, seed: int, epoch: int) -> None:
        feed = feed_of(pictures(count, 2), seed=seed)
        order = feed.order(epoch)
        assert order.sort().values.equal(torch.arange(count))
        torch.rand(3)
        assert feed_of(pictures(count, 2), batch_size=3, seed=seed).order(epoch).equal(order)
        if count > 20:
            assert not feed.order(epoch + 1).equal(order)
            assert not feed_of(pictures(count, 2), seed=seed ^ 1).order(epoch).equal(order)
            assert not feed_of(pictures(count, 2), seed=seed + 1).order(epoch).equal(feed.order(epoch + 1))

    def test_order_draws_nothing_from_the_run(self) -> None:
        before = torch.get_rng_state()
        feed_of(pictures()).order(3)
        assert torch.get_rng_state().equal(before)

    @pytest.mark.parametrize("batch_size", [1, 7, 8, 40, 100])
    def test_an_epoch_shows_every_image_once(self, batch_size: int) -> None:
        images = pictures()
        feed = feed_of(images, batch_size=batch_size)
        for batches in (list(feed.shuffled(2)), list(feed.in_order())):
            index = torch.cat([batch.index for batch in batches])
            assert len(batches) == len(feed)
            assert index.sort().values.equal(torch.arange(40))
            assert torch.cat([batch.y["label"] for batch in batches]).equal(index)
            x = torch.cat([batch.x for batch in batches])
            assert x.equal(images.read(images.train.x[index]))
        assert torch.cat([batch.index for batch in feed.in_order()]).equal(torch.arange(40))

    def test_an_epoch_goes_on_from_its_middle(self) -> None:
        feed = feed_of(pictures())
        later = [batch.index for batch in feed.shuffled(1, start=3)]
        assert torch.cat(later).equal(torch.cat([batch.index for batch in feed.shuffled(1)][3:]))

    def test_only_training_is_varied(self) -> None:
        images = pictures()
        feed = feed_of(images, DataOptions(augment="flip-shift"))
        assert not torch.cat([b.x for b in feed.shuffled(0)]).equal(images.read(images.train.x[feed.order(0)]))
        assert torch.cat([b.x for b in feed.in_order()]).equal(images.read(images.train.x))


def train(
    model: Model,
    options: TrainOptions,
    folder: Path,
    progress: Progress | None = None,
    records: list[Mapping[str, Any]] | None = None,
    images: ImageSet | None = None,
    from_disk: bool = False,
    data: DataOptions | None = None,
) -> Outcome:
    """Train as an experiment does, with checkpoints on disk."""
    feed = feed_of(images or pictures(), data, seed=options.seed)
    validation = feed_of(pictures(), batch_size=16) if options.patience else None

    def save(checkpoint: Checkpoint) -> None:
        write_checkpoint(folder, checkpoint)

    kept: list[Mapping[str, Any]] = records if records is not None else []
    trainer = Trainer(model, TrainingData(feed, validation), options, progress or Silent(), save, kept.append)
    if from_disk:
        checkpoint = read_checkpoint(folder)
        assert checkpoint is not None
        trainer.restore(checkpoint)
    else:
        trainer.start()
    return trainer.fit()


class TestResume:
    @pytest.mark.parametrize(("stop", "ema"), [(3, None), (7, 0.9), (10, 0.9), (14, None)])
    @pytest.mark.parametrize("optimizer", OPTIMISERS)
    def test_equals_straight(self, optimizer: str, ema: float | None, stop: int, tmp_path: Path) -> None:
        """Stopped within the first epoch, within the second, between two and in the last, of five steps each."""
        options = TrainOptions(epochs=3, optimizer=optimizer, ema=ema, lr="one-cycle:1e-2", clip=10.0)
        self.check("conv-vae.tiny", options, stop, tmp_path)

    @pytest.mark.parametrize("name", load_registry().models.names())
    def test_of_every_model_equals_straight(self, name: str, tmp_path: Path) -> None:
        self.check(f"{name}.tiny", TrainOptions(epochs=2, patience=9, ema=0.5), 7, tmp_path)

    def check(self, name: str, options: TrainOptions, stop: int, folder: Path) -> None:
        data = DataOptions(augment="flip-shift", binarize="dynamic")

        def build(seed: int) -> Model:
            torch.manual_seed(seed)
            return zoo.build(name, (1, 8, 8), train_size=40, classes={"label": [1] * 40})

        straight, records, again = build(1), [], []
        train(straight, options, folder, records=records, data=data)
        stopped = build(1)
        with pytest.raises(KeyboardInterrupt):
            train(stopped, options, folder, Stopper(stop), again, data=data)
        resumed = build(2)
        outcome = train(resumed, options, folder, records=again, from_disk=True, data=data)
        same(resumed.state_dict(), straight.state_dict())
        assert (outcome.reason, outcome.steps, outcome.epochs) == ("finished", 5 * options.epochs, options.epochs)
        assert [(r["train"], r.get("validation")) for r in again] == [
            (r["train"], r.get("validation")) for r in records
        ]

    @pytest.mark.parametrize("stop", [3, 7])
    def test_of_two_players_equals_straight(self, stop: int, tmp_path: Path) -> None:
        images = colourful()
        options = TrainOptions(epochs=2)
        straight, stopped, resumed = Duel(every=2), Duel(every=2), Duel(every=2)
        stopped.load_state_dict(straight.state_dict())
        torch.manual_seed(1)
        train(straight, options, tmp_path, images=images)
        torch.manual_seed(1)
        with pytest.raises(KeyboardInterrupt):
            train(stopped, options, tmp_path, Stopper(stop), images=images)
        train(resumed, options, tmp_path, images=images, from_disk=True)
        same(resumed.state_dict(), straight.state_dict())

    def test_the_handler_of_interrupts_is_put_back(self, tmp_path: Path) -> None:
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            train(Slider(), TrainOptions(epochs=1), tmp_path, Stopper(2))
        assert signal.getsignal(signal.SIGINT) is before

    def test_a_second_interrupt_does_not_wait(self, tmp_path: Path) -> None:
        class Impatient(Stopper):
            def step(self, count: int, epoch: int, images_per_second: float) -> None:
                signal.raise_signal(signal.SIGINT)
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            train(Slider(), TrainOptions(epochs=1), tmp_path, Impatient(0))

    def test_another_models_checkpoint_is_refused(self, tmp_path: Path) -> None:
        train(Slider(), TrainOptions(epochs=1), tmp_path)
        with pytest.raises(zoo.ZooError, match="another model"):
            train(zoo.build("vae.tiny", (1, 8, 8)), TrainOptions(epochs=1), tmp_path, from_disk=True)


def colourful() -> ImageSet:
    x = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8)
    return ImageSet("colourful", Split(x, {}), Split(x, {}), 1 / 255, "the test")


class TestEnds:
    @pytest.mark.parametrize("ema", [None, 0.3])
    def test_patience_keeps_the_best(self, ema: float | None, tmp_path: Path) -> None:
        model, records = Slider(), []
        options = TrainOptions(epochs=50, optimizer="sgd", lr=0.02, patience=3, ema=ema)
        outcome = train(model, options, tmp_path, records=records)
        losses = [record["validation"]["loss"] for record in records]
        best = losses.index(min(losses))
        assert outcome.reason == "patience"
        assert 0 < best < 20
        assert len(losses) == best + 1 + 3
        assert (model.at.item() - 3) ** 2 == pytest.approx(min(losses), rel=1e-5)

    def test_without_patience_the_last_weights_stay(self, tmp_path: Path) -> None:
        model = Slider()
        outcome = train(model, TrainOptions(epochs=20, optimizer="sgd", lr=0.02), tmp_path)
        assert outcome.reason == "finished"
        assert model.at.item() > 4
        assert not model.training

    @pytest.mark.parametrize("stop", [18, 25])
    def test_patience_survives_an_interrupt(self, stop: int, tmp_path: Path) -> None:
        options = TrainOptions(epochs=50, optimizer="sgd", lr=0.02, patience=3)
        straight, resumed = Slider(), Slider()
        outcome = train(straight, options, tmp_path)
        with pytest.raises(KeyboardInterrupt):
            train(Slider(), options, tmp_path, Stopper(stop))
        again = train(resumed, options, tmp_path, from_disk=True)
        assert (again.reason, again.steps) == (outcome.reason, outcome.steps)
        same(resumed.state_dict(), straight.state_dict())

    def test_budget_stops_early_and_says_so(self, plain: Path) -> None:
        options = {**GLYPHS, "epochs": 100_000}
        run = zoo.train("vae.tiny", budget="0.2s", lr="linear:1e-3..1e-4", **options)
        outcome = run.metadata["outcome"]
        assert outcome["reason"] == "budget"
        assert 0 < outcome["epochs"] < 100_000
        assert 0.2 <= outcome["seconds"] < 5
        assert run.metadata["step"]["fraction"] == 1.0
        assert "ended by: budget" in (run.path / "README.md").read_text()
        assert run.scores["mse"] > 0

    def test_a_budget_of_less_than_a_step_takes_one(self, plain: Path) -> None:
        run = zoo.train("vae.tiny", budget="0.000001s", **GLYPHS)
        assert run.metadata["outcome"]["steps"] == 1
        assert run.records() == []
        assert all(value.isfinite().all() for value in run.model.state_dict().values())


class TestDivergence:
    @pytest.mark.parametrize("optimizer", ["adam", "sgd"])
    def test_names_term_step_and_tensor_and_keeps_good_weights(self, optimizer: str, plain: Path) -> None:
        with pytest.raises(Diverged, match=r"(?s)diverged at step \d+ \(epoch 1\): \w+ became -?(nan|inf)") as caught:
            zoo.train("vae.tiny", lr=1e30, optimizer=optimizer, out="run", **GLYPHS)
        message = str(caught.value)
        assert "first bad tensor: " in message
        assert "lr" in message
        assert "run" in message
        run = zoo.load("run")
        assert run.metadata["outcome"]["reason"] == "diverged"
        assert all(value.isfinite().all() for value in run.model.state_dict().values())
        loss = run.model.loss(batch_of(6, (1, 28, 28)), START).loss
        assert loss.isfinite()

    def test_the_weights_of_the_last_good_epoch_are_kept(self, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three steps an epoch: the fifth one breaks the weights, the sixth one's loss shows it."""
        # However short epochs are.
        monkeypatch.setattr("zoo.runs.checkpoint.APART", 0.0)
        good = zoo.train("vae.tiny", lr="steps:1e-3@0", **{**GLYPHS, "epochs": 1})
        with pytest.raises(Diverged, match=r"diverged at step 5 \(epoch 2\)"):
            zoo.train("vae.tiny", lr="steps:1e-3@0,1e30@4", out="run", **GLYPHS)
        same(zoo.load("run").model.state_dict(), good.model.state_dict())

    @pytest.mark.parametrize("epochs", [1, 2])
    def test_the_last_step_of_an_epoch_is_checked(self, epochs: int, tmp_path: Path) -> None:
        """Five steps an epoch: the loss of the fifth is finite, the weights that it leaves give none that is."""
        model = zoo.build("vae.tiny", (1, 8, 8))
        options = TrainOptions(epochs=epochs, lr="steps:1e-3@0,1e30@4")
        with pytest.raises(Diverged):
            train(model, options, tmp_path)
        kept = read_checkpoint(tmp_path)
        assert kept is not None
        model.load_state_dict(kept.under("model"))
        assert model.loss(batch_of(), START).loss.isfinite()

    def test_first_bad_tensor_in_forward_order(self) -> None:
        batch = batch_of()
        model = zoo.build("vae.tiny", (1, 8, 8))
        assert bad_tensor(model, batch, START) == "a term of the loss"
        dark = Batch(torch.full_like(batch.x, math.nan), {}, batch.index)
        assert bad_tensor(model, dark, START) == "the data"
        with torch.no_grad():
            model.get_parameter("encoder.head.layer.bias").fill_(3e38)
            model.get_parameter("decoder.network.layers.1.weight").fill_(3e38)
        assert bad_tensor(model, batch, START).startswith("output of decoder.network")
        with torch.no_grad():
            model.get_parameter("encoder.head.layer.bias")[1] = math.inf
        assert bad_tensor(model, batch, START) == "weight encoder.head.layer.bias"

    def test_first_bad_term(self) -> None:
        one, nan = torch.tensor(1.0), torch.tensor(math.nan)
        assert bad_term(Terms(nan, {"distortion": one, "rate": one / 0})) == ("rate", math.inf)
        assert bad_term(Terms(one, {}, {"critic": -one / 0})) == ("critic", -math.inf)
        name, value = bad_term(Terms(nan, {"distortion": one}))
        assert name == "loss"
        assert math.isnan(value)


class TestReproducibility:
    @pytest.mark.parametrize("name", ["vae.tiny", "conv-vae.tiny"])
    def test_a_seed_decides_every_weight(self, name: str, plain: Path) -> None:
        options = {**GLYPHS, "augment": "shift", "val_fraction": 0.1}
        first, again, other = (
            zoo.train(name, seed=seed, out=f"run-{i}", **options) for i, seed in enumerate((3, 3, 4))
        )
        same(again.model.state_dict(), first.model.state_dict())
        # The header says how long it took, in more or fewer digits.
        sizes = [(run.path / "model.safetensors").stat().st_size for run in (first, again)]
        assert abs(sizes[0] - sizes[1]) <= 16
        assert scores_of(again) == scores_of(first)
        assert not any(
            value.equal(other.model.state_dict()[key])
            for key, value in first.model.state_dict().items()
            if key.endswith("layer.weight")
        )

    def test_the_callers_generator_does_not_matter(self, plain: Path) -> None:
        first = zoo.train("vae.tiny", **GLYPHS)
        torch.manual_seed(12345)
        same(zoo.train("vae.tiny", **GLYPHS).model.state_dict(), first.model.state_dict())

    def test_resumed_equals_straight(self, plain: Path) -> None:
        straight = zoo.train("vae.tiny", ema=0.9, **GLYPHS)
        with pytest.raises(KeyboardInterrupt):
            zoo.train("vae.tiny", ema=0.9, out="stopped", progress=Stopper(4), **GLYPHS)
        torch.manual_seed(99)
        resumed, _ = resume(load_registry(), "stopped", Silent())
        same(resumed.model.state_dict(), straight.model.state_dict())
        assert scores_of(resumed) == scores_of(straight)

    def test_more_epochs_equal_straight(self, plain: Path) -> None:
        """With a learning rate that does not depend on the length of the run."""
        straight = zoo.train("vae.tiny", lr=1e-3, ema=0.9, **{**GLYPHS, "epochs": 4})
        zoo.train("vae.tiny", lr=1e-3, ema=0.9, out="short", **GLYPHS)
        longer, _ = resume(load_registry(), "short", Silent(), epochs=4)
        same(longer.model.state_dict(), straight.model.state_dict())
        assert len(longer.records()) == 4

    def test_generators_of_the_caller_are_left_alone(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """By training with all its figures, loading, evaluating and rebuilding."""
        monkeypatch.chdir(tmp_path)
        before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        run = zoo.train("vae.tiny", out="run", **GLYPHS)
        assert run.model is not None
        zoo.load("run").model.reconstruct(torch.zeros(2, 1, 28, 28))
        zoo.evaluate("run")
        assert torch.get_rng_state().equal(before[0])
        assert (np.random.get_state()[1] == before[1]).all()
        assert random.getstate() == before[2]

    @pytest.mark.parametrize("options", [{}, {"ema": 0.9}])
    @pytest.mark.parametrize("name", ["vae.tiny", "sigma-vae.tiny"])
    def test_a_loaded_model_is_the_trained_one(
        self, name: str, options: dict[str, Any], plain: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live: list[Any] = []
        save = zoo.experiment.save_model
        monkeypatch.setattr(
            zoo.experiment, "save_model", lambda path, model, facts: (live.append(model), save(path, model, facts))
        )
        run = zoo.train(name, **options, **GLYPHS)
        loaded, x = zoo.load(run.path).model, batch_of(8, (1, 28, 28)).x
        same(loaded.state_dict(), live[0].state_dict())
        assert not loaded.training
        assert loaded.reconstruct(x).equal(live[0].reconstruct(x))
        with isolated(1):
            first = loaded.sample(5)
        with isolated(1):
            assert live[0].sample(5).equal(first)

    def test_evaluating_twice_gives_the_same_numbers(self, plain: Path) -> None:
        run = zoo.train("vae.tiny", **GLYPHS)
        before = weights(run.model)
        first = zoo.evaluate(run.path)
        assert zoo.evaluate(run.path) == first
        assert {key: first[key] for key in run.scores} == run.scores
        assert zoo.evaluate(run.path, seed=1)["sse"] != first["sse"]
        assert zoo.evaluate(run.path, seed=1)["mse"] == first["mse"]
        same(zoo.load(run.path).model.state_dict(), before)

    @pytest.mark.parametrize("options", [{}, {"encoder.hidden": (8,)}])
    def test_one_image_may_be_left_for_the_last_batch(self, options: dict[str, Any], tmp_path: Path) -> None:
        model = zoo.build("conv-vae.tiny", (1, 8, 8), **options)
        train(model, TrainOptions(epochs=1), tmp_path, images=pictures(17))


def scores_of(run: zoo.Run) -> dict[str, Any]:
    return {key: value for key, value in run.scores.items() if key not in ("seconds", "images_per_second")}


def test_validation_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    """The same weights come out with and without it."""
    torch.manual_seed(1)
    model = zoo.build("sigma-vae.tiny", (1, 8, 8))
    start = weights(model)
    torch.manual_seed(2)
    train(model, TrainOptions(epochs=2), tmp_path)
    twin = zoo.build("sigma-vae.tiny", (1, 8, 8))
    twin.load_state_dict(start)
    torch.manual_seed(2)
    records: list[Mapping[str, Any]] = []
    options = TrainOptions(epochs=2, patience=9)
    feed = feed_of(pictures())
    trainer = Trainer(twin, TrainingData(feed, feed), options, Silent(), lambda _: None, records.append)
    trainer.start()
    trainer._watch = lambda _: None
    trainer.fit()
    same(twin.state_dict(), model.state_dict())
    assert all(math.isfinite(record["validation"]["loss"]) for record in records)
