"""Reconstructions against formulas and other libraries, and what a model costs against what its layers say."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from subjects import Stub, measured, subject_of
from torch import Tensor, nn
from torch.nn import functional as F

import zoo
from zoo import Reconstructs
from zoo.evaluation.measure import ask, score
from zoo.registry import load_registry
from zoo_metrics.cost import LiveBytes
from zoo_metrics.reconstruction import cross_entropy, structural_similarity


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class Blur(Stub, Reconstructs):
    """Gives images back a little nearer to grey."""

    def __init__(self, share: float = 0.2) -> None:
        super().__init__()
        self.share = share

    def reconstruct(self, x: Tensor) -> Tensor:
        return x + self.share * (0.5 - x)


def similarity(x: np.ndarray, y: np.ndarray) -> float:
    """The structural similarity of two grey images by the formula of the paper, with SciPy's filter."""

    def mean(image: np.ndarray) -> np.ndarray:
        filtered: np.ndarray = gaussian_filter(image, 1.5, truncate=3.5)[5:-5, 5:-5]
        return filtered

    m, n = mean(x), mean(y)
    v, w, both = mean(x * x) - m * m, mean(y * y) - n * n, mean(x * y) - m * n
    value = (2 * m * n + 0.01**2) * (2 * both + 0.03**2) / ((m * m + n * n + 0.01**2) * (v + w + 0.03**2))
    return float(value.mean())


class TestReconstruction:
    def test_psnr_is_that_of_each_image(self) -> None:
        x = torch.rand(7, 3, 5, 4)
        found = measured(Blur(), "psnr", x, 3)
        wanted = -10 * (0.2 * (0.5 - x)).square().mean((1, 2, 3)).log10()
        assert found.per_image is not None
        torch.testing.assert_close(found.per_image, wanted.double(), rtol=1e-5, atol=1e-5)
        assert found.value == pytest.approx(float(wanted.mean()), rel=1e-5)

    def test_psnr_of_no_error_is_infinite(self) -> None:
        assert measured(Blur(0.0), "psnr", torch.rand(3, 1, 4, 4)).value == math.inf

    @pytest.mark.parametrize(("c", "h", "w"), [(1, 28, 28), (1, 11, 17), (3, 16, 12)])
    def test_ssim_is_that_of_the_paper(self, c: int, h: int, w: int) -> None:
        x, y = torch.rand(4, c, h, w).double(), torch.rand(4, c, h, w).double()
        y = 0.7 * x + 0.3 * y
        found = structural_similarity(y, x)
        for i in range(4):
            wanted = [similarity(one, other) for one, other in zip(x[i].numpy(), y[i].numpy(), strict=True)]
            assert float(found[i]) == pytest.approx(sum(wanted) / c, abs=1e-6)

    def test_ssim_of_an_image_with_itself_is_one(self) -> None:
        found = measured(Blur(0.0), "ssim", torch.rand(5, 1, 12, 12), 2)
        assert found.value == pytest.approx(1, abs=1e-6)
        assert found.per_image is not None
        assert found.per_image.shape == (5,), "the last block has one image"

    def test_ssim_needs_room_for_its_window(self) -> None:
        found = measured(Blur(), "ssim", torch.rand(5, 1, 10, 12))
        assert found.value is None
        assert found.reason == "images of 10×12 pixels are smaller than its window of 11×11"

    def test_bernoulli_nll_is_that_of_the_mean_code(self) -> None:
        """Of a Bernoulli likelihood it is -log p(x|z) at the posterior mean."""
        model, x = zoo.build("vae.tiny", (1, 8, 8)).eval(), torch.rand(6, 1, 8, 8)
        found = measured(model, "bernoulli-nll", x, 4)
        with torch.no_grad():
            wanted = -model.decode(model.encode(x).mean).log_prob(x)  # type: ignore[operator]
        assert found.per_image is not None
        torch.testing.assert_close(found.per_image, wanted.double(), rtol=1e-4, atol=1e-4)

    def test_bernoulli_nll_is_bounded_where_a_pixel_is_wrong(self) -> None:
        class Wrong(Blur):
            def reconstruct(self, x: Tensor) -> Tensor:
                return 3 - 5 * x  # 3 and -2, which count as 1 and 0

        assert measured(Wrong(), "bernoulli-nll", torch.rand(2, 1, 3, 3).round()).value == 900

    def test_cross_entropy_is_the_library_s(self) -> None:
        x, m = torch.rand(2, 3, 1, 4, 5).double()
        wanted = F.binary_cross_entropy(m, x, reduction="none").flatten(1).sum(1)
        torch.testing.assert_close(cross_entropy(m, x), wanted)

    @pytest.mark.parametrize("name", ["mse", "psnr", "ssim", "bernoulli-nll"])
    def test_what_is_no_number_is_not_averaged_away(self, name: str) -> None:
        class Broken(Blur):
            def reconstruct(self, x: Tensor) -> Tensor:
                return torch.where(x == x.max(), torch.nan, x)

        found = measured(Broken(), name, torch.rand(5, 1, 12, 12))
        assert isinstance(found.value, float)
        assert math.isnan(found.value)

    def test_all_are_of_every_image_and_do_not_depend_on_blocks(self) -> None:
        model, x = zoo.build("conv-vae.tiny", (1, 12, 12)), torch.rand(11, 1, 12, 12)
        for name in ("psnr", "ssim", "bernoulli-nll", "mse"):
            whole, parts = measured(model, name, x), measured(model, name, x, 3)
            assert whole.per_image is not None
            assert parts.per_image is not None
            torch.testing.assert_close(whole.per_image, parts.per_image, rtol=1e-5, atol=1e-5)

    def test_per_image_values_are_kept_under_the_names_of_files(self) -> None:
        asked = ask(load_registry(third_party=False), {"psnr": {}, "bernoulli-nll": {}})
        scores, per_image = score(subject_of(Blur(), torch.rand(4, 1, 3, 3)), asked)
        assert per_image.keys() == {"psnr", "bernoulli_nll"} <= scores.keys()
        assert all(float(value.mean()) == scores[name] for name, value in per_image.items())


class TestCost:
    def test_flops_of_dense_nets_are_two_for_each_weight(self) -> None:
        model = zoo.build("vae.tiny", (1, 8, 8))
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
        found = measured(model, "flops", torch.rand(9, 1, 8, 8), images=5)
        assert found.value == 2 * sum(layer.weight.numel() for layer in layers)
        assert found.details == {"images": 5}

    def test_flops_of_an_image_are_those_of_any_number(self) -> None:
        model, x = zoo.build("conv-vae.tiny", (1, 12, 12)), torch.rand(9, 1, 12, 12)
        one, nine = (measured(model, "flops", x, images=count).value for count in (1, 9))
        assert one == nine
        assert isinstance(one, float)
        assert one > 0

    def test_memory_is_weights_and_what_images_need(self) -> None:
        model, x = zoo.build("conv-vae.tiny", (1, 12, 12)), torch.rand(64, 1, 12, 12)
        few, many = (measured(model, "peak-memory", x, images=count) for count in (32, 64))
        weights = sum(value.numel() * value.element_size() for value in model.state_dict().values()) / 2**20
        assert few.details["weights"] == many.details["weights"] == pytest.approx(weights)
        assert isinstance(few.value, float)
        assert isinstance(many.value, float)
        assert (many.value - weights) / (few.value - weights) == pytest.approx(2, rel=0.01)
        assert many == measured(model, "peak-memory", x, images=64), "the same each time"

    def test_live_bytes_are_of_what_lives_at_once(self) -> None:
        given = torch.zeros(1000)
        with LiveBytes() as live:
            first = given.view(10, 100).t()  # no memory of its own
            second = first.contiguous()  # 4000
            second += 1
            del second
            third = torch.cat([given, given])  # 8000
        assert live.peak == 8000
        assert len(third) == 2000
