"""The PixelCNN over codes: what reaches an output, that its law is one, that it learns, and its way through a run."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Done, write_small
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import zoo
from zoo import Posterior, Site, ZooError
from zoo.compositions.autoencoder import Autoencoder
from zoo.distributions import Delta, Distribution, Normal, fits, kl
from zoo.training import likelihood
from zoo_quantised.distributions import Quantised, UniformCodes
from zoo_quantised.fitted import FittedPixelCnn
from zoo_quantised.fsq import FsqPosterior
from zoo_quantised.options import FsqOptions, PixelCnnOptions
from zoo_quantised.pixelcnn import GatedPixelCnn
from zoo_quantised.quantiser import Quantiser, find_codes

SQUARE = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
SMALL: dict[str, Any] = {"channels": 8, "layers": 2, "kernel": 3, "steps": 200, "batch_size": 32, "lr": 0.01}
FLAGS = [f"--{key.replace('_', '-')}={value}" for key, value in {**SMALL, "steps": 20}.items()]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class Book(Quantiser):
    """A head that only says which codes there are, and how many places."""

    def __init__(self, codes: Tensor, plane: tuple[int, int]) -> None:
        Posterior.__init__(self)
        self.codes, self.latent_shape = codes, (codes.shape[1], *plane)

    @property
    def codebook(self) -> Tensor:
        return self.codes

    def forward(self, features: Tensor) -> Distribution:
        raise NotImplementedError


def prior(codes: Tensor = SQUARE, plane: tuple[int, int] = (2, 2), **options: Any) -> FittedPixelCnn:
    """A prior over maps of given codes, with random weights, small unless told otherwise."""
    site = Site((1, 8, 8), 100, {"posterior": Book(codes, plane)})
    return FittedPixelCnn(PixelCnnOptions(**{**SMALL, **options}), site)


def loud(model: torch.nn.Module) -> None:
    """Make weights large, so that what reaches an output is seen there."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.5)


def maps(indices: Tensor, codes: Tensor = SQUARE) -> Tensor:
    """Maps `(N, h, w)` of indices as vectors `(N, D, h, w)`."""
    return codes[indices].movedim(-1, 1)


def all_maps(codes: int, plane: tuple[int, int]) -> Tensor:
    """Every map of codes, `(K^n, h, w)`."""
    return torch.tensor(list(itertools.product(range(codes), repeat=math.prod(plane)))).reshape(-1, *plane)


@torch.no_grad()
def nats(one: FittedPixelCnn, indices: Tensor) -> Tensor:
    """The log-probability of maps of codes, `(N,)`."""
    return one().log_prob(maps(indices))


class TestNetwork:
    @settings(deadline=None, max_examples=40)
    @given(
        plane=st.tuples(st.integers(1, 6), st.integers(1, 6)),
        layers=st.integers(1, 4),
        reach=st.integers(1, 3),
        seed=st.integers(0, 999),
    )
    def test_nothing_after_a_place_reaches_it(self, plane: tuple[int, int], layers: int, reach: int, seed: int) -> None:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            network = GatedPixelCnn(4, 4, layers, reach)
            loud(network)
            indices = torch.randint(4, (2, *plane))
            place = int(torch.randint(math.prod(plane), ()))
            changed = indices.flatten(1).clone()
            changed[:, place] = (changed[:, place] + 1) % 4
            before = network(indices).flatten(2)
            after = network(changed.reshape(indices.shape)).flatten(2)
        assert before[:, :, : place + 1].equal(after[:, :, : place + 1])

    def test_there_is_no_blind_spot(self) -> None:
        """Everything before a place reaches it, also what lies above and to its right."""
        network, indices = GatedPixelCnn(4, 8, 3, 1).double(), torch.randint(4, (1, 4, 5))
        loud(network)
        with torch.no_grad():
            middle = network.features(indices)[..., 3, 2]
            for i, j in [(0, 0), (1, 4), (2, 3), (2, 4), (0, 4), (3, 0), (3, 1)]:
                changed = indices.clone()
                changed[:, i, j] = (changed[:, i, j] + 1) % 4
                assert not network.features(changed)[..., 3, 2].equal(middle), (i, j)

    def test_gradients_reach_every_parameter(self) -> None:
        one = prior(plane=(3, 4))
        (-one().log_prob(maps(torch.randint(3, (5, 3, 4)))).mean()).backward()
        assert [name for name, value in one.named_parameters() if value.grad is None or not value.grad.any()] == []


class TestFindCodes:
    @settings(deadline=None, max_examples=40)
    @given(codes=st.integers(1, 40), dim=st.integers(1, 5), levels=st.integers(1, 4), seed=st.integers(0, 999))
    def test_is_the_first_that_is_the_same(self, codes: int, dim: int, levels: int, seed: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            book = torch.randint(levels, (codes, dim)) / 3
            vectors = torch.randint(levels + 1, (6, 7, dim)) / 3
        same = (vectors[..., None, :] == book).all(-1)
        wanted = torch.where(same.any(-1), same.int().argmax(-1), -1)
        assert find_codes(vectors, book).equal(wanted)

    def test_neighbours_are_two(self) -> None:
        one = torch.randn(1, 8)
        book = torch.cat([one, torch.nextafter(one, one + 1)])
        assert find_codes(book, book).tolist() == [0, 1]
        assert find_codes(book * 0.5, book).tolist() == [-1, -1]

    def test_codes_of_rounding_are_found(self) -> None:
        head = FsqPosterior(FsqOptions(levels=(4, 3, 5)), Site((1, 8, 8), 9, {"encoder": Features()}))
        q = head(torch.randn(50, 3, 4, 4))
        assert find_codes(q.mean.movedim(1, -1), head.codebook).equal(q.indices)


class Features(zoo.Network):
    out_shape = (3, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x


class TestLaw:
    @pytest.mark.parametrize("plane", [(2, 2), (1, 4), (4, 1), (1, 1)])
    def test_the_probabilities_of_all_maps_sum_to_one(self, plane: tuple[int, int]) -> None:
        one = prior(plane=plane)
        loud(one)
        found = nats(one, all_maps(3, plane))
        assert float(found.double().exp().sum()) == pytest.approx(1, abs=1e-5)
        assert float(found.std()) > 0.3 or plane == (1, 1)

    def test_a_code_that_is_there_twice_counts_once(self) -> None:
        one = prior(torch.cat([SQUARE, SQUARE[1:2]]))
        loud(one)
        found = nats(one, all_maps(3, (2, 2)))
        assert float(found.double().exp().sum()) == pytest.approx(1, abs=1e-5)
        assert one().log_prob(one().sample((500,))).isfinite().all()

    def test_what_is_no_code_has_no_probability(self) -> None:
        z = maps(torch.zeros(2, 2, 2, dtype=torch.int64))
        z[1, 0, 1, 1] = 0.5
        found = one_law().log_prob(z)
        assert found[0].isfinite()
        assert found[1] == -math.inf

    def test_shapes(self) -> None:
        p = prior(plane=(2, 3))()
        assert (p.batch_shape, p.event_shape) == ((), (2, 2, 3))
        assert p.mean.equal(UniformCodes(SQUARE, (2, 3)).mean)
        assert p.point.equal(p.mean)
        for shape in ((), (5,), (2, 3)):
            z = p.sample(shape)
            assert z.shape == (*shape, 2, 2, 3)
            assert p.log_prob(z).shape == shape
            assert p.log_prob(z).isfinite().all()

    def test_samples_come_as_often_as_they_are_likely(self) -> None:
        one = prior(plane=(1, 3))
        loud(one)
        every = all_maps(3, (1, 3))
        wanted = nats(one, every).exp()
        indices = find_codes(one().sample((20000,)).movedim(1, -1), SQUARE).flatten(1)
        found = torch.bincount(indices @ torch.tensor([9, 3, 1]), minlength=27) / 20000
        torch.testing.assert_close(found, wanted, rtol=0, atol=0.015)

    def test_the_rate_of_a_point_is_its_surprise(self) -> None:
        p, indices = one_law(), torch.randint(3, (7, 2, 2))
        q = Quantised(maps(indices), indices, 3)
        assert fits(q, p)
        assert q.has_density
        assert p.has_density
        assert kl(q, p, q.rsample()).equal(-p.log_prob(q.mean))
        assert not fits(Normal(torch.zeros(1), torch.ones(1)), p)


def one_law() -> Distribution:
    return prior()()


def copies(count: int, plane: tuple[int, int] = (3, 3)) -> Tensor:
    """Maps whose first row is random and whose other rows copy the one above, each code one further."""
    top = torch.randint(3, (count, 1, plane[1]))
    return (top + torch.arange(plane[0])[:, None]) % 3


class TestFit:
    def test_a_pattern_is_learned_and_drawn(self) -> None:
        """Three places of three codes are free and the others follow: the entropy is 3 log 3."""
        one, free = prior(plane=(3, 3)), 3 * math.log(3)
        one.fit(maps(copies(600)))
        assert float(-nats(one, copies(200)).mean()) == pytest.approx(free, abs=0.2)
        drawn = find_codes(one().sample((300,)).movedim(1, -1), SQUARE)
        follow = (drawn[:, 1:] == (drawn[:, :-1] + 1) % 3).float().mean()
        assert follow > 0.98
        assert drawn[:, 0].unique(dim=0).shape[0] == 27

    def test_codes_with_structure_beat_the_uniform_law(self) -> None:
        one, held = prior(plane=(3, 3), steps=100), copies(200)
        uniform = UniformCodes(SQUARE, (3, 3)).log_prob(maps(held)).mean()
        one.fit(maps(copies(300)))
        assert float(nats(one, held).mean()) > float(uniform) + 3

    def test_codes_without_structure_do_not_fall_far_below_it(self) -> None:
        """The early stop keeps the weights that are best for codes that were held out."""
        one, codes = prior(plane=(3, 3), steps=300), maps(torch.randint(3, (40, 3, 3)))
        one.fit(codes)
        found = nats(one, torch.randint(3, (400, 3, 3))).mean()
        assert float(found) > -9 * math.log(3) - 1.0

    def test_patience_ends_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        steps: list[int] = []
        step = likelihood._step
        monkeypatch.setattr(likelihood, "_step", lambda *args: (steps.append(1), step(*args)))
        one = prior(plane=(2, 2), steps=5000, patience=1, lr=0.1)
        one.fit(maps(torch.randint(3, (20, 2, 2))))
        assert len(steps) < 5000

    @pytest.mark.parametrize(
        ("codes", "said"),
        [
            (maps(torch.zeros(1, 2, 2, dtype=torch.int64)), "two images at the least"),
            (torch.full((4, 2, 2, 2), 0.25), "not in the codebook"),
        ],
    )
    def test_codes_that_it_cannot_be_fitted_to(self, codes: Tensor, said: str) -> None:
        with pytest.raises(ZooError, match=said):
            prior().fit(codes)

    def test_a_rate_of_learning_that_is_too_large(self) -> None:
        one = prior(lr=1e30, steps=100)
        one.fit(maps(copies(50, (2, 2))))
        assert nats(one, copies(9, (2, 2))).isfinite().all(), "the first weights are kept"


class Flat(Posterior):
    latent_shape = (4,)

    def forward(self, features: Tensor) -> Distribution:
        return Delta(features)


class TestMistakes:
    def test_another_posterior(self) -> None:
        with pytest.raises(ZooError, match="codes of a codebook, and this run has none; fit another"):
            FittedPixelCnn(PixelCnnOptions(), Site((1, 8, 8), 9, {"posterior": Flat()}))

    def test_too_many_codes(self) -> None:
        with pytest.raises(ZooError, match=r"65,536 codes at most, and this run has 70,000"):
            prior(torch.arange(70_000.0)[:, None])

    def test_a_kernel_without_a_middle(self) -> None:
        with pytest.raises(ZooError, match="--kernel 4 has no middle; name an odd one, as 5"):
            prior(kernel=4)


@pytest.fixture
def runs(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder as the working folder."""
    monkeypatch.chdir(shop)
    return shop / "runs"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with runs whose codes are a map, and one whose codes are flat."""
    folder = tmp_path_factory.mktemp("pixelcnn")
    write_small(folder / "small.npz", 200)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("vq-vae", "fsq-vae", "vae"):
            zoo.train(f"{name}.tiny", data="npz:small.npz", epochs=3, batch_size=50, out=f"runs/{name}")
    return folder


class TestRuns:
    @pytest.mark.parametrize("name", ["vq-vae", "fsq-vae"])
    def test_a_seed_decides_every_bit_and_a_file_holds_it(self, runs: Path, name: str) -> None:
        path, files = runs / name, []
        for seed in (4, 4, 5):
            run = zoo.fit(path, "pixelcnn", seed=seed, **{**SMALL, "steps": 30})
            files.append(run.prior_file("pixelcnn").read_bytes())
        assert files[0] == files[1] != files[2]
        first, again = run.model, zoo.load(path).with_prior("pixelcnn").model
        assert isinstance(first, Autoencoder)
        assert isinstance(again, Autoencoder)
        z = zoo.load(path).model.prior_distribution().sample((9,))  # type: ignore[attr-defined]
        assert first.prior_distribution().log_prob(z).equal(again.prior_distribution().log_prob(z))
        draws = []
        for one in (first, again):
            torch.manual_seed(5)
            draws.append(one.sample(4))
        assert draws[0].equal(draws[1])
        found = run.priors["pixelcnn"]
        assert found["log_likelihood"]["fitted"] > found["log_likelihood"]["declared"]
        assert found["provider"]["plugin"] == "quantised"

    def test_the_rate_is_what_the_codes_cost(self, runs: Path) -> None:
        path = runs / "vq-vae"
        zoo.fit(path, "pixelcnn", **{**SMALL, "steps": 100})
        own, fitted = zoo.evaluate(path), zoo.evaluate(path, prior="pixelcnn")
        assert own["rate"] == pytest.approx(9 * math.log(32), rel=1e-6)
        assert fitted["rate"] < own["rate"] - 5
        assert fitted["mse"] == own["mse"]

    def test_the_command_line(self, shop: Path, zoo_here: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(shop)
        zoo_here("train", "vq-vae.tiny", "--data", "npz:small.npz", "--codes", "8", "--out", "runs/new")
        plain = zoo_here("sample", "runs/new", "-n", "4")
        assert plain.lines == [
            "its codes are points; a prior fitted to them may draw better: 'zoo fit runs/new --prior pixelcnn'"
        ]
        told = zoo_here("fit", "runs/new", "--prior", "pixelcnn", *FLAGS)
        assert "of the declared prior 'uniform-codes'" in told.out
        again = zoo_here("sample", "runs/new", "-n", "4")
        assert again.lines[0].endswith("'zoo sample runs/new --prior pixelcnn'")
        assert zoo_here("sample", "runs/new", "--prior", "pixelcnn", "--out", "four.npz").lines == []
        scored = json.loads(zoo_here("evaluate", "runs/new", "--prior", "pixelcnn", "--json").out)
        assert scored["prior"] == "pixelcnn"
        assert scored["scores"]["rate"] < 9 * math.log(8)
        refused = zoo_here("fit", "runs/vae", "--prior", "pixelcnn", code=2)
        assert refused.lines[-1] == (
            "zoo: pixelcnn is fitted to the codes of a codebook, and this run has none; fit another, as gmm"
        )
        assert "does not fit a prior on" in zoo_here("fit", "runs/new", "--prior", "gmm", code=2).lines[-1]
        assert zoo_here("sample", "runs/vae").lines == []
