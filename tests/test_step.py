"""One step of training, however it is taken: by itself, recorded, compiled, in other precision, with other threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from test_training import feed_of, pictures, same
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo import ZooError
from zoo.data.images import Split
from zoo.data.options import DataOptions
from zoo.interfaces import Batch, Model, Player, SampleOptions, Step, Terms, at_step
from zoo.schedules import parse_schedule
from zoo.training.averaging import Average
from zoo.training.capture import Captured, Recorder
from zoo.training.compiled import Compiled
from zoo.training.feed import Feed, Stored
from zoo.training.options import TrainOptions
from zoo.training.patience import Patience
from zoo.training.players import Optimisers
from zoo.training.precision import choose_precision, precise, shortened
from zoo.training.progress import Progress, Silent
from zoo.training.step import TrainStep, position
from zoo.training.sums import Sums
from zoo.training.threads import threads_for, with_threads
from zoo.training.trainer import Trainer, TrainingData
from zoo.training.watch import Watch
from zoo_networks.layers import ToVector

CPU = torch.device("cpu")


class Said(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None: ...

    def step(self, count: int, epoch: int, images_per_second: float) -> None: ...

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


class Repeat(Recorder):
    """Does the work again each time: what a recording is, but for its speed."""

    def __init__(self) -> None:
        self.recorded = 0
        self.generators: list[torch.Generator] = []

    def record(
        self, work: Callable[[], Terms], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Terms]:
        self.recorded += 1
        self.generators = list(generators)
        adversaries: dict[str, Tensor] = {}
        terms = Terms(torch.zeros(()), {}, adversaries)

        def again() -> None:
            done = work()
            terms.loss.resize_(done.loss.shape).copy_(done.loss.detach())
            adversaries.update({name: value.detach() for name, value in done.adversaries.items()})

        return again, terms


class Refusing(Recorder):
    def record(
        self, work: Callable[[], Terms], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Terms]:
        work()
        raise RuntimeError("not permitted when\nstream is capturing")


def build(name: str, seed: int = 1) -> Model:
    torch.manual_seed(seed)
    return zoo.build(name, (1, 8, 8), train_size=42, classes={"label": [1] * 42})


def trainer_of(model: Model, progress: Progress | None = None, **options: Any) -> Trainer:
    chosen = TrainOptions(**{"epochs": 3, "ema": 0.9, "clip": 10.0, "lr": "steps:1e-2@0,1e-3@2ep", **options})
    data = TrainingData(feed_of(pictures(42), DataOptions(augment="flip-shift", binarize="dynamic")))
    return Trainer(model, data, chosen, progress or Silent(), lambda _: None, lambda _: None)


def fit(model: Model, recorder: Recorder | None = None, said: Said | None = None, **options: Any) -> dict[str, Tensor]:
    trainer = trainer_of(model, said, **options)
    if recorder is not None:
        trainer._take = Captured(trainer._step, recorder, said.say if said else lambda _: None)
    torch.manual_seed(2)
    trainer.start()
    trainer.fit()
    return model.state_dict()


class TestCaptured:
    """On a CPU, where a recording is a stand-in; what is held is what goes in, what comes out, and what is undone."""

    @pytest.mark.parametrize("name", ["conv-vae.tiny", "factor-vae.tiny", "vq-vae.tiny"])
    def test_equals_steps_one_by_one(self, name: str) -> None:
        """To the bit, over full and last batches, and whatever a trial of a recorded step has moved."""
        recorder, said = Repeat(), Said()
        same(fit(build(name), recorder, said), fit(build(name)))
        assert recorder.recorded == 1
        assert said.lines == ["steps run as one recorded graph each"]

    def test_each_kind_of_step_is_recorded(self) -> None:
        """Batches of eight and of two at the end of an epoch; the second kind after four epochs."""
        recorder = Repeat()
        same(fit(build("vae.tiny"), recorder, epochs=6), fit(build("vae.tiny"), epochs=6))
        assert recorder.recorded == 2

    def test_turns_are_kinds(self) -> None:
        recorder = Repeat()
        same(fit(Duel(), recorder), fit(Duel()))
        assert recorder.recorded == 2

    def test_what_cannot_be_recorded_runs_one_by_one(self) -> None:
        said = Said()
        same(fit(build("conv-vae.tiny"), Refusing(), said), fit(build("conv-vae.tiny")))
        (line,) = said.lines
        assert line == (
            "NOTE: steps run one by one: it cannot be recorded (RuntimeError: not permitted when stream is capturing)"
        )

    def test_what_changes_on_the_host_is_found(self) -> None:
        """The stand-in does decide anew, so the model here decides by how often it was called."""
        said = Said()
        fit(Counting(), Repeat(), said)
        (line,) = said.lines
        assert line.startswith("NOTE: steps run one by one: recorded, its loss is ")
        assert line.endswith("something in it is decided on the host")


class Duel(Model):
    """A player and one that moves every other step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.own, self.critic = nn.Linear(64, 4), nn.Linear(4, 1)

    def loss(self, batch: Batch, step: Step) -> Terms:
        score = self.critic(torch.tanh(self.own(batch.x.flatten(1)))) + torch.randn(len(batch.x), 1)
        return Terms(score.square().mean(), {}, {"critic": (score - 1).square().mean()})

    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        return torch.zeros(n, 1, 8, 8)

    def players(self) -> Mapping[str, Player]:
        critic = Player(dict(self.critic.named_parameters()), every=2)
        return {"model": Player(dict(self.own.named_parameters())), "critic": critic}

    def prepare(self, batch: Batch) -> None: ...


class Counting(Duel):
    """Its loss depends on a number that Python counts."""

    calls = 0

    def loss(self, batch: Batch, step: Step) -> Terms:
        self.calls += 1
        score = self.critic(self.own(batch.x.flatten(1))) + self.calls
        return Terms(score.square().mean(), {}, {"critic": (score - 1).square().mean()})


READS = {"lift_fresh", "_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "_unique2", "bincount", "equal"}
"""What a GPU would be waited for, and what is sent to it from a list or a number, which a recording may not do."""


class Reads(TorchDispatchMode):
    """Keeps the names of operations that read something back."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = [i for i in args[1] if i is not None and i.dtype == torch.bool] if name == "index" else []
        if name in READS or masks:
            self.found.add(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["conv-vae", "factor-vae", "realnvp", "svae", "vq-vae"])
def test_a_step_reads_nothing_back(name: str) -> None:
    """Optimisers, means and sums included; the conformance kit holds every model to it. One draws by rejection."""
    trainer = trainer_of(build(f"{name}.tiny"))
    trainer.start()
    trainer.model.train()
    # As on a GPU: a rate that stays there, a note instead of a look.
    trainer._step._immediate = False
    for optimiser in trainer._optimisers._made.values():
        for group in optimiser.param_groups:
            group.update(lr=torch.zeros(()))
    at, reads = position(CPU), Reads()
    for i, stored in enumerate(trainer.data.train.stored(0)):
        with reads if i else nullcontext():
            trainer._step(stored, at(i, i / 6, 0.1), trainer._step.turns(i))
    assert reads.found == ({"index", "lift_fresh"} if name == "svae" else set())


class TestWatch:
    def note(self, watch: Watch, count: int, loss: float, other: float = 0.0) -> None:
        watch.note(Terms(torch.tensor(loss), {}, {"critic": torch.tensor(other)}), Step.of(count, 0, 0))

    def test_knows_the_first_bad_step(self) -> None:
        watch = Watch(CPU)
        for count in range(40):
            self.note(watch, count, float("nan") if count in (17, 25) else 1.0)
            assert watch.look(count) == (None if count < 32 else 17)
        assert watch.wait() == 17

    def test_an_adversary_counts(self) -> None:
        watch = Watch(CPU)
        self.note(watch, 0, 1.0, float("inf"))
        assert watch.look(0) == 0

    def test_nothing_bad(self) -> None:
        watch = Watch(CPU)
        self.note(watch, 0, 1e30)
        assert watch.look(0) is None
        assert watch.wait() is None


class TestSums:
    def test_are_means_over_images(self) -> None:
        sums = Sums(CPU)
        for value, images in ((1.0, 3), (4.0, 1)):
            sums.add(Terms(torch.tensor(value), {"rate": torch.tensor(2 * value)}), images)
        assert sums.means(4) == {"loss": 1.75, "rate": 3.5}

    def test_start_again_and_come_back(self) -> None:
        sums, other = Sums(CPU), Sums(CPU)
        sums.add(Terms(torch.tensor(0.1), {}), 7)
        other.restore(sums.state())
        assert other.means(7) == sums.means(7)
        sums.clear()
        assert sums.means(1) == {"loss": 0.0}
        assert other.means(7)["loss"] == pytest.approx(0.1)


class TestPrecision:
    def test_of_this_device(self) -> None:
        assert choose_precision("auto", CPU) == "fp32"
        assert choose_precision("auto", torch.device("cuda")) == "tf32"
        with pytest.raises(ZooError, match="--precision tf32 is of NVIDIA's GPUs; on cpu leave it out, or try bf16"):
            choose_precision("tf32", CPU)

    @pytest.mark.parametrize(("name", "short"), [("fp32", False), ("tf32", True), ("bf16", True)])
    def test_products_and_convolutions_alike(self, name: Any, short: bool) -> None:
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        before = matmul.allow_tf32, cudnn.allow_tf32
        with precise(name):
            assert (matmul.allow_tf32, cudnn.allow_tf32) == (short, short)
        assert (matmul.allow_tf32, cudnn.allow_tf32) == before

    @pytest.mark.parametrize("name", ["conv-vae.tiny", "cvae.tiny", "realnvp.tiny", "vq-vae.tiny"])
    def test_half_of_the_bits_is_near(self, name: str) -> None:
        model, batch = build(name), next(feed_of(pictures(42)).shuffled(0))
        with torch.no_grad():
            model.prepare(batch)
        losses = []
        for precision in ("fp32", "bf16"):
            torch.manual_seed(4)
            with shortened(precision, CPU):  # type: ignore[arg-type]  # the two names above
                losses.append(float(model.eval().loss(batch, Step.of(0, 0, 0)).loss.detach()))
        assert losses[0] != losses[1]
        assert losses[1] == pytest.approx(losses[0], rel=0.02)

    def test_densities_are_in_single_precision(self) -> None:
        model, x = build("conv-vae.tiny"), torch.rand(4, 1, 8, 8)
        assert isinstance(model, zoo.LatentModel)
        with shortened("bf16", CPU):
            q = model.encode(x)
            assert q.mean.dtype == q.rsample().dtype == torch.float32
            assert model.decode(q.rsample()).mean.dtype == torch.float32

    def test_trains(self) -> None:
        weights = fit(build("conv-vae.tiny"), precision="bf16")
        assert all(value.isfinite().all() for value in weights.values())
        assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}


class TestCompiled:
    """With torch's own stand-in for a compiler, which takes no half a minute."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        compiler = torch.compile
        monkeypatch.setattr(
            torch, "compile", lambda loss, dynamic: compiler(loss, dynamic=dynamic, backend="aot_eager")
        )
        yield
        torch._dynamo.reset()

    @pytest.mark.parametrize(
        "name", ["conv-vae.tiny", "factor-vae.tiny", pytest.param("vq-vae.tiny", marks=pytest.mark.slow)]
    )
    def test_changes_nothing_beyond_rounding(self, name: str) -> None:
        said = Said()
        compiled, plain = fit(build(name), said=said, compile=True, epochs=1), fit(build(name), epochs=1)
        for key, value in plain.items():
            torch.testing.assert_close(compiled[key], value, rtol=1e-3, atol=1e-4)
        (line,) = said.lines
        assert line.startswith("compiled the loss in ")

    def test_what_cannot_be_compiled_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(loss: object, dynamic: bool) -> Callable[..., Terms]:
            def refuse(batch: Batch, step: Step) -> Terms:
                torch.randn(3)
                raise RuntimeError("no compiler here")

            return refuse

        monkeypatch.setattr(torch, "compile", fail)
        said = Said()
        same(fit(build("vae.tiny"), said=said, compile=True), fit(build("vae.tiny")))
        assert said.lines == ["NOTE: not compiled: RuntimeError: no compiler here"]

    def test_other_sizes_are_not_compiled(self) -> None:
        said: list[str] = []
        compiled = Compiled(build("vae.tiny"), 8, said.append)
        compiled.warm_up(next(feed_of(pictures(), batch_size=4).shuffled(0)), Step.of(0, 0, 0))
        assert not said


class TestThreads:
    @pytest.fixture(autouse=True)
    def four(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        with with_threads(4):
            yield

    def of(self, name: str, shape: tuple[int, int, int] = (1, 8, 8), count: int = 8) -> int:
        batch = Batch(torch.rand(count, *shape), {}, torch.arange(count))
        return threads_for(zoo.build(name, shape), batch, Step.of(0, 0, 0))

    def test_small_steps_have_one(self) -> None:
        assert self.of("vae.tiny") == 1

    def test_large_ones_have_all(self) -> None:
        assert self.of("conv-vae", (1, 28, 28), 64) == 4

    def test_those_that_are_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        assert self.of("vae.tiny") == 4

    def test_leaves_model_and_generators_alone(self) -> None:
        model, batch = build("conv-vae.tiny"), next(feed_of(pictures()).shuffled(0))
        model.train()
        before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
        threads_for(model, batch, Step.of(0, 0, 0))
        same(model.state_dict(), before)
        assert torch.get_rng_state().equal(state)
        assert model.training
        assert torch.get_num_threads() == 4


class TestPatience:
    def test_keeps_the_best_and_waits(self) -> None:
        patience, weight = Patience(2), torch.zeros(())
        for value, over in ((3.0, False), (2.0, False), (2.5, False), (2.0, True)):
            weight.fill_(value)
            patience.see(value, {"w": weight})
            assert patience.over == over
        assert patience.weights == {"w": torch.tensor(2.0)}

    def test_without_a_limit_it_never_ends(self) -> None:
        patience = Patience(None)
        for _ in range(50):
            patience.see(1.0, {})
        assert not patience.over


def test_schedules_by_steps_are_comparisons() -> None:
    schedule = parse_schedule("steps:1e-4@0,5e-5@200,1e-5@300")
    found = [float(at_step(schedule, Step.of(count, 0, 0))) for count in (0, 199, 200, 299, 300, 1000)]
    assert found == pytest.approx([1e-4, 1e-4, 5e-5, 5e-5, 1e-5, 1e-5])


def test_position_is_the_same_three_numbers() -> None:
    at = position(CPU)
    first = at(3, 0.5, 0.25)
    assert at(4, 0.75, 0.5) is first
    assert (float(first.count), float(first.epoch), float(first.fraction)) == (4, 0.75, 0.5)


def test_gradients_of_vectors_come_back_as_maps_are_laid() -> None:
    x = torch.randn(4, 3, 5, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    vectors = ToVector()(x)
    assert vectors.equal(x.flatten(1))
    gradient = torch.randn_like(vectors)
    (found,) = torch.autograd.grad(vectors, x, gradient)
    assert found.equal(gradient.view_as(x))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_step_is_made_of_what_it_says() -> None:
    """What a step writes can be put back."""
    trainer = trainer_of(build("conv-vae.tiny"))
    assert isinstance(trainer._step, TrainStep)
    trainer.start()
    (stored, *_) = trainer.data.train.stored(0)
    at = position(CPU)
    trainer.model.train()
    trainer._step(stored, at(0, 0, 0), trainer._step.turns(0))
    kept = [(value, value.clone()) for value in trainer._step.tensors()]
    trainer._step(stored, at(1, 0, 0), trainer._step.turns(1))
    assert sum(not value.equal(before) for value, before in kept) > len(list(trainer.model.parameters()))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, on which everything is tested for itself")
@pytest.mark.parametrize("optimizer", ["adamax", "nadam"])
@pytest.mark.parametrize("name", ["conv-vae.tiny", "vq-vae.tiny"])
def test_a_step_on_a_gpu_that_is_not_there(name: str, optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a step stays behind on the CPU; torch works out devices and computes nothing, not even gradients."""
    model, gpu = build(name), torch.device("cuda")
    with torch.no_grad():
        model.prepare(next(feed_of(pictures(42)).shuffled(0)))

    def backward(loss: Tensor) -> None:
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)

    monkeypatch.setattr(Tensor, "backward", backward)
    options = TrainOptions(optimizer=optimizer, clip=1.0, ema=0.9, lr="steps:1e-3@0,1e-4@2ep")
    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to(gpu)
        split = Split(torch.empty(42, 1, 8, 8, dtype=torch.uint8, device=gpu), {"label": torch.zeros(42, device=gpu)})
        feed = Feed(pictures(), split, DataOptions(augment="flip-shift", binarize="dynamic"), 8, 0)
        average = Average(model, 0.9)
        optimisers = Optimisers(model.players(), options)
        step = TrainStep(model, model.loss, feed, optimisers, average, options.lr, nullcontext)
        at = position(gpu)
        for count in range(3):
            terms = step(Stored(torch.arange(8, device=gpu)), at(count, count / 6, 0.1), step.turns(count))
            assert terms.loss.device.type == "cuda"
        assert {value.device.type for value in step.tensors()} == {"cuda"}
