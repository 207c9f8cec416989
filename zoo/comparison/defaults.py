"""Which metrics a comparison computes unasked; imports no torch."""

from __future__ import annotations

__all__ = ["MORE"]

MORE = ("frechet", "precision", "coverage")
"""Metrics that a comparison computes by default beside the usual ones, where there are such.

All together are meant to take no more than a minute for a run of MNIST on two cores. A distance alone may rank
blank images before varied ones; how many samples are good, and how much of the data they cover, tells the two apart.
"""
