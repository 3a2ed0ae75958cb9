"""Boxes along the axes that hold parts of lines: least and largest x and y."""

from __future__ import annotations

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import small_njit


@small_njit
def square_to_bounds(bounds: F64, b: int, x: float, y: float) -> float:
    """Squared distance, m2, of (x, y) to the box of row ``b`` of bounds (B, 4), 0 within it."""
    dx = max(bounds[b, 0] - x, x - bounds[b, 2], 0.0)
    dy = max(bounds[b, 1] - y, y - bounds[b, 3], 0.0)
    return dx * dx + dy * dy
