"""What trackers read of a run, by flat names."""

from __future__ import annotations

__all__ = ["numbers_of", "pictures_of", "remembered_id", "scores_of", "settings_of"]

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo import Run


def numbers_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an epoch: `epoch`, `steps`, `lr`, `train/loss`, `validation/rate`.

    Example:
        >>> numbers_of({"epoch": 1, "train": {"loss": 3.5}})
        {'epoch': 1, 'train/loss': 3.5}
    """
    nested = {key: value if isinstance(value, Mapping) else {"": value} for key, value in record.items()}
    return {f"{key}/{name}" if name else key: value for key, values in nested.items() for name, value in values.items()}


def scores_of(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores that are one number, `scores/mse`, `scores/elbo`; what a model does not have is left out."""
    return {f"scores/{name}": value for name, value in scores.items() if isinstance(value, int | float)}


def settings_of(run: Run) -> dict[str, Any]:
    """Return what determined a run: `model`, `data`, `parts.prior`, `loss.beta`, `training.lr`, `images.limit`."""
    tables = run.settings
    facts = {key: tables[key] for key in ("model", "composition", "data", "command") if key in tables}
    nested = {
        f"{table}.{name}": value for table in ("parts", "training", "images") for name, value in tables[table].items()
    }
    return {**facts, **nested, **tables["options"]}


def pictures_of(run: Run) -> list[Path]:
    """Return its pictures."""
    return sorted(run.figures.glob("*.png"))


def remembered_id(run: Run, tracker: str) -> str:
    """Return the name that a run has with a tracker, the same each time it is resumed."""
    path = run.path / "trackers" / f"{tracker}.txt"
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{secrets.token_hex(8)}\n")
    return path.read_text().strip()
