"""The glyphs: the same bytes everywhere, factors that do what they say, and digits that can be told apart."""

from __future__ import annotations

import itertools
import os
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import damaged, sha256
from torch import Tensor

from zoo.data import glyphs
from zoo.data.glyphs import FACTORS, SIDE, TEST, TRAIN, Factor, load, render
from zoo.data.images import ImageSet
from zoo.data.options import DataOptions
from zoo.data.strokes import PATHS, STYLES, segments
from zoo.errors import ZooError

pytestmark = pytest.mark.filterwarnings("error")

# If these change, raise `_VERSION` in zoo/data/glyphs.py, or old caches are served as new images.
IMAGES = "3d101b79fccc5d5ddffcfdbf74c96395c22fc23279358a14298d504e1922758f"
FIRST = "6facd922f8cb3b5a0983717d52def04a136bfc343d2bbffb59dffbca4c158555"

BY_NAME = {factor.name: factor for factor in FACTORS}
ALL_SHAPES = {
    "label": torch.arange(len(PATHS)).repeat_interleave(STYLES),
    "style": torch.arange(STYLES).repeat(len(PATHS)),
}


@pytest.fixture(scope="module")
def images(whole: Callable[[ModuleType], ImageSet]) -> ImageSet:
    return whole(glyphs)


@pytest.fixture
def few(made_small: Callable[[ModuleType], Path]) -> Path:
    """A data set of few images and the file that caches it."""
    return made_small(glyphs)


def places(factor: Factor, values: Tensor) -> Tensor:
    """Return where values lie in their factor's grid, which must hold them exactly."""
    index = torch.searchsorted(factor.values, values)
    assert torch.equal(factor.values[index], values)
    return index


def excess(counts: Tensor) -> float:
    """Return by how many standard deviations counts differ from uniform, by the chi-square statistic."""
    expected = counts.sum() / counts.numel()
    freedom = counts.numel() - 1
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / (2 * freedom) ** 0.5)


def ink(x: Tensor) -> Tensor:
    return x.to(torch.float64).sum((1, 2, 3)) / 255


def accuracy(scores: Tensor, truth: Tensor) -> float:
    return float((scores.argmax(1) == truth).double().mean())


def centre(x: Tensor) -> Tensor:
    """Return the centre of mass `(N, 2)`, column then row."""
    weight = x[:, 0].to(torch.float64)
    grid = torch.arange(SIDE, dtype=torch.float64)
    mass = weight.sum((1, 2))
    return torch.stack([(weight.sum(1) @ grid) / mass, (weight.sum(2) @ grid) / mass], 1)


def moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the second central moments of the ink: across, down and mixed."""
    weight = x[:, 0].to(torch.float64) / ink(x)[:, None, None] / 255
    grid = torch.arange(SIDE, dtype=torch.float64)
    column, row = centre(x).T[:, :, None]
    across, down = weight.sum(1), weight.sum(2)
    mixed = (weight * (grid - column)[:, None, :] * (grid - row)[:, :, None]).sum((1, 2))
    return (across * (grid - column) ** 2).sum(1), (down * (grid - row) ** 2).sum(1), mixed


def ends(name: str, others: Mapping[str, Tensor | float] | None = None) -> tuple[Tensor, Tensor]:
    """Return every shape at the lowest and at the highest value of one factor."""
    given = {**ALL_SHAPES, **(others or {})}
    return render({**given, name: BY_NAME[name].low}), render({**given, name: BY_NAME[name].high})


def test_shapes_and_types(images: ImageSet) -> None:
    assert images.name == "glyphs"
    assert images.shape == (1, SIDE, SIDE)
    assert (len(images.train), len(images.test)) == (TRAIN, TEST) == (20_000, 4_000)
    for split in (images.train, images.test):
        assert split.x.dtype == torch.uint8
        assert list(split.y) == ["label", "style", "slant", "thickness", "scale", "rotation", "x", "y"]
        for factor in FACTORS:
            assert split.y[factor.name].shape == (len(split),)
            assert split.y[factor.name].dtype == (torch.int64 if factor.discrete else torch.float32)
    assert float(images.read(images.train.x[:9]).max()) == 1


def test_the_bytes_are_the_same_everywhere(images: ImageSet) -> None:
    y = [torch.cat([images.train.y[factor.name], images.test.y[factor.name]]) for factor in FACTORS]
    assert sha256(images.train.x[:100], *(values[:100] for values in y)) == FIRST
    assert sha256(images.train.x, images.test.x, *y) == IMAGES


def test_first_factors(images: ImageSet) -> None:
    first = {name: values[:4].tolist() for name, values in images.train.y.items()}
    assert first == {
        "label": [4, 2, 5, 2],
        "style": [1, 1, 0, 0],
        "slant": [0.125, 0.0625, 0.0625, -0.0625],
        "thickness": [3.5, 2.75, 2.25, 2.75],
        "scale": [0.84375, 0.90625, 0.84375, 0.84375],
        "rotation": [-2.0, 0.0, -2.0, 8.0],
        "x": [0.0, 0.75, 0.0, 0.0],
        "y": [1.5, -0.25, -0.25, 0.5],
    }


def test_an_image_is_a_function_of_its_factors(images: ImageSet) -> None:
    for split in (images.train[:200], images.test[:200]):
        assert torch.equal(render(split.y), split.x)
        assert torch.equal(render(split[50:60].y), split.x[50:60])


def test_factors_lie_on_their_grids_and_are_uniform(images: ImageSet) -> None:
    for factor in FACTORS:
        index = places(factor, images.train.y[factor.name])
        counts = index.bincount(minlength=factor.count)
        assert len(counts) == factor.count
        assert excess(counts) < 4, factor.name
        assert factor.values[0] == factor.low
        assert factor.values[-1] == factor.high
        assert factor.default in factor.values


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(BY_NAME, 2)))
def test_factors_are_independent(images: ImageSet, one: str, other: str) -> None:
    a, b = (places(BY_NAME[name], images.train.y[name]) for name in (one, other))
    cells = BY_NAME[one].count * BY_NAME[other].count
    assert excess((a * BY_NAME[other].count + b).bincount(minlength=cells)) < 4
    assert abs(float(torch.corrcoef(torch.stack([a, b]).double())[0, 1])) < 0.03


def test_no_training_image_is_a_test_image(images: ImageSet) -> None:
    train, test = ({row.numpy().tobytes() for row in split.x} for split in (images.train, images.test))
    assert not train & test
    assert len(train) > 0.999 * TRAIN


def test_statistics_resemble_handwriting(images: ImageSet) -> None:
    x = images.read(images.train.x)
    assert 0.12 < x.mean() < 0.16
    assert 0.28 < x.std() < 0.34


def test_more_thickness_is_more_ink() -> None:
    thin, thick = ends("thickness")
    ratio = ink(thick) / ink(thin)
    assert (ratio > 1.4).all()
    assert (ratio < 1.9).all()
    assert ((thick.int() - thin.int()) >= 0).all()


def test_scale_is_size() -> None:
    small, large = ends("scale")
    assert (ink(large) > 1.08 * ink(small)).all()
    growth = moments(large)[1] / moments(small)[1]
    assert (growth > 1.3).all()  # (1 / 0.8125)² is 1.51; the pen's own width does not grow
    assert (growth < 1.53).all()


@pytest.mark.parametrize(("name", "axis"), [("x", 0), ("y", 1)])
def test_position_moves_the_centre_of_mass(name: str, axis: int) -> None:
    low, high = ends(name)
    moved = centre(high) - centre(low)
    assert (moved[:, axis] - 3).abs().max() < 0.02
    assert moved[:, 1 - axis].abs().max() < 0.02
    assert (ink(high) / ink(low) - 1).abs().max() < 0.01


def test_whole_pixels_shift_exactly() -> None:
    here, there = render(ALL_SHAPES), render({**ALL_SHAPES, "x": 1.0, "y": -1.0})
    assert (here.roll((-1, 1), (2, 3)).int() - there.int()).abs().max() <= 1


def test_rotation_preserves_ink_and_turns_clockwise() -> None:
    left, right = ends("rotation")
    assert (ink(right) / ink(left) - 1).abs().max() < 0.03
    bare = {"label": 1, "style": 0}
    left, right = (render({**bare, "rotation": value}) for value in (-10, 10))
    assert moments(left)[2] > 1  # the top leans left: columns grow with rows
    assert moments(right)[2] < -1
    assert torch.equal(left, right.flip(3))


def test_slant_leans_to_the_right() -> None:
    low, high = ends("slant")
    lean = [moments(x)[2] / moments(x)[1] for x in (low, high)]
    assert ((lean[0] - lean[1]) > 0.3).all()  # 0.4375 for a pen without width


def test_style_and_class_change_the_shape() -> None:
    x = render(ALL_SHAPES).double().flatten(1) / 255
    apart = torch.cdist(x, x) + 1e9 * torch.eye(len(x), dtype=torch.float64)
    assert apart.min() > 2.5


def test_nothing_leaves_the_frame() -> None:
    names = ["slant", "rotation", "x", "y"]
    corners = list(itertools.product(*((BY_NAME[name].low, BY_NAME[name].high) for name in names)))
    for corner in corners:
        most = {"thickness": BY_NAME["thickness"].high, "scale": BY_NAME["scale"].high}
        x = render({**ALL_SHAPES, **most, **dict(zip(names, corner, strict=True))})
        # Half ink on the outermost pixels would be a pen that ends in their middle, half a pixel inside the frame.
        assert x[:, 0, [0, -1], :].max() < 128
        assert x[:, 0, :, [0, -1]].max() < 128


def test_the_border_is_all_but_empty(images: ImageSet) -> None:
    border = torch.ones(SIDE, SIDE, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    edge = images.train.x[:, 0][:, border]
    assert (edge.amax(1) > 0).double().mean() < 0.001
    assert edge.max() < 64


def test_strokes_fill_their_box() -> None:
    for label, style in itertools.product(range(len(PATHS)), range(STYLES)):
        strokes = segments(label, style)
        y = torch.tensor(strokes)[:, 1::2]
        assert y.max() == pytest.approx(1)
        assert y.min() == pytest.approx(-1)
        assert strokes.shape[0] <= 40


def test_classes_can_be_told_apart(images: ImageSet) -> None:
    (x, label), (held, truth) = (
        (images.read(split.x).flatten(1), split.y["label"]) for split in (images.train[:4000], images.test[:2000])
    )
    means = torch.stack([x[label == digit].mean(0) for digit in range(10)])
    assert accuracy(-torch.cdist(held, means), truth) > 0.6

    ridge = x.T @ x + 10 * torch.eye(x.shape[1])
    weights = torch.linalg.solve(ridge, x.T @ torch.nn.functional.one_hot(label, 10).float())
    assert 0.8 < accuracy(held @ weights, truth) < 0.99  # learnable, but not by a linear map alone


def test_render_takes_defaults_and_values_between() -> None:
    assert render({}).shape == (1, 1, SIDE, SIDE)
    assert torch.equal(render({}), render({factor.name: factor.default for factor in FACTORS}))
    assert render({"label": torch.tensor([], dtype=torch.int64)}).shape == (0, 1, SIDE, SIDE)
    sweep = render({"label": 8, "rotation": torch.linspace(-10, 10, 7)})
    assert sweep.shape == (7, 1, SIDE, SIDE)
    assert len({row.numpy().tobytes() for row in sweep}) == 7


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"slent": 0.0}, "glyphs have no factor 'slent'; did you mean 'slant'?"),
        ({"label": 10}, "label must lie between 0 and 9"),
        ({"label": 1.5}, "label must be a whole number"),
        ({"x": float("nan")}, "x must lie between -1.5 and 1.5"),
        ({"x": torch.zeros(2), "y": torch.zeros(3)}, "factors must have the same length, got 2, 3"),
        ({"x": torch.zeros(2, 2)}, r"x must be a number or have shape \(N,\), got \(2, 2\)"),
    ],
)
def test_render_refuses(factors: dict[str, Tensor | float], message: str) -> None:
    with pytest.raises(ZooError, match=message):
        render(factors)


def test_an_argument_is_refused() -> None:
    with pytest.raises(ZooError, match="glyphs takes nothing after its name"):
        load("big", DataOptions())


def test_the_cache_is_read(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = load(None, DataOptions())
    assert [path.name for path in few.parent.iterdir()] == [few.name]
    monkeypatch.setattr(glyphs, "render", None)
    read = load(None, DataOptions())
    assert torch.equal(read.train.x, drawn.train.x)
    assert torch.equal(read.test.x, drawn.test.x)


@pytest.mark.parametrize("damage", ["flipped", "short", "long", "empty"])
def test_a_damaged_cache_is_drawn_again(few: Path, damage: str) -> None:
    drawn = load(None, DataOptions())
    good = few.read_bytes()
    few.write_bytes(damaged(good, damage))
    assert torch.equal(load(None, DataOptions()).train.x, drawn.train.x)
    assert few.read_bytes() == good


def test_a_cache_that_cannot_be_written_is_no_error(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = few.parent.parent / "file"
    file.write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert len(load(None, DataOptions()).train) == 50


def test_a_write_that_fails_leaves_nothing(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    assert len(load(None, DataOptions()).train) == 50
    assert list(few.parent.iterdir()) == []


def test_drawing_is_quick_and_needs_little_memory(images: ImageSet) -> None:
    part = images.train[:2000].y
    tracemalloc.start()
    start = time.perf_counter()
    render(part)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 10  # 0.2 measured
    assert peak < 10e6  # 1.6 of it are the images
