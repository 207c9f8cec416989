"""Steps of many models, recorded as on a GPU: on a CPU, where a recording is a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from test_step import CPU, Reads, Refusing, Repeat, Said
from test_vectorised import REGISTRY, here, paths, tasks_of
from torch import Tensor
from torch.optim import Optimizer

from zoo import Diverged
from zoo.data.images import InMemory
from zoo.interfaces import Step, Terms
from zoo.many.task import Task
from zoo.many.vectorised.build import joint_step
from zoo.many.vectorised.joint import JointStep
from zoo.many.vectorised.lockstep import Take
from zoo.many.vectorised.together import train_together
from zoo.runs.folder import find_run
from zoo.training.capture import Captured, Recorder
from zoo.training.feed import Several, Stored
from zoo.training.progress import Progress, Silent
from zoo.training.step import position

assert here, "a fixture of every test"

Change = Callable[[JointStep], Take]
"""What takes a joint step in its place."""


def together(
    monkeypatch: pytest.MonkeyPatch, tasks: list[Task], change: Change, progress: Progress | None = None
) -> list[Any]:
    """Train side by side, each joint step changed."""
    with monkeypatch.context() as patched:
        patched.setattr("zoo.many.vectorised.together.joint_step", lambda *found: change(joint_step(*found)))
        return train_together(REGISTRY, tasks, progress or Silent(), ())


def weights(path: Path) -> dict[str, Tensor]:
    return find_run(path).model.state_dict()


def as_on_a_gpu(joint: JointStep) -> JointStep:
    """Let a note of what is not finite be made, and nothing be looked at."""
    for member in joint.members:
        member.step._immediate = False
        for optimiser in member.step._optimisers._made.values():
            keep_rate_in_a_tensor(optimiser)
    return joint


def keep_rate_in_a_tensor(optimiser: Optimizer) -> None:
    for group in optimiser.param_groups:
        group.update(lr=torch.zeros(()))


@pytest.mark.parametrize("model", ["aae.tiny", "conv-vae.tiny", "cvae.tiny", "vae.tiny"])
def test_equal_to_steps_one_by_one(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit, over full and last batches: an adversary, running means, labels; options that differ."""
    found = {}
    recorder, said = Repeat(), Said()
    changes: dict[str, Change] = {
        "recorded": lambda joint: Captured(joint, recorder, said.say),
        "one-by-one": lambda joint: joint,
    }
    for name, change in changes.items():
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        each: list[dict[str, Any]] = [{"seed": 1, "lr": 1e-3}, {"seed": 2, "lr": "linear:1e-3..1e-4"}]
        tasks = tasks_of(model, each, data=f"npz:{tmp_path}/small.npz", limit=72, binarize="dynamic", epochs=5)
        found[name] = [weights(path.absolute()) for path in paths(together(monkeypatch, tasks, change))]
    for one, other in zip(found["recorded"], found["one-by-one"], strict=True):
        assert all(value.equal(other[name]) for name, value in one.items())
    assert recorder.recorded == 2
    assert len({id(generator) for generator in recorder.generators}) == 2
    assert said.lines == ["steps run as one recorded graph each"]


def test_one_that_cannot_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said()
    tasks = tasks_of("vae.tiny", [{"seed": 1}, {"seed": 2}])
    one = paths(together(monkeypatch, tasks, lambda joint: Captured(joint, Refusing(), said.say)))
    (line,) = said.lines
    assert line.startswith("NOTE: steps run one by one: it cannot be recorded (RuntimeError: not permitted")
    assert all(find_run(path).scores for path in one)


def test_what_is_trained_otherwise_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One model that a recording computes otherwise is enough."""

    class Wrong(Recorder):
        def record(
            self, work: Callable[[], Terms], generators: Sequence[torch.Generator]
        ) -> tuple[Callable[[], None], Terms]:
            terms = work()
            return lambda: None, Terms(terms.loss.detach() * torch.tensor([1.0, 1.01]), {})

    said = Said()
    tasks = tasks_of("vae.tiny", [{"seed": 1}, {"seed": 2}])
    paths(together(monkeypatch, tasks, lambda joint: Captured(joint, Wrong(), said.say)))
    (line,) = said.lines
    assert line.endswith("something in it is decided on the host")


def test_one_that_diverges_is_heard_of_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at a step of a GPU; some steps on, the run ends, and the others go on as if it had not been."""
    each: list[dict[str, Any]] = [{"seed": 1}, {"seed": 2, "lr": 1e30}, {"seed": 3}]
    tasks = tasks_of("vae.tiny", each, epochs=8)
    ended = together(monkeypatch, tasks, lambda joint: Captured(as_on_a_gpu(joint), Repeat(), lambda _: None))
    assert isinstance(ended[1].error, Diverged)
    assert find_run("run1").metadata["outcome"]["reason"] == "diverged"
    for i in (0, 2):
        assert find_run(f"run{i}").metadata["outcome"]["reason"] == "finished"


@pytest.mark.parametrize("model", ["conv-vae.tiny", "factor-vae.tiny", "vq-vae.tiny"])
def test_a_joint_step_reads_nothing_back(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does it send anything, which a recorded step may not."""
    reads, at, steps = Reads(), position(CPU), [0]

    def watched(joint: JointStep) -> Take:
        as_on_a_gpu(joint)

        def take(stored: Several, step: Step, turns: Sequence[str]) -> Terms:
            steps[0] += 1
            if steps[0] == 1:
                return joint(stored, step, turns)
            joint.know(stored, step)
            now = at(float(step.count), float(step.epoch), float(step.fraction))
            with reads:
                return joint.plainly(stored, now, turns)

        return take

    own: list[dict[str, Any]] = [{"seed": 1}, {"seed": 2}]
    if model == "conv-vae.tiny":
        own = [{"seed": 1, "beta": 2.0}, {"seed": 2, "beta": "linear:0..2@10"}]
    paths(together(monkeypatch, tasks_of(model, own, binarize="dynamic", augment="shift"), watched))
    assert steps[0] > 4
    assert reads.found == set()


def test_batches_that_are_streamed_are_written_over() -> None:
    """Of those that lie where they are wanted, it is enough to write where."""

    def batch(value: int, *, streamed: bool) -> Stored:
        index = torch.arange(3) + value
        images = InMemory(torch.full((3, 1, 2, 2), value, dtype=torch.uint8), {"label": torch.full((3,), value)})
        return Stored(index, images if streamed else None)

    for streamed in (False, True):
        first, second = (Several((batch(n, streamed=streamed), batch(n + 1, streamed=streamed))) for n in (1, 5))
        memory = first.clone()
        assert memory.sizes == (3, 3)
        second.write(memory)
        for found, wanted, before in zip(memory.each, second.each, first.each, strict=True):
            assert found.index.equal(wanted.index)
            assert not before.index.equal(wanted.index)
            assert (found.images is None) == (wanted.images is None) == (not streamed)
            if found.images is not None and wanted.images is not None:
                assert found.images.x.equal(wanted.images.x)
                assert found.images.y["label"].equal(wanted.images.y["label"])
