"""A check, a thing it is made of, and how it came out."""

from __future__ import annotations

__all__ = ["GROUPS", "Check", "Failed", "NotApplicable", "Outcome", "Trial", "expecting", "require", "trials"]

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from zoo.errors import one_line
from zoo.testing.state import kept_state

Check = Callable[[Any], None]
"""A function of one case that says nothing, or raises `Failed` or `NotApplicable`."""

GROUPS = ("light", "options", "model", "part", "maths", "data", "metric")
"""What checks are about, in the order of reports."""

_LIGHT = ("light", "options")
"""The groups whose checks compute nothing, so that they need no torch."""


class Failed(AssertionError):
    """A check failed; the message is one sentence that says what is wrong, and what to do."""


class NotApplicable(Exception):  # it is no error
    """A check says nothing of this thing; the message is why."""


def require(condition: object, sentence: str) -> None:
    """Fail with a sentence unless a condition holds.

    Raises:
        Failed: If it does not. The name of the thing is put before the sentence by the trial.

    Example:
        >>> require(1 + 1 == 2, "arithmetic is broken")
    """
    __tracebackhide__ = True
    if not condition:
        raise Failed(sentence)


@dataclass(frozen=True)
class Outcome:
    """How a trial came out.

    Arguments:
        trial: The trial.
        status: `expected` is a failure that was announced with a reason.
        sentence: What failed, or why it was expected to or says nothing; empty where it passed.
        seconds: How long it took.
    """

    trial: Trial
    status: Literal["passed", "failed", "expected", "not-applicable"]
    sentence: str
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One check of one thing; calling it raises `Failed` if the thing does not conform.

    Arguments:
        thing: What is checked, such as `model my-vae` or `posterior student-t`.
        group: What the check is about, one of `GROUPS`.
        check: A function of the case. Its name is the check's name, and the first line of its docstring is the
            sentence that it asserts.
        case: What the check looks at; builds what is heavy when it is asked for it.
        reason: Why it is expected to fail, or nothing.
    """

    thing: str
    group: str
    check: Check
    case: Any
    reason: str = ""

    @property
    def name(self) -> str:
        """The check's name, such as `finite-loss`."""
        return self.check.__name__.replace("_", "-")

    @property
    def sentence(self) -> str:
        """What the check asserts."""
        return (self.check.__doc__ or "").strip().partition("\n")[0]

    def __str__(self) -> str:
        return f"{self.thing}/{self.name}"

    def __call__(self) -> None:
        """Make the check, seeded, and leave generators, gradients' state and default dtype as they were.

        Raises:
            Failed: If the thing does not conform, or the check cannot be made because it raises something else.
            NotApplicable: If the check says nothing of this thing.
        """
        __tracebackhide__ = True
        with ExitStack() as stack:
            if self.group not in _LIGHT:
                stack.enter_context(kept_state())
            try:
                self.check(self.case)
            except Failed as error:
                raise Failed(f"{self.thing}: {error}") from error.__cause__
            except NotApplicable:
                raise
            # A model that exits has failed too.
            except (Exception, SystemExit) as error:
                raise Failed(f"{self.thing}: {self.name} could not be checked: {one_line(error)}") from error

    def run(self) -> Outcome:
        """Make the check, and return how it came out; an announced failure that does not come is a failure."""
        started = time.perf_counter()
        try:
            self()
        except NotApplicable as why:
            return Outcome(self, "not-applicable", str(why), time.perf_counter() - started)
        except Failed as error:
            seconds = time.perf_counter() - started
            return Outcome(self, "expected" if self.reason else "failed", self.reason or str(error), seconds)
        seconds = time.perf_counter() - started
        if self.reason:
            sentence = f"{self.thing}: {self.name} passes, and was expected to fail: {self.reason}"
            return Outcome(self, "failed", sentence, seconds)
        return Outcome(self, "passed", "", seconds)


_NONE: Mapping[str, str] = MappingProxyType({})


def trials(
    thing: str, checks: Mapping[str, Sequence[Check]], case: Any, expected_failures: Mapping[str, str] = _NONE
) -> Iterator[Trial]:
    """Yield the trials of one thing.

    Arguments:
        thing: What is checked, such as `model my-vae`.
        checks: The checks by group.
        case: What they look at.
        expected_failures: Why checks are expected to fail; see `expecting`.
    """
    for group, members in checks.items():
        for check in members:
            yield expecting(Trial(thing, group, check, case), expected_failures)


def expecting(trial: Trial, expected_failures: Mapping[str, str]) -> Trial:
    """Return a trial with the reason why it is expected to fail, if there is one.

    Arguments:
        trial: The trial.
        expected_failures: Reasons by the check's name, or by `thing/check` for that thing alone.
    """
    reason = expected_failures.get(str(trial), expected_failures.get(trial.name, trial.reason))
    return replace(trial, reason=reason)
