"""Discrete latents: codebooks, rounding, their gradients and rates, against computation by hand."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Done, scores_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
import zoo.data.glyphs
from zoo import Batch, DataOptions, Network, Options, Site, Step, ZooError
from zoo.compositions.autoencoder import Autoencoder
from zoo.distributions import fits, kl
from zoo.experiment import resume
from zoo.figures.gallery import draw_gallery
from zoo.registry import load_registry
from zoo.training.progress import Silent
from zoo_quantised.distributions import Quantised, UniformCodes
from zoo_quantised.fsq import FsqPosterior
from zoo_quantised.options import FsqOptions, VqOptions
from zoo_quantised.priors import UniformCodesPrior
from zoo_quantised.quantiser import straight_through
from zoo_quantised.usage import CodeUsage
from zoo_quantised.vq import VqPosterior

START = Step.of(0, 0, 0)
GLYPHS: dict[str, Any] = {"data": "glyphs", "limit": 60, "batch_size": 25, "device": "cpu"}
TINY = ["vq-vae.tiny", "fsq-vae.tiny"]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working folder, where runs draw no figures and are scored on 50 images."""
    load = zoo.data.glyphs.load

    def fewer(argument: str | None, options: DataOptions) -> zoo.ImageSet:
        images = load(argument, options)
        return dataclasses.replace(images, test=images.test[:50])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.data.glyphs.load", fewer)
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
    return tmp_path


class Given(Network):
    """An encoder whose features are the image: two numbers at each place."""

    def __init__(self, plane: tuple[int, int]) -> None:
        super().__init__()
        self.out_shape = (2, *plane)

    def forward(self, x: Tensor) -> Tensor:
        return x


def identity(head: VqPosterior | FsqPosterior) -> None:
    """Let the head quantise the features as they are."""
    with torch.no_grad():
        head.layer.weight.copy_(torch.eye(2)[..., None, None])
        head.layer.bias.zero_()


def vq(at: Tensor | None = None, plane: tuple[int, int] = (2, 3), **options: Any) -> VqPosterior:
    """A posterior over places of two numbers, in double precision, whose codes lie where they are told to."""
    size = {} if at is None else {"codes": len(at)}
    options = {"code_dim": 2, "codes": 4, "start": "random", "revive": 0.0, **size, **options}
    head = VqPosterior(VqOptions(**options), Site((2, *plane), 100, {"encoder": Given(plane)})).double()
    identity(head)
    if at is not None:
        head.book.codes.data.copy_(at)
        head.book.totals.copy_(at)
    return head


def fsq(*levels: int, plane: tuple[int, int] = (2, 3)) -> FsqPosterior:
    head = FsqPosterior(FsqOptions(levels=levels), Site((2, *plane), 100, {"encoder": Given(plane)}))
    if len(levels) == 2:
        identity(head)
    return head


def batch_of(x: Tensor) -> Batch:
    return Batch(x, {}, torch.arange(len(x)))


def encode(head: VqPosterior | FsqPosterior, x: Tensor) -> Quantised:
    q = head(x)
    assert isinstance(q, Quantised)
    return q


def places(x: Tensor) -> Tensor:
    """The vectors of maps `(B, D, h, w)`, `(B * h * w, D)`."""
    return x.movedim(1, -1).reshape(-1, x.shape[1])


def close(found: Tensor, wanted: Tensor | float, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(found, torch.as_tensor(wanted, dtype=found.dtype), rtol=tolerance, atol=tolerance)


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name, value in first.items() if not value.equal(second[name])] == []


def tiny(name: str, shape: tuple[int, int, int] = (1, 12, 12), **options: Any) -> Autoencoder:
    model = zoo.build(name, shape, train_size=100, **options)
    assert isinstance(model, Autoencoder)
    return model


SQUARE = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


class TestCodes:
    @pytest.mark.parametrize("training", [True, False])
    def test_are_the_nearest(self, training: bool) -> None:
        head, x = vq(SQUARE).train(training), torch.randn(5, 2, 2, 3).double()
        q = encode(head, x)
        nearest = torch.cdist(places(x), SQUARE.double()).argmin(1)
        assert q.indices.flatten().equal(nearest)
        assert places(q.rsample()).equal(SQUARE.double()[nearest])
        assert q.mean.equal(q.rsample())
        assert q.mean.shape == x.shape

    def test_samples_have_leading_shapes(self) -> None:
        q = encode(vq(SQUARE), torch.rand(5, 2, 2, 3).double())
        assert q.rsample((3, 1)).shape == (3, 1, 5, 2, 2, 3)
        assert q.log_prob(q.rsample((3,))).equal(torch.zeros(3, 5).double())
        assert (q.log_prob(q.mean + 1) == -math.inf).all()

    def test_lookup_is_what_was_encoded(self) -> None:
        head = vq(SQUARE)
        q = encode(head.eval(), torch.randn(5, 2, 2, 3).double())
        assert head.lookup(q.indices).equal(q.mean)

    def test_usage_and_perplexity(self) -> None:
        """Six places: three of the first code, two of the second, one of the third, none of the fourth."""
        indices = torch.tensor([0, 0, 0, 1, 1, 2])
        x = places_to_map(SQUARE[indices])
        extras = encode(vq(SQUARE).eval(), x).extras
        entropy = -sum(p * math.log(p) for p in (3 / 6, 2 / 6, 1 / 6))
        close(extras["usage"], 3 / 4)
        close(extras["perplexity"], math.exp(entropy), 1e-6)
        close(extras["commitment"], 0.0)

    def test_uniform_use_has_the_largest_perplexity(self) -> None:
        q = Quantised(torch.zeros(2, 1, 4, 4), torch.arange(32).reshape(2, 4, 4), 32)
        close(q.extras["perplexity"], 32.0, 1e-5)
        close(q.extras["usage"], 1.0)


def places_to_map(vectors: Tensor, plane: tuple[int, int] = (2, 3)) -> Tensor:
    """Vectors `(B * h * w, 2)` as maps in double precision."""
    return vectors.double().reshape(-1, *plane, 2).movedim(-1, 1)


class TestGradients:
    def test_pass_straight_through(self) -> None:
        x = torch.randn(5, 2, 2, 3).double().requires_grad_()
        weight = torch.randn(5, 2, 2, 3).double()
        (encode(vq(SQUARE, commitment=0.0), x).rsample() * weight).sum().backward()
        assert x.grad is not None
        close(x.grad, weight)

    @settings(deadline=None, max_examples=30)
    @given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
    def test_straight_through_is_exact(self, code: float, source: float) -> None:
        found = straight_through(torch.tensor(code), torch.tensor(source))
        assert found.equal(torch.tensor(code))

    def test_commitment_pulls_vectors_alone(self) -> None:
        """d/df of beta * mean over places of |f - e|² is 2 beta (f - e) / n."""
        head, x = vq(SQUARE, commitment=0.7), torch.randn(5, 2, 2, 3).double().requires_grad_()
        q = encode(head, x)
        assert q.penalty is not None
        distance = ((places(x) - places(q.mean)) ** 2).sum(1).mean()
        close(q.penalty, 0.7 * distance.detach())
        close(q.extras["commitment"], 0.7 * distance.detach())
        q.penalty.backward()
        assert x.grad is not None
        close(x.grad, 2 * 0.7 * (x - q.mean).detach() / 30)
        assert not list(head.book.parameters())

    def test_codebook_is_pulled_to_its_vectors(self) -> None:
        """d/de_k of mean over places of |f - e|² is 2 sum over those that chose k of (e_k - f) / n."""
        head, x = vq(SQUARE, codebook="gradient", commitment=0.0), torch.randn(5, 2, 2, 3).double().requires_grad_()
        q = encode(head, x)
        assert q.penalty is not None
        q.penalty.backward()
        vectors, chosen = places(x).detach(), q.indices.flatten()
        wanted = torch.stack([2 * (SQUARE[k].double() - vectors[chosen == k]).sum(0) / 30 for k in range(4)])
        (parameter,) = head.book.parameters()
        close(parameter.grad, wanted)
        close(x.grad, torch.zeros_like(x))

    def test_distortion_does_not_reach_the_codebook(self) -> None:
        head = vq(SQUARE, codebook="gradient")
        (encode(head, torch.randn(5, 2, 2, 3).double()).rsample() ** 2).sum().backward()
        assert next(head.book.parameters()).grad is None

    def test_the_loss_is_distortion_and_penalties(self) -> None:
        model = tiny("vq-vae.tiny", codebook="gradient")
        terms = model.loss(batch_of(torch.rand(5, 1, 12, 12)), START)
        parts = sum(terms.logs[name] for name in ("distortion", "commitment", "codebook"))
        close(terms.loss, parts, 1e-5)


class TestRunningMeans:
    @pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
    def test_equal_the_update_by_hand(self, decay: float) -> None:
        """Appendix A.1: N <- g N + (1 - g) n, m <- g m + (1 - g) sum f, e = m / N; counts start at one."""
        head = vq(SQUARE, decay=decay).train()
        count, total = torch.ones(4).double(), SQUARE.double().clone()
        for _ in range(3):
            x = torch.rand(40, 2, 2, 3).double()
            vectors, chosen = places(x), encode(head, x).indices.flatten()
            assert chosen.equal(torch.cdist(vectors, (total / count[:, None])).argmin(1))
            one_hot = nn.functional.one_hot(chosen, 4).double()
            count = decay * count + (1 - decay) * one_hot.sum(0)
            total = decay * total + (1 - decay) * one_hot.T @ vectors
            # The library smooths counts by 1e-5.
            close(head.codebook, total / count[:, None], 1e-5)

    def test_codes_are_chosen_before_they_move(self) -> None:
        head = vq(SQUARE, decay=0.0).train()
        q = encode(head, torch.rand(40, 2, 2, 3).double())
        assert set(map(tuple, places(q.mean).tolist())) == set(map(tuple, SQUARE.tolist()))
        assert not head.codebook.equal(SQUARE.double())

    @pytest.mark.parametrize("codebook", ["ema", "gradient"])
    def test_evaluation_moves_nothing(self, codebook: str) -> None:
        head = vq(codebook=codebook, revive=0.5).eval()
        before = {name: value.clone() for name, value in head.state_dict().items()}
        encode(head, torch.rand(9, 2, 2, 3).double())
        same(head.state_dict(), before)

    @pytest.mark.parametrize("codebook", ["ema", "gradient"])
    @pytest.mark.parametrize("revive", [0.0, 0.1])
    def test_dead_codes_revive(self, codebook: str, revive: float) -> None:
        """Three codes lie where no vector is; with a threshold they become vectors of the batch."""
        far = torch.tensor([[0.5, 0.5], [50.0, 50.0], [60.0, 50.0], [50.0, 60.0]])
        head = vq(far, codebook=codebook, revive=revive, decay=0.5).train()
        for _ in range(20):
            x = torch.rand(8, 2, 2, 3).double()
            encode(head, x)
        alive = int((head.codebook < 2).all(1).sum())
        assert alive == (4 if revive else 1)
        if revive:
            assert float(encode(head.eval(), x).extras["usage"]) == 1.0

    def test_revival_does_not_depend_on_the_size_of_batches(self) -> None:
        """Codes that all are used alike are never dead, however few vectors a batch has."""
        for count in (1, 8):
            head = vq(SQUARE, revive=0.5, decay=0.0).train()
            x = places_to_map(SQUARE.repeat(count, 1), (2, 2))
            for _ in range(5):
                encode(head, x)
            close(head.codebook, SQUARE.double(), 1e-4)


class TestStart:
    def test_codes_are_means_of_the_vectors_that_choose_them(self) -> None:
        head = vq(codes=3, start="k-means")
        x = torch.randn(20, 2, 2, 3).double()
        head.prepare(batch_of(x))
        chosen = encode(head.eval(), x).indices.flatten()
        for k in range(3):
            close(head.codebook[k], places(x)[chosen == k].mean(0), 0.05)
        spread = torch.cdist(places(x), head.codebook).amin(1).square().mean()
        assert spread < 0.6 * places(x).var(0).sum()

    def test_it_happens_once(self) -> None:
        head = vq(start="k-means")
        head.prepare(batch_of(torch.randn(20, 2, 2, 3).double()))
        before = head.codebook.clone()
        head.prepare(batch_of(torch.randn(20, 2, 2, 3).double()))
        assert head.codebook.equal(before)

    def test_it_draws_from_torchs_generator(self) -> None:
        books = []
        for seed in (1, 1, 2):
            torch.manual_seed(0)
            model = tiny("vq-vae.tiny")
            torch.manual_seed(seed)
            model.prepare(batch_of(torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(3))))
            books.append(model.encoder.head.codebook.clone())
        assert books[0].equal(books[1])
        assert not books[0].equal(books[2])

    @pytest.mark.parametrize("codebook", ["ema", "gradient"])
    @pytest.mark.parametrize("count", [1, 2])
    def test_fewer_vectors_than_codes(self, codebook: str, count: int, capfd: pytest.CaptureFixture[str]) -> None:
        model = tiny("vq-vae.tiny", codebook=codebook, **{"encoder.norm": "group", "decoder.norm": "group"})
        batch = batch_of(torch.rand(count, 1, 12, 12))
        model.prepare(batch)
        for _ in range(3):
            assert model.loss(batch, START).loss.isfinite()
        assert model.encoder.head.codebook.isfinite().all()
        assert capfd.readouterr() == ("", "")

    def test_evaluation_before_training_starts_nothing(self) -> None:
        model = tiny("vq-vae.tiny").eval()
        before = model.encoder.head.codebook.clone()
        model.reconstruct(torch.rand(2, 1, 12, 12))
        assert model.encoder.head.codebook.equal(before)
        assert not model.encoder.head.started


class TestFiniteScalars:
    @pytest.mark.parametrize("levels", [(3, 3), (4, 5), (8, 7), (16, 9)])
    def test_equal_the_paper(self, levels: tuple[int, int]) -> None:
        """Appendix A.1: round(tanh(z + shift) * half - offset) / (L // 2), whatever the sign of its epsilon."""
        x = 3 * torch.randn(200, 2, 2, 3)
        q = encode(fsq(*levels), x)
        for i, count in enumerate(levels):
            half, offset = (count - 1) * (1 - 1e-3) / 2, 0.5 * (count % 2 == 0)
            bounded = torch.tanh(x[:, i] + math.atanh(offset / half)) * half - offset
            wanted = bounded.round() / (count // 2)
            # Near the middle between two levels the two epsilons may round apart.
            sure = ((bounded % 1) - 0.5).abs() > 0.03
            close(q.mean[:, i][sure], wanted[sure], 1e-6)
            assert len(q.mean[:, i].unique()) == count

    @pytest.mark.parametrize("levels", [(3,), (8, 6, 5), (4, 3), (7, 5, 5, 5)])
    def test_codes_are_the_product_of_levels(self, levels: tuple[int, ...]) -> None:
        head = fsq(*levels)
        assert len(head.codebook) == math.prod(levels)
        assert len(head.codebook.unique(dim=0)) == math.prod(levels)
        assert head.latent_shape == (len(levels), 2, 3)

    def test_indices_name_the_codes(self) -> None:
        head = fsq(8, 5)
        q = encode(head, 2 * torch.randn(50, 2, 2, 3))
        assert q.indices.unique().numel() == 40
        assert head.lookup(q.indices).equal(q.mean)
        assert q.penalty is None

    def test_gradient_is_that_of_the_bound(self) -> None:
        x = torch.randn(5, 2, 2, 3, dtype=torch.float32, requires_grad=True)
        encode(fsq(5, 5), x).rsample().sum().backward()
        # 1 + eps is the library's; the paper's code has 1 - eps.
        close(x.grad, (2 * 1.001 / 2) * (1 - torch.tanh(x.detach()) ** 2), 1e-5)

    @pytest.mark.parametrize(("levels", "said"), [((), "1 codes"), ((1000, 1000, 1000), "1,000,000,000 codes")])
    def test_no_levels_and_too_many_name_the_mend(self, levels: tuple[int, ...], said: str) -> None:
        with pytest.raises(ZooError, match=f"{said}.*such as 8,6,5"):
            tiny("fsq-vae.tiny", levels=levels)

    def test_two_levels_are_refused(self) -> None:
        with pytest.raises(ZooError, match="levels must be at least 3"):
            tiny("fsq-vae.tiny", levels=(2, 2))


class TestPrior:
    def test_rate_is_exact(self) -> None:
        q = encode(vq(SQUARE), torch.rand(5, 2, 2, 3).double())
        p = UniformCodes(SQUARE.double(), (2, 3))
        assert kl(q, p, q.rsample()).equal(torch.full((5,), 6 * math.log(4), dtype=torch.float64))
        assert fits(q, p)
        assert p.event_shape == q.event_shape

    @pytest.mark.parametrize("head", [vq(SQUARE), fsq(4, 5)], ids=["vq", "fsq"])
    def test_samples_are_codes_drawn_alike(self, head: VqPosterior | FsqPosterior) -> None:
        parts = {"encoder": Given((2, 3)), "posterior": head}
        p = UniformCodesPrior(Options(), Site((2, 2, 3), 100, parts))()
        z = p.sample((2000,))
        assert z.shape == (2000, 2, 2, 3)
        found = torch.cdist(places(z), head.codebook)
        assert (found.amin(1) == 0).all()
        counts = torch.bincount(found.argmin(1), minlength=len(head.codebook)) / len(found)
        spread = math.sqrt(1 / len(head.codebook) / len(found))
        assert ((counts - 1 / len(head.codebook)).abs() < 5 * spread).all()
        assert p.mean.shape == p.event_shape == head.latent_shape

    @pytest.mark.parametrize("name", TINY)
    def test_elbo_is_the_likelihood_less_the_bits(self, name: str) -> None:
        model = tiny(name, likelihood="bernoulli", loss="elbo").eval()
        x = torch.rand(6, 1, 12, 12).round()
        scores = scores_of(model, batch_of(x), START)
        codes, places = len(model.encoder.head.codebook), 9
        assert scores["rate"] == pytest.approx(places * math.log(codes), rel=1e-6)
        with torch.no_grad():
            likelihood = model.decode(model.encode(x).mean).log_prob(x).mean()
        assert scores["elbo"] == pytest.approx(float(likelihood) - places * math.log(codes), rel=1e-5)

    def test_has_no_weights_of_its_own(self) -> None:
        model = tiny("vq-vae.tiny")
        assert not list(model.prior.state_dict())
        assert [name for name in model.state_dict() if name.startswith("prior")] == []

    def test_follows_the_codebook(self) -> None:
        model = tiny("vq-vae.tiny")
        model.prepare(batch_of(torch.rand(6, 1, 12, 12)))
        p = model.prior_distribution()
        assert isinstance(p, UniformCodes)
        assert p.codebook.equal(model.encoder.head.codebook)


class TestUsage:
    def test_codes_of_all_images_are_counted(self) -> None:
        """Blocks that use different codes add up, and perplexity is that of the sum."""
        model = tiny("vq-vae.tiny", codes=8).eval()
        blocks = [batch_of(torch.rand(5, 1, 12, 12)), batch_of(torch.zeros(2, 1, 12, 12))]
        found = CodeUsage(Options(), zoo.Subject(model, START, lambda: iter(blocks))).compute()
        with torch.no_grad():
            indices = torch.cat([model.encode(batch.x).indices.flatten() for batch in blocks])
        share = torch.bincount(indices, minlength=8) / len(indices)
        assert found.value == (share > 0).double().mean()
        assert found.details["perplexity"] == pytest.approx(float(torch.special.entr(share).sum().exp()), rel=1e-6)
        assert (found.details["codes"], found.details["places"]) == (8, len(indices))

    def test_what_has_no_codes_says_so(self) -> None:
        model = zoo.build("vae.tiny", (1, 12, 12)).eval()
        found = CodeUsage(
            Options(), zoo.Subject(model, START, lambda: iter([batch_of(torch.rand(2, 1, 12, 12))]))
        ).compute()
        assert (found.value, found.reason) == (None, "a Normal posterior has no codes to count")


class TestFitting:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"prior": "normal"}, "a posterior on a codebook does not fit a prior on the real line"),
            ({"posterior": "normal"}, "uniform-codes needs a posterior with a codebook; add --posterior vq, or fsq"),
            ({"encoder": "conv"}, "needs an encoder that keeps the places; add --encoder resnet"),
            ({"decoder.channels": (8,)}, "the code is a map of 3×3 and this decoder starts from 6×6"),
        ],
    )
    @pytest.mark.parametrize("name", TINY)
    def test_what_does_not_fit_names_the_mend(self, name: str, options: dict[str, Any], said: str) -> None:
        if "encoder" in options:
            options = {**options, "encoder.channels": (8, 16)}
        # The rest of the recipe's options went with the parts that had them.
        model = name.partition(".")[0]
        with pytest.raises(ZooError, match=said):
            zoo.build(model, (1, 12, 12), **options)

    @pytest.mark.parametrize("decoder", ["mlp", "conv", "linear", "resnet"])
    @pytest.mark.parametrize("name", ["vq-vae", "fsq-vae"])
    def test_codes_go_with_every_decoder(self, name: str, decoder: str) -> None:
        check(zoo.build(name, (2, 13, 10), decoder=decoder), (2, 13, 10))

    @pytest.mark.parametrize("posterior", ["normal", "delta", "gamma"])
    def test_residual_nets_go_with_every_posterior(self, posterior: str) -> None:
        prior = "gamma" if posterior == "gamma" else "normal"
        parts = {"encoder": "resnet", "decoder": "resnet", "posterior": posterior, "prior": prior}
        check(zoo.build("conv-vae", (2, 13, 10), **parts), (2, 13, 10))

    @pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "laplace", "continuous-bernoulli"])
    def test_codes_go_with_every_likelihood(self, likelihood: str) -> None:
        check(zoo.build("vq-vae.tiny", (1, 12, 12), likelihood=likelihood, loss="elbo"), (1, 12, 12))

    @settings(deadline=None, max_examples=25)
    @given(
        shape=st.tuples(st.integers(1, 4), st.integers(8, 40), st.integers(8, 40)),
        kernel=st.sampled_from([3, 4, 5]),
        stride=st.sampled_from([1, 2, 3]),
        channels=st.lists(st.integers(2, 6), min_size=1, max_size=3),
        blocks=st.integers(0, 2),
        norm=st.sampled_from(["batch", "group", "none"]),
        name=st.sampled_from(["vq-vae", "fsq-vae", "vq-vae.tiny"]),
    )
    def test_shapes_come_out_exactly(
        self,
        shape: tuple[int, int, int],
        kernel: int,
        stride: int,
        channels: list[int],
        blocks: int,
        norm: str,
        name: str,
    ) -> None:
        both = {"kernel": kernel, "stride": stride, "channels": channels, "blocks": blocks, "norm": norm}
        options = {f"{role}.{key}": value for role in ("encoder", "decoder") for key, value in both.items()}
        if not has_room(shape, kernel, stride, len(channels)):
            with pytest.raises(ZooError, match="too small"):
                zoo.build(name, shape, **options)
            return
        check(zoo.build(name, shape, **options), shape)


def has_room(shape: tuple[int, int, int], kernel: int, stride: int, count: int) -> bool:
    side = min(shape[1:])
    for _ in range(count):
        room = side + 2 * ((kernel - 1) // 2) - kernel
        if room < 0:
            return False
        side = room // stride + 1
    return True


def check(model: zoo.Model, shape: tuple[int, int, int]) -> None:
    """Check that a model trains, feels every parameter, and that shapes come out."""
    assert isinstance(model, Autoencoder)
    x = torch.rand(3, *shape)
    with torch.no_grad():
        model.prepare(batch_of(x))
    terms = model.loss(batch_of(x), START)
    terms.loss.backward()
    assert all(value.isfinite() for value in terms.logs.values())
    assert [name for name, value in model.named_parameters() if value.grad is None] == []
    model.eval()
    q = model.encode(x)
    assert q.event_shape == model.prior_distribution().event_shape == model.latent_shape
    assert model.decode(q.rsample((2,))).log_prob(x).shape == (2, 3)
    assert model.sample(2).shape == (2, *shape)
    assert model.reconstruct(x[:1]).shape == (1, *shape)


RUNS: list[tuple[str, dict[str, Any]]] = [
    ("vq-vae.tiny", {}),
    ("vq-vae.tiny", {"codebook": "gradient", "start": "random"}),
    ("vq-vae.tiny", {"codes": 256, "revive": 0.5, "decay": 0.8}),
    ("fsq-vae.tiny", {}),
]


class TestRuns:
    @pytest.mark.parametrize(("name", "options"), RUNS)
    def test_a_seed_decides_every_bit_and_a_file_holds_it(
        self, name: str, options: dict[str, Any], plain: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live: list[Any] = []
        save = zoo.experiment.save_model
        monkeypatch.setattr(
            zoo.experiment, "save_model", lambda path, model, facts: (live.append(model), save(path, model, facts))
        )
        first, again = (zoo.train(name, out=f"run-{i}", epochs=2, **options, **GLYPHS) for i in range(2))
        assert first.model is not None
        same(first.model.state_dict(), live[0].state_dict())
        same(first.model.state_dict(), live[1].state_dict())
        assert first.scores["mse"] == again.scores["mse"]
        x = torch.rand(4, 1, 28, 28)
        assert first.model.reconstruct(x).equal(live[0].reconstruct(x))
        torch.manual_seed(5)
        samples = first.model.sample(4)
        torch.manual_seed(5)
        assert live[0].sample(4).equal(samples)
        found = zoo.evaluate(first.path)
        assert {key: found[key] for key in first.scores} == first.scores

    @pytest.mark.parametrize(("name", "options"), RUNS)
    def test_resumed_equals_straight(self, name: str, options: dict[str, Any], plain: Path) -> None:
        """With a learning rate that does not depend on the length of the run."""
        straight = zoo.train(name, epochs=2, lr=1e-3, **options, **GLYPHS)
        zoo.train(name, epochs=1, lr=1e-3, out="short", **options, **GLYPHS)
        torch.manual_seed(99)
        longer, _ = resume(load_registry(), "short", Silent(), epochs=2)
        assert straight.model is not None
        assert longer.model is not None
        same(longer.model.state_dict(), straight.model.state_dict())
        assert longer.records()[-1]["train"] == straight.records()[-1]["train"]

    def test_weights_that_are_read_bring_their_codes(self, plain: Path) -> None:
        first = zoo.train("vq-vae.tiny", out="first", epochs=1, **GLYPHS)
        second = zoo.train("vq-vae.tiny", epochs=1, lr=1e-12, decay=0.999, init_from="first", **GLYPHS)
        assert first.model is not None
        assert second.model is not None
        books = [run.model.encoder.head.codebook for run in (first, second)]
        torch.testing.assert_close(books[1], books[0], rtol=0.1, atol=0.05)

    def test_averaged_weights_and_validation(self, plain: Path) -> None:
        run = zoo.train("vq-vae.tiny", epochs=2, ema=0.9, val_fraction=0.2, **GLYPHS)
        record = run.records()[-1]
        for terms in (record["train"], record["validation"]):
            assert {"loss", "distortion", "commitment", "usage", "perplexity"} <= terms.keys()
            assert 0 < terms["usage"] <= 1
            assert 1 <= terms["perplexity"] <= 32

    @pytest.mark.parametrize("name", TINY)
    def test_pictures_between_codes_are_left_out(self, name: str, tmp_path: Path) -> None:
        model = tiny(name).eval()
        assert not model.continuous
        draw_gallery(tmp_path / "figures", model, [batch_of(torch.rand(40, 1, 12, 12))], [], {}, "x")
        drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
        assert drawn == ["latent.png", "reconstructions.png", "samples.png"]


ROOT = Path(__file__).resolve().parent.parent


def test_the_command_line(zoo_here: Callable[..., Done], small: str) -> None:
    words = ("train", "vq-vae.tiny", "--data", small, "--codes", "8", "--epochs", "2", "--out", "run")
    done = zoo_here(*words)
    assert "perplexity" in done.err + done.out
    zoo_here("sample", "run", "-n", "4", "--out", "four.png")
    assert Path("four.png").is_file()
    found = json.loads(zoo_here("evaluate", "run", "--json").out)["scores"]
    assert found["rate"] == pytest.approx(9 * math.log(8))
    refused = zoo_here("interpolate", "run", code=2)
    assert "no codes between codes" in refused.lines[-1]
