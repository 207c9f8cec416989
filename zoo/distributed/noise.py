"""Random numbers of a shared batch: each process draws those of the whole batch, and takes its rows."""

from __future__ import annotations

__all__ = ["DRAWS", "Asked"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.distributed.share import Share


@dataclass(frozen=True)
class Asked:
    """A draw that a process is asked for.

    Arguments:
        share: The rows of the process.
        rank: Which process it is.
        known: The shape that it should have, and which of its dimensions is the batch, if any is; where it is known.
    """

    share: Share
    rank: int
    known: tuple[tuple[int, ...], int | None] | None = None

    def place(self, shape: Sequence[int]) -> int | None:
        """Return which dimension is the batch: as it is known, else the first that is as long as the share."""
        if self.known is not None and self.known[0] == tuple(shape):
            return self.known[1]
        return next((i for i, length in enumerate(shape) if length == self.share.size), None)


Draw: TypeAlias = Callable[[Any, Asked, Sequence[Any], Mapping[str, Any]], Any]
"""A draw of the function that it is given, with these arguments."""


def _own(drawn: Any, place: int, share: Share) -> Any:
    if isinstance(drawn, tuple):
        return tuple(_own(each, place, share) for each in drawn)
    return drawn[(slice(None),) * place + (share.rows,)].contiguous()


def _widen(value: Any, asked: Asked) -> Any:
    """Return a tensor with the rows of the whole batch; what stands in those of others never comes out."""
    if not isinstance(value, Tensor):
        return value
    place, share = asked.place(value.shape), asked.share
    if place is None:
        return value
    # Rows of its own stand in, because they are what the function can be given.
    index = (torch.arange(share.count, device=value.device) - share.rows.start).clamp(0, share.size - 1)
    return value.index_select(place, index)


def _sized(func: Any, asked: Asked, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Of a shape: `randn(2, 3)`, `rand((2, 3))`, `randint(0, 5, (2, 3))`, `normal(0, 1, (2, 3))`."""
    at = next((i for i, value in enumerate(args) if isinstance(value, list | tuple)), None)
    if at is not None:
        before, shape, after = args[:at], tuple(args[at]), args[at + 1 :]
    elif "size" in kwargs:
        before, shape, after = args, tuple(kwargs["size"]), ()
    else:
        before, shape, after = (), tuple(args), ()
    place = asked.place(shape)
    if place is None:
        return func(*args, **kwargs)
    wide = (*shape[:place], asked.share.count, *shape[place + 1 :])
    others = {name: value for name, value in kwargs.items() if name != "size"}
    return _own(func(*before, wide, *after, **others), place, asked.share)


def _of_values(func: Any, asked: Asked, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Of tensors, element by element: `randn_like`, `bernoulli`, `normal`, dropout."""
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    if not tensors:
        return _sized(func, asked, args, kwargs)
    place = asked.place(tensors[0].shape)
    if place is None:
        return func(*args, **kwargs)
    wide = {name: _widen(value, asked) for name, value in kwargs.items()}
    return _own(func(*[_widen(value, asked) for value in args], **wide), place, asked.share)


def _in_place(func: Any, asked: Asked, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Into a tensor: `normal_`, `uniform_`, `bernoulli_`."""
    target, *others = args
    place = asked.place(target.shape)
    if place is None:
        return func(*args, **kwargs)
    wide = _widen(target.detach(), asked)
    func(wide, *[_widen(value, asked) for value in others], **kwargs)
    return target.copy_(_own(wide, place, asked.share))


def _multinomial(func: Any, asked: Asked, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Choices for each row, or one choice for each row under the same chances."""
    chances = args[0]
    if chances.ndim == 2:
        return _of_values(func, asked, args, kwargs)
    values = dict(zip(("num_samples", "replacement"), args[1:], strict=False)) | dict(kwargs)
    if values["num_samples"] != asked.share.size or not values.get("replacement", False):
        return _apart(func, asked, args, kwargs) if asked.share.size in chances.shape else func(*args, **kwargs)
    return _own(func(chances, **{**values, "num_samples": asked.share.count}), 0, asked.share)


def _apart(func: Any, asked: Asked, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What takes more or fewer random numbers by its values: each process draws by itself, from where all stand."""
    seed = int(torch.randint(2**31, ())) + asked.rank
    device = next((value.device for value in args if isinstance(value, Tensor)), torch.device("cpu"))
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        return func(*args, **kwargs)


DRAWS: dict[Any, Draw] = {
    **dict.fromkeys((torch.randn, torch.rand, torch.randint), _sized),
    **dict.fromkeys(
        (
            torch.randn_like,
            torch.rand_like,
            torch.randint_like,
            torch.bernoulli,
            Tensor.bernoulli,
            torch.normal,
            torch.dropout,
            torch.feature_dropout,
            torch.alpha_dropout,
            torch.rrelu,
            F.dropout,
            F.dropout1d,
            F.dropout2d,
            F.dropout3d,
            F.alpha_dropout,
            F.feature_alpha_dropout,
            F.gumbel_softmax,
            F.rrelu,
        ),
        _of_values,
    ),
    **dict.fromkeys(
        (
            Tensor.normal_,
            Tensor.uniform_,
            Tensor.bernoulli_,
            Tensor.exponential_,
            Tensor.log_normal_,
            Tensor.cauchy_,
            Tensor.geometric_,
            Tensor.random_,
        ),
        _in_place,
    ),
    **dict.fromkeys((torch.multinomial, Tensor.multinomial), _multinomial),
    **dict.fromkeys(
        (torch._standard_gamma, torch._sample_dirichlet, torch.poisson, torch.binomial, torch.randperm), _apart
    ),
}
"""How each of torch's draws is made for a share; one that is given a generator of its own is left alone."""
