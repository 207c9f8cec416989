"""Several groups of latents: chains of normals, their divergences by group, and the models made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from conftest import Done, scores_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
from zoo import Batch, SampleOptions, Site, Step, ZooError
from zoo.compositions.autoencoder import Autoencoder
from zoo.distributions import Normal, kl, kl_per_group, kl_per_unit
from zoo_hierarchy.chain import Chain, Link, merge
from zoo_hierarchy.networks import GaussianNet
from zoo_hierarchy.options import BetweenOptions
from zoo_vae.losses import Elbo
from zoo_vae.options import ElboOptions

START = Step.of(0, 0, 0)
END = Step.of(10, 1, 1)
NAMES = ("ladder-vae", "iwae2")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


def model_of(name: str, shape: tuple[int, int, int] = (1, 4, 5), **options: object) -> Autoencoder:
    model = zoo.build(f"{name}.tiny", shape, train_size=10, **options)
    assert isinstance(model, Autoencoder)
    return model.double().eval()


def batch_of(shape: tuple[int, int, int] = (1, 4, 5), count: int = 6) -> Batch:
    return Batch(torch.rand(count, *shape, dtype=torch.float64), {}, torch.arange(count))


def chains(name: str, count: int = 6) -> tuple[Chain, Chain]:
    model = model_of(name)
    q, p = model.encode(batch_of(count=count).x), model.prior_distribution()
    assert isinstance(q, Chain)
    assert isinstance(p, Chain)
    return q, p


def normal_at(net: GaussianNet, z: Tensor) -> Normal:
    mean, variance = net.last(net.hidden(z)).chunk(2, -1)
    return Normal(mean, (nn.functional.softplus(variance) + 1e-4).sqrt())


class TestMerge:
    @settings(deadline=None, max_examples=50)
    @given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 3), st.floats(0.1, 3))
    def test_by_hand(self, m1: float, m2: float, s1: float, s2: float) -> None:
        a, b = (Normal(*torch.tensor([[m], [s]], dtype=torch.float64)) for m, s in ((m1, s1), (m2, s2)))
        both = merge(a, b)
        precision = s1**-2 + s2**-2
        assert float(both.loc) == pytest.approx((m1 * s1**-2 + m2 * s2**-2) / precision, abs=1e-12)
        assert float(both.scale) == pytest.approx(precision**-0.5)
        # It is the product of the densities, up to a constant.
        x = torch.linspace(-2, 2, 7, dtype=torch.float64).unsqueeze(1)
        ratio = both.log_prob(x) - a.log_prob(x) - b.log_prob(x)
        close(ratio, ratio[:1].expand(7), 1e-8)


class TestLadder:
    def test_each_group_is_what_the_image_says_times_what_the_group_above_says(self) -> None:
        model = model_of("ladder-vae")
        x = batch_of().x
        q = model.encode(x)
        assert isinstance(q, Chain)
        head = model.encoder.head
        features = model.encoder.network(x)
        z = q.rsample((3,))
        z1, z2 = z[..., :4], z[..., 4:]
        top = normal_at(head.heads[1], head.upwards[0](features))
        said, below = normal_at(head.heads[0], features), normal_at(head.downwards[0], z2)
        weight = said.scale**-2 + below.scale**-2
        mean = (said.loc * said.scale**-2 + below.loc * below.scale**-2) / weight
        wanted = top.log_prob(z2) + Normal(mean, weight**-0.5).log_prob(z1)
        close(q.log_prob(z), wanted)

    def test_the_prior_has_the_nets_of_the_posterior_and_no_weights_of_its_own(self) -> None:
        model = model_of("ladder-vae")
        z = torch.randn(7, 6, dtype=torch.float64)
        below = normal_at(model.encoder.head.downwards[0], z[:, 4:])
        standard = Normal(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
        close(model.prior_distribution().log_prob(z), standard.log_prob(z[:, 4:]) + below.log_prob(z[:, :4]))
        assert not list(model.prior.parameters())
        names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        assert len(names) == len(set(names)) == len(list(model.parameters()))

    def test_without_weights_from_above_the_rates_are_those_of_two_vaes(self) -> None:
        model = model_of("ladder-vae")
        nn.init.zeros_(model.encoder.head.downwards[0].last.weight)
        q, p = model.encode(batch_of().x), model.prior_distribution()
        assert isinstance(q, Chain)
        first, second = q.conditionals(q.sample())
        bias = model.encoder.head.downwards[0].last.bias
        below = Normal(bias[:4], (nn.functional.softplus(bias[4:]) + 1e-4).sqrt())
        standard = Normal(torch.zeros(2).double(), torch.ones(2).double())
        alone = torch.stack([kl(first, below, first.loc), kl(second, standard, second.loc)], -1)
        for _ in range(2):
            close(kl_per_group(q, p, q.sample()), alone)


class TestChain:
    @pytest.mark.parametrize("name", NAMES)
    def test_groups_sum_to_the_whole_and_to_the_mean_over_samples(self, name: str) -> None:
        q, p = chains(name, count=2)
        z = q.sample((40_000,))
        groups, ratio = kl_per_group(q, p, z), q.log_prob(z) - p.log_prob(z)
        assert groups.shape == (40_000, 2, 2)
        close(groups.sum(-1), kl(q, p, z))
        error = ratio.std(0) / 200
        assert bool(((groups.sum(-1).mean(0) - ratio.mean(0)).abs() < 4 * error).all())

    def test_upwards_the_log_density_is_the_sum_of_conditionals(self) -> None:
        model = model_of("iwae2")
        x = batch_of().x
        q, head = model.encode(x), model.encoder.head
        z, log_q = q.draw((3,))
        assert log_q is None
        first = normal_at(head.head, model.encoder.network(x))
        wanted = first.log_prob(z[..., :4]) + normal_at(head.upwards[0], z[..., :4]).log_prob(z[..., 4:])
        close(q.log_prob(z), wanted)

    def test_a_closed_form_is_taken_only_where_nothing_is_drawn_later(self) -> None:
        q, p = chains("iwae2")
        z = q.sample()
        first, second = q.conditionals(z)
        below, top = p.conditionals(z)
        groups = kl_per_group(q, p, z)
        close(groups[:, 0], first.log_prob(z[:, :4]) - below.log_prob(z[:, :4]))
        close(groups[:, 1], kl(second, top, z[:, 4:]))

    @pytest.mark.parametrize("name", NAMES)
    def test_a_detached_one_is_the_same_with_gradients_to_codes_alone(self, name: str) -> None:
        model = model_of(name)
        q = model.encode(batch_of().x)
        z = q.sample((2,)).requires_grad_()
        still = q.detached()
        assert still is not None
        close(still.log_prob(z), q.log_prob(z))
        still.log_prob(z).sum().backward()
        assert z.grad is not None
        assert bool((z.grad != 0).all())
        assert all(value.grad is None for value in model.parameters())

    @pytest.mark.parametrize("name", NAMES)
    def test_against_a_flat_prior_it_is_the_ratio_at_a_sample(self, name: str) -> None:
        model = model_of(name, prior="normal")
        q, p = model.encode(batch_of().x), model.prior_distribution()
        z = q.sample()
        assert kl_per_unit(q, p, z) is None
        close(kl_per_group(q, p, z), (q.log_prob(z) - p.log_prob(z)).unsqueeze(-1))

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans(), st.lists(st.integers(1, 3), max_size=2))
    def test_shapes(self, sizes: list[int], downwards: bool, shape: list[int]) -> None:
        order = sizes[::-1] if downwards else sizes
        options = BetweenOptions(hidden=(3,))
        nets = [GaussianNet(a, b, options) for a, b in pairwise(order)]
        chain = Chain(Normal(torch.zeros(5, order[0]), torch.ones(5, order[0])), tuple(map(Link, nets)), downwards)
        z = chain.sample(tuple(shape))
        assert chain.sizes == tuple(sizes)
        assert z.shape == (*shape, 5, sum(sizes))
        assert chain.log_prob(z).shape == (*shape, 5)
        assert chain.mean.shape == (5, sum(sizes))
        assert [group.shape[-1] for group in chain.split(z)] == sizes
        close(chain.tempered(0.0).sample(), chain.mean, 1e-5)


class TestModels:
    @pytest.mark.parametrize("name", NAMES)
    def test_sampling_goes_through_both_groups(self, name: str) -> None:
        model = model_of(name)
        net = (model.encoder.head if name == "ladder-vae" else model.prior).downwards[0]
        torch.manual_seed(4)
        p = model.prior_distribution()
        z = p.sample((5,))
        torch.manual_seed(4)
        top = torch.randn(5, 2, dtype=torch.float64)
        below = normal_at(net, top)
        close(z, torch.cat([below.loc + below.scale * torch.randn(5, 4, dtype=torch.float64), top], -1))
        torch.manual_seed(4)
        close(model.sample(5), model.decode_mean(z))
        assert model.sample(2, SampleOptions(temperature=0.5)).shape == (2, 1, 4, 5)

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("decoder", ["mlp", "linear"])
    def test_the_decoder_sees_the_first_group_alone(self, name: str, decoder: str) -> None:
        net = {"decoder": decoder} if decoder != "mlp" else {}
        model = zoo.build(name, (1, 4, 5), **net).double().eval()
        assert isinstance(model, Autoencoder)
        first = model.encoder.head.groups[0]
        z = torch.randn(3, 2, *model.latent_shape, dtype=torch.float64, requires_grad=True)
        model.decode(z).log_prob(torch.rand(1, 4, 5, dtype=torch.float64)).sum().backward()
        assert z.grad is not None
        assert bool((z.grad[..., first:] == 0).all())
        assert bool((z.grad[..., :first] != 0).any())

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("groups", [(5,), (4, 3), (4, 3, 2)])
    def test_any_number_of_groups(self, name: str, groups: tuple[int, ...]) -> None:
        batch = batch_of((3, 5, 4), 1)
        model = zoo.build(f"{name}.tiny", (3, 5, 4), **{"posterior.groups": groups}).double()
        terms = model.loss(batch, END)
        terms.loss.backward()
        assert all(value.grad is not None and bool(value.grad.isfinite().all()) for value in model.parameters())
        rates = [terms.logs[f"rate_{i}"] for i in range(1, len(groups) + 1) if len(groups) > 1]
        close(torch.stack(rates).sum() if rates else terms.logs["rate"], terms.logs["rate"])

    @pytest.mark.parametrize("name", NAMES)
    def test_scores_have_the_rate_of_each_group(self, name: str) -> None:
        scores = scores_of(model_of(name), batch_of(), END)
        groups = scores["rate_per_group"]
        assert isinstance(groups, list)
        assert len(groups) == 2
        assert sum(groups) == pytest.approx(scores["rate"])
        assert scores["kl_per_unit"] is None
        assert scores_of(model_of("vae"), batch_of(), END)["rate_per_group"] is None

    def test_free_bits_count_each_group_at_least_so_much(self) -> None:
        model, batch = model_of("ladder-vae"), batch_of()
        loss = Elbo(ElboOptions(free_bits=0.5, beta=2.0), Site((1, 4, 5), 10, {}))
        with torch.no_grad():
            terms = loss(model, batch, END)
        rates = [float(terms.logs["rate_1"]), float(terms.logs["rate_2"])]
        counted = sum(max(0.5, value) for value in rates)
        assert min(rates) < 0.5
        assert float(terms.loss) == pytest.approx(float(terms.logs["distortion"]) + 2 * counted)
        assert loss.rate_weight(END) is None

    def test_warm_up_starts_without_a_rate(self) -> None:
        with torch.no_grad():
            terms = model_of("ladder-vae").loss(batch_of(), START)
        assert float(terms.loss) == pytest.approx(float(terms.logs["distortion"]))

    @pytest.mark.parametrize(
        ("name", "options", "said"),
        [
            ("iwae2.tiny", {"prior": "ladder"}, "prior ladder shares the nets of --posterior ladder"),
            ("vae", {"prior": "ladder"}, "prior ladder shares the nets of --posterior ladder"),
            ("vae", {"prior": "top-down"}, "prior top-down is over groups"),
        ],
    )
    def test_parts_that_do_not_fit_say_so(self, name: str, options: dict[str, str], said: str) -> None:
        with pytest.raises(ZooError, match=said):
            zoo.build(name, (1, 4, 5), **options)

    def test_a_ladder_goes_with_a_prior_of_its_own_nets(self) -> None:
        model = zoo.build("ladder-vae", (1, 4, 5), prior="top-down").double()
        model.loss(batch_of(), END).loss.backward()
        assert all(value.grad is not None for value in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_repeats_to_the_bit_and_tells_its_rates(name: str, zoo_here: Callable[..., Done], tmp_path: Path) -> None:
    words = ("train", f"{name}.tiny", "--data", "glyphs", "--limit", "60", "--batch-size", "30")
    for folder in ("runs/a", "runs/b"):
        zoo_here(*words, "--out", folder)
    first, second = (zoo.load(tmp_path / "runs" / each).model.state_dict() for each in ("a", "b"))
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert "rate_per_group" in zoo_here("evaluate", "runs/a").out
    assert (tmp_path / "runs/a/figures/traversals.png").exists()
    record = zoo.load(tmp_path / "runs/a").records()[-1]["train"]
    assert record["rate_1"] + record["rate_2"] == pytest.approx(record["rate"], rel=1e-5)
