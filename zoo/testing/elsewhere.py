"""A step on a device that need not be there: torch works out shapes, types and devices, and computes nothing."""

from __future__ import annotations

__all__ = ["Mixed", "Waits", "step_elsewhere"]

from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedOperatorException,
)

from zoo.interfaces import Batch, Step
from zoo.testing.model_case import ModelCase
from zoo.testing.taking import to_device

_ELSEWHERE = "cuda"


class Mixed(Exception):  # noqa: N818  # as NotApplicable
    """Tensors of two devices met."""


class Waits(Exception):  # noqa: N818  # as NotApplicable
    """What comes next depends on the numbers themselves."""


def step_elsewhere(case: ModelCase) -> None:
    """Take the loss, its gradient and a sample on another device.

    Raises:
        Mixed: If a tensor of this device took part.
        Waits: If the model reads a number from the device, so that nothing can be told without computing.
    """
    model, batch, step = case.model(), case.batch(), case.end
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        try:
            _send(model, fake)
            x = fake.from_tensor(batch.x)
            y = {name: fake.from_tensor(value) for name, value in batch.y.items()}
            there = to_device(Batch(x, y, batch.index), _ELSEWHERE)
            at = [fake.from_tensor(value).to(_ELSEWHERE) for value in (step.count, step.epoch, step.fraction)]
            model.loss(there, Step(*at)).loss.backward()
            model.eval().sample(2)
        except (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException) as error:
            raise Waits(f"it reads a number from the device: {' '.join(str(error).split())}") from error
        except RuntimeError as error:
            if "device" not in str(error).lower():
                raise
            raise Mixed(" ".join(str(error).split())) from error


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
