"""Rows of the comparison: one quantity of one golden file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.validation.golden.difference import FREIGHT, Comparison
from roadcraft.validation.golden.freight.reading import Node


class Rows:
    """The rows of one golden file, by quantity."""

    def __init__(self, file: Node) -> None:
        self.name = Path(file.file).stem
        self.kind = file["kind"].text()
        self.found: dict[str, Comparison] = {}

    def add(
        self, quantity: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float, angles: bool = False, at: int = -1
    ) -> None:
        """Compare two arrays of one shape, value by value; angles: differ by whole turns at most. The first axis counts
        steps, or ``at`` is the case that both belong to."""
        a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        gaps = np.abs(wrap_array(a - b) if angles else a - b)
        self.add_gaps(quantity, gaps, a, b, tolerance, at)

    def add_relative(
        self, quantity: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float, at: int, whole: bool = False
    ) -> None:
        """As :meth:`add`, by the share of the reference's value; whole: of its largest value. Nothing is divided by
        0."""
        a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        size = np.abs(b).max(initial=0.0) if whole else np.abs(b)
        self.add_gaps(quantity, np.abs(a - b) / np.where(size > 0.0, size, 1.0), a, b, tolerance, at)

    def add_gaps(
        self, quantity: str, gaps: ArrayLike, ours: ArrayLike, theirs: ArrayLike, tolerance: float, at: int = -1
    ) -> None:
        """Differences computed elsewhere, and what differs."""
        flat = np.asarray(gaps, np.float64).ravel()
        count = np.shape(gaps)[0] if np.ndim(gaps) else 1
        each = flat.size // count if count else 0
        steps = np.repeat(np.arange(count), each) if at < 0 else np.full(flat.size, at)
        row = self.found.setdefault(
            quantity,
            Comparison(self.name, quantity, tolerance=tolerance, part=FREIGHT, planner=self.kind, group=quantity),
        )
        shape = np.shape(gaps)
        a, b = (np.broadcast_to(v, shape).ravel() for v in (ours, theirs))
        row.add_gaps(flat, a, b, steps, quantity)
