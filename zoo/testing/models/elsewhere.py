"""A step on a device that need not be there: torch works out shapes, types and devices, and computes nothing."""

from __future__ import annotations

__all__ = ["Mixed", "Waits", "step_elsewhere"]

import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedOperatorException,
)

from zoo.errors import one_line
from zoo.interfaces import Batch, Step
from zoo.runs.loading import place
from zoo.testing.models.case import ModelCase
from zoo.testing.models.taking import to_device

_ELSEWHERE = "cuda"


class Mixed(Exception):  # as NotApplicable
    """Tensors of two devices met."""


class Waits(Exception):  # as NotApplicable
    """What comes next depends on the numbers themselves."""


def step_elsewhere(case: ModelCase) -> None:
    """Take the loss and a sample on another device; their gradients too where there is one.

    Raises:
        Mixed: If a tensor of this device took part.
        Waits: If the model reads a number from the device, so that nothing can be told without computing.
    """
    try:
        if torch.cuda.is_available():
            _step_there(case)
        else:
            _pretend(case)
    except (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException) as error:
        raise Waits(f"it reads a number from the device: {one_line(error)}") from error
    except RuntimeError as error:
        told = " ".join(str(error).split())
        if "NVIDIA" in told:
            raise Waits("one of its operations asks for the device itself") from error
        if "device" not in told.lower():
            raise
        raise Mixed(told) from error


def _step_there(case: ModelCase) -> None:
    model = place(case.model(), _ELSEWHERE)
    step = Step.of(float(case.end.count), float(case.end.epoch), float(case.end.fraction), _ELSEWHERE)
    model.loss(to_device(case.batch(), _ELSEWHERE), step).loss.backward()  # type: ignore[no-untyped-call]  # torch's
    model.eval().sample(2)


@torch.no_grad()
def _pretend(case: ModelCase) -> None:
    _require_pretence()
    model, batch, step = case.model(), case.batch(), case.end
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        _send(model, fake)
        x = fake.from_tensor(batch.x)
        y = {name: fake.from_tensor(value) for name, value in batch.y.items()}
        at = [fake.from_tensor(value).to(_ELSEWHERE) for value in (step.count, step.epoch, step.fraction)]
        model.loss(to_device(Batch(x, y, batch.index), _ELSEWHERE), Step(*at))
        model.eval().sample(2)


def _require_pretence() -> None:
    try:
        with FakeTensorMode():
            torch.zeros(2, device=_ELSEWHERE) + torch.ones(2, device=_ELSEWHERE)
    except (RuntimeError, AssertionError) as error:
        raise Waits(f"this torch knows none: {one_line(error)}") from error


def _send(model: nn.Module, fake: FakeTensorMode) -> None:
    """Put parameters and buffers on the device; what is not registered stays, as it would."""
    sent: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, value in module._parameters.items():
            if value is not None:
                there = nn.Parameter(fake.from_tensor(value.detach()).to(_ELSEWHERE), value.requires_grad)
                module._parameters[name] = sent.setdefault(id(value), there)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = fake.from_tensor(buffer).to(_ELSEWHERE)
