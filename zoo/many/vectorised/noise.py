"""Noise that a loss would draw, drawn before it: heard once in a step of one model, repeated for each of many."""

from __future__ import annotations

__all__ = ["Draw", "Drawing", "Hearing", "Playing", "Unfit"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Unfit(Exception):
    """Why a model cannot be computed among others, as the end of a sentence."""


@dataclass(frozen=True)
class Draw:
    """One draw of noise.

    Arguments:
        kind: `normal`, `uniform`, `integers` or `order`.
        shape: Its shape.
        stride: Its layout in memory, which decides which number goes where.
        dtype: Its type.
        device: Where it is.
        bounds: The bounds of integers, and how many there are to put in order.
    """

    kind: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    bounds: tuple[int, ...] = ()

    def again(self, generator: torch.Generator) -> Tensor:
        """Draw as torch would, from a generator."""
        if self.kind == "order":
            return torch.randperm(self.bounds[0], generator=generator, dtype=self.dtype, device=self.device)
        room = torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=self.device)
        if self.kind == "normal":
            return room.normal_(generator=generator)
        if self.kind == "uniform":
            return room.uniform_(generator=generator)
        return room.random_(*self.bounds, generator=generator)


_KINDS: dict[Callable[..., Any], str] = {
    torch.randn: "normal",
    torch.randn_like: "normal",
    torch.rand: "uniform",
    torch.rand_like: "uniform",
    torch.randint: "integers",
    torch.randint_like: "integers",
    torch.randperm: "order",
}
"""What draws without looking at values. Whatever else draws is found out, because generators stand elsewhere then."""


def _bounds(function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the bounds of a call of `randint`, `randint_like` or `randperm`."""
    whole = [value for value in arguments if isinstance(value, int) and not isinstance(value, bool)]
    if function is torch.randperm:
        return (named["n"],) if "n" in named else (whole[0],)
    low, high = named.get("low", 0), named.get("high")
    if high is not None:
        return (whole[0] if whole else low, high)
    return (whole[0], whole[1]) if len(whole) > 1 else (low, whole[0])


@final
class Hearing(TorchFunctionMode):
    """Notes what is drawn inside the `with`."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[Draw] = []
        self.values: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        kind = _KINDS.get(func)
        if kind is not None:
            bounds = _bounds(func, args, kwargs or {}) if kind in ("integers", "order") else ()
            self.draws.append(Draw(kind, tuple(found.shape), found.stride(), found.dtype, found.device, bounds))
            self.values.append(found.detach())
        return found


@final
class Playing(TorchFunctionMode):
    """Hands out noise in the place of every draw inside the `with`, and leaves memory layouts to torch.

    Arguments:
        draws: What will be drawn.
        noise: What is handed out, as seen by one model.
    """

    def __init__(self, draws: Sequence[Draw], noise: Sequence[Tensor]) -> None:
        super().__init__()
        self._left = list(zip(draws, noise, strict=True))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kind = _KINDS.get(func)
        if func is torch.Tensor.contiguous and (kwargs or {}).get("memory_format") is torch.channels_last:
            # Which layout is fast is another question where images of many models are one tensor; vmap knows none.
            return args[0]
        if kind is None:
            return func(*args, **(kwargs or {}))
        draw, noise = self._left.pop(0) if self._left else (None, None)
        if draw is None or draw.kind != kind:
            raise Unfit("its noise is not drawn in the same way at each step")
        return noise

    def close(self) -> None:
        """Check that all of it was asked for.

        Raises:
            Unfit: If it was not.
        """
        if self._left:
            raise Unfit("its noise is not drawn in the same way at each step")


@final
class Drawing(TorchFunctionMode):
    """Has whatever is drawn inside the `with` drawn from a generator.

    Arguments:
        generator: Which.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _WITH_GENERATOR:
            return func(*args, **{**(kwargs or {}), "generator": self._generator})
        return func(*args, **(kwargs or {}))


_WITH_GENERATOR = {torch.randn, torch.rand, torch.randint, torch.randperm, torch.bernoulli}
"""What a batch is read with."""
