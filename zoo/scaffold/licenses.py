"""Licences that a new package may have."""

from __future__ import annotations

__all__ = ["DEFAULT", "LICENSES", "NONE"]

DEFAULT = "apache-2.0"
NONE = "none"

LICENSES = {DEFAULT: "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause", NONE: None}
"""The SPDX expression of each choice; nothing where all rights are kept."""
