"""The sprites: the grid of dSprites, a sample in which no image comes twice, and shapes that do what factors say."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from conftest import Done, damaged, sha256
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import zoo
from zoo.data import sprites
from zoo.data.images import ImageSet
from zoo.data.options import DataOptions
from zoo.data.sprites import FACTORS, SHAPES, SIDE, TEST, TRAIN, load, render
from zoo.errors import ZooError

pytestmark = pytest.mark.filterwarnings("error")

# If these change, raise `_VERSION` in zoo/data/sprites.py, or old caches are served as new images.
IMAGES = "7c259448ccb366a921895df3d85ff9281d4fb3754c865a43ad21576e057359ca"
FIRST = "73e74f5370cfb4b49fb0112d43bbc987768be0d18d81b3c1ef8770c7cb658637"

BY_NAME = {factor.name: factor for factor in FACTORS}
MIDDLE = {"x": 0.5, "y": 0.5}


@pytest.fixture(scope="module")
def images(whole: Callable[[ModuleType], ImageSet]) -> ImageSet:
    return whole(sprites)


@pytest.fixture
def few(made_small: Callable[[ModuleType], Path]) -> Path:
    """A data set of few images and the file that caches it."""
    return made_small(sprites)


def ink(x: Tensor) -> Tensor:
    return (x > 0).double().sum((1, 2, 3))


def centre(x: Tensor) -> Tensor:
    """Return the centre of mass `(N, 2)` in pixels from the middle, to the right and down."""
    grid = torch.arange(SIDE) - (SIDE - 1) / 2
    white = (x[:, 0] > 0).double()
    return torch.stack([white.sum(1) @ grid.double(), white.sum(2) @ grid.double()], 1) / ink(x)[:, None]


def test_shapes_and_types(images: ImageSet) -> None:
    assert images.name == "sprites"
    assert images.shape == (1, 64, 64)
    assert (len(images.train), len(images.test)) == (TRAIN, TEST) == (50_000, 5_000)
    assert np.prod([factor.count for factor in FACTORS]) == 737_280
    for split in (images.train, images.test):
        assert split.x.dtype == torch.uint8
        assert list(split.y) == ["shape", "scale", "orientation", "x", "y"]
        for factor in FACTORS:
            assert split.y[factor.name].shape == (len(split),)
            assert split.y[factor.name].dtype == (torch.int64 if factor.discrete else torch.float32)
    assert images.train.x[:500].unique().tolist() == [0, 255]
    assert float(images.read(images.train.x[:9]).max()) == 1


def test_the_bytes_are_the_same_everywhere(images: ImageSet) -> None:
    y = [torch.cat([images.train.y[factor.name], images.test.y[factor.name]]) for factor in FACTORS]
    assert sha256(images.train.x[:100], *(values[:100] for values in y)) == FIRST
    assert sha256(images.train.x, images.test.x, *y) == IMAGES


def test_an_image_is_a_function_of_its_factors(images: ImageSet) -> None:
    for split in (images.train[:200], images.test[:200]):
        assert torch.equal(render(split.y), split.x)
        assert torch.equal(render(split[50:60].y), split.x[50:60])


def test_factors_lie_on_their_grids_and_are_uniform_and_independent(images: ImageSet) -> None:
    places = []
    for factor in FACTORS:
        index = torch.searchsorted(factor.values, images.train.y[factor.name])
        assert torch.equal(factor.values[index], images.train.y[factor.name])
        counts = index.bincount(minlength=factor.count).double()
        # Without replacement, and without squares that look like others: a little less than uniform at most.
        assert len(counts) == factor.count
        assert (counts / counts.mean() - 1).abs().max() < 0.15, factor.name
        places.append(index.double())
    correlation = torch.corrcoef(torch.stack(places)) - torch.eye(len(FACTORS), dtype=torch.float64)
    assert correlation.abs().max() < 0.02


def test_no_image_comes_twice(images: ImageSet) -> None:
    rows = [np.packbits(split.x.flatten(1).numpy(), axis=1) for split in (images.train, images.test)]
    assert len({row.tobytes() for part in rows for row in part}) == TRAIN + TEST


def test_nothing_touches_the_frame(images: ImageSet) -> None:
    assert not images.train.x[:, 0, [0, -1], :].any()
    assert not images.train.x[:, 0, :, [0, -1]].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2), st.floats(0.5, 1.0), st.floats(0, 360), st.integers(-15, 14), st.integers(-15, 14))
def test_whole_pixels_shift_exactly(shape: int, scale: float, orientation: float, x: int, y: int) -> None:
    same = {"shape": shape, "scale": scale, "orientation": orientation}
    here, there = render({**same, **MIDDLE}), render({**same, "x": x + 0.5, "y": y + 0.5})
    assert torch.equal(here.roll((y, x), (2, 3)), there)


def test_angles_are_exact_within_a_turn() -> None:
    degrees = np.linspace(0, 360, 1001)
    sin, cos = sprites._sin_cos(degrees)
    assert np.abs(sin - np.sin(np.radians(degrees))).max() < 1e-13
    assert np.abs(cos - np.cos(np.radians(degrees))).max() < 1e-13


@pytest.mark.parametrize("shape", range(3))
def test_the_place_is_the_centre_of_mass(shape: int) -> None:
    x = render({"shape": shape, "orientation": BY_NAME["orientation"].values, "x": -7.5, "y": 3.5})
    assert (centre(x) - torch.tensor([-7.5, 3.5])).abs().max() < 0.4


@pytest.mark.parametrize("shape", range(3))
def test_scale_is_size(shape: int) -> None:
    area = ink(render({"shape": shape, "scale": BY_NAME["scale"].values, "orientation": 20, **MIDDLE}))
    assert (area.diff() > 0).all()
    assert float(area[-1] / area[0]) == pytest.approx(4, rel=0.1)


def test_areas_are_those_of_the_outlines() -> None:
    turns = torch.linspace(1, 89, 40)
    square, ellipse = (ink(render({"shape": shape, "orientation": turns, **MIDDLE})) for shape in (0, 1))
    assert float(square.mean()) == pytest.approx(22.2**2, rel=0.01)
    assert float(ellipse.mean()) == pytest.approx(np.pi * 15.5 * 8, rel=0.01)


@pytest.mark.parametrize(("shape", "same"), [("square", {90, 180}), ("ellipse", {180}), ("heart", set[int]())])
def test_shapes_have_the_symmetries_of_the_original(shape: str, same: set[int]) -> None:
    def at(degrees: float) -> Tensor:
        return render({"shape": SHAPES.index(shape), "orientation": degrees, **MIDDLE})

    assert torch.equal(at(0), at(360))
    differing = {turn: int((at(30 + turn) != at(30)).sum()) for turn in (90, 180)}
    assert {turn for turn, pixels in differing.items() if pixels < 10} == same
    assert all(pixels > 50 for turn, pixels in differing.items() if turn not in same)


def test_orientation_turns_clockwise() -> None:
    flat, turned = (render({"shape": 1, "orientation": degrees, **MIDDLE})[0, 0] > 0 for degrees in (0, 30))
    assert flat.any(0).sum() > flat.any(1).sum()
    rows, across = torch.nonzero(turned).double().T
    assert float(torch.corrcoef(torch.stack([rows, across]))[0, 1]) > 0.5, "its right end is lower"
    # The heart's tip points down, and after a quarter of a turn to the left.
    tip = render({"shape": 2, "orientation": 90, **MIDDLE})[0, 0] > 0
    columns = torch.nonzero(tip.any(0))
    assert tip[:, columns[0]].sum() < tip[:, columns[-1]].sum()


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"rotation": 0.0}, "sprites have no factor 'rotation'"),
        ({"shape": 3}, "shape must lie between 0 and 2"),
        ({"shape": 0.5}, "shape must be a whole number"),
        ({"scale": 0.4}, "scale must lie between 0.5 and 1"),
        ({"x": torch.zeros(2), "y": torch.zeros(3)}, "factors must have the same length, got 2, 3"),
    ],
)
def test_render_refuses(factors: dict[str, Tensor | float], message: str) -> None:
    with pytest.raises(ZooError, match=message):
        render(factors)


def test_an_argument_is_refused() -> None:
    with pytest.raises(ZooError, match="sprites takes nothing after its name"):
        load("big", DataOptions())


def test_the_cache_is_read(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = load(None, DataOptions())
    assert [path.name for path in few.parent.iterdir()] == [few.name]
    monkeypatch.setattr(sprites, "render", None)
    read = load(None, DataOptions())
    for one, other in ((read.train, drawn.train), (read.test, drawn.test)):
        assert torch.equal(one.x, other.x)
        assert all(torch.equal(one.y[name], other.y[name]) for name in one.y)


@pytest.mark.parametrize("damage", ["flipped", "short", "long", "empty"])
def test_a_damaged_cache_is_drawn_again(few: Path, damage: str) -> None:
    drawn = load(None, DataOptions())
    good = few.read_bytes()
    few.write_bytes(damaged(good, damage))
    assert torch.equal(load(None, DataOptions()).train.x, drawn.train.x)
    assert few.read_bytes() == good


def test_drawing_is_quick_and_needs_little_memory(images: ImageSet) -> None:
    tracemalloc.start()
    start = time.process_time()
    sprites._sample(2000)
    seconds = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 5  # of which most is the order of the whole grid
    assert peak < 50e6  # as floats, the grid alone would be 12e9


def test_the_command_knows_it(zoo_here: Callable[..., Done]) -> None:
    assert "sprites" in zoo_here("data").out


def test_models_take_it(images: ImageSet) -> None:
    x = images.read(images.test.x[:4])
    assert zoo.build("conv-vae.tiny", images.shape).eval().reconstruct(x).shape == x.shape
