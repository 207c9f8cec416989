"""What a step reads back from its device, or sends to it, found on any machine by watching each operation."""

from __future__ import annotations

__all__ = ["waits_of"]

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.interfaces import Batch, Model, Step

_TORCH = str(Path(torch.__file__).parent)
_KIT = str(Path(__file__).parent.parent)

_COPIES = {Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.__array__}
"""What gives the numbers of a tensor to the host without an operation that is seen below."""

_MADE = {torch.tensor, torch.as_tensor, torch.asarray, torch.scalar_tensor}
"""What makes a tensor of the host's numbers, and sends it where a device is named."""


def waits_of(model: Model, batch: Batch, step: Step) -> list[str]:
    """Return the places in the code, innermost first, where a step and its gradients wait for a GPU.

    Arguments:
        model: The model, in training mode, on the CPU.
        batch: Images.
        step: How far the run is.
    """
    operations = _Operations()
    with _Functions(operations), operations:
        terms = model.loss(batch, step)
        for loss in (terms.loss, *terms.adversaries.values()):
            if loss.requires_grad:
                loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]  # torch's
    return list(dict.fromkeys(operations.found))


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Notes operations whose result, or its shape, is a number that the host has to know."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.found: list[str] = []
        self.looking = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.looking and _is_read(func, args):
            self.found.append(_place())
        return func(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    """Notes what takes a tensor's numbers out at once, and what makes tensors of the host's numbers elsewhere."""

    def __init__(self, operations: _Operations) -> None:
        super().__init__()
        self._operations = operations

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        sent = func in _MADE and kwargs.get("device") is not None and not isinstance(args[0], Tensor)
        if func in _COPIES or sent or func is Tensor.new_tensor or (func is Tensor.to and "cpu" in args):
            self._operations.found.append(_place())
        # A CPU looks whether each number has a place; a GPU that is told how many places there are does not.
        self._operations.looking = func is not F.one_hot or len(args) + len(kwargs) < 2
        try:
            return func(*args, **kwargs)
        finally:
            self._operations.looking = True


def _is_read(func: Any, args: Any) -> bool:
    tags = func.tags
    if torch.Tag.data_dependent_output in tags:
        return True
    name = func.overloadpacket
    aten = torch.ops.aten
    if name in (aten.index, aten.index_put, aten.index_put_):
        masks = [index for index in args[1] if index is not None and index.dtype in (torch.bool, torch.uint8)]
        # One value for all that a mask leaves is put there without a look at how many they are.
        return bool(masks) and (name is aten.index or args[2].numel() != 1)
    return torch.Tag.dynamic_output_shape in tags


def _place() -> str:
    """Return the line that runs now: the innermost that is neither torch's nor the kit's."""
    ours = next(_lines(), None)
    return "the backward pass" if ours is None else ours


def _lines() -> Iterator[str]:
    for frame in reversed(traceback.extract_stack()):
        if frame.filename.startswith((_TORCH, _KIT)):
            if frame.name == waits_of.__name__:
                return
            continue
        path = Path(frame.filename)
        yield f"{path.parent.name}/{path.name}, line {frame.lineno} ({(frame.line or '').strip()})"
