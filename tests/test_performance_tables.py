"""The tables of docs/performance.md: what they make of results, and what results must say."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tables() -> Iterator[ModuleType]:
    """The script of docs/ as its neighbours find it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        yield importlib.import_module("performance_tables")


def test_the_tables_hold_what_the_file_does(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    spread = {"median": 4912.4, "least": 4880.0, "greatest": 4950.0, "rounds": 5}
    ratio = {"median": 2.5, "least": 2.5, "greatest": 2.5, "rounds": 1}
    case = {
        "model": "vae",
        "batch_size": 96,
        "images_per_second": {"zoo": spread},
        "times_as_fast_as": {"bare step": ratio},
        "share_of_peak": {},
        "absent": {"pythae": "pythae is not installed"},
        "peers": {"lightning": "2.6.6"},
    }
    machine = {"processor": "A", "architecture": "x", "system": "S", "cores": 2, "threads": 2, "gpu": None}
    versions = {"python": "3", "torch": "2", "zoo": "1"}
    document = {"machine": machine, "versions": versions, "settings": {"rounds": 5}, "cases": [case]}
    (tmp_path / "train_step-cpu.json").write_text(json.dumps(document))
    text = tables.performance("train_step")
    assert "| `vae` | 96 | 4,912 (4,880–4,950) |" in text
    assert "2.50 ×" in text
    assert "| `vae` | 96 | 12.2 s (12.1 s–12.3 s) |" in text
    assert "absent" in text
    assert "lightning 2.6.6" in text
    assert "`python benchmarks/train_step.py --device cuda --images 60000`" in text


def test_a_table_without_a_file_is_empty_and_names_the_command(
    tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    for name, (_, devices) in tables.BENCHMARKS.items():
        text = tables.performance(name)
        assert text.count(f"python benchmarks/{name}.py") == len(devices)
        assert not re.search(r"\d ×|\d s\b", text)


def test_results_state_machine_versions_and_rounds_and_name_no_place() -> None:
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        text = path.read_text()
        document = json.loads(text)
        assert {"processor", "cores", "threads", "gpu"} <= document["machine"].keys(), path.name
        assert {"python", "torch", "zoo", "commit"} <= document["versions"].keys(), path.name
        assert document["settings"]["rounds"] >= 5, path.name
        assert not re.search(r'"/|(?:/home|/root|/tmp|/work)/', text), path.name
        assert "NaN" not in text, path.name
