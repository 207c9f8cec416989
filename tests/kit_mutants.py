"""Parts with one fault each, beside the sound ones that they were made from: what the kit has to tell apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import (
    Batch,
    Bijection,
    Condition,
    FittedPrior,
    LatentModel,
    Likelihood,
    Loss,
    Network,
    Options,
    Player,
    Posterior,
    Prior,
    Site,
    Step,
    Terms,
    ZooError,
)
from zoo.distributions import Distribution, Factorised, Normal, kl
from zoo_flows.pixels import PixelMap


class SoundNormal(Normal):
    """A normal whose closed forms and samples faults are put into."""

    def remade(self, loc: Tensor, scale: Tensor, event_ndim: int = 1) -> SoundNormal:
        return type(self)(loc, scale, event_ndim)


class DoubleKl(SoundNormal):
    def kl_to(self, other: Distribution) -> Tensor | None:
        found = super().kl_to(other)
        return None if found is None else 2 * found


class ShiftedKl(SoundNormal):
    def kl_to(self, other: Distribution) -> Tensor | None:
        found = super().kl_to(other)
        return None if found is None else found + 0.2 if type(other) is type(self) else found


class NoSpread(SoundNormal):
    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.loc.expand(*shape, *self.loc.shape)


class HalfSpread(SoundNormal):
    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.loc + 0.5 * self.scale * torch.randn(*shape, *self.loc.shape, dtype=self.loc.dtype)


class Shifted(SoundNormal):
    @property
    def mean(self) -> Tensor:
        return self.loc + 0.3 * self.scale


class Unnormalised(SoundNormal):
    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        return -0.5 * ((value - self.loc) / self.scale) ** 2 - self.scale.log()


class CutScale(SoundNormal):
    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        noise = torch.randn(*shape, *self.loc.shape, dtype=self.loc.dtype)
        return self.loc + self.scale.detach() * noise


class CutSamples(SoundNormal):
    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return super().rsample(shape).detach()


class LiveSamples(SoundNormal):
    def sample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.rsample(shape)


class BatchFirst(SoundNormal):
    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value).movedim(-1, 0) if value.ndim > 2 else super().log_prob(value)


class WrongDraw(SoundNormal):
    def draw(self, shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor | None]:
        z = self.rsample(shape)
        return z, self.log_prob(z) + 1.0


class InfiniteDensity(SoundNormal):
    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        found = super().log_prob_per_unit(value)
        return torch.where(value > self.loc + 2 * self.scale, -torch.inf, found)


class LiveDetached(SoundNormal):
    def detached(self) -> LiveDetached:
        return self


class HotTempered(SoundNormal):
    def tempered(self, temperature: float) -> Normal:
        return Normal(self.loc, self.scale / temperature, self.event_ndim)


class _Head(Posterior):
    family: type[SoundNormal] = SoundNormal

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.latent_shape = (4,)
        self.layer = nn.Linear(site.part("encoder", Network).out_size, 8)

    def forward(self, features: Tensor) -> Distribution:
        mean, logvar = self.layer(features.flatten(1)).chunk(2, dim=-1)
        return self.family(mean, torch.exp(0.5 * logvar))


def head(family: type[SoundNormal]) -> type[Posterior]:
    return type(f"{family.__name__}Head", (_Head,), {"family": family})


HEADS = {
    family.__name__: head(family)
    for family in (
        SoundNormal,
        DoubleKl,
        ShiftedKl,
        NoSpread,
        HalfSpread,
        Shifted,
        Unnormalised,
        CutScale,
        CutSamples,
        LiveSamples,
        BatchFirst,
        WrongDraw,
        InfiniteDensity,
        LiveDetached,
        HotTempered,
    )
}
globals().update({f"{name}Head": value for name, value in HEADS.items()})


class OtherShapeHead(_Head):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__(options, site)
        self.unused = nn.Parameter(torch.zeros(3))


class Stretch(Distribution):
    """The law of sinh of normal codes: a density that comes with the draw, and with an inverse."""

    slope = 1.0

    def __init__(self, base: Normal) -> None:
        self.base = base

    exact_mean = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.base.batch_shape

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.base.event_shape

    @property
    def mean(self) -> Tensor:
        return torch.sinh(self.base.mean)

    def draw(self, shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
        start = self.base.rsample(shape)
        return torch.sinh(start), self.base.log_prob(start) - self.slope * torch.cosh(start).log().sum(-1)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.draw(shape)[0]

    def log_prob(self, value: Tensor) -> Tensor:
        start = torch.asinh(value)
        return self.base.log_prob(start) - self.slope * torch.cosh(start).log().sum(-1)


class MissingLogDet(Stretch):
    slope = 0.0


class StretchHead(_Head):
    def forward(self, features: Tensor) -> Distribution:
        mean, logvar = self.layer(features.flatten(1)).chunk(2, dim=-1)
        return Stretch(Normal(mean, torch.exp(0.5 * logvar)))


class MissingLogDetHead(_Head):
    def forward(self, features: Tensor) -> Distribution:
        mean, logvar = self.layer(features.flatten(1)).chunk(2, dim=-1)
        return MissingLogDet(Normal(mean, torch.exp(0.5 * logvar)))


class NewcomerPrior(Prior):
    """A prior that knows its KL from normals, as one that is newer than they are."""

    factor = 1.0

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(site.part("posterior", Posterior).latent_shape))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Newcomer(self.loc, torch.ones_like(self.loc), self.factor)


class HalfNewcomerPrior(NewcomerPrior):
    factor = 0.5


class Newcomer(Factorised):
    """A standard normal that no other class knows."""

    event_ndim = 1

    def __init__(self, loc: Tensor, scale: Tensor, factor: float) -> None:
        self.normal, self.factor = Normal(loc, scale), factor

    @property
    def mean(self) -> Tensor:
        return self.normal.mean

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.normal.rsample(shape)

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        return self.normal.log_prob_per_unit(value)

    def map(self, change):  # type: ignore[no-untyped-def]  # as the base declares it
        return Newcomer(change(self.normal.loc), change(self.normal.scale), self.factor)

    def kl_from(self, other: Distribution) -> Tensor | None:
        found = other.kl_to(self.normal) if isinstance(other, Normal) else None
        return None if found is None else self.factor * found


class _Pixels(Likelihood):
    values_per_pixel = 1

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()

    def forward(self, values: Tensor) -> Distribution:
        return SoundNormal(torch.sigmoid(values), torch.full_like(values, 0.3), 3)


class SoundPixels(_Pixels):
    pass


class MeanOverPixels(_Pixels):
    def forward(self, values: Tensor) -> Distribution:
        return AveragedNormal(torch.sigmoid(values), torch.full_like(values, 0.3), 3)


class AveragedNormal(SoundNormal):
    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value) / (self.event_shape[-1] * self.event_shape[-2])


class TiedPixels(_Pixels):
    def forward(self, values: Tensor) -> Distribution:
        mean = torch.sigmoid(values - values.mean(0, keepdim=True))
        return SoundNormal(mean, torch.full_like(values, 0.3), 3)


class _Levels(Factorised):
    """A logistic that is cut into 256 grey levels, each with its probability."""

    event_ndim = 3
    off = 0.0
    support = "unit-interval"
    reparameterised = False

    def __init__(self, loc: Tensor) -> None:
        self.loc = loc

    def map(self, change):  # type: ignore[no-untyped-def]  # as the base declares it
        return type(self)(change(self.loc))

    @property
    def mean(self) -> Tensor:
        levels = torch.linspace(0, 1, 256, dtype=self.loc.dtype).reshape(-1, *[1] * self.loc.ndim)
        return (levels * self.log_prob_per_unit(levels.expand(256, *self.loc.shape)).softmax(0)).sum(0)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        uniform = torch.rand(*shape, *self.loc.shape, dtype=self.loc.dtype).clamp(1e-9, 1 - 1e-9)
        return (255 * (self.loc + 0.1 * torch.logit(uniform))).round().clamp(0, 255) / 255

    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        level = (255 * value).round() / 255
        above = torch.where(level >= 1, 1.0, torch.sigmoid((level + 0.5 / 255 - self.loc) / 0.1))
        below = torch.where(level <= 0, 0.0, torch.sigmoid((level - 0.5 / 255 - self.loc) / 0.1))
        return torch.log((above - below).clamp(min=1e-12)) + self.off


class GreyLevels(_Pixels):
    def forward(self, values: Tensor) -> Distribution:
        return _Levels(torch.sigmoid(values))


class _HeavyLevels(_Levels):
    off = 0.1


class HeavyGreyLevels(_Pixels):
    def forward(self, values: Tensor) -> Distribution:
        return _HeavyLevels(torch.sigmoid(values))


class SoundEncoder(Network):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.layer = nn.Linear(site.pixels, 6)
        self.out_shape = (6,)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(x.flatten(1)))


class WrongDeclared(Network):
    """A decoder that says the wrong shape of what it gives."""

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.shape = site.shape
        self.layer = nn.Linear(site.code_size, site.pixels)
        self.out_shape = (site.shape[0], site.shape[2], site.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1)).reshape(-1, *self.shape)


class WrongOutShape(SoundEncoder):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__(options, site)
        self.grey = site.shape[0] == 1

    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x)
        return found if self.grey else torch.cat([found, found], 1)


class EvenSizes(SoundEncoder):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__(options, site)
        if site.shape[1] % 2:
            raise ZooError("images must be even")


class BatchStatistics(SoundEncoder):
    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x)
        return found - 0.5 * found.mean(0)


class Dropping(SoundEncoder):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(super().forward(x), 0.5)


class Counting(SoundEncoder):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__(options, site)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return super().forward(x)


class Unused(SoundEncoder):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__(options, site)
        self.spare = nn.Parameter(torch.zeros(2))


class Cut(SoundEncoder):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


class NoNetwork(nn.Module):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.layer = nn.Linear(site.pixels, 6)
        self.out_shape, self.out_size = (6,), 6

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))

    def prepare(self, batch: Batch) -> None:
        return None


class SoundLoss(Loss):
    weight, counts = 1.0, 1.0

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()

    def rate_weight(self, step: Step) -> float | None:
        return 1.0

    def averaged(self, values: Tensor) -> Tensor:
        return values.mean()

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q = model.encode(batch.x)
        z, log_q = q.draw()
        distortion = -self.averaged(model.decode(z).log_prob(batch.x))
        rate = self.counts * self.averaged(kl(q, model.prior_distribution(), z, log_q))
        return Terms(distortion + self.weight * rate, {"distortion": distortion, "rate": rate})


class HalfRate(SoundLoss):
    counts = 0.5


class WrongWeight(SoundLoss):
    weight = 2.0


class SummedLoss(SoundLoss):
    def averaged(self, values: Tensor) -> Tensor:
        return values.sum()


class VectorTerm(SoundLoss):
    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        terms = super().forward(model, batch, step)
        return Terms(terms.loss, {**terms.logs, "each": batch.x.flatten(1).sum(1)})


class Critic(SoundLoss):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__(options, site)
        self.critic = nn.Linear(site.part("posterior", Posterior).latent_size, 1)

    def players(self) -> dict[str, Player]:
        return {"critic": Player(dict(self.critic.named_parameters()))}

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        terms = super().forward(model, batch, step)
        return Terms(terms.loss, terms.logs, {"critic": self.judged(model.encode(batch.x).sample())})

    def judged(self, z: Tensor) -> Tensor:
        return self.critic(z).square().mean()


class LazyCritic(Critic):
    def judged(self, z: Tensor) -> Tensor:
        return F.linear(z, self.critic.weight).square().mean()


class SilentCritic(Critic):
    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        terms = super().forward(model, batch, step)
        return Terms(terms.loss, terms.logs)


class SoundCondition(Condition):
    classes = 10

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.size = 10

    def forward(self, y: dict[str, Tensor]) -> Tensor:
        if "label" not in y:
            raise ZooError("there is no label")
        if int(y["label"].max()) >= 10:
            raise ZooError("labels are 0 to 9")
        return F.one_hot(y["label"], 10).float()

    def sample(self, n: int, label: int | None = None) -> dict[str, Tensor]:
        if label is not None and label >= 10:
            raise ZooError("labels are 0 to 9")
        return {"label": torch.randint(10, (n,)) if label is None else torch.full((n,), label)}


class WrongSize(SoundCondition):
    def __init__(self, options: Options, site: Site) -> None:
        super().__init__(options, site)
        self.short = nn.Identity()

    def forward(self, y: dict[str, Tensor]) -> Tensor:
        return F.one_hot(super().forward(y).argmax(1), 11).float()


class DeafCondition(SoundCondition):
    def sample(self, n: int, label: int | None = None) -> dict[str, Tensor]:
        return super().sample(n, None if label is not None and label < 10 else label)


class RudeCondition(SoundCondition):
    def forward(self, y: dict[str, Tensor]) -> Tensor:
        return F.one_hot(y["label"].clamp(max=9), 10).float()


class SoundMap(PixelMap):
    """h = logit(0.01 + 0.98 y), with its determinant."""

    short = 0.0

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        inside = 0.01 + 0.98 * y
        slope = 0.98 / (inside * (1 - inside))
        return torch.logit(inside), (slope.log() - self.short).flatten(1).sum(1)

    def inverse(self, h: Tensor) -> Tensor:
        return (torch.sigmoid(h) - 0.01) / 0.98


class ShortMap(SoundMap):
    short = 0.1


class LostMap(SoundMap):
    def inverse(self, h: Tensor) -> Tensor:
        return torch.sigmoid(h)


assert issubclass(SoundMap, Bijection)


class SoundFit(FittedPrior):
    """Independent normals."""

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        shape = site.part("posterior", Posterior).latent_shape
        self.register_buffer("loc", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def fit(self, codes: Tensor) -> None:
        if len(codes) < 2:
            raise ZooError("too few codes")
        self.loc.copy_(codes.mean(0))
        self.scale.copy_(codes.std(0))

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Normal(self.loc, self.scale)


class ForgetfulFit(SoundFit):
    """What the fit finds is in no buffer."""

    shift = 0.0

    def fit(self, codes: Tensor) -> None:
        super().fit(codes)
        self.found = self.loc.clone()
        self.loc.zero_()

    def forward(self, c: Tensor | None = None) -> Distribution:
        return Normal(getattr(self, "found", self.loc), self.scale)


class IdleFit(SoundFit):
    def fit(self, codes: Tensor) -> None:
        if len(codes) < 2:
            raise ZooError("too few codes")


class ForeignFit(SoundFit):
    def fit(self, codes: Tensor) -> None:
        import random

        super().fit(codes)
        self.loc += 1e-3 * random.random()


class GrimFit(SoundFit):
    def fit(self, codes: Tensor) -> None:
        self.loc.copy_(codes.mean(0))
        self.scale.copy_((codes - self.loc).square().mean(0).sqrt())
