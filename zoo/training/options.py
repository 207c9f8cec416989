"""How a run is trained; imports no torch."""

from __future__ import annotations

__all__ = ["TrainOptions", "parse_duration"]

import re
from dataclasses import dataclass
from typing import Literal

from zoo.errors import ZooError
from zoo.options import Options, Scheduled, option


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Options):
    """Options of the trainer: the same for every model."""

    epochs: int = option(20, "Passes over the training images.", min=1)
    batch_size: int = option(128, "Images per step.", min=1)
    lr: Scheduled = option("one-cycle:4e-3", "Learning rate, or a schedule of it.", above=0)
    optimizer: Literal["adam", "adamw", "adamax", "nadam", "sgd"] = option("adam", "Optimiser.")
    momentum: float = option(0.9, "Decay of the gradient's running mean: Adam's first beta.", min=0, below=1)
    square_decay: float = option(0.999, "Decay of its square's running mean: Adam's second beta.", min=0, below=1)
    weight_decay: float = option(0.0, "Weight decay.", min=0)
    clip: float | None = option(None, "Largest norm of the gradient.", above=0)
    ema: float | None = option(None, "Keep a running mean of the weights with this decay.", min=0, below=1)
    patience: int | None = option(
        None, "Stop after N epochs without a better validation objective; needs --val-fraction.", min=1
    )
    seed: int = option(0, "Seed of everything random.", min=0, max=2**32 - 1)
    budget: str | None = option(None, "Stop after this time, such as 90s, 5m or 2h.")
    init_from: str | None = option(None, "Start from the weights of this run.")
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.")

    precision: Literal["auto", "fp32", "tf32", "bf16"] = option(
        "auto", "How exactly networks are computed; auto is tf32 on NVIDIA's GPUs, else fp32."
    )
    compile: bool = option(False, "Compile the loss by torch.compile; takes a while first.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.budget is not None:
            parse_duration(self.budget)
        if re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device) is None:
            raise ZooError(f"device must be auto, cpu, cuda, cuda:N or mps, got '{self.device}'")


def parse_duration(text: str) -> float:
    """Return a duration such as `90s`, `5m` or `1.5h` in seconds.

    Raises:
        ZooError: If the text is no positive duration.

    Example:
        >>> parse_duration("5m")
        300.0
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(s|m|h)?", text)
    if match is None or float(match[1]) == 0:
        raise ZooError(f"budget must be a time such as 90s, 5m or 2h, got '{text}'")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]]
