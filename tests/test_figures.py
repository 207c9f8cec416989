"""Figures: every one is a whole PNG file of the right shape, whatever it is given."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zoo.errors import ZooError
from zoo.figures.canvas import Page, compact, measure, shorten, wrap
from zoo.figures.compare import ComparisonColumn, save_comparison
from zoo.figures.curves import save_curves
from zoo.figures.images import cells, save_grid, save_pairs, save_rows, tile
from zoo.figures.latent import save_latent
from zoo.figures.latent_grid import grid_points, save_latent_grid, traversal_points
from zoo.figures.points import MAX_CLASSES, Palette
from zoo.figures.projection import principal_plane, project

pytestmark = pytest.mark.filterwarnings("error")


def pictures(n: int, c: int = 1, h: int = 28, w: int = 28, seed: int = 0) -> Tensor:
    return torch.rand(n, c, h, w, generator=torch.Generator().manual_seed(seed))


def codes(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * torch.arange(d, 0, -1)


def read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def ink(path: Path) -> int:
    return int((read(path) < 128).any(axis=2).sum())


class TestTile:
    @pytest.mark.parametrize("shape", [(1, 28, 28), (3, 30, 17), (1, 1, 1), (3, 5, 64)])
    def test_puts_image_i_in_reading_order(self, shape: tuple[int, int, int]) -> None:
        images, pad = pictures(7, *shape), 2
        sheet = tile(images, columns=3, pad=pad)
        _, h, w = shape
        assert sheet.shape == (3 * (h + pad) + pad, 3 * (w + pad) + pad, 3)
        for i, image in enumerate(images):
            top, left = pad + i // 3 * (h + pad), pad + i % 3 * (w + pad)
            expected = (image.expand(3, -1, -1) * 255).round().byte().permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(sheet[top : top + h, left : left + w], expected)

    def test_clips_and_shows_black_as_zero(self) -> None:
        images = torch.tensor([-0.5, 0.0, 1.0, 1.7]).view(4, 1, 1, 1)
        assert tile(images, columns=4, pad=0)[0, :, 0].tolist() == [0, 0, 255, 255]

    def test_marks_what_is_not_finite(self) -> None:
        images = torch.tensor([torch.nan, torch.inf, 0.5]).view(3, 1, 1, 1)
        assert tile(images, columns=3, pad=0)[0].tolist() == [[255, 0, 255], [255, 0, 255], [128, 128, 128]]

    def test_shows_the_mean_of_other_channels(self) -> None:
        images = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
        assert tile(images, columns=1, pad=0).tolist() == [[[128, 128, 128]]]

    def test_has_no_more_columns_than_images(self) -> None:
        assert tile(pictures(2), columns=8, pad=0).shape == (28, 56, 3)

    @pytest.mark.parametrize("shape", [(0, 1, 28, 28), (4, 28, 28)])
    def test_refuses_what_is_no_set_of_images(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="expected images"):
            tile(torch.zeros(shape), columns=2)

    def test_reads_any_floating_point_and_leaves_it_alone(self) -> None:
        images = pictures(2).to(torch.bfloat16).requires_grad_()
        before = images.detach().clone()
        tile(images, columns=2)
        assert torch.equal(images, before)


class TestCells:
    def test_enlarges_by_whole_pixels(self) -> None:
        images = pictures(2, h=3, w=4)
        pixels = cells(images, 12)
        assert pixels.shape == (2, 9, 12, 3)
        np.testing.assert_array_equal(pixels[:, ::3, ::3], pixels[:, 2::3, 2::3])

    def test_shrinks_large_images(self) -> None:
        assert cells(pictures(1, h=700, w=500), 60, limit=256).shape == (1, 234, 167, 3)

    def test_a_tall_sliver_stays_on_the_page(self) -> None:
        assert cells(pictures(1, h=200, w=1), 60, limit=256).shape == (1, 400, 2, 3)


class TestImages:
    def test_a_grid_is_crisp_and_wide_enough(self, tmp_path: Path) -> None:
        path = tmp_path / "grid.png"
        save_grid(pictures(64), path)
        picture = read(path)
        assert picture.shape[0] == picture.shape[1] >= 480
        np.testing.assert_array_equal(picture[3:87:3, 3:87:3], picture[5:87:3, 5:87:3])

    def test_a_grid_takes_a_scale(self, tmp_path: Path) -> None:
        save_grid(pictures(6, 3, 30, 17), tmp_path / "grid.png", columns=3, scale=2)
        assert read(tmp_path / "grid.png").shape == (2 * 63 + 3, 3 * 37 + 3, 3)

    def test_a_title_only_adds_to_the_images(self, tmp_path: Path) -> None:
        images = pictures(4, 3, 30, 17)
        save_grid(images, tmp_path / "plain.png", columns=2)
        save_grid(images, tmp_path / "titled.png", columns=2, title="Samples", note="four of them")
        plain, titled = read(tmp_path / "plain.png")[3:-3, 3:-3], read(tmp_path / "titled.png")
        found = titled[-24 - plain.shape[0] : -24, 24 : 24 + plain.shape[1]]
        np.testing.assert_array_equal(found, plain)

    def test_originals_lie_above_their_reconstructions(self, tmp_path: Path) -> None:
        white, black = torch.ones(5, 1, 8, 8), torch.zeros(5, 1, 8, 8)
        save_pairs(white * 0.5, black, tmp_path / "pairs.png", columns=5)
        column = read(tmp_path / "pairs.png")[:, -30, 0].tolist()
        assert column.index(128) < column.index(0)

    def test_pairs_must_match(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="differ"):
            save_pairs(pictures(2), pictures(3), tmp_path / "pairs.png")

    def test_rows_of_any_length_with_any_label(self, tmp_path: Path) -> None:
        rows = [("", pictures(1, 3)), ("$x_1$ 漢字 " * 9, pictures(3, 3)), ("z3 (KL 2.1)", pictures(2, 3))]
        save_rows(rows, tmp_path / "rows.png", "Rows " * 40, headings=["−2σ", "a heading far too long", ""])
        assert read(tmp_path / "rows.png").shape[1] < 1000

    def test_no_rows_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no rows"):
            save_rows([], tmp_path / "rows.png", "Nothing")


NAN = float("nan")


class TestCurves:
    @pytest.mark.parametrize(
        "records",
        [
            [],
            [{"epoch": 1, "train": {"loss": 100.0, "rate": 20.0}}],
            [{"epoch": 1, "train": {"loss": NAN}, "validation": {"loss": None}}],
            [{"epoch": e, "train": {"loss": 1000.0 / e**3}, "validation": {"elbo": -e}} for e in range(1, 300)],
            [{"epoch": 1, "train": {"loss": 1.0}}, {"epoch": 5, "train": {"rate": 0.0}, "images_per_second": 9}],
            [{"epoch": e, "train": {f"a_term_with_a_long_name_{i}": i * 1e7 for i in range(7)}} for e in (3, 4)],
            [{"epoch": e, "train": {"loss": 1e-30 * 10.0 ** (10 * e)}} for e in range(6)],
        ],
    )
    def test_draws_what_there_is(self, records: list[dict[str, Any]], tmp_path: Path) -> None:
        save_curves(records, tmp_path / "loss.png")
        assert ink(tmp_path / "loss.png") > 0

    def test_one_panel_a_term(self, tmp_path: Path) -> None:
        record = {"epoch": 1, "train": {"loss": 1.0, "distortion": 1.0, "rate": 1.0}}
        save_curves([record], tmp_path / "three.png")
        record["validation"] = dict.fromkeys("abcd", 1.0)
        save_curves([record], tmp_path / "seven.png")
        three, seven = read(tmp_path / "three.png"), read(tmp_path / "seven.png")
        assert three.shape[1] == seven.shape[1]
        assert seven.shape[0] - three.shape[0] > 2 * 200


class TestProjection:
    @settings(max_examples=30, deadline=None)
    @given(n=st.integers(3, 60), d=st.integers(2, 12), seed=st.integers(0, 10**6))
    def test_pca_agrees_with_the_singular_values_of_numpy(self, n: int, d: int, seed: int) -> None:
        z = codes(n, d, seed).double()
        xy, labels = project(z)
        centred = z.numpy() - z.numpy().mean(axis=0)
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        # Where two singular values are close, their directions are not determined; the plane's content is.
        np.testing.assert_allclose((xy**2).sum(axis=0), s[:2] ** 2, rtol=1e-6, atol=1e-9)
        if s[0] - s[1] > 0.05 * s[0]:
            np.testing.assert_allclose(np.abs(xy[:, 0]), np.abs(u[:, 0] * s[0]), atol=1e-5 * s[0])
        assert f"{s[0] ** 2 / (s**2).sum():.0%}" in labels[0]

    def test_signs_are_fixed(self) -> None:
        axes = principal_plane(codes(100, 5)).axes
        largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
        assert (largest > 0).all()

    def test_wide_codes_give_the_same_plane_without_moving_the_generator(self) -> None:
        z = torch.cat([codes(200, 4) * 10, 0.1 * codes(200, 516).sign()], dim=1)
        state = torch.get_rng_state()
        plane = principal_plane(z)
        assert torch.equal(state, torch.get_rng_state())
        variances = np.linalg.svd((z - z.mean(0)).double().numpy(), compute_uv=False) ** 2 / 200
        found = plane.coordinates(z).square().mean(0).numpy()
        np.testing.assert_allclose(found, variances[:2], rtol=1e-4)
        torch.testing.assert_close(plane.axes.T @ plane.axes, torch.eye(2).double())

    @pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 16), (5, 1), (1, 600), (4, 700)])
    def test_few_codes_and_few_dimensions(self, n: int, d: int) -> None:
        xy, labels = project(torch.ones(n, d))
        assert xy.shape == (n, 2)
        assert np.allclose(xy, 0)
        assert labels[0].startswith("PC 1")

    @pytest.mark.parametrize("method", ["tsne", "umap"])
    def test_a_missing_library_says_what_to_install(self, method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> None:
            raise ModuleNotFoundError(f"No module named '{name}'")

        monkeypatch.setattr(importlib, "import_module", missing)
        with pytest.raises(ZooError, match=r'pip install "generative-zoo\[projections\]"'):
            project(codes(10, 3), method)

    def test_tsne_is_the_same_for_a_seed(self) -> None:
        pytest.importorskip("sklearn")
        first, second = (project(codes(12, 3), "tsne", seed=1) for _ in range(2))
        assert first.xy.shape == (12, 2)
        assert first.axes == ("t-SNE 1", "t-SNE 2")
        np.testing.assert_array_equal(first.xy, second.xy)

    def test_says_which_projections_there_are(self) -> None:
        wrong: Any = "isomap"
        with pytest.raises(ZooError, match="pca, tsne, umap"):
            project(codes(10, 3), wrong)
        with pytest.raises(ZooError, match="at least 5 codes"):
            project(codes(3, 3), "tsne")


class TestLatent:
    @pytest.mark.parametrize(
        ("n", "d", "labels"),
        [(n, d, labels) for d in (1, 2, 16) for n, labels in ((1, "none"), (1, "classes"), (300, "float"))]
        + [(300, 1, "classes"), (300, 16, "none")]
        + [(300, 16, labels) for labels in ("classes", "many", "constant", "broken")],
    )
    def test_draws_any_codes(self, n: int, d: int, labels: str, tmp_path: Path) -> None:
        y = {
            "none": None,
            "classes": torch.arange(n) % 10,
            "many": torch.arange(n),
            "float": torch.rand(n),
            "constant": torch.full((n,), 0.25),
            "broken": torch.full((n,), NAN),
        }[labels]
        save_latent(codes(n, d), y, tmp_path / "latent.png", prior_samples=codes(20, d, seed=1))
        assert ink(tmp_path / "latent.png") > 0

    def test_collapsed_and_broken_codes(self, tmp_path: Path) -> None:
        z = torch.zeros(50, 4)
        save_latent(z, torch.arange(50) % 3, tmp_path / "collapsed.png")
        z[:5] = NAN
        save_latent(z, torch.arange(50) % 3, tmp_path / "some.png")
        save_latent(z * NAN, None, tmp_path / "all.png")
        assert len(list(tmp_path.iterdir())) == 3

    def test_every_class_can_be_told_apart(self) -> None:
        keys = Palette.of([torch.arange(MAX_CLASSES)]).keys
        assert len({(key.colour, key.marker) for key in keys}) == MAX_CLASSES
        assert Palette.of([torch.arange(MAX_CLASSES + 1)]).bounds == (0, MAX_CLASSES)

    def test_a_class_has_its_colour_in_the_map(self, tmp_path: Path) -> None:
        z = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
        save_latent(z, torch.tensor([0, 1]), tmp_path / "latent.png")
        picture = read(tmp_path / "latent.png").astype(int)
        blue, orange = (np.abs(picture - colour).sum(axis=2) < 60 for colour in ([66, 142, 255], [222, 152, 0]))
        assert np.argwhere(blue)[:, 1].min() < np.argwhere(orange)[:, 1].min()

    def test_labels_must_match(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="one label each"):
            save_latent(codes(3, 2), torch.zeros(4), tmp_path / "latent.png")


class TestGrid:
    @pytest.mark.parametrize("d", [3, 16])
    def test_points_lie_in_the_principal_plane(self, d: int) -> None:
        z = codes(500, d)
        points = grid_points(z, side=5)
        plane = principal_plane(z)
        assert points.shape == (25, d)
        torch.testing.assert_close(plane.points(plane.coordinates(points)), points.double(), rtol=1e-5, atol=1e-5)

    def test_spans_the_central_codes_to_the_right_and_up(self) -> None:
        z = codes(2000, 2)
        grid = grid_points(z, side=4, coverage=0.9).view(4, 4, 2)
        low, high = torch.quantile(z, torch.tensor([0.05, 0.95]), dim=0)
        torch.testing.assert_close(grid[-1, 0], low, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(grid[0, -1], high, rtol=1e-4, atol=1e-4)
        steps = grid[0, 1:, 0] - grid[0, :-1, 0]
        torch.testing.assert_close(steps, steps[:1].expand(3), rtol=1e-4, atol=1e-4)

    def test_one_dimension_is_a_line(self) -> None:
        points = grid_points(codes(100, 1), side=3)
        assert points.shape == (9, 1)
        assert (points.diff(dim=0) > 0).all()

    def test_one_code_is_a_grid_of_itself(self) -> None:
        torch.testing.assert_close(grid_points(torch.ones(1, 4), side=2), torch.ones(4, 4))

    def test_no_finite_code_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no finite codes"):
            grid_points(torch.full((3, 2), NAN))

    @pytest.mark.parametrize("shape", [(1, 28, 28), (3, 30, 17), (1, 200, 200)])
    def test_the_sheet_has_no_gaps(self, shape: tuple[int, int, int], tmp_path: Path) -> None:
        save_latent_grid(torch.zeros(36, *shape), tmp_path / "grid.png", 6, "Grid", axes=("PC 1", "PC 2"))
        dark = (read(tmp_path / "grid.png") == 0).all(axis=2)
        rows, columns = np.flatnonzero(dark.mean(axis=1) > 0.4), np.flatnonzero(dark.mean(axis=0) > 0.4)
        assert np.ptp(rows) + 1 == len(rows)
        assert len(rows) / len(columns) == pytest.approx(shape[1] / shape[2], rel=0.02)

    def test_the_sheet_must_be_full(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="expected 9 images"):
            save_latent_grid(pictures(8), tmp_path / "grid.png", 3, "Grid")

    def test_a_traversal_changes_one_dimension_at_a_time(self) -> None:
        z, std = codes(1, 4)[0], torch.tensor([1.0, 2.0, 3.0, 4.0])
        rows = traversal_points(z, std, dims=[3, 1], steps=5, span=2).view(2, 5, 4)
        torch.testing.assert_close(rows[:, 2], z.expand(2, 4))
        torch.testing.assert_close(rows[0, :, 3] - z[3], torch.tensor([-8.0, -4, 0, 4, 8]))
        torch.testing.assert_close(rows[1, :, [0, 2, 3]], z[[0, 2, 3]].expand(5, 3))


class TestComparison:
    @pytest.mark.parametrize("n", [1, 2, 8])
    def test_models_with_and_without_abilities(self, n: int, tmp_path: Path) -> None:
        x, xy = pictures(20, 3, 30, 17), codes(50, 2).numpy().astype(np.float64)
        kinds = [
            ComparisonColumn("conv-vae", x, x, xy, torch.arange(50) % 10),
            ComparisonColumn("a-name-" * 20, None, x[:3], np.full((5, 2), NAN), None),
            ComparisonColumn("ae", x[:1], None, xy[:1], torch.tensor([4])),
            ComparisonColumn("gan"),
        ]
        save_comparison(tmp_path / "compare.png", x, [kinds[i % 4] for i in range(n)], label_name="digit")
        assert read(tmp_path / "compare.png").shape[1] >= 200 * n

    @pytest.mark.parametrize("labels", [torch.rand(50), torch.arange(50), torch.arange(50) % 20])
    def test_any_labels(self, labels: Tensor, tmp_path: Path) -> None:
        column = ComparisonColumn("ae", None, None, codes(50, 2).numpy().astype(np.float64), labels)
        save_comparison(tmp_path / "compare.png", pictures(1), [column], label_name="a name that is too long " * 3)
        assert ink(tmp_path / "compare.png") > 0

    def test_no_models_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no models"):
            save_comparison(tmp_path / "compare.png", pictures(1), [])


class TestPage:
    def test_has_its_size_to_the_pixel(self, tmp_path: Path) -> None:
        for width in range(MIN, MIN + 40, 3):
            page = Page(width, 3)
            page.image(0, 0, np.zeros((3, width, 3), dtype=np.uint8))
            page.save(tmp_path / "page.png")
            picture = read(tmp_path / "page.png")
            assert picture.shape == (51, width + 48, 3)
            assert (picture[24:27, 24:-24] == 0).all()
            assert (picture == 0).all(axis=2).sum() == 3 * width

    def test_an_image_that_does_not_fit_is_cut(self, tmp_path: Path) -> None:
        page = Page(MIN, 10)
        page.image(MIN, 0, np.zeros((500, 500, 3), dtype=np.uint8))
        page.save(tmp_path / "page.png")
        assert read(tmp_path / "page.png").shape == (58, MIN + 48, 3)

    def test_a_failure_leaves_the_old_figure_and_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "grid.png"
        path.write_bytes(b"old")

        def fail(*_: object) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(os, "replace", fail)
        for title in ("", "Samples"):
            with pytest.raises(OSError, match="disk full"):
                save_grid(pictures(4), path, title=title)
        assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("grid.png", b"old")]

    def test_the_same_figure_is_the_same_file(self, tmp_path: Path) -> None:
        for name in "ab":
            save_latent(codes(100, 4), torch.arange(100) % 5, tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    @pytest.mark.parametrize(
        ("value", "words"),
        [(12_000, "12k"), (-0.03125, "−0.03125"), (1.5e6, "1.5M"), (2e9, "2G"), (103.21, "103.2"), (0, "0")],
    )
    def test_numbers_are_short(self, value: float, words: str) -> None:
        assert compact(value) == words

    def test_names_are_cut_in_the_middle(self) -> None:
        short = shorten("beta-vae-mnist-long-warmup-17", 120)
        assert measure(short) <= 120
        assert short.startswith("beta")
        assert short.endswith("17")

    def test_lines_break_at_words(self) -> None:
        lines = wrap("one two three " * 9, 150)
        assert max(map(measure, lines)) <= 150
        assert " ".join(lines).split() == ["one", "two", "three"] * 9


MIN = 440
