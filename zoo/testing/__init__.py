"""The conformance kit: what a plugin's tests say in three lines."""

from __future__ import annotations

__all__ = ["Failed", "NotApplicable", "Outcome", "Trial", "require", "trials"]

from zoo.testing.check import Failed, NotApplicable, Outcome, Trial, require, trials
