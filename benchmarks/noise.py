"""A plugin with a data set of noise, as many images of whatever size a benchmark wants: `--data noise:COUNTxSIDE`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

from zoo import DataOptions, DatasetSpec, ImageSet, Split, ZooError, hookimpl

TEST = 16


@hookimpl
def zoo_datasets() -> Iterator[DatasetSpec]:
    """The data set."""
    yield DatasetSpec(
        name="noise",
        summary="Noise, for benchmarks.",
        load=f"{__name__}:load",
        argument="COUNTxSIDE",
        size="any",
    )


def load(argument: str | None, options: DataOptions) -> ImageSet:
    """Draw `COUNT` grey images of `SIDE` by `SIDE` pixels in bytes.

    Raises:
        ZooError: If the argument is not of that form.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", argument or "")
    if match is None:
        raise ZooError(f"noise:{argument}: write noise:COUNTxSIDE, such as noise:1000x28")
    count, side = int(match[1]), int(match[2])
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(256, (count, 1, side, side), dtype=torch.uint8, generator=generator)
    return ImageSet("noise", Split(x, {}), Split(x[:TEST], {}), 1 / 255, "drawn")
