"""What a run writes after each epoch: its line, and now and then a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.runs import checkpoint
from zoo.runs.checkpoint import Checkpoint, Checkpoints, read_checkpoint
from zoo.runs.folder import Run


class TestRecords:
    def lines(self, path: Path) -> list[int]:
        return [record["epoch"] for record in Run(path).records()]

    def add(self, path: Path, epoch: int, **more: object) -> None:
        record: Mapping[str, Any] = {"epoch": epoch, "train": {"loss": 1.5}, **more}
        Run(path).append_record(record)

    def test_lines_are_added_to_the_file_that_is_there(self, tmp_path: Path) -> None:
        self.add(tmp_path, 1)
        file = (tmp_path / "metrics.jsonl").stat().st_ino
        for epoch in range(2, 30):
            self.add(tmp_path, epoch)
        assert self.lines(tmp_path) == list(range(1, 30))
        assert (tmp_path / "metrics.jsonl").stat().st_ino == file

    def test_a_stopped_run_s_later_epochs_are_replaced(self, tmp_path: Path) -> None:
        for epoch in (1, 2, 3):
            self.add(tmp_path, epoch)
        self.add(tmp_path, 2, again=True)
        assert self.lines(tmp_path) == [1, 2]
        assert Run(tmp_path).records()[-1]["again"]

    @pytest.mark.parametrize("end", ['{"epoch": 2, "tr', '{"epoch": 2}', "nonsense\n", "\n"])
    def test_what_a_crash_left_is_cleared_away(self, tmp_path: Path, end: str) -> None:
        self.add(tmp_path, 1)
        with (tmp_path / "metrics.jsonl").open("a") as file:
            file.write(end)
        self.add(tmp_path, 2)
        assert self.lines(tmp_path) == [1, 2]

    def test_a_line_longer_than_what_is_looked_at_is_no_trouble(self, tmp_path: Path) -> None:
        self.add(tmp_path, 1, note="x" * 100_000)
        self.add(tmp_path, 2)
        self.add(tmp_path, 3)
        assert self.lines(tmp_path) == [1, 2, 3]


class TestCheckpoints:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """A clock that stands still at its last number."""
        times = [100.0]
        monkeypatch.setattr(checkpoint.time, "monotonic", lambda: times[-1])
        return times

    def state(self, count: int, position: int = 0, reason: str = "") -> Checkpoint:
        facts = {"count": count, "position": position, "reason": reason}
        return Checkpoint({"model/w": torch.full((2,), float(count))}, facts)

    def kept(self, folder: Path) -> int:
        found = read_checkpoint(folder)
        assert found is not None
        assert found.tensors["model/w"].tolist() == 2 * [found.facts["count"]]
        return int(found.facts["count"])

    def test_the_first_is_written_and_then_one_in_half_a_second(self, tmp_path: Path, clock: list[float]) -> None:
        save = Checkpoints(tmp_path)
        found = []
        for count, now in ((0, 100.0), (5, 100.1), (10, 100.49), (15, 100.5), (20, 100.9), (25, 101.0)):
            clock.append(now)
            save(self.state(count))
            found.append(self.kept(tmp_path))
        assert found == [0, 0, 0, 15, 15, 25]

    def test_those_of_an_end_and_of_an_interruption_are_written(self, tmp_path: Path, clock: list[float]) -> None:
        save = Checkpoints(tmp_path)
        for state in (
            self.state(0),
            self.state(7, position=2),
            self.state(10, reason="patience"),
        ):
            save(state)
            assert self.kept(tmp_path) == state.facts["count"]
        save(self.state(15))
        assert self.kept(tmp_path) == 10
        save(self.state(15))
        assert self.kept(tmp_path) == 15, "asked for a second time"
