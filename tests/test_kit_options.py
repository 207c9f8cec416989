"""The conformance kit: each check of options fails for a dataclass that is broken in that way, and for no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zoo.testing.check import trials
from zoo.testing.plugins.options import OPTION_CHECKS, OptionsCase

DECLARED = '''
from dataclasses import dataclass
from typing import Literal
from zoo import Options, Scheduled, ZooError, option

@dataclass(frozen=True, kw_only=True)
class KitOptions(Options):
    """Options."""

    scale: float = option(1.0, "How wide.", above=0)
    weight: Scheduled = option("linear:0..1@50%", "How heavy.", min=0, max=2)
    units: int = option(4, "How many.", min=1, max=9)
    sizes: tuple[int, ...] = option((3, 2), "How large each is.", min=1)
    kind: Literal["plain", "fancy"] = option("plain", "Which one.")
    deep: bool = option(False, "Whether it is deep.")
    limit: float | None = option(None, "At most this.", min=0, below=1)
    name: str = option("label", "What it is called.")

    # more
'''
UNCHECKED = """
    def __post_init__(self):
        pass
"""
LOOSE = """
    @classmethod
    def from_dict(cls, values):
        return cls(**{name: value for name, value in values.items() if name in cls.__dataclass_fields__})
"""
TERSE = """
    @classmethod
    def from_dict(cls, values):
        for name in values:
            if name not in cls.__dataclass_fields__:
                raise ZooError("no")
        return cls(**values)
"""
ROUNDED = """
    def to_dict(self):
        return {**super().to_dict(), "limit": self.limit and round(self.limit)}
"""
OPTION_FAULTS = {
    "no dataclass": ("@dataclass(frozen=True, kw_only=True)\n", "", {"options-are-declared"}, "decorate it with @data"),
    "a type that no flag has": ("deep: bool", "deep: dict", {"options-are-declared"}, "option 'deep' has type"),
    "no option()": (
        'option(False, "Whether it is deep.")',
        "False",
        {"options-are-declared"},
        "'deep' must be declared",
    ),
    "a type alone": ("    # more", "    other: int", {"options-are-declared"}, "other"),
    "no dataclass of ours": (
        "KitOptions(Options)",
        "KitOptions",
        {"options-are-declared"},
        "no dataclass below zoo.Opt",
    ),
    "no help": ('"Which one."', '""', {"options-have-help-and-default"}, "the help of option 'kind' is no sentence"),
    "help in passing": ('"Which one."', '"which one"', {"options-have-help-and-default"}, "option 'kind'"),
    "a default out of bounds": (
        "option(4,",
        "option(40,",
        {"defaults-lie-within-bounds"},
        "its own defaults are refused: units must be at most 9, got 40",
    ),
    "rounding": (
        "    # more",
        ROUNDED,
        {"options-survive-json-and-toml"},
        "not the same after they were written as JSON",
    ),
    "no checks": (
        "    # more",
        UNCHECKED,
        {"bounds-are-enforced", "schedules-where-they-are-read", "options-survive-json-and-toml"},
        "option 'scale' (x>0) takes 'no number'; leave the checks to Options.__post_init__",
    ),
    "unknown names": (
        "    # more",
        LOOSE,
        {"unknown-options-are-refused"},
        "takes an option 'weight_x' that it does not",
    ),
    "no nearest name": ("    # more", TERSE, {"unknown-options-are-refused"}, "without the nearest name: no"),
}


def option_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, name: str) -> dict[str, str]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{name}.py").write_text(code)
    found = [trial.run() for trial in trials("prior kit", OPTION_CHECKS, OptionsCase(f"{name}:KitOptions"))]
    monkeypatch.delitem(sys.modules, name, raising=False)
    return {outcome.trial.name: outcome.sentence for outcome in found if outcome.status == "failed"}


def test_sound_options_pass_every_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert option_failures(tmp_path, monkeypatch, DECLARED, "kit_sound_options") == {}


@pytest.mark.parametrize("name", OPTION_FAULTS)
def test_a_fault_of_options_fails_its_own_check(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, checks, words = OPTION_FAULTS[name]
    assert DECLARED.count(old) == 1
    module = f"kit_options_{list(OPTION_FAULTS).index(name)}"
    found = option_failures(tmp_path, monkeypatch, DECLARED.replace(old, new), module)
    assert set(found) == checks, found
    assert any(words in sentence for sentence in found.values()), found
