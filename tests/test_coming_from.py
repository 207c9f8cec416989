"""Coming from elsewhere: the weights convert as docs/coming-from.md says, and the weights of pythae's nets do too."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo import Batch, Model, Step

PAGE = Path(__file__).resolve().parent.parent / "docs" / "coming-from.md"
SHAPE = (3, 8, 8)
D = math.prod(SHAPE)
SMALL = {"encoder.hidden": [16], "decoder.hidden": [16], "latent_dim": 4}


@pytest.fixture
def x() -> Tensor:
    return torch.rand(16, *SHAPE, generator=torch.Generator().manual_seed(1))


def build(name: str, **options: Any) -> Model:
    torch.manual_seed(0)
    return zoo.build(name, SHAPE, train_size=1000, **{**SMALL, **options}).eval()


def loss_of(model: Model, x: Tensor, count: int = 0) -> float:
    """The loss at a step, with the noise of a seed."""
    torch.manual_seed(2)
    return float(model.loss(Batch(x, {}, torch.arange(len(x))), Step.of(count, 0, 0)).loss.detach())


def pieces(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """The squared error of each image at the same noise, by the definition, and its KL."""
    torch.manual_seed(2)
    with torch.no_grad():
        q = model.encode(x)
        mean, log_var = q.mean, 2 * q.scale.log()
        reconstruction = model.decode(q.rsample()).mean
    kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1)
    return (reconstruction - x).square().flatten(1).sum(1), kl


def test_pythae_is_a_gaussian_of_variance_one(x: Tensor) -> None:
    model = build("vae", likelihood="gaussian", beta=3.0, **{"likelihood.sigma": "fixed", "likelihood.std": 1.0})
    s, r = pieces(model, x)
    pythae = (0.5 * s + 3.0 * r).mean().item()
    assert loss_of(model, x) == pytest.approx(pythae + D / 2 * math.log(2 * math.pi), rel=1e-5)


def test_the_constant_for_mnist_is_right() -> None:
    assert 784 / 2 * math.log(2 * math.pi) == pytest.approx(720.45, abs=0.005)


def test_pythae_is_half_of_the_squared_error_at_twice_the_beta(x: Tensor) -> None:
    model = build("vae", likelihood="mse", beta=2 * 3.0)
    s, r = pieces(model, x)
    assert loss_of(model, x) == pytest.approx(2 * (0.5 * s + 3.0 * r).mean().item(), rel=1e-5)


def test_pythae_and_the_zoo_have_one_cross_entropy(x: Tensor) -> None:
    model = build("vae", likelihood="bernoulli", beta=4.0)
    torch.manual_seed(2)
    with torch.no_grad():
        reconstruction = model.decode(model.encode(x).rsample()).mean
    entropy = nn.functional.binary_cross_entropy(reconstruction, x, reduction="none").flatten(1).sum(1)
    assert loss_of(model, x) == pytest.approx((entropy + 4.0 * pieces(model, x)[1]).mean().item(), rel=1e-5)


def test_pytorch_vae_is_the_squared_error_divided_by_the_pixels(x: Tensor) -> None:
    w = 0.00025
    model = build("vae", likelihood="mse", beta=D * w)
    s, r = pieces(model, x)
    assert loss_of(model, x) == pytest.approx(D * (s.mean() / D + w * r.mean()).item(), rel=1e-5)


def test_pytorch_vae_on_images_from_minus_one_to_one_has_a_quarter_of_the_weight(x: Tensor) -> None:
    w = 0.00025
    model = build("vae", likelihood="mse", beta=D * w / 4)
    s, r = pieces(model, x)
    stretched = (4 * s).mean() / D + w * r.mean()
    assert loss_of(model, x) == pytest.approx(D / 4 * stretched.item(), rel=1e-5)


def test_pytorch_vae_with_a_capacity(x: Tensor) -> None:
    g, w, count = 10.0, 0.00025, 2500
    here = {"gamma": D * g * w, "capacity": "linear:0..25@10000"}
    model = build("annealed-vae", encoder="mlp", decoder="mlp", likelihood="mse", **here)
    s, r = pieces(model, x)
    theirs = s.mean() / D + g * w * (r.mean() - 25 / 10000 * count).abs()
    assert loss_of(model, x, count) == pytest.approx(D * theirs.item(), rel=1e-5)


def test_the_numbers_on_the_page() -> None:
    coloured, digits = 64 * 64 * 3 * 0.00025, 28 * 28 * 0.00025
    assert coloured == pytest.approx(3.07, abs=0.005)
    assert digits == pytest.approx(0.196, abs=0.0005)


class Theirs(nn.Module):
    """The default nets of pythae's VAE, with the names of its state dict."""

    def __init__(self, pixels: int, latents: int) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList([nn.Sequential(nn.Linear(pixels, 512), nn.ReLU())])
        self.encoder.embedding = nn.Linear(512, latents)
        self.encoder.log_var = nn.Linear(512, latents)
        last = nn.Sequential(nn.Linear(512, pixels), nn.Sigmoid())
        self.decoder = nn.Module()
        self.decoder.layers = nn.ModuleList([nn.Sequential(nn.Linear(latents, 512), nn.ReLU()), last])

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder.layers[0](x.flatten(1))
        return self.encoder.embedding(features), self.encoder.log_var(features)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder.layers[1](self.decoder.layers[0](z))


@pytest.fixture(scope="module")
def reader() -> dict[str, Any]:
    code = re.search(r"```python file=from_pythae\.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    return names


def write_pythae(folder: Path, net: Theirs, **config: Any) -> None:
    stated = {
        "name": "VAEConfig",
        "input_dim": SHAPE,
        "latent_dim": 5,
        "uses_default_encoder": True,
        "uses_default_decoder": True,
        "reconstruction_loss": "bce",
    }
    (folder / "model_config.json").write_text(json.dumps({**stated, **config}))
    torch.save({"model_state_dict": net.state_dict()}, folder / "model.pt")


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_weights_of_pythae_give_the_same_outputs(loss: str, x: Tensor, tmp_path: Path, reader: dict[str, Any]) -> None:
    torch.manual_seed(0)
    net = Theirs(D, 5)
    write_pythae(tmp_path, net, reconstruction_loss=loss)
    model = reader["from_pythae"](tmp_path)
    with torch.no_grad():
        mean, log_var = net.encode(x)
        q = model.encode(x)
        torch.testing.assert_close(q.mean, mean)
        torch.testing.assert_close(q.scale, (0.5 * log_var).exp())
        torch.testing.assert_close(model.decode_mean(mean).flatten(1), net.decode(mean))
        torch.testing.assert_close(model.reconstruct(x).flatten(1), net.decode(mean))


def test_a_beta_of_pythae_comes_along(x: Tensor, tmp_path: Path, reader: dict[str, Any]) -> None:
    write_pythae(tmp_path, Theirs(D, 5), name="BetaVAEConfig", beta=6.0, reconstruction_loss="mse")
    model = reader["from_pythae"](tmp_path)
    s, r = pieces(model, x)
    pythae = (0.5 * s + 6.0 * r).mean().item()
    assert loss_of(model, x) == pytest.approx(pythae + D / 2 * math.log(2 * math.pi), rel=1e-5)


def test_nets_that_are_code_are_not_read(tmp_path: Path, reader: dict[str, Any]) -> None:
    write_pythae(tmp_path, Theirs(D, 5), uses_default_encoder=False)
    with pytest.raises(ValueError, match="pickled code"):
        reader["from_pythae"](tmp_path)
