"""The conformance kit: each check of models fails for a model that is broken in that way, and for no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit_sound import Broken, broken, written

from zoo.testing.models.checks import MODEL_CHECKS, trials_of_model

_OPTIONS_THAT_FORGET = """
    @classmethod
    def from_dict(cls, values):
        return cls()
"""
_OPTIONS_THAT_ROUND = """
    def to_dict(self):
        return {"width": self.width, "gain": round(self.gain)}
"""
_FORWARD = "    def forward(self, model, batch, step):\n"
_TWO_PLAYERS = f"""
        self.weight = nn.Parameter(torch.ones(()))

    def players(self):
        return {{name: Player({{"weight": self.weight}}) for name in ("one", "other")}}

{_FORWARD}"""
_SILENT_PLAYER = f"""
        self.weight = nn.Parameter(torch.ones(()))

    def players(self):
        return {{"critic": Player({{"weight": self.weight}})}}

{_FORWARD}"""
_STRIDED = """
x = torch.as_strided(batch.x, (len(batch.x), 9), (batch.x[0].numel(), 1))
loss = loss + 0.1 * (x * torch.arange(9, device=x.device)).sum(1).mean()"""
_OWN_GENERATOR = "with torch.no_grad(): self.layer.weight.normal_(generator=torch.Generator().manual_seed(id(self)))"

FAULTS = {
    "no recipe tiny": Broken(
        {'"recipes": {"tiny": tiny}': '"recipes": {"small": tiny}'},
        frozenset({"has-a-tiny-recipe"}),
        "add small sizes and 'epochs = 1' as [models.kit-vae.recipes.tiny]",
    ),
    "a recipe with an unknown option": Broken(
        {'"width": 4': '"widht": 4'}, frozenset({"has-a-tiny-recipe"}), "unknown option 'widht'; did you mean 'width'?"
    ),
    "options that are rounded": Broken(
        {"# options\n": _OPTIONS_THAT_ROUND, '"width": 4': '"width": 4, "gain": 1.4'},
        frozenset({"settings-survive-their-file", "loads-to-the-bit"}),
        "does not bring back the options of encoder",
    ),
    "options that are forgotten": Broken(
        {"# options\n": _OPTIONS_THAT_FORGET},
        frozenset({"options-have-dotted-names"}),
        "--encoder.width 1 is taken, and 8 is kept",
    ),
    "refuses every shape": broken("builds", "does not build: too few pixels", init='raise ZooError("too few pixels")'),
    "raises as it is built": broken("builds", "builds could not be checked: ZeroDivisionError", init="1 / 0"),
    "weights of a generator of its own": broken(
        "seed-gives-the-same-weights",
        "the same seed builds other weights in encoder.network.layer.weight",
        init=_OWN_GENERATOR,
    ),
    "a term that is called loss": broken("finite-loss", "two terms are called 'loss'", loss='logs["loss"] = rate'),
    "a sum over the batch": broken(
        "repeated-batch-has-the-same-loss", "take the mean over images", loss="loss = (nll + kl(q, p, z)).sum()"
    ),
    "a mean over pixels": broken(
        "twice-the-pixels-have-twice-the-distortion",
        "sum over pixels, do not average",
        mean="return Averaged(mean, self.scale, 3)",
    ),
    "a layer that nothing uses": broken(
        "every-parameter-gets-a-gradient",
        "parameters without gradient: encoder.network.idle.weight, encoder.network.idle.bias; use them in the loss",
        init="self.idle = nn.Linear(2, 2)",
    ),
    "a parameter that counts nothing": broken(
        "every-parameter-gets-a-gradient",
        "whose gradient is 0 in each of the first steps: encoder.network.idle",
        init="self.idle = nn.Parameter(torch.ones(()))",
        after="h = h + 0 * self.idle",
    ),
    "an adversary without a player": broken(
        "players-own-each-parameter-once", "losses without a player: critic", loss='adversaries["critic"] = rate'
    ),
    "a gradient uphill": broken(
        "loss-falls", "the loss of one batch went from", loss="loss = 2 * loss.detach() - loss"
    ),
    "a count of steps that is not saved": broken(
        "resumes-to-the-bit",
        "ends elsewhere when it is resumed",
        init="self.steps = 0",
        after="self.steps += self.training\nh = h * (1 + 0.01 * self.steps * self.training)",
    ),
    "a factor that is learned and not saved": broken(
        "loads-to-the-bit",
        "has another loss when it comes back from its file",
        init="self.seen = 1.0",
        after="self.seen += 0.01 * self.training\nh = h if self.training else h * self.seen",
    ),
    "means beyond white": broken(
        "samples-are-images abilities-fit-the-images",
        "squash the mean, or set 'unit_range = False'",
        mean="mean = 2 * mean",
    ),
    "samples of single type": broken(
        "samples-are-images abilities-fit-the-images",
        "are torch.float64, not float32",
        mean="mean = mean if self.training else mean.double()",
    ),
    "dropout that goes on": broken(
        "eval-is-deterministic eval-is-free-of-the-batch",
        "changes from call to call",
        after="h = nn.functional.dropout(h, 0.5, True)",
    ),
    "statistics of the batch": broken(
        "eval-is-free-of-the-batch", "take no statistics of the batch in eval mode", after="h = h - h.mean(0)"
    ),
    "a buffer that counts in eval mode": broken(
        "evaluation-changes-nothing",
        "a pass in eval mode changes encoder.network.calls",
        init='self.register_buffer("calls", torch.zeros(()))',
        before="self.calls += 1",
    ),
    "no single image": broken(
        "batches-of-any-size eval-is-free-of-the-batch",
        "batches-of-any-size could not be checked: ValueError: one image",
        before='if len(x) == 1 and x.any(): raise ValueError("one image")',
    ),
    "no odd sides": broken(
        "odd-image-sizes",
        "images of 1x13x17 do not go through: odd",
        before='if x.shape[1] % 2: raise ValueError("odd")',
    ),
    "a loss in single precision": broken(
        "double-precision", "the loss is torch.float32; make tensors like those at hand", loss="loss = loss.float()"
    ),
    "strides of memory": broken(
        "memory-layout-changes-nothing",
        "with channels last, and",
        loss=_STRIDED,
    ),
    "a number that is read back": broken(
        "step-waits-for-nothing",
        "a GPU waits in each step, which cannot be recorded, at ",
        loss="loss = loss * 1.0 if float(rate.detach()) > -1 else rate",
    ),
    "a branch on a tensor": broken(
        "step-waits-for-nothing", "(if (h > 2).any():)", after="if (h > 2).any():\n    h = 2 * h"
    ),
    "as many as there happen to be": broken(
        "step-waits-for-nothing", "(loss = loss + 0 * nll[nll > 0].sum())", loss="loss = loss + 0 * nll[nll > 0].sum()"
    ),
    "numbers of the host": broken(
        "step-waits-for-nothing",
        "(h = h * torch.tensor(1.01, device=h.device))",
        after="h = h * torch.tensor(1.01, device=h.device)",
    ),
    "a tensor as a list": broken(
        "step-waits-for-nothing",
        '(logs["first"] = loss + 0 * max(nll.tolist()))',
        loss='logs["first"] = loss + 0 * max(nll.tolist())',
    ),
    "a number that the gradient reads": broken(
        "step-waits-for-nothing",
        "(return grad * (2 if float(grad.sum()) > 1e9 else 1))",
        loss="loss = Read.apply(loss)",
    ),
    "a tensor that is not registered": broken(
        "moves-as-a-whole",
        "tensors that stay behind when the model is moved: encoder.network.shift",
        init="self.shift = torch.ones(1)",
    ),
    "a new tensor on the CPU": broken(
        "steps-on-another-device",
        "make new tensors on the device of those at hand",
        after="h = h + torch.zeros(h.shape[1])",
    ),
    "numpy's generator": broken(
        "leaves-no-trace", "changes NumPy's generator of the whole process", before="np.random.rand()"
    ),
    "a switch of the process": broken(
        "leaves-no-trace", "changes cuDNN's benchmark", before="torch.backends.cudnn.benchmark = True"
    ),
}
EVEN_MORE = {
    "a term for each image": broken(
        "finite-loss", "term 'nll' has shape (8,); average it over the images", loss='logs["nll"] = nll'
    ),
    "a term that is no number": broken(
        "finite-loss", "term 'odd' is nan on images in [0, 1]", loss='logs["odd"] = rate / 0 * 0'
    ),
    "a loss without gradient": broken("finite-loss", "the loss carries no gradient", loss="loss = loss.detach()"),
    "a generator of its own": broken(
        "same-seed-same-samples",
        "two samples of the same seed differ",
        mean="mean = mean + 0.01 * torch.rand(mean.shape, generator=OWN, device=mean.device)",
    ),
    "one image for all": broken(
        "same-seed-same-samples", "samples of two seeds are the same", mean="mean = 0 * mean + 0.5"
    ),
    "a seed when it is built": broken(
        "leaves-no-trace", "seeds torch's default generator", after="torch.manual_seed(0)"
    ),
    "two players of one parameter": Broken(
        {_FORWARD: _TWO_PLAYERS},
        frozenset({"players-own-each-parameter-once"}),
        "parameters that two players move: objective.weight",
    ),
    "a player without a loss": Broken(
        {_FORWARD: _SILENT_PLAYER}, frozenset({"players-own-each-parameter-once"}), "players without a loss: critic"
    ),
}
"""These break so much that other checks fail as well."""


def failures(folder: Path, name: str, fault: Broken) -> dict[str, str]:
    with written(folder, name, fault.changes) as registry:
        outcomes = [trial.run() for trial in trials_of_model(registry, "kit-vae")]
    return {outcome.trial.name: outcome.sentence for outcome in outcomes if outcome.status == "failed"}


def test_a_sound_model_passes_every_check(tmp_path: Path) -> None:
    with written(tmp_path, "sound", {}) as registry:
        outcomes = [trial.run() for trial in trials_of_model(registry, "kit-vae")]
    assert [outcome.sentence for outcome in outcomes if outcome.status != "passed"] == []
    assert len(outcomes) == sum(map(len, MODEL_CHECKS.values()))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_its_own_check(name: str, tmp_path: Path) -> None:
    found = failures(tmp_path, f"broken_{list(FAULTS).index(name)}", FAULTS[name])
    assert set(found) == FAULTS[name].fails, found
    assert any(FAULTS[name].words in sentence for sentence in found.values()), found
    assert all(sentence.startswith("model kit-vae: ") and "\n" not in sentence for sentence in found.values())


@pytest.mark.parametrize("name", EVEN_MORE)
def test_a_fault_that_breaks_more_fails_its_own_check_too(name: str, tmp_path: Path) -> None:
    found = failures(tmp_path, f"broken_more_{list(EVEN_MORE).index(name)}", EVEN_MORE[name])
    assert set(found) >= EVEN_MORE[name].fails, found
    assert any(EVEN_MORE[name].words in sentence for sentence in found.values()), found


def test_a_frozen_parameter_needs_no_gradient(tmp_path: Path) -> None:
    init = "self.idle = nn.Parameter(torch.ones(2)).requires_grad_(False)"
    assert failures(tmp_path, "frozen", broken("", "", init=init)) == {}


def test_a_loss_that_says_it_compares_images_is_held_to_its_distortion(tmp_path: Path) -> None:
    compares = {"class Bound(Loss):\n": "class Bound(Loss):\n    compares_images = True\n\n"}
    spread = {"# loss\n": "loss = loss + 300 * (q.mean.std(0).sum() if len(z) > 1 else 0)\n"}
    summed = {"# loss\n": 'logs["distortion"] = nll.sum()\n'}
    only = {"repeated-batch-has-the-same-loss"}
    assert set(failures(tmp_path, "undeclared", Broken(spread, frozenset(), ""))) == only
    assert failures(tmp_path, "declared", Broken({**compares, **spread}, frozenset(), "")) == {}
    assert set(failures(tmp_path, "summed", Broken({**compares, **summed}, frozenset(), ""))) >= only


def test_what_a_gpu_need_not_wait_for_passes(tmp_path: Path) -> None:
    code = "\n".join(
        [
            "places = torch.arange(len(nll), device=nll.device) % 3",
            "shares = nn.functional.one_hot(places, 3).to(nll.dtype).mean(0)",
            "masked = nll.clone()",
            "masked[masked > 1e9] = 0",
            "loss = loss + 0 * (shares.sum() + torch.where(masked > 0, masked, torch.full_like(masked, 2.0)).mean())",
        ]
    )
    assert failures(tmp_path, "patient", broken("", "", loss=code)) == {}


def test_a_part_that_says_it_reads_back_is_left_alone(tmp_path: Path) -> None:
    declared = {"class Net(Network):\n": "class Net(Network):\n    reads_back = True\n\n"}
    fault = FAULTS["a branch on a tensor"]
    with written(tmp_path, "declares", {**fault.changes, **declared}) as registry:
        outcomes = {trial.name: trial.run() for trial in trials_of_model(registry, "kit-vae")}
    found = outcomes["step-waits-for-nothing"]
    assert found.status == "not-applicable"
    assert found.sentence == "Net says that it reads numbers back; on a GPU its steps run one by one"
