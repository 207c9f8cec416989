"""A fitted prior in its place: in a model to whose codes it was fitted."""

from __future__ import annotations

__all__ = ["FittedHome"]

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from typing import cast, final

import torch
from torch import Tensor

from zoo.assembly import build_fitted_prior
from zoo.errors import ZooError
from zoo.interfaces import FittedPrior, Model, TakesPrior, given
from zoo.settings import Settings, options_class, resolve
from zoo.testing.check import Failed, NotApplicable
from zoo.testing.models.building import build
from zoo.testing.parts.places import SHAPE, Home, Placed, roughen
from zoo.training.randomness import isolated

CODES = 400
"""How many codes it is fitted to; half as many are held out."""


@final
class FittedHome(Home):
    """A fitted prior with the codes of a model of its plugin, or of a bundled one."""

    @cached_property
    def settings(self) -> Settings:
        """The settings of the first model that takes the prior.

        Raises:
            Failed: If there is none.
        """
        reason = "no model takes a prior"
        for settings in self._candidates():
            try:
                self._with_prior(settings)
            except ZooError as error:
                reason = f"{settings.model.name} says: {error}"
                continue
            return settings
        raise Failed(f"fits no model here ({reason}); bring one whose codes it can be fitted to")

    def _candidates(self) -> Iterator[Settings]:
        """Yield models: the plugin's own, `vae`, those whose posterior names this prior, and the others of ours."""
        own = self.entry.source.distribution
        entries = [
            entry for entry in self.registry.models.entries() if entry.source.ours or entry.source.distribution == own
        ]
        for entry in sorted(entries, key=lambda entry: (entry.source.ours, entry.name != "vae")):
            if "tiny" in entry.item.recipes:
                yield resolve(self.registry, f"{entry.name}.tiny")

    def _with_prior(self, settings: Settings) -> tuple[TakesPrior, FittedPrior]:
        """Build a model and, for it, the prior.

        Raises:
            ZooError: If they do not fit each other.
        """
        model = build(self.registry, settings, SHAPE).eval()
        if not isinstance(model, TakesPrior):
            raise ZooError("it takes no prior")
        prior = self.empty(model)
        model.take_prior(prior)
        return model, prior

    def empty(self, model: TakesPrior) -> FittedPrior:
        """Build the prior as it is before it is fitted."""
        options = options_class(self.entry, self.kind).from_dict(self.options)
        site = replace(model.prior_site, train_size=CODES)
        return build_fitted_prior(self.registry, self.entry.name, options, site).eval()

    @cached_property
    def model(self) -> TakesPrior:
        """The model whose codes it is fitted to, away from its first weights."""
        try:
            settings = self.settings
        except Failed:
            raise NotApplicable("it fits no model; see fits-a-model") from None
        with isolated(0):
            model, _ = self._with_prior(settings)
            roughen(cast(Model, model))
        return model

    @cached_property
    def codes(self) -> Tensor:
        """Codes of random images, `(N, *latent)`: those to fit to, and a half more."""
        with isolated(1), torch.no_grad():
            x = torch.rand(CODES + CODES // 2, *SHAPE)
            told = given(self.model, {"label": torch.arange(len(x)) % 3})
            # Between black and white, so that codes differ.
            q = told.encode(x * torch.rand(len(x), 1, 1, 1))
            # Away from where priors start, where any vector is a code.
            return 4 + 3 * q.sample() if q.support == "real" else q.sample()

    def fit(self, prior: FittedPrior, seed: int = 0) -> FittedPrior:
        """Fit a prior to all codes but those that are held out."""
        with isolated(seed):
            prior.fit(self.codes[:CODES])
        return prior.eval()

    @property
    def held_out(self) -> Tensor:
        """The codes that it is not fitted to."""
        return self.codes[CODES:]

    @cached_property
    def fitted(self) -> FittedPrior:
        """The prior, fitted."""
        return self.fit(self.new())

    def new(self) -> FittedPrior:
        """Build the prior as it is before it is fitted, always the same."""
        with isolated(2):
            return self.empty(self.model)

    def placed(self, *, shape: tuple[int, int, int] = SHAPE, rough: bool = False) -> Placed:
        fitted = self.fitted
        self.model.take_prior(fitted)
        # Together, so that what the prior reads of the posterior is the copy's.
        model, prior = deepcopy((cast(Model, self.model), fitted))
        return Placed(prior, {}, {}, model.double() if rough else model, SHAPE)
