"""Models that are told labels: what they see, what they draw, and what they say without them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Done, ZooProcess
from torch import Tensor

import zoo
from zoo import Batch, DecodesLatents, Embeds, LatentModel, Reconstructs, SampleOptions, Step, ZooError
from zoo.compositions.autoencoder import Autoencoder
from zoo.data.images import Split, class_counts

START = Step.of(0, 0, 0)
COUNTS = {"label": [0, 30, 10]}


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def told(name: str = "cvae.tiny", shape: tuple[int, int, int] = (1, 12, 12), **options: Any) -> Autoencoder:
    model = zoo.build(name, shape, classes=COUNTS, condition="label", **options)
    assert isinstance(model, Autoencoder)
    return model


def labels(*values: int) -> dict[str, Tensor]:
    return {"label": torch.tensor(values)}


def batch_of(shape: tuple[int, int, int] = (1, 12, 12)) -> Batch:
    return Batch(torch.rand(4, *shape), labels(1, 2, 1, 2), torch.arange(4))


@pytest.mark.parametrize("name", ["cvae.tiny", "conv-vae.tiny", "ae.tiny", "beta-tc-vae.tiny", "linear-vae.tiny"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 30, 17)])
def test_any_model_can_be_told(name: str, shape: tuple[int, int, int]) -> None:
    model, batch = told(name, shape), batch_of(shape)
    terms = model.loss(batch, START)
    terms.loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    view = model.eval().given(batch.y)
    assert isinstance(view, LatentModel)
    assert isinstance(view, Reconstructs)
    z = view.encode(batch.x).rsample((3,))
    assert view.decode(z).log_prob(batch.x).shape == (3, 4)
    assert view.reconstruct(batch.x).shape == batch.x.shape
    assert model.sample(5).shape == (5, *shape)


def test_encoder_and_decoder_see_the_label() -> None:
    model, x = told().eval(), torch.rand(1, 1, 12, 12)
    one, two = model.given(labels(1)), model.given(labels(2))
    assert isinstance(one, Embeds)
    assert isinstance(two, Embeds)
    assert not one.embed(x).equal(two.embed(x))
    z = torch.zeros(1, 4)
    assert isinstance(one, DecodesLatents)
    assert isinstance(two, DecodesLatents)
    assert not one.decode_mean(z).equal(two.decode_mean(z))


def test_a_label_of_one_serves_any_number_of_codes() -> None:
    model = told().eval()
    one, many = model.given(labels(2)), model.given(labels(2, 2, 2))
    assert isinstance(one, DecodesLatents)
    assert isinstance(many, DecodesLatents)
    z = torch.randn(3, 4)
    assert one.decode_mean(z).equal(many.decode_mean(z))


def test_labels_are_drawn_as_often_as_in_training() -> None:
    model = told()
    assert model.condition is not None
    drawn = model.condition.sample(4000)["label"]
    assert set(drawn.tolist()) == {1, 2}
    assert float((drawn == 1).float().mean()) == pytest.approx(0.75, abs=0.03)
    assert model.condition.sample(3, 2)["label"].tolist() == [2, 2, 2]


def test_a_label_that_is_asked_for_is_the_one_decoded() -> None:
    model = told().eval()
    torch.manual_seed(1)
    found = model.sample(3, SampleOptions(label=2))
    torch.manual_seed(1)
    z = model.prior_distribution().sample((3,))
    view = model.given(labels(2, 2, 2))
    assert isinstance(view, DecodesLatents)
    assert found.equal(view.decode_mean(z))


def test_class_counts_are_of_integer_labels() -> None:
    y = {
        "label": torch.tensor([0, 2, 2]),
        "slant": torch.rand(3),
        "pair": torch.zeros(3, 2),
        "id": torch.tensor([-1, 4, 5]),
    }
    assert class_counts(Split(torch.zeros(3, 1, 2, 2), y)) == {"label": (1, 0, 2)}


class TestMistakes:
    def test_data_without_labels(self) -> None:
        with pytest.raises(ZooError, match="the data has no classes called 'label', because it has none"):
            zoo.build("cvae.tiny", (1, 12, 12))
        with pytest.raises(ZooError, match="no classes called 'colour'; it has label"):
            told(**{"condition.name": "colour"})

    def test_images_without_labels(self) -> None:
        with pytest.raises(ZooError, match="is told the 'label' of each image, and these images have none"):
            told().loss(Batch(torch.rand(2, 1, 12, 12), {}, torch.arange(2)), START)

    def test_labels_never_seen(self) -> None:
        with pytest.raises(ZooError, match="knows the labels 0 to 2; these images have 7"):
            told().eval().given(labels(7))
        with pytest.raises(ZooError, match="--label 3: this model knows the labels 0 to 2"):
            told().sample(1, SampleOptions(label=3))

    def test_a_label_for_a_model_that_is_told_none(self) -> None:
        with pytest.raises(ZooError, match="train it with --condition label"):
            zoo.build("vae.tiny", (1, 12, 12)).sample(1, SampleOptions(label=3))

    def test_the_model_itself_is_asked(self) -> None:
        with pytest.raises(ZooError, match=r"ask model\.given"):
            told().encode(torch.rand(1, 1, 12, 12))


def test_from_the_command_line_to_the_bit(
    tmp_path: Path, zoo_here: Callable[..., Done], zoo_process: ZooProcess
) -> None:
    arguments = ["train", "conv-vae.tiny", "--condition", "label", "--data", "glyphs", "--limit", "300", "--json"]
    made = json.loads(zoo_here(*arguments, "--out", "run").out)
    assert made["scores"]["rate"] is not None
    assert zoo.load(tmp_path / "run").metadata["parts"]["condition"] == "label"
    # In a process of its own, which knows nothing but the folder.
    path = os.environ.get("PYTHONPATH", "")
    scored = json.loads(zoo_process("evaluate", "run", "--json", PYTHONPATH=path).out)["scores"]
    assert scored["elbo"] == made["scores"]["elbo"]
    zoo_here("sample", "run", "--label", "7", "-n", "4", "--out", "seven.npz")
    zoo_here("sample", "run", "--label", "1", "-n", "4", "--out", "one.npz")
    seven, one = (np.load(tmp_path / name)["images"] for name in ("seven.npz", "one.npz"))
    assert seven.shape == (4, 1, 28, 28)
    assert not np.array_equal(seven, one)
    for command in ("reconstruct", "interpolate", "embed"):
        zoo_here(command, "run")
    assert "condition  label" in zoo_here("show", "run").out.replace("\t", "  ")
