"""Networks, losses, conditions, bijections and fitted priors with one fault each, beside the sound ones."""

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
    Loss,
    Network,
    Options,
    Player,
    Posterior,
    Site,
    Step,
    Terms,
    ZooError,
)
from zoo.distributions import Distribution, Normal, kl
from zoo_flows.pixels import PixelMap


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
