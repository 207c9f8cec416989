"""Distributions with one fault each, beside the sound ones, and the parts that return them: for tests of the kit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo import Likelihood, Network, Options, Posterior, Prior, Site
from zoo.distributions import Distribution, Factorised, Normal


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

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_prob_per_unit(value).sum(-1)


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
