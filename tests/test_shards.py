"""Who moves which weights, in processes that are told apart by their rank alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from zoo.distributed.shards import Shards
from zoo.distributed.world import World
from zoo.interfaces import Player
from zoo.training.options import TrainOptions
from zoo.training.players import Optimisers


class Imagined(World):
    """A process that nobody answers."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size

    def _unheard(self, *_: object) -> object:
        raise AssertionError("nobody is there")

    sum = add = gather = spread = follow = hear = hear_all = wait_for_first = close = _unheard  # type: ignore[assignment]  # of no use here


def weights(*sizes: int) -> list[nn.Parameter]:
    return [nn.Parameter(torch.zeros(size)) for size in sizes]


@given(st.lists(st.integers(0, 500), min_size=1, max_size=12), st.integers(1, 5))
def test_each_weight_is_moved_by_one_process(sizes: list[int], count: int) -> None:
    parameters = weights(*sizes)
    shards = [Shards(Imagined(rank, count), parameters) for rank in range(count)]
    own = [each.own(parameters) for each in shards]
    assert sorted(id(one) for each in own for one in each) == sorted(map(id, parameters))
    assert len({tuple(each.owners(parameters)) for each in shards}) == 1
    loads = [sum(one.numel() for one in each) for each in own]
    assert max(loads) - min(loads) <= max(sizes)


def test_a_weight_of_two_players_is_moved_by_one_process() -> None:
    first, second = weights(3, 4)
    shards = Shards(Imagined(0, 2), [first, second, first])
    assert shards.owners([first, second, first]) == [1, 0, 1]


def test_a_lone_process_moves_everything() -> None:
    parameters = weights(3, 4)
    assert Shards.none().own(parameters) == parameters
    assert Shards.none().whole({"a": parameters[0]}, {"b": 1.0}) == ({"a": parameters[0]}, {"b": 1.0})


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_state_is_kept_of_own_weights_alone(rank: int) -> None:
    """Of two players, one of which has a single weight, so that some processes move none of it."""
    large, small, single = weights(4, 2, 3)
    players = {"model": Player({"large": large, "small": small}), "critic": Player({"single": single}, every=2)}
    shards = Shards(Imagined(rank, 3), [large, small, single])
    optimisers = Optimisers(players, TrainOptions(), shards)
    assert optimisers.turns(0) == ("model", "critic")
    assert optimisers.turns(1) == ("model",)
    own = shards.own([large, small, single])
    assert len(own) == 1
    own[0].grad = torch.ones_like(own[0])
    optimisers.descend(("model", "critic"), 0.1)
    moved = [bool(one.any()) for one in (large, small, single)]
    assert moved == [one is own[0] for one in (large, small, single)]
    tensors, numbers = optimisers.state()
    assert {name.split("/")[1] for name in tensors} == {("large", "single", "small")[rank]}
    whole = {f"model/{name}/exp_avg": torch.ones_like(one) for name, one in (("large", large), ("small", small))}
    again = Optimisers(players, TrainOptions(), shards)
    again.restore(whole, numbers)
    assert again.state()[0].keys() == {name for name in whole if name.split("/")[1] == ("large", "", "small")[rank]}
