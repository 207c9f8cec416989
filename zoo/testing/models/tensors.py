"""Every tensor that a model holds, registered or not."""

from __future__ import annotations

__all__ = ["tensors_of"]

import dataclasses
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor, nn


def tensors_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that can be reached from a model by attributes and containers, by dotted name."""
    yield from _within("", model, set())


def _within(name: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        yield name, value
        return
    for key, item in _members(value):
        yield from _within(f"{name}.{key}" if name else key, item, seen)


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, nn.Module):
        yield from {**value._parameters, **value._buffers, **value._modules}.items()
        yield from ((key, item) for key, item in vars(value).items() if key not in _REGISTERED)
    elif isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((str(i), item) for i, item in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
    elif _is_plain_object(value):
        yield from vars(value).items()


_REGISTERED = ("_parameters", "_buffers", "_modules")


def _is_plain_object(value: Any) -> bool:
    closed = (type, ModuleType, FunctionType)
    return not isinstance(value, closed) and isinstance(getattr(value, "__dict__", None), dict)
