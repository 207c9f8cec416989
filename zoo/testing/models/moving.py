"""Checks of where a model is: its type, its device and what goes to it and back, its layout in memory."""

from __future__ import annotations

__all__ = [
    "double_precision",
    "memory_layout_changes_nothing",
    "moves_as_a_whole",
    "step_waits_for_nothing",
    "steps_on_another_device",
]

from zoo.testing.check import Failed, NotApplicable, require
from zoo.testing.models.case import ModelCase
from zoo.testing.wording import some

_CLOSE = 1e-4


def double_precision(case: ModelCase) -> None:
    """In double precision the loss, its gradients and samples are in double precision."""
    from torch import float64

    from zoo.testing.models.taking import doubled

    model, batch = case.model().double(), doubled(case.batch())
    loss = model.loss(batch, case.end).loss
    cure = "make tensors like those at hand, with new_zeros, zeros_like or to(x)"
    require(loss.dtype == float64, f"the loss is {loss.dtype}; {cure}")
    loss.backward()  # type: ignore[no-untyped-call]  # torch's
    x = model.eval().sample(2)
    require(x.dtype == float64, f"samples are {x.dtype}; {cure}")


def memory_layout_changes_nothing(case: ModelCase) -> None:
    """The loss of images in the trainer's layout, channels last, is that of images in the plain one."""
    from torch import channels_last, contiguous_format

    from zoo.testing.models.taking import laid_out

    _, height, width = case.shape
    shape = (3, height, width)
    model = case.model(shape).eval()
    found = []
    for layout in (channels_last, contiguous_format):
        model = model.to(memory_format=layout)
        with case.seeded(3):
            found.append(float(model.loss(laid_out(case.batch(shape=shape), layout), case.end).loss.detach()))
    last, plain = found
    cure = "use reshape or flatten, not view, and torch.randn(x.shape), as the noise of randn_like lies as x does"
    close = abs(last - plain) <= _CLOSE * max(1.0, abs(plain))
    require(close, f"the loss is {last:.6g} with channels last, and {plain:.6g} with channels first; {cure}")


def moves_as_a_whole(case: ModelCase) -> None:
    """Moved to another device or type, no tensor of it stays behind."""
    from torch import float64

    from zoo.testing.models.tensors import tensors_of

    cure = "register them with register_buffer"
    model = case.model()
    model.loss(case.batch(), case.end)
    stayed = [name for name, value in tensors_of(model.to("meta")) if value.device.type != "meta"]
    require(not stayed, f"tensors that stay behind when the model is moved: {some(stayed)}; {cure}")
    kept = [
        name
        for name, value in tensors_of(case.model().double())
        if value.is_floating_point() and value.dtype != float64
    ]
    require(not kept, f"tensors that keep their type when the model is in double precision: {some(kept)}; {cure}")


def steps_on_another_device(case: ModelCase) -> None:
    """A step and a sample on another device use no tensor of this one, and read no number from it."""
    from zoo.testing.models.elsewhere import Mixed, Waits, step_elsewhere

    try:
        step_elsewhere(case)
    except Mixed as error:
        cure = "make new tensors on the device of those at hand, with new_zeros, zeros_like or device=x.device"
        raise Failed(f"mixes devices: {error}; {cure}") from error
    except Waits as error:
        raise NotApplicable(f"cannot be told without such a device, because {error}") from error


def step_waits_for_nothing(case: ModelCase) -> None:
    """A step and its gradients read no number back from their device and send it none, so that a GPU never waits."""
    from zoo.interfaces import Part
    from zoo.testing.models.reading import waits_of

    model = case.model()
    declared = [type(part).__name__ for part in model.modules() if isinstance(part, Part) and part.reads_back]
    if declared:
        raise NotApplicable(f"{some(declared)} says that it reads numbers back; on a GPU its steps run one by one")
    found = waits_of(model, case.batch(), case.end)
    cure = "keep to tensors, with torch.where, full_like or new_full, or declare 'reads_back = True' in the part"
    require(not found, f"a GPU waits in each step, which cannot be recorded, at {some(found)}; {cure}")
