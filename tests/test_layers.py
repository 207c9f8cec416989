"""Layers of the backbones: what is not computed as torch does it is the same function, gradients included."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_networks.layers import LinearToMap, norm_and_activation
from zoo_networks.strides import Strides
from zoo_networks.transposed import ToOneChannel


@st.composite
def geometries(draw: st.DrawFn) -> tuple[ToOneChannel, Tensor]:
    """Return a layer of any kernel, stride and padding, and maps for it, in either memory layout."""
    kernel, stride = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    padding = draw(st.integers(0, (kernel - 1) // 2))
    more = (draw(st.integers(0, stride - 1)), draw(st.integers(0, stride - 1)))
    channels = draw(st.integers(1, 5))
    torch.manual_seed(draw(st.integers(0, 9)))
    layer = ToOneChannel(channels, kernel, stride, padding, output_padding=more, bias=draw(st.booleans())).double()
    x = torch.randn(draw(st.integers(1, 3)), channels, draw(st.integers(1, 5)), draw(st.integers(1, 5))).double()
    layout = draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    return layer, x.to(memory_format=layout)


def by_torch(layer: ToOneChannel, x: Tensor) -> Tensor:
    return F.conv_transpose2d(x, layer.weight, layer.bias, layer.stride, layer.padding, layer.output_padding)


class TestToOneChannel:
    @settings(deadline=None)
    @given(geometries())
    def test_is_a_transposed_convolution(self, given: tuple[ToOneChannel, Tensor]) -> None:
        layer, x = given
        y = layer(x)
        torch.testing.assert_close(y, by_torch(layer, x))
        assert y.is_contiguous()

    @settings(deadline=None)
    @given(geometries())
    def test_has_its_gradients(self, given: tuple[ToOneChannel, Tensor]) -> None:
        layer, x = given
        x.requires_grad_()
        weights = torch.randn_like(layer(x))
        wanted = [x, *layer.parameters()]
        found, known = (
            torch.autograd.grad((weights * y).sum(), wanted, retain_graph=True) for y in (layer(x), by_torch(layer, x))
        )
        torch.testing.assert_close(found, known)

    def test_has_gradients_of_gradients(self) -> None:
        layer = ToOneChannel(2, 3, 2, 1, output_padding=(1, 0), bias=True).double()
        x = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(layer, (x,), check_batched_grad=True)
        assert torch.autograd.gradgradcheck(layer, (x,))

    def test_can_be_stacked(self) -> None:
        layer = ToOneChannel(3, 3, 2, 1, output_padding=(1, 1), bias=False)
        weights, x = torch.randn(4, *layer.weight.shape), torch.randn(4, 5, 3, 6, 6)

        def loss(weight: Tensor, x: Tensor) -> Tensor:
            y: Tensor = torch.func.functional_call(layer, {"weight": weight}, (x,))
            return y.square().sum()

        found = torch.func.vmap(torch.func.grad(loss))(weights, x)
        each = torch.stack([torch.func.grad(loss)(*pair) for pair in zip(weights, x, strict=True)])
        torch.testing.assert_close(found, each, rtol=1e-4, atol=1e-4)

    def test_is_torchs_own_where_it_was_not_made_for_it(self) -> None:
        layer = ToOneChannel(3, 3, 2, 1, output_padding=(1, 1), bias=True)
        x = torch.randn(3, 4, 4)
        torch.testing.assert_close(layer(x), by_torch(layer, x))
        assert layer(x[None], [7, 8]).shape == (1, 1, 7, 8)
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(x[None]).dtype == torch.bfloat16

    def test_stands_where_a_decoder_ends_in_one_channel_and_is_saved_alike(self) -> None:
        strides = Strides(3, 2, 2)
        one, three = (strides.transposed(8, c, (7, 7), (14, 14), bias=True) for c in (1, 3))
        assert isinstance(one, ToOneChannel)
        assert type(three) is nn.ConvTranspose2d
        assert one.state_dict().keys() == three.state_dict().keys()


class TestNormAndActivation:
    @pytest.mark.parametrize("norm", ["batch", "group"])
    def test_in_place_is_the_same_function(self, norm: str) -> None:
        follower = nn.Sequential(*norm_and_activation(norm, "relu", 8, spatial=True))
        plain = nn.Sequential(follower[0], nn.ReLU())
        x = torch.randn(4, 8, 5, 5, requires_grad=True)
        before = x.detach().clone()
        found, known = (torch.autograd.grad(layer(x).square().sum(), x)[0] for layer in (follower, plain))
        assert torch.equal(found, known)
        assert torch.equal(x.detach(), before)

    def test_without_a_normalisation_what_came_in_is_left_alone(self) -> None:
        (follower,) = norm_and_activation("none", "relu", 8, spatial=True)
        x = torch.randn(2, 8)
        before = x.clone()
        follower(x)
        assert torch.equal(x, before)

    @pytest.mark.parametrize("act", ["relu", "silu", "gelu", "elu", "leaky-relu", "tanh"])
    def test_every_activation_has_a_gradient(self, act: str) -> None:
        layer = nn.Sequential(*norm_and_activation("batch", act, 4, spatial=False))
        layer(torch.randn(6, 4, requires_grad=True)).sum().backward()


class TestLinearToMap:
    @pytest.mark.parametrize("rows", [1, 5, 6, 40])
    @pytest.mark.parametrize("bias", [True, False])
    def test_is_a_linear_layer_whatever_is_put_in_order(self, rows: int, bias: bool) -> None:
        layer = LinearToMap(5, (3, 2, 4), bias=bias)
        x = torch.randn(rows, 5, requires_grad=True)
        wanted = [x, *layer.parameters()]
        y, known = layer(x), F.linear(x, layer.weight, layer.bias).reshape(rows, 3, 2, 4)
        assert y.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(y, known)
        torch.testing.assert_close(*(torch.autograd.grad(each.square().sum(), wanted) for each in (y, known)))
