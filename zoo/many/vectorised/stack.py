"""The weights of many models in one tensor each, of which every model has its part."""

from __future__ import annotations

__all__ = ["Stack"]

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from zoo.interfaces import Model
from zoo.many.vectorised.noise import Unfit


class Stack:
    """Parameters and buffers of models of one kind, stacked; the models' own are views of them from then on.

    So a model is saved, loaded, validated and optimised as if it were alone, and what changes in it changes in the
    stack.

    Arguments:
        models: The models.

    Raises:
        Unfit: If their weights are not of the same names, shapes and layouts.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        parameters = [dict(model.named_parameters()) for model in models]
        buffers = [dict(model.named_buffers()) for model in models]
        _check(parameters)
        _check(buffers)
        self.parameters = {name: _stacked([one[name] for one in parameters]) for name in parameters[0]}
        self.buffers = {name: _stacked([one[name] for one in buffers]) for name in buffers[0]}
        for value in self.parameters.values():
            value.requires_grad_()
        self._names = [{id(value): name for name, value in one.items()} for one in parameters]

    def names(self, model: int, parameters: Mapping[str, Tensor]) -> list[str]:
        """Return what the model calls parameters that somebody else has names for."""
        return [self._names[model][id(parameter)] for parameter in parameters.values()]


def _check(each: Sequence[Mapping[str, Tensor]]) -> None:
    first = {name: (value.shape, value.stride(), value.dtype, value.device) for name, value in each[0].items()}
    for one in each[1:]:
        if {name: (value.shape, value.stride(), value.dtype, value.device) for name, value in one.items()} != first:
            raise Unfit("its weights are not of one shape in all runs")


@torch.no_grad()
def _stacked(values: Sequence[Tensor]) -> Tensor:
    """Return values as one tensor, each in its own layout, and put its views in their place."""
    like = values[0]
    whole = torch.empty_strided(
        (len(values), *like.shape), (_extent(like), *like.stride()), dtype=like.dtype, device=like.device
    )
    for part, value in zip(whole, values, strict=True):
        part.copy_(value)
        value.data = part
    return whole


def _extent(value: Tensor) -> int:
    """Return how many places in memory a tensor spans."""
    return 1 + sum((size - 1) * stride for size, stride in zip(value.shape, value.stride(), strict=True))
